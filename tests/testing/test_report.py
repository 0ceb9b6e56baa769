"""The report tells granted from used, in an order that does not change."""

import inspect
import json
import textwrap

import pytest

import serverless_patterns.testing
from serverless_patterns.errors import PatternError
from serverless_patterns.testing import (
    Call,
    FunctionReport,
    Grant,
    Need,
    Permissions,
    ResolvedTemplate,
    markdown_report,
    measure,
    text_report,
)
from serverless_patterns.testing.statements import statements_of

AT = "eu-central-1:123456789012"
TABLE = f"arn:aws:dynamodb:{AT}:table/orders"
GROUP = f"arn:aws:logs:{AT}:log-group:/aws/lambda/worker"
SECRET = f"arn:aws:secretsmanager:{AT}:secret:api"
EXECUTIONS = f"arn:aws:states:{AT}:execution:"
FILES = "arn:aws:s3:::files"
GET, PUT = ("dynamodb:GetItem", TABLE), ("dynamodb:PutItem", TABLE)


def role(*allowed):
    statements = [{"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in allowed]
    return Permissions(statements_of({"Statement": statements}, "Policy"))


def report(allowed, used):
    return FunctionReport.of("Shop/Worker", role(*allowed), [Need(*need, "why") for need in used])


def function_template(*statements, role_name="Role"):
    return {
        "Resources": {
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {"Policies": [{"PolicyName": "own", "PolicyDocument": {"Statement": list(statements)}}]},
            },
            "Group": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/worker"}},
            "Table": {"Type": "AWS::DynamoDB::Table", "Properties": {"TableName": "orders"}},
            "Worker": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "Role": {"Fn::GetAtt": [role_name, "Arn"]} if role_name else "arn:aws:iam::123456789012:role/theirs",
                    "LoggingConfig": {"LogGroup": {"Ref": "Group"}},
                    "Environment": {"Variables": {"TABLE_NAME": {"Ref": "Table"}}},
                },
            },
        }
    }


def allow(actions, resource):
    return {"Effect": "Allow", "Action": actions, "Resource": resource}


LOGS = allow(["logs:CreateLogStream", "logs:PutLogEvents"], {"Fn::GetAtt": ["Group", "Arn"]})
PUT_ORDERS = allow("dynamodb:PutItem", {"Fn::GetAtt": ["Table", "Arn"]})


def test_a_role_that_is_exactly_used_is_exact():
    assert report([GET, PUT], [GET, PUT]).exact


def test_what_is_used_and_not_granted_is_missing():
    found = report([GET], [GET, PUT])
    assert [(need.action, need.resource) for need in found.missing] == [PUT]
    assert not found.exact


CONDITIONS = {
    "a key of which nothing is known": ({"StringEquals": {"dynamodb:LeadingKeys": "a"}}, ["dynamodb:LeadingKeys"]),
    "a set of values": ({"ForAllValues:StringLike": {"dynamodb:Attributes": "a*"}}, ["dynamodb:Attributes"]),
    "a value that is another": ({"StringEquals": {"aws:PrincipalAccount": "9"}}, ["aws:PrincipalAccount"]),
    "two of three": (
        {"StringEquals": {"s3:a": "1", "s3:B": "2"}, "Bool": {"aws:SecureTransport": "true"}},
        ["s3:B", "s3:a"],
    ),
}


@pytest.mark.parametrize("case", CONDITIONS)
def test_what_only_a_condition_forbids_is_missing_with_the_condition(case):
    condition, keys = CONDITIONS[case]
    statement = {"Effect": "Allow", "Action": "dynamodb:*", "Resource": TABLE, "Condition": condition}
    permissions = Permissions(statements_of({"Statement": [statement]}, "Policy"))
    found = FunctionReport.of("Shop/Worker", permissions, [Need(*GET, "reads")])
    assert [need.why for need in found.missing] == [f"reads; Policy allows it but for the condition on {', '.join(keys)}"]
    assert found.missing[0].why in text_report([found])


def test_what_no_statement_allows_is_missing_without_a_condition():
    statement = {"Effect": "Allow", "Action": PUT[0], "Resource": TABLE, "Condition": {"StringEquals": {"a:b": "c"}}}
    permissions = Permissions(statements_of({"Statement": [statement]}, "Policy"))
    assert [need.why for need in FunctionReport.of("Shop/Worker", permissions, [Need(*GET, "reads")]).missing] == ["reads"]


def test_what_is_granted_and_not_used_is_in_excess():
    found = report([GET, PUT], [GET])
    assert found.excess == (Grant(*PUT),)
    assert not found.exact


