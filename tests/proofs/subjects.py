"""Which functions are measured: all of the catalogue in prod, and all of the other shapes of the patterns."""

import functools
import importlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import app as repository_app
from serverless_patterns.catalog import CATALOG
from serverless_patterns.testing.resource import FunctionResource
from serverless_patterns.testing.template import ResolvedTemplate
from tests.proofs.account import ACCOUNT, REGION
from tests.proofs.world import Scenario
from tests.support.synthesis import new_app
from tests.support.variants import VARIANTS

#: Where CDK's custom resources begin: no code of this library.
_CDKS_OWN = "__entrypoint__.handler"
_SHIPPED = {f"prod-{entry.name.replace('_', '-')}" for entry in CATALOG}
#: The templates, by names that are known before anything is synthesised.
STACKS = (*sorted(_SHIPPED), *sorted(VARIANTS))


@dataclass(frozen=True)
class Subject:
    """A function of a template.

    Args:
        stack: The name of the template.
        name: The function's logical id without the hash that CDK puts behind it.
        template: The template.
        function: The function.
    """

    stack: str
    name: str
    template: ResolvedTemplate = field(repr=False, compare=False)
    function: FunctionResource = field(repr=False, compare=False)

    @property
    def role(self) -> str:
        """The logical id of its role."""
        assert self.function.role, f"the role of {self.name} is not in {self.stack}"
        return self.function.role

    @property
    def scenarios(self) -> Sequence[Scenario]:
        """What it is made to do."""
        pattern = self.function.handler.partition(".")[0]
        found: Sequence[Scenario] = importlib.import_module(f"tests.proofs.scenarios.{pattern}").scenarios_of(self.function)
        return found


@functools.cache
def subjects_of(stack: str) -> Sequence[Subject]:
    """The functions of a template, without those that CDK makes to deploy something."""
    template = resolved(template_named(stack))
    return [
        Subject(stack, re.sub("[0-9A-F]{8}$", "", function.logical_id), template, function)
        for function in template.functions
        if function.handler != _CDKS_OWN
    ]


@functools.cache
def template_named(stack: str) -> Mapping[str, Any]:
    """A template as it is synthesised."""
    return _shipped()[stack] if stack in _SHIPPED else VARIANTS[stack]()


def resolved(template: Mapping[str, Any]) -> ResolvedTemplate:
    """The template as if it were deployed to the account of the scenarios."""
    return ResolvedTemplate.of(template, account=ACCOUNT, region=REGION)


@functools.cache
def _shipped() -> Mapping[str, Mapping[str, Any]]:
    app = new_app(environment="prod")
    repository_app.define(app)
    return {artifact.stack_name: artifact.template for artifact in app.synth().stacks}
