"""What each record of a stream says about itself, whatever it carries."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from shared.errors import Fault, InvalidError
from stream_processing.models import DYNAMODB, KINESIS, SEQUENCE_DIGITS, Action, Change

#: The longest partition key of a table.
#: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
_MOST_ID_BYTES = 2048

_SEQUENCE_NUMBER = re.compile(rf"[0-9]{{1,{SEQUENCE_DIGITS}}}")
_HALF_PAIR = re.compile("[\ud800-\udfff]")

_UNKNOWN = "The record is not in the form that its stream has."
_UNFIT_ID = "The record has a key that no row can have for its id."


class _Form(NamedTuple):
    """Where a source has what all records have."""

    event_source: str
    body: str
    sequence_number: str
    time: str


#: https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html and https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
_FORMS = {
    DYNAMODB: _Form("aws:dynamodb", "dynamodb", "SequenceNumber", "ApproximateCreationDateTime"),
    KINESIS: _Form("aws:kinesis", "kinesis", "sequenceNumber", "approximateArrivalTimestamp"),
}


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it came. What is missing or malformed is ``""`` or ``None``: such a record too must be spoken of.

    Args:
        raw: All of it.
        body: What the source says.
        event_id: Its id, which it keeps however often it comes.
        sequence_number: Its place in the stream: how Lambda wants to hear of it.
        at: When it was written, about.
    """

    raw: Any
    body: Mapping[str, Any]
    event_id: str
    sequence_number: str
    at: datetime | None

    @classmethod
    def of(cls, raw: object, source: str) -> "Record":
        """The record of this source."""
        form = _FORMS[source]
        record = _mapping(raw)
        body = _mapping(record.get(form.body)) if record.get("eventSource") == form.event_source else {}
        return cls(
            raw=raw,
            body=body,
            event_id=_text(record.get("eventID")),
            sequence_number=_sequence_number(body.get(form.sequence_number)),
            at=_time(body.get(form.time)),
        )

    def change(self, row_id: str, action: Action, changed: list[str], image: Mapping[str, Any] | None) -> Change:
        """What this record says has changed.

        Raises:
            InvalidError: The record does not say when, or has no id of its own, or the row can have no such id.
        """
        if not (self.event_id and self.sequence_number and self.at):
            raise InvalidError(_UNKNOWN)
        if _HALF_PAIR.search(row_id) or not 1 <= len(row_id.encode()) <= _MOST_ID_BYTES:
            raise InvalidError(_UNFIT_ID, faults=[Fault("", f"must be 1 to {_MOST_ID_BYTES} bytes of UTF-8")])
        sequence = self.sequence_number.zfill(SEQUENCE_DIGITS)
        return Change(row_id, sequence, self.event_id, self.at, action, tuple(sorted(changed)), image)


def is_of(source: str, event: object) -> bool:
    """Whether the event has records, the first of them of this source."""
    match event:
        case {"Records": []}:
            return True
        case {"Records": [{"eventSource": found}, *_]}:
            return bool(found == _FORMS[source].event_source)
        case _:
            return False


def unknown(path: list[str | int], message: str) -> InvalidError:
    """The error of a record in which this is not as the stream has it."""
    return InvalidError(_UNKNOWN, faults=[Fault.at(path, message)])


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) and not _HALF_PAIR.search(value) else ""


def _sequence_number(value: object) -> str:
    return value if isinstance(value, str) and _SEQUENCE_NUMBER.fullmatch(value) else ""


def _time(value: object) -> datetime | None:
    """The time that is so many seconds after 1970."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
