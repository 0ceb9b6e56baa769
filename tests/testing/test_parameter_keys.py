"""A SecureString is decrypted with a key that no template shows: the caller names it, and is asked for it."""

import boto3
import pytest
from moto import mock_aws

from serverless_patterns.errors import PatternError
from serverless_patterns.testing import Call, FunctionReport, ResolvedTemplate, needs_of, record

AT = "eu-central-1:123456789012"
PARAMETER = f"arn:aws:ssm:{AT}:parameter/app/secret"
FOREIGN = f"arn:aws:kms:{AT}:key/1111"
RESOURCES = {
    "Key": {"Type": "AWS::KMS::Key"},
    "Alias": {"Type": "AWS::KMS::Alias", "Properties": {"AliasName": "alias/app", "TargetKeyId": {"Ref": "Key"}}},
    "Plain": {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "/app/plain", "Type": "String", "Value": "a"}},
    "Role": {"Type": "AWS::IAM::Role"},
}


def template_of(*actions, **imports):
    statements = [{"Effect": "Allow", "Action": each, "Resource": "*"} for each in actions]
    role = {
        "Type": "AWS::IAM::Role",
        "Properties": {"Policies": [{"PolicyName": "A", "PolicyDocument": {"Statement": statements}}]},
    }
    return ResolvedTemplate.of({"Resources": RESOURCES | {"Role": role}}, imports=imports)


def key_needs(operation, parameters, result=None, given=None):
    """(action, ARN) of what a call needs of keys."""
    template = ResolvedTemplate.of({"Resources": RESOURCES}, imports=given)
    found = needs_of(Call("ssm", operation, parameters, "eu-central-1", result), template)
    return [need for need in found if need.action.startswith("kms:")]


@pytest.mark.parametrize("key", ["Key", "alias/app", "own ARN"])
@pytest.mark.parametrize("name", ["/app/secret", "app/secret", PARAMETER])
def test_reading_a_parameter_decrypts_with_the_key_that_is_given(key, name):
    own = ResolvedTemplate.of({"Resources": RESOURCES}).resources["Key"].arn
    given = {"ssm:/app/secret": own if key == "own ARN" else key}
    (need,) = key_needs("GetParameter", {"Name": name, "WithDecryption": True}, given=given)
    assert (need.action, need.resource) == ("kms:Decrypt", own)
    assert need.context["kms:ViaService"] == "ssm.eu-central-1.amazonaws.com"
    assert need.context["kms:EncryptionContext:PARAMETER_ARN"] == PARAMETER


def test_the_key_of_another_stack_is_given_by_its_arn():
    (need,) = key_needs("GetParameter", {"Name": "/app/secret", "WithDecryption": True}, given={"ssm:/app/secret": FOREIGN})
    assert need.resource == FOREIGN


READS = {
    "one": ("GetParameter", {"Name": "/app/secret"}),
    "several": ("GetParameters", {"Names": ["/app/plain", "/app/secret"]}),
    "the history": ("GetParameterHistory", {"Name": "/app/secret"}),
}


@pytest.mark.parametrize("read", READS)
def test_each_reading_operation_uses_the_key(read):
    operation, parameters = READS[read]
    given = {"ssm:/app/secret": "Key"}
    assert len(key_needs(operation, {**parameters, "WithDecryption": True}, given=given)) == 1
    assert key_needs(operation, parameters, given=given) == []


@pytest.mark.parametrize("read", READS)
def test_a_parameter_whose_key_is_not_given_is_asked_for(read):
    operation, parameters = READS[read]
    with pytest.raises(PatternError, match=r"/app/secret .* key .*imports=\{'ssm:/app/secret': key\}"):
        key_needs(operation, {**parameters, "WithDecryption": True})


@pytest.mark.parametrize("key", ["", "alias/aws/ssm"])
def test_a_parameter_without_a_key_of_its_own_needs_none(key):
    assert key_needs("GetParameter", {"Name": "/app/secret", "WithDecryption": True}, given={"ssm:/app/secret": key}) == []


def test_a_parameter_of_the_template_is_never_encrypted():
    assert key_needs("GetParameter", {"Name": "/app/plain", "WithDecryption": True}) == []


def test_a_parameter_that_came_back_as_plain_text_needs_no_key():
    plain = {"Parameter": {"Name": "/app/secret", "Type": "String"}}
    assert key_needs("GetParameter", {"Name": "/app/secret", "WithDecryption": True}, plain) == []


def test_a_key_that_is_none_is_refused():
    with pytest.raises(PatternError, match=r"imports\['ssm:/app/secret'\]='Plain' is no key"):
        key_needs("GetParameter", {"Name": "/app/secret", "WithDecryption": True}, given={"ssm:/app/secret": "Plain"})


def test_reading_a_path_decrypts_what_is_below_it():
    given = {"ssm:/app/secret": "Key", "ssm:/app/deep/secret": FOREIGN, "ssm:/other/secret": FOREIGN}
    own = ResolvedTemplate.of({"Resources": RESOURCES}).resources["Key"].arn
    path = {"Path": "/app/", "WithDecryption": True}
    assert [need.resource for need in key_needs("GetParametersByPath", path, given=given)] == [own]
    found = key_needs("GetParametersByPath", {**path, "Recursive": True}, given=given)
    assert {need.resource for need in found} == {own, FOREIGN}


def test_what_a_path_gave_back_is_asked_for():
    result = {"Parameters": [{"Name": "/app/secret", "Type": "SecureString"}, {"Name": "/app/plain", "Type": "String"}]}
    with pytest.raises(PatternError, match=r"imports=\{'ssm:/app/secret': key\}"):
        key_needs("GetParametersByPath", {"Path": "/app", "WithDecryption": True}, result)


@pytest.mark.parametrize(
    ("parameters", "actions"),
    [
        ({"Type": "SecureString", "KeyId": "alias/app"}, ["kms:Encrypt"]),
        ({"Type": "SecureString", "KeyId": "alias/app", "Tier": "Advanced"}, ["kms:GenerateDataKey"]),
        ({"Type": "SecureString"}, []),
        ({"Type": "SecureString", "KeyId": "alias/aws/ssm"}, []),
        ({"Type": "String"}, []),
    ],
)
def test_writing_a_parameter_encrypts_with_the_key_of_the_call(parameters, actions):
    found = key_needs("PutParameter", {"Name": "/app/secret", "Value": "a", **parameters})
    assert [need.action for need in found] == actions


def test_a_new_value_of_a_parameter_is_encrypted_with_its_key():
    given = {"ssm:/app/secret": "Key"}
    (need,) = key_needs("PutParameter", {"Name": "/app/secret", "Value": "b", "Overwrite": True}, given=given)
    assert need.action == "kms:Encrypt"


def test_a_grant_of_the_key_is_neither_missing_nor_in_excess(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    template = template_of("ssm:GetParameter", "kms:Decrypt", **{"ssm:/app/secret": "Key"})
    with mock_aws():
        client = boto3.client("ssm")
        client.put_parameter(Name="/app/secret", Value="a", Type="SecureString", KeyId=template.resources["Key"].arn)
        with record() as calls:
            client.get_parameter(Name="/app/secret", WithDecryption=True)
    needs = [need for call in calls for need in needs_of(call, template)]
    found = FunctionReport.of("Worker", template.permissions("Role"), needs)
    assert (found.missing, found.excess) == ((), ())
    without = FunctionReport.of("Worker", template_of("ssm:GetParameter").permissions("Role"), needs)
    assert [need.action for need in without.missing] == ["kms:Decrypt"]
