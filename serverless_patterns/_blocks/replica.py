"""A table with a customer managed key in a stack whose region is not known until it is deployed."""

from __future__ import annotations

from typing import Any, cast

import jsii
from aws_cdk import IStableAnyProducer, Lazy, TagManager
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms

from serverless_patterns.operations import Operations


def encrypt_anywhere(table: dynamodb.TableV2, key: kms.IKey, operations: Operations) -> None:
    """Write the one replica of a table, in the region where it is deployed, and its key.

    CDK writes replicas itself, and refuses to write the key of one while the region of the stack is a token. It also refuses
    further replicas then: this is all that there can be.
    """
    definition = cast(dynamodb.CfnGlobalTable, table.node.default_child)
    definition.replicas = Lazy.any(_OnlyReplica(table, key, operations))


@jsii.implements(IStableAnyProducer)
class _OnlyReplica:
    """The replica as it is when the app is synthesised: tags and a resource policy come later."""

    def __init__(self, table: dynamodb.TableV2, key: kms.IKey, operations: Operations) -> None:
        self._table, self._key, self._operations = table, key, operations

    def produce(self) -> object:
        """The replica as CDK would write it."""
        tagged = TagManager.of(self._table)
        tags = [] if tagged is None else [{"key": key, "value": value} for key, value in sorted(tagged.tag_values().items())]
        policy = self._table.resource_policy
        backups = {
            "pointInTimeRecoveryEnabled": self._operations.backup_days is not None,
            "recoveryPeriodInDays": self._operations.backup_days,
        }
        replica: dict[str, Any] = {
            "region": self._table.stack.region,
            "deletionProtectionEnabled": self._operations.deletion_protection,
            "pointInTimeRecoverySpecification": backups,
            "sseSpecification": {"kmsMasterKeyId": self._key.key_arn},
            "tags": tags or None,
            "resourcePolicy": None if policy is None else {"policyDocument": policy},
        }
        return [{name: value for name, value in replica.items() if value is not None}]
