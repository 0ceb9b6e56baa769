"""The default of a route: each event is kept once and counted."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError
from types_boto3_dynamodb import DynamoDBClient

from event_routing.logic import LEAST_SECONDS
from event_routing.store import EventsTable
from shared.aws import LONGEST_CALL_SECONDS
from shared.envelope import Envelope
from tests.handlers.api_client import Calls
from tests.handlers.route_client import NOW, Routed, envelope_of, event

DAY = 86_400


@pytest.fixture
def routed(dynamodb: DynamoDBClient) -> Routed:
    return Routed(dynamodb)


def counts_of(output: str) -> list[tuple[str, str]]:
    """The dimension of each event that was counted, and what alarms see of it."""
    lines = [json.loads(line) for line in output.splitlines() if '"Events"' in line]
    return [(line["EventType"], line["FunctionName"]) for line in lines]


def failing(code: str, status: int = 400) -> Any:
    def fail(*_: object, **__: object) -> None:
        raise ClientError(
            {"Error": {"Code": code, "Message": "arn:aws:secret"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
            "UpdateItem",
        )

    return fail


def test_an_event_is_kept_with_all_its_parts(routed: Routed) -> None:
    assert routed.deliver(event()) == []
    assert routed.row == {
        "id": "orders#42:PAID",
        "event_id": "42:PAID",
        "type": "orders.paid",
        "version": 1,
        "time": "2026-03-01T12:00:00.123Z",
        "source": "orders",
        "correlation_id": "42",
        "causation_id": "059f36b4-87a3-44ab-83d2-661975830a7d",
        "state": "COMPLETE",
        "recorded_at": "2026-03-01T12:01:01Z",
        "expires_at": int(NOW) + 35 * DAY,
        "data": {
            "order_id": "42",
            "state": "PAID",
            "amount": Decimal("19.99"),
            "currency": "EUR",
            "payment_id": "pay_7f3c",
        },
    }


def test_its_row_goes_after_the_time_that_the_settings_say(routed: Routed) -> None:
    routed.variables = {"EVENT_SECONDS": "7200"}
    routed.deliver(event())
    assert routed.row["expires_at"] == int(NOW) + 7200


def test_an_event_is_kept_once_however_often_it_comes(routed: Routed) -> None:
    assert routed.deliver(event(), event()) == []
    routed.now += 60
    assert routed.deliver(event(amount=5)) == []
    assert (routed.row["recorded_at"], routed.row["data"]["amount"]) == ("2026-03-01T12:01:01Z", Decimal("19.99"))
    assert routed.dead_letters == []


def test_events_of_other_ids_have_rows_of_their_own(routed: Routed) -> None:
    routed.deliver(event(1), event(2), event(3))
    assert [row["id"] for row in routed.rows] == ["orders#1:PAID", "orders#2:PAID", "orders#3:PAID"]


def test_events_of_two_sources_that_use_the_same_id_have_each_their_effect(routed: Routed) -> None:
    """Nobody uses up the ids of somebody else, such as the next one of a sequence."""
    assert routed.deliver(event(1) | {"source": "billing"}, event(1), event(1)) == []
    assert [(row["source"], row["event_id"]) for row in routed.rows] == [("billing", "1:PAID"), ("orders", "1:PAID")]


@pytest.mark.parametrize("fails", [False, True])
def test_what_is_written_down_of_an_event_is_not_of_another_sources_with_its_id(dynamodb: DynamoDBClient, fails: bool) -> None:
    other = event(1) | {"source": "billing"}

    def handle(taken: Envelope) -> None:
        if taken.source == "orders" and fails:
            raise RuntimeError

    routed = Routed(dynamodb, handle)
    routed.deliver(other, event(1), other | {"replay-name": "again"})
    states = {row["source"]: (row["state"], row.get("replayed")) for row in routed.rows}
    assert states == {"billing": ("COMPLETE", "again"), "orders": ("IN_PROGRESS" if fails else "COMPLETE", None)}


def test_an_event_is_counted_once_by_its_type(routed: Routed, capsys: pytest.CaptureFixture[str]) -> None:
    routed.deliver(event(1), event(1), event(2) | {"detail-type": "orders.placed"})
    assert counts_of(capsys.readouterr().out) == [("orders.paid", "local"), ("orders.placed", "local")]


def test_a_count_is_a_metric_of_function_and_type(routed: Routed, capsys: pytest.CaptureFixture[str]) -> None:
    routed.deliver(event())
    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"Events"' in line]
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [["FunctionName", "EventType"]]
    assert (directive["Namespace"], line["Events"]) == ("ServerlessPatterns", [1.0])


@pytest.mark.parametrize(("kind", "dimension"), [("órders paid", "_rders_paid"), (":x", "_x"), (" ", "_"), ("a\nb", "a_b")])
def test_a_type_that_is_no_dimension_is_counted_all_the_same(
    routed: Routed, capsys: pytest.CaptureFixture[str], kind: str, dimension: str
) -> None:
    assert routed.deliver(event() | {"detail-type": kind}) == []
    assert counts_of(capsys.readouterr().out) == [(dimension, "local")]


def test_an_event_that_was_not_kept_is_not_counted(
    routed: Routed, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routed.dynamodb, "update_item", failing("ThrottlingException"))
    routed.deliver(event())
    assert counts_of(capsys.readouterr().out) == []


def test_keeping_an_event_is_one_call(routed: Routed, calls: Calls) -> None:
    routed.deliver(event())
    assert calls.names == ["UpdateItem"]


def test_what_an_event_says_is_never_part_of_an_expression(routed: Routed, calls: Calls) -> None:
    hostile = {"#state = :state": 1, "a.b": "attribute_exists(id)", ":now": 2}
    routed.deliver(event(**hostile) | {"detail-type": "SET x = :y"})
    ((_, parameters),) = calls.made
    texts = [parameters["UpdateExpression"], parameters["ConditionExpression"], *parameters["ExpressionAttributeNames"]]
    assert not [text for text in texts if "SET x" in text or "a.b" in text]
    assert routed.row["data"].items() >= hostile.items()


@pytest.mark.parametrize(
    ("code", "status"),
    [("ThrottlingException", 400), ("ProvisionedThroughputExceededException", 400), ("InternalServerError", 500)],
)
def test_an_event_comes_again_while_the_table_is_down(
    routed: Routed, monkeypatch: pytest.MonkeyPatch, code: str, status: int
) -> None:
    body = json.dumps(event())
    with monkeypatch.context() as patch:
        patch.setattr(routed.dynamodb, "update_item", failing(code, status))
        assert routed.deliver(body) == [body]
    assert (routed.waits, routed.dead_letters) == ([30], [])
    assert routed.deliver(body) == []
    assert len(routed.rows) == 1


def test_an_event_is_given_up_after_its_last_try_without_an_arn(routed: Routed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routed.dynamodb, "update_item", failing("AccessDeniedException"))
    assert routed.deliver(event(), receive_count=5) == []
    assert routed.reason == "unexpected error: AccessDeniedException"


def test_an_event_that_no_row_can_hold_goes_to_the_dead_letter_queue_at_once(
    routed: Routed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routed.dynamodb, "update_item", failing("ValidationException"))
    assert routed.deliver(event()) == []
    assert "a row has at most 400 KB" in routed.reason
    assert "HANDLER" in routed.reason


def test_without_time_for_its_calls_an_event_is_put_off_and_not_begun(routed: Routed, calls: Calls) -> None:
    routed.context.milliseconds_left = LEAST_SECONDS * 1000 - 1
    body = json.dumps(event())
    assert routed.deliver(body) == []
    assert routed.postponed == [(body, 0)]
    assert calls.names == []
    routed.context.milliseconds_left += 1
    routed.deliver(body)
    assert len(routed.rows) == 1


def test_two_calls_are_reckoned_with() -> None:
    assert LEAST_SECONDS == 2 * LONGEST_CALL_SECONDS == 14


@pytest.mark.parametrize(("times", "result"), [(1, "done"), (2, "duplicate")])
def test_the_log_says_what_became_of_an_event(
    routed: Routed, log_lines: Callable[[], list[dict[str, Any]]], times: int, result: str
) -> None:
    routed.deliver(*[event()] * times)
    line = [line for line in log_lines() if line["message"] == "event"][-1]
    assert (line["result"], line["replayed"], line["event_id"], line["event_type"]) == (result, False, "42:PAID", "orders.paid")


def test_a_row_that_somebody_else_wrote_counts_as_done(routed: Routed) -> None:
    EventsTable("items-table", routed.dynamodb).mark_replayed(envelope_of(event()), "by-hand")
    assert routed.deliver(event()) == []
    assert (routed.row, routed.dead_letters) == ({"id": "orders#42:PAID", "replayed": "by-hand"}, [])
