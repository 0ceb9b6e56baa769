"""What a function's role needs though no call shows it: each rule by itself, and all of them over this repository's stacks."""

import pytest

from serverless_patterns.errors import PatternError
from serverless_patterns.testing.key_needs import key_needs
from serverless_patterns.testing.need import Need
from serverless_patterns.testing.needs import derived_needs
from serverless_patterns.testing.template import ResolvedTemplate

AT = "eu-central-1:123456789012"
STREAM = f"arn:aws:kinesis:{AT}:stream/Stream"
POLL_QUEUE = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
POLL_TABLE = {"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"}
POLL_KINESIS = {
    "kinesis:DescribeStream",
    "kinesis:DescribeStreamSummary",
    "kinesis:GetRecords",
    "kinesis:GetShardIterator",
    "kinesis:ListShards",
}
FUNCTION = {"Role": {"Fn::GetAtt": ["Role", "Arn"]}, "LoggingConfig": {"LogGroup": {"Ref": "Logs"}}}


def arn(logical_id):
    return {"Fn::GetAtt": [logical_id, "Arn"]}


def template_of(function=None, **others):
    """A function with these properties, and other resources as (type, properties)."""
    resources = {
        "Function": ("AWS::Lambda::Function", FUNCTION | (function or {})),
        "Role": ("AWS::IAM::Role", {}),
        "Logs": ("AWS::Logs::LogGroup", {}),
        **others,
    }
    return ResolvedTemplate.of(
        {"Resources": {name: {"Type": kind, "Properties": properties} for name, (kind, properties) in resources.items()}}
    )


def needs(function=None, **others):
    """Resource -> actions, without those of its log."""
    template = template_of(function, **others)
    found = {}
    for need in derived_needs(template, template.functions[0]):
        if not need.action.startswith("logs:"):
            found.setdefault(need.resource, set()).add(need.action)
    return found


def mapping(source, **properties):
    return ("AWS::Lambda::EventSourceMapping", {"FunctionName": {"Ref": "Function"}, "EventSourceArn": source, **properties})


def test_a_function_writes_its_own_log_and_no_other():
    template = template_of(Other=("AWS::Logs::LogGroup", {}))
    streams = f"arn:aws:logs:{AT}:log-group:Logs:log-stream:*"
    assert derived_needs(template, template.functions[0]) == [
        Need("logs:CreateLogStream", streams),
        Need("logs:PutLogEvents", streams),
    ]


def test_a_function_without_a_log_group_makes_one():
    template = template_of({"LoggingConfig": {}})
    group = f"arn:aws:logs:{AT}:log-group:/aws/lambda/Function"
    found = derived_needs(template, template.functions[0])
    assert Need("logs:CreateLogGroup", group) in found
    assert Need("logs:PutLogEvents", f"{group}:log-stream:*") in found


@pytest.mark.parametrize(
    ("mode", "actions"), [("Active", {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}), ("PassThrough", set())]
)
def test_traces_are_sent_only_where_tracing_is_active(mode, actions):
    assert needs({"TracingConfig": {"Mode": mode}}).get("*", set()) == actions


