"""Mistakes in what functions and services may do."""

import copy
from functools import partial

from tests.proofs.checks.access import (
    inexact_services,
    managed_policies,
    open_to_anybody,
    permissions_without_source,
    roles_without_source,
    services_without_source,
    shared_roles,
    wide_statements,
)
from tests.proofs.checks.permissions import (
    missing_permissions,
    needless_permissions,
    permissions_too_wide,
    scenarios_that_fail,
)
from tests.proofs.traps.plants import (
    changed,
    granted,
    not_granted,
    one_of,
    setting,
    setting_in_policy,
    without,
)
from tests.proofs.traps.trap import Resources, Rule, Trap

API, PIPELINE, KEY = "prod-api-crud", "prod-sqs-pipeline", "sqs_pipeline_fifo_key"
FILES, REPORT, EVENTS = "prod-s3-processing", "prod-scheduled-report", "prod-sns-fanout"
ROUTES, WORKFLOW = "prod-event-routing", "prod-order-workflow"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
TABLE = {"Fn::GetAtt": ["ProductsTableEB101A78", "Arn"]}
OTHER_TABLE = {"Fn::GetAtt": ["ProductsIdempotencyTableC9F4241E", "Arn"]}
WHOLE_BUCKET = {"Fn::Join": ["", [{"Fn::GetAtt": ["ImportsOutputBucket26721170", "Arn"]}, "/*"]]}
ALL_SECRETS = {"Fn::Sub": "arn:aws:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:*"}


def _second_function(resources: Resources) -> None:
    resources["Second"] = copy.deepcopy(one_of(resources, "AWS::Lambda::Function"))


def _no_dead_letters(resources: Resources) -> None:
    statements = one_of(resources, "AWS::IAM::ManagedPolicy", "Worker")["Properties"]["PolicyDocument"]["Statement"]
    statements.remove(next(each for each in statements if each["Action"] == "sqs:SendMessage"))


