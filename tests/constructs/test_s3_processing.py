"""S3Processing as a whole: its key, its outputs, its alarms, and the arguments that it refuses."""

import pytest
from aws_cdk import Duration
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns

from serverless_patterns import (
    DEV,
    Alerts,
    PatternError,
    SqsPipeline,
    TableOptions,
    WorkerOptions,
)
from tests.support.circles import check_no_circle
from tests.support.imports import CONSUME, DIRECT, DIRECT_QUEUES, QUEUE_KEY, QUEUES, READ, TABLE_KEY, WORK, imports
from tests.support.readable import alarms, key_statements, permissions, properties_at, readable
from tests.support.synthesis import empty_stack, resources, template_of

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


@pytest.mark.parametrize("options", [{}, {"stream": dynamodb.StreamViewType.NEW_IMAGE}])
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


def test_rules_of_this_account_and_region_may_use_the_key_and_of_other_services_logs_only():
    owner, service = key_statements(keyed(), "Key")
    assert (owner["Action"], owner["Principal"]) == ("kms:*", {"AWS": "arn:aws:iam::AWS::AccountId:root"})
    assert service == {
        "Action": QUEUE_KEY,
        "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:events:eu-central-1:AWS::AccountId:rule/*"}},
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Resource": "*",
    }


def test_without_a_rule_no_service_but_that_of_logs_may_use_the_key():
    (owner,) = key_statements(keyed(trigger="direct"), "Key")
    assert owner["Action"] == "kms:*"


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
            "UnexpectedErrors": ("critical", "UnexpectedErrors", 1),
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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trigger": "s3"}, "trigger must be one of 'queue', 'direct', got 's3'"),
        ({"trigger": None}, "trigger must be one of 'queue', 'direct', got None"),
        ({"prefix": "a" * 1025}, "prefix must have at most 1024 bytes, as a key of S3 has, got 1025"),
        (
            {"prefix": "incoming/*"},
            (
                "prefix must be a part of keys, without '*' and '?', got 'incoming/*': no key would match it; leave them out, "
                "since all keys that begin so are worked"
            ),
        ),
        (
            {"suffix": "-?.csv"},
            (
                "suffix must be a part of keys, without '*' and '?', got '-?.csv': no key would match it; leave them out, "
                "since all keys that end so are worked"
            ),
        ),
        ({"prefix": "/incoming"}, "prefix must not begin with '/', got '/incoming': no key would match it; write 'incoming'"),
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
        ({"operations": DEV}, "operations must be Operations(...), such as DEV.operations, got <Environment>"),
    ],
)
def test_a_value_of_another_type_is_refused_with_how_to_make_one(stack, options, message):
    with pytest.raises(PatternError) as raised:
        imports(stack, **options)
    assert str(raised.value).startswith(message)
    assert stack.node.children == []
