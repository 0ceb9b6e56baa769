"""What the worker decides: which message is poison, when a charge may be tried, what its failure means. It makes no call."""

from collections.abc import Callable
from decimal import Decimal
from typing import Protocol

from aws_lambda_powertools.utilities.typing import LambdaContext

from shared.envelope import Envelope
from shared.errors import InvalidError
from shared.observability import logger
from shared.queue_consumer import GivenUpError, Message, PostponedError, reason_of
from shared.schema import Schema
from sqs_pipeline.models import Charge, Identity, Order, Outcome, Row, WorkerSettings

#: A message is begun only with so much time left: one attempt of the payment API in full, and the writes that come after it.
LEAST_SECONDS = 13


class Rows(Protocol):
    """The table of the orders. Each change is made on a condition, so that what comes late or twice changes nothing."""

    def begin(self, order: Order) -> Row:
        """Take the order up for one more attempt, and write its row if it has none; leave a final one as it is."""

    def take_back(self, order_id: str) -> None:
        """Do not count the attempt that was begun."""

    def note(self, order_id: str, reason: str) -> None:
        """Write down why an attempt failed."""

    def finish(self, order: Order, outcome: Outcome) -> Row:
        """Write down what became of the order; if another worker has done so, its word stands."""

    def fail(self, order: Identity, reason: str) -> Row | None:
        """Write down that the order has failed, if it is this one and not final."""

    def announced(self, row: Row) -> None:
        """Write down that the state of this row is known to others."""


class Charges(Protocol):
    """Charging: once for each order, and not while the payment API is known to be down."""

    def closed_for(self) -> int | None:
        """The seconds until a charge makes sense, if none does now."""

    def charge(self, charge: Charge, context: LambdaContext) -> Outcome:
        """Charge, or say what came of it earlier."""


class Worker:
    """Works the messages of the queue: each is an order to charge once.

    Args:
        settings: The worker's settings.
        schema: What an order looks like.
        rows: The table of the orders.
        charges: The payment API, guarded.
        publish: Announces an event.
    """

    def __init__(
        self, settings: WorkerSettings, schema: Schema, rows: Rows, charges: Charges, publish: Callable[[Envelope], None]
    ) -> None:
        self._settings = settings
        self._schema = schema
        self._rows = rows
        self._charges = charges
        self._publish = publish

    def work(self, message: Message, context: LambdaContext) -> None:
        """Charge the order in this message, unless that was done, and announce what became of it.

        Raises:
            InvalidError: No order is in it, or one whose id belongs to another.
            PostponedError: It was not tried: the payment API is down, too little time is left, or another worker is at it.
            GivenUpError: It was tried as often as an order is.
            UnavailableError: It failed, and may work the next time.
        """
        logger.remove_keys(["order_id"])  # of the message before
        order = Order.parse(message.body.encode("utf-8", "surrogatepass"), self._schema)
        charge = Charge.of(order)
        logger.append_keys(order_id=order.id)
        self._check_time(context)
        self._check_circuit()
        row = self._rows.begin(order)
        if row.body_hash != order.body_hash:
            msg = "Its id belongs to another order, which was there first."
            raise InvalidError(msg)
        if not row.state.is_final:
            row = self._charged(order, charge, row, context)
        if row.announced_at is None:
            self._announce(row, message)

    def give_up(self, message: Message, reason: str) -> None:
        """Let the order of a message that went to the dead-letter queue have failed, and announce it."""
        identity = Identity.of(message.body.encode("utf-8", "surrogatepass"))
        row = self._rows.fail(identity, reason) if identity else None
        if row is not None and row.announced_at is None:
            self._announce(row, message)

    def _check_time(self, context: LambdaContext) -> None:
        if context.get_remaining_time_in_millis() < LEAST_SECONDS * 1000:
            msg = "There was not enough time left for it."
            raise PostponedError(msg)

    def _check_circuit(self) -> None:
        seconds = self._charges.closed_for()
        if seconds is not None:
            msg = "The payment API is down."
            raise PostponedError(msg, delay=seconds)

    def _charged(self, order: Order, charge: Charge, row: Row, context: LambdaContext) -> Row:
        most = self._settings.max_attempts
        if row.attempts > most:
            msg = f"The worker ended in each of {most} attempts before it knew what became of the charge."
            raise GivenUpError(msg)
        try:
            outcome = self._charges.charge(charge, context)
            return self._finished(order, outcome)
        except PostponedError:
            self._rows.take_back(order.id)
            raise
        except Exception as error:
            reason = reason_of(error)
            self._note(order.id, reason)
            if row.attempts >= most:
                raise GivenUpError(reason) from error
            raise

    def _finished(self, order: Order, outcome: Outcome) -> Row:
        row = self._rows.finish(order, outcome)
        if row.state is not outcome.state:
            logger.error("the charge ended otherwise than the order", state=row.state, outcome=outcome.state)
        return row

    def _note(self, order_id: str, reason: str) -> None:
        try:
            self._rows.note(order_id, reason)
        except Exception as error:  # noqa: BLE001  the reason itself must not get lost over it
            logger.warning("reason not written down", reason=reason, error=type(error).__name__)

    def _announce(self, row: Row, message: Message) -> None:
        self._publish(self._event(row, message))
        self._rows.announced(row)

    def _event(self, row: Row, message: Message) -> Envelope:
        """The event of this row's state: the same one each time, whichever message it is announced for.

        An order can fail again after a redrive: that is another event.
        """
        amount, currency = row.order.get("amount"), row.order.get("currency")
        return Envelope(
            id=f"{row.id}:{row.state}" if row.state.is_final else f"{row.id}:{row.state}:{row.updated_at}",
            type=f"{self._settings.resource}.{row.state.lower()}",
            time=row.updated_at,
            correlation_id=row.id,
            causation_id=message.id,
            source=f"sqs_pipeline/{self._settings.resource}",
            data={
                "order_id": row.id,
                "state": str(row.state),
                "amount": amount if isinstance(amount, Decimal) else None,
                "currency": currency if isinstance(currency, str) else None,
                **({} if row.payment_id is None else {"payment_id": row.payment_id}),
                **({} if row.reason is None else {"reason": row.reason}),
            },
        )
