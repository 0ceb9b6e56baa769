"""The values of this pattern: its settings, and what a record of the stream says has changed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from shared import settings
from shared.observability import LogSettings
from shared.settings import SettingsError

DYNAMODB = "dynamodb"
KINESIS = "kinesis"

_DAY = 86_400

#: What a stream of DynamoDB keeps, and Kinesis at least: a tombstone has to be there as long.
#: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
#: https://docs.aws.amazon.com/streams/latest/dev/kinesis-extended-retention.html
_LEAST_TOMBSTONE_SECONDS = _DAY

_MOST_SECONDS = 100 * 365 * _DAY

#: Characters that S3 and what reads from it take as they are.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
_PREFIX = re.compile(r"(?:[A-Za-z0-9!_.*'()=-]+/)+")

#: Sequence numbers are filled with zeros up to here, so that the order of the texts is the order of the numbers. Kinesis has 56
#: digits, DynamoDB up to 40. https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_StreamRecord.html
SEQUENCE_DIGITS = 128


@dataclass(frozen=True, slots=True)
class Settings:
    """What the construct tells the handler through environment variables.

    Args:
        source: SOURCE: ``dynamodb`` for the stream of a table, with new and old images, or ``kinesis`` for a data stream.
        view_table_name: VIEW_TABLE_NAME: the newest state of each id. Its key is the text ``id``, and its time-to-live
            attribute, which only tombstones have, ``expires_at``.
        audit_table_name: AUDIT_TABLE_NAME: what happened to each id. Its keys are the texts ``id`` and ``sequence``.
        audit_seconds: AUDIT_SECONDS: how long after the change its audit row may go, by the time-to-live attribute
            ``expires_at``. Default 0: it is kept for ever.
        tombstone_seconds: TOMBSTONE_SECONDS: how long after a removal its tombstone may go: longer than the stream has an older
            record, or the bucket of failures one that was given up, or it brings the row back. At least a day. Default 184
            days: a day in the stream, 90 in the bucket, 90 there as an old version, and 3 to spare.
        failure_bucket_name: FAILURE_BUCKET_NAME: where a record goes that can never be taken; whole, with what is excluded.
        failure_prefix: FAILURE_PREFIX: what the keys there begin with. It ends with ``/``. Default ``records/``.
        key_field: KEY_FIELD: for ``kinesis`` the field of the JSON that is the id. Default ``""``: the record's partition key.
        schema_file: SCHEMA_FILE: for ``kinesis`` the JSON Schema of each record, relative to the root of the code, if any.
        excluded: EXCLUDED: the top-level attributes or fields that never reach the view or the audit, with commas between.
        logs: LOG_LEVEL and DEBUG_SAMPLE_RATE.
    """

    source: str
    view_table_name: str
    audit_table_name: str
    audit_seconds: int
    tombstone_seconds: int
    failure_bucket_name: str
    failure_prefix: str
    key_field: str
    schema_file: Path | None
    excluded: frozenset[str]
    logs: LogSettings

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> "Settings":
        """The settings in these variables.

        Raises:
            SettingsError: A variable is missing or malformed; the message begins with its name.
        """
        integer = settings.integer
        source = settings.choice(variables, "SOURCE", "", allowed=(DYNAMODB, KINESIS))
        of_json = variables if source == KINESIS else {}
        return cls(
            source=source,
            view_table_name=settings.text(variables, "VIEW_TABLE_NAME"),
            audit_table_name=settings.text(variables, "AUDIT_TABLE_NAME"),
            audit_seconds=integer(variables, "AUDIT_SECONDS", 0, least=0, most=_MOST_SECONDS),
            tombstone_seconds=integer(
                variables, "TOMBSTONE_SECONDS", 184 * _DAY, least=_LEAST_TOMBSTONE_SECONDS, most=_MOST_SECONDS
            ),
            failure_bucket_name=settings.text(variables, "FAILURE_BUCKET_NAME"),
            failure_prefix=_failure_prefix(variables),
            key_field=_key_field(of_json),
            schema_file=settings.code_file(of_json, "SCHEMA_FILE") if of_json.get("SCHEMA_FILE") else None,
            excluded=frozenset(settings.texts(variables, "EXCLUDED")),
            logs=LogSettings.from_environment(variables),
        )


def _failure_prefix(variables: Mapping[str, str]) -> str:
    prefix = settings.text(variables, "FAILURE_PREFIX", "records/")
    if not _PREFIX.fullmatch(prefix):
        msg = f"FAILURE_PREFIX must be names of letters, digits and !_.*'()=- with / after each, got {prefix!r}"
        raise SettingsError(msg)
    return prefix


def _key_field(variables: Mapping[str, str]) -> str:
    field = variables.get("KEY_FIELD", "")
    if field in settings.texts(variables, "EXCLUDED"):
        msg = f"KEY_FIELD must not be in EXCLUDED, as every row has it for its id, got {field!r}"
        raise SettingsError(msg)
    return field


class Action(StrEnum):
    """What happened."""

    INSERTED = "INSERTED"
    MODIFIED = "MODIFIED"
    REMOVED = "REMOVED"
    EXPIRED = "EXPIRED"  # removed by its time to live, and by nobody
    RECORDED = "RECORDED"  # Kinesis has no before and after


@dataclass(frozen=True, slots=True)
class Change:
    """What a record says has changed.

    Args:
        id: Of what: the id of its row.
        sequence: When, among all changes of this id: later ones have a greater text.
        event_id: The record's own id.
        at: When, about.
        action: What happened.
        changed: The attributes that are not as they were, in the order of their names.
        image: All attributes as they are since, in the form of DynamoDB's API; ``None`` if it is gone.
    """

    id: str
    sequence: str
    event_id: str
    at: datetime
    action: Action
    changed: tuple[str, ...]
    image: Mapping[str, Any] | None

    @property
    def is_visible(self) -> bool:
        """Whether the view shows it: a change of nothing but what is excluded does not."""
        return self.action is not Action.MODIFIED or bool(self.changed)
