"""Filter policies of subscriptions, checked while defining: one that matches nothing is a subscriber that hears nothing.

The rules: https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html
The conditions: https://docs.aws.amazon.com/sns/latest/dg/string-value-matching.html and numeric-value-matching.html
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from aws_cdk import Token

from serverless_patterns._blocks.checks import check, check_type, shown

FilterOn = Literal["attributes", "body"]

MOST_KEYS = 5
MOST_COMBINATIONS = 150
#: SNS compares numbers in this range.
LARGEST_NUMBER = 1_000_000_000
TEXT_CONDITIONS = ("prefix", "suffix", "wildcard", "equals-ignore-case")
COMPARISONS = ("=", ">", ">=", "<", "<=")
#: What an attribute of a message can be called: https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html
ATTRIBUTE_NAME = re.compile(r"(?!(?:AWS|Amazon)\.)(?!.*\.\.)(?!\.)[A-Za-z0-9_.-]{1,256}(?<!\.)", re.IGNORECASE | re.ASCII)


def check_filter_policy(policy: object, filter_on: FilterOn) -> None:
    """Check that a filter policy is one, and that a message can be thought of that passes it.

    Raises:
        PatternError: It is none, is over a limit of SNS, or no message can pass it.
    """
    check_type("filter_policy", policy, Mapping, "a dict such as {'event_type': ['orders.paid']}")
    known: Mapping[str, Any] = policy  # type: ignore[assignment]  # it is a mapping: checked above
    check(known, "filter_policy must have at least one key; leave it out to get every message")
    leaves = list(_leaves(known, "filter_policy", nested=filter_on == "body"))
    check(len(leaves) <= MOST_KEYS, f"filter_policy must have at most {MOST_KEYS} keys, got {len(leaves)}: SNS takes no more")
    combinations = _combinations(known)
    check(
        combinations <= MOST_COMBINATIONS,
        f"filter_policy must have at most {MOST_COMBINATIONS} combinations (the numbers of values of all keys, multiplied; of "
        f"nested keys, times their depth), got {combinations}",
    )
    for place, conditions in leaves:
        for condition in conditions:
            _check_condition(place, condition)
    if filter_on == "attributes":
        _check_names(known)


def _check_names(policy: Mapping[str, Any]) -> None:
    """Check that there can be attributes of these names, unless it is their absence that passes."""
    for key, value in policy.items():
        if key == "$or":
            for alternative in value:
                _check_names(alternative)
        else:
            check(
                ATTRIBUTE_NAME.fullmatch(str(key)) or Token.is_unresolved(key) or {"exists": False} in value,
                f"filter_policy[{key!r}] matches nothing: no message has an attribute of that name; names have at most 256 "
                "letters, digits, '_', '-' and single '.' between them, and do not begin with 'AWS.' or 'Amazon.'",
            )


def _combinations(policy: Mapping[str, Any], depth: int = 1) -> int:
    """How many ways there are to pass, as SNS counts them: alternatives add up, keys multiply, depth weighs."""
    ways = 1
    for key, value in policy.items():
        if key == "$or":
            ways *= sum(_combinations(alternative, depth) for alternative in value)
        elif isinstance(value, Mapping):
            ways *= _combinations(value, depth + 1)
        else:
            ways *= len(value) * depth
    return ways


def _leaves(policy: Mapping[str, Any], place: str, *, nested: bool) -> Iterator[tuple[str, Sequence[Any]]]:
    for key, value in policy.items():
        here = f"{place}[{key!r}]"
        if key == "$or":
            alternatives = isinstance(value, list) and len(value) > 1 and all(isinstance(each, Mapping) for each in value)
            check(alternatives, f"{here} must be a list of at least two dicts, got {value!r}")
            for number, alternative in enumerate(value):
                check(alternative, f"{here}[{number}] must have at least one key")
                yield from _leaves(alternative, f"{here}[{number}]", nested=nested)
        elif isinstance(value, Mapping):
            check(
                nested, f"{here} must be a list of values: attributes have no parts; use filter_on='body' to filter on the body"
            )
            check(value, f"{here} must have at least one key")
            yield from _leaves(value, here, nested=nested)
        else:
            plain = isinstance(value, str | int | float)
            mend = f"[{value!r}]" if plain else "what SNS takes, such as ['orders.paid'] or [{'prefix': 'orders.'}]"
            check(isinstance(value, list | tuple), f"{here} must be a list of values, got {shown(value)}: write {mend}")
            check(value, f"{here} is an empty list, which matches nothing: list the values, or leave the key out")
            yield here, value


def _check_condition(place: str, condition: object) -> None:
    check(condition is not None, f"{place}: None does not reach SNS, since CDK leaves nulls out; use {{'exists': ...}}")
    if isinstance(condition, str | bool):
        return
    if isinstance(condition, int | float):
        _check_number(place, condition)
        return
    check(isinstance(condition, Mapping) and len(condition) == 1, f"{place}: a value or one condition, got {condition!r}")
    ((kind, operand),) = dict(condition).items()  # type: ignore[call-overload]  # it is a mapping: checked above
    known = {
        **dict.fromkeys(TEXT_CONDITIONS, _check_text),
        "anything-but": _check_exclusion,
        "cidr": _check_block,
        "exists": _check_existence,
        "numeric": _check_range,
    }
    check(kind in known, f"{place}: a condition must be one of {', '.join(sorted(known))}, got {kind!r}")
    known[kind](f"{place}: {kind}", operand)


def _check_number(place: str, number: object) -> None:
    holds = isinstance(number, int | float) and not isinstance(number, bool) and abs(number) <= LARGEST_NUMBER
    check(holds or _is_token(number), f"{place} must be a number from -{LARGEST_NUMBER} to {LARGEST_NUMBER}, got {number!r}")


def _is_token(number: object) -> bool:
    """Whether a number is CDK's stand-in for one; CDK's Node process does not survive the question for NaN or infinity."""
    return isinstance(number, float) and math.isfinite(number) and bool(Token.is_unresolved(number))


def _check_text(place: str, operand: object) -> None:
    check(isinstance(operand, str) and operand, f"{place} must be a text, got {operand!r}")


def _check_exclusion(place: str, operand: object) -> None:
    if isinstance(operand, Mapping):
        check(
            len(operand) == 1 and set(operand) <= set(TEXT_CONDITIONS),
            f"{place} must be values or one of {', '.join(TEXT_CONDITIONS)}, got {operand!r}",
        )
        ((kind, texts),) = operand.items()
        for text in texts if isinstance(texts, list | tuple) and texts else [texts]:
            _check_text(f"{place}: {kind}", text)
            everything = kind == "wildcard" and not text.strip("*")
            check(not everything, f"{place}: wildcard {text!r} leaves nothing over: nothing would ever arrive")
        return
    values = operand if isinstance(operand, list | tuple) else [operand]
    check(values, f"{place} must name at least one value, got {operand!r}")
    check(all(isinstance(value, str | int | float) for value in values), f"{place} must hold texts or numbers, got {operand!r}")


def _check_block(place: str, operand: object) -> None:
    try:
        ipaddress.ip_network(str(operand))
    except ValueError:
        check(holds=False, message=f"{place} must be an address block such as '10.0.0.0/24', got {operand!r}")


def _check_existence(place: str, operand: object) -> None:
    check(isinstance(operand, bool), f"{place} must be True or False, got {operand!r}")


def _check_range(place: str, operand: object) -> None:
    shape = isinstance(operand, list | tuple) and len(operand) in (2, 4)
    check(shape, f"{place} must be like ['>=', 10] or ['>', 0, '<', 100], got {operand!r}")
    parts = list(operand)  # type: ignore[call-overload]  # it is a list or a tuple: checked above
    # A bound and whether it is outside: the larger lower one and the smaller upper one are what remains.
    lower, upper = (-LARGEST_NUMBER, False), (LARGEST_NUMBER, True)
    for operator, number in zip(parts[::2], parts[1::2], strict=True):
        check(operator in COMPARISONS, f"{place}: a comparison must be one of {', '.join(COMPARISONS)}, got {operator!r}")
        _check_number(place, number)
        if _is_token(number):
            continue
        if operator in {"=", ">", ">="}:
            lower = max(lower, (number, operator == ">"))
        if operator in {"=", "<", "<="}:
            upper = min(upper, (number, operator != "<"))
    (least, without_least), (most, with_most) = lower, upper
    empty = least > most or (least == most and (without_least or not with_most))
    check(not empty, f"{place} {parts!r} matches no number: nothing would ever arrive")
