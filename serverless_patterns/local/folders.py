"""Folders that the local run cannot do without."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serverless_patterns.errors import LocalRunError


@contextmanager
def needed(folder: Path, way_out: str) -> Iterator[None]:
    """Say in one sentence that a folder cannot be used, and what helps.

    Args:
        folder: The folder that the block writes to.
        way_out: What helps.

    Raises:
        LocalRunError: It cannot be written to.
    """
    try:
        yield
    except OSError as error:
        msg = f"the folder {folder} cannot be used ({error.strerror}): {way_out}"
        raise LocalRunError(msg) from error
