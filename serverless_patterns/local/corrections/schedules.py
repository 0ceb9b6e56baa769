"""When a schedule of EventBridge Scheduler fires, what it sends, and what becomes of an event that its target does not take.

AWS reads ``cron()`` and ``at()`` in the schedule's time zone: a time that the clock skips in spring is left out, one that it
repeats in autumn counts once. It puts the time and other facts into the input, tries again as often as the target's retry
policy says, and then sends the input to the target's dead-letter queue, with the reason in the message's attributes.
https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html
What it puts on an event bus has the source and the type that the target says.
https://docs.aws.amazon.com/scheduler/latest/APIReference/API_EventBridgeParameters.html
It counts each: https://docs.aws.amazon.com/scheduler/latest/UserGuide/monitoring-cloudwatch.html

The emulator reads them in UTC, and drops the zone and the dates of a template; it sends the input as it is, once, under its
own source and type to a bus, and looks every ten seconds. Corrected, it looks each second, and waits between attempts as
briefly as between those of functions.
"""

from __future__ import annotations

import contextvars
import json
import logging
import re
import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from ministack.core import responses
from ministack.services import eventbridge, lambda_svc, scheduler

from .faults import Properties, after, expect
from .targets import bury, count, fault_of

SECOND = 1
SCHEDULE = "AWS::Scheduler::Schedule"
SETTINGS = ("ScheduleExpressionTimezone", "StartDate", "EndDate", "KmsKeyArn")
AT = re.compile(r"at\(([^)]+)\)")
PLACEHOLDER = "<aws.scheduler.scheduled-time>"
MAX_RETRIES, MAX_AGE = 185, 86_400
OF_CHECK = {
    "Name": "correction-check",
    "ScheduleExpression": "at(2000-01-01T00:00:00)",
    "State": "ENABLED",
    "LastModificationDate": 0.0,
    "Target": {"Arn": "arn:aws:sqs:us-east-1:000000000000:correction-check", "Input": PLACEHOLDER},
}
Schedule = dict[str, Any]
Key = tuple[str, str, str]

log = logging.getLogger(__name__)
#: The latest moment that was seen to, of each version of a schedule.
seen_to: dict[tuple[Key, float], float] = {}


