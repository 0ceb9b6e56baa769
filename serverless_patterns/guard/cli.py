"""The command line of the guard: what it takes, and what its exit code says."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from serverless_patterns.errors import GuardError
from serverless_patterns.guard.comparison import compare
from serverless_patterns.guard.report import as_json, as_text

COMMAND = "python -m serverless_patterns.guard"
DESCRIPTION = """Say what a deploy would do to the resources that hold data, before it does: which of them CloudFormation would
replace, remove, or protect less, and which change it would refuse. Offline; nothing is deployed."""
EPILOG = "Exit code: 0 when the deploy is safe, 1 when something was found, 2 when the input cannot be compared."
EXIT_SAFE, EXIT_FOUND, EXIT_UNUSABLE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, print, and return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        comparison = compare(options.old, options.new, dict(options.allow))
    except GuardError as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_UNUSABLE
    sys.stdout.write(f"{as_json(comparison) if options.json else as_text(comparison)}\n")
    return EXIT_FOUND if comparison.findings else EXIT_SAFE


def _allowance(text: str) -> tuple[str, str]:
    name, _, reason = text.partition("=")
    if not name.strip() or not reason.strip():
        msg = f"must be LOGICAL_ID=REASON, such as 'UsersTableEB101A78=moved to the new table', got {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return name.strip(), reason.strip()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=COMMAND, description=DESCRIPTION, epilog=EPILOG)
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
