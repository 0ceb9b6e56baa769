"""S3Processing: which objects are worked, who may do what, what its options do to the template, and what it refuses."""

import graphlib
import json
import re

import pytest
from aws_cdk import CfnParameter, Duration, RemovalPolicy, Size, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_notifications as s3_notifications
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from s3_processing.logic import LEAST_SECONDS
from s3_processing.models import Settings
from serverless_patterns import (
    DEV,
    Alerts,
    BucketOptions,
    Capacity,
    FileLimits,
    Handler,
    Operations,
    PatternError,
    S3Processing,
    SqsPipeline,
    TableOptions,
    WorkerOptions,
)
from serverless_patterns._blocks.asynchronous import MAXIMUM_EVENT_AGE
from serverless_patterns.s3_processing import LEAST_TIMEOUT
from tests.support.readable import alarms, permissions, properties_at, readable
from tests.support.synthesis import empty_stack, new_app, resources, template_of

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


# --- the buckets


@pytest.mark.parametrize("name", ["Bucket", "OutputBucket"])
def test_a_bucket_is_private_encrypted_and_versioned_and_its_objects_belong_to_its_owner(stack, name):
    imports(stack)
    bucket = properties_at(stack, f"Imports/{name}")
    assert bucket["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    }
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    assert "AccessControl" not in bucket


@pytest.mark.parametrize("name", ["Bucket", "OutputBucket"])
def test_a_bucket_lets_nobody_in_by_its_policy_and_nobody_without_tls(stack, name):
    imports(stack)
    assert allowed_in(stack, f"Imports/{name}") == []
    (refused,) = properties_at(stack, f"Imports/{name}/Policy")["PolicyDocument"]["Statement"]
    assert (refused["Action"], refused["Principal"]) == ("s3:*", {"AWS": "*"})
    assert refused["Resource"] == [f"Imports/{name}", f"Imports/{name}/*"]


def test_uploads_that_were_never_completed_go_after_a_week_and_old_versions_after_ninety_days(stack):
    imports(stack)
    for name in ("Bucket", "OutputBucket"):
        assert properties_at(stack, f"Imports/{name}")["LifecycleConfiguration"]["Rules"] == [
            {
                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
                "ExpiredObjectDeleteMarker": True,
                "NoncurrentVersionExpiration": {"NoncurrentDays": 90},
                "Status": "Enabled",
            }
        ]


def test_each_bucket_has_its_own_options(stack):
    logs = s3.Bucket(stack, "Logs")
    imports(
        stack,
        bucket=BucketOptions(versioned=False, expiration=Duration.days(30), access_logs=logs),
        output_bucket=BucketOptions(expiration=Duration.days(365)),
    )
    bucket, output = (properties_at(stack, f"Imports/{name}") for name in ("Bucket", "OutputBucket"))
    assert "VersioningConfiguration" not in bucket
    assert bucket["LifecycleConfiguration"]["Rules"] == [
        {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}, "ExpirationInDays": 30, "Status": "Enabled"}
    ]
    assert bucket["LoggingConfiguration"] == {"DestinationBucketName": "Logs", "LogFilePrefix": "Imports/Bucket/"}
    assert output["LifecycleConfiguration"]["Rules"][0]["ExpirationInDays"] == 365
    assert "LoggingConfiguration" not in output


def test_only_the_log_service_of_s3_may_write_the_access_logs_of_this_bucket(stack):
    imports(stack, bucket=BucketOptions(access_logs=s3.Bucket(stack, "Logs")))
    (statement,) = properties_at(stack, "Logs/Policy")["PolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "logging.s3.amazonaws.com"}
    assert statement["Resource"] == "Logs/Imports/Bucket/*"
    assert statement["Condition"]["ArnLike"] == {"aws:SourceArn": "Imports/Bucket"}
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": "AWS::AccountId"}


@pytest.mark.parametrize(("policy", "kept"), [(RemovalPolicy.RETAIN, "Retain"), (RemovalPolicy.DESTROY, "Delete")])
@pytest.mark.parametrize("trigger", ["queue", "direct"])
def test_files_rows_and_messages_stay_or_go_as_the_operations_say(stack, policy, kept, trigger):
    imports(stack, trigger=trigger, operations=Operations(removal_policy=policy))
    for name in ("Bucket", "OutputBucket", "Table", *(QUEUES if trigger == "queue" else DIRECT_QUEUES)):
        found = resource_at(stack, f"Imports/{name}")
        assert (found["DeletionPolicy"], found["UpdateReplacePolicy"]) == (kept, kept), name


@SHAPES
def test_no_function_and_no_custom_resource_is_defined_beyond_those_of_the_pattern(stack, options):
    imports(stack, **options).add_alarms(Alerts())
    template = template_of(stack)
    direct = options.get("trigger") == "direct"
    assert len(resources(template, "AWS::Lambda::Function")) == (3 if direct else 1)
    kinds = {resource["Type"] for resource in template["Resources"].values()}
    assert not [kind for kind in kinds if kind.startswith(("Custom::", "AWS::CloudFormation::"))]


# --- a queue between the bucket and the function


def test_the_bucket_tells_eventbridge_by_a_property(stack):
    imports(stack)
    assert properties_at(stack, "Imports/Bucket")["NotificationConfiguration"] == {
        "EventBridgeConfiguration": {"EventBridgeEnabled": True}
    }
    assert "NotificationConfiguration" not in properties_at(stack, "Imports/OutputBucket")


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"prefix": "incoming/"}, {"prefix": "incoming/"}),
        ({"suffix": ".csv"}, {"suffix": ".csv"}),
        ({"prefix": "incoming/", "suffix": ".csv"}, {"wildcard": "incoming/*.csv"}),
        # Outside a wildcard nothing is special; inside, what is in the key stands for itself.
        ({"prefix": "50*\\/"}, {"prefix": "50*\\/"}),
        ({"prefix": "a*b\\c/", "suffix": "*.csv"}, {"wildcard": "a\\*b\\\\c/*\\*.csv"}),
        ({"prefix": "mit Umlaut ä/", "suffix": "+.csv"}, {"wildcard": "mit Umlaut ä/*+.csv"}),
    ],
)
def test_only_objects_with_the_prefix_and_the_suffix_cost_an_event(stack, options, key):
    imports(stack, **options)
    assert pattern(stack) == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": ["Imports/Bucket"]}, "object": {"key": [key]}},
    }


def test_without_a_prefix_and_a_suffix_every_object_is_an_event(stack):
    imports(stack)
    assert pattern(stack)["detail"] == {"bucket": {"name": ["Imports/Bucket"]}}


def test_a_prefix_may_be_a_token(stack):
    imports(stack, prefix=CfnParameter(stack, "Prefix").value_as_string, suffix=".csv")
    assert pattern(stack)["detail"]["object"] == {"key": [{"wildcard": "Prefix*.csv"}]}
    assert permissions(stack, "Imports/FunctionRole")["Imports/Bucket/Prefix*"] == READ


def test_what_cannot_be_delivered_in_a_day_is_kept_for_fourteen(stack):
    imports(stack)
    assert properties_at(stack, "Imports/Rule")["Targets"] == [
        {
            "Arn": "Imports/Queue",
            "DeadLetterConfig": {"Arn": "Imports/DeliveryDeadLetterQueue"},
            "Id": "Queue",
            "RetryPolicy": {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185},
        }
    ]
    for name in ("DeadLetterQueue", "DeliveryDeadLetterQueue"):
        assert properties_at(stack, f"Imports/{name}")["MessageRetentionPeriod"] == 14 * 86_400


