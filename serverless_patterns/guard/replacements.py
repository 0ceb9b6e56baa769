"""Which resources of a stack CloudFormation would create anew: those that change where they cannot, and those that name one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from serverless_patterns.guard.assemblies import Stack
from serverless_patterns.guard.emptying import emptiers
from serverless_patterns.guard.findings import Finding, Kind, path_of
from serverless_patterns.guard.stateful import fate, is_stateful, policy, strength
from serverless_patterns.guard.undeclared import Replacing, replacing
from serverless_patterns.guard.values import at, meaning, references

MEND = (
    "give it the old value again. If the new one is meant: define a second resource beside it, copy the data, and remove the "
    "old one in a later deploy"
)


@dataclass(frozen=True)
class Change:
    """Why a resource is created anew.

    Args:
        rule: What is written down of the property; ``None`` when it is the type that has changed.
        old: Its value until now.
        new: Its value from now on.
        certain: Whether there is no condition.
        by: The replaced resource that the value names; ``None`` when the value itself has changed.
    """

    rule: Replacing | None
    old: Any
    new: Any
    certain: bool
    by: str | None = None


def find_replaced(old: Stack, new: Stack) -> Iterator[Finding]:
    """The findings on resources with data that would be created anew."""
    for logical_id, changes in replaced(old, new).items():
        if is_stateful(old.resources[logical_id]):
            for change in changes:
                yield _finding(old, new, logical_id, change)


def replaced(old: Stack, new: Stack) -> dict[str, list[Change]]:
    """Logical id -> why, for every resource that would be created anew, whether it holds data or not."""
    both = [logical_id for logical_id in old.resources if logical_id in new.resources]
    found = {logical_id: changes for logical_id in both if (changes := list(_changes(old, new, logical_id)))}
    further = found
    while further:
        left = [logical_id for logical_id in both if logical_id not in found]
        further = {logical_id: changes for logical_id in left if (changes := list(_inherited(new, logical_id, found)))}
        found |= further
    return found


def _changes(old: Stack, new: Stack, logical_id: str) -> Iterator[Change]:
    before, after = old.resources[logical_id], new.resources[logical_id]
    if before["Type"] != after["Type"]:
        yield Change(None, before["Type"], after["Type"], certain=True)
        return
    for rule in replacing(after):
        was, will_be = rule.compared(
            meaning(at(before.get("Properties", {}), rule.pointer), old.template),
            meaning(at(after.get("Properties", {}), rule.pointer), new.template),
        )
        if was != will_be:
            yield Change(rule, was, will_be, rule.certain)


def _inherited(new: Stack, logical_id: str, found: Mapping[str, list[Change]]) -> Iterator[Change]:
    """The properties that keep their text, and name a resource that will be another one."""
    resource = new.resources[logical_id]
    for rule in replacing(resource):
        value = at(resource.get("Properties", {}), rule.pointer)
        for name in sorted(references(value) & set(found)):
            certain = rule.certain and any(change.certain for change in found[name])
            yield Change(rule, value, value, certain, name)


def _finding(old: Stack, new: Stack, logical_id: str, change: Change) -> Finding:
    before, after = old.resources[logical_id], new.resources[logical_id]
    path, changed = path_of(logical_id, after), (change.old, change.new)
    if change.rule is None:
        why = "CloudFormation refuses to change the type of a logical id: the deploy fails"
        mend = "give the new resource a construct id of its own, and remove the old one in a later deploy"
        return Finding(new.name, logical_id, path, before["Type"], Kind.REFUSED, "Type", *changed, why, mend)
    weakest = min((policy(each, "UpdateReplacePolicy") for each in (before, after)), key=strength)
    lost = fate(before["Type"], weakest, emptied=logical_id in emptiers(old))
    effect = f"it names {change.by}, which is replaced itself" if change.by else change.rule.effect
    why = f"{change.rule.source}, and {effect}: a new, empty one is created, and {lost}"
    kind = Kind.REPLACED if change.certain else Kind.MAY_BE_REPLACED
    name = change.rule.pointer.removeprefix("/properties/").replace("/", ".")
    return Finding(new.name, logical_id, path, before["Type"], kind, name, *changed, why, _mend(change, change.rule))


def _mend(change: Change, rule: Replacing) -> str:
    if change.by:
        return f"keep {change.by} as it is"
    return f"set UpdatePolicy.{rule.unless} to true, and it is changed in place" if rule.unless else MEND
