"""The command line of the guard: what it takes, and what its exit code says."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from serverless_patterns.errors import GuardError
from serverless_patterns.version import installed_version

COMMAND = "python -m serverless_patterns.guard"
DESCRIPTION = """Say what a deploy would do to the resources that hold data, before it does: which of them CloudFormation would
replace, remove, or protect less, and which change it would refuse. Offline; nothing is deployed."""
EPILOG = (
    "Exit code: 0 when the deploy is safe, 1 when something was found, 2 when the input cannot be compared, or not all of it."
)
EXIT_SAFE, EXIT_FOUND, EXIT_UNUSABLE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, print, and return the exit code; or say how to get what that needs."""
    options = _parser().parse_args(arguments)
    try:
        from serverless_patterns.guard.comparison import compare  # noqa: PLC0415  help needs nothing of it
        from serverless_patterns.guard.report import as_json, as_text  # noqa: PLC0415  the same
    except ModuleNotFoundError as missing:
        sys.stderr.write(f"error: {missing.name} is missing: `pip install 'serverless-patterns[guard]'` brings it\n")
        return EXIT_UNUSABLE  # not 1, which says that something was found
    try:
        comparison = compare(options.old, options.new, dict(options.allow))
    except GuardError as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_UNUSABLE
    sys.stdout.write(f"{as_json(comparison) if options.json else as_text(comparison)}\n")
    if comparison.is_partial:
        return EXIT_UNUSABLE
    return EXIT_FOUND if comparison.findings else EXIT_SAFE


def _allowance(text: str) -> tuple[str, str]:
    name, _, reason = text.partition("=")
    if not name.strip() or not reason.strip():
        msg = f"must be LOGICAL_ID=REASON, such as 'UsersTableEB101A78=moved to the new table', got {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return name.strip(), reason.strip()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=COMMAND, description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("--version", action="version", version=f"serverless-patterns {installed_version()}")
    kinds = "a cdk.out folder, a folder of templates, or a template file"
    parser.add_argument("old", metavar="OLD", type=Path, help=f"what is deployed: {kinds}")
    parser.add_argument("new", metavar="NEW", type=Path, help="what is about to be deployed: the same")
    parser.add_argument("--json", action="store_true", help="print one object of JSON instead of words")
    parser.add_argument(
        "--allow",
        metavar="LOGICAL_ID=REASON",
        type=_allowance,
        action="append",
        default=[],
        help="what is found for this resource is meant, and why; STACK/LOGICAL_ID for that of one stack; may be given again",
    )
    return parser
