"""The values of this pattern: settings, an object that was created, its states, and what became of it."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import quote

from shared import settings
from shared.announcer import AnnouncerSettings
from shared.observability import LogSettings
from shared.queue_consumer import QueueSettings

COMPLETE = "complete"
ALERT = "alert"

_GIBIBYTE = 1024**3

#: The longest key of an object in S3. https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
MOST_KEY_BYTES = 1024

#: Where what is made of objects goes.
RESULTS = "results"
THUMBNAILS = "thumbnails"

#: The longest id of an event that readers of envelopes take.
_MOST_ID_CHARACTERS = 512

#: An item has at most 400 KB; this is longer than a field that one can hold.
_MOST_FIELD_CHARACTERS = 400 * 1024

_LONGEST_SEQUENCER = 64
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_DOTS = re.compile(r"(?<![^/])\.{1,2}(?![^/])")


class State(StrEnum):
    """Where an object stands: RECEIVED, then one of the other three."""

    RECEIVED = "RECEIVED"
    PROCESSED = "PROCESSED"
    REJECTED = "REJECTED"
    FAILED = "FAILED"

    @property
    def is_final(self) -> bool:
        """Whether this version never changes again. FAILED does, when its event comes once more."""
        return self in {State.PROCESSED, State.REJECTED}


class Kind(StrEnum):
    """What an object is worked as."""

    CSV = "csv"
    JSON = "json"
    JSON_LINES = "jsonl"
    TEXT = "text"
    IMAGE = "image"
    CUSTOM = "custom"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the construct tells the handler through environment variables.

    Args:
        bucket_name: BUCKET_NAME: the bucket whose objects are worked; those of another one are refused. ``""`` where the bucket
            invokes the function itself: it depends on the function then, which cannot name it; only the account's buckets may.
        output_bucket_name: OUTPUT_BUCKET_NAME: where results and thumbnails go. It may be the same one: they are not worked.
        table_name: TABLE_NAME: the table of statuses and rows; its keys are the text ``object`` and the number ``row``.
        announcer: TOPIC_ARN or BUS_NAME: where it is announced what became of an object; ``None`` if another function does.
        queue: QUEUE_URL and the rest of a queue's settings; ``None`` if the bucket invokes the function itself.
        schema_file: SCHEMA_FILE: the JSON Schema of a document or of each line, relative to the root of the code, if any.
        processor: PROCESSOR: the user's function, as ``module:function``, that works all objects; ``""`` for the bundled ones.
        max_object_bytes: MAX_OBJECT_BYTES: the largest object. Default 5 GiB.
        max_decompressed_bytes: MAX_DECOMPRESSED_BYTES: to how much a gzip may grow. Default 5 GiB.
        max_rows: MAX_ROWS: how many rows an object may have. Default a million.
        max_field_characters: MAX_FIELD_CHARACTERS: the longest field of a CSV. Default 131072.
        max_pixels: MAX_PIXELS: the largest image. Default 50 million.
        thumbnail_pixels: THUMBNAIL_PIXELS: the longest side of a thumbnail. Default 256.
        logs: LOG_LEVEL and DEBUG_SAMPLE_RATE.
    """

    bucket_name: str
    output_bucket_name: str
    table_name: str
    announcer: AnnouncerSettings | None
    queue: QueueSettings | None
    schema_file: Path | None
    processor: str
    max_object_bytes: int
    max_decompressed_bytes: int
    max_rows: int
    max_field_characters: int
    max_pixels: int
    thumbnail_pixels: int
    logs: LogSettings

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> "Settings":
        """The settings in these variables.

        Raises:
            SettingsError: A variable is missing or malformed; the message begins with its name.
        """
        integer = settings.integer
        most_bytes = 50 * 1024 * _GIBIBYTE  # of an object in S3
        queue = _queue(variables)
        return cls(
            bucket_name=settings.text(variables, "BUCKET_NAME") if queue else variables.get("BUCKET_NAME", ""),
            output_bucket_name=settings.text(variables, "OUTPUT_BUCKET_NAME"),
            table_name=settings.text(variables, "TABLE_NAME"),
            announcer=AnnouncerSettings.from_environment(variables) if queue else AnnouncerSettings.if_any(variables),
            queue=queue,
            schema_file=settings.code_file(variables, "SCHEMA_FILE") if variables.get("SCHEMA_FILE") else None,
            processor=variables.get("PROCESSOR", ""),
            max_object_bytes=integer(variables, "MAX_OBJECT_BYTES", 5 * _GIBIBYTE, least=1, most=most_bytes),
            max_decompressed_bytes=integer(variables, "MAX_DECOMPRESSED_BYTES", 5 * _GIBIBYTE, least=1, most=most_bytes),
            max_rows=integer(variables, "MAX_ROWS", 1_000_000, least=1, most=1_000_000_000),
            max_field_characters=integer(variables, "MAX_FIELD_CHARACTERS", 131_072, least=1, most=_MOST_FIELD_CHARACTERS),
            max_pixels=integer(variables, "MAX_PIXELS", 50_000_000, least=1, most=1_000_000_000),
            thumbnail_pixels=integer(variables, "THUMBNAIL_PIXELS", 256, least=1, most=4096),
            logs=LogSettings.from_environment(variables),
        )


