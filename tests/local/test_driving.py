"""Which stacks a drive takes: those that there are; and what it says of the others."""

import io

import pytest
from rich.console import Console

from serverless_patterns.errors import LocalRunError
from serverless_patterns.local import driving
from serverless_patterns.local.account import Account, Stack
from serverless_patterns.local.report import Report

NAMES = {"api_crud": "local-api-crud", "sns_fanout": "local-sns-fanout"}
NOWHERE = "http://localhost:1"


class AccountWith(Account):
    """An account that has these stacks, and no others."""

    def __init__(self, *names: str) -> None:
        super().__init__(NOWHERE)
        object.__setattr__(self, "names", names)

    def find_stack(self, name: str) -> Stack | None:
        return Stack(name, {}) if name in self.names else None


@pytest.fixture
def driven(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The stacks that were driven."""
    done: list[str] = []
    monkeypatch.setattr(driving, "drive_of", lambda _: lambda _account, stack, _on_hop: done.append(stack.name))
    return done


def test_what_is_deployed_is_driven_and_what_is_not_is_named(driven):
    page = io.StringIO()
    driving.drive_found(Report(Console(file=page, width=132)), AccountWith("local-sns-fanout", "mine"), NAMES)
    assert driven == ["local-sns-fanout"]
    assert "Not deployed, and so not driven: local-api-crud.\n" in page.getvalue()


def test_stacks_of_an_app_of_ones_own_are_not_driven(driven):
    with pytest.raises(LocalRunError, match="to an app of your own send requests, at the addresses that `deploy` prints"):
        driving.drive_found(Report(), AccountWith("mine"), NAMES)
    assert driven == []


def test_a_stack_that_cannot_be_looked_up_is_not_taken_for_one_that_is_not_there():
    with pytest.raises(LocalRunError, match=f"local-api-crud cannot be looked up: .*; is {NOWHERE} the endpoint"):
        driving.drive_found(Report(), Account(NOWHERE), NAMES)
