"""What services may do: exactly what the resources need of them, and only for a source that is named."""

import json

import pytest

from serverless_patterns.testing.service_roles import service_reports
from serverless_patterns.testing.template import ResolvedTemplate
from tests.support.variants import VARIANTS

AT = "eu-central-1:123456789012"
QUEUE, TOPIC = f"arn:aws:sqs:{AT}:Queue", f"arn:aws:sns:{AT}:Topic"
TABLE = f"arn:aws:dynamodb:{AT}:table/Table"
FUNCTION, BUS = f"arn:aws:lambda:{AT}:function:work", f"arn:aws:events:{AT}:event-bus/shop"
HERE = {"StringEquals": {"aws:SourceAccount": "123456789012"}}


def template_of(**resources):
    return ResolvedTemplate.of(
        {"Resources": {name: {"Type": kind, "Properties": properties} for name, (kind, properties) in resources.items()}}
    )


def report(template, subject):
    return next((each for each in service_reports(template) if each.subject == subject), None)


def role(service, *grants, condition=HERE):
    """A role of a service that may do these (action, resource)."""
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": f"{service}.amazonaws.com"}}
    statements = [{"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in grants]
    properties = {
        "AssumeRolePolicyDocument": {"Statement": [trust | ({"Condition": condition} if condition else {})]},
        "Policies": [{"PolicyName": "All", "PolicyDocument": {"Statement": statements}}],
    }
    return ("AWS::IAM::Role", properties)


ROLE = {"Fn::GetAtt": ["Role", "Arn"]}


def schedule(target):
    return ("AWS::Scheduler::Schedule", {"Target": {"Arn": target, "RoleArn": ROLE}})


def task(resource, **arguments):
    definition = {"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": resource, "Parameters": arguments, "End": True}}}
    return ("AWS::StepFunctions::StateMachine", {"RoleArn": ROLE, "DefinitionString": json.dumps(definition)})


def method(uri, template=""):
    integration = {"Type": "AWS", "Uri": uri, "Credentials": ROLE, "RequestTemplates": {"application/json": template}}
    return ("AWS::ApiGateway::Method", {"RestApiId": "api", "Integration": integration})


def http(subtype, **parameters):
    properties = {"ApiId": "api", "CredentialsArn": ROLE, "IntegrationSubtype": subtype, "RequestParameters": parameters}
    return ("AWS::ApiGatewayV2::Integration", properties)


