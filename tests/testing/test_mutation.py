"""A permission that could go without any scenario failing is found."""

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from serverless_patterns.testing import Grant, Need, Permissions, ResolvedTemplate, mutants, survivors
from serverless_patterns.testing.statements import statements_of

ROLE = "arn:aws:iam::123456789012:role/worker"
FILES = "arn:aws:s3:::files"
GET, PUT, DELETE = (Need(f"s3:{name}Object", f"{FILES}/a") for name in ("Get", "Put", "Delete"))
GRANTS = {name: Grant(f"s3:{name}Object", f"{FILES}/*") for name in ("Get", "Put", "Delete")}
TEMPLATE = ResolvedTemplate.of({"Resources": {}})


def role(*actions, resource_policies=()):
    statements = [{"Effect": "Allow", "Action": action, "Resource": f"{FILES}/*"} for action in actions]
    return Permissions(statements_of({"Statement": statements}, "Policy"), principal=ROLE, resource_policies=resource_policies)


@pytest.fixture
def s3():
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="files", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        yield client


def test_each_used_grant_is_denied_in_turn_and_the_others_are_left():
    found = list(mutants(role("s3:GetObject", "s3:PutObject"), [GET, PUT]))
    assert [mutant.denied for mutant in found] == [GRANTS["Get"], GRANTS["Put"]]
    for mutant, gone, left in zip(found, [GET, PUT], [PUT, GET], strict=True):
        assert mutant.needs == {gone}
        assert not mutant.permissions.allows(gone)
        assert mutant.permissions.allows(left)


def test_a_grant_that_is_not_used_and_a_need_that_is_not_granted_make_no_mutant():
    assert [mutant.denied for mutant in mutants(role("s3:GetObject", "s3:DeleteObject"), [GET, PUT])] == [GRANTS["Get"]]


def test_a_wildcard_makes_a_mutant_for_each_action_that_is_used():
    assert [mutant.denied for mutant in mutants(role("s3:*Object"), [GET, PUT])] == [GRANTS["Get"], GRANTS["Put"]]


@pytest.mark.parametrize(("principal", "denied"), [(ROLE, GRANTS["Get"]), ("*", GET)])
def test_what_only_the_policy_of_a_resource_allows_is_denied_too(principal, denied):
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{FILES}/*", "Principal": {"AWS": principal}}
    permissions = role(resource_policies=statements_of({"Statement": [statement]}, "BucketPolicy"))
    [mutant] = mutants(permissions, [GET])
    assert mutant.denied == denied
    assert not mutant.permissions.allows(GET)


def test_one_grant_for_many_objects_is_one_mutant():
    other = Need("s3:GetObject", f"{FILES}/b")
    [mutant] = mutants(role("s3:GetObject"), [GET, other])
    assert mutant.needs == {GET, other}


def test_no_mutant_survives_scenarios_that_look_at_every_call(s3):
    def stored():
        s3.put_object(Bucket="files", Key="a", Body=b"x")
        assert s3.get_object(Bucket="files", Key="a")["Body"].read() == b"x"

    assert survivors(role("s3:PutObject", "s3:GetObject"), TEMPLATE, [stored]) == []


def test_a_mutant_survives_where_the_failure_of_its_call_is_hidden(s3):
    def stored():
        s3.put_object(Bucket="files", Key="a", Body=b"x")
        try:
            s3.delete_object(Bucket="files", Key="old")
        except ClientError:
            return

    found = survivors(role("s3:PutObject", "s3:DeleteObject"), TEMPLATE, [stored])
    assert [mutant.denied for mutant in found] == [GRANTS["Delete"]]


def test_a_link_that_would_not_work_is_noticed(s3):
    def linked():
        assert s3.generate_presigned_url("get_object", Params={"Bucket": "files", "Key": "a"})

    assert survivors(role("s3:GetObject"), TEMPLATE, [linked]) == []


def test_a_failure_of_pytest_s_own_is_a_failure(s3):
    def stored():
        try:
            s3.put_object(Bucket="files", Key="a")
        except ClientError:
            pytest.fail("refused")

    assert survivors(role("s3:PutObject"), TEMPLATE, [stored]) == []


def test_only_scenarios_that_use_a_permission_run_for_it_until_one_fails(s3):
    runs = []

    def putting():
        runs.append("putting")
        s3.put_object(Bucket="files", Key="a")

    def again():
        runs.append("again")
        s3.put_object(Bucket="files", Key="b")

    def deleting():
        runs.append("deleting")
        s3.delete_object(Bucket="files", Key="a")

    assert survivors(role("s3:PutObject", "s3:DeleteObject"), TEMPLATE, [putting, again, deleting]) == []
    assert runs == ["putting", "again", "deleting", "deleting", "putting"]


def test_a_scenario_that_fails_with_all_permissions_proves_nothing_and_is_raised(s3):
    def broken():
        s3.get_object(Bucket="files", Key="a")

    with pytest.raises(ClientError, match="AccessDenied"):
        survivors(role("s3:PutObject"), TEMPLATE, [broken])
