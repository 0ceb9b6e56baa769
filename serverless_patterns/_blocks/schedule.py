"""Schedules that invoke a function: by EventBridge Scheduler, or by a rule of EventBridge. What cannot be delivered is kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal
from zoneinfo import available_timezones

from aws_cdk import Aws, Duration, Token
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from serverless_patterns._blocks.alarms import AlarmSet
from serverless_patterns._blocks.checks import check, check_duration, check_one_of, check_type
from serverless_patterns._blocks.queue import grant_queue_key
from serverless_patterns._blocks.rule import allow_events_key, let_rule_send

Engine = Literal["scheduler", "rule"]

#: Tries after the first to hand a tick over, and the seconds within which they are made: what comes later helps nobody.
#: https://docs.aws.amazon.com/scheduler/latest/APIReference/API_RetryPolicy.html
DELIVERY_RETRIES = 3
DELIVERY_SECONDS = 60 * 60
#: Hours that an alarm can look back: its periods of an hour may be a week long together.
#: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
LONGEST_LOOK_BACK = 7 * 24
#: Scheduler puts the moment for which an invocation was planned in its place.
#: https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"

_CRON = re.compile(r"cron\(\S+(?: \S+){5}\)")
_RATE = re.compile(r"rate\((1 (minute|hour|day)|([2-9]|[1-9]\d+) (minute|hour|day)s)\)", re.ASCII)


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
class ReportSchedule:
    """When reports are made.

    Args:
        expression: ``cron(minutes hours day-of-month month day-of-week year)`` or ``rate(1 day)``. Default: each day at 05:00.
            https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
        time_zone: Of the expression, and of the day that a report is about: a name of the IANA time zones, such as
            ``Europe/Berlin``. Default ``Etc/UTC``. A time that the clock skips in spring is left out by Scheduler, and one that
            it repeats in autumn counts once: choose one outside the hour of the change.
        engine: ``"scheduler"`` (default): EventBridge Scheduler. ``"rule"``: a rule of the default bus, which reads the
            expression in UTC whatever the time zone of the report is.
        flexible_window: The minutes after the planned time within which Scheduler may begin, 1 to 1,440. Default: none, it
            begins within the minute.
        missing_after: Hours without a report of the latest day after which the critical alarm fires, 2 to 168. Default 26: a
            day, and two hours for retries. A weekly report needs nearly all of the 168.

    Raises:
        PatternError: A value does not fit.
    """

    expression: str = "cron(0 5 * * ? *)"
    time_zone: str = "Etc/UTC"
    engine: Engine = "scheduler"
    flexible_window: Duration | None = None
    missing_after: Duration | None = None

    def __post_init__(self) -> None:
        """Check the shapes and ranges."""
        check_one_of("engine", self.engine, ("scheduler", "rule"))
        _check_expression(self.expression)
        _check_time_zone(self.time_zone)
        if self.flexible_window is not None:
            check(self.engine == "scheduler", "flexible_window needs engine='scheduler': a rule has none")
            check_duration("flexible_window", self.flexible_window, least=60, most=24 * 60 * 60)
            minutes = 1 if self.flexible_window.is_unresolved() else self.flexible_window.to_seconds() / 60
            check(minutes % 1 == 0, f"flexible_window must be whole minutes, got {60 * minutes:g} s")
        check_type("missing_after", self.missing_or_default, Duration, "a duration such as Duration.hours(26)")
        check(not self.missing_or_default.is_unresolved(), "missing_after must be known while defining: an alarm depends on it")
        hours = self.missing_or_default.to_milliseconds() / 3_600_000
        check(
            hours % 1 == 0 and 2 <= hours <= LONGEST_LOOK_BACK,  # noqa: PLR2004  one hour may lie between two ticks
            f"missing_after must be whole hours from 2 to {LONGEST_LOOK_BACK}, got {hours:g}",
        )

    @property
    def missing_or_default(self) -> Duration:
        """After so long without a report somebody should know."""
        return Duration.hours(26) if self.missing_after is None else self.missing_after


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
    role = iam.Role(
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


def _check_expression(expression: str) -> None:
    check_type("expression", expression, str, "a text such as 'cron(0 5 * * ? *)'")
    check(
        Token.is_unresolved(expression) or _CRON.fullmatch(expression) or _RATE.fullmatch(expression),
        "expression must be cron(minutes hours day-of-month month day-of-week year) or rate(number unit), such as "
        f"'cron(0 5 * * ? *)', 'rate(1 day)' or 'rate(12 hours)', got {expression!r}",
    )


def _check_time_zone(name: str) -> None:
    """Check that there is such a time zone, as far as this machine knows any."""
    check_type("time_zone", name, str, "a name of the IANA time zones, such as 'Europe/Berlin'")
    known = set() if Token.is_unresolved(name) else available_timezones()
    hint = "such as 'Europe/Berlin'"
    check(not known or name in known, f"time_zone must be a name of the IANA time zones, {hint}, got {name!r}")
