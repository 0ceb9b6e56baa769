"""Nested stacks whose templates are not there: what a deploy does to the data in them cannot be known, and must be said.

The templates of nested stacks are there in a cloud assembly, and in a folder of templates where somebody has put them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from serverless_patterns.guard.assemblies import NESTED, Stack, is_left_behind
from serverless_patterns.guard.findings import Finding, Kind
from serverless_patterns.guard.removals import Place, condition_of
from serverless_patterns.guard.stateful import policy, strength
from serverless_patterns.guard.values import meaning

Stacks = Mapping[str, Stack]
UNSEEN = "what it holds cannot be known, because its template is not there"
DELETES = "deletes it, and what it holds by the policies in it"
FETCH = (
    "put the templates of nested stacks into a folder beside that of their parent and called as it is: {0}/{1}.json; "
    "docs/upgrading.md has the commands that fetch them"
)
KEEP = "keep the construct id of the nested stack. If it is meant to go: back up what you need, and allow it"


def seen_by_both(old: Stacks, new: Stacks) -> tuple[dict[str, Stack], dict[str, Stack]]:
    """Both sides without the nested stacks whose template the other side should have and has not."""
    unseen_old, unseen_new = unseen(old), unseen(new)
    return (
        {name: stack for name, stack in old.items() if not _is_in(name, unseen_new)},
        {name: stack for name, stack in new.items() if not _is_in(name, unseen_old)},
    )


def unseen(stacks: Stacks) -> set[str]:
    """The names of the nested stacks that a side has, and whose templates it has not."""
    nested = {_name(stack, key) for stack in stacks.values() for key, each in stack.resources.items() if _is_nested(each)}
    return nested - stacks.keys()


def _is_in(name: str, others: set[str]) -> bool:
    return any(name == other or name.startswith(f"{other}/") for other in others)


def find_in_nested(old: Stacks, new: Stacks) -> Iterator[Finding]:
    """The findings on nested stacks that go, may go, or change unseen."""
    for stack in old.values():
        later = new.get(stack.name, Stack(stack.name, {"Resources": {}}))
        for place in (Place(stack, key) for key, each in stack.resources.items() if _is_nested(each)):
            read = _name(stack, place.logical_id) in old
            after = later.resources.get(place.logical_id)
            if after and _is_nested(after):
                yield from _conditioned(place, later)
                if not read or _name(stack, place.logical_id) not in new:
                    yield from _changed(place, later, "on one side" if read else "")
            elif not read:
                yield _gone(place, after, stays=is_left_behind(stack, old, new))


def _conditioned(place: Place, new: Stack) -> Iterator[Finding]:
    """The finding on a nested stack that gets another ``Condition``."""
    was, will_be = (condition_of(side, place.logical_id) for side in (place.stack, new))
    if was != will_be and will_be is not None:
        why = f"where the condition does not hold, CloudFormation {DELETES}"
        yield place.finding(Kind.MAY_BE_REMOVED, ("Condition", was, will_be), why, "leave the condition as it was, or none")


def _changed(place: Place, new: Stack, where: str) -> Iterator[Finding]:
    """The finding on a nested stack that changes, while one of its templates is not there."""
    was, will_be = (
        meaning(side.resources[place.logical_id].get("Properties", {}), side.template) for side in (place.stack, new)
    )
    if was != will_be:
        keys = [key for key in was.keys() | will_be.keys() if was.get(key) != will_be.get(key)]
        was, will_be = ({key: each[key] for key in sorted(keys) if key in each} for each in (was, will_be))
        why = f"the nested stack changes, and {UNSEEN} {where}".rstrip()
        mend = FETCH.format(place.stack.name, place.logical_id)
        yield place.finding(Kind.NOT_COMPARED, ("Properties", was, will_be), why, mend)


def _gone(place: Place, after: Mapping[str, Any] | None, *, stays: bool) -> Finding:
    """The finding on a nested stack that is in the template no longer, or that another resource stands for."""
    if after:
        why = "CloudFormation refuses to change the type of a logical id: the deploy fails"
        mend = "give the new resource a construct id of its own"
        return place.finding(Kind.REFUSED, ("Type", NESTED, after["Type"]), why, mend)
    kept = strength(policy(place.resource, "DeletionPolicy"))
    what = "keeps it outside of its parent" if kept else DELETES
    gone = "its stack is gone: `cdk deploy` leaves it as it is" if stays else f"it goes, so CloudFormation {what}"
    why = f"{gone}; {UNSEEN}"
    return place.finding(Kind.REMOVED, ("logical id", place.logical_id, None), why, KEEP)


def _is_nested(resource: Mapping[str, Any]) -> bool:
    return bool(resource["Type"] == NESTED)


def _name(stack: Stack, logical_id: str) -> str:
    return f"{stack.name}/{logical_id}"
