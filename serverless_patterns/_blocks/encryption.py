"""The customer managed key of a pattern: whose it is, and what the service that keeps logs may do with it."""

from __future__ import annotations

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from serverless_patterns.operations import Operations

#: What CloudWatch Logs does with the key of a log group: what the wildcards of this page mean for a symmetric key.
#: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
LOGS_ACTIONS = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)


def with_key(operations: Operations | None, encryption_key: kms.IKey | None) -> Operations:
    """The operations of a pattern, with the key that it was given itself if it was."""
    known = operations or Operations()
    return known if encryption_key is None else known.replace(encryption_key=encryption_key)


def allow_logs_key(scope: Construct, key: kms.IKey) -> None:
    """Let CloudWatch Logs encrypt the log groups of this account and region with a key of this app.

    It names no log group: a group has this key itself, and CloudFormation takes no circles.
    """
    stack = Stack.of(scope)
    groups = stack.format_arn(service="logs", resource="log-group", resource_name="*", arn_format=ArnFormat.COLON_RESOURCE_NAME)
    key.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.ServicePrincipal(f"logs.{stack.region}.amazonaws.com")],
            actions=list(LOGS_ACTIONS),
            resources=["*"],
            conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
        )
    )
