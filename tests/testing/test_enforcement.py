"""What a role may not do is refused as AWS refuses it, and nothing else is."""

from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError, ParamValidationError
from moto import mock_aws

from serverless_patterns.errors import PatternError
from serverless_patterns.testing import Permissions, ResolvedTemplate, enforced, record, unwatched
from serverless_patterns.testing.statements import statements_of

AT = "eu-central-1:123456789012"
ROLE = "arn:aws:iam::123456789012:role/worker"
TABLE = f"arn:aws:dynamodb:{AT}:table/orders"
QUEUE = f"arn:aws:sqs:{AT}:jobs"
KEY = f"arn:aws:kms:{AT}:key/1234"
OBJECTS = "arn:aws:s3:::files/in/*"
TEMPLATE = {
    "Resources": {
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "jobs", "KmsMasterKeyId": KEY}},
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "news", "KmsMasterKeyId": KEY}},
        "Stream": {
            "Type": "AWS::Kinesis::Stream",
            "Properties": {"Name": "clicks", "StreamEncryption": {"EncryptionType": "KMS", "KeyId": KEY}},
        },
    }
}


@pytest.fixture(scope="module")
def template():
    return ResolvedTemplate.of(TEMPLATE)


@pytest.fixture
def account():
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket="files", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        boto3.client("sqs").create_queue(QueueName="jobs")
        boto3.client("dynamodb").create_table(
            TableName="orders",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield


@pytest.fixture
def s3(account):
    client = boto3.client("s3")
    client.put_object(Bucket="files", Key="in/a", Body=b"x")
    return client


def role(*allowed):
    statements = [{"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in allowed]
    return Permissions(statements_of({"Statement": statements}, "Policy"), principal=ROLE)


SEND = ("sqs", "send_message", {"QueueUrl": "https://h/123456789012/jobs", "MessageBody": "x"})
PUBLISH = ("sns", "publish", {"TopicArn": f"arn:aws:sns:{AT}:news", "Message": "x"})
PUT_RECORD = ("kinesis", "put_record", {"StreamName": "clicks", "Data": b"", "PartitionKey": "p"})
ITERATE = ("kinesis", "get_shard_iterator", {"StreamName": "s", "ShardId": "1", "ShardIteratorType": "LATEST"})
START = ("stepfunctions", "start_execution", {"stateMachineArn": f"arn:aws:states:{AT}:stateMachine:m"})
GET_ITEM = ("dynamodb", "get_item", {"TableName": "orders", "Key": {"id": {"S": "1"}}})
#: Service, method and parameters; what the role may do; code and status.
REFUSALS = [
    (GET_ITEM, [], ("AccessDeniedException", 400)),
    (("s3", "get_object", {"Bucket": "files", "Key": "in/a"}), [], ("AccessDenied", 403)),
    (("s3", "head_object", {"Bucket": "files", "Key": "in/a"}), [], ("403", 403)),
    (("s3", "head_bucket", {"Bucket": "files"}), [], ("403", 403)),
    (SEND, [], ("AccessDenied", 403)),
    (SEND, [("sqs:SendMessage", QUEUE)], ("KMS.AccessDeniedException", 400)),
    (PUBLISH, [], ("AuthorizationError", 403)),
    (PUBLISH, [("sns:Publish", "*")], ("KMSAccessDenied", 400)),
    (PUT_RECORD, [("kinesis:*", "*")], ("KMSAccessDeniedException", 400)),
    (("secretsmanager", "get_secret_value", {"SecretId": "api"}), [], ("AccessDeniedException", 400)),
    (("lambda", "invoke", {"FunctionName": "worker"}), [], ("AccessDeniedException", 403)),
    (START, [], ("AccessDeniedException", 400)),
    (("events", "put_events", {"Entries": [{"Source": "s"}]}), [], ("AccessDeniedException", 400)),
    (("cloudwatch", "put_metric_data", {"Namespace": "n", "MetricData": []}), [], ("AccessDenied", 403)),
    (("sesv2", "send_email", {"FromEmailAddress": "a@example.org", "Content": {}}), [], ("AccessDeniedException", 403)),
    (("sts", "assume_role", {"RoleArn": ROLE, "RoleSessionName": "sess"}), [], ("AccessDenied", 403)),
    (("ec2", "describe_instances", {}), [], ("UnauthorizedOperation", 403)),
]


@pytest.mark.parametrize(("request_", "allowed", "expected"), REFUSALS)
def test_each_service_refuses_in_its_own_words(account, template, request_, allowed, expected):
    service, method, parameters = request_
    client = boto3.client(service)
    with enforced(role(*allowed), template), pytest.raises(ClientError) as raised:
        getattr(client, method)(**parameters)
    response = raised.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == expected


def test_the_message_names_the_role_the_action_and_the_resource(account, template):
    with enforced(role(), template), pytest.raises(ClientError) as raised:
        boto3.client("dynamodb").get_item(TableName="orders", Key={"id": {"S": "1"}})
    assert raised.value.response["Error"]["Message"] == (
        f"User: {ROLE} is not authorized to perform: dynamodb:GetItem on resource: {TABLE} "
        "because no identity-based policy allows the dynamodb:GetItem action"
    )


@pytest.mark.parametrize(
    ("request_", "allowed", "exception"),
    [
        (PUBLISH, [], "AuthorizationErrorException"),
        (PUBLISH, [("sns:Publish", "*")], "KMSAccessDeniedException"),
        (SEND, [("sqs:SendMessage", QUEUE)], "KmsAccessDenied"),
        (ITERATE, [], "AccessDeniedException"),
    ],
)
def test_the_error_is_of_the_class_that_users_of_the_client_catch(account, template, request_, allowed, exception):
    service, method, parameters = request_
    client = boto3.client(service)
    with enforced(role(*allowed), template), pytest.raises(getattr(client.exceptions, exception)):
        getattr(client, method)(**parameters)


def test_what_is_refused_is_not_done(s3, template):
    with enforced(role(("s3:GetObject", OBJECTS)), template) as refused:
        with pytest.raises(ClientError):
            s3.delete_object(Bucket="files", Key="in/a")
        assert s3.get_object(Bucket="files", Key="in/a")["Body"].read() == b"x"
    assert [(need.action, need.resource) for need in refused] == [("s3:DeleteObject", "arn:aws:s3:::files/in/a")]


def test_a_resource_is_refused_like_a_client(account, template):
    table = boto3.resource("dynamodb").Table("orders")
    with enforced(role(("dynamodb:GetItem", TABLE)), template):
        assert "Item" not in table.get_item(Key={"id": "1"})
        with pytest.raises(ClientError, match="AccessDeniedException"):
            table.put_item(Item={"id": "1"})


def test_a_paginator_is_refused_at_its_first_page(s3, template):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="files")
    with enforced(role(), template), pytest.raises(ClientError, match="AccessDenied"):
        next(iter(pages))


def test_an_upload_in_threads_is_refused(s3, template, tmp_path):
    file = tmp_path / "large"
    file.write_bytes(b"x" * (9 * 1024 * 1024))
    with enforced(role(), template), pytest.raises(S3UploadFailedError, match="AccessDenied"):
        s3.upload_file(str(file), "files", "in/large")


def test_a_thread_of_the_handler_is_held_to_the_role(s3, template):
    with enforced(role(), template), ThreadPoolExecutor(1) as pool, pytest.raises(ClientError, match="AccessDenied"):
        pool.submit(s3.get_object, Bucket="files", Key="in/a").result()


def test_what_a_scenario_itself_does_is_not_refused(s3, template):
    with enforced(role(), template), unwatched():
        assert s3.get_object(Bucket="files", Key="in/a")


def test_a_recorder_around_it_sees_the_refusal(s3, template):
    with record() as calls, enforced(role(), template), pytest.raises(ClientError):
        s3.get_object(Bucket="files", Key="in/a")
    assert [(call.operation, call.error) for call in calls] == [("GetObject", "AccessDenied")]


def test_every_entry_of_a_transaction_must_be_allowed(account, template):
    items = [{kind: {"TableName": "orders", "Key": {"id": {"S": kind}}}} for kind in ("Delete",)]
    check = {"TableName": "orders", "Key": {"id": {"S": "c"}}, "ConditionExpression": "attribute_not_exists(id)"}
    items.append({"ConditionCheck": check})
    client = boto3.client("dynamodb")
    with enforced(role(("dynamodb:DeleteItem", TABLE)), template), pytest.raises(ClientError, match="ConditionCheckItem"):
        client.transact_write_items(TransactItems=items)
    with enforced(role(("dynamodb:DeleteItem", TABLE), ("dynamodb:ConditionCheckItem", TABLE)), template):
        client.transact_write_items(TransactItems=items)


def test_without_the_listing_an_object_that_is_gone_is_forbidden(s3, template):
    may_read = ("s3:GetObject", OBJECTS)
    with enforced(role(may_read), template), pytest.raises(ClientError, match="AccessDenied"):
        s3.get_object(Bucket="files", Key="in/gone")
    listing = role(may_read, ("s3:ListBucket", "arn:aws:s3:::files"))
    with enforced(listing, template), pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket="files", Key="in/gone")


def test_other_errors_of_the_service_come_through(account, template):
    client = boto3.client("dynamodb")
    call = {"TableName": "orders", "Item": {"id": {"S": "1"}}, "ConditionExpression": "attribute_exists(id)"}
    permissions = role(("dynamodb:PutItem", TABLE))
    with enforced(permissions, template), pytest.raises(client.exceptions.ConditionalCheckFailedException):
        client.put_item(**call)


def test_a_url_that_its_user_would_be_refused_is_told_at_the_end(s3, template):
    parameters = {"Bucket": "files", "Key": "in/a"}
    with pytest.raises(ClientError, match="s3:GetObject on resource: arn:aws:s3:::files/in/a"), enforced(role(), template):
        assert s3.generate_presigned_url("get_object", Params=parameters)
    with enforced(role(("s3:GetObject", OBJECTS)), template):
        assert s3.generate_presigned_url("get_object", Params=parameters)


def test_what_the_sdk_refuses_to_send_is_not_asked_of_the_role(s3, template):
    with enforced(role(), template) as refused, pytest.raises(ParamValidationError):
        s3.get_object(Bucket="files")
    assert refused == []


def test_a_call_that_maps_to_nothing_is_no_refusal_but_an_error(account, template):
    client = boto3.client("apigatewaymanagementapi", endpoint_url="https://example.org")
    with enforced(role(("*", "*")), template), pytest.raises(PatternError, match="execute-api:PostToConnection"):
        client.post_to_connection(ConnectionId="c", Data=b"")
