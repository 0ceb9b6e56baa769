"""SnsFanout: who gets which message, by what right, and what is refused."""

import re
from types import MappingProxyType

import pytest
from aws_cdk import CfnParameter, Duration, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from constructs import Construct

from serverless_patterns import (
    DEV,
    Alerts,
    AuditTrail,
    Capacity,
    Handler,
    Notification,
    Operations,
    PatternError,
    SnsFanout,
    SqsPipeline,
    TableOptions,
    Totals,
    WorkerOptions,
)
from serverless_patterns._blocks.asynchronous import MAXIMUM_EVENT_AGE
from tests.support.readable import alarms, permissions, properties_at, readable
from tests.support.synthesis import empty_stack, new_app, resources, template_of

OWN = Handler(lambda_.Code.from_inline("def handler(event, context): ..."), "index.handler")
LOGS = ["logs:CreateLogStream", "logs:PutLogEvents"]
XRAY = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
POLL = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
QUEUE_KEY = ["kms:Decrypt", "kms:GenerateDataKey"]
TABLE_KEY = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"]
#: What the function of any subscriber with a queue may do.
CONSUME = {
    "Events/One/FunctionLogs": LOGS,
    "*": XRAY,
    "Events/One/Queue": POLL,
    "Events/One/DeadLetterQueue": ["sqs:SendMessage"],
}
REFUSE_HTTP = {"Bool": {"aws:SecureTransport": "false"}}
TOPIC = "arn:aws:sns:eu-central-1:111122223333:events"


def fanout(scope: Construct, construct_id: str = "Events", **options: object) -> SnsFanout:
    return SnsFanout(scope, construct_id, **options)


def one(scope: Construct, handler=OWN, *, topic=None, **options):
    """A fan-out with one subscriber."""
    return fanout(scope, topic=topic).add_subscriber("One", handler=handler, **options)


def subscription(stack, name="One"):
    return properties_at(stack, f"Events/{name}/Subscription")


def variables(stack, name="One"):
    return properties_at(stack, f"Events/{name}/Function")["Environment"]["Variables"]


def allowed_in(stack, queue):
    """The statements of a queue's policy that allow something."""
    statements = properties_at(stack, f"{queue}/Policy")["PolicyDocument"]["Statement"]
    refused = [each for each in statements if each["Effect"] == "Deny"]
    assert [each["Condition"] for each in refused] == [REFUSE_HTTP]
    return [each for each in statements if each["Effect"] == "Allow"]


def dependencies(stack, path):
    """The paths of what is there before the construct at this path."""
    construct = stack
    for name in path.split("/"):
        construct = construct.node.find_child(name)
    found = template_of(stack)["Resources"][stack.get_logical_id(construct)].get("DependsOn", [])
    return readable(stack, [{"Ref": each} for each in found])


# --- a subscriber with a queue


def test_a_subscriber_gets_each_message_as_it_was_published_and_what_is_not_delivered_is_kept(stack):
    one(stack)
    assert subscription(stack) == {
        "Endpoint": "Events/One/Queue",
        "Protocol": "sqs",
        "RawMessageDelivery": True,
        "RedrivePolicy": {"deadLetterTargetArn": "Events/One/DeliveryDeadLetterQueue"},
        "TopicArn": "Events/Topic",
    }


@pytest.mark.parametrize("queue", ["Queue", "DeliveryDeadLetterQueue"])
def test_only_this_topic_may_send_to_the_queues(stack, queue):
    one(stack)
    assert allowed_in(stack, f"Events/One/{queue}") == [
        {
            "Action": "sqs:SendMessage",
            "Condition": {"ArnEquals": {"aws:SourceArn": "Events/Topic"}},
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Resource": f"Events/One/{queue}",
        }
    ]


def test_nobody_is_let_into_the_dead_letter_queue_by_its_policy(stack):
    one(stack)
    assert allowed_in(stack, "Events/One/DeadLetterQueue") == []


@pytest.mark.parametrize("direct", [False, True])
def test_a_message_is_delivered_only_when_it_may_be(stack, direct):
    """What a live topic publishes between the subscription and the permission would be lost."""
    one(stack, direct=direct)
    assert sorted(dependencies(stack, "Events/One/Subscription")) == [
        "Events/One/DeliveryDeadLetterQueue/Policy",
        "Events/One/Permission" if direct else "Events/One/Queue/Policy",
    ]


def test_what_is_not_delivered_or_not_worked_is_kept_for_fourteen_days(stack):
    one(stack)
    for name in ("DeliveryDeadLetterQueue", "DeadLetterQueue"):
        assert properties_at(stack, f"Events/One/{name}")["MessageRetentionPeriod"] == 14 * 86_400


def test_a_subscribers_queue_and_worker_are_as_the_options_say(stack):
    worker = WorkerOptions(timeout=Duration.seconds(60), batch_size=20, batch_window=Duration.seconds(3), max_attempts=3)
    subscriber = one(stack, worker=worker)
    queue = properties_at(stack, "Events/One/Queue")
    assert queue["VisibilityTimeout"] == 363
    assert queue["RedrivePolicy"] == {"deadLetterTargetArn": "Events/One/DeadLetterQueue", "maxReceiveCount": 3}
    source = properties_at(stack, "Events/One/Source")
    assert (source["BatchSize"], source["MaximumBatchingWindowInSeconds"]) == (20, 3)
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert properties_at(stack, "Events/One/Function")["Timeout"] == subscriber.timeout.to_seconds() == 60
    assert variables(stack)["MAX_RECEIVE_COUNT"] == "3"


