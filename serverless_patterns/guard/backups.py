"""Backup plans and what they select: they hold no data themselves, but without them no further backup is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from serverless_patterns.guard.assemblies import Stack, is_left_behind
from serverless_patterns.guard.findings import Finding, Kind
from serverless_patterns.guard.removals import Place
from serverless_patterns.guard.stateful import policy, strength
from serverless_patterns.guard.staying import properties
from serverless_patterns.guard.values import at, meaning

PLAN = "AWS::Backup::BackupPlan"
TYPES = (PLAN, "AWS::Backup::BackupSelection")
WHY = (
    "it is in the template no longer, so CloudFormation removes it: of what it named no further backup is made, and those "
    "that are there go one by one when their time is over"
)
MEND = "define it again with the same id. If another one does its work, or it is meant to go, allow it"
SHORTER = (
    "from this deploy on, backups of these rules are made no longer, or go earlier: {}. Those that are there already keep "
    "their time (https://docs.aws.amazon.com/aws-backup/latest/devguide/updating-a-backup-plan.html)"
)
KEEP = "leave the rules as they were. If it is meant, allow it"


def find_ended_backups(old: Mapping[str, Stack], new: Mapping[str, Stack]) -> Iterator[Finding]:
    """The findings on backup plans and selections that their stack has no longer, and that a deploy deletes."""
    for name, stack in old.items():
        if not is_left_behind(stack, old, new):
            known = new[name].resources if name in new else {}
            for logical_id, resource in stack.resources.items():
                kept = strength(policy(resource, "DeletionPolicy"))
                if resource["Type"] in TYPES and logical_id not in known and not kept:
                    change = ("logical id", logical_id, None)
                    yield Place(stack, logical_id).finding(Kind.LESS_PROTECTED, change, WHY, MEND)


def find_shorter_backups(old: Stack, new: Stack) -> Iterator[Finding]:
    """The findings on backup plans with a rule that goes, or whose backups go earlier."""
    for logical_id, before in old.resources.items():
        after = new.resources.get(logical_id)
        if after and before["Type"] == after["Type"] == PLAN:
            was, will_be = _rules(before, old), _rules(after, new)
            fallen = [str(rule.get("RuleName")) for rule in was if not any(_keeps(other, rule) for other in will_be)]
            if fallen:
                why = SHORTER.format(", ".join(fallen))
                change = ("BackupPlan.BackupPlanRule", was, will_be)
                yield Place(new, logical_id).finding(Kind.LESS_PROTECTED, change, why, KEEP)


def _rules(plan: Mapping[str, Any], stack: Stack) -> list[Mapping[str, Any]]:
    """The rules of a plan; those that a function makes are none that could be told."""
    found = meaning(at(properties(plan), "/properties/BackupPlan/BackupPlanRule"), stack.template)
    return [each for each in found if "RuleName" in each] if isinstance(found, list) else []


def _keeps(rule: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether a rule keeps its backups for as long as another that it is, or is but for its name."""
    if rule["RuleName"] != other["RuleName"]:
        return {**rule, "RuleName": None} == {**other, "RuleName": None}
    mine, others = (each.get("Lifecycle", {}).get("DeleteAfterDays", "inf") for each in (rule, other))
    return bool(mine == others or not isinstance(others, str) or (isinstance(mine, str) and float(mine) >= float(others)))
