"""A template is resolved to the names and ARNs of a run: every resource of this repository, and those of others."""

import base64
import json
import re
from pathlib import Path

import pytest
from aws_cdk import Stack
from aws_cdk import aws_sqs as sqs

from serverless_patterns import ENVIRONMENTS
from serverless_patterns.errors import PatternError
from serverless_patterns.testing import templates_in
from serverless_patterns.testing.need import Need
from serverless_patterns.testing.template import ResolvedTemplate
from tests.support.synthesis import new_app
from tests.support.variants import VARIANTS

AT = "eu-central-1:123456789012"


def resolved(resources, imports=None, **sections):
    return ResolvedTemplate.of({"Resources": resources, **sections}, imports=imports)


def value_of(value, imports=None, **sections):
    """What a value resolves to, as a property."""
    one = resolved({"One": {"Type": "AWS::SQS::Queue", "Properties": {"Tags": value}}}, imports, **sections)
    return one.resources["One"].properties.get("Tags")


def everything_is_known(template):
    found = ResolvedTemplate.of(template)
    text = json.dumps([each.properties for each in found.resources.values()])
    assert len(found.resources) == len(template["Resources"])
    assert '"Fn::' not in text
    assert '{"Ref":' not in text
    assert re.findall(r"\$\{\w+\.[\w.]+\}", text) == []
    assert [each.name for each in found.resources.values() if "$" in each.name] in ([], ["$default"])
    assert not [each.arn for each in found.resources.values() if re.search(r"\$|::$|:$", each.arn or "")]
    for function in found.functions:
        assert function.role is not None
        assert found.permissions(function.role).allows(Need("logs:PutLogEvents", f"{_group(found, function)}:log-stream:*"))


def _group(template, function):
    name = function.properties["LoggingConfig"]["LogGroup"]
    return next(each.arn for each in template.of_type("AWS::Logs::LogGroup") if each.name == name)


@pytest.mark.parametrize("environment", [each.name for each in ENVIRONMENTS])
def test_every_resource_of_every_stack_is_resolved(templates, environment):
    for template in templates[environment].values():
        everything_is_known(template)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_resource_of_every_shape_is_resolved(variant):
    everything_is_known(VARIANTS[variant]())


def test_names_are_the_same_each_time_and_no_two_are(templates):
    template = templates["prod"]["prod-sqs-pipeline"]
    first, second = (ResolvedTemplate.of(template).resources for _ in range(2))
    assert first == second
    arns = [each.arn for each in first.values() if each.arn]
    assert len(arns) == len(set(arns))


