"""Rules of an event bus whose target is a queue: what cannot be delivered is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs
from constructs import Construct

#: EventBridge's own: it tries for a day, 185 times. https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html
DELIVERY_ATTEMPTS = 185
DELIVERY_SECONDS = 24 * 60 * 60


def rule_to_queue(
    scope: Construct,
    construct_id: str,
    *,
    pattern: Mapping[str, Any],
    description: str,
    queue: sqs.IQueue,
    delivery_dead_letter_queue: sqs.IQueue,
) -> events.CfnRule:
    """Send the events of the default bus that match a pattern to a queue."""
    rule = events.CfnRule(
        scope,
        construct_id,
        description=description,
        event_pattern=pattern,
        targets=[
            events.CfnRule.TargetProperty(
                id="Queue",
                arn=queue.queue_arn,
                dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=delivery_dead_letter_queue.queue_arn),
                retry_policy=events.CfnRule.RetryPolicyProperty(
                    maximum_event_age_in_seconds=DELIVERY_SECONDS, maximum_retry_attempts=DELIVERY_ATTEMPTS
                ),
            )
        ],
    )
    for each in (queue, delivery_dead_letter_queue):
        let_rule_send(rule, each)
    return rule


def let_rule_send(rule: events.CfnRule, queue: sqs.IQueue) -> None:
    """Let a rule put events into a queue.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
    """
    queue.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.ServicePrincipal("events.amazonaws.com")],
            actions=["sqs:SendMessage"],
            resources=[queue.queue_arn],
            conditions={"ArnEquals": {"aws:SourceArn": rule.attr_arn}},  # it names the account too
        )
    )


def allow_events_key(scope: Construct, key: kms.IKey) -> None:
    """Let the rules of this account and region encrypt what they put into queues that have this key.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
    """
    key.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.ServicePrincipal("events.amazonaws.com")],
            actions=["kms:Decrypt", "kms:GenerateDataKey"],
            resources=["*"],
            conditions={"ArnLike": {"aws:SourceArn": Stack.of(scope).format_arn(service="events", resource="rule/*")}},
        )
    )
