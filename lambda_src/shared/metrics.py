"""Metrics: lines in the log that CloudWatch makes metrics of, so that no call is needed.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format.html
"""

import json
import os
import re

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.base import SingleMetric

NAMESPACE = "ServerlessPatterns"

#: What the value of a dimension must not have: CloudWatch takes ASCII, and no colon in front.
#: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Dimension.html
_UNFIT = re.compile(r"^:|[^\x21-\x7e]")


def count(name: str, **dimensions: str) -> None:
    """One more of these, in this function; with dimensions it is one of another metric."""
    _write(name, MetricUnit.Count, 1, **dimensions)


def seconds(name: str, value: float) -> None:
    """It took, or has lasted, so many seconds."""
    _write(name, MetricUnit.Seconds, value)


def _write(name: str, unit: MetricUnit, value: float, **dimensions: str) -> None:
    """Write a value down as a line of the log.

    The function's name is a dimension. A metric with more is another metric, which an alarm does not see; so Powertools
    must not add the service, which it takes from a variable of the function.
    """
    metric = SingleMetric(namespace=NAMESPACE, service="")
    metric.add_metric(name=name, unit=unit, value=value)
    metric.add_dimension(name="FunctionName", value=os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "local"))
    for dimension, text in dimensions.items():
        metric.add_dimension(name=dimension, value=_UNFIT.sub("_", text))
    print(json.dumps(metric.serialize_metric_set()))  # noqa: T201  what is printed is the log
