"""Metrics: lines in the log that CloudWatch makes metrics of, so that no call is needed.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format.html
"""

import os

from aws_lambda_powertools.metrics import MetricUnit, single_metric

NAMESPACE = "ServerlessPatterns"


def count(name: str) -> None:
    """One more of these, in this function."""
    function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "local")
    with single_metric(name=name, unit=MetricUnit.Count, value=1, namespace=NAMESPACE) as metric:
        metric.add_dimension(name="FunctionName", value=function_name)
