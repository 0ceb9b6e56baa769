"""What no scanner sees, of every template: all patterns in every environment, and their other shapes."""

import json
import re
from collections.abc import Mapping

import pytest

from serverless_patterns import ENVIRONMENTS
from tests.support.synthesis import resources
from tests.support.variants import VARIANTS, variants

#: Methods that carry a body: what their model refuses must not reach a function or a queue.
WITH_BODY = {"POST", "PUT", "PATCH"}
#: Services whose roles cannot be lent: to name a role takes iam:PassRole, in the role's own account, and what uses it is the
#: resource that named it. https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
WITHOUT_SOURCE = {"lambda.amazonaws.com", "apigateway.amazonaws.com"}
#: What names a resource for its whole region or account: with one, a second stack or a replacement fails.
PHYSICAL_NAMES = {
    "AWS::ApiGateway::ApiKey": "Name",
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::DynamoDB::GlobalTable": "TableName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::EC2::SecurityGroup": "GroupName",
    "AWS::Events::EventBus": "Name",
    "AWS::Events::Rule": "Name",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Role": "RoleName",
    "AWS::KMS::Alias": "AliasName",
    "AWS::Kinesis::Stream": "Name",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Lambda::LayerVersion": "LayerName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::Scheduler::Schedule": "Name",
    "AWS::Scheduler::ScheduleGroup": "Name",
    "AWS::SecretsManager::Secret": "Name",
    "AWS::StepFunctions::StateMachine": "StateMachineName",
}
#: Physical names that AWS leaves no choice about -> why.
NAMED = {
    r"API-Gateway-Execution-Logs_\{\}/v1": "API Gateway writes to it, and makes one without retention otherwise",
    r"Test-Events-Topic-[0-9A-F]{8}\.fifo": "the name of a FIFO topic must end in .fifo: CDK makes a unique one",
}
#: The resource policies, and where each keeps its document.
RESOURCE_POLICIES = {
    "AWS::KMS::Key": "KeyPolicy",
    "AWS::S3::BucketPolicy": "PolicyDocument",
    "AWS::SecretsManager::ResourcePolicy": "ResourcePolicy",
    "AWS::SNS::TopicPolicy": "PolicyDocument",
    "AWS::SQS::QueuePolicy": "PolicyDocument",
}


@pytest.fixture(scope="session")
def every_template(templates) -> Mapping[str, Mapping]:
    """Name -> template; those that an environment deploys begin with its name."""
    deployed = {name: template for stacks in templates.values() for name, template in stacks.items()}
    return deployed | dict(variants())


@pytest.fixture
def of_type(every_template):
    """All resources of a type, each with the name of its template and its logical id. None at all would prove nothing."""

    def found(kind):
        each = [
            (name, key, value) for name, template in every_template.items() for key, value in resources(template, kind).items()
        ]
        assert each, f"no template has a {kind} any more"
        return each

    return found


def test_all_environments_and_all_other_shapes_are_looked_at(every_template):
    assert set(VARIANTS) < set(every_template)
    assert {environment.name for environment in ENVIRONMENTS} < {name.partition("-")[0] for name in every_template}


# --- APIs


def test_each_method_with_a_body_checks_it_against_a_model_first(of_type, every_template):
    for name, key, method in of_type("AWS::ApiGateway::Method"):
        properties = method["Properties"]
        if properties["HttpMethod"] in WITH_BODY:
            assert set(properties["RequestModels"]) == {"application/json"}, (name, key)
            validator = resources(every_template[name], "AWS::ApiGateway::RequestValidator")[
                properties["RequestValidatorId"]["Ref"]
            ]
            assert validator["Properties"]["ValidateRequestBody"] is True, (name, key)


def test_a_body_of_another_type_does_not_pass_by_the_model(of_type):
    """A model is for one content type: an integration that passes others on would take them unchecked."""
    for name, key, method in of_type("AWS::ApiGateway::Method"):
        integration = method["Properties"]["Integration"]
        if method["Properties"]["HttpMethod"] in WITH_BODY and integration["Type"] == "AWS":
            assert integration["PassthroughBehavior"] == "NEVER", (name, key)


def test_no_stage_writes_bodies_to_its_log(of_type):
    for name, key, stage in of_type("AWS::ApiGateway::Stage"):
        settings = stage["Properties"]["MethodSettings"]
        assert settings, (name, key)
        assert [each for each in settings if each.get("DataTraceEnabled") is not False] == [], (name, key)


def test_no_access_log_has_a_header_or_a_query_string_in_it(of_type):
    stages = [*of_type("AWS::ApiGateway::Stage"), *of_type("AWS::ApiGatewayV2::Stage")]
    for name, key, stage in stages:
        settings = stage["Properties"].get("AccessLogSettings") or stage["Properties"]["AccessLogSetting"]
        line = json.dumps(settings["Format"])
        assert "$context.requestId" in line, (name, key)
        assert re.findall(r"header|query|\$context\.path\b|body", line, re.IGNORECASE) == [], (name, key)


# --- queues and their functions


def test_each_function_that_gets_batches_says_which_messages_failed(of_type):
    for name, key, mapping in of_type("AWS::Lambda::EventSourceMapping"):
        assert mapping["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"], (name, key)


