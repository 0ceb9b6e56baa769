"""A record that can never be taken, as it is kept with its reason."""

import hashlib
import json
import re

from shared.queue_consumer import reason_of
from shared.times import timestamp
from stream_processing.records import Record

#: DynamoDB's ids are hexadecimal, Kinesis' are a shard, a colon and a sequence number.
_EVENT_ID = re.compile(r"[A-Za-z0-9:-]{1,256}")


def poison_key(record: Record) -> str:
    """Where the record is kept, below the prefix: at the same key however often it comes."""
    day = record.at.date().isoformat() if record.at else "unknown"
    return f"dt={day}/{_name(record)}.json"


def poison_body(record: Record, error: Exception) -> bytes:
    """The record, and why it cannot be taken. It never says when that was seen: a repetition must not make it another."""
    kept = {
        "reason": reason_of(error),
        "error": type(error).__name__,
        "record": record.raw,
        "at": timestamp(record.at) if record.at else None,
    }
    return _json(kept)


def _name(record: Record) -> str:
    if _EVENT_ID.fullmatch(record.event_id):
        return record.event_id.replace(":", "_")
    return hashlib.sha256(_json(record.raw)).hexdigest()


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()  # in ASCII: it may hold half a surrogate pair
