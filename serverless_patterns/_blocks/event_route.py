"""Routes of a bus: rule -> queue -> function -> table."""

from __future__ import annotations

from dataclasses import dataclass, field

from aws_cdk import Duration
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from serverless_patterns._blocks.alarms import AlarmSet
from serverless_patterns._blocks.function import HandlerFunction
from serverless_patterns._blocks.queue import DEAD_LETTER_RETENTION_DAYS, WorkQueue, dead_letter_queue, grant_send
from serverless_patterns._blocks.route_plan import RoutePlan
from serverless_patterns._blocks.rule import Delivery, rule_to_queue
from serverless_patterns._blocks.table import TableOptions, grant_tables, keyed_table
from serverless_patterns._blocks.worker import consume, worker_queue
from serverless_patterns.operations import Operations

#: What the handler does with the table of a route, and where a row says when it may go.
TABLE_ACTIONS = ("UpdateItem",)
EXPIRY = "expires_at"
#: A queue that took nothing eleven times, ever longer after each other, will not by itself: what can pass by itself has passed.
#: The event is then kept where it can be counted, and somebody hears of it within the hour, whichever of the two is over first,
#: and not the next day, as by EventBridge's own default.
DELIVERY = Delivery(attempts=10, seconds=60 * 60)
DAY = 24 * 60 * 60
#: Days for which a route knows an event at least, whether it can be replayed or not.
LEAST_MEMORY_DAYS = 35


@dataclass(frozen=True, kw_only=True)
class Route:
    """A route of a bus, and where its events are.

    Attributes:
        name: Its construct id.
        rule: What lets events through.
        delivery_dead_letter_queue: Where events are kept that could not be put into its queue.
        function: What works its events.
        table: What is known of its events, or they themselves.
        timeout: Of its function.
    """

    name: str
    rule: events.CfnRule
    delivery_dead_letter_queue: sqs.IQueue
    function: lambda_.Function
    table: dynamodb.ITable
    timeout: Duration = field(repr=False)
    _work: WorkQueue = field(repr=False)

    @property
    def queue(self) -> sqs.IQueue:
        """Where its events wait."""
        return self._work.queue

    @property
    def dead_letter_queue(self) -> sqs.IQueue:
        """Where events are kept that could not be worked, with the reason."""
        return self._work.dead_letter_queue

    @property
    def outputs(self) -> dict[str, str]:
        """What a stack shows of it."""
        shown = {
            "RuleArn": self.rule.attr_arn,
            "QueueUrl": self.queue.queue_url,
            "DeadLetterQueueUrl": self.dead_letter_queue.queue_url,
            "DeliveryDeadLetterQueueUrl": self.delivery_dead_letter_queue.queue_url,
            "TableName": self.table.table_name,
            "FunctionName": self.function.function_name,
            "LogGroupName": self.function.log_group.log_group_name,
        }
        return {f"{self.name}{name}": value for name, value in shown.items()}

    def add_alarms(self, alarms: AlarmSet, bus: events.IEventBus) -> None:
        """Define its alarms."""
        alarms.add_rule(f"{self.name}Rule", self.rule, bus=bus)
        alarms.add_undelivered(f"{self.name}Delivery", self.delivery_dead_letter_queue, to="the queue of its route")
        alarms.add_queue(self.name, self._work, self.function)
        alarms.add_worker(self.name, self.function, timeout=self.timeout)
        alarms.add_unexpected_errors(self.function, self.name)
        alarms.add_table(f"{self.name}Table", self.table, TABLE_ACTIONS)


def define_route(
    scope: Construct, plan: RoutePlan, *, bus: events.IEventBus, key: kms.IKey | None, operations: Operations
) -> Route:
    """Define a route: its id is that of the scope."""
    queue = worker_queue(scope, "", worker=plan.worker, options=plan.queue, bundled=True, key=key, operations=operations)
    undelivered = dead_letter_queue(scope, "DeliveryDeadLetterQueue", key=key, operations=operations)
    rule = rule_to_queue(
        scope,
        "Rule",
        bus=bus,
        pattern=plan.pattern,
        description=f"Events for {scope.node.id}",
        queue=queue.queue,
        delivery_dead_letter_queue=undelivered,
        delivery=DELIVERY,
    )
    table = keyed_table(
        scope, "Table", options=TableOptions(time_to_live_attribute=EXPIRY, encryption_key=key), operations=operations
    )
    function = _function(scope, plan, queue, table, operations)
    consume(scope, "Source", function=function, queue=queue, options=plan.worker, operations=operations)
    grant_send(function, queue.queue)  # an event that is not tried goes on as a copy of its message
    grant_tables(function, {table: TABLE_ACTIONS})
    return Route(
        name=scope.node.id,
        rule=rule,
        _work=queue,
        delivery_dead_letter_queue=undelivered,
        function=function,
        table=table,
        timeout=plan.worker.timeout_or_default,
    )


def _function(
    scope: Construct, plan: RoutePlan, queue: WorkQueue, table: dynamodb.ITable, operations: Operations
) -> HandlerFunction:
    return HandlerFunction(
        scope,
        "Function",
        handler=plan.code,
        description=f"Works the events of {scope.node.id}",
        timeout=plan.worker.timeout_or_default,
        environment={
            **plan.environment,
            **plan.worker.settings(queue),
            "TABLE_NAME": table.table_name,
            "EVENT_SECONDS": str(_memory_seconds(queue, operations)),
        },
        operations=operations,
        memory_size=plan.worker.memory_size,
        sends_to_its_source=True,
    )


def _memory_seconds(queue: WorkQueue, operations: Operations) -> int:
    """For how long a route knows an event: longer than it can be replayed, and on its way once more.

    That is a day to the queue, as long as this keeps it, and as long as the dead-letter queue does. What is replayed later is
    refused: whether it has had its effect could not be told.
    """
    on_its_way = DAY + int(queue.retention) + DEAD_LETTER_RETENTION_DAYS * DAY
    return max(LEAST_MEMORY_DAYS * DAY, (operations.archive_days or 0) * DAY + on_its_way)
