"""What a rule of a bus put into a queue."""

from datetime import UTC, datetime
from typing import Any

from event_routing.models import Received
from shared.envelope import on_a_bus


def received_of(body: str) -> Received:
    """The event in the body of a message.

    Raises:
        InvalidError: It is none of EventBridge, or has no envelope of a version that is read here.
    """
    document: Any = on_a_bus.parse(body)
    event = on_a_bus.event_of(document)
    return Received(event, document.get("replay-name", ""), _moment(document.get("time")))


def _moment(time: str | None) -> datetime | None:
    """When the bus took it. EventBridge writes whole seconds in UTC; what another writer wrote may be no time of Python's."""
    try:
        return datetime.fromisoformat(time.upper()).astimezone(UTC) if time else None
    except (ValueError, OverflowError):
        return None
