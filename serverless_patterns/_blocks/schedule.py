"""Schedules that invoke a function: by EventBridge Scheduler, or by a rule of EventBridge. What cannot be delivered is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aws_cdk import Aws
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from serverless_patterns._blocks.alarms import AlarmSet
from serverless_patterns._blocks.queue import grant_queue_key
from serverless_patterns._blocks.report_schedule import ReportSchedule
from serverless_patterns._blocks.role import ServiceRole
from serverless_patterns._blocks.rule import allow_events_key, let_rule_send

#: Tries after the first to hand a tick over, and the seconds within which they are made: what comes later helps nobody.
#: https://docs.aws.amazon.com/scheduler/latest/APIReference/API_RetryPolicy.html
DELIVERY_RETRIES = 3
DELIVERY_SECONDS = 60 * 60
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


def invoke_on_schedule(
    scope: Construct,
    construct_id: str,
    *,
    schedule: ReportSchedule,
    function: lambda_.Function,
    delivery_dead_letter_queue: sqs.Queue,
    key: kms.IKey | None,
    description: str,
) -> Trigger:
    """Invoke a function on a schedule, by the engine that it names."""
    define = _by_scheduler if schedule.engine == "scheduler" else _by_rule
    return define(scope, construct_id, schedule, function, delivery_dead_letter_queue, key, description)


def _by_scheduler(  # noqa: PLR0917  the arguments of the function above, in its order
    scope: Construct,
    construct_id: str,
    schedule: ReportSchedule,
    function: lambda_.Function,
    undelivered: sqs.Queue,
    key: kms.IKey | None,
    description: str,
) -> Trigger:
    """A schedule in a group of its own: the group is what the role trusts, and what the metrics are of."""
    group = scheduler.CfnScheduleGroup(scope, f"{construct_id}Group")
    role = _role(scope, f"{construct_id}Role", group, function, undelivered, key)
    window = schedule.flexible_window
    made = scheduler.CfnSchedule(
        scope,
        construct_id,
        description=description,
        group_name=group.ref,
        schedule_expression=schedule.expression,
        schedule_expression_timezone=schedule.time_zone,
        flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(
            mode="OFF" if window is None else "FLEXIBLE",
            maximum_window_in_minutes=None if window is None else window.to_minutes(),
        ),
        target=scheduler.CfnSchedule.TargetProperty(
            arn=function.function_arn,
            role_arn=role.role_arn,
            input=json.dumps({"scheduled_time": SCHEDULED_TIME}),
            dead_letter_config=scheduler.CfnSchedule.DeadLetterConfigProperty(arn=undelivered.queue_arn),
            retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                maximum_event_age_in_seconds=DELIVERY_SECONDS, maximum_retry_attempts=DELIVERY_RETRIES
            ),
        ),
    )
    # Scheduler looks whether the role may invoke the function before it takes the schedule.
    made.node.add_dependency(role)
    return Trigger(
        add_alarms=lambda alarms: alarms.add_schedule(construct_id, group),
        outputs={"ScheduleGroupName": group.ref, "ScheduleName": made.ref},
    )


def _role(  # noqa: PLR0917  what the role is between
    scope: Construct,
    construct_id: str,
    group: scheduler.CfnScheduleGroup,
    function: lambda_.Function,
    undelivered: sqs.Queue,
    key: kms.IKey | None,
) -> iam.Role:
    """Whom Scheduler is while it invokes the function. Its trust names the group: it has no permission to name a schedule.

    https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
    """
    role = ServiceRole(
        scope,
        construct_id,
        assumed_by=iam.ServicePrincipal(
            "scheduler.amazonaws.com",
            conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID, "aws:SourceArn": group.attr_arn}},
        ),
        description=f"Assumed by EventBridge Scheduler: invokes {function.node.path}",
    )
    iam.Grant.add_to_principal(grantee=role, actions=["lambda:InvokeFunction"], resource_arns=[function.function_arn])
    undelivered.grant(role, "sqs:SendMessage")
    grant_queue_key(key, role)
    return role


def _by_rule(  # noqa: PLR0917  the same
    scope: Construct,
    construct_id: str,
    schedule: ReportSchedule,
    function: lambda_.Function,
    undelivered: sqs.Queue,
    key: kms.IKey | None,
    description: str,
) -> Trigger:
    """A rule of an id of its own: CloudFormation does not turn a schedule into a rule, or back."""
    rule = events.CfnRule(
        scope,
        f"{construct_id}Rule",
        description=description,
        schedule_expression=schedule.expression,
        targets=[
            events.CfnRule.TargetProperty(
                id="Function",
                arn=function.function_arn,
                dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=undelivered.queue_arn),
                retry_policy=events.CfnRule.RetryPolicyProperty(
                    maximum_event_age_in_seconds=DELIVERY_SECONDS, maximum_retry_attempts=DELIVERY_RETRIES
                ),
            )
        ],
    )
    lambda_.CfnPermission(
        scope,
        f"{construct_id}RulePermission",
        action="lambda:InvokeFunction",
        function_name=function.function_arn,
        principal="events.amazonaws.com",
        source_arn=rule.attr_arn,
    )
    let_rule_send(rule, undelivered)
    if key is not None:
        allow_events_key(scope, key)
    return Trigger(add_alarms=lambda alarms: alarms.add_rule(construct_id, rule), outputs={"RuleName": rule.ref})