#: Type -> its properties, what Ref gives, its ARN, and its attributes.
TYPES = {
    "AWS::SQS::Queue": (
        {"FifoQueue": True},
        "https://sqs.eu-central-1.amazonaws.com/123456789012/The.fifo",
        f"arn:aws:sqs:{AT}:The.fifo",
        {"QueueName": "The.fifo", "Arn": f"arn:aws:sqs:{AT}:The.fifo"},
    ),
    "AWS::SNS::Topic": ({"TopicName": "news"}, f"arn:aws:sns:{AT}:news", f"arn:aws:sns:{AT}:news", {"TopicName": "news"}),
    "AWS::S3::Bucket": ({}, "the", "arn:aws:s3:::the", {"DomainName": "the.s3.amazonaws.com"}),
    "AWS::DynamoDB::Table": (
        {},
        "The",
        f"arn:aws:dynamodb:{AT}:table/The",
        {"StreamArn": f"arn:aws:dynamodb:{AT}:table/The/stream/2026-01-01T00:00:00.000"},
    ),
    "AWS::DynamoDB::GlobalTable": ({"TableName": "orders"}, "orders", f"arn:aws:dynamodb:{AT}:table/orders", {}),
    "AWS::SecretsManager::Secret": (
        {},
        f"arn:aws:secretsmanager:{AT}:secret:The-AbCdEf",
        f"arn:aws:secretsmanager:{AT}:secret:The-AbCdEf",
        {"Id": f"arn:aws:secretsmanager:{AT}:secret:The-AbCdEf"},
    ),
    "AWS::Logs::LogGroup": ({}, "The", f"arn:aws:logs:{AT}:log-group:The", {"Arn": f"arn:aws:logs:{AT}:log-group:The:*"}),
    "AWS::IAM::Role": ({"Path": "/app/"}, "The", "arn:aws:iam::123456789012:role/app/The", {}),
    "AWS::Lambda::Version": (
        {"FunctionName": "work"},
        f"arn:aws:lambda:{AT}:function:work:1",
        f"arn:aws:lambda:{AT}:function:work:1",
        {"Version": "1"},
    ),
    "AWS::Lambda::Alias": (
        {"FunctionName": f"arn:aws:lambda:{AT}:function:work", "Name": "live"},
        f"arn:aws:lambda:{AT}:function:work:live",
        f"arn:aws:lambda:{AT}:function:work:live",
        {},
    ),
    "AWS::Scheduler::Schedule": (
        {"GroupName": "reports"},
        "The",
        f"arn:aws:scheduler:{AT}:schedule/reports/The",
        {"Arn": f"arn:aws:scheduler:{AT}:schedule/reports/The"},
    ),
    "AWS::Scheduler::ScheduleGroup": ({}, "The", f"arn:aws:scheduler:{AT}:schedule-group/The", {}),
    "AWS::RDS::DBCluster": (
        {"Port": 5433},
        "the",
        f"arn:aws:rds:{AT}:cluster:the",
        {"Endpoint.Port": "5433", "DBClusterArn": f"arn:aws:rds:{AT}:cluster:the"},
    ),
    "AWS::RDS::DBInstance": ({}, "the", f"arn:aws:rds:{AT}:db:the", {"Endpoint.Port": "5432"}),
    "AWS::EC2::VPC": ({"CidrBlock": "10.1.0.0/16"}, None, None, {"CidrBlock": "10.1.0.0/16"}),
    "AWS::EC2::Subnet": ({"VpcId": "vpc-1"}, None, None, {"VpcId": "vpc-1", "AvailabilityZone": "eu-central-1a"}),
    "AWS::EC2::SecurityGroup": ({"VpcId": "vpc-1"}, None, None, {"VpcId": "vpc-1"}),
    "AWS::Events::EventBus": ({"Name": "shop"}, "shop", f"arn:aws:events:{AT}:event-bus/shop", {"Name": "shop"}),
    "AWS::Events::Archive": ({}, "The", f"arn:aws:events:{AT}:archive/The", {}),
    "AWS::Events::Rule": ({"EventBusName": "shop"}, "shop|The", f"arn:aws:events:{AT}:rule/shop/The", {}),
    "AWS::StepFunctions::StateMachine": (
        {},
        f"arn:aws:states:{AT}:stateMachine:The",
        f"arn:aws:states:{AT}:stateMachine:The",
        {"Name": "The"},
    ),
    "AWS::Kinesis::Stream": ({}, "The", f"arn:aws:kinesis:{AT}:stream/The", {"Arn": f"arn:aws:kinesis:{AT}:stream/The"}),
    "AWS::SES::EmailIdentity": (
        {"EmailIdentity": "a@example.com"},
        "a@example.com",
        f"arn:aws:ses:{AT}:identity/a@example.com",
        {},
    ),
    "AWS::Cognito::UserPool": ({}, None, None, {}),
}


