"""What the SDK is asked to do is written down, whoever asks and however, and nothing that asks notices."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, EndpointConnectionError, ParamValidationError
from botocore.signers import RequestSigner, S3PostPresigner
from moto import mock_aws

from serverless_patterns.testing import Call, record, unwatched


@pytest.fixture
def account():
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket="files", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        boto3.client("dynamodb").create_table(
            TableName="orders",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield


@pytest.fixture
def s3(account):
    return boto3.client("s3")


def operations(calls):
    return [call.operation for call in calls]


def methods():
    """What the recorder replaces in the SDK."""
    return [
        BaseClient.__dict__["_make_api_call"],
        BaseClient.__dict__["_emit_api_params"],
        RequestSigner.__dict__["generate_presigned_url"],
        S3PostPresigner.__dict__["generate_presigned_post"],
    ]


def test_a_call_is_written_down_with_its_parameters_region_and_result(s3):
    with record() as calls:
        answer = s3.put_object(Bucket="files", Key="a", Body=b"x")
    [call] = calls
    assert (call.service, call.operation, call.region, call.error) == ("s3", "PutObject", "eu-central-1", None)
    assert call.parameters == {"Bucket": "files", "Key": "a", "Body": b"x"}
    assert call.result == answer


def test_a_client_made_before_the_recorder_is_seen_and_so_is_a_resource(account):
    table = boto3.resource("dynamodb").Table("orders")
    with record() as calls:
        table.put_item(Item={"id": "1"})
    assert calls[0].parameters == {"TableName": "orders", "Item": {"id": "1"}}


def test_each_page_of_a_paginator_is_a_call(s3):
    for key in "abc":
        s3.put_object(Bucket="files", Key=key)
    with record() as calls:
        pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket="files", PaginationConfig={"PageSize": 1}))
    assert len(pages) == 3
    assert operations(calls) == ["ListObjectsV2"] * 3


def test_the_parts_of_an_upload_are_seen_in_the_threads_that_send_them(s3):
    with record() as calls:
        s3.upload_fileobj(io.BytesIO(b"x" * (9 * 1024 * 1024)), "files", "large")
    assert sorted(operations(calls)) == ["CompleteMultipartUpload", "CreateMultipartUpload", "UploadPart", "UploadPart"]


def test_no_call_is_lost_when_many_threads_make_them(s3):
    start = threading.Barrier(8)

    def put(number):
        start.wait()
        s3.put_object(Bucket="files", Key=str(number))

    with record() as calls, ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(64)))
    assert sorted(int(call.parameters["Key"]) for call in calls) == list(range(64))


def test_an_error_of_the_service_is_written_down_by_its_code_and_reaches_the_caller(s3):
    with record() as calls, pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket="files", Key="gone")
    assert (calls[0].error, calls[0].result) == ("NoSuchKey", None)


def test_an_error_that_is_not_of_the_service_is_written_down_by_its_name(account):
    client = boto3.client("sqs", endpoint_url="http://127.0.0.1:9")
    client.meta.events.register("before-send.sqs.ListQueues", refuse_connection)
    with record() as calls, pytest.raises(EndpointConnectionError):
        client.list_queues()
    assert calls[0].error == "EndpointConnectionError"


def refuse_connection(**_):
    raise EndpointConnectionError(endpoint_url="http://127.0.0.1:9")


@pytest.mark.parametrize("parameters", [{"Bucket": "files"}, {"Bucket": "files", "Key": 1}])
def test_what_the_sdk_refuses_to_send_is_no_call(s3, parameters):
    with record() as calls, pytest.raises(ParamValidationError):
        s3.get_object(**parameters)
    assert calls == []


def test_parameters_are_those_of_the_moment_of_the_call(account):
    item = {"id": {"S": "1"}, "tags": {"L": [{"S": "a"}]}}
    with record() as calls:
        boto3.client("dynamodb").put_item(TableName="orders", Item=item)
        item["tags"]["L"].append({"S": "b"})
    assert calls[0].parameters["Item"] == {"id": {"S": "1"}, "tags": {"L": [{"S": "a"}]}}


def test_changing_a_result_does_not_change_what_was_written_down(s3):
    with record() as calls:
        s3.list_objects_v2(Bucket="files")["KeyCount"] = 99
    assert calls[0].result["KeyCount"] == 0


def test_a_body_is_left_to_the_caller_to_read(s3):
    s3.put_object(Bucket="files", Key="a", Body=b"content")
    with record():
        assert s3.get_object(Bucket="files", Key="a")["Body"].read() == b"content"


def test_a_presigned_url_counts_as_the_call_that_it_stands_for(s3):
    with record() as calls:
        url = s3.generate_presigned_url("get_object", Params={"Bucket": "files", "Key": "a"}, ExpiresIn=60)
    assert url.startswith("https://files.s3.amazonaws.com/a?")
    assert calls == [Call("s3", "GetObject", {"Bucket": "files", "Key": "a"}, "eu-central-1", presigned=True)]


def test_a_presigned_form_counts_as_putting_an_object(s3):
    with record() as calls:
        form = s3.generate_presigned_post("files", "in/${filename}")
    assert form["fields"]["key"] == "in/${filename}"
    parameters = {"Bucket": "files", "Key": "in/${filename}"}
    assert calls == [Call("s3", "PutObject", parameters, "eu-central-1", presigned=True)]


def test_recorders_nest_and_each_sees_its_own_time(s3):
    with record() as outer:
        s3.put_object(Bucket="files", Key="1")
        with record() as inner:
            s3.put_object(Bucket="files", Key="2")
        s3.put_object(Bucket="files", Key="3")
    assert [call.parameters["Key"] for call in outer] == ["1", "2", "3"]
    assert [call.parameters["Key"] for call in inner] == ["2"]


def test_recorders_may_end_in_any_order(s3):
    first, second = record(), record()
    early, late = first.__enter__(), second.__enter__()
    first.__exit__(None, None, None)
    s3.put_object(Bucket="files", Key="1")
    second.__exit__(None, None, None)
    assert (len(early), len(late)) == (0, 1)


def test_afterwards_the_sdk_is_as_it_was(s3):
    before = methods()
    with record(), record():
        assert all(method not in before for method in methods())
    with pytest.raises(ClientError), record():
        s3.get_object(Bucket="files", Key="gone")
    assert methods() == before


def test_what_a_scenario_itself_does_can_be_left_out(s3):
    with record() as calls:
        with unwatched():
            s3.put_object(Bucket="files", Key="mine")
        s3.put_object(Bucket="files", Key="its")
    assert [call.parameters["Key"] for call in calls] == ["its"]


def test_leaving_out_is_for_one_thread_only(s3):
    with record() as calls, unwatched(), ThreadPoolExecutor(1) as pool:
        pool.submit(s3.put_object, Bucket="files", Key="its").result()
    assert operations(calls) == ["PutObject"]
