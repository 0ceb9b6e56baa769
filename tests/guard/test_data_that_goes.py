"""What a deploy does to data in a resource that stays: replicas, emptied buckets, backups that end."""

import pytest

from serverless_patterns.guard.assemblies import Stack
from serverless_patterns.guard.comparison import compare_stacks
from serverless_patterns.guard.findings import Kind
from tests.guard.templates import findings, resource

GLOBAL, BUCKET, PLAN = "AWS::DynamoDB::GlobalTable", "AWS::S3::Bucket", "AWS::Backup::BackupPlan"
EMPTIER, TAG = "Custom::S3AutoDeleteObjects", "aws-cdk:auto-delete-objects"


def told(old, new):
    return [(each.kind, each.logical_id, each.property) for each in findings(old, new)]


# --- replicas


def table(*regions):
    return {"T": resource(GLOBAL, {"Replicas": [{"Region": each} for each in regions]})}


def test_a_replica_that_is_removed_goes_with_its_items():
    (found,) = findings(table("a", "b"), table("a"))
    assert (found.kind, found.property, found.old, found.new) == (Kind.REMOVED, "Replicas", ["a", "b"], ["a"])
    assert "deletes the replica in b with all of its items there" in found.why
    assert "the replicas that stay keep theirs" in found.why


def test_a_replica_that_comes_and_another_order_are_no_finding():
    assert told(table("a"), table("b", "a")) == told(table("a", "b"), table("b", "a")) == []


@pytest.mark.parametrize("new", [["b"], [{"Ref": "Other"}]])
def test_a_region_that_is_computed_may_be_the_one_that_goes(new):
    assert told(table({"Ref": "AWS::Region"}), table(*new)) == [(Kind.MAY_BE_REMOVED, "T", "Replicas")]


def test_a_list_of_replicas_that_becomes_a_function_may_lose_each_of_them():
    computed = {"T": resource(GLOBAL, {"Replicas": {"Fn::If": ["Prod", [{"Region": "a"}], []]}})}
    assert (Kind.MAY_BE_REMOVED, "T", "Replicas") in told(table("a"), computed)
    assert told(computed, computed) == []


# --- buckets that something empties


def bucket(emptier=None, *, tags=True, **attributes):
    properties = {"Tags": [{"Key": TAG, "Value": "true"}]} if emptier and tags else {}
    custom = {emptier: resource(EMPTIER, {"BucketName": {"Ref": "B"}})} if emptier else {}
    return {"B": resource(BUCKET, properties, **attributes), **custom}


def test_a_bucket_that_something_empties_from_now_on_is_less_protected_and_the_way_back_is_safe():
    (found,) = findings(bucket(), bucket("E"))
    assert (found.kind, found.logical_id, found.property, found.new) == (Kind.LESS_PROTECTED, "B", EMPTIER, "E")
    assert "deletes its objects" in found.why
    assert told(bucket("E"), bucket()) == told(bucket("E"), bucket("E")) == []


def test_a_bucket_is_emptied_by_an_emptier_that_goes_while_its_tag_stays():
    """As when a construct is renamed and only the bucket's id overridden."""
    (found,) = findings(bucket("E"), bucket("F"))
    assert (found.kind, found.logical_id, found.property, found.old, found.new) == (Kind.EMPTIED, "B", EMPTIER, "E", "F")
    assert 'override_logical_id("E")' in found.mend
    assert told(bucket("E"), bucket("F", tags=False)) == []


def test_an_emptier_that_turns_to_another_bucket_empties_the_first():
    two = bucket("E") | {"C": resource(BUCKET)}
    turned = two | {"E": resource(EMPTIER, {"BucketName": {"Ref": "C"}})}
    assert told(two, turned) == [(Kind.EMPTIED, "B", EMPTIER), (Kind.LESS_PROTECTED, "C", EMPTIER)]