def test_a_bundled_worker_has_receives_to_spare_for_moving_a_message_itself(stack):
    one(stack, AuditTrail(), worker=WorkerOptions(max_attempts=3))
    assert properties_at(stack, "Events/One/Queue")["RedrivePolicy"]["maxReceiveCount"] == 6
    assert variables(stack)["MAX_RECEIVE_COUNT"] == "3"


def test_what_only_a_queue_has_is_refused_without_one(stack):
    worker = WorkerOptions(max_concurrency=2, max_attempts=2)
    with pytest.raises(PatternError, match="max_concurrency of worker goes with a queue, got 2 with direct=True"):
        fanout(stack).add_subscriber("One", handler=OWN, direct=True, worker=worker)


@pytest.mark.parametrize("direct", [False, True])
def test_a_subscriber_has_the_memory_that_is_given(stack, direct):
    events = fanout(stack)
    events.add_subscriber("One", handler=OWN, direct=direct, worker=WorkerOptions(memory_size=2048))
    events.add_subscriber("Two", handler=OWN, direct=direct)
    assert [properties_at(stack, f"Events/{name}/Function")["MemorySize"] for name in ("One", "Two")] == [2048, 512]


def test_no_subscriber_may_be_in_a_loop(stack):
    """Lambda stops what looks like one, unless it is told otherwise."""
    one(stack, AuditTrail())
    assert "RecursiveLoop" not in properties_at(stack, "Events/One/Function")


def test_an_environment_takes_its_share_of_each_subscribers_concurrency(stack):
    events = fanout(stack, operations=Operations(capacity=Capacity(share=0.5)))
    events.add_subscriber("One", handler=OWN)
    events.add_subscriber("Two", handler=OWN, worker=WorkerOptions(max_concurrency=2))
    found = [properties_at(stack, f"Events/{name}/Source")["ScalingConfig"]["MaximumConcurrency"] for name in ("One", "Two")]
    assert found == [5, 2]


def test_code_of_ones_own_has_the_settings_of_its_queue_and_its_own(stack):
    one(stack, environment={"TABLE": "mine"})
    assert variables(stack) == {
        "DEAD_LETTER_QUEUE_URL": "Events/One/DeadLetterQueue",
        "DEBUG_SAMPLE_RATE": "0.01",
        "LOG_LEVEL": "INFO",
        "MAX_RECEIVE_COUNT": "5",
        "POWERTOOLS_SERVICE_NAME": "One",
        "QUEUE_URL": "Events/One/Queue",
        "RETRY_DELAY_SECONDS": "30",
        "TABLE": "mine",
    }
    assert permissions(stack, "Events/One/FunctionRole") == CONSUME


def test_each_variable_of_a_subscribers_queue_and_log_is_taken(stack):
    """It would be overwritten, or say something else than the operations, without a word."""
    one(stack)
    for name in variables(stack):
        with pytest.raises(PatternError, match=f"environment must not have {name}: the function is told something by it"):
            one(empty_stack(), environment={"MINE": "1", name: "other"})


def test_a_subscriber_without_a_queue_may_be_told_of_another_one(stack):
    one(stack, direct=True, environment={"QUEUE_URL": "mine"})
    assert variables(stack)["QUEUE_URL"] == "mine"
    with pytest.raises(PatternError, match="environment must not have LOG_LEVEL: "):
        one(empty_stack(), direct=True, environment={"LOG_LEVEL": "ERROR"})


def test_variables_that_no_code_of_ones_own_would_read_are_refused(stack):
    message = "environment is for a handler of yours, got {'A': 'b'} without one: give a handler, or leave it out"
    with pytest.raises(PatternError) as raised:
        one(stack, AuditTrail(), environment={"A": "b"})
    assert str(raised.value) == message


def test_what_a_subscriber_is_made_of_is_exposed(stack):
    events = fanout(stack)
    subscriber = events.add_subscriber("One", handler=OWN)
    assert events.subscribers == {"One": subscriber}
    names = (subscriber.function, subscriber.queue, subscriber.dead_letter_queue, subscriber.delivery_dead_letter_queue)
    assert [each.node.id for each in names] == ["Function", "Queue", "DeadLetterQueue", "DeliveryDeadLetterQueue"]


# --- filters


def test_a_filter_looks_at_attributes_or_at_the_body(stack):
    policy = {"event_type": ["orders.paid", {"prefix": "refund."}]}
    events = fanout(stack)
    events.add_subscriber("Attributes", handler=OWN, filter_policy=policy)
    body = {"data": {"amount": [{"numeric": [">=", 100]}]}}
    events.add_subscriber("Body", handler=OWN, filter_policy=body, filter_on="body")
    found = {name: subscription(stack, name) for name in ("Attributes", "Body")}
    assert found["Attributes"]["FilterPolicy"] == policy
    assert "FilterPolicyScope" not in found["Attributes"]
    assert found["Body"]["FilterPolicy"] == body
    assert found["Body"]["FilterPolicyScope"] == "MessageBody"


