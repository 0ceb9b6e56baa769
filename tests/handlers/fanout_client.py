"""A topic's subscriber between a queue and its table or topic, invoked with events as AWS documents them."""

import copy
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
from types_boto3_dynamodb import DynamoDBClient

from shared.aws import CLIENT_CONFIG
from shared.dynamodb import values_of
from sns_fanout.logic import Action, Aggregate, Audit, Notification
from sns_fanout.models import Settings
from sns_fanout.store import AuditTable, NoticeTopic, TotalsTable
from sns_fanout.subscriber import Subscriber
from tests.handlers.api_client import EVENTS, Context

#: An event of version 1, as it was written first. It is never changed: whoever publishes it may be older than the subscriber.
EVENT: dict[str, Any] = json.loads((EVENTS / "orders_paid_v1.json").read_text())

_SQS: dict[str, Any] = json.loads((EVENTS / "sqs_raw.json").read_text())
_SNS: dict[str, Any] = json.loads((EVENTS / "sns_direct.json").read_text())


def event(**changes: Any) -> dict[str, Any]:
    """The event with these members changed."""
    return copy.deepcopy(EVENT) | changes


def event_about(**changes: Any) -> dict[str, Any]:
    """The event with these members of its data changed."""
    return event(data=EVENT["data"] | changes)


def direct_event(body: str) -> dict[str, Any]:
    """What SNS hands to a function that it invokes itself."""
    invocation = copy.deepcopy(_SNS)
    invocation["Records"][0]["Sns"]["Message"] = body
    return invocation


def text_of(body: object) -> str:
    return body if isinstance(body, str) else json.dumps(body)


@dataclass
class Fanout:
    """The subscriber's queue and dead-letter queue, its table, and the topic that people subscribe to, here with a queue."""

    action: str
    dynamodb: DynamoDBClient
    context: Context = field(default_factory=Context)

    def __post_init__(self) -> None:
        self.sqs: Any = boto3.client("sqs", config=CLIENT_CONFIG)
        self.sns: Any = boto3.client("sns", config=CLIENT_CONFIG)
        self.queue, self.dead_letter_queue, self.inbox = (self.new_queue() for _ in range(3))
        self.topic = self.new_topic()
        self.subscribe(self.topic, self.inbox, raw=False)

    def new_queue(self) -> str:
        url: str = self.sqs.create_queue(QueueName=uuid.uuid4().hex)["QueueUrl"]
        return url

    def new_topic(self) -> str:
        arn: str = self.sns.create_topic(Name=uuid.uuid4().hex)["TopicArn"]
        return arn

    def subscribe(self, topic: str, queue: str, *, raw: bool) -> None:
        arn = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        attributes = {"RawMessageDelivery": str(raw).lower()}
        self.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=attributes)

    @property
    def variables(self) -> dict[str, str]:
        return {
            "ACTION": self.action,
            "TABLE_NAME": "items-table",
            "NOTIFICATION_TOPIC_ARN": self.topic,
            "QUEUE_URL": self.queue,
            "DEAD_LETTER_QUEUE_URL": self.dead_letter_queue,
        }

    def subscriber(self, **variables: str) -> Subscriber:
        """A new one, as in an execution environment of its own."""
        return Subscriber(Settings.from_environment(self.variables | variables), self._action(), self.sqs)

    def _action(self) -> Action:
        return {
            "audit": lambda: Audit(AuditTable("items-table", self.dynamodb)),
            "aggregate": lambda: Aggregate(TotalsTable("items-table", self.dynamodb)),
            "notification": lambda: Notification(NoticeTopic(self.topic, self.sns)),
        }[self.action]()

    def direct(self, body: object) -> dict[str, Any] | None:
        """Let the topic invoke the function."""
        return self.subscriber(QUEUE_URL="", DEAD_LETTER_QUEUE_URL="")(direct_event(text_of(body)), self.context)  # type: ignore[arg-type]

    def send(self, *bodies: object) -> list[str]:
        """Put these into the queue and let it invoke the function; the bodies of those that are to come again."""
        for body in bodies:
            self.sqs.send_message(QueueUrl=self.queue, MessageBody=text_of(body))
        return self.deliver(self.received())

    def received(self) -> list[dict[str, Any]]:
        """The queue's messages as records of an invocation."""
        answer = self.sqs.receive_message(
            QueueUrl=self.queue, MaxNumberOfMessages=10, AttributeNames=["All"], MessageAttributeNames=["All"]
        )
        return [_record(message) for message in answer.get("Messages", [])]

    def deliver(self, records: list[dict[str, Any]]) -> list[str]:
        """Invoke the function with these records; the bodies of those that are to come again."""
        answer = json.loads(json.dumps(self.subscriber()({"Records": records}, self.context)))  # type: ignore[arg-type]
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        return [record["body"] for record in records if record["messageId"] in failed]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of the table, in the order of their ids."""
        rows = [values_of(item) for item in self.dynamodb.scan(TableName="items-table")["Items"]]
        return sorted(rows, key=lambda row: str(row["id"]))

    @property
    def totals(self) -> dict[str, dict[str, Any]]:
        """What was counted."""
        return {row.pop("id"): row for row in self.rows if not row["id"].startswith("event#")}

    @property
    def dead_letters(self) -> list[tuple[str, dict[str, str]]]:
        """The body and the attributes of each message in the dead-letter queue."""
        return [
            (message["Body"], {name: value["StringValue"] for name, value in message.get("MessageAttributes", {}).items()})
            for message in _drained(self.sqs, self.dead_letter_queue)
        ]

    @property
    def notices(self) -> list[Mapping[str, str]]:
        """What people were told."""
        return [json.loads(message["Body"]) for message in _drained(self.sqs, self.inbox)]


def _drained(sqs: Any, queue: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"]).get(
        "Messages"
    ):
        found += messages
    return found


def _record(message: Mapping[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = copy.deepcopy(_SQS["Records"][0])
    attributes = {
        name: {
            "dataType": value["DataType"],
            "stringValue": value["StringValue"],
            "stringListValues": [],
            "binaryListValues": [],
        }
        for name, value in message.get("MessageAttributes", {}).items()
    }
    return record | {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": attributes,
        "md5OfBody": message["MD5OfBody"],
    }
