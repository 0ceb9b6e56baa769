"""The arguments that patterns have in common: an argument of one name has one type everywhere, and one way to be made."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Duration
from constructs import Node

from serverless_patterns._blocks.checks import check, check_type
from serverless_patterns._blocks.edge import Authorization, Cors, Throttle, UsagePlan
from serverless_patterns._blocks.handler import Handler
from serverless_patterns._blocks.table import TableOptions
from serverless_patterns.operations import Operations

#: Argument -> its type, and how one is made.
TYPES: dict[str, tuple[type, str]] = {
    "authorization": (Authorization, "made by Authorization.iam(), .jwt(...), .cognito(...) or .none()"),
    "cors": (Cors, "a Cors(allow_origins=[...])"),
    "handler": (Handler, "made by Handler.from_directory(...), or Handler(code, 'module.function')"),
    "operations": (Operations, "Operations(...), such as DEV.operations"),
    "resource": (str, "a path segment such as 'users'"),
    "throttle": (Throttle, "a Throttle(rate=..., burst=...)"),
    "timeout": (Duration, "a duration such as Duration.seconds(10)"),
    "usage_plan": (UsagePlan, "a UsagePlan(...)"),
}

REQUIRED = ("resource",)


def check_arguments(arguments: Mapping[str, object]) -> None:
    """Check the types of a pattern's arguments, given by name (``locals()`` at its start); names not known here pass."""
    for name in sorted(arguments.keys() & TYPES.keys()):
        check_type(name, arguments[name], *TYPES[name], optional=name not in REQUIRED)
    table = arguments.get("table")
    check(
        table is None or isinstance(table, TableOptions) or isinstance(getattr(table, "node", None), Node),
        f"table must be TableOptions(...) or a DynamoDB table, got {table!r}",
    )