def _anybody(action: str) -> dict[str, object]:
    return {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": "*"}


def _closed_queue(resources: Resources) -> None:
    document = one_of(resources, "AWS::SQS::QueuePolicy", "ImportsQueue")["Properties"]["PolicyDocument"]
    document["Statement"] = [each for each in document["Statement"] if each["Effect"] == "Deny"]


def _for_anybodys_rules(resources: Resources) -> None:
    document = one_of(resources, "AWS::SQS::QueuePolicy", "DeliveryDeadLetter")["Properties"]["PolicyDocument"]
    for statement in document["Statement"]:
        if statement["Effect"] == "Allow":
            del statement["Condition"]


def _service(name: str, action: str | list[str]) -> dict[str, object]:
    return {"Effect": "Allow", "Principal": {"Service": name}, "Action": action, "Resource": "*"}


OF_FUNCTIONS = [
    Trap(
        "a function may use another table than its own",
        API,
        changed("Function", "dynamodb:Scan", Resource=OTHER_TABLE),
        partial(missing_permissions, API),
    ),
    Trap(
        "a function may delete its table",
        API,
        granted("Function", "dynamodb:DeleteTable", TABLE),
        partial(needless_permissions, API),
    ),
    Trap("a function may do all to its table", API, changed("Function", "dynamodb:Scan", Action="dynamodb:*"), wide_statements),
    Trap(
        "a function may do all to its table, as the scanners see it",
        API,
        changed("Function", "dynamodb:Scan", Action="dynamodb:*"),
        Rule("IAM5[Action"),
    ),
    Trap(
        "a function may not put what it puts",
        API,
        not_granted("Function", "dynamodb:PutItem"),
        partial(missing_permissions, API),
    ),
    Trap(
        "a function may not put what it puts, when its role is enforced",
        API,
        not_granted("Function", "dynamodb:PutItem"),
        partial(scenarios_that_fail, API),
    ),
    Trap(
        "a function may not decrypt with the key of its queue",
        KEY,
        not_granted("Worker", "kms:Decrypt"),
        partial(missing_permissions, KEY),
    ),
    Trap(
        "a worker may not put hopeless messages into the dead-letter queue",
        PIPELINE,
        _no_dead_letters,
        partial(missing_permissions, PIPELINE),
    ),
    Trap(
        "a function may read any secret of any account, by a star",
        PIPELINE,
        changed("Worker", "secretsmanager:GetSecretValue", Resource="*"),
        wide_statements,
    ),
    Trap("a function may write to every log", API, changed("Function", "logs:PutLogEvents", Resource="*"), wide_statements),
    Trap(
        "a function may write anywhere in a bucket",
        FILES,
        changed("Function", "s3:PutObject", Resource=WHOLE_BUCKET),
        partial(permissions_too_wide, FILES),
    ),
    Trap(
        "a function may read all secrets",
        PIPELINE,
        changed("Worker", "secretsmanager:GetSecretValue", Resource=ALL_SECRETS),
        partial(permissions_too_wide, PIPELINE),
    ),
    Trap(
        "a function may pass roles on",
        API,
        granted("Function", "iam:PassRole", "arn:aws:iam::111122223333:role/Other"),
        partial(needless_permissions, API),
    ),
    Trap(
        "a function is an administrator",
        API,
        setting("AWS::IAM::Role", "Function", "ManagedPolicyArns", [ADMINISTRATOR]),
        managed_policies,
    ),
    Trap(
        "a function is an administrator, as the scanners see it",
        API,
        setting("AWS::IAM::Role", "Function", "ManagedPolicyArns", [ADMINISTRATOR]),
        Rule("IAM4"),
    ),
    Trap("a second function shares the role of the first", API, _second_function, shared_roles),
]
OF_SERVICES = [
    Trap(
        "a service may do everything to roles, says the policy of a queue",
        FILES,
        setting_in_policy("AWS::SQS::QueuePolicy", "Queue", _service("events.amazonaws.com", "iam:*")),
        inexact_services,
    ),
    Trap(
        "a workflow may invoke any function",
        WORKFLOW,
        granted("StateMachineRole", "lambda:InvokeFunction", "*"),
        wide_statements,
    ),
    Trap(
        "a workflow may not invoke its functions",
        WORKFLOW,
        not_granted("StateMachineRole", "lambda:InvokeFunction"),
        inexact_services,
    ),
    Trap(
        "a route's function may publish to its own bus",
        ROUTES,
        granted("PaymentsFunction", "events:PutEvents", {"Fn::GetAtt": ["EventsBus45DE4339", "Arn"]}),
        partial(needless_permissions, ROUTES),
    ),
    Trap(
        "a rule may not send to its queue",
        FILES,
        _closed_queue,
        inexact_services,
    ),
    Trap(
        "everybody's schedules may assume the role of the schedule",
        REPORT,
        without("AWS::IAM::Role", "Schedule", "AssumeRolePolicyDocument/Statement/0/Condition"),
        roles_without_source,
    ),
    Trap(
        "everybody's APIs may invoke the function",
        API,
        without("AWS::Lambda::Permission", "", "SourceArn"),
        permissions_without_source,
    ),
    Trap(
        "everybody may invoke the function",
        API,
        setting("AWS::Lambda::Permission", "", "Principal", "*"),
        permissions_without_source,
    ),
    Trap(
        "everybody may send to the queue",
        PIPELINE,
        setting_in_policy("AWS::SQS::QueuePolicy", "Queue", _anybody("sqs:SendMessage")),
        open_to_anybody,
    ),
    Trap(
        "everybody may send to the queue, as the scanners see it",
        PIPELINE,
        setting_in_policy("AWS::SQS::QueuePolicy", "Queue", _anybody("sqs:SendMessage")),
        Rule("SQSQueuePolicyPublicRule"),
    ),
    Trap(
        "everybody may publish to the topic",
        EVENTS,
        setting_in_policy("AWS::SNS::TopicPolicy", "", _anybody("sns:Publish")),
        open_to_anybody,
    ),
    Trap(
        "everybody may read the bucket",
        FILES,
        setting_in_policy("AWS::S3::BucketPolicy", "", _anybody("s3:GetObject")),
        open_to_anybody,
    ),
    Trap(
        "any service may use the key, for whomever it acts",
        KEY,
        setting_in_policy("AWS::KMS::Key", "", _service("sns.amazonaws.com", "kms:Decrypt"), "KeyPolicy"),
        services_without_source,
    ),
    Trap(
        "everybody may use the key",
        KEY,
        setting_in_policy("AWS::KMS::Key", "", _anybody("kms:*"), "KeyPolicy"),
        open_to_anybody,
    ),
    Trap(
        "a rule of anybody's may send to the queue of failed deliveries",
        FILES,
        _for_anybodys_rules,
        services_without_source,
    ),
]
