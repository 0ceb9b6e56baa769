"""What is compared: the stacks of a cloud assembly, of a folder of templates, or of one template file."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfnlint.decode import decode  # type: ignore[import-untyped]

from serverless_patterns.errors import GuardError

EXPECTED = "a cdk.out folder with its manifest.json, a folder of templates, or a template file (JSON or YAML)"
ENDINGS = (".json", ".yaml", ".yml", ".template")
NESTED = "AWS::CloudFormation::Stack"


@dataclass(frozen=True)
class Stack:
    """A stack, as it is written down.

    Args:
        name: Its name; a nested one's is that of its parent, a slash, and its logical id there.
        template: Its template.
        parent: The name of the stack that it is nested in; ``None`` for one that is deployed by itself.
    """

    name: str
    template: Mapping[str, Any]
    parent: str | None = None

    @property
    def resources(self) -> Mapping[str, Mapping[str, Any]]:
        """Logical id -> resource."""
        found: Mapping[str, Mapping[str, Any]] = self.template["Resources"]
        return found


def read_pair(old: Path, new: Path) -> tuple[dict[str, Stack], dict[str, Stack]]:
    """The stacks of both sides, by the name that they have in common.

    Two files are one stack, whatever they are called; folders of either kind go together, so that what
    ``aws cloudformation get-template`` has answered can stand against a cloud assembly.

    Raises:
        GuardError: One is not what can be compared; or one is a file and the other a folder.
    """
    for path in (old, new):
        if not path.exists():
            msg = f"{path} does not exist: expected {EXPECTED}"
            raise GuardError(msg)
    if old.is_file() and new.is_file():
        return ({new.name: Stack(new.name, _template(old))}, {new.name: Stack(new.name, _template(new))})
    if old.is_file() or new.is_file():
        msg = (
            f"{old} and {new} must be of one kind, two folders or two template files: a file has no stack's name to find it by"
        )
        raise GuardError(msg)
    return _folder(old), _folder(new)


def _folder(folder: Path) -> dict[str, Stack]:
    stacks = list(_assembly(folder) if (folder / "manifest.json").is_file() else _templates(folder))
    twice = [name for name, times in Counter(stack.name for stack in stacks).items() if times > 1]
    if twice or not stacks:
        found = f"these stacks more than once: {', '.join(twice)}" if twice else "no template"
        msg = f"{folder} has {found}; expected {EXPECTED}"
        raise GuardError(msg)
    return {stack.name: stack for stack in stacks}


def _templates(folder: Path) -> Iterator[Stack]:
    for file in sorted(folder.iterdir()):
        if file.suffix in ENDINGS and file.is_file():
            content = _content(file)
            if _is_template(content):
                yield Stack(re.sub(r"(\.template)?\.\w+$", "", file.name), content)


def _assembly(folder: Path) -> Iterator[Stack]:
    """The stacks of a cloud assembly and of its stages; those of one name in several environments say which."""
    found = list(_artifacts(folder))
    times = Counter(name for name, _, _, _ in found)
    for name, environment, home, file in found:
        template = {"Resources": {}, **_content(home / file)}  # a stack may have lost all of them
        stack = Stack(name if times[name] == 1 else f"{name} ({environment})", template)
        yield stack
        yield from _nested(stack, home)


def _artifacts(folder: Path) -> Iterator[tuple[str, str, Path, str]]:
    manifest = _content(folder / "manifest.json")
    artifacts = manifest.get("artifacts") if isinstance(manifest, dict) else None
    if not isinstance(artifacts, dict):
        msg = f"{folder / 'manifest.json'} is not that of a cloud assembly: it has no artifacts; expected {EXPECTED}"
        raise GuardError(msg)
    for key, artifact in artifacts.items():
        properties = artifact.get("properties", {})
        if artifact.get("type") == "aws:cloudformation:stack":
            yield properties.get("stackName", key), artifact.get("environment", ""), folder, properties["templateFile"]
        elif artifact.get("type") == "cdk:cloud-assembly":
            yield from _artifacts(folder / properties["directoryName"])


def _nested(parent: Stack, home: Path) -> Iterator[Stack]:
    """The stacks in a stack: a nested template is an asset, which its URL names by its hash."""
    for logical_id, resource in parent.resources.items():
        if resource["Type"] == NESTED:
            url = json.dumps(resource.get("Properties", {}).get("TemplateURL"))
            for file in {_assets(home).get(found) for found in re.findall(r"[0-9a-f]{64}", url)} - {None}:
                stack = Stack(f"{parent.name}/{logical_id}", _template(home / str(file)), parent.name)
                yield stack
                yield from _nested(stack, home)


def _assets(home: Path) -> dict[str, str]:
    """Hash -> file, of the assets of an assembly."""
    manifests = [_content(file) for file in sorted(home.glob("*.assets.json"))]
    return {key: asset["source"].get("path", "") for each in manifests for key, asset in each.get("files", {}).items()}


def _template(file: Path) -> dict[str, Any]:
    content = _content(file)
    if not _is_template(content):
        msg = f"{file} is not a CloudFormation template: it has no Resources, each with a Type; expected {EXPECTED}"
        raise GuardError(msg)
    template: dict[str, Any] = content
    return template


def _is_template(content: Any) -> bool:  # noqa: ANN401  a file may hold anything
    resources = content.get("Resources") if isinstance(content, dict) else None
    return isinstance(resources, dict) and all(isinstance(each, dict) and "Type" in each for each in resources.values())


def _content(file: Path) -> Any:  # noqa: ANN401  the same
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{file} cannot be read ({error}); expected {EXPECTED}"
        raise GuardError(msg) from error
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        if file.suffix == ".json":
            msg = f"{file} is not JSON ({error}); expected {EXPECTED}"
            raise GuardError(msg) from error
    content, problems = decode(str(file))  # YAML with CloudFormation's short forms
    if problems:
        msg = f"{file} is neither JSON nor YAML ({problems[0].message}); expected {EXPECTED}"
        raise GuardError(msg)
    return json.loads(json.dumps(content))
