"""A trap: a mistake that is planted into a template, and the check of this repository that must find it there."""

import copy
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from serverless_patterns import PatternError
from tests.proofs.checks.scanners import is_of, must_not_be, without_reason
from tests.proofs.subjects import template_named
from tests.support.synthesis import empty_stack
from tools.scan import Finding

Template = Mapping[str, Any]
Resources = dict[str, dict[str, Any]]
#: Gives what is wrong with a template.
Check = Callable[[Template], Sequence[object]]


@dataclass(frozen=True)
class Rule:
    """A rule of a scanner, for what no template may have or what has no reason.

    Args:
        name: The rule, without the name of its pack.
    """

    name: str

    def of(self, findings: Sequence[Finding]) -> list[Finding]:
        """What the tests of the scanners would complain of."""
        return [each for each in {*must_not_be(findings), *without_reason(findings)} if is_of(self.name, each)]


@dataclass(frozen=True)
class Trap:
    """A mistake in a template.

    Args:
        mistake: What was done wrong, as a sentence.
        stack: The template that it is planted into.
        plant: Makes the mistake in the template's resources.
        check: What must find it, and finds nothing without it.
    """

    mistake: str
    stack: str
    plant: Callable[[Resources], object] = field(repr=False)
    check: Check | Rule = field(repr=False)

    @property
    def planted(self) -> Template:
        """The template with the mistake in it."""
        template = copy.deepcopy(dict(template_named(self.stack)))
        self.plant(template["Resources"])
        assert template != template_named(self.stack), f"{self.mistake}: nothing was changed"
        return template

    @property
    def slug(self) -> str:
        """The mistake as the name of a file."""
        return re.sub(r"\W+", "-", self.mistake)

    @property
    def caught_by(self) -> str:
        """The check in words."""
        if isinstance(self.check, Rule):
            return f"scanners: {self.check.name}"
        function: Any = self.check.func if isinstance(self.check, functools.partial) else self.check
        return f"{function.__module__.rpartition('.')[2]}: {function.__name__.replace('_', ' ')}"


@dataclass(frozen=True)
class Refusal:
    """A mistake in the arguments of a construct, which must be refused while it is defined.

    Args:
        mistake: What was done wrong, as a sentence.
        stack: The template of the pattern.
        wrong: Defines the pattern with the mistake.
        right: Defines it without.
    """

    mistake: str
    stack: str
    wrong: Callable[[Any], object] = field(repr=False)
    right: Callable[[Any], object] = field(repr=False)

    caught_by = "the construct itself: a PatternError"

    def found(self) -> list[str]:
        """What the pattern says to the mistake."""
        return _refused(self.wrong)

    def found_without(self) -> list[str]:
        """What it says without the mistake."""
        return _refused(self.right)


def _refused(define: Callable[[Any], object]) -> list[str]:
    try:
        define(empty_stack())
    except PatternError as error:
        return [str(error)]
    return []
