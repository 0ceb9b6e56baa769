"""StreamProcessing: the source, what reads it, what it may do, its alarms, and the arguments that it refuses."""

import pytest
from aws_cdk import CfnParameter, Duration
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Annotations, Match

from serverless_patterns import DEV, PROD, Alerts, ApiCrud, BucketOptions, Handler, PatternError, TableOptions
from serverless_patterns._blocks.stream_reader import ReaderOptions
from serverless_patterns._blocks.stream_source import KinesisOptions
from serverless_patterns.stream_processing import StreamProcessing
from serverless_patterns.testing.needs import derived_needs
from serverless_patterns.testing.template import ResolvedTemplate
from stream_processing.models import Settings
from tests.support.circles import check_no_circle
from tests.support.readable import alarms, permissions, properties_at
from tests.support.synthesis import empty_stack, resources, role_policies, template_of

OWN = Handler(lambda_.Code.from_inline("def handler(event, context): ..."), "index.handler")
IMAGES = dynamodb.StreamViewType
POLL_TABLE = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"]
POLL_KINESIS = [
    "kinesis:DescribeStream",
    "kinesis:DescribeStreamSummary",
    "kinesis:GetRecords",
    "kinesis:GetShardIterator",
    "kinesis:ListShards",
]
TABLE_KEY = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"]
#: What the function may do, whatever the source is.
WORK = {
    "Changes/FunctionLogs": ["logs:CreateLogStream", "logs:PutLogEvents"],
    "*": ["xray:PutTelemetryRecords", "xray:PutTraceSegments"],
    "Changes/ViewTable": ["dynamodb:PutItem"],
    "Changes/AuditTable": ["dynamodb:PutItem"],
    "Changes/FailureBucket/records/*": ["s3:PutObject"],
    "Changes/FailureBucket/aws/lambda/*": ["s3:PutObject"],
    "Changes/FailureBucket": ["s3:ListBucket"],
}
BOTH = pytest.mark.parametrize("options", [{}, {"source": KinesisOptions()}], ids=["table", "kinesis"])
SCHEMA = {"type": "object", "properties": {"order_id": {"type": "string"}}}
STREAM_ARN = "arn:aws:kinesis:eu-central-1:123456789012:stream/theirs"
TABLE_ARN = "arn:aws:dynamodb:eu-central-1:123456789012:table/theirs"


def changes(scope, construct_id="Changes", **options) -> StreamProcessing:
    return StreamProcessing(scope, construct_id, **options)


def own_table(stack, construct_id="Mine", *, partition="id", sort=None, stream=IMAGES.NEW_AND_OLD_IMAGES, **options):
    """A table of the user's."""
    text = dynamodb.AttributeType.STRING
    return dynamodb.TableV2(
        stack,
        construct_id,
        partition_key=dynamodb.Attribute(name=partition, type=text),
        sort_key=None if sort is None else dynamodb.Attribute(name=sort, type=text),
        dynamo_stream=stream,
        **options,
    )


def imported_table(stack, construct_id="Theirs", **attributes):
    return dynamodb.TableV2.from_table_attributes(stack, construct_id, table_arn=TABLE_ARN, **attributes)


def imported_stream(stack):
    return kinesis.Stream.from_stream_arn(stack, "Theirs", STREAM_ARN)


def variables(stack):
    return properties_at(stack, "Changes/Function")["Environment"]["Variables"]


def reader(stack):
    return properties_at(stack, "Changes/Reader")


def matching(**pattern):
    return lambda_.FilterCriteria.filter(pattern)


# --- the source


