"""When AWS fails, the code has a fault, or somebody reads the logs of the worker."""

import importlib
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from shared.observability import LogSettings, logger
from shared.settings import SettingsError
from shared.transport import Limits, Transport, UnansweredError
from sqs_pipeline import handler
from sqs_pipeline.models import WorkerSettings
from tests.handlers.payment_server import APPROVED, BROKEN, DECLINED, PaymentServer, dripping_header, reply
from tests.handlers.worker_client import API_KEY, VARIABLES, Pipeline, order_of, refused

LogLines = Callable[[], list[dict[str, Any]]]


PASSING = [
    refused("ThrottlingException"),
    refused("ProvisionedThroughputExceededException"),
    refused("InternalServerError", 500),
    ReadTimeoutError(endpoint_url="https://dynamodb.eu-central-1.amazonaws.com/"),
]


@pytest.mark.parametrize("error", PASSING, ids=str)
@pytest.mark.parametrize(
    ("operation", "number"),
    [("update_item", 1), ("put_item", 1), ("update_item", 2), ("update_item", 3), ("update_item", 4)],
)
def test_whichever_call_to_a_table_fails_the_order_is_charged_once_in_the_end(
    pipeline: Pipeline, payment: PaymentServer, error: Exception, operation: str, number: int
) -> None:
    pipeline.table.failures[operation] = [*[None] * (number - 1), error]
    record = pipeline.record(order_of())
    assert pipeline.deliver(record) == [record["messageId"]]
    _forget_dead_workers(pipeline)
    assert pipeline.work(order_of(), receive_count=2) == []
    assert pipeline.row()["state"] == "PAID"
    assert set(payment.keys) == {"orders:o-1:charge"}
    assert {event["id"] for event in pipeline.announced} == {"orders:o-1:PAID"}


def _forget_dead_workers(pipeline: Pipeline) -> None:
    """Let the time of workers that ended be over."""
    for item in pipeline.dynamodb.scan(TableName="keys-table")["Items"]:
        pipeline.dynamodb.update_item(
            TableName="keys-table",
            Key={"id": item["id"]},
            UpdateExpression="SET in_progress_expiration = :past",
            ExpressionAttributeValues={":past": {"N": "1"}},
        )


def test_a_throttled_table_names_itself_in_the_reason_and_nothing_else(pipeline: Pipeline) -> None:
    pipeline.table.failures["update_item"] = [refused("ThrottlingException")]
    assert pipeline.work(order_of(), receive_count=5) == []
    ((_, attributes),) = pipeline.dead_letters
    assert attributes["Reason"] == "A call to AWS did not work: ThrottlingException."


@pytest.mark.parametrize(("operation", "number"), [("put_item", 1), ("update_item", 2), ("delete_item", 1)])
def test_a_throttled_table_of_finished_charges_is_no_fault_in_the_code(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str], operation: str, number: int
) -> None:
    pipeline.payment.otherwise = BROKEN if operation == "delete_item" else APPROVED
    pipeline.table.failures[operation] = [*[None] * (number - 1), refused("ThrottlingException")]
    assert len(pipeline.work(order_of())) == 1
    assert pipeline.row()["history"][-1]["reason"] == "The table of finished charges could not be used."
    assert "UnexpectedErrors" not in capsys.readouterr().out


def test_an_order_whose_failure_cannot_be_written_down_is_reported_and_kept(pipeline: Pipeline) -> None:
    pipeline.payment.otherwise = BROKEN
    pipeline.table.failures["update_item"] = [None, *[refused("ThrottlingException")] * 2]
    record = pipeline.record(order_of(), receive_count=5)
    assert pipeline.deliver(record) == [record["messageId"]]
    assert [attributes["Reason"] for _, attributes in pipeline.dead_letters] == [
        "The payment API answered 500. It is not known whether money was taken."
    ]
    assert pipeline.work(order_of(), receive_count=6) == []
    assert pipeline.row()["state"] == "FAILED"


