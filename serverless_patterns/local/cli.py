"""The command line of the local run: what each word does, and what it says when something is wrong."""

from __future__ import annotations

import argparse
import io
import re
import signal
import sys
from collections.abc import Sequence
from datetime import date
from typing import TextIO

from botocore.exceptions import BotoCoreError, ClientError

from serverless_patterns.errors import LocalRunError, PatternsError
from serverless_patterns.local import commands
from serverless_patterns.local.account import Account
from serverless_patterns.local.commands import COMMAND, Choice
from serverless_patterns.local.report import Report
from serverless_patterns.version import installed_version

DESCRIPTION = """Deploy the stacks on an AWS emulator on this machine, drive them, and see what happened.
No Docker, no account: only loopback, and nothing is left behind."""
PATTERN = "one pattern, such as api_crud; default: all"
EXIT_FAILED, EXIT_INTERRUPTED = 1, 130
#: What ends a command besides Ctrl-C: a terminal that is closed, and ``kill``.
ENDING = (signal.SIGHUP, signal.SIGTERM)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    _end_tidily()
    told = sys.stderr
    try:
        _run(options)
    except PatternsError as error:
        return _failed(told, f"error: {error}", EXIT_FAILED)
    except (BotoCoreError, ClientError) as error:
        return _failed(told, f"error: a call to AWS failed: {error}", EXIT_FAILED)
    except KeyboardInterrupt:
        return _failed(told, "interrupted: what this command has started is stopped", EXIT_INTERRUPTED)
    return 0


def _end_tidily() -> None:
    """Let what ends a command stop all that it has started; what is ignored, as under ``nohup``, stays so."""
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupt)


def _interrupt(_: int, __: object) -> None:
    """Take Ctrl-C: a terminal sends it to the Node of CDK's bindings as well, and what they write of its end helps nobody."""
    sys.stderr = io.StringIO()
    raise KeyboardInterrupt


def _end(number: int, _: object) -> None:
    for each in ENDING:
        signal.signal(each, signal.SIG_IGN)  # a second one must not end the stopping
    sys.exit(128 + number)  # as shells say it


def _run(options: argparse.Namespace) -> None:
    report = Report()
    choice = Choice(**{name: value for name, value in vars(options).items() if name in ("environment", "pattern", "app")})
    match options.command:
        case "up":
            commands.up(report, options.port)
        case "deploy":
            commands.deploy(report, choice)
        case "drive":
            commands.drive(report, choice, _elsewhere(options))
        case "report":
            commands.make_report(report, choice, options.date, _elsewhere(options), again=options.again)
        case "demo":
            commands.demo(report, choice)
        case "logs":
            commands.logs(report, choice, stack=options.stack, of_emulator=options.emulator)
        case "down":
            commands.down(report)


def _elsewhere(options: argparse.Namespace) -> Account | None:
    """Where the stacks are, if they are not in the running emulator."""
    if options.aws and options.environment == "local":
        msg = "--aws needs --environment with one that is deployed to AWS: local is for the emulator only"
        raise LocalRunError(msg)
    return Account(options.endpoint_url) if options.endpoint_url or options.aws else None


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        msg = f"must be a day such as 2026-03-01, got {text!r}"
        raise argparse.ArgumentTypeError(msg) from None


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[^/\s]+/?", text):
        msg = f"must be a URL such as http://localhost:4566, got {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return text.rstrip("/")


def _failed(told: TextIO, message: str, code: int) -> int:
    told.write(f"{message}\n")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=COMMAND, description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"serverless-patterns {installed_version()}")
    add = parser.add_subparsers(dest="command", required=True, metavar="command").add_parser
    environment, pattern, app, where = _shared_options()

    up = add("up", help="start an emulator that goes on running")
    up.add_argument("--port", type=int, help="the loopback port, 1 to 65535; default: a free one")
    add("deploy", help="deploy to the running emulator with the real `cdk deploy`", parents=[environment, pattern, app])
    add("drive", help="send requests through what is deployed, and follow each", parents=[environment, pattern, where])
    one = add("report", help="make the report of a day (a back-fill), and save its files", parents=[environment, where])
    one.add_argument("date", type=_day, help="the day, such as 2026-03-01; it must have ended")
    one.add_argument("--again", action="store_true", help="make it, and tell people, once more if it is there")
    add("demo", help="all at once: start, deploy, drive, show, stop", parents=[environment, pattern, app])
    logs = add("logs", help="print what the functions have logged", parents=[environment])
    of = logs.add_mutually_exclusive_group()
    of.add_argument("--pattern", help=PATTERN)
    of.add_argument("--stack", help="one stack by its name, such as one of your own app")
    of.add_argument("--emulator", action="store_true", help="the emulator's own log instead")
    add("down", help="stop the emulator and remove its state")
    return parser


def _shared_options() -> list[argparse.ArgumentParser]:
    environment, pattern, app, elsewhere = parsers = [argparse.ArgumentParser(add_help=False) for _ in range(4)]
    environment.add_argument("--environment", default="local", help="the environment of the stacks; default: local")
    pattern.add_argument("--pattern", help=PATTERN)
    app.add_argument("--app", help="the command of your own CDK app, such as 'python app.py'; default: what cdk.json says")
    where = elsewhere.add_mutually_exclusive_group()
    where.add_argument("--endpoint-url", type=_url, help="the stacks behind this endpoint instead, such as another emulator's")
    where.add_argument("--aws", action="store_true", help="the stacks of the AWS account of the current credentials")
    return parsers
