"""Request models: never stricter than the schema they are made of."""

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serverless_patterns._blocks.request_model import draft4

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from([1.0, 1.5, -2.0]) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=5,
)


TYPES = st.sampled_from(["object", "array", "string", "integer", "number", "boolean", "null"])


def _schemas(inner: st.SearchStrategy) -> st.SearchStrategy:
    return st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
            "additionalProperties": st.booleans() | inner,
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "b$"]), inner, max_size=1),
            "items": inner,
            "prefixItems": st.lists(inner, min_size=1, max_size=2),
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "oneOf": st.lists(inner, min_size=1, max_size=2),
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
            "required": st.lists(st.sampled_from("abc"), min_size=1, max_size=2, unique=True) | st.just([]),
        },
    )


SCHEMAS = st.recursive(
    st.fixed_dictionaries(
        {},
        optional={
            "type": TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True),
            "const": VALUES,
            "enum": st.lists(VALUES, max_size=3, unique_by=repr),
            "minimum": st.integers(-3, 3),
            "exclusiveMinimum": st.integers(-3, 3),
            "exclusiveMaximum": st.integers(-3, 3),
            "minLength": st.integers(0, 2),
            "pattern": st.sampled_from(["a", "^b"]),
            "multipleOf": st.integers(1, 3),
        },
    ),
    _schemas,
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(schema=SCHEMAS, value=VALUES)
def test_what_the_schema_allows_the_model_allows(schema, value):
    if jsonschema_rs.Draft202012Validator(schema).is_valid(value):
        assert jsonschema_rs.Draft4Validator(draft4(schema)).is_valid(value)


@pytest.mark.parametrize(
    ("schema", "model"),
    [
        ({"exclusiveMinimum": 0}, {"minimum": 0, "exclusiveMinimum": True}),
        ({"const": 1}, {"enum": [1]}),
        ({"const": None}, {}),
        ({"enum": ["a", None]}, {}),
        ({"enum": [], "required": []}, {}),
        ({"maximum": 2**53 + 1, "minLength": 1.0}, {}),
        ({"type": ["integer", "null"]}, {"type": ["null", "number"]}),
        ({"$ref": "#/$defs/x", "type": "string"}, {}),
        ({"not": {"$ref": "#/$defs/x"}}, {}),
        ({"properties": {"a": {"type": "string", "format": "date"}}}, {"properties": {"a": {"type": "string"}}}),
    ],
)
def test_keywords_that_draft_4_lacks_are_translated_or_left_out(schema, model):
    assert draft4(schema) == model


def test_what_the_model_says_it_refuses():
    model = draft4({"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}, "required": ["a"]})
    refused = [{}, {"a": 0}, {"a": "1"}, []]
    assert [jsonschema_rs.Draft4Validator(model).is_valid(value) for value in refused] == [False] * 4
