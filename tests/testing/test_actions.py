"""Each call needs exactly the actions that AWS documents for it, on exactly the resource that its parameters name."""

import re
from pathlib import Path

import boto3
import pytest
from botocore import xform_name
from botocore.exceptions import UnknownServiceError

from serverless_patterns.errors import PatternError
from serverless_patterns.testing import Call, ResolvedTemplate, needs_of, needs_of_all
from serverless_patterns.testing.reference import known_action
from serverless_patterns.testing.renamed_actions import OTHER_NAMES

HANDLERS = Path(__file__).resolve().parents[2] / "lambda_src"
AT = "eu-central-1:123456789012"
TABLE = f"arn:aws:dynamodb:{AT}:table/orders"
OTHER_TABLE = f"arn:aws:dynamodb:{AT}:table/audit"
QUEUE = f"arn:aws:sqs:{AT}:jobs"
QUEUE_URL = "https://sqs.eu-central-1.amazonaws.com/123456789012/jobs"
TOPIC = f"arn:aws:sns:{AT}:news"
SECRET = f"arn:aws:secretsmanager:{AT}:secret:api-AbCdEf"
CLUSTER = f"arn:aws:rds:{AT}:cluster:data"
MACHINE = f"arn:aws:states:{AT}:stateMachine:work"
EXECUTION = f"arn:aws:states:{AT}:execution:work:1"
FUNCTION = f"arn:aws:lambda:{AT}:function:worker"
STREAM = f"arn:aws:kinesis:{AT}:stream/clicks"
TABLE_STREAM = f"{TABLE}/stream/2026-01-01T00:00:00.000"
KEY = f"arn:aws:kms:{AT}:key/1234"
ROLE = "arn:aws:iam::123456789012:role/scheduler"
BUS = f"arn:aws:events:{AT}:event-bus"
IDENTITY = f"arn:aws:ses:{AT}:identity"
LOG = f"arn:aws:logs:{AT}:log-group"
SSM = f"arn:aws:ssm:{AT}:parameter"
BUCKET = "arn:aws:s3:::files"
OLD = "arn:aws:s3:::old"
RULE = f"arn:aws:events:{AT}:rule"
CONFIGURATION_SET = f"arn:aws:ses:{AT}:configuration-set/c"
OBJECT = "arn:aws:s3:::files/in/a.csv"
ACCESS_POINT = f"arn:aws:s3:{AT}:accesspoint/files"
IN_BUCKET = {"Bucket": "files"}
PUT = ("s3:PutObject", OBJECT)
AN_OBJECT = {"Bucket": "files", "Key": "in/a.csv"}
A_VERSION = {**AN_OBJECT, "VersionId": "v1"}
IN_DATABASE = {"resourceArn": CLUSTER, "secretArn": SECRET}
DATA_API = ("BatchExecuteStatement", "BeginTransaction", "CommitTransaction", "ExecuteStatement", "RollbackTransaction")
AN_ITEM = {"TableName": "orders"}

