"""Metrics in the embedded metric format, which functions write into their logs.

AWS makes metrics of log lines that have an ``_aws`` member: one for each set of dimensions.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

The emulator keeps the line and makes no metric.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ministack.services import cloudwatch, cloudwatch_logs, lambda_svc

from .faults import expect

NAME = "correction-check"
DIRECTIVE = {"Namespace": NAME, "Dimensions": [["of"]], "Metrics": [{"Name": NAME, "Unit": "Count"}]}
LINE = json.dumps({"_aws": {"CloudWatchMetrics": [DIRECTIVE]}, "of": "check", NAME: 1})
KEY = (NAME, NAME, "of=check")

Metric = tuple[str, str, float, str, dict[str, str]]


def check() -> None:
    """A line makes no metric."""
    lambda_svc._emit_lambda_logs({"config": {"FunctionName": NAME}}, NAME, LINE, error=False, duration_ms=1)
    made = cloudwatch._metrics.pop(KEY, None)
    cloudwatch_logs._log_groups.pop(f"/aws/lambda/{NAME}", None)
    expect(not made, "the emulator now makes metrics of the embedded metric format")


def apply() -> None:
    """Make them as the function's log is written."""
    emit = lambda_svc._emit_lambda_logs

    def emitted(func: dict[str, Any], request_id: str, log_text: str, *rest: object, **named: object) -> None:
        emit(func, request_id, log_text, *rest, **named)
        for line in (log_text or "").splitlines():
            for metric in _metrics_of(line):
                cloudwatch.record_metric(*metric)

    lambda_svc._emit_lambda_logs = emitted


def _metrics_of(line: str) -> Iterator[Metric]:
    try:
        document = json.loads(line)
        directives = document["_aws"]["CloudWatchMetrics"]
    except (KeyError, TypeError, ValueError):
        return  # an ordinary line
    for directive in directives:
        for names in directive.get("Dimensions") or [[]]:
            dimensions = {name: str(document[name]) for name in names if name in document}
            for metric in directive["Metrics"]:
                given = document.get(metric["Name"], [])
                for value in given if isinstance(given, list) else [given]:
                    yield directive["Namespace"], metric["Name"], float(value), metric.get("Unit", "None"), dimensions