def test_one_statement_defines_a_table_with_a_stream_a_view_and_an_audit(stack):
    changes(stack)
    source = properties_at(stack, "Changes/SourceTable")
    assert source["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    assert source["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}
    view, audit = (properties_at(stack, f"Changes/{name}Table") for name in ("View", "Audit"))
    assert view["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    assert audit["KeySchema"][1] == {"AttributeName": "sequence", "KeyType": "RANGE"}
    assert audit["AttributeDefinitions"][1] == {"AttributeName": "sequence", "AttributeType": "S"}
    for table in (view, audit):
        assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
        assert "StreamSpecification" not in table


def test_a_stream_that_is_defined_is_encrypted_grows_on_demand_and_keeps_a_day(stack):
    changes(stack, source=KinesisOptions())
    found = properties_at(stack, "Changes/SourceStream")
    assert found["StreamModeDetails"] == {"StreamMode": "ON_DEMAND"}
    assert found["StreamEncryption"] == {"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"}
    assert found["RetentionPeriodHours"] == 24
    assert not resources(template_of(stack), "AWS::KMS::Key")


def test_a_stream_has_the_shards_and_the_retention_that_are_asked_for(stack):
    changes(stack, source=KinesisOptions(shards=3, retention=Duration.days(10)))
    found = properties_at(stack, "Changes/SourceStream")
    assert (found["StreamModeDetails"], found["ShardCount"]) == ({"StreamMode": "PROVISIONED"}, 3)
    assert found["RetentionPeriodHours"] == 240


def test_a_table_of_yours_is_read_by_its_stream_and_none_is_defined(stack):
    found = changes(stack, source=own_table(stack, partition="pk", sort="sk"))
    assert found.source.node.path == "Test/Mine"
    assert len(resources(template_of(stack), "AWS::DynamoDB::GlobalTable")) == 3
    assert permissions(stack, "Changes/FunctionRole") == {**WORK, "Mine": POLL_TABLE}


def test_an_older_table_construct_is_read_as_well(stack):
    key = dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING)
    changes(stack, source=dynamodb.Table(stack, "Mine", partition_key=key, stream=IMAGES.NEW_AND_OLD_IMAGES))
    assert permissions(stack, "Changes/FunctionRole") == {**WORK, "Mine": POLL_TABLE}


def test_imported_sources_are_read_by_their_arns():
    stack = empty_stack()
    changes(stack, source=imported_table(stack, table_stream_arn=f"{TABLE_ARN}/stream/2026-01-01T00:00:00.000"))
    assert reader(stack)["EventSourceArn"] == f"{TABLE_ARN}/stream/2026-01-01T00:00:00.000"
    stack = empty_stack()
    changes(stack, source=imported_stream(stack))
    assert permissions(stack, "Changes/FunctionRole") == {**WORK, STREAM_ARN: POLL_KINESIS}


def test_a_handler_of_yours_may_read_a_stream_with_fewer_images(stack):
    changes(stack, source=own_table(stack, stream=IMAGES.NEW_IMAGE), handler=OWN)
    assert reader(stack)["EventSourceArn"] == "Mine"


def warnings(stack):
    return [str(each.entry.data) for each in Annotations.from_stack(stack).find_warning("*", Match.any_value())]


def test_what_expires_in_another_region_of_a_global_table_is_warned_of():
    stack = empty_stack("eu-central-1")
    table = own_table(stack, time_to_live_attribute="until")
    changes(stack, source=table)
    table.add_replica(region="eu-west-1")
    (warning,) = warnings(stack)
    assert warning.startswith("source should have no replicas where its items expire, got 'Test/Mine' with replicas in 2")
    assert "the audit says REMOVED" in warning


@pytest.mark.parametrize(
    "options",
    [
        {"replicas": [dynamodb.ReplicaTableProps(region="eu-west-1")]},
        {"time_to_live_attribute": "until"},
        {"replicas": [dynamodb.ReplicaTableProps(region="eu-west-1")], "time_to_live_attribute": "until", "handler": OWN},
    ],
    ids=["no expiry", "one region", "own handler"],
)
def test_a_source_whose_removals_can_be_told_apart_is_not_warned_of(options):
    stack = empty_stack("eu-central-1")
    handler, table = options.get("handler"), {name: value for name, value in options.items() if name != "handler"}
    changes(stack, source=own_table(stack, **table), handler=handler)
    assert warnings(stack) == []


# --- how it is read


def test_the_stream_is_read_from_its_beginning_and_what_is_given_up_is_kept_whole(stack):
    changes(stack)
    assert reader(stack) == {
        "BatchSize": 100,
        "BisectBatchOnFunctionError": True,
        "DestinationConfig": {"OnFailure": {"Destination": "Changes/FailureBucket"}},
        "EventSourceArn": "Changes/SourceTable",
        "FunctionName": "Changes/Function",
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "MaximumBatchingWindowInSeconds": 0,
        "MaximumRecordAgeInSeconds": 6 * 3600,
        "MaximumRetryAttempts": -1,
        "MetricsConfig": {"Metrics": ["EventCount"]},
        "ParallelizationFactor": 1,
        "StartingPosition": "TRIM_HORIZON",
    }
    assert properties_at(stack, "Changes/Function")["Timeout"] == 60


