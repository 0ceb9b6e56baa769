"""OrderWorkflow: what starts its executions, and announcements on a bus: who may do what, what is watched, what is refused."""

import json
import re

import pytest
from aws_cdk import Duration, Environment, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs

from order_workflow import handler, intake
from order_workflow.intake_routes import _CALLS
from order_workflow.logic import MOST_INPUT_BYTES
from serverless_patterns import (
    Alerts,
    Authorization,
    Cors,
    EventSource,
    Handler,
    OrderWorkflow,
    PatternError,
    QueueOptions,
    Throttle,
    WorkerOptions,
)
from serverless_patterns._blocks.order_api import API_TIMEOUT, MAX_BODY_BYTES
from serverless_patterns._blocks.state_machine import LOGGING, TRACING
from shared.aws import LONGEST_CALL_SECONDS
from tests.support.readable import alarms, permissions, properties_at, rule_arn
from tests.support.synthesis import empty_stack, new_app, resources, template_of

LOGS = ["logs:CreateLogStream", "logs:PutLogEvents"]
XRAY = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
POLL = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
PLACED = {"detail-type": ["orders.placed"]}
EXECUTIONS = "arn:AWS::Partition:states:AWS::Region:AWS::AccountId:execution:Orders/StateMachine:*"
API = "arn:AWS::Partition:execute-api:AWS::Region:AWS::AccountId:Orders/Api/$default"


def by_api(scope, **options):
    return OrderWorkflow(scope, "Orders", starter="api", **options)


def by_event(scope, *, pattern=PLACED, bus=None, **options):
    return OrderWorkflow(scope, "Orders", starter="event", started_by=EventSource(pattern=pattern, bus=bus), **options)


def shop_bus(scope, name="Shop"):
    return events.EventBus(scope, name)


def watched(stack, name):
    return alarms(stack)[name]["watched"]


def states(stack):
    """Name -> state, those in branches included."""
    found = json.loads(properties_at(stack, "Orders/StateMachine")["DefinitionString"])["States"]
    branches = [branch for state in found.values() for branch in state.get("Branches", [])]
    return found | {name: state for branch in branches for name, state in branch["States"].items()}


# Started by an API.


def test_the_api_has_two_routes_which_ask_for_signed_requests(stack):
    by_api(stack, resource="sales")
    routes = [route["Properties"] for route in resources(template_of(stack), "AWS::ApiGatewayV2::Route").values()]
    assert {(route["RouteKey"], route["AuthorizationType"]) for route in routes} == {
        ("POST /sales", "AWS_IAM"),
        ("GET /sales/{id}", "AWS_IAM"),
    }


def test_the_function_behind_the_api_may_write_and_read_rows_and_start_executions(stack):
    by_api(stack)
    assert permissions(stack, "Orders/StarterRole") == {
        "Orders/StarterLogs": LOGS,
        "*": XRAY,
        "Orders/Table": ["dynamodb:GetItem", "dynamodb:PutItem"],
        "Orders/StateMachine": ["states:StartExecution"],
    }


def test_with_a_customer_key_it_may_reach_the_table_through_it():
    stack = empty_stack("eu-central-1")
    by_api(stack, encryption_key=kms.Key(stack, "Key"))
    assert permissions(stack, "Orders/StarterRole")["Key"] == ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"]


def test_it_has_no_queue_but_that_for_people_and_says_where_it_answers(stack):
    workflow = by_api(stack)
    assert len(resources(template_of(stack), "AWS::SQS::Queue")) == 1
    assert workflow.queue is None
    assert workflow.outputs["ApiId"] == workflow.api.api_id
    assert workflow.outputs["ApiUrl"] == workflow.url == workflow.api.api_endpoint
    assert workflow.outputs["ApiStage"] == "$default"
    assert workflow.outputs["StarterName"] == workflow.starter_function.function_name
    assert not {"QueueUrl", "DeadLetterQueueUrl"} & workflow.outputs.keys()


