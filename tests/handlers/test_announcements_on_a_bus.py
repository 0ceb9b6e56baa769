"""A bus instead of a topic: each handler announces the same on it, and a bus that fails is dealt with as a topic that fails."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from shared.announcer import AnnouncerSettings, announcer
from shared.aws import LONGEST_CALL_SECONDS
from shared.bus import Announces, Chance, NotTakenError, Publisher
from shared.envelope import Envelope
from shared.settings import SettingsError
from shared.topic import Topic
from tests.handlers.bus_client import BUS, ON_A_BUS
from tests.handlers.fanout_client import EVENT
from tests.handlers.payment_server import BROKEN
from tests.handlers.report_client import TICK, Reports
from tests.handlers.s3_client import Intake, notified, rows_of
from tests.handlers.test_s3_processing_direct import destination, notify
from tests.handlers.test_s3_processing_settings import LAMBDA_SOURCE
from tests.handlers.test_s3_processing_settings import VARIABLES as OF_FILES
from tests.handlers.worker_client import VARIABLES as OF_ORDERS
from tests.handlers.worker_client import Pipeline, order_of, refused

TOPIC = "arn:aws:sns:eu-central-1:123456789012:orders"
TIMEOUT = ReadTimeoutError(endpoint_url="https://events.eu-central-1.amazonaws.com/")
#: What a bus and a topic answer for a while, and for good.
OUTAGE, DENIED = ("ThrottlingException", "ThrottlingException"), ("AccessDeniedException", "AuthorizationError")
#: The least integer that EventBridge does not take.
UNFIT = 2**63


@dataclass
class Clock:
    """A clock that goes on when somebody sleeps, or is told to."""

    seconds: float = 1000

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of all publishers, which none of them has to wait for."""
    clock = Clock()
    chance = Chance(share=lambda: 1, monotonic=lambda: clock.seconds, sleep=clock.sleep)
    monkeypatch.setattr("shared.announcer.Publisher", partial(Publisher, chance=chance))
    return clock


@pytest.fixture
def orders(pipeline: Pipeline) -> Pipeline:
    pipeline.variables |= ON_A_BUS
    return pipeline


@pytest.fixture
def files(intake: Intake) -> Intake:
    intake.variables |= ON_A_BUS
    return intake


@pytest.fixture
def bus_reports(reports: Reports) -> Reports:
    reports.announce()
    reports.variables |= ON_A_BUS
    return reports


# --- which of them


def test_a_topic_or_a_bus_is_announced_on_whichever_is_named() -> None:
    for variables, kind in (({"TOPIC_ARN": TOPIC}, Topic), ({"BUS_NAME": BUS}, Publisher)):
        found = announcer(AnnouncerSettings.from_environment(variables))
        assert isinstance(found, kind)
        assert isinstance(found, Announces)


def test_there_is_either_a_topic_or_a_bus() -> None:
    with pytest.raises(SettingsError, match=r"^TOPIC_ARN must be set, or BUS_NAME"):
        AnnouncerSettings.from_environment({"TOPIC_ARN": ""})
    with pytest.raises(SettingsError, match=r"^TOPIC_ARN must not be set together with BUS_NAME"):
        AnnouncerSettings.if_any({"TOPIC_ARN": TOPIC, "BUS_NAME": BUS})
    assert AnnouncerSettings.if_any({}) is None


def test_all_tries_of_a_bus_take_no_longer_than_a_call_to_a_topic_may(clock: Clock) -> None:
    calls = []

    class Hangs:
        def put_events(self, **parameters: Any) -> None:
            calls.append(parameters)
            clock.sleep(3)
            raise TIMEOUT

    begun = clock.seconds
    with pytest.raises(NotTakenError):
        announcer(AnnouncerSettings(bus_name=BUS), Hangs()).publish(Envelope.parse(json.dumps(EVENT)))
    assert len(calls) == 2
    assert clock.seconds - begun <= LONGEST_CALL_SECONDS


