"""Where a pattern is defined: in a stack, under an id of its own, and in the region of what it is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from aws_cdk import IResource, Stack, Token
from constructs import Construct

from serverless_patterns._blocks.checks import check

TABLES = ("table", "audit_table", "stock_table", "view_table")
#: Arguments that have to be in the region of the stack: a function, a rule or an event source reaches no others. A bus has a
#: check of its own, with another mend. Buckets are left out, but the one that is listened to: they answer everywhere.
REGIONAL = (
    *TABLES,
    "bucket",
    "dead_letter_queue",
    "encryption_key",
    "on_success",
    "payment_secret",
    "queue",
    "source",
    "topic",
)


#: What the ARN of a resource of each kind is called.
ARNS = ("bucket_arn", "key_arn", "queue_arn", "secret_arn", "stream_arn", "table_arn", "topic_arn")
#: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
ARN_PARTS = 6


def check_place(scope: object, construct_id: object) -> None:
    """Check where a pattern is to be defined, before CDK says it in its own words.

    Raises:
        PatternError: It is no place in a stack, or the id is none, or is taken.
    """
    check(
        isinstance(scope, Construct),
        f"scope must be a stack or a construct in one, such as self, got {_named(scope)}",
    )
    check(
        isinstance(construct_id, str) and construct_id,
        f"construct_id must be a name such as 'Orders', got {construct_id!r}",
    )
    if isinstance(scope, Construct):
        in_stack = any(Stack.is_stack(each) for each in scope.node.scopes)
        check(
            in_stack, f"scope must be a stack or a construct in one, got {_named(scope)}: define a Stack in it, and give that"
        )
        taken = scope.node.try_find_child(str(construct_id)) is not None
        where = scope.node.path or "the app"
        check(not taken, f"construct_id must be one that is not taken, got {construct_id!r}, which {where} has already")


def check_reachable(scope: Construct, given: Mapping[str, object]) -> None:
    """Check that resources are where a pattern's functions can reach them, as far as both places are known.

    Args:
        scope: Where the pattern is defined.
        given: What was given, by the name of its argument.

    Raises:
        PatternError: One is in another region; or a table, which functions know by its name, in another account.
    """
    stack = Stack.of(scope)
    for name, resource in sorted(given.items()):
        arn = next((getattr(resource, each) for each in ARNS if hasattr(resource, each)), None)
        if arn is None:
            continue
        account, region = account_and_region(cast(IResource, resource), arn)
        _check_same("region", stack.region, region, name, "a pattern reaches what is in its own region only")
        if name in TABLES:
            _check_same("account", stack.account, account, name, "functions find a table by its name, in their own account")


def account_and_region(resource: IResource, arn: str) -> tuple[str, str]:
    """Where a resource is: as its ARN says, for CDK knows it of some imported ones only; else as CDK does. Both may be tokens.

    Args:
        resource: The resource.
        arn: Its ARN, which may be a token, or have tokens in it.
    """
    parts = arn.split(":")  # a token has no colon
    account, region = (parts[4], parts[3]) if len(parts) >= ARN_PARTS else ("", "")
    return account or resource.env.account, region or resource.env.region


def _check_same(what: str, here: str, there: str, name: str, why: str) -> None:
    known = not (Token.is_unresolved(here) or Token.is_unresolved(there))
    check(
        not known or here == there,
        f"{name} must be in the {what} of the stack, {here}, got one in {there}: {why}; give one of {here}, or define the "
        f"pattern in a stack of {there}",
    )


def _named(value: object) -> str:
    """A text as it is written, anything else by its class."""
    return repr(value) if isinstance(value, str) else f"{type(value).__name__}"