def test_the_same_action_on_another_resource_is_missing_and_in_excess():
    found = report([(GET[0], f"{TABLE}s")], [GET])
    assert (len(found.missing), len(found.excess)) == (1, 1)


def test_a_wildcard_counts_as_each_of_its_actions():
    found = report([("dynamodb:*Item", TABLE)], [GET])
    assert "dynamodb:DeleteItem" in {grant.action for grant in found.excess}
    assert "dynamodb:GetItem" not in {grant.action for grant in found.excess}


#: Granted, used -> what would be enough; nothing where that is what is granted.
SCOPES = [
    ("s3:PutObject", f"{FILES}/*", [f"{FILES}/results/a.csv", f"{FILES}/results/b.csv"], (f"{FILES}/results/*",)),
    ("s3:PutObject", f"{FILES}/*", [f"{FILES}/in/a", f"{FILES}/out/b/c"], (f"{FILES}/in/*", f"{FILES}/out/b/*")),
    ("s3:PutObject", f"{FILES}/*", [f"{FILES}/in/a", f"{FILES}/b"], ()),
    (
        "s3:PutObject",
        f"{FILES}/*",
        [f"{FILES}/{name}/a" for name in ("ada", "bob", "eve")],
        tuple(f"{FILES}/{name}/*" for name in ("ada", "bob", "eve")),
    ),
    ("s3:PutObject", f"{FILES}/*", [f"{FILES}/{name}/a" for name in ("ada", "bob", "eve", "kay")], ()),
    ("s3:PutObject", f"{FILES}/*", [f"{FILES}/a"], ()),
    ("s3:PutObject", f"{FILES}/results/*", [f"{FILES}/results/2026-11-21/a.csv"], ()),
    ("s3:PutObject", f"{FILES}*", [f"{FILES}/a"], (f"{FILES}/*",)),
    ("s3:PutObject", f"{FILES}/a.csv", [f"{FILES}/a.csv"], ()),
    ("s3:PutObject", "*", [f"{FILES}/in/a", "arn:aws:s3:::more/b"], (f"{FILES}/in/*", "arn:aws:s3:::more/*")),
    ("dynamodb:GetItem", "*", [TABLE], (TABLE,)),
    ("dynamodb:Query", f"{TABLE}/index/*", [f"{TABLE}/index/day"], (f"{TABLE}/index/day",)),
    ("dynamodb:GetItem", TABLE, [TABLE], ()),
    ("xray:PutTraceSegments", "*", ["*"], ()),
    ("logs:PutLogEvents", f"{GROUP}:*", [f"{GROUP}:log-stream:*"], ()),
    ("logs:PutLogEvents", "*", [f"{GROUP}:log-stream:*"], (f"{GROUP}:*",)),
    ("states:DescribeExecution", f"{EXECUTIONS}m:*", [f"{EXECUTIONS}m:o-1"], ()),
    ("states:DescribeExecution", f"{EXECUTIONS}*", [f"{EXECUTIONS}m:o-1"], (f"{EXECUTIONS}m:*",)),
    ("secretsmanager:GetSecretValue", f"{SECRET}-??????", [f"{SECRET}-AbCdEf"], ()),
    ("secretsmanager:GetSecretValue", f"{SECRET}-*", [f"{SECRET}-AbCdEf"], (f"{SECRET}-??????",)),
]


@pytest.mark.parametrize(("action", "granted", "used", "enough"), SCOPES)
def test_a_scope_that_is_wider_than_what_is_used_is_told_with_what_is_enough(action, granted, used, enough):
    found = report([(action, granted)], [(action, resource) for resource in used])
    assert tuple(pattern for wider in found.scope for pattern in wider.enough) == enough
    assert found.exact is not bool(enough)


def test_calls_and_what_the_template_says_are_measured_together():
    template = ResolvedTemplate.of(function_template(LOGS, PUT_ORDERS))
    call = Call("dynamodb", "PutItem", {"TableName": "orders"})
    assert measure(template, template.functions[0], [call]).exact
    assert [grant.action for grant in measure(template, template.functions[0], []).excess] == ["dynamodb:PutItem"]


def test_a_function_whose_role_is_elsewhere_cannot_be_measured():
    template = ResolvedTemplate.of(function_template(role_name=None))
    with pytest.raises(PatternError, match="'Worker' has a role of another template"):
        measure(template, template.functions[0], [])


