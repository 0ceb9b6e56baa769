"""What starts the executions of OrderWorkflow from a queue, or from the events of a bus, which a rule puts into one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from aws_cdk import aws_events as events
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from serverless_patterns._blocks.alarms import AlarmSet
from serverless_patterns._blocks.brought_queue import brought_queue
from serverless_patterns._blocks.checks import check, check_has, check_type
from serverless_patterns._blocks.event_bus import check_bus
from serverless_patterns._blocks.event_pattern import checked_pattern
from serverless_patterns._blocks.function import HandlerFunction
from serverless_patterns._blocks.handler import Handler
from serverless_patterns._blocks.queue import QueueOptions, WorkQueue, dead_letter_queue
from serverless_patterns._blocks.rule import allow_events_key, rule_to_queue
from serverless_patterns._blocks.state_machine import Kind
from serverless_patterns._blocks.worker import WorkerOptions, consume, worker_queue
from serverless_patterns.operations import Operations

Starter = Literal["queue", "api", "event"]

#: Argument of OrderWorkflow -> the starters that it goes with.
GOES_WITH: Mapping[str, tuple[Starter, ...]] = {
    "authorization": ("api",),
    "cors": ("api",),
    "dead_letter_queue": ("queue", "event"),
    "queue": ("queue", "event"),
    "started_by": ("event",),
    "throttle": ("api",),
    "worker": ("queue", "event"),
}


@dataclass(frozen=True, kw_only=True)
class EventSource:
    """Which events bring an order, each as the ``data`` of its envelope.

    Args:
        pattern: What matches them, such as ``{"detail-type": ["orders.placed"]}``: it must limit their ``source`` or
            their ``detail-type``.
        bus: The bus that they are on, in the stack's own account and region. Default: the default bus.

    Raises:
        PatternError: EventBridge would refuse the pattern, or it matches all events of the bus.
    """

    pattern: Mapping[str, Any]
    bus: events.IEventBus | None = None

    def __post_init__(self) -> None:
        """Check the pattern and the bus."""
        checked_pattern(self.pattern)
        check_has("bus", self.bus, "event_bus_arn", "an EventBridge event bus", optional=True)


@dataclass(frozen=True, kw_only=True)
class Started:
    """What a starter needs to know of its workflow.

    Attributes:
        resource: What the orders are called.
        machine: What is started.
        kind: Which kind it is: only a Standard one has one execution of each name.
        key: A customer managed key for what is defined.
        operations: How it is run.
    """

    resource: str
    machine: sfn.StateMachine
    kind: Kind
    key: kms.IKey | None
    operations: Operations


@dataclass(frozen=True, kw_only=True)
class Queued:
    """Where orders wait to be started.

    Attributes:
        queue: Options of the queue that is defined, or a queue of the user's.
        dead_letters: That of an imported queue.
        options: How it is consumed.
    """

    queue: sqs.IQueue | QueueOptions | None
    dead_letters: sqs.IQueue | None
    options: WorkerOptions


class QueueStarter:
    """Queue -> function -> state machine.

    Args:
        scope: The pattern.
        workflow: Its workflow.
        queued: The queue.
        messages: What it has: orders, or events with one each.
    """

    def __init__(
        self, scope: Construct, workflow: Started, queued: Queued, *, messages: Literal["orders", "events"] = "orders"
    ) -> None:
        self._options = options = queued.options
        self.queue = _queue(scope, workflow, queued)
        self.function = HandlerFunction(
            scope,
            "Starter",
            handler=Handler.bundled("order_workflow"),
            description=f"Starts an execution for each of the {workflow.resource} in the queue",
            timeout=options.timeout_or_default,
            environment={
                **options.settings(self.queue),
                "STATE_MACHINE_ARN": workflow.machine.state_machine_arn,
                "MESSAGES": messages,
            },
            operations=workflow.operations,
            memory_size=options.memory_size,
        )
        consume(
            scope,
            "StarterSource",
            function=self.function,
            queue=self.queue,
            options=options,
            operations=workflow.operations,
        )
        workflow.machine.grant_start_execution(self.function)
        if workflow.kind == "standard":  # one that is there already may be another order's
            workflow.machine.grant_execution(self.function, "states:DescribeExecution")

    @property
    def outputs(self) -> Mapping[str, str]:
        """What a stack shows of it."""
        return {
            "QueueUrl": self.queue.queue.queue_url,
            "DeadLetterQueueUrl": self.queue.dead_letter_queue.queue_url,
            **function_outputs(self.function),
        }

    def add_alarms(self, alarms: AlarmSet) -> None:
        """The alarms of the queue and the function."""
        alarms.add_queue("Orders", self.queue, self.function)
        alarms.add_worker("Starter", self.function, timeout=self._options.timeout_or_default)
        alarms.add_unexpected_errors(self.function, "Starter")


class EventStarter(QueueStarter):
    """Bus -> rule -> queue -> function -> state machine: a rule cannot name an execution after the order that it brings.

    Args:
        scope: The pattern.
        workflow: Its workflow.
        queued: The queue; one of the user's is in this app.
        source: Which events start orders.
    """

    def __init__(self, scope: Construct, workflow: Started, queued: Queued, source: EventSource) -> None:
        super().__init__(scope, workflow, queued, messages="events")
        self._bus = source.bus
        self.delivery_dead_letter_queue = dead_letter_queue(
            scope, "DeliveryDeadLetterQueue", key=workflow.key, operations=workflow.operations
        )
        for key in {self.queue.queue.encryption_master_key: None, workflow.key: None}:
            if key is not None:
                allow_events_key(scope, key)
        self.rule = rule_to_queue(
            scope,
            "Rule",
            pattern=checked_pattern(source.pattern),
            description=f"Events that bring {workflow.resource}",
            queue=self.queue.queue,
            delivery_dead_letter_queue=self.delivery_dead_letter_queue,
            bus=source.bus,
        )

    @property
    def outputs(self) -> Mapping[str, str]:
        """What a stack shows of it."""
        return {**super().outputs, "DeliveryDeadLetterQueueUrl": self.delivery_dead_letter_queue.queue_url}

    def add_alarms(self, alarms: AlarmSet) -> None:
        """The alarms of the rule, the queues and the function."""
        alarms.add_rule("Rule", self.rule, bus=self._bus)
        alarms.add_undelivered("Delivery", self.delivery_dead_letter_queue, to="the queue of the starter")
        super().add_alarms(alarms)


def check_starter(starter: str | None, arguments: Mapping[str, object]) -> None:
    """Check the starter, and that the arguments that were given go with it.

    Raises:
        PatternError: They do not.
    """
    check(
        starter in (None, "queue", "api", "event"),
        f"starter must be 'queue', 'api' or 'event', or None if you start executions yourself, got {starter!r}",
    )
    for name, fitting in GOES_WITH.items():
        value, words = arguments[name], " or ".join(repr(each) for each in fitting)
        check(starter in fitting or value is None, f"{name} goes with starter={words}, got {value!r} without it")
    source, queue = arguments["started_by"], arguments["queue"]
    if starter == "event":
        check_type("started_by", source, EventSource, "an EventSource(pattern={...}) with starter='event'")
        check_bus(cast(Construct, arguments["scope"]), cast(EventSource, source).bus, name="bus of started_by")
        check(
            queue is None or (isinstance(queue, QueueOptions | sqs.Queue) and not queue.fifo),
            "queue must be a standard queue of this app for starter='event': a rule names no message group, and the policy of "
            f"the queue must let it send; got {queue!r}",
        )


def _queue(scope: Construct, workflow: Started, queued: Queued) -> WorkQueue:
    queue, worker = queued.queue, queued.options
    if queue is None or isinstance(queue, QueueOptions):
        return worker_queue(
            scope, "", worker=worker, options=queue, bundled=True, key=workflow.key, operations=workflow.operations
        )
    found = brought_queue(scope, queue, queued.dead_letters, worker=worker, bundled=True)
    return dataclasses.replace(found, max_receive_count=worker.max_attempts)  # SQS itself may allow many more


def function_outputs(function: HandlerFunction) -> dict[str, str]:
    """What a stack shows of a starter's function."""
    return {"StarterName": function.function_name, "StarterLogGroupName": function.log_group.log_group_name}
