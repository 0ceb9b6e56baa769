"""Backup plans and what they select: they hold no data themselves, but without them no further backup is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from serverless_patterns.guard.assemblies import Stack
from serverless_patterns.guard.findings import Finding, Kind, path_of
from serverless_patterns.guard.stateful import policy, strength

TYPES = ("AWS::Backup::BackupPlan", "AWS::Backup::BackupSelection")
WHY = (
    "it is in the template no longer, so CloudFormation removes it: of what it named no further backup is made, and those "
    "that are there go one by one when their time is over"
)
MEND = "define it again with the same id. If another one does its work, or it is meant to go, allow it"


def find_ended_backups(old: Mapping[str, Stack], new: Mapping[str, Stack]) -> Iterator[Finding]:
    """The findings on backup plans and selections that their stack has no longer, and that a deploy deletes."""
    for name, stack in old.items():
        if name in new or stack.parent in new:  # a stack that is gone stays as it is, unless it was nested
            known = new[name].resources if name in new else {}
            for logical_id, resource in stack.resources.items():
                kept = strength(policy(resource, "DeletionPolicy"))
                if resource["Type"] in TYPES and logical_id not in known and not kept:
                    change = ("logical id", logical_id, None)
                    path = path_of(logical_id, resource)
                    yield Finding(name, logical_id, path, resource["Type"], Kind.LESS_PROTECTED, *change, WHY, MEND)
