"""Synthesis for tests: with the repository's feature flags, without packing handlers."""

import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import aws_cdk as cdk

import app as repository_app
from serverless_patterns import ENVIRONMENTS

ROOT = Path(__file__).resolve().parents[2]
FLAGS = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
#: An empty list of stacks to bundle for: assets keep their hashes, nothing is installed.
NO_BUNDLING = {"aws:cdk:bundling-stacks": []}


def new_app(**context: Any) -> cdk.App:
    """An app as the CLI would run it."""
    return cdk.App(context={**FLAGS, **NO_BUNDLING, **context}, analytics_reporting=False)


def empty_stack(region: str | None = None) -> cdk.Stack:
    """A stack of an app of its own."""
    return cdk.Stack(new_app(), "Test", env=cdk.Environment(region=region))


def template_of(stack: cdk.Stack) -> dict[str, Any]:
    """What is synthesised of a stack."""
    assembly = cdk.Stage.of(stack).synth()
    return assembly.get_stack_artifact(stack.artifact_id).template


@functools.cache
def synthesise() -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
    """Environment -> stack -> template, of all that this repository deploys."""
    return {environment.name: _templates(environment.name) for environment in ENVIRONMENTS}


def _templates(environment: str) -> dict[str, Mapping[str, Any]]:
    app = new_app(environment=environment)
    repository_app.define(app)
    return {artifact.stack_name: artifact.template for artifact in app.synth().stacks}


def resources(template: Mapping[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """Logical id -> resource, of one type."""
    return {name: resource for name, resource in template["Resources"].items() if resource["Type"] == kind}


def role_policies(template: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Logical id -> policy of a role: the managed ones of this library, and those of CDK's own roles and of users."""
    return resources(template, "AWS::IAM::ManagedPolicy") | resources(template, "AWS::IAM::Policy")


def statements(template: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The statements of all identity policies."""
    for policy in role_policies(template).values():
        yield from policy["Properties"]["PolicyDocument"]["Statement"]
