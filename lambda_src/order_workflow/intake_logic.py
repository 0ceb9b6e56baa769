"""What the intake decides: which order fits, whether its id is free, when it counts as accepted. It makes no AWS call itself.

The row is written first, then the execution is started, and only then the order is accepted. So an order that was accepted is
never unknown, whatever kind of execution it has: to ask Step Functions instead would work for 90 days, and for no Express
execution. A row that waits for its execution only holds the id for the body that it came with: whoever sends that again
completes it.
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from order_workflow.intake_models import Accepted, Order, Reservation
from order_workflow.models import is_order_id
from shared import aws
from shared.errors import RETRY_AFTER_SECONDS, ConflictError, NotFoundError, UnavailableError
from shared.ids import new_id
from shared.schema import Schema
from shared.times import timestamp, utc_now

#: The state of an order whose execution has not taken it up.
PENDING = "PENDING"

#: What of a row is shown, where there is something in it. The others are how the pattern works: the hash, the execution.
SHOWN = ("id", "state", "reason", "payment_id", "stock", "shipment", "created_at", "updated_at")


class Store(Protocol):
    """The table of the orders."""

    def reserve(self, order: Order, time: str) -> Reservation:
        """Write the row of a new order if its id is free; the row that holds the id now."""

    def get(self, order_id: str) -> Mapping[str, Any] | None:
        """The row of an order as it is now."""


class Starts(Protocol):
    """The state machine."""

    def start(self, order_id: str, order: str) -> None:
        """Start the execution of this name, if there was none; whatever goes wrong is raised."""


class Intake:
    """Takes orders in.

    Args:
        schema: What an order looks like.
        store: The table.
        executions: The state machine.
        clock: The time of day.
    """

    def __init__(
        self,
        schema: Schema,
        store: Store,
        executions: Starts,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._schema = schema
        self._store = store
        self._executions = executions
        self._clock = clock

    def accept(self, body: bytes, before_write: Callable[[], None]) -> Accepted:
        """The order in this body, accepted: once, however often it comes.

        While it is PENDING its execution may be missing, so it is started again: a second one of its name is none, and one of
        an Express workflow ends where the first has claimed the row.

        Raises:
            InvalidError: The body does not fit.
            TooLargeError: The order is larger than an execution can have.
            ConflictError: Another order has this id.
            UnavailableError: The order could not be started now.
        """
        order = Order.parse(body, self._schema, new_id)
        before_write()
        reservation = self._store.reserve(order, self._now())
        if reservation.body_hash != order.body_hash:
            msg = "There is another order with this id already."
            raise ConflictError(msg)
        if reservation.state == PENDING:
            self._start(order)
        return Accepted(order.id, reservation.created_at)

    def _start(self, order: Order) -> None:
        try:
            self._executions.start(order.id, order.input)
        except Exception as error:
            if not aws.passes(error):
                raise
            msg = f'The order is not accepted yet. Send it again with "id": "{order.id}", and it is accepted once.'
            raise UnavailableError(msg, retry_after=RETRY_AFTER_SECONDS) from error

    def _now(self) -> str:
        return timestamp(self._clock())


class Orders:
    """The orders as clients see them.

    Args:
        store: The table.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self, order_id: str) -> dict[str, Any]:
        """The order with this id: where it stands, and what was ordered.

        Raises:
            NotFoundError: There is none.
        """
        row = self._store.get(order_id) if is_order_id(order_id) else None
        if row is None:
            msg = "There is no order with this id."
            raise NotFoundError(msg)
        order = {"order": json.loads(row["order"], parse_float=Decimal)} if "order" in row else {}
        return {name: row[name] for name in SHOWN if row.get(name)} | order
