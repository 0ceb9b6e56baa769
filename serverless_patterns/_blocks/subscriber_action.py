"""What a subscriber of a fan-out does: the bundled actions, and how any action becomes a function."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from constructs import Construct

from serverless_patterns._blocks.arguments import check_arguments
from serverless_patterns._blocks.checks import check
from serverless_patterns._blocks.handler import Handler
from serverless_patterns._blocks.table import TableOptions, checked_table, grant_tables, table_of
from serverless_patterns._blocks.topic import define_topic, grant_publish
from serverless_patterns.operations import Operations

AUDIT_ACTIONS = ("PutItem",)
TOTALS_ACTIONS = ("PutItem", "UpdateItem")
#: Both in one transaction: that is what DynamoDB's metrics call it.
TOTALS_OPERATIONS = ("TransactWriteItems",)
#: The attribute by which the marks of counted events expire, in the table of totals.
TIME_TO_LIVE = "expires_at"


@dataclass(frozen=True, kw_only=True)
class AuditTrail:
    """Keeps one row for each event in a table, however often it is delivered.

    Args:
        table: Options of the table that is defined, or a table of yours with the string partition key ``id`` and no sort key.
    """

    table: dynamodb.ITable | TableOptions | None = None

    def __post_init__(self) -> None:
        """Check the type, the key and the expiry of the table."""
        checked_table("table", self.table, key=None)


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Counts events by type and day in a table, and adds up their amounts by currency: each event once.

    Args:
        table: Options of the table that is defined, or a table of yours with the string partition key ``id``, no sort key and
            the time-to-live attribute ``expires_at``.
    """

    table: dynamodb.ITable | TableOptions | None = None

    def __post_init__(self) -> None:
        """Check the type, the key and the expiry of the table."""
        checked_table("table", self.table, expiry=TIME_TO_LIVE, key=None)


@dataclass(frozen=True, kw_only=True)
class Notification:
    """Tells people of each event, in words, through a topic: subscribe an e-mail address to it. At least once.

    Args:
        topic: A standard topic of yours. Default: one is defined.
    """

    topic: sns.ITopic | None = None

    def __post_init__(self) -> None:
        """Check that it is a topic that reaches people."""
        check_arguments({"topic": self.topic})
        standard = self.topic is None or not self.topic.fifo
        check(standard, "topic must be a standard topic: a FIFO topic reaches queues only, not people")


Action = Handler | AuditTrail | Totals | Notification


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """An action with its resources, ready for a function.

    Attributes:
        handler: The code.
        description: What the function is for.
        environment: The settings of the action.
        grant: Grants a function what the action does.
        outputs: What a stack shows, without the name of the subscriber.
        table: The table that it writes to.
        operations: What it does there, as DynamoDB's metrics call it.
        topic: The topic that was defined for it.
    """

    handler: Handler
    description: str
    environment: Mapping[str, str] = field(default_factory=dict)
    grant: Callable[[lambda_.Function], object] = lambda _: None
    outputs: Mapping[str, str] = field(default_factory=dict)
    table: dynamodb.ITable | None = None
    operations: tuple[str, ...] = ()
    topic: sns.ITopic | None = None


def check_action(action: object) -> None:
    """Check that it is an action."""
    known = isinstance(action, Handler | AuditTrail | Totals | Notification)
    check(known, f"handler must be a Handler, AuditTrail(), Totals() or Notification(), got {action!r}")


def prepare(scope: Construct, action: Action, *, key: kms.IKey | None, operations: Operations) -> Prepared:
    """Define what an action needs."""
    match action:
        case Handler():
            return Prepared(handler=action, description=f"Works the messages of {scope.node.id}")
        case AuditTrail():
            options = checked_table("table", action.table, key=key)
            return _recorder(scope, "audit", "Keeps one row for each event", options, AUDIT_ACTIONS, operations=operations)
        case Totals():
            options = checked_table("table", action.table, expiry=TIME_TO_LIVE, key=key)
            counts = "Counts events by type and day"
            totals = _recorder(scope, "aggregate", counts, options, TOTALS_ACTIONS, operations=operations)
            return dataclasses.replace(totals, operations=TOTALS_OPERATIONS)
        case Notification():
            topic = action.topic or define_topic(scope, "NotificationTopic", key=key)
            return Prepared(
                handler=Handler.bundled("sns_fanout"),
                description="Tells people of each event",
                environment={"ACTION": "notification", "NOTIFICATION_TOPIC_ARN": topic.topic_arn},
                grant=lambda function: grant_publish(function, topic),
                outputs={"TopicArn": topic.topic_arn},
                topic=topic if action.topic is None else None,
            )


def _recorder(
    scope: Construct,
    name: str,
    description: str,
    options: dynamodb.ITable | TableOptions,
    actions: tuple[str, ...],
    *,
    operations: Operations,
) -> Prepared:
    table = table_of(scope, "Table", options, operations=operations)
    return Prepared(
        handler=Handler.bundled("sns_fanout"),
        description=description,
        environment={"ACTION": name, "TABLE_NAME": table.table_name},
        grant=lambda function: grant_tables(function, {table: actions}),
        outputs={"TableName": table.table_name},
        table=table,
        operations=actions,
    )
