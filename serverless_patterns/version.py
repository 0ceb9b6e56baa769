"""Which version of the library this is."""

from importlib.metadata import PackageNotFoundError, version


def installed_version() -> str:
    """The version that is installed, such as ``0.1.0``; ``not installed`` in a checkout."""
    try:
        return version("serverless-patterns")
    except PackageNotFoundError:
        return "not installed"
