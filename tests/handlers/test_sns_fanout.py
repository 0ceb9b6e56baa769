"""The subscribers of a topic: what becomes of events that fail, from a queue and straight from the topic."""

import json
import runpy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, ReadTimeoutError
from types_boto3_dynamodb import DynamoDBClient

from shared.errors import InvalidError, UnavailableError
from shared.settings import SettingsError
from sns_fanout import handler
from sns_fanout.logic import Aggregate, Audit, Notification
from sns_fanout.models import Settings
from tests.handlers.api_client import EVENTS, Context
from tests.handlers.fanout_client import EVENT, Fanout, direct_event, event, event_about

LogLines = Callable[[], list[dict[str, Any]]]

ACTIONS = ["audit", "aggregate", "notification"]
ARN = "arn:aws:sts::123456789012:assumed-role/subscriber"
VARIABLES = {"ACTION": "audit", "TABLE_NAME": "items-table"}
QUEUE = {"QUEUE_URL": "https://sqs/queue", "DEAD_LETTER_QUEUE_URL": "https://sqs/dead"}

#: What no publisher should send, and what is said about it.
NO_EVENTS = {
    "scalar": ("42", "The event is no envelope: it is no JSON object."),
    "text": ('"42"', "The event is no envelope: it is no JSON object."),
    "null": ("null", "The event is no envelope: it is no JSON object."),
    "list": (json.dumps([EVENT]), "The event is no envelope: it is no JSON object."),
    "blank": (" ", "The JSON is broken at line 1, column 2."),
    "no JSON": ("Hello from SNS!", "The JSON is broken at line 1, column 1."),
    "cut off": (json.dumps(EVENT)[:-1], "The JSON is broken at line 1"),
    "empty object": ("{}", "The event is no envelope: errors has the fields. /id is required; /type is required"),
    "NaN": (json.dumps(event_about(amount=float("nan"))), "The JSON has values that cannot be kept exactly. /data/amount"),
    "256 KB": ("x" * 256 * 1024, "The JSON is broken at line 1, column 1."),
    "deep": ("[" * 100_000, "The JSON is nested deeper than 32 levels."),
}


@pytest.fixture
def audit(dynamodb: DynamoDBClient) -> Fanout:
    return Fanout("audit", dynamodb)


@pytest.fixture(params=ACTIONS)
def fanout(request: pytest.FixtureRequest, dynamodb: DynamoDBClient) -> Fanout:
    """Each subscriber in turn."""
    return Fanout(request.param, dynamodb)


def refused(code: str, status: int = 400) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": f"User: {ARN}"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "PutItem")


def fail(fanout: Fanout, monkeypatch: pytest.MonkeyPatch, error: Exception, event_id: str = "") -> None:
    """Let the calls fail, or only those about one event."""

    def failing(call: Callable[..., object]) -> Callable[..., object]:
        def called(**parameters: Any) -> object:
            if event_id in str(parameters):
                raise error
            return call(**parameters)

        return called

    for client, operation in (
        (fanout.dynamodb, "put_item"),
        (fanout.dynamodb, "transact_write_items"),
        (fanout.sns, "publish"),
    ):
        monkeypatch.setattr(client, operation, failing(getattr(client, operation)))


# --- as AWS documents it


@pytest.mark.parametrize(("name", "answer"), [("sqs_raw", {"batchItemFailures": []}), ("sns_direct", None)])
def test_an_invocation_as_aws_documents_it_is_taken(audit: Fanout, name: str, answer: object) -> None:
    invocation = json.loads((EVENTS / f"{name}.json").read_text())
    assert audit.subscriber()(invocation, audit.context) == answer  # type: ignore[arg-type]
    assert [row["id"] for row in audit.rows] == ["42:PAID"]


# --- from a queue


def test_one_bad_event_of_ten_goes_to_the_dead_letter_queue_and_the_others_are_taken(audit: Fanout) -> None:
    events = [event(id=str(number)) for number in range(9)]
    assert audit.send(*events[:4], "bad", *events[4:]) == []
    assert [row["id"] for row in audit.rows] == [str(number) for number in range(9)]
    assert [body for body, _ in audit.dead_letters] == ["bad"]


