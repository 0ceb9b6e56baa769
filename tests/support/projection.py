"""A deployed ``StreamProcessing`` as its tests see it: changes and records go in, and what comes out is looked for."""

import base64
import json
import time
import uuid
from contextlib import contextmanager

from boto3.dynamodb.conditions import Key

from serverless_patterns.local.processes import wait_until
from tests.support.deployed import DeployedStack
from tests.support.functions import DeployedFunction, without_bucket
from tests.support.waiting import PATIENCE

#: Seconds after which a record is given up, as the construct has it.
HOURS = 6 * 60 * 60


class Projection(DeployedStack):
    """A stream, its view, its audit, and what could not be worked.

    Args:
        emulator: Where it runs.
        account: The same, for clients.
        stack: The stack.
        prefix: Of the names of its outputs.
    """

    def __init__(self, emulator, account, stack, prefix=""):
        super().__init__(account, stack, prefix)
        self._lambda, self._kinesis = account.client("lambda"), account.client("kinesis")
        self.s3 = account.client("s3")
        self.view = account.table(self.output("ViewTableName"))
        self.audit = account.table(self.output("AuditTableName"))
        self.function = DeployedFunction(emulator, account, self.output("FunctionName"))

    @property
    def source(self):
        """The table that is read."""
        return self.account.table(self.output("SourceTableName"))

    def put(self, name, **item):
        """Put an item."""
        self.source.put_item(Item={"id": name, **item})

    def remove(self, name):
        """Remove an item."""
        self.source.delete_item(Key={"id": name})

    def send(self, *records, key=None):
        """Put records into the stream, each JSON or bytes, at once: under its ``id``, or one partition key for all."""
        entries = [
            {
                "Data": record if isinstance(record, bytes) else json.dumps(record).encode(),
                "PartitionKey": key or record["id"],
            }
            for record in records
        ]
        for start in range(0, len(entries), 500):
            answer = self._kinesis.put_records(StreamName=self.output("StreamName"), Records=entries[start : start + 500])
            assert answer["FailedRecordCount"] == 0

    def row(self, name):
        """The row of an id in the view."""
        return self.view.get_item(Key={"id": name}, ConsistentRead=True).get("Item", {})

    def data(self, name):
        """What the view shows of an id; nothing of one that is removed."""
        return self.row(name).get("data")

    def history(self, name):
        """The rows of an id in the audit, in order."""
        return self.audit.query(KeyConditionExpression=Key("id").eq(name), ConsistentRead=True)["Items"]

    def actions(self, name):
        """What has happened to an id."""
        return [row["action"] for row in self.history(name)]

    def shows(self, name, data):
        """Wait until the view shows this of an id."""
        assert wait_until(lambda: self.data(name) == data, seconds=PATIENCE), self.row(name)

    def rows(self, prefix):
        """All rows of the audit whose ids begin like this."""
        pages = self.audit.meta.client.get_paginator("scan").paginate(TableName=self.audit.name)
        return [item for page in pages for item in page["Items"] if item["id"].startswith(prefix)]

    def objects(self, prefix=""):
        """The objects of the bucket of failures, by their keys."""
        bucket = self.output("FailureBucketName")
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = [each["Key"] for page in pages for each in page.get("Contents", [])]
        return {key: json.loads(self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in keys}

    def poison(self):
        """The records that the handler has set aside, with their reasons."""
        return list(self.objects("records/").values())

    def given_up(self):
        """The records that Lambda has given up."""
        return [record for kept in self.objects("aws/lambda/").values() for record in json.loads(kept["payload"])["Records"]]

    def total(self, namespace, metric, least, **dimensions):
        """Wait until a metric has added up to this: whether it has."""
        asked = {
            "Namespace": namespace,
            "MetricName": metric,
            "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
            "Period": 3600,
            "Statistics": ["Sum"],
        }

        def enough():
            now = time.time()
            points = self.account.client("cloudwatch").get_metric_statistics(StartTime=now - 600, EndTime=now + 60, **asked)
            return sum(point["Sum"] for point in points["Datapoints"]) >= least

        return wait_until(enough, seconds=PATIENCE)

    def without_bucket(self):
        """There is no bucket of failures as long as this lasts."""
        return without_bucket(self.account, self.output("FailureBucketName"))

    @contextmanager
    def giving_up_after(self, seconds):
        """A record is given up so soon as long as this lasts: the construct chooses hours, tests have no time."""
        self.function.set_mapping(MaximumRecordAgeInSeconds=seconds)
        try:
            yield
        finally:
            self.function.set_mapping(MaximumRecordAgeInSeconds=HOURS)

    def invoke(self, records):
        """Give records to the function, as Lambda would once more: what it answers."""
        answer = self._lambda.invoke(FunctionName=self.output("FunctionName"), Payload=json.dumps({"Records": records}))
        return json.loads(answer["Payload"].read())

    def stored(self, *names):
        """The records that the stream still has of these ids, in order, as Lambda sends them."""
        records = self._of_stream() if f"{self.prefix}StreamName" in self.stack.outputs else self._of_table()
        return [record for record in records if self._id_of(record) in names]

    def _of_table(self):
        client = self.account.client("dynamodbstreams")
        for record in _read(client, StreamArn=self.source.latest_stream_arn):
            record["dynamodb"]["ApproximateCreationDateTime"] = int(
                record["dynamodb"]["ApproximateCreationDateTime"].timestamp()
            )
            yield record

    def _of_stream(self):
        for record in _read(self._kinesis, StreamName=self.output("StreamName")):
            yield {
                "eventID": f"shardId-000000000000:{record['SequenceNumber']}",
                "eventSource": "aws:kinesis",
                "kinesis": {
                    "partitionKey": record["PartitionKey"],
                    "sequenceNumber": record["SequenceNumber"],
                    "data": base64.b64encode(record["Data"]).decode(),
                    "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"].timestamp(),
                },
            }

    def _id_of(self, record):
        return record["dynamodb"]["Keys"]["id"]["S"] if "dynamodb" in record else record["kinesis"]["partitionKey"]


def _read(client, **stream):
    """What the shards of a stream have, of DynamoDB or of Kinesis."""
    shards = client.describe_stream(**stream)["StreamDescription"]["Shards"]
    for shard in shards:
        asked = {**stream, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        iterator = client.get_shard_iterator(**asked)["ShardIterator"]
        while iterator:
            page = client.get_records(ShardIterator=iterator, Limit=1000)
            yield from page["Records"]
            iterator = page.get("NextShardIterator") if page["Records"] else None


def new_id(name="customer"):
    """An id that no other test uses."""
    return f"{uuid.uuid4().hex[:8]}-{name}"
