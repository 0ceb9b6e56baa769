"""Subscriptions of a topic: what reaches whom, and where it is kept if it cannot be delivered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from serverless_patterns._blocks.checks import check_one_of
from serverless_patterns._blocks.filter_policy import FilterOn, check_filter_policy

SubscriptionProtocol = Literal["sqs", "lambda", "email", "https"]


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which messages a subscriber gets.

    Attributes:
        policy: The filter policy; ``None`` is every message.
        on: Whether it looks at message attributes or at the body.
    """

    policy: Mapping[str, Any] | None = None
    on: FilterOn = "attributes"

    def __post_init__(self) -> None:
        """Check that something can pass."""
        check_one_of("filter_on", self.on, ("attributes", "body"))
        if self.policy is not None:
            check_filter_policy(self.policy, self.on)


def subscribe(
    scope: Construct,
    construct_id: str,
    *,
    topic: sns.ITopic,
    protocol: SubscriptionProtocol,
    endpoint: str,
    messages: Filter,
    delivery_dead_letter_queue: sqs.IQueue,
) -> sns.CfnSubscription:
    """Subscribe an endpoint; what cannot be delivered is kept in the dead-letter queue of the delivery.

    https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html
    """
    allow_delivery(topic, delivery_dead_letter_queue)
    return sns.CfnSubscription(
        scope,
        construct_id,
        topic_arn=topic.topic_arn,
        protocol=protocol,
        endpoint=endpoint,
        # A queue gets the body as it was published, not wrapped in SNS's own JSON.
        raw_message_delivery=True if protocol == "sqs" else None,
        filter_policy=messages.policy,
        filter_policy_scope="MessageBody" if messages.policy is not None and messages.on == "body" else None,
        redrive_policy={"deadLetterTargetArn": delivery_dead_letter_queue.queue_arn},
    )


def allow_delivery(topic: sns.ITopic, queue: sqs.IQueue) -> None:
    """Let this topic, and no other, send to a queue."""
    queue.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.ServicePrincipal("sns.amazonaws.com")],
            actions=["sqs:SendMessage"],
            resources=[queue.queue_arn],
            conditions={
                "ArnEquals": {"aws:SourceArn": topic.topic_arn},
                "StringEquals": {"aws:SourceAccount": topic.env.account},
            },
        )
    )


def allow_invocation(scope: Construct, construct_id: str, *, topic: sns.ITopic, function: lambda_.IFunction) -> None:
    """Let this topic, and no other, invoke a function."""
    lambda_.CfnPermission(
        scope,
        construct_id,
        action="lambda:InvokeFunction",
        function_name=function.function_arn,
        principal="sns.amazonaws.com",
        source_arn=topic.topic_arn,
        source_account=topic.env.account,
    )


def allow_key(key: kms.IKey, account: str) -> None:
    """Let SNS of this account encrypt what it puts into queues that have this key.

    It names no topic: a topic has this key itself, and CloudFormation takes no circles.
    https://docs.aws.amazon.com/sns/latest/dg/sns-enable-encryption-for-topic-sqs-queue-subscriptions.html
    """
    key.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.ServicePrincipal("sns.amazonaws.com")],
            actions=["kms:Decrypt", "kms:GenerateDataKey"],
            resources=["*"],
            conditions={"StringEquals": {"aws:SourceAccount": account}},
        )
    )
