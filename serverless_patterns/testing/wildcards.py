"""Patterns with ``*`` and ``?``, as policies have them, and the policy variables in them.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache

from serverless_patterns.errors import PatternError
from serverless_patterns.testing.intrinsics import to_give

Values = str | Sequence[str]

_VARIABLE = re.compile(r"\$\{\s*([^},\s]*)\s*(?:,\s*'([^']*)'\s*)?\}")
#: A variable for a character that would else be a wildcard or begin a variable.
_LITERAL = "*?$"
#: An ARN has six parts; only the last may hold colons.
_PARTS = 6
#: What stands for characters that are no wildcards until the pattern is compiled: no policy may hold these.
_STAR, _ONE = "\x00", "\x01"


def matches(pattern: str, text: str, *, case: bool = True) -> bool:
    """Whether a text fits a pattern: ``*`` is any text, ``?`` one character."""
    return _compiled(pattern, case).fullmatch(text) is not None


def arn_matches(pattern: str, arn: str) -> bool:
    """Whether an ARN fits the pattern of a ``Resource``: case counts.

    A ``*`` at the end of a part goes beyond its colon, another one does not.
    """
    return _compiled_arn(pattern).fullmatch(arn) is not None


def arn_like(pattern: str, arn: str) -> bool:
    """Whether an ARN fits the pattern of ``ArnLike``: each of the six parts by itself."""
    patterns, parts = pattern.split(":", _PARTS - 1), arn.split(":", _PARTS - 1)
    return len(patterns) == len(parts) and all(matches(one, part) for one, part in zip(patterns, parts, strict=True))


def filled(pattern: str, context: Mapping[str, Values]) -> str:
    """A pattern with its policy variables replaced by what the request carries, in which no character is a wildcard.

    Args:
        pattern: A resource or a value of a condition.
        context: Condition key in lower case -> the request's value.

    Raises:
        PatternError: A variable has no value in the request, and no default.
    """

    def value(found: re.Match[str]) -> str:
        name, default = found.groups()
        known = name if name and name in _LITERAL else context.get(name.lower(), default)
        if not isinstance(known, str):
            msg = f"{pattern!r} holds the policy variable ${{{name}}}, which has no single value here: {_remedy(name)}"
            raise PatternError(msg)
        return known.replace("*", _STAR).replace("?", _ONE)

    return _VARIABLE.sub(value, pattern)


def plain(text: str) -> str:
    """A filled pattern as text, for operators that know no wildcards."""
    return text.replace(_STAR, "*").replace(_ONE, "?")


def _remedy(name: str) -> str:
    return to_give(f"${{{name}}}") or "give it in the context of the need, or name the resource in the policy"


@cache
def _compiled(pattern: str, case: bool) -> re.Pattern[str]:
    return re.compile(_translated(pattern, ".*"), re.DOTALL if case else re.DOTALL | re.IGNORECASE)


@cache
def _compiled_arn(pattern: str) -> re.Pattern[str]:
    parts = pattern.split(":", _PARTS - 1)
    translated = [_part(part) for part in parts[: _PARTS - 1]] + [_translated(part, ".*") for part in parts[_PARTS - 1 :]]
    return re.compile(":".join(translated), re.DOTALL)


def _part(part: str) -> str:
    """One of the first five parts of an ARN."""
    inner = part.removesuffix("*")
    return _translated(inner, "[^:]*") + ("" if inner == part else ".*")


def _translated(pattern: str, star: str) -> str:
    wild = {"*": star, "?": ".", _STAR: r"\*", _ONE: r"\?"}
    return "".join(wild.get(character) or re.escape(character) for character in pattern)
