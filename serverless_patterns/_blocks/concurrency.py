"""Concurrency, checked when the app is synthesised: only then all functions and event sources are known.

What is reserved for one function is taken from all others of the account in that region. And a queue that may invoke more at
once than its function has reserved is throttled, which uses up the tries of its messages.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, cast

import jsii
from aws_cdk import Stack, Token
from aws_cdk import aws_lambda as lambda_
from constructs import Construct, IConstruct, IValidation

#: Executions at the same time that an account has in a region unless it was granted more, and how many of them Lambda keeps for
#: functions without a reservation: https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
ACCOUNT_LIMIT = 1000
UNRESERVED = 100
#: The key of CDK's context that says the real limit of the account.
CONTEXT = "serverless-patterns:account-concurrency"
CHECKS = "ServerlessPatternsChecks"


def check_concurrency(scope: IConstruct) -> None:
    """Let the concurrency of the whole app be checked when it is synthesised, that of the user's own functions included."""
    root = cast(Construct, scope.node.root)
    if root.node.try_find_child(CHECKS) is None:
        Construct(root, CHECKS).node.add_validation(ConcurrencyValidation(root))


@jsii.implements(IValidation)
class ConcurrencyValidation:
    """Finds the functions and event source mappings of an app that cannot work as they are.

    Args:
        root: The app.
    """

    def __init__(self, root: IConstruct) -> None:
        self._root = root

    def validate(self) -> list[str]:
        """What is wrong and how to mend it, one text for each."""
        found = self._root.node.find_all()
        functions = [each for each in found if isinstance(each, lambda_.CfnFunction)]
        mappings = [each for each in found if isinstance(each, lambda_.CfnEventSourceMapping)]
        limit = int(self._root.node.try_get_context(CONTEXT) or ACCOUNT_LIMIT)
        return [*_over_the_limit(functions, limit), *_in_two_modes(mappings), *_throttled(functions, mappings)]


def _over_the_limit(functions: Sequence[lambda_.CfnFunction], limit: int) -> Iterator[str]:
    """Accounts of which more is reserved than can be; of stacks whose account or region is not known, each stands alone."""
    reserved: dict[str, dict[str, float]] = defaultdict(dict)
    for function in functions:
        stack, number = Stack.of(function), _known(function.reserved_concurrent_executions)
        if number:
            where = stack.node.path if "unknown" in stack.environment else stack.environment
            reserved[where][_path(function)] = number
    most = limit - UNRESERVED
    for where, numbers in reserved.items():
        total = sum(numbers.values())
        if total > most:
            each = ", ".join(f"{path} {number:g}" for path, number in numbers.items())
            yield (
                f"reserved concurrency must be at most {most} in all in {where}, got {total:g} ({each}): Lambda keeps "
                f"{UNRESERVED} of the {limit} of an account for functions without a reservation; reserve less, or, if the "
                f"account was granted more, say how much in the context of cdk.json: {CONTEXT}"
            )


def _in_two_modes(mappings: Sequence[lambda_.CfnEventSourceMapping]) -> Iterator[str]:
    """Event source mappings that are told both ways to scale.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
    """
    for mapping in mappings:
        if mapping.provisioned_poller_config is not None and mapping.scaling_config is not None:
            yield (
                f"max_concurrency must not be set together with provisioned pollers, got both for {_path(mapping)}: Lambda "
                "takes one of them; leave the pollers out"
            )


def _throttled(functions: Sequence[lambda_.CfnFunction], mappings: Sequence[lambda_.CfnEventSourceMapping]) -> Iterator[str]:
    """Functions for which less is reserved than their queues together may use.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
    """
    for function in functions:
        reserved = _known(function.reserved_concurrent_executions)
        if reserved is None:
            continue
        stack = Stack.of(function)
        names = ({"Ref": stack.get_logical_id(function)}, {"Fn::GetAtt": [stack.get_logical_id(function), "Arn"]})
        wanted = sum(
            _max_concurrency(mapping)
            for mapping in mappings
            if Stack.of(mapping).node.path == stack.node.path and stack.resolve(mapping.function_name) in names
        )
        if wanted > reserved:
            yield (
                f"max_concurrency must be at most the reserved concurrency of its function, got {wanted:g} for all queues "
                f"of {_path(function)}, which has {reserved:g}: Lambda would throttle it, and its messages would lose their "
                "tries; lower max_concurrency, or reserve nothing, since max_concurrency is a bound already"
            )


def _max_concurrency(mapping: lambda_.CfnEventSourceMapping) -> float:
    scaling: dict[str, Any] = Stack.of(mapping).resolve(mapping.scaling_config) or {}
    return _known(scaling.get("maximumConcurrency")) or 0


def _known(number: Any) -> float | None:  # noqa: ANN401  whatever CDK has there
    """A number, unless it is a token or none at all."""
    return number if isinstance(number, int | float) and not Token.is_unresolved(number) else None


def _path(resource: IConstruct) -> str:
    return resource.node.path.removesuffix("/Resource")
