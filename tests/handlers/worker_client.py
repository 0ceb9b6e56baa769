"""The worker between its queue, its tables, its topic and the payment API, invoked as Lambda invokes it."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.exceptions import ClientError
from types_boto3_dynamodb import DynamoDBClient

from shared.announcer import announcer
from shared.aws import CLIENT_CONFIG
from shared.dynamodb import values_of
from shared.payment_secret import Secret
from shared.queue_consumer import Chance as QueueChance
from shared.queue_consumer import Message, QueueConsumer
from shared.schema import Schema
from shared.transport import Limits, Transport
from sqs_pipeline.charges import GuardedCharges
from sqs_pipeline.logic import Worker
from sqs_pipeline.models import WorkerSettings
from sqs_pipeline.payment import Chance, PaymentApi
from sqs_pipeline.store import OrdersTable
from tests.handlers.api_client import Context
from tests.handlers.bus_client import Bus
from tests.handlers.payment_server import PaymentServer

API_KEY = "sk_live_4eC39HqLyjWDarjtT1zdp7dc"

SCHEMA = {
    "type": "object",
    "properties": {
        "customer_id": {"type": "string", "minLength": 1, "maxLength": 128},
        "amount": {"type": "number", "exclusiveMinimum": 0, "multipleOf": 0.01},
        "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
        "items": {"type": "array"},
    },
    "required": ["customer_id", "amount", "currency"],
    "additionalProperties": False,
}

VARIABLES = {
    "TABLE_NAME": "items-table",
    "IDEMPOTENCY_TABLE_NAME": "keys-table",
    "CIRCUIT_TABLE_NAME": "circuit-table",
    "QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/orders",
    "DEAD_LETTER_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/dead-orders",
    "TOPIC_ARN": "arn:aws:sns:eu-central-1:123456789012:orders",
    "PAYMENT_SECRET_ARN": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:payment-AbCdEf",
    "RESOURCE": "orders",
    "SCHEMA_FILE": "sqs_pipeline/schema.json",
}


#: When a message was sent, unless a test says otherwise, in seconds since 1970; and now is a minute later.
SENT = 1_795_255_294.1


def order_of(order_id: str = "o-1", **fields: Any) -> dict[str, Any]:
    return {"id": order_id, "customer_id": "Alice Example", "amount": 19.99, "currency": "EUR", **fields}


def refused(code: str, status: int = 400) -> ClientError:
    """What a call to AWS answers that does not work."""
    message = "User: arn:aws:sts::123456789012:assumed-role/worker is not authorized"
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "UpdateItem")


@dataclass
class Recorder:
    """A client whose calls are written down, and fail if they are told to."""

    client: Any
    made: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    failures: dict[str, list[Exception | None]] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        member = getattr(self.client, name)
        return self._recorded(name, member) if callable(member) and name != "get_paginator" else member

    def _recorded(self, name: str, member: Any) -> Any:
        def call(*args: Any, **parameters: Any) -> Any:
            self.made.append((name, parameters))
            planned = self.failures.get(name)
            failure = planned.pop(0) if planned else None
            if failure is not None:
                raise failure
            return member(*args, **parameters)

        return call

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.made]

    def of(self, name: str) -> list[dict[str, Any]]:
        return [parameters for made, parameters in self.made if made == name]


@dataclass
class Pipeline:
    """All around the worker, and the worker itself, which is a new one for each invocation unless it is kept."""

    dynamodb: DynamoDBClient
    payment: PaymentServer
    is_fifo: bool = False
    variables: dict[str, str] = field(default_factory=dict)
    context: Context = field(default_factory=lambda: Context(milliseconds_left=60_000))
    now: float = SENT + 60

    def __post_init__(self) -> None:
        self.table = Recorder(self.dynamodb)
        self.sqs = Recorder(boto3.client("sqs", config=CLIENT_CONFIG))
        self.sns = Recorder(boto3.client("sns", config=CLIENT_CONFIG))
        self.secrets = Recorder(boto3.client("secretsmanager", config=CLIENT_CONFIG))
        self.bus = Bus()
        self.pauses: list[float] = []
        self.queue, self.dead_letter_queue = self._new_queue(), self._new_queue()
        self._inbox = self._new_queue(fifo=False)
        self.topic = self.sns.create_topic(Name=uuid.uuid4().hex)["TopicArn"]
        inbox_arn = self.sqs.get_queue_attributes(QueueUrl=self._inbox, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=inbox_arn, Attributes={"RawMessageDelivery": "true"})
        self.secret = self.secrets.create_secret(Name=uuid.uuid4().hex)["ARN"]
        self.put_secret({"url": self.payment.url, "api_key": API_KEY})
        self._kept: QueueConsumer | None = None
        for client in (self.sqs, self.sns, self.secrets):
            client.made.clear()

    def _new_queue(self, *, fifo: bool | None = None) -> str:
        fifo = self.is_fifo if fifo is None else fifo
        name = uuid.uuid4().hex + (".fifo" if fifo else "")
        url: str = self.sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"} if fifo else {})["QueueUrl"]
        return url

    def put_secret(self, value: object) -> None:
        text = value if isinstance(value, str) else json.dumps(value)
        self.secrets.put_secret_value(SecretId=self.secret, SecretString=text)

    @property
    def settings(self) -> WorkerSettings:
        own = {
            "QUEUE_URL": self.queue,
            "DEAD_LETTER_QUEUE_URL": self.dead_letter_queue,
            "TOPIC_ARN": self.topic,
            "PAYMENT_SECRET_ARN": self.secret,
        }
        return WorkerSettings.from_environment(VARIABLES | own | self.variables)

    def new_worker(self, schema: Mapping[str, Any] = SCHEMA) -> QueueConsumer:
        """A worker as in a new execution environment."""
        settings = self.settings
        chance = Chance(share=lambda: 0.5, sleep=self.pauses.append)
        transport = Transport(Limits(connect=1, read=1, attempt=1.5))
        payment = PaymentApi(Secret(settings.payment_secret_arn, self.secrets), transport, chance)
        worker = self.logic = Worker(
            settings,
            Schema(dict(schema)),
            OrdersTable(settings.table_name, self.table),  # type: ignore[arg-type]
            GuardedCharges(settings, payment.charge, self.table, share=lambda: 0.5),  # type: ignore[arg-type]
            announcer(settings.announcer, self.bus if settings.announcer.bus_name else self.sns).publish,
        )
        chances = QueueChance(share=lambda: 1.0, wall=lambda: self.now)
        return QueueConsumer(settings.queue, worker.work, worker.give_up, self.sqs, chances)

    def give_up(self, order: object) -> None:
        """Do what follows when a message of this order went to the dead-letter queue."""
        self.new_worker()
        self.logic.give_up(Message.from_record(self.record(order)), "given up")

    @property
    def worker(self) -> QueueConsumer:
        """One and the same worker, as in an execution environment that is used again."""
        self._kept = self._kept or self.new_worker()
        return self._kept

    def forget_the_circuit(self) -> None:
        """Let the worker read the state of the circuit again, as it does every five seconds."""
        self._kept = None

    def deliver(self, *records: dict[str, Any], worker: QueueConsumer | None = None) -> list[str]:
        """Invoke the worker with these records; the ids of those that come again."""
        answer = (worker or self.worker)({"Records": list(records)}, self.context)  # type: ignore[arg-type]
        return [failure["itemIdentifier"] for failure in json.loads(json.dumps(answer))["batchItemFailures"]]

    def work(self, order: object, **more: Any) -> list[str]:
        return self.deliver(self.record(order, **more))

    def record(self, body: object, *, receive_count: int = 1, group: str | None = None, **more: Any) -> dict[str, Any]:
        """A message with this body as it is delivered; a body that is no text is sent as JSON."""
        text = body if isinstance(body, str) else json.dumps(body)
        attributes = {
            "ApproximateReceiveCount": str(receive_count),
            "SentTimestamp": str(round(SENT * 1000)),
            "SenderId": "AIDAIT2UOQQY3AUEKVGXU",
            "ApproximateFirstReceiveTimestamp": "1795255294102",
        }
        if group or self.is_fifo:
            attributes["MessageGroupId"] = group or "a"
        return {
            "messageId": str(uuid.uuid4()),
            "receiptHandle": self._receipt_handle(),
            "body": text,
            "attributes": attributes,
            "messageAttributes": {},
            "md5OfBody": "",
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:eu-central-1:123456789012:orders{'.fifo' if self.is_fifo else ''}",
            "awsRegion": "eu-central-1",
            **more,
        }

    def _receipt_handle(self) -> str:
        return f"receipt-{uuid.uuid4()}"

    def row(self, order_id: str = "o-1") -> dict[str, Any]:
        item = self.dynamodb.get_item(TableName="items-table", Key={"id": {"S": order_id}}).get("Item")
        return values_of(item) if item else {}

    def states(self, order_id: str = "o-1") -> list[str]:
        return [entry["state"] for entry in self.row(order_id)["history"]]

    @property
    def dead_letters(self) -> list[tuple[str, dict[str, str]]]:
        """The body and the attributes of each message in the dead-letter queue."""
        return [(message["Body"], _texts(message)) for message in self._drained(self.dead_letter_queue)]

    @property
    def copies(self) -> list[dict[str, Any]]:
        """What the worker has put back into its queue."""
        return [sent for sent in self.sqs.of("send_message") if sent["QueueUrl"] == self.queue]

    @property
    def announced(self) -> list[dict[str, Any]]:
        return [json.loads(message["Body"]) for message in self._drained(self._inbox)]

    def _drained(self, queue: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while messages := self.sqs.client.receive_message(
            QueueUrl=queue, MaxNumberOfMessages=10, AttributeNames=["All"], MessageAttributeNames=["All"]
        ).get("Messages"):
            found += messages
        return found

    @property
    def visibilities(self) -> list[int]:
        return [made["VisibilityTimeout"] for made in self.sqs.of("change_message_visibility")]


def _texts(message: Mapping[str, Any]) -> dict[str, str]:
    return {name: value["StringValue"] for name, value in message.get("MessageAttributes", {}).items()}
