"""Which of the deployed stacks are driven, and the table of what happened in each."""

from __future__ import annotations

from collections.abc import Mapping

from serverless_patterns.errors import LocalRunError
from serverless_patterns.local.account import Account, Stack
from serverless_patterns.local.drives import drive_of
from serverless_patterns.local.hops import Hop
from serverless_patterns.local.report import Report

#: Why an app of the user's own is not driven.
NOT_DRIVEN = "the drives know only the stacks of this library's own app"


def deployed(account: Account, names: Mapping[str, str]) -> dict[str, Stack]:
    """The stacks of these names that there are, each by its pattern."""
    looked_up = {pattern: account.find_stack(name) for pattern, name in names.items()}
    return {pattern: stack for pattern, stack in looked_up.items() if stack}


def drive_found(report: Report, account: Account, names: Mapping[str, str]) -> None:
    """Drive the stacks of these names that there are, and say which there are not.

    Raises:
        LocalRunError: There is none of them, or a drive has found a fault.
    """
    stacks = deployed(account, names)
    if not stacks:
        msg = (
            f"there is nothing to drive at {account.url or 'AWS'}: no stack such as {min(names.values())} is deployed there "
            f"({NOT_DRIVEN}): deploy that first; to an app of your own send requests, at the addresses that `deploy` prints"
        )
        raise LocalRunError(msg)
    if missing := [name for pattern, name in names.items() if pattern not in stacks]:
        report.say(f"Not deployed, and so not driven: {', '.join(missing)}.")
    drive_all(report, account, stacks)


def drive_all(report: Report, account: Account, stacks: Mapping[str, Stack]) -> None:
    """Drive stacks one after the other."""
    for pattern, stack in stacks.items():
        _drive(report, account, pattern, stack)


def _drive(report: Report, account: Account, pattern: str, stack: Stack) -> None:
    hops: list[Hop] = []

    def on_hop(hop: Hop) -> None:
        hops.append(hop)
        step.line(hop.step)

    try:
        with report.step(f"Drive {stack.name}") as step:
            drive_of(pattern)(account, stack, on_hop)
    finally:
        report.hops(f"What happened in {stack.name}", hops)