def test_a_message_stays_hidden_for_six_timeouts_and_the_window_of_its_batch(of_type, every_template):
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html."""
    seen = 0
    for name, key, mapping in of_type("AWS::Lambda::EventSourceMapping"):
        queue, function = source_of(mapping, every_template[name])
        if queue["Type"] == "AWS::SQS::Queue":
            needed = 6 * function["Properties"]["Timeout"] + mapping["Properties"].get("MaximumBatchingWindowInSeconds", 0)
            assert queue["Properties"]["VisibilityTimeout"] >= needed, (name, key)
            seen += 1
    assert seen


def test_each_queue_that_a_function_works_has_a_dead_letter_queue_that_keeps_for_longer(of_type, every_template):
    for name, key, mapping in of_type("AWS::Lambda::EventSourceMapping"):
        queue, _ = source_of(mapping, every_template[name])
        if queue["Type"] == "AWS::SQS::Queue":
            redrive = queue["Properties"]["RedrivePolicy"]
            dead = every_template[name]["Resources"][redrive["deadLetterTargetArn"]["Fn::GetAtt"][0]]
            assert redrive["maxReceiveCount"] >= 3, (name, key)
            assert dead["Properties"]["MessageRetentionPeriod"] > queue["Properties"].get("MessageRetentionPeriod", 345_600)
            assert dead["Properties"].get("FifoQueue") == queue["Properties"].get("FifoQueue"), (name, key)


def source_of(mapping, template):
    """The source of a mapping and its function."""
    properties = mapping["Properties"]
    return template["Resources"][properties["EventSourceArn"]["Fn::GetAtt"][0]], template["Resources"][
        properties["FunctionName"]["Ref"]
    ]


# --- who may: each service on behalf of one source only


def test_a_service_may_invoke_a_function_for_one_source_only(of_type):
    for name, key, permission in of_type("AWS::Lambda::Permission"):
        properties = permission["Properties"]
        assert properties["Principal"].endswith(".amazonaws.com"), (name, key)
        assert {"SourceArn", "SourceAccount"} & set(properties), (name, key)


def test_a_resource_policy_lets_a_service_in_for_one_source_or_account_only(of_type, every_template):
    seen = 0
    for kind, where in RESOURCE_POLICIES.items():
        for name, template in every_template.items():
            for key, policy in resources(template, kind).items():
                for statement in policy["Properties"][where]["Statement"]:
                    if statement["Effect"] == "Allow" and "Service" in statement["Principal"]:
                        assert names_a_source(statement), (name, key, statement)
                        seen += 1
    assert seen > 50


def test_nobody_at_all_is_let_in_by_a_resource_policy(every_template):
    for kind, where in RESOURCE_POLICIES.items():
        for name, template in every_template.items():
            for key, policy in resources(template, kind).items():
                for statement in policy["Properties"][where]["Statement"]:
                    anybody = "NotPrincipal" in statement or statement["Principal"] in ("*", {"AWS": "*"})
                    assert statement["Effect"] == "Deny" or not anybody, (name, key, statement)


def test_a_role_that_a_service_assumes_for_others_names_the_source(of_type):
    for name, key, role in of_type("AWS::IAM::Role"):
        for statement in role["Properties"]["AssumeRolePolicyDocument"]["Statement"]:
            (service,) = statement["Principal"].values()
            assert service in WITHOUT_SOURCE or names_a_source(statement), (name, key, service)


def names_a_source(statement):
    """Whether a condition of a statement asks for the ARN or the account that a service acts for, whatever the operator."""
    conditions = statement.get("Condition", {})
    positive = [found for operator, found in conditions.items() if re.match(r"(String|Arn)(Equals|Like)$", operator)]
    return any(key in {"aws:SourceArn", "aws:SourceAccount"} for found in positive for key in found)


# --- what an environment decides, and names


def test_what_is_kept_when_its_stack_goes_is_kept_when_it_is_replaced_too(every_template):
    for name, template in every_template.items():
        for key, resource in template["Resources"].items():
            assert resource.get("UpdateReplacePolicy") == resource.get("DeletionPolicy"), (name, key)


def test_without_an_environment_and_in_prod_data_is_kept_and_elsewhere_it_goes(every_template):
    keeping = {name for name, template in every_template.items() if "Retain" in json.dumps(template)}
    with_data = {name for name in every_template if name in VARIANTS or name.startswith("prod-")}
    assert keeping == with_data


def test_a_table_that_is_kept_is_backed_up_and_cannot_be_deleted_by_mistake(of_type):
    kept = [
        (name, key, table) for name, key, table in of_type("AWS::DynamoDB::GlobalTable") if table["DeletionPolicy"] == "Retain"
    ]
    assert kept
    for name, key, table in kept:
        (replica,) = table["Properties"]["Replicas"]
        assert replica["DeletionProtectionEnabled"] is True, (name, key)
        assert replica["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": 35}


def test_the_only_physical_names_are_those_that_aws_leaves_no_choice_about(every_template):
    found = {
        _flat(resource["Properties"][PHYSICAL_NAMES[resource["Type"]]])
        for template in every_template.values()
        for resource in template["Resources"].values()
        if PHYSICAL_NAMES.get(resource["Type"], "-") in resource.get("Properties", {})
    }
    assert [name for name in found if not any(re.fullmatch(pattern, name) for pattern in NAMED)] == []
    assert [pattern for pattern in NAMED if not any(re.fullmatch(pattern, name) for name in found)] == [], "not needed any more"


def _flat(name):
    """A name with ``{}`` in the place of what is known at the deploy."""
    parts = name["Fn::Join"][1] if isinstance(name, dict) else [name]
    return "".join(part if isinstance(part, str) else "{}" for part in parts)
