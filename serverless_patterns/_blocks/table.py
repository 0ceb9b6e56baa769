"""The table of a pattern: defined with these options, or brought by the user."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from aws_cdk import RemovalPolicy, Token
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from serverless_patterns._blocks.checks import check, check_has, check_type
from serverless_patterns._blocks.place import account_and_region
from serverless_patterns._blocks.replica import encrypt_anywhere
from serverless_patterns.operations import Operations

#: What a user may give.
TABLE = "TableOptions(...) or a DynamoDB table"


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
        check_has("encryption_key", self.encryption_key, "key_arn", "a KMS key", optional=True)


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


def checked_table(
    name: str,
    given: dynamodb.ITable | TableOptions | None,
    *,
    keys: Keys = Keys(),
    expiry: str | None = None,
    key: kms.IKey | None,
) -> dynamodb.ITable | TableOptions:
    """The table that a user gives, or the complete options of one that is defined.

    Args:
        name: What the user calls it.
        given: What was given, if anything.
        keys: The primary key that the pattern needs.
        expiry: The attribute in which the rows say when they may go. Default: they have none.
        key: The customer managed key of the pattern, for options that name none.

    Raises:
        PatternError: It is no table, has another key, or expires by an attribute that its rows do not have.
    """
    check_has(name, given, "table_arn", TABLE, optional=True, options=TableOptions)
    if given is not None and not isinstance(given, TableOptions):
        check_key(name, given, keys)
        return given
    options = given or TableOptions()
    found = options.time_to_live_attribute
    fits = f"must be {expiry!r}, or left out" if expiry else "must be left out, as its rows have none"
    check(found in {None, expiry}, f"time_to_live_attribute of {name} {fits}, got {found!r}")
    return dataclasses.replace(options, time_to_live_attribute=expiry, encryption_key=options.encryption_key or key)


def table_of(
    scope: Construct,
    construct_id: str,
    options: dynamodb.ITable | TableOptions,
    *,
    keys: Keys = Keys(),
    operations: Operations,
) -> dynamodb.ITable:
    """The table that was given, or one that is defined with these options: what ``checked_table`` has found."""
    if not isinstance(options, TableOptions):
        return options
    return keyed_table(scope, construct_id, options=options, operations=operations, keys=keys)


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


def is_same_table(one: dynamodb.ITable, other: object) -> bool:
    """Whether two tables are one, however often it is imported, as far as is known while defining.

    A name stands for one table in each account and region. Inside one stack, tables of one name are taken for one unless their
    accounts or regions are known to differ; those of two stacks are only if both are known, as a stack that can be deployed
    anywhere finds another table of that name in each place.

    Args:
        one: A table.
        other: Another one; anything else is none.
    """
    if not hasattr(other, "table_arn"):
        return False
    table = cast(dynamodb.ITable, other)
    is_reference = ":" not in one.table_arn
    if one is table or (is_reference and one.table_arn == table.table_arn):
        return True
    if_unknown = one.stack is table.stack
    pairs = zip(*(account_and_region(each, each.table_arn) for each in (one, table)), strict=True)
    is_one_place = all(if_unknown if any(map(Token.is_unresolved, pair)) else pair[0] == pair[1] for pair in pairs)
    return is_one_place and one.table_name == table.table_name


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


def grant_tables(grantee: iam.IGrantable, actions: Mapping[dynamodb.ITable, Sequence[str]]) -> None:
    """Allow actions on tables alone, and the use of the keys that encrypt them.

    Args:
        grantee: Who may.
        actions: Table -> what may be done, such as ``GetItem``.
    """
    for table, names in actions.items():
        grant(grantee, table, *names)
    for table in actions:
        grant_key_use(table.encryption_key, grantee)