@pytest.mark.parametrize("kind", TYPES)
def test_a_resource_is_called_as_its_page_says(kind):
    properties, ref, arn, attributes = TYPES[kind]
    asked = {"itself": {"Ref": "The"}, **{name: {"Fn::GetAtt": ["The", name]} for name in attributes}}
    template = resolved(
        {"The": {"Type": kind, "Properties": properties}, "User": {"Type": "AWS::SQS::Queue", "Properties": {"Tags": asked}}}
    )
    found, values = template.resources["The"], template.resources["User"].properties["Tags"]
    assert values.pop("itself") == found.name == (ref or found.name)
    assert found.arn == (arn or found.arn)
    assert values == attributes


def test_the_rule_of_the_default_bus_has_no_bus_in_its_name():
    found = resolved({"The": {"Type": "AWS::Events::Rule", "Properties": {"EventBusName": "default"}}}).resources["The"]
    assert (found.name, found.arn) == ("The", f"arn:aws:events:{AT}:rule/The")


def test_the_rule_of_a_bus_by_its_arn_has_the_name_of_the_bus():
    bus = f"arn:aws:events:{AT}:event-bus/shop"
    found = resolved({"The": {"Type": "AWS::Events::Rule", "Properties": {"EventBusName": bus}}}).resources["The"]
    assert (found.name, found.arn) == ("shop|The", f"arn:aws:events:{AT}:rule/shop/The")


def test_ids_that_aws_draws_look_like_its_own():
    kinds = {"Vpc": "AWS::EC2::VPC", "Pool": "AWS::Cognito::UserPool", "Key": "AWS::KMS::Key"}
    found = resolved({name: {"Type": kind} for name, kind in kinds.items()}).resources
    assert re.fullmatch("vpc-[0-9a-f]{17}", found["Vpc"].name)
    assert re.fullmatch("eu-central-1_[0-9a-z]+", found["Pool"].name)
    assert re.fullmatch("[0-9a-f-]{36}", found["Key"].name)


def test_a_name_that_is_too_long_is_cut_and_stays_its_own():
    one, other = (f"{'Long' * 20}{ending}" for ending in ("A", "B"))
    found = resolved({name: {"Type": "AWS::Lambda::Function", "Properties": {"Role": "r"}} for name in (one, other)})
    names = [each.name for each in found.functions]
    assert [len(name) for name in names] == [63, 63]
    assert names[0] != names[1]


