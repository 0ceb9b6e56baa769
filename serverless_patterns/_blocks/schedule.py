"""Schedules that invoke a function: by EventBridge Scheduler, or by a rule of EventBridge. What cannot be delivered is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aws_cdk import Aws
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from serverless_patterns._blocks.alarms import AlarmSet
from serverless_patterns._blocks.function import grant_invoke
from serverless_patterns._blocks.queue import grant_send
from serverless_patterns._blocks.report_schedule import ReportSchedule
from serverless_patterns._blocks.role import ServiceRole
from serverless_patterns._blocks.rule import Delivery, allow_events_key, let_rule_send, rule_target

#: How a tick is handed over: what comes later than in an hour helps nobody.
#: https://docs.aws.amazon.com/scheduler/latest/APIReference/API_RetryPolicy.html
DELIVERY = Delivery(attempts=3, seconds=60 * 60)
#: Scheduler puts the moment for which an invocation was planned in its place.
#: https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """What invokes a function on a schedule.

    Attributes:
        add_alarms: Defines its alarms.
        outputs: What a stack shows of it.
    """

    add_alarms: Callable[[AlarmSet], None]
    outputs: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class _Invocation:
    """What is invoked, when, and where it is kept if it cannot be."""

    schedule: ReportSchedule
    function: lambda_.Function
    undelivered: sqs.IQueue
    description: str


def invoke_on_schedule(
    scope: Construct,
    construct_id: str,
    *,
    schedule: ReportSchedule,
    function: lambda_.Function,
    delivery_dead_letter_queue: sqs.IQueue,
    description: str,
) -> Trigger:
    """Invoke a function on a schedule, by the engine that it names."""
    define = _by_scheduler if schedule.engine == "scheduler" else _by_rule
    invocation = _Invocation(
        schedule=schedule, function=function, undelivered=delivery_dead_letter_queue, description=description
    )
    return define(scope, construct_id, invocation)


def _by_scheduler(scope: Construct, construct_id: str, wanted: _Invocation) -> Trigger:
    """A schedule in a group of its own: the group is what the role trusts, and what the metrics are of."""
    group = scheduler.CfnScheduleGroup(scope, f"{construct_id}Group")
    role = schedule_role(scope, f"{construct_id}Role", group=group, does=f"invokes {wanted.function.node.path}")
    grant_invoke(role, wanted.function)
    grant_send(role, wanted.undelivered)
    schedule, window = wanted.schedule, wanted.schedule.flexible_window
    made = scheduler.CfnSchedule(
        scope,
        construct_id,
        description=wanted.description,
        group_name=group.ref,
        schedule_expression=schedule.expression,
        schedule_expression_timezone=schedule.time_zone,
        flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(
            mode="OFF" if window is None else "FLEXIBLE",
            maximum_window_in_minutes=None if window is None else window.to_minutes(),
        ),
        target=schedule_target(
            wanted.function.function_arn,
            role=role,
            text=json.dumps({"scheduled_time": SCHEDULED_TIME}),
            undelivered=wanted.undelivered,
            delivery=DELIVERY,
        ),
    )
    # Scheduler looks whether the role may invoke the function before it takes the schedule.
    made.node.add_dependency(role)
    return Trigger(
        add_alarms=lambda alarms: alarms.add_schedule(construct_id, group),
        outputs={"ScheduleGroupName": group.ref, "ScheduleName": made.ref},
    )


def schedule_role(scope: Construct, construct_id: str, *, group: scheduler.CfnScheduleGroup, does: str) -> ServiceRole:
    """A role that the schedules of a group may assume: a role cannot trust the schedule that names it.

    https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
    """
    return ServiceRole(
        scope,
        construct_id,
        assumed_by=iam.ServicePrincipal(
            "scheduler.amazonaws.com",
            conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID, "aws:SourceArn": group.attr_arn}},
        ),
        description=f"Assumed by EventBridge Scheduler: {does}",
    )


def schedule_target(
    arn: str,
    *,
    role: iam.IRole,
    text: str,
    undelivered: sqs.IQueue,
    delivery: Delivery,
    event: scheduler.CfnSchedule.EventBridgeParametersProperty | None = None,
) -> scheduler.CfnSchedule.TargetProperty:
    """The target of a schedule, with where it is kept what does not reach it. An event is what a bus is given."""
    return scheduler.CfnSchedule.TargetProperty(
        arn=arn,
        role_arn=role.role_arn,
        event_bridge_parameters=event,
        input=text,
        dead_letter_config=scheduler.CfnSchedule.DeadLetterConfigProperty(arn=undelivered.queue_arn),
        retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
            maximum_event_age_in_seconds=delivery.seconds, maximum_retry_attempts=delivery.attempts
        ),
    )


def _by_rule(scope: Construct, construct_id: str, wanted: _Invocation) -> Trigger:
    """A rule of an id of its own: CloudFormation does not turn a schedule into a rule, or back."""
    arn = wanted.function.function_arn
    rule = events.CfnRule(
        scope,
        f"{construct_id}Rule",
        description=wanted.description,
        schedule_expression=wanted.schedule.expression,
        targets=[rule_target("Function", arn, undelivered=wanted.undelivered, delivery=DELIVERY)],
    )
    lambda_.CfnPermission(
        scope,
        f"{construct_id}RulePermission",
        action="lambda:InvokeFunction",
        function_name=arn,
        principal="events.amazonaws.com",
        source_arn=rule.attr_arn,
    )
    let_rule_send(rule, wanted.undelivered)
    key = wanted.undelivered.encryption_master_key
    if key is not None:
        allow_events_key(scope, key)
    return Trigger(add_alarms=lambda alarms: alarms.add_rule(construct_id, rule), outputs={"RuleName": rule.ref})
