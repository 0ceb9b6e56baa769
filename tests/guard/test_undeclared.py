"""Replacements that CloudFormation's documentation tells of, and its schemas do not."""

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from serverless_patterns.guard.findings import Kind
from serverless_patterns.guard.undeclared import UNDECLARED
from tests.guard.templates import findings, resource

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
        ("AWS::DynamoDB::Table", {"LocalSecondaryIndexes": [{"IndexName": "a"}]}, {}, Kind.MAY_BE_REPLACED),
        ("AWS::Serverless::SimpleTable", {"PrimaryKey": {"Name": "a"}}, {"PrimaryKey": {"Name": "b"}}, Kind.REPLACED),
        ("AWS::Serverless::SimpleTable", {"TableName": "a"}, {"TableName": "b"}, Kind.REPLACED),
    ],
)
def test_other_keys_replace_a_table(kind, old, new, expected):
    assert [each.kind for each in findings({"T": resource(kind, old)}, {"T": resource(kind, new)})] == [expected]


def test_every_undeclared_property_stands_in_the_schema_of_its_type_and_is_undeclared_there():
    for kind, listed in UNDECLARED.items():
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind)
        for each in listed:
            assert schema.resolver.resolve_cfn_pointer(each.pointer), (kind, each.pointer)
            assert each.pointer not in schema.schema.get("createOnlyProperties", []), (kind, each.pointer)
            assert each.pointer not in schema.schema.get("conditionalCreateOnlyProperties", []), (kind, each.pointer)
