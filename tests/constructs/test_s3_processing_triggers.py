"""How files reach the function of S3Processing: through a queue, or straight from the bucket; and who may do what then."""

import graphlib

import pytest
from aws_cdk import CfnParameter, Duration
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns

from serverless_patterns import (
    Alerts,
    Capacity,
    Operations,
    PatternError,
    WorkerOptions,
)
from serverless_patterns._blocks.asynchronous import MAXIMUM_EVENT_AGE
from tests.support.circles import check_no_circle
from tests.support.imports import (
    CONSUME,
    DIRECT,
    LOGS,
    OWN,
    POLL,
    READ,
    SHAPES,
    WORK,
    XRAY,
    allowed_in,
    imports,
    pattern,
    resource_at,
    variables,
)
from tests.support.readable import permissions, properties_at, readable, rule_arn
from tests.support.synthesis import empty_stack, resources, template_of

MINUTE = Duration.minutes(1)

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
        # Outside a wildcard nothing is special; inside, a backslash is.
        ({"prefix": "50\\/"}, {"prefix": "50\\/"}),
        ({"prefix": "b\\c/", "suffix": ".csv"}, {"wildcard": "b\\\\c/*.csv"}),
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
    assert allowed["Condition"] == {"ArnEquals": {"aws:SourceArn": rule_arn(stack, "Imports/Rule")}}


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


@pytest.mark.parametrize("option", [{"max_concurrency": 5}, {"max_attempts": 4}, {"memory_size": 2048}, {"timeout": MINUTE}])
def test_a_worker_that_says_nothing_of_its_batches_works_objects_one_by_one(stack, option):
    imports(stack, worker=WorkerOptions(**option))
    assert properties_at(stack, "Imports/Source")["BatchSize"] == 1


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"max_concurrency": 2}, "max_concurrency of worker goes with a queue, got 2 with trigger='direct', which has none"),
        ({"max_attempts": 9}, "max_attempts of worker goes with a queue, got 9"),
        ({"batch_size": 10}, "batch_size of worker goes with a queue, got 10"),
        ({"retry_delay": MINUTE}, "retry_delay of worker goes with a queue"),
    ],
)
def test_what_only_a_queue_has_is_refused_without_one(stack, option, said):
    with pytest.raises(PatternError, match=said):
        imports(stack, trigger="direct", worker=WorkerOptions(**option))


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
            {"prefix": "day=1 (ä)/", "suffix": "+.csv"},
            [{"Name": "prefix", "Value": "day%3D1+(%C3%A4)/"}, {"Name": "suffix", "Value": "%2B.csv"}],
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
    assert any("FunctionRolePolicy" in name for name in resource_at(stack, "Imports/Invocation")["DependsOn"])
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
