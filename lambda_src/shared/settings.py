"""Reading a handler's settings from its environment variables, once.

A variable that is missing or malformed names itself, so that the first line of a failed start says what to mend.
"""

import re
from collections.abc import Mapping
from pathlib import Path

_CODE_ROOT = Path(__file__).parents[1]
_RESOURCE = re.compile(r"[A-Za-z0-9_-]{1,64}")


class SettingsError(ValueError):
    """An environment variable is missing or malformed; the message begins with its name."""


def text(variables: Mapping[str, str], name: str, default: str | None = None) -> str:
    """The variable's text; without a default it must be there and not empty.

    Raises:
        SettingsError: The variable is missing or empty and has no default.
    """
    value = variables.get(name) or default
    if value is None:
        msg = f"{name} must be set"
        raise SettingsError(msg)
    return value


def texts(variables: Mapping[str, str], name: str) -> tuple[str, ...]:
    """The parts of a comma-separated variable; none if it is missing or empty."""
    return tuple(part.strip() for part in variables.get(name, "").split(",") if part.strip())


def integer(variables: Mapping[str, str], name: str, default: int, *, least: int, most: int) -> int:
    """The variable as a whole number from ``least`` to ``most``.

    Raises:
        SettingsError: It is no whole number, or outside the range.
    """
    given = text(variables, name, str(default))
    if not given.isdecimal() or len(given) > len(str(most)) or not least <= int(given) <= most:
        msg = f"{name} must be a whole number from {least} to {most}, got {given!r}"
        raise SettingsError(msg)
    return int(given)


def share(variables: Mapping[str, str], name: str, default: float) -> float:
    """The variable as a number from 0 to 1.

    Raises:
        SettingsError: It is no number, or outside the range.
    """
    given = text(variables, name, str(default))
    try:
        value = float(given)
    except ValueError:
        value = -1
    if not 0 <= value <= 1:
        msg = f"{name} must be a number from 0 to 1, got {given!r}"
        raise SettingsError(msg)
    return value


def choice(variables: Mapping[str, str], name: str, default: str, *, allowed: tuple[str, ...]) -> str:
    """The variable as one of the allowed words.

    Raises:
        SettingsError: It is another word.
    """
    given = text(variables, name, default)
    if given not in allowed:
        msg = f"{name} must be one of {', '.join(allowed)}, got {given!r}"
        raise SettingsError(msg)
    return given


def code_file(variables: Mapping[str, str], name: str) -> Path:
    """The file that the variable names, relative to the root of the code.

    Raises:
        SettingsError: The variable is missing or empty.
    """
    return _CODE_ROOT / text(variables, name)


def resource(variables: Mapping[str, str]) -> str:
    """The path segment of the collection, in RESOURCE.

    Raises:
        SettingsError: It is missing, or no path segment.
    """
    given = text(variables, "RESOURCE")
    if not _RESOURCE.fullmatch(given):
        msg = f"RESOURCE must be 1 to 64 letters, digits, - or _, got {given!r}"
        raise SettingsError(msg)
    return given


def allowed_origins(variables: Mapping[str, str]) -> tuple[tuple[str, ...], bool]:
    """The origins in ALLOW_ORIGINS, and whether their pages may send credentials, as ALLOW_CREDENTIALS says.

    Raises:
        SettingsError: ALLOW_CREDENTIALS is malformed, or goes with ``*``.
    """
    origins = texts(variables, "ALLOW_ORIGINS")
    credentials = choice(variables, "ALLOW_CREDENTIALS", "false", allowed=("true", "false")) == "true"
    if credentials and "*" in origins:
        msg = "ALLOW_CREDENTIALS must be false where ALLOW_ORIGINS has *: browsers refuse the two together"
        raise SettingsError(msg)
    return origins, credentials
