"""Checks of arguments, made while defining: the message names the argument, its value, what is allowed and how to mend it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from types import UnionType

from aws_cdk import Duration, Token

from serverless_patterns.errors import PatternError

#: Letters of a value in a message.
LONGEST_SHOWN = 120
#: What the ARN of a resource is called -> what patterns call the resource, where that is another word.
SHOWN_AS = {"event_bus_arn": "bus", "secret_arn": "payment_secret"}


def check(holds: object, message: str) -> None:
    """Raise a ``PatternError`` with this message unless the condition holds."""
    if not holds:
        raise PatternError(message)


def shown(value: object) -> str:
    """A value as a message shows it: as it is written if that is short, else by its class alone."""
    text = repr(value)
    is_told = len(text) <= LONGEST_SHOWN and not re.search(r" at 0x[0-9a-f]+>", text)
    return text if is_told or isinstance(value, str) else f"<{type(value).__name__}>"


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
    part = f"; did you mean its .{name}?" if not holds and isinstance(getattr(value, name, None), kind) else ""
    check(holds, f"{name} must be {hint}, got {shown(value)} ({type(value).__name__}, not {known}){part}")


def check_has(
    name: str,
    value: object,
    attribute: str,
    hint: str,
    *,
    optional: bool = False,
    options: type | None = None,
    imported: str = "",
) -> None:
    """Check that an argument is a resource of its kind, by what any of them has: imported ones are of types of their own.

    Args:
        name: What the user calls it.
        value: What was given.
        attribute: What any resource of its kind has.
        hint: What it is called.
        optional: Whether it may be ``None``.
        options: The options that will do as well, of one that is defined.
        imported: How one is imported, for those who give its name or ARN.

    Raises:
        PatternError: It is none.
    """
    left_out = optional and value is None
    holds = left_out or (options is not None and isinstance(value, options)) or hasattr(value, attribute)
    part = SHOWN_AS.get(attribute, attribute.removesuffix("_arn"))
    mend = f"; import it: {imported}" if isinstance(value, str) and imported else ""
    if hasattr(type(value), part):  # a pattern: its class is asked, since the part itself may be refused
        mend = f"; did you mean its .{part}?"
    check(holds, f"{name} must be {hint}, got {shown(value)}{mend}")


def check_grantee(grantee: object) -> None:
    """Check that a grant is for somebody: CDK says so in words of its own process.

    Raises:
        PatternError: It is no principal, and has none.
    """
    check(
        hasattr(grantee, "grant_principal"),
        "grantee must be a role, a user, or what has one, such as a function, got "
        f"{shown(grantee)}; import a role: iam.Role.from_role_arn(self, 'Role', arn)",
    )


def check_between(name: str, value: float, least: float, most: float, unit: str = "") -> None:
    """Check that a number lies in a range, both ends included; a CDK token passes, its value is not known yet."""
    check_type(name, value, int | float, f"a number from {least} to {most}{unit}")
    if math.isfinite(value) and Token.is_unresolved(value):  # what is not finite breaks CDK's own process
        return
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