def test_a_filter_may_be_of_any_mapping_and_any_sequence(stack):
    one(stack, filter_policy=MappingProxyType({"type": ("a", {"anything-but": ("b",)})}))
    assert subscription(stack)["FilterPolicy"] == {"type": ["a", {"anything-but": ["b"]}]}


def test_a_filter_may_have_tokens(stack):
    one(stack, filter_policy={"account": [stack.account]})
    assert subscription(stack)["FilterPolicy"] == {"account": ["AWS::AccountId"]}


@pytest.mark.parametrize("add", ["add_subscriber", "add_email", "add_https_endpoint"])
def test_a_filter_that_nothing_passes_is_refused_for_each_kind_of_subscriber(stack, add):
    how = {
        "add_subscriber": {"handler": OWN},
        "add_email": {"address": "a@example.com"},
        "add_https_endpoint": {"url": "https://a.example"},
    }[add]
    events = fanout(stack)
    message = "filter_policy['type'] is an empty list, which matches nothing: list the values, or leave the key out"
    with pytest.raises(PatternError, match=re.escape(message)):
        getattr(events, add)("One", filter_policy={"type": []}, **how)
    with pytest.raises(PatternError, match="filter_on must be one of 'attributes', 'body', got 'header'"):
        getattr(events, add)("One", filter_on="header", **how)
    assert events.subscribers == {}
    assert events.node.try_find_child("One") is None


# --- without a queue


def test_sns_invokes_the_function_itself_with_direct(stack):
    subscriber = one(stack, direct=True)
    assert subscription(stack) == {
        "Endpoint": "Events/One/Function",
        "Protocol": "lambda",
        "RedrivePolicy": {"deadLetterTargetArn": "Events/One/DeliveryDeadLetterQueue"},
        "TopicArn": "Events/Topic",
    }
    assert properties_at(stack, "Events/One/Permission") == {
        "Action": "lambda:InvokeFunction",
        "FunctionName": "Events/One/Function",
        "Principal": "sns.amazonaws.com",
        "SourceArn": "Events/Topic",
    }
    assert subscriber.queue is None
    assert resources(template_of(stack), "AWS::Lambda::EventSourceMapping") == {}


def test_an_event_that_fails_for_good_is_kept_with_the_reason(stack):
    one(stack, direct=True)
    assert properties_at(stack, "Events/One/Invocation") == {
        "DestinationConfig": {"OnFailure": {"Destination": "Events/One/DeadLetterQueue"}},
        "FunctionName": "Events/One/Function",
        "MaximumEventAgeInSeconds": MAXIMUM_EVENT_AGE,
        "MaximumRetryAttempts": 2,
        "Qualifier": "$LATEST",
    }
    assert "DeadLetterConfig" not in properties_at(stack, "Events/One/Function")
    assert any(each.endswith("FunctionRole/Policy") for each in dependencies(stack, "Events/One/Invocation"))


def test_a_function_without_a_queue_may_keep_what_failed_and_nothing_else(stack):
    one(stack, direct=True)
    assert permissions(stack, "Events/One/FunctionRole") == {
        "Events/One/FunctionLogs": LOGS,
        "*": XRAY,
        "Events/One/DeadLetterQueue": ["sqs:SendMessage"],
    }
    assert not {"QUEUE_URL", "DEAD_LETTER_QUEUE_URL", "MAX_RECEIVE_COUNT"} & variables(stack).keys()


def test_the_timeout_counts_without_a_queue_too(stack):
    assert one(stack, direct=True, worker=WorkerOptions(timeout=Duration.seconds(7))).timeout.to_seconds() == 7
    assert properties_at(stack, "Events/One/Function")["Timeout"] == 7


# --- addresses and endpoints


def test_an_address_and_an_endpoint_get_messages_too_and_what_they_miss_is_kept(stack):
    events = fanout(stack)
    mail = events.add_email("Mail", address="orders@example.com", filter_policy={"event_type": ["orders.failed"]})
    endpoint = events.add_https_endpoint("Partner", url="https://partner.example.com/orders?key=1")
    assert subscription(stack, "Mail") == {
        "Endpoint": "orders@example.com",
        "FilterPolicy": {"event_type": ["orders.failed"]},
        "Protocol": "email",
        "RedrivePolicy": {"deadLetterTargetArn": "Events/Mail/DeliveryDeadLetterQueue"},
        "TopicArn": "Events/Topic",
    }
    partner = subscription(stack, "Partner")
    assert (partner["Endpoint"], partner["Protocol"]) == ("https://partner.example.com/orders?key=1", "https")
    assert "RawMessageDelivery" not in partner
    assert (mail.function, mail.queue, endpoint.dead_letter_queue) == (None, None, None)
    assert resources(template_of(stack), "AWS::Lambda::Function") == {}


def test_an_address_and_a_url_may_be_tokens(stack):
    events = fanout(stack)
    events.add_email("Mail", address=CfnParameter(stack, "Address").value_as_string)
    events.add_https_endpoint("Partner", url=CfnParameter(stack, "Url").value_as_string)
    assert [subscription(stack, name)["Endpoint"] for name in ("Mail", "Partner")] == ["Address", "Url"]


