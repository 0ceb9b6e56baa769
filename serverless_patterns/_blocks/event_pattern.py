"""Patterns of rules, checked while defining: one that matches nothing is a route that hears nothing, one of all things a loop.

The rules: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern.html
The conditions: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aws_cdk import Annotations, Token
from constructs import Construct

from serverless_patterns._blocks.checks import check, check_type

#: What an event of EventBridge has at its top: https://docs.aws.amazon.com/eventbridge/latest/ref/events-structure.html
FIELDS = ("account", "detail", "detail-type", "id", "region", "replay-name", "resources", "source", "time", "version")
#: By these a route says which events are meant for it.
NAMING = ("source", "detail-type")
CONDITIONS = ("anything-but", "cidr", "equals-ignore-case", "exists", "numeric", "prefix", "suffix", "wildcard")
#: Conditions that hold for every text.
EVERYTHING = ({"prefix": ""}, {"suffix": ""}, {"exists": True}, {"wildcard": "*"})
#: Where the version of an envelope stands, which is a number.
VERSION = "pattern['detail']['metadata']['version']"
#: Characters that EventBridge can take, and those of the quota until you have it raised.
#: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_Rule.html
#: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
LONGEST_PATTERN, QUOTA = 4096, 2048


def checked_pattern(pattern: object) -> dict[str, Any]:
    """The pattern as CDK takes it, of its own lists and dicts only.

    Raises:
        PatternError: It is none, no event can match it, or it does not limit which events there are by their source or type.
    """
    check_type("pattern", pattern, Mapping, "a dict such as {'detail-type': ['orders.paid']}")
    known: Mapping[str, Any] = pattern  # type: ignore[assignment]  # it is a mapping: checked above
    _check_fields(known, "pattern")
    for place, values in _leaves(known, "pattern"):
        for value in values:
            _check_value(place, value)
    check(
        _names(known),
        "pattern must limit 'source' or 'detail-type', in each alternative of an '$or': all events of the bus would match, and "
        f"those that the route's own function publishes there with them; got {known!r}",
    )
    text = json.dumps(known, default=dict)
    check(len(text) <= LONGEST_PATTERN, f"pattern must be at most {LONGEST_PATTERN} characters as JSON, got {len(text)}")
    document: dict[str, Any] = json.loads(text)
    return document


def warn_of_size(rule: Construct, pattern: Mapping[str, Any]) -> None:
    """Warn of a pattern that EventBridge takes only in an account whose quota was raised."""
    size = len(json.dumps(pattern, default=dict))
    if size > QUOTA:
        Annotations.of(rule).add_warning_v2(
            "serverless-patterns:event-pattern-size",
            f"pattern should be at most {QUOTA:,} characters as JSON, got {size:,}: EventBridge takes "
            f"{LONGEST_PATTERN:,} where its quota 'Event pattern size' was raised. Have it raised, name fewer values, or "
            "acknowledge this.",
        )


def exact_types(pattern: Mapping[str, Any]) -> set[str] | None:
    """The types that match, if the pattern lists them; ``None`` if others may match."""
    values = pattern.get("detail-type")
    if values is None or any(not isinstance(value, str) or Token.is_unresolved(value) for value in values):
        return None
    return set(values)


def _check_fields(pattern: Mapping[str, Any], place: str) -> None:
    unknown = sorted(str(key) for key in pattern if key not in {*FIELDS, "$or"})
    check(
        not unknown,
        f"{place} must have keys that an event has ({', '.join(FIELDS)}) or '$or', got {', '.join(map(repr, unknown))}: "
        "what is in an event's data is below 'detail'",
    )
    for alternative in pattern.get("$or", ()):
        if isinstance(alternative, Mapping):
            _check_fields(alternative, f"{place}['$or']")
    detail = pattern.get("detail")
    check(
        detail is None or isinstance(detail, Mapping),
        f"{place}['detail'] must be a dict such as {{'data': {{'currency': ['EUR']}}}}, got {detail!r}",
    )


def _leaves(pattern: Mapping[str, Any], place: str) -> Iterator[tuple[str, Sequence[Any]]]:
    check(pattern, f"{place} must have at least one key")
    for key, value in pattern.items():
        here = f"{place}[{key!r}]"
        if key == "$or":
            alternatives = (
                isinstance(value, list | tuple) and len(value) > 1 and all(isinstance(each, Mapping) for each in value)
            )
            check(alternatives, f"{here} must be a list of at least two dicts, got {value!r}")
            for number, alternative in enumerate(value):
                yield from _leaves(alternative, f"{here}[{number}]")
        elif isinstance(value, Mapping):
            yield from _leaves(value, here)
        else:
            check(isinstance(value, list | tuple), f"{here} must be a list of values, got {value!r}: write [{value!r}]")
            check(value, f"{here} is an empty list, which matches nothing: list the values, or leave the key out")
            yield here, value


def _check_value(place: str, value: object) -> None:
    check(value is not None, f"{place}: None does not reach EventBridge, since CDK leaves nulls out; use {{'exists': ...}}")
    if isinstance(value, Mapping):
        known = len(value) == 1 and set(value) <= set(CONDITIONS)
        check(known, f"{place}: a condition must be one of {', '.join(CONDITIONS)}, got {dict(value)!r}")
        return
    check(isinstance(value, str | int | float), f"{place} must hold texts, numbers, True, False and conditions, got {value!r}")
    below_detail = "['detail']" in place
    check(
        below_detail or isinstance(value, str),
        f"{place} must hold texts and conditions, got {value!r}: an event has only texts there",
    )
    check(
        not place.endswith(VERSION.removeprefix("pattern")) or not isinstance(value, str),
        f"{place} must hold numbers, got {value!r}: the version of an envelope is a number, such as 1",
    )


def _names(pattern: Mapping[str, Any]) -> bool:
    """Whether the pattern says which sources or types it means."""
    if any(name in pattern and all(value not in EVERYTHING for value in pattern[name]) for name in NAMING):
        return True
    return "$or" in pattern and all(_names(alternative) for alternative in pattern["$or"])
