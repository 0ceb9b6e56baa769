"""The schemas of the data of events, as they are packed into the code of a route."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aws_cdk import Token

from serverless_patterns._blocks.checks import check, check_type
from serverless_patterns._blocks.event_pattern import exact_types

#: Below the pattern's folder in the handler's code.
SCHEMA_FILE = "schemas.json"


def schema_files(schemas: Mapping[Any, Any] | None, pattern: Mapping[str, Any]) -> dict[str, str]:
    """The file with these schemas, if there are any. Whether the handler's validator takes them is tried when they are packed.

    Raises:
        PatternError: They are no JSON Schemas by type, or one is of a type that the pattern does not let pass.
    """
    if schemas is None:
        return {}
    check_type("schemas", schemas, Mapping, "a dict with the JSON Schema of each type, such as {'orders.paid': {...}}")
    check(schemas, "schemas must have at least one type; leave it out to let any data pass")
    types = exact_types(pattern)
    for name, schema in schemas.items():
        check(isinstance(name, str) and name, f"schemas must have types of events as keys, got {name!r}")
        check(isinstance(schema, Mapping), f"schemas[{name!r}] must be a JSON Schema as a dict, got {schema!r}")
        check(
            schema.get("type", "object") == "object",
            f"schemas[{name!r}] must have type 'object', as an event's data is one, got {schema.get('type')!r}",
        )
        check(
            types is None or name in types,
            f"schemas[{name!r}] is of a type that the pattern does not let pass, which is {', '.join(sorted(types or ()))}",
        )
    return {SCHEMA_FILE: _text(schemas)}


def _text(schemas: Mapping[str, Any]) -> str:
    try:
        text = json.dumps(schemas, allow_nan=False, default=dict)
    except (TypeError, ValueError, RecursionError) as error:
        check(holds=False, message=f"schemas must hold JSON values only: {error}")
    check(not Token.is_unresolved(text), "schemas must not hold CDK tokens: they are packed into the handler's code")
    return text
