"""Running a function's scenarios: with its calls written down, with nothing but its role, and with one grant less."""

import contextlib
import functools
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from serverless_patterns.testing.actions import needs_of_all
from serverless_patterns.testing.calls import Call, record
from serverless_patterns.testing.enforcement import enforced
from serverless_patterns.testing.mutation import Mutant, mutants
from serverless_patterns.testing.need import Need
from serverless_patterns.testing.needs import derived_needs
from serverless_patterns.testing.permissions import Grant, Permissions
from serverless_patterns.testing.report import FunctionReport
from tests.proofs.subjects import Subject
from tests.proofs.world import Boundary, Scenario, world_of


@dataclass(frozen=True)
class Measured:
    """What a function did in its scenarios, and what its role may do.

    Args:
        permissions: What the role may do.
        called: Scenario -> what its calls need.
        report: All that the role needs, against what it may do.
    """

    permissions: Permissions
    called: Mapping[Scenario, frozenset[Need]]
    report: FunctionReport

    @property
    def excess_elsewhere(self) -> list[Grant]:
        """What the policies of buckets, queues and the like let the role do, and no call needs."""
        policies = self.permissions.resource_policies
        own = [each for each in policies if each.effect == "Allow" and ("AWS", self.permissions.principal) in each.principals]
        grants = Permissions(tuple(own)).grants
        return [grant for grant in grants if not any(grant.covers(need) for need in self.report.used)]


@functools.cache
def measured(subject: Subject) -> Measured:
    """Run all scenarios of a function once, with permission for everything."""
    called = {scenario: frozenset(_needs(subject, scenario)) for scenario in subject.scenarios}
    permissions = subject.template.permissions(subject.role)
    needs = [*derived_needs(subject.template, subject.function), *(need for each in called.values() for need in each)]
    return Measured(permissions, called, FunctionReport.of(f"{subject.stack}/{subject.name}", permissions, needs))


def _needs(subject: Subject, scenario: Scenario) -> list[Need]:
    calls: list[Call] = []

    @contextlib.contextmanager
    def recording() -> Iterator[None]:
        with record() as made:
            try:
                yield
            finally:
                calls.extend(made)

    run(subject, scenario, recording)
    return needs_of_all(calls, subject.template)


def run(subject: Subject, scenario: Scenario, boundary: Boundary) -> None:
    """Let a scenario run in a world of its own. What the function logs is nobody's business here."""
    with contextlib.redirect_stdout(io.StringIO()), world_of(subject.template, subject.function, boundary) as world:
        scenario(world)


def run_with(subject: Subject, scenario: Scenario, permissions: Permissions) -> None:
    """Let a scenario run in which the function may do this, and nothing else."""
    run(subject, scenario, lambda: enforced(permissions, subject.template))


@functools.cache
def survivors(subject: Subject) -> list[Mutant]:
    """What could be taken from the role without a scenario failing."""
    return [mutant for mutant in mutants_of(subject) if not _is_noticed(subject, mutant)]


def mutants_of(subject: Subject) -> list[Mutant]:
    """The role without each grant that a call uses, one at a time."""
    found = measured(subject)
    return list(mutants(found.permissions, frozenset[Need]().union(*found.called.values())))


def _is_noticed(subject: Subject, mutant: Mutant) -> bool:
    """Whether one of the scenarios that use what was taken away fails."""
    called = measured(subject).called
    return any(fails(subject, scenario, mutant.permissions) for scenario, used in called.items() if used & mutant.needs)


def fails(subject: Subject, scenario: Scenario, permissions: Permissions) -> bool:
    """Whether a scenario notices that the function may do no more than this."""
    try:
        run_with(subject, scenario, permissions)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001  whatever a scenario fails by; a failure of pytest's is no Exception
        return True
    return False
