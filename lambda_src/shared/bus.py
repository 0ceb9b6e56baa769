"""The call to the bus: ``events:PutEvents``.

It answers 200 even if it took nothing: each entry has an answer of its own. Only those that were not taken are sent again, and
what is left over is raised, so that nobody takes a call that did not fail for an event that was taken.

An answer that does not come in time tells nothing. Such events are sent again, and may be there twice: readers tell by the id.
It needs ``events:PutEvents`` on the bus.
"""

import itertools
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from shared import aws
from shared.envelope import Envelope
from shared.envelope.on_a_bus import entry_of
from shared.errors import TooLargeError, UnavailableError

#: A request has at most this many entries. https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
MOST_ENTRIES = 10

#: The entries of a request have less than 1 MB together. Whether that is 10^6 or 2^20 bytes is not said: this is less than
#: both, and leaves room in a message of SQS (2^20) for what EventBridge adds.
#: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
MOST_BYTES = 999_999

#: What a publisher needs at least, to make one request: its time to connect and to read.
LEAST_BUDGET_SECONDS = 3.0

_DEFAULT_BUDGET_SECONDS = 10.0
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0

#: What may go away by itself; all other codes of an entry stay.
#: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html
_PASSING = frozenset({"InternalException", "InternalFailure", "ServiceUnavailable", "ThrottlingException"})

_NO_TIME = "OutOfTime"

#: No retries of botocore's own: they know neither which entries failed nor the budget.
_CONFIG = aws.CLIENT_CONFIG.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))


class EventsClient(Protocol):
    """The call that is made."""

    def put_events(self, **parameters: Any) -> Any:  # noqa: ANN401  boto3's own
        """Put entries on their buses."""


@runtime_checkable
class Announces(Protocol):
    """Where events are announced: ``shared.topic.Topic`` and ``Publisher`` stand for each other."""

    def publish(self, event: Envelope) -> None:
        """Announce the event, or raise."""


@dataclass(frozen=True, slots=True)
class NotTaken:
    """An event that the bus did not take.

    Args:
        event: The event.
        code: EventBridge's code, or ``OutOfTime`` if there was no time to send it.
        is_refused: Whether the bus refused it, and will do so again: without a permission, for instance, or if it is gone.
    """

    event: Envelope
    code: str
    is_refused: bool = False


