"""Values of a template: what they mean, where they stand, and whom they name.

A value that is computed while deploying cannot be known here. So intrinsic functions are compared by their structure, with
each name of the template (a parameter, a condition, a mapping) replaced by what stands behind it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

Template = Mapping[str, Any]
_NO_VALUE = {"Ref": "AWS::NoValue"}


def meaning(value: Any, template: Template) -> Any:  # noqa: ANN401  JSON
    """The value as CloudFormation sees it: two values that mean the same are equal."""
    match value:
        case bool() | int() | float():
            return str(value).lower()
        case list():
            return [meaning(each, template) for each in value]
        case {"Ref": "AWS::NoValue"}:
            return None
        case dict():
            return _intrinsic(value, template) or {
                key: meaning(each, template) for key, each in value.items() if each != _NO_VALUE
            }
    return value


def _intrinsic(value: dict[str, Any], template: Template) -> dict[str, Any] | None:
    """A function with the definitions that its names stand for; ``None`` for what is no function or needs none."""
    found: dict[str, Any] | None = None
    match value if len(value) == 1 else None:
        case {"Fn::GetAtt": str(name)}:
            found = {"Fn::GetAtt": name.split(".", 1)}
        case {"Condition": str(name)} if name in template.get("Conditions", {}):
            found = {"Condition": {name: _condition(name, template)}}
        case {"Fn::If": [str(name), *branches]}:
            found = {"Fn::If": [{name: _condition(name, template)}, meaning(branches, template)]}
        case {"Fn::FindInMap": [str(name), *keys]}:
            found = {"Fn::FindInMap": [{name: template.get("Mappings", {}).get(name)}, meaning(keys, template)]}
        case {"Ref": _} | {"Fn::Sub": _} if used := references(value) & set(template.get("Parameters", {})):
            found = {**value, "Parameters": {name: _parameter(name, template) for name in sorted(used)}}
    return found


def _parameter(name: str, template: Template) -> dict[str, Any]:
    definition = template["Parameters"][name]
    return {key: definition[key] for key in ("Type", "Default") if key in definition}


def _condition(name: str, template: Template) -> Any:  # noqa: ANN401  JSON
    return meaning(template.get("Conditions", {}).get(name), template)


def is_function(value: Any) -> bool:  # noqa: ANN401  JSON
    """Whether a value is computed while deploying."""
    return isinstance(value, dict) and len(value) == 1 and (key := next(iter(value))) and (key == "Ref" or key[:4] == "Fn::")


def is_computed(value: Any) -> bool:  # noqa: ANN401  JSON
    """Whether a value, or something in it, is computed while deploying; also of a ``meaning``, which adds definitions."""
    match value:
        case list():
            return any(map(is_computed, value))
        case dict():
            return any(key == "Ref" or key.startswith("Fn::") or is_computed(each) for key, each in value.items())
    return False


def at(value: Any, pointer: str) -> Any:  # noqa: ANN401  JSON
    """What stands in the properties of a resource at a schema's pointer, such as ``/properties/Replicas/*/Region``.

    ``None`` where nothing stands; a list where the pointer has a ``*``; a function on the way stands for all below it.
    """
    return _at(value, pointer.split("/")[2:])


def _at(value: Any, parts: Sequence[str]) -> Any:  # noqa: ANN401  JSON
    if not parts or is_function(value):
        return value
    head, *rest = parts
    if head == "*":
        return [_at(each, rest) for each in value] if isinstance(value, list) else None
    return _at(value.get(head), rest) if isinstance(value, dict) else None


def references(value: Any) -> set[str]:  # noqa: ANN401  JSON
    """The names that a value refers to: logical ids, parameters, pseudo parameters."""
    match value:
        case list():
            return set().union(*(references(each) for each in value))
        case {"Ref": str(name)} | {"Fn::GetAtt": str(name) | [str(name), *_]}:
            return {name.split(".")[0]}
        case {"Fn::Sub": str(text)}:
            return _substituted(text)
        case {"Fn::Sub": [str(text), dict(local)]}:
            return (_substituted(text) - set(local)) | references(list(local.values()))
        case dict():
            return references(list(value.values()))
    return set()


def _substituted(text: str) -> set[str]:
    return set(re.findall(r"\$\{([\w:]+)", text))