#: Service, operation, parameters -> (action, resource) of each need.
ROWS = [
    # Amazon S3
    ("s3", "GetObject", AN_OBJECT, [("s3:GetObject", OBJECT)]),
    ("s3", "GetObject", A_VERSION, [("s3:GetObjectVersion", OBJECT)]),
    ("s3", "GetObject", {"Bucket": ACCESS_POINT, "Key": "a"}, [("s3:GetObject", f"{ACCESS_POINT}/object/a")]),
    ("s3", "HeadObject", AN_OBJECT, [("s3:GetObject", OBJECT)]),
    ("s3", "HeadObject", A_VERSION, [("s3:GetObjectVersion", OBJECT)]),
    ("s3", "GetObjectAttributes", AN_OBJECT, [("s3:GetObject", OBJECT), ("s3:GetObjectAttributes", OBJECT)]),
    ("s3", "GetObjectTagging", A_VERSION, [("s3:GetObjectVersionTagging", OBJECT)]),
    ("s3", "HeadBucket", IN_BUCKET, [("s3:ListBucket", BUCKET)]),
    ("s3", "ListObjects", IN_BUCKET, [("s3:ListBucket", BUCKET)]),
    ("s3", "ListObjectsV2", IN_BUCKET, [("s3:ListBucket", BUCKET)]),
    ("s3", "ListObjectVersions", IN_BUCKET, [("s3:ListBucketVersions", BUCKET)]),
    ("s3", "ListMultipartUploads", IN_BUCKET, [("s3:ListBucketMultipartUploads", BUCKET)]),
    ("s3", "ListParts", AN_OBJECT, [("s3:ListMultipartUploadParts", OBJECT)]),
    ("s3", "ListBuckets", {}, [("s3:ListAllMyBuckets", "*")]),
    ("s3", "GetBucketEncryption", IN_BUCKET, [("s3:GetEncryptionConfiguration", BUCKET)]),
    ("s3", "PutObject", AN_OBJECT, [PUT]),
    ("s3", "PutObject", {**AN_OBJECT, "Tagging": "a=b"}, [PUT, ("s3:PutObjectTagging", OBJECT)]),
    ("s3", "PutObject", {**AN_OBJECT, "ACL": "private"}, [PUT, ("s3:PutObjectAcl", OBJECT)]),
    (
        "s3",
        "PutObject",
        {**AN_OBJECT, "ObjectLockMode": "GOVERNANCE"},
        [PUT, ("s3:PutObjectRetention", OBJECT)],
    ),
    ("s3", "CreateMultipartUpload", AN_OBJECT, [PUT]),
    (
        "s3",
        "CreateMultipartUpload",
        {**AN_OBJECT, "Tagging": "a=b"},
        [PUT, ("s3:PutObjectTagging", OBJECT)],
    ),
    ("s3", "UploadPart", AN_OBJECT, [PUT]),
    ("s3", "CompleteMultipartUpload", AN_OBJECT, [PUT]),
    ("s3", "AbortMultipartUpload", AN_OBJECT, [("s3:AbortMultipartUpload", OBJECT)]),
    (
        "s3",
        "CopyObject",
        {**AN_OBJECT, "CopySource": "old/a%20b"},
        [("s3:GetObject", f"{OLD}/a b"), PUT],
    ),
    (
        "s3",
        "CopyObject",
        {**AN_OBJECT, "CopySource": {"Bucket": "old", "Key": "a", "VersionId": "v"}},
        [("s3:GetObjectVersion", f"{OLD}/a"), PUT],
    ),
    (
        "s3",
        "UploadPartCopy",
        {**AN_OBJECT, "CopySource": "old/a"},
        [("s3:GetObject", f"{OLD}/a"), PUT],
    ),
    ("s3", "DeleteObject", AN_OBJECT, [("s3:DeleteObject", OBJECT)]),
    ("s3", "DeleteObject", A_VERSION, [("s3:DeleteObjectVersion", OBJECT)]),
    (
        "s3",
        "DeleteObjects",
        {**IN_BUCKET, "Delete": {"Objects": [{"Key": "a"}, {"Key": "b", "VersionId": "v"}]}},
        [("s3:DeleteObject", f"{BUCKET}/a"), ("s3:DeleteObjectVersion", f"{BUCKET}/b")],
    ),
    # Amazon DynamoDB
    ("dynamodb", "GetItem", AN_ITEM, [("dynamodb:GetItem", TABLE)]),
    ("dynamodb", "GetItem", {"TableName": TABLE}, [("dynamodb:GetItem", TABLE)]),
    ("dynamodb", "PutItem", AN_ITEM, [("dynamodb:PutItem", TABLE)]),
    ("dynamodb", "UpdateItem", AN_ITEM, [("dynamodb:UpdateItem", TABLE)]),
    ("dynamodb", "DeleteItem", AN_ITEM, [("dynamodb:DeleteItem", TABLE)]),
    ("dynamodb", "Scan", AN_ITEM, [("dynamodb:Scan", TABLE)]),
    ("dynamodb", "Query", AN_ITEM, [("dynamodb:Query", TABLE)]),
    ("dynamodb", "Query", {**AN_ITEM, "IndexName": "day"}, [("dynamodb:Query", f"{TABLE}/index/day")]),
    ("dynamodb", "ListTables", {}, [("dynamodb:ListTables", "*")]),
    (
        "dynamodb",
        "BatchWriteItem",
        {"RequestItems": {"orders": [], "audit": []}},
        [("dynamodb:BatchWriteItem", TABLE), ("dynamodb:BatchWriteItem", OTHER_TABLE)],
    ),
    ("dynamodb", "BatchGetItem", {"RequestItems": {"orders": {}}}, [("dynamodb:BatchGetItem", TABLE)]),
    (
        "dynamodb",
        "TransactWriteItems",
        {
            "TransactItems": [
                {"Put": {"TableName": "orders"}},
                {"Update": {"TableName": "orders"}},
                {"Delete": {"TableName": "audit"}},
                {"ConditionCheck": {"TableName": "audit"}},
            ]
        },
        [
            ("dynamodb:PutItem", TABLE),
            ("dynamodb:UpdateItem", TABLE),
            ("dynamodb:DeleteItem", OTHER_TABLE),
            ("dynamodb:ConditionCheckItem", OTHER_TABLE),
        ],
    ),
    ("dynamodb", "TransactGetItems", {"TransactItems": [{"Get": {"TableName": "orders"}}]}, [("dynamodb:GetItem", TABLE)]),
    ("dynamodb", "ExecuteStatement", {"Statement": "select * from orders"}, [("dynamodb:PartiQLSelect", TABLE)]),
    (
        "dynamodb",
        "ExecuteStatement",
        {"Statement": 'SELECT "from"\nFROM "orders"."day" WHERE id = ?'},
        [("dynamodb:PartiQLSelect", f"{TABLE}/index/day")],
    ),
    (
        "dynamodb",
        "ExecuteStatement",
        {"Statement": 'INSERT INTO "orders" VALUE ?'},
        [("dynamodb:PartiQLInsert", TABLE)],
    ),
    (
        "dynamodb",
        "BatchExecuteStatement",
        {"Statements": [{"Statement": "UPDATE orders SET a = 1 WHERE id = '1'"}]},
        [("dynamodb:PartiQLUpdate", TABLE)],
    ),
    (
        "dynamodb",
        "ExecuteTransaction",
        {"TransactStatements": [{"Statement": 'DELETE FROM "audit" WHERE id = ?'}]},
        [("dynamodb:PartiQLDelete", OTHER_TABLE)],
    ),
    ("dynamodbstreams", "DescribeStream", {"StreamArn": TABLE_STREAM}, [("dynamodb:DescribeStream", TABLE_STREAM)]),
    ("dynamodbstreams", "GetRecords", {"ShardIterator": f"{TABLE_STREAM}|1|AAA"}, [("dynamodb:GetRecords", TABLE_STREAM)]),
    # Messages
    ("sqs", "SendMessage", {"QueueUrl": QUEUE_URL}, [("sqs:SendMessage", QUEUE)]),
    ("sqs", "SendMessageBatch", {"QueueUrl": QUEUE_URL}, [("sqs:SendMessage", QUEUE)]),
    ("sqs", "DeleteMessageBatch", {"QueueUrl": QUEUE_URL}, [("sqs:DeleteMessage", QUEUE)]),
    ("sqs", "ChangeMessageVisibility", {"QueueUrl": QUEUE_URL}, [("sqs:ChangeMessageVisibility", QUEUE)]),
    ("sqs", "ChangeMessageVisibilityBatch", {"QueueUrl": QUEUE_URL}, [("sqs:ChangeMessageVisibility", QUEUE)]),
    ("sqs", "GetQueueUrl", {"QueueName": "jobs"}, [("sqs:GetQueueUrl", QUEUE)]),
    (
        "sqs",
        "SendMessage",
        {"QueueUrl": "https://sqs.us-east-1.amazonaws.com/999999999999/theirs"},
        [("sqs:SendMessage", "arn:aws:sqs:us-east-1:999999999999:theirs")],
    ),
    ("sns", "Publish", {"TopicArn": TOPIC}, [("sns:Publish", TOPIC)]),
    ("sns", "Publish", {"TargetArn": TOPIC}, [("sns:Publish", TOPIC)]),
    ("sns", "Publish", {"PhoneNumber": "+491701234567"}, [("sns:Publish", "*")]),
    ("sns", "PublishBatch", {"TopicArn": TOPIC}, [("sns:Publish", TOPIC)]),
    (
        "events",
        "PutEvents",
        {"Entries": [{"EventBusName": "shop"}, {"EventBusName": f"{BUS}/other"}, {}]},
        [("events:PutEvents", f"{BUS}/{name}") for name in ("shop", "other", "default")],
    ),
    ("events", "DisableRule", {"Name": "nightly"}, [("events:DisableRule", f"{RULE}/nightly")]),
    (
        "events",
        "PutTargets",
        {"Rule": "r", "EventBusName": "shop"},
        [("events:PutTargets", f"{RULE}/shop/r")],
    ),
    ("sesv2", "SendEmail", {"FromEmailAddress": "Shop <a@example.org>"}, [("ses:SendEmail", f"{IDENTITY}/a@example.org")]),
    (
        "sesv2",
        "SendEmail",
        {
            "FromEmailAddress": "a@example.org",
            "FromEmailAddressIdentityArn": f"{IDENTITY}/example.org",
            "ConfigurationSetName": "c",
        },
        [("ses:SendEmail", f"{IDENTITY}/example.org"), ("ses:SendEmail", CONFIGURATION_SET)],
    ),
    ("ses", "SendEmail", {"Source": "a@example.org"}, [("ses:SendEmail", f"{IDENTITY}/a@example.org")]),
    # Compute
    ("lambda", "Invoke", {"FunctionName": "worker"}, [("lambda:InvokeFunction", FUNCTION)]),
    ("lambda", "Invoke", {"FunctionName": FUNCTION, "Qualifier": "live"}, [("lambda:InvokeFunction", f"{FUNCTION}:live")]),
    ("lambda", "Invoke", {"FunctionName": "worker:live"}, [("lambda:InvokeFunction", f"{FUNCTION}:live")]),
    ("lambda", "Invoke", {"FunctionName": "123456789012:function:worker"}, [("lambda:InvokeFunction", FUNCTION)]),
    ("lambda", "InvokeWithResponseStream", {"FunctionName": "worker"}, [("lambda:InvokeFunction", FUNCTION)]),
    ("stepfunctions", "StartExecution", {"stateMachineArn": MACHINE}, [("states:StartExecution", MACHINE)]),
    ("stepfunctions", "StartSyncExecution", {"stateMachineArn": MACHINE}, [("states:StartSyncExecution", MACHINE)]),
    ("stepfunctions", "DescribeExecution", {"executionArn": EXECUTION}, [("states:DescribeExecution", EXECUTION)]),
    ("stepfunctions", "SendTaskSuccess", {"taskToken": "t"}, [("states:SendTaskSuccess", "*")]),
    (
        "scheduler",
        "CreateSchedule",
        {"Name": "n", "GroupName": "g", "Target": {"RoleArn": ROLE}},
        [("scheduler:CreateSchedule", f"arn:aws:scheduler:{AT}:schedule/g/n"), ("iam:PassRole", ROLE)],
    ),
    # Streams, metrics, logs
    ("kinesis", "PutRecord", {"StreamARN": STREAM}, [("kinesis:PutRecord", STREAM)]),
    ("kinesis", "PutRecords", {"StreamName": "clicks"}, [("kinesis:PutRecords", STREAM)]),
    ("kinesis", "GetRecords", {"StreamARN": STREAM, "ShardIterator": "i"}, [("kinesis:GetRecords", STREAM)]),
    ("firehose", "PutRecord", {"DeliveryStreamName": "d"}, [("firehose:PutRecord", f"arn:aws:firehose:{AT}:deliverystream/d")]),
    ("cloudwatch", "PutMetricData", {"Namespace": "Shop"}, [("cloudwatch:PutMetricData", "*")]),
    ("xray", "PutTraceSegments", {}, [("xray:PutTraceSegments", "*")]),
    ("logs", "PutLogEvents", {"logGroupName": "/g", "logStreamName": "s"}, [("logs:PutLogEvents", f"{LOG}:/g:log-stream:s")]),
    # Secrets, parameters, keys, identities, databases
    ("secretsmanager", "GetSecretValue", {"SecretId": SECRET}, [("secretsmanager:GetSecretValue", SECRET)]),
    ("secretsmanager", "GetSecretValue", {"SecretId": "api"}, [("secretsmanager:GetSecretValue", SECRET)]),
    ("ssm", "GetParameter", {"Name": "/shop/key"}, [("ssm:GetParameter", f"{SSM}/shop/key")]),
    ("ssm", "GetParameters", {"Names": ["/a", "b"]}, [("ssm:GetParameters", f"{SSM}/a"), ("ssm:GetParameters", f"{SSM}/b")]),
    ("kms", "Decrypt", {"KeyId": "1234"}, [("kms:Decrypt", KEY)]),
    ("kms", "GenerateDataKey", {"KeyId": KEY}, [("kms:GenerateDataKey", KEY)]),
    (
        "kms",
        "ReEncrypt",
        {"SourceKeyId": "1234", "DestinationKeyId": f"{KEY}5"},
        [("kms:ReEncryptFrom", KEY), ("kms:ReEncryptTo", f"{KEY}5")],
    ),
    ("sts", "GetCallerIdentity", {}, []),
    ("sts", "AssumeRole", {"RoleArn": ROLE}, [("sts:AssumeRole", ROLE)]),
    ("cognito-idp", "InitiateAuth", {}, []),
    *(
        ("rds-data", name, IN_DATABASE, [(f"rds-data:{name}", CLUSTER), ("secretsmanager:GetSecretValue", SECRET)])
        for name in (
            "BatchExecuteStatement",
            "BeginTransaction",
            "CommitTransaction",
            "ExecuteStatement",
            "RollbackTransaction",
        )
    ),
]

