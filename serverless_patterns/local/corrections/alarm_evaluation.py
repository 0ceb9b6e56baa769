"""When an alarm changes its state.

AWS looks at the metrics of the alarm's own dimensions, alone or in an expression, once a minute, period by period: the alarm
goes off when enough periods breach the threshold, and what a period without data means is its ``TreatMissingData``.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html

The emulator looks only when somebody calls ``PutMetricData``, takes the metric of whatever dimensions, never looks at
expressions, and leaves an alarm without data as it is. Corrected, it looks each second; periods end now, not at the full
minute.
"""

from __future__ import annotations

import operator
import time
from typing import Any

from ministack.core import responses
from ministack.services import cloudwatch

from .faults import expect, repeatedly
from .metric_math import Value, evaluate

SECOND = 1.0
COMPARISONS = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanOrEqualToThreshold": operator.le,
    "LessThanThreshold": operator.lt,
}
OF_ANOTHER = {
    "AlarmName": "correction-check",
    "Namespace": "correction-check",
    "MetricName": "correction-check",
    "Dimensions": [{"Name": "of", "Value": "mine"}],
    "Statistic": "Sum",
    "ComparisonOperator": "GreaterThanThreshold",
    "Threshold": 0.0,
    "StateValue": "OK",
}
Alarm = dict[str, Any]


def check() -> None:
    """An alarm goes off for somebody else's metric."""
    alarm = dict(OF_ANOTHER)
    cloudwatch.record_metric("correction-check", "correction-check", 1, "Count", {"of": "another"})
    cloudwatch._evaluate_alarm(alarm)
    del cloudwatch._metrics["correction-check", "correction-check", "of=another"]
    entries = cloudwatch._history_entries()
    entries[:] = [entry for entry in entries if entry["AlarmName"] != "correction-check"]
    expect(alarm["StateValue"] == "ALARM", "the emulator now keeps the metrics of an alarm's dimensions apart")


def apply() -> None:
    """Look at the alarm's own metric, each second."""
    stock = cloudwatch._evaluate_alarm

    def look(alarm: Alarm) -> None:
        if alarm.get("ComparisonOperator") in COMPARISONS:
            _change(alarm, *_verdict(alarm))
        else:
            stock(alarm)

    cloudwatch._evaluate_alarm = look
    repeatedly(SECOND, _evaluate_all)


def _evaluate_all() -> None:
    for scope in {scoped[:2] for scoped in list(cloudwatch._alarms._data)}:
        with responses.request_scope(*scope):
            cloudwatch._evaluate_all_alarms()


def _verdict(alarm: Alarm) -> tuple[str, str]:
    """The state that the alarm should have, and why."""
    values = _values(alarm)
    breaches = COMPARISONS[alarm["ComparisonOperator"]]
    there = [value for value in values if value is not None]
    bad, missing = sum(breaches(value, alarm["Threshold"]) for value in there), len(values) - len(there)
    needed = int(alarm.get("DatapointsToAlarm") or len(values))
    why = (
        f"Threshold Crossed: {bad} of {len(there)} datapoints {there} breach {alarm['ComparisonOperator']} {alarm['Threshold']}"
    )
    match alarm.get("TreatMissingData") or "missing":
        case "breaching":
            bad += missing
        case "missing" if not there:
            return "INSUFFICIENT_DATA", "Insufficient Data: no datapoints were received"
        case "missing":
            needed = min(needed, len(there))
        case "ignore" if missing and bad < needed:
            return alarm["StateValue"], "no datapoints were received"
    return ("ALARM" if bad >= needed else "OK"), why


def _values(alarm: Alarm) -> list[Value]:
    """The value of each period, the latest first; ``None`` where there is none."""
    number = int(alarm.get("EvaluationPeriods") or 1)
    if not alarm.get("Metrics"):
        return _statistics(alarm, alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average", number)
    of_metric = {
        each["Id"]: _statistics({**each["MetricStat"]["Metric"], **each["MetricStat"]}, each["MetricStat"]["Stat"], number)
        for each in alarm["Metrics"]
        if each.get("MetricStat")
    }
    (asked,) = [each for each in alarm["Metrics"] if each.get("ReturnData", True)]
    expression = asked.get("Expression") or asked["Id"]
    return [evaluate(expression, {name: values[n] for name, values in of_metric.items()}) for n in range(number)]


def _statistics(metric: Alarm, statistic: str, number: int) -> list[Value]:
    dimensions = cloudwatch._dims_key(cloudwatch._dims_from_list(metric.get("Dimensions") or []))
    points = list(cloudwatch._metrics.get((metric["Namespace"], metric["MetricName"], dimensions)) or [])
    period, now = int(metric.get("Period") or 60), time.time()
    periods: list[list[Alarm]] = [[] for _ in range(number)]
    for point in points:
        ago = int((now - point["Timestamp"]) // period)
        if 0 <= ago < number:
            periods[ago].append(point)
    return [cloudwatch._stat_value(cloudwatch._calc_stats(each), statistic, each) if each else None for each in periods]


def _change(alarm: Alarm, state: str, why: str) -> None:
    before = alarm["StateValue"]
    if state == before:
        return
    alarm.update(StateValue=state, StateReason=why, StateUpdatedTimestamp=int(time.time()))
    cloudwatch._record_history(alarm["AlarmName"], before, state, why)
    cloudwatch._dispatch_alarm_actions(alarm, before, state, why)
    cloudwatch._evaluate_parent_alarms(alarm)
