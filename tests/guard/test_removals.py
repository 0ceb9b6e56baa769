"""What leaves its stack: removed, renamed, moved, or bound to a condition."""

import pytest

from serverless_patterns.guard.assemblies import Stack
from serverless_patterns.guard.comparison import compare_stacks
from serverless_patterns.guard.findings import Kind
from tests.guard.templates import findings, resource

TABLE, QUEUE = "AWS::DynamoDB::Table", "AWS::SQS::Queue"


def stacks(**contents):
    return {name: Stack(name, {"Resources": found}) for name, found in contents.items()}


@pytest.mark.parametrize(
    ("kind", "attributes", "words"),
    [
        (TABLE, {}, "under its DeletionPolicy Delete, the old one is deleted, and with it its items"),
        (TABLE, {"DeletionPolicy": "Retain"}, "the old one is kept outside of the stack with its items"),
        (TABLE, {"DeletionPolicy": "RetainExceptOnCreate"}, "the old one is kept outside of the stack with its items"),
        ("AWS::RDS::DBCluster", {}, "under its DeletionPolicy Snapshot"),
        ("AWS::RDS::DBInstance", {}, "under its DeletionPolicy Snapshot"),
        ("AWS::S3::Bucket", {}, "a bucket with objects cannot be deleted and stays behind"),
        ("AWS::KMS::Key", {}, "until then its deletion can be cancelled"),
    ],
)
def test_a_removal_says_what_becomes_of_the_data(kind, attributes, words):
    (found,) = findings({"Old": resource(kind, **attributes)}, {})
    assert (found.kind, found.logical_id, found.old, found.new) == (Kind.REMOVED, "Old", "Old", None)
    assert words in found.why


@pytest.mark.parametrize(
    "kind",
    [
        "AWS::Backup::LogicallyAirGappedBackupVault",
        "AWS::CloudTrail::EventDataStore",
        "AWS::DocDB::GlobalCluster",
        "AWS::DocDBElastic::Cluster",
        "AWS::EC2::Instance",
        "AWS::Glue::Database",
        "AWS::HealthLake::FHIRDatastore",
        "AWS::KinesisVideo::Stream",
        "AWS::Lightsail::Bucket",
        "AWS::Lightsail::Database",
        "AWS::Lightsail::Disk",
        "AWS::Neptune::GlobalCluster",
        "AWS::NeptuneGraph::Graph",
        "AWS::QLDB::Ledger",
        "AWS::S3Tables::Namespace",
        "AWS::S3Vectors::Index",
        "AWS::Serverless::SimpleTable",
        "AWS::Timestream::InfluxDBCluster",
        "AWS::Timestream::InfluxDBInstance",
    ],
)
def test_types_that_are_easily_forgotten_hold_data_too(kind):
    assert [each.kind for each in findings({"Old": resource(kind)}, {})] == [Kind.REMOVED]


def test_what_holds_no_data_may_go_and_what_is_new_may_come():
    role, member = resource("AWS::IAM::Role"), resource("AWS::RDS::DBInstance", {"DBClusterIdentifier": {"Ref": "Db"}})
    assert findings({"Role": role, "Member": member}, {"New": resource(TABLE)}) == []


def test_an_id_that_changes_looks_like_a_rename_and_the_way_to_keep_it_is_named():
    (found,) = findings({"Old": resource(TABLE)}, {"New": resource(TABLE)})
    assert (found.kind, found.logical_id, found.old, found.new) == (Kind.RENAMED, "Old", "Old", "New")
    assert 'override_logical_id("Old")' in found.mend
    assert "cdk refactor" in found.mend


def test_of_two_renames_each_goes_to_the_one_that_it_resembles():
    def queue(path, name):
        return resource(QUEUE, {"VisibilityTimeout": name}, Metadata={"aws:cdk:path": path})

    old = {"A1": queue("a", 1), "B1": queue("b", 2), "C1": queue("c", 3)}
    new = {"C2": queue("x", 3), "B2": queue("b", 9), "A2": queue("y", 1)}
    assert {each.old: each.new for each in findings(old, new)} == {"A1": "A2", "B1": "B2", "C1": "C2"}


def test_the_path_of_a_construct_says_more_than_the_order_in_the_template():
    def queue(path, seconds):
        return resource(QUEUE, {"VisibilityTimeout": seconds}, Metadata={"aws:cdk:path": path})

    found = findings({"A1": queue("a", 1), "B1": queue("b", 2)}, {"B2": queue("b", 8), "A2": queue("a", 9)})
    assert {each.old: each.new for each in found} == {"A1": "A2", "B1": "B2"}


def test_one_new_resource_is_the_new_name_of_one_old_one_only():
    found = findings({"A": resource(TABLE), "B": resource(TABLE)}, {"C": resource(TABLE)})
    assert [(each.kind, each.new) for each in found] == [(Kind.RENAMED, "C"), (Kind.REMOVED, None)]


def test_something_of_another_type_is_no_rename():
    (found,) = findings({"Old": resource(TABLE)}, {"New": resource(QUEUE)})
    assert found.kind == Kind.REMOVED


def test_a_resource_that_goes_to_another_stack_looks_like_a_move():
    properties = {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}
    table = resource(TABLE, properties)
    (found,) = compare_stacks(stacks(A={"T": table, "R": resource("AWS::IAM::Role")}, B={}), stacks(A={}, B={"T": table}))
    assert (found.kind, found.stack, found.new) == (Kind.RENAMED, "A", "T in stack B")
    assert "cdk refactor" in found.mend
    assert "override_logical_id" not in found.mend


def test_a_stack_that_is_gone_keeps_its_resources_until_it_is_destroyed():
    (found,) = compare_stacks(stacks(A={"T": resource(TABLE)}), stacks(B={"Q": resource(QUEUE)}))
    assert found.kind == Kind.REMOVED
    assert "its stack is gone: `cdk deploy` leaves it as it is" in found.why


def test_a_nested_stack_that_is_gone_takes_its_resources_with_it():
    nested = {"A/N": Stack("A/N", {"Resources": {"T": resource(TABLE)}}, "A")}
    (found,) = compare_stacks(stacks(A={}) | nested, stacks(A={}))
    assert "CloudFormation removes it" in found.why


def test_a_condition_that_is_new_or_another_may_remove():
    plain, bound = {"T": resource(TABLE)}, {"T": resource(TABLE, Condition="C")}
    one, other = ({"C": {"Fn::Equals": ["a", value]}} for value in "ab")
    assert [each.kind for each in findings(plain, bound, Conditions=(one, one))] == [Kind.MAY_BE_REMOVED]
    assert [each.kind for each in findings(bound, bound, Conditions=(one, other))] == [Kind.MAY_BE_REMOVED]
    assert findings(bound, bound, Conditions=(one, one)) == []
    assert findings(bound, plain, Conditions=(one, one)) == []
