"""A record of a table's stream: what has changed in which item."""

from collections.abc import Mapping
from typing import Any

from shared.dynamodb import values_of
from shared.settings import SettingsError
from shared.strict_json import render
from stream_processing.attributes import attributes_at
from stream_processing.models import Action, Change
from stream_processing.records import Record, unknown

#: Who removes an item whose time to live is over.
#: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-streams.html
_TIME_TO_LIVE = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}

#: What a record of each event has, of a stream with new and old images.
_IMAGES = {"INSERT": (None, "NewImage"), "MODIFY": ("OldImage", "NewImage"), "REMOVE": ("OldImage", None)}


class TableReader:
    """Reads the records of a table's stream.

    Args:
        excluded: Attributes that are not read.
    """

    def __init__(self, excluded: frozenset[str]) -> None:
        self._excluded = excluded

    def __call__(self, record: Record) -> Change:
        """What the record says has changed.

        Raises:
            InvalidError: It is not in the form that a stream with new and old images has.
            SettingsError: An attribute of the key is excluded.
        """
        event = record.raw.get("eventName") if record.body else None
        if not (isinstance(event, str) and event in _IMAGES):
            raise unknown(["eventName"], "must be INSERT, MODIFY or REMOVE")
        old, new = (self._image(record, name) for name in _IMAGES[event])
        before, after = old or {}, new or {}
        changed = [name for name in before | after if before.get(name) != after.get(name)]
        return record.change(self._id(record), _action(event, record.raw), changed, new)

    def _image(self, record: Record, name: str | None) -> dict[str, Any] | None:
        if name is None:
            return None
        if not isinstance(image := record.body.get(name), dict):
            raise unknown(["dynamodb", name], "is required: the stream must have new and old images")
        kept = {attribute: value for attribute, value in image.items() if attribute not in self._excluded}
        return attributes_at(kept, ["dynamodb", name])

    def _id(self, record: Record) -> str:
        """The key as text: a text alone as it is, any other key as JSON. Within a table, all keys have one form."""
        keys = attributes_at(record.body.get("Keys"), ["dynamodb", "Keys"])
        if secret := sorted(self._excluded & keys.keys()):
            msg = f"EXCLUDED must not have an attribute of the table's key, as every row has it in its id, got {secret[0]!r}"
            raise SettingsError(msg)
        match [*keys.values()]:
            case [{"S": text}]:
                return str(text)
            case [{"S": _} | {"N": _} | {"B": _}] | [{"S": _} | {"N": _} | {"B": _}, {"S": _} | {"N": _} | {"B": _}]:
                return render(values_of(keys))
            case _:
                raise unknown(["dynamodb", "Keys"], "must be one or two texts, numbers or bytes")


def _action(event: str, raw: Mapping[str, Any]) -> Action:
    if event != "REMOVE":
        return Action.INSERTED if event == "INSERT" else Action.MODIFIED
    identity = raw.get("userIdentity")
    is_service = isinstance(identity, dict) and identity.items() >= _TIME_TO_LIVE.items()
    return Action.EXPIRED if is_service else Action.REMOVED
