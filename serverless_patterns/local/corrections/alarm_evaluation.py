"""When an alarm on one metric changes its state.

AWS looks at the metric of the alarm's own dimensions once a minute, period by period: the alarm goes off when enough periods
breach the threshold, and what a period without data means is the alarm's ``TreatMissingData``.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html

The emulator looks only when somebody calls ``PutMetricData``, takes the metric of whatever dimensions, and leaves an alarm
without data as it is. Corrected, it looks each second; periods end now, not at the full minute.
"""

from __future__ import annotations

import operator
import time
from typing import Any

from ministack.core import responses
from ministack.services import cloudwatch

from .faults import expect, repeatedly

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

    def evaluate(alarm: Alarm) -> None:
        if alarm.get("ComparisonOperator") not in COMPARISONS:
            stock(alarm)
        elif alarm.get("MetricName"):
            _change(alarm, *_verdict(alarm))

    cloudwatch._evaluate_alarm = evaluate
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


def _values(alarm: Alarm) -> list[float | None]:
    """The statistic of each period, the latest first; ``None`` where there is no data."""
    dimensions = cloudwatch._dims_key(cloudwatch._dims_from_list(alarm.get("Dimensions") or []))
    points = list(cloudwatch._metrics.get((alarm["Namespace"], alarm["MetricName"], dimensions)) or [])
    period, now = int(alarm.get("Period") or 60), time.time()
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average"
    periods: list[list[Alarm]] = [[] for _ in range(int(alarm.get("EvaluationPeriods") or 1))]
    for point in points:
        number = int((now - point["Timestamp"]) // period)
        if 0 <= number < len(periods):
            periods[number].append(point)
    return [cloudwatch._stat_value(cloudwatch._calc_stats(each), statistic, each) if each else None for each in periods]


def _change(alarm: Alarm, state: str, why: str) -> None:
    before = alarm["StateValue"]
    if state == before:
        return
    alarm.update(StateValue=state, StateReason=why, StateUpdatedTimestamp=int(time.time()))
    cloudwatch._record_history(alarm["AlarmName"], before, state, why)
    cloudwatch._dispatch_alarm_actions(alarm, before, state, why)
    cloudwatch._evaluate_parent_alarms(alarm)