@pytest.mark.parametrize("address", ["orders", "a b@example.com", "a@b", "a@example.com, b@example.com", None, 3])
def test_what_is_no_address_is_refused(stack, address):
    with pytest.raises(PatternError) as raised:
        fanout(stack).add_email("Mail", address=address)
    assert str(raised.value) == f"address must be an e-mail address, got {address!r}"


@pytest.mark.parametrize("url", ["http://a.example", "https://", "https:///path", "a.example", "https://a.example/ b", None])
def test_what_is_no_https_url_is_refused(stack, url):
    with pytest.raises(PatternError) as raised:
        fanout(stack).add_https_endpoint("Partner", url=url)
    assert str(raised.value) == f"url must be an https URL, got {url!r}"


# --- the bundled actions


def test_the_audit_trail_may_only_add_rows(stack):
    one(stack, AuditTrail())
    assert permissions(stack, "Events/One/FunctionRole") == {**CONSUME, "Events/One/Table": ["dynamodb:PutItem"]}
    assert {"ACTION": "audit", "TABLE_NAME": "Events/One/Table"}.items() <= variables(stack).items()


def test_the_totals_may_add_marks_and_count(stack):
    one(stack, Totals())
    assert permissions(stack, "Events/One/FunctionRole") == {
        **CONSUME,
        "Events/One/Table": ["dynamodb:PutItem", "dynamodb:UpdateItem"],
    }
    assert {"ACTION": "aggregate", "TABLE_NAME": "Events/One/Table"}.items() <= variables(stack).items()
    expiry = properties_at(stack, "Events/One/Table")["TimeToLiveSpecification"]
    assert expiry == {"AttributeName": "expires_at", "Enabled": True}


def test_the_notification_may_only_publish(stack):
    one(stack, Notification())
    topic = "Events/One/NotificationTopic"
    assert permissions(stack, "Events/One/FunctionRole") == {**CONSUME, topic: ["sns:Publish"]}
    assert {"ACTION": "notification", "NOTIFICATION_TOPIC_ARN": topic}.items() <= variables(stack).items()


def test_actions_take_tables_and_topics_of_ones_own(stack):
    key = dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING)
    audit, totals = (dynamodb.TableV2(stack, name, partition_key=key) for name in ("Audited", "Counted"))
    people = sns.Topic(stack, "People")
    events = fanout(stack)
    for name, action in (
        ("Audit", AuditTrail(table=audit)),
        ("Totals", Totals(table=totals)),
        ("Notification", Notification(topic=people)),
    ):
        events.add_subscriber(name, handler=action)
    allowed = [permissions(stack, f"Events/{name}/FunctionRole") for name in ("Audit", "Totals", "Notification")]
    assert allowed[0]["Audited"] == ["dynamodb:PutItem"]
    assert allowed[1]["Counted"] == ["dynamodb:PutItem", "dynamodb:UpdateItem"]
    assert allowed[2]["People"] == ["sns:Publish"]
    assert len(resources(template_of(stack), "AWS::DynamoDB::GlobalTable")) == 2


@pytest.mark.parametrize("action", [AuditTrail, Totals])
def test_the_table_of_an_action_takes_options_and_has_the_key_of_the_pattern_all_the_same(action):
    stack = empty_stack(region="eu-central-1")
    options = TableOptions(stream=dynamodb.StreamViewType.NEW_IMAGE)
    fanout(stack, encryption_key=kms.Key(stack, "Key")).add_subscriber("One", handler=action(table=options))
    table = properties_at(stack, "Events/One/Table")
    assert table["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}
    assert table.get("TimeToLiveSpecification", {}).get("AttributeName") == ("expires_at" if action is Totals else None)
    assert table["Replicas"][0]["SSESpecification"] == {"KMSMasterKeyId": "Key"}


@pytest.mark.parametrize("action", [AuditTrail, Totals])
def test_a_table_of_ones_own_with_another_key_is_refused(stack, action):
    table = dynamodb.TableV2(stack, "Mine", partition_key=dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING))
    message = "table must have the partition key 'id' of type string and no sort key, got pk (S)"
    with pytest.raises(PatternError, match=re.escape(message)):
        one(stack, action(table=table))


def test_people_are_not_told_through_a_fifo_topic(stack):
    topic = sns.Topic(stack, "People", fifo=True)
    message = "topic must be a standard topic: a FIFO topic reaches queues only, not people"
    with pytest.raises(PatternError, match=message):
        one(stack, Notification(topic=topic))


# --- keys


def keyed_stack():
    stack = empty_stack(region="eu-central-1")
    return stack, kms.Key(stack, "Key")


def test_a_customer_managed_key_encrypts_topics_queues_and_tables():
    stack, key = keyed_stack()
    events = fanout(stack, encryption_key=key)
    events.add_subscriber("One", handler=AuditTrail())
    events.add_subscriber("Two", handler=Notification(), direct=True)
    found = resources(template_of(stack), "AWS::SQS::Queue") | resources(template_of(stack), "AWS::SNS::Topic")
    assert len(found) == 7
    assert {readable(stack, each["Properties"]["KmsMasterKeyId"]) for each in found.values()} == {"Key"}
    (replica,) = properties_at(stack, "Events/One/Table")["Replicas"]
    assert replica["SSESpecification"] == {"KMSMasterKeyId": "Key"}


