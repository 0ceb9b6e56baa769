"""Streams of the corrected emulator do what AWS's do, seen from outside: what is tried again, given up, kept and counted."""

import base64
import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from serverless_patterns.local.account import Account, Stack
from serverless_patterns.local.processes import wait_until
from tests.local.conftest import Deploy
from tests.local.test_corrections import QUEUE, TOPIC, arn_of, function, messages, template
from tests.support.waiting import PATIENCE

#: Says in the queue SEEN what it was called with, then does what the first record asks for that asks for something.
READER = """
import base64, boto3, json, os, time
sqs = boto3.client("sqs")
def read(record):
    if "kinesis" in record:
        return record["kinesis"]["sequenceNumber"], json.loads(base64.b64decode(record["kinesis"]["data"]))
    images = record["dynamodb"]
    image = images.get("NewImage") or images["OldImage"]
    return images["SequenceNumber"], {name: value.get("S", value.get("N")) for name, value in image.items()}
def handler(event, context):
    records = [read(record) for record in event["Records"]]
    who = [record.get("userIdentity") for record in event["Records"]]
    seen = {"ids": [said["id"] for _, said in records], "who": who, "request": context.aws_request_id}
    sqs.send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps(seen))
    for number, said in records:
        match said.get("do"):
            case "raise":
                raise LookupError("no such customer")
            case "report":
                return {"batchItemFailures": [{"itemIdentifier": number}, {"itemIdentifier": records[-1][0]}]}
            case "report nobody":
                return {"batchItemFailures": [{"itemIdentifier": "0"}]}
            case "wait":
                time.sleep(float(said["seconds"]))
                sqs.send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps({**seen, "ids": ["waited"]}))
    return {"batchItemFailures": []}
"""
Send = Callable[..., None]


def table(**properties: Any) -> dict[str, Any]:
    """A table with the key ``id`` and a stream of new and old images."""
    given = {
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "StreamSpecification": {"StreamViewType": "NEW_AND_OLD_IMAGES"},
        **properties,
    }
    return {"Type": "AWS::DynamoDB::Table", "Properties": given}


SOURCES = {"table": table(), "kinesis": {"Type": "AWS::Kinesis::Stream", "Properties": {"ShardCount": 1}}}
BOTH = pytest.mark.parametrize("kind", list(SOURCES))


