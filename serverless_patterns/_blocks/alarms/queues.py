"""Alarms of queues and dead-letter queues."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs

from serverless_patterns._blocks.alarms.alarm_list import AlarmList
from serverless_patterns._blocks.alarms.metrics import tail
from serverless_patterns._blocks.queue import DEAD_LETTER_RETENTION_DAYS, LONGEST_RETENTION, WorkQueue

#: Seconds that a message can have waited when it arrives in a dead-letter queue: the longest retention of a queue here.
LONGEST_WAIT = 13 * 24 * 60 * 60
#: Seconds that a message may wait to be worked before somebody should know; longer if the queue hides it for longer.
OLDEST_MESSAGE_SECONDS = 5 * 60


class QueueAlarms(AlarmList):
    """Alarms of queues."""

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
            description=f"Messages wait and no invocation succeeds, for 15 minutes. First: {tail(function)}; {look}",
        )
        cause = "A message could not be worked; its attribute Reason says why"
        # With the destination: where a message came from that a worker sent there, SQS does not know.
        arns = f"--source-arn {queue.dead_letter_queue.queue_arn} --destination-arn {queue.queue.queue_arn}"
        mend = f"aws sqs start-message-move-task {arns}"
        lost_sooner = LONGEST_RETENTION - queue.dead_letter_retention  # where the dead-letter queue is the user's
        arrives_after = queue.retention + lost_sooner
        self.add_dead_letters(name, queue.dead_letter_queue, cause, f"; when it is mended: {mend}", arrives_after=arrives_after)

    def add_undelivered(self, name: str, queue: sqs.IQueue, *, to: str) -> None:
        """The alarms of the dead-letter queue of a delivery. SQS moves nothing back from there: it came from no queue.

        Args:
            name: What their names begin with.
            queue: Where it is kept what could not be delivered.
            to: Whom it was for, in words.
        """
        self.add_dead_letters(name, queue, f"A message could not be delivered to {to}")

    def add_dead_letters(self, name: str, queue: sqs.IQueue, cause: str, then: str = "", *, arrives_after: float = 0) -> None:
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
