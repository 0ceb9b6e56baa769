"""S3Processing, driven from outside: files are uploaded, read, stored and announced; bad rows and bad files are told of.

And the other half of the promises: a newer version of a file, a file that nobody asked for, and a message that is no event.
"""

from __future__ import annotations

import gzip
import json
import struct
import uuid
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from boto3.dynamodb.conditions import Key

from serverless_patterns.local.account import Account, Stack
from serverless_patterns.local.events import Events
from serverless_patterns.local.hops import Effect, OnHop
from serverless_patterns.local.queues import Inbox, Queue

#: The catalogue's prefix: only what is below it is worked.
PREFIX = "incoming/"
#: Its third line has one field too few.
ORDERS = b"id,customer,amount\n1,Ada,19.99\n2,Grace\n3,Edsger,0.01\n"
MORE_ORDERS = ORDERS + b"4,Barbara,5.00\n"
TEXT = "Of a text, the size is kept,\nand no more.\n"
ZIP = b"PK\x03\x04\x14\x00"
#: Of the image, and of a thumbnail of it whose longest side has 256.
SIZE, SMALL_SIZE = (640, 400), (256, 160)


def drive(account: Account, stack: Stack, on_hop: OnHop) -> None:
    """Drive the deployed pattern, and delete what was created."""
    function = Events(account, stack.outputs["LogGroupName"], on_hop)
    with Inbox(account, stack.outputs["TopicArn"]) as inbox:
        files = Files(account, stack, inbox)
        try:
            _work(function, files)
            _replace(function, files)
            _reject(function, files)
            _poison(function, files)
            function.hop("Every one is accounted for", "all that was sent", files.accounted_for, called=False)
        finally:
            files.delete()


def _work(function: Events, files: Files) -> None:
    _upload(function, files, "A CSV with a bad row: the good ones are kept", "orders.csv", ORDERS, files.orders)
    _upload(function, files, "An image: a thumbnail is made", "picture.png", png(*SIZE), files.picture)
    _upload(function, files, "A text: its size is kept", "note.txt", TEXT.encode(), files.text)
    _upload(function, files, "A gzip: what is in it is worked", "orders.csv.gz", gzip.compress(ORDERS), files.orders)


def _replace(function: Events, files: Files) -> None:
    step = "The CSV once more: the newer version counts"
    _upload(function, files, step, "orders.csv", MORE_ORDERS, files.more_orders)


def _reject(function: Events, files: Files) -> None:
    _upload(function, files, "A file that nobody can read", "orders.zip", ZIP, files.unsupported)


def _upload(  # noqa: PLR0917  a line each, as they are read
    function: Events, files: Files, step: str, name: str, content: bytes, look: Callable[[str], Effect]
) -> None:
    key = files.key(name)
    function.hop(step, f"PUT {name}, {len(content)} bytes", lambda: look(key), send=lambda: files.upload(key, content))


def _poison(function: Events, files: Files) -> None:
    function.hop("A message that is no event", "a message in the queue", files.dead, send=files.send_poison)


