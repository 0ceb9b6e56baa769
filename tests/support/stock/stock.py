"""A route of a user's own: it takes events of orders."""

from event_routing.api import Envelope, Rejected


def handle(event: Envelope) -> None:
    """Let pass what has an order."""
    if not event.data["order_id"]:
        reason = "the order has no id"
        raise Rejected(reason)
