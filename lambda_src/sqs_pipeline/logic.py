"""What the worker decides: which message is poison, when a charge may be tried, what its failure means. It makes no call."""

from collections.abc import Callable
from decimal import Decimal
from typing import Protocol

from aws_lambda_powertools.utilities.typing import LambdaContext

from shared.envelope import Envelope
from shared.errors import InvalidError
from shared.observability import best_effort, logger
from shared.queue_consumer import GivenUpError, Message, PostponedError, check_time, reason_of
from shared.schema import Schema
from sqs_pipeline.failures import HeldUpError
from sqs_pipeline.models import Charge, Identity, Order, Outcome, Row, WorkerSettings, in_doubt

#: A message is begun only with so much time left: a second for what is written before, one attempt of the payment API in full,
#: and what is kept for what comes after a charge. With less it is postponed, for which there is still time then.
LEAST_SECONDS = 16


class Rows(Protocol):
    """The table of the orders. Each change is made on a condition, so that what comes late or twice changes nothing."""

    def begin(self, order: Order) -> Row:
        """Take the order up for one more attempt, and write its row if it has none; leave a final one as it is."""

    def find(self, order_id: str) -> Row | None:
        """The row as it is."""

    def take_back(self, order_id: str, reason: str, *, may_be_charged: bool) -> None:
        """Do not count the attempt that was begun, and say why."""

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
        order = Order.parse(message.body, self._schema)
        charge = Charge.of(order, self._settings.pipeline)
        logger.append_keys(order_id=order.id)
        check_time(context, LEAST_SECONDS)
        row = self._taken_up(order)
        if row.body_hash != order.body_hash:
            msg = "Its id belongs to another order, which was there first."
            raise InvalidError(msg)
        if not row.state.is_final:
            self._check_tries(row, message)
            row = self._charged(order, charge, self._is_last(row, message), context)
        if row.announced_at is None:
            self._announce(row, message)

    def give_up(self, message: Message, reason: str) -> None:
        """Let the order of a message that went to the dead-letter queue have failed, and announce it."""
        identity = Identity.of(message.body)
        row = self._rows.fail(identity, reason) if identity else None
        if row is not None and row.announced_at is None:
            self._announce(row, message)

    def _taken_up(self, order: Order) -> Row:
        """The row of the order, with one more attempt. While the payment API is down, only one that needs no charge."""
        seconds = self._charges.closed_for()
        if seconds is None:
            return self._rows.begin(order)
        row = self._rows.find(order.id)
        if row is None or (row.body_hash == order.body_hash and not row.state.is_final):
            msg = "The payment API is down."
            raise PostponedError(msg, delay=seconds)
        return row

    def _check_tries(self, row: Row, message: Message) -> None:
        """Give up an order of which the worker dies.

        Its neighbours in the batch are received as often, but not begun. Messages of the same order that come at once begin it
        as often, but each is received only once.
        """
        most = self._settings.max_attempts
        if row.attempts > most and message.receive_count > most:
            msg = f"The worker ended in each of {most} attempts before it knew what became of the charge."
            raise GivenUpError(in_doubt(msg))

    def _is_last(self, row: Row, message: Message) -> bool:
        """Whether this is the last try. In a FIFO queue, messages are received again while they wait: that says nothing."""
        received = not message.is_fifo and message.receive_count >= self._settings.queue.max_receive_count
        return received or row.attempts >= self._settings.max_attempts

    def _charged(self, order: Order, charge: Charge, is_last: bool, context: LambdaContext) -> Row:
        try:
            return self._finished(order, self._charges.charge(charge, context))
        except PostponedError as error:
            self._take_back(order.id, error)
            raise
        except Exception as error:
            reason = reason_of(error)
            self._note(order.id, reason)
            if is_last:
                raise GivenUpError(in_doubt(reason), hint=getattr(error, "hint", "")) from error
            raise

    def _take_back(self, order_id: str, error: PostponedError) -> None:
        may_be_charged = isinstance(error, HeldUpError) and error.in_doubt
        with best_effort("attempt not taken back"):  # the order waits all the same; the attempt counts then
            self._rows.take_back(order_id, reason_of(error), may_be_charged=may_be_charged)

    def _finished(self, order: Order, outcome: Outcome) -> Row:
        row = self._rows.finish(order, outcome)
        if row.state is not outcome.state:
            logger.error("the charge ended otherwise than the order", state=row.state, outcome=outcome.state)
        return row

    def _note(self, order_id: str, reason: str) -> None:
        with best_effort("reason not written down", reason=reason):  # the reason itself must not get lost over it
            self._rows.note(order_id, reason)

    def _announce(self, row: Row, message: Message) -> None:
        self._publish(self._event(row, message))
        self._rows.announced(row)

    def _event(self, row: Row, message: Message) -> Envelope:
        """The event of this row's state: the same one each time, whichever message it is announced for.

        An order can fail again after a redrive: that is another event.
        """
        pipeline, key = self._settings.pipeline, f"{row.id}:{row.state}"
        amount, currency = row.order.get("amount"), row.order.get("currency")
        return Envelope(
            id=f"{pipeline}:{key}" if row.state.is_final else f"{pipeline}:{key}:{row.updated_at}",
            type=f"{self._settings.resource}.{row.state.lower()}",
            time=row.updated_at,
            correlation_id=row.id,
            causation_id=message.id,
            source=f"sqs_pipeline/{pipeline}",
            data={
                "order_id": row.id,
                "state": str(row.state),
                "amount": amount if isinstance(amount, Decimal) else None,
                "currency": currency if isinstance(currency, str) else None,
                **({} if row.payment_id is None else {"payment_id": row.payment_id}),
                **({} if row.reason is None else {"reason": row.reason}),
                **({} if row.charge is None else {"charge": row.charge}),
            },
        )
