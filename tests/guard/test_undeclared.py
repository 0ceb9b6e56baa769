"""Replacements that CloudFormation's documentation tells of, and its schemas do not."""

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from serverless_patterns.guard.findings import Kind
from serverless_patterns.guard.schemas import create_only
from serverless_patterns.guard.undeclared import CERTAIN, UNDECLARED
from tests.guard.templates import findings, resource

TABLE, GLOBAL = "AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable"
DOMAINS = [("AWS::OpenSearchService::Domain", "EngineVersion"), ("AWS::Elasticsearch::Domain", "ElasticsearchVersion")]
IN_PLACE, REPLACING = ({"UpdatePolicy": {"EnableVersionUpgrade": each}} for each in (True, False))


def domain(kind, name, version, **attributes):
    return {"D": resource(kind, {name: version}, **attributes)}


@pytest.mark.parametrize(("kind", "name"), DOMAINS)
@pytest.mark.parametrize("attributes", [{}, REPLACING])
def test_another_version_replaces_a_search_domain_and_its_documents(kind, name, attributes):
    (found,) = findings(domain(kind, name, "1", **IN_PLACE), domain(kind, name, "2", **attributes))
    assert (found.kind, found.property, found.old, found.new) == (Kind.REPLACED, name, "1", "2")
    assert "repost.aws/knowledge-center/cloudformation-opensearch-upgrade" in found.why
    assert "the old one is deleted, and with it its documents" in found.why
    assert "set UpdatePolicy.EnableVersionUpgrade to true" in found.mend


@pytest.mark.parametrize(("kind", "name"), DOMAINS)
@pytest.mark.parametrize("value", [True, "true"])
def test_another_version_is_an_upgrade_in_place_where_the_new_template_says_so(kind, name, value):
    upgraded = domain(kind, name, "2", UpdatePolicy={"EnableVersionUpgrade": value})
    assert findings(domain(kind, name, "1"), upgraded) == []


@pytest.mark.parametrize(
    ("kind", "old", "new", "expected"),
    [
        ("AWS::DynamoDB::Table", {"KeySchema": [{"AttributeName": "a"}]}, {"KeySchema": []}, Kind.REPLACED),
        ("AWS::DynamoDB::GlobalTable", {"KeySchema": [{"AttributeName": "a"}]}, {"KeySchema": []}, Kind.REPLACED),
        ("AWS::DynamoDB::Table", {"LocalSecondaryIndexes": [{"IndexName": "a"}]}, {}, Kind.MAY_BE_REPLACED),
        ("AWS::Serverless::SimpleTable", {"PrimaryKey": {"Name": "a"}}, {"PrimaryKey": {"Name": "b"}}, Kind.REPLACED),
        ("AWS::Serverless::SimpleTable", {"TableName": "a"}, {"TableName": "b"}, Kind.REPLACED),
    ],
)
def test_other_keys_replace_a_table(kind, old, new, expected):
    assert [each.kind for each in findings({"T": resource(kind, old)}, {"T": resource(kind, new)})] == [expected]


def attributes(**types):
    return {"AttributeDefinitions": [{"AttributeName": name, "AttributeType": each} for name, each in types.items()]}


def retyped(kind, old, new):
    return [(each.kind, each.property) for each in findings({"T": resource(kind, old)}, {"T": resource(kind, new)})]


@pytest.mark.parametrize(
    ("kind", "expected", "words"),
    [
        (TABLE, Kind.REPLACED, "aws-resource-dynamodb-table.html (an attribute that the table has already gets another type)"),
        (GLOBAL, Kind.MAY_BE_REPLACED, "replace it, refuse the change, or leave the type as it is"),
    ],
)
def test_another_type_of_a_key_is_no_change_in_place(kind, expected, words):
    sides = ({"T": resource(kind, attributes(id=each, tag="S"))} for each in "SN")
    (found,) = findings(*sides)
    assert (found.kind, found.property) == (expected, "AttributeDefinitions")
    assert (found.old, found.new) == ({"id": "S", "tag": "S"}, {"id": "N", "tag": "S"})
    assert words in found.why


@pytest.mark.parametrize("kind", [TABLE, GLOBAL])
def test_an_attribute_that_comes_or_goes_with_an_index_and_another_order_are_no_finding(kind):
    one, two, turned = attributes(id="S"), attributes(id="S", tag="N"), attributes(tag="N", id="S")
    assert retyped(kind, one, two) == retyped(kind, two, one) == retyped(kind, two, turned) == retyped(kind, one, {}) == []


def test_attributes_that_a_function_makes_from_now_on_may_have_other_types():
    computed = {"AttributeDefinitions": {"Fn::If": ["Prod", [], []]}}
    assert retyped(GLOBAL, attributes(id="S"), computed) == [(Kind.MAY_BE_REPLACED, "AttributeDefinitions")]
    assert retyped(GLOBAL, computed, computed) == []


def test_every_property_that_replaces_for_certain_is_one_that_may_by_its_schema():
    assert all(pointer in create_only(kind).conditional for kind, pointer in CERTAIN)


def test_every_undeclared_property_stands_in_the_schema_of_its_type_and_is_undeclared_there():
    for kind, listed in UNDECLARED.items():
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind)
        for each in listed:
            assert schema.resolver.resolve_cfn_pointer(each.pointer), (kind, each.pointer)
            assert each.pointer not in schema.schema.get("createOnlyProperties", []), (kind, each.pointer)
            assert each.pointer not in schema.schema.get("conditionalCreateOnlyProperties", []), (kind, each.pointer)
