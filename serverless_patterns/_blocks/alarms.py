"""Alarms in three tiers: critical (data or users are hurt now), warning (they will be), info."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as cloudwatch_actions
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from serverless_patterns._blocks.checks import check, check_type
from serverless_patterns._blocks.edge import Edge
from serverless_patterns._blocks.managed_key import check_no_managed_key
from serverless_patterns._blocks.queue import DEAD_LETTER_RETENTION_DAYS, WorkQueue

#: Seconds that a message can have waited when it arrives in a dead-letter queue: the longest retention of a queue here.
LONGEST_WAIT = 13 * 24 * 60 * 60
#: The namespace of the metrics that the bundled handlers write.
METRICS = "ServerlessPatterns"
#: Seconds that a message may wait to be worked before somebody should know; longer if the queue hides it for longer.
OLDEST_MESSAGE_SECONDS = 5 * 60

#: DynamoDB's name of an operation, as in its IAM action and its metrics -> as CDK names it.
TABLE_OPERATIONS = {
    "GetItem": dynamodb.Operation.GET_ITEM,
    "PutItem": dynamodb.Operation.PUT_ITEM,
    "DeleteItem": dynamodb.Operation.DELETE_ITEM,
    "Scan": dynamodb.Operation.SCAN,
    "BatchWriteItem": dynamodb.Operation.BATCH_WRITE_ITEM,
    "UpdateItem": dynamodb.Operation.UPDATE_ITEM,
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
            check_no_managed_key(tier, topic)


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
        must_happen: bool = False,
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
            must_happen: Whether it is what stays away that breaches: values below the threshold, and none at all.
        """
        datapoints, evaluated = periods
        alarm = cloudwatch.Alarm(
            self._scope,
            construct_id,
            metric=metric,
            threshold=threshold,
            comparison_operator=_comparison(at_threshold=at_threshold, must_happen=must_happen),
            evaluation_periods=evaluated,
            datapoints_to_alarm=datapoints,
            # No requests and no messages are no fault; what must happen has an alarm of its own.
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING
            if must_happen
            else cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=f"[{tier}] {description}",
        )
        topic: sns.ITopic | None = getattr(self._alerts, tier)
        if topic is not None:
            alarm.add_alarm_action(cloudwatch_actions.SnsAction(topic))
            alarm.add_ok_action(cloudwatch_actions.SnsAction(topic))
        self.alarms.append(alarm)

    def add_edge(self, edge: Edge, *, timeout: Duration) -> None:
        """The alarms of an API in front of a function with this timeout: answers 5xx, and slow answers."""
        tail = f"aws logs tail {edge.access_log.log_group_name} --since 15m"
        self.add(
            "ServerErrors",
            rate_of(edge.server_errors, edge.requests, "5xx per request"),
            tier="critical",
            threshold=1,
            at_threshold=False,
            periods=(3, 5),
            description=f"More than 1 % of the answers are 5xx: the function fails or times out. First: {tail}",
        )
        self.add(
            "Latency",
            edge.latency,
            tier="warning",
            threshold=0.5 * timeout.to_milliseconds(),
            at_threshold=False,
            periods=(3, 5),
            description=f"One answer in a hundred takes over half of the function's timeout: a slow dependency. First: {tail}",
        )

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
                f"More than 1 % of the invocations fail: a fault in the code or in what it calls. First: {_tail(function)}"
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
            description=f"An invocation crashed or timed out; its messages come back. First: {_tail(function)}",
        )
        self._add_limits(name, function, timeout)

    def add_unexpected_errors(self, function: lambda_.Function) -> None:
        """The alarm of a bundled handler that met an error which it does not know: it kept the message, and goes on."""
        self.add(
            "UnexpectedErrors",
            handler_metric(function, "UnexpectedErrors", "Sum"),
            tier="critical",
            threshold=1,
            description=f"The handler met an error that it does not know; the message is tried again. First: {_tail(function)}",
        )

    def add_queue(self, name: str, queue: WorkQueue, function: lambda_.Function) -> None:
        """The alarms of a queue and its dead-letter queue: messages that wait too long, are stuck, or failed for good."""
        age = queue.queue.metric_approximate_age_of_oldest_message(period=Duration.minutes(1), statistic="Maximum")
        threshold = max(OLDEST_MESSAGE_SECONDS, queue.visibility_timeout or 0)
        look = f"aws sqs get-queue-attributes --attribute-names All --queue-url {queue.queue.queue_url}"
        self.add(
            f"{name}QueueAge",
            age,
            tier="warning",
            threshold=threshold,
            at_threshold=False,
            periods=(3, 5),
            description=f"The oldest message waits for over {threshold:g} s: more comes in than is worked. First: {look}",
        )
        self.add(
            f"{name}QueueStall",
            _stall(queue.queue, function, threshold),
            tier="critical",
            threshold=1,
            periods=(3, 3),
            description=f"Messages wait and no invocation succeeds, for 15 minutes. First: {_tail(function)}; {look}",
        )
        cause = "A message could not be worked; its attribute Reason says why"
        # With the destination: where a message came from that a worker sent there, SQS does not know.
        arns = f"--source-arn {queue.dead_letter_queue.queue_arn} --destination-arn {queue.queue.queue_arn}"
        mend = f"aws sqs start-message-move-task {arns}"
        self._add_dead_letters(
            name, queue.dead_letter_queue, cause, f"; when it is mended: {mend}", arrives_after=queue.retention
        )

    def add_undelivered(self, name: str, queue: sqs.IQueue) -> None:
        """The alarms of the dead-letter queue of a subscription. SQS moves nothing back from there: it came from no queue."""
        self._add_dead_letters(name, queue, "A message could not be delivered to its subscriber")

    def _add_dead_letters(self, name: str, queue: sqs.IQueue, cause: str, then: str = "", *, arrives_after: float = 0) -> None:
        """A message that SQS itself has moved keeps its age, but the metric counts from its arrival here."""
        kept = Duration.days(DEAD_LETTER_RETENTION_DAYS).to_seconds() - min(arrives_after, LONGEST_WAIT)
        read = f"aws sqs receive-message --message-attribute-names All --queue-url {queue.queue_url}"
        self.add(
            f"{name}DeadLetters",
            queue.metric_approximate_number_of_messages_visible(period=Duration.minutes(1), statistic="Maximum"),
            tier="critical",
            threshold=1,
            description=f"{cause}. First: {read}{then}",
        )
        self.add(
            f"{name}DeadLettersAge",
            queue.metric_approximate_age_of_oldest_message(period=Duration.minutes(5), statistic="Maximum"),
            tier="warning",
            threshold=0.75 * kept,
            at_threshold=False,
            description=f"A message in the dead-letter queue is about to be lost: its retention is nearly over. First: {read}",
        )

    def add_topic(self, name: str, topic: sns.ITopic) -> None:
        """The alarms of a topic: notifications that reached nobody, and those that were not even kept."""
        look = f"aws sns list-subscriptions-by-topic --topic-arn {topic.topic_arn}"
        for suffix, metric, cause in (
            (
                "Failed",
                "NumberOfNotificationsFailed",
                "A subscriber could not be reached; what it missed is in its delivery dead-letter queue",
            ),
            (
                "Lost",
                "NumberOfNotificationsFailedToRedriveToDlq",
                "A notification reached neither its subscriber nor a dead-letter queue",
            ),
        ):
            self.add(
                f"{name}Notifications{suffix}",
                topic.metric(metric, period=Duration.minutes(1), statistic="Sum"),
                tier="critical",
                threshold=1,
                description=f"{cause}. First: {look}",
            )

    def add_asynchronous(self, name: str, function: lambda_.Function, on_failure: sqs.IQueue) -> None:
        """The alarms of a function that is invoked asynchronously: events that failed, were dropped, or are kept nowhere."""
        self._add_dead_letters(name, on_failure, "An event could not be worked; its body says why, in responsePayload")
        self.add_dropped(name, function)

    def add_dropped(self, name: str, function: lambda_.Function) -> None:
        """The alarms of a function that is invoked asynchronously: events that were dropped, or are kept nowhere."""
        for metric, cause in (
            ("AsyncEventsDropped", "Events were given up without being worked: too old, or too many"),
            ("DestinationDeliveryFailures", "What failed could not be sent to its destination: it is lost"),
        ):
            self.add(
                f"{name}{metric}",
                function.metric(metric, period=Duration.minutes(1), statistic="Sum"),
                tier="critical",
                threshold=1,
                description=f"{cause}. First: {_tail(function)}",
            )

    def add_rule(self, name: str, rule: events.CfnRule) -> None:
        """The alarms of a rule: events that could not be delivered, and those that were not even kept."""
        look = f"aws events list-targets-by-rule --rule {rule.ref}"
        for metric, cause in (
            ("FailedInvocations", "Events could not be delivered to the queue; they are in the dead-letter queue of the rule"),
            ("InvocationsFailedToBeSentToDlq", "Events reached neither the queue nor the dead-letter queue of the rule"),
        ):
            self.add(
                f"{name}{metric}",
                cloudwatch.Metric(
                    namespace="AWS/Events",
                    metric_name=metric,
                    dimensions_map={"RuleName": rule.ref},
                    period=Duration.minutes(1),
                    statistic="Sum",
                ),
                tier="critical",
                threshold=1,
                description=f"{cause}. First: {look}",
            )

    def add_schedule(self, name: str, group: scheduler.CfnScheduleGroup) -> None:
        """The alarms of a group of schedules: targets that fail, and invocations that were given up or not even kept.

        https://docs.aws.amazon.com/scheduler/latest/UserGuide/monitoring-cloudwatch.html
        """
        look = f"aws scheduler list-schedules --group-name {group.ref}"
        for metric, cause in (
            ("TargetErrorCount", "The schedule could not invoke its target; it tries again"),
            ("InvocationDroppedCount", "The schedule gave an invocation up; it is in the delivery dead-letter queue"),
            ("InvocationsFailedToBeSentToDeadLetterCount", "An invocation reached neither its target nor a dead-letter queue"),
        ):
            self.add(
                f"{name}{metric}",
                cloudwatch.Metric(
                    namespace="AWS/Scheduler",
                    metric_name=metric,
                    dimensions_map={"ScheduleGroup": group.ref},
                    period=Duration.minutes(1),
                    statistic="Sum",
                ),
                tier="critical",
                threshold=1,
                description=f"{cause}. First: {look}",
            )

    def add_report(self, name: str, function: lambda_.Function, *, timeout: Duration, missing_after: Duration) -> None:
        """The alarms of a function that makes reports: tries that fail, time that runs out, and no report for too long."""
        self.add(
            f"{name}Errors",
            function.metric_errors(period=Duration.minutes(1)),
            tier="warning",
            threshold=1,
            description=f"A try to make the report failed; there are two more. First: {_tail(function)}",
        )
        self._add_limits(name, function, timeout)
        hours = round(missing_after.to_hours())
        self.add(
            f"{name}Missing",
            handler_metric(function, "ReportSucceeded", "Sum", period=Duration.hours(1)),
            tier="critical",
            threshold=1,
            periods=(hours, hours),
            must_happen=True,
            description=f"For {hours} hours there was no report of the latest day. First: {_tail(function, since=f'{hours}h')}",
        )

    def _add_limits(self, name: str, function: lambda_.Function, timeout: Duration) -> None:
        minute = Duration.minutes(1)
        self.add(
            f"{name}Throttles",
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
            f"{name}Duration",
            function.metric_duration(period=minute, statistic="p99"),
            tier="warning",
            threshold=0.8 * timeout.to_milliseconds(),
            at_threshold=False,
            periods=(3, 5),
            description=(
                f"One invocation in a hundred takes over 80 % of the timeout: a slow dependency. First: {_tail(function)}"
            ),
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


def _comparison(*, at_threshold: bool, must_happen: bool) -> cloudwatch.ComparisonOperator:
    if must_happen:
        return cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD
    if at_threshold:
        return cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
    return cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD


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


def _stall(queue: sqs.IQueue, function: lambda_.Function, threshold: float) -> cloudwatch.MathExpression:
    """1 while messages wait and no invocation succeeds, else 0."""
    period = Duration.minutes(5)
    return cloudwatch.MathExpression(
        expression=f"IF(age > {threshold:g} AND FILL(invocations, 0) - FILL(errors, 0) <= 0, 1, 0)",
        using_metrics={
            "age": queue.metric_approximate_age_of_oldest_message(period=period, statistic="Maximum"),
            "invocations": function.metric_invocations(period=period),
            "errors": function.metric_errors(period=period),
        },
        label="stalled",
        period=period,
    )


def _tail(function: lambda_.Function, *, since: str = "15m") -> str:
    return f"aws logs tail {function.log_group.log_group_name} --since {since}"
