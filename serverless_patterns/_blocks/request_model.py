"""Request models of a REST API: what of a JSON Schema API Gateway can check before it calls a function."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Keywords that mean the same in draft 4, the one that API Gateway knows, and in draft 2020-12. Patterns are not among them:
#: API Gateway's regular expressions are Java's.
#: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
SAME = (
    "type", "enum", "required", "minLength", "maxLength", "minimum", "maximum",
    "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties",
)  # fmt: skip

#: JavaScript, which CDK runs on, holds whole numbers up to here exactly.
LARGEST = 2**53


def draft4(schema: Any) -> dict[str, Any]:  # noqa: ANN401  any JSON value
    """The part of a schema that draft 4 can say, never stricter than the schema.

    What it cannot say is left out, and so is what would refuse more once something under it is left out (``not``;
    ``oneOf`` becomes ``anyOf``). The handler checks the whole schema.
    """
    if not isinstance(schema, Mapping) or "$ref" in schema:
        return {}
    model: dict[str, Any] = {key: schema[key] for key in SAME if key in schema and _can_say(schema[key])}
    if "type" in model:
        model["type"] = _types(model["type"])
    model |= _exclusive_bounds(schema)
    model |= _of_members(schema)
    if "items" in schema and "prefixItems" not in schema and schema["items"] is not False:
        model["items"] = draft4(schema["items"])
    if "const" in schema and _can_say([schema["const"]]):
        model["enum"] = [schema["const"]]
    if "allOf" in schema:
        model["allOf"] = [draft4(sub) for sub in schema["allOf"]]
    alternatives = [schema[key] for key in ("anyOf", "oneOf") if key in schema]
    if alternatives:
        model["anyOf"] = [draft4(sub) for sub in alternatives[0]]
    return model


def _of_members(schema: Mapping[str, Any]) -> dict[str, Any]:
    members = schema.get("properties")
    others = schema.get("additionalProperties")
    model: dict[str, Any] = {}
    if isinstance(members, Mapping):
        model["properties"] = {name: draft4(sub) for name, sub in members.items()}
    if others is not None and "patternProperties" not in schema:
        model["additionalProperties"] = draft4(others) if isinstance(others, Mapping) else others
    return model


def _can_say(value: object) -> bool:
    """Whether a value comes through CDK and draft 4 as it is: no empty list, no null, no number beyond a JavaScript one's."""
    match value:
        case None | []:
            return False
        case dict():
            return all(map(_can_say, value.values()))
        case list():
            return all(map(_can_say, value))
        case int() | float():
            return abs(value) <= LARGEST and not (isinstance(value, float) and value.is_integer())
    return True


def _types(types: str | list[str]) -> str | list[str]:
    """To draft 4, 1.0 is no integer."""
    if isinstance(types, list):
        return sorted({str(_types(name)) for name in types})
    return "number" if types == "integer" else types


def _exclusive_bounds(schema: Mapping[str, Any]) -> dict[str, Any]:
    """In draft 4 an exclusive bound is a switch beside the bound."""
    model: dict[str, Any] = {}
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if exclusive in schema and bound not in schema and _can_say(schema[exclusive]):
            model |= {bound: schema[exclusive], exclusive: True}
    return model