def test_topics_of_this_account_and_region_may_use_the_key_and_no_other_service():
    stack, key = keyed_stack()
    fanout(stack, encryption_key=key)
    owner, service = properties_at(stack, "Key")["KeyPolicy"]["Statement"]
    assert owner["Action"] == "kms:*"
    assert service == {
        "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
        "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:sns:eu-central-1:AWS::AccountId:*"}},
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Resource": "*",
    }


def test_functions_use_the_key_as_far_as_they_need_it():
    stack, key = keyed_stack()
    events = fanout(stack, encryption_key=key)
    events.add_subscriber("One", handler=AuditTrail())
    events.add_subscriber("Two", handler=Notification(), direct=True)
    events.add_subscriber("Three", handler=OWN)
    found = [permissions(stack, f"Events/{name}/FunctionRole")["Key"] for name in ("One", "Two", "Three")]
    assert found == [TABLE_KEY, QUEUE_KEY, QUEUE_KEY]


@pytest.mark.parametrize("with_key", [False, True])
def test_a_publisher_may_publish_and_use_the_key_of_the_topic(stack, with_key):
    events = fanout(stack, encryption_key=kms.Key(stack, "Key") if with_key else None)
    events.grant_publish(iam.Role(stack, "Publisher", assumed_by=iam.AccountRootPrincipal()))
    expected = {"Events/Topic": ["sns:Publish"], **({"Key": QUEUE_KEY} if with_key else {})}
    assert permissions(stack, "Publisher") == expected


@pytest.mark.parametrize(
    ("publisher", "principal"),
    [
        (iam.ServicePrincipal("events.amazonaws.com"), {"Service": "events.amazonaws.com"}),
        (iam.ArnPrincipal("arn:aws:iam::111122223333:role/Shop"), {"AWS": "arn:aws:iam::111122223333:role/Shop"}),
    ],
)
def test_a_publisher_that_has_no_policy_here_is_let_in_by_the_policies_of_the_topic_and_its_key(stack, publisher, principal):
    events = fanout(stack, encryption_key=kms.Key(stack, "Key"))
    events.grant_publish(publisher)
    refused, allowed = properties_at(stack, "Events/Topic/Policy")["PolicyDocument"]["Statement"]
    assert (refused["Effect"], refused["Condition"]) == ("Deny", REFUSE_HTTP)
    allowed.pop("Sid")
    assert allowed == {"Action": "sns:Publish", "Effect": "Allow", "Principal": principal, "Resource": "Events/Topic"}
    *_, use = properties_at(stack, "Key")["KeyPolicy"]["Statement"]
    assert (use["Action"], use["Principal"]) == (QUEUE_KEY, principal)


def test_a_publisher_to_a_topic_of_ones_own_may_use_that_ones_key(stack):
    topic = sns.Topic(stack, "Mine", master_key=kms.Key(stack, "MineKey"))
    events = fanout(stack, topic=topic, encryption_key=kms.Key(stack, "Key"))
    events.grant_publish(iam.Role(stack, "Publisher", assumed_by=iam.AccountRootPrincipal()))
    assert permissions(stack, "Publisher") == {"Mine": ["sns:Publish"], "MineKey": QUEUE_KEY}


# --- a topic of the user's


def test_the_announcements_of_a_pipeline_are_fanned_out(stack):
    pipeline = SqsPipeline(stack, "Orders")
    events = fanout(stack, topic=pipeline.topic)
    events.add_subscriber("One", handler=AuditTrail())
    assert events.topic is pipeline.topic
    assert subscription(stack)["TopicArn"] == "Orders/Topic"
    (allowed,) = allowed_in(stack, "Events/One/Queue")
    assert allowed["Condition"]["ArnEquals"] == {"aws:SourceArn": "Orders/Topic"}
    assert len(resources(template_of(stack), "AWS::SNS::Topic")) == 1


def test_the_topic_may_be_in_another_stack_and_both_may_have_the_same_key():
    app = new_app()
    one_stack, other = (Stack(app, name, env={"region": "eu-central-1"}) for name in ("One", "Other"))
    key = kms.Key(one_stack, "Key")
    pipeline = SqsPipeline(one_stack, "Orders", encryption_key=key)
    fanout(other, topic=pipeline.topic, encryption_key=key).add_subscriber("One", handler=AuditTrail())
    assembly = app.synth()
    assert [each.id for each in assembly.get_stack_artifact(other.artifact_id).dependencies if each.id == "One"] == ["One"]


def test_a_topic_of_another_account_may_send_and_no_other(stack):
    one(stack, topic=sns.Topic.from_topic_arn(stack, "Theirs", TOPIC))
    (allowed,) = allowed_in(stack, "Events/One/Queue")
    assert allowed["Condition"] == {"ArnEquals": {"aws:SourceArn": TOPIC}}


@pytest.mark.parametrize(("region", "named"), [("eu-central-1", None), ("us-east-1", "eu-central-1")])
def test_a_subscription_names_the_region_of_its_topic_where_that_is_another_one(region, named):
    """SNS looks for the topic in the region of the stack otherwise."""
    stack = empty_stack(region=region)
    one(stack, topic=sns.Topic.from_topic_arn(stack, "Theirs", TOPIC))
    assert subscription(stack).get("Region") == named


