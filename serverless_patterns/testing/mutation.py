"""Whether the scenarios would notice a missing permission: take away one at a time, and see one of them fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from serverless_patterns.testing.actions import needs_of_all
from serverless_patterns.testing.calls import record
from serverless_patterns.testing.enforcement import enforced
from serverless_patterns.testing.need import Need
from serverless_patterns.testing.permissions import Grant, Permissions
from serverless_patterns.testing.template import ResolvedTemplate

#: Something that drives the handler and looks at what came of it; it fails by raising.
Scenario = Callable[[], object]


@dataclass(frozen=True)
class Mutant:
    """Permissions without one that is used.

    Args:
        denied: What was taken away: a grant of the role, or a need that only the policy of a resource allows.
        permissions: What is left.
        needs: The needs that are not allowed any more.
    """

    denied: Grant | Need
    permissions: Permissions
    needs: frozenset[Need]


def mutants(permissions: Permissions, needs: Iterable[Need]) -> Iterator[Mutant]:
    """Each permission that is used, taken away by itself.

    Args:
        permissions: What the role may do.
        needs: What the handler's calls need. Not those that the template alone shows: no scenario could miss them.
    """
    used = sorted({need for need in needs if permissions.allows(need)})
    grants = [grant for grant in permissions.grants if any(grant.covers(need) for need in used)]
    others = [need for need in used if not any(grant.covers(need) for grant in grants)]
    each_by_itself: list[Grant | Need] = [*grants, *others]
    for denied in each_by_itself:
        left = permissions.without(denied)
        yield Mutant(denied, left, frozenset(need for need in used if not left.allows(need)))


def survivors(permissions: Permissions, template: ResolvedTemplate, scenarios: Sequence[Scenario]) -> list[Mutant]:
    """The permissions that could go and no scenario would fail: it does not look at what the call is for, or hides its failure.

    Each scenario runs once with all permissions; then, for each permission, those run that use it, until one fails.

    Args:
        permissions: What the role may do.
        template: The template with the stack's own resources.
        scenarios: Run anew each time, in this order: each prepares what it needs itself.

    Raises:
        Exception: A scenario fails even with all permissions.
    """
    needs = [_needs(scenario, permissions, template) for scenario in scenarios]
    return [
        mutant
        for mutant in mutants(permissions, set().union(*needs))
        if not any(
            _fails(scenario, mutant.permissions, template)
            for scenario, used in zip(scenarios, needs, strict=True)
            if used & mutant.needs
        )
    ]


def _needs(scenario: Scenario, permissions: Permissions, template: ResolvedTemplate) -> set[Need]:
    """What a scenario uses."""
    with record() as calls, enforced(permissions, template):
        scenario()
    return set(needs_of_all(calls, template))


def _fails(scenario: Scenario, permissions: Permissions, template: ResolvedTemplate) -> bool:
    """Whether a scenario notices; a failure of pytest's is no ``Exception``."""
    try:
        with enforced(permissions, template):
            scenario()
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001  whatever a scenario fails by
        return True
    return False