MACHINE = f"arn:aws:states:{AT}:stateMachine:Other"
PATH = "arn:aws:apigateway:eu-central-1:sqs:path/123456789012/Queue"
#: What uses a role -> the service, the resource that names the role, and all that it needs.
USES = {
    "a schedule of a function": ("scheduler", schedule(FUNCTION), [("lambda:InvokeFunction", FUNCTION)]),
    "a schedule of a queue": ("scheduler", schedule(QUEUE), [("sqs:SendMessage", QUEUE)]),
    "a schedule of a topic": ("scheduler", schedule(TOPIC), [("sns:Publish", TOPIC)]),
    "a schedule of a state machine": ("scheduler", schedule(MACHINE), [("states:StartExecution", MACHINE)]),
    "a schedule of a bus": ("scheduler", schedule(BUS), [("events:PutEvents", BUS)]),
    "a schedule of any call": ("scheduler", schedule("arn:aws:scheduler:::aws-sdk:sqs:purgeQueue"), [("sqs:PurgeQueue", "*")]),
    "a schedule with a dead-letter queue": (
        "scheduler",
        (
            "AWS::Scheduler::Schedule",
            {"Target": {"Arn": FUNCTION, "RoleArn": ROLE, "DeadLetterConfig": {"Arn": QUEUE}}},
        ),
        [("lambda:InvokeFunction", FUNCTION), ("sqs:SendMessage", QUEUE)],
    ),
    "a rule of a state machine": (
        "events",
        ("AWS::Events::Rule", {"Targets": [{"Id": "1", "Arn": MACHINE, "RoleArn": ROLE}]}),
        [("states:StartExecution", MACHINE)],
    ),
    "a rule of another bus": (
        "events",
        ("AWS::Events::Rule", {"Targets": [{"Id": "1", "Arn": BUS, "RoleArn": ROLE}]}),
        [("events:PutEvents", BUS)],
    ),
    "a pipe": (
        "pipes",
        ("AWS::Pipes::Pipe", {"RoleArn": ROLE, "Source": QUEUE, "Target": MACHINE}),
        [
            ("sqs:ReceiveMessage", QUEUE),
            ("sqs:DeleteMessage", QUEUE),
            ("sqs:GetQueueAttributes", QUEUE),
            ("states:StartExecution", MACHINE),
        ],
    ),
    "a task that invokes": (
        "states",
        task("arn:aws:states:::lambda:invoke", FunctionName=FUNCTION),
        [("lambda:InvokeFunction", FUNCTION)],
    ),
    "a task that is a function": ("states", task(FUNCTION), [("lambda:InvokeFunction", FUNCTION)]),
    "a task that waits for a token": (
        "states",
        task(
            "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            QueueUrl="https://sqs.eu-central-1.amazonaws.com/123456789012/Queue",
        ),
        [("sqs:SendMessage", QUEUE)],
    ),
    "a task on a table": (
        "states",
        task("arn:aws:states:::dynamodb:putItem", TableName="Table"),
        [("dynamodb:PutItem", TABLE)],
    ),
    "a task of any call": (
        "states",
        task("arn:aws:states:::aws-sdk:dynamodb:query", TableName="Table"),
        [("dynamodb:Query", TABLE)],
    ),
    "a task that announces": ("states", task("arn:aws:states:::sns:publish", TopicArn=TOPIC), [("sns:Publish", TOPIC)]),
    "a task that puts events": (
        "states",
        task("arn:aws:states:::events:putEvents", Entries=[{"EventBusName": BUS}]),
        [("events:PutEvents", BUS)],
    ),
    "a task that starts another": (
        "states",
        task("arn:aws:states:::states:startExecution", StateMachineArn=MACHINE),
        [("states:StartExecution", MACHINE)],
    ),
    "a method that sends": ("apigateway", method(PATH, "Action=SendMessage&MessageBody=a"), [("sqs:SendMessage", QUEUE)]),
    "a method that receives": ("apigateway", method(PATH, "Action=ReceiveMessage"), [("sqs:ReceiveMessage", QUEUE)]),
    "a method that puts an item": (
        "apigateway",
        method("arn:aws:apigateway:eu-central-1:dynamodb:action/PutItem", '{"TableName": "Table"}'),
        [("dynamodb:PutItem", TABLE)],
    ),
    "a method that invokes": (
        "apigateway",
        method(f"arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/{FUNCTION}/invocations"),
        [("lambda:InvokeFunction", FUNCTION)],
    ),
    "an HTTP API that sends": (
        "apigateway",
        http("SQS-SendMessage", QueueUrl="https://sqs.eu-central-1.amazonaws.com/123456789012/Queue"),
        [("sqs:SendMessage", QUEUE)],
    ),
    "an HTTP API that starts": (
        "apigateway",
        http("StepFunctions-StartExecution", StateMachineArn=MACHINE),
        [("states:StartExecution", MACHINE)],
    ),
}
OTHERS = {"Queue": ("AWS::SQS::Queue", {}), "Table": ("AWS::DynamoDB::Table", {}), "Topic": ("AWS::SNS::Topic", {})}


@pytest.mark.parametrize("case", USES)
def test_a_role_with_what_its_user_needs_is_clean(case):
    service, user, needed = USES[case]
    found = report(template_of(Role=role(service, *needed), User=user, **OTHERS), "Role")
    assert found.clean, found


@pytest.mark.parametrize("case", USES)
def test_each_action_that_a_role_lacks_is_missing(case):
    service, user, needed = USES[case]
    found = report(template_of(Role=role(service), User=user, **OTHERS), "Role")
    assert {(need.action, need.resource) for need in found.missing} == set(needed)
    assert found.excess == ()


@pytest.mark.parametrize("case", USES)
def test_each_action_that_nobody_needs_is_excess(case):
    service, user, needed = USES[case]
    found = report(template_of(Role=role(service, *needed, ("s3:GetObject", "arn:aws:s3:::b/*")), User=user, **OTHERS), "Role")
    assert [grant.action for grant in found.excess] == ["s3:GetObject"]
    assert found.missing == ()


