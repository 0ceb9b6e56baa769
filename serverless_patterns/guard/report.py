"""What is printed: for people, and for machines."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any

from serverless_patterns.guard.comparison import Comparison
from serverless_patterns.guard.findings import Finding

WIDTH = 118


def as_text(comparison: Comparison) -> str:
    """The findings one after the other, and a last line that says whether the deploy is safe."""
    return "\n".join(_lines(comparison))


def as_json(comparison: Comparison) -> str:
    """All of it as one object of JSON; ``safe`` is what the exit code says."""
    content = {
        "safe": not comparison.findings,
        "stacks": comparison.stacks,
        "resources": comparison.resources,
        "findings": [finding.as_json() for finding in comparison.findings],
        "allowed": [{**finding.as_json(), "reason": reason} for finding, reason in comparison.allowed],
        "unused": list(comparison.unused),
        "unknown": dict(comparison.unknown),
        "uncompared": list(comparison.uncompared),
    }
    return json.dumps(content, indent=2)


def words(finding: Finding) -> str:
    """One finding for people."""
    rows = {
        "path": finding.path,
        "property": finding.property,
        "old": _value(finding.old),
        "new": _value(finding.new),
        "why": finding.why,
        "mend": finding.mend,
    }
    title = f"{finding.kind.upper()}  {finding.type} {finding.logical_id} in stack {finding.stack}"
    return "\n".join([title, *(_row(name, text) for name, text in rows.items())])


def _lines(comparison: Comparison) -> Iterator[str]:
    for finding in comparison.findings:
        yield words(finding) + "\n"
    for finding, reason in comparison.allowed:
        yield f"allowed: {finding.logical_id} in stack {finding.stack} is {finding.kind} ({finding.property}): {reason}"
    for name in comparison.unused:
        yield f"note: nothing was found for {name}: remove its --allow, or it hides the next change"
    if comparison.unknown:
        yield _unknown(comparison)
    if comparison.uncompared:
        names = ", ".join(comparison.uncompared)
        yield _filled(f"note: nothing of these stacks was compared, because OLD or NEW has no template of them: {names}")
    looked = f"{_count(comparison.resources, 'resource')} with data in {_count(comparison.stacks, 'stack')}"
    if comparison.is_partial:
        yield f"not known: {_count(len(comparison.findings), 'nested stack')} could not be compared, among {looked}"
    elif comparison.findings:
        yield f"not safe: {_count(len(comparison.findings), 'finding')} on {looked}. What is meant: --allow LOGICAL_ID=REASON"
    else:
        yield f"safe: {looked} stay as they are{' but for what is allowed' if comparison.allowed else ''}"


def _unknown(comparison: Comparison) -> str:
    kept = _count(sum(comparison.unknown.values()), "resource")
    types = ", ".join(f"{name} ({number})" for name, number in sorted(comparison.unknown.items()))
    note = (
        f"note: {kept} have a policy that keeps them, and a type that is not known to hold data: nothing of them was compared"
    )
    return _filled(f"{note}: {types}")


def _filled(note: str) -> str:
    return textwrap.fill(note, WIDTH, subsequent_indent="      ", break_long_words=False, break_on_hyphens=False)


def _row(name: str, text: str) -> str:
    indent = " " * 12
    return textwrap.fill(
        text, WIDTH, initial_indent=f"  {name:<10}", subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _value(value: Any) -> str:  # noqa: ANN401  JSON
    return "(none)" if value is None else value if isinstance(value, str) else json.dumps(value)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
