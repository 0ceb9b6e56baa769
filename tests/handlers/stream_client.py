"""A stream, the function behind it, its two tables and its bucket, invoked as Lambda invokes it."""

import base64
import copy
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import boto3
from botocore.exceptions import ClientError
from types_boto3_dynamodb import DynamoDBClient

from shared.aws import CLIENT_CONFIG
from shared.dynamodb import attributes_of
from shared.schema import Schema
from stream_processing.json_records import JsonReader
from stream_processing.logic import Projection
from stream_processing.models import DYNAMODB, KINESIS, Settings
from stream_processing.store import AuditTable, FailureBucket, ViewTable
from stream_processing.stream import Stream
from stream_processing.table_records import TableReader
from tests.handlers.api_client import Context
from tests.handlers.worker_client import Recorder

VIEW, AUDIT = "view-table", "audit-table"

VARIABLES = {
    "SOURCE": DYNAMODB,
    "VIEW_TABLE_NAME": VIEW,
    "AUDIT_TABLE_NAME": AUDIT,
    "FAILURE_BUCKET_NAME": "failures",
}

#: When the first record of a stream was written, in seconds since 1970; each later one a second later.
FIRST = 1_795_255_294

#: A record as AWS documents it: https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
TABLE_RECORD: dict[str, Any] = {
    "eventID": "c4ca4238a0b923820dcc509a6f75849b",
    "eventName": "INSERT",
    "eventVersion": "1.1",
    "eventSource": "aws:dynamodb",
    "awsRegion": "eu-central-1",
    "dynamodb": {
        "ApproximateCreationDateTime": FIRST,
        "Keys": {"pk": {"S": "a"}},
        "NewImage": {"pk": {"S": "a"}},
        "SequenceNumber": "4421584500000000017450439091",
        "SizeBytes": 26,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    },
    "eventSourceARN": "arn:aws:dynamodb:eu-central-1:123456789012:table/orders/stream/2026-11-21T00:00:00.000",
}

#: The same: https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
JSON_RECORD: dict[str, Any] = {
    "kinesis": {
        "kinesisSchemaVersion": "1.0",
        "partitionKey": "a",
        "sequenceNumber": "49590338271490256608559692538361571095921575989136588898",
        "data": "e30=",
        "approximateArrivalTimestamp": FIRST + 0.987,
    },
    "eventSource": "aws:kinesis",
    "eventVersion": "1.0",
    "eventID": "shardId-000000000006:49590338271490256608559692538361571095921575989136588898",
    "eventName": "aws:kinesis:record",
    "invokeIdentityArn": "arn:aws:iam::123456789012:role/stream",
    "awsRegion": "eu-central-1",
    "eventSourceARN": "arn:aws:kinesis:eu-central-1:123456789012:stream/orders",
}

EXPIRY = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}


@cache
def _s3() -> Any:
    """One for all tests: making a client takes longer than most of them."""
    return boto3.client("s3", config=CLIENT_CONFIG)


def refused(code: str, status: int = 400, operation: str = "PutItem") -> ClientError:
    message = "arn:aws:dynamodb:eu-central-1:123456789012:table/view-table is a secret"
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, operation)


THROTTLED = refused("ThrottlingException")
DENIED = refused("AccessDeniedException")


def item(**values: Any) -> dict[str, Any]:
    """An item whose key is ``pk``, as a record has it; a value that is a mapping is one already."""
    return {name: value if isinstance(value, Mapping) else attributes_of({name: value})[name] for name, value in values.items()}


def table_record(
    number: int, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None, *, keys: tuple[str, ...] = ("pk",), **more: Any
) -> dict[str, Any]:
    """The record of a change from one image to another: none is an item that is not there."""
    event = "INSERT" if old is None else "REMOVE" if new is None else "MODIFY"
    record = copy.deepcopy(TABLE_RECORD) | {"eventName": event, "eventID": f"{number:032x}", **more}
    image = new if old is None else old
    assert image is not None
    record["dynamodb"] |= {
        "Keys": {key: image[key] for key in keys},
        "SequenceNumber": str(number),
        "ApproximateCreationDateTime": FIRST + number,
    }
    del record["dynamodb"]["NewImage"]
    record["dynamodb"] |= {name: value for name, value in (("OldImage", old), ("NewImage", new)) if value is not None}
    return record