@pytest.mark.parametrize("queue", ["Queue", "DeliveryDeadLetterQueue"])
def test_only_the_rule_may_send_to_the_queues(stack, queue):
    imports(stack)
    (allowed,) = allowed_in(stack, f"Imports/{queue}")
    assert (allowed["Action"], allowed["Principal"]) == ("sqs:SendMessage", {"Service": "events.amazonaws.com"})
    assert allowed["Condition"] == {"ArnEquals": {"aws:SourceArn": "Imports/Rule"}}


def test_nobody_is_let_into_the_dead_letter_queue_by_its_policy(stack):
    imports(stack)
    assert allowed_in(stack, "Imports/DeadLetterQueue") == []


def test_the_function_may_do_exactly_what_its_handler_does(stack):
    imports(stack, prefix="incoming/")
    assert permissions(stack, "Imports/FunctionRole") == {**WORK, **CONSUME, "Imports/Bucket/incoming/*": READ}


def test_without_a_prefix_it_may_read_every_object(stack):
    imports(stack, suffix=".csv")
    assert permissions(stack, "Imports/FunctionRole") == {**WORK, **CONSUME, "Imports/Bucket/*": READ}


def test_no_service_may_invoke_the_function_that_a_queue_feeds(stack):
    imports(stack)
    assert resources(template_of(stack), "AWS::Lambda::Permission") == {}


def test_the_function_knows_what_its_handler_needs(stack):
    imports(stack)
    assert variables(stack) == {
        "BUCKET_NAME": "Imports/Bucket",
        "DEAD_LETTER_QUEUE_URL": "Imports/DeadLetterQueue",
        "DEBUG_SAMPLE_RATE": "0.01",
        "LOG_LEVEL": "INFO",
        "MAX_DECOMPRESSED_BYTES": "5368709120",
        "MAX_OBJECT_BYTES": "5368709120",
        "MAX_PIXELS": "50000000",
        "MAX_RECEIVE_COUNT": "5",
        "MAX_ROWS": "1000000",
        "OUTPUT_BUCKET_NAME": "Imports/OutputBucket",
        "POWERTOOLS_SERVICE_NAME": "Imports",
        "QUEUE_URL": "Imports/Queue",
        "RETRY_DELAY_SECONDS": "30",
        "TABLE_NAME": "Imports/Table",
        "THUMBNAIL_PIXELS": "256",
        "TOPIC_ARN": "Imports/Topic",
    }


def test_files_are_worked_one_by_one_ten_at_a_time_for_five_minutes_each(stack):
    imports(stack)
    source = properties_at(stack, "Imports/Source")
    assert source == {
        "BatchSize": 1,
        "EventSourceArn": "Imports/Queue",
        "FunctionName": "Imports/Function",
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": 10},
    }
    function, queue = properties_at(stack, "Imports/Function"), properties_at(stack, "Imports/Queue")
    assert (function["Timeout"], function["MemorySize"]) == (300, 1024)
    assert queue["VisibilityTimeout"] == 6 * 300
    assert queue["MessageRetentionPeriod"] == 4 * 86_400
    # The bundled handler gives up after 5; SQS does so itself for one that died over its last try.
    assert queue["RedrivePolicy"] == {"deadLetterTargetArn": "Imports/DeadLetterQueue", "maxReceiveCount": 8}


@pytest.mark.parametrize(("capacity", "concurrency"), [(Capacity(share=0.5), 10), (Capacity(max_concurrency=2), 2)])
def test_the_worker_is_as_the_options_and_the_environment_say(stack, capacity, concurrency):
    worker = WorkerOptions(
        timeout=Duration.minutes(15),
        batch_size=20,
        batch_window=Duration.seconds(3),
        max_concurrency=20,
        max_attempts=3,
        memory_size=4096,
        retry_delay=Duration.seconds(7),
    )
    imports(stack, worker=worker, operations=Operations(capacity=capacity))
    source, function = properties_at(stack, "Imports/Source"), properties_at(stack, "Imports/Function")
    assert (source["BatchSize"], source["MaximumBatchingWindowInSeconds"]) == (20, 3)
    assert source["ScalingConfig"] == {"MaximumConcurrency": concurrency}
    assert (function["Timeout"], function["MemorySize"]) == (900, 4096)
    assert properties_at(stack, "Imports/Queue")["VisibilityTimeout"] == 5403
    assert (variables(stack)["MAX_RECEIVE_COUNT"], variables(stack)["RETRY_DELAY_SECONDS"]) == ("3", "7")


def test_a_worker_that_says_nothing_of_its_time_has_the_five_minutes_of_files(stack):
    imports(stack, worker=WorkerOptions(max_concurrency=2))
    function = properties_at(stack, "Imports/Function")
    assert (function["Timeout"], function["MemorySize"]) == (300, 1024)
    assert properties_at(stack, "Imports/Queue")["VisibilityTimeout"] == 1800


def test_only_a_file_that_goes_on_as_a_copy_of_its_message_may_look_like_a_loop(stack):
    imports(stack)
    imports(stack, "Direct", trigger="direct")
    assert properties_at(stack, "Imports/Function")["RecursiveLoop"] == "Allow"
    for name in ("Function", "SuccessNotifier", "FailureNotifier"):
        assert "RecursiveLoop" not in properties_at(stack, f"Direct/{name}")


# --- S3 invokes the function


def test_the_bucket_invokes_the_function_by_a_property(stack):
    imports(stack, trigger="direct")
    assert properties_at(stack, "Imports/Bucket")["NotificationConfiguration"] == {
        "LambdaConfigurations": [{"Event": "s3:ObjectCreated:*", "Function": "Imports/Function"}]
    }
    assert resources(template_of(stack), "AWS::Events::Rule") == {}


@pytest.mark.parametrize(
    ("options", "rules"),
    [
        ({"prefix": "incoming/"}, [{"Name": "prefix", "Value": "incoming/"}]),
        ({"suffix": "-1_a.csv"}, [{"Name": "suffix", "Value": "-1_a.csv"}]),
        (
            {"prefix": "incoming/", "suffix": ".csv"},
            [{"Name": "prefix", "Value": "incoming/"}, {"Name": "suffix", "Value": ".csv"}],
        ),
        # A filter of S3 has them encoded, as a key in an event.
        (
            {"prefix": "day=1 (ä)/", "suffix": "*+.csv"},
            [{"Name": "prefix", "Value": "day%3D1+(%C3%A4)/"}, {"Name": "suffix", "Value": "%2A%2B.csv"}],
        ),
    ],
)
def test_only_objects_with_the_prefix_and_the_suffix_invoke_it(stack, options, rules):
    imports(stack, trigger="direct", **options)
    (configuration,) = properties_at(stack, "Imports/Bucket")["NotificationConfiguration"]["LambdaConfigurations"]
    assert configuration["Filter"] == {"S3Key": {"Rules": rules}}


