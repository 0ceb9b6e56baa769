"""What is compared: the stacks of a cloud assembly, or of a folder of templates."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serverless_patterns.errors import GuardError
from serverless_patterns.guard.templates import EXPECTED, read_content, read_template

ENDINGS = (".json", ".yaml", ".yml", ".template")
#: What the CDK writes beside the templates.
NO_TEMPLATES = re.compile(r"(manifest|tree|.*\.assets|.*\.metadata)\.json")
NESTED = "AWS::CloudFormation::Stack"


@dataclass(frozen=True)
class Stack:
    """A stack, as it is compared.

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


def is_left_behind(stack: Stack, old: Mapping[str, Stack], new: Mapping[str, Stack]) -> bool:
    """Whether no template of the new side has a stack, or one that it is nested in: then no deploy changes it."""
    name: str | None = stack.name
    while name is not None and name not in new:
        name = old[name].parent if name in old else None
    return name is None


@dataclass(frozen=True)
class Written:
    """A stack, as one side has it written down.

    Args:
        name: Its name; a nested one's is its logical id in the other.
        template: Its template.
        nested: The stacks in it whose templates are there.
        environment: Its account and region; ``None`` where nothing says so.
    """

    name: str
    template: Mapping[str, Any]
    nested: tuple[Written, ...] = ()
    environment: str | None = None


def read_folder(folder: Path) -> list[Written]:
    """The stacks in a folder.

    Raises:
        GuardError: There is none; or something in it cannot be read.
    """
    found = list(_assembly(folder) if (folder / "manifest.json").is_file() else _templates(folder))
    if not found:
        msg = f"{folder} has no template; expected {EXPECTED}"
        raise GuardError(msg)
    return found


def _templates(folder: Path) -> Iterator[Written]:
    """The templates in a folder; those nested in one are in a folder of its name beside it."""
    for file in sorted(folder.iterdir()):
        if file.suffix in ENDINGS and file.is_file() and not NO_TEMPLATES.fullmatch(file.name):
            name = re.sub(r"(\.template)?\.\w+$", "", file.name)
            nested = tuple(_templates(folder / name)) if (folder / name).is_dir() else ()
            yield Written(name, read_template(file), nested)


def _assembly(folder: Path) -> Iterator[Written]:
    """The stacks of a cloud assembly, and of its stages."""
    file = folder / "manifest.json"
    manifest = read_content(file)
    artifacts = manifest.get("artifacts") if isinstance(manifest, dict) else None
    if not isinstance(artifacts, dict):
        msg = f"{file} is not that of a cloud assembly: it has no artifacts; expected {EXPECTED}"
        raise GuardError(msg)
    for key, artifact in artifacts.items():
        match artifact:
            case {"type": "aws:cloudformation:stack", "properties": {"templateFile": str(template), **more}}:
                read = read_template(folder / template, may_be_empty=True)
                nested = tuple(_nested(read, folder))
                environment = artifact.get("environment")
                where = environment if isinstance(environment, str) else None
                yield Written(str(more.get("stackName", key)), read, nested, where)
            case {"type": "cdk:cloud-assembly", "properties": {"directoryName": str(name)}}:
                yield from _assembly(folder / name)
            case {"type": "aws:cloudformation:stack" | "cdk:cloud-assembly"}:
                msg = f"{file} is not that of a cloud assembly: {key} does not say where it is; expected {EXPECTED}"
                raise GuardError(msg)


def _nested(template: Mapping[str, Any], home: Path) -> Iterator[Written]:
    """The stacks in a stack: a nested template is an asset, which its URL names by its hash."""
    for logical_id, resource in template["Resources"].items():
        if resource["Type"] == NESTED:
            url = json.dumps(resource.get("Properties", {}).get("TemplateURL"))
            files = [_assets(home)[found] for found in re.findall(r"[0-9a-f]{64}", url) if found in _assets(home)]
            for file in files[:1]:
                read = read_template(home / file)
                yield Written(logical_id, read, tuple(_nested(read, home)))


def _assets(home: Path) -> dict[str, str]:
    """Hash -> file, of the assets of an assembly."""
    found: dict[str, str] = {}
    for file in sorted(home.glob("*.assets.json")):
        match read_content(file):
            case {"files": dict(files)}:
                found |= {key: path for key, path in map(_asset, files.items()) if path}
    return found


def _asset(item: tuple[str, Any]) -> tuple[str, str]:
    match item:
        case (key, {"source": {"path": str(path)}}):
            return key, path
    return item[0], ""
