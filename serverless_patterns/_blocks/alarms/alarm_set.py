"""The alarms of a pattern."""

from __future__ import annotations

from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs

from serverless_patterns._blocks.alarms.deliveries import DeliveryAlarms
from serverless_patterns._blocks.alarms.edges import EdgeAlarms
from serverless_patterns._blocks.alarms.queues import QueueAlarms
from serverless_patterns._blocks.alarms.streams import StreamAlarms
from serverless_patterns._blocks.alarms.tables import TableAlarms
from serverless_patterns._blocks.alarms.workflows import WorkflowAlarms


class AlarmSet(EdgeAlarms, WorkflowAlarms, QueueAlarms, DeliveryAlarms, StreamAlarms, TableAlarms):
    """The alarms of one pattern: those of each kind of resource, from its module."""

    def add_asynchronous(self, name: str, function: lambda_.Function, on_failure: sqs.IQueue) -> None:
        """The alarms of a function that is invoked asynchronously: events that failed, were dropped, or are kept nowhere."""
        self.add_dead_letters(name, on_failure, "An event could not be worked; its body says why, in responsePayload")
        self.add_dropped(name, function)