def test_a_prefix_of_a_direct_one_may_be_a_token(stack):
    imports(stack, trigger="direct", prefix=CfnParameter(stack, "Prefix").value_as_string)
    (configuration,) = properties_at(stack, "Imports/Bucket")["NotificationConfiguration"]["LambdaConfigurations"]
    assert configuration["Filter"] == {"S3Key": {"Rules": [{"Name": "prefix", "Value": "Prefix"}]}}


def test_only_s3_for_this_account_may_invoke_it_and_may_so_before_the_bucket_is_made(stack):
    """It cannot name the bucket: that depends on it. S3 tries the permission when the notification is set."""
    imports(stack, trigger="direct")
    assert properties_at(stack, "Imports/Bucket/InvokeFunction") == {
        "Action": "lambda:InvokeFunction",
        "FunctionName": "Imports/Function",
        "Principal": "s3.amazonaws.com",
        "SourceAccount": "AWS::AccountId",
    }
    before = readable(stack, [{"Ref": name} for name in resource_at(stack, "Imports/Bucket")["DependsOn"]])
    assert before == ["Imports/Bucket/InvokeFunction"]
    assert len(resources(template_of(stack), "AWS::Lambda::Permission")) == 1


def test_the_policy_of_the_bucket_lets_the_function_read_and_its_role_does_not_know_the_bucket(stack):
    imports(stack, trigger="direct", prefix="incoming/")
    assert permissions(stack, "Imports/FunctionRole") == {**WORK, **DIRECT}
    function = {"AWS": "Imports/FunctionRole"}
    assert allowed_in(stack, "Imports/Bucket") == [
        {"Action": READ, "Effect": "Allow", "Principal": function, "Resource": "Imports/Bucket/incoming/*"},
        {"Action": "s3:ListBucket", "Effect": "Allow", "Principal": function, "Resource": "Imports/Bucket"},
    ]


def test_a_direct_function_knows_neither_the_bucket_nor_a_queue_nor_the_topic(stack):
    imports(stack, trigger="direct")
    unknown = {"BUCKET_NAME", "QUEUE_URL", "DEAD_LETTER_QUEUE_URL", "MAX_RECEIVE_COUNT", "RETRY_DELAY_SECONDS", "TOPIC_ARN"}
    assert not unknown & variables(stack).keys()
    assert {"OUTPUT_BUCKET_NAME", "TABLE_NAME", "MAX_ROWS"} <= variables(stack).keys()


def test_each_end_of_an_invocation_is_kept_in_a_queue_with_what_it_said(stack):
    imports(stack, trigger="direct")
    assert properties_at(stack, "Imports/Invocation") == {
        "DestinationConfig": {
            "OnFailure": {"Destination": "Imports/FailureQueue"},
            "OnSuccess": {"Destination": "Imports/SuccessQueue"},
        },
        "FunctionName": "Imports/Function",
        "MaximumEventAgeInSeconds": MAXIMUM_EVENT_AGE,
        "MaximumRetryAttempts": 2,
        "Qualifier": "$LATEST",
    }
    assert any("DefaultPolicy" in name for name in resource_at(stack, "Imports/Invocation")["DependsOn"])
    assert "DeadLetterConfig" not in properties_at(stack, "Imports/Function")


def test_a_notifier_announces_each_end_and_only_that_of_failures_changes_the_status(stack):
    imports(stack, trigger="direct")
    for name in ("Success", "Failure"):
        assert permissions(stack, f"Imports/{name}NotifierRole") == {
            f"Imports/{name}NotifierLogs": LOGS,
            "*": XRAY,
            f"Imports/{name}Queue": POLL,
            f"Imports/{name}DeadLetterQueue": ["sqs:SendMessage"],
            "Imports/Topic": ["sns:Publish"],
            **({"Imports/Table": ["dynamodb:UpdateItem"]} if name == "Failure" else {}),
        }


def test_the_notifiers_know_their_queues_and_what_they_announce(stack):
    imports(stack, trigger="direct")
    common = {"DEBUG_SAMPLE_RATE": "0.01", "LOG_LEVEL": "INFO", "POWERTOOLS_SERVICE_NAME": "Imports"}
    common |= {"MAX_RECEIVE_COUNT": "5", "RETRY_DELAY_SECONDS": "30", "TOPIC_ARN": "Imports/Topic"}
    queues = {
        name: {"QUEUE_URL": f"Imports/{name}Queue", "DEAD_LETTER_QUEUE_URL": f"Imports/{name}DeadLetterQueue"}
        for name in ("Success", "Failure")
    }
    assert variables(stack, "SuccessNotifier") == {**common, **queues["Success"], "ACTION": "complete"}
    assert variables(stack, "FailureNotifier") == {
        **common,
        **queues["Failure"],
        "ACTION": "alert",
        "BUCKET_NAME": "Imports/Bucket",
        "TABLE_NAME": "Imports/Table",
    }


@pytest.mark.parametrize("handler", [None, OWN])
@pytest.mark.parametrize("name", ["Success", "Failure"])
def test_the_queues_of_the_ends_are_consumed_by_the_notifiers_whoever_works_the_files(stack, name, handler):
    imports(stack, trigger="direct", handler=handler)
    assert properties_at(stack, f"Imports/{name}Source") == {
        "BatchSize": 10,
        "EventSourceArn": f"Imports/{name}Queue",
        "FunctionName": f"Imports/{name}Notifier",
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": 10},
    }
    queue = properties_at(stack, f"Imports/{name}Queue")
    assert (queue["MessageRetentionPeriod"], queue["VisibilityTimeout"]) == (4 * 86_400, 180)
    assert queue["RedrivePolicy"] == {"deadLetterTargetArn": f"Imports/{name}DeadLetterQueue", "maxReceiveCount": 8}
    assert properties_at(stack, f"Imports/{name}DeadLetterQueue")["MessageRetentionPeriod"] == 14 * 86_400
    assert properties_at(stack, f"Imports/{name}Notifier")["Handler"] == "s3_processing.notifier.handler"
    assert properties_at(stack, f"Imports/{name}Notifier")["Timeout"] == 30
    assert allowed_in(stack, f"Imports/{name}Queue") == []


@SHAPES
@pytest.mark.parametrize("with_key", [False, True])
def test_nothing_in_the_template_depends_on_itself(options, with_key):
    stack = empty_stack(region="eu-central-1")
    key = kms.Key(stack, "Key") if with_key else None
    imports(stack, encryption_key=key, **options).add_alarms(Alerts(critical=sns.Topic(stack, "Critical")))
    check_no_circle(template_of(stack))


@pytest.mark.parametrize(
    "second",
    [
        {"Properties": {"Name": {"Ref": "One"}}},
        {"Properties": {"Arns": [{"Fn::GetAtt": ["One", "Arn"]}]}},
        {"Properties": {"Arn": {"Fn::GetAtt": "One.Arn"}}},
        {"Properties": {"Text": {"Fn::Sub": "arn:${AWS::Partition}:s3:::${One}"}}},
        {"Properties": {"Text": {"Fn::Sub": ["${One.Arn}/${x}", {"x": "y"}]}}},
        {"DependsOn": "One"},
        {"DependsOn": ["Other", "One"]},
    ],
)
def test_a_circle_would_be_seen(second):
    with pytest.raises(graphlib.CycleError):
        check_no_circle({"Resources": {"One": {"DependsOn": "Two"}, "Two": second, "Other": {}}})


