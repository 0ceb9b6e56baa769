"""A function of the user's own, which a setting names."""

import importlib
from typing import Any

from shared.settings import SettingsError


def function_named(name: str, variable: str) -> Any:  # noqa: ANN401  only its user knows how it is called
    """The function that this variable names as ``module:function``; ``None`` if it names none.

    Raises:
        SettingsError: It cannot be imported, or is no function.
    """
    if not name:
        return None
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        msg = f"{variable} must be module:function, importable from the root of the code, got {name!r}: {error}"
        raise SettingsError(msg) from error
    if not callable(found):
        msg = f"{variable} must name a function, got {name!r}"
        raise SettingsError(msg)
    return found
