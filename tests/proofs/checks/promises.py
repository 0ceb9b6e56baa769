"""Checks of what a deploy would do to data that is there: each gives the findings of the guard."""

from collections.abc import Mapping
from typing import Any

from serverless_patterns.guard.assemblies import Stack
from serverless_patterns.guard.comparison import compare_stacks
from serverless_patterns.guard.findings import Finding
from tests.proofs.subjects import template_named
from tests.support.contracts import contract, reduced

Template = Mapping[str, Any]


def broken_promises(release: Mapping[str, Template], today: Mapping[str, Template]) -> list[Finding]:
    """What an upgrade from a release would replace, remove or protect less; both reduced to what a release promises."""
    return compare_stacks(_stacks(release), _stacks(today))


def broken_by(entry: str, template: Template) -> list[Finding]:
    """What a template of a pattern would break of what this version promises."""
    return broken_promises({entry: contract()[entry]}, {entry: reduced(template)})


def done_to_data(stack: str, template: Template) -> list[Finding]:
    """What deploying a template over that of this name would do to data, and what would be refused."""
    return broken_promises({stack: template_named(stack)}, {stack: template})


def _stacks(contents: Mapping[str, Template]) -> dict[str, Stack]:
    return {name: Stack(name, template) for name, template in contents.items()}
