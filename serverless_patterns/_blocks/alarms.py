"""Alarms in three tiers: critical (data or users are hurt now), warning (they will be), info."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as cloudwatch_actions
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from constructs import Construct

from serverless_patterns._blocks.checks import check, check_type

#: DynamoDB's name of an operation, as in its IAM action and its metrics -> as CDK names it.
TABLE_OPERATIONS = {
    "GetItem": dynamodb.Operation.GET_ITEM,
    "PutItem": dynamodb.Operation.PUT_ITEM,
    "DeleteItem": dynamodb.Operation.DELETE_ITEM,
    "Scan": dynamodb.Operation.SCAN,
    "TransactWriteItems": dynamodb.Operation.TRANSACT_WRITE_ITEMS,
}

Tier = Literal["critical", "warning", "info"]


@dataclass(frozen=True, kw_only=True)
class Alerts:
    """Where alarms are heard: one SNS topic for each tier; a tier without a topic has alarms that notify nobody.

    An encrypted topic needs a customer managed key whose policy lets ``cloudwatch.amazonaws.com`` use it; with the AWS
    managed key ``alias/aws/sns`` nothing is ever delivered.
    https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
    """

    critical: sns.ITopic | None = None
    warning: sns.ITopic | None = None
    info: sns.ITopic | None = None

    def __post_init__(self) -> None:
        """Check that topics are topics."""
        for tier in get_args(Tier):
            topic = getattr(self, tier)
            check(topic is None or hasattr(topic, "topic_arn"), f"{tier} must be an SNS topic, got {topic!r}")


class AlarmSet:
    """The alarms of one pattern, while they are being defined."""

    def __init__(self, scope: Construct, alerts: Alerts) -> None:
        check(scope.node.try_find_child("Alarms") is None, f"add_alarms was called before on {scope.node.path}; call it once")
        check_type("alerts", alerts, Alerts, "Alerts(...), such as those of AlertStack(...).alerts")
        self._scope = Construct(scope, "Alarms")
        self._alerts = alerts
        self.alarms: list[cloudwatch.Alarm] = []

    def add(
        self,
        construct_id: str,
        metric: cloudwatch.IMetric,
        *,
        tier: Tier,
        threshold: float,
        description: str,
        periods: tuple[int, int] = (1, 1),
        at_threshold: bool = True,
    ) -> None:
        """Define an alarm.

        Args:
            construct_id: What is wrong, in PascalCase.
            metric: What is watched, with its statistic and period.
            tier: Whose topic is notified.
            threshold: In the unit of the metric.
            description: The likely cause, and the first command to run.
            periods: (M, N): M of the last N periods must breach.
            at_threshold: Whether the threshold itself breaches; else only what is above it.
        """
        datapoints, evaluated = periods
        comparison = cloudwatch.ComparisonOperator
        alarm = cloudwatch.Alarm(
            self._scope,
            construct_id,
            metric=metric,
            threshold=threshold,
            comparison_operator=comparison.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
            if at_threshold
            else comparison.GREATER_THAN_THRESHOLD,
            evaluation_periods=evaluated,
            datapoints_to_alarm=datapoints,
            # No requests and no messages are no fault; what must happen has an alarm of its own.
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=f"[{tier}] {description}",
        )
        topic: sns.ITopic | None = getattr(self._alerts, tier)
        if topic is not None:
            alarm.add_alarm_action(cloudwatch_actions.SnsAction(topic))
            alarm.add_ok_action(cloudwatch_actions.SnsAction(topic))
        self.alarms.append(alarm)

    def add_function(self, function: lambda_.Function, *, timeout: Duration) -> None:
        """The alarms of a function that answers requests: error rate, throttles, and time that runs out."""
        logs = f"aws logs tail {function.log_group.log_group_name} --since 15m"
        minute = Duration.minutes(1)
        self.add(
            "FunctionErrors",
            rate_of(function.metric_errors(period=minute), function.metric_invocations(period=minute), "Errors per invocation"),
            tier="critical",
            threshold=1,
            at_threshold=False,
            periods=(3, 5),
            description=f"More than 1 % of the invocations fail: a fault in the code or in what it calls. First: {logs}",
        )
        self.add(
            "FunctionThrottles",
            function.metric_throttles(period=minute),
            tier="warning",
            threshold=1,
            periods=(3, 5),
            description=(
                "Invocations are refused for lack of concurrency. First: aws lambda get-account-settings; "
                f"aws lambda get-function-concurrency --function-name {function.function_name}"
            ),
        )
        self.add(
            "FunctionDuration",
            function.metric_duration(period=minute, statistic="p99"),
            tier="warning",
            threshold=0.8 * timeout.to_milliseconds(),
            at_threshold=False,
            periods=(3, 5),
            description=f"One invocation in a hundred takes over 80 % of the timeout: a slow dependency. First: {logs}",
        )

    def add_table(self, name: str, table: dynamodb.ITable, actions: Sequence[str]) -> None:
        """The alarms of a table: throttled requests and errors of DynamoDB itself, for the operations that are used.

        Both metrics exist only with the dimension ``Operation``.
        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
        """
        minute = Duration.minutes(1)
        operations = [TABLE_OPERATIONS[action] for action in actions]
        self.add(
            f"{name}Throttles",
            table.metric_throttled_requests_for_operations(operations=operations, period=minute),
            tier="critical",
            threshold=1,
            periods=(3, 5),
            description=(
                "The table refuses requests: a hot key, or a limit on its throughput. "
                f"First: aws dynamodb describe-table --table-name {table.table_name}"
            ),
        )
        self.add(
            f"{name}SystemErrors",
            table.metric_system_errors_for_operations(operations=operations, period=minute),
            tier="critical",
            threshold=1,
            periods=(3, 5),
            description="DynamoDB itself fails. First: look at the AWS Health Dashboard; requests are retried meanwhile",
        )


def rate_of(part: cloudwatch.IMetric, whole: cloudwatch.IMetric, label: str) -> cloudwatch.MathExpression:
    """Percent of a whole."""
    return cloudwatch.MathExpression(
        expression="100 * part / whole", using_metrics={"part": part, "whole": whole}, label=label, period=Duration.minutes(1)
    )
