"""A resource of a template, and a function of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Resource:
    """A resource of a template.

    Args:
        logical_id: Its logical id.
        type: Its CloudFormation type.
        path: Its construct path, or its logical id where the template has no paths.
        properties: Its properties, resolved.
        name: What ``Ref`` gives for it: the URL of a queue, the ARN of a topic, else mostly the physical name.
        arn: Its ARN, without one ``None``.
    """

    logical_id: str
    type: str
    path: str
    properties: Mapping[str, Any]
    name: str
    arn: str | None


@dataclass(frozen=True)
class FunctionResource:
    """A Lambda function of a template.

    Args:
        logical_id: Its logical id.
        path: Its construct path, or its logical id where the template has no paths.
        name: The name of the function.
        arn: Its ARN.
        handler: The entry point, as ``module.function``.
        environment: Its variables, resolved.
        timeout: In seconds; 3 where the template has none, as Lambda.
        memory: In MiB; 128 where the template has none, as Lambda.
        role: The logical id of its role, ``None`` where the role is of another template.
        properties: All its properties, resolved.
    """

    logical_id: str
    path: str
    name: str
    arn: str
    handler: str
    environment: Mapping[str, str]
    timeout: int
    memory: int
    role: str | None
    properties: Mapping[str, Any]
