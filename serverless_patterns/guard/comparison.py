"""The comparison as a whole: every finding, those that are allowed apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from serverless_patterns.errors import GuardError
from serverless_patterns.guard.assemblies import Stack
from serverless_patterns.guard.backups import find_ended_backups, find_shorter_backups
from serverless_patterns.guard.changes import find_changed
from serverless_patterns.guard.emptying import find_emptied
from serverless_patterns.guard.findings import Finding, Kind
from serverless_patterns.guard.indexes import find_index_changes
from serverless_patterns.guard.less_protected import find_less_protected
from serverless_patterns.guard.lifecycles import find_kept_shorter
from serverless_patterns.guard.nested import find_in_nested, seen_by_both, unseen
from serverless_patterns.guard.pairing import read_pair
from serverless_patterns.guard.removals import find_removed, find_unconditioned
from serverless_patterns.guard.replacements import find_replaced
from serverless_patterns.guard.replicas import find_removed_replicas
from serverless_patterns.guard.stateful import is_kept_unknown, is_stateful

FINDERS = (
    find_replaced,
    find_unconditioned,
    find_removed_replicas,
    find_emptied,
    find_changed,
    find_index_changes,
    find_less_protected,
    find_kept_shorter,
    find_shorter_backups,
)


@dataclass(frozen=True)
class Comparison:
    """What a deploy of the new side would do to the data of the old one.

    Args:
        findings: What is not allowed.
        allowed: What is, each with its reason.
        stacks: How many stacks of the old side were compared.
        resources: How many of their resources hold data.
        unused: The logical ids that were allowed, and for which nothing was found.
        unknown: Type -> how many resources of it have a policy that keeps them, although it is not known to hold data.
        uncompared: The stacks of which one side has no template, new ones among them.
    """

    findings: tuple[Finding, ...]
    allowed: tuple[tuple[Finding, str], ...]
    stacks: int
    resources: int
    unused: tuple[str, ...]
    unknown: Mapping[str, int]
    uncompared: tuple[str, ...]

    @property
    def is_partial(self) -> bool:
        """Whether nothing was found but what could not be compared."""
        return bool(self.findings) and all(finding.kind == Kind.NOT_COMPARED for finding in self.findings)


def compare(old: Path, new: Path, allow: Mapping[str, str] | None = None) -> Comparison:
    """Compare two cloud assemblies, folders of templates, or template files.

    Args:
        old: What is deployed.
        new: What is about to be.
        allow: Logical id, or stack and logical id with a slash between -> why what is found for it is meant.

    Raises:
        GuardError: One of them is not what can be compared; the message says what is.
    """
    stacks, others = read_pair(old, new)
    reasons = allow or {}
    found = compare_stacks(stacks, others)
    resources = [each for stack in stacks.values() for each in stack.resources.values()]
    names = {finding: {finding.logical_id, f"{finding.stack}/{finding.logical_id}"} & set(reasons) for finding in found}
    return Comparison(
        findings=tuple(finding for finding in found if not names[finding]),
        allowed=tuple((finding, reasons[min(names[finding])]) for finding in found if names[finding]),
        stacks=len(stacks),
        resources=sum(map(is_stateful, resources)),
        unused=tuple(sorted(set(reasons) - set().union(*names.values()))),
        unknown=Counter(each["Type"] for each in resources if is_kept_unknown(each)),
        uncompared=tuple(sorted((others.keys() - stacks.keys()) | unseen(stacks) | unseen(others))),
    )


def compare_stacks(old: Mapping[str, Stack], new: Mapping[str, Stack]) -> list[Finding]:
    """The findings on stacks, by their names."""
    return sorted(_findings(old, new), key=lambda each: (each.stack, each.logical_id, each.kind, each.property))


def _findings(old: Mapping[str, Stack], new: Mapping[str, Stack]) -> Iterator[Finding]:
    yield from find_in_nested(old, new)
    old, new = seen_by_both(old, new)
    yield from find_removed(old, new)
    yield from find_ended_backups(old, new)
    for name in old.keys() & new.keys():
        yield from _found_in(old[name], new[name])


def _found_in(old: Stack, new: Stack) -> Iterator[Finding]:
    try:
        for find in FINDERS:
            yield from find(old, new)
    except (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError) as error:
        msg = (
            f"stack {new.name} cannot be compared: a value in it has a shape that CloudFormation does not take "
            f"({type(error).__name__}: {error}). `cfn-lint` says which, of either template"
        )
        raise GuardError(msg) from error