class NotTakenError(UnavailableError):
    """The bus did not take all events. Those that it took must not be sent again. If it refused one, that is a fault.

    Args:
        left: Those that it did not take, in the order in which they were given.
    """

    def __init__(self, left: Sequence[NotTaken]) -> None:
        self.left = tuple(left)
        self.is_fault = any(each.is_refused for each in left)
        codes = ", ".join(sorted({each.code for each in left}))
        super().__init__(f"The bus did not take {len(left)} of the events: {codes}.")

    @property
    def events(self) -> tuple[Envelope, ...]:
        """The events that were not taken."""
        return tuple(each.event for each in self.left)


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event that has not been taken yet.

    Args:
        position: Where it stands among those that were given.
        event: The event.
        entry: Its entry.
        size: The bytes that count towards the limit.
    """

    position: int
    event: Envelope
    entry: dict[str, str]
    size: int


@dataclass(frozen=True, slots=True)
class Chance:
    """Time and luck: kept in one place, for tests to make them certain."""

    share: Callable[[], float] = random.random
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep


class Publisher:
    """Puts events on a bus.

    Args:
        bus: The bus's ARN or name.
        client: The client to use. Default: a new one, with short timeouts and no retries of its own.
        budget_seconds: How long all tries and pauses together may take, 3 at least. Default 10, which is a third of the timeout
            of a worker. Of a client of your own, one call must not take more than 3 seconds.
        chance: Time and luck.

    Raises:
        ValueError: The budget is too short for one request.
    """

    def __init__(
        self,
        bus: str,
        client: EventsClient | None = None,
        budget_seconds: float = _DEFAULT_BUDGET_SECONDS,
        chance: Chance = Chance(),
    ) -> None:
        if budget_seconds < LEAST_BUDGET_SECONDS:
            msg = f"budget_seconds must be at least {LEAST_BUDGET_SECONDS}, which one request may take; got {budget_seconds}"
            raise ValueError(msg)
        self._bus = bus
        self._client: EventsClient = client or boto3.client("events", config=_CONFIG)
        self._budget_seconds = budget_seconds
        self._chance = chance

    def publish(self, event: Envelope) -> None:
        """Put one event on the bus.

        Raises:
            InvalidError: No reader would take it.
            TooLargeError: It is larger than an entry can be.
            NotTakenError: The bus did not take it.
        """
        self.publish_all([event])

    def publish_all(self, events: Iterable[Envelope]) -> None:
        """Put the events on the bus, in their order. If one of them can never be sent, none is.

        Raises:
            InvalidError: No reader would take one of them.
            TooLargeError: One is larger than an entry can be.
            NotTakenError: The bus did not take all of them; the error has those that it did not.
        """
        deadline = self._chance.monotonic() + self._budget_seconds
        waiting = [self._waiting(position, event) for position, event in enumerate(events)]
        left: dict[int, NotTaken] = {}
        for attempt in itertools.count():
            again = []
            for each, code, passes in self._sent(waiting, deadline):
                left[each.position] = NotTaken(each.event, code, is_refused=not passes and code != _NO_TIME)
                if passes:
                    again.append(each)
            if not again or not self._pauses(attempt, deadline):
                break
            waiting = again
            for each in again:
                del left[each.position]
        if left:
            raise NotTakenError([left[position] for position in sorted(left)])

    def _waiting(self, position: int, event: Envelope) -> Waiting:
        entry = entry_of(event)
        size = size_of(entry)
        if size > MOST_BYTES:
            msg = (
                f"The event {event.id} has {size} bytes, and an entry at most {MOST_BYTES}: "
                "keep what is large in a bucket, and send its place."
            )
            raise TooLargeError(msg)
        return Waiting(position, event, entry | {"EventBusName": self._bus}, size)

    def _sent(self, waiting: Iterable[Waiting], deadline: float) -> Iterator[tuple[Waiting, str, bool]]:
        """Send these, and yield each that was not taken: its code, and whether that may pass."""
        for request in requests_of(waiting):
            if self._chance.monotonic() + LEAST_BUDGET_SECONDS > deadline:
                yield from ((each, _NO_TIME, False) for each in request)
                continue
            try:
                answer = self._client.put_events(Entries=[each.entry for each in request])
            except (ClientError, BotoCoreError) as error:
                yield from ((each, _code_of(error), _passes(error)) for each in request)
                continue
            for each, result in zip(request, answer["Entries"], strict=True):
                if code := result.get("ErrorCode"):
                    yield each, code, code in _PASSING

    def _pauses(self, attempt: int, deadline: float) -> bool:
        """Wait for any time up to the longest of this attempt; ``False`` at once if there is no time for another one."""
        most = deadline - LEAST_BUDGET_SECONDS - self._chance.monotonic()
        if most <= 0:
            return False
        pause = self._chance.share() * min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2 ** min(attempt, 10))
        self._chance.sleep(min(pause, most))
        return True


def size_of(entry: dict[str, str]) -> int:
    """The bytes of an entry that count; the name of the bus does not.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html
    """
    return sum(len(entry[name].encode()) for name in ("Source", "DetailType", "Detail"))


def requests_of(waiting: Iterable[Waiting]) -> Iterator[list[Waiting]]:
    """These in as few requests as their order allows, none with more entries or bytes than a request may have."""
    request: list[Waiting] = []
    size = 0
    for each in waiting:
        if request and (len(request) == MOST_ENTRIES or size + each.size > MOST_BYTES):
            yield request
            request, size = [], 0
        request.append(each)
        size += each.size
    if request:
        yield request


def _code_of(error: ClientError | BotoCoreError) -> str:
    code: str = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
    return code


def _passes(error: ClientError | BotoCoreError) -> bool:
    return aws.passes(error) or _code_of(error) in _PASSING