@dataclass(frozen=True)
class Event:
    """What a schedule sends at a moment."""

    schedule: Schedule
    moment: float
    execution: str = field(default_factory=lambda: uuid.uuid4().hex[:16])

    @property
    def time(self) -> str:
        """The moment as AWS writes it."""
        return datetime.fromtimestamp(self.moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def input(self, attempt: int) -> str:
        """The target's input with the facts of an attempt in it."""
        facts = {
            "attempt-number": str(attempt),
            "execution-id": self.execution,
            "schedule-arn": self.schedule.get("Arn", ""),
            "scheduled-time": self.time,
        }
        text = str(self.schedule["Target"].get("Input") or json.dumps(self._notice()))
        return re.sub(r"<aws\.scheduler\.([a-z-]+)>", lambda match: facts.get(match[1], match[0]), text)

    def deliver(self, attempt: int) -> None:
        """Hand it to the target, which is there."""
        bus = self.schedule["Target"].get("EventBridgeParameters") or {}  # says what the event on a bus is
        kind = {"EventId": self.execution, "Source": "aws.scheduler", "DetailType": "Scheduled Event", "Detail": "{}", **bus}
        where = {"Time": self.moment, "Account": responses.get_account_id(), "Region": responses.get_region()}
        event = {**kind, **where, "Resources": [self.schedule.get("Arn", "")]}
        eventbridge._invoke_target({**self.schedule["Target"], "Input": self.input(attempt)}, event, self.schedule)

    def _notice(self) -> dict[str, Any]:
        """The event of a target without an input."""
        where = {"account": responses.get_account_id(), "time": self.time, "region": responses.get_region()}
        kind = {"version": "0", "id": self.execution, "detail-type": "Scheduled Event", "source": "aws.scheduler"}
        return {**kind, **where, "resources": [self.schedule.get("Arn", "")], "detail": "{}"}


def check() -> None:
    """The time is not put in."""
    sent: list[str] = []
    key = ("000000000000", "us-east-1", "default/correction-check")
    stock = eventbridge._invoke_target
    eventbridge._invoke_target = lambda target, *_: sent.append(target["Input"])
    scheduler._schedules._data[key] = OF_CHECK
    try:
        scheduler._tick_schedules()
    finally:
        eventbridge._invoke_target = stock
        del scheduler._schedules._data[key]
        scheduler._schedule_last_fired.pop(key, None)
    expect(sent == [PLACEHOLDER], "the emulator now puts the time of a schedule into its input")


def apply() -> None:
    """Look each second; keep what a template says."""
    scheduler._SCHEDULE_TICK_INTERVAL = SECOND
    scheduler._tick_schedules = _tick
    after(SCHEDULE, _set)


def _set(name: str, properties: Properties) -> None:
    schedule = scheduler._schedules[f"{properties.get('GroupName') or 'default'}/{name}"]
    schedule.update({setting: properties.get(setting) for setting in SETTINGS})
    schedule.update(
        ScheduleExpressionTimezone=properties.get("ScheduleExpressionTimezone") or "UTC", LastModificationDate=time.time()
    )


def _tick() -> None:
    for key, schedule in list(scheduler._schedules._data.items()):
        if schedule.get("State") == "ENABLED":
            try:
                _look_at(key, schedule, time.time())
            except Exception:
                log.exception("the schedule %s cannot be fired", key[2])


def _look_at(key: Key, schedule: Schedule, now: float) -> None:
    version = (key, float(schedule["LastModificationDate"]))
    start, end = scheduler._to_epoch(schedule.get("StartDate")) or 0.0, scheduler._to_epoch(schedule.get("EndDate"))
    moment = _next(schedule, seen_to.get(version, max(version[1], start)), once=version in seen_to)
    over = moment is None or (end is not None and moment > end)
    if moment is not None and not over and moment <= now:
        seen_to[version] = moment
        with responses.request_scope(*key[:2]):
            event = Event(schedule, moment)
            threading.Thread(target=contextvars.copy_context().run, args=(_see_to, event), daemon=True).start()
    elif over and schedule.get("ActionAfterCompletion") == "DELETE":
        scheduler._schedules._data.pop(key, None)


def _next(schedule: Schedule, since: float, *, once: bool) -> float | None:
    """The next moment after another one; ``None`` if there is none, and a second one of ``at()`` never."""
    expression = schedule["ScheduleExpression"].strip()
    zone = ZoneInfo(schedule.get("ScheduleExpressionTimezone") or "UTC")
    if at := AT.fullmatch(expression):
        return None if once else datetime.fromisoformat(at[1].strip()).replace(tzinfo=zone).timestamp()
    if interval := eventbridge._parse_rate_seconds(expression):
        return since + float(interval)
    return _next_of_cron(eventbridge._parse_cron_fields(expression), since, zone)


def _next_of_cron(fields: object, since: float, zone: ZoneInfo) -> float | None:
    local = datetime.fromtimestamp(since, zone)
    while fields and (found := eventbridge._cron_next_fire(fields, local.replace(tzinfo=None))):
        local = found.replace(tzinfo=zone)
        moment = local.timestamp()
        skipped = datetime.fromtimestamp(moment, zone).replace(tzinfo=None) != local.replace(tzinfo=None)
        if moment > since and not skipped:
            return float(moment)
    return None


def _see_to(event: Event) -> None:
    """Deliver it, again and again if need be, and at last to the dead-letter queue."""
    target = event.schedule["Target"]
    policy = target.get("RetryPolicy") or {}
    retries = int(policy.get("MaximumRetryAttempts", MAX_RETRIES))
    gives_up = time.monotonic() + int(policy.get("MaximumEventAgeInSeconds", MAX_AGE))
    attempt, wait = 1, lambda_svc._LAMBDA_ASYNC_RETRY_BASE_SECONDS
    while fault := fault_of(target["Arn"]):
        _count(event, "TargetErrorCount")
        late = time.monotonic() + wait > gives_up
        if late or attempt > retries:
            _bury(event, attempt, fault, "MaximumEventAgeInSeconds" if late else "MaximumRetryAttempts")
            return
        time.sleep(wait)
        attempt, wait = attempt + 1, min(2 * wait, lambda_svc._LAMBDA_ASYNC_RETRY_MAX_SECONDS)
    event.deliver(attempt)


def _bury(event: Event, attempt: int, fault: tuple[str, str], exhausted: str) -> None:
    target = event.schedule["Target"]
    log.warning("the schedule %s did not reach %s: %s", event.schedule["Name"], target["Arn"], fault[1])
    said = {
        "ERROR_CODE": fault[0],
        "ERROR_MESSAGE": fault[1],
        "EXECUTION_ID": event.execution,
        "EXHAUSTED_RETRY_CONDITION": exhausted,
        "IS_PAYLOAD_TRUNCATED": "false",
        "RETRY_ATTEMPTS": str(attempt - 1),
        "SCHEDULED_TIME": event.time,
        "SCHEDULE_ARN": event.schedule.get("Arn", ""),
        "TARGET_ARN": target["Arn"],
    }
    _count(event, "InvocationDroppedCount")
    if bury(target, event.input(attempt), said):
        _count(event, "InvocationsFailedToBeSentToDeadLetterCount")


def _count(event: Event, metric: str) -> None:
    count("AWS/Scheduler", metric, ScheduleGroup=event.schedule.get("GroupName") or "default")
