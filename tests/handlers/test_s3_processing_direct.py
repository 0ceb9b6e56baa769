"""S3 invokes the function itself; Lambda's destinations carry what came of it to the notifier."""

import json
from typing import Any

import pytest

from s3_processing.logic import WorkFailedError
from s3_processing.models import NotifierSettings
from s3_processing.notices import Notifier
from s3_processing.store import StatusTable
from shared.envelope import Envelope
from shared.queue_consumer import QueueConsumer
from shared.settings import SettingsError
from shared.topic import Topic
from tests.handlers.s3_client import DENIED, TABLE, TEST_EVENT, THROTTLED, Intake, bridged, notified, rows_of


@pytest.fixture
def direct(intake: Intake) -> Intake:
    """The function without a queue and without a topic."""
    intake.variables |= {"QUEUE_URL": "", "DEAD_LETTER_QUEUE_URL": "", "TOPIC_ARN": ""}
    return intake


def test_an_object_is_worked_and_what_came_of_it_is_the_answer(direct: Intake) -> None:
    created = direct.put("a b+c.csv", rows_of(2))
    (event,) = direct.invoke(notified(created))
    assert (event["id"], event["type"]) == (f"{created.rows_id}:PROCESSED", "objects.processed")
    assert event["causation_id"] == direct.context.aws_request_id
    assert sorted(direct.rows("a b+c.csv")) == [2, 3]
    assert direct.announced == []


def test_an_event_of_eventbridge_is_worked_as_well(direct: Intake) -> None:
    (event,) = direct.invoke(bridged(direct.put("a.csv", rows_of(2))))
    assert event["type"] == "objects.processed"


@pytest.mark.parametrize("event", [TEST_EVENT, {}, {"Records": []}, {"version": "0"}])
def test_an_event_without_records_is_nothing_to_do(direct: Intake, event: dict[str, Any]) -> None:
    assert direct.invoke(event) == []
    assert (direct.table.names, direct.s3.names) == ([], [])


def test_an_event_that_comes_twice_has_the_same_answer_and_is_worked_once(direct: Intake) -> None:
    event = notified(direct.put("a.csv", rows_of(2)))
    assert direct.invoke(event) == direct.invoke(event)
    assert direct.s3.names.count("get_object") == 1


def test_an_older_version_after_a_newer_one_has_nothing_to_announce(direct: Intake) -> None:
    older, newer = direct.put("a.csv", rows_of(3)), direct.put("a.csv", rows_of(1))
    assert len(direct.invoke(notified(newer))) == 1
    assert direct.invoke(notified(older)) == []


def test_a_bad_file_is_an_answer_and_no_failure(direct: Intake) -> None:
    (event,) = direct.invoke(notified(direct.put("a.zip", b"PK\x03\x04")))
    assert (event["type"], event["data"]["reason"]) == ("objects.rejected", "unsupported")


@pytest.mark.parametrize(
    ("error", "text"),
    [(THROTTLED, "A call to AWS did not work: ThrottlingException."), (DENIED, "unexpected error: AccessDeniedException")],
)
def test_a_failure_is_raised_without_arns_for_lambda_to_try_again(direct: Intake, error: Exception, text: str) -> None:
    event = notified(direct.put("a.csv", rows_of(1)))
    direct.table.failures["update_item"] = [error]
    with pytest.raises(WorkFailedError) as failure:
        direct.invoke(event)
    assert (str(failure.value), failure.value.__cause__, failure.value.__suppress_context__) == (text, None, True)
    assert len(direct.invoke(event)) == 1


def test_an_object_of_another_bucket_is_refused(direct: Intake) -> None:
    event = notified(direct.put("a.csv", rows_of(1)))
    event["Records"][0]["s3"]["bucket"]["name"] = "somebody-elses"
    with pytest.raises(WorkFailedError, match="in another bucket"):
        direct.invoke(event)


def test_too_little_time_is_a_failure_and_the_next_try_goes_on(direct: Intake) -> None:
    created = direct.put("a.csv", rows_of(300))
    direct.table.failures["batch_write_item"] = [None] * 4 + [THROTTLED]
    with pytest.raises(WorkFailedError):
        direct.invoke(notified(created))
    direct.forget_calls()
    direct.invoke(notified(created))
    assert direct.written == list(range(102, 302))


def test_a_queue_that_invokes_a_function_without_settings_of_a_queue_is_named(direct: Intake) -> None:
    with pytest.raises(SettingsError, match="QUEUE_URL must be set"):
        direct.deliver(direct.record(direct.put("a.csv", rows_of(1))))


# --- the notifier


