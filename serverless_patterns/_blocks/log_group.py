"""Log groups: without a name, kept as long as the operations say, gone with the stack."""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs
from constructs import Construct

from serverless_patterns.operations import Operations


def log_group(scope: Construct, construct_id: str, operations: Operations) -> logs.LogGroup:
    """Define a log group."""
    return logs.LogGroup(scope, construct_id, retention=operations.log_retention, removal_policy=RemovalPolicy.DESTROY)
