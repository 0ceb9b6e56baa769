"""Rules of an event bus whose target is a queue: what cannot be delivered is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aws_cdk import Names, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from serverless_patterns._blocks.event_bus import DEFAULT_BUS
from serverless_patterns._blocks.event_pattern import warn_of_size
from serverless_patterns._blocks.queue import let_service_encrypt, let_service_send

#: EventBridge's own: it tries for a day, 185 times. https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html
DELIVERY_ATTEMPTS = 185
DELIVERY_SECONDS = 24 * 60 * 60
#: Characters. https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_Rule.html
LONGEST_NAME = 64


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """How long a rule tries to deliver an event, before it is kept as undelivered.

    Attributes:
        attempts: Tries after the first.
        seconds: How old the event may be.
    """

    attempts: int = DELIVERY_ATTEMPTS
    seconds: int = DELIVERY_SECONDS


def rule_to_queue(
    scope: Construct,
    construct_id: str,
    *,
    pattern: Mapping[str, Any],
    description: str,
    queue: sqs.IQueue,
    delivery_dead_letter_queue: sqs.IQueue,
    bus: events.IEventBus | None = None,
    delivery: Delivery = Delivery(),
) -> events.CfnRule:
    """Send the events of a bus, by default the default one, that match a pattern to a queue."""
    rule = events.CfnRule(
        scope,
        construct_id,
        description=description,
        event_bus_name=None if bus is None else bus.event_bus_name,
        event_pattern=pattern,
        targets=[rule_target("Queue", queue.queue_arn, undelivered=delivery_dead_letter_queue, delivery=delivery)],
    )
    warn_of_size(rule, pattern)
    let_rule_send(rule, queue, delivery_dead_letter_queue, bus=bus)
    return rule


def rule_target(
    target_id: str, arn: str, *, undelivered: sqs.IQueue, delivery: Delivery = Delivery(), role: iam.IRole | None = None
) -> events.CfnRule.TargetProperty:
    """A target of a rule, with where an event is kept that does not reach it. A role is for what has no policy of its own."""
    return events.CfnRule.TargetProperty(
        id=target_id,
        arn=arn,
        role_arn=None if role is None else role.role_arn,
        dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=undelivered.queue_arn),
        retry_policy=events.CfnRule.RetryPolicyProperty(
            maximum_event_age_in_seconds=delivery.seconds, maximum_retry_attempts=delivery.attempts
        ),
    )


def let_rule_send(rule: events.CfnRule, *queues: sqs.IQueue, bus: events.IEventBus | None = None) -> None:
    """Let a rule put events into queues, before there is the rule: what matched until then would be refused, and lost.

    So it has a name of its own: the policies say which rule may, and CloudFormation takes no circles.
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
    """
    rule.name = Names.unique_resource_name(rule, max_length=LONGEST_NAME, allowed_special_characters="-_.", separator="-")
    for queue in queues:
        permission = let_service_send(queue, "events.amazonaws.com", _arn(rule, bus))
        if permission is not None:
            rule.node.add_dependency(permission)


def _arn(rule: events.CfnRule, bus: events.IEventBus | None) -> str:
    """The ARN that a rule will have.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-manage-iam-access.html
    """
    name = rule.name
    if bus is not None and bus.event_bus_name != DEFAULT_BUS:
        name = f"{bus.event_bus_name}/{name}"
    return Stack.of(rule).format_arn(service="events", resource="rule", resource_name=name)


def allow_events_key(scope: Construct, key: kms.IKey) -> None:
    """Let the rules of this account and region encrypt what they put into queues that have this key."""
    let_service_encrypt(key, "events.amazonaws.com", Stack.of(scope).format_arn(service="events", resource="rule/*"))
