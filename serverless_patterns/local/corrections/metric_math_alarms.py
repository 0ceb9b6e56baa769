"""Alarms on metric math that a template defines.

AWS takes ``Metrics`` (queries and expressions) in place of ``MetricName``.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudwatch-alarm.html

The emulator refuses such an alarm and with it the stack. Corrected, it keeps the alarm and describes it with its
``Metrics``, as ``PutMetricAlarm`` does; ``alarm_evaluation`` looks at the expression.
"""

from __future__ import annotations

from typing import Any

from ministack.services.cloudformation import provisioners

from .faults import Properties, expect

ALARM = {
    "Metrics": [{"Id": "rate", "Expression": "1"}],
    "ComparisonOperator": "GreaterThanThreshold",
    "EvaluationPeriods": 1,
    "Threshold": 1,
}
# What an alarm on one metric has and one on metric math has not.
SINGLE_METRIC = ("MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Period", "Dimensions", "Unit")


def check() -> None:
    """Metric math is refused."""
    try:
        provisioners._cw_metric_alarm_record("check", ALARM)
    except ValueError as refusal:
        expect("metric math" in str(refusal), f"the emulator refuses an alarm on metric math for another reason: {refusal}")
    else:
        expect(fault=False, description="the emulator now takes alarms on metric math")


def apply() -> None:
    """Keep the alarm, with its metrics."""
    stock = provisioners._cw_metric_alarm_record

    def record(name: str, properties: Properties) -> dict[str, Any]:
        metrics = properties.get("Metrics")
        if not metrics:
            return dict(stock(name, properties))
        stand_in = {**properties, "Metrics": None, "MetricName": name, "Namespace": name}
        alarm = {key: value for key, value in stock(name, stand_in).items() if key not in SINGLE_METRIC}
        return {**alarm, "Metrics": metrics}

    provisioners._cw_metric_alarm_record = record
