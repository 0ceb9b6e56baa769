"""What a rule of a bus put into a queue: an event with an envelope, or one of an AWS service, which has none."""

from datetime import UTC, datetime
from typing import Any

from event_routing.models import Received
from shared.envelope import VERSION, Envelope, on_a_bus
from shared.strict_json import Json


def received_of(body: str) -> Received:
    """The event in the body of a message.

    Raises:
        InvalidError: It is none of EventBridge, or has no envelope of a version that is read here.
    """
    document: Any = on_a_bus.parse(body)
    event = _of_service(document) or on_a_bus.event_of(document)
    return Received(event, document.get("replay-name", ""), _moment(document.get("time")))


def _of_service(document: Json) -> Envelope | None:
    """An event of an AWS service: what EventBridge wrote around it is its envelope. Nobody else can send one from ``aws.``.

    https://docs.aws.amazon.com/eventbridge/latest/ref/events-structure.html
    """
    match document:
        case {
            "source": str(source),
            "detail-type": str(kind),
            "id": str(event_id),
            "time": str(time),
            "detail": dict(detail),
        } if source.startswith("aws.") and event_id:
            return Envelope(
                type=kind,
                version=VERSION,
                id=event_id,
                time=time,
                source=source,
                correlation_id=event_id,
                causation_id=event_id,
                data=detail,
            )
    return None


def _moment(time: str | None) -> datetime | None:
    """When the bus took it. EventBridge writes whole seconds in UTC; what another writer wrote may be no time of Python's."""
    try:
        return datetime.fromisoformat(time.upper()).astimezone(UTC) if time else None
    except (ValueError, OverflowError):
        return None
