"""Log groups: kept as long as the operations say, gone with the stack."""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs
from constructs import Construct

from serverless_patterns.operations import Operations


def log_group(scope: Construct, construct_id: str, operations: Operations, *, name: str | None = None) -> logs.LogGroup:
    """Define a log group; with a name only where a service writes to one of that name, whether it is defined or not."""
    return logs.LogGroup(
        scope,
        construct_id,
        log_group_name=name,
        retention=operations.log_retention,
        removal_policy=RemovalPolicy.DESTROY,
    )
