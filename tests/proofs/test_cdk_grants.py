"""What CDK's own grants come to, known beforehand: else the comparison would prove nothing."""

import pytest

from tests.proofs.cdk_grants import effective_actions, permissions_of_cdk
from tests.proofs.subjects import STACKS, subjects_of


def actions_of_cdk(stack: str, function: str) -> dict[str, set[str]]:
    """Service -> actions, of CDK's grants for this function."""
    (subject,) = [each for each in subjects_of(stack) if each.name == function]
    found: dict[str, set[str]] = {}
    for grant in permissions_of_cdk(subject).grants:
        service, _, action = grant.action.partition(":")
        found.setdefault(service, set()).add(action)
    return found


def test_what_cdk_grants_a_function_that_reads_and_writes_tables():
    found = actions_of_cdk("prod-api-crud", "ProductsFunction")
    assert found["logs"] == {"CreateLogGroup", "CreateLogStream", "PutLogEvents"}
    assert found["xray"] == {"PutTelemetryRecords", "PutTraceSegments"}
    assert len(found["dynamodb"]) == 12
    assert "BatchWriteItem" in found["dynamodb"]


def test_what_cdk_grants_a_function_that_consumes_a_queue_and_publishes():
    found = actions_of_cdk("prod-sns-fanout", "EventsNotificationFunction")
    assert found["sqs"] == {
        "ChangeMessageVisibility",
        "DeleteMessage",
        "GetQueueAttributes",
        "GetQueueUrl",
        "ReceiveMessage",
        "SendMessage",
    }
    assert found["sns"] == {"Publish"}


def test_what_cdk_grants_a_function_that_reads_a_bucket_is_counted_without_wildcards():
    found = actions_of_cdk("prod-s3-processing", "ImportsFunction")
    assert {"GetBucketPolicy", "GetObjectTorrent", "ListBucketVersions"} <= found["s3"]
    assert not [action for action in found["s3"] if "*" in action]


def test_what_cdk_grants_for_a_key():
    keys = actions_of_cdk("sns_fanout_direct_and_endpoints", "EventsAuditFunction")["kms"]
    assert {"Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo"} <= keys


def test_what_cdk_grants_for_the_data_api():
    found = actions_of_cdk("prod-scheduled-report", "DailySalesFunction")
    assert found["rds-data"] == {
        "BatchExecuteStatement",
        "BeginTransaction",
        "CommitTransaction",
        "ExecuteStatement",
        "RollbackTransaction",
    }
    assert found["secretsmanager"] == {"DescribeSecret", "GetSecretValue"}


@pytest.mark.parametrize("stack", STACKS)
def test_cdk_grants_each_function_more_than_it_has(stack):
    for subject in subjects_of(stack):
        own = subject.template.permissions(subject.role)
        assert effective_actions(permissions_of_cdk(subject).grants) > effective_actions(own.grants), subject
