"""The user's processor, by its name."""

import importlib
from typing import cast

from s3_processing.api import Processor
from shared.settings import SettingsError


def processor_named(name: str) -> Processor | None:
    """The function that PROCESSOR names as ``module:function``; ``None`` if it names none.

    Raises:
        SettingsError: It cannot be imported, or is no function.
    """
    if not name:
        return None
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        msg = f"PROCESSOR must be module:function, importable from the root of the code, got {name!r}: {error}"
        raise SettingsError(msg) from error
    if not callable(found):
        msg = f"PROCESSOR must name a function, got {name!r}"
        raise SettingsError(msg)
    return cast("Processor", found)
