"""Mistakes that are planted on purpose: each is found by the check that is there for it, which finds nothing without it.

Those that the scanners must see are planted in tests/test_scanners.py, where the scanners run.
"""

from collections import Counter
from pathlib import Path

import pytest

from tests.proofs.checks.deliveries import wrongly_looped
from tests.proofs.traps.every_trap import SCANNED, TRAPS, outcomes
from tests.proofs.traps.plants import setting_in_policy
from tests.proofs.traps.trap import Rule, Trap

TESTS = Path(__file__).resolve().parents[1]
#: Checks that are one template's share of what a test asks of all -> what that test says.
SHARES = {
    "broken_by": "broken_promises(",
    "done_to_data": "broken_promises(",
    "inexact_services": "service_reports(",
    "missing_permissions": "report.missing == ()",
    "needless_permissions": "report.excess == ()",
    "permissions_too_wide": "report.scope == ()",
    "scenarios_that_fail": "run_with(",
}
ALL_BUT_SOME = setting_in_policy(
    "AWS::IAM::ManagedPolicy", "Worker", {"Effect": "Allow", "NotAction": "iam:*", "NotResource": "arn:aws:s3:::b"}
)
CHECKED = [trap for trap in TRAPS if isinstance(trap, Trap) and not isinstance(trap.check, Rule)]


@pytest.mark.parametrize("trap", [trap for trap in TRAPS if trap not in SCANNED], ids=lambda trap: trap.mistake)
def test_a_mistake_is_caught_by_its_check(trap):
    (outcome,) = outcomes([trap], [])
    assert outcome.found_without == ()
    assert outcome.found


@pytest.mark.parametrize("check", sorted({trap.caught_by for trap in CHECKED}))
def test_a_check_that_catches_a_mistake_is_made_of_every_template_by_a_test(check):
    """A check that only the traps make would catch nothing of what is released."""
    name = check.partition(": ")[2].replace(" ", "_")
    others = [file.read_text(encoding="utf-8") for file in TESTS.rglob("test_*.py") if file != Path(__file__)]
    assert [text for text in others if SHARES.get(name, name) in text]


def test_no_mistake_is_planted_twice_under_one_name():
    assert [mistake for mistake, times in Counter(trap.mistake for trap in TRAPS).items() if times > 1] == []
    assert len({trap.slug for trap in SCANNED}) == len(SCANNED)


def test_a_mistake_that_nothing_catches_is_seen():
    trap = Trap("a description is another one", "prod-api-crud", _describe, lambda _: [])
    assert not outcomes([trap], [])[0].is_caught


def test_a_check_that_complains_of_everything_catches_nothing():
    trap = Trap("a description is another one", "prod-api-crud", _describe, lambda _: ["wrong"])
    assert not outcomes([trap], [])[0].is_caught


def test_a_plant_that_changes_nothing_is_refused():
    trap = Trap("nothing", "prod-api-crud", lambda _: None, lambda _: ["wrong"])
    with pytest.raises(AssertionError, match="nothing was changed"):
        outcomes([trap], [])


def test_a_statement_of_all_but_some_hides_no_loop():
    (loop,) = [trap for trap in CHECKED if trap.check is wrongly_looped]
    both = Trap("both", loop.stack, lambda resources: [plant(resources) for plant in (loop.plant, ALL_BUT_SOME)], loop.check)
    assert both.check(both.planted) == loop.check(loop.planted) != []


def _describe(resources):
    resources["ProductsFunction658D4772"]["Properties"]["Description"] = "Another one"
