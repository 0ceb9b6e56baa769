"""A deployed ``S3Processing`` as its tests see it: files go in, and what comes out is looked for until it is there."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from boto3.dynamodb.conditions import Key

from serverless_patterns.local.processes import wait_until
from tests.support.deployed import DeployedStack, taken
from tests.support.fanout import AT_ONCE
from tests.support.functions import DeployedFunction, without_bucket
from tests.support.waiting import PATIENCE, eventually

FINAL = {"PROCESSED", "REJECTED", "FAILED"}

#: Keys that are written otherwise where they travel: in notifications, in addresses, in the names of what is made of them.
KEYS = {
    "spaces": "two  spaces and one at the end .csv",
    "a plus": "one+two + three.csv",
    "percent signs": "100%25 and a%252Fb%2Bc%.csv",
    "other scripts": "übergrößen/漢字/😀.csv",
    "signs of addresses": "a=b&c?d#e:f;g@h!$'()*,[].csv",
    "folders that are none": "//a//b/.hidden.csv",
}


def new_key(name):
    """A key that no other test uses."""
    return f"{uuid.uuid4().hex[:8]}/{name}"


def csv_of(rows, width=1):
    """A CSV with so many good rows, of which the first is in line 2."""
    return b"id,text\n" + b"".join(b"%d,%s\n" % (number, b"x" * width) for number in range(1, rows + 1))


class Intake(DeployedStack):
    """A bucket and what works its files.

    Args:
        emulator: Where it runs.
        account: The same, for clients.
        stack: The stack.
        prefix: Of the names of its outputs.
        folder: Where it looks for files.
    """

    def __init__(self, emulator, account, stack, prefix="", folder="incoming/"):
        super().__init__(account, stack, prefix)
        self._emulator = emulator
        self.folder = folder
        self.s3, self._lambda, self._sqs = account.client("s3"), account.client("lambda"), account.client("sqs")
        self.table = account.table(self.output("TableName"))
        self.function = DeployedFunction(emulator, account, self.output("FunctionName"))
        self._versions = {}

    def put(self, name, content, **more):
        """Upload a file below the prefix: its key."""
        key = f"{self.folder}{name}"
        self._versions[key] = self.put_object(key, content, **more)
        return key

    def put_object(self, key, content, **more):
        """Upload a file: its version."""
        return self.s3.put_object(Bucket=self.output("BucketName"), Key=key, Body=content, **more).get("VersionId")

    def put_all(self, files):
        """Upload files at the same time: their keys, in order."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(lambda name: self.put(name, files[name]), files))

    def version(self, key):
        """The version that was uploaded last."""
        return self._versions[key]

    def id(self, key):
        """How the table calls an object."""
        return f"{self.output('BucketName')}/{key}"

    def status(self, key):
        """What the table says of an object."""
        return self.table.get_item(Key={"object": self.id(key), "row": 0}, ConsistentRead=True).get("Item", {})

    def ended(self, *keys):
        """The statuses of objects, when the version of each that was uploaded last has come to its end."""
        found = {}

        def all_ended():
            found.update({key: self.status(key) for key in keys if key not in found or not self._has_ended(key, found[key])})
            return all(self._has_ended(key, found[key]) for key in keys)

        assert wait_until(all_ended, seconds=PATIENCE, interval=0.05), {key: found[key] for key in keys}
        return [found[key] for key in keys]

    def worked(self, name, content, **more):
        """Upload a file: its status when it has come to its end."""
        return self.ended(self.put(name, content, **more))[0]

    def _has_ended(self, key, status):
        version = self._versions[key]
        return status.get("state") in FINAL and version in {status["version"], None}

    def rows(self, status):
        """The rows of the version that a status is about, by their number."""
        return self.rows_of(f"{status['object']}@{status['version']}")

    def rows_of(self, rows_id):
        """The rows of a version, by their number."""
        found, start = {}, {}
        while True:
            page = self.table.query(KeyConditionExpression=Key("object").eq(rows_id), ConsistentRead=True, **start)
            for item in page["Items"]:
                found[int(item["row"])] = {name: value for name, value in item.items() if name not in {"object", "row"}}
            if "LastEvaluatedKey" not in page:
                return found
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def made(self, key):
        """An object of the output bucket."""
        return self.s3.get_object(Bucket=self.output("OutputBucketName"), Key=key)["Body"].read()

    def result(self, status):
        """The result object that a status names."""
        return json.loads(self.made(status["result_key"]))

    def emptied(self, name=""):
        """Wait until a queue has no message."""
        assert eventually(self.queue(name).count, 0) == 0

    @contextmanager
    def held(self, name=""):
        """What is in a queue is not worked as long as this lasts."""
        arn = self._sqs.get_queue_attributes(QueueUrl=self.output(f"{name}QueueUrl"), AttributeNames=["QueueArn"])
        found = self._lambda.list_event_source_mappings(EventSourceArn=arn["Attributes"]["QueueArn"])
        (mapping,) = found["EventSourceMappings"]
        with DeployedFunction(self._emulator, self.account, mapping["FunctionArn"].rpartition(":")[-1]).held():
            yield self.queue(name)

    def without_output(self):
        """There is no output bucket as long as this lasts."""
        return without_bucket(self.account, self.output("OutputBucketName"))

    def events_of(self, *uploads):
        """The events of these uploads (name, content), as they came to the queue; they are not there any more."""
        found = []
        with self.held() as queue:
            for name, content in uploads:
                self.put(name, content)
                arrived = taken(queue)
                assert arrived, name
                found += arrived
        return [message.body for message in found]


def announced(inbox, key=None):
    """The events that a topic has announced, of one object if one is named."""
    events = [json.loads(message.body) for message in inbox.received()]
    return [event for event in events if key in {None, event["data"]["key"]}]


def of_version(inbox, status):
    """The events that a topic has announced of the version that a status is about."""
    return [event for event in announced(inbox) if event["data"]["version"] == status["version"]]
