"""Secrets: read by the functions that need them, by ARN, never as an environment variable's value."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager


def grant_secret(grantee: iam.IGrantable, secret: secretsmanager.ISecret) -> None:
    """Let a principal read the value of a secret, and use its key: CDK's own ``grant_read`` adds ``DescribeSecret``."""
    arn = (
        secret.secret_full_arn or f"{secret.secret_arn}-??????"
    )  # of an imported one, the six letters at its end may be unknown
    iam.Grant.add_to_principal(grantee=grantee, actions=["secretsmanager:GetSecretValue"], resource_arns=[arn])
    if secret.encryption_key is not None:
        secret.encryption_key.grant(grantee, "kms:Decrypt")