def test_options_of_the_reader_reach_lambda(stack):
    options = ReaderOptions(
        timeout=Duration.seconds(90),
        batch_size=500,
        batch_window=Duration.seconds(5),
        parallelization_factor=4,
        max_record_age=Duration.hours(12),
        max_retries=7,
        memory_size=1024,
    )
    changes(stack, reader=options)
    names = ("BatchSize", "MaximumBatchingWindowInSeconds", "ParallelizationFactor", "MaximumRecordAgeInSeconds")
    assert [reader(stack)[name] for name in (*names, "MaximumRetryAttempts")] == [500, 5, 4, 43_200, 7]
    function = properties_at(stack, "Changes/Function")
    assert (function["Timeout"], function["MemorySize"]) == (90, 1024)


def test_a_handler_of_yours_gives_a_record_up_after_five_retries_unless_told(stack):
    changes(stack, handler=OWN)
    assert reader(stack)["MaximumRetryAttempts"] == 5
    stack = empty_stack()
    changes(stack, handler=OWN, reader=ReaderOptions(max_retries=0))
    assert reader(stack)["MaximumRetryAttempts"] == 0


def test_filters_choose_what_is_read(stack):
    changes(stack, filters=[matching(eventName=["INSERT"]), matching(eventName=["REMOVE"])])
    wanted = [{"Pattern": '{"eventName":["INSERT"]}'}, {"Pattern": '{"eventName":["REMOVE"]}'}]
    assert reader(stack)["FilterCriteria"] == {"Filters": wanted}


@BOTH
def test_the_reader_is_made_after_its_permissions(stack, options):
    changes(stack, **options)
    template = template_of(stack)
    (mapping,) = resources(template, "AWS::Lambda::EventSourceMapping").values()
    assert role_policies(template).keys() <= {*mapping["DependsOn"]}
    check_no_circle(template)


# --- what the function may do


def test_the_function_may_do_what_it_does_and_nothing_else(stack):
    changes(stack)
    assert permissions(stack, "Changes/FunctionRole") == {**WORK, "Changes/SourceTable": POLL_TABLE}
    stack = empty_stack()
    changes(stack, source=KinesisOptions())
    assert permissions(stack, "Changes/FunctionRole") == {**WORK, "Changes/SourceStream": POLL_KINESIS}


@BOTH
@pytest.mark.parametrize("keyed", [False, True])
def test_lambda_may_poll_the_stream_and_keep_what_is_given_up(options, keyed):
    """By the rules for roles of functions, from the template alone; the objects that Lambda writes have one prefix."""
    stack = empty_stack("eu-central-1")
    changes(stack, **options, **({"encryption_key": kms.Key(stack, "Key")} if keyed else {}))
    template = ResolvedTemplate.of(template_of(stack))
    (function,) = template.functions
    granted = template.permissions(function.role)
    needs = derived_needs(template, function)
    assert len(needs) > 6
    assert [need for need in needs if not granted.allows(need)] == []


@BOTH
def test_there_is_one_function_and_no_custom_resource(stack, options):
    changes(stack, **options)
    template = template_of(stack)
    assert len(resources(template, "AWS::Lambda::Function")) == 1
    assert not [each for each in template["Resources"].values() if each["Type"].startswith("Custom::")]


def granted_to_a_role(grant, **options):
    """What a role may do after this grant of a pattern with a key."""
    stack = empty_stack("eu-central-1")
    role = iam.Role(stack, "Role", assumed_by=iam.AccountRootPrincipal())
    grant(changes(stack, encryption_key=kms.Key(stack, "Key"), **options), role)
    return permissions(stack, "Role")


def test_readers_are_granted_the_view_and_its_key_for_reading():
    assert granted_to_a_role(StreamProcessing.grant_read_view) == {
        "Changes/ViewTable": ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Scan"],
        "Key": ["kms:Decrypt"],
    }


