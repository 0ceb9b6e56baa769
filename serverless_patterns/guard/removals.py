"""Which resources with data leave their stack: removed, renamed, or moved to another one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from serverless_patterns.guard.assemblies import Stack, is_left_behind
from serverless_patterns.guard.emptying import emptiers
from serverless_patterns.guard.findings import Finding, Kind, path_of
from serverless_patterns.guard.stateful import fate, is_stateful, policy
from serverless_patterns.guard.values import meaning

Stacks = Mapping[str, Stack]
REFACTOR = "`cdk refactor --unstable=refactor` before this deploy (https://docs.aws.amazon.com/cdk/v2/guide/refactor.html)"


@dataclass(frozen=True)
class Place:
    """A resource that only one side has.

    Args:
        stack: Its stack.
        logical_id: Its logical id.
    """

    stack: Stack
    logical_id: str

    @property
    def resource(self) -> Mapping[str, Any]:
        """The resource."""
        return self.stack.resources[self.logical_id]

    @property
    def path(self) -> str:
        """Its construct path, or its logical id."""
        return path_of(self.logical_id, self.resource)

    def finding(self, kind: Kind, change: tuple[str, Any, Any], why: str, mend: str) -> Finding:
        """What is found on it: the property that says so, with both of its values."""
        return Finding(self.stack.name, self.logical_id, self.path, self.resource["Type"], kind, *change, why, mend)


def find_removed(old: Stacks, new: Stacks) -> Iterator[Finding]:
    """The findings on resources with data whose logical id their stack has no longer."""
    removed, added = list(_only_in(old, new)), list(_only_in(new, old))
    renamed = _pairs(removed, added)
    for index, place in enumerate(removed):
        successor = renamed.get(index)
        yield _rename(place, successor) if successor else _removal(place, stays=is_left_behind(place.stack, old, new))


def find_unconditioned(old: Stack, new: Stack) -> Iterator[Finding]:
    """The findings on resources with data that get another ``Condition``: where it does not hold, they are removed."""
    for logical_id, before in old.resources.items():
        after = new.resources.get(logical_id)
        if after and is_stateful(before):
            was, will_be = (condition_of(side, logical_id) for side in (old, new))
            if was != will_be and will_be is not None:
                why = f"where the condition does not hold, CloudFormation removes it: {_fate(Place(old, logical_id))}"
                mend = "leave the condition as it was, or none"
                yield Place(new, logical_id).finding(Kind.MAY_BE_REMOVED, ("Condition", was, will_be), why, mend)


def condition_of(stack: Stack, logical_id: str) -> Any:  # noqa: ANN401  JSON
    """The condition under which a resource is there, with its definition; ``None`` for none."""
    name = stack.resources[logical_id].get("Condition")
    return meaning({"Condition": name}, stack.template) if name else None


def _only_in(these: Stacks, others: Stacks) -> Iterator[Place]:
    for name, stack in these.items():
        known = others[name].resources if name in others else {}
        for logical_id, resource in stack.resources.items():
            if is_stateful(resource) and logical_id not in known:
                yield Place(stack, logical_id)


def _pairs(removed: list[Place], added: list[Place]) -> dict[int, Place]:
    """What looks like the same resource under another id: each addition goes to the removal that it resembles most."""
    scores = [(_likeness(was, now), -i, -j) for i, was in enumerate(removed) for j, now in enumerate(added)]
    found: dict[int, Place] = {}
    taken: set[int] = set()
    for score, i, j in sorted(scores, reverse=True):
        if score and -i not in found and -j not in taken:
            found[-i] = added[-j]
            taken.add(-j)
    return found


def _likeness(was: Place, now: Place) -> int:
    """0 for another type, or for what has neither stack, path nor properties in common."""
    if was.resource["Type"] != now.resource["Type"]:
        return 0
    before, after = (meaning(place.resource.get("Properties", {}), place.stack.template) for place in (was, now))
    alike = before == after and bool(before)
    return 4 * (was.path == now.path) + 2 * (was.stack.name == now.stack.name) + alike


def _rename(place: Place, successor: Place) -> Finding:
    moved = place.stack.name != successor.stack.name
    where = f"{successor.logical_id} in stack {successor.stack.name}" if moved else successor.logical_id
    why = (
        f"it looks like a {'move' if moved else 'rename'} to {where}, which CloudFormation sees as one resource removed and "
        f"another, empty one created: {_fate(place)}"
    )
    keep = f'keep the id, `construct.node.default_child.override_logical_id("{place.logical_id}")`, or take it along with '
    mend = f"{'take it along with ' if moved else keep}{REFACTOR}"
    return place.finding(Kind.RENAMED, ("logical id", place.logical_id, where), why, mend)


def _removal(place: Place, *, stays: bool) -> Finding:
    if stays:
        gone = "its stack is gone: `cdk deploy` leaves it as it is, and nothing updates it; once it is destroyed"
        why = f"{gone}, {_fate(place)}"
    else:
        why = f"it is in the template no longer, so CloudFormation removes it: {_fate(place)}"
    mend = "define it again with the same id. If it is meant to go: back up what you need, and allow it"
    return place.finding(Kind.REMOVED, ("logical id", place.logical_id, None), why, mend)


def _fate(place: Place) -> str:
    """By the policy of the deployed template: that is the one that CloudFormation follows for what is gone from the new."""
    written = policy(place.resource, "DeletionPolicy")
    emptied = place.logical_id in emptiers(place.stack)
    return f"under its DeletionPolicy {written}, {fate(place.resource['Type'], written, emptied=emptied)}"
