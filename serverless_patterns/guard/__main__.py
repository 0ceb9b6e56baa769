"""``python -m serverless_patterns.guard``."""

import sys


def main() -> int:
    """Run the command line, or say how to get what it needs."""
    try:
        from serverless_patterns.guard import cli  # noqa: PLC0415  what is missing is said here
    except ModuleNotFoundError as missing:
        sys.stderr.write(f"error: {missing.name} is missing: `pip install 'serverless-patterns[guard]'` brings it\n")
        return 2  # not 1, which says that something was found
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