def test_a_topic_whose_arn_is_a_token_passes(stack):
    one(stack, topic=sns.Topic.from_topic_arn(stack, "Theirs", CfnParameter(stack, "Arn").value_as_string))
    assert subscription(stack)["TopicArn"] == "Arn"


# --- FIFO


def test_a_fifo_topic_keeps_the_order_up_to_each_worker(stack):
    events = fanout(stack, fifo=True)
    events.add_subscriber("One", handler=OWN, filter_policy={"a": ["b"]})
    topic = properties_at(stack, "Events/Topic")
    assert (topic["FifoTopic"], topic["ContentBasedDeduplication"]) == (True, False)
    for name in ("Queue", "DeadLetterQueue", "DeliveryDeadLetterQueue"):
        assert properties_at(stack, f"Events/One/{name}")["FifoQueue"] is True
    assert subscription(stack)["RawMessageDelivery"] is True


def test_a_fifo_topic_of_ones_own_is_known_by_its_name(stack):
    one(stack, topic=sns.Topic.from_topic_arn(stack, "Theirs", f"{TOPIC}.fifo"))
    assert properties_at(stack, "Events/One/Queue")["FifoQueue"] is True


@pytest.mark.parametrize(
    ("add", "message"),
    [
        (
            lambda events: events.add_subscriber("One", handler=OWN, direct=True),
            "direct=True needs a standard topic: a FIFO topic delivers to queues only",
        ),
        (
            lambda events: events.add_email("One", address="a@example.com"),
            "a subscriber by email needs a standard topic: a FIFO topic delivers to queues only",
        ),
        (
            lambda events: events.add_https_endpoint("One", url="https://a.example"),
            "a subscriber by https needs a standard topic: a FIFO topic delivers to queues only",
        ),
        (
            lambda events: events.add_subscriber("One", handler=OWN, worker=WorkerOptions(batch_window=Duration.seconds(1))),
            "batch_window must be 0 for a FIFO queue, which has none, got 1 s",
        ),
    ],
)
def test_what_a_fifo_topic_cannot_do_is_refused(stack, add, message):
    with pytest.raises(PatternError) as raised:
        add(fanout(stack, fifo=True))
    assert str(raised.value) == message


def test_the_kind_of_a_topic_of_ones_own_is_not_asked_for(stack):
    message = "fifo is a property of the topic: define yours with fifo=True, or give none"
    with pytest.raises(PatternError, match=message):
        fanout(stack, topic=sns.Topic(stack, "Mine"), fifo=True)


# --- names


@pytest.mark.parametrize("name", ["audit", "Audit Trail", "1Audit", "Audit_1", "", "Über"])
def test_a_name_is_in_pascal_case(stack, name):
    with pytest.raises(PatternError) as raised:
        fanout(stack).add_subscriber(name, handler=OWN)
    assert str(raised.value) == (
        f"construct_id must be a name in PascalCase, of letters and digits, such as 'Audit', got {name!r}"
    )


def test_a_name_that_is_too_long_is_told_so_with_the_limit(stack):
    fanout(stack).add_subscriber("A" * 64, handler=OWN)
    with pytest.raises(PatternError, match=r"A', which has 65: 64 at most$"):
        fanout(stack, "Other").add_subscriber("A" * 65, handler=OWN)


def test_a_name_may_have_digits(stack):
    events = fanout(stack)
    events.add_subscriber("Region2Audit1", handler=OWN)
    assert events.outputs.keys() >= {"Region2Audit1QueueUrl", "Region2Audit1FunctionName"}


def test_a_name_is_a_text(stack):
    message = "construct_id must be a name in PascalCase, such as 'Audit', got None (NoneType, not str)"
    with pytest.raises(PatternError, match=re.escape(message)):
        fanout(stack).add_subscriber(None, handler=OWN)


def test_a_name_is_used_once(stack):
    events = fanout(stack)
    events.add_subscriber("Audit", handler=OWN)
    for name in ("Audit", "Topic", "Alarms"):
        with pytest.raises(PatternError) as raised:
            events.add_email(name, address="a@example.com")
        assert str(raised.value) == f"construct_id '{name}' is taken; taken are Alarms, Audit, Topic"


@pytest.mark.parametrize("ending", ["Delivery", "DeadLetter", "DeliveryDeadLetter", "Table"])
@pytest.mark.parametrize("longer_first", [True, False])
def test_two_subscribers_never_have_one_name_for_their_outputs_and_alarms(stack, ending, longer_first):
    names = ["Audit", f"Audit{ending}"]
    first, second = reversed(names) if longer_first else names
    events = fanout(stack)
    events.add_subscriber(first, handler=AuditTrail())
    message = f"construct_id '{second}' is too much like {first}: both would name the same outputs"
    with pytest.raises(PatternError, match=message):
        events.add_subscriber(second, handler=AuditTrail())


