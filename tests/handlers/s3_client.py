"""A bucket, the queue of its events, and the function between them, its table, its output bucket and its topic."""

import itertools
import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus

import boto3
from botocore.exceptions import ClientError
from types_boto3_dynamodb import DynamoDBClient

from s3_processing.api import Processor
from s3_processing.handler import Processing
from s3_processing.logic import Stores, Worker
from s3_processing.models import Created, Settings
from s3_processing.reading import Reader
from s3_processing.store import OutputBucket, RowsTable, SourceBucket, StatusTable
from shared.announcer import AnnouncerSettings, announcer
from shared.aws import CLIENT_CONFIG
from shared.dynamodb import values_of
from shared.envelope import Envelope
from shared.queue_consumer import Chance, QueueConsumer
from shared.schema import Schema
from tests.handlers.api_client import Context
from tests.handlers.bus_client import Bus
from tests.handlers.worker_client import Recorder

TABLE = "objects-table"

#: Soon after the messages were sent.
NOW = 1_795_255_300.0


def refused(code: str, operation: str = "UpdateItem", status: int = 400) -> ClientError:
    message = "arn:aws:dynamodb:eu-central-1:123456789012:table/objects-table is secret"
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, operation)


THROTTLED = refused("ThrottlingException")
DENIED = refused("AccessDeniedException")


def rows_of(count: int, width: int = 10) -> bytes:
    """A CSV with so many rows, the first of them at line 2."""
    return b"id,text\n" + b"".join(b"%d,%s\n" % (number, b"x" * width) for number in range(1, count + 1))


