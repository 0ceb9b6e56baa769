"""What a local run prints: outputs are whole wherever they go, for they are copied and searched."""

import io

import pytest
from rich.console import Console

from serverless_patterns.local.report import Report

LONG = f"arn:aws:states:us-east-1:000000000000:stateMachine:{'Orders' * 40}"


@pytest.fixture
def page() -> io.StringIO:
    return io.StringIO()


def test_outputs_are_lines_that_name_each_value_whole(page: io.StringIO) -> None:
    Report(Console(file=page, width=80)).outputs("local-shop", {"StateMachineArn": LONG, "ApiUrl": "http://localhost/[1]"})
    assert page.getvalue() == (f"Outputs of local-shop\n ApiUrl           http://localhost/[1]\n StateMachineArn  {LONG}\n\n")


def test_a_terminal_shows_outputs_whole_too(page: io.StringIO) -> None:
    Report(Console(file=page, width=80, force_terminal=True, highlight=False)).outputs("local-shop", {"StateMachineArn": LONG})
    assert LONG in page.getvalue()


def test_a_stack_without_outputs_is_told_of_as_such(page: io.StringIO) -> None:
    Report(Console(file=page)).outputs("local-shop", {})
    assert page.getvalue() == "local-shop has no outputs.\n\n"