#: A stack's own resources, each encrypted with its own key where that is possible.
TEMPLATE = {
    "Resources": {
        "Key": {"Type": "AWS::KMS::Key", "Properties": {}},
        "Alias": {"Type": "AWS::KMS::Alias", "Properties": {"AliasName": "alias/shop", "TargetKeyId": {"Ref": "Key"}}},
        "Table": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {"TableName": "orders", "SSESpecification": {"KMSMasterKeyId": {"Fn::GetAtt": ["Key", "Arn"]}}},
        },
        "Bucket": {
            "Type": "AWS::S3::Bucket",
            "Properties": {
                "BucketName": "files",
                "BucketEncryption": {
                    "ServerSideEncryptionConfiguration": [
                        {"ServerSideEncryptionByDefault": {"KMSMasterKeyID": {"Fn::GetAtt": ["Key", "Arn"]}}}
                    ]
                },
            },
        },
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "jobs", "KmsMasterKeyId": {"Ref": "Key"}}},
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "news", "KmsMasterKeyId": {"Ref": "Key"}}},
        "Secret": {"Type": "AWS::SecretsManager::Secret", "Properties": {"Name": "api", "KmsKeyId": {"Ref": "Key"}}},
        "Plain": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "plain"}},
        "Sender": {"Type": "AWS::SES::EmailIdentity", "Properties": {"EmailIdentity": "example.org"}},
    }
}
#: Service, operation, parameters -> actions on the key.
KEY_ROWS = [
    ("dynamodb", "GetItem", AN_ITEM, {"kms:Decrypt"}),
    ("dynamodb", "Query", {**AN_ITEM, "IndexName": "day"}, {"kms:Decrypt"}),
    ("dynamodb", "PutItem", AN_ITEM, {"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"}),
    ("s3", "GetObject", AN_OBJECT, {"kms:Decrypt"}),
    ("s3", "HeadObject", AN_OBJECT, set()),
    ("s3", "HeadObject", {**AN_OBJECT, "ChecksumMode": "ENABLED"}, {"kms:Decrypt"}),
    ("s3", "PutObject", AN_OBJECT, {"kms:GenerateDataKey"}),
    ("s3", "PutObject", {**AN_OBJECT, "ServerSideEncryption": "AES256"}, set()),
    ("s3", "UploadPart", AN_OBJECT, {"kms:Decrypt", "kms:GenerateDataKey"}),
    ("s3", "DeleteObject", AN_OBJECT, set()),
    ("sqs", "SendMessage", {"QueueUrl": QUEUE_URL}, {"kms:Decrypt", "kms:GenerateDataKey"}),
    ("sqs", "ReceiveMessage", {"QueueUrl": QUEUE_URL}, {"kms:Decrypt"}),
    ("sqs", "DeleteMessage", {"QueueUrl": QUEUE_URL}, set()),
    ("sns", "Publish", {"TopicArn": TOPIC}, {"kms:Decrypt", "kms:GenerateDataKey"}),
    ("secretsmanager", "GetSecretValue", {"SecretId": SECRET}, {"kms:Decrypt"}),
    ("rds-data", "ExecuteStatement", IN_DATABASE, {"kms:Decrypt"}),
]


