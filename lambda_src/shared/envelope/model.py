"""The envelope, and its form on a topic."""

from dataclasses import dataclass, fields
from typing import Any

from shared import strict_json
from shared.envelope.forms import VERSIONS, Form
from shared.errors import InvalidError
from shared.strict_json import Json

#: The version that is written.
VERSION = VERSIONS[-1]

_FORM = Form("envelope", "envelope")


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """An event.

    Args:
        id: What makes a repeated event the same one.
        type: What happened, such as ``orders.paid``.
        time: When it happened: RFC 3339.
        correlation_id: What it belongs to, the same for all events of one story: an order's id, for instance.
        causation_id: What caused it: the id of the message that was worked, for instance.
        source: Who says so.
        data: What there is to know about it.
        version: The version of this form.
    """

    id: str
    type: str
    time: str
    correlation_id: str
    causation_id: str
    source: str
    data: dict[str, Json]
    version: int = VERSION

    def to_json(self) -> str:
        """The envelope as the one JSON text for it."""
        return strict_json.render({field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def parse(cls, text: str) -> "Envelope":
        """The envelope in this JSON text. Fields that are not known here are passed over.

        Raises:
            InvalidError: It is no envelope, and all that is wrong is listed; or its version is not known here.
        """
        document = strict_json.parse(text)
        if not isinstance(document, dict):
            msg = "The event is no envelope: it is no JSON object."
            raise InvalidError(msg)
        _FORM.check(document, document.get("version"))
        known: dict[str, Any] = {field.name: document[field.name] for field in fields(cls)}
        return cls(**(known | {"version": int(known["version"])}))

    @property
    def message_attributes(self) -> dict[str, Any]:
        """What subscribers can filter by without reading the event."""
        return {
            "event_type": {"DataType": "String", "StringValue": self.type},
            "event_version": {"DataType": "String", "StringValue": str(self.version)},
        }
