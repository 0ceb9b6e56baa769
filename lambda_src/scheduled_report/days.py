"""Which day a report is about: told by the tick of a schedule, or by hand."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

from shared.errors import Fault, InvalidError

#: Before this there was nothing to report: a tick of 1970 is a time that somebody forgot to set.
_FIRST_YEAR = 2000
_LAST_YEAR = 9998

#: How far the clocks of AWS's services may be apart.
_SKEW = timedelta(minutes=5)

#: So long after a day has ended, the report of the day before still counts as the latest one: it may be on its way.
_GRACE = timedelta(hours=6)

_DAY = timedelta(days=1)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2})?", re.ASCII)

_WHICH = (
    'The event has to say which day the report is about, in one way: {"scheduled_time": "2026-03-02T05:00:00Z"} as from the '
    'schedule, the time of an EventBridge rule, or {"date": "2026-03-01"} for one day.'
)


@dataclass(frozen=True, slots=True)
class Day:
    """A day in a time zone: from one midnight to the next, which is 23 to 25 hours where clocks change.

    Args:
        date: The date.
        zone: The time zone.
    """

    date: date
    zone: tzinfo

    @property
    def begins(self) -> datetime:
        """Its first moment. Where clocks skip midnight it is the moment of the change, where they repeat it the first one."""
        return _midnight(self.date, self.zone)

    @property
    def ends(self) -> datetime:
        """The first moment of the next day."""
        return _midnight(self.date + _DAY, self.zone)

    def is_latest(self, now: datetime) -> bool:
        """Whether it is the last whole day, or was a few hours ago."""
        return self.date >= _last_whole_day(now - _GRACE, self.zone)


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _last_whole_day(moment: datetime, zone: tzinfo) -> date:
    return moment.astimezone(zone).date() - _DAY


@dataclass(frozen=True, slots=True)
class Order:
    """What an event asks for.

    Args:
        day: The day of the report.
        again: Whether it is made anew, and announced anew, if it is there.
    """

    day: Day
    again: bool = False

    @classmethod
    def parse(cls, event: object, zone: tzinfo, now: datetime) -> "Order":
        """The order in an event of EventBridge Scheduler, of an EventBridge rule, or by hand.

        Raises:
            InvalidError: It names no day, more than one, or one that has not ended.
        """
        document: Mapping[str, Any] = event if isinstance(event, dict) else {}
        named = [name for name in ("date", "scheduled_time", "time") if name in document]
        if len(named) != 1:
            raise InvalidError(_WHICH)
        again = document.get("again", False)
        if not isinstance(again, bool):
            raise _invalid(name="again", fault="must be true or false")
        (name,) = named
        day = Day(_date(document[name]) if name == "date" else _day_of_tick(name, document[name], zone, now), zone)
        if day.ends > now + _SKEW:
            raise _invalid(name=name, fault="names a day that has not ended yet")
        return cls(day, again)


def _date(given: object) -> date:
    if not (isinstance(given, str) and _DATE.fullmatch(given)):
        raise _invalid(name="date", fault="must be a day such as 2026-03-01")
    try:
        day = date.fromisoformat(given)
    except ValueError:
        raise _invalid(name="date", fault="must be a day of the calendar") from None
    _check_year("date", day.year)
    return day


def _day_of_tick(name: str, given: object, zone: tzinfo, now: datetime) -> date:
    moment = _moment(name, given)
    _check_year(name, moment.year)
    if moment > now + _SKEW:
        raise _invalid(name=name, fault="is in the future")
    return _last_whole_day(moment, zone)


def _moment(name: str, given: object) -> datetime:
    if isinstance(given, str) and given.startswith("<aws.scheduler."):
        raise _invalid(name=name, fault="was not filled in by the scheduler; it does so in the input of a schedule's target")
    fault = "must be a time such as 2026-03-02T05:00:00Z"
    if not (isinstance(given, str) and _TIME.fullmatch(given)):
        raise _invalid(name=name, fault=fault)
    try:
        moment = datetime.fromisoformat(given)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except ValueError:
        raise _invalid(name=name, fault=fault) from None


def _check_year(name: str, year: int) -> None:
    """Refuse what the calendar of a time zone may have no room for, too."""
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        raise _invalid(name=name, fault=f"is not in the years {_FIRST_YEAR} to {_LAST_YEAR}")


def _invalid(*, name: str, fault: str) -> InvalidError:
    """What is wrong, in the error's own text too: that is all that a dead-letter queue keeps of it."""
    return InvalidError(f"The event asks for no report that can be made: {name} {fault}.", faults=[Fault.at([name], fault)])