@pytest.fixture(scope="module")
def template():
    return ResolvedTemplate.of(TEMPLATE)


def key_of(template):
    return template.resources["Key"].arn


def needed(service, operation, parameters, template="123456789012"):
    return [(need.action, need.resource) for need in needs_of(Call(service, operation, parameters), template)]


@pytest.mark.parametrize(("service", "operation", "parameters", "needs"), ROWS)
def test_a_call_needs_what_its_page_says(service, operation, parameters, needs):
    assert needed(service, operation, parameters) == needs


def test_each_operation_that_a_handler_uses_is_in_the_rows_above():
    used = {pair for file in HANDLERS.rglob("*.py") for pair in operations_in(file.read_text(encoding="utf-8"))}
    assert {("dynamodb", "TransactWriteItems"), ("s3", "GetObject"), ("rds-data", "RollbackTransaction")} <= used
    assert used <= {(service, operation) for service, operation, *_ in ROWS}


def operations_in(code):
    """Which operations a module calls on the clients that it makes."""
    services = set(re.findall(r'boto3\.client\("([\w-]+)"', code))
    methods = set(re.findall(r"_client\.([a-z_]+)\(", code)) | set(re.findall(r'generate_presigned_url\("(\w+)"', code))
    for service in services:
        names = boto3.client(service).meta.service_model.operation_names
        yield from ((service, name) for name in names if xform_name(name) in methods)


