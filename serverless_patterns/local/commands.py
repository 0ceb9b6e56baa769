"""The commands of the local run, each a few steps long."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from serverless_patterns.catalog import CATALOG, pattern_named
from serverless_patterns.environments import environment_named
from serverless_patterns.errors import LocalRunError
from serverless_patterns.local import venvs
from serverless_patterns.local.account import Account, Stack
from serverless_patterns.local.cdk_cli import BOOTSTRAP_STACK, App, CdkCli
from serverless_patterns.local.driving import NOT_DRIVEN, deployed, drive_all, drive_found
from serverless_patterns.local.emulator import Emulator, usable_port
from serverless_patterns.local.folders import needed
from serverless_patterns.local.functions import FunctionLog
from serverless_patterns.local.report import Report
from serverless_patterns.local.reports import Reports

COMMAND = "python -m serverless_patterns.local"


@dataclass(frozen=True)
class Choice:
    """What is deployed and driven.

    Args:
        environment: The environment of the stacks.
        pattern: One pattern. Default: all.
        app: The command of the user's own app. Default: the app of this folder's ``cdk.json``.
    """

    environment: str = "local"
    pattern: str | None = None
    app: str | None = None

    @property
    def cdk_app(self) -> App:
        """The CDK app in the current folder."""
        context = {"environment": self.environment, **({"pattern": self.pattern} if self.pattern else {})}
        return App(Path.cwd(), self.app, context)

    @property
    def stacks(self) -> dict[str, str]:
        """The names of the stacks to drive, each by its pattern."""
        patterns = [self.pattern] if self.pattern else [entry.name for entry in CATALOG]
        return {pattern: self.stack_of(pattern) for pattern in patterns}

    def check_pattern(self) -> None:
        """Refuse a pattern that there is not; an app of the user's own has patterns of its own.

        Raises:
            PatternError: There is none of this name; the message lists the names that there are.
        """
        if self.pattern and self.app is None:
            pattern_named(self.pattern)

    @property
    def not_driven(self) -> str | None:
        """Why what was deployed to the emulator cannot be driven there, if it cannot.

        Raises:
            UnknownEnvironmentError: There is no environment of this name.
        """
        if self.app is not None:
            return NOT_DRIVEN
        if environment_named(self.environment).operations.handler_platform != "host":
            return f"the handlers of {self.environment} are packed for Lambda, and only those of local for this machine"
        return None

    def stack_of(self, pattern: str) -> str:
        """The name of a pattern's stack."""
        return f"{self.environment}-{pattern.replace('_', '-')}"


def up(report: Report, port: int | None) -> None:
    """Start an emulator that goes on running."""
    if found := Emulator.of_folder(_folder()):
        if found.alive:
            report.say(f"The emulator is already running at {found.url}; `{COMMAND} down` stops it.")
            return
        found.stop()
    usable_port(port)  # said before anything is made
    with needed(_folder().parent, "run it in a folder that you may write to"):
        _folder().parent.mkdir(exist_ok=True)
        (_folder().parent / ".gitignore").write_text("*\n", encoding="utf-8")
    _build(report)
    with report.step("Emulator"):
        emulator = Emulator.start(_folder(), port=port, stop_with_parent=False)
    report.say(f"The emulator answers at {emulator.url}; its log is {emulator.log}.")


def deploy(report: Report, choice: Choice) -> None:
    """Deploy to the running emulator."""
    choice.check_pattern()
    emulator = _running()
    with emulator.watched():
        _deploy(report, choice, emulator)


def drive(report: Report, choice: Choice, account: Account | None) -> None:
    """Drive what is deployed, in the running emulator or somewhere else."""
    choice.check_pattern()
    if account:
        drive_found(report, account, choice.stacks)
        return
    emulator = _running()
    with emulator.watched():
        drive_found(report, Account(emulator.url), choice.stacks)


