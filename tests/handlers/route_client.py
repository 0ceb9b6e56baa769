"""A route's function between its queue and its table, invoked with events as a rule of a bus sends them."""

import copy
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import boto3
from types_boto3_dynamodb import DynamoDBClient

from event_routing.api import Envelope, Handle
from event_routing.logic import Route
from event_routing.models import Settings
from event_routing.schemas import Schemas
from event_routing.store import EventsTable
from shared.aws import CLIENT_CONFIG
from shared.dynamodb import values_of
from shared.envelope.on_a_bus import event_of, parse
from shared.queue_consumer import Chance, QueueConsumer
from shared.schema import Schema
from tests.handlers.api_client import EVENTS, Context

#: Events of version 1, as they were written first. They are never changed: whoever publishes them may be older than the route.
EVENT: dict[str, Any] = json.loads((EVENTS / "eventbridge_orders_paid_v1.json").read_text())
REPLAYED: dict[str, Any] = json.loads((EVENTS / "eventbridge_replayed_v1.json").read_text())

#: A minute after the bus took them.
NOW = 1772366461.0

VARIABLES = {
    "TABLE_NAME": "items-table",
    "QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/route",
    "DEAD_LETTER_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/dead-route",
}

_SQS: dict[str, Any] = json.loads((EVENTS / "sqs_raw.json").read_text())


def event(number: int = 0, *, base: dict[str, Any] = EVENT, **data: Any) -> dict[str, Any]:
    """The event, or another one of this number, with these members added to its data."""
    changed = copy.deepcopy(base)
    if number:
        changed["detail"]["metadata"]["id"] = f"{number}:PAID"
    changed["detail"]["data"] |= data
    return changed


def text_of(body: object) -> str:
    return body if isinstance(body, str) else json.dumps(body)


def envelope_of(document: dict[str, Any]) -> Envelope:
    return event_of(parse(json.dumps(document)))


@dataclass
class Routed:
    """The route's queue and dead-letter queue, and its table."""

    dynamodb: DynamoDBClient
    handle: Handle | None = None
    schemas: dict[str, dict[str, Any]] = field(default_factory=dict)
    context: Context = field(default_factory=lambda: Context(milliseconds_left=30_000))
    now: float = NOW
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sqs: Any = boto3.client("sqs", config=CLIENT_CONFIG)
        self.queue, self.dead_letter_queue = (self.new_queue() for _ in range(2))
        self._sent: list[dict[str, Any]] = []
        self._hidden: list[dict[str, Any]] = []
        for name, kept in (("SendMessage", self._sent), ("ChangeMessageVisibility", self._hidden)):
            self.sqs.meta.events.register(f"provide-client-params.sqs.{name}", _keeper(kept))

    def new_queue(self) -> str:
        url: str = self.sqs.create_queue(QueueName=uuid.uuid4().hex)["QueueUrl"]
        return url

    def consumer(self) -> QueueConsumer:
        """A new one, as in an execution environment of its own."""
        urls = {"QUEUE_URL": self.queue, "DEAD_LETTER_QUEUE_URL": self.dead_letter_queue}
        settings = Settings.from_environment(VARIABLES | urls | self.variables)
        schemas = Schemas({kind: Schema(document) for kind, document in self.schemas.items()})
        route = Route(settings, EventsTable("items-table", self.dynamodb), schemas, self.handle, lambda: self.now)
        return QueueConsumer(settings.queue, route.work, client=self.sqs, chance=Chance(lambda: 1, lambda: self.now))

    def deliver(self, *bodies: object, receive_count: int = 1, fifo: bool = False) -> list[str]:
        """Invoke the function with these; the bodies of those that are to come again as they are."""
        records = [self.record(text_of(body), receive_count, fifo=fifo) for body in bodies]
        answer = json.loads(json.dumps(self.consumer()({"Records": records}, self.context)))  # type: ignore[arg-type]
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        return [record["body"] for record in records if record["messageId"] in failed]

    def record(self, body: str, receive_count: int = 1, *, fifo: bool = False) -> dict[str, Any]:
        """A record of an invocation with this body."""
        record: dict[str, Any] = copy.deepcopy(_SQS["Records"][0])
        attributes = {"ApproximateReceiveCount": str(receive_count), "SentTimestamp": str(int(self.now * 1000))}
        more = {"MessageGroupId": "group"} if fifo else {}
        arn = record["eventSourceARN"] + ".fifo" * fifo
        return record | {
            "messageId": str(uuid.uuid4()),
            "body": body,
            "messageAttributes": {},
            "attributes": record["attributes"] | attributes | more,
            "eventSourceARN": arn,
        }

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of the table, in the order of their ids."""
        rows = [values_of(item) for item in self.dynamodb.scan(TableName="items-table")["Items"]]
        return sorted(rows, key=lambda row: str(row["id"]))

    @property
    def row(self) -> dict[str, Any]:
        (row,) = self.rows
        return row

    @property
    def dead_letters(self) -> list[tuple[str, str]]:
        """The body and the reason of each message that went to the dead-letter queue."""
        dead = [each for each in self._sent if each["QueueUrl"] == self.dead_letter_queue]
        return [(each["MessageBody"], each["MessageAttributes"]["Reason"]["StringValue"]) for each in dead]

    @property
    def reason(self) -> str:
        ((_, reason),) = self.dead_letters
        return reason

    @property
    def postponed(self) -> list[tuple[str, int]]:
        """The body of each copy that was sent to the queue itself, and after how many seconds it comes."""
        own = [each for each in self._sent if each["QueueUrl"] == self.queue]
        return [(each["MessageBody"], each["DelaySeconds"]) for each in own]

    @property
    def waits(self) -> list[int]:
        """After how many seconds each message that failed comes again."""
        return [each["VisibilityTimeout"] for each in self._hidden]


def _keeper(kept: list[dict[str, Any]]) -> Callable[..., None]:
    return lambda params, **_: kept.append(params)
