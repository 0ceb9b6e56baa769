"""When reports are made, and when one is missing."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal
from zoneinfo import available_timezones

from aws_cdk import Duration, Token

from serverless_patterns._blocks.checks import check, check_duration, check_one_of, check_type

Engine = Literal["scheduler", "rule"]

#: Hours that an alarm can look back: its periods of an hour may be a week long together.
#: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
LONGEST_LOOK_BACK = 7 * 24
#: Hours between two daily ticks, and those that retries may take.
DAY, FOR_RETRIES = 24, 2

_CRON = re.compile(r"cron\(\S+(?: \S+){5}\)")
#: One that names its hour: a day lies between two ticks, or more.
_DAILY = re.compile(r"cron\(\d+ \d+ .*", re.ASCII)
_RATE = re.compile(r"rate\((1 (minute|hour|day)|([2-9]|[1-9]\d+) (minute|hour|day)s)\)", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class ReportSchedule:
    """When reports are made.

    Args:
        expression: ``cron(minutes hours day-of-month month day-of-week year)`` or ``rate(1 day)``. Default: each day at 05:00.
            https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
        time_zone: Of the expression, and of the day that a report is about: a name of the IANA time zones, such as
            ``Europe/Berlin``. Default ``Etc/UTC``. A time that the clock skips in spring is left out by Scheduler, and one that
            it repeats in autumn counts once: choose one outside the hour of the change.
        engine: ``"scheduler"`` (default): EventBridge Scheduler. ``"rule"``: a rule of the default bus, which reads the
            expression in UTC whatever the time zone of the report is.
        flexible_window: The minutes after the planned time within which Scheduler may begin, 1 to 1,440. Default: none, it
            begins within the minute.
        missing_after: Hours without a report of the latest day after which the critical alarm fires, 2 to 168. Default: a day,
            the flexible window, and two hours for retries: 26 without a window. A weekly report needs nearly all of the 168.

    Raises:
        PatternError: A value does not fit.
    """

    expression: str = "cron(0 5 * * ? *)"
    time_zone: str = "Etc/UTC"
    engine: Engine = "scheduler"
    flexible_window: Duration | None = None
    missing_after: Duration | None = None

    def __post_init__(self) -> None:
        """Check the shapes and ranges."""
        check_one_of("engine", self.engine, ("scheduler", "rule"))
        _check_expression(self.expression)
        _check_time_zone(self.time_zone)
        if self.flexible_window is not None:
            check(self.engine == "scheduler", "flexible_window needs engine='scheduler': a rule has none")
            check_duration("flexible_window", self.flexible_window, least=60, most=24 * 60 * 60)
            minutes = 1 if self.flexible_window.is_unresolved() else self.flexible_window.to_seconds() / 60
            check(minutes % 1 == 0, f"flexible_window must be whole minutes, got {60 * minutes:g} s")
        check_type("missing_after", self.missing_after_or_default, Duration, "a duration such as Duration.hours(26)")
        check(
            not self.missing_after_or_default.is_unresolved(),
            "missing_after must be known while defining: an alarm depends on it",
        )
        hours = self.missing_after_or_default.to_milliseconds() / 3_600_000
        check(
            hours % 1 == 0 and 2 <= hours <= LONGEST_LOOK_BACK,  # noqa: PLR2004  one hour may lie between two ticks
            f"missing_after must be whole hours from 2 to {LONGEST_LOOK_BACK}, got {hours:g}",
        )
        self._check_late_ticks(hours)

    def _check_late_ticks(self, hours: float) -> None:
        """A tick at the end of the window comes that much later than the one before, which came at its beginning."""
        interval = _hours_between(self.expression)
        if self.flexible_window is None or self.flexible_window.is_unresolved() or interval is None:
            return
        window = self._window_minutes / 60
        least = math.ceil(interval + window + FOR_RETRIES)
        check(
            hours >= least,
            f"missing_after must be at least {least} hours ({interval:g} between two ticks, {window:g} of flexible_window, "
            f"{FOR_RETRIES} for retries), got {hours:g}",
        )

    @property
    def missing_after_or_default(self) -> Duration:
        """After so long without a report somebody should know."""
        if self.missing_after is not None:
            return self.missing_after
        return Duration.hours(DAY + FOR_RETRIES + math.ceil(self._window_minutes / 60))

    @property
    def _window_minutes(self) -> float:
        """The minutes that a tick may be late by; of a window that is known only when deployed, the most that there are."""
        if self.flexible_window is None:
            return 0
        return DAY * 60 if self.flexible_window.is_unresolved() else self.flexible_window.to_minutes()

    @property
    def settings(self) -> dict[str, str]:
        """The environment variables from which the bundled handler knows its day, and when that is still the latest."""
        found = {"TIME_ZONE": self.time_zone}
        if self.flexible_window is not None:
            found["FLEXIBLE_WINDOW_SECONDS"] = f"{60 * self._window_minutes:g}"
        return found


def _check_expression(expression: str) -> None:
    check_type("expression", expression, str, "a text such as 'cron(0 5 * * ? *)'")
    check(
        Token.is_unresolved(expression) or _CRON.fullmatch(expression) or _RATE.fullmatch(expression),
        "expression must be cron(minutes hours day-of-month month day-of-week year) or rate(number unit), such as "
        f"'cron(0 5 * * ? *)', 'rate(1 day)' or 'rate(12 hours)', got {expression!r}",
    )


def _hours_between(expression: str) -> float | None:
    """The hours that lie between two ticks at least, as far as that is easily seen."""
    if _DAILY.fullmatch(expression):
        return DAY
    if (found := re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression, re.ASCII)) is not None:
        return int(found[1]) * {"minute": 1 / 60, "hour": 1, "day": DAY}[found[2]]
    return None


def _check_time_zone(name: str) -> None:
    """Check that there is such a time zone, as far as this machine knows any."""
    check_type("time_zone", name, str, "a name of the IANA time zones, such as 'Europe/Berlin'")
    known = set() if Token.is_unresolved(name) else available_timezones()
    hint = "such as 'Europe/Berlin'"
    check(not known or name in known, f"time_zone must be a name of the IANA time zones, {hint}, got {name!r}")
