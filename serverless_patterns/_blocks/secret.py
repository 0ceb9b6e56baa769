"""Secrets: read by the functions that need them, by ARN, never as an environment variable's value."""

from __future__ import annotations

import json

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from serverless_patterns.operations import Operations


def define_payment_secret(scope: Construct, *, key: kms.IKey | None, operations: Operations) -> secretsmanager.Secret:
    """A secret for the address and the key of a payment API, with a made-up key until somebody puts the real ones."""
    return secretsmanager.Secret(
        scope,
        "PaymentSecret",
        description='The payment API: {"url": "https://...", "api_key": "..."}; put the real ones after the first deploy',
        generate_secret_string=secretsmanager.SecretStringGenerator(
            secret_string_template=json.dumps({"url": ""}), generate_string_key="api_key"
        ),
        encryption_key=key,
        removal_policy=operations.removal_policy,
    )


def grant_secret(grantee: iam.IGrantable, secret: secretsmanager.ISecret) -> None:
    """Let a principal read the value of a secret, and use its key: CDK's own ``grant_read`` adds ``DescribeSecret``."""
    arn = (
        secret.secret_full_arn or f"{secret.secret_arn}-??????"
    )  # of an imported one, the six letters at its end may be unknown
    iam.Grant.add_to_principal(grantee=grantee, actions=["secretsmanager:GetSecretValue"], resource_arns=[arn])
    if secret.encryption_key is not None:
        secret.encryption_key.grant(grantee, "kms:Decrypt")