def test_each_other_name_is_an_action_and_none_is_needless():
    for prefix, names in OTHER_NAMES.items():
        assert [name for name in names.values() if known_action(f"{prefix}:{name}") is None] == []
        assert [operation for operation in names if known_action(f"{prefix}:{operation}")] == []


@pytest.mark.parametrize(("service", "operation", "parameters", "actions"), KEY_ROWS)
def test_a_call_on_an_encrypted_resource_needs_its_key(template, service, operation, parameters, actions):
    found = {each for each in needed(service, operation, parameters, template) if each[0].startswith("kms:")}
    assert found == {(action, key_of(template)) for action in actions}


def test_a_key_is_used_in_the_name_of_its_service(template):
    found = needs_of(Call("sqs", "ReceiveMessage", {"QueueUrl": QUEUE_URL}), template)
    assert [need.context for need in found if need.action == "kms:Decrypt"] == [
        {"kms:ViaService": "sqs.eu-central-1.amazonaws.com"}
    ]


def test_a_resource_without_a_key_needs_none(template):
    url = QUEUE_URL.replace("jobs", "plain")
    assert needed("sqs", "SendMessage", {"QueueUrl": url}, template) == [("sqs:SendMessage", QUEUE.replace("jobs", "plain"))]


def test_the_key_that_a_new_object_names_is_needed_instead_of_the_bucket_s(template):
    parameters = {**AN_OBJECT, "ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "other"}
    found = [each for each in needed("s3", "PutObject", parameters, template) if each[0].startswith("kms:")]
    assert found == [("kms:GenerateDataKey", KEY.replace("key/1234", "key/other"))]


def test_an_alias_of_the_template_is_its_key(template):
    assert needed("kms", "Encrypt", {"KeyId": "alias/shop"}, template) == [("kms:Encrypt", key_of(template))]


def test_the_domain_sends_mail_where_the_stack_knows_the_domain_alone(template):
    assert needed("sesv2", "SendEmail", {"FromEmailAddress": "a@example.org"}, template) == [
        ("ses:SendEmail", f"{IDENTITY}/example.org")
    ]


def test_a_resource_of_the_template_is_where_the_template_is_whatever_the_client_s_region(template):
    [need, *_] = needs_of(Call("dynamodb", "GetItem", AN_ITEM, "us-east-1"), template)
    assert need.resource == TABLE


def test_a_resource_of_nobody_s_is_in_the_region_of_the_client(template):
    [need] = needs_of(Call("dynamodb", "GetItem", {"TableName": "theirs"}, "us-east-1"), template)
    assert need.resource == "arn:aws:dynamodb:us-east-1:123456789012:table/theirs"


def test_a_queue_is_found_by_any_host_that_serves_it():
    [need] = needs_of(
        Call("sqs", "SendMessage", {"QueueUrl": "http://localhost:4566/123456789012/jobs"}, "eu-central-1"), "123456789012"
    )
    assert need.resource == QUEUE


def test_being_told_that_an_object_is_gone_needs_the_listing_of_its_bucket():
    call = Call("s3", "GetObject", AN_OBJECT, error="NoSuchKey")
    assert [(need.action, need.resource) for need in needs_of(call, "123456789012")] == [
        ("s3:GetObject", OBJECT),
        ("s3:ListBucket", BUCKET),
    ]


def test_what_a_request_carries_is_known_for_conditions():
    entries = [{"Source": "shop", "DetailType": "sold"}, {"Source": "stock"}]
    events = needs_of(Call("events", "PutEvents", {"Entries": entries}), "123456789012")
    assert [need.context for need in events] == [
        {"events:source": "shop", "events:detail-type": "sold"},
        {"events:source": "stock"},
    ]
    [listing] = needs_of(Call("s3", "ListObjectsV2", {**IN_BUCKET, "Prefix": "in/"}), "123456789012")
    assert listing.context == {"s3:prefix": "in/"}
    [metric] = needs_of(Call("cloudwatch", "PutMetricData", {"Namespace": "Shop"}), "123456789012")
    assert metric.context == {"cloudwatch:namespace": "Shop"}


def test_a_presigned_url_needs_what_its_call_needs():
    call = Call("s3", "GetObject", AN_OBJECT, presigned=True)
    assert [(need.action, need.why) for need in needs_of(call, "123456789012")] == [
        ("s3:GetObject", "s3 GetObject by a presigned URL")
    ]


def test_the_needs_of_many_calls_are_sorted_and_not_repeated():
    calls = [
        Call("sns", "Publish", {"TopicArn": TOPIC}),
        Call("dynamodb", "GetItem", AN_ITEM),
        Call("sns", "PublishBatch", {"TopicArn": TOPIC}),
    ]
    assert [need.action for need in needs_of_all(calls, "123456789012")] == ["dynamodb:GetItem", "sns:Publish"]


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "words"),
    [
        (
            "apigatewaymanagementapi",
            "PostToConnection",
            {},
            ["PostToConnection", "execute-api:PostToConnection", "OTHER_NAMES", "RULES"],
        ),
        ("sqs", "Brew", {"QueueUrl": QUEUE_URL}, ["sqs Brew", "sqs:Brew", "OTHER_NAMES"]),
        ("kinesis", "GetRecords", {"ShardIterator": "opaque"}, ["kinesis GetRecords", "ShardIterator", "pass the ARN"]),
        ("kms", "Decrypt", {"CiphertextBlob": b""}, ["kms Decrypt", "CiphertextBlob", "pass KeyId"]),
        ("kms", "Decrypt", {"KeyId": "alias/unknown"}, ["alias/unknown", "pass the key's ARN"]),
        ("dynamodb", "ExecuteStatement", {"Statement": "EXPLAIN x"}, ["EXPLAIN x", "SELECT, INSERT, UPDATE or DELETE"]),
        ("sns", "Publish", {}, ["sns Publish", "none", "sns:Publish"]),
    ],
)
def test_a_call_that_maps_to_nothing_is_an_error_that_says_what_to_do(service, operation, parameters, words):
    with pytest.raises(PatternError) as raised:
        needs_of(Call(service, operation, parameters), "123456789012")
    assert [word for word in words if word not in str(raised.value)] == []


def test_a_service_that_does_not_exist_is_an_error_that_names_it():
    with pytest.raises(PatternError, match=r"service='moon'") as raised:
        needs_of(Call("moon", "Land", {}), "123456789012")
    assert isinstance(raised.value.__cause__, UnknownServiceError)
