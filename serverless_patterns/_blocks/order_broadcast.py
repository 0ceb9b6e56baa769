"""The end of all orders of OrderWorkflow: everybody is told what became of one, and nobody keeps that from anybody else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from aws_cdk import aws_events as events
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from serverless_patterns._blocks.order_tasks import ANY, OrderTasks
from serverless_patterns._blocks.state_machine import Retry

#: What there is to know about the end of an order.
_DATA = (
    '{"order_id": $order_id, "state": $outcome.state, "reason": $outcome.reason, "amount": $order.amount, '
    '"currency": $order.currency, "payment_id": $payment.payment_id}'
)
#: Whether somebody was not told, in JSONata, in the state after the broadcast.
IS_UNTOLD = "{% $exists($states.input.untold) %}"
#: The fault of an execution then, beside one that it had before.
UNTOLD: Mapping[str, str] = {
    "error": '{% $fault.error = "" ? "AnnouncementFailed" : $fault.error %}',
    "cause": '{% "Not told: " & $join($states.input.untold, ", ") & ($fault.cause = "" ? "" : ". " & $fault.cause) %}',
}


@dataclass(frozen=True, kw_only=True)
class Announcements:
    """Who is told what became of an order.

    Attributes:
        source: Who says so.
        resource: What the types of events begin with.
        targets: Topics, queues and buses, by name.
        manual_queue: What people have to look at: what could not be told, and orders that could not be undone.
    """

    source: str
    resource: str
    targets: Mapping[str, sns.ITopic | sqs.IQueue | events.IEventBus]
    manual_queue: sqs.IQueue

    @property
    def kind(self) -> str:
        """The type of the event, in JSONata."""
        return f'"{self.resource}." & $lowercase($outcome.state)'

    @property
    def event(self) -> str:
        """The envelope, as subscribers of all patterns read it: the same one in each attempt. What is not known is left out."""
        return (
            f'{{"id": {self._id}, "type": {self.kind}, "version": 1, '
            '"time": $ended_at, "correlation_id": $order_id, "causation_id": $execution, '
            f'"source": "{self.sender}", "data": {_DATA}}}'
        )

    @property
    def detail(self) -> str:
        """The envelope in its form on a bus, where its source and its type stand beside it."""
        return (
            f'{{"metadata": {{"id": {self._id}, "version": 1, "time": $ended_at, "correlation_id": $order_id, '
            f'"causation_id": $execution}}, "data": {_DATA}}}'
        )

    @property
    def entry(self) -> str:
        """The event as ``aws events put-events`` takes it, but for its bus."""
        return f'{{"Source": "{self.sender}", "DetailType": {self.kind}, "Detail": $string({self.detail})}}'

    @property
    def sender(self) -> str:
        """The source of all events."""
        return f"order_workflow/{self.source}"

    @property
    def _id(self) -> str:
        return f'"{self.source}:" & $order_id & ":" & $outcome.state'


def define_broadcast(scope: Construct, tasks: OrderTasks, told: Announcements, *, letters: Retry) -> sfn.Parallel:
    """Tell everybody at once. None of those who are told can undo the order.

    A branch that fails ends all others, so none does: what can be neither told nor left to people is said by its branch, and
    ``UNTOLD`` makes it the fault of the execution. https://docs.aws.amazon.com/step-functions/latest/dg/state-parallel.html

    Args:
        scope: Of the states.
        tasks: Defines them.
        told: Who is told.
        letters: How to leave to people what could not be told is tried again: there is nothing else that could be done.
    """
    broadcast = sfn.Parallel.jsonata(scope, "Broadcast")
    for name, target in told.targets.items():
        tell, where, event = _tell(tasks, told, f"Tell{name}", target)
        kept = {"kind": "announcement failed", "target": where, "event": f"{{% {event} %}}"}
        keep = tasks.send(f"Keep{name}", told.manual_queue, kept, retry=letters)
        untold = sfn.Pass.jsonata(scope, f"Untold{name}", outputs={"untold": f'{{% "{name}: " & $states.input.Error %}}'})
        tell.add_catch(keep, errors=[ANY])
        keep.add_catch(untold, errors=[ANY])
        broadcast.branch(tell)
    return broadcast


def _tell(
    tasks: OrderTasks, told: Announcements, name: str, target: sns.ITopic | sqs.IQueue | events.IEventBus
) -> tuple[sfn.TaskStateBase, str, str]:
    """The task that tells a target, where that is, and what it is told, as one who looks after it sends it again."""
    if hasattr(target, "queue_url"):
        queue = cast(sqs.IQueue, target)
        return tasks.send(name, queue, f"{{% {told.event} %}}"), queue.queue_url, told.event
    if hasattr(target, "event_bus_arn"):
        bus = cast(events.IEventBus, target)
        task = tasks.put_event(name, bus, source=told.sender, kind=told.kind, detail=told.detail)
        return task, bus.event_bus_arn, told.entry
    return tasks.publish(name, target, told.event, told.kind), target.topic_arn, told.event
