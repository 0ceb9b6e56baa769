"""What feeds a bus beside those who publish to it: the default bus, where AWS services announce, and schedules."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aws_cdk import Aws, Stack, Token
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from serverless_patterns._blocks.alarms import AlarmSet
from serverless_patterns._blocks.checks import check, check_type
from serverless_patterns._blocks.event_bus import grant_put_events
from serverless_patterns._blocks.event_pattern import warn_of_size
from serverless_patterns._blocks.event_route import DELIVERY
from serverless_patterns._blocks.queue import grant_send
from serverless_patterns._blocks.role import ServiceRole
from serverless_patterns._blocks.rule import let_rule_send, rule_target
from serverless_patterns._blocks.schedule import SCHEDULED_TIME, schedule_role, schedule_target

#: Scheduler puts what identifies the schedule, and this try of it, in their places. The second is another one for each try.
#: https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
SCHEDULE, EXECUTION = "<aws.scheduler.schedule-arn>", "<aws.scheduler.execution-id>"
#: Characters of a detail type. https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsRequestEntry.html
LONGEST_TYPE = 128


@dataclass(frozen=True, kw_only=True)
class Feed:
    """What puts events on a bus.

    Attributes:
        name: Its construct id.
        delivery_dead_letter_queue: Where events are kept that could not be put on the bus.
    """

    name: str
    delivery_dead_letter_queue: sqs.IQueue
    _add_delivery_alarms: Callable[[AlarmSet], None]

    @property
    def outputs(self) -> dict[str, str]:
        """What a stack shows of it."""
        return {f"{self.name}DeliveryDeadLetterQueueUrl": self.delivery_dead_letter_queue.queue_url}

    def add_alarms(self, alarms: AlarmSet) -> None:
        """Define its alarms."""
        self._add_delivery_alarms(alarms)
        alarms.add_undelivered(f"{self.name}Delivery", self.delivery_dead_letter_queue, to="the bus")


def forward_events(scope: Construct, *, pattern: Mapping[str, Any], bus: events.IEventBus, undelivered: sqs.IQueue) -> Feed:
    """Send the events of the default bus that match a pattern to another bus, as they are.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-bus-to-bus.html
    """
    name, role = scope.node.id, _role_of_rules(scope, bus)
    rule = events.CfnRule(
        scope,
        "Rule",
        description=f"Events of AWS services for {name}",
        event_pattern=pattern,
        targets=[rule_target("Bus", bus.event_bus_arn, undelivered=undelivered, delivery=DELIVERY, role=role)],
    )
    warn_of_size(rule, pattern)
    let_rule_send(rule, undelivered)
    # EventBridge takes the rule with a role that may do nothing yet: what matched until then would go to the dead-letter queue.
    rule.node.add_dependency(role)
    return Feed(
        name=name,
        delivery_dead_letter_queue=undelivered,
        _add_delivery_alarms=lambda alarms: alarms.add_rule(f"{name}Rule", rule, target="bus"),
    )


def _role_of_rules(scope: Construct, bus: events.IEventBus) -> ServiceRole:
    """A role that the rules of this account and region may assume; not this one alone, since that names the role: a circle."""
    rules = Stack.of(scope).format_arn(service="events", resource="rule", resource_name="*")
    role = ServiceRole(
        scope,
        "Role",
        assumed_by=iam.ServicePrincipal(
            "events.amazonaws.com",
            conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}, "ArnLike": {"aws:SourceArn": rules}},
        ),
        description=f"Assumed by EventBridge: sends {scope.node.id} to a bus",
    )
    grant_put_events(role, bus)
    return role


def schedule_events(
    scope: Construct,
    *,
    schedule: scheduler.ScheduleExpression,
    detail_type: str,
    data: Mapping[str, Any],
    bus: events.IEventBus,
    undelivered: sqs.IQueue,
) -> Feed:
    """Put an event with an envelope on a bus at each tick. It has one id, however often Scheduler tries to.

    Its group is what the role trusts, and what the metrics are of.
    """
    name, group = scope.node.id, scheduler.CfnScheduleGroup(scope, "ScheduleGroup")
    role = schedule_role(scope, "Role", group=group, does=f"puts {name} on a bus")
    grant_put_events(role, bus)
    grant_send(role, undelivered)
    zone = schedule.time_zone
    made = scheduler.CfnSchedule(
        scope,
        "Schedule",
        description=f"Puts {detail_type} on a bus",
        group_name=group.ref,
        schedule_expression=schedule.expression_string,
        schedule_expression_timezone=None if zone is None else zone.timezone_name,
        flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
        target=schedule_target(
            bus.event_bus_arn,
            role=role,
            text=_detail(data),
            undelivered=undelivered,
            delivery=DELIVERY,
            event=scheduler.CfnSchedule.EventBridgeParametersProperty(detail_type=detail_type, source=f"event_routing/{name}"),
        ),
    )
    # Scheduler looks whether the role may put events before it takes the schedule.
    made.node.add_dependency(role)
    return Feed(
        name=name,
        delivery_dead_letter_queue=undelivered,
        _add_delivery_alarms=lambda alarms: alarms.add_schedule(f"{name}Schedule", group),
    )


def check_schedule(schedule: object, detail_type: object, data: object) -> None:
    """Check what a schedule puts on a bus, and when.

    Raises:
        PatternError: It is no schedule of CDK's, or what it puts there is no event.
    """
    check_type(
        "schedule", schedule, scheduler.ScheduleExpression, "such as scheduler.ScheduleExpression.rate(Duration.hours(1))"
    )
    check_type("detail_type", detail_type, str, "a type such as 'clock.hour'")
    length = len(str(detail_type))
    check(
        Token.is_unresolved(detail_type) or 1 <= length <= LONGEST_TYPE,
        f"detail_type must be 1 to {LONGEST_TYPE} characters, got {length}",
    )
    check_type("data", data, Mapping, "a dict such as {'shop': 'berlin'}")
    try:
        json.dumps(data, allow_nan=False, default=dict)
    except (TypeError, ValueError, RecursionError) as error:
        check(holds=False, message=f"data must hold JSON values only: {error}")


def _detail(data: Mapping[str, Any]) -> str:
    """The envelope of a tick: what identifies it is its schedule and the moment that it was planned for."""
    tick = f"{SCHEDULE}/{SCHEDULED_TIME}"
    metadata = {"id": tick, "version": 1, "time": SCHEDULED_TIME, "correlation_id": tick, "causation_id": EXECUTION}
    return json.dumps({"metadata": metadata, "data": data}, default=dict)