def reports():
    wide = FunctionReport.of("Shop/Writer", role((PUT[0], "*")), [Need(*PUT), Need(*GET, "dynamodb GetItem")])
    return [wide, report([GET, PUT], [GET]), FunctionReport.of("Shop/Quiet", role(), [])]


def test_the_text_has_the_figures_and_then_each_finding():
    assert text_report(reports()) == textwrap.dedent(f"""\
        function     granted  used  missing  excess  wider
        Shop/Quiet         0     0        0       0      0
        Shop/Worker        2     1        0       1      0
        Shop/Writer        1     2        1       0      1
        Shop/Worker: excess dynamodb:PutItem on {TABLE} (of Policy)
        Shop/Writer: missing dynamodb:GetItem on {TABLE} (dynamodb GetItem)
        Shop/Writer: wider dynamodb:PutItem on *, enough: {TABLE}
        """)


def test_the_markdown_is_a_table_and_a_list():
    assert markdown_report(reports()) == textwrap.dedent(f"""\
        | function | granted | used | missing | excess | wider |
        | --- | ---: | ---: | ---: | ---: | ---: |
        | Shop/Quiet | 0 | 0 | 0 | 0 | 0 |
        | Shop/Worker | 2 | 1 | 0 | 1 | 0 |
        | Shop/Writer | 1 | 2 | 1 | 0 | 1 |

        - Shop/Worker: excess dynamodb:PutItem on {TABLE} (of Policy)
        - Shop/Writer: missing dynamodb:GetItem on {TABLE} (dynamodb GetItem)
        - Shop/Writer: wider dynamodb:PutItem on *, enough: {TABLE}
        """)


def test_the_order_in_which_things_are_found_does_not_show():
    allowed = [GET, PUT, ("sns:Publish", "*")]
    used = [PUT, ("sqs:SendMessage", "arn:aws:sqs:::b"), ("sqs:SendMessage", "arn:aws:sqs:::a")]
    assert report(allowed, used) == report(allowed[::-1], used[::-1])
    many = [("sqs:SendMessage", f"arn:aws:sqs:::{name}") for name in "hgfedcba"]
    for part in (report([], many).missing, report([], many).used, report(many, []).excess, report(many, []).granted):
        assert [each.resource[-1] for each in part] == list("abcdefgh")
    assert text_report(reports()) == text_report(reports()[::-1]) == text_report(iter(reports()))


def example():
    """The code in the package's own documentation."""
    return textwrap.dedent(inspect.getdoc(serverless_patterns.testing).split("::\n", 1)[1].split("\nThe role must", 1)[0])


PUT_INTO_TABLE = """
import os
import boto3

def handler(event, context):
    boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"]).put_item(Item=event)
"""


def synthesised(folder, *statements):
    """A cdk.out with one stack, whose function has these permissions."""
    template = function_template(*statements)
    template["Resources"]["Worker"]["Properties"] |= {"Handler": "worker.handler", "Code": {"S3Key": "a1.zip"}}
    key = [{"AttributeName": "id", "KeyType": "HASH"}]
    names = [{"AttributeName": "id", "AttributeType": "S"}]
    template["Resources"]["Table"]["Properties"] |= {"KeySchema": key, "AttributeDefinitions": names}
    artifact = {"type": "aws:cloudformation:stack", "properties": {"templateFile": "Shop.template.json"}}
    code = folder / "cdk.out" / "asset.a1"
    code.mkdir(parents=True)
    (code / "worker.py").write_text(PUT_INTO_TABLE)
    (folder / "cdk.out" / "Shop.template.json").write_text(json.dumps(template))
    (folder / "cdk.out" / "manifest.json").write_text(json.dumps({"artifacts": {"Shop": artifact}}))


def test_the_example_of_the_documentation_runs_on_a_stack_of_a_user_s(tmp_path, monkeypatch):
    synthesised(tmp_path, LOGS, PUT_ORDERS)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(example(), names)  # noqa: S102  it is ours
    assert names["report"].exact


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        ([LOGS], "missing dynamodb:PutItem"),
        ([LOGS, PUT_ORDERS, allow("dynamodb:DeleteItem", "*")], "excess dynamodb:DeleteItem"),
        ([LOGS, allow("dynamodb:PutItem", "*")], "wider dynamodb:PutItem"),
    ],
)
def test_the_example_of_the_documentation_fails_for_a_role_that_does_not_fit(tmp_path, monkeypatch, statements, message):
    synthesised(tmp_path, *statements)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AssertionError, match=message):
        exec(example(), {})  # noqa: S102  the same
