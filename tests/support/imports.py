"""``S3Processing`` as the tests of its template see it: how one is made, and what its parts may do."""

import pytest
from aws_cdk import Duration
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from serverless_patterns import (
    BucketOptions,
    Handler,
    S3Processing,
)
from tests.support.readable import properties_at
from tests.support.synthesis import template_of

OWN = Handler(lambda_.Code.from_inline("def handler(event, context): ..."), "index.handler")
LOGS = ["logs:CreateLogStream", "logs:PutLogEvents"]
XRAY = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
POLL = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
QUEUE_KEY = ["kms:Decrypt", "kms:GenerateDataKey"]
TABLE_KEY = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"]
READ = ["s3:GetObject", "s3:GetObjectVersion"]
#: What the function may do, however it is invoked.
WORK = {
    "Imports/FunctionLogs": LOGS,
    "*": XRAY,
    "Imports/Table": ["dynamodb:BatchWriteItem", "dynamodb:UpdateItem"],
    "Imports/OutputBucket/results/*": ["s3:PutObject"],
    "Imports/OutputBucket/thumbnails/*": ["s3:PutObject"],
}
#: What it may do beyond that if a queue invokes it, whatever the options are.
CONSUME = {
    "Imports/Queue": [*POLL, "sqs:SendMessage"],
    "Imports/DeadLetterQueue": ["sqs:SendMessage"],
    "Imports/Bucket": ["s3:ListBucket"],
    "Imports/Topic": ["sns:Publish"],
}
DIRECT = {"Imports/SuccessQueue": ["sqs:SendMessage"], "Imports/FailureQueue": ["sqs:SendMessage"]}
QUEUES = ("Queue", "DeadLetterQueue", "DeliveryDeadLetterQueue")
DIRECT_QUEUES = ("SuccessQueue", "SuccessDeadLetterQueue", "FailureQueue", "FailureDeadLetterQueue")
REFUSE_HTTP = {"Bool": {"aws:SecureTransport": "false"}}
#: All shapes of the pattern: none has a function or a custom resource of CDK's own.
SHAPES = pytest.mark.parametrize(
    "options",
    [
        {},
        {"prefix": "incoming/", "suffix": ".csv"},
        {"trigger": "direct"},
        {"trigger": "direct", "prefix": "incoming/", "suffix": ".csv"},
        {"trigger": "direct", "bucket": BucketOptions(versioned=False, expiration=Duration.days(30))},
        {"handler": OWN},
        {"handler": OWN, "trigger": "direct"},
    ],
)


def imports(scope: Construct, construct_id: str = "Imports", **options: object) -> S3Processing:
    return S3Processing(scope, construct_id, **options)


def variables(stack, function="Function"):
    return properties_at(stack, f"Imports/{function}")["Environment"]["Variables"]


def pattern(stack):
    return properties_at(stack, "Imports/Rule")["EventPattern"]


def resource_at(stack, path):
    """All that the template says of the construct at this path."""
    construct = stack
    for name in path.split("/"):
        construct = construct.node.find_child(name)
    element = construct if construct.node.default_child is None else construct.node.default_child
    return template_of(stack)["Resources"][stack.get_logical_id(element)]


def allowed_in(stack, path):
    """The statements of a resource's policy that allow something; the rest refuses callers without TLS."""
    statements = properties_at(stack, f"{path}/Policy")["PolicyDocument"]["Statement"]
    refused = [each for each in statements if each["Effect"] == "Deny"]
    assert [each["Condition"] for each in refused] == [REFUSE_HTTP]
    return [each for each in statements if each["Effect"] == "Allow"]


def own_table(stack, construct_id="Mine", *, partition="object", sort="row", kind=dynamodb.AttributeType.NUMBER, **options):
    """A table of the user's."""
    return dynamodb.TableV2(
        stack,
        construct_id,
        partition_key=dynamodb.Attribute(name=partition, type=dynamodb.AttributeType.STRING),
        sort_key=None if sort is None else dynamodb.Attribute(name=sort, type=kind),
        **options,
    )
