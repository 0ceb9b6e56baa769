"""When alarms of a kind go off: statistic, period, threshold and how many periods, as docs/alarms.md says it."""

import dataclasses
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.proofs.alarms import Alarm

FOUR_DAYS, FORTNIGHT = 345_600, 1_209_600
#: Hours after which a report is missing, without a window in which its schedule may choose the time.
A_DAY_AND_TWO_HOURS = 26
#: Seconds for which the oldest message may wait, where the queue does not hide messages for longer.
OLDEST_MESSAGE = 300


@dataclass(frozen=True)
class GoesOff:
    """When an alarm goes off.

    Args:
        at: The threshold, or what it is of an alarm.
        statistic: Of its metric, or of each of them.
        period: Seconds.
        periods: In how many of how many periods, or what it is of an alarm.
        when: How a value is held against the threshold.
        expression: What is made of several metrics, or what it is of an alarm.
    """

    at: float | Callable[[Alarm], float] = 1
    statistic: str | tuple[str, ...] = "Sum"
    period: int = 60
    periods: tuple[int, int] | Callable[[Alarm], tuple[int, int]] = (1, 1)
    when: str = "GreaterThanOrEqualToThreshold"
    expression: str | Callable[[Alarm], str] = ""

    def unlike(self, alarm: Alarm) -> list[str]:
        """In what an alarm is otherwise, a line each."""
        given = alarm.properties
        found = {
            "threshold": (given["Threshold"], _of(self.at, alarm)),
            "comparison": (given["ComparisonOperator"], self.when),
            "periods": ((given.get("DatapointsToAlarm"), given["EvaluationPeriods"]), _of(self.periods, alarm)),
            "period": ({metric.period for metric in alarm.metrics}, {self.period}),
            "statistic": (*self._statistics(alarm),),
            "expression": (_expression(alarm), _of(self.expression, alarm)),
            "actions": (given.get("ActionsEnabled", True), True),
        }
        return [f"{what} {is_!r} and not {due!r}" for what, (is_, due) in found.items() if is_ != due]

    def _statistics(self, alarm: Alarm) -> Iterator[list[str]]:
        is_ = [metric.statistic for metric in alarm.metrics]
        yield is_
        yield list(self.statistic) if isinstance(self.statistic, tuple) else [self.statistic] * len(is_)


def _of(value: Any, alarm: Alarm) -> Any:
    return value(alarm) if callable(value) else value


def _expression(alarm: Alarm) -> str:
    return "".join(each["Expression"] for each in alarm.properties.get("Metrics", []) if "Expression" in each)


def part_of_timeout(share: float) -> Callable[[Alarm], float]:
    """Milliseconds: a share of the timeout of the function that the alarm watches, or that its API invokes."""

    def limit(alarm: Alarm) -> float:
        functions = {each.name: each for each in alarm.template.functions}
        watched = [functions[each] for each in _named(alarm, "FunctionName")] or _behind_apis(alarm)
        return share * 1000 * max((function.timeout for function in watched), default=0)

    return limit


def _behind_apis(alarm: Alarm) -> list[Any]:
    permissions = alarm.template.of_type("AWS::Lambda::Permission")
    invoked = {
        each.properties["FunctionName"] for each in permissions if each.properties["Principal"] == "apigateway.amazonaws.com"
    }
    return [each for each in alarm.template.functions if invoked & {each.arn, each.name}]


def three_of_five_or_one_of_a_report(alarm: Alarm) -> tuple[int, int]:
    """A report is made once a day: a second datapoint would come a day later."""
    (name,) = _named(alarm, "FunctionName")
    (function,) = [each for each in alarm.template.functions if each.name == name]
    return (1, 1) if "REPORT_NAME" in function.environment else (3, 5)


def hours_without_a_report(alarm: Alarm) -> tuple[int, int]:
    """A day and two hours, and the window of the schedule in whole hours."""
    schedules = alarm.template.of_type("AWS::Scheduler::Schedule")
    minutes = [each.properties["FlexibleTimeWindow"].get("MaximumWindowInMinutes", 0) for each in schedules]
    hours = A_DAY_AND_TWO_HOURS + math.ceil(max(minutes, default=0) / 60)
    return hours, hours


def oldest_message(alarm: Alarm) -> float:
    """Seconds: five minutes, or as long as the queue hides a message if that is longer."""
    (queue,) = [each for each in alarm.template.of_type("AWS::SQS::Queue") if _is(each.arn, _named(alarm, "QueueName"))]
    hidden = float(queue.properties.get("VisibilityTimeout", 30))
    return max(OLDEST_MESSAGE, hidden)


def stalled(alarm: Alarm) -> str:
    """Messages are so old, and no invocation succeeds."""
    return f"IF(age > {oldest_message(alarm):g} AND FILL(invocations, 0) - FILL(errors, 0) <= 0, 1, 0)"


def nearly_lost(alarm: Alarm) -> float:
    """Seconds: three quarters of what is left of a fortnight when SQS has moved a message here, which keeps its age."""
    queues = alarm.template.of_type("AWS::SQS::Queue")
    (dead,) = [each.arn for each in queues if _is(each.arn, _named(alarm, "QueueName"))]
    moved = [each.properties for each in queues if each.properties.get("RedrivePolicy", {}).get("deadLetterTargetArn") == dead]
    return 0.75 * (FORTNIGHT - max((each.get("MessageRetentionPeriod", FOUR_DAYS) for each in moved), default=0))


def half_of_the_tries(alarm: Alarm) -> float:
    """Milliseconds: half of the time after which the readers of streams give a record up."""
    mappings = alarm.template.of_type("AWS::Lambda::EventSourceMapping")
    ages = [each.properties.get("MaximumRecordAgeInSeconds", 0) for each in mappings]
    return 1000 * float(max(ages, default=0)) / 2


def all_together(alarm: Alarm) -> str:
    """The sum of its metrics."""
    return " + ".join(each["Id"] for each in alarm.properties.get("Metrics", []) if "MetricStat" in each)


def _named(alarm: Alarm, dimension: str) -> list[str]:
    return sorted({each.dimensions[dimension] for each in alarm.metrics if dimension in each.dimensions})


def _is(arn: str | None, names: list[str]) -> bool:
    return arn is not None and arn.rpartition(":")[2] in names


#: Milliseconds, and seconds.
A_MINUTE, AN_HOUR = 60_000, 3600
#: What happens at all, and what goes on.
ONE, GOES_ON = GoesOff(), GoesOff(periods=(3, 5))
A_PERCENT = GoesOff(when="GreaterThanThreshold", periods=(3, 5), expression="100 * part / whole")
A_PERCENT_OF_ANSWERS = dataclasses.replace(A_PERCENT, statistic=("Sum", "SampleCount"))
REQUESTS = GoesOff(periods=(3, 5), expression=all_together)
STALLS = GoesOff(statistic=("Maximum", "Sum", "Sum"), period=300, periods=(3, 3), expression=stalled)
UNREAD = GoesOff(period=300, periods=(3, 3), expression="IF(FILL(written, 0) > 0 AND FILL(polled, 0) <= 0, 1, 0)")
MISSING = GoesOff(period=3600, periods=hours_without_a_report, when="LessThanThreshold", expression="FILL(reports, 0)")


def above(
    at: float | Callable[[Alarm], float],
    statistic: str = "Maximum",
    periods: tuple[int, int] | Callable[[Alarm], tuple[int, int]] = (1, 1),
    period: int = 60,
) -> GoesOff:
    """More than the threshold."""
    return GoesOff(at, statistic, period, periods, "GreaterThanThreshold")
