"""Metrics: lines in the log that CloudWatch makes metrics of, so that no call is needed.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format.html
"""

import json
import os

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.base import SingleMetric

NAMESPACE = "ServerlessPatterns"


def count(name: str) -> None:
    """One more of these, in this function."""
    _write(name, MetricUnit.Count, 1)


def seconds(name: str, value: float) -> None:
    """It took, or has lasted, so many seconds."""
    _write(name, MetricUnit.Seconds, value)


def _write(name: str, unit: MetricUnit, value: float) -> None:
    """Write a value down as a line of the log.

    The function's name is the one dimension. A metric with more is another metric, which the alarm does not see; so Powertools
    must not add the service, which it takes from a variable of the function.
    """
    metric = SingleMetric(namespace=NAMESPACE, service="")
    metric.add_metric(name=name, unit=unit, value=value)
    metric.add_dimension(name="FunctionName", value=os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "local"))
    print(json.dumps(metric.serialize_metric_set()))  # noqa: T201  what is printed is the log
