"""Rules that delete what is older than a time: S3's lifecycle rules, ECR's lifecycle policies."""

import json

import pytest

from serverless_patterns.guard.findings import Kind
from tests.guard.templates import findings, resource

BUCKET, DIRECTORY, IMAGES = "AWS::S3::Bucket", "AWS::S3Express::DirectoryBucket", "AWS::ECR::Repository"
FUNCTION = {"Fn::If": ["Prod", 30, 7]}


def bucket(*rules, kind=BUCKET):
    enabled = [each if "Fn::If" in each else {"Status": "Enabled", **each} for each in rules]
    return {"B": resource(kind, {"LifecycleConfiguration": {"Rules": enabled}} if rules else {})}


def days(number, **scope):
    return {"ExpirationInDays": number, **scope}


def versions(number, newer=0):
    return {"NoncurrentVersionExpiration": {"NoncurrentDays": number, "NewerNoncurrentVersions": newer}}


def tagged(*names):
    return {"TagFilters": [{"Key": name, "Value": "yes"} for name in names]}


def fallen(old, new):
    return [(each.kind, each.property) for each in findings(old, new)]


EARLIER = {
    "a first rule": ([], [days(3650)]),
    "a shorter time": ([days(90)], [days(30)]),
    "a time written as text": ([days("90")], [days("30")]),
    "a rule that was off": ([days(9, Status="Disabled")], [days(9)]),
    "a rule for all beside a shorter one for a few": ([days(1, Prefix="tmp/")], [days(1, Prefix="tmp/"), days(30)]),
    "a shorter prefix": ([days(1, Prefix="tmp/")], [days(1, Prefix="t")]),
    "fewer tags": ([days(1, **tagged("a", "b"))], [days(1, **tagged("a"))]),
    "smaller objects": ([days(1, ObjectSizeGreaterThan=100)], [days(1, ObjectSizeGreaterThan=10)]),
    "larger objects": ([days(1, ObjectSizeLessThan=100)], [days(1)]),
    "an earlier date": ([{"ExpirationDate": "2030-02-01"}], [{"ExpirationDate": "2030-01-01"}]),
    "a date beside days": ([days(9)], [days(9), {"ExpirationDate": "2030-01-01"}]),
    "old versions": ([days(1)], [{**days(1), **versions(30)}]),
    "old versions sooner": ([versions(90)], [versions(1)]),
    "old versions written as it was once": ([versions(90)], [{"NoncurrentVersionExpirationInDays": 1}]),
    "fewer old versions": ([versions(9, 5)], [versions(9, 1)]),
    "a time that is computed": ([days(30)], [days(FUNCTION)]),
    "old versions that are computed": ([], [{"NoncurrentVersionExpiration": {"Fn::If": ["Prod", {"NoncurrentDays": 1}, {}]}}]),
    "a rule that is computed": ([], [{"Fn::If": ["Prod", days(1), {"Ref": "AWS::NoValue"}]}]),
}


@pytest.mark.parametrize("change", EARLIER)
def test_a_rule_that_deletes_objects_earlier_than_any_did_is_found(change):
    old, new = EARLIER[change]
    assert fallen(bucket(*old), bucket(*new)) == [(Kind.LESS_PROTECTED, "LifecycleConfiguration")]


@pytest.mark.parametrize("change", sorted(EARLIER.keys() - {"a date beside days", "a time that is computed"}))
def test_a_rule_that_goes_or_deletes_later_is_no_finding(change):
    old, new = EARLIER[change]
    assert fallen(bucket(*new), bucket(*old)) == []


@pytest.mark.parametrize(
    "rule",
    [
        {"ExpiredObjectDeleteMarker": True},
        {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}},
        {"Transitions": [{"StorageClass": "GLACIER", "TransitionInDays": 1}]},
        {**days(1), "Status": "Disabled"},
    ],
)
def test_a_rule_that_deletes_no_object_is_no_finding(rule):
    assert fallen(bucket(), bucket(rule)) == []


@pytest.mark.parametrize(("old", "new"), [(1, 2), (2, 1)])
def test_a_rule_that_is_computed_covers_no_other(old, new):
    sides = (bucket({"Fn::If": ["Prod", days(each), {"Ref": "AWS::NoValue"}]}) for each in (old, new))
    assert fallen(*sides) == [(Kind.LESS_PROTECTED, "LifecycleConfiguration")]


def test_rules_that_are_computed_and_stay_the_same_are_no_finding():
    same = bucket(days(FUNCTION), {"Fn::If": ["Prod", days(1), days(2)]})
    assert fallen(same, same) == []
    whole = {"B": resource(BUCKET, {"LifecycleConfiguration": {"Fn::If": ["Prod", {"Rules": [days(1)]}, {}]}})}
    assert fallen(whole, whole) == []
    assert fallen(bucket(), whole) == [(Kind.LESS_PROTECTED, "LifecycleConfiguration")]


def test_a_directory_bucket_has_rules_too():
    assert fallen(bucket(kind=DIRECTORY), bucket(days(1), kind=DIRECTORY)) == [(Kind.LESS_PROTECTED, "LifecycleConfiguration")]


def test_a_rule_says_that_objects_are_deleted_and_which_one_does_it():
    (found,) = findings(bucket(days(90)), bucket(days(1, Prefix="in/", Id="short"), days(90)))
    assert "deletes objects earlier than before, or for the first time: ExpirationInDays 1" in found.why
    assert found.old == [{"Status": "Enabled", "ExpirationInDays": 90}]
    assert found.new == [{"Status": "Enabled", "ExpirationInDays": 1, "Prefix": "in/", "Id": "short"}, *found.old]


# --- images


def images(*rules):
    listed = [{"rulePriority": n, "selection": each, "action": {"type": "expire"}} for n, each in enumerate(rules)]
    return {"R": resource(IMAGES, {"LifecyclePolicy": {"LifecyclePolicyText": json.dumps({"rules": listed})}} if rules else {})}


def newest(number, status="any"):
    return {"tagStatus": status, "countType": "imageCountMoreThan", "countNumber": number}


@pytest.mark.parametrize(
    ("old", "new"),
    [([], [newest(10)]), ([newest(10)], [newest(1)]), ([newest(10, "untagged")], [newest(10, "untagged"), newest(10)])],
)
def test_a_policy_that_deletes_more_images_is_found_and_one_that_keeps_more_is_not(old, new):
    assert fallen(images(*old), images(*new)) == [(Kind.LESS_PROTECTED, "LifecyclePolicy")]
    assert fallen(images(*new), images(*old)) == []
    assert fallen(images(*new), images(*new)) == []


@pytest.mark.parametrize("text", ["no JSON", "[]", {"Fn::Sub": "${Rules}"}])
def test_a_policy_that_cannot_be_read_is_found_when_it_changes(text):
    unread = {"R": resource(IMAGES, {"LifecyclePolicy": {"LifecyclePolicyText": text}})}
    assert fallen(images(), unread) == fallen(images(newest(1)), unread) == [(Kind.LESS_PROTECTED, "LifecyclePolicy")]
    assert fallen(unread, unread) == []