def test_outputs_are_named_after_the_subscribers(stack):
    events = fanout(stack)
    events.add_subscriber("Audit", handler=AuditTrail())
    events.add_subscriber("Notification", handler=Notification(), direct=True)
    events.add_email("Mail", address="a@example.com")
    assert readable(stack, stack.resolve(dict(events.outputs))) == {
        "AuditDeadLetterQueueUrl": "Events/Audit/DeadLetterQueue",
        "AuditDeliveryDeadLetterQueueUrl": "Events/Audit/DeliveryDeadLetterQueue",
        "AuditFunctionName": "Events/Audit/Function",
        "AuditLogGroupName": "Events/Audit/FunctionLogs",
        "AuditQueueUrl": "Events/Audit/Queue",
        "AuditTableName": "Events/Audit/Table",
        "MailDeliveryDeadLetterQueueUrl": "Events/Mail/DeliveryDeadLetterQueue",
        "NotificationDeadLetterQueueUrl": "Events/Notification/DeadLetterQueue",
        "NotificationDeliveryDeadLetterQueueUrl": "Events/Notification/DeliveryDeadLetterQueue",
        "NotificationFunctionName": "Events/Notification/Function",
        "NotificationLogGroupName": "Events/Notification/FunctionLogs",
        "NotificationTopicArn": "Events/Notification/NotificationTopic",
        "TopicArn": "Events/Topic",
    }


def test_two_fan_outs_of_one_topic_live_in_one_stack(stack):
    topic = sns.Topic(stack, "Mine")
    for name in ("First", "Second"):
        events = fanout(stack, name, topic=topic)
        events.add_subscriber("One", handler=OWN)
        events.add_alarms(Alerts())
    assert len(resources(template_of(stack), "AWS::SNS::Subscription")) == 2


# --- alarms


def watched(stack):
    return {
        name: (each["tier"], each["metric"], each["watched"], each["Threshold"], each["ComparisonOperator"])
        for name, each in alarms(stack).items()
    }


AT, ABOVE = "GreaterThanOrEqualToThreshold", "GreaterThanThreshold"


def test_each_subscriber_with_a_queue_has_its_alarms(stack):
    events = fanout(stack)
    events.add_subscriber("One", handler=Totals())
    events.add_alarms(Alerts())
    function, topic = {"FunctionName": "Events/One/Function"}, {"TopicName": "Events/Topic"}
    queue, kept, missed = ({"QueueName": f"Events/One/{kind}Queue"} for kind in ("", "DeadLetter", "DeliveryDeadLetter"))
    stall = "IF(age > 300 AND FILL(invocations, 0) - FILL(errors, 0) <= 0, 1, 0)"
    assert watched(stack) == {
        "OneDeadLetters": ("critical", "ApproximateNumberOfMessagesVisible", kept, 1, AT),
        "OneDeadLettersAge": ("warning", "ApproximateAgeOfOldestMessage", kept, 648_000, ABOVE),
        "OneDeliveryDeadLetters": ("critical", "ApproximateNumberOfMessagesVisible", missed, 1, AT),
        "OneDeliveryDeadLettersAge": ("warning", "ApproximateAgeOfOldestMessage", missed, 907_200, ABOVE),
        "OneDuration": ("warning", "Duration", function, 24_000, ABOVE),
        "OneErrors": ("critical", "Errors", function, 1, AT),
        "OneQueueAge": ("warning", "ApproximateAgeOfOldestMessage", queue, 300, ABOVE),
        "OneQueueStall": ("critical", stall, {}, 1, AT),
        "OneTableSystemErrors": ("critical", "transactwriteitems", {}, 1, AT),
        "OneTableThrottles": ("critical", "transactwriteitems", {}, 1, AT),
        "OneThrottles": ("warning", "Throttles", function, 1, AT),
        "OneUnexpectedErrors": ("critical", "UnexpectedErrors", function, 1, AT),
        "TopicNotificationsFailed": ("critical", "NumberOfNotificationsFailed", topic, 1, AT),
        "TopicNotificationsLost": ("critical", "NumberOfNotificationsFailedToRedriveToDlq", topic, 1, AT),
    }


def test_each_subscriber_without_a_queue_has_its_alarms(stack):
    events = fanout(stack)
    events.add_subscriber("One", handler=Notification(), direct=True, worker=WorkerOptions(timeout=Duration.seconds(10)))
    events.add_alarms(Alerts())
    function, people = {"FunctionName": "Events/One/Function"}, {"TopicName": "Events/One/NotificationTopic"}
    found = {name: each for name, each in watched(stack).items() if name.startswith("One") and "Delivery" not in name[:11]}
    assert found == {
        "OneAsyncEventsDropped": ("critical", "AsyncEventsDropped", function, 1, AT),
        "OneDeadLetters": (
            "critical",
            "ApproximateNumberOfMessagesVisible",
            {"QueueName": "Events/One/DeadLetterQueue"},
            1,
            AT,
        ),
        "OneDeadLettersAge": (
            "warning",
            "ApproximateAgeOfOldestMessage",
            {"QueueName": "Events/One/DeadLetterQueue"},
            907_200,
            ABOVE,
        ),
        "OneDestinationDeliveryFailures": ("critical", "DestinationDeliveryFailures", function, 1, AT),
        "OneDuration": ("warning", "Duration", function, 8_000, ABOVE),
        "OneErrors": ("critical", "Errors", function, 1, AT),
        "OneThrottles": ("warning", "Throttles", function, 1, AT),
        "OneTopicNotificationsFailed": ("critical", "NumberOfNotificationsFailed", people, 1, AT),
        "OneTopicNotificationsLost": ("critical", "NumberOfNotificationsFailedToRedriveToDlq", people, 1, AT),
    }