class Reading:
    """A stream and what reads it; the mapping is made after the records are sent, so that they are one batch.

    Args:
        account: Where it is.
        deploy: Deploys a template.
        kind: ``table`` or ``kinesis``.
        mapping: The properties of a mapping of the template.
        properties: Of the source, to replace others.
    """

    def __init__(
        self, account: Account, deploy: Deploy, kind: str, *, mapping: dict[str, Any] | None = None, **properties: Any
    ) -> None:
        self.account, self._kind = account, kind
        source = SOURCES[kind]
        resources = {
            "Source": {**source, "Properties": {**source["Properties"], **properties}},
            **dict.fromkeys(("Seen", "Failed"), QUEUE),
            "Topic": TOPIC,
            "Failures": {"Type": "AWS::S3::Bucket"},
            "Reader": function(READER, SEEN={"Ref": "Seen"}),
        }
        if mapping:
            resources["Mapping"] = {"Type": "AWS::Lambda::EventSourceMapping", "Properties": mapping}
        given = template(resources)
        attribute = "StreamArn" if kind == "table" else "Arn"
        given["Outputs"]["Arn"] = {"Value": {"Fn::GetAtt": ["Source", attribute]}}
        given["Outputs"]["FailedArn"] = {"Value": arn_of("Failed")}
        self.stack: Stack = deploy(f"reading-{uuid.uuid4().hex[:8]}", given)
        self.outputs = self.stack.outputs
        self._lambda = account.client("lambda")

    def send(self, *ids: str, **does: dict[str, str]) -> None:
        """Write a record for each id, in this order; those that are named do something."""
        for each in ids:
            record = {"id": each, **does.get(each, {})}
            if self._kind == "table":
                self.account.table(self.outputs["Source"]).put_item(Item=record)
            else:
                data = {"StreamName": self.outputs["Source"], "Data": json.dumps(record).encode(), "PartitionKey": each}
                self.account.client("kinesis").put_record(**data)

    def read(self, **settings: Any) -> str:
        """Let the function read it: the mapping's id."""
        given = {
            "FunctionName": self.outputs["Reader"],
            "EventSourceArn": self.outputs["Arn"],
            "StartingPosition": "TRIM_HORIZON",
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "DestinationConfig": {"OnFailure": {"Destination": f"arn:aws:s3:::{self.outputs['Failures']}"}},
            "BatchSize": 100,
            **settings,
        }
        return str(self._lambda.create_event_source_mapping(**given)["UUID"])

    def seen(self, number: int) -> list[list[str]]:
        """What the function was called with, so many times."""
        return [each["ids"] for each in self.calls(number)]

    def calls(self, number: int) -> list[dict[str, Any]]:
        """All that it says of these calls."""
        found = messages(self.account, self.outputs["Seen"], number=number, seconds=PATIENCE)
        order = sorted(found, key=lambda each: int(each["Attributes"]["SentTimestamp"]))
        return [json.loads(message["Body"]) for message in order]

    def kept(self, number: int = 1) -> dict[str, dict[str, Any]]:
        """The objects of the bucket of failures, when there are so many."""
        client, bucket = self.account.client("s3"), self.outputs["Failures"]

        def keys() -> list[str]:
            return [each["Key"] for each in client.list_objects_v2(Bucket=bucket).get("Contents", [])]

        assert wait_until(lambda: len(keys()) >= number, seconds=PATIENCE), keys()
        return {key: json.loads(client.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in keys()}

    def kept_ids(self, number: int = 1) -> list[list[str]]:
        """The ids of the records in each of them."""
        return sorted(ids_of(json.loads(each["payload"])["Records"]) for each in self.kept(number).values())

    def total(self, metric: str, **dimensions: str) -> float:
        """The sum of a metric of Lambda."""
        return self.statistic("AWS/Lambda", metric, "Sum", dimensions)

    def statistic(self, namespace: str, metric: str, statistic: str, dimensions: dict[str, str]) -> float:
        """A statistic of a metric over the last minutes; 0 without data."""
        now = time.time()
        points = self.account.client("cloudwatch").get_metric_statistics(
            Namespace=namespace,
            MetricName=metric,
            Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
            StartTime=now - 600,
            EndTime=now + 60,
            Period=3600,
            Statistics=[statistic],
        )["Datapoints"]
        return float(sum(point[statistic] for point in points))


def ids_of(records: list[dict[str, Any]]) -> list[str]:
    """The ids that records are about."""
    return [
        record["dynamodb"]["Keys"]["id"]["S"]
        if "dynamodb" in record
        else json.loads(base64.b64decode(record["kinesis"]["data"]))["id"]
        for record in records
    ]


@pytest.fixture
def reading(account: Account, deploy: Deploy) -> Callable[..., Reading]:
    return lambda kind, **properties: Reading(account, deploy, kind, **properties)


@BOTH
def test_what_was_written_before_the_mapping_was_made_is_read_from_the_trim_horizon(reading, kind: str) -> None:
    stream = reading(kind)
    stream.send("a", "b")
    stream.read()
    assert stream.seen(1) == [["a", "b"]]
    stream.send("c")
    assert stream.seen(1) == [["c"]]


@BOTH
def test_a_batch_is_taken_up_at_the_first_record_that_the_function_reports(reading, kind: str) -> None:
    stream = reading(kind)
    stream.send("a", "b", "c", "d", c={"do": "report"})
    stream.read(MaximumRetryAttempts=2)
    assert stream.kept_ids() == [["c", "d"]]
    assert stream.seen(3) == [["a", "b", "c", "d"], ["c", "d"], ["c", "d"]]


@BOTH
def test_a_batch_that_fails_is_split_until_the_record_is_alone_that_it_fails_for_and_the_others_are_done(
    reading, kind: str
) -> None:
    stream = reading(kind)
    stream.send("a", "b", "c", "d", "e", c={"do": "raise"})
    stream.read(MaximumRetryAttempts=1, BisectBatchOnFunctionError=True)
    assert stream.kept_ids() == [["c"]]
    calls = [list("abcde"), list("ab"), list("cde"), ["c"], ["c"], list("de")]
    assert stream.seen(len(calls)) == calls
    stream.send("f")
    assert stream.seen(1) == [["f"]]


@BOTH
def test_an_answer_that_names_a_record_of_no_batch_fails_all_of_it(reading, kind: str) -> None:
    stream = reading(kind)
    stream.send("a", "b", a={"do": "report nobody"})
    stream.read(MaximumRetryAttempts=0)
    assert stream.kept_ids() == [["a", "b"]]


@BOTH
def test_of_a_mapping_that_does_not_ask_for_them_reported_failures_are_no_failures(reading, kind: str) -> None:
    stream = reading(kind)
    stream.send("a", a={"do": "report"})
    stream.read(FunctionResponseTypes=[], MaximumRetryAttempts=0)
    assert stream.seen(1) == [["a"]]
    stream.send("b")
    assert stream.seen(1) == [["b"]]


@BOTH
def test_a_record_that_fails_is_tried_until_it_is_too_old_and_the_next_is_worked(reading, kind: str) -> None:
    stream = reading(kind)
    stream.send("a", a={"do": "raise"})
    stream.read(MaximumRecordAgeInSeconds=8, MaximumRetryAttempts=-1)
    (kept,) = stream.kept().values()
    assert kept["requestContext"]["condition"] == "RecordAgeExceeded"
    assert kept["requestContext"]["approximateInvokeCount"] >= 2
    stream.send("b")
    assert wait_until(lambda: ["b"] in stream.seen(1), seconds=PATIENCE)


@pytest.mark.parametrize(("kind", "info"), [("table", "DDBStreamBatchInfo"), ("kinesis", "KinesisBatchInfo")])
def test_what_is_given_up_is_in_the_bucket_whole_where_aws_puts_it(reading, kind: str, info: str) -> None:
    stream = reading(kind)
    stream.send("a", "b", a={"do": "raise"})
    mapping = stream.read(MaximumRetryAttempts=1)
    ((key, kept),) = stream.kept().items()
    aws, service, of, shard, year, _, _, name = key.split("/")
    assert (aws, service, of, shard, name[:4]) == ("aws", "lambda", mapping, kept[info]["shardId"], year)
    records = json.loads(kept["payload"])["Records"]
    assert ids_of(records) == ["a", "b"]
    assert kept["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert kept["requestContext"]["approximateInvokeCount"] == 2
    assert (kept[info]["batchSize"], kept[info]["streamArn"]) == (2, stream.outputs["Arn"])
    numbers = [each.get("dynamodb", {}).get("SequenceNumber") or each["kinesis"]["sequenceNumber"] for each in records]
    assert [kept[info]["startSequenceNumber"], kept[info]["endSequenceNumber"]] == numbers


def test_a_queue_is_told_where_the_records_were_and_not_what_was_in_them(reading) -> None:
    stream = reading("table")
    stream.send("a", a={"do": "raise"})
    stream.read(MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": stream.outputs["FailedArn"]}})
    (message,) = messages(stream.account, stream.outputs["Failed"], seconds=PATIENCE)
    said = json.loads(message["Body"])
    assert said["DDBStreamBatchInfo"]["batchSize"] == 1
    assert "payload" not in said


def test_what_cannot_be_kept_is_counted_as_such_and_as_dropped(reading) -> None:
    stream = reading("table")
    stream.send("a", a={"do": "raise"})
    gone = {"OnFailure": {"Destination": "arn:aws:s3:::no-such-bucket"}}
    mapping = stream.read(MaximumRetryAttempts=0, DestinationConfig=gone)
    failures = {"FunctionName": stream.outputs["Reader"]}
    assert wait_until(lambda: stream.total("DestinationDeliveryFailures", **failures) == 1, seconds=PATIENCE)
    assert stream.total("DroppedEventCount", EventSourceMappingUUID=mapping) == 0  # nobody has asked for these metrics


def test_a_mapping_of_a_template_counts_what_it_reads_filters_out_gives_to_the_function_and_keeps(
    account: Account, deploy: Deploy
) -> None:
    filters = {"Filters": [{"Pattern": json.dumps({"dynamodb": {"Keys": {"id": {"S": [{"anything-but": "c"}]}}}})}]}
    mapping = {
        "EventSourceArn": {"Fn::GetAtt": ["Source", "StreamArn"]},
        "FunctionName": {"Ref": "Reader"},
        "StartingPosition": "TRIM_HORIZON",
        "MaximumRetryAttempts": 0,
        "DestinationConfig": {"OnFailure": {"Destination": arn_of("Failures")}},
        "MetricsConfig": {"Metrics": ["EventCount"]},
        "FilterCriteria": filters,
    }
    stream = Reading(account, deploy, "table", mapping=mapping)
    stream.send("b", "c", b={"do": "raise"})
    expected = {
        "Polled": 2,
        "FilteredOut": 1,
        "Invoked": 1,
        "FailedInvoke": 1,
        "OnFailureDestinationDelivered": 1,
        "Dropped": 0,
    }

    def counted() -> dict[str, float]:
        mapped = {"EventSourceMappingUUID": stream.outputs["Mapping"]}
        return {name: stream.total(f"{name}EventCount", **mapped) for name in expected}

    assert wait_until(lambda: counted() == expected, seconds=PATIENCE), counted()


@BOTH
def test_the_age_of_what_waits_is_told_whenever_the_function_gets_it(reading, kind: str) -> None:
    stream = reading(kind)
    stream.send("a", a={"do": "raise"})
    stream.read(MaximumRecordAgeInSeconds=3)
    stream.kept()
    told = {"AWS/Lambda": ("IteratorAge", {"FunctionName": stream.outputs["Reader"]})}
    if kind == "kinesis":
        told["AWS/Kinesis"] = ("GetRecords.IteratorAgeMilliseconds", {"StreamName": stream.outputs["Source"]})
    for namespace, (metric, dimensions) in told.items():
        assert 1000 < stream.statistic(namespace, metric, "Maximum", dimensions) <= 4000


@BOTH
def test_only_what_a_filter_asks_for_is_given_to_the_function(reading, kind: str) -> None:
    key = "dynamodb.Keys.id.S" if kind == "table" else "data.id"
    either = [{"equals-ignore-case": "A"}], [{"anything-but": {"prefix": ["a", "b"]}}]
    patterns = [nested(key, each) for each in either]
    stream = reading(kind)
    stream.send("a", "b", "c")
    stream.read(FilterCriteria={"Filters": [{"Pattern": json.dumps({"$or": patterns})}]})
    assert stream.seen(1) == [["a", "c"]]


def nested(path: str, value: object) -> Any:
    """A value under the names of a path."""
    first, _, rest = path.partition(".")
    return {first: nested(rest, value) if rest else value}


def test_records_of_one_key_are_worked_in_order_and_others_do_not_wait_for_them(reading) -> None:
    stream = reading("kinesis")
    stream.send("slow", *"abcdefgh", slow={"do": "wait", "seconds": "2"})
    stream.send("slow")
    stream.read(ParallelizationFactor=10, BatchSize=1)
    seen = [each for (each,) in stream.seen(11)]
    others = [each for each in seen if each in set("abcdefgh")]
    assert sorted(others) == list("abcdefgh")
    assert [each for each in seen if each in {"slow", "waited"}] == ["slow", "waited", "slow"]
    assert set(seen[: seen.index("waited")]) > {"slow"}


def test_a_stream_whose_function_takes_long_keeps_no_other_waiting(reading) -> None:
    slow, other = reading("table"), reading("kinesis")
    slow.send("a", a={"do": "wait", "seconds": "8"})
    slow.read()
    assert slow.seen(1) == [["a"]]
    other.send("b")
    other.read()
    assert other.seen(1) == [["b"]]
    assert slow.seen(1) == [["waited"]]


def test_a_batch_window_lets_records_wait_for_others(reading) -> None:
    stream = reading("kinesis")
    stream.read(MaximumBatchingWindowInSeconds=4)
    stream.send("a")
    stream.send("b")
    assert stream.seen(1) == [["a", "b"]]


@BOTH
def test_a_mapping_that_begins_with_the_latest_reads_nothing_older(reading, kind: str) -> None:
    stream = reading(kind)
    stream.send("a", "b")
    stream.read(StartingPosition="LATEST")
    stream.send("c")
    assert stream.seen(1) == [["c"]]


def test_records_of_a_function_that_is_throttled_wait_and_use_up_no_try(reading) -> None:
    stream = reading("table")
    functions, name = stream.account.client("lambda"), stream.outputs["Reader"]
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    stream.send("a")
    stream.read(MaximumRetryAttempts=0)
    assert wait_until(lambda: stream.total("Throttles", FunctionName=name) >= 2, seconds=PATIENCE)
    functions.delete_function_concurrency(FunctionName=name)
    assert stream.seen(1) == [["a"]]


def test_of_an_item_whose_time_to_live_is_over_the_stream_says_that_the_service_has_removed_it(reading) -> None:
    stream = reading("table", TimeToLiveSpecification={"AttributeName": "expires_at", "Enabled": True})
    items, now = stream.account.table(stream.outputs["Source"]), int(time.time())
    stream.read(FilterCriteria={"Filters": [{"Pattern": json.dumps({"eventName": ["REMOVE"]})}]})
    for name, over in {
        "over": now - 1,
        "too old": now - 6 * 365 * 24 * 3600,
        "no number": str(now - 1),
        "not yet": now + 600,
    }.items():
        items.put_item(Item={"id": name, "expires_at": over})
    (expired,) = stream.calls(1)
    assert (expired["ids"], expired["who"]) == (["over"], [{"type": "Service", "principalId": "dynamodb.amazonaws.com"}])
    items.delete_item(Key={"id": "not yet"})
    (removed,) = stream.calls(1)
    assert (removed["ids"], removed["who"]) == (["not yet"], [None])
    assert {item["id"] for item in items.scan()["Items"]} == {"too old", "no number"}
