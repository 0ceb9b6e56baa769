"""What is created anew: values that change where they cannot, and values that name what is created anew."""

import pytest

from serverless_patterns.guard.findings import Kind
from serverless_patterns.guard.values import at
from tests.guard.templates import findings, resource

QUEUE, CLUSTER, SUBNETS = "AWS::SQS::Queue", "AWS::RDS::DBCluster", "AWS::RDS::DBSubnetGroup"


def queue(name, **attributes):
    return {"Q": resource(QUEUE, {"QueueName": name}, **attributes)}


def test_a_create_only_property_that_changes_replaces_and_is_named_with_both_values():
    (found,) = findings(queue("a"), queue("b"))
    assert (found.kind, found.stack, found.logical_id, found.type) == (Kind.REPLACED, "Shop", "Q", QUEUE)
    assert (found.property, found.old, found.new) == ("QueueName", "a", "b")
    assert "createOnlyProperties" in found.why
    assert "give it the old value again" in found.mend


@pytest.mark.parametrize(("old", "new"), [(None, "a"), ("a", None)])
def test_a_create_only_property_that_comes_or_goes_replaces(old, new):
    sides = ({"Q": resource(QUEUE, {"QueueName": name} if name else {})} for name in (old, new))
    (found,) = findings(*sides)
    assert (found.old, found.new) == (old, new)


def test_a_property_that_can_change_is_no_finding():
    visible = [{"Q": resource(QUEUE, {"VisibilityTimeout": seconds})} for seconds in (30, 60)]
    assert findings(*visible) == []


def test_a_property_that_replaces_under_conditions_may_replace():
    clusters = [{"C": resource("AWS::RDS::DBCluster", {"MasterUsername": name})} for name in ("a", "b")]
    (found,) = findings(*clusters)
    assert (found.kind, found.property) == (Kind.MAY_BE_REPLACED, "MasterUsername")
    assert "conditionalCreateOnlyProperties" in found.why


def test_a_property_inside_another_is_found_and_what_stands_beside_it_is_none():
    def repository(encryption, immutable):
        properties = {"EncryptionConfiguration": {"EncryptionType": encryption}, "ImageTagMutability": immutable}
        return {"R": resource("AWS::ECR::Repository", properties)}

    found = findings(repository("AES256", "MUTABLE"), repository("KMS", "IMMUTABLE"))
    assert {each.property for each in found} == {"EncryptionConfiguration", "EncryptionConfiguration.EncryptionType"}


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({}, "the old one is deleted, and with it its messages"),
        ({"UpdateReplacePolicy": "Delete", "DeletionPolicy": "Retain"}, "the old one is deleted, and with it its messages"),
        ({"UpdateReplacePolicy": "Retain"}, "the old one is kept outside of the stack with its messages"),
        ({"UpdateReplacePolicy": "Snapshot"}, "after a snapshot: only restoring that brings back its messages"),
    ],
)
def test_a_replacement_says_what_becomes_of_the_data(attributes, words):
    (found,) = findings(queue("a", **attributes), queue("b", **attributes))
    assert words in found.why


def test_a_policy_counts_only_where_both_sides_have_it():
    """Which of the two CloudFormation follows is not documented: the weaker one is said."""
    found = findings(queue("a", UpdateReplacePolicy="Retain"), queue("b"))
    assert all("is deleted" in each.why for each in found if each.kind == Kind.REPLACED)


def test_a_database_that_is_replaced_leaves_no_snapshot_unless_told():
    """Only for removals a snapshot is the default: the guard must not promise one."""
    clusters = ({"Db": resource(CLUSTER, {"DatabaseName": name})} for name in "ab")
    (found,) = findings(*clusters)
    assert "the old one is deleted, and with it its data" in found.why


def test_a_type_that_changes_is_refused():
    (found,) = findings({"T": resource("AWS::DynamoDB::Table")}, {"T": resource("AWS::DynamoDB::GlobalTable")})
    assert (found.kind, found.property) == (Kind.REFUSED, "Type")
    assert "refuses to change the type" in found.why


# --- values that name others


def database(subnets, cluster=None):
    group = {"Ref": "Subnets"}
    return {
        "Subnets": resource(SUBNETS, {"DBSubnetGroupName": subnets}),
        "Db": resource(CLUSTER, {"DBSubnetGroupName": group, **(cluster or {})}),
    }


def test_what_names_a_replaced_resource_in_a_create_only_property_is_replaced_too():
    (found,) = findings(database("a"), database("b"))
    assert (found.logical_id, found.kind, found.property) == ("Db", Kind.REPLACED, "DBSubnetGroupName")
    assert "it names Subnets, which is replaced itself" in found.why
    assert found.mend == "keep Subnets as it is"