def test_producers_are_granted_the_source_and_its_key_for_writing():
    assert granted_to_a_role(StreamProcessing.grant_write) == {
        "Changes/SourceTable": ["dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
        "Key": TABLE_KEY,
    }
    assert granted_to_a_role(StreamProcessing.grant_write, source=KinesisOptions()) == {
        "Changes/SourceStream": ["kinesis:PutRecord", "kinesis:PutRecords"],
        "Key": ["kms:GenerateDataKey"],
    }


# --- a customer managed key


@BOTH
def test_a_customer_managed_key_encrypts_everything(options):
    stack = empty_stack("eu-central-1")
    changes(stack, encryption_key=kms.Key(stack, "Key"), **options)
    (rule,) = properties_at(stack, "Changes/FailureBucket")["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {"KMSMasterKeyID": "Key", "SSEAlgorithm": "aws:kms"}
    for name in ("ViewTable", "AuditTable", *(() if options else ("SourceTable",))):
        (replica,) = properties_at(stack, f"Changes/{name}")["Replicas"]
        assert replica["SSESpecification"] == {"KMSMasterKeyId": "Key"}, name
    if options:
        assert properties_at(stack, "Changes/SourceStream")["StreamEncryption"]["KeyId"] == "Key"
    assert permissions(stack, "Changes/FunctionRole")["Key"] == TABLE_KEY


def test_a_source_with_a_key_of_its_own_is_only_read_through_it():
    for kind in ("table", "stream"):
        stack = empty_stack("eu-central-1")
        key = kms.Key(stack, "Other")
        if kind == "table":
            source = own_table(stack, encryption=dynamodb.TableEncryptionV2.customer_managed_key(key))
        else:
            source = kinesis.Stream(stack, "Mine", encryption_key=key)
        changes(stack, source=source)
        assert permissions(stack, "Changes/FunctionRole")["Other"] == ["kms:Decrypt"], kind


# --- what the handler is told


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, {"source": "dynamodb", "excluded": frozenset(), "audit_seconds": 0, "schema_file": None, "key_field": ""}),
        ({"excluded": ["email", "card"]}, {"excluded": frozenset({"email", "card"})}),
        ({"audit_retention": Duration.days(365)}, {"audit_seconds": 365 * 86_400}),
        ({"source": KinesisOptions(), "key_field": "order_id"}, {"source": "kinesis", "key_field": "order_id"}),
    ],
)
def test_the_handler_reads_its_settings_from_the_variables(stack, options, wanted):
    changes(stack, **options)
    settings = Settings.from_environment(variables(stack))
    assert {name: getattr(settings, name) for name in wanted} == wanted
    assert (settings.view_table_name, settings.audit_table_name) == ("Changes/ViewTable", "Changes/AuditTable")
    assert (settings.failure_bucket_name, settings.failure_prefix) == ("Changes/FailureBucket", "records/")


def test_the_schema_is_packed_with_the_handler():
    code = []
    for fields in ({"order_id": {"type": "string"}}, {"order_id": {"type": "number"}}):
        stack = empty_stack()
        schema = {"type": "object", "properties": fields}
        changes(stack, source=KinesisOptions(), schema=schema, key_field="order_id")
        assert variables(stack)["SCHEMA_FILE"] == "stream_processing/schema.json"
        code.append(properties_at(stack, "Changes/Function")["Code"]["S3Key"])
    assert code[0] != code[1]


@pytest.mark.parametrize("more", [{"additionalProperties": True}, {"patternProperties": {"^o": {"type": "string"}}}])
def test_the_field_of_the_key_may_be_one_that_an_open_schema_does_not_name(stack, more):
    schema = {"type": "object", "properties": {"amount": {"type": "number"}}, **more}
    changes(stack, source=KinesisOptions(), schema=schema, key_field="order_id")
    assert variables(stack)["KEY_FIELD"] == "order_id"


def test_a_handler_of_yours_may_have_less_time(stack):
    changes(stack, handler=OWN, reader=ReaderOptions(timeout=Duration.seconds(3)))
    assert properties_at(stack, "Changes/Function")["Timeout"] == 3


@pytest.mark.parametrize(
    ("source", "days"),
    [
        (own_table, 1),
        (lambda _: KinesisOptions(retention=Duration.days(7)), 7),
        (lambda stack: kinesis.Stream(stack, "Mine", retention_period=Duration.days(30)), 30),
        (imported_stream, 365),
    ],
    ids=["table", "a week", "a month", "not known"],
)
def test_a_removed_id_is_remembered_until_no_older_record_of_it_can_come_again(stack, source, days):
    """It waits in the stream, then in the bucket, then there as an old version; S3 rounds both up to midnight; and a day."""
    changes(stack, source=source(stack))
    assert variables(stack)["TOMBSTONE_SECONDS"] == str((days + 91 + 91 + 1) * 86_400)


@pytest.mark.parametrize(
    ("bucket", "days"),
    [
        (lambda _: BucketOptions(expiration=Duration.days(14), versioned=False), 15),
        (lambda _: BucketOptions(expiration=Duration.days(14)), 15 + 91),
        (lambda _: BucketOptions(), 36_500 - 2),
        (lambda _: BucketOptions(expiration=Duration.days(36_500)), 36_500 - 2),
        (lambda stack: s3.Bucket(stack, "Kept"), 365),
    ],
    ids=["not versioned", "versioned", "for ever", "a century", "of the user's"],
)
def test_a_removed_id_is_remembered_longer_than_the_bucket_keeps_what_was_given_up(stack, bucket, days):
    changes(stack, failure_bucket=bucket(stack))
    settings = Settings.from_environment(variables(stack))
    assert settings.tombstone_seconds == (days + 2) * 86_400