def start(entry: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Import an entry as Lambda does while it starts."""
    script = f"import sys; sys.path.insert(0, {str(LAMBDA_SOURCE)!r}); import {entry}"
    of_lambda = {"AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_DEFAULT_REGION": "eu-central-1", "PATH": os.environ["PATH"]}
    environment = of_lambda | variables
    return subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("entry", "variables"),
    [
        ("s3_processing.handler", OF_FILES),
        ("s3_processing.notifier", OF_FILES),
        (
            "scheduled_report.handler",
            {
                "REPORT_NAME": "stock",
                "REPORT_BUCKET_NAME": "b",
                "RUNS_TABLE_NAME": "r",
                "SOURCE": "dynamodb",
                "SOURCE_TABLE_NAME": "t",
                "COLUMNS": "id",
                "TOPIC_ARN": TOPIC,
            },
        ),
    ],
)
def test_in_lambda_a_function_starts_with_a_bus_and_not_with_both(entry: str, variables: dict[str, str]) -> None:
    result = start(entry, **(variables | ON_A_BUS))
    assert (result.returncode, result.stderr) == (0, "")
    assert "TOPIC_ARN must not be set together with BUS_NAME" in start(entry, **variables, BUS_NAME=BUS).stderr


def test_in_lambda_the_worker_starts_with_a_bus_and_not_with_both(tmp_path: Any) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text("{}")
    variables = OF_ORDERS | {"SCHEMA_FILE": str(schema)}
    assert start("sqs_pipeline.handler", **(variables | ON_A_BUS)).returncode == 0
    assert "TOPIC_ARN must not" in start("sqs_pipeline.handler", **variables, BUS_NAME=BUS).stderr


# --- orders


def test_an_order_that_is_paid_is_announced_on_the_bus_where_rules_can_match_it(orders: Pipeline) -> None:
    assert orders.work(order_of()) == []
    (entry,) = orders.bus.entries
    assert (entry["Source"], entry["DetailType"], entry["EventBusName"]) == ("sqs_pipeline/orders", "orders.paid", BUS)
    (event,) = orders.bus.announced
    assert (event["id"], event["correlation_id"], event["data"]["amount"]) == ("orders:o-1:PAID", "o-1", 19.99)
    assert (orders.sns.made, orders.announced) == ([], [])


@pytest.mark.parametrize("receive_count", [1, 5])
@pytest.mark.parametrize("failure", [OUTAGE, DENIED], ids=["outage", "denied"])
def test_a_bus_that_fails_is_dealt_with_as_a_topic_that_fails(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str], failure: tuple[str, str], receive_count: int
) -> None:
    of_bus, of_topic = failure

    def comes_of(order_id: str) -> tuple[int, int, str, int]:
        again = pipeline.work(order_of(order_id), receive_count=receive_count)
        told = sum("UnexpectedErrors" in line for line in capsys.readouterr().out.splitlines())
        return len(again), len(pipeline.dead_letters), pipeline.row(order_id)["state"], told

    pipeline.sns.failures["publish"] = [refused(of_topic)] * 9
    on_a_topic = comes_of("o-1")
    pipeline.variables |= ON_A_BUS
    pipeline.forget_the_circuit()
    pipeline.bus.forever = of_bus
    assert comes_of("o-2") == on_a_topic
    assert on_a_topic[2] == "PAID"


@pytest.mark.parametrize("failure", [OUTAGE[0], DENIED[0], TIMEOUT], ids=str)
def test_an_order_whose_bus_is_down_is_charged_once_and_announced_when_the_bus_is_back(
    orders: Pipeline, failure: str | Exception
) -> None:
    orders.bus.forever = failure
    record = orders.record(order_of())
    assert orders.deliver(record) == [record["messageId"]]
    assert "announced_at" not in orders.row()
    orders.bus.forever = None
    assert orders.work(order_of(), receive_count=2) == []
    assert [event["id"] for event in orders.bus.announced] == ["orders:o-1:PAID"]
    assert (len(orders.payment.requests), orders.dead_letters) == (1, [])


def test_an_order_whose_bus_is_gone_is_kept_once_with_the_reason_and_announced_when_it_is_sent_again(orders: Pipeline) -> None:
    orders.bus.forever = "ResourceNotFoundException"
    assert orders.work(order_of(), receive_count=5) == []
    ((body, attributes),) = orders.dead_letters
    assert attributes["Reason"] == "The bus did not take 1 of the events: ResourceNotFoundException."
    orders.bus.forever = None
    assert orders.deliver(orders.record(body)) == []
    assert [event["type"] for event in orders.bus.announced] == ["orders.paid"]
    assert len(orders.payment.requests) == 1


def test_an_order_that_no_bus_takes_is_paid_and_kept_once_with_the_field(orders: Pipeline) -> None:
    assert orders.work(order_of(amount=UNFIT)) == []
    ((_, attributes),) = orders.dead_letters
    assert attributes["Reason"].startswith("The event has integers that EventBridge does not take. /detail/data/amount")
    assert (attributes["Error"], orders.row()["state"], orders.bus.entries) == ("InvalidError", "PAID", [])


def test_an_order_that_fails_and_that_no_bus_takes_is_kept_once_with_the_reason_why_it_failed(orders: Pipeline) -> None:
    orders.payment.otherwise = BROKEN
    assert orders.work(order_of(amount=UNFIT), receive_count=5) == []
    ((_, attributes),) = orders.dead_letters
    assert attributes["Reason"] == "The payment API answered 500. It is not known whether money was taken."
    assert (orders.row()["state"], orders.bus.entries) == ("FAILED", [])


# --- files


def test_a_file_is_announced_on_the_bus_where_rules_can_match_it(files: Intake) -> None:
    assert files.work("a.csv", rows_of(2)) == []
    (entry,) = files.bus.entries
    assert (entry["Source"], entry["DetailType"]) == (f"s3_processing/{files.bucket}", "objects.processed")
    assert files.bus.announced[0]["data"]["rows"] == 2
    assert (files.sns.made, files.announced) == ([], [])


@pytest.mark.parametrize("failure", [OUTAGE[0], DENIED[0], TIMEOUT], ids=str)
def test_a_file_whose_bus_is_down_is_worked_once_and_announced_when_the_bus_is_back(
    files: Intake, failure: str | Exception
) -> None:
    created = files.put("a.csv", rows_of(2))
    files.bus.forever = failure
    assert len(files.again(created, 1)) == 1
    files.bus.forever = None
    files.forget_calls()
    assert files.again(created) == []
    assert [event["id"] for event in files.bus.announced] == [f"{created.rows_id}:PROCESSED"]
    assert (files.s3.names, files.written, files.dead_letters) == ([], [], [])


def test_a_file_whose_bus_is_gone_is_worked_and_kept_once_with_the_reason(files: Intake) -> None:
    files.bus.forever = "ResourceNotFoundException"
    assert files.work("a.csv", rows_of(2), receive_count=5) == []
    ((body, reason),) = files.dead_letters
    assert reason == "The bus did not take 1 of the events: ResourceNotFoundException."
    assert files.verdict("a.csv") == ("PROCESSED", None)
    files.bus.forever = None
    assert files.deliver(files.record(body)) == []
    assert [event["type"] for event in files.bus.announced] == ["objects.processed"]


def test_where_s3_invokes_the_function_both_ends_are_announced_on_the_bus(files: Intake) -> None:
    done = {"requestPayload": {}, "responsePayload": {"events": [json.dumps(EVENT)]}}
    assert notify(files, done, **ON_A_BUS) == []
    failed = destination(notified(files.put("a.csv", rows_of(2))), None, "RetriesExhausted")
    assert notify(files, failed, "alert", **ON_A_BUS) == []
    assert [event["type"] for event in files.bus.announced] == [EVENT["type"], "objects.failed"]
    assert files.bus.announced[0] == EVENT
    assert files.sns.made == []


@pytest.mark.parametrize("action", ["complete", "alert"])
def test_a_record_whose_bus_is_down_comes_again_and_is_announced_then(files: Intake, action: str) -> None:
    request = notified(files.put("a.csv", rows_of(2)))
    record = destination(request, {"events": [json.dumps(EVENT)]} if action == "complete" else None)
    files.bus.forever = DENIED[0]
    assert len(notify(files, record, action, **ON_A_BUS)) == 1
    files.bus.forever = None
    assert notify(files, record, action, **ON_A_BUS) == []
    assert len(files.bus.announced) == 1


def test_of_two_events_the_one_that_the_bus_did_not_take_comes_again_with_the_other(files: Intake) -> None:
    """The first one comes twice, and its readers tell by its id."""
    texts = [json.dumps(EVENT | {"id": each}) for each in ("one", "two")]
    record = {"requestPayload": {}, "responsePayload": {"events": texts}}
    files.bus.answers = [None, DENIED[0]]
    assert len(notify(files, record, **ON_A_BUS)) == 1
    assert notify(files, record, **ON_A_BUS) == []
    assert [event["id"] for event in files.bus.announced] == ["one", "one", "two"]


def test_a_record_that_is_left_too_little_time_by_others_comes_again_untouched(files: Intake) -> None:
    """Lambda would end the function in the middle of it, and of its whole batch in the end, without a reason."""
    files.context.milliseconds_left = 3 * LONGEST_CALL_SECONDS * 1000 - 1
    failed = destination(notified(files.put("a.csv", rows_of(2))), None, "RetriesExhausted")
    assert len(notify(files, failed, "alert", **ON_A_BUS)) == 1
    assert (files.status("a.csv"), files.bus.calls) == ({}, 0)
    files.context.milliseconds_left += 1
    assert notify(files, failed, "alert", **ON_A_BUS) == []


# --- reports


def test_a_report_is_announced_on_the_bus_for_programs_and_by_mail_for_people(bus_reports: Reports) -> None:
    bus_reports.put_items({"id": "a", "amount": 1})
    answer = bus_reports.run()
    (entry,) = bus_reports.bus.entries
    assert (entry["Source"], entry["DetailType"]) == ("scheduled_report/daily_orders", "reports.done")
    (event,) = bus_reports.bus.announced
    assert (event["correlation_id"], event["causation_id"]) == (
        "daily_orders#2026-03-01",
        bus_reports.context.aws_request_id,
    )
    data = event["data"]
    assert (data["report"], data["date"], data["time_zone"], data["rows"]) == ("daily_orders", "2026-03-01", "UTC", 1)
    assert (data["bucket"], [each["key"] for each in data["files"]]) == (bus_reports.bucket, answer["keys"])
    assert all(each["link"].startswith("https://") for each in data["files"])
    assert (data["bytes"], data["link_seconds"]) == (bus_reports.row()["bytes"], 3600)
    assert (bus_reports.published, len(bus_reports.mailed)) == ([], 1)


@pytest.mark.parametrize("failure", [OUTAGE[0], DENIED[0], TIMEOUT], ids=str)
def test_a_report_whose_bus_is_down_has_failed_with_the_reason_and_is_announced_by_the_next_try(
    bus_reports: Reports, failure: str | Exception
) -> None:
    bus_reports.bus.forever = failure
    with pytest.raises(NotTakenError):
        bus_reports.run()
    row = bus_reports.row()
    assert (row["state"], row["reason"].partition(":")[0]) == ("FAILED", "The bus did not take 1 of the events")
    assert bus_reports.mailed == []
    bus_reports.bus.forever = None
    assert bus_reports.run()["state"] == "DONE"
    assert (len(bus_reports.bus.announced), len(bus_reports.mailed)) == (1, 1)


def test_a_report_whose_mail_fails_is_announced_on_the_bus_once(bus_reports: Reports) -> None:
    bus_reports.ses.failures["send_email"] = [refused("ThrottlingException")]
    with pytest.raises(Exception, match="ThrottlingException"):
        bus_reports.run()
    bus_reports.run()
    assert (len(bus_reports.bus.announced), len(bus_reports.mailed)) == (1, 2)


def test_an_event_that_may_be_there_already_has_the_same_id_in_the_next_try(bus_reports: Reports) -> None:
    bus_reports.table.failures["update_item"] = [None, refused("ThrottlingException")]
    with pytest.raises(Exception, match="ThrottlingException"):
        bus_reports.run()
    bus_reports.run()
    first, second = bus_reports.bus.announced
    assert first["id"] == second["id"]


def test_a_report_that_is_made_again_is_another_event_of_the_same_report(bus_reports: Reports) -> None:
    bus_reports.run()
    bus_reports.context.aws_request_id = "another"
    bus_reports.run(TICK | {"again": True})
    first, second = bus_reports.bus.announced
    assert first["id"] != second["id"]
    assert first["correlation_id"] == second["correlation_id"]
