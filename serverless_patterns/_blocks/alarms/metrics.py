"""Metrics that alarms watch beyond those that CDK knows, and where a function's log is read."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_

#: The namespace of the metrics that the bundled handlers write.
METRICS = "ServerlessPatterns"


def handler_metric(
    function: lambda_.Function, name: str, statistic: str, *, period: Duration | None = None
) -> cloudwatch.IMetric:
    """A metric that a bundled handler writes into its log, per minute unless told."""
    return cloudwatch.Metric(
        namespace=METRICS,
        metric_name=name,
        dimensions_map={"FunctionName": function.function_name},
        statistic=statistic,
        period=period or Duration.minutes(1),
    )


def rate_of(part: cloudwatch.IMetric, whole: cloudwatch.IMetric, label: str) -> cloudwatch.MathExpression:
    """Percent of a whole."""
    return cloudwatch.MathExpression(
        expression="100 * part / whole", using_metrics={"part": part, "whole": whole}, label=label, period=Duration.minutes(1)
    )


def tail(function: lambda_.Function, *, since: str = "15m") -> str:
    """The command that shows what a function has logged."""
    return f"aws logs tail {function.log_group.log_group_name} --since {since}"
