"""A template in a file: JSON or YAML, bare or as ``aws cloudformation get-template`` answers, read to one shape."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cfnlint.decode import decode, decode_str  # type: ignore[import-untyped]

from serverless_patterns.errors import GuardError

EXPECTED = "a cdk.out folder with its manifest.json, a folder of templates, or a template file (JSON or YAML)"
#: What the guard reads of a resource, and what it must be.
#: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/resources-section-structure.html
ATTRIBUTES = {"Type": str, "Properties": dict, "Metadata": dict, "UpdatePolicy": dict, "Condition": str}
SECTIONS = ("Parameters", "Mappings", "Conditions")


def read_template(file: Path, *, may_be_empty: bool = False) -> dict[str, Any]:
    """The template in a file, without what is ``null`` in it where that means nothing.

    Args:
        file: Where it is.
        may_be_empty: Whether it may have no resources, as that of a stack that has lost all of them.

    Raises:
        GuardError: It cannot be read, or is no template; or what it has is made by a transform.
    """
    content = _unwrapped(read_content(file), file)
    resources = content.get("Resources", {} if may_be_empty else None) if isinstance(content, dict) else None
    if not isinstance(resources, dict):
        raise _no_template(file, "it has no Resources")
    sections = {name: content[name] for name in SECTIONS if content.get(name) is not None}
    for name, section in sections.items():
        if not isinstance(section, dict):
            raise _no_template(file, f"its {name} are no object")
    return {**sections, "Resources": {key: dict(_attributes(key, each, file)) for key, each in resources.items()}}


def _attributes(logical_id: str, resource: object, file: Path) -> Iterator[tuple[str, Any]]:
    if logical_id.startswith("Fn::"):
        msg = (
            f"{file} cannot be compared: what {logical_id} makes of its Resources is known only after the transform. Compare "
            "both sides after it: `get-template --template-stage Processed`, also of a change set that is not executed"
        )
        raise GuardError(msg)
    if not isinstance(resource, dict) or "Type" not in resource:
        raise _no_template(file, f"its resource {logical_id} has no Type")
    for name, value in resource.items():
        if value is not None:
            if not isinstance(value, ATTRIBUTES.get(name, object)):
                raise _no_template(file, f"{name} of its resource {logical_id} is {value!r}")
            yield name, value


def _no_template(file: Path, why: str) -> GuardError:
    return GuardError(f"{file} is not a CloudFormation template: {why}; expected {EXPECTED}")


def _unwrapped(content: Any, file: Path) -> Any:  # noqa: ANN401  a file may hold anything
    """The template in what ``get-template`` answers: one in YAML is a string there, and all of it is a ``TemplateBody``."""
    if isinstance(content, Mapping) and "TemplateBody" in content:
        return _unwrapped(content["TemplateBody"], file)
    return _yaml(decode_str(content), file) if isinstance(content, str) else content


def read_content(file: Path) -> Any:  # noqa: ANN401  the same
    """What a file holds, whatever that is.

    Raises:
        GuardError: It is no text, or neither JSON nor YAML.
    """
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
    return _yaml(decode(str(file)), file)  # with CloudFormation's short forms


def _yaml(decoded: tuple[Any, list[Any]], file: Path) -> Any:  # noqa: ANN401  the same
    content, problems = decoded
    if problems:
        msg = f"{file} is neither JSON nor YAML ({problems[0].message}); expected {EXPECTED}"
        raise GuardError(msg)
    return json.loads(json.dumps(content, default=str))  # a date without quotes is one in YAML
