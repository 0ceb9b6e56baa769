"""The cloud assembly that a synth leaves: its stacks, and whether the emulator can deploy them.

One resource of a type that the emulator does not know rejects a whole stack, with a message that names neither the resource
nor the way out; so this is checked before anything is deployed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serverless_patterns.errors import LocalRunError
from serverless_patterns.local.emulator import ResourceTypes


@dataclass(frozen=True)
class Resource:
    """A resource of a template.

    Args:
        stack: The name of its stack.
        path: Its construct path, or its logical id where the template has no paths.
        type: Its CloudFormation type.
    """

    stack: str
    path: str
    type: str


@dataclass(frozen=True)
class Assembly:
    """A folder that ``cdk synth`` has written.

    Args:
        folder: The folder.
    """

    folder: Path

    @property
    def stacks(self) -> list[str]:
        """The names of the stacks, also of those in stages."""
        return [name for name, _ in self.templates()]

    def resources(self) -> list[Resource]:
        """All resources of all stacks."""
        return [resource for name, template in self.templates() for resource in _resources(name, template)]

    def check(self, types: ResourceTypes) -> list[Resource]:
        """Refuse what the emulator cannot deploy, and return what it only accepts.

        Raises:
            LocalRunError: A type is unknown; the message names each such resource and what to do.
        """
        resources = self.resources()
        unknown = [each for each in resources if not _known(each.type, types)]
        if unknown:
            listed = "\n".join(f"  {each.type}  {each.path} (stack {each.stack})" for each in unknown)
            msg = (
                f"the emulator does not know these resource types, and would reject their stacks:\n{listed}\n"
                "Define them in other environments only (as a value of the environment, not with an `if` in a construct), "
                "or deploy these stacks to an AWS account."
            )
            raise LocalRunError(msg)
        return [each for each in resources if each.type in types.only_accepted]

    def templates(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The name and the template of each stack."""
        manifest = _read(self.folder / "manifest.json")
        for name, artifact in manifest.get("artifacts", {}).items():
            properties = artifact.get("properties", {})
            if artifact["type"] == "aws:cloudformation:stack":
                yield properties.get("stackName", name), _read(self.folder / properties["templateFile"])
            elif artifact["type"] == "cdk:cloud-assembly":
                yield from Assembly(self.folder / properties["directoryName"]).templates()


def _read(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def _resources(stack: str, template: dict[str, Any]) -> Iterator[Resource]:
    for logical_id, resource in template.get("Resources", {}).items():
        yield Resource(stack, resource.get("Metadata", {}).get("aws:cdk:path", logical_id), resource["Type"])


def _known(resource_type: str, types: ResourceTypes) -> bool:
    return resource_type.startswith("Custom::") or resource_type in types.deployed | types.only_accepted