def json_record(number: int, data: object, *, key: str = "a") -> dict[str, Any]:
    """A record with this data: bytes as they are, all else as JSON."""
    record = copy.deepcopy(JSON_RECORD) | {"eventID": f"shardId-000000000006:{number}"}
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    record["kinesis"] |= {"partitionKey": key, "sequenceNumber": str(number), "data": base64.b64encode(raw).decode()}
    record["kinesis"]["approximateArrivalTimestamp"] = FIRST + number
    return record


@dataclass
class Projected:
    """All around the function, and the function itself."""

    dynamodb: DynamoDBClient
    variables: dict[str, str] = field(default_factory=dict)
    schema: dict[str, Any] | None = None
    context: Context = field(default_factory=lambda: Context(milliseconds_left=60_000))

    def __post_init__(self) -> None:
        self.view, self.audit = Recorder(self.dynamodb), Recorder(self.dynamodb)
        self.s3 = Recorder(_s3())
        self._make_table(VIEW, "id")
        self._make_table(AUDIT, "id", "sequence")
        self.bucket = f"b-{uuid.uuid4().hex}"
        self.s3.client.create_bucket(Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})

    def _make_table(self, name: str, *keys: str) -> None:
        if name in self.dynamodb.list_tables()["TableNames"]:
            return
        self.dynamodb.create_table(
            TableName=name,
            KeySchema=[
                {"AttributeName": key, "KeyType": kind}  # type: ignore[typeddict-item]
                for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
            BillingMode="PAY_PER_REQUEST",
        )

    @property
    def settings(self) -> Settings:
        return Settings.from_environment(VARIABLES | {"FAILURE_BUCKET_NAME": self.bucket} | self.variables)

    @property
    def function(self) -> Stream:
        """The function, as in a new execution environment."""
        settings = self.settings
        schema = Schema(self.schema) if self.schema else None
        read = (
            TableReader(settings.excluded)
            if settings.source == DYNAMODB
            else JsonReader(settings.key_field, settings.excluded, schema)
        )
        project = Projection(settings, ViewTable(VIEW, self.view), AuditTable(AUDIT, self.audit))  # type: ignore[arg-type]
        return Stream(settings, read, project, FailureBucket(self.bucket, settings.failure_prefix, self.s3))

    def deliver(self, *records: object) -> list[str]:
        """Invoke the function with these records; the sequence numbers that it names."""
        event = json.loads(json.dumps({"Records": list(records)}))
        answer = self.function(event, self.context)  # type: ignore[arg-type]
        return [failure["itemIdentifier"] for failure in json.loads(json.dumps(answer))["batchItemFailures"]]

    # --- what came of it

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        """The rows of the view by their ids, in the form of DynamoDB's API but for the names."""
        return {row["id"]["S"]: row for row in self._scan(VIEW)}

    @property
    def data(self) -> dict[str, Any]:
        """What the view shows: the data of each row that is no tombstone."""
        return {row_id: row["data"]["M"] for row_id, row in self.rows.items() if "data" in row}

    @property
    def trail(self) -> list[dict[str, Any]]:
        """The rows of the audit, in the order of their sequences."""
        return sorted(self._scan(AUDIT), key=lambda row: str(row["sequence"]["S"]))

    @property
    def actions(self) -> list[str]:
        return [row["action"]["S"] for row in self.trail]

    def changed(self) -> list[list[str]]:
        return [[name["S"] for name in row["changed"]["L"]] for row in self.trail]

    def _scan(self, table: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for page in self.dynamodb.get_paginator("scan").paginate(TableName=table):
            found += page["Items"]  # type: ignore[arg-type]
        return found

    @property
    def kept(self) -> dict[str, dict[str, Any]]:
        """What is in the failure bucket, by its keys."""
        listed = self.s3.client.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return {entry["Key"]: json.loads(self.body(entry["Key"])) for entry in listed}

    def body(self, key: str) -> bytes:
        content: bytes = self.s3.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return content

    @property
    def reasons(self) -> list[str]:
        return [kept["reason"] for kept in self.kept.values()]


def of_json(dynamodb: DynamoDBClient, schema: dict[str, Any] | None = None, **variables: str) -> Projected:
    """A Kinesis stream and what is behind it."""
    return Projected(dynamodb, {"SOURCE": KINESIS, **variables}, schema)