@dataclass
class Intake:
    """All around the function, and the function itself."""

    dynamodb: DynamoDBClient
    is_versioned: bool = True
    variables: dict[str, str] = field(default_factory=dict)
    context: Context = field(default_factory=lambda: Context(milliseconds_left=60_000))
    processor: Processor | None = None
    schema: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        self.table = Recorder(self.dynamodb)
        self.s3 = Recorder(boto3.client("s3", config=CLIENT_CONFIG))
        self.sqs = Recorder(boto3.client("sqs", config=CLIENT_CONFIG))
        self.sns = Recorder(boto3.client("sns", config=CLIENT_CONFIG))
        self.bus = Bus()
        self.pauses: list[float] = []
        self._sequence = itertools.count(0x0055AED6DCD90281)
        self._make_table()
        self.bucket, self.output = self._new_bucket(), self._new_bucket()
        if self.is_versioned:
            self.s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})
        self.queue, self.dead_letter_queue, self._inbox = (self._new_queue() for _ in range(3))
        self.topic = self.sns.create_topic(Name=uuid.uuid4().hex)["TopicArn"]
        inbox_arn = self.sqs.get_queue_attributes(QueueUrl=self._inbox, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=inbox_arn, Attributes={"RawMessageDelivery": "true"})
        self.forget_calls()

    def forget_calls(self) -> None:
        for client in (self.table, self.s3, self.sqs, self.sns):
            client.made.clear()

    def _make_table(self) -> None:
        if TABLE in self.dynamodb.list_tables()["TableNames"]:
            return
        self.dynamodb.create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "object", "KeyType": "HASH"}, {"AttributeName": "row", "KeyType": "RANGE"}],
            AttributeDefinitions=[
                {"AttributeName": "object", "AttributeType": "S"},
                {"AttributeName": "row", "AttributeType": "N"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )

    def _new_bucket(self) -> str:
        name = f"b-{uuid.uuid4().hex}"
        self.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        return name

    def _new_queue(self) -> str:
        url: str = self.sqs.create_queue(QueueName=uuid.uuid4().hex)["QueueUrl"]
        return url

    @property
    def settings(self) -> Settings:
        own = {
            "BUCKET_NAME": self.bucket,
            "OUTPUT_BUCKET_NAME": self.output,
            "TABLE_NAME": TABLE,
            "TOPIC_ARN": self.topic,
            "QUEUE_URL": self.queue,
            "DEAD_LETTER_QUEUE_URL": self.dead_letter_queue,
        }
        return Settings.from_environment(own | self.variables)

    def publisher(self, settings: AnnouncerSettings) -> Callable[[Envelope], None]:
        """Announces events on the topic or on the bus."""
        return announcer(settings, self.bus if settings.bus_name else self.sns).publish

    @property
    def function(self) -> Processing:
        """The function, as in a new execution environment."""
        settings = self.settings
        output = OutputBucket(settings.output_bucket_name, self.s3)
        reader = Reader(
            settings, SourceBucket(self.s3), output, Schema(dict(self.schema)) if self.schema else None, self.processor
        )
        rows = RowsTable(TABLE, self.table, pause=self.pauses.append)  # type: ignore[arg-type]
        stores = Stores(StatusTable(TABLE, self.table), rows, output)  # type: ignore[arg-type]
        worker = Worker(settings, stores, reader, self.publisher(settings.announcer) if settings.announcer else None)
        queue = settings.queue
        consume = (
            QueueConsumer(queue, worker.work, worker.give_up, self.sqs, Chance(share=lambda: 1.0, wall=lambda: NOW))
            if queue
            else None
        )
        return Processing(settings, worker, consume)

    # --- what S3 and Lambda do

    def put(self, key: str, body: bytes, content_type: str = "binary/octet-stream") -> Created:
        """Upload an object; what S3 would say of it."""
        answer = self.s3.client.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType=content_type)
        etag, version = answer["ETag"].strip('"'), answer.get("VersionId")
        return Created(self.bucket, key, len(body), etag, f"{next(self._sequence):016X}", version)

    def work(self, key: str, body: bytes, content_type: str = "binary/octet-stream", **more: Any) -> list[str]:
        """Upload an object and let its message come; the ids of those that come again."""
        created = self.put(key, body, content_type)
        self.forget_calls()
        return self.deliver(self.record(created, **more))

    def deliver(self, *records: dict[str, Any]) -> list[str]:
        """Invoke the function with these messages; the ids of those that come again."""
        answer = self.function({"Records": list(records)}, self.context)  # type: ignore[arg-type]
        return [failure["itemIdentifier"] for failure in json.loads(json.dumps(answer))["batchItemFailures"]]

    def again(self, created: Created, receive_count: int = 2) -> list[str]:
        """Let the message of this object come again."""
        return self.deliver(self.record(created, receive_count=receive_count))

    def invoke(self, event: object) -> list[dict[str, Any]]:
        """Let S3 invoke the function; the events that it answers with."""
        answer = self.function(event, self.context)  # type: ignore[arg-type]
        return [json.loads(text) for text in json.loads(json.dumps(answer))["events"]]

    def record(self, event: object, *, receive_count: int = 1) -> dict[str, Any]:
        """A message about this object, or with this body, as it is delivered."""
        event = bridged(event) if isinstance(event, Created) else event
        return {
            "messageId": str(uuid.uuid4()),
            "receiptHandle": f"receipt-{uuid.uuid4()}",
            "body": event if isinstance(event, str) else json.dumps(event),
            "attributes": {"ApproximateReceiveCount": str(receive_count), "SentTimestamp": "1795255294100"},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:uploads",
            "awsRegion": "eu-central-1",
        }

    # --- what came of it

    def status(self, key: str) -> dict[str, Any]:
        """The status of an object, ``{}`` if it has none."""
        answer = self.dynamodb.get_item(TableName=TABLE, Key={"object": {"S": f"{self.bucket}/{key}"}, "row": {"N": "0"}})
        return values_of(answer["Item"]) if "Item" in answer else {}

    def rows(self, key: str, version: str | None = None) -> dict[int, dict[str, Any]]:
        """Line -> what was stored of it, of the version that counts."""
        version = version or self.status(key)["version"]
        found = {}
        for item in self._items({":object": {"S": f"{self.bucket}/{key}@{version}"}}):
            values = values_of(item)
            del values["object"]
            found[int(values.pop("row"))] = values
        return found

    def _items(self, values: dict[str, Any]) -> Iterator[Any]:
        pages = self.dynamodb.get_paginator("query").paginate(
            TableName=TABLE,
            KeyConditionExpression="#object = :object",
            ExpressionAttributeNames={"#object": "object"},
            ExpressionAttributeValues=values,
        )
        for page in pages:
            yield from page["Items"]

    def made(self, key: str) -> bytes:
        """The content of an object of the output bucket."""
        content: bytes = self.s3.client.get_object(Bucket=self.output, Key=key)["Body"].read()
        return content

    def result(self, key: str) -> dict[str, Any]:
        """The result of an object."""
        result: dict[str, Any] = json.loads(self.made(self.status(key)["result_key"]))
        return result

    def rejected(self, key: str) -> dict[int, str]:
        """Line -> why it was rejected."""
        return {row["line"]: row["reason"] for row in self.result(key)["rejected_rows"]}

    def verdict(self, key: str) -> tuple[str, str | None]:
        """The state of an object, and the reason for it."""
        status = self.status(key)
        return status["state"], status.get("reason")

    @property
    def announced(self) -> list[dict[str, Any]]:
        return [json.loads(message["Body"]) for message in self._drained(self._inbox)]

    @property
    def dead_letters(self) -> list[tuple[str, str]]:
        """The body and the reason of each message in the dead-letter queue."""
        return [
            (message["Body"], message["MessageAttributes"]["Reason"]["StringValue"])
            for message in self._drained(self.dead_letter_queue)
        ]

    @property
    def copies(self) -> list[dict[str, Any]]:
        """What was put back into the queue."""
        return [sent for sent in self.sqs.of("send_message") if sent["QueueUrl"] == self.queue]

    def _drained(self, queue: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while messages := self.sqs.client.receive_message(
            QueueUrl=queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages"):
            found += messages
        return found

    @property
    def written(self) -> list[int]:
        """The lines of the rows that were written, in order."""
        batches = self.table.of("batch_write_item")
        return sorted(int(put["PutRequest"]["Item"]["row"]["N"]) for batch in batches for put in batch["RequestItems"][TABLE])


def bridged(created: Created) -> dict[str, Any]:
    """EventBridge's event: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html."""
    version = {"version-id": created.version_id} if created.version_id else {}
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": "111122223333",
        "time": "2021-11-12T00:00:00Z",
        "region": "eu-central-1",
        "resources": [f"arn:aws:s3:::{created.bucket}"],
        "detail": {
            "version": "0",
            "bucket": {"name": created.bucket},
            "object": {
                "key": created.key,
                "size": created.size,
                "etag": created.etag,
                **version,
                "sequencer": created.sequencer.lower(),
            },
            "request-id": "N4N7GDK58NMKJ12R",
            "requester": "123456789012",
            "source-ip-address": "1.2.3.4",
            "reason": "PutObject",
        },
    }


def notified(*all_created: Created, name: str = "ObjectCreated:Put") -> dict[str, Any]:
    """S3's own: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html."""
    return {"Records": [_notification(created, name) for created in all_created]}


def _notification(created: Created, name: str) -> dict[str, Any]:
    version = {"versionId": created.version_id} if created.version_id else {}
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "eu-central-1",
        "eventTime": "1970-01-01T00:00:00.000Z",
        "eventName": name,
        "userIdentity": {"principalId": "AIDAJDPLRKLG7UEXAMPLE"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": "C3D13FE58DE4C810", "x-amz-id-2": "FMyUVURIY8"},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "testConfigRule",
            "bucket": {
                "name": created.bucket,
                "ownerIdentity": {"principalId": "A3NL1KOZZKExample"},
                "arn": f"arn:aws:s3:::{created.bucket}",
            },
            "object": {
                "key": quote_plus(created.key, safe="/"),
                "size": created.size,
                "eTag": created.etag,
                **version,
                "sequencer": created.sequencer,
            },
        },
    }


TEST_EVENT = {
    "Service": "Amazon S3",
    "Event": "s3:TestEvent",
    "Time": "2014-10-13T15:57:02.089Z",
    "Bucket": "bucketname",
    "RequestId": "5582815E1AEA5ADF",
    "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR",
}
