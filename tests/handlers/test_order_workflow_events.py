"""Starting the execution of an order that comes in an event: what a rule of a bus puts into the queue."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest

from order_workflow.executions import Executions
from order_workflow.logic import MOST_INPUT_BYTES, ORDER_IN, Starter
from order_workflow.models import StarterSettings
from shared.aws import CLIENT_CONFIG
from shared.envelope import Envelope
from shared.envelope.on_a_bus import entry_of
from shared.queue_consumer import Chance, QueueConsumer
from tests.handlers.api_client import Context
from tests.handlers.route_client import EVENT, REPLAYED, text_of
from tests.handlers.worker_client import refused

MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:orders"
ORDER = {"id": "o-1", "amount": 19.99, "currency": "EUR", "items": [{"sku": "cup", "quantity": 2}]}


def event_with(data: object, base: Mapping[str, Any] = EVENT, **metadata: object) -> dict[str, Any]:
    """An event as EventBridge delivers it, with this data."""
    detail = base["detail"]
    return {**base, "detail": {"metadata": {**detail["metadata"], **metadata}, "data": data}}


@dataclass
class Queued:
    """The queue of the starter, its dead-letter queue, and a state machine that starts one execution of each name."""

    started: dict[str, str] = field(default_factory=dict)
    errors: list[Exception] = field(default_factory=list)
    messages: str = "events"

    def __post_init__(self) -> None:
        self.sqs: Any = boto3.client("sqs", config=CLIENT_CONFIG)
        self.queue, self.dead = (self.sqs.create_queue(QueueName=uuid.uuid4().hex)["QueueUrl"] for _ in range(2))

    def start_execution(self, **parameters: Any) -> object:
        if self.errors:
            raise self.errors.pop()
        if parameters["name"] in self.started:
            exists = refused("ExecutionAlreadyExists")
            raise exists
        self.started[parameters["name"]] = parameters["input"]
        return {}

    def describe_execution(self, *, executionArn: str) -> object:  # noqa: N803  as the API has it
        return {"input": self.started[executionArn.rpartition(":")[2]]}

    def deliver(self, *bodies: object) -> list[str]:
        """Invoke the function with these; the bodies of those that come again."""
        for body in bodies:
            self.sqs.send_message(QueueUrl=self.queue, MessageBody=text_of(body))
        wanted = {"MaxNumberOfMessages": 10, "AttributeNames": ["All"]}
        messages = self.sqs.receive_message(QueueUrl=self.queue, **wanted)["Messages"]
        answer = self._consumer()({"Records": [_record(message) for message in messages]}, Context(30_000))  # type: ignore[arg-type]
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        return [message["Body"] for message in messages if message["MessageId"] in failed]

    def _consumer(self) -> QueueConsumer:
        urls = {"QUEUE_URL": self.queue, "DEAD_LETTER_QUEUE_URL": self.dead, "STATE_MACHINE_ARN": MACHINE}
        settings = StarterSettings.from_environment({**urls, "MESSAGES": self.messages})
        starter = Starter(Executions(settings.state_machine_arn, self).start_the_same, ORDER_IN[settings.messages])
        return QueueConsumer(settings.queue, starter.work, client=self.sqs, chance=Chance(lambda: 1))

    @property
    def dead_letters(self) -> dict[str, str]:
        """Body -> reason of what is in the dead-letter queue."""
        wanted = {"MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"]}
        found = self.sqs.receive_message(QueueUrl=self.dead, **wanted).get("Messages", [])
        return {each["Body"]: each["MessageAttributes"]["Reason"]["StringValue"] for each in found}


def _record(message: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:orders",
    }


@pytest.fixture
def queued(dynamodb: object) -> Queued:
    """The same; the stand-in of AWS that has the tables has the queues as well."""
    assert dynamodb
    return Queued()


def test_the_data_of_an_event_is_the_order_and_names_its_execution(queued: Queued) -> None:
    assert queued.deliver(event_with(ORDER)) == []
    assert queued.started == {"o-1": '{"amount":19.99,"currency":"EUR","id":"o-1","items":[{"quantity":2,"sku":"cup"}]}'}
    assert queued.dead_letters == {}


def test_an_event_of_each_pattern_of_this_library_is_read(queued: Queued) -> None:
    order: Any = ORDER
    event = Envelope(
        id="e-1",
        type="orders.placed",
        source="shop",
        time="2026-03-01T12:00:00.123Z",
        correlation_id="c-1",
        causation_id="c-1",
        data=order,
    )
    entry = entry_of(event)
    delivered = {"source": entry["Source"], "detail-type": entry["DetailType"], "detail": json.loads(entry["Detail"])}
    assert queued.deliver(delivered) == []
    assert [*queued.started] == ["o-1"]


def test_what_another_pattern_says_of_an_order_starts_its_execution_with_that(queued: Queued) -> None:
    assert queued.deliver(event_with({"order_id": "o-1", "state": "PAID"})) == []
    assert queued.started == {"o-1": '{"id":"o-1","order_id":"o-1","state":"PAID"}'}


@pytest.mark.parametrize("again", [EVENT, REPLAYED], ids=["delivered twice", "replayed"])
def test_an_event_that_comes_again_starts_nothing_and_is_done(queued: Queued, again: dict[str, Any]) -> None:
    queued.deliver(event_with(ORDER))
    assert queued.deliver(event_with(ORDER, again)) == []
    assert ([*queued.started], queued.dead_letters) == (["o-1"], {})


def test_another_order_under_the_same_id_is_kept_with_its_reason_and_the_first_one_stays(queued: Queued) -> None:
    queued.deliver(event_with(ORDER))
    started = dict(queued.started)
    other = event_with({**ORDER, "amount": 1})
    assert queued.deliver(other) == []
    assert queued.started == started
    assert queued.dead_letters == {text_of(other): "Another order has had this id before: send it under another one."}


def test_of_a_batch_each_order_is_started_and_what_is_none_is_kept_with_its_reason(queued: Queued) -> None:
    assert queued.deliver(event_with(ORDER), "no event", event_with({**ORDER, "id": "o-2"})) == []
    assert [*queued.started] == ["o-1", "o-2"]
    assert [*queued.dead_letters] == ["no event"]


NONE_TO_START: dict[str, tuple[object, str]] = {
    "no JSON": ("{", "The JSON is broken at line 1"),
    "an order without an envelope": (ORDER, "This is no event of EventBridge"),
    "an event without an envelope": ({**EVENT, "detail": ORDER}, "The event is no event of EventBridge with an envelope"),
    "a version of tomorrow": (event_with(ORDER, version=2), "The event's envelope has version 2; only version 1 is read here."),
    "data that is no object": (event_with([ORDER]), "The event is no event of EventBridge with an envelope"),
    "an order without an id": (event_with({"amount": 1}), "The order has no id that can name its execution."),
    "an id that is no name": (event_with({**ORDER, "id": "a/b"}), "The order has no id that can name its execution."),
    "a number as id": (event_with({**ORDER, "id": 7}), "The order has no id that can name its execution."),
    "too much": (event_with({**ORDER, "note": "x" * MOST_INPUT_BYTES}), "The order is larger than the 102400 bytes"),
    "NaN": (event_with({**ORDER, "amount": float("nan")}), "The JSON has values that cannot be kept exactly."),
    "a number that an execution rounds": (
        event_with({**ORDER, "customer": 9007199254740993}),
        "The order has numbers that its execution would round. /customer has more than 15 significant digits",
    ),
}


@pytest.mark.parametrize("what", NONE_TO_START)
def test_what_is_no_order_in_an_event_is_kept_at_once_with_its_reason(queued: Queued, what: str) -> None:
    body, reason = NONE_TO_START[what]
    assert queued.deliver(body) == []
    ((kept, told),) = queued.dead_letters.items()
    assert (kept, queued.started) == (text_of(body), {})
    assert told.startswith(reason)


@pytest.mark.parametrize("code", ["ThrottlingException", "ExecutionLimitExceeded", "AccessDeniedException"])
def test_an_order_that_cannot_be_started_now_comes_again_and_is_lost_by_nobody(queued: Queued, code: str) -> None:
    queued.errors = [refused(code)]
    assert queued.deliver(event_with(ORDER)) == [text_of(event_with(ORDER))]
    assert (queued.started, queued.dead_letters) == ({}, {})


def test_an_order_in_the_queue_that_is_too_large_for_its_execution_is_kept_at_once(queued: Queued) -> None:
    queued.messages = "orders"
    large = {**ORDER, "note": "x" * MOST_INPUT_BYTES}
    assert queued.deliver(large) == []
    assert queued.dead_letters[text_of(large)].startswith("The order is larger than the 102400 bytes")
