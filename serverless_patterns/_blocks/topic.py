"""Topics: encrypted if they have a key, for callers with TLS only."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from serverless_patterns._blocks.checks import check_grantee
from serverless_patterns._blocks.managed_key import managed_service


def define_topic(scope: Construct, construct_id: str, *, fifo: bool = False, key: kms.IKey | None = None) -> sns.Topic:
    """Define a topic that only principals of its own account may publish to, with TLS."""
    return sns.Topic(
        scope,
        construct_id,
        fifo=True if fifo else None,
        # Two events of one content can be two events: their ids tell, and publishers send them as deduplication ids.
        content_based_deduplication=False if fifo else None,
        master_key=key,
        enforce_ssl=True,
    )


def grant_publish(grantee: iam.IGrantable, topic: sns.ITopic) -> iam.Grant:
    """Let a principal publish, and use the key of the topic as far as it is known: CDK's own ``grant_publish`` grants more.

    https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
    """
    check_grantee(grantee)
    if topic.master_key is not None and managed_service(topic) is None:
        topic.master_key.grant(grantee, "kms:Decrypt", "kms:GenerateDataKey")
    return iam.Grant.add_to_principal_or_resource(
        grantee=grantee, actions=["sns:Publish"], resource_arns=[topic.topic_arn], resource=topic
    )