def test_the_states_in_branches_and_maps_count():
    inner = {"States": {"T": {"Type": "Task", "Resource": FUNCTION}}}
    definition = {
        "States": {
            "P": {"Type": "Parallel", "Branches": [inner]},
            "M": {"Type": "Map", "ItemProcessor": {"States": {"T": {"Type": "Task", "Resource": f"{FUNCTION}2"}}}},
        }
    }
    machine = ("AWS::StepFunctions::StateMachine", {"RoleArn": ROLE, "Definition": definition})
    found = report(template_of(Role=role("states"), Machine=machine), "Role")
    assert [need.resource for need in found.missing] == [FUNCTION, f"{FUNCTION}2"]


def test_a_queue_of_somebody_else_is_known_by_its_url():
    url = "https://sqs.eu-west-1.amazonaws.com/444455556666/theirs"
    machine = task("arn:aws:states:::sqs:sendMessage", QueueUrl=url)
    found = report(template_of(Role=role("states"), Machine=machine), "Role")
    assert [(need.action, need.resource) for need in found.missing] == [
        ("sqs:SendMessage", "arn:aws:sqs:eu-west-1:444455556666:theirs")
    ]


def test_waiting_for_another_state_machine_needs_its_executions_and_the_rule_of_step_functions():
    machine = task("arn:aws:states:::states:startExecution.sync:2", StateMachineArn=MACHINE)
    found = report(template_of(Role=role("states"), Machine=machine), "Role")
    assert {need.action for need in found.missing} == {
        "states:StartExecution",
        "states:DescribeExecution",
        "states:StopExecution",
        "events:PutTargets",
        "events:PutRule",
        "events:DescribeRule",
    }


def test_the_log_and_the_traces_of_a_state_machine_need_permissions():
    properties = {
        "RoleArn": ROLE,
        "Definition": {},
        "LoggingConfiguration": {"Level": "ERROR"},
        "TracingConfiguration": {"Enabled": True},
    }
    found = report(template_of(Role=role("states"), Machine=("AWS::StepFunctions::StateMachine", properties)), "Role")
    assert {"logs:CreateLogDelivery", "logs:DescribeLogGroups", "xray:PutTraceSegments"} <= {
        need.action for need in found.missing
    }


def test_a_target_with_a_key_needs_the_key():
    queue = ("AWS::SQS::Queue", {"KmsMasterKeyId": {"Fn::GetAtt": ["Key", "Arn"]}})
    found = report(
        template_of(
            Role=role("scheduler", ("sqs:SendMessage", QUEUE)), User=schedule(QUEUE), Queue=queue, Key=("AWS::KMS::Key", {})
        ),
        "Role",
    )
    assert [need.action for need in found.missing] == ["kms:Decrypt", "kms:GenerateDataKey"]


def test_a_user_of_a_type_that_is_not_known_is_shown():
    found = report(template_of(Role=role("firehose"), User=("AWS::Thing::Unknown", {"RoleArn": ROLE})), "Role")
    assert found.unjudged == ("User (AWS::Thing::Unknown)",)
    assert not found.clean


CLUSTER = f"arn:aws:ecs:{AT}:cluster/c"
LOG = f"arn:aws:logs:{AT}:log-group:l"
KAFKA = f"arn:aws:kafka:{AT}:cluster/c/1"
UNKNOWN_PARTNERS = {
    "a rule of a task": ("events", ("AWS::Events::Rule", {"Targets": [{"Arn": CLUSTER, "RoleArn": ROLE}]}), CLUSTER),
    "a schedule of a task": ("scheduler", schedule(CLUSTER), CLUSTER),
    "a pipe from a broker": ("pipes", ("AWS::Pipes::Pipe", {"RoleArn": ROLE, "Source": KAFKA, "Target": QUEUE}), KAFKA),
    "a pipe into a log": ("pipes", ("AWS::Pipes::Pipe", {"RoleArn": ROLE, "Source": QUEUE, "Target": LOG}), LOG),
    "a pipe by way of an API": (
        "pipes",
        ("AWS::Pipes::Pipe", {"RoleArn": ROLE, "Source": QUEUE, "Target": QUEUE, "Enrichment": LOG}),
        LOG,
    ),
}


@pytest.mark.parametrize("case", UNKNOWN_PARTNERS)
def test_what_a_service_does_with_a_resource_of_a_kind_that_is_not_known_is_shown(case):
    service, user, partner = UNKNOWN_PARTNERS[case]
    found = report(template_of(Role=role(service), User=user, **OTHERS), "Role")
    assert found.unjudged == (f"User ({user[0]}) with {partner}",)


