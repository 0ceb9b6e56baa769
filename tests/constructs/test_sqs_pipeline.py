"""SqsPipeline: what its options do to the template, who may do what, and what it refuses."""

import json
import re

import pytest
from aws_cdk import CfnParameter, Duration, Stack
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_apigatewayv2 as apigatewayv2
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from serverless_patterns import (
    DEV,
    Alerts,
    Authorization,
    Capacity,
    CircuitBreaker,
    Cors,
    Handler,
    Operations,
    PatternError,
    QueueOptions,
    SqsPipeline,
    TableOptions,
    Throttle,
    WorkerOptions,
)
from serverless_patterns._blocks.alarms import METRICS
from serverless_patterns.sqs_pipeline import LEAST_WORKER_TIMEOUT, ORDER
from shared import metrics
from sqs_pipeline.logic import LEAST_SECONDS
from tests.support.readable import alarms, key_statements, permissions, properties_at, readable
from tests.support.synthesis import empty_stack, new_app, resources, template_of

OWN = Handler(lambda_.Code.from_inline("def handler(event, context): ..."), "index.handler")
LOGS = ["logs:CreateLogStream", "logs:PutLogEvents"]
XRAY = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
TABLE_KEY = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"]
QUEUE_KEY = ["kms:Decrypt", "kms:GenerateDataKey"]
POLL = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
#: What the worker may do, whatever the options are.
WORKER = {
    "Orders/WorkerLogs": LOGS,
    "*": XRAY,
    "Orders/Queue": [*POLL, "sqs:SendMessage"],
    "Orders/DeadLetterQueue": ["sqs:SendMessage"],
    "Orders/Table": ["dynamodb:UpdateItem"],
    "Orders/IdempotencyTable": ["dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
    "Orders/CircuitTable": ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
    "Orders/Topic": ["sns:Publish"],
    "Orders/PaymentSecret": ["secretsmanager:GetSecretValue"],
}
INGEST = {
    "Orders/IngestLogs": LOGS,
    "*": XRAY,
    "Orders/Table": ["dynamodb:GetItem", "dynamodb:PutItem"],
    "Orders/Queue": ["sqs:SendMessage"],
}


def orders(scope: Construct, construct_id: str = "Orders", **options: object) -> SqsPipeline:
    return SqsPipeline(scope, construct_id, **options)


def variables(stack, function="Worker"):
    return properties_at(stack, f"Orders/{function}")["Environment"]["Variables"]


def order(**changes):
    """The default schema with other properties; None takes one away."""
    properties = {name: field for name, field in {**ORDER["properties"], **changes}.items() if field is not None}
    return {**ORDER, "properties": properties, "required": [name for name in ORDER["required"] if name in properties]}


def post(stack):
    """The method that takes orders of a REST API."""
    (found,) = [
        readable(stack, each["Properties"])
        for each in resources(template_of(stack), "AWS::ApiGateway::Method").values()
        if each["Properties"]["HttpMethod"] == "POST"
    ]
    return found


# --- the smallest use


def test_the_smallest_use_takes_orders_and_tells_their_state_and_asks_for_signed_requests(stack):
    pipeline = orders(stack)
    routes = resources(template_of(stack), "AWS::ApiGatewayV2::Route").values()
    assert {each["Properties"]["RouteKey"]: each["Properties"]["AuthorizationType"] for each in routes} == {
        "POST /orders": "AWS_IAM",
        "GET /orders/{id}": "AWS_IAM",
    }
    assert isinstance(pipeline.api, apigatewayv2.HttpApi)


def test_the_functions_may_do_exactly_what_their_handlers_do(stack):
    orders(stack)
    assert permissions(stack, "Orders/IngestRole") == INGEST
    assert permissions(stack, "Orders/WorkerRole") == WORKER


def test_the_worker_of_a_fifo_queue_cannot_send_to_it(stack):
    orders(stack, queue=QueueOptions(fifo=True))
    assert permissions(stack, "Orders/IngestRole") == INGEST
    assert permissions(stack, "Orders/WorkerRole") == {**WORKER, "Orders/Queue": POLL}


def test_an_order_that_comes_directly_needs_no_function_that_may_write(stack):
    orders(stack, ingest="direct")
    assert permissions(stack, "Orders/IngestRole") == {
        "Orders/IngestLogs": LOGS,
        "*": XRAY,
        "Orders/Table": ["dynamodb:GetItem"],
    }
    assert permissions(stack, "Orders/ApiRole") == {"Orders/Queue": ["sqs:SendMessage"]}
    assert permissions(stack, "Orders/WorkerRole") == WORKER


def test_the_functions_know_what_their_handlers_need(stack):
    orders(stack, group_by="customer_id")
    common = {"DEBUG_SAMPLE_RATE": "0.01", "LOG_LEVEL": "INFO", "POWERTOOLS_SERVICE_NAME": "Orders", "RESOURCE": "orders"}
    common |= {"TABLE_NAME": "Orders/Table", "SCHEMA_FILE": "sqs_pipeline/schema.json", "QUEUE_URL": "Orders/Queue"}
    assert variables(stack, "Ingest") == {**common, "GROUP_BY": "customer_id", "MAX_BODY_BYTES": "262144"}
    assert variables(stack, "Worker") == {
        **common,
        "CIRCUIT_FAILURE_THRESHOLD": "3",
        "CIRCUIT_RECOVERY_SECONDS": "30",
        "CIRCUIT_TABLE_NAME": "Orders/CircuitTable",
        "DEAD_LETTER_QUEUE_URL": "Orders/DeadLetterQueue",
        "IDEMPOTENCY_TABLE_NAME": "Orders/IdempotencyTable",
        "IDEMPOTENCY_TTL_SECONDS": "1900800",
        "MAX_ATTEMPTS": "5",
        "MAX_RECEIVE_COUNT": "5",
        "PAYMENT_SECRET_ARN": "Orders/PaymentSecret",
        "PIPELINE": "Test-Orders-C225794E-AWS::AccountId-AWS::Region",
        "RETRY_DELAY_SECONDS": "30",
        "TOPIC_ARN": "Orders/Topic",
    }


def test_only_this_api_may_invoke_the_ingest_and_nobody_the_worker(stack):
    orders(stack)
    (permission,) = resources(template_of(stack), "AWS::Lambda::Permission").values()
    found = readable(stack, permission["Properties"])
    assert (found["FunctionName"], found["Principal"]) == ("Orders/Ingest", "apigateway.amazonaws.com")
    assert "AWS::AccountId:Orders/Api/" in found["SourceArn"]


def test_orders_are_kept_and_what_is_remembered_for_a_while_goes_with_the_stack(stack):
    orders(stack)
    template = template_of(stack)["Resources"]
    policies = {
        name: template[stack.get_logical_id(stack.node.find_child("Orders").node.find_child(name).node.default_child)]
        for name in ("Table", "IdempotencyTable", "CircuitTable")
    }
    assert {name: each["DeletionPolicy"] for name, each in policies.items()} == {
        "Table": "Retain",
        "IdempotencyTable": "Delete",
        "CircuitTable": "Delete",
    }
    for name in ("IdempotencyTable", "CircuitTable"):
        expiry = properties_at(stack, f"Orders/{name}")["TimeToLiveSpecification"]
        assert expiry == {"AttributeName": "expiration", "Enabled": True}
    assert "TimeToLiveSpecification" not in properties_at(stack, "Orders/Table")


def test_the_topic_takes_announcements_with_tls_only(stack):
    orders(stack)
    (statement,) = properties_at(stack, "Orders/Topic/Policy")["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Deny", "sns:Publish")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert "KmsMasterKeyId" not in properties_at(stack, "Orders/Topic")


def test_the_secret_waits_for_the_real_address_and_key(stack):
    orders(stack)
    secret = properties_at(stack, "Orders/PaymentSecret")
    assert json.loads(secret["GenerateSecretString"]["SecretStringTemplate"]) == {"url": ""}
    assert secret["GenerateSecretString"]["GenerateStringKey"] == "api_key"
    assert "SecretString" not in secret


def test_the_circuit_and_the_resource_are_as_they_were_given(stack):
    orders(
        stack,
        resource="jobs",
        circuit_breaker=CircuitBreaker(failure_threshold=2, recovery_timeout=Duration.minutes(2)),
        throttle=Throttle(rate=7, burst=9),
    )
    assert (variables(stack)["CIRCUIT_FAILURE_THRESHOLD"], variables(stack)["CIRCUIT_RECOVERY_SECONDS"]) == ("2", "120")
    assert variables(stack)["RESOURCE"] == variables(stack, "Ingest")["RESOURCE"] == "jobs"
    settings = properties_at(stack, "Orders/ApiStage")["DefaultRouteSettings"]
    assert (settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"]) == (7, 9)


def test_an_environment_takes_its_share_of_the_throttle(stack):
    orders(stack, ingest="direct", operations=Operations(capacity=Capacity(share=0.5)))
    (settings,) = properties_at(stack, "Orders/Api/DeploymentStage.v1")["MethodSettings"]
    assert (settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"]) == (50, 100)


def test_each_pipeline_has_a_name_of_its_own():
    """Two that share an account of the payment API, or a topic, have orders of the same ids."""
    app = new_app()
    one, other = (Stack(app, name) for name in ("One", "Other"))
    long = Construct(Construct(one, "L" * 100), "M" * 100)
    for scope, construct_id in ((one, "Orders"), (one, "Jobs"), (other, "Orders"), (long, "Orders"), (long, "Jobs")):
        orders(scope, construct_id)
    found = [
        json.dumps(each["Properties"]["Environment"]["Variables"]["PIPELINE"])
        for stack in (one, other)
        for each in resources(template_of(stack), "AWS::Lambda::Function").values()
        if "PIPELINE" in each["Properties"]["Environment"]["Variables"]
    ]
    assert len(found) == len(set(found)) == 5
    names = [json.loads(name)["Fn::Join"][1] for name in found]
    assert all(re.fullmatch(r"[A-Za-z0-9-]{1,65}", name) for name, *_ in names)
    # Neither have those of another account or region.
    assert all(where == [{"Ref": "AWS::AccountId"}, "-", {"Ref": "AWS::Region"}] for _, *where in names)


def test_two_instances_live_in_one_stack(stack):
    for number, options in enumerate(({}, {"ingest": "direct"}, {"ingest": "direct"})):
        orders(stack, f"Orders{number}", **options).add_alarms(Alerts())
    assert len(resources(template_of(stack), "AWS::SQS::Queue")) == 6
    names = [each["Properties"]["Name"] for each in resources(template_of(stack), "AWS::ApiGateway::RestApi").values()]
    assert len(set(names)) == 2


def test_outputs_have_stable_names_and_what_was_defined_is_exposed(stack):
    pipeline = orders(stack)
    assert readable(stack, stack.resolve(dict(pipeline.outputs))) == {
        "ApiId": "Orders/Api",
        "ApiStage": "$default",
        "ApiUrl": "Orders/Api",
        "CircuitTableName": "Orders/CircuitTable",
        "DeadLetterQueueUrl": "Orders/DeadLetterQueue",
        "IdempotencyTableName": "Orders/IdempotencyTable",
        "IngestLogGroupName": "Orders/IngestLogs",
        "IngestName": "Orders/Ingest",
        "PaymentSecretArn": "Orders/PaymentSecret",
        "QueueUrl": "Orders/Queue",
        "TableName": "Orders/Table",
        "TopicArn": "Orders/Topic",
        "WorkerLogGroupName": "Orders/WorkerLogs",
        "WorkerName": "Orders/Worker",
    }
    exposed = (pipeline.queue, pipeline.dead_letter_queue, pipeline.table, pipeline.topic, pipeline.payment_secret)
    exposed += (pipeline.worker_function, pipeline.ingest_function, pipeline.api)
    assert [each.node.id for each in exposed] == [
        *("Queue", "DeadLetterQueue", "Table", "Topic", "PaymentSecret", "Worker", "Ingest", "Api"),
    ]
    assert pipeline.url == pipeline.outputs["ApiUrl"]


@pytest.mark.parametrize(("ingest", "stage"), [("function", "$default"), ("direct", "v1")])
def test_who_may_read_cannot_place_orders_and_who_may_place_them_cannot_read(stack, ingest, stage):
    pipeline = orders(stack, ingest=ingest)
    reader, writer = (iam.Role(stack, name, assumed_by=iam.AccountRootPrincipal()) for name in ("Reader", "Writer"))
    pipeline.grant_read(reader)
    pipeline.grant_write(writer)
    ((read, read_actions),) = permissions(stack, "Reader").items()
    ((write, write_actions),) = permissions(stack, "Writer").items()
    assert read_actions == write_actions == ["execute-api:Invoke"]
    assert read.endswith(f":Orders/Api/{stage}/GET/orders/*")
    assert write.endswith(f":Orders/Api/{stage}/POST/orders")


# --- orders that go into the queue directly


def test_a_direct_order_becomes_a_message_as_it_is(stack):
    pipeline = orders(stack, ingest="direct")
    integration = post(stack)["Integration"]
    assert integration["RequestTemplates"] == {
        "application/json": "Action=SendMessage&MessageBody=$util.urlEncode($input.body)",
    }
    assert integration["RequestParameters"] == {
        "integration.request.header.Content-Type": "'application/x-www-form-urlencoded'"
    }
    assert (integration["Type"], integration["IntegrationHttpMethod"]) == ("AWS", "POST")
    assert integration["PassthroughBehavior"] == "NEVER"
    assert integration["Uri"].endswith(":sqs:path/AWS::AccountId/Orders/Queue")
    assert isinstance(pipeline.api, apigateway.RestApi)


@pytest.mark.parametrize(
    ("queue", "group_by", "ending"),
    [
        (None, "customer_id", "&MessageGroupId=$util.urlEncode(\"$input.path('$.customer_id')\")"),
        (QueueOptions(fifo=True), "customer_id", "&MessageGroupId=$util.urlEncode(\"$input.path('$.customer_id')\")"),
        (QueueOptions(fifo=True), None, "&MessageGroupId=$util.urlEncode(\"$input.path('$.id')\")"),
    ],
)
def test_a_direct_order_has_the_group_of_its_field_and_a_fifo_queue_knows_it_by_its_content(stack, queue, group_by, ending):
    orders(stack, ingest="direct", queue=queue, group_by=group_by)
    (template,) = post(stack)["Integration"]["RequestTemplates"].values()
    assert template == "Action=SendMessage&MessageBody=$util.urlEncode($input.body)" + ending


def test_a_direct_order_is_answered_with_202_or_it_is_to_be_sent_again(stack):
    """SQS answers 400 for a throttled key too: a client that took that for the last word would lose the order."""
    orders(stack, ingest="direct")
    answers = {each["StatusCode"]: each for each in post(stack)["Integration"]["IntegrationResponses"]}
    assert {status: each.get("SelectionPattern") for status, each in answers.items()} == {
        "202": "2\\d{2}",
        "503": None,
    }
    bodies = {status: json.loads(each["ResponseTemplates"]["application/json"]) for status, each in answers.items()}
    assert bodies["202"] == {"request_id": "$context.requestId"}
    assert bodies["503"]["status"] == 503
    assert bodies["503"].keys() == {"type", "title", "status", "detail", "request_id"}
    assert answers["503"]["ResponseParameters"]["method.response.header.Content-Type"] == "'application/problem+json'"
    assert answers["503"]["ResponseParameters"]["method.response.header.Retry-After"] == "'1'"


def test_each_header_of_an_answer_is_declared_for_its_status(stack):
    orders(stack, ingest="direct", cors=Cors(allow_origins=["https://a.example"]))
    method = post(stack)
    declared = {each["StatusCode"]: set(each["ResponseParameters"]) for each in method["MethodResponses"]}
    sent = {each["StatusCode"]: set(each["ResponseParameters"]) for each in method["Integration"]["IntegrationResponses"]}
    assert declared == sent


@pytest.mark.parametrize("credentials", [True, False])
def test_pages_may_read_the_answers_to_direct_orders_as_those_to_others(stack, credentials):
    orders(stack, ingest="direct", cors=Cors(allow_origins=["https://a.example"], allow_credentials=credentials))
    for answer in post(stack)["Integration"]["IntegrationResponses"]:
        headers = {name.removeprefix("method.response.header."): value for name, value in answer["ResponseParameters"].items()}
        assert headers["Access-Control-Allow-Origin"] == "'https://a.example'"
        assert "retry-after" in headers["Access-Control-Expose-Headers"]
        assert headers.get("Access-Control-Allow-Credentials") == ("'true'" if credentials else None)
    found = variables(stack, "Ingest")
    assert (found["ALLOW_ORIGINS"], found["ALLOW_CREDENTIALS"]) == ("https://a.example", str(credentials).lower())


def test_the_role_of_the_api_has_a_trust_that_api_gateway_can_meet(stack):
    """It names no account when it assumes the role of an integration: a condition on it refuses each request."""
    orders(stack, ingest="direct")
    assert properties_at(stack, "Orders/ApiRole")["AssumeRolePolicyDocument"]["Statement"] == [
        {"Action": "sts:AssumeRole", "Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}}
    ]
    assert post(stack)["Integration"]["Credentials"] == "Orders/ApiRole"


def test_a_direct_order_is_checked_by_the_model_and_needs_an_id(stack):
    orders(stack, ingest="direct")
    schema = properties_at(stack, "Orders/Api/Body")["Schema"]
    assert set(schema["required"]) == {"id", "customer_id", "amount", "currency"}
    assert schema["additionalProperties"] is False
    assert "RequestValidatorId" in post(stack)


def test_the_state_of_a_direct_order_is_told_by_the_function(stack):
    orders(stack, ingest="direct")
    methods = resources(template_of(stack), "AWS::ApiGateway::Method").values()
    (get,) = [readable(stack, each["Properties"]) for each in methods if each["Properties"]["HttpMethod"] == "GET"]
    assert get["Integration"]["Type"] == "AWS_PROXY"
    assert "Orders/Ingest" in get["Integration"]["Uri"]
    assert "RequestValidatorId" not in get
    assert "QUEUE_URL" not in variables(stack, "Ingest")
    assert properties_at(stack, "Orders/Ingest")["Description"] == "Tells the state of orders"


@pytest.mark.parametrize("kind", ["AWS_IAM", "NONE"])
def test_a_direct_order_is_authorized_as_any_other_request(stack, kind):
    authorization = Authorization.iam() if kind == "AWS_IAM" else Authorization.none()
    orders(stack, ingest="direct", authorization=authorization)
    methods = resources(template_of(stack), "AWS::ApiGateway::Method").values()
    assert {each["Properties"]["AuthorizationType"] for each in methods} == {kind}


# --- what the user brings


def test_a_customer_managed_key_encrypts_everything_and_is_used_as_far_as_needed():
    stack = empty_stack(region="eu-central-1")
    orders(stack, encryption_key=kms.Key(stack, "Key"))
    assert permissions(stack, "Orders/IngestRole") == {**INGEST, "Key": TABLE_KEY}
    assert permissions(stack, "Orders/WorkerRole") == {**WORKER, "Key": TABLE_KEY}
    for name in ("Queue", "DeadLetterQueue", "Topic"):
        assert properties_at(stack, f"Orders/{name}")["KmsMasterKeyId"] == "Key"
    for name in ("Table", "IdempotencyTable", "CircuitTable"):
        (replica,) = properties_at(stack, f"Orders/{name}")["Replicas"]
        assert replica["SSESpecification"] == {"KMSMasterKeyId": "Key"}
    assert properties_at(stack, "Orders/PaymentSecret")["KmsKeyId"] == "Key"


def test_the_api_sends_directly_through_the_key_of_the_queue():
    stack = empty_stack(region="eu-central-1")
    orders(stack, ingest="direct", encryption_key=kms.Key(stack, "Key"))
    assert permissions(stack, "Orders/ApiRole") == {"Orders/Queue": ["sqs:SendMessage"], "Key": QUEUE_KEY}


def test_the_key_lets_secrets_manager_and_logs_use_it_and_no_other_service():
    stack = empty_stack(region="eu-central-1")
    orders(stack, encryption_key=kms.Key(stack, "Key"))
    owner, secrets = key_statements(stack, "Key")
    assert owner["Action"] == "kms:*"
    assert secrets["Condition"] == {"StringEquals": {"kms:ViaService": "secretsmanager.eu-central-1.amazonaws.com"}}


def test_a_table_with_a_key_of_its_own_is_reached_through_that_one():
    stack = empty_stack(region="eu-central-1")
    key, other = kms.Key(stack, "Key"), kms.Key(stack, "Other")
    orders(stack, table=TableOptions(encryption_key=other), encryption_key=key)
    assert permissions(stack, "Orders/IngestRole") == {**INGEST, "Other": TABLE_KEY, "Key": QUEUE_KEY}
    assert permissions(stack, "Orders/WorkerRole") == {**WORKER, "Other": TABLE_KEY, "Key": TABLE_KEY}


def test_an_imported_key_will_do():
    stack = empty_stack(region="eu-central-1")
    arn = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    orders(stack, encryption_key=kms.Key.from_key_arn(stack, "Key", arn))
    assert permissions(stack, "Orders/WorkerRole")[arn] == TABLE_KEY


def test_a_table_a_topic_and_a_secret_of_ones_own_are_used(stack):
    key = dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING)
    table, topic, secret = (
        dynamodb.TableV2(stack, "T", partition_key=key),
        sns.Topic(stack, "A"),
        secretsmanager.Secret(stack, "S"),
    )
    pipeline = orders(stack, table=table, topic=topic, payment_secret=secret)
    assert (pipeline.table, pipeline.topic, pipeline.payment_secret) == (table, topic, secret)
    renamed = {"Orders/Table": "T", "Orders/Topic": "A", "Orders/PaymentSecret": "S"}
    for role, expected in (("Orders/IngestRole", INGEST), ("Orders/WorkerRole", WORKER)):
        assert permissions(stack, role) == {renamed.get(place, place): actions for place, actions in expected.items()}


def test_imported_ones_are_used_too(stack):
    arn = "arn:aws:{}:eu-central-1:123456789012:{}"
    table = dynamodb.Table.from_table_arn(stack, "T", arn.format("dynamodb", "table/orders"))
    topic = sns.Topic.from_topic_arn(stack, "A", arn.format("sns", "orders"))
    secret = secretsmanager.Secret.from_secret_complete_arn(stack, "S", arn.format("secretsmanager", "secret:pay-AbCdEf"))
    orders(stack, table=table, topic=topic, payment_secret=secret)
    found = permissions(stack, "Orders/WorkerRole")
    assert found[table.table_arn] == ["dynamodb:UpdateItem"]
    assert found[topic.topic_arn] == ["sns:Publish"]
    assert found["arn:aws:secretsmanager:eu-central-1:123456789012:secret:pay-AbCdEf"] == ["secretsmanager:GetSecretValue"]
    assert variables(stack)["TABLE_NAME"] == "orders"


def test_a_secret_whose_ending_is_not_known_is_granted_with_any_six_letters(stack):
    partial = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:pay"
    orders(stack, payment_secret=secretsmanager.Secret.from_secret_partial_arn(stack, "S", partial))
    assert permissions(stack, "Orders/WorkerRole")[f"{partial}-??????"] == ["secretsmanager:GetSecretValue"]
    assert variables(stack)["PAYMENT_SECRET_ARN"] == partial


def test_what_is_brought_is_reached_through_its_own_keys():
    stack = empty_stack(region="eu-central-1")
    keys = {name: kms.Key(stack, f"{name}Key") for name in ("Table", "Topic", "Secret")}
    table = dynamodb.TableV2(
        stack,
        "T",
        partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
        encryption=dynamodb.TableEncryptionV2.customer_managed_key(keys["Table"]),
    )
    orders(
        stack,
        table=table,
        topic=sns.Topic(stack, "A", master_key=keys["Topic"]),
        payment_secret=secretsmanager.Secret(stack, "S", encryption_key=keys["Secret"]),
    )
    found = permissions(stack, "Orders/WorkerRole")
    assert {name: found[f"{name}Key"] for name in keys} == {
        "Table": TABLE_KEY,
        "Topic": QUEUE_KEY,
        "Secret": ["kms:Decrypt"],
    }
    assert permissions(stack, "Orders/IngestRole").keys() == {"Orders/IngestLogs", "*", "T", "Orders/Queue", "TableKey"}


def test_the_key_of_the_pattern_is_not_granted_for_what_it_does_not_encrypt():
    stack = empty_stack(region="eu-central-1")
    table = dynamodb.Table.from_table_name(stack, "T", "orders")
    orders(stack, table=table, encryption_key=kms.Key(stack, "Key"))
    assert permissions(stack, "Orders/IngestRole")["Key"] == QUEUE_KEY


def test_a_worker_of_ones_own_gets_the_settings_and_the_permissions(stack):
    orders(stack, handler=OWN)
    assert properties_at(stack, "Orders/Worker")["Handler"] == "index.handler"
    assert {"TOPIC_ARN", "PAYMENT_SECRET_ARN", "QUEUE_URL"} <= variables(stack).keys()
    assert permissions(stack, "Orders/WorkerRole") == WORKER


def test_a_queue_whose_arn_is_a_token_passes(stack):
    mine, kept = (sqs.Queue.from_queue_arn(stack, name, CfnParameter(stack, f"{name}Arn").value_as_string) for name in "QD")
    orders(stack, ingest="direct", queue=mine, dead_letter_queue=kept)
    assert permissions(stack, "Orders/ApiRole") == {"QArn": ["sqs:SendMessage"]}


# --- alarms


def test_the_alarms_watch_each_hop_and_say_how_bad_it_is(stack):
    orders(stack).add_alarms(Alerts())
    found = {name: (each["tier"], each["metric"], each["Threshold"]) for name, each in alarms(stack).items()}
    assert found == {
        "AnnouncementNotificationsFailed": ("critical", "NumberOfNotificationsFailed", 1),
        "AnnouncementNotificationsLost": ("critical", "NumberOfNotificationsFailedToRedriveToDlq", 1),
        "CircuitOpened": ("warning", "CircuitOpened", 1),
        "CircuitTableSystemErrors": ("critical", "getitem + putitem + updateitem", 1),
        "CircuitTableThrottles": ("critical", "getitem + putitem + updateitem", 1),
        "IdempotencyTableSystemErrors": ("critical", "putitem + updateitem + deleteitem", 1),
        "IdempotencyTableThrottles": ("critical", "putitem + updateitem + deleteitem", 1),
        "IngestDuration": ("warning", "Duration", 16_000),
        "IngestErrors": ("critical", "100 * part / whole", 1),
        "IngestThrottles": ("warning", "Throttles", 1),
        "Latency": ("warning", "Latency", 10_000),
        "OrdersDeadLetters": ("critical", "ApproximateNumberOfMessagesVisible", 1),
        "OrdersDeadLettersAge": ("warning", "ApproximateAgeOfOldestMessage", 648_000),
        "OrdersPostponed": ("critical", "PostponedSeconds", 3600),
        "OrdersQueueAge": ("warning", "ApproximateAgeOfOldestMessage", 300),
        "OrdersQueueStall": ("critical", "IF(age > 300 AND FILL(invocations, 0) - FILL(errors, 0) <= 0, 1, 0)", 1),
        "ServerErrors": ("critical", "100 * part / whole", 1),
        "TableSystemErrors": ("critical", "getitem + putitem + updateitem", 1),
        "TableThrottles": ("critical", "getitem + putitem + updateitem", 1),
        "UnexpectedErrors": ("critical", "UnexpectedErrors", 1),
        "WorkerDuration": ("warning", "Duration", 24_000),
        "WorkerErrors": ("critical", "Errors", 1),
        "WorkerThrottles": ("warning", "Throttles", 1),
    }


def test_each_alarm_watches_its_own_queue_function_or_topic(stack):
    orders(stack).add_alarms(Alerts())
    found = alarms(stack)
    watched = {name: each["watched"] for name, each in found.items() if each["watched"]}
    worker, kept, topic = (
        {"FunctionName": "Orders/Worker"},
        {"QueueName": "Orders/DeadLetterQueue"},
        {"TopicName": "Orders/Topic"},
    )
    assert watched == {
        "AnnouncementNotificationsFailed": topic,
        "AnnouncementNotificationsLost": topic,
        "CircuitOpened": worker,
        "IngestDuration": {"FunctionName": "Orders/Ingest"},
        "IngestThrottles": {"FunctionName": "Orders/Ingest"},
        "Latency": {"ApiId": "Orders/Api", "Stage": "$default"},
        "OrdersDeadLetters": kept,
        "OrdersDeadLettersAge": kept,
        "OrdersPostponed": worker,
        "OrdersQueueAge": {"QueueName": "Orders/Queue"},
        "UnexpectedErrors": worker,
        "WorkerDuration": worker,
        "WorkerErrors": worker,
        "WorkerThrottles": worker,
    }


def test_a_message_in_the_dead_letter_queue_is_an_alarm_at_once(stack):
    orders(stack).add_alarms(Alerts())
    found = alarms(stack)["OrdersDeadLetters"]
    assert (found["ComparisonOperator"], found["Statistic"]) == ("GreaterThanOrEqualToThreshold", "Maximum")
    assert (found["Period"], found["EvaluationPeriods"], found["DatapointsToAlarm"]) == (60, 1, 1)
    assert found["TreatMissingData"] == "notBreaching"
    assert found["AlarmDescription"] == (
        "[critical] A message could not be worked; its attribute Reason says why. First: aws sqs receive-message "
        "--message-attribute-names All --queue-url Orders/DeadLetterQueue; when it is mended: "
        "aws sqs start-message-move-task --source-arn Orders/DeadLetterQueue --destination-arn Orders/Queue"
    )


def test_the_stall_is_seen_only_when_messages_wait_and_nothing_succeeds_for_fifteen_minutes(stack):
    orders(stack).add_alarms(Alerts())
    stall = alarms(stack)["OrdersQueueStall"]
    metrics_of = {
        each["Id"]: (each["MetricStat"]["Metric"]["MetricName"], each["MetricStat"]["Stat"], each["MetricStat"]["Period"])
        for each in stall["Metrics"]
        if "MetricStat" in each
    }
    assert metrics_of == {
        "age": ("ApproximateAgeOfOldestMessage", "Maximum", 300),
        "invocations": ("Invocations", "Sum", 300),
        "errors": ("Errors", "Sum", 300),
    }
    assert (stall["EvaluationPeriods"], stall["DatapointsToAlarm"]) == (3, 3)


def test_the_metrics_of_the_handler_have_the_namespace_and_the_dimension_that_are_watched(stack):
    orders(stack).add_alarms(Alerts())
    found = alarms(stack)
    assert metrics.NAMESPACE == METRICS
    statistics = {name: each["Statistic"] for name, each in found.items() if each.get("Namespace") == METRICS}
    assert statistics == {"CircuitOpened": "Sum", "OrdersPostponed": "Maximum", "UnexpectedErrors": "Sum"}


def test_it_is_critical_when_orders_have_been_put_off_for_over_an_hour(stack):
    orders(stack).add_alarms(Alerts())
    found = alarms(stack)["OrdersPostponed"]
    assert (found["Threshold"], found["ComparisonOperator"]) == (3600, "GreaterThanThreshold")
    assert (found["Period"], found["EvaluationPeriods"], found["DatapointsToAlarm"]) == (60, 1, 1)
    assert found["TreatMissingData"] == "notBreaching"


def test_alarms_notify_the_topic_of_their_tier(stack):
    topics = {tier: sns.Topic(stack, tier.capitalize()) for tier in ("critical", "warning")}
    orders(stack, ingest="direct").add_alarms(Alerts(**topics))
    for each in alarms(stack).values():
        assert each["AlarmActions"] == each["OKActions"] == [each["tier"].capitalize()]


def test_alarms_are_defined_once(stack):
    pipeline = orders(stack)
    pipeline.add_alarms(Alerts())
    with pytest.raises(PatternError, match="add_alarms was called before on Test/Orders; call it once"):
        pipeline.add_alarms(Alerts())


def test_metrics_are_there_for_dashboards_of_ones_own(stack):
    pipeline = orders(stack)
    assert pipeline.metric_circuit_opened().metric_name == "CircuitOpened"
    assert pipeline.metric_server_errors().expression == "100 * part / whole"


# --- refusals


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"resource": "Orders"},
            "resource must be 1 to 64 lower-case letters, digits and hyphens, starting with a letter, got 'Orders'",
        ),
        ({"ingest": "lambda"}, "ingest must be one of 'function', 'direct', got 'lambda'"),
        ({"ingest": None}, "ingest must be one of 'function', 'direct', got None"),
        (
            {"schema": order(amount=None)},
            (
                "schema must require 'amount' with type 'number', got None, not required: the bundled worker charges it; "
                "or give a handler of yours"
            ),
        ),
        (
            {"schema": order(currency={"type": "integer"})},
            (
                "schema must require 'currency' with type 'string', got {'type': 'integer'}: the bundled worker charges it; "
                "or give a handler of yours"
            ),
        ),
        (
            {"schema": {**ORDER, "required": ["amount"]}},
            (
                "schema must require 'currency' with type 'string', got {'type': 'string', 'pattern': '^[A-Z]{3}$'}, not "
                "required: the bundled worker charges it; or give a handler of yours"
            ),
        ),
        (
            {"schema": order(amount=True)},
            (
                "schema must require 'amount' with type 'number', got True: the bundled worker charges it; "
                "or give a handler of yours"
            ),
        ),
        (
            {"schema": order(amount={"type": ["number", "null"]})},
            (
                "schema must require 'amount' with type 'number', got {'type': ['number', 'null']}: the bundled worker charges "
                "it; or give a handler of yours"
            ),
        ),
        (
            {"schema": order(id={"type": "integer"})},
            "schema: the property 'id' is the key of the table and must have type 'string', got {'type': 'integer'}",
        ),
        (
            {"table": TableOptions(time_to_live_attribute="expires_at")},
            "time_to_live_attribute of table must be left out, as its rows have none, got 'expires_at'",
        ),
        (
            {"circuit_breaker": CircuitBreaker(failure_threshold=6)},
            (
                "failure_threshold must be at most max_attempts (5), got 6: an order that is alone would be given up before "
                "the circuit opens"
            ),
        ),
        (
            {"worker": WorkerOptions(max_attempts=2)},
            (
                "failure_threshold must be at most max_attempts (2), got 3: an order that is alone would be given up before "
                "the circuit opens"
            ),
        ),
        (
            {"group_by": "country"},
            "group_by must be a required field of the schema with type 'string' or 'integer', got 'country'",
        ),
        (
            {"group_by": "items"},
            "group_by must be a required field of the schema with type 'string' or 'integer', got 'items'",
        ),
        (
            {"group_by": "amount"},
            "group_by must be a required field of the schema with type 'string' or 'integer', got 'amount'",
        ),
        (
            {"group_by": "customer_id", "schema": order(customer_id={"type": ["string", "integer"]})},
            "group_by must be a required field of the schema with type 'string' or 'integer', got 'customer_id'",
        ),
        (
            {"group_by": "store", "schema": order(store={"type": "string"})},
            "group_by must be a required field of the schema with type 'string' or 'integer', got 'store'",
        ),
        (
            {
                "group_by": "customer-id",
                "ingest": "direct",
                "schema": {**order(**{"customer-id": {"type": "string"}}), "required": ["amount", "currency", "customer-id"]},
            },
            (
                "group_by must be of letters, digits and underscores for ingest='direct', where API Gateway finds it by a "
                "path, got 'customer-id'"
            ),
        ),
        (
            {"ingest": "direct", "schema": order(id=None)},
            "schema must have a string property 'id' for ingest='direct': there is no function that could make one",
        ),
        (
            {
                "ingest": "direct",
                "authorization": Authorization.jwt(issuer="https://id.example.com", audience=["a"]),
            },
            (
                "authorization: a REST API verifies tokens of a Cognito user pool only; use Authorization.cognito(user_pool, "
                "clients=[...]), or ingest='function', which verifies those of any issuer"
            ),
        ),
        (
            {"ingest": "direct", "cors": Cors(allow_origins=["https://a.example", "https://b.example"])},
            (
                "allow_origins must be one origin for ingest='direct' (its own error answers carry a fixed one), "
                "got ['https://a.example', 'https://b.example']; ingest='function' takes several"
            ),
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_the_users_words_before_anything_is_defined(stack, options, message):
    with pytest.raises(PatternError) as raised:
        orders(stack, **options)
    assert str(raised.value) == message
    assert stack.node.children == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"authorization": "iam"},
            "authorization must be made by Authorization.iam(), .jwt(...), .cognito(...) or .none(), got 'iam'",
        ),
        (
            {"circuit_breaker": {"failure_threshold": 3}},
            "circuit_breaker must be a CircuitBreaker(...), got {'failure_threshold': 3} (dict, not CircuitBreaker)",
        ),
        ({"cors": ["*"]}, "cors must be a Cors(allow_origins=[...]), got ['*'] (list, not Cors)"),
        ({"dead_letter_queue": "failed"}, "dead_letter_queue must be an SQS queue, got 'failed'"),
        ({"dead_letter_queue": QueueOptions()}, "dead_letter_queue must be an SQS queue, got QueueOptions("),
        ({"encryption_key": "alias/x"}, "encryption_key must be a KMS key, got 'alias/x'"),
        ({"group_by": 3}, "group_by must be the name of a field of the schema, got 3 (int, not str)"),
        ({"group_by": ["a"]}, "group_by must be the name of a field of the schema, got ['a'] (list, not str)"),
        (
            {"handler": "app.handler"},
            "handler must be made by Handler.from_directory(...), or Handler(code, 'module.function')",
        ),
        ({"operations": DEV}, "operations must be Operations(...), such as DEV.operations, got <Environment>"),
        ({"payment_secret": "key"}, "payment_secret must be a Secrets Manager secret, got 'key'"),
        ({"queue": "orders"}, "queue must be QueueOptions(...) or an SQS queue, got 'orders'"),
        ({"resource": None}, "resource must be a path segment such as 'users', got None (NoneType, not str)"),
        ({"schema": "order"}, "schema must be a JSON Schema as a dict, got str"),
        ({"table": "orders"}, "table must be TableOptions(...) or a DynamoDB table, got 'orders'"),
        ({"throttle": 3}, "throttle must be a Throttle(rate=..., burst=...), got 3 (int, not Throttle)"),
        ({"topic": "arn:aws:sns:x"}, "topic must be an SNS topic, got 'arn:aws:sns:x'"),
        ({"worker": 30}, "worker must be WorkerOptions(...), got 30 (int, not WorkerOptions)"),
    ],
)
def test_a_value_of_another_type_is_refused_with_how_to_make_one(stack, options, message):
    with pytest.raises(PatternError) as raised:
        orders(stack, **options)
    assert str(raised.value).startswith(message)


