"""Customer managed keys: one for each pattern in staging and prod, for all that a pattern defines, its logs included."""

import dataclasses
import json

import pytest
from aws_cdk import Stack, Tags
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from serverless_patterns import DEV, LOCAL, PROD, STAGING, AuditTrail, Operations, PatternError, SnsFanout, SqsPipeline
from serverless_patterns._blocks.encryption import LOGS_ACTIONS
from serverless_patterns._blocks.log_group import log_group
from serverless_patterns._blocks.table import TableOptions, keyed_table
from serverless_patterns.catalog import CATALOG, pattern_named
from serverless_patterns.stacks import PatternStack
from tests.support.circles import check_no_circle
from tests.support.readable import properties_at, readable
from tests.support.synthesis import empty_stack, new_app, resources, template_of

#: Type -> where its key stands, and what stands there without one.
KEYS = {
    "AWS::DynamoDB::GlobalTable": lambda each: each["Replicas"][0].get("SSESpecification", {}).get("KMSMasterKeyId"),
    "AWS::Kinesis::Stream": lambda each: each.get("StreamEncryption", {}).get("KeyId"),
    "AWS::Logs::LogGroup": lambda each: each.get("KmsKeyId"),
    "AWS::RDS::DBCluster": lambda each: each.get("KmsKeyId"),
    "AWS::S3::Bucket": lambda each: each["BucketEncryption"]["ServerSideEncryptionConfiguration"][0][
        "ServerSideEncryptionByDefault"
    ].get("KMSMasterKeyID"),
    "AWS::SNS::Topic": lambda each: each.get("KmsMasterKeyId"),
    "AWS::SQS::Queue": lambda each: each.get("KmsMasterKeyId"),
    "AWS::SecretsManager::Secret": lambda each: each.get("KmsKeyId"),
}
ARN = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def placed(name, environment):
    entry = pattern_named(name)
    return PatternStack(new_app(), "Test", environment=environment, pattern=name, define=entry.define)


def keys_of(template):
    """Logical id -> the key that it is encrypted with, of all that can have one."""
    return {
        name: key_of(each["Properties"]) for kind, key_of in KEYS.items() for name, each in resources(template, kind).items()
    }


def for_what_the_key_breaks(template):
    """The queues of what a bus could not encrypt or decrypt: its key is no help then."""
    buses = resources(template, "AWS::Events::EventBus").values()
    return [each["Properties"]["DeadLetterConfig"]["Arn"]["Fn::GetAtt"][0] for each in buses]


@pytest.mark.parametrize("environment", [STAGING, PROD], ids=lambda each: each.name)
@pytest.mark.parametrize("name", [entry.name for entry in CATALOG])
def test_all_data_and_logs_of_a_pattern_have_the_key_of_its_stack(name, environment):
    template = template_of(placed(name, environment))
    ((key, definition),) = resources(template, "AWS::KMS::Key").items()
    assert definition["Properties"]["EnableKeyRotation"] is True
    assert definition["Properties"]["PendingWindowInDays"] == 30
    encrypted = keys_of(template)
    assert encrypted
    for queue in for_what_the_key_breaks(template):
        assert encrypted.pop(queue) is None
    assert {name: found for name, found in encrypted.items() if found not in ({"Fn::GetAtt": [key, "Arn"]}, {"Ref": key})} == {}


@pytest.mark.parametrize("environment", [LOCAL, DEV], ids=lambda each: each.name)
def test_local_and_dev_have_keys_that_are_free(environment):
    template = template_of(placed("sqs_pipeline", environment))
    assert resources(template, "AWS::KMS::Key") == {}
    assert set(keys_of(template).values()) == {None}


def test_a_key_of_the_operations_is_used_and_none_is_defined_beside_it():
    app = new_app()
    key = kms.Key.from_key_arn(Stack(app, "Keys"), "Key", ARN)
    environment = dataclasses.replace(PROD, operations=PROD.operations.replace(encryption_key=key))
    define = pattern_named("sqs_pipeline").define
    template = template_of(PatternStack(app, "Test", environment=environment, pattern="sqs_pipeline", define=define))
    assert resources(template, "AWS::KMS::Key") == {}
    assert set(keys_of(template).values()) == {ARN}