def test_a_partner_of_another_role_is_not_shown():
    pipe = ("AWS::Pipes::Pipe", {"RoleArn": "arn:aws:iam::1:role/r", "Source": KAFKA, "Target": LOG})
    targets = {"Targets": [{"Arn": CLUSTER, "RoleArn": "arn:aws:iam::1:role/r"}, {"Arn": CLUSTER}]}
    found = report(template_of(Role=role("pipes"), User=pipe, Rule=("AWS::Events::Rule", targets)), "Role")
    assert found.unjudged == ()


@pytest.mark.parametrize(
    ("service", "condition", "clean"),
    [
        ("scheduler", None, False),
        ("scheduler", HERE, True),
        ("scheduler", {"ArnLike": {"aws:SourceArn": "arn:aws:scheduler:*"}}, True),
        ("scheduler", {"ArnLike": {"aws:SourceArn": "*"}}, False),
        ("scheduler", {"StringEqualsIfExists": {"aws:SourceAccount": "1"}}, False),
        ("scheduler", {"StringNotEquals": {"aws:SourceAccount": "1"}}, False),
        ("states", None, False),
        ("events", None, False),
        ("apigateway", None, True),
        ("lambda", None, True),
    ],
)
def test_a_trust_policy_names_a_source_where_the_service_gives_one(service, condition, clean):
    found = report(template_of(Role=role(service, condition=condition)), "Role")
    assert (found.unconditioned == ()) is clean


def queue_policy(service="sns", source=TOPIC, **changed):
    statement = {
        "Effect": "Allow",
        "Action": "sqs:SendMessage",
        "Resource": QUEUE,
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Condition": {"ArnEquals": {"aws:SourceArn": source}},
    }
    statement = {key: value for key, value in (statement | changed).items() if value is not None}
    return ("AWS::SQS::QueuePolicy", {"Queues": [{"Ref": "Queue"}], "PolicyDocument": {"Statement": [statement]}})


SUBSCRIPTION = ("AWS::SNS::Subscription", {"TopicArn": {"Ref": "Topic"}, "Protocol": "sqs", "Endpoint": QUEUE})
BASE = {"Queue": ("AWS::SQS::Queue", {}), "Topic": ("AWS::SNS::Topic", {}), "Subscription": SUBSCRIPTION}


def test_a_queue_that_lets_its_topic_in_is_clean():
    assert all(each.clean for each in service_reports(template_of(**BASE, Policy=queue_policy())))


@pytest.mark.parametrize(
    "policy",
    [
        queue_policy(source=f"{TOPIC}2"),
        queue_policy(service="events"),
        queue_policy(Action="sqs:ReceiveMessage"),
        queue_policy(Effect="Deny"),
        queue_policy(Resource=f"{QUEUE}2"),
    ],
)
def test_a_queue_that_does_not_let_its_topic_in_misses_it(policy):
    found = report(template_of(**BASE, Policy=policy), "Policy")
    assert [(need.action, need.resource) for need in found.missing] == [("sqs:SendMessage", QUEUE)]


def test_what_only_the_source_forbids_is_missing_with_the_condition():
    (need,) = report(template_of(**BASE, Policy=queue_policy(source=f"{TOPIC}2")), "Policy").missing
    assert need.why == "the subscription Subscription; Policy allows it but for the condition on aws:SourceArn"


def test_what_only_a_condition_forbids_a_role_is_missing_with_the_condition():
    kind, properties = role("scheduler", ("sqs:SendMessage", QUEUE))
    properties["Policies"][0]["PolicyDocument"]["Statement"][0]["Condition"] = {"StringEquals": {"aws:SourceVpc": "vpc-1"}}
    (need,) = report(template_of(Role=(kind, properties), User=schedule(QUEUE), **OTHERS), "Role").missing
    assert need.why == "the target of User; Role/All allows it but for the condition on aws:SourceVpc"


def test_a_queue_that_denies_what_it_allows_does_not_let_its_topic_in():
    kind, properties = queue_policy()
    (allowed,) = properties["PolicyDocument"]["Statement"]
    both = {"Statement": [allowed, {**allowed, "Effect": "Deny", "Principal": "*"}]}
    found = report(template_of(**BASE, Policy=(kind, {**properties, "PolicyDocument": both})), "Policy")
    assert [need.action for need in found.missing] == ["sqs:SendMessage"]


def test_a_queue_without_a_policy_misses_it():
    found = report(template_of(**BASE), "Queue")
    assert [need.action for need in found.missing] == ["sqs:SendMessage"]


