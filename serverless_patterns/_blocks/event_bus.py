"""Event buses: custom ones with their policy, and archives, from which events can be replayed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from aws_cdk import Aws, Names, RemovalPolicy, Stack, Token
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from serverless_patterns._blocks.checks import check, check_grantee, check_texts
from serverless_patterns._blocks.queue import let_service_send
from serverless_patterns.operations import Operations

#: The bus of each account and region that AWS services send to.
DEFAULT_BUS = "default"
#: Characters of the id of a statement: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutPermission.html
LONGEST_STATEMENT_ID = 64
#: The same of the description of a bus or an archive, in which the path of a construct may be longer.
#: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_CreateEventBus.html
LONGEST_DESCRIPTION = 512


def check_publishers(publishers: object) -> None:
    """Check that other accounts and organizations are named as AWS names them."""
    check_texts("publishers", publishers)
    for each in publishers if isinstance(publishers, Sequence) else ():
        check(
            Token.is_unresolved(each) or re.fullmatch(r"\d{12}|o-[a-z0-9]{10,32}", each),
            f"publishers must be ids of accounts, of 12 digits, or of organizations, such as 'o-a1b2c3d4e5', got {each!r}",
        )


def check_bus(scope: Construct, bus: events.IEventBus | None, *, name: str = "bus") -> None:
    """Check that a bus is where its rules are to be, as far as it is known.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cross-region.html

    Args:
        scope: The pattern, or where it is defined.
        bus: The bus.
        name: What the user calls it.
    """
    if bus is None:
        return
    stack = Stack.of(scope)
    for what, here, there in (("region", stack.region, bus.env.region), ("account", stack.account, bus.env.account)):
        known = not (Token.is_unresolved(here) or Token.is_unresolved(there))
        check(
            not known or here == there,
            f"{name} must be in the {what} of the stack, {here}, got one in {there}: its rules are on the bus itself; give one "
            f"of {here}, and let a rule there send events on to it",
        )


def define_bus(
    scope: Construct,
    construct_id: str,
    *,
    publishers: Sequence[str],
    key: kms.IKey | None,
    dead_letter_queue: sqs.IQueue | None,
    operations: Operations,
) -> events.EventBus:
    """A bus that takes events over TLS only: of principals of its own account that may, and of these accounts.

    CloudFormation makes no names for buses. This one begins with that of its stack, so that a stack can be deployed twice.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-events-eventbus.html

    Args:
        scope: The pattern.
        construct_id: Its id.
        publishers: Ids of other accounts and of organizations.
        key: A customer managed key.
        dead_letter_queue: Where events are kept that could not be encrypted or decrypted, with a key only.
        operations: Whether it stays when its stack goes.
    """
    bus = events.EventBus(
        scope,
        construct_id,
        event_bus_name=bus_name(scope),
        description=f"Events of {scope.node.path}"[:LONGEST_DESCRIPTION],
        kms_key=key,
        dead_letter_queue=dead_letter_queue,
    )
    bus.apply_removal_policy(kept(operations))
    _refuse_http(bus)
    for number, each in enumerate(publishers, start=1):
        _let_publish(bus, f"Publisher{number}", each)
    if dead_letter_queue is not None:
        # What it could not encrypt or decrypt.
        # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-encryption-event-bus-cmkey.html
        let_service_send(dead_letter_queue, "events.amazonaws.com", bus.event_bus_arn)
    return bus


def grant_put_events(grantee: iam.IGrantable, bus: events.IEventBus) -> iam.Grant:
    """Let a principal put events on a bus. The key of a bus is used by EventBridge itself.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-encryption-key-policy.html
    """
    check_grantee(grantee)
    return iam.Grant.add_to_principal(grantee=grantee, actions=["events:PutEvents"], resource_arns=[bus.event_bus_arn])


def bus_name(scope: Construct) -> str:
    """The name of the bus of a pattern: no other one of the account and region has it."""
    return Names.unique_resource_name(scope, allowed_special_characters="-_.", separator="-")


def kept(operations: Operations) -> RemovalPolicy:
    """The removal policy of what has a name or belongs to one: what a failed first deploy left would be in the next one's way.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html
    """
    policy = operations.removal_policy
    return RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE if policy is RemovalPolicy.RETAIN else policy


def _refuse_http(bus: events.EventBus) -> None:
    bus.add_to_resource_policy(
        iam.PolicyStatement(
            sid=_statement_id(bus, "RefuseHttp"),
            effect=iam.Effect.DENY,
            principals=[iam.AnyPrincipal()],
            actions=["events:PutEvents"],
            resources=[bus.event_bus_arn],
            conditions={"Bool": {"aws:SecureTransport": "false"}},
        )
    )


def _statement_id(bus: events.EventBus, name: str) -> str:
    """An id that no statement of another bus has: CloudFormation takes it for the name of the resource, one in each region.

    https://github.com/aws/aws-cdk/issues/29627
    """
    prefix = f"{name}-"
    longest = LONGEST_STATEMENT_ID - len(f"cdk-{prefix}")  # CDK puts the rest in front of it
    return prefix + Names.unique_resource_name(bus, max_length=longest, allowed_special_characters="-_", separator="-")


def _let_publish(bus: events.EventBus, name: str, publisher: str) -> None:
    """Let an account or an organization put events on the bus.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-bus-perms.html
    """
    of_organization = publisher.startswith("o-")
    principal = iam.OrganizationPrincipal(publisher) if of_organization else iam.AccountPrincipal(publisher)
    bus.add_to_resource_policy(
        iam.PolicyStatement(
            sid=_statement_id(bus, name),
            principals=[principal],
            actions=["events:PutEvents"],
            resources=[bus.event_bus_arn],
        )
    )


def define_archive(
    scope: Construct,
    construct_id: str,
    *,
    bus: events.IEventBus,
    name: str,
    days: int,
    key: kms.IKey | None,
    operations: Operations,
) -> events.CfnArchive:
    """Keep all events of a bus for these days; replayed ones are not archived again.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-archive-event.html

    Args:
        scope: The pattern.
        construct_id: Its id.
        bus: The bus.
        name: Its name as a text, or ``*`` if only CloudFormation knows it.
        days: For how long.
        key: A customer managed key.
        operations: Whether it stays when its stack goes.
    """
    if key is not None:
        _allow_archive_key(scope, key, name)
    archive = events.CfnArchive(
        scope,
        construct_id,
        source_arn=bus.event_bus_arn,
        description=f"Events of the last {days} days, of {scope.node.path}"[:LONGEST_DESCRIPTION],
        retention_days=days,
        kms_key_identifier=None if key is None else key.key_arn,
    )
    archive.apply_removal_policy(kept(operations))
    return archive


def _allow_archive_key(scope: Construct, key: kms.IKey, bus: str) -> None:
    """Let EventBridge encrypt what it archives.

    The bus is not referred to: it may have this key itself, and CloudFormation takes no circles.
    https://docs.aws.amazon.com/eventbridge/latest/userguide/encryption-archives.html
    """
    events_service = iam.ServicePrincipal("events.amazonaws.com")
    buses = Stack.of(scope).format_arn(service="events", resource="event-bus", resource_name=bus)
    key.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[events_service],
            actions=["kms:DescribeKey"],
            resources=["*"],
            conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
        )
    )
    key.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[events_service],
            actions=["kms:Decrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"],
            resources=["*"],
            conditions={"ArnLike": {"kms:EncryptionContext:aws:events:event-bus:arn": buses}},
        )
    )