VALUES = {
    "pseudo parameters": ({"Fn::Sub": "${AWS::Partition}:${AWS::Region}:${AWS::AccountId}"}, "aws:eu-central-1:123456789012"),
    "join": ({"Fn::Join": ["-", ["a", {"Ref": "AWS::Region"}]]}, "a-eu-central-1"),
    "join of what is no list yet": ({"Fn::Join": ["-", {"Fn::Split": [",", "a,b"]}]}, "a-b"),
    "sub with variables": ({"Fn::Sub": ["${A}/${AWS::Region}", {"A": {"Ref": "AWS::AccountId"}}]}, "123456789012/eu-central-1"),
    "sub of an attribute": ({"Fn::Sub": "${Two.QueueName}!"}, "Two!"),
    "sub that keeps what is escaped": ({"Fn::Sub": "${!aws:username}"}, "${aws:username}"),
    "select": ({"Fn::Select": ["1", {"Fn::Split": [":", "a:b:c"]}]}, "b"),
    "if, and it holds": ({"Fn::If": ["Yes", "a", "b"]}, "a"),
    "if, and it does not": ({"Fn::If": ["No", "a", "b"]}, "b"),
    "no value": ({"a": {"Ref": "AWS::NoValue"}, "b": [{"Ref": "AWS::NoValue"}, 1]}, {"b": [1]}),
    "map": ({"Fn::FindInMap": ["Sizes", {"Ref": "AWS::Region"}, "small"]}, 3),
    "base64": ({"Fn::Base64": "text"}, base64.b64encode(b"text").decode()),
    "zones": ({"Fn::Select": [0, {"Fn::GetAZs": ""}]}, "eu-central-1a"),
    "blocks": ({"Fn::Cidr": ["10.0.0.0/16", 2, 8]}, ["10.0.0.0/24", "10.0.1.0/24"]),
    "JSON": ({"Fn::ToJsonString": {"a": {"Ref": "AWS::Region"}}}, '{"a":"eu-central-1"}'),
    "length": ({"Fn::Length": [1, 2]}, 2),
    "a parameter's default": ({"Ref": "Size"}, "large"),
    "a list parameter's default": ({"Ref": "Zones"}, ["a", "b"]),
    "an attribute in the short form": ({"Fn::GetAtt": "Two.QueueName"}, "Two"),
    "an import": ({"Fn::ImportValue": "shared:Queue"}, "the-queue"),
    "an output of another stack": ({"Fn::GetStackOutput": {"StackName": "alerts", "OutputName": "Topic"}}, "the-topic"),
    "an import without a value": ({"Fn::ImportValue": "unknown"}, "${Import:unknown}"),
    "an attribute that is not known": ({"Fn::GetAtt": ["One", "Colour"]}, "${One.Colour}"),
    "a reference that is not known": ({"Fn::Join": [":", ["a", {"Ref": "Other"}]]}, "a:${Other.Ref}"),
    "a part of what is not known": (
        {"Fn::Select": [5, {"Fn::Split": [":", {"Fn::GetAtt": ["Other", "Arn"]}]}]},
        "${Other.Arn}",
    ),
    "a part of an import without a value": (
        {"Fn::Select": [5, {"Fn::Split": [":", {"Fn::ImportValue": "unknown"}]}]},
        "${Import:unknown}",
    ),
    "an attribute that is given": ({"Fn::GetAtt": ["Own", "Token"]}, "given"),
    "a reference that is given": ({"Ref": "Own"}, "own"),
}
SECTIONS = {
    "Conditions": {
        "Yes": {"Fn::Or": [{"Condition": "No"}, {"Fn::Equals": [{"Ref": "AWS::Region"}, "eu-central-1"]}]},
        "No": {"Fn::And": [{"Fn::Not": [{"Condition": "Never"}]}, {"Condition": "Never"}]},
        "Never": {"Fn::Equals": ["a", "b"]},
    },
    "Mappings": {"Sizes": {"eu-central-1": {"small": 3}}},
    "Parameters": {"Size": {"Type": "String", "Default": "large"}, "Zones": {"Type": "CommaDelimitedList", "Default": "a,b"}},
}
IMPORTS = {"shared:Queue": "the-queue", "alerts.Topic": "the-topic", "Own.Token": "given", "Own": "own"}


@pytest.mark.parametrize("case", VALUES)
def test_a_value_is_resolved(case):
    value, expected = VALUES[case]
    resources = {
        "One": {"Type": "AWS::SQS::Queue", "Properties": {"Tags": value}},
        "Two": {"Type": "AWS::SQS::Queue"},
        "Own": {"Type": "Custom::Thing"},
        "Other": {"Type": "AWS::WAFv2::WebACL"},
    }
    assert resolved(resources, IMPORTS, **SECTIONS).resources["One"].properties["Tags"] == expected


