"""The replicas of a global table: one that leaves the list is deleted, whatever the DeletionPolicy of the table says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from serverless_patterns.guard.assemblies import Stack
from serverless_patterns.guard.findings import Finding, Kind
from serverless_patterns.guard.staying import properties, staying
from serverless_patterns.guard.values import at, is_computed, meaning

PAGE = "https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ReplicationGroupUpdate.html"


def find_removed_replicas(old: Stack, new: Stack) -> Iterator[Finding]:
    """The findings on global tables that have a replica in a region no longer."""
    for each in staying(old, new, "AWS::DynamoDB::GlobalTable"):
        was, will_be = _regions(each.before, old), _regions(each.after, new)
        gone = [region for region in was if region not in will_be]
        if gone:
            certain = not is_computed([*gone, *will_be])
            where = ", ".join(map(str, gone))
            gone_with = f"DynamoDB deletes the replica in {where} with all of its items there ({PAGE})"
            why = f"{gone_with}; the replicas that stay keep theirs"
            kind = Kind.REMOVED if certain else Kind.MAY_BE_REMOVED
            mend = "keep it. If it is meant to go: see that nothing reads or writes there, and allow it"
            yield each.finding(kind, ("Replicas", was, will_be), why, mend)


def _regions(table: Mapping[str, Any], stack: Stack) -> list[Any]:
    """The region of each replica; a function stands for what it makes."""
    found = meaning(at(properties(table), "/properties/Replicas/*/Region"), stack.template)
    return found if isinstance(found, list) else [found] if found else []
