"""What CloudWatch Logs needs of the key of a log group, and whether the key's policy gives it that and no more."""

import pytest

from serverless_patterns.testing.service_roles import service_reports
from serverless_patterns.testing.template import ResolvedTemplate

GROUPS = "arn:aws:logs:eu-central-1:123456789012:log-group:*"
CONTEXT = "kms:EncryptionContext:aws:logs:arn"
ACTIONS = [
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
]


def key_report(actions=ACTIONS, condition=None, principal="logs.eu-central-1.amazonaws.com"):
    """What is said of the key of a log group with this statement in its policy."""
    statement = {
        "Effect": "Allow",
        "Action": actions,
        "Resource": "*",
        "Principal": {"Service": principal},
        "Condition": {"ArnLike": {CONTEXT: GROUPS}} if condition is None else condition,
    }
    template = {
        "Key": {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": {"Statement": [statement]}}},
        "Group": {"Type": "AWS::Logs::LogGroup", "Properties": {"KmsKeyId": {"Fn::GetAtt": ["Key", "Arn"]}}},
    }
    found = ResolvedTemplate.of({"Resources": template}, account="123456789012", region="eu-central-1")
    return next(each for each in service_reports(found) if each.subject == "Key")


def test_a_key_that_logs_may_use_for_the_groups_of_the_account_is_clean():
    assert key_report().clean


@pytest.mark.parametrize("action", ACTIONS)
def test_each_action_that_is_missing_is_seen(action):
    found = key_report([each for each in ACTIONS if each != action])
    assert [need.action for need in found.missing] == [action]


def test_an_action_too_many_is_seen():
    assert [grant.action for grant in key_report([*ACTIONS, "kms:CreateGrant"]).excess] == ["kms:CreateGrant"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"condition": {"ArnLike": {CONTEXT: GROUPS.replace("123456789012", "999999999999")}}},
        {"principal": "logs.us-east-1.amazonaws.com"},
        {"principal": "logs.amazonaws.com"},
    ],
    ids=["another account", "another region", "no region"],
)
def test_a_statement_for_others_does_not_let_logs_in(wrong):
    assert {need.action for need in key_report(**wrong).missing} == set(ACTIONS)


def test_logs_of_anybody_are_seen():
    assert len(key_report(condition={}).unconditioned) == 1