REFUSED = {
    "a resource that is not there": ({"Ref": "Two"}, r"One\.Tags: Two is neither a resource nor a parameter"),
    "a function that is not known": ({"Fn::Transform": {}}, r"One\.Tags: the intrinsic function Fn::Transform is not known"),
    "an item that is not there": ({"Fn::Select": [2, ["a"]]}, r"One\.Tags: Fn::Select asks for item 2 of 1"),
    "a place of a map that is not there": (
        {"Fn::FindInMap": ["A", "b", "c"]},
        r"One\.Tags: Fn::FindInMap finds nothing at A\.b\.c",
    ),
    "a condition that is not there": ({"Fn::If": ["A", "b", "c"]}, r"One\.Tags: the condition A is not defined"),
    "a condition that is not known": ({"Fn::If": ["Odd", "b", "c"]}, r"One\.Tags: this condition is not known"),
    "a parameter without a value": (
        {"Ref": "Size"},
        r"One\.Tags: the parameter Size has no default: give its value, as .*imports=\{'Size': value, 'Colour': value\}\)",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_resolved_is_refused_with_its_place(case):
    value, message = REFUSED[case]
    resources = {"One": {"Type": "AWS::SQS::Queue", "Properties": {"Tags": value}}, "Own": {"Type": "Custom::Thing"}}
    parameters = {name: {"Type": "String"} for name in ("Size", "Colour", "Given")} | {
        "Known": {"Type": "String", "Default": "a"}
    }
    template = resolved(resources, {"Given": "a"}, Parameters=parameters, Conditions={"Odd": {"Fn::Odd": []}})
    with pytest.raises(PatternError, match=message):
        _ = template.resources


def with_unknown(resource):
    """A role that may read from one resource, beside one of which nothing is known."""
    statement = {"Effect": "Allow", "Action": "wafv2:GetWebACL", "Resource": resource}
    role = {"Policies": [{"PolicyName": "All", "PolicyDocument": {"Statement": [statement]}}]}
    resources = {"Role": {"Type": "AWS::IAM::Role", "Properties": role}, "Acl": {"Type": "AWS::WAFv2::WebACL"}}
    return {"Resources": resources}


UNKNOWN = {
    "an attribute": ({"Fn::GetAtt": ["Acl", "Arn"]}, "Acl.Arn"),
    "a reference": ({"Fn::Sub": "arn:aws:wafv2:eu-central-1:123456789012:${Acl}"}, "Acl"),
    "an import": ({"Fn::ImportValue": "shared:Acl"}, "shared:Acl"),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_what_is_not_known_is_refused_where_a_policy_needs_it(case):
    value, name = UNKNOWN[case]
    found = ResolvedTemplate.of(with_unknown(value)).permissions("Role")
    assert not found.allows(Need("sqs:SendMessage", f"arn:aws:sqs:{AT}:q"))
    acl = Need("wafv2:GetWebACL", f"arn:aws:wafv2:{AT}:regional/webacl/a/1")
    with pytest.raises(PatternError, match=rf"give it, as ResolvedTemplate\.of\(\.\.\., imports=\{{'{name}': value\}}\)"):
        found.allows(acl)
    given = ResolvedTemplate.of(with_unknown(value), imports={name: "*"}).permissions("Role")
    assert given.allows(acl)


def test_a_single_attribute_that_is_asked_for_must_be_known():
    with pytest.raises(PatternError, match=r"the attribute Arn of Acl \(AWS::WAFv2::WebACL\) is not known: give its value"):
        ResolvedTemplate.of(with_unknown("*")).attribute("Acl", "Arn")


def test_a_resource_whose_condition_does_not_hold_is_not_there():
    resources = {
        name: {"Type": "AWS::SQS::Queue", "Condition": condition} for name, condition in {"One": "Yes", "Two": "No"}.items()
    }
    assert list(resolved(resources, **SECTIONS).resources) == ["One"]


def test_the_place_of_the_run_is_in_every_name():
    template = {"Resources": {"The": {"Type": "AWS::SQS::Queue"}}}
    found = ResolvedTemplate.of(template, account="111111111111", region="cn-north-1", partition="aws-cn").resources["The"]
    assert found.arn == "arn:aws-cn:sqs:cn-north-1:111111111111:The"
    assert found.name == "https://sqs.cn-north-1.amazonaws.com.cn/111111111111/The"


def test_a_function_has_what_lambda_would_give_it(templates):
    template = ResolvedTemplate.of(templates["prod"]["prod-sqs-pipeline"])
    worker = next(each for each in template.functions if each.logical_id.startswith("OrdersWorker"))
    assert worker.path.endswith("Orders/Worker/Resource") or worker.path == worker.logical_id
    assert worker.arn == f"arn:aws:lambda:{AT}:function:{worker.name}"
    assert worker.handler == "sqs_pipeline.handler.handler"
    assert worker.environment["QUEUE_URL"].startswith("https://sqs.eu-central-1.amazonaws.com/123456789012/OrdersQueue")
    assert (worker.timeout, worker.memory) == (30, 512)
    assert template.resources[worker.role].type == "AWS::IAM::Role"


def test_a_function_without_settings_has_the_defaults_of_lambda():
    (found,) = resolved(
        {"The": {"Type": "AWS::Lambda::Function", "Properties": {"Role": "arn:aws:iam::1:role/other"}}}
    ).functions
    assert (found.timeout, found.memory, found.environment, found.role) == (3, 128, {}, None)


ROLE_ARN = {"Fn::GetAtt": ["Role", "Arn"]}


def document(action):
    return {"Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}


def test_the_permissions_of_a_role_are_all_its_policies():
    role = {
        "Policies": [{"PolicyName": "Inline", "PolicyDocument": document("sqs:A")}],
        "ManagedPolicyArns": [
            {"Ref": "Attached"},
            {"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"},
        ],
    }
    policies = {
        "Attached": ("AWS::IAM::ManagedPolicy", {"PolicyDocument": document("sqs:B")}),
        "Attaching": ("AWS::IAM::ManagedPolicy", {"PolicyDocument": document("sqs:C"), "Roles": [{"Ref": "Role"}]}),
        "Policy": ("AWS::IAM::Policy", {"PolicyDocument": document("sqs:D"), "Roles": [{"Ref": "Role"}]}),
        "Single": ("AWS::IAM::RolePolicy", {"PolicyDocument": document("sqs:E"), "RoleName": {"Ref": "Role"}}),
        "Other": ("AWS::IAM::Policy", {"PolicyDocument": document("sqs:F"), "Roles": ["other"]}),
    }
    resources = {name: {"Type": kind, "Properties": properties} for name, (kind, properties) in policies.items()}
    found = resolved({"Role": {"Type": "AWS::IAM::Role", "Properties": role}, **resources}).permissions("Role")
    logs = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    assert [grant.action for grant in found.grants] == [*logs, *(f"sqs:{letter}" for letter in "ABCDE")]


def test_the_boundary_of_a_role_limits_it():
    role = {"PermissionsBoundary": {"Ref": "Limit"}, "Policies": [{"PolicyName": "All", "PolicyDocument": document("*")}]}
    limit = {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": document("sqs:*")}}
    found = resolved({"Role": {"Type": "AWS::IAM::Role", "Properties": role}, "Limit": limit}).permissions("Role")
    assert found.allows(Need("sqs:SendMessage", f"arn:aws:sqs:{AT}:q"))
    assert not found.allows(Need("sns:Publish", f"arn:aws:sns:{AT}:t"))


def test_a_policy_at_a_resource_is_for_that_resource_alone():
    allowed = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}
    policy = {"SecretId": {"Ref": "One"}, "ResourcePolicy": {"Statement": [allowed | {"Principal": {"AWS": ROLE_ARN}}]}}
    kinds = {"Role": "AWS::IAM::Role", "One": "AWS::SecretsManager::Secret", "Two": "AWS::SecretsManager::Secret"}
    resources = {name: {"Type": kind} for name, kind in kinds.items()}
    found = resolved({**resources, "Policy": {"Type": "AWS::SecretsManager::ResourcePolicy", "Properties": policy}})
    one, two = (Need("secretsmanager:GetSecretValue", found.resources[name].arn) for name in ("One", "Two"))
    assert found.permissions("Role").allows(one)
    assert not found.permissions("Role").allows(two)


def test_a_managed_policy_that_is_not_known_is_refused_by_name():
    role = {"ManagedPolicyArns": ["arn:aws:iam::aws:policy/AdministratorAccess"]}
    template = resolved({"Role": {"Type": "AWS::IAM::Role", "Properties": role}})
    with pytest.raises(PatternError, match="Role: what the managed policy arn:aws:iam::aws:policy/AdministratorAccess holds"):
        template.permissions("Role")


def test_a_managed_policy_of_the_organization_can_be_given():
    arn = "arn:aws:iam::999999999999:policy/Boundary"
    role = {"ManagedPolicyArns": [arn], "PermissionsBoundary": arn}
    document = {"Statement": [{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}]}
    resources = {"Role": {"Type": "AWS::IAM::Role", "Properties": role}}
    found = ResolvedTemplate.of({"Resources": resources}, managed_policies={arn: document}).permissions("Role")
    assert found.allows(Need("sqs:SendMessage", "arn:aws:sqs:eu-central-1:123456789012:orders"))
    assert not found.allows(Need("sqs:DeleteMessage", "arn:aws:sqs:eu-central-1:123456789012:orders"))


def test_what_is_no_role_has_no_permissions():
    with pytest.raises(PatternError, match="role='Queue' is no role of this template: its roles are Role"):
        resolved({"Queue": {"Type": "AWS::SQS::Queue"}, "Role": {"Type": "AWS::IAM::Role"}}).permissions("Queue")


def test_outputs_are_what_other_stacks_import():
    found = resolved({"One": {"Type": "AWS::SQS::Queue"}}, Outputs={"Name": {"Value": {"Fn::GetAtt": ["One", "QueueName"]}}})
    assert found.outputs == {"Name": "One"}


def test_a_stack_its_file_and_its_folder_are_the_same_template():
    app = new_app()
    stack = Stack(app, "Test")
    sqs.Queue(stack, "Queue")
    folder = Path(app.synth().directory)
    found = [ResolvedTemplate.of(each).resources for each in (stack, folder, folder / "Test.template.json")]
    assert [each.type for each in found[0].values()] == ["AWS::SQS::Queue"]
    assert found[0] == found[1] == found[2]


def test_a_folder_with_several_stacks_is_refused_with_their_names():
    app = new_app()
    for name in ("One", "Two"):
        sqs.Queue(Stack(app, name), "Queue")
    folder = app.synth().directory
    with pytest.raises(
        PatternError, match=r"holds 2 stacks \(One, Two\): take one of serverless_patterns\.testing\.templates_in"
    ):
        ResolvedTemplate.of(folder)
    assert list(templates_in(folder)) == ["One", "Two"]


def test_a_path_with_nothing_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(PatternError, match=r"nothing\.json cannot be read .*: give the path of a JSON file or of a cdk\.out"):
        ResolvedTemplate.of(tmp_path / "nothing.json")
    with pytest.raises(PatternError, match=r"manifest\.json cannot be read .*cdk synth"):
        templates_in(tmp_path)


@pytest.mark.parametrize("content", ["Resources:\n  Queue:\n    Type: AWS::SQS::Queue\n", "", "\ufffe"])
def test_a_file_that_is_no_json_is_refused_with_what_to_do(tmp_path, content):
    file = tmp_path / "template.yaml"
    file.write_text(content, encoding="utf-16" if content == "\ufffe" else "utf-8")
    with pytest.raises(PatternError, match=r"template\.yaml is no JSON .*: .*cdk synth"):
        ResolvedTemplate.of(file)


def test_a_file_with_a_list_is_no_template(tmp_path):
    file = tmp_path / "list.json"
    file.write_text("[1]")
    with pytest.raises(PatternError, match=r"list\.json is no template: it is no JSON object"):
        ResolvedTemplate.of(file)


@pytest.mark.parametrize("source", [7, {"Outputs": {}}])
def test_what_is_no_template_is_refused(source):
    with pytest.raises(PatternError, match=r"give a template|is no template: it has no Resources, only Outputs"):
        ResolvedTemplate.of(source)