def check_no_circle(template):
    """Check what CloudFormation checks only when it deploys: no resource depends on itself through what it names."""
    found = template["Resources"]
    graphlib.TopologicalSorter({name: named(resource) & found.keys() for name, resource in found.items()}).prepare()


def named(part):
    """What a part of a template refers to."""
    match part:
        case {"Ref": str(name), **others} if not others:
            return {name}
        case {"Fn::GetAtt": place, **others} if not others:
            return {place.partition(".")[0] if isinstance(place, str) else place[0]}
        case {"Fn::Sub": text, **others} if not others:
            said, given = (text, {}) if isinstance(text, str) else text
            return set(re.findall(r"\$\{([^!.}]+)", said)) | named(given)
        case dict():
            explicit = part.get("DependsOn", [])
            inside = set().union(*map(named, part.values()))
            return inside | {explicit} if isinstance(explicit, str) else inside | set(explicit)
        case list():
            return set().union(*map(named, part))
    return set()


# --- what is worked, and by what


def test_a_schema_is_packed_with_the_code_and_named(stack):
    schema = {"type": "object", "properties": {"sensor": {"type": "string"}}}
    imports(stack)
    imports(stack, "Checked", schema=schema)
    assert "SCHEMA_FILE" not in variables(stack)
    checked = properties_at(stack, "Checked/Function")
    assert checked["Environment"]["Variables"]["SCHEMA_FILE"] == "s3_processing/schema.json"
    assert checked["Code"] != properties_at(stack, "Imports/Function")["Code"]


def test_a_document_may_have_an_id_of_any_type(stack):
    """It is no key here: the table has the key of the object and the number of the row."""
    imports(stack, schema={"type": "object", "properties": {"id": {"type": "integer"}}})
    assert variables(stack)["SCHEMA_FILE"] == "s3_processing/schema.json"


def test_the_schema_is_the_one_of_the_code():
    schema = {"type": "object", "properties": {"sensor": {"type": "string"}}, "additionalProperties": True}
    packed = []
    stack = empty_stack()
    original = Handler.bundled.__func__

    def bundled(cls, *args, **options):
        packed.append(options.get("files"))
        return original(cls, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Handler, "bundled", classmethod(bundled))
        imports(stack, schema=schema)
    assert [{name: json.loads(text) for name, text in files.items()} for files in packed] == [{"schema.json": schema}]


@pytest.fixture
def readings(tmp_path):
    """A folder with a processor, as a user would write it."""
    folder = tmp_path / "readings"
    (folder / "deep").mkdir(parents=True)
    (folder / "readings.py").write_text("def process(obj):\n    return {}\n")
    (folder / "deep" / "inner.py").write_text("def process(obj):\n    return {}\n")
    (folder / "requirements.txt").write_text("pure==1.0\n")
    return folder


@pytest.mark.parametrize("trigger", ["queue", "direct"])
@pytest.mark.parametrize(
    ("entry", "named_as"),
    [
        ("readings.process", "readings:process"),
        ("deep.inner.process", "deep.inner:process"),
        ("deep/inner.process", "deep.inner:process"),
    ],
)
def test_a_processor_is_called_by_the_bundled_handler(stack, readings, trigger, entry, named_as):
    imports(stack, trigger=trigger, processor=Handler.from_directory(readings, entry))
    assert variables(stack)["PROCESSOR"] == named_as
    function = properties_at(stack, "Imports/Function")
    assert function["Handler"] == "s3_processing.handler.handler"
    assert function["Layers"] == ["HandlerDependencies", "S3ProcessingHandlerDependencies"]


def test_without_a_processor_none_is_named(stack):
    imports(stack)
    assert "PROCESSOR" not in variables(stack)


@pytest.mark.parametrize("folder", ["shared", "s3_processing"])
def test_a_processor_whose_folder_the_library_has_too_is_refused(stack, readings, folder):
    (readings / folder).mkdir()
    (readings / folder / "more.py").write_text("")
    message = f"{folder} in {readings} is the name of a module of this library: choose another one"
    with pytest.raises(PatternError, match=re.escape(message)):
        imports(stack, processor=Handler.from_directory(readings, "readings.process"))


@pytest.mark.parametrize("trigger", ["queue", "direct"])
def test_code_of_ones_own_gets_the_settings_and_the_permissions(stack, trigger):
    imports(stack, handler=OWN, trigger=trigger)
    imports(stack, "Bundled", trigger=trigger)
    own, bundled = properties_at(stack, "Imports/Function"), properties_at(stack, "Bundled/Function")
    assert (own["Handler"], own.get("Layers")) == ("index.handler", None)
    assert own["Environment"]["Variables"].keys() == bundled["Environment"]["Variables"].keys()
    expected = {**WORK, **({**CONSUME, "Imports/Bucket/*": READ} if trigger == "queue" else DIRECT)}
    assert permissions(stack, "Imports/FunctionRole") == expected
    assert own["Timeout"] == 300


def test_code_of_ones_own_may_be_quick_and_sqs_itself_gives_up_for_it(stack):
    imports(stack, handler=OWN, worker=WorkerOptions(timeout=Duration.seconds(5), max_attempts=2))
    assert properties_at(stack, "Imports/Function")["Timeout"] == 5
    assert properties_at(stack, "Imports/Queue")["RedrivePolicy"]["maxReceiveCount"] == 2


def test_limits_reach_the_handler_as_whole_numbers(stack):
    limits = FileLimits(
        object_size=Size.mebibytes(1),
        decompressed_size=Size.tebibytes(5),
        rows=7,
        pixels=200_000_000,
        thumbnail=16,
    )
    imports(stack, limits=limits)
    names = ("MAX_OBJECT_BYTES", "MAX_DECOMPRESSED_BYTES", "MAX_ROWS", "MAX_PIXELS", "THUMBNAIL_PIXELS")
    assert [variables(stack)[name] for name in names] == ["1048576", "5497558138880", "7", "200000000", "16"]


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"object_size": Size.bytes(0)}, "object_size must be 1 to 5497558138880 bytes, got 0 bytes"),
        ({"object_size": Size.tebibytes(6)}, "object_size must be 1 to 5497558138880 bytes, got 6597069766656 bytes"),
        (
            {"decompressed_size": Size.tebibytes(6)},
            "decompressed_size must be 1 to 5497558138880 bytes, got 6597069766656 bytes",
        ),
        ({"object_size": 5}, "object_size must be a size such as Size.gibibytes(1), got 5 (int, not Size)"),
        (
            {"decompressed_size": None},
            "decompressed_size must be a size such as Size.gibibytes(1), got None (NoneType, not Size)",
        ),
        ({"rows": 0}, "rows must be 1 to 100000000, got 0"),
        ({"rows": 100_000_001}, "rows must be 1 to 100000000, got 100000001"),
        ({"rows": 1.5}, "rows must be a whole number, got 1.5 (float, not int)"),
        ({"pixels": 200_000_001}, "pixels must be 1 to 200000000, got 200000001"),
        ({"pixels": True}, "pixels must be a whole number, got True (bool, not int)"),
        ({"thumbnail": 15}, "thumbnail must be 16 to 4096, got 15"),
        ({"thumbnail": 4097}, "thumbnail must be 16 to 4096, got 4097"),
    ],
)
def test_limits_outside_their_range_are_refused(limits, message):
    with pytest.raises(PatternError) as raised:
        FileLimits(**limits)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"versioned": 1}, "versioned must be True or False, got 1 (int, not bool)"),
        ({"versioned": None}, "versioned must be True or False, got None (NoneType, not bool)"),
        ({"expiration": 30}, "expiration must be a duration such as Duration.seconds(10), got 30 (int, not Duration)"),
        ({"expiration": Duration.hours(23)}, "expiration must be 86400 to 3153600000 s, got 82800 s"),
        ({"expiration": Duration.days(36_501)}, "expiration must be 86400 to 3153600000 s, got 3153686400 s"),
        ({"expiration": Duration.hours(36)}, "expiration must be whole days, got 1.5 days"),
        ({"access_logs": "logs"}, "access_logs must be an S3 bucket, got 'logs'"),
    ],
)
def test_options_of_a_bucket_that_do_not_fit_are_refused(options, message):
    with pytest.raises(PatternError) as raised:
        BucketOptions(**options)
    assert str(raised.value) == message


