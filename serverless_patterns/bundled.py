"""Where the handlers are that come with the library."""

from pathlib import Path


def lambda_source() -> Path:
    """The import root of the bundled handlers: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent
    shipped = package / "_lambda_src"
    return shipped if shipped.is_dir() else package.parent / "lambda_src"