@dataclass(frozen=True, slots=True)
class NotifierSettings:
    """What the construct tells the notifier, which reads the queue of a destination.

    Args:
        action: ACTION: ``complete`` announces what was done, ``alert`` that it failed. Default ``complete``.
        announcer: TOPIC_ARN or BUS_NAME: where it is announced.
        bucket_name: BUCKET_NAME: for ``alert`` the bucket whose objects are worked, else ``""``.
        table_name: TABLE_NAME: for ``alert`` the table of statuses, else ``""``.
        queue: QUEUE_URL and the rest of a queue's settings.
        logs: LOG_LEVEL and DEBUG_SAMPLE_RATE.
    """

    action: str
    announcer: AnnouncerSettings
    bucket_name: str
    table_name: str
    queue: QueueSettings
    logs: LogSettings

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> "NotifierSettings":
        """The settings in these variables.

        Raises:
            SettingsError: A variable is missing or malformed; the message begins with its name.
        """
        action = settings.choice(variables, "ACTION", COMPLETE, allowed=(COMPLETE, ALERT))
        alerts = action == ALERT
        return cls(
            action=action,
            announcer=AnnouncerSettings.from_environment(variables),
            bucket_name=settings.text(variables, "BUCKET_NAME") if alerts else "",
            table_name=settings.text(variables, "TABLE_NAME") if alerts else "",
            queue=QueueSettings.from_environment(variables),
            logs=LogSettings.from_environment(variables),
        )


def _queue(variables: Mapping[str, str]) -> QueueSettings | None:
    queued = variables.get("QUEUE_URL") or variables.get("DEAD_LETTER_QUEUE_URL")
    return QueueSettings.from_environment(variables) if queued else None


@dataclass(frozen=True, slots=True)
class Created:
    """An object that was created, as an event says.

    Args:
        bucket: Its bucket.
        key: Its key, as it was uploaded.
        size: Its size in bytes, as the event says.
        etag: Its ETag, without quotes.
        sequencer: Hexadecimal digits that grow with each event of the key.
        version_id: Its version, if the bucket has versions.
    """

    bucket: str
    key: str
    size: int
    etag: str
    sequencer: str
    version_id: str | None = None

    @property
    def id(self) -> str:
        """What all versions of it have in common: the partition of its status."""
        return f"{self.bucket}/{self.key}"

    @property
    def version(self) -> str:
        """What tells this version from the others."""
        return self.version_id or f"{self.etag}-{self.sequencer}"

    @property
    def rows_id(self) -> str:
        """The partition of this version's rows."""
        return f"{self.id}@{self.version}"

    @property
    def order(self) -> str:
        """The sequencer so that the later of two texts is the later event: S3 wants the shorter filled with zeros on the right.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
        """
        return self.sequencer.upper().ljust(_LONGEST_SEQUENCER, "0")

    def is_result_in(self, output_bucket: str) -> bool:
        """Whether it is something made of an object, in the bucket for such things."""
        return self.bucket == output_bucket and self.key.startswith((f"{RESULTS}/", f"{THUMBNAILS}/"))

    @property
    def public_id(self) -> str:
        """What events about this version call it: the same, as long as readers take it."""
        if len(self.rows_id) + len(":PROCESSED") <= _MOST_ID_CHARACTERS:
            return self.rows_id
        version = self.version if len(self.version) <= _LONGEST_SEQUENCER else _digest(self.version)
        return f"{self.bucket}/{_digest(self.key)}@{version}"

    def output_key(self, folder: str, ending: str) -> str:
        """The key of something made of it. Whatever a program that copies objects to disk would trip over is encoded."""
        safe = _CONTROL.sub(lambda match: quote(match[0]), self.key.replace("%", "%25"))
        safe = _DOTS.sub(lambda match: "%2E" * len(match[0]), safe)
        made = f"{folder}/{safe}@{self.version}{ending}"
        if len(made.encode()) <= MOST_KEY_BYTES:
            return made
        return f"{folder}/{_digest(self.rows_id)}{ending}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def presentable(text: str) -> str:
    """The text on one line, and in characters that can be sent."""
    return _CONTROL.sub("?", text).encode("utf-8", "replace").decode()


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows an object has, and what became of them."""

    accepted: int = 0
    rejected: int = 0

    @property
    def rows(self) -> int:
        """All of them."""
        return self.accepted + self.rejected

    def as_dict(self) -> dict[str, Any]:
        """As it is stored."""
        return {"rows": self.rows, "accepted": self.accepted, "rejected": self.rejected}


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that was not taken.

    Args:
        line: The line that it begins at; of a JSON array, the number of the element. Both begin at 1.
        reason: Why; it never repeats what is in the row.
    """

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an object.

    Args:
        state: PROCESSED or REJECTED.
        kind: What it was worked as; ``None`` if it was not looked into.
        counts: Its rows.
        rejected_rows: The first of the rows that were not taken.
        reason: Why it was rejected.
        details: What there is to know about it.
        thumbnail_key: Where its thumbnail is, if it has one.
    """

    state: State
    kind: Kind | None
    counts: Counts = Counts()
    rejected_rows: tuple[RejectedRow, ...] = ()
    reason: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    thumbnail_key: str | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """What the table says about an object.

    Args:
        version: The version that it is about: the only one whose rows count.
        state: Where that version stands.
        updated_at: Since when.
        progress: Up to which line its rows are written.
        announced_at: When its state was announced, if it was.
        kind: What it was worked as, if that is known.
        counts: Its rows.
        reason: Why it was rejected, or has failed.
        result_key: Where its result is, if it has one.
    """

    version: str
    state: State
    updated_at: str
    progress: int = 0
    announced_at: str | None = None
    kind: str | None = None
    counts: Counts = Counts()
    reason: str | None = None
    result_key: str | None = None

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> "Status":
        """The status in these values of an item."""
        counts = values.get("counts", {})
        return cls(
            version=values["version"],
            state=State(values["state"]),
            updated_at=values["updated_at"],
            progress=int(values.get("progress", 0)),
            announced_at=values.get("announced_at"),
            kind=values.get("kind"),
            counts=Counts(int(counts.get("accepted", 0)), int(counts.get("rejected", 0))),
            reason=values.get("reason"),
            result_key=values.get("result_key"),
        )