def test_the_key_of_a_pattern_comes_before_that_of_its_operations(stack):
    own, other = kms.Key(stack, "Own"), kms.Key(stack, "Other")
    SqsPipeline(stack, "Orders", encryption_key=own, operations=Operations(encryption_key=other))
    assert {json.dumps(readable(stack, found)) for found in keys_of(template_of(stack)).values()} == {'"Own"'}
    assert len(properties_at(stack, "Other")["KeyPolicy"]["Statement"]) == 1


def test_a_key_of_operations_must_not_be_one_that_aws_manages(stack):
    key = kms.Alias.from_alias_name(stack, "Key", "alias/aws/sqs")
    with pytest.raises(PatternError, match=r"encryption_key must not use alias/aws/sqs, a key that AWS manages"):
        SqsPipeline(stack, "Orders", operations=Operations(encryption_key=key))


def test_operations_refuse_what_is_no_key():
    with pytest.raises(PatternError, match=r"encryption_key must be a KMS key, or None for keys that AWS owns, got 'alias/x'"):
        Operations(encryption_key="alias/x")


def test_cloudwatch_logs_may_use_the_key_for_log_groups_of_this_account_and_region_and_nothing_else(stack):
    key = kms.Key(stack, "Key")
    for name in ("One", "Two"):
        log_group(stack, name, Operations(encryption_key=key))
    _, *others = properties_at(stack, "Key")["KeyPolicy"]["Statement"]
    groups = "arn:AWS::Partition:logs:AWS::Region:AWS::AccountId:log-group:*"
    assert others == [
        {
            "Action": list(LOGS_ACTIONS),
            "Condition": {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
            "Effect": "Allow",
            "Principal": {"Service": "logs.AWS::Region.amazonaws.com"},
            "Resource": "*",
        }
    ]
    check_no_circle(template_of(stack))


def test_logs_are_encrypted_with_an_imported_key_too(stack):
    key = kms.Key.from_key_arn(stack, "Key", ARN)
    SnsFanout(stack, "Events", encryption_key=key).add_subscriber("Audit", handler=AuditTrail())
    assert set(keys_of(template_of(stack)).values()) == {ARN}


def test_a_table_in_a_region_that_is_not_known_yet_is_the_one_of_a_region_that_is():
    def table_in(region):
        stack = empty_stack(region)
        options = TableOptions(
            encryption_key=kms.Key.from_key_arn(stack, "Key", ARN),
            time_to_live_attribute="age",
            stream=dynamodb.StreamViewType.NEW_IMAGE,
        )
        table = keyed_table(stack, "Table", options=options, operations=Operations(backup_days=7))
        reader = iam.ArnPrincipal("arn:aws:iam::123456789012:role/reader")
        table.add_to_resource_policy(iam.PolicyStatement(actions=["dynamodb:GetItem"], principals=[reader], resources=["*"]))
        Tags.of(stack).add("Team", "shop")
        assert table.encryption_key.key_arn == ARN
        (found,) = resources(template_of(stack), "AWS::DynamoDB::GlobalTable").values()
        return json.loads(json.dumps(found).replace('{"Ref": "AWS::Region"}', '"eu-central-1"'))

    assert table_in(None) == table_in("eu-central-1")


def test_the_key_stays_where_a_snapshot_of_the_database_does():
    key = "AWS::KMS::Key"
    (kept,) = resources(template_of(placed("scheduled_report", STAGING)), key).values()
    assert kept["DeletionPolicy"] == "Retain"
    (gone,) = resources(template_of(placed("sqs_pipeline", STAGING)), key).values()
    assert gone["DeletionPolicy"] == "Delete"


def test_the_database_keeps_an_imported_key_as_it_is(stack):
    staging = STAGING.operations.replace(encryption_key=kms.Key.from_key_arn(stack, "Key", ARN))
    pattern_named("scheduled_report").define(stack, staging)
    assert set(keys_of(template_of(stack)).values()) == {ARN}