def make_report(report: Report, choice: Choice, day: date, account: Account | None, *, again: bool) -> None:
    """Make the report of a day, and save its files below the current folder."""
    account = account or Account(_running().url)
    reports = Reports(account, account.stack(choice.stack_of("scheduled_report")))
    with report.step(f"The report of {day}"):
        made = reports.make(day, again=again)
    report.say(f"{made['report']} of {made['date']}: {made['state']}, {made['rows']} rows.")
    for path in reports.save(made["keys"]):
        report.say(str(path))


def demo(report: Report, choice: Choice) -> None:
    """Start an emulator, deploy, drive, show what happened, and stop: nothing is left."""
    began = time.monotonic()
    choice.check_pattern()
    not_driven = choice.not_driven
    _build(report)
    with _private_folder() as folder:
        with report.step("Emulator"):
            emulator = Emulator.start(folder)
        with emulator, emulator.watched():
            _deploy(report, choice, emulator)
            account = Account(emulator.url)
            stacks = {} if not_driven else deployed(account, choice.stacks)
            drive_all(report, account, stacks)
            if not stacks:
                report.say(f"Deployed, and not driven: {not_driven or NOT_DRIVEN}.")
    report.say(f"All steps did what they should, in {time.monotonic() - began:.0f} s; everything is stopped and removed.")


def logs(report: Report, choice: Choice, *, stack: str | None, of_emulator: bool) -> None:
    """Print what the functions and APIs of each stack, or of one, or the emulator itself, have logged."""
    emulator = _running()
    if of_emulator:
        report.say(emulator.log.read_text(encoding="utf-8", errors="replace"))
        return
    account = Account(emulator.url)
    one = choice.stack_of(choice.pattern) if choice.pattern else stack
    names = [one] if one else sorted(account.stack_names() - {BOOTSTRAP_STACK})
    printed = [_print_log(report, account, account.stack(name)) for name in names]
    if not any(printed):
        report.say(f"Nothing is logged yet in {one or 'any stack'}.")


def _print_log(report: Report, account: Account, stack: Stack) -> bool:
    """Print what a stack has logged, and return whether it has logged anything."""
    found = {group: list(FunctionLog(account.client("logs"), group, since=0).lines()) for group in account.log_groups(stack)}
    for group, lines in found.items():
        if lines:
            report.say("\n".join([f"{stack.name}: {group}", *lines]))
    return any(found.values())


def down(report: Report) -> None:
    """Stop the emulator and remove its state."""
    found = Emulator.of_folder(_folder())
    if found:
        found.stop()
    if _folder().parent.exists():
        shutil.rmtree(_folder().parent)
    report.say("The emulator is stopped, its state is removed." if found else "No emulator is running here.")


def _build(report: Report) -> None:
    for venv, what in ((venvs.EMULATOR, "The emulator's own environment"), (venvs.RUNTIME, "The handlers' environment")):
        if not venv.built:
            with report.step(f"{what}, built once"):
                venv.build()


def _deploy(report: Report, choice: Choice, emulator: Emulator) -> None:
    cli, account = CdkCli(choice.cdk_app, emulator), Account(emulator.url)
    with report.step("Synth") as step:
        assembly = cli.synth(step.line)
        only_accepted = assembly.check(emulator.resource_types)
    if not cli.bootstrapped:
        with report.step("Bootstrap") as step:
            cli.bootstrap(assembly, step.line)
    with report.step(f"Deploy {', '.join(assembly.stacks)}") as step:
        cli.deploy(assembly, step.line)
    report.only_accepted(only_accepted)
    for name in assembly.stacks:
        stack = account.stack(name)
        report.outputs(name, {output: account.reachable(value) for output, value in stack.outputs.items()})


def _running() -> Emulator:
    found = Emulator.of_folder(_folder())
    if not found:
        msg = f"no emulator is running here: start one with `{COMMAND} up`, or see it all at once with `{COMMAND} demo`"
        raise LocalRunError(msg)
    if not found.alive:
        raise found.death()
    return found


def _folder() -> Path:
    return Path.cwd() / ".serverless-patterns" / "emulator"


@contextmanager
def _private_folder() -> Iterator[Path]:
    """A folder that is gone at the end; the emulator removes it itself when it stops."""
    folder = Path(tempfile.mkdtemp(prefix="serverless-patterns-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
