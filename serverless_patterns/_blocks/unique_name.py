"""Names of patterns, where other accounts and regions meet: in keys of charges, and in ids of events."""

from __future__ import annotations

from aws_cdk import Names, Stack
from constructs import Construct

#: Characters, without the account and the region.
LONGEST_NAME = 64


def unique_name(scope: Construct) -> str:
    """A name that no other construct has, in any account and region."""
    stack = Stack.of(scope)
    return f"{Names.unique_resource_name(scope, max_length=LONGEST_NAME, separator='-')}-{stack.account}-{stack.region}"
