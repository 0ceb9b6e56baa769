"""What is decided about an event: whether it has had its effect, who takes it, and when it comes again. It makes no call."""

import math
import time
from collections.abc import Callable
from typing import Protocol

from aws_lambda_powertools.utilities.typing import LambdaContext

from event_routing.api import Handle, Rejected
from event_routing.events import received_of
from event_routing.models import Claim, Known, Received, Settings, State
from event_routing.schemas import Schemas
from shared import metrics
from shared.aws import LONGEST_CALL_SECONDS
from shared.envelope import Envelope
from shared.errors import InvalidError
from shared.observability import best_effort, logger
from shared.queue_consumer import GivenUpError, Message, PostponedError, check_time

#: With less time left no event is begun: what is known of it is written before and after the user's function.
LEAST_SECONDS = 2 * LONGEST_CALL_SECONDS

#: What the clocks of two execution environments may differ by.
_CLOCK_SECONDS = 5

_IN_PROGRESS = "Another message of the same event is being worked, or was when its function died."
_DIED = "The function ended before it was done, each of {} times: it needs more memory or more time for this event."
_FORGOTTEN = (
    "The event is replayed, and the bus took it longer ago than events are known here: {} seconds, as EVENT_SECONDS says. "
    "Whether it has had its effect cannot be told. Raise EVENT_SECONDS above its age to let it have one now."
)


class Events(Protocol):
    """The table of events. What comes late or twice changes nothing."""

    def claim(self, claim: Claim) -> Known | None:
        """Take the event up; if that was done before, what is known of it."""

    def complete(self, event: Envelope) -> None:
        """Write down that the event is done."""

    def release(self, event: Envelope) -> None:
        """Let the event be taken up again at once."""

    def mark_replayed(self, event: Envelope, replay: str) -> None:
        """Write down that a replay brought the event again."""


class Route:
    """Lets each event have its effect once: a row of the table, or what the user's function does.

    Args:
        settings: The handler's settings.
        events: The table.
        schemas: What the data of events must fit.
        handle: The user's function, if there is one.
        now: Seconds since 1970.
    """

    def __init__(
        self,
        settings: Settings,
        events: Events,
        schemas: Schemas,
        handle: Handle | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._events = events
        self._schemas = schemas
        self._handle = handle
        self._now = now

    def work(self, message: Message, context: LambdaContext) -> None:
        """Let the event in this message have its effect, unless it has had it.

        Raises:
            InvalidError: It is no event, or does not fit, or is too old to be replayed, or the user's function rejected it.
            PostponedError: Too little time is left, or the event is in progress elsewhere.
            GivenUpError: The function died of it each time before.
        """
        received = received_of(message.body)
        self._schemas.check(received.event)
        check_time(context, LEAST_SECONDS)
        self._refuse_forgotten(received)
        known = self._events.claim(self._claim(received, context))
        if known is None:
            self._take(received.event, message)
        elif known.state is State.IN_PROGRESS:
            raise PostponedError(_IN_PROGRESS, delay=max(1, math.ceil(known.until + 1 - self._now())))
        elif received.replay:
            self._events.mark_replayed(received.event, received.replay)
        _log(received, known, message)

    def _refuse_forgotten(self, received: Received) -> None:
        """Refuse a replayed event whose row, if there was one, may be gone."""
        if not received.replay:
            return
        seconds = self._settings.event_seconds
        if received.taken_at is None or received.taken_at.timestamp() + seconds <= self._now():
            raise InvalidError(_FORGOTTEN.format(seconds))

    def _claim(self, received: Received, context: LambdaContext) -> Claim:
        now = self._now()
        return Claim(
            received=received,
            state=State.IN_PROGRESS if self._handle else State.COMPLETE,
            now=int(now),
            until=math.ceil(now + context.get_remaining_time_in_millis() / 1000) + _CLOCK_SECONDS,
            expires_at=math.ceil(now) + self._settings.event_seconds,
        )

    def _take(self, event: Envelope, message: Message) -> None:
        if self._handle:
            self._let_handle(self._handle, event, message)
            self._events.complete(event)
        metrics.count("Events", EventType=event.type)

    def _let_handle(self, handle: Handle, event: Envelope, message: Message) -> None:
        most = self._settings.queue.max_receive_count
        try:
            if message.receive_count > most and not message.is_fifo:  # in a FIFO queue, waiting counts too
                raise GivenUpError(_DIED.format(most))  # noqa: TRY301  the event is to be released
            handle(event)
        except Exception as error:
            self._release(event)
            if isinstance(error, Rejected):
                raise InvalidError(str(error.reason)) from error
            raise

    def _release(self, event: Envelope) -> None:
        with best_effort("event not released", event_id=event.id):  # its time ends by itself: the event only comes later
            self._events.release(event)


def _log(received: Received, known: Known | None, message: Message) -> None:
    result = "done" if known is None else "duplicate"
    line = {"result": result, "replayed": bool(received.replay), "message_id": message.id}
    logger.info("event", extra=line | {"event_id": received.event.id, "event_type": received.event.type})
