"""What the ingest decides: which order fits, whether its id is free, when it counts as accepted. It makes no AWS call itself.

The queue wins: an order is accepted when its message is in the queue, and nobody is told so before. A row without a message
only holds the id for the body that it came with: whoever sends that again completes it.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from shared.errors import ConflictError, NotFoundError
from shared.ids import is_id, new_id
from shared.schema import Schema
from shared.times import timestamp, utc_now
from sqs_pipeline.ingest_models import Accepted, Message, Reservation
from sqs_pipeline.models import Order, State

#: What of a row is shown. The others are how the pattern works: the hash of the body, when the outcome was announced.
SHOWN = ("id", "state", "order", "attempts", "created_at", "updated_at", "history", "payment_id", "reason", "charge")


class Store(Protocol):
    """The table of the orders."""

    def reserve(self, order: Order, time: str) -> Reservation:
        """Write the row of a new order if its id is free; the row that holds the id now."""

    def get(self, order_id: str) -> Mapping[str, Any] | None:
        """The row of an order as it is now."""


class Queue(Protocol):
    """The queue of the worker."""

    def send(self, message: Message) -> None:
        """Put the message into the queue; whatever goes wrong is raised."""


class Intake:
    """Takes orders in.

    Args:
        schema: What an order looks like.
        group_by: The field of an order that names its message group, or nothing.
        store: The table.
        queue: The queue.
        clock: The time of day.
    """

    def __init__(
        self,
        schema: Schema,
        group_by: str,
        store: Store,
        queue: Queue,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._schema = schema
        self._group_by = group_by
        self._store = store
        self._queue = queue
        self._clock = clock

    def accept(self, body: bytes, before_write: Callable[[], None]) -> Accepted:
        """The order in this body, accepted: once, however often it comes.

        While the order is PENDING its message may be missing, so it is sent again; a second one is harmless. Later a worker has
        had it.

        Raises:
            InvalidError: The body does not fit.
            TooLargeError: The order is larger than a table or a queue can hold.
            ConflictError: Another order has this id.
            UnavailableError: The order could not be sent now.
        """
        order = Order.parse(body, self._schema, new_id)
        message = Message.of(order, self._group_by)
        before_write()
        reservation = self._store.reserve(order, timestamp(self._clock()))
        if reservation.body_hash != order.body_hash:
            msg = "There is another order with this id already."
            raise ConflictError(msg)
        if reservation.state is State.PENDING:
            self._queue.send(message)
        return Accepted(order.id, reservation.created_at)


class Orders:
    """The orders as clients see them.

    Args:
        store: The table.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self, order_id: str) -> dict[str, Any]:
        """The order with this id: where it stands, and how it got there.

        Raises:
            NotFoundError: There is none.
        """
        row = self._store.get(order_id) if is_id(order_id) else None
        if row is None:
            msg = "There is no order with this id."
            raise NotFoundError(msg)
        return {name: row[name] for name in SHOWN if name in row}
