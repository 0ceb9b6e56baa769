"""Alarms of functions: behind an API, behind a queue, invoked asynchronously, on a schedule."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_

from serverless_patterns._blocks.alarms.alarm_list import AlarmList
from serverless_patterns._blocks.alarms.metrics import handler_metric, rate_of, tail


class FunctionAlarms(AlarmList):
    """Alarms of functions."""

    def add_api_function(self, name: str, function: lambda_.Function, *, timeout: Duration) -> None:
        """The alarms of a function that answers requests: error rate, throttles, and time that runs out."""
        minute = Duration.minutes(1)
        self.add(
            f"{name}Errors",
            rate_of(function.metric_errors(period=minute), function.metric_invocations(period=minute), "Errors per invocation"),
            tier="critical",
            threshold=1,
            at_threshold=False,
            periods=(3, 5),
            description=(
                f"More than 1 % of the invocations fail: a fault in the code or in what it calls. First: {tail(function)}"
            ),
        )
        self._add_limits(name, function, timeout)

    def add_worker(self, name: str, function: lambda_.Function, *, timeout: Duration) -> None:
        """The alarms of a function that works events: any error, throttles, and time that runs out.

        A bundled handler reports the messages that failed and does not fail itself: an error is a crash or a timeout.
        """
        self.add(
            f"{name}Errors",
            function.metric_errors(period=Duration.minutes(1)),
            tier="critical",
            threshold=1,
            description=f"An invocation crashed or timed out; its messages come back. First: {tail(function)}",
        )
        self._add_limits(name, function, timeout)

    def add_unexpected_errors(self, function: lambda_.Function, name: str = "") -> None:
        """The alarm of a bundled handler that met an error which it does not know: it kept the message, and goes on."""
        self.add(
            f"{name}UnexpectedErrors",
            handler_metric(function, "UnexpectedErrors", "Sum"),
            tier="critical",
            threshold=1,
            description=f"The handler met an error that it does not know; the message is tried again. First: {tail(function)}",
        )

    def add_dropped(self, name: str, function: lambda_.Function) -> None:
        """The alarms of a function that is invoked asynchronously: events that were dropped, or are kept nowhere."""
        for metric, cause in (
            ("AsyncEventsDropped", "Events were given up: they failed too often, or waited too long"),
            ("DestinationDeliveryFailures", "What failed could not be sent to its destination: it is lost"),
        ):
            self.add(
                f"{name}{metric}",
                function.metric(metric, period=Duration.minutes(1), statistic="Sum"),
                tier="critical",
                threshold=1,
                description=f"{cause}. First: {tail(function)}",
            )

    def add_report(
        self, name: str, function: lambda_.Function, *, timeout: Duration, missing_after: Duration, bundled: bool
    ) -> None:
        """The alarms of a function that makes reports: tries that fail, time that runs out, and no report for too long.

        The bundled handler says when there is a report of the latest day; of another one it is known that a run did not fail.
        """
        self.add(
            f"{name}Errors",
            function.metric_errors(period=Duration.minutes(1)),
            tier="warning",
            threshold=1,
            description=f"A try to make the report failed; there are two more. First: {tail(function)}",
        )
        self._add_limits(name, function, timeout, periods=(1, 1))  # a run a day has one datapoint
        hours, hour = round(missing_after.to_hours()), Duration.hours(1)
        self.add(
            f"{name}Missing",
            _reports(function, hour) if bundled else _successes(function, hour),
            tier="critical",
            threshold=1,
            periods=(hours, hours),
            must_happen=True,
            description=f"For {hours} hours there was no report of the latest day. First: {tail(function, since=f'{hours}h')}",
        )

    def _add_limits(
        self, name: str, function: lambda_.Function, timeout: Duration, *, periods: tuple[int, int] = (3, 5)
    ) -> None:
        minute = Duration.minutes(1)
        self.add(
            f"{name}Throttles",
            function.metric_throttles(period=minute),
            tier="warning",
            threshold=1,
            periods=periods,
            description=(
                "Invocations are refused for lack of concurrency. First: aws lambda get-account-settings; "
                f"aws lambda get-function-concurrency --function-name {function.function_name}"
            ),
        )
        self.add(
            f"{name}Duration",
            function.metric_duration(period=minute, statistic="p99"),
            tier="warning",
            threshold=0.8 * timeout.to_milliseconds(),
            at_threshold=False,
            periods=periods,
            description=(
                f"One invocation in a hundred takes over 80 % of the timeout: a slow dependency. First: {tail(function)}"
            ),
        )


def _reports(function: lambda_.Function, period: Duration) -> cloudwatch.MathExpression:
    """Reports of the latest day; no datapoint is none of them.

    Where datapoints are missing, an alarm looks further back for some, and might find a report of long ago.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
    """
    return cloudwatch.MathExpression(
        expression="FILL(reports, 0)",
        using_metrics={"reports": handler_metric(function, "ReportSucceeded", "Sum", period=period)},
        label="reports",
        period=period,
    )


def _successes(function: lambda_.Function, period: Duration) -> cloudwatch.MathExpression:
    """Invocations that did not fail; no datapoint is none of them."""
    return cloudwatch.MathExpression(
        expression="FILL(invocations, 0) - FILL(errors, 0)",
        using_metrics={
            "invocations": function.metric_invocations(period=period),
            "errors": function.metric_errors(period=period),
        },
        label="succeeded",
        period=period,
    )
