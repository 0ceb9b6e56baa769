"""Checks of the JSON Schema that describes a resource.

What a schema of a resource must be, and the mistakes that are made most, are checked while defining. Whether the handler's own
validator takes it - patterns, references, bounds - is tried when the code is packed (``self_check`` of the handler).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aws_cdk import Token

from serverless_patterns._blocks.checks import check

KEYWORDS_WITH_NAMED_SCHEMAS = ("properties", "patternProperties", "$defs", "dependentSchemas")
KEYWORDS_WITH_SCHEMAS = ("allOf", "anyOf", "oneOf", "prefixItems")
TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")


def resource_schema(schema: Mapping[str, Any], *, reserved: Sequence[str], key: str | None = "id") -> dict[str, Any]:
    """The checked schema, closed: fields that it does not name are refused unless it says otherwise.

    Args:
        schema: A JSON Schema (draft 2020-12) of an object.
        reserved: Properties that belong to the server.
        key: The property that is the key of the table, if one is.

    Raises:
        PatternError: The schema is not one of an object, contradicts itself, or claims a property of the server.
    """
    check(isinstance(schema, Mapping), f"schema must be a JSON Schema as a dict, got {type(schema).__name__}")
    try:
        text = json.dumps(schema, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        check(holds=False, message=f"schema must hold JSON values only: {error}")
    schema = json.loads(text)  # tuples and other keys than texts are what JSON makes of them
    check(not Token.is_unresolved(text), "schema must not hold CDK tokens: it is packed into the handler's code")
    check(schema.get("type") == "object", f"schema must have type 'object', got {schema.get('type')!r}")
    properties = schema.get("properties")
    check(isinstance(properties, Mapping) and properties, "schema must name the fields of the resource under 'properties'")
    _check_reserved(schema, reserved)
    _check_key(schema, key)
    closed = {"additionalProperties": False, **schema}
    for place, part in _parts(closed, "schema"):
        _check_part(place, part)
    return closed


def require_fields(schema: Mapping[str, Any], needed: Mapping[str, Sequence[str]], *, why: str) -> None:
    """Check that a schema requires the fields that bundled code works with.

    Args:
        schema: The checked schema.
        needed: Field -> the types that it may have, the best one first.
        why: What they are for, and what can be done without them.

    Raises:
        PatternError: One is missing, not required or of another type.
    """
    for name, kinds in needed.items():
        field, required = schema["properties"].get(name), name in schema.get("required", [])
        check(
            required and type_of(schema, name) in kinds,
            f"schema must require {name!r} with type {kinds[0]!r}, got {field!r}{'' if required else ', not required'}: {why}",
        )


def type_of(schema: Mapping[str, Any], name: str) -> object:
    """The type that a schema of an object gives a property; that schema can be a bool as well."""
    field = schema["properties"].get(name)
    return field.get("type") if isinstance(field, Mapping) else None


def check_expiry(attribute: str | None, schema: Mapping[str, Any], *, reserved: Sequence[str]) -> None:
    """Check that items can have the attribute by which they expire: in a closed schema it must be a number of the schema."""
    open_to_it = attribute not in {*schema["properties"], *reserved} and schema["additionalProperties"] is not False
    if attribute is None or open_to_it:
        return
    field = schema["properties"].get(attribute)
    check(
        isinstance(field, Mapping) and field.get("type") in {"integer", "number"},
        f"time_to_live_attribute must be a field of the schema with type 'integer' (the epoch second of an item's end), "
        f"got {attribute!r}, which the schema has as {field!r}",
    )


def _check_reserved(schema: Mapping[str, Any], reserved: Sequence[str]) -> None:
    properties = schema["properties"]
    taken = sorted(set(properties) & set(reserved))
    check(not taken, f"schema must not have the properties {', '.join(taken)}: the server sets them; choose other names")


def _check_key(schema: Mapping[str, Any], key: str | None) -> None:
    identity = schema["properties"].get(key)
    check(
        identity is None or (isinstance(identity, Mapping) and identity.get("type") == "string"),
        f"schema: the property {key!r} is the key of the table and must have type 'string', got {identity!r}",
    )


def _check_part(place: str, part: Mapping[str, Any]) -> None:
    kinds = part.get("type", [])
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        check(kind in TYPES, f"{place}: type must be one of {', '.join(TYPES)}, got {kind!r}")
    reference = part.get("$ref", "#")
    check(str(reference).startswith("#"), f"{place}: $ref must point into the schema itself ('#/...'), got {reference!r}")
    required = part.get("required", [])
    check(isinstance(required, list), f"{place}: required must be a list of property names, got {required!r}")
    members = part.get("properties")
    if isinstance(members, Mapping) and part.get("additionalProperties") is False:
        unknown = [name for name in required if name not in members]
        check(not unknown, f"{place}: required names {', '.join(map(repr, unknown))}, which properties does not have")
    for key in KEYWORDS_WITH_SCHEMAS:
        check(key not in part or (isinstance(part[key], list) and part[key]), f"{place}: {key} must be a list of schemas")
    for key in KEYWORDS_WITH_NAMED_SCHEMAS:
        named = part.get(key, {})
        check(isinstance(named, Mapping), f"{place}: {key} must be a dict of schemas, got {named!r}")
        for name, sub in named.items():
            check(isinstance(sub, Mapping | bool), f"{place}.{key}.{name} must be a schema (a dict), got {sub!r}")


def _parts(schema: Any, place: str) -> Iterator[tuple[str, Mapping[str, Any]]]:  # noqa: ANN401  any JSON value
    """The schema and all schemas in it, each with its place."""
    if not isinstance(schema, Mapping):
        return
    yield place, schema
    for key in KEYWORDS_WITH_NAMED_SCHEMAS:
        named = schema.get(key)
        for name, sub in named.items() if isinstance(named, Mapping) else ():
            yield from _parts(sub, f"{place}.{key}.{name}")
    for key in KEYWORDS_WITH_SCHEMAS:
        listed = schema.get(key)
        for number, sub in enumerate(listed if isinstance(listed, list) else ()):
            yield from _parts(sub, f"{place}.{key}[{number}]")
    for key in ("items", "not", "if", "then", "else", "contains", "additionalProperties", "propertyNames"):
        yield from _parts(schema.get(key), f"{place}.{key}")
