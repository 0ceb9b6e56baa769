"""The calls to AWS. Expressions are made of names that stand here: what an event or a file says only ever travels as a value.

They need ``dynamodb:UpdateItem`` (``StatusTable``) and ``dynamodb:BatchWriteItem`` (``RowsTable``) on the table,
``s3:GetObject`` and ``s3:GetObjectVersion`` on the objects of the source bucket, and ``s3:PutObject`` on ``results/*`` and
``thumbnails/*`` of the output bucket. Without ``s3:ListBucket`` on the source bucket, S3 says of an object that is gone that
access is denied, and the object has failed instead of being rejected.
"""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

import boto3
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError, IncompleteReadError  # noqa: A004  botocore's own

from s3_processing.api import Rejected
from s3_processing.models import Created, Outcome, State, Status
from s3_processing.reading import Opened
from s3_processing.rows import Item
from s3_processing.streams import PIECE_BYTES
from shared.aws import CLIENT_CONFIG
from shared.conditional import Change, update
from shared.dynamodb import attributes_of
from shared.errors import UnavailableError
from shared.times import timestamp, utc_now

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

#: Items that one call takes. https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
_MOST_ITEMS = 25
_THREADS = 4

#: The longest pauses, in seconds, between offers of items that the table had no room for; together at most 5 s.
_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 1.6)

#: How often in a row a connection may break before the object is read another time.
_MOST_BREAKS = 3

_CROWDED = "The table has no room for so many rows at once. Try again."
_BREAKS = "The connection to S3 broke again and again. Try again."

_TAKEN_ANEW = "attribute_not_exists(#object) OR #sequencer < :sequencer"
_OPEN = "#version = :version AND #state IN (:received, :failed)"
_ALL_OF_A_VERSION = ("progress", "counts", "kind", "details", "reason", "result_key", "thumbnail_key", "announced_at")

_STATES = {":received": str(State.RECEIVED), ":failed": str(State.FAILED)}

#: What S3 says of an object that it has not, or not any more, and what that comes to.
_REFUSALS = {
    "NoSuchKey": "gone",
    "NoSuchVersion": "gone",
    "404": "gone",
    "MethodNotAllowed": "gone",  # its version is a delete marker
    "PreconditionFailed": "superseded",
    "412": "superseded",
    "InvalidObjectState": "it is archived, and has to be restored before it can be read",
}


