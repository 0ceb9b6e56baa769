"""Drives: for each pattern one module of its name whose ``drive`` sends events through the deployed stack.

A drive is a list of promises: each step says what it shows and what must come of it, and the first that does not ends it.
Modules whose names begin with an underscore are parts of drives.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable

from serverless_patterns.errors import LocalRunError
from serverless_patterns.local.account import Account, Stack
from serverless_patterns.local.hops import OnHop

Drive = Callable[[Account, Stack, OnHop], None]


def driven_patterns() -> list[str]:
    """The patterns that have a drive."""
    return [module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")]


def drive_of(pattern: str) -> Drive:
    """The drive of a pattern.

    Raises:
        LocalRunError: It has none; the message lists the ones that have.
    """
    if pattern not in driven_patterns():
        msg = f"there is no drive for the pattern {pattern!r}, only for {', '.join(driven_patterns())}"
        raise LocalRunError(msg)
    drive: Drive = importlib.import_module(f"{__name__}.{pattern}").drive
    return drive