def test_an_address_has_the_alarms_of_what_it_missed(stack):
    events = fanout(stack)
    events.add_email("Mail", address="a@example.com")
    events.add_alarms(Alerts())
    assert {name for name in alarms(stack) if name.startswith("Mail")} == {
        "MailDeliveryDeadLetters",
        "MailDeliveryDeadLettersAge",
    }


def test_a_topic_that_was_given_has_its_alarms_where_it_comes_from(stack):
    events = fanout(stack, topic=sns.Topic(stack, "Mine"))
    events.add_subscriber("One", handler=Notification())
    events.add_alarms(Alerts())
    assert {name for name in alarms(stack) if "Topic" in name} == {"OneTopicNotificationsFailed", "OneTopicNotificationsLost"}


@pytest.mark.parametrize(
    "add",
    [
        lambda events: events.add_subscriber("Late", handler=OWN),
        lambda events: events.add_subscriber("Late", handler=OWN, direct=True),
        lambda events: events.add_email("Late", address="a@example.com"),
        lambda events: events.add_https_endpoint("Late", url="https://a.example"),
    ],
)
def test_a_subscriber_that_would_have_no_alarms_is_refused(stack, add):
    events = fanout(stack)
    events.add_alarms(Alerts())
    message = "add_alarms was called before: 'Late' would have no alarms; add subscribers first"
    with pytest.raises(PatternError, match=message):
        add(events)
    assert events.subscribers == {}
    assert events.node.try_find_child("Late") is None


def test_what_a_queue_cannot_give_back_is_not_told_to_be_moved_back(stack):
    """SQS moves messages only out of the dead-letter queues of queues."""
    events = fanout(stack)
    events.add_subscriber("Queued", handler=OWN)
    events.add_subscriber("Direct", handler=OWN, direct=True)
    events.add_alarms(Alerts())
    movable = {name for name, each in alarms(stack).items() if "start-message-move-task" in each["AlarmDescription"]}
    assert movable == {"QueuedDeadLetters"}


def test_an_event_that_failed_says_why_in_its_body(stack):
    events = fanout(stack)
    events.add_subscriber("One", handler=OWN, direct=True)
    events.add_alarms(Alerts())
    assert alarms(stack)["OneDeadLetters"]["AlarmDescription"] == (
        "[critical] An event could not be worked; its body says why, in responsePayload. First: aws sqs receive-message "
        "--message-attribute-names All --queue-url Events/One/DeadLetterQueue"
    )


def test_alarms_are_defined_once(stack):
    events = fanout(stack)
    events.add_alarms(Alerts())
    with pytest.raises(PatternError, match="add_alarms was called before on Test/Events; call it once"):
        events.add_alarms(Alerts())


# --- refusals


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"topic": TOPIC}, f"topic must be an SNS topic, got '{TOPIC}'"),
        ({"fifo": "yes"}, "fifo must be True or False, got 'yes' (str, not bool)"),
        ({"encryption_key": "alias/x"}, "encryption_key must be a KMS key, got 'alias/x'"),
        ({"operations": DEV}, "operations must be Operations(...), such as DEV.operations, got <Environment>"),
    ],
)
def test_a_value_of_another_type_is_refused_with_how_to_make_one(stack, options, message):
    with pytest.raises(PatternError) as raised:
        fanout(stack, **options)
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"handler": "app.handler"},
            "handler must be a Handler, AuditTrail(), Totals() or Notification(), got 'app.handler'",
        ),
        ({"handler": AuditTrail}, "handler must be a Handler, AuditTrail(), Totals() or Notification(), got <class"),
        ({"direct": "yes"}, "direct must be True or False, got 'yes' (str, not bool)"),
        ({"worker": 30}, "worker must be WorkerOptions(...), got 30 (int, not WorkerOptions)"),
        (
            {"filter_policy": ["orders.paid"]},
            "filter_policy must be a dict such as {'event_type': ['orders.paid']}, got ['orders.paid'] (list, not Mapping)",
        ),
        (
            {"environment": ["A"]},
            "environment must be a dict of texts, got ['A']",
        ),
        ({"environment": {"A": 1}}, "environment must be a dict of texts, got {'A': 1}"),
    ],
)
def test_a_subscriber_of_another_type_is_refused_with_how_to_make_one(stack, options, message):
    events = fanout(stack)
    with pytest.raises(PatternError) as raised:
        events.add_subscriber("One", **{"handler": OWN, **options})
    assert str(raised.value).startswith(message)
    assert events.node.try_find_child("One") is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AuditTrail(table="t"), "table must be TableOptions(...) or a DynamoDB table, got 't'"),
        (
            lambda: AuditTrail(table=TableOptions(time_to_live_attribute="age")),
            "time_to_live_attribute of table must be left out, as its rows have none, got 'age'",
        ),
        (
            lambda: Totals(table=TableOptions(time_to_live_attribute="age")),
            "time_to_live_attribute of table must be 'expires_at', or left out, got 'age'",
        ),
        (lambda: Notification(topic="t"), "topic must be an SNS topic, got 't'"),
    ],
)
def test_an_action_is_checked_where_it_is_made(make, message):
    with pytest.raises(PatternError) as raised:
        make()
    assert str(raised.value).startswith(message)