@pytest.mark.parametrize(("grant", "path"), [("grant_write", "POST/orders"), ("grant_read", "GET/orders/*")])
def test_who_is_granted_may_call_one_route_and_no_other(stack, grant, path):
    user = iam.Role(stack, "Caller", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    getattr(by_api(stack), grant)(user)
    assert permissions(stack, "Caller") == {f"{API}/{path}": ["execute-api:Invoke"]}


@pytest.mark.parametrize("grant", ["grant_read", "grant_write"])
def test_without_an_api_nobody_can_be_granted_to_call_it(stack, grant):
    workflow = OrderWorkflow(stack, "Orders", starter="queue")
    with pytest.raises(PatternError, match="Orders has no API: define it with starter='api'"):
        getattr(workflow, grant)(iam.Role(stack, "Caller", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com")))
    assert (workflow.api, workflow.url) == (None, None)


def test_the_api_takes_the_same_options_as_every_other(stack):
    by_api(
        stack,
        authorization=Authorization.jwt(issuer="https://login.example.com", audience=["shop"]),
        cors=Cors(allow_origins=["https://shop.example.com"]),
        throttle=Throttle(rate=7, burst=9),
    )
    template = template_of(stack)
    (api,) = resources(template, "AWS::ApiGatewayV2::Api").values()
    assert api["Properties"]["CorsConfiguration"]["AllowOrigins"] == ["https://shop.example.com"]
    assert api["Properties"]["CorsConfiguration"]["AllowMethods"] == ["GET", "POST"]
    stage = properties_at(stack, "Orders/ApiStage")
    assert stage["DefaultRouteSettings"] == {"ThrottlingRateLimit": 7, "ThrottlingBurstLimit": 9}
    assert stage["AccessLogSettings"]["DestinationArn"] == "Orders/ApiAccessLog"
    kinds = {route["Properties"]["AuthorizationType"] for route in resources(template, "AWS::ApiGatewayV2::Route").values()}
    assert kinds == {"JWT"}


def test_the_api_and_its_function_are_watched(stack):
    by_api(stack).add_alarms(Alerts())
    found = alarms(stack)
    assert {"ServerErrors", "Latency", "StarterErrors", "StarterThrottles", "StarterDuration"} <= found.keys()
    assert found["Latency"]["watched"]["ApiId"] == "Orders/Api"
    assert found["Latency"]["Threshold"] == 500 * API_TIMEOUT
    assert found["StarterDuration"]["Threshold"] == 800 * API_TIMEOUT
    assert not {"OrdersQueueAge", "StarterUnexpectedErrors", "RuleFailedInvocations"} & found.keys()


def test_the_calls_of_the_api_to_the_table_are_watched_with_those_of_the_steps(stack):
    by_api(stack).add_alarms(Alerts())
    stats = [each["MetricStat"]["Metric"] for each in alarms(stack)["TableThrottles"]["Metrics"] if "MetricStat" in each]
    operations = {each["Value"] for stat in stats for each in stat["Dimensions"] if each["Name"] == "Operation"}
    assert operations == {"GetItem", "PutItem", "UpdateItem", "TransactWriteItems"}


def test_the_function_behind_the_api_has_time_for_its_calls_and_takes_no_more_than_an_execution_does():
    assert API_TIMEOUT > _CALLS * LONGEST_CALL_SECONDS
    assert API_TIMEOUT < 30
    assert MAX_BODY_BYTES == MOST_INPUT_BYTES


# Started by events.


def test_events_go_by_a_rule_into_the_queue_and_what_cannot_be_delivered_is_kept(stack):
    by_event(stack)
    rule = properties_at(stack, "Orders/Rule")
    assert (rule["EventPattern"], "EventBusName" in rule) == (PLACED, False)
    (target,) = rule["Targets"]
    assert (target["Arn"], target["DeadLetterConfig"]) == ("Orders/Queue", {"Arn": "Orders/DeliveryDeadLetterQueue"})
    for queue in ("Queue", "DeliveryDeadLetterQueue"):
        statements = properties_at(stack, f"Orders/{queue}/Policy")["PolicyDocument"]["Statement"]
        (sends,) = [each for each in statements if each["Effect"] == "Allow"]
        source = {"aws:SourceArn": rule_arn(stack, "Orders/Rule")}
        assert (sends["Action"], sends["Condition"]) == ("sqs:SendMessage", {"ArnEquals": source})


def test_the_events_may_be_on_a_bus_of_the_users(stack):
    by_event(stack, bus=shop_bus(stack))
    assert properties_at(stack, "Orders/Rule")["EventBusName"] == "Shop"


def test_the_function_behind_the_rule_may_do_what_the_starter_of_a_queue_may(stack):
    by_event(stack)
    assert permissions(stack, "Orders/StarterRole") == {
        "Orders/StarterLogs": LOGS,
        "*": XRAY,
        "Orders/Queue": POLL,
        "Orders/DeadLetterQueue": ["sqs:SendMessage"],
        "Orders/StateMachine": ["states:StartExecution"],
        EXECUTIONS: ["states:DescribeExecution"],
    }


def test_the_rule_its_undelivered_events_and_the_queue_are_watched(stack):
    by_event(stack, bus=shop_bus(stack)).add_alarms(Alerts())
    found = alarms(stack)
    for name in ("RuleFailedInvocations", "RuleInvocationsFailedToBeSentToDlq"):
        assert (found[name]["tier"], found[name]["watched"]) == (
            "critical",
            {"EventBusName": "Shop", "RuleName": "Orders/Rule"},
        )
    assert found["DeliveryDeadLetters"]["watched"] == {"QueueName": "Orders/DeliveryDeadLetterQueue"}
    assert found["DeliveryDeadLetters"]["AlarmDescription"].startswith(
        "[critical] A message could not be delivered to the queue of the starter. "
    )
    assert {"OrdersQueueAge", "OrdersDeadLetters", "StarterErrors", "StarterUnexpectedErrors"} <= found.keys()


def test_with_a_customer_key_rules_may_encrypt_what_they_send():
    stack = empty_stack("eu-central-1")
    by_event(stack, encryption_key=kms.Key(stack, "Key"))
    services = [each["Principal"].get("Service") for each in properties_at(stack, "Key")["KeyPolicy"]["Statement"]]
    assert services.count("events.amazonaws.com") == 1


def test_a_queue_of_the_users_gets_the_events_and_keeps_its_own_dead_letters(stack):
    dead_letters = sqs.Queue(stack, "Dead", retention_period=Duration.days(14))
    own = sqs.Queue(
        stack,
        "Own",
        visibility_timeout=Duration.minutes(3),
        dead_letter_queue=sqs.DeadLetterQueue(queue=dead_letters, max_receive_count=8),
    )
    workflow = by_event(stack, queue=own)
    assert workflow.queue is own
    (target,) = properties_at(stack, "Orders/Rule")["Targets"]
    assert target["Arn"] == "Own"
    assert workflow.outputs["DeadLetterQueueUrl"] == dead_letters.queue_url


def test_a_queue_of_the_users_with_a_key_of_its_own_lets_rules_use_it():
    stack = empty_stack("eu-central-1")
    key = kms.Key(stack, "Key")
    dead_letters = sqs.Queue(stack, "Dead", retention_period=Duration.days(14), encryption_master_key=key)
    own = sqs.Queue(
        stack,
        "Own",
        encryption_master_key=key,
        visibility_timeout=Duration.minutes(3),
        dead_letter_queue=sqs.DeadLetterQueue(queue=dead_letters, max_receive_count=8),
    )
    by_event(stack, queue=own)
    services = [each["Principal"].get("Service") for each in properties_at(stack, "Key")["KeyPolicy"]["Statement"]]
    assert "events.amazonaws.com" in services


@pytest.mark.parametrize(
    ("starter", "options", "module"),
    [("api", {}, intake), ("event", {"started_by": EventSource(pattern=PLACED)}, handler)],
)
def test_each_starter_reads_its_settings_from_the_variables(stack, starter, options, module):
    OrderWorkflow(stack, "Orders", starter=starter, **options)
    properties = properties_at(stack, "Orders/Starter")
    assert properties["Handler"] == f"{module.__name__}.handler"
    (settings,) = (value for name, value in vars(module).items() if name.endswith("Settings") and isinstance(value, type))
    variables = {name: value.replace(":", "-") for name, value in properties["Environment"]["Variables"].items()}
    assert settings.from_environment(variables)


@pytest.mark.parametrize(
    ("starter", "options", "messages"),
    [("queue", {}, "orders"), ("event", {"started_by": EventSource(pattern=PLACED)}, "events")],
)
def test_the_function_behind_a_queue_knows_what_its_messages_are(stack, starter, options, messages):
    OrderWorkflow(stack, "Orders", starter=starter, **options)
    assert properties_at(stack, "Orders/Starter")["Environment"]["Variables"]["MESSAGES"] == messages


# Started by a FIFO queue.


def own_fifo_queue(stack, *, receives):
    dead_letters = sqs.Queue(stack, "Dead", fifo=True, retention_period=Duration.days(14))
    return sqs.Queue(
        stack,
        "Own",
        fifo=True,
        visibility_timeout=Duration.minutes(3),
        dead_letter_queue=sqs.DeadLetterQueue(queue=dead_letters, max_receive_count=receives),
    )


def tries(stack):
    return properties_at(stack, "Orders/Starter")["Environment"]["Variables"]["MAX_RECEIVE_COUNT"]


def test_orders_behind_one_that_fails_in_its_group_are_not_moved_by_sqs_without_a_try(stack):
    """They are received with it each time: the starter alone knows which one was tried."""
    OrderWorkflow(stack, "Orders", starter="queue", queue=QueueOptions(fifo=True), worker=WorkerOptions(max_attempts=3))
    queue = properties_at(stack, "Orders/Queue")
    assert queue["FifoQueue"] is True
    assert queue["RedrivePolicy"] == {"deadLetterTargetArn": "Orders/DeadLetterQueue", "maxReceiveCount": 1000}
    assert tries(stack) == "3"


@pytest.mark.parametrize("starter", ["queue", "event"])
def test_in_a_standard_queue_sqs_moves_an_order_soon_after_the_last_try(stack, starter):
    source = EventSource(pattern=PLACED) if starter == "event" else None
    OrderWorkflow(stack, "Orders", starter=starter, started_by=source, worker=WorkerOptions(max_attempts=3))
    assert properties_at(stack, "Orders/Queue")["RedrivePolicy"]["maxReceiveCount"] == 6
    assert tries(stack) == "3"


def test_a_fifo_queue_of_the_users_that_moves_orders_before_they_are_tried_is_refused(stack):
    message = (
        "max_receive_count of a FIFO queue must be 1000 for the bundled worker, got 999: what waits behind a message that "
        "fails, or is put off, is received with it and not tried, and SQS would move it without a reason"
    )
    with pytest.raises(PatternError) as raised:
        OrderWorkflow(stack, "Orders", starter="queue", queue=own_fifo_queue(stack, receives=999))
    assert str(raised.value) == message


def test_an_order_in_a_fifo_queue_of_the_users_is_tried_as_often_as_in_any_other(stack):
    OrderWorkflow(stack, "Orders", starter="queue", queue=own_fifo_queue(stack, receives=1000))
    assert tries(stack) == "5"


def test_how_often_sqs_lets_an_order_come_does_not_say_how_often_it_is_tried(stack):
    dead_letters = sqs.Queue(stack, "Dead", retention_period=Duration.days(14))
    redrive = sqs.DeadLetterQueue(queue=dead_letters, max_receive_count=8)
    own = sqs.Queue(stack, "Own", visibility_timeout=Duration.minutes(3), dead_letter_queue=redrive)
    OrderWorkflow(stack, "Orders", starter="queue", queue=own)
    assert tries(stack) == "5"


# Announced on a bus.


def test_a_bus_takes_the_place_of_the_topic(stack):
    workflow = OrderWorkflow(stack, "Orders", bus=shop_bus(stack))
    workflow.add_alarms(Alerts())
    with pytest.raises(PatternError, match="there is no topic: this pattern announces on a bus"):
        _ = workflow.topic
    assert "TopicArn" not in workflow.outputs
    assert resources(template_of(stack), "AWS::SNS::Topic") == {}
    assert not [name for name in alarms(stack) if name.startswith("Announcement")]


def test_the_state_machine_may_put_events_on_this_bus_and_publish_nowhere(stack):
    OrderWorkflow(stack, "Orders", bus=shop_bus(stack))
    found = permissions(stack, "Orders/StateMachineRole")
    assert found["Shop"] == ["events:PutEvents"]
    assert not {action for actions in found.values() for action in actions if action.startswith("sns:")}
    assert found["*"] == sorted([*LOGGING, *TRACING])


def test_an_event_has_the_form_of_a_bus_with_all_of_the_envelope(stack):
    OrderWorkflow(stack, "Orders", resource="sales", bus=shop_bus(stack))
    tell = states(stack)["TellBus"]
    assert tell["Resource"].endswith(":states:::events:putEvents")
    (entry,) = tell["Arguments"]["Entries"]
    assert entry["EventBusName"] == "Shop"
    assert entry["DetailType"] == '{% "sales." & $lowercase($outcome.state) %}'
    assert entry["Source"].startswith("order_workflow/")
    members = re.findall(r'"(\w+)": ', entry["Detail"])
    assert members[: members.index("order_id")] == [
        "metadata",
        "id",
        "version",
        "time",
        "correlation_id",
        "causation_id",
        "data",
    ]


def test_an_event_that_the_bus_does_not_take_is_tried_again_and_then_kept_for_people(stack):
    OrderWorkflow(stack, "Orders", bus=shop_bus(stack))
    tell, keep = states(stack)["TellBus"], states(stack)["KeepBus"]
    (retry,) = tell["Retry"]
    assert retry["ErrorEquals"] == ["States.TaskFailed", "States.Timeout"]  # EventBridge.FailedEntry is a task that failed
    assert [(each["ErrorEquals"], each["Next"]) for each in tell["Catch"]] == [(["States.ALL"], "KeepBus")]
    assert keep["Arguments"]["QueueUrl"] == "Orders/ManualQueue"
    kept = keep["Arguments"]["MessageBody"]
    assert (kept["kind"], kept["target"]) == ("announcement failed", "Shop")
    assert all(name in kept["event"] for name in ('"Source"', '"DetailType"', '"Detail"'))


def test_others_are_told_beside_the_bus(stack):
    mail = sns.Topic(stack, "Mail")
    OrderWorkflow(stack, "Orders", bus=shop_bus(stack), broadcast_to={"Mail": mail})
    branches = states(stack)["Broadcast"]["Branches"]
    assert [branch["StartAt"] for branch in branches] == ["TellBus", "TellMail"]


def test_orders_may_come_from_one_bus_and_be_announced_on_another(stack):
    by_event(stack, bus=shop_bus(stack, "Placed"))
    other = OrderWorkflow(
        stack,
        "Both",
        starter="event",
        started_by=EventSource(pattern=PLACED, bus=shop_bus(stack, "In")),
        bus=shop_bus(stack, "Out"),
    )
    assert properties_at(stack, "Both/Rule")["EventBusName"] == "In"
    assert permissions(stack, "Both/StateMachineRole")["Out"] == ["events:PutEvents"]
    assert "In" not in permissions(stack, "Both/StateMachineRole")
    assert other.queue is not None


# Refusals.

OWN = Handler(lambda_.Code.from_inline("def handler(event, context): ..."), "index.handler")
SOURCE = EventSource(pattern=PLACED)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"starter": "api", "queue": QueueOptions()}, "queue goes with starter='queue' or 'event', got"),
        ({"starter": "api", "worker": WorkerOptions()}, "worker goes with starter='queue' or 'event', got"),
        ({"starter": "api", "started_by": SOURCE}, "started_by goes with starter='event', got"),
        ({"started_by": SOURCE}, "started_by goes with starter='event', got"),
        ({"starter": "event"}, "started_by must be an EventSource(pattern={...}) with starter='event', got None"),
        ({"starter": "event", "started_by": PLACED}, "started_by must be an EventSource(pattern={...})"),
        ({"starter": "queue", "cors": Cors(allow_origins=["*"])}, "cors goes with starter='api', got"),
        ({"starter": "queue", "throttle": Throttle()}, "throttle goes with starter='api', got"),
        ({"authorization": Authorization.none()}, "authorization goes with starter='api', got"),
        (
            {"starter": "event", "started_by": SOURCE, "queue": QueueOptions(fifo=True)},
            "queue must be a standard queue of this app for starter='event': a rule names no message group",
        ),
        ({"bus": "shop"}, "bus must be an EventBridge event bus, got 'shop'"),
    ],
)
def test_what_does_not_go_together_is_refused_in_the_words_of_the_caller(stack, options, message):
    with pytest.raises(PatternError, match=re.escape(message)):
        OrderWorkflow(stack, "Orders", **options)