def test_of_ten_events_only_the_one_that_failed_comes_again(audit: Fanout, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(audit, monkeypatch, refused("ThrottlingException"), "failing-one")
    events = [event(id=str(number)) for number in range(9)]
    (again,) = audit.send(*events[:4], event(id="failing-one"), *events[4:])
    assert json.loads(again)["id"] == "failing-one"
    assert len(audit.rows) == 9
    assert audit.dead_letters == []


@pytest.mark.parametrize(("body", "reason"), NO_EVENTS.values(), ids=NO_EVENTS)
def test_what_is_no_event_goes_to_the_dead_letter_queue_as_it_is_with_its_reason(
    fanout: Fanout, body: str, reason: str
) -> None:
    assert fanout.send(body) == []
    ((kept, attributes),) = fanout.dead_letters
    assert kept == body
    assert attributes["Reason"].startswith(reason)
    assert attributes["Error"] == "InvalidError"
    assert (fanout.rows, fanout.notices) == ([], [])


@pytest.mark.parametrize(
    "error",
    [
        refused("ProvisionedThroughputExceededException"),
        refused("ThrottlingException"),
        refused("InternalServerError", 500),
        refused("AccessDeniedException"),
        refused("ResourceNotFoundException"),
        ReadTimeoutError(endpoint_url="https://dynamodb.eu-central-1.amazonaws.com/"),
        ZeroDivisionError("a fault of the code"),
    ],
    ids=str,
)
def test_an_event_whose_call_failed_comes_again_and_is_not_lost(
    fanout: Fanout, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    with monkeypatch.context() as patch:
        fail(fanout, patch, error)
        (again,) = fanout.send(EVENT)
    assert fanout.dead_letters == []
    assert fanout.send(again) == []
    assert len(fanout.rows) + len(fanout.notices) > 0


def test_an_event_that_failed_at_its_last_try_is_kept_with_its_reason(fanout: Fanout, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(fanout, monkeypatch, refused("ThrottlingException"))
    fanout.sqs.send_message(QueueUrl=fanout.queue, MessageBody=json.dumps(EVENT))
    (record,) = fanout.received()
    record["attributes"]["ApproximateReceiveCount"] = "5"
    assert fanout.deliver([record]) == []
    ((body, attributes),) = fanout.dead_letters
    assert json.loads(body) == EVENT
    assert attributes["Reason"] == "A call to AWS did not work: ThrottlingException."


def test_an_event_for_which_there_is_no_time_left_is_not_begun_and_comes_again(fanout: Fanout) -> None:
    fanout.context.milliseconds_left = 6_900
    assert len(fanout.send(EVENT)) == 1
    assert (fanout.rows, fanout.notices) == ([], [])


def test_an_event_for_which_there_is_time_is_taken(fanout: Fanout) -> None:
    fanout.context.milliseconds_left = 7_100
    assert fanout.send(EVENT) == []


# --- raw message delivery


def published(audit: Fanout, *, raw: bool) -> list[str]:
    """Publish the event to a topic that the queue subscribes to; the bodies of the messages that come again."""
    topic = audit.new_topic()
    audit.subscribe(topic, audit.queue, raw=raw)
    audit.sns.publish(TopicArn=topic, Message=json.dumps(EVENT))
    return audit.deliver(audit.received())


def test_an_event_of_a_topic_with_raw_message_delivery_is_taken(audit: Fanout) -> None:
    assert published(audit, raw=True) == []
    assert [row["id"] for row in audit.rows] == ["42:PAID"]


def test_an_event_of_a_topic_without_raw_message_delivery_is_kept_with_what_to_turn_on(fanout: Fanout) -> None:
    assert published(fanout, raw=False) == []
    ((body, attributes),) = fanout.dead_letters
    assert json.loads(json.loads(body)["Message"]) == EVENT
    assert attributes["Reason"] == (
        "This is an event inside SNS's own JSON: the subscription delivers without raw message delivery. "
        "Turn raw message delivery on for it (RawMessageDelivery: true), then send the message again."
    )
    assert (fanout.rows, fanout.notices) == ([], [])


def test_an_event_that_has_the_names_of_sns_is_still_an_event(audit: Fanout) -> None:
    assert audit.send(event(Type="Notification", MessageId="1", TopicArn="a", Message="m")) == []
    assert len(audit.rows) == 1


# --- straight from the topic


def test_an_event_straight_from_the_topic_is_taken(fanout: Fanout) -> None:
    assert fanout.direct(EVENT) is None
    assert len(fanout.rows) + len(fanout.notices) > 0


def test_an_event_straight_from_the_topic_that_comes_again_is_taken_once(audit: Fanout) -> None:
    audit.direct(EVENT)
    audit.direct(EVENT)
    assert len(audit.rows) == 1


@pytest.mark.parametrize(
    "error", [refused("ThrottlingException"), refused("AccessDeniedException"), ZeroDivisionError()], ids=str
)
def test_a_failure_straight_from_the_topic_raises_so_that_lambda_tries_again(
    fanout: Fanout, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    fail(fanout, monkeypatch, error)
    with pytest.raises(type(error)):
        fanout.direct(EVENT)


def test_too_little_time_straight_from_the_topic_raises_so_that_lambda_tries_again(fanout: Fanout) -> None:
    fanout.context.milliseconds_left = 6_900
    with pytest.raises(UnavailableError, match="There was not enough time left"):
        fanout.direct(EVENT)


@pytest.mark.parametrize(("body", "reason"), [*NO_EVENTS.values(), ("", "The JSON is broken")], ids=[*NO_EVENTS, "empty"])
def test_what_is_no_event_straight_from_the_topic_raises_with_all_of_its_reason(fanout: Fanout, body: str, reason: str) -> None:
    with pytest.raises(InvalidError) as caught:
        fanout.direct(body)
    assert str(caught.value).startswith(reason)


def test_a_subscriber_with_a_queue_takes_events_straight_from_the_topic_too(audit: Fanout) -> None:
    audit.subscriber()(direct_event(json.dumps(EVENT)), audit.context)  # type: ignore[arg-type]
    assert len(audit.rows) == 1


# --- from elsewhere


@pytest.mark.parametrize(
    "invocation",
    [{}, None, [], "x", 1, {"Records": []}, {"Records": None}, {"Records": [{}]}, {"Records": [{"eventSource": "aws:s3"}]}],
)
def test_what_comes_from_neither_a_queue_nor_a_topic_is_refused(audit: Fanout, invocation: Any) -> None:
    with pytest.raises(
        InvalidError, match=r"^The event has no records of SQS or SNS: let a queue or a topic invoke this function"
    ):
        audit.subscriber()(invocation, audit.context)  # type: ignore[arg-type]


def test_a_queue_without_its_settings_is_named(audit: Fanout) -> None:
    audit.sqs.send_message(QueueUrl=audit.queue, MessageBody=json.dumps(EVENT))
    subscriber = audit.subscriber(QUEUE_URL="", DEAD_LETTER_QUEUE_URL="")
    with pytest.raises(SettingsError, match=r"^QUEUE_URL must be set for a function that reads a queue$"):
        subscriber({"Records": audit.received()}, audit.context)  # type: ignore[arg-type]


# --- settings


def test_settings_are_read_from_their_variables() -> None:
    read = Settings.from_environment(
        VARIABLES | QUEUE | {"MAX_RECEIVE_COUNT": "3", "RETRY_DELAY_SECONDS": "1", "LOG_LEVEL": "DEBUG"}
    )
    assert (read.action, read.table_name, read.notification_topic_arn) == ("audit", "items-table", "")
    assert read.queue is not None
    assert (read.queue.url, read.queue.dead_letter_url) == ("https://sqs/queue", "https://sqs/dead")
    assert (read.queue.max_receive_count, read.queue.retry_delay_seconds) == (3, 1)
    assert read.logs.level == "DEBUG"


def test_a_subscriber_without_a_queue_needs_no_settings_of_one() -> None:
    assert Settings.from_environment(VARIABLES).queue is None


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "ACTION must be one of audit, aggregate, notification, got ''"),
        ({"ACTION": "Audit"}, "ACTION must be one of audit, aggregate, notification, got 'Audit'"),
        ({"ACTION": "audit"}, "TABLE_NAME must be set"),
        ({"ACTION": "aggregate", "NOTIFICATION_TOPIC_ARN": "arn"}, "TABLE_NAME must be set"),
        ({"ACTION": "notification", "TABLE_NAME": "table"}, "NOTIFICATION_TOPIC_ARN must be set"),
        (VARIABLES | {"QUEUE_URL": "https://sqs/queue"}, "DEAD_LETTER_QUEUE_URL must be set"),
        (VARIABLES | {"DEAD_LETTER_QUEUE_URL": "https://sqs/dead"}, "QUEUE_URL must be set"),
        (VARIABLES | QUEUE | {"MAX_RECEIVE_COUNT": "0"}, "MAX_RECEIVE_COUNT must be a whole number from 1 to 1000, got '0'"),
        (VARIABLES | {"LOG_LEVEL": "LOUD"}, "LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR, got 'LOUD'"),
    ],
)
def test_a_variable_that_is_missing_or_malformed_names_itself(variables: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(variables)
    assert str(caught.value) == message


# --- the entry point


@pytest.fixture
def entry_point(fanout: Fanout, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fanout]:
    """The function's own environment."""
    for name, value in fanout.variables.items():
        monkeypatch.setenv(name, value)
    handler._subscriber.cache_clear()  # noqa: SLF001  what a new execution environment begins without
    yield fanout
    handler._subscriber.cache_clear()  # noqa: SLF001


def test_the_entry_point_does_what_its_variables_say(entry_point: Fanout) -> None:
    entry_point.sqs.send_message(QueueUrl=entry_point.queue, MessageBody=json.dumps(EVENT))
    answer = handler.handler({"Records": entry_point.received()}, Context())  # type: ignore[arg-type]
    assert answer == {"batchItemFailures": []}
    assert (len(entry_point.rows), len(entry_point.notices)) == {"audit": (1, 0), "aggregate": (2, 0), "notification": (0, 1)}[
        entry_point.action
    ]


@pytest.mark.parametrize(("action", "kind"), [*zip(ACTIONS, [Audit, Aggregate, Notification], strict=True)])
def test_each_action_has_a_class_of_its_own(dynamodb: DynamoDBClient, action: str, kind: type) -> None:
    settings = Settings.from_environment(VARIABLES | {"ACTION": action, "NOTIFICATION_TOPIC_ARN": "arn"})
    assert isinstance(handler.action_of(settings), kind)


def test_in_lambda_a_missing_variable_fails_the_start_and_not_the_first_event(monkeypatch: pytest.MonkeyPatch) -> None:
    runpy.run_path(str(handler.__file__))
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "subscriber")
    with pytest.raises(SettingsError, match=r"^ACTION must be one of"):
        runpy.run_path(str(handler.__file__))


# --- logs


def test_an_event_is_one_line_with_its_id_and_type_and_whether_it_was_new(audit: Fanout, log_lines: LogLines) -> None:
    audit.send(EVENT)
    audit.send(EVENT)
    lines = [line for line in log_lines() if line["message"] == "event"]
    assert [(line["event_id"], line["event_type"], line["action"], line["result"]) for line in lines] == [
        ("42:PAID", "orders.paid", "audit", "done"),
        ("42:PAID", "orders.paid", "audit", "duplicate"),
    ]


def test_the_level_is_the_one_that_was_set(audit: Fanout, log_lines: LogLines) -> None:
    audit.subscriber(LOG_LEVEL="ERROR")(direct_event(json.dumps(EVENT)), audit.context)  # type: ignore[arg-type]
    assert log_lines() == []
    audit.subscriber(LOG_LEVEL="INFO")(direct_event(json.dumps(EVENT)), audit.context)  # type: ignore[arg-type]
    assert len(log_lines()) == 1


@pytest.mark.parametrize(
    "error", [None, refused("ThrottlingException"), refused("AccessDeniedException"), KeyError("x")], ids=str
)
@pytest.mark.parametrize("level", ["DEBUG", "INFO"])
def test_no_log_line_has_anything_of_an_events_data(
    entry_point: Fanout, monkeypatch: pytest.MonkeyPatch, log_lines: LogLines, error: Exception | None, level: str
) -> None:
    monkeypatch.setenv("LOG_LEVEL", level)
    if error:
        fail_everywhere(monkeypatch, error)
    private = {"Alice Example": "Alice Example", "amount": "Alice Example", "currency": "Alice Example"}
    bodies = [
        event(data=private),
        event_about(amount=471108154711, name="Alice Example"),
        '{"Alice Example": 1',
        '"Alice Example"',
    ]
    bodies += [{"Alice Example": "Alice Example"}, event(data={"Message": "Alice Example"}) | {"version": 2}]
    for body in bodies:
        text = body if isinstance(body, str) else json.dumps(body)
        entry_point.sqs.send_message(QueueUrl=entry_point.queue, MessageBody=text)
    handler.handler({"Records": entry_point.received()}, Context())  # type: ignore[arg-type]
    logged = str(log_lines())
    assert log_lines()
    for secret in ("Alice", "471108154711", "pay_7f3c"):
        assert secret not in logged


def fail_everywhere(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Let each call to DynamoDB and SNS fail, whichever client makes it."""

    def called(client: Any, operation: str, parameters: Any) -> object:
        if operation in {"PutItem", "TransactWriteItems", "Publish"}:
            raise error
        return make_call(client, operation, parameters)

    make_call = BaseClient._make_api_call  # type: ignore[attr-defined]  # noqa: SLF001  the one place that all calls pass
    monkeypatch.setattr(BaseClient, "_make_api_call", called)