@pytest.mark.parametrize(
    ("options", "days"),
    [
        ({}, 184),
        ({"source": KinesisOptions(retention=Duration.days(7))}, 190),
        ({"failure_bucket": BucketOptions(expiration=Duration.days(14), versioned=False)}, 17),
    ],
    ids=["table", "kinesis", "bucket"],
)
def test_an_audit_row_stays_until_its_record_cannot_come_again(stack, options, days):
    changes(stack, audit_retention=Duration.days(days), **options)
    assert variables(stack)["AUDIT_SECONDS"] == variables(stack)["TOMBSTONE_SECONDS"] == str(days * 86_400)
    message = rf"audit_retention must be {days * 86_400} to \d+ s \(.*written down twice.*failure_bucket=BucketOptions"
    with pytest.raises(PatternError, match=message):
        changes(stack, "Shorter", audit_retention=Duration.days(days - 1), **options)


def test_a_handler_of_yours_gets_the_same_variables_and_permissions():
    found = []
    for options in ({}, {"handler": OWN}):
        stack = empty_stack()
        changes(stack, **options)
        found.append((variables(stack), permissions(stack, "Changes/FunctionRole")))
    assert found[0] == found[1]


# --- tables, bucket, outputs


def test_failures_are_kept_for_ninety_days_unless_told(stack):
    changes(stack)
    (rule,) = properties_at(stack, "Changes/FailureBucket")["LifecycleConfiguration"]["Rules"]
    assert rule["ExpirationInDays"] == 90
    stack = empty_stack()
    changes(stack, failure_bucket=BucketOptions(versioned=False))
    (rule,) = properties_at(stack, "Changes/FailureBucket")["LifecycleConfiguration"]["Rules"]
    assert "ExpirationInDays" not in rule


def test_tables_and_a_bucket_of_yours_are_used(stack):
    found = changes(
        stack,
        view_table=own_table(stack, "View", stream=None),
        audit_table=own_table(stack, "Audit", sort="sequence", stream=None),
        failure_bucket=s3.Bucket(stack, "Kept"),
    )
    exposed = (found.view_table, found.audit_table, found.failure_bucket)
    assert [each.node.path for each in exposed] == ["Test/View", "Test/Audit", "Test/Kept"]
    granted = permissions(stack, "Changes/FunctionRole")
    assert granted["View"] == granted["Audit"] == ["dynamodb:PutItem"]
    assert granted["Kept/aws/lambda/*"] == granted["Kept/records/*"] == ["s3:PutObject"]
    assert granted["Kept"] == ["s3:ListBucket"]