def test_an_imported_queue_is_refused_for_events_since_its_policy_cannot_let_the_rule_send(stack):
    imported = sqs.Queue.from_queue_arn(stack, "Own", "arn:aws:sqs:eu-central-1:123456789012:own")
    with pytest.raises(PatternError, match="queue must be a standard queue of this app for starter='event'"):
        by_event(stack, queue=imported)


def test_orders_are_announced_on_a_topic_or_a_bus_and_not_on_both(stack):
    with pytest.raises(PatternError, match="bus must not be given with topic"):
        OrderWorkflow(stack, "Orders", topic=sns.Topic(stack, "Topic"), bus=shop_bus(stack))


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ({}, "pattern must have at least one key"),
        ({"detail-type": "orders.placed"}, "pattern['detail-type'] must be a list of values, got 'orders.placed'"),
        ({"detail": {"data": {"currency": ["EUR"]}}}, "pattern must limit 'source' or 'detail-type'"),
        ("orders.placed", "pattern must be a dict"),
    ],
)
def test_a_pattern_that_would_match_nothing_or_everything_is_refused(pattern, message):
    with pytest.raises(PatternError, match=re.escape(message)):
        EventSource(pattern=pattern)


@pytest.mark.parametrize(
    ("arn", "message"),
    [
        (
            "arn:aws:events:us-east-1:123456789012:event-bus/shop",
            "bus of started_by must be in the region of the stack, eu-central-1, got one in us-east-1",
        ),
        (
            "arn:aws:events:eu-central-1:111122223333:event-bus/shop",
            "bus of started_by must be in the account of the stack, 123456789012, got one in 111122223333",
        ),
    ],
    ids=["region", "account"],
)
def test_a_source_that_cannot_have_a_rule_of_this_stack_is_refused(arn, message):
    stack = Stack(new_app(), "Test", env=Environment(account="123456789012", region="eu-central-1"))
    with pytest.raises(PatternError, match=re.escape(message)):
        by_event(stack, bus=events.EventBus.from_event_bus_arn(stack, "Shop", arn))


def test_a_source_that_is_no_bus_is_refused():
    with pytest.raises(PatternError, match="bus must be an EventBridge event bus, got 'shop'"):
        EventSource(pattern=PLACED, bus="shop")


def test_a_user_checks_orders_at_the_api_by_the_same_schema_as_the_first_step(stack):
    workflow = by_api(stack, handlers={"shipping": OWN})
    hashes = {properties_at(stack, f"Orders/{part}")["Code"]["S3Key"] for part in ("Starter", "Validation")}
    assert len(hashes) == 1
    assert workflow.starter_function is not None