# --- what the user brings


def test_a_bucket_of_this_app_is_told_to_send_its_events(stack):
    mine = s3.Bucket(stack, "Mine")
    found = imports(stack, bucket=mine, prefix="incoming/")
    assert found.bucket is mine
    assert properties_at(stack, "Mine")["NotificationConfiguration"] == {
        "EventBridgeConfiguration": {"EventBridgeEnabled": True}
    }
    assert pattern(stack)["detail"]["bucket"] == {"name": ["Mine"]}
    assert variables(stack)["BUCKET_NAME"] == "Mine"
    expected = {name: actions for name, actions in CONSUME.items() if name != "Imports/Bucket"}
    assert permissions(stack, "Imports/FunctionRole") == {
        **WORK,
        **expected,
        "Mine": ["s3:ListBucket"],
        "Mine/incoming/*": READ,
    }
    assert len(resources(template_of(stack), "AWS::S3::Bucket")) == 2
    assert len(resources(template_of(stack), "AWS::Lambda::Function")) == 1


def test_a_bucket_that_tells_a_queue_already_goes_on_to_do_so(stack):
    """CDK sets such notifications by a function of its own, which would overwrite the property."""
    mine = s3.Bucket(stack, "Mine")
    mine.add_event_notification(s3.EventType.OBJECT_REMOVED, s3_notifications.SqsDestination(sqs.Queue(stack, "Removed")))
    imports(stack, bucket=mine)
    (notifications,) = resources(template_of(stack), "Custom::S3BucketNotifications").values()
    configuration = notifications["Properties"]["NotificationConfiguration"]
    assert configuration["EventBridgeConfiguration"] == {}
    assert len(configuration["QueueConfigurations"]) == 1
    assert "NotificationConfiguration" not in properties_at(stack, "Mine")


def test_one_bucket_may_feed_two_patterns(stack):
    mine = s3.Bucket(stack, "Mine")
    imports(stack, "Tables", bucket=mine, suffix=".csv")
    imports(stack, "Images", bucket=mine, suffix=".png")
    keys = [properties_at(stack, f"{name}/Rule")["EventPattern"]["detail"]["object"]["key"] for name in ("Tables", "Images")]
    assert keys == [[{"suffix": ".csv"}], [{"suffix": ".png"}]]


def test_a_bucket_of_another_stack_is_told_there():
    app = new_app()
    one, other = Stack(app, "One"), Stack(app, "Other")
    imports(other, bucket=s3.Bucket(one, "Mine"))
    assert properties_at(one, "Mine")["NotificationConfiguration"] == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}


def test_an_imported_bucket_is_used_as_it_is(stack):
    imports(stack, bucket=s3.Bucket.from_bucket_name(stack, "Mine", "files"))
    template = template_of(stack)
    assert pattern(stack)["detail"]["bucket"] == {"name": ["files"]}
    assert permissions(stack, "Imports/FunctionRole")["arn:AWS::Partition:s3:::files/*"] == READ
    assert len(resources(template, "AWS::S3::Bucket")) == 1
    assert len(resources(template, "AWS::Lambda::Function")) == 1


def test_a_bucket_that_is_brought_is_read_through_its_own_key():
    stack = empty_stack(region="eu-central-1")
    keys = {name: kms.Key(stack, f"{name}Key") for name in ("In", "Out")}
    buckets = {name: s3.Bucket(stack, name, encryption_key=key) for name, key in keys.items()}
    imports(stack, bucket=buckets["In"], output_bucket=buckets["Out"])
    found = permissions(stack, "Imports/FunctionRole")
    assert (found["InKey"], found["OutKey"]) == (["kms:Decrypt"], QUEUE_KEY)


@pytest.mark.parametrize("trigger", ["queue", "direct"])
def test_results_may_go_to_a_bucket_of_ones_own(stack, trigger):
    mine = s3.Bucket(stack, "Mine")
    assert imports(stack, trigger=trigger, output_bucket=mine).output_bucket is mine
    allowed = permissions(stack, "Imports/FunctionRole")
    assert allowed["Mine/results/*"] == allowed["Mine/thumbnails/*"] == ["s3:PutObject"]
    assert variables(stack)["OUTPUT_BUCKET_NAME"] == "Mine"
    assert "NotificationConfiguration" not in properties_at(stack, "Mine")


def test_a_table_of_ones_own_and_a_topic_are_used(stack):
    table, topic = own_table(stack), sns.Topic(stack, "Announcements")
    found = imports(stack, table=table, topic=topic)
    assert (found.table, found.topic) == (table, topic)
    allowed = permissions(stack, "Imports/FunctionRole")
    assert allowed["Mine"] == ["dynamodb:BatchWriteItem", "dynamodb:UpdateItem"]
    assert allowed["Announcements"] == ["sns:Publish"]
    assert (variables(stack)["TABLE_NAME"], variables(stack)["TOPIC_ARN"]) == ("Mine", "Announcements")
    assert resources(template_of(stack), "AWS::SNS::Topic").keys() == {stack.get_logical_id(topic.node.default_child)}


def test_the_notifiers_announce_to_a_topic_of_ones_own_through_its_key(stack):
    topic = sns.Topic(stack, "Announcements", master_key=kms.Key(stack, "TopicKey"))
    imports(stack, trigger="direct", topic=topic)
    for name in ("Success", "Failure"):
        allowed = permissions(stack, f"Imports/{name}NotifierRole")
        assert (allowed["Announcements"], allowed["TopicKey"]) == (["sns:Publish"], QUEUE_KEY)
    assert permissions(stack, "Imports/FunctionRole") == {**WORK, **DIRECT}


def test_an_imported_table_and_topic_are_used_too(stack):
    arn = "arn:aws:{}:eu-central-1:123456789012:{}"
    table = dynamodb.Table.from_table_arn(stack, "T", arn.format("dynamodb", "table/files"))
    topic = sns.Topic.from_topic_arn(stack, "A", arn.format("sns", "files"))
    imports(stack, table=table, topic=topic)
    allowed = permissions(stack, "Imports/FunctionRole")
    assert allowed[table.table_arn] == ["dynamodb:BatchWriteItem", "dynamodb:UpdateItem"]
    assert allowed[topic.topic_arn] == ["sns:Publish"]


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ({"partition": "id"}, "id (S), row (N)"),
        ({"sort": None}, "object (S)"),
        ({"sort": "line"}, "object (S), line (N)"),
        ({"kind": dynamodb.AttributeType.STRING}, "object (S), row (S)"),
    ],
)
def test_a_table_of_ones_own_with_another_key_is_refused(stack, key, found):
    with pytest.raises(PatternError) as raised:
        imports(stack, table=own_table(stack, **key))
    wanted = "table must have the partition key 'object' of type string and the sort key 'row' of type number"
    assert str(raised.value) == f"{wanted}, got {found}"