def test_options_of_the_tables_are_kept_beside_what_the_pattern_needs(stack):
    changes(stack, view_table=TableOptions(stream=IMAGES.NEW_IMAGE), source=TableOptions(time_to_live_attribute="until"))
    view, source = (properties_at(stack, f"Changes/{name}Table") for name in ("View", "Source"))
    assert view["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}
    assert view["TimeToLiveSpecification"]["AttributeName"] == "expires_at"
    assert source["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert source["TimeToLiveSpecification"]["AttributeName"] == "until"


def test_outputs_have_stable_names(stack):
    own = {"ViewTableName", "AuditTableName", "FailureBucketName", "FunctionName", "LogGroupName", "ReaderId"}
    assert changes(stack).outputs.keys() == own | {"SourceTableName"}
    assert changes(stack, "Records", source=KinesisOptions()).outputs.keys() == own | {"StreamName"}


def test_several_instances_live_in_one_stack_and_may_read_one_source(stack):
    table = own_table(stack)
    for number, options in enumerate(({"source": table}, {"source": table}, {}, {"source": KinesisOptions()})):
        changes(stack, f"Changes{number}", **options).add_alarms(Alerts())
    template = template_of(stack)
    assert len(resources(template, "AWS::Lambda::EventSourceMapping")) == 4
    assert len(resources(template, "AWS::Lambda::LayerVersion")) == 1
    check_no_circle(template)


@BOTH
@pytest.mark.parametrize(("environment", "policy"), [(DEV, "Delete"), (PROD, "Retain")], ids=["dev", "prod"])
def test_data_goes_with_the_stack_or_stays_as_the_operations_say(stack, options, environment, policy):
    changes(stack, operations=environment.operations, **options)
    kinds = ("AWS::DynamoDB::GlobalTable", "AWS::Kinesis::Stream", "AWS::S3::Bucket")
    kept = [each for kind in kinds for each in resources(template_of(stack), kind).values()]
    assert [each["DeletionPolicy"] for each in kept] == [policy] * 4


# --- alarms

FUNCTION_ALARMS = {
    "AuditSystemErrors": ("critical", "putitem", 1),
    "AuditThrottles": ("critical", "putitem", 1),
    "FunctionDuration": ("warning", "Duration", 48_000),
    "FunctionErrors": ("critical", "Errors", 1),
    "FunctionThrottles": ("warning", "Throttles", 1),
    "RecordsAge": ("warning", "IteratorAge", 60_000),
    "RecordsAgeCritical": ("critical", "IteratorAge", 3 * 3_600_000),
    "RecordsGivenUp": ("critical", "OnFailureDestinationDeliveredEventCount", 1),
    "RecordsLost": ("critical", "DroppedEventCount", 1),
    "RecordsUnread": ("critical", "IF(FILL(written, 0) > 0 AND FILL(polled, 0) <= 0, 1, 0)", 1),
    "RecordsNotKept": ("critical", "DestinationDeliveryFailures", 1),
    "ViewSystemErrors": ("critical", "putitem", 1),
    "ViewThrottles": ("critical", "putitem", 1),
}
HANDLER_ALARMS = {"PoisonRecords": ("critical", "PoisonRecords", 1), "UnexpectedErrors": ("critical", "UnexpectedErrors", 1)}
SOURCE_ALARMS = {
    "SourceSystemErrors": ("critical", "deleteitem + putitem + updateitem", 1),
    "SourceThrottles": ("critical", "deleteitem + putitem + updateitem", 1),
}
STREAM_ALARMS = {
    "StreamAge": ("warning", "GetRecords.IteratorAgeMilliseconds", 60_000),
    "StreamAgeCritical": ("critical", "GetRecords.IteratorAgeMilliseconds", 3 * 3_600_000),
    "StreamRefused": ("critical", "WriteProvisionedThroughputExceeded", 1),
}


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, FUNCTION_ALARMS | HANDLER_ALARMS | SOURCE_ALARMS),
        ({"handler": OWN}, FUNCTION_ALARMS | SOURCE_ALARMS),
        ({"source": KinesisOptions()}, FUNCTION_ALARMS | HANDLER_ALARMS | STREAM_ALARMS),
    ],
    ids=["table", "own handler", "kinesis"],
)
def test_the_alarms_watch_each_hop_and_say_how_bad_it_is(stack, options, wanted):
    changes(stack, **options).add_alarms(Alerts())
    assert {name: (each["tier"], each["metric"], each["Threshold"]) for name, each in alarms(stack).items()} == wanted


def test_a_table_of_the_users_has_its_alarms_where_it_is_defined(stack):
    changes(stack, source=own_table(stack)).add_alarms(Alerts())
    assert set(alarms(stack)) == set(FUNCTION_ALARMS | HANDLER_ALARMS)


def test_the_alarms_of_records_watch_the_function_the_reader_and_the_stream(stack):
    changes(stack, source=KinesisOptions()).add_alarms(Alerts())
    watched = {name: each["watched"] for name, each in alarms(stack).items()}
    for name in ("RecordsAge", "RecordsAgeCritical", "RecordsNotKept"):
        assert watched[name] == {"FunctionName": "Changes/Function"}
    for name in ("RecordsGivenUp", "RecordsLost"):
        assert watched[name] == {"EventSourceMappingUUID": "Changes/Reader"}
    for name in STREAM_ALARMS:
        assert watched[name] == {"StreamName": "Changes/SourceStream"}


def test_the_critical_age_comes_at_half_of_the_age_at_which_records_are_given_up(stack):
    changes(stack, reader=ReaderOptions(max_record_age=Duration.hours(1))).add_alarms(Alerts())
    assert alarms(stack)["RecordsAgeCritical"]["Threshold"] == 1_800_000