def test_an_order_whose_failure_was_not_announced_is_announced_the_next_time(pipeline: Pipeline) -> None:
    pipeline.payment.otherwise = BROKEN
    pipeline.sns.failures["publish"] = [refused("ThrottlingException")]
    assert len(pipeline.work(order_of(), receive_count=5)) == 1
    pipeline.give_up(order_of())
    assert [event["id"].partition(":2")[0] for event in pipeline.announced] == ["orders:o-1:FAILED"]


def test_a_failure_that_was_announced_is_not_announced_again(pipeline: Pipeline) -> None:
    pipeline.payment.otherwise = BROKEN
    pipeline.work(order_of(), receive_count=5)
    pipeline.give_up(order_of())
    assert [event["id"].partition(":2")[0] for event in pipeline.announced] == ["orders:o-1:FAILED"]


def test_a_charge_that_ends_otherwise_than_its_order_is_an_error_in_the_log(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, log_lines: LogLines
) -> None:
    worker, update, calls = pipeline.worker, pipeline.dynamodb.update_item, []

    def declined_meanwhile(**parameters: Any) -> Any:
        calls.append(parameters)
        if len(calls) == 3:
            update(
                TableName="items-table",
                Key={"id": {"S": "o-1"}},
                UpdateExpression="SET #state = :declined",
                ExpressionAttributeNames={"#state": "state"},
                ExpressionAttributeValues={":declined": {"S": "DECLINED"}},
            )
        return update(**parameters)

    monkeypatch.setattr(pipeline.dynamodb, "update_item", declined_meanwhile)
    pipeline.deliver(pipeline.record(order_of()), worker=worker)
    (line,) = [line for line in log_lines() if line["level"] == "ERROR"]
    assert (line["order_id"], line["state"], line["outcome"]) == ("o-1", "DECLINED", "PAID")
    assert pipeline.row()["state"] == "DECLINED"


def test_a_topic_that_is_gone_keeps_the_order_paid_and_its_message_with_a_reason(pipeline: Pipeline) -> None:
    pipeline.sns.failures["publish"] = [refused("NotFound")] * 9
    assert pipeline.work(order_of(), receive_count=5) == []
    ((_, attributes),) = pipeline.dead_letters
    assert (attributes["Reason"], pipeline.row()["state"]) == ("unexpected error: NotFound", "PAID")