class StatusTable:
    """The statuses of objects: the rows 0 of the table.

    Args:
        table_name: Its name.
        client: The client to use. Default: a new one, with short timeouts.
        clock: The time of day.
    """

    def __init__(
        self,
        table_name: str,
        client: "DynamoDBClient | None" = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._client = client or boto3.client("dynamodb", config=CLIENT_CONFIG)
        self._table = table_name
        self._clock = clock

    def claim(self, created: Created) -> Status | None:
        """Take this version up, or say what became of it; ``None`` if a newer one is there.

        Raises:
            UnavailableError: It changed at the same moment.
        """
        now = timestamp(self._clock())
        sets = {**_facts(created), "state": str(State.RECEIVED), "started_at": now, "updated_at": now}
        change = self._update(created, sets, _TAKEN_ANEW, _ALL_OF_A_VERSION)
        if change.made or change.row is None or change.row.version != created.version:
            return change.row if change.made else None
        if change.row.state.is_final:
            return change.row
        sets = {"state": str(State.RECEIVED), "updated_at": now}
        change = self._update(created, sets, _OPEN, ("reason", "announced_at"))
        if not change.made:
            msg = "The object was finished elsewhere at the same moment."
            raise UnavailableError(msg)
        return change.row

    def keep_progress(self, created: Created, line: int) -> None:
        """Write down up to which line the rows are written."""
        self._update(created, {"progress": line, "updated_at": timestamp(self._clock())}, _OPEN)

    def finish(self, created: Created, outcome: Outcome, result_key: str) -> Status | None:
        """Write down what became of this version; if it is known already, that stands. ``None`` if a newer one is there."""
        sets = {
            "state": str(outcome.state),
            "kind": None if outcome.kind is None else str(outcome.kind),
            "counts": outcome.counts.as_dict(),
            "details": dict(outcome.details),
            "reason": outcome.reason,
            "result_key": result_key,
            "thumbnail_key": outcome.thumbnail_key,
            "updated_at": timestamp(self._clock()),
        }
        known = {name: value for name, value in sets.items() if value is not None}
        unknown = tuple(name for name in sets if name not in known)
        change = self._update(created, known, _OPEN, (*unknown, "announced_at"))
        return change.row if change.made or (change.row and change.row.version == created.version) else None

    def fail(self, created: Created, reason: str) -> Status | None:
        """Write down that this version has failed; ``None`` if it is final, or a newer one is there."""
        now = timestamp(self._clock())
        sets = {**_facts(created), "state": str(State.FAILED), "reason": reason, "updated_at": now}
        removes = tuple(name for name in _ALL_OF_A_VERSION if name != "reason")
        change = self._update(created, sets, f"{_TAKEN_ANEW} OR ({_OPEN})", removes)
        return change.row if change.made else None

    def announced(self, created: Created, state: State) -> None:
        """Write down that this state is known to others."""
        condition = "#version = :version AND #state = :announced"
        self._update(created, {"announced_at": timestamp(self._clock())}, condition, more={":announced": str(state)})

    def _update(
        self,
        created: Created,
        sets: Mapping[str, object],
        condition: str,
        removes: Sequence[str] = (),
        more: Mapping[str, object] | None = None,
    ) -> Change[Status]:
        expression = "SET " + ", ".join(f"#{name} = :{name}" for name in sets)
        expression += (" REMOVE " + ", ".join(f"#{name}" for name in removes)) if removes else ""
        asked = {":version": created.version, ":sequencer": created.order, **_STATES, **(more or {})}
        values = {f":{name}": value for name, value in sets.items()}
        values |= {name: value for name, value in asked.items() if name in condition}
        names = [*sets, *removes, *(name for name in ("object", "sequencer", "version", "state") if f"#{name}" in condition)]
        return update(
            self._client,
            Status.from_values,
            TableName=self._table,
            Key=attributes_of({"object": created.id, "row": 0}),
            UpdateExpression=expression,
            ConditionExpression=condition,
            ExpressionAttributeNames={f"#{name}": name for name in names},
            ExpressionAttributeValues=attributes_of(values),
        )


def _facts(created: Created) -> dict[str, object]:
    return {"version": created.version, "sequencer": created.order, "size": created.size, "etag": created.etag}


class RowsTable:
    """The rows of objects.

    Args:
        table_name: The table.
        client: The client to use. Default: a new one, with short timeouts.
        pause: What waits for so many seconds.
    """

    def __init__(
        self, table_name: str, client: "DynamoDBClient | None" = None, pause: Callable[[float], object] = time.sleep
    ) -> None:
        self._client = client or boto3.client("dynamodb", config=CLIENT_CONFIG)
        self._table = table_name
        self._pause = pause

    def write(self, items: Sequence[Item]) -> None:
        """Write these items over what is there. They all have another key.

        Raises:
            UnavailableError: The table had no room for some of them.
        """
        batches = [items[start : start + _MOST_ITEMS] for start in range(0, len(items), _MOST_ITEMS)]
        with ThreadPoolExecutor(_THREADS) as threads:
            for _ in threads.map(self._write, batches):
                pass  # what went wrong in a thread is raised here

    def _write(self, items: Iterable[Item]) -> None:
        offered: Any = [{"PutRequest": {"Item": attributes_of(item)}} for item in items]
        for longest in (*_PAUSES, 0):
            answer = self._client.batch_write_item(RequestItems={self._table: offered})
            offered = answer.get("UnprocessedItems", {}).get(self._table)
            if not offered:
                return
            self._pause(random.uniform(0, longest))  # noqa: S311  a jitter, not a secret
        raise UnavailableError(_CROWDED)


class S3Client(Protocol):
    """The calls that are made."""

    def get_object(self, **parameters: Any) -> Any:  # noqa: ANN401  boto3's own
        """Begin to read an object."""

    def put_object(self, **parameters: Any) -> Any:  # noqa: ANN401  boto3's own
        """Write an object."""


class SourceBucket:
    """The bucket whose objects are worked.

    Args:
        client: The client to use. Default: a new one, with short timeouts.
    """

    def __init__(self, client: S3Client | None = None) -> None:
        self._client: S3Client = client or boto3.client("s3", config=CLIENT_CONFIG)

    def open(self, created: Created) -> Opened:
        """Begin to read the version that the event is about.

        Raises:
            Rejected: It is gone, was overwritten, or is archived.
        """
        answer = self._get(created)
        size = answer["ContentLength"]
        return Opened(size, answer.get("ContentType", ""), self._pieces(created, answer["Body"], size))

    def _get(self, created: Created, **more: str) -> Any:  # noqa: ANN401  boto3's own
        # A version never changes. Without versions, the ETag says whether this is still what the event is about.
        exactly = {"VersionId": created.version_id} if created.version_id else {"IfMatch": f'"{created.etag}"'}
        try:
            return self._client.get_object(Bucket=created.bucket, Key=created.key, **exactly, **more)
        except ClientError as error:
            reason = _REFUSALS.get(error.response["Error"]["Code"])
            if reason:
                raise Rejected(reason) from None
            raise

    def _pieces(self, created: Created, body: Any, size: int) -> Iterator[bytes]:  # noqa: ANN401  boto3's own
        """The bytes. S3 ends a connection that waits while rows are written: then it goes on where it broke."""
        position = breaks = 0
        while True:
            try:
                piece = body.read(PIECE_BYTES)
            except (ConnectionError, HTTPClientError, IncompleteReadError) as error:
                breaks += 1
                if breaks > _MOST_BREAKS or position >= size:
                    raise UnavailableError(_BREAKS) from error
                body = self._get(created, Range=f"bytes={position}-")["Body"]
                continue
            if not piece:
                return
            breaks, position = 0, position + len(piece)
            yield piece


class OutputBucket:
    """The bucket for what is made of objects.

    Args:
        name: Its name.
        client: The client to use. Default: a new one, with short timeouts.
    """

    def __init__(self, name: str, client: S3Client | None = None) -> None:
        self._name = name
        self._client: S3Client = client or boto3.client("s3", config=CLIENT_CONFIG)

    def put(self, key: str, content: bytes, content_type: str) -> None:
        """Write an object over what is there."""
        self._client.put_object(Bucket=self._name, Key=key, Body=content, ContentType=content_type)
