"""Concurrency and who consumes what, checked when the app is synthesised: only then all functions and sources are known.

What is reserved for one function is taken from all others of the account in that region. And a queue that may invoke more at
once than its function has reserved is throttled, which uses up the tries of its messages. Of functions that this library did
not define it is a warning: they may be right as they are.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast
from weakref import WeakSet

import jsii
from aws_cdk import Annotations, Stack, Token
from aws_cdk import aws_lambda as lambda_
from constructs import Construct, IConstruct, IValidation

#: Executions at the same time that an account has in a region unless it was granted more, and how many of them Lambda keeps for
#: functions without a reservation: https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
ACCOUNT_LIMIT = 1000
UNRESERVED = 100
#: The key of CDK's context that says the real limit of the account.
CONTEXT = "serverless-patterns:account-concurrency"
CHECKS = "ServerlessPatternsChecks"
#: More than one function for a queue take each other's messages; two may read a stream of DynamoDB.
#: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
MOST_CONSUMERS, MOST_READERS = 1, 2
#: The functions that this library defined.
_OURS: WeakSet[IConstruct] = WeakSet()


def check_concurrency(function: IConstruct) -> None:
    """Let the concurrency of the whole app be checked when it is synthesised, that of the user's own functions included.

    Args:
        function: A function of this library.
    """
    _OURS.add(function)
    root = cast(Construct, function.node.root)
    if root.node.try_find_child(CHECKS) is None:
        Construct(root, CHECKS).node.add_validation(ConcurrencyValidation(root))


@dataclass(frozen=True)
class Finding:
    """What is wrong with a function, or an event source mapping, and how to mend it.

    Attributes:
        name: What a warning of it is acknowledged by, after ``serverless-patterns:``.
        message: What is said.
        users: The function of the user's that is warned of; ``None`` if it is an error.
    """

    name: Literal["reserved-concurrency", "max-concurrency", "consumers"]
    message: str
    users: IConstruct | None = None


@jsii.implements(IValidation)
class ConcurrencyValidation:
    """Finds the functions and event source mappings of an app that cannot work as they are.

    Args:
        root: The app.
    """

    def __init__(self, root: IConstruct) -> None:
        self._root = root

    def validate(self) -> list[str]:
        """What is wrong and how to mend it, one text for each; what is wrong with functions of the user's is warned of."""
        found = self._root.node.find_all()
        functions = [each for each in found if isinstance(each, lambda_.CfnFunction)]
        mappings = [each for each in found if isinstance(each, lambda_.CfnEventSourceMapping)]
        limit = int(self._root.node.try_get_context(CONTEXT) or ACCOUNT_LIMIT)
        wrong = [*_over_the_limit(functions, limit), *_in_two_modes(mappings), *_throttled(functions, mappings)]
        wrong += _competing(functions, mappings)
        for finding in wrong:
            if finding.users is not None:
                Annotations.of(finding.users).add_warning_v2(f"serverless-patterns:{finding.name}", finding.message)
        return [finding.message for finding in wrong if finding.users is None]


def _over_the_limit(functions: Sequence[lambda_.CfnFunction], limit: int) -> Iterator[Finding]:
    """Accounts of which more is reserved than can be; of stacks whose account or region is not known, each stands alone."""
    reserving: dict[str, dict[lambda_.CfnFunction, float]] = defaultdict(dict)
    for function in functions:
        stack, number = Stack.of(function), _known(function.reserved_concurrent_executions)
        if number:
            where = stack.node.path if "unknown" in stack.environment else stack.environment
            reserving[where][function] = number
    most = max(limit - UNRESERVED, 0)
    for where, reserved in reserving.items():
        if sum(reserved.values()) > most:
            message = _reserved_too_much(where, {_path(each): number for each, number in reserved.items()}, limit)
            theirs = [each for each in reserved if not _is_ours(each)]
            ours_fit = sum(reserved.values()) - sum(reserved[each] for each in theirs) <= most
            yield Finding("reserved-concurrency", message, max(theirs, key=reserved.__getitem__) if ours_fit else None)


def _reserved_too_much(where: str, numbers: Mapping[str, float], limit: int) -> str:
    total, most = sum(numbers.values()), limit - UNRESERVED
    if most <= 0:
        return (
            f"nothing may be reserved in {where}, got {total:g} ({', '.join(numbers)}): Lambda keeps {UNRESERVED} of the "
            f"concurrency of an account for functions without a reservation, and {CONTEXT} in the context says that it "
            f"has {limit}; reserve nothing (of a ScheduledReport: one_at_a_time=False), or ask for more in Service Quotas "
            "and say how much in the context"
        )
    each = ", ".join(f"{path} {number:g}" for path, number in numbers.items())
    return (
        f"reserved concurrency must be at most {most} in all in {where}, got {total:g} ({each}): Lambda keeps "
        f"{UNRESERVED} of the {limit} of an account for functions without a reservation; reserve less, or, if the "
        f"account was granted more, say how much in the context of cdk.json: {CONTEXT}"
    )


