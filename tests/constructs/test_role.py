"""Roles: one managed policy each, whatever is granted to them."""

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs

from serverless_patterns import PROD, Handler
from serverless_patterns._blocks.function import HandlerFunction
from serverless_patterns._blocks.role import MOST_CHARACTERS, policy_size
from serverless_patterns.catalog import CATALOG
from tests.support.readable import permissions
from tests.support.synthesis import resources, template_of


@pytest.fixture
def function(stack):
    return HandlerFunction(
        stack,
        "Function",
        handler=Handler.bundled("sns_fanout"),
        description="Anything",
        timeout=cdk.Duration.seconds(3),
        environment={},
        operations=PROD.operations,
    )


@pytest.mark.parametrize("name", [entry.name for entry in CATALOG])
def test_no_role_of_a_pattern_has_an_inline_policy(templates, name):
    template = templates["prod"][f"prod-{name.replace('_', '-')}"]
    assert resources(template, "AWS::IAM::Policy") == {}
    roles = resources(template, "AWS::IAM::Role")
    assert [key for key, role in roles.items() if "Policies" in role["Properties"]] == []
    attached = [policy["Properties"]["Roles"] for policy in resources(template, "AWS::IAM::ManagedPolicy").values()]
    assert sorted(attached, key=str) == sorted(([{"Ref": role}] for role in roles), key=str)


def test_what_cdk_grants_by_itself_is_in_the_policy_of_the_role_too(stack, function):
    function.add_event_source(sources.SqsEventSource(sqs.Queue(stack, "Queue")))
    s3.Bucket(stack, "Bucket").grant_read(function)
    function.add_to_role_policy(iam.PolicyStatement(actions=["sns:Publish"], resources=["arn:aws:sns:*:123456789012:x"]))
    assert set(permissions(stack, "FunctionRole")) >= {"Queue", "Bucket", "arn:aws:sns:*:123456789012:x"}
    assert resources(template_of(stack), "AWS::IAM::Policy") == {}


def test_a_policy_that_iam_would_refuse_is_refused_at_synth_with_a_way_out(stack, function):
    for number in range(60):
        arn = f"arn:aws:s3:::{number}-{'x' * 80}"
        function.add_to_role_policy(iam.PolicyStatement(actions=["s3:ListBucket"], resources=[arn]))
    with pytest.raises(RuntimeError, match=r"the policy of Test/FunctionRole must have at most 6144 characters") as raised:
        template_of(stack)
    assert "give its role a policy of yours: ManagedPolicy(..., roles=[role], statements=[...])" in str(raised.value)


def test_the_way_out_is_one(stack, function):
    statement = iam.PolicyStatement(actions=["s3:ListBucket"], resources=["arn:aws:s3:::mine"])
    iam.ManagedPolicy(stack, "More", roles=[function.role], statements=[statement])
    assert permissions(stack, "FunctionRole")["arn:aws:s3:::mine"] == ["s3:ListBucket"]


@pytest.mark.parametrize(
    ("document", "size"),
    [
        ({"Resource": "*"}, len('{"Resource":"*"}')),
        ({"Resource": {"Ref": "AWS::Region"}}, len('{"Resource":""}') + 14),
        ({"Resource": [{"Fn::GetAtt": ["Queue", "Arn"]}]}, len('{"Resource":[""]}') + 120),
        ({"Resource": {"Fn::Join": ["", [{"Fn::GetAtt": ["Bucket", "Arn"]}, "/*"]]}}, len('{"Resource":"/*"}') + 120),
    ],
    ids=["text", "region", "arn", "joined"],
)
def test_a_size_counts_what_is_not_known_yet_as_long_as_it_usually_is(document, size):
    assert policy_size(document) == size


def test_the_policies_of_all_patterns_leave_half_of_the_room_to_their_users(templates):
    sizes = {
        f"{stack}/{name}": policy_size(policy["Properties"]["PolicyDocument"])
        for stack, template in templates["prod"].items()
        for name, policy in resources(template, "AWS::IAM::ManagedPolicy").items()
    }
    assert sizes
    assert {name: size for name, size in sizes.items() if size > MOST_CHARACTERS / 2} == {}