class Files:
    """The files of one drive: what is stored, made, announced and put aside.

    Args:
        account: Where the stack is.
        stack: The stack.
        inbox: Receives what is announced.
    """

    def __init__(self, account: Account, stack: Stack, inbox: Inbox) -> None:
        self._s3 = account.client("s3")
        self._buckets = stack.outputs["BucketName"], stack.outputs["OutputBucketName"]
        self._table = account.table(stack.outputs["TableName"])
        self._queue = Queue(account, stack.outputs["QueueUrl"])
        self._dead_letters = Queue(account, stack.outputs["DeadLetterQueueUrl"])
        self._inbox = inbox
        self._run = uuid.uuid4().hex[:8]
        self._poison = f"no event of the drive {self._run}"
        self._versions: dict[str, list[str]] = {}
        self._dead: list[str] = []

    def key(self, name: str) -> str:
        """The key of a file of this drive."""
        return f"{PREFIX}drive-{self._run}/{name}"

    def upload(self, key: str, content: bytes) -> str:
        """Upload a file; what S3 answers."""
        answer = self._s3.put_object(Bucket=self._buckets[0], Key=key, Body=content)
        self._versions.setdefault(key, []).append(answer["VersionId"])
        return str(answer["ResponseMetadata"]["HTTPStatusCode"])

    def send_poison(self) -> str:
        """Put what is no event into the queue."""
        self._queue.send(self._poison)
        return "taken"

    def orders(self, key: str) -> Effect:
        """Two rows are stored, and the one that is not is reported with its line."""
        return self._table_of_orders(key, {2, 4})

    def more_orders(self, key: str) -> Effect:
        """The rows of the newer version are stored, and the status says that they count."""
        return self._table_of_orders(key, {2, 4, 5})

    def picture(self, key: str) -> Effect:
        """The size is known, and there is a thumbnail."""
        status, faults = self._ended(key, "PROCESSED")
        details, thumbnail = status.get("details", {}), status.get("thumbnail_key")
        if not thumbnail:
            return Effect("no thumbnail", (*faults, "there is no thumbnail"))
        small = struct.unpack(">II", self._made(thumbnail)[16:24])
        sizes = (details.get("width"), details.get("height")), small
        if sizes != (SIZE, SMALL_SIZE):
            faults.append(f"the sizes should be {(SIZE, SMALL_SIZE)}, got {sizes}")
        return Effect(f"PROCESSED, {small[0]} x {small[1]} pixels in {thumbnail}", tuple(faults))

    def text(self, key: str) -> Effect:
        """It is measured."""
        status, faults = self._ended(key, "PROCESSED")
        details = status.get("details", {})
        got = {name: details.get(name) for name in ("characters", "words", "lines")}
        expected = {"characters": len(TEXT), "words": len(TEXT.split()), "lines": len(TEXT.splitlines())}
        if got != expected:
            faults.append(f"it should have {expected}, got {got}")
        return Effect(f"PROCESSED, {', '.join(f'{value} {name}' for name, value in got.items())}", tuple(faults))

    def unsupported(self, key: str) -> Effect:
        """It is rejected, and the reason says why."""
        status, faults = self._ended(key, "REJECTED")
        reason = status.get("reason")
        return Effect(f"{status.get('state')}: {reason}", (*faults, *(() if reason else ("the reason is missing",))))

    def dead(self) -> Effect:
        """The message is in the dead-letter queue, with its reason."""
        letters = self._dead_letters.take(lambda message: message.body == self._poison)
        self._dead += [letter.attributes.get("Reason", "") for letter in letters]
        if not self._dead:
            return Effect("not put aside", ("the message is not in the dead-letter queue",))
        return Effect(f"put aside: {self._dead[0]}", () if self._dead[0] else ("the reason is missing",))

    def accounted_for(self) -> Effect:
        """Each version that was uploaded has come to one end, and no message is left."""
        versions = {version for uploaded in self._versions.values() for version in uploaded}
        ends = {each["id"]: each["type"] for each in self._announced() if each["data"]["version"] in versions}
        types = Counter(ends.values())
        processed, rejected = types["objects.processed"], types["objects.rejected"]
        sent, left = len(versions) + 1, self._queue.count()
        ended = processed + rejected + len(self._dead)
        shown = f"{sent} sent = {processed} processed + {rejected} rejected + {len(self._dead)} put aside"
        faults = [] if sent == ended else [f"{sent} were sent, but {ended} came to an end: {dict(types)}"]
        return Effect(shown, (*faults, *([f"{left} messages are still in the queue"] if left else [])))

    def delete(self) -> None:
        """Delete what the drive has created, and nothing else: others may use the buckets, the table and the queues."""
        self.dead()
        for key, versions in self._versions.items():
            self._delete_item(self._id(key), 0)
            for version in versions:
                for row in self._rows(key, version):
                    self._delete_item(self._rows_id(key, version), row)
        uploads, made = self._buckets
        for bucket, folder in ((uploads, ""), (made, "results/"), (made, "thumbnails/")):
            self._delete_objects(bucket, f"{folder}{self.key('')}")

    def _table_of_orders(self, key: str, expected: set[int]) -> Effect:
        status, faults = self._ended(key, "PROCESSED")
        rows = self._rows(key, status.get("version", "-"))
        if set(rows) != expected:
            faults.append(f"the lines {sorted(expected)} should be stored, got {sorted(rows)}")
        bad = self._result(status).get("rejected_rows", [])
        if [each["line"] for each in bad] != [3]:
            faults.append(f"line 3 should be reported, got {bad}")
        shown = ", ".join(f"line {each['line']} {each['reason']}" for each in bad)
        result = status.get("result_key", "no result").rpartition("@")[0]
        return Effect(f"PROCESSED, {len(rows)} rows stored; {shown}; told in {result}@...", tuple(faults))

    def _ended(self, key: str, state: str) -> tuple[dict[str, Any], list[str]]:
        """The status of the newest version, and what is wrong with it: its state, or that it was not announced."""
        status, version = self._status(key), self._versions[key][-1]
        if (status.get("state"), status.get("version")) != (state, version):
            return status, [f"version {version} should be {state}, got {status.get('state')} of {status.get('version')}"]
        event = f"objects.{state.lower()}"
        announced = [each["type"] for each in self._announced() if each["data"]["version"] == version]
        return status, [] if set(announced) == {event} else [f"{event} should be announced, got {announced}"]

    def _result(self, status: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._made(status["result_key"])) if "result_key" in status else {}
        return found

    def _made(self, key: str) -> bytes:
        content: bytes = self._s3.get_object(Bucket=self._buckets[1], Key=key)["Body"].read()
        return content

    def _announced(self) -> Sequence[dict[str, Any]]:
        return [json.loads(message.body) for message in self._inbox.received()]

    def _id(self, key: str) -> str:
        return f"{self._buckets[0]}/{key}"

    def _rows_id(self, key: str, version: str) -> str:
        return f"{self._id(key)}@{version}"

    def _status(self, key: str) -> dict[str, Any]:
        answer = self._table.get_item(Key={"object": self._id(key), "row": 0}, ConsistentRead=True)
        found: dict[str, Any] = answer.get("Item", {})
        return found

    def _rows(self, key: str, version: str) -> dict[int, dict[str, Any]]:
        condition = Key("object").eq(self._rows_id(key, version))
        items = self._table.query(KeyConditionExpression=condition, ConsistentRead=True)["Items"]
        return {int(item["row"]): item for item in items}

    def _delete_item(self, name: str, row: int) -> None:
        self._table.delete_item(Key={"object": name, "row": row})

    def _delete_objects(self, bucket: str, prefix: str) -> None:
        """Delete the versions below a prefix: an object that is only deleted leaves them all."""
        for page in self._s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
            for version in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                self._s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])


def png(width: int, height: int) -> bytes:
    """A see-through image of this size, in the one colour that has a value: as a PNG, whose thumbnail is one too."""
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)  # eight bits each of red, green, blue, opacity
    lines = (b"\0" + b"\x20\x60\xa0\x80" * width) * height
    parts = {b"IHDR": header, b"IDAT": zlib.compress(lines), b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in parts.items())


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
