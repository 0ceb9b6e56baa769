"""Whether a command of the AWS CLI exists, by the SDK's own models of the services: the CLI is made from the same."""

import functools
import shlex
from typing import Any

import botocore.session
from botocore import xform_name

#: Commands that the CLI has beyond the operations of a service -> their options.
#: https://docs.aws.amazon.com/cli/latest/reference/logs/tail.html
CUSTOM = {("logs", "tail"): {"--since", "--follow", "--format", "--filter-pattern"}}


def fault_of(command: str) -> str | None:
    """What is wrong with a command; ``None`` if it can be typed as it is."""
    program, service, operation, *rest = shlex.split(command)
    if program != "aws":
        return f"{program} is not aws"
    options = {word for word in rest if word.startswith("--")}
    if (service, operation) in CUSTOM:
        unknown = options - CUSTOM[service, operation]
        return f"aws {service} {operation} has no {sorted(unknown)}" if unknown else None
    members, required = _options(service, operation)
    if not members and not required:
        return f"there is no aws {service} {operation}"
    if options - members:
        return f"aws {service} {operation} has no {sorted(options - members)}"
    return f"aws {service} {operation} needs {sorted(required - options)}" if required - options else None


@functools.cache
def _options(service: str, operation: str) -> tuple[frozenset[str], frozenset[str]]:
    """The options of an operation, and those that it needs."""
    if service not in _session().get_available_services():
        return frozenset(), frozenset()
    model = _session().get_service_model(service)
    names = {xform_name(name, "-"): name for name in model.operation_names}
    if operation not in names:
        return frozenset(), frozenset()
    shape = model.operation_model(names[operation]).input_shape
    members = shape.members if shape else {}
    required = shape.required_members if shape else []
    return (
        frozenset({"--query", "--output", "--region", *(f"--{xform_name(name, '-')}" for name in members)}),
        frozenset(f"--{xform_name(name, '-')}" for name in required),
    )


@functools.cache
def _session() -> Any:
    return botocore.session.Session()