def test_the_table_has_the_key_of_files_and_rows_and_the_options_that_are_given(stack):
    imports(stack, table=TableOptions(stream=dynamodb.StreamViewType.NEW_IMAGE, time_to_live_attribute="expires_at"))
    table = properties_at(stack, "Imports/Table")
    assert table["KeySchema"] == [
        {"AttributeName": "object", "KeyType": "HASH"},
        {"AttributeName": "row", "KeyType": "RANGE"},
    ]
    assert table["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}


def test_the_topic_takes_announcements_with_tls_only(stack):
    imports(stack)
    (statement,) = properties_at(stack, "Imports/Topic/Policy")["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"], statement["Condition"]) == ("Deny", "sns:Publish", REFUSE_HTTP)
    assert "KmsMasterKeyId" not in properties_at(stack, "Imports/Topic")


# --- a customer managed key


def keyed(**options):
    """A stack with an instance whose things have a customer managed key."""
    stack = empty_stack(region="eu-central-1")
    imports(stack, encryption_key=kms.Key(stack, "Key"), **options)
    return stack


@pytest.mark.parametrize("trigger", ["queue", "direct"])
def test_a_customer_managed_key_encrypts_everything(trigger):
    stack = keyed(trigger=trigger)
    for name in ("Bucket", "OutputBucket"):
        (rule,) = properties_at(stack, f"Imports/{name}")["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule == {
            "BucketKeyEnabled": True,
            "ServerSideEncryptionByDefault": {"KMSMasterKeyID": "Key", "SSEAlgorithm": "aws:kms"},
        }
    for name in ("Topic", *(QUEUES if trigger == "queue" else DIRECT_QUEUES)):
        assert properties_at(stack, f"Imports/{name}")["KmsMasterKeyId"] == "Key", name
    (replica,) = properties_at(stack, "Imports/Table")["Replicas"]
    assert replica["SSESpecification"] == {"KMSMasterKeyId": "Key"}


@pytest.mark.parametrize("options", [{}, {"time_to_live_attribute": "expires_at"}])
def test_a_table_whose_options_name_no_key_has_the_one_of_the_pattern(options):
    (replica,) = properties_at(keyed(table=TableOptions(**options)), "Imports/Table")["Replicas"]
    assert replica["SSESpecification"] == {"KMSMasterKeyId": "Key"}


def test_a_table_with_a_key_of_its_own_is_reached_through_that_one():
    stack = empty_stack(region="eu-central-1")
    key, other = kms.Key(stack, "Key"), kms.Key(stack, "Other")
    imports(stack, table=TableOptions(encryption_key=other), encryption_key=key)
    found = permissions(stack, "Imports/FunctionRole")
    assert (found["Other"], found["Key"]) == (TABLE_KEY, QUEUE_KEY)


def test_the_function_uses_the_key_as_far_as_needed():
    stack = keyed(prefix="incoming/")
    assert permissions(stack, "Imports/FunctionRole") == {
        **WORK,
        **CONSUME,
        "Imports/Bucket/incoming/*": READ,
        "Key": TABLE_KEY,
    }


def test_functions_that_s3_invokes_use_the_key_as_far_as_needed():
    stack = keyed(trigger="direct")
    assert permissions(stack, "Imports/FunctionRole") == {**WORK, **DIRECT, "Key": TABLE_KEY}
    assert permissions(stack, "Imports/SuccessNotifierRole")["Key"] == QUEUE_KEY
    assert permissions(stack, "Imports/FailureNotifierRole")["Key"] == TABLE_KEY


def test_rules_of_this_account_and_region_may_use_the_key_and_no_other_service():
    owner, service = properties_at(keyed(), "Key")["KeyPolicy"]["Statement"]
    assert (owner["Action"], owner["Principal"]) == ("kms:*", {"AWS": "arn:aws:iam::AWS::AccountId:root"})
    assert service == {
        "Action": QUEUE_KEY,
        "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:events:eu-central-1:AWS::AccountId:rule/*"}},
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Resource": "*",
    }


def test_without_a_rule_no_service_may_use_the_key():
    (owner,) = properties_at(keyed(trigger="direct"), "Key")["KeyPolicy"]["Statement"]
    assert owner["Action"] == "kms:*"


def test_a_key_needs_a_stack_whose_region_is_known(stack):
    with pytest.raises(PatternError, match="encryption_key needs a stack whose region is known"):
        imports(stack, encryption_key=kms.Key(stack, "Key"))


# --- who may upload


@pytest.mark.parametrize(("prefix", "place"), [("incoming/", "Imports/Bucket/incoming/*"), ("", "Imports/Bucket/*")])
@pytest.mark.parametrize("trigger", ["queue", "direct"])
def test_who_may_upload_may_do_so_below_the_prefix_and_nothing_else(stack, trigger, prefix, place):
    found = imports(stack, trigger=trigger, prefix=prefix)
    found.grant_upload(iam.Role(stack, "Uploader", assumed_by=iam.AccountRootPrincipal()))
    assert permissions(stack, "Uploader") == {place: ["s3:PutObject"]}


def test_who_may_upload_may_use_the_key_of_the_bucket():
    stack = empty_stack(region="eu-central-1")
    found = imports(stack, encryption_key=kms.Key(stack, "Key"))
    found.grant_upload(iam.Role(stack, "Uploader", assumed_by=iam.AccountRootPrincipal()))
    assert permissions(stack, "Uploader") == {"Imports/Bucket/*": ["s3:PutObject"], "Key": QUEUE_KEY}


# --- outputs and several instances


def test_outputs_have_stable_names_and_what_was_defined_is_exposed(stack):
    found = imports(stack)
    assert readable(stack, stack.resolve(dict(found.outputs))) == {
        "BucketName": "Imports/Bucket",
        "DeadLetterQueueUrl": "Imports/DeadLetterQueue",
        "DeliveryDeadLetterQueueUrl": "Imports/DeliveryDeadLetterQueue",
        "FunctionName": "Imports/Function",
        "LogGroupName": "Imports/FunctionLogs",
        "OutputBucketName": "Imports/OutputBucket",
        "QueueUrl": "Imports/Queue",
        "TableName": "Imports/Table",
        "TopicArn": "Imports/Topic",
    }
    exposed = (found.bucket, found.output_bucket, found.table, found.topic, found.function, found.queue)
    assert [each.node.id for each in exposed] == ["Bucket", "OutputBucket", "Table", "Topic", "Function", "Queue"]


def test_outputs_of_a_direct_one_name_the_queues_of_its_ends(stack):
    found = imports(stack, trigger="direct")
    names = {name for name in found.outputs if "Queue" in name}
    assert names == {"SuccessQueueUrl", "SuccessDeadLetterQueueUrl", "FailureQueueUrl", "FailureDeadLetterQueueUrl"}
    assert readable(stack, stack.resolve(found.outputs["FailureQueueUrl"])) == "Imports/FailureQueue"
    assert found.queue is None


