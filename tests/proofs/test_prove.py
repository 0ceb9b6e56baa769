"""``make prove``: the table holds what must be zero, and the command says by its exit code whether it is."""

import io
from collections import Counter

import pytest
from rich.console import Console

from tests.proofs.subjects import STACKS
from tests.proofs.table import COLUMNS, PATTERNS, ZERO, Table, of_findings, of_traps, pattern_of
from tests.proofs.traps.every_trap import Outcome
from tests.proofs.traps.trap import Trap
from tools import prove
from tools.scan import Finding

WHOLE = {"functions": 1, "granted": 2, "used": 2, "mutants": 1, "seen": 3, "asserted": 1, "cdk-nag explained": 4, "traps": 5}
TRAP = Trap("something is wrong", "prod-api-crud", lambda _: None, lambda _: [])


def table(**figures):
    found = Table()
    found.count("prod-api-crud", {**WHOLE, **{name.replace("_", " "): number for name, number in figures.items()}})
    return found


def printed(found, caught=None):
    out = io.StringIO()
    prove.show(Console(width=250, file=out), found, caught or {})
    return out.getvalue()


def test_a_table_with_zero_where_it_is_due_proves():
    assert table().proves


@pytest.mark.parametrize("name", ZERO)
def test_a_figure_that_must_be_zero_and_is_not_proves_nothing(name):
    assert not table(**{name: 1}).proves


@pytest.mark.parametrize("name", sorted(set(WHOLE) - {"asserted"}))
def test_a_table_of_nothing_proves_nothing(name):
    assert not table(**{name: 0}).proves


def test_a_fault_proves_nothing_even_where_it_is_in_no_column():
    found = table()
    found.count("prod-api-crud", {}, ["wrong"])
    assert not found.proves
    assert found.faults == ["prod-api-crud: wrong"]


def test_the_parts_come_together_by_pattern():
    found = table(missing=1)
    found.add(table())
    assert found.rows["api_crud"]["functions"] == 2
    assert found.total["missing"] == 1


def test_every_template_is_of_a_pattern():
    assert {pattern_of(stack) for stack in STACKS} == set(PATTERNS)
    assert {pattern_of(name) for name in ("dev-api-crud", "api-crud-rest", "api_crud_rest_cognito")} == {"api_crud"}
    assert {pattern_of(name) for name in ("alerts", "staging-alerts")} == {"alerts"}


def test_a_finding_counts_by_whether_it_has_a_reason():
    explained = Finding("AwsSolutions", "IAM5[Resource::*]", "prod-api-crud", "Role")
    unexplained, forbidden = (
        Finding("cfn-lint", "E9999", "dev-api-crud", "Role"),
        Finding("cfripper", "S10", "prod-api-crud", "B"),
    )
    found = of_findings([explained, unexplained, forbidden])
    assert found.total == Counter({"cdk-nag explained": 1, "cfn-lint unexplained": 1, "cfripper unexplained": 1})
    assert [fault.partition(":")[0] for fault in found.faults] == ["prod-api-crud", "dev-api-crud"]


def test_a_trap_that_catches_nothing_is_missed_and_named():
    found = of_traps([Outcome(TRAP, ("seen",), ()), Outcome(TRAP, (), ()), Outcome(TRAP, ("seen",), ("seen",))])
    assert found.total == Counter({"traps": 3, "traps missed": 2})
    assert found.faults == ["prod-api-crud: nothing catches it when something is wrong"] * 2


def test_the_table_has_a_row_for_each_pattern_and_their_sum():
    text = printed(table(missing=7), {"something is wrong": "access: a check"})
    assert all(heading in text for heading in COLUMNS)
    assert all(name in text for name in (*PATTERNS, "something is wrong", "access: a check"))
    (row,) = [line for line in text.splitlines() if line.startswith("│ all ")]
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells == ["all", "1", "2", "2", "7", "0", "0", "0", "1/1", "4", "3", "1", "0 / 4", "0 / 0", "0 / 0", "5/5"]


@pytest.mark.parametrize(
    ("found", "failures", "code"),
    [(table(), [], 0), (table(missing=1), [], 1), (table(), ["scanners did not come to its end"], 1)],
)
def test_the_exit_code_says_whether_all_holds(monkeypatch, capsys, found, failures, code):
    monkeypatch.setattr(prove, "prove", lambda _console: (found, {}, failures))
    assert prove.main() == code
    assert all(failure in capsys.readouterr().out for failure in failures)
