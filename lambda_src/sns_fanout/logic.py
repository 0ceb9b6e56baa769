"""What is done with an event: kept, counted or told. It makes no AWS call itself.

Each takes an event once, however often it comes: SNS and SQS both deliver at least once, each time under another message id, so
that only the event's own id tells. Only people may be told twice, rather than never.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Protocol

from shared import strict_json
from shared.envelope import Envelope
from shared.errors import Fault, InvalidError
from shared.strict_json import Json
from shared.times import timestamp, utc_now
from sns_fanout.models import Count, Notice
from sns_fanout.notice import notice_of

#: Longer than an event can be on its way: SNS tries a queue for 23 days, which keeps it for 4, its dead-letter queue for 14.
#: https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
_MARKER_SECONDS = 45 * 86_400

_MARKER = "event#"
_CURRENCY = re.compile("[A-Z]{3}")
#: With no more than the 38 digits that DynamoDB keeps.
_DECIMAL = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,8})?")
_WRAPPING = {"Type", "MessageId", "TopicArn", "Message"}

_WRAPPED = (
    "This is an event inside SNS's own JSON: the subscription delivers without raw message delivery. "
    "Turn raw message delivery on for it (RawMessageDelivery: true), then send the message again."
)
_UNREADABLE_TIME = "The event has no time whose day can be told."
_UNFIT_TYPE = "The event has a type whose total would have the id of a mark."
_UNFIT_AMOUNT = "The event has an amount that cannot be added."

Clock = Callable[[], datetime]
Check = Callable[[], None]


class Rows(Protocol):
    """The table of all events."""

    def add(self, row: dict[str, Any]) -> bool:
        """Write the row unless there is one with its id; ``False`` if there was."""


class Totals(Protocol):
    """The table of the totals."""

    def add(self, count: Count, before_try: Check) -> bool:
        """Add it to its total unless the event has been counted; ``False`` if it had been."""


class Notices(Protocol):
    """The topic that people subscribe to."""

    def publish(self, notice: Notice) -> None:
        """Send it to all subscribers."""


class Action(Protocol):
    """What is done with each event."""

    def __call__(self, event: Envelope, before_write: Check) -> bool:
        """Do it; ``False`` if it had been done before. ``before_write`` is asked before each call."""


class Audit:
    """Keeps each event as a row.

    Args:
        rows: Where.
        clock: The time of day.
    """

    def __init__(self, rows: Rows, clock: Clock = utc_now) -> None:
        self._rows = rows
        self._clock = clock

    def __call__(self, event: Envelope, before_write: Check) -> bool:
        """Write the event's row."""
        names = ("id", "type", "version", "time", "source", "correlation_id", "causation_id", "data")
        recorded_at = timestamp(self._clock())
        before_write()
        return self._rows.add({name: getattr(event, name) for name in names} | {"recorded_at": recorded_at})


class Aggregate:
    """Counts the events of each type and day, and adds up their amounts.

    Args:
        totals: Where.
        clock: The time of day.
    """

    def __init__(self, totals: Totals, clock: Clock = utc_now) -> None:
        self._totals = totals
        self._clock = clock

    def __call__(self, event: Envelope, before_write: Check) -> bool:
        """Add the event to its total."""
        count = Count(
            marker_id=f"{_MARKER}{event.id}",
            expires_at=int(self._clock().timestamp()) + _MARKER_SECONDS,
            total_id=_total_id(event),
            **_amount(event.data),
        )
        return self._totals.add(count, before_write)


class Notification:
    """Tells people of each event.

    Args:
        notices: Where.
    """

    def __init__(self, notices: Notices) -> None:
        self._notices = notices

    def __call__(self, event: Envelope, before_write: Check) -> bool:
        """Publish the event's notice."""
        before_write()
        self._notices.publish(notice_of(event))
        return True


def event_of(body: str) -> Envelope:
    """The event in the body of a message.

    Raises:
        InvalidError: It is none; if it is one inside SNS's own JSON, with what to turn on.
    """
    try:
        return Envelope.parse(body)
    except InvalidError:
        if _is_wrapped(body):
            raise InvalidError(_WRAPPED) from None
        raise


def _is_wrapped(body: str) -> bool:
    try:
        document = strict_json.parse(body)
    except InvalidError:
        return False
    return isinstance(document, dict) and document.keys() >= _WRAPPING


def _total_id(event: Envelope) -> str:
    total_id = f"{event.type}#{_day(event.time)}"
    if total_id.startswith(_MARKER):
        fault = Fault.at(["type"], f"is event or begins with {_MARKER}, as the marks of counted events do")
        raise InvalidError(_UNFIT_TYPE, faults=[fault])
    return total_id


def _day(time: str) -> date:
    """The day in UTC: one and the same for an event, wherever its time was written down."""
    try:
        return datetime.fromisoformat(time.upper().replace(":60", ":59")).astimezone(UTC).date()  # Python has no leap seconds
    except (ValueError, OverflowError):
        raise InvalidError(_UNREADABLE_TIME, faults=[Fault.at(["time"], "is not in the years 1 to 9999")]) from None


def _amount(data: dict[str, Json]) -> dict[str, Any]:
    """The amount and its currency, if there are both; money that cannot be added up is refused rather than left out.

    A state machine has no exact numbers, so that what it announces has its amounts as texts.
    """
    amount, currency = data.get("amount"), data.get("currency")
    if isinstance(amount, str) and _DECIMAL.fullmatch(amount):
        amount = Decimal(amount)
    if amount is None or currency is None:
        return {}
    faults = []
    if not isinstance(amount, Decimal):
        faults.append(Fault.at(["data", "amount"], "must be a number where there is a currency"))
    if not (isinstance(currency, str) and _CURRENCY.fullmatch(currency)):
        faults.append(Fault.at(["data", "currency"], "must be three capital letters where there is an amount"))
    if faults:
        raise InvalidError(_UNFIT_AMOUNT, faults=faults)
    return {"amount": amount, "currency": currency}