# --- what is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "orders"}, "source must be a DynamoDB table with a stream, a Kinesis stream"),
        ({"source": TableOptions(stream=IMAGES.KEYS_ONLY)}, "stream of source must be StreamViewType.NEW_AND_OLD_IMAGES"),
        ({"filters": [{"eventName": ["INSERT"]}]}, r"filters must be a list of filters made by lambda_.FilterCriteria.filter"),
        ({"filters": [{"pattern": "[]"}]}, "filters must be a list of filters made by"),
        ({"filters": [{"pattern": "{}"}] * 6}, "filters must be at most 5, got 6"),
        ({"filters": [matching(eventName=["X" * 4096])]}, "filters must have at most 4096 characters each, got 41"),
        ({"excluded": "email"}, "excluded must be a list of texts"),
        ({"excluded": ["a,b"]}, "excluded must be names without commas"),
        ({"excluded": [" email"]}, "excluded must be names without commas and without spaces"),
        ({"excluded": ["id"]}, "excluded must not have an attribute of the key, got 'id'"),
        ({"source": KinesisOptions(), "key_field": "a", "excluded": ["a"]}, "excluded must not have an attribute of the key"),
        ({"key_field": "order_id"}, "key_field is for a Kinesis stream"),
        ({"schema": SCHEMA}, "schema is for a Kinesis stream"),
        ({"source": KinesisOptions(), "key_field": ""}, "key_field must be the name of a field"),
        ({"source": KinesisOptions(), "schema": SCHEMA, "handler": OWN}, "schema is checked by the bundled handler"),
        ({"source": KinesisOptions(), "schema": SCHEMA, "key_field": "id"}, "key_field must be a field of the schema"),
        ({"view_table": "view"}, r"view_table must be TableOptions\(...\) or a DynamoDB table"),
        (
            {"audit_table": TableOptions(time_to_live_attribute="ttl")},
            "time_to_live_attribute of audit_table must be 'expires_at'",
        ),
        ({"audit_retention": Duration.days(1)}, r"audit_retention must be 15897600 to 3153600000 s"),
        ({"failure_bucket": "failures"}, r"failure_bucket must be BucketOptions\(...\) or an S3 bucket"),
        ({"reader": 5}, r"reader must be ReaderOptions\(...\)"),
        ({"reader": ReaderOptions(timeout=Duration.seconds(29))}, "timeout of the reader must be 30 to 900 s"),
        ({"reader": ReaderOptions(max_record_age=Duration.hours(24))}, "max_record_age must be less than the retention"),
        ({"handler": "app.handler"}, "handler must be made by"),
    ],
)
def test_an_argument_that_does_not_fit_is_refused_with_its_name(stack, options, message):
    with pytest.raises(PatternError, match=message):
        changes(stack, **options)


def test_a_bucket_of_failures_whose_expiration_is_not_known_while_defining_is_refused(stack):
    days = CfnParameter(stack, "Days", type="Number").value_as_number
    with pytest.raises(PatternError, match=r"expiration of failure_bucket must be known while defining.*got a token"):
        changes(stack, failure_bucket=BucketOptions(expiration=Duration.days(days)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ReaderOptions(batch_size=10_001), "batch_size must be 1 to 10000, got 10001"),
        (lambda: ReaderOptions(parallelization_factor=11), "parallelization_factor must be 1 to 10"),
        (lambda: ReaderOptions(max_retries=-1), "max_retries must be 0 to 10000"),
        (lambda: ReaderOptions(max_retries=True), "max_retries must be a whole number"),
        (lambda: ReaderOptions(memory_size=64), "memory_size must be 128 to 10240"),
        (lambda: ReaderOptions(batch_size=None), "batch_size must be a whole number"),
        (lambda: ReaderOptions(batch_window=Duration.seconds(301)), "batch_window must be 0 to 300 s"),
        (lambda: ReaderOptions(timeout=Duration.seconds(901)), "timeout must be 1 to 900 s"),
        (lambda: ReaderOptions(max_record_age=Duration.seconds(59)), "max_record_age must be 60 to 604800 s"),
        (lambda: KinesisOptions(retention=Duration.hours(23)), "retention must be 86400 to 31536000 s"),
        (lambda: KinesisOptions(retention=Duration.minutes(1441)), "retention must be whole hours"),
        (lambda: KinesisOptions(shards=0), "shards must be 1 to 20000, got 0"),
    ],
)
def test_an_option_that_does_not_fit_is_refused_with_its_name(make, message):
    with pytest.raises(PatternError, match=message):
        make()


@pytest.mark.parametrize("stream", [None, IMAGES.NEW_IMAGE, IMAGES.KEYS_ONLY])
def test_a_table_without_new_and_old_images_is_refused(stack, stream):
    with pytest.raises(PatternError, match="NEW_AND_OLD_IMAGES"):
        changes(stack, source=own_table(stack, stream=stream))


