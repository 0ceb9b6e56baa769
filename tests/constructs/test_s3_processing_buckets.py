"""The buckets of S3Processing: how they are kept, whose they may be, and who may upload."""

import pytest
from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_notifications as s3_notifications
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs

from serverless_patterns import (
    Alerts,
    BucketOptions,
    Operations,
    PatternError,
    TableOptions,
)
from tests.support.imports import (
    CONSUME,
    DIRECT,
    DIRECT_QUEUES,
    QUEUE_KEY,
    QUEUES,
    READ,
    REFUSE_HTTP,
    SHAPES,
    WORK,
    allowed_in,
    imports,
    own_table,
    pattern,
    resource_at,
    variables,
)
from tests.support.readable import permissions, properties_at
from tests.support.synthesis import empty_stack, new_app, resources, template_of

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
    imports(stack, table=TableOptions(stream=dynamodb.StreamViewType.NEW_IMAGE))
    table = properties_at(stack, "Imports/Table")
    assert table["KeySchema"] == [
        {"AttributeName": "object", "KeyType": "HASH"},
        {"AttributeName": "row", "KeyType": "RANGE"},
    ]
    assert table["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}


def test_the_topic_takes_announcements_with_tls_only(stack):
    imports(stack)
    (statement,) = properties_at(stack, "Imports/Topic/Policy")["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"], statement["Condition"]) == ("Deny", "sns:Publish", REFUSE_HTTP)
    assert "KmsMasterKeyId" not in properties_at(stack, "Imports/Topic")


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


# --- refusals


FEEDS_ITSELF = "output of 'Test/Imports' comes back as its input 'Test/{}' (Test/Imports -> Test/Imports): each result would be"


@pytest.mark.parametrize("prefix", ["", "r", "results/", "results/incoming/", "thumbnails/a"])
def test_results_may_not_go_below_the_prefix_that_is_worked(stack, prefix):
    mine = s3.Bucket(stack, "Mine")
    with pytest.raises(PatternError) as raised:
        imports(stack, bucket=mine, output_bucket=mine, prefix=prefix)
    assert str(raised.value).startswith(FEEDS_ITSELF.format(f"Mine/{prefix}"))


@pytest.mark.parametrize("imported", [False, True])
def test_one_bucket_may_be_worked_below_a_prefix_and_have_the_results_too(stack, imported):
    mine = s3.Bucket.from_bucket_name(stack, "Mine", "files") if imported else s3.Bucket(stack, "Mine")
    place = "arn:AWS::Partition:s3:::files" if imported else "Mine"
    found = imports(stack, bucket=mine, output_bucket=mine, prefix="incoming/")
    assert found.bucket is found.output_bucket is mine
    assert variables(stack)["BUCKET_NAME"] == variables(stack)["OUTPUT_BUCKET_NAME"]
    allowed = permissions(stack, "Imports/FunctionRole")
    assert {each: actions for each, actions in allowed.items() if each.startswith(place)} == {
        place: ["s3:ListBucket"],
        f"{place}/incoming/*": ["s3:GetObject", "s3:GetObjectVersion"],
        f"{place}/results/*": ["s3:PutObject"],
        f"{place}/thumbnails/*": ["s3:PutObject"],
    }
    buckets = [each.get("Properties", {}) for each in resources(template_of(stack), "AWS::S3::Bucket").values()]
    told = {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    assert buckets == ([] if imported else [{"NotificationConfiguration": told}])
    assert pattern(stack)["detail"]["object"] == {"key": [{"prefix": "incoming/"}]}


def test_a_bucket_that_is_worked_and_has_the_results_is_reached_through_its_key():
    stack = empty_stack(region="eu-central-1")
    mine = s3.Bucket(stack, "Mine", encryption_key=kms.Key(stack, "MineKey"))
    imports(stack, bucket=mine, output_bucket=mine, prefix="incoming/")
    assert permissions(stack, "Imports/FunctionRole")["MineKey"] == QUEUE_KEY


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
    assert str(raised.value).startswith(FEEDS_ITSELF.format(f"{mine.node.id}/"))
    fine = imports(stack, "Fine", bucket=mine, output_bucket=other, prefix="incoming/")
    assert fine.output_bucket is other


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
