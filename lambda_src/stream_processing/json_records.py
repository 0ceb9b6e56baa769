"""A record of a Kinesis stream: a JSON object with the newest state of something."""

import base64
import binascii
from collections.abc import Collection
from decimal import Decimal
from typing import cast

from shared import strict_json
from shared.dynamodb import MOST_NESTING, attributes_of
from shared.errors import Fault, InvalidError
from shared.schema import Schema
from shared.strict_json import Json
from stream_processing.models import Action, Change
from stream_processing.records import Record, unknown

#: What several records that the Kinesis Producer Library made one begin with.
#: https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md
_AGGREGATED = b"\xf3\x89\x9a\xc2"

_IS_AGGREGATED = (
    "These are several records in one, as the Kinesis Producer Library aggregates them, which is not read here. "
    "Turn aggregation off (AggregationEnabled: false), then send them again."
)
_NO_OBJECT = "The record is no JSON object."
_UNFIT = "The record does not match the schema."
_NO_KEY = "The record has no key."


class JsonReader:
    """Reads the records of a Kinesis stream.

    Args:
        key_field: The field that is the id; ``""`` for the record's partition key.
        excluded: Fields that are left out.
        schema: What each record looks like, if that is fixed.
    """

    def __init__(self, key_field: str, excluded: Collection[str], schema: Schema | None) -> None:
        self._key_field = key_field
        self._excluded = excluded
        self._schema = schema

    def __call__(self, record: Record) -> Change:
        """What the record says.

        Raises:
            InvalidError: It is no JSON object, or not as the schema has it, or without its key.
        """
        document = _document(_data(record))
        if self._schema and (faults := list(self._schema.faults(cast("Json", document)))):
            raise InvalidError(_UNFIT, faults=faults)
        kept = {name: value for name, value in document.items() if name not in self._excluded}
        return record.change(self._id(record, document), Action.RECORDED, list(kept), attributes_of(kept))

    def _id(self, record: Record, document: dict[str, Json]) -> str:
        key = document.get(self._key_field) if self._key_field else record.body.get("partitionKey")
        if isinstance(key, str):
            return key
        if isinstance(key, Decimal):
            return strict_json.render(key)
        raise InvalidError(_NO_KEY, faults=[Fault.at([self._key_field or "partitionKey"], "must be a text or a number")])


def _data(record: Record) -> bytes:
    encoded = record.body.get("data")
    try:
        return base64.b64decode(encoded, validate=True) if isinstance(encoded, str) else _no_data()
    except (binascii.Error, ValueError):
        return _no_data()


def _no_data() -> bytes:
    raise unknown(["kinesis", "data"], "must be base64")


def _document(data: bytes) -> dict[str, Json]:
    if data.startswith(_AGGREGATED):
        raise InvalidError(_IS_AGGREGATED)
    document = strict_json.parse(data, MOST_NESTING - 1)  # the row has it one level down
    if not isinstance(document, dict):
        raise InvalidError(_NO_OBJECT)
    return document