def test_a_replacement_goes_on_through_several_resources():
    def chain(name):
        return {
            "Stream": resource("AWS::Kinesis::Stream", {"Name": name}),
            "Topic": resource("AWS::SNS::Topic", {"TopicName": {"Fn::Sub": "${Stream}-topic"}}),
            "Queue": resource(QUEUE, {"QueueName": {"Fn::Join": ["-", ["a", {"Fn::GetAtt": "Topic.TopicName"}]]}}),
            "Other": resource(QUEUE, {"QueueName": {"Fn::Sub": ["${Stream}", {"Stream": "literal"}]}}),
        }

    assert [each.logical_id for each in findings(chain("a"), chain("b"))] == ["Queue", "Stream", "Topic"]


def test_what_names_a_resource_that_may_be_replaced_may_be_replaced_too():
    def named_after(user):
        cluster = resource("AWS::RDS::DBCluster", {"MasterUsername": user})
        return {"C": cluster, "Q": resource(QUEUE, {"QueueName": {"Ref": "C"}})}

    assert {each.logical_id: each.kind for each in findings(named_after("a"), named_after("b"))} == {
        "C": Kind.MAY_BE_REPLACED,
        "Q": Kind.MAY_BE_REPLACED,
    }


def test_what_names_a_replaced_resource_where_it_can_change_stays():
    def subscribed(name):
        redrive = {"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": 3}
        return {"Dead": resource(QUEUE, {"QueueName": name}), "Q": resource(QUEUE, {"RedrivePolicy": redrive})}

    assert [each.logical_id for each in findings(subscribed("a"), subscribed("b"))] == ["Dead"]


# --- intrinsic functions


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (True, "true"),
        (5, "5"),
        ({"Fn::GetAtt": ["A", "B.C"]}, {"Fn::GetAtt": "A.B.C"}),
        ({"Ref": "AWS::NoValue"}, None),
        ({"Fn::Join": ["", [{"A": {"Ref": "AWS::NoValue"}}]]}, {"Fn::Join": ["", [{}]]}),
        ({"Ref": "Name"}, {"Ref": "Name"}),
        ({"Fn::Sub": "${Name}-x"}, {"Fn::Sub": "${Name}-x"}),
    ],
)
def test_two_ways_to_write_the_same_value_are_no_change(old, new):
    parameters = {"Name": {"Type": "String", "Default": "a", "Description": "old"}}
    described = {"Name": {**parameters["Name"], "Description": "new"}}
    sides = ({"Q": resource(QUEUE, {} if value is None else {"QueueName": value})} for value in (old, new))
    assert findings(*sides, Parameters=(parameters, described)) == []


@pytest.mark.parametrize(
    ("value", "section", "old", "new"),
    [
        ({"Ref": "N"}, "Parameters", {"Type": "String", "Default": "a"}, {"Type": "String", "Default": "b"}),
        ({"Fn::Sub": "x-${N}"}, "Parameters", {"Type": "String", "Default": "a"}, {"Type": "String", "Default": "b"}),
        ({"Fn::If": ["N", "a", "b"]}, "Conditions", {"Fn::Equals": ["a", "a"]}, {"Fn::Equals": ["a", "b"]}),
        ({"Fn::FindInMap": ["N", "x", "y"]}, "Mappings", {"x": {"y": "a"}}, {"x": {"y": "b"}}),
    ],
)
def test_a_name_whose_definition_changes_is_a_change_of_the_value(value, section, old, new):
    side = {"Q": resource(QUEUE, {"QueueName": value})}
    (found,) = findings(side, side, **{section: ({"N": old}, {"N": new})})
    assert found.kind == Kind.REPLACED
    assert found.old != found.new


def test_a_function_above_a_property_stands_for_all_below_it():
    function = {"Fn::If": ["Prod", {"Name": "a"}, {"Name": "b"}]}
    assert at({"Outer": function}, "/properties/Outer/Name") == function
    assert at({"Outer": [{"Name": 1}, function, 5]}, "/properties/Outer/*/Name") == [1, function, None]
    assert at({"Outer": "text"}, "/properties/Outer/*/Name") is None


def test_a_condition_inside_a_condition_is_followed():
    side = {"Q": resource(QUEUE, {"QueueName": {"Fn::If": ["Outer", "a", "b"]}})}
    outer = {"Outer": {"Fn::Not": [{"Condition": "Inner"}]}}
    conditions = tuple({**outer, "Inner": {"Fn::Equals": ["x", value]}} for value in ("x", "y"))
    assert len(findings(side, side, Conditions=conditions)) == 1