def test_several_instances_live_in_one_stack_and_share_the_layers(stack):
    for number, options in enumerate(({}, {"trigger": "direct"}, {"trigger": "direct"}, {})):
        imports(stack, f"Imports{number}", **options).add_alarms(Alerts())
    template = template_of(stack)
    assert len(resources(template, "AWS::S3::Bucket")) == 8
    assert len(resources(template, "AWS::SQS::Queue")) == 14
    assert len(resources(template, "AWS::Lambda::LayerVersion")) == 2
    check_no_circle(template)


# --- alarms


def test_the_alarms_watch_each_hop_and_say_how_bad_it_is(stack):
    imports(stack).add_alarms(Alerts())
    found = {name: (each["tier"], each["metric"], each["Threshold"]) for name, each in alarms(stack).items()}
    assert found == {
        "AnnouncementNotificationsFailed": ("critical", "NumberOfNotificationsFailed", 1),
        "AnnouncementNotificationsLost": ("critical", "NumberOfNotificationsFailedToRedriveToDlq", 1),
        "DeliveryDeadLetters": ("critical", "ApproximateNumberOfMessagesVisible", 1),
        "DeliveryDeadLettersAge": ("warning", "ApproximateAgeOfOldestMessage", 907_200),
        "FunctionDuration": ("warning", "Duration", 240_000),
        "FunctionErrors": ("critical", "Errors", 1),
        "FunctionThrottles": ("warning", "Throttles", 1),
        "ObjectsDeadLetters": ("critical", "ApproximateNumberOfMessagesVisible", 1),
        "ObjectsDeadLettersAge": ("warning", "ApproximateAgeOfOldestMessage", 648_000),
        "ObjectsQueueAge": ("warning", "ApproximateAgeOfOldestMessage", 1800),
        "ObjectsQueueStall": ("critical", "IF(age > 1800 AND FILL(invocations, 0) - FILL(errors, 0) <= 0, 1, 0)", 1),
        "RuleFailedInvocations": ("critical", "FailedInvocations", 1),
        "RuleInvocationsFailedToBeSentToDlq": ("critical", "InvocationsFailedToBeSentToDlq", 1),
        "TableSystemErrors": ("critical", "batchwriteitem + updateitem", 1),
        "TableThrottles": ("critical", "batchwriteitem + updateitem", 1),
        "UnexpectedErrors": ("critical", "UnexpectedErrors", 1),
    }


def test_a_direct_one_watches_what_is_dropped_and_both_of_its_ends(stack):
    imports(stack, trigger="direct").add_alarms(Alerts())
    found = {name: (each["tier"], each["metric"], each["Threshold"]) for name, each in alarms(stack).items()}
    ends = {
        f"{name}{suffix}": expected
        for name in ("Success", "Failure")
        for suffix, expected in {
            "DeadLetters": ("critical", "ApproximateNumberOfMessagesVisible", 1),
            "DeadLettersAge": ("warning", "ApproximateAgeOfOldestMessage", 648_000),
            "Duration": ("warning", "Duration", 24_000),
            "Errors": ("critical", "Errors", 1),
            "QueueAge": ("warning", "ApproximateAgeOfOldestMessage", 300),
            "QueueStall": ("critical", "IF(age > 300 AND FILL(invocations, 0) - FILL(errors, 0) <= 0, 1, 0)", 1),
            "Throttles": ("warning", "Throttles", 1),
        }.items()
    }
    assert found == {
        **ends,
        "AnnouncementNotificationsFailed": ("critical", "NumberOfNotificationsFailed", 1),
        "AnnouncementNotificationsLost": ("critical", "NumberOfNotificationsFailedToRedriveToDlq", 1),
        "FunctionAsyncEventsDropped": ("critical", "AsyncEventsDropped", 1),
        "FunctionDestinationDeliveryFailures": ("critical", "DestinationDeliveryFailures", 1),
        "FunctionDuration": ("warning", "Duration", 240_000),
        "FunctionErrors": ("critical", "Errors", 1),
        "FunctionThrottles": ("warning", "Throttles", 1),
        "TableSystemErrors": ("critical", "batchwriteitem + updateitem", 1),
        "TableThrottles": ("critical", "batchwriteitem + updateitem", 1),
    }


