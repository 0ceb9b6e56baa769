"""Subscriptions of a topic: what reaches whom, and where it is kept if it cannot be delivered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from aws_cdk import Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct, IDependable

from serverless_patterns._blocks.checks import check_one_of
from serverless_patterns._blocks.filter_policy import FilterOn, check_filter_policy
from serverless_patterns._blocks.queue import let_service_encrypt, let_service_send

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

    @property
    def document(self) -> Any:  # noqa: ANN401  any JSON value
        """The policy as CDK takes it: its own lists and dicts only."""
        return None if self.policy is None else json.loads(json.dumps(self.policy, default=dict))


def subscribe(
    scope: Construct,
    construct_id: str,
    *,
    topic: sns.ITopic,
    protocol: SubscriptionProtocol,
    endpoint: str,
    messages: Filter,
    delivery_dead_letter_queue: sqs.IQueue,
    permission: IDependable | None = None,
) -> sns.CfnSubscription:
    """Subscribe an endpoint; what cannot be delivered is kept in the dead-letter queue of the delivery.

    The permissions are there first: what is published between them and the subscription would reach nobody.
    https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html
    """
    permissions = [allow_delivery(topic, delivery_dead_letter_queue), permission]
    subscription = sns.CfnSubscription(
        scope,
        construct_id,
        topic_arn=topic.topic_arn,
        protocol=protocol,
        endpoint=endpoint,
        # A queue gets the body as it was published, not wrapped in SNS's own JSON.
        raw_message_delivery=True if protocol == "sqs" else None,
        filter_policy=messages.document,
        filter_policy_scope="MessageBody" if messages.policy is not None and messages.on == "body" else None,
        redrive_policy={"deadLetterTargetArn": delivery_dead_letter_queue.queue_arn},
        # Where the topic is, if that is elsewhere.
        region=None if topic.env.region == Stack.of(scope).region else topic.env.region,
    )
    subscription.node.add_dependency(*filter(None, permissions))
    return subscription


def allow_delivery(topic: sns.ITopic, queue: sqs.IQueue) -> IDependable | None:
    """Let this topic, and no other, send to a queue; what comes back is there as soon as it may."""
    return let_service_send(queue, "sns.amazonaws.com", topic.topic_arn)


def allow_invocation(
    scope: Construct, construct_id: str, *, topic: sns.ITopic, function: lambda_.IFunction
) -> lambda_.CfnPermission:
    """Let this topic, and no other, invoke a function."""
    return lambda_.CfnPermission(
        scope,
        construct_id,
        action="lambda:InvokeFunction",
        function_name=function.function_arn,
        principal="sns.amazonaws.com",
        source_arn=topic.topic_arn,
    )


def allow_key(key: kms.IKey, topic: sns.ITopic) -> None:
    """Let the topics of this topic's account and region encrypt what they put into queues that have this key.

    It names no topic: a topic has this key itself, and CloudFormation takes no circles.
    https://docs.aws.amazon.com/sns/latest/dg/sns-enable-encryption-for-topic-sqs-queue-subscriptions.html
    """
    topics = Stack.of(topic).format_arn(service="sns", resource="*", account=topic.env.account, region=topic.env.region)
    let_service_encrypt(key, "sns.amazonaws.com", topics)
