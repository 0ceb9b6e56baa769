"""Checks of arguments, made while defining: the message names the argument, its value, what is allowed and how to mend it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import UnionType

from aws_cdk import Duration, Token

from serverless_patterns.errors import PatternError


def check(holds: object, message: str) -> None:
    """Raise a ``PatternError`` with this message unless the condition holds."""
    if not holds:
        raise PatternError(message)


def check_path_segment(resource: str) -> None:
    """Check the path segment of an API."""
    check(
        re.fullmatch(r"[a-z][a-z0-9-]{0,63}", resource),
        f"resource must be 1 to 64 lower-case letters, digits and hyphens, starting with a letter, got {resource!r}",
    )


def check_one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Check that a word is one of those allowed."""
    check(value in allowed, f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")


def check_texts(name: str, values: object) -> None:
    """Check that an argument is a list of texts: a text alone would be taken for the list of its letters."""
    holds = isinstance(values, Sequence) and not isinstance(values, str) and all(isinstance(value, str) for value in values)
    check(holds, f"{name} must be a list of texts, got {values!r}")


def check_named_texts(name: str, values: object) -> None:
    """Check that an argument is a dict of texts."""
    holds = isinstance(values, Mapping) and all(isinstance(text, str) for text in (*values, *values.values()))
    check(holds, f"{name} must be a dict of texts, got {values!r}")


def check_type(name: str, value: object, kind: type | UnionType, hint: str, *, optional: bool = False) -> None:
    """Check that an argument is of a type; the hint shows how one is made. A bool is no number."""
    if value is None and optional:
        return
    known = str(kind) if isinstance(kind, UnionType) else kind.__name__
    holds = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    check(holds, f"{name} must be {hint}, got {value!r} ({type(value).__name__}, not {known})")


def check_has(
    name: str, value: object, attribute: str, hint: str, *, optional: bool = False, options: type | None = None
) -> None:
    """Check that an argument is a resource of its kind, by what any of them has: imported ones are of types of their own.

    Args:
        name: What the user calls it.
        value: What was given.
        attribute: What any resource of its kind has.
        hint: What it is called.
        optional: Whether it may be ``None``.
        options: The options that will do as well, of one that is defined.

    Raises:
        PatternError: It is none.
    """
    left_out = optional and value is None
    holds = left_out or (options is not None and isinstance(value, options)) or hasattr(value, attribute)
    check(holds, f"{name} must be {hint}, got {value!r}")


def check_between(name: str, value: float, least: float, most: float, unit: str = "") -> None:
    """Check that a number lies in a range, both ends included; a CDK token passes, its value is not known yet."""
    if Token.is_unresolved(value):
        return
    check_type(name, value, int | float, f"a number from {least} to {most}{unit}")
    check(least <= value <= most, f"{name} must be {least} to {most}{unit}, got {value}{unit}")


def seconds_text(duration: Duration) -> str:
    """A duration as an environment variable says it; a token becomes a token."""
    return Token.as_string(duration.to_seconds()) if duration.is_unresolved() else f"{duration.to_seconds():.0f}"


def check_duration(name: str, value: Duration, *, least: int, most: int, why: str = "") -> None:
    """Check that a duration lies in a range of seconds, both ends included; a token passes."""
    check_type(name, value, Duration, "a duration such as Duration.seconds(10)")
    if value.is_unresolved():
        return
    check(value.to_milliseconds() % 1000 == 0, f"{name} must be whole seconds, got {value.to_milliseconds():g} ms")
    seconds = value.to_seconds()
    reason = f" ({why})" if why else ""
    check(least <= seconds <= most, f"{name} must be {least} to {most} s{reason}, got {int(seconds)} s")