def test_an_imported_table_without_the_arn_of_its_stream_is_refused(stack):
    with pytest.raises(PatternError, match=r"source must be a table with a stream.*table_stream_arn"):
        changes(stack, source=imported_table(stack))


def test_a_pattern_instead_of_its_table_is_told_what_was_meant(stack):
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    users = ApiCrud(stack, "Users", resource="users", schema=schema)
    with pytest.raises(PatternError, match=r"got <ApiCrud>; did you mean its \.table\?$"):
        StreamProcessing(stack, "Changes", source=users)
    with pytest.raises(PatternError, match=r"such as ApiCrud, table=TableOptions\(stream=StreamViewType.NEW_AND_OLD_IMAGES\)"):
        StreamProcessing(stack, "Changes", source=users.table)


def test_an_excluded_attribute_of_the_key_of_a_table_of_yours_is_refused(stack):
    with pytest.raises(PatternError, match="excluded must not have an attribute of the key, got 'customer'"):
        changes(stack, source=own_table(stack, partition="tenant", sort="customer"), excluded=["email", "customer"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"view_table": {"sort": "sequence"}}, "view_table must have the partition key 'id' of type string and no sort key"),
        ({"audit_table": {}}, "audit_table must have .* the sort key 'sequence' of type string"),
    ],
)
def test_tables_of_yours_need_the_keys_of_the_pattern(stack, options, message):
    with pytest.raises(PatternError, match=message):
        changes(stack, **{name: own_table(stack, "Wrong", **keys) for name, keys in options.items()})


# --- a write to its own source


@pytest.mark.parametrize(("name", "sort"), [("view_table", None), ("audit_table", "sequence")])
@pytest.mark.parametrize("handler", [None, OWN], ids=["bundled", "own"])
def test_a_write_to_its_own_source_is_refused_without_a_filter(stack, name, sort, handler):
    table = own_table(stack, sort=sort)
    with pytest.raises(PatternError, match=f"{name} must be another table than source, got 'Test/Mine' for both.*filters"):
        changes(stack, source=table, handler=handler, **{name: table})


def test_a_source_that_is_imported_twice_is_known_again(stack):
    source = imported_table(stack, "One", table_stream_arn=f"{TABLE_ARN}/stream/1")
    with pytest.raises(PatternError, match="audit_table must be another table than source"):
        changes(stack, source=source, audit_table=imported_table(stack, "Two"))


def test_a_source_that_is_imported_by_its_name_is_known_again(stack):
    source = imported_table(stack, "One", table_stream_arn=f"{TABLE_ARN}/stream/1")
    with pytest.raises(PatternError, match="audit_table must be another table than source"):
        changes(stack, source=source, audit_table=dynamodb.TableV2.from_table_name(stack, "Two", "theirs"))


@pytest.mark.parametrize("theirs", [TABLE_ARN.replace("1234567", "7654321"), TABLE_ARN.replace("central", "west")])
def test_a_table_of_the_sources_name_in_another_account_or_region_is_another_table(stack, theirs):
    source = imported_table(stack, "One", table_stream_arn=f"{TABLE_ARN}/stream/1")
    view = dynamodb.TableV2.from_table_arn(stack, "Two", theirs)
    changes(stack, source=source, view_table=view)
    assert stack.resolve(view.table_name) == "theirs"
    assert variables(stack)["VIEW_TABLE_NAME"] == "theirs"


def test_with_a_filter_the_audit_may_be_kept_in_the_source(stack):
    table = own_table(stack, sort="sequence")
    changes(stack, source=table, audit_table=table, filters=[matching(eventName=["REMOVE"])])
    assert permissions(stack, "Changes/FunctionRole")["Mine"] == [*POLL_TABLE, "dynamodb:PutItem"]


def test_the_view_is_never_kept_in_the_source_by_the_bundled_handler(stack):
    table = own_table(stack)
    with pytest.raises(PatternError, match="view_table must be another table than source with the bundled handler"):
        changes(stack, source=table, view_table=table, filters=[matching(eventName=["REMOVE"])])
    changes(stack, "Own", source=table, view_table=table, filters=[matching(eventName=["REMOVE"])], handler=OWN)


def test_view_and_audit_are_two_tables(stack):
    with pytest.raises(PatternError, match="audit_table must be another table than view_table"):
        changes(stack, view_table=imported_table(stack, "One"), audit_table=imported_table(stack, "Two"))
