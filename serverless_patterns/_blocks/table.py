"""The table of a pattern: defined with these options, or brought by the user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import RemovalPolicy, Token
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from serverless_patterns._blocks.checks import check, check_type
from serverless_patterns._blocks.replica import encrypt_anywhere
from serverless_patterns.operations import Operations


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """How a pattern's own table is defined, beyond the key that the pattern needs.

    Args:
        time_to_live_attribute: A number attribute with the epoch second at which DynamoDB may delete an item. Default: none.
        stream: What the table's stream shows of each change. Default: no stream.
        global_secondary_indexes: For your own queries; the bundled handler reads by key only.
        encryption_key: A customer managed key, about 1 USD a month plus requests. Default: that of the pattern, else DynamoDB's
            own key, free.
    """

    time_to_live_attribute: str | None = None
    stream: dynamodb.StreamViewType | None = None
    global_secondary_indexes: Sequence[dynamodb.GlobalSecondaryIndexPropsV2] = ()
    encryption_key: kms.IKey | None = None

    def __post_init__(self) -> None:
        """Check the types."""
        check_type("time_to_live_attribute", self.time_to_live_attribute, str, "the name of an attribute", optional=True)
        check_type("stream", self.stream, dynamodb.StreamViewType, "a StreamViewType", optional=True)
        indexes = self.global_secondary_indexes
        check(isinstance(indexes, Sequence), f"global_secondary_indexes must be a list of indexes, got {indexes!r}")
        key = self.encryption_key
        check(key is None or hasattr(key, "key_arn"), f"encryption_key must be a KMS key, got {key!r}")


@dataclass(frozen=True, kw_only=True)
class Keys:
    """The primary key of a table.

    Attributes:
        partition_key: The name of the partition key, a string.
        sort_key: The name of the sort key. Default: none.
        sort_type: Its type. Default: a number.
    """

    partition_key: str = "id"
    sort_key: str | None = None
    sort_type: dynamodb.AttributeType = dynamodb.AttributeType.NUMBER

    @property
    def described(self) -> str:
        """In words, for messages."""
        partition = f"the partition key {self.partition_key!r} of type string and "
        kind = self.sort_type.name.lower()
        return partition + ("no sort key" if self.sort_key is None else f"the sort key {self.sort_key!r} of type {kind}")


def keyed_table(
    scope: Construct, construct_id: str, *, options: TableOptions, operations: Operations, keys: Keys = Keys()
) -> dynamodb.TableV2:
    """A table on demand, backed up and protected as the operations say. Its key: the string ``id``, or what is given."""
    key = options.encryption_key
    table = dynamodb.TableV2(
        scope,
        construct_id,
        partition_key=dynamodb.Attribute(name=keys.partition_key, type=dynamodb.AttributeType.STRING),
        sort_key=None if keys.sort_key is None else dynamodb.Attribute(name=keys.sort_key, type=keys.sort_type),
        billing=dynamodb.Billing.on_demand(),
        time_to_live_attribute=options.time_to_live_attribute,
        dynamo_stream=options.stream,
        global_secondary_indexes=list(options.global_secondary_indexes) or None,
        encryption=dynamodb.TableEncryptionV2.dynamo_owned_key()
        if key is None
        else dynamodb.TableEncryptionV2.customer_managed_key(key),
        point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
            point_in_time_recovery_enabled=operations.backup_days is not None, recovery_period_in_days=operations.backup_days
        ),
        deletion_protection=operations.deletion_protection,
        removal_policy=operations.removal_policy,
    )
    if key is not None and Token.is_unresolved(table.stack.region):
        encrypt_anywhere(table, key, operations)
    return table


def transient_table(
    scope: Construct,
    construct_id: str,
    *,
    time_to_live_attribute: str,
    operations: Operations,
    encryption_key: kms.IKey | None = None,
) -> dynamodb.TableV2:
    """A table whose items live for hours or days: worth nothing without the stack, so it always goes with it.

    While the stack is there it is backed up like any other: a worker that has forgotten what it charged would charge it again.
    """
    return keyed_table(
        scope,
        construct_id,
        options=TableOptions(time_to_live_attribute=time_to_live_attribute, encryption_key=encryption_key),
        operations=operations.replace(removal_policy=RemovalPolicy.DESTROY, deletion_protection=False),
    )


def check_key(name: str, table: dynamodb.ITable, keys: Keys = Keys()) -> None:
    """Check that a table of the user's has the key that a pattern needs; an imported one cannot be looked at."""
    definition = table.node.default_child
    if not isinstance(definition, dynamodb.CfnTable | dynamodb.CfnGlobalTable):
        return
    types = {found["attributeName"]: found["attributeType"] for found in table.stack.resolve(definition.attribute_definitions)}
    found = [(key["attributeName"], types[key["attributeName"]]) for key in table.stack.resolve(definition.key_schema)]
    wanted = [(keys.partition_key, "S"), *([] if keys.sort_key is None else [(keys.sort_key, keys.sort_type.name[0])])]
    shown = ", ".join(f"{key} ({kind})" for key, kind in found)
    check(found == wanted, f"{name} must have {keys.described}, got {shown}")


def grant_key_use(key: kms.IKey | None, grantee: iam.IGrantable) -> None:
    """Let a principal reach a table through the customer managed key that encrypts it.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
    """
    if key is not None:
        key.grant(grantee, "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey")


def grant(grantee: iam.IGrantable, table: dynamodb.ITable, *actions: str) -> None:
    """Allow these actions on the table alone: CDK's own ``grant`` adds its indexes."""
    names = [f"dynamodb:{action}" for action in actions]
    iam.Grant.add_to_principal(grantee=grantee, actions=names, resource_arns=[table.table_arn])
