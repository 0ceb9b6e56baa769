"""What runs once when code is packed, before it is deployed: can the handler use the file that was packed with it?

Each pattern that takes such a file has a module ``self_check`` of its own, which says which one and what reads it.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from shared.settings import SettingsError


def main(file: Path, load: Callable[[Path, str], object], *, required: bool = False) -> None:
    """End with the reason if it cannot.

    Args:
        file: The file.
        load: What the handler reads it with: it is given the file, and what to call it.
        required: Whether there must be such a file. Default: if there is none, nothing is checked.
    """
    if not required and not file.exists():
        return
    try:
        load(file, file.stem)
    except SettingsError as error:
        sys.exit(str(error))
