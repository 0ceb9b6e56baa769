"""Where a template comes from: a dict, a file, the folder of a synth, or a CDK stack."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from serverless_patterns.errors import PatternError


def read_template(source: Any) -> Mapping[str, Any]:  # noqa: ANN401  a Stack is no type of this package's: it needs no CDK
    """The template in what a caller has.

    Args:
        source: A template, the path of a JSON file with one, the path of a ``cdk.out`` with one stack, or a CDK stack.

    Raises:
        PatternError: It is none of these, is not there or is no JSON, or is a folder with several stacks.
    """
    if isinstance(source, Mapping):
        return _checked(source, "template")
    if isinstance(source, str | Path):
        path = Path(source)
        return _only(path) if path.is_dir() else _checked(_read(path), str(path))
    if hasattr(source, "artifact_id"):
        return _of_stack(source)
    msg = f"template={source!r}: give a template, the path of a JSON file or of a cdk.out, or a CDK stack"
    raise PatternError(msg)


def templates_in(folder: str | Path) -> dict[str, dict[str, Any]]:
    """Name of the stack -> template, of all stacks in a ``cdk.out``, those in stages included.

    Args:
        folder: The ``cdk.out``.

    Raises:
        PatternError: It is no ``cdk.out``: it has no manifest.
    """
    return dict(_stacks(Path(folder)))


def _stacks(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, artifact in _read(folder / "manifest.json").get("artifacts", {}).items():
        properties = artifact.get("properties", {})
        if artifact["type"] == "aws:cloudformation:stack":
            yield properties.get("stackName", name), _read(folder / properties["templateFile"])
        elif artifact["type"] == "cdk:cloud-assembly":
            yield from _stacks(folder / properties["directoryName"])


def _only(folder: Path) -> Mapping[str, Any]:
    found = templates_in(folder)
    if len(found) != 1:
        names = ", ".join(found) or "none"
        remedy = "take one of serverless_patterns.testing.templates_in(...)"
        msg = f"template={str(folder)!r} holds {len(found)} stacks ({names}): {remedy}"
        raise PatternError(msg)
    return next(iter(found.values()))


def _of_stack(stack: Any) -> Mapping[str, Any]:  # noqa: ANN401  the same
    """What is synthesised of the stack: by its stage, which is the nearest scope that can synthesise."""
    stage = next(scope for scope in reversed(stack.node.scopes) if hasattr(scope, "synth"))
    template: Mapping[str, Any] = stage.synth().get_stack_artifact(stack.artifact_id).template
    return template


def _checked(template: Any, name: str) -> Mapping[str, Any]:  # noqa: ANN401  any JSON
    if not isinstance(template, Mapping):
        msg = f"{name} is no template: it is no JSON object"
        raise PatternError(msg)
    if "Resources" not in template:
        msg = f"{name} is no template: it has no Resources, only {', '.join(map(str, template)) or 'nothing'}"
        raise PatternError(msg)
    return template


def _read(file: Path) -> Any:  # noqa: ANN401  any JSON
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        msg = (
            f"{file} cannot be read ({error.strerror}): give the path of a JSON file or of a cdk.out, as `cdk synth` writes it"
        )
        raise PatternError(msg) from error
    except ValueError as error:
        msg = f"{file} is no JSON ({error}): give a template in JSON, as `cdk synth` writes it into cdk.out"
        raise PatternError(msg) from error