def _in_two_modes(mappings: Sequence[lambda_.CfnEventSourceMapping]) -> Iterator[Finding]:
    """Event source mappings that are told both ways to scale: Lambda refuses them, whoever defined them.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
    """
    for mapping in mappings:
        if mapping.provisioned_poller_config is not None and mapping.scaling_config is not None:
            yield Finding(
                "max-concurrency",
                f"max_concurrency must not be set together with provisioned pollers, got both for {_path(mapping)}: Lambda "
                "takes one of them; leave the pollers out",
            )


def _throttled(
    functions: Sequence[lambda_.CfnFunction], mappings: Sequence[lambda_.CfnEventSourceMapping]
) -> Iterator[Finding]:
    """Functions for which less is reserved than their queues together may use. Nothing at all is how a function is stopped.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
    """
    for function in functions:
        reserved = _known(function.reserved_concurrent_executions)
        if not reserved:
            continue
        wanted = sum(_max_concurrency(mapping) for mapping in mappings if _invokes(mapping, function))
        if wanted > reserved:
            yield Finding(
                "max-concurrency",
                f"max_concurrency must be at most the reserved concurrency of its function, got {wanted:g} for all queues "
                f"of {_path(function)}, which has {reserved:g}: Lambda would throttle it, and its messages would lose their "
                "tries; lower max_concurrency, or reserve nothing, since max_concurrency is a bound already",
                None if _is_ours(function) else function,
            )


def _competing(
    functions: Sequence[lambda_.CfnFunction], mappings: Sequence[lambda_.CfnEventSourceMapping]
) -> Iterator[Finding]:
    """Queues that more than one function consumes, one of them of this library, and streams of tables with too many readers.

    An ARN that is a token is one for all of an app, and that of no other resource.
    """
    consumers: dict[str, list[lambda_.CfnEventSourceMapping]] = defaultdict(list)
    for mapping in mappings:
        if mapping.event_source_arn is not None and mapping.enabled in (None, True):
            consumers[mapping.event_source_arn].append(mapping)
    for source, found in consumers.items():
        ours = filter(_is_ours, functions) if len(found) > MOST_CONSUMERS else []
        if not any(_invokes(each, function) for function in ours for each in found):
            continue
        paths = ", ".join(_path(each) for each in found)
        if found[0].starting_position is None:  # no stream
            yield Finding(
                "consumers",
                f"queue must have one consumer, got {len(found)} of one queue ({paths}): each message reaches only one of "
                "them, by chance; give each a queue of its own, such as with SnsFanout",
            )
        elif len(found) > MOST_READERS and _is_of_table(found[0], source):
            yield Finding(
                "consumers",
                f"source should have at most {MOST_READERS} readers, got {len(found)} of one stream of a table ({paths}): "
                "DynamoDB throttles more of them, and all fall behind; let one of them send on what it reads, or acknowledge "
                "this",
                found[-1],
            )


def _is_of_table(mapping: lambda_.CfnEventSourceMapping, source: str) -> bool:
    return re.search(r":dynamodb:|StreamArn", str(Stack.of(mapping).resolve(source))) is not None


def _invokes(mapping: lambda_.CfnEventSourceMapping, function: lambda_.CfnFunction) -> bool:
    """Whether it is the function of an event source mapping: both are in one stack."""
    stack = Stack.of(function)
    name = stack.get_logical_id(function)
    here = Stack.of(mapping).node.path == stack.node.path
    return here and stack.resolve(mapping.function_name) in ({"Ref": name}, {"Fn::GetAtt": [name, "Arn"]})


def _is_ours(function: lambda_.CfnFunction) -> bool:
    return function.node.scope in _OURS


def _max_concurrency(mapping: lambda_.CfnEventSourceMapping) -> float:
    """The most that a mapping may invoke at once; none if it is disabled, or that is not known."""
    if mapping.enabled not in (None, True):
        return 0
    scaling: dict[str, Any] = Stack.of(mapping).resolve(mapping.scaling_config) or {}
    return _known(scaling.get("maximumConcurrency")) or 0


def _known(number: Any) -> float | None:  # noqa: ANN401  whatever CDK has there
    """A number, unless it is a token or none at all."""
    return number if isinstance(number, int | float) and not Token.is_unresolved(number) else None


def _path(resource: IConstruct) -> str:
    return resource.node.path.removesuffix("/Resource")
