"""Checks of a template's roles against what its functions were measured to need: each gives what is wrong, a line each."""

from collections.abc import Callable, Mapping
from typing import Any

from serverless_patterns._blocks.network import INTERFACE_ACTIONS
from serverless_patterns.testing.report import FunctionReport
from tests.proofs.checks.access import WITHOUT_RESOURCE
from tests.proofs.measure import fails, measured
from tests.proofs.subjects import Subject, resolved, subjects_of

Template = Mapping[str, Any]


def missing_permissions(stack: str, template: Template) -> list[str]:
    """What a function does and its role does not allow."""
    return _lines(stack, template, lambda report: report.missing)


def needless_permissions(stack: str, template: Template) -> list[str]:
    """What a role allows and its function does not do."""
    return _lines(stack, template, lambda report: report.excess)


def permissions_too_wide(stack: str, template: Template) -> list[str]:
    """What a role allows on more than its function uses."""
    return _lines(stack, template, lambda report: report.scope)


def avoidable(subject: Subject) -> list[str]:
    """The actions that a role may do to everything although AWS knows a resource for them."""
    everything = {grant.action for grant in measured(subject).permissions.grants if grant.resource == "*"}
    # Lambda names them itself, and the function's own code is denied them: see the statement beside the grant.
    interfaces = set(INTERFACE_ACTIONS) if "VpcConfig" in subject.function.properties else set()
    return sorted(everything - WITHOUT_RESOURCE - interfaces)


def scenarios_that_fail(stack: str, template: Template) -> list[str]:
    """What a function cannot do any more when nothing but its role holds."""
    of_template = resolved(template)
    return [
        f"{subject.name}: {getattr(scenario, '__name__', scenario)}"
        for subject in subjects_of(stack)
        for scenario in subject.scenarios
        if fails(subject, scenario, of_template.permissions(subject.role))
    ]


def reports_of(stack: str, template: Template) -> list[FunctionReport]:
    """What the roles of a template allow, against what the functions of the stack of this name need as they are."""
    of_template = resolved(template)
    return [
        FunctionReport.of(subject.name, of_template.permissions(subject.role), measured(subject).report.used)
        for subject in subjects_of(stack)
    ]


def _lines(stack: str, template: Template, kind: Callable[[FunctionReport], tuple[object, ...]]) -> list[str]:
    return [f"{report.name}: {each}" for report in reports_of(stack, template) for each in kind(report)]