def test_each_alarm_watches_its_own_queue_function_rule_or_topic(stack):
    imports(stack).add_alarms(Alerts())
    found = alarms(stack)
    assert {name: each["watched"] for name, each in found.items() if each["watched"]} == {
        "AnnouncementNotificationsFailed": {"TopicName": "Imports/Topic"},
        "AnnouncementNotificationsLost": {"TopicName": "Imports/Topic"},
        "DeliveryDeadLetters": {"QueueName": "Imports/DeliveryDeadLetterQueue"},
        "DeliveryDeadLettersAge": {"QueueName": "Imports/DeliveryDeadLetterQueue"},
        "FunctionDuration": {"FunctionName": "Imports/Function"},
        "FunctionErrors": {"FunctionName": "Imports/Function"},
        "FunctionThrottles": {"FunctionName": "Imports/Function"},
        "UnexpectedErrors": {"FunctionName": "Imports/Function"},
        "ObjectsDeadLetters": {"QueueName": "Imports/DeadLetterQueue"},
        "ObjectsDeadLettersAge": {"QueueName": "Imports/DeadLetterQueue"},
        "ObjectsQueueAge": {"QueueName": "Imports/Queue"},
        "RuleFailedInvocations": {"RuleName": "Imports/Rule"},
        "RuleInvocationsFailedToBeSentToDlq": {"RuleName": "Imports/Rule"},
    }
    for name in ("RuleFailedInvocations", "RuleInvocationsFailedToBeSentToDlq"):
        rule = found[name]
        assert (rule["Namespace"], rule["Statistic"], rule["Period"]) == ("AWS/Events", "Sum", 60)
        assert rule["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
        assert (rule["EvaluationPeriods"], rule["DatapointsToAlarm"], rule["TreatMissingData"]) == (1, 1, "notBreaching")
        assert rule["AlarmDescription"].endswith("First: aws events list-targets-by-rule --rule Imports/Rule")


def test_each_end_of_a_direct_one_is_watched_at_its_own_function(stack):
    imports(stack, trigger="direct").add_alarms(Alerts())
    found = alarms(stack)
    for name in ("Success", "Failure"):
        assert found[f"{name}Errors"]["watched"] == {"FunctionName": f"Imports/{name}Notifier"}
        assert found[f"{name}QueueAge"]["watched"] == {"QueueName": f"Imports/{name}Queue"}
        assert found[f"{name}DeadLetters"]["watched"] == {"QueueName": f"Imports/{name}DeadLetterQueue"}
    for name in ("FunctionAsyncEventsDropped", "FunctionDestinationDeliveryFailures"):
        assert found[name]["watched"] == {"FunctionName": "Imports/Function"}


def test_a_topic_that_another_pattern_watches_is_not_watched_twice(stack):
    imports(stack, topic=SqsPipeline(stack, "Orders").topic).add_alarms(Alerts())
    assert not [name for name in alarms(stack) if name.startswith("Announcement")]


@pytest.mark.parametrize("trigger", ["queue", "direct"])
def test_alarms_notify_the_topic_of_their_tier(stack, trigger):
    topics = {tier: sns.Topic(stack, tier.capitalize()) for tier in ("critical", "warning")}
    imports(stack, trigger=trigger).add_alarms(Alerts(**topics))
    for each in alarms(stack).values():
        assert each["AlarmActions"] == each["OKActions"] == [each["tier"].capitalize()]


def test_alarms_are_defined_once(stack):
    found = imports(stack)
    assert len(found.add_alarms(Alerts())) == len(alarms(stack))
    with pytest.raises(PatternError, match="add_alarms was called before on Test/Imports; call it once"):
        found.add_alarms(Alerts())


# --- refusals


FEEDS_ITSELF = "output_bucket must be another bucket than bucket: each result would be worked as a new object, for ever"


def test_results_may_not_go_to_the_bucket_that_is_worked(stack):
    mine = s3.Bucket(stack, "Mine")
    with pytest.raises(PatternError) as raised:
        imports(stack, bucket=mine, output_bucket=mine, prefix="incoming/")
    assert str(raised.value) == FEEDS_ITSELF
    assert stack.node.try_find_child("Imports") is None


@pytest.mark.parametrize("again", ["by name", "by ARN", "own by name", "own by ARN"])
def test_one_bucket_that_is_imported_twice_is_still_one(stack, again):
    mine = s3.Bucket(stack, "Mine") if "own" in again else s3.Bucket.from_bucket_name(stack, "A", "files")
    arn = mine.bucket_arn if "own" in again else "arn:aws:s3:::files"
    other = (
        s3.Bucket.from_bucket_arn(stack, "B", arn)
        if "ARN" in again
        else s3.Bucket.from_bucket_name(stack, "B", mine.bucket_name)
    )
    with pytest.raises(PatternError) as raised:
        imports(stack, bucket=mine, output_bucket=other)
    assert str(raised.value) == FEEDS_ITSELF


def test_access_logs_of_the_results_may_not_go_to_the_bucket_that_is_worked(stack):
    mine = s3.Bucket(stack, "Mine")
    with pytest.raises(PatternError) as raised:
        imports(stack, bucket=mine, output_bucket=BucketOptions(access_logs=mine))
    message = "access_logs of output_bucket must be another bucket than bucket: each log would be worked, and logged again"
    assert str(raised.value) == message


def test_a_bucket_of_ones_own_cannot_invoke_the_function_directly(stack):
    with pytest.raises(PatternError) as raised:
        imports(stack, bucket=s3.Bucket(stack, "Mine"), trigger="direct")
    assert str(raised.value) == (
        "bucket must be the pattern's own for trigger='direct', whose notification is a property of the bucket: give "
        "BucketOptions(...), or use trigger='queue', which takes any bucket"
    )


def test_a_processor_and_a_handler_exclude_each_other(stack, readings):
    with pytest.raises(PatternError) as raised:
        imports(stack, processor=Handler.from_directory(readings, "readings.process"), handler=OWN)
    assert str(raised.value) == "processor is called by the bundled handler: give it, or a handler of yours"


def test_a_processor_must_be_code_that_can_be_packed_beside_the_handler(stack):
    with pytest.raises(
        PatternError, match=r"^processor must be made by Handler.from_directory\(folder, 'module.process'\), got "
    ):
        imports(stack, processor=OWN)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trigger": "s3"}, "trigger must be one of 'queue', 'direct', got 's3'"),
        ({"trigger": None}, "trigger must be one of 'queue', 'direct', got None"),
        ({"prefix": "a" * 1025}, "prefix must have at most 1024 bytes, as a key of S3 has, got 1025"),
        ({"suffix": "ä" * 513}, "suffix must have at most 1024 bytes, as a key of S3 has, got 1026"),
        (
            {"worker": WorkerOptions(timeout=Duration.seconds(59))},
            "timeout of the worker must be 60 to 900 s with the bundled handler, got 59 s",
        ),
        (
            {"trigger": "direct", "worker": WorkerOptions(timeout=Duration.seconds(30))},
            "timeout of the worker must be 60 to 900 s with the bundled handler, got 30 s",
        ),
        ({"schema": {"type": "array"}}, "schema must have type 'object', got 'array'"),
    ],
)
def test_what_does_not_fit_is_refused_in_the_users_words_before_anything_is_defined(stack, options, message):
    with pytest.raises(PatternError) as raised:
        imports(stack, **options)
    assert str(raised.value) == message
    assert stack.node.children == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bucket": "files"}, "bucket must be BucketOptions(...) or an S3 bucket, got 'files'"),
        ({"bucket": TableOptions()}, "bucket must be BucketOptions(...) or an S3 bucket, got TableOptions("),
        ({"prefix": None}, "prefix must be a text such as 'incoming/', got None (NoneType, not str)"),
        ({"suffix": [".csv"]}, "suffix must be a text such as 'incoming/', got ['.csv'] (list, not str)"),
        ({"trigger": ["queue"]}, "trigger must be one of 'queue', 'direct', got ['queue']"),
        ({"output_bucket": 3}, "output_bucket must be BucketOptions(...) or an S3 bucket, got 3"),
        ({"table": "files"}, "table must be TableOptions(...) or a DynamoDB table, got 'files'"),
        ({"topic": "arn:aws:sns:x"}, "topic must be an SNS topic, got 'arn:aws:sns:x'"),
        ({"schema": "order"}, "schema must be a JSON Schema as a dict, got str"),
        (
            {"processor": "app.process"},
            "processor must be made by Handler.from_directory(folder, 'module.process'), got 'app.p",
        ),
        ({"limits": {"rows": 3}}, "limits must be FileLimits(...), got {'rows': 3} (dict, not FileLimits)"),
        (
            {"handler": "app.handler"},
            "handler must be made by Handler.from_directory(...), or Handler(code, 'module.function')",
        ),
        ({"worker": 30}, "worker must be WorkerOptions(...), got 30 (int, not WorkerOptions)"),
        ({"encryption_key": "alias/x"}, "encryption_key must be a KMS key, got 'alias/x'"),
        ({"operations": DEV}, "operations must be Operations(...), such as DEV.operations, got Environment(name='dev'"),
    ],
)
def test_a_value_of_another_type_is_refused_with_how_to_make_one(stack, options, message):
    with pytest.raises(PatternError) as raised:
        imports(stack, **options)
    assert str(raised.value).startswith(message)
    assert stack.node.children == []


# --- construct and handler agree


def test_construct_and_handler_agree_on_the_time_that_a_file_needs():
    assert LEAST_SECONDS < LEAST_TIMEOUT


def test_construct_and_handler_agree_on_the_limits(stack):
    imports(stack, trigger="direct")
    found = {name: value if isinstance(value, str) else "x" for name, value in variables(stack).items()}
    limits = ("MAX_OBJECT_BYTES", "MAX_DECOMPRESSED_BYTES", "MAX_ROWS", "MAX_PIXELS", "THUMBNAIL_PIXELS")
    without = {name: value for name, value in found.items() if name not in limits}
    assert Settings.from_environment(found) == Settings.from_environment(without)


@pytest.mark.parametrize(
    "limits", [{"rows": 100_000_000, "pixels": 200_000_000, "thumbnail": 4096}, {"object_size": Size.bytes(1)}]
)
def test_the_handler_takes_whatever_the_construct_does(stack, limits):
    imports(stack, trigger="direct", limits=FileLimits(**limits))
    assert Settings.from_environment(variables(stack))
