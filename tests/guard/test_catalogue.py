"""Over every template of the catalogue: the same is never a finding, and each create-only property that changes is one."""

import functools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serverless_patterns.guard.assemblies import Stack
from serverless_patterns.guard.comparison import compare_stacks
from serverless_patterns.guard.findings import Kind
from serverless_patterns.guard.schemas import create_only
from serverless_patterns.guard.stateful import is_stateful
from serverless_patterns.guard.values import at
from tests.support.synthesis import synthesise
from tests.support.variants import variants


@functools.cache
def everything():
    """Name -> template: each stack of each environment, and the other shapes of the patterns."""
    stacks = {name: template for templates in synthesise().values() for name, template in templates.items()}
    return stacks | dict(variants())


def found(old, new):
    return compare_stacks({"S": Stack("S", old)}, {"S": Stack("S", new)})


def disordered(node, random):
    """The same JSON with the keys of its objects in another order."""
    if isinstance(node, dict):
        return {key: disordered(node[key], random) for key in random.sample(list(node), len(node))}
    return [disordered(item, random) for item in node] if isinstance(node, list) else node


@given(data=st.data(), random=st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=60)
def test_a_template_is_safe_against_itself_in_whatever_order_it_is_written(data, random):
    name = data.draw(st.sampled_from(sorted(everything())))
    template = everything()[name]
    assert found(template, disordered(template, random)) == []


def test_every_template_is_safe_against_itself():
    assert [name for name, template in everything().items() if found(template, template)] == []


@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_whatever_is_removed_from_a_template_is_found_if_it_holds_data_and_only_then(data):
    template = everything()[data.draw(st.sampled_from(sorted(everything())))]
    gone = data.draw(st.sets(st.sampled_from(sorted(template["Resources"])), min_size=1))
    rest = {**template, "Resources": {name: each for name, each in template["Resources"].items() if name not in gone}}
    removed = {each.logical_id for each in found(template, rest) if each.kind == Kind.REMOVED}
    assert removed == {name for name in gone if is_stateful(template["Resources"][name])}


def mutants():
    """Every create-only property of every resource with data, in every template."""
    for name, template in everything().items():
        for logical_id, resource in template["Resources"].items():
            if is_stateful(resource):
                yield from ((name, logical_id, pointer) for pointer in create_only(resource["Type"]).pointers)


def mutated(template, logical_id, pointer):
    """The template with another value in one place."""
    copy = json.loads(json.dumps(template))
    node = copy["Resources"][logical_id].setdefault("Properties", {})
    *parents, last = pointer.split("/")[2:]
    for part in parents:
        node = node.setdefault(part, {})
    node[last] = [node.get(last), "mutated"]
    return copy


def test_each_create_only_property_of_each_resource_with_data_is_found_when_it_changes():
    missed, tried = [], 0
    for name, logical_id, pointer in mutants():
        template = everything()[name]
        changes = found(template, mutated(template, logical_id, pointer))
        property_name = pointer.removeprefix("/properties/").replace("/", ".")
        kinds = {each.kind for each in changes if (each.logical_id, each.property) == (logical_id, property_name)}
        tried += 1
        if not kinds & {Kind.REPLACED, Kind.MAY_BE_REPLACED}:
            missed.append((name, logical_id, pointer))
    assert missed == []
    assert tried > 500


def keyed():
    """Every attribute of every key of a table, in every template."""
    for name, template in everything().items():
        for logical_id, resource in template["Resources"].items():
            definitions = resource.get("Properties", {}).get("AttributeDefinitions", [])
            yield from ((name, logical_id, number) for number in range(len(definitions)))


def test_each_key_of_each_table_is_found_when_its_type_changes():
    missed, tried = [], 0
    for name, logical_id, number in keyed():
        changed = json.loads(json.dumps(everything()[name]))
        changed["Resources"][logical_id]["Properties"]["AttributeDefinitions"][number]["AttributeType"] = "B"
        kinds = {(each.kind, each.logical_id) for each in found(everything()[name], changed)}
        tried += 1
        if kinds != {(Kind.MAY_BE_REPLACED, logical_id)}:
            missed.append((name, logical_id, number))
    assert missed == []
    assert tried > 50


@pytest.mark.parametrize(
    "kind", ["AWS::DynamoDB::GlobalTable", "AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::SecretsManager::Secret"]
)
def test_the_catalogue_has_what_the_mutants_are_made_of(kind):
    assert any(each["Type"] == kind for template in everything().values() for each in template["Resources"].values())
    assert [pointer for pointer in create_only(kind).pointers if at({}, pointer) is None]
