"""Which resources of a stack CloudFormation would create anew: those that change where they cannot, and those that name one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from serverless_patterns.guard.assemblies import Stack
from serverless_patterns.guard.findings import Finding, Kind, path_of
from serverless_patterns.guard.schemas import create_only
from serverless_patterns.guard.stateful import fate, is_stateful, policy, strength
from serverless_patterns.guard.values import at, meaning, references

MEND = (
    "give it the old value again. If the new one is meant: define a second resource beside it, copy the data, and remove the "
    "old one in a later deploy"
)


@dataclass(frozen=True)
class Change:
    """Why a resource is created anew.

    Args:
        property: The pointer of the property; ``Type`` when that has changed.
        old: Its value until now.
        new: Its value from now on.
        certain: Whether the schema leaves no condition.
        by: The replaced resource that the value names; ``None`` when the value itself has changed.
    """

    property: str
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
        yield Change("Type", before["Type"], after["Type"], certain=True)
        return
    schema = create_only(before["Type"])
    for pointer in schema.pointers:
        was = meaning(at(before.get("Properties", {}), pointer), old.template)
        will_be = meaning(at(after.get("Properties", {}), pointer), new.template)
        if was != will_be:
            yield Change(pointer, was, will_be, certain=pointer in schema.always)


def _inherited(new: Stack, logical_id: str, found: Mapping[str, list[Change]]) -> Iterator[Change]:
    """The properties that keep their text, and name a resource that will be another one."""
    resource = new.resources[logical_id]
    schema = create_only(resource["Type"])
    for pointer in schema.pointers:
        value = at(resource.get("Properties", {}), pointer)
        for name in sorted(references(value) & set(found)):
            certain = pointer in schema.always and any(change.certain for change in found[name])
            yield Change(pointer, value, value, certain, name)


def _finding(old: Stack, new: Stack, logical_id: str, change: Change) -> Finding:
    before, after = old.resources[logical_id], new.resources[logical_id]
    kind, why, mend = _words(before, after, change)
    path = path_of(logical_id, after)
    name = change.property.removeprefix("/properties/").replace("/", ".")
    return Finding(new.name, logical_id, path, before["Type"], kind, name, change.old, change.new, why, mend)


def _words(before: Mapping[str, Any], after: Mapping[str, Any], change: Change) -> tuple[Kind, str, str]:
    if change.property == "Type":
        why = "CloudFormation refuses to change the type of a logical id: the deploy fails"
        return Kind.REFUSED, why, "give the new resource a construct id of its own, and remove the old one in a later deploy"
    weakest = min((policy(each, "UpdateReplacePolicy") for each in (before, after)), key=strength)
    why = f"{_reason(before['Type'], change)}: a new, empty one is created, and {fate(before['Type'], weakest)}"
    kind = Kind.REPLACED if change.certain else Kind.MAY_BE_REPLACED
    return kind, why, f"keep {change.by} as it is" if change.by else MEND


def _reason(resource_type: str, change: Change) -> str:
    always = change.property in create_only(resource_type).always
    listed = "createOnlyProperties" if always else "conditionalCreateOnlyProperties"
    effect = f"a change {'replaces' if always else 'may replace'} the resource"
    if change.by:
        effect = f"it names {change.by}, which is replaced itself"
    return f"CloudFormation's schema of {resource_type} lists it in {listed}, and {effect}"