def destination(request: object, answer: object, condition: str = "Success") -> dict[str, Any]:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html."""
    return {
        "version": "1.0",
        "timestamp": "2019-11-14T18:16:05.568Z",
        "requestContext": {
            "requestId": "e4b46cbf-b738-xmpl-8880-a18cdf61200e",
            "functionArn": "arn:aws:lambda:us-east-2:123456789012:function:my-function:$LATEST",
            "condition": condition,
            "approximateInvokeCount": 3,
        },
        "requestPayload": request,
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
        "responsePayload": answer,
    }


def notify(intake: Intake, body: object, action: str = "complete", **more: str) -> list[str]:
    """Let a record come to the notifier; the ids of those that come again."""
    variables = {
        "ACTION": action,
        "TOPIC_ARN": intake.topic,
        "BUCKET_NAME": intake.bucket,
        "TABLE_NAME": TABLE,
        "QUEUE_URL": intake.queue,
        "DEAD_LETTER_QUEUE_URL": intake.dead_letter_queue,
    }
    settings = NotifierSettings.from_environment(variables | more)
    failures = StatusTable(settings.table_name, intake.dynamodb) if settings.table_name else None
    notifier = Notifier(intake.publisher(settings.announcer), settings.bucket_name, failures)
    consume = QueueConsumer(settings.queue, notifier.work, client=intake.sqs)
    answer = consume({"Records": [intake.record(body)]}, intake.context)  # type: ignore[arg-type]
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def test_what_was_done_is_announced(direct: Intake) -> None:
    request = notified(direct.put("a.csv", rows_of(2)))
    answer = direct.function(request, direct.context)  # type: ignore[arg-type]
    assert notify(direct, destination(request, answer)) == []
    assert direct.announced == [json.loads(text) for text in answer["events"]]


def test_an_answer_with_nothing_to_announce_is_done(direct: Intake) -> None:
    assert notify(direct, destination(TEST_EVENT, {"events": []})) == []
    assert (direct.announced, direct.dead_letters) == ([], [])


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"errorType": "WorkFailedError", "errorMessage": "A call did not work."}, "A call did not work."),
        ({"errorType": "KeyError", "errorMessage": "secret-4711"}, "The function ended: KeyError."),
        ({"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out"}, "The function ended: Sandbox.Timedout."),
        (None, "The function ended without a reason."),
    ],
)
def test_what_failed_is_written_down_and_announced_with_its_reason(direct: Intake, answer: object, reason: str) -> None:
    created = direct.put("a.csv", rows_of(2))
    assert notify(direct, destination(notified(created), answer, "RetriesExhausted"), "alert") == []
    (event,) = direct.announced
    assert (event["id"], event["type"], event["data"]["reason"]) == (f"{created.rows_id}:FAILED", "objects.failed", reason)
    assert direct.verdict("a.csv") == ("FAILED", reason)
    assert direct.status("a.csv")["announced_at"]


def test_an_object_that_was_done_all_the_same_has_not_failed(direct: Intake) -> None:
    request = notified(direct.put("a.csv", rows_of(2)))
    direct.invoke(request)
    notify(direct, destination(request, None, "RetriesExhausted"), "alert")
    assert (direct.announced, direct.verdict("a.csv")) == ([], ("PROCESSED", None))


@pytest.mark.parametrize("action", ["complete", "alert"])
@pytest.mark.parametrize("body", ["", "[]", "{}", "poison", {"responsePayload": {"events": ["{}"]}}, {"requestPayload": {}}])
def test_a_record_that_is_none_is_kept_with_a_reason(direct: Intake, action: str, body: object) -> None:
    assert notify(direct, body or " ", action) == []
    ((_, reason),) = direct.dead_letters
    assert reason
    assert direct.announced == []


def test_a_topic_that_fails_lets_the_record_come_again(direct: Intake) -> None:
    request = notified(direct.put("a.csv", rows_of(2)))
    answer = direct.function(request, direct.context)  # type: ignore[arg-type]
    direct.sns.failures["publish"] = [THROTTLED]
    assert len(notify(direct, destination(request, answer))) == 1
    assert notify(direct, destination(request, answer)) == []
    assert len(direct.announced) == 1


def test_a_failure_that_was_written_down_and_not_announced_is_announced_the_next_time(direct: Intake) -> None:
    record = destination(notified(direct.put("a.csv", rows_of(2))), None, "RetriesExhausted")
    direct.sns.failures["publish"] = [THROTTLED]
    assert len(notify(direct, record, "alert")) == 1
    notify(direct, record, "alert")
    assert [event["type"] for event in direct.announced] == ["objects.failed"]


def test_the_group_of_a_fifo_topic_is_one_that_it_takes_whatever_the_key_is(direct: Intake) -> None:
    sent: list[dict[str, Any]] = []

    class Sns:
        def publish(self, **parameters: Any) -> None:
            sent.append(parameters)

    (event,) = direct.invoke(notified(direct.put("ü" * 400, rows_of(2))))
    Topic("arn:aws:sns:eu-central-1:1:t.fifo", Sns()).publish(Envelope.parse(json.dumps(event)))
    assert sent[0]["MessageGroupId"].isalnum()
    assert len(sent[0]["MessageGroupId"]) <= 128