def test_a_service_that_nothing_needs_is_excess():
    found = report(template_of(**{**BASE, "Policy": queue_policy(service="events")}), "Policy")
    assert [grant.action for grant in found.excess] == ["sqs:SendMessage"]


@pytest.mark.parametrize(
    "changed", [{"Condition": None}, {"Principal": "*", "Condition": None}, {"Principal": {"AWS": "*"}, "Condition": None}]
)
def test_a_policy_that_names_no_source_is_found(changed):
    found = report(template_of(**BASE, Policy=queue_policy(**changed)), "Policy")
    assert len(found.unconditioned) == 1
    assert found.unconditioned[0].startswith("Policy allows sqs:SendMessage to ")


def test_undelivered_events_of_a_rule_need_their_queue():
    rule = {"Targets": [{"Id": "1", "Arn": FUNCTION, "RoleArn": "r", "DeadLetterConfig": {"Arn": QUEUE}}]}
    here = template_of(Queue=BASE["Queue"], Rule=("AWS::Events::Rule", rule))
    assert [need.action for need in report(here, "Queue").missing] == ["sqs:SendMessage"]


INVOKE = {"Action": "lambda:InvokeFunction", "FunctionName": {"Ref": "Function"}}
INVOKED = {"Fn::GetAtt": ["Function", "Arn"]}
API = f"arn:aws:execute-api:{AT}:api"
URI = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/${Function.Arn}/invocations"
INVOKERS = {
    "s3": (
        ("AWS::S3::Bucket", {"NotificationConfiguration": {"LambdaConfigurations": [{"Function": INVOKED}]}}),
        {"SourceAccount": "123456789012"},
    ),
    "s3 ": (
        (
            "Custom::S3BucketNotifications",
            {
                "BucketName": "files",
                "NotificationConfiguration": {"LambdaFunctionConfigurations": [{"LambdaFunctionArn": INVOKED}]},
            },
        ),
        {"SourceAccount": "123456789012", "SourceArn": "arn:aws:s3:::files"},
    ),
    "sns": (
        ("AWS::SNS::Subscription", {"TopicArn": TOPIC, "Protocol": "lambda", "Endpoint": INVOKED}),
        {"SourceArn": TOPIC},
    ),
    "events": (("AWS::Events::Rule", {"Targets": [{"Arn": INVOKED}]}), {"SourceArn": f"arn:aws:events:{AT}:rule/User"}),
    "apigateway": (
        ("AWS::ApiGatewayV2::Integration", {"ApiId": "api", "IntegrationUri": INVOKED}),
        {"SourceArn": f"{API}/*/*/*"},
    ),
    "apigateway ": (
        ("AWS::ApiGateway::Authorizer", {"RestApiId": "api", "AuthorizerUri": {"Fn::Sub": URI}}),
        {"SourceArn": {"Fn::Sub": f"{API}/authorizers/${{User}}"}},
    ),
    "apigateway  ": (
        ("AWS::ApiGatewayV2::Authorizer", {"ApiId": "api", "AuthorizerUri": {"Fn::Sub": URI}}),
        {"SourceArn": f"{API}/authorizers/*"},
    ),
    "logs": (
        ("AWS::Logs::SubscriptionFilter", {"LogGroupName": "work", "DestinationArn": INVOKED}),
        {"SourceArn": f"arn:aws:logs:{AT}:log-group:work:*"},
    ),
    "logs.eu-central-1": (
        ("AWS::Logs::SubscriptionFilter", {"LogGroupName": "work", "DestinationArn": INVOKED}),
        {"SourceArn": f"arn:aws:logs:{AT}:log-group:work:*"},
    ),
    "cognito-idp": (
        ("AWS::Cognito::UserPool", {"LambdaConfig": {"PreSignUp": INVOKED}}),
        {"SourceArn": {"Fn::GetAtt": ["User", "Arn"]}},
    ),
    "secretsmanager": (
        ("AWS::SecretsManager::RotationSchedule", {"SecretId": "s", "RotationLambdaARN": INVOKED}),
        {"SourceAccount": "123456789012"},
    ),
}


