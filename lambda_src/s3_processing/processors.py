"""The user's processor, by its name."""

from typing import cast

from s3_processing.api import Processor
from shared.user_code import function_named


def processor_named(name: str) -> Processor | None:
    """The function that PROCESSOR names as ``module:function``; ``None`` if it names none.

    Raises:
        SettingsError: It cannot be imported, or is no function.
    """
    return cast("Processor | None", function_named(name, "PROCESSOR"))