def test_a_function_in_a_vpc_has_network_interfaces():
    found = needs({"VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}})
    assert {"ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces"} <= found["*"]


def test_a_queue_is_polled():
    assert needs(Queue=("AWS::SQS::Queue", {}), Source=mapping(arn("Queue"))) == {f"arn:aws:sqs:{AT}:Queue": POLL_QUEUE}


def test_the_mapping_of_another_function_is_its_own_affair():
    other = ("AWS::Lambda::EventSourceMapping", {"FunctionName": "Function2", "EventSourceArn": arn("Queue")})
    assert needs(Queue=("AWS::SQS::Queue", {}), Source=other) == {}


@pytest.mark.parametrize(
    "name", ["Function", f"arn:aws:lambda:{AT}:function:Function", f"arn:aws:lambda:{AT}:function:Function:live"]
)
def test_a_mapping_may_name_its_function_in_each_way(name):
    source = ("AWS::Lambda::EventSourceMapping", {"FunctionName": name, "EventSourceArn": f"arn:aws:sqs:{AT}:q"})
    assert needs(Source=source) == {f"arn:aws:sqs:{AT}:q": POLL_QUEUE}


def test_the_stream_of_a_table_is_polled():
    found = needs(Table=("AWS::DynamoDB::GlobalTable", {}), Source=mapping({"Fn::GetAtt": ["Table", "StreamArn"]}))
    ((stream, actions),) = found.items()
    assert stream.startswith(f"arn:aws:dynamodb:{AT}:table/Table/stream/")
    assert actions == POLL_TABLE


def test_a_kinesis_stream_is_polled():
    assert needs(Stream=("AWS::Kinesis::Stream", {}), Source=mapping(arn("Stream"))) == {STREAM: POLL_KINESIS}


def test_an_enhanced_consumer_subscribes_and_its_stream_is_described():
    consumer = ("AWS::Kinesis::StreamConsumer", {"StreamARN": arn("Stream"), "ConsumerName": "c"})
    found = needs(Stream=("AWS::Kinesis::Stream", {}), Consumer=consumer, Source=mapping({"Ref": "Consumer"}))
    assert found == {STREAM: POLL_KINESIS, f"{STREAM}/consumer/c:1767225600": {"kinesis:SubscribeToShard"}}


KAFKA = f"arn:aws:kafka:{AT}:cluster/orders/1234"
UNKNOWN_SOURCES = {
    "Amazon MSK": ({"EventSourceArn": KAFKA}, KAFKA),
    "Amazon MQ": ({"EventSourceArn": f"arn:aws:mq:{AT}:broker:b:1"}, f"arn:aws:mq:{AT}:broker:b:1"),
    "Kafka of one's own": ({"SelfManagedEventSource": {"Endpoints": {}}}, "a source with no EventSourceArn"),
}


@pytest.mark.parametrize("case", UNKNOWN_SOURCES)
def test_a_source_whose_polling_is_not_known_is_refused_by_name(case):
    properties, named = UNKNOWN_SOURCES[case]
    source = ("AWS::Lambda::EventSourceMapping", {"FunctionName": {"Ref": "Function"}, **properties})
    with pytest.raises(
        PatternError, match=f"Source: what polling {named} needs is not known here: only of sqs, dynamodb, kinesis"
    ):
        needs(Source=source)


def test_a_source_of_another_stack_is_asked_for():
    with pytest.raises(
        PatternError, match=r"polling \$\{Import:shared:Queue\} needs is not known here: give it.*'shared:Queue'"
    ):
        needs(Source=mapping({"Fn::ImportValue": "shared:Queue"}))


def test_a_destination_that_takes_nothing_known_is_refused_by_name():
    given_up = {"DestinationConfig": {"OnFailure": {"Destination": KAFKA}}}
    with pytest.raises(PatternError, match=f"what sending to {KAFKA} needs is not known here"):
        needs(Source=mapping(STREAM, **given_up))


DESTINATIONS = {
    "AWS::SQS::Queue": {f"arn:aws:sqs:{AT}:Target": {"sqs:SendMessage"}},
    "AWS::SNS::Topic": {f"arn:aws:sns:{AT}:Target": {"sns:Publish"}},
    "AWS::S3::Bucket": {"arn:aws:s3:::target/aws/lambda/*": {"s3:PutObject"}, "arn:aws:s3:::target": {"s3:ListBucket"}},
    "AWS::Events::EventBus": {f"arn:aws:events:{AT}:event-bus/Target": {"events:PutEvents"}},
    "AWS::Lambda::Function": {f"arn:aws:lambda:{AT}:function:Target": {"lambda:InvokeFunction"}},
}


@pytest.mark.parametrize("kind", DESTINATIONS)
@pytest.mark.parametrize("result", ["OnFailure", "OnSuccess"])
def test_the_results_of_asynchronous_invocations_are_sent(kind, result):
    target = {"Ref": "Target"} if kind == "AWS::SNS::Topic" else arn("Target")
    config = {"FunctionName": {"Ref": "Function"}, "DestinationConfig": {result: {"Destination": target}}}
    other = (kind, {"Role": "r"} if kind == "AWS::Lambda::Function" else {})
    assert needs(Target=other, Config=("AWS::Lambda::EventInvokeConfig", config)) == DESTINATIONS[kind]


def test_what_a_mapping_gives_up_on_is_sent():
    given_up = {"DestinationConfig": {"OnFailure": {"Destination": arn("Target")}}}
    found = needs(Target=("AWS::SQS::Queue", {}), Source=mapping(STREAM, **given_up))
    assert found == {STREAM: POLL_KINESIS, f"arn:aws:sqs:{AT}:Target": {"sqs:SendMessage"}}


def test_failed_events_are_sent_to_the_dead_letter_queue_of_the_function():
    assert needs({"DeadLetterConfig": {"TargetArn": f"arn:aws:sqs:{AT}:dead"}}) == {
        f"arn:aws:sqs:{AT}:dead": {"sqs:SendMessage"}
    }


def test_variables_with_a_key_are_decrypted():
    key = ("AWS::KMS::Key", {})
    template = template_of({"KmsKeyArn": arn("Key")}, Key=key)
    (need,) = [each for each in derived_needs(template, template.functions[0]) if each.action.startswith("kms:")]
    assert (need.action, need.resource) == ("kms:Decrypt", template.resources["Key"].arn)
    assert need.context == {"kms:ViaService": "lambda.eu-central-1.amazonaws.com"}


def test_a_file_system_is_mounted():
    assert needs({"FileSystemConfigs": [{"Arn": "arn:fs", "LocalMountPath": "/mnt/a"}]}) == {
        "arn:fs": {"elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"}
    }


@pytest.mark.parametrize("name", [arn("Key"), {"Ref": "Key"}, {"Ref": "Alias"}])
def test_polling_a_queue_with_a_key_decrypts(name):
    resources = {
        "Key": ("AWS::KMS::Key", {}),
        "Alias": ("AWS::KMS::Alias", {"AliasName": "alias/app", "TargetKeyId": {"Ref": "Key"}}),
        "Queue": ("AWS::SQS::Queue", {"KmsMasterKeyId": name}),
    }
    template = template_of(**resources, Source=mapping(arn("Queue")))
    found = [need for need in derived_needs(template, template.functions[0]) if need.action.startswith("kms:")]
    assert found == [Need("kms:Decrypt", template.resources["Key"].arn)]
    assert found[0].context == {"kms:ViaService": "sqs.eu-central-1.amazonaws.com"}


@pytest.mark.parametrize(
    ("key", "name"), [({"Fn::GetAtt": ["Replica", "Arn"]}, "Replica.Arn"), ({"Fn::ImportValue": "shared:Key"}, "shared:Key")]
)
def test_a_key_that_is_not_known_is_refused_where_it_is_used(key, name):
    resources = {"Replica": ("AWS::KMS::ReplicaKey", {}), "Queue": ("AWS::SQS::Queue", {"KmsMasterKeyId": key})}
    assert needs(**resources) == {}
    with pytest.raises(PatternError, match=rf"Queue has a key that is not known: .*imports=\{{'{name}': value\}}"):
        needs(**resources, Source=mapping(arn("Queue")))


def test_a_key_that_is_not_known_does_no_harm_where_none_is_used():
    template = template_of(Queue=("AWS::SQS::Queue", {"KmsMasterKeyId": {"Fn::ImportValue": "shared:Key"}}))
    assert key_needs(template, [Need("sqs:DeleteMessage", template.resources["Queue"].arn)]) == []


KEYED = {
    "AWS::SQS::Queue": ({"KmsMasterKeyId": arn("Key")}, "sqs:SendMessage", "", {"kms:Decrypt", "kms:GenerateDataKey"}),
    "AWS::SNS::Topic": ({"KmsMasterKeyId": arn("Key")}, "sns:Publish", "", {"kms:Decrypt", "kms:GenerateDataKey"}),
    "AWS::SecretsManager::Secret": ({"KmsKeyId": arn("Key")}, "secretsmanager:GetSecretValue", "", {"kms:Decrypt"}),
    "AWS::DynamoDB::Table": (
        {"SSESpecification": {"KMSMasterKeyId": arn("Key")}},
        "dynamodb:Query",
        "/index/state",
        {"kms:Decrypt"},
    ),
    "AWS::DynamoDB::GlobalTable": (
        {"Replicas": [{"SSESpecification": {"KMSMasterKeyId": arn("Key")}}]},
        "dynamodb:PutItem",
        "",
        {"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"},
    ),
    "AWS::S3::Bucket": (
        {
            "BucketEncryption": {
                "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"KMSMasterKeyID": arn("Key")}}]
            }
        },
        "s3:GetObject",
        "/in/a.csv",
        {"kms:Decrypt"},
    ),
    "AWS::Kinesis::Stream": ({"StreamEncryption": {"KeyId": arn("Key")}}, "kinesis:PutRecords", "", {"kms:GenerateDataKey"}),
}


@pytest.mark.parametrize("kind", KEYED)
def test_using_a_resource_with_a_key_uses_the_key(kind):
    properties, action, below, expected = KEYED[kind]
    template = template_of(Key=("AWS::KMS::Key", {}), One=(kind, properties), Two=(kind, {}))
    one, two = template.resources["One"].arn, template.resources["Two"].arn
    found = key_needs(template, [Need(action, f"{one}{below}")])
    assert {need.action for need in found} == expected
    assert {need.resource for need in found} == {template.resources["Key"].arn}
    assert key_needs(template, [Need(action, f"{two}{below}")]) == []


def test_reading_the_secret_that_a_database_keeps_uses_its_key():
    database = {"KmsKeyId": "arn:aws:kms:eu-central-1:1:key/storage", "MasterUserSecret": {"KmsKeyId": arn("Key")}}
    template = template_of(Key=("AWS::KMS::Key", {}), Database=("AWS::RDS::DBCluster", database))
    secret = template.attribute("Database", "MasterUserSecret.SecretArn")
    found = key_needs(
        template, [Need("secretsmanager:GetSecretValue", secret), Need("rds:X", template.resources["Database"].arn)]
    )
    assert found == [Need("kms:Decrypt", template.resources["Key"].arn)]


def test_an_action_that_touches_no_content_uses_no_key():
    template = template_of(Key=("AWS::KMS::Key", {}), One=("AWS::SQS::Queue", {"KmsMasterKeyId": arn("Key")}))
    assert key_needs(template, [Need("sqs:DeleteMessage", template.resources["One"].arn)]) == []


def test_a_key_that_aws_manages_needs_no_permission():
    template = template_of(One=("AWS::SQS::Queue", {"KmsMasterKeyId": "alias/aws/sqs"}))
    assert key_needs(template, [Need("sqs:SendMessage", template.resources["One"].arn)]) == []


def test_all_that_the_stacks_of_this_repository_need_is_granted(templates):
    for stack in templates["prod"].values():
        template = ResolvedTemplate.of(stack)
        for function in template.functions:
            permissions = template.permissions(function.role)
            assert [need for need in derived_needs(template, function) if not permissions.allows(need)] == []
