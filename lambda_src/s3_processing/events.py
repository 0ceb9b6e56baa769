"""The events that say that an object was created: EventBridge's, and S3's own notifications, in which keys are encoded."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote_plus

from s3_processing.models import MOST_KEY_BYTES, Created
from shared.errors import Fault, InvalidError
from shared.schema import Schema

_NO_EVENT = 'This is no event about an object: let S3 or EventBridge ("Object Created") send it.'
_FOREIGN = "The object is in another bucket than this function works for."
_NO_KEY = "The object's key is not URL-encoded UTF-8, as S3 sends it."
_LONG_KEY = f"The object's key is longer than the {MOST_KEY_BYTES} bytes of S3."

#: As long as the ids of a table's partition and the keys of results leave room for.
_VERSION = {"type": "string", "minLength": 1, "maxLength": 512}

_OBJECT = {
    "type": "object",
    "properties": {
        "key": {"type": "string", "minLength": 1, "maxLength": 3072},
        "size": {"type": "integer", "minimum": 0},
        "etag": {"type": "string", "minLength": 1, "maxLength": 128},
        "eTag": {"type": "string", "minLength": 1, "maxLength": 128},
        "version-id": _VERSION,
        "versionId": _VERSION,
        "sequencer": {"type": "string", "pattern": "^[0-9A-Fa-f]{1,64}$"},
    },
    "required": ["key", "size", "sequencer"],
}
_SCHEMA = Schema(
    {
        "type": "object",
        "properties": {
            "bucket": {
                "type": "object",
                "properties": {"name": {"type": "string", "minLength": 3, "maxLength": 63}},
                "required": ["name"],
            },
            "object": _OBJECT,
        },
        "required": ["bucket", "object"],
    }
)

#: What stands for "no version" in a bucket whose versioning was turned off: it can be overwritten.
_NO_VERSION = "null"

_QUOTES = re.compile('^"|"$')


def objects_of(event: object, bucket: str) -> list[Created]:
    """The objects that this event says were created in this bucket, or in any if none is named; of S3's test there are none.

    Raises:
        InvalidError: It is no event about objects, or about one of another bucket.
    """
    objects = list(_objects(event, bucket))
    if any(len(created.key.encode("utf-8", "replace")) > MOST_KEY_BYTES for created in objects):
        raise InvalidError(_LONG_KEY)
    return objects


def _objects(event: object, bucket: str) -> Iterator[Created]:
    match event:
        case {"detail-type": "Object Created", "detail": dict() as detail}:
            yield _object(detail, bucket, str)
        case {"Event": "s3:TestEvent"} | {"Records": []}:
            return
        case {"Records": [*records]}:
            for record in records:
                yield from _notified(record, bucket)
        case _:
            raise InvalidError(_NO_EVENT)


def _notified(record: object, bucket: str) -> Iterator[Created]:
    match record:
        case {"eventSource": "aws:s3", "eventName": str() as name, "s3": dict() as content}:
            if name.startswith("ObjectCreated:"):
                yield _object(content, bucket, _decoded)
        case _:
            raise InvalidError(_NO_EVENT)


def _object(content: Mapping[str, Any], bucket: str, key_of: Callable[[str], str]) -> Created:
    document = {"bucket": content.get("bucket"), "object": content.get("object")}
    if faults := list(_SCHEMA.faults(document)):
        raise InvalidError(_NO_EVENT, faults=faults)
    found: Mapping[str, Any] = content["object"]
    name = content["bucket"]["name"]
    if bucket and name != bucket:
        raise InvalidError(_FOREIGN)
    version = found.get("version-id", found.get("versionId"))
    etag = _QUOTES.sub("", found.get("etag", found.get("eTag", "")))
    if not etag:
        raise InvalidError(_NO_EVENT, faults=[Fault.at(["object", "etag"], "is required")])
    return Created(
        bucket=name,
        key=key_of(found["key"]),
        size=int(found["size"]),
        etag=etag,
        sequencer=found["sequencer"],
        version_id=None if version == _NO_VERSION else version,
    )


def _decoded(key: str) -> str:
    try:
        return unquote_plus(key, errors="strict")
    except UnicodeDecodeError:
        raise InvalidError(_NO_KEY) from None
