"""Log groups: kept as long as the operations say, gone with the stack."""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs
from constructs import Construct

from serverless_patterns._blocks.encryption import allow_logs_key
from serverless_patterns.operations import Operations


def log_group(scope: Construct, construct_id: str, operations: Operations, *, name: str | None = None) -> logs.LogGroup:
    """Define a log group; with a name only where a service goes by it."""
    if operations.encryption_key is not None:
        allow_logs_key(scope, operations.encryption_key)
    return logs.LogGroup(
        scope,
        construct_id,
        log_group_name=name,
        encryption_key=operations.encryption_key,
        retention=operations.log_retention,
        removal_policy=RemovalPolicy.DESTROY,
    )