def test_an_emptier_that_is_kept_outside_of_the_stack_empties_nothing():
    kept = bucket("E")
    kept["E"]["DeletionPolicy"] = "Retain"
    assert told(kept, bucket("F")) == []


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({}, "the old one is deleted, and with it its objects (Custom::S3AutoDeleteObjects empties it first)"),
        ({"DeletionPolicy": "Retain"}, "kept outside of the stack, but Custom::S3AutoDeleteObjects deletes its objects first"),
    ],
)
def test_the_removal_of_a_bucket_that_something_empties_promises_nothing(attributes, words):
    (found,) = findings(bucket("E", **attributes), {})
    assert words in found.why
    assert "stays behind" not in found.why


def test_the_replacement_of_a_bucket_that_something_empties_promises_nothing():
    old, new = bucket("E"), bucket("E")
    new["B"]["Properties"] = {**new["B"]["Properties"], "BucketName": "other"}
    (found,) = findings(old, new)
    assert "(Custom::S3AutoDeleteObjects empties it first)" in found.why


# --- backups that end


@pytest.mark.parametrize("kind", ["AWS::Backup::BackupPlan", "AWS::Backup::BackupSelection"])
def test_backups_that_end_are_found(kind):
    (found,) = findings({"P": resource(kind)}, {})
    assert (found.kind, found.logical_id, found.type, found.property) == (Kind.LESS_PROTECTED, "P", kind, "logical id")
    assert "no further backup is made" in found.why


def test_backups_that_go_on_outside_of_the_stack_are_no_finding():
    plan = resource("AWS::Backup::BackupPlan")
    assert told({"P": {**plan, "DeletionPolicy": "Retain"}}, {}) == told({"P": plan}, {"P": plan}) == []


def test_the_backups_of_a_stack_that_is_gone_end_only_when_it_was_nested():
    plan = {"Resources": {"P": resource("AWS::Backup::BackupPlan")}}
    parent = {"A": Stack("A", {"Resources": {}})}
    assert compare_stacks({"B": Stack("B", plan)}, parent) == []
    (found,) = compare_stacks(parent | {"A/N": Stack("A/N", plan, "A")}, parent)
    assert (found.stack, found.kind) == ("A/N", Kind.LESS_PROTECTED)


def test_the_backups_of_a_stack_nested_in_a_nested_one_that_is_gone_end_with_it():
    plan = {"Resources": {"P": resource(PLAN)}}
    parent = {"A": Stack("A", {"Resources": {}})}
    nested = {"A/N": Stack("A/N", {"Resources": {}}, "A"), "A/N/M": Stack("A/N/M", plan, "A/N")}
    (found,) = compare_stacks(parent | nested, parent)
    assert (found.stack, found.kind) == ("A/N/M", Kind.LESS_PROTECTED)


def plan(**rules):
    listed = [{"RuleName": name, **({"Lifecycle": {"DeleteAfterDays": days}} if days else {})} for name, days in rules.items()]
    return {"P": resource(PLAN, {"BackupPlan": {"BackupPlanRule": listed}})}


FUNCTION = {"Fn::If": ["Prod", 90, 7]}


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        (plan(daily=90), plan(daily=30), "daily"),
        (plan(daily=None), plan(daily=30), "daily"),
        (plan(daily="100"), plan(daily="30"), "daily"),
        (plan(daily=90), plan(daily=FUNCTION), "daily"),
        (plan(daily=9, weekly=90), plan(weekly=90), "daily"),
        (plan(daily=9, weekly=90), plan(daily=8, weekly=89), "daily, weekly"),
    ],
)
def test_a_backup_that_goes_earlier_or_is_made_no_longer_is_found(old, new, names):
    (found,) = findings(old, new)
    assert (found.kind, found.property) == (Kind.LESS_PROTECTED, "BackupPlan.BackupPlanRule")
    assert f"made no longer, or go earlier: {names}. Those that are there already keep their time" in found.why


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (plan(daily=30), plan(daily=90)),
        (plan(daily=30), plan(daily=None)),
        (plan(daily=30), plan(daily="30", weekly=7)),
        (plan(daily=30), plan(nightly=30)),
        (plan(daily=FUNCTION), plan(daily=FUNCTION)),
        (plan(daily=FUNCTION), plan(daily=1)),
        ({"P": resource(PLAN)}, {"P": resource(PLAN)}),
    ],
)
def test_a_backup_that_is_kept_for_as_long_or_under_another_name_is_no_finding(old, new):
    assert told(old, new) == []
