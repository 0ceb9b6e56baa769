"""What is protected less than before.

A protection that falls is a finding like a replacement, not a warning. The next comparison starts from the new state and can
say nothing about it any more, and a warning in a green run is read by nobody; where it is meant, allowing it is one argument.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from serverless_patterns.guard.assemblies import Stack
from serverless_patterns.guard.findings import Finding, Kind
from serverless_patterns.guard.protections import PROTECTIONS
from serverless_patterns.guard.stateful import policy, strength
from serverless_patterns.guard.staying import properties, staying
from serverless_patterns.guard.values import at

ATTRIBUTES = ("DeletionPolicy", "UpdateReplacePolicy")
Fall = tuple[tuple[str, Any, Any], str]


def find_less_protected(old: Stack, new: Stack) -> Iterator[Finding]:
    """The findings on resources with data that stay, and are protected less."""
    for each in staying(old, new):
        for change, why in (*_policies(each.before, each.after), *_fallen(each.before, each.after)):
            yield each.finding(Kind.LESS_PROTECTED, change, why, "set it as it was. If it is meant, allow it")


def _policies(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Fall]:
    for name in ATTRIBUTES:
        was, will_be = policy(before, name), policy(after, name)
        if strength(will_be) < strength(was):
            when = "removed, or its stack destroyed" if name == "DeletionPolicy" else "replaced"
            yield (name, was, will_be), f"from this deploy on, the data is lost when it is {when}"


def _fallen(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Fall]:
    for protection in PROTECTIONS.get(before["Type"], ()):
        if protection.under and not protection.under.level(at(properties(before), protection.under.pointer)):
            continue
        was, will_be = (at(properties(each), protection.pointer) for each in (before, after))
        level, next_level = protection.level(was), protection.level(will_be)
        # A literal that becomes a function can be told no longer, so it does not count as protection.
        if level and was != will_be and (next_level is None or next_level < level):
            yield (protection.pointer.removeprefix("/properties/").replace("/", "."), was, will_be), protection.words
