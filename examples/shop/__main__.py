"""``python -m examples.shop``: deploy the shop on this machine, tell its story, count, and stop everything."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from examples.shop.books import Line
from examples.shop.story import tell
from serverless_patterns.errors import PatternsError
from serverless_patterns.local.account import Account
from serverless_patterns.local.cdk_cli import App, CdkCli
from serverless_patterns.local.emulator import Emulator
from serverless_patterns.local.report import Report

SHOP = Path(__file__).parent


def main() -> int:
    """Run it; 0 if all counts are as they must be."""
    report = Report()
    try:
        with tempfile.TemporaryDirectory() as folder, _started(report, Path(folder)) as emulator, emulator.watched():
            deploy(report, emulator)
            books = tell(Account(emulator.url), report.say)
    except PatternsError as error:
        report.say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        report.say("interrupted: everything is stopped and removed")
        return 130
    return show(report, books)


def deploy(report: Report, emulator: Emulator) -> None:
    """Deploy all stacks, by the real ``cdk deploy``."""
    cli = CdkCli(App(SHOP, context={"environment": "local"}), emulator)
    with report.step("Synth") as step:
        assembly = cli.synth(step.line)
        assembly.check(emulator.resource_types)
    if not cli.bootstrapped:
        with report.step("Bootstrap") as step:
            cli.bootstrap(assembly, step.line)
    with report.step(f"Deploy {', '.join(assembly.stacks)}") as step:
        cli.deploy(assembly, step.line)


def show(report: Report, books: Sequence[Line]) -> int:
    """Print the books; 1 if a line does not hold, else 0."""
    report.say("\nThe books")
    for line in books:
        report.say(f"  {line}")
    return 0 if all(line.holds for line in books) else 1


def _started(report: Report, folder: Path) -> Emulator:
    with report.step("Emulator"):
        return Emulator.start(folder / "emulator")


if __name__ == "__main__":
    sys.exit(main())
