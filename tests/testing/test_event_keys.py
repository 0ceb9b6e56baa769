"""What EventBridge does with the keys of buses and archives: exactly that, and for a source that is named."""

import pytest

from serverless_patterns.testing.service_roles import service_reports
from serverless_patterns.testing.template import ResolvedTemplate

AT = "eu-central-1:123456789012"
BUS, OTHER = (f"arn:aws:events:{AT}:event-bus/{name}" for name in ("shop", "other"))
CONTEXT = "kms:EncryptionContext:aws:events:event-bus:arn"
OF_BUS = ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"]
OF_ARCHIVE = [*OF_BUS, "kms:ReEncryptFrom", "kms:ReEncryptTo"]
KEY = {"Fn::GetAtt": ["Key", "Arn"]}
USERS = {
    "bus": ("AWS::Events::EventBus", {"Name": "shop", "KmsKeyIdentifier": KEY}),
    "archive": ("AWS::Events::Archive", {"SourceArn": BUS, "KmsKeyIdentifier": KEY}),
}


def report(user, actions, condition):
    """What is wrong with the policy of a key that lets EventBridge do these, on this condition."""
    service = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": actions, "Resource": "*"}
    policy = {"Statement": [service | {"Condition": {"ArnLike": condition}}]}
    kind, properties = USERS[user]
    resources = {
        "Key": {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": policy}},
        "User": {"Type": kind, "Properties": properties},
    }
    return next(each for each in service_reports(ResolvedTemplate.of({"Resources": resources})) if each.subject == "Key")


NEEDED = pytest.mark.parametrize(("user", "actions"), [("bus", OF_BUS), ("archive", OF_ARCHIVE)])


@NEEDED
@pytest.mark.parametrize("condition", [{"aws:SourceArn": BUS}, {CONTEXT: f"arn:aws:events:{AT}:event-bus/*"}])
def test_a_policy_that_lets_eventbridge_use_the_key_for_the_bus_is_exact(user, actions, condition):
    assert report(user, actions, condition).clean


@NEEDED
def test_each_action_that_is_missing_is_reported(user, actions):
    for action in actions:
        left = [each for each in actions if each != action]
        assert [need.action for need in report(user, left, {"aws:SourceArn": BUS}).missing] == [action]


@NEEDED
def test_what_is_allowed_for_another_bus_is_missing_for_this_one_and_too_much(user, actions):
    found = report(user, actions, {CONTEXT: OTHER})
    assert [need.action for need in found.missing] == actions
    assert [grant.action for grant in found.excess] == actions


def test_what_only_an_archive_needs_is_too_much_for_a_bus():
    found = report("bus", OF_ARCHIVE, {"aws:SourceArn": BUS})
    assert [grant.action for grant in found.excess] == ["kms:ReEncryptFrom", "kms:ReEncryptTo"]
