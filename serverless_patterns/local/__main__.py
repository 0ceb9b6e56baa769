"""``python -m serverless_patterns.local``."""

import sys


def main() -> int:
    """Run the command line, or say how to get what it needs."""
    if sys.platform == "win32":
        sys.stderr.write("error: the local run needs Linux or macOS: on Windows, use the Windows Subsystem for Linux\n")
        return 1
    try:
        from serverless_patterns.local import cli  # noqa: PLC0415  what is missing is said here
    except ModuleNotFoundError as missing:
        sys.stderr.write(f"error: {missing.name} is missing: `pip install 'serverless-patterns[local]'` brings it\n")
        return 1
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