@pytest.mark.parametrize("service", INVOKERS)
def test_a_service_that_invokes_a_function_needs_its_permission(service):
    user, source = INVOKERS[service]
    function = ("AWS::Lambda::Function", {"Role": "arn:aws:iam::1:role/r"})
    permission = ("AWS::Lambda::Permission", {**INVOKE, "Principal": f"{service.strip()}.amazonaws.com", **source})
    with_it = service_reports(template_of(Function=function, User=user, Permission=permission))
    assert all(each.clean for each in with_it), with_it
    without = report(template_of(Function=function, User=user), "Function")
    assert [need.action for need in without.missing] == ["lambda:InvokeFunction"]


def test_a_permission_that_nothing_needs_is_excess():
    function = ("AWS::Lambda::Function", {"Role": "arn:aws:iam::1:role/r"})
    permission = ("AWS::Lambda::Permission", {**INVOKE, "Principal": "sns.amazonaws.com"})
    found = report(template_of(Function=function, Permission=permission), "Permission")
    assert [grant.action for grant in found.excess] == ["lambda:InvokeFunction"]
    assert len(found.unconditioned) == 1


def test_a_subscription_with_a_role_needs_no_permission_of_the_function():
    user, _ = INVOKERS["logs"]
    function = ("AWS::Lambda::Function", {"Role": "arn:aws:iam::1:role/r"})
    with_role = (user[0], {**user[1], "RoleArn": "arn:aws:iam::1:role/r"})
    assert report(template_of(Function=function, User=user), "Function") is not None
    assert report(template_of(Function=function, User=with_role), "Function") is None


@pytest.mark.parametrize("service", ["ses", "config", "iot", "appsync", "cloudfront"])
def test_a_permission_of_a_service_whose_doings_are_not_known_is_not_judged(service):
    function = ("AWS::Lambda::Function", {"Role": "arn:aws:iam::1:role/r"})
    permission = (
        "AWS::Lambda::Permission",
        {**INVOKE, "Principal": f"{service}.amazonaws.com", "SourceAccount": "123456789012"},
    )
    found = report(template_of(Function=function, Permission=permission), "Permission")
    assert found.excess == ()
    assert found.unjudged == (f"lambda:InvokeFunction to {service}.amazonaws.com",)
    assert not found.clean


def test_what_a_service_does_with_the_objects_of_a_bucket_is_not_judged():
    writes = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::bucket/*", "Condition": HERE}
    document = {"Statement": [writes | {"Principal": {"Service": "s3.amazonaws.com"}}]}
    policy = ("AWS::S3::BucketPolicy", {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": document})
    found = report(template_of(Bucket=("AWS::S3::Bucket", {}), Policy=policy), "Policy")
    assert (found.excess, found.unjudged) == ((), ("s3:PutObject to s3.amazonaws.com",))


def test_the_key_of_a_queue_lets_the_service_in_that_sends():
    key_of = {"KmsMasterKeyId": {"Fn::GetAtt": ["Key", "Arn"]}}
    allowed = {"Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": "*", "Condition": HERE}
    policies = [{"Statement": []}, {"Statement": [allowed | {"Principal": {"Service": "sns.amazonaws.com"}}]}]
    found = [
        report(
            template_of(
                **BASE | {"Queue": ("AWS::SQS::Queue", key_of)},
                Policy=queue_policy(),
                Key=("AWS::KMS::Key", {"KeyPolicy": policy}),
            ),
            "Key",
        )
        for policy in policies
    ]
    assert [need.action for need in found[0].missing] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert found[1].clean


def test_the_alarms_of_this_repository_are_heard(templates):
    prod = templates["prod"]
    alerts = ResolvedTemplate.of(prod["prod-alerts"])
    imports = {f"prod-alerts.{name}": value for name, value in alerts.outputs.items()}
    others = [ResolvedTemplate.of(stack, imports=imports) for name, stack in prod.items() if name != "prod-alerts"]
    found = service_reports(alerts, *others)
    assert len(found) == 4
    assert [(each.subject, need) for each in found for need in each.missing] == []
    assert [text for each in found for text in each.unconditioned] == []


def all_reports(stacks):
    return [each for stack in stacks for each in service_reports(ResolvedTemplate.of(stack)) if not each.clean]


@pytest.mark.parametrize("environment", ["local", "dev", "staging", "prod"])
def test_every_service_role_of_every_stack_is_exact(templates, environment):
    assert all_reports(stack for name, stack in templates[environment].items() if not name.endswith("-alerts")) == []


@pytest.mark.parametrize("variant", [name for name in VARIANTS if name != "alerts"])
def test_every_service_role_of_every_shape_is_exact(variant):
    assert all_reports([VARIANTS[variant]()]) == []