def test_a_table_of_ones_own_with_another_key_is_refused(stack):
    key = dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING)
    message = "table must have the partition key 'id' of type string and no sort key, got pk (S)"
    with pytest.raises(PatternError, match=re.escape(message)):
        orders(stack, table=dynamodb.TableV2(stack, "Mine", partition_key=key))


def test_a_worker_of_ones_own_takes_any_schema(stack):
    schema = {"type": "object", "properties": {"text": {"type": "string"}}}
    orders(stack, schema=schema, handler=OWN)
    assert properties_at(stack, "Orders/Worker")["Handler"] == "index.handler"


def test_a_worker_of_ones_own_may_have_any_threshold(stack):
    orders(stack, handler=OWN, circuit_breaker=CircuitBreaker(failure_threshold=6))
    assert variables(stack)["CIRCUIT_FAILURE_THRESHOLD"] == "6"


def test_the_circuit_may_open_with_the_last_try_of_an_order(stack):
    orders(stack, worker=WorkerOptions(max_attempts=3))
    assert variables(stack)["CIRCUIT_FAILURE_THRESHOLD"] == variables(stack)["MAX_ATTEMPTS"] == "3"


def test_what_is_remembered_for_a_while_is_backed_up_like_what_is_kept(stack):
    orders(stack, operations=Operations(backup_days=35))
    backups = {
        name: properties_at(stack, f"Orders/{name}")["Replicas"][0]["PointInTimeRecoverySpecification"]
        for name in ("Table", "IdempotencyTable", "CircuitTable")
    }
    all_of_them = {"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": 35}
    assert backups == dict.fromkeys(("Table", "IdempotencyTable", "CircuitTable"), all_of_them)


@pytest.mark.parametrize("ingest", ["function", "direct"])
def test_orders_are_grouped_by_a_number_or_by_their_id_too(stack, ingest):
    schema = order(customer_id={"type": "integer"})
    orders(stack, "ByNumber", schema=schema, group_by="customer_id", ingest=ingest)
    orders(stack, "ById", group_by="id", ingest=ingest)
    assert properties_at(stack, "ByNumber/Ingest")["Environment"]["Variables"]["GROUP_BY"] == "customer_id"
    assert properties_at(stack, "ById/Ingest")["Environment"]["Variables"]["GROUP_BY"] == "id"


def test_construct_and_handler_agree_on_the_time_that_a_charge_needs():
    assert LEAST_SECONDS < LEAST_WORKER_TIMEOUT
    assert WorkerOptions().timeout_or_default.to_seconds() >= LEAST_WORKER_TIMEOUT