def test_a_fault_in_the_code_is_tried_again_and_then_kept_with_its_class(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, log_lines: LogLines, capsys: pytest.CaptureFixture[str]
) -> None:
    def fault(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("sqs_pipeline.payment.PaymentApi.charge", fault)
    assert len(pipeline.work(order_of())) == 1
    assert pipeline.work(order_of(), receive_count=5) == []
    ((_, attributes),) = pipeline.dead_letters
    assert attributes["Reason"] == "unexpected error: ZeroDivisionError. It is not known whether money was taken."
    assert pipeline.row()["state"] == "FAILED"
    assert "ZeroDivisionError" in next(line for line in log_lines() if line["level"] == "ERROR")["exception"]
    assert sum("UnexpectedErrors" in line for line in capsys.readouterr().out.splitlines()) == 2


def test_a_secret_that_may_not_be_read_says_so_in_the_log(pipeline: Pipeline, log_lines: LogLines) -> None:
    pipeline.secrets.failures["get_secret_value"] = [refused("AccessDeniedException")]
    assert len(pipeline.work(order_of())) == 1
    assert "AccessDeniedException" in str([line["exception"] for line in log_lines() if line["level"] == "ERROR"])


def test_no_reason_that_others_see_has_an_arn_or_the_text_of_an_exception(pipeline: Pipeline) -> None:
    pipeline.secrets.failures["get_secret_value"] = [refused("AccessDeniedException")] * 9
    pipeline.work(order_of(), receive_count=5)
    seen = str([pipeline.row(), pipeline.announced, pipeline.dead_letters])
    assert "unexpected error: AccessDeniedException" in seen
    for secret in ("arn:", "not authorized", "123456789012"):
        assert secret not in seen


def test_no_log_line_has_a_key_a_token_or_what_was_ordered(
    pipeline: Pipeline, payment: PaymentServer, log_lines: LogLines, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    payment.will([BROKEN, DECLINED, reply(401), reply(401), reply(429, Retry_After="60")])
    for number in range(4):
        pipeline.work(order_of(f"o-{number}"))
    pipeline.work(order_of("o-9", amount="secret amount"))
    pipeline.work(order_of("o-9", **{"Alice Example": 1}))
    pipeline.put_secret({"url": "http://pay.example.com", "api_key": API_KEY})
    pipeline.deliver(pipeline.record(order_of("o-8")), worker=pipeline.new_worker())
    logged = str(log_lines()) + caplog.text
    assert "o-3" in logged
    for secret in (API_KEY, "Bearer", "Alice", "19.99", "secret amount", "pay.example.com"):
        assert secret not in logged


def test_each_message_is_one_line_with_its_order(pipeline: Pipeline, log_lines: LogLines) -> None:
    pipeline.deliver(pipeline.record(order_of("o-1")), pipeline.record("poison"), pipeline.record(order_of("o-2")))
    lines = [(line.get("order_id"), line["result"]) for line in log_lines()]
    assert lines == [("o-1", "done"), (None, "dead-lettered"), ("o-2", "done")]


def test_a_connection_that_is_cut_leaves_no_thread_behind(payment: PaymentServer) -> None:
    before = {thread.ident for thread in threading.enumerate()}
    payment.will([dripping_header()])
    with pytest.raises(UnansweredError):
        Transport(Limits(connect=0.1, read=5, attempt=0.05)).post(payment.url, {}, b"{}", 5)
    ended = time.monotonic() + 2
    while time.monotonic() < ended and _new_attempts(before):
        time.sleep(0.01)
    assert _new_attempts(before) == []


def _new_attempts(before: set[int | None]) -> list[threading.Thread]:
    new = [thread for thread in threading.enumerate() if thread.ident not in before]
    return [thread for thread in new if thread.name == "payment attempt"]


def test_the_entry_point_works_a_batch(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, log_lines: LogLines) -> None:
    pipeline.variables["LOG_LEVEL"] = "DEBUG"
    monkeypatch.setattr(handler, "_settings", lambda: pipeline.settings)
    monkeypatch.setattr(handler, "_consumer", lambda: pipeline.worker)
    context: Any = pipeline.context
    answer = handler.handler({"Records": [pipeline.record(order_of())]}, context)
    assert answer == {"batchItemFailures": []}
    assert log_lines()[0]["function_request_id"] == "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
    assert logger.log_level == 10
    LogSettings(level="INFO", debug_sample_rate=0).apply()


def test_the_entry_point_puts_itself_together_from_its_environment(
    pipeline: Pipeline, payment: PaymentServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps({"type": "object"}))
    own = {
        "QUEUE_URL": pipeline.queue,
        "DEAD_LETTER_QUEUE_URL": pipeline.dead_letter_queue,
        "TOPIC_ARN": pipeline.topic,
        "PAYMENT_SECRET_ARN": pipeline.secret,
        "SCHEMA_FILE": str(schema),
    }
    for name, value in (VARIABLES | own).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "worker")
    importlib.reload(handler)
    context: Any = pipeline.context
    assert handler.handler({"Records": [pipeline.record(order_of())]}, context) == {"batchItemFailures": []}
    assert (pipeline.row()["state"], len(payment.requests), len(pipeline.announced)) == ("PAID", 1, 1)


@pytest.mark.parametrize("name", sorted(VARIABLES))
def test_a_missing_variable_names_itself(name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} must be set"):
        WorkerSettings.from_environment({key: value for key, value in VARIABLES.items() if key != name})


def test_settings_have_careful_defaults() -> None:
    settings = WorkerSettings.from_environment(VARIABLES)
    assert settings.idempotency_ttl_seconds == 18 * 86_400
    assert (settings.circuit_failure_threshold, settings.circuit_recovery_seconds) == (5, 30)
    assert (settings.max_attempts, settings.queue.max_receive_count, settings.queue.retry_delay_seconds) == (5, 5, 30)
