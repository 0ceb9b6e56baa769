"""Each correction makes the emulator do what AWS does, seen from outside; and each notices when its fault is gone."""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.httpsession import URLLib3Session

from serverless_patterns.local import venvs
from serverless_patterns.local.account import Account, Stack
from serverless_patterns.local.corrections import metric_math
from serverless_patterns.local.processes import wait_until
from tests.local.conftest import ROOT, Deploy
from tests.support.waiting import PATIENCE

CORRECTIONS = ROOT / "serverless_patterns" / "local" / "corrections"
HELPERS = {
    "__init__",
    "__main__",
    "data_api_values",
    "faults",
    "metric_math",
    "postgresql",
    "stream_batches",
    "stream_destinations",
    "stream_shards",
    "targets",
}
NAMES = sorted(file.stem for file in CORRECTIONS.glob("*.py") if file.stem not in HELPERS)
CHECK_AFTER_APPLY = """
import importlib, json, os
os.environ["HANDLER_PYTHON"] = "python-of-the-handlers"
verdicts = {}
for name in %r:
    correction = importlib.import_module(f"corrections.{name}")
    correction.check()
    correction.apply()
    try:
        correction.check()
    except importlib.import_module("corrections.faults").FaultNotFoundError as error:
        verdicts[name] = str(error)
print(json.dumps(verdicts))
"""
# Sends messages, while four event source mappings and a client receive and delete them.
RECEIVE_AT_ONCE = """
import asyncio, collections, contextvars, importlib, json, threading
from ministack.services import sqs
correction = importlib.import_module("corrections.queue_locking")
correction.check()
correction.apply()
received, sent, over = collections.Counter(), 5000, threading.Event()
async def client(url):
    for _ in range(sent):
        sqs._act_send_message({"QueueUrl": url, "MessageBody": "message"}, url)
        taken = await sqs._act_receive_message({"QueueUrl": url}, url)
        for message in taken.get("Messages", []):
            received[message["MessageId"]] += 1
            try:
                sqs._act_delete_message({"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]}, url)
            except sqs._Err:
                continue  # another one has received it too, and deleted it
def mapping(url):
    while batch := sqs._receive_messages_for_esm(url, 10) or not over.is_set():
        for message in [] if batch is True else batch:
            received[message["id"]] += 1
            sqs._delete_messages_for_esm(url, {message["receipt_handle"]})
url = sqs._act_create_queue({"QueueName": "queue"}, "")["QueueUrl"]
threads = [threading.Thread(target=contextvars.copy_context().run, args=(mapping, url)) for _ in range(4)]
for thread in threads:
    thread.start()
asyncio.run(client(url))
over.set()
for thread in threads:
    thread.join()
print(json.dumps({"sent": sent, "received": len(received), "twice": sum(1 for times in received.values() if times > 1)}))
"""
HANDLER = """
def handler(event, context):
    if "fail" in json_of(event):
        raise RuntimeError("a secret of the handler")
    return {"statusCode": 200, "body": "{}"}
def json_of(event):
    return event.get("rawPath") or event.get("path") or ""
"""
ROLE = "arn:aws:iam::000000000000:role/any"
FUNCTION = {
    "Type": "AWS::Lambda::Function",
    "Properties": {"Runtime": "python3.13", "Role": ROLE, "Handler": "index.handler", "Code": {"ZipFile": HANDLER}},
}
URI = {"Fn::Sub": "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/${Function.Arn}/invocations"}
ORIGIN = "https://shop.example.com"


ACCESS_LOG = '{"id":"$context.requestId","route":"$context.routeKey","status":"$context.status","no":"$context.unknown"}'


def http_api(routes: dict[str, dict[str, Any]], *, limits: dict[str, Any] | None = None) -> dict[str, Any]:
    """A template with an HTTP API: CORS for one origin, and these routes to one function."""
    cors = {"AllowOrigins": [ORIGIN], "AllowMethods": ["POST"], "AllowHeaders": ["content-type"], "MaxAge": 60}
    api = {"Name": "check", "ProtocolType": "HTTP", "CorsConfiguration": cors}
    integration = {"ApiId": {"Ref": "Api"}, "IntegrationType": "AWS_PROXY", "IntegrationUri": URI}
    log = {"DestinationArn": {"Fn::GetAtt": ["AccessLog", "Arn"]}, "Format": ACCESS_LOG}
    stage = {"ApiId": {"Ref": "Api"}, "StageName": "$default", "AccessLogSettings": log, **(limits or {})}
    resources: dict[str, Any] = {
        "Function": FUNCTION,
        "AccessLog": {"Type": "AWS::Logs::LogGroup"},
        "Api": {"Type": "AWS::ApiGatewayV2::Api", "Properties": api},
        "Integration": {
            "Type": "AWS::ApiGatewayV2::Integration",
            "Properties": {**integration, "PayloadFormatVersion": "2.0"},
        },
        "Stage": {"Type": "AWS::ApiGatewayV2::Stage", "Properties": stage},
    }
    for number, (key, properties) in enumerate(routes.items()):
        target = {"Fn::Sub": "integrations/${Integration}"}
        route = {"ApiId": {"Ref": "Api"}, "RouteKey": key, "Target": target, **properties}
        resources[f"Route{number}"] = {"Type": "AWS::ApiGatewayV2::Route", "Properties": route}
    outputs = {"ApiId": {"Ref": "Api"}, "ApiStage": "$default", "AccessLog": {"Ref": "AccessLog"}}
    return {"Resources": resources, "Outputs": {name: {"Value": value} for name, value in outputs.items()}}


def rest_api(stage: dict[str, Any], method: dict[str, Any], *, path: str = "items") -> dict[str, Any]:
    """A template with a REST API that takes ``POST /items``; a model is there for a method that validates with it."""
    api = {"RestApiId": {"Ref": "Api"}}
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    model = {**api, "Name": "Item", "ContentType": "application/json", "Schema": schema}
    integration = {"Type": "AWS_PROXY", "IntegrationHttpMethod": "POST", "Uri": URI}
    post = {**api, "ResourceId": {"Ref": "Items"}, "HttpMethod": "POST", "AuthorizationType": "NONE"}
    typed = {
        "Api": ("AWS::ApiGateway::RestApi", {"Name": "check"}),
        "Items": (
            "AWS::ApiGateway::Resource",
            {**api, "ParentId": {"Fn::GetAtt": ["Api", "RootResourceId"]}, "PathPart": path},
        ),
        "Model": ("AWS::ApiGateway::Model", model),
        "Validator": ("AWS::ApiGateway::RequestValidator", {**api, "ValidateRequestBody": True}),
        "Post": ("AWS::ApiGateway::Method", {**post, "Integration": integration, **method}),
        "Stage": ("AWS::ApiGateway::Stage", {**api, "StageName": "v1", "DeploymentId": {"Ref": "Deployment"}, **stage}),
    }
    resources: dict[str, Any] = {name: {"Type": type_, "Properties": given} for name, (type_, given) in typed.items()}
    resources["Deployment"] = {"Type": "AWS::ApiGateway::Deployment", "Properties": api, "DependsOn": "Post"}
    outputs = {"ApiId": {"Value": {"Ref": "Api"}}, "ApiStage": {"Value": "v1"}}
    return {"Resources": {"Function": FUNCTION, **resources}, "Outputs": outputs}


def call(account: Account, stack: Stack, method: str, path: str, body: str = "{}", **headers: str) -> AWSResponse:
    named = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    request = AWSRequest(method, account.api_url(stack) + path, headers=named, data=body)
    return URLLib3Session().send(request.prepare())


@pytest.fixture(scope="module")
def http(deploy: Deploy) -> Stack:
    routes: dict[str, dict[str, Any]] = {"POST /items": {}, "POST /fail": {}, "GET /limited": {}, "GET /more": {}}
    limits = {
        "DefaultRouteSettings": {"ThrottlingRateLimit": 0.001, "ThrottlingBurstLimit": 5},
        "RouteSettings": {"GET /limited": {"ThrottlingBurstLimit": 2}},
    }
    return deploy("http-api", http_api(routes, limits=limits))


@pytest.fixture(scope="module")
def rest(deploy: Deploy) -> Stack:
    throttled = {"HttpMethod": "POST", "ResourcePath": "/~1items", "ThrottlingRateLimit": 0.001, "ThrottlingBurstLimit": 3}
    everything = {"HttpMethod": "*", "ResourcePath": "/*", "ThrottlingRateLimit": 100, "ThrottlingBurstLimit": 100}
    validated = {"RequestValidatorId": {"Ref": "Validator"}, "RequestModels": {"application/json": {"Ref": "Model"}}}
    return deploy("rest-api", rest_api({"MethodSettings": [everything, throttled]}, validated))


def test_a_preflight_request_from_a_listed_origin_is_answered(account: Account, http: Stack) -> None:
    answer = call(account, http, "OPTIONS", "/items", "", Origin=ORIGIN, Access_Control_Request_Method="POST")
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert answer.headers["Access-Control-Allow-Methods"] == "POST"
    assert answer.headers["Access-Control-Max-Age"] == "60"


def test_an_answer_to_a_listed_origin_and_to_no_other_has_cors_headers(account: Account, http: Stack) -> None:
    allowed = call(account, http, "POST", "/items", Origin=ORIGIN)
    assert allowed.headers["Access-Control-Allow-Origin"] == ORIGIN
    foreign = call(account, http, "POST", "/items", Origin="https://elsewhere.example.com")
    assert "Access-Control-Allow-Origin" not in foreign.headers


def test_requests_beyond_the_burst_of_a_route_are_refused_and_others_are_not(account: Account, http: Stack) -> None:
    statuses = [call(account, http, "GET", "/limited").status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert [call(account, http, "GET", "/more").status_code for _ in range(6)] == [200] * 5 + [429]
    stage = account.client("apigatewayv2").get_stage(ApiId=http.outputs["ApiId"], StageName="$default")
    assert stage["DefaultRouteSettings"]["ThrottlingBurstLimit"] == 5


def test_a_handler_that_raises_tells_the_client_nothing(account: Account, http: Stack) -> None:
    answer = call(account, http, "POST", "/fail")
    assert (answer.status_code, answer.content) == (500, b'{"message":"Internal Server Error"}')


def test_a_handler_that_raises_behind_a_rest_api_tells_the_client_nothing(account: Account, deploy: Deploy) -> None:
    failing = deploy("failing-rest-api", rest_api({}, {}, path="fail"))
    answer = call(account, failing, "POST", "/fail")
    assert (answer.status_code, answer.content) == (502, b'{"message": "Internal server error"}')


def test_each_request_has_a_line_in_the_access_log_under_the_id_of_its_answer(account: Account, http: Stack) -> None:
    statuses = {}
    for method, path in (("POST", "/items"), ("GET", "/nothing")):
        answer = call(account, http, method, path)
        statuses[answer.headers["apigw-requestid"]] = str(answer.status_code)
    events = account.client("logs").filter_log_events(logGroupName=http.outputs["AccessLog"])["events"]
    lines = {line["id"]: line for line in (json.loads(event["message"]) for event in events)}
    assert {name: lines[name]["status"] for name in statuses} == statuses
    assert {lines[name]["route"] for name in statuses} == {"POST /items", "-"}
    assert {lines[name]["no"] for name in statuses} == {"-"}


def test_a_rest_api_refuses_what_its_model_does_not_allow_and_throttles_a_method(account: Account, rest: Stack) -> None:
    bodies = ["{}", '{"name": "Cup"}', '{"name": 1}', '{"name": "Cup"}']
    assert [call(account, rest, "POST", "/items", body).status_code for body in bodies] == [400, 200, 400, 429]


def test_an_alarm_on_metric_math_is_kept_with_its_metrics(account: Account, deploy: Deploy) -> None:
    errors = {"Namespace": "AWS/Lambda", "MetricName": "Errors"}
    metrics = [
        {"Id": "rate", "Expression": "100 * errors", "ReturnData": True},
        {"Id": "errors", "MetricStat": {"Metric": errors, "Period": 60, "Stat": "Sum"}, "ReturnData": False},
    ]
    rule = {"ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 1, "Threshold": 1}
    alarm = {"Type": "AWS::CloudWatch::Alarm", "Properties": {"AlarmName": "rate", "Metrics": metrics, **rule}}
    deploy("alarm", {"Resources": {"Alarm": alarm}})
    (described,) = account.client("cloudwatch").describe_alarms(AlarmNames=["rate"])["MetricAlarms"]
    assert [metric["Id"] for metric in described["Metrics"]] == ["rate", "errors"]
    assert "MetricName" not in described


@pytest.mark.parametrize("kind", ["Table", "GlobalTable"])
def test_a_table_has_the_time_to_live_and_the_recovery_of_its_template(account: Account, deploy: Deploy, kind: str) -> None:
    recovery = {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}}
    replica = {"Region": "us-east-1", "DeletionProtectionEnabled": True, **recovery}
    table = {
        "BillingMode": "PAY_PER_REQUEST",
        "TableName": f"{kind}-check",
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "TimeToLiveSpecification": {"AttributeName": "expires_at", "Enabled": True},
        **(recovery if kind == "Table" else {"Replicas": [replica]}),
    }
    deploy(f"table-{kind}", {"Resources": {"Table": {"Type": f"AWS::DynamoDB::{kind}", "Properties": table}}})
    client = account.client("dynamodb")
    time_to_live = client.describe_time_to_live(TableName=f"{kind}-check")["TimeToLiveDescription"]
    assert time_to_live == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}
    backups = client.describe_continuous_backups(TableName=f"{kind}-check")["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    protected = client.describe_table(TableName=f"{kind}-check")["Table"]["DeletionProtectionEnabled"]
    assert protected == (kind == "GlobalTable")


def test_a_type_that_only_configures_does_not_reject_its_stack(account: Account, deploy: Deploy) -> None:
    group = {"Type": "AWS::XRay::Group", "Properties": {"GroupName": "all"}}
    topic = {"Type": "AWS::SNS::Topic"}
    deploy("configuration-only", {"Resources": {"Group": group, "Topic": topic}})
    account.client("cloudformation").delete_stack(StackName="configuration-only")


# Says in the queue SEEN that it was called, then does what the message asks for.
SUBSCRIBER = """
import boto3, json, os
def handler(event, context):
    message = event["Records"][0]["Sns"]["Message"]
    boto3.client("sqs").send_message(QueueUrl=os.environ["SEEN"], MessageBody=context.aws_request_id)
    if message == "fail":
        raise LookupError("no such order")
    return {"message": message}
"""
# Reports the message's own body as the identifier of what failed.
REPORTER = """
def handler(event, context):
    return {"batchItemFailures": [{"itemIdentifier": record["body"]} for record in event["Records"]]}
"""
EMBEDDED = """
import json
def handler(event, context):
    sets, metrics = [["Function"], ["Function", "Stage"]], [{"Name": "Orders", "Unit": "Count"}]
    embedded = {"Timestamp": 1, "CloudWatchMetrics": [{"Namespace": "Shop", "Dimensions": sets, "Metrics": metrics}]}
    print(json.dumps({"_aws": embedded, "Function": "embedded", "Stage": "v1", "Orders": [2, 3]}))
    print('{"_aws": "none of it"}')
"""
QUEUE = {"Type": "AWS::SQS::Queue"}
TOPIC = {"Type": "AWS::SNS::Topic"}


def in_the_emulators_environment(folder: Path, script: str) -> dict[str, Any]:
    """What a script prints, that runs beside the corrections in the emulator's own environment."""
    (folder / "corrections").symlink_to(CORRECTIONS)
    done = subprocess.run(
        [venvs.EMULATOR.python, "-c", script],
        cwd=folder,
        env={"STATE_DIR": str(folder), "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def arn_of(name: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [name, "Arn"]}


def function(code: str, **variables: object) -> dict[str, Any]:
    given = {"Code": {"ZipFile": code}, "Environment": {"Variables": variables}}
    return {"Type": "AWS::Lambda::Function", "Properties": {**FUNCTION["Properties"], "Timeout": 10, **given}}


def subscription(protocol: str, endpoint: object, **properties: object) -> dict[str, Any]:
    given = {"TopicArn": {"Ref": "Topic"}, "Protocol": protocol, "Endpoint": endpoint, **properties}
    return {"Type": "AWS::SNS::Subscription", "Properties": given}


def alarm(metric: dict[str, Any], **properties: object) -> dict[str, Any]:
    rule = {"ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 1, "Threshold": 0, "Period": 60}
    return {"Type": "AWS::CloudWatch::Alarm", "Properties": {**metric, **rule, **properties}}


def template(resources: dict[str, Any]) -> dict[str, Any]:
    """A template whose outputs are the references of its resources."""
    return {"Resources": resources, "Outputs": {name: {"Value": {"Ref": name}} for name in resources}}


def messages(account: Account, url: str, *, number: int = 1, seconds: float = PATIENCE) -> list[dict[str, Any]]:
    """The messages of a queue, deleted as they are received; waits so long for this number of them."""
    client = account.client("sqs")
    found: list[dict[str, Any]] = []

    def enough() -> bool:
        received = client.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], AttributeNames=["All"]
        )
        for message in received.get("Messages", []):
            client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            found.append(message)
        return len(found) >= number

    wait_until(enough, seconds=seconds)
    return found


def state_of(account: Account, name: str) -> str:
    (described,) = account.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return str(described["StateValue"])


@pytest.fixture(scope="module")
def subscriber(deploy: Deploy) -> Stack:
    """A topic with a function that has a destination for success and one for failure."""
    destinations = {"OnSuccess": {"Destination": arn_of("Succeeded")}, "OnFailure": {"Destination": arn_of("Failed")}}
    config = {"FunctionName": {"Ref": "Subscriber"}, "Qualifier": "$LATEST", "DestinationConfig": destinations}
    resources = {
        **dict.fromkeys(("Seen", "Succeeded", "Failed"), QUEUE),
        "Topic": TOPIC,
        "Subscriber": function(SUBSCRIBER, SEEN={"Ref": "Seen"}),
        "Subscription": subscription("lambda", arn_of("Subscriber")),
        "Config": {"Type": "AWS::Lambda::EventInvokeConfig", "Properties": config},
    }
    return deploy("subscriber", template(resources))


def test_a_function_that_fails_for_a_topic_is_retried_twice_and_the_event_goes_to_its_destination(
    account: Account, subscriber: Stack
) -> None:
    account.client("sns").publish(TopicArn=subscriber.outputs["Topic"], Message="fail")
    (failure,) = messages(account, subscriber.outputs["Failed"])
    record = json.loads(failure["Body"])
    seen = [message["Body"] for message in messages(account, subscriber.outputs["Seen"], number=3)]
    assert seen == [record["requestContext"]["requestId"]] * 3
    assert record["version"] == "1.0"
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["requestContext"]["functionArn"].endswith(f"{subscriber.outputs['Subscriber']}:$LATEST")
    assert record["requestPayload"]["Records"][0]["Sns"]["Message"] == "fail"
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
    assert record["responsePayload"]["errorMessage"] == "no such order"


def test_a_function_that_succeeds_for_a_topic_leaves_its_answer_at_its_destination(account: Account, subscriber: Stack) -> None:
    account.client("sns").publish(TopicArn=subscriber.outputs["Topic"], Message="fine")
    (success,) = messages(account, subscriber.outputs["Succeeded"])
    record = json.loads(success["Body"])
    assert record["requestContext"]["condition"] == "Success"
    assert record["responsePayload"] == {"message": "fine"}
    assert "functionError" not in record["responseContext"]
    assert len(messages(account, subscriber.outputs["Seen"])) == 1


def test_the_class_of_what_a_handler_raises_is_known(account: Account, subscriber: Stack) -> None:
    event = json.dumps({"Records": [{"Sns": {"Message": "fail"}}]})
    answer = account.client("lambda").invoke(FunctionName=subscriber.outputs["Subscriber"], Payload=event)
    error = json.loads(answer["Payload"].read())
    messages(account, subscriber.outputs["Seen"])
    assert (error["errorType"], error["errorMessage"]) == ("LookupError", "no such order")
    assert any("raise LookupError" in line for line in error["stackTrace"])


def test_a_message_to_a_queue_that_is_gone_comes_to_the_dead_letter_queue_of_its_subscription(
    account: Account, deploy: Deploy
) -> None:
    policy = {"deadLetterTargetArn": arn_of("DeadLetters")}
    raw = subscription("sqs", arn_of("Gone"), RawMessageDelivery=True, RedrivePolicy=policy)
    stack = deploy("gone-queue", template({"Topic": TOPIC, "Gone": QUEUE, "DeadLetters": QUEUE, "Raw": raw}))
    colour = {"colour": {"DataType": "String", "StringValue": "red"}}
    account.client("sns").publish(TopicArn=stack.outputs["Topic"], Message="first")
    assert [message["Body"] for message in messages(account, stack.outputs["Gone"])] == ["first"]
    account.client("sqs").delete_queue(QueueUrl=stack.outputs["Gone"])
    account.client("sns").publish(TopicArn=stack.outputs["Topic"], Message="second", MessageAttributes=colour)
    (dead,) = messages(account, stack.outputs["DeadLetters"])
    assert (dead["Body"], dead["MessageAttributes"]["colour"]["StringValue"]) == ("second", "red")


def test_a_message_to_a_function_that_is_gone_comes_to_the_dead_letter_queue_of_its_subscription(
    account: Account, deploy: Deploy
) -> None:
    policy = {"deadLetterTargetArn": arn_of("DeadLetters")}
    endpoint = "arn:aws:lambda:us-east-1:000000000000:function:gone"
    resources = {"Topic": TOPIC, "DeadLetters": QUEUE, "Lost": subscription("lambda", endpoint, RedrivePolicy=policy)}
    stack = deploy("gone-function", template(resources))
    account.client("sns").publish(TopicArn=stack.outputs["Topic"], Message="to nobody")
    (dead,) = messages(account, stack.outputs["DeadLetters"])
    assert json.loads(dead["Body"])["Message"] == "to nobody"


@pytest.fixture
def endpoint() -> Iterator[Callable[[int], tuple[str, list[dict[str, Any]]]]]:
    """Starts an HTTP endpoint that answers each notification with this status; gives its URL and what it received."""
    servers: list[ThreadingHTTPServer] = []

    def start(status: int) -> tuple[str, list[dict[str, Any]]]:
        received: list[dict[str, Any]] = []

        class Endpoint(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(status if received[-1]["Type"] == "Notification" else 200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Not on the screen."""

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Endpoint))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/", received

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("status", "attempts"), [(503, 4), (403, 1)], ids=["server error", "refused"])
def test_a_message_that_an_http_endpoint_does_not_take_comes_to_the_dead_letter_queue_of_its_subscription(
    account: Account, deploy: Deploy, endpoint: Callable[[int], tuple[str, list[dict[str, Any]]]], status: int, attempts: int
) -> None:
    url, received = endpoint(status)
    stack = deploy(f"http-{status}", template({"Topic": TOPIC, "DeadLetters": QUEUE}))
    attributes = {"QueueUrl": stack.outputs["DeadLetters"], "AttributeNames": ["QueueArn"]}
    policy = {"deadLetterTargetArn": account.client("sqs").get_queue_attributes(**attributes)["Attributes"]["QueueArn"]}
    topics, topic = account.client("sns"), stack.outputs["Topic"]
    given = {"RedrivePolicy": json.dumps(policy)}
    topics.subscribe(TopicArn=topic, Protocol="http", Endpoint=url, Attributes=given)
    assert wait_until(lambda: bool(received), seconds=PATIENCE)
    topics.confirm_subscription(TopicArn=topic, Token=received.pop()["Token"])
    topics.publish(TopicArn=topic, Message="hello")
    (dead,) = messages(account, stack.outputs["DeadLetters"])
    assert json.loads(dead["Body"])["Message"] == "hello"
    assert len(received) == attempts


def test_a_fifo_topic_of_a_template_wants_a_group_and_drops_duplicates(account: Account, deploy: Deploy) -> None:
    fifo = {"TopicName": "orders.fifo", "FifoTopic": True, "KmsMasterKeyId": "alias/aws/sns"}
    queue = {**QUEUE, "Properties": {"FifoQueue": True}}
    delivered = subscription("sqs", arn_of("Queue"), RawMessageDelivery=True)
    stack = deploy("fifo-topic", template({"Topic": {**TOPIC, "Properties": fifo}, "Queue": queue, "Delivered": delivered}))
    topics, topic = account.client("sns"), stack.outputs["Topic"]
    with pytest.raises(topics.exceptions.ClientError, match="MessageGroupId"):
        topics.publish(TopicArn=topic, Message="no group")
    for message in ("first", "first", "second"):
        topics.publish(TopicArn=topic, Message=message, MessageGroupId="one", MessageDeduplicationId=message)
    assert [message["Body"] for message in messages(account, stack.outputs["Queue"], number=2)] == ["first", "second"]
    assert topics.get_topic_attributes(TopicArn=topic)["Attributes"]["KmsMasterKeyId"] == "alias/aws/sns"


def test_a_log_line_in_the_embedded_metric_format_makes_a_metric_for_each_set_of_dimensions(
    account: Account, deploy: Deploy
) -> None:
    stack = deploy("embedded", template({"Function": function(EMBEDDED)}))
    account.client("lambda").invoke(FunctionName=stack.outputs["Function"])
    now = time.time()
    of_function, of_stage = {"Name": "Function", "Value": "embedded"}, {"Name": "Stage", "Value": "v1"}
    for dimensions in ([of_function], [of_function, of_stage]):
        (point,) = account.client("cloudwatch").get_metric_statistics(
            Namespace="Shop",
            MetricName="Orders",
            Dimensions=dimensions,
            StartTime=now - 60,
            EndTime=now + 60,
            Period=3600,
            Statistics=["Sum", "SampleCount"],
        )["Datapoints"]
        assert (point["Sum"], point["SampleCount"]) == (5, 2)


def test_a_function_runs_as_often_at_a_time_as_its_template_says(account: Account, deploy: Deploy) -> None:
    limited = function("import time\ndef handler(event, context):\n    time.sleep(event)")
    limited["Properties"]["ReservedConcurrentExecutions"] = 1
    name = deploy("reserved", template({"Function": limited})).outputs["Function"]
    functions = account.client("lambda")
    functions.invoke(FunctionName=name, InvocationType="Event", Payload=b"2")

    def refused() -> bool:
        try:
            functions.invoke(FunctionName=name, Payload=b"0")
        except functions.exceptions.TooManyRequestsException:
            return True
        return False

    assert wait_until(refused, seconds=PATIENCE)
    assert wait_until(lambda: not refused(), seconds=PATIENCE)


def test_an_alarm_goes_off_for_the_messages_of_its_own_queue_and_no_other(account: Account, deploy: Deploy) -> None:
    metric = {"Namespace": "AWS/SQS", "MetricName": "ApproximateNumberOfMessagesVisible", "Statistic": "Maximum"}
    alarms = {
        name: alarm(
            {**metric, "Dimensions": [{"Name": "QueueName", "Value": {"Fn::GetAtt": [queue, "QueueName"]}}]},
            AlarmActions=[{"Ref": "Topic"}],
        )
        for name, queue in (("OfFull", "Full"), ("OfEmpty", "Empty"))
    }
    inbox = subscription("sqs", arn_of("Inbox"), RawMessageDelivery=True)
    resources = dict.fromkeys(("Full", "Empty", "Inbox"), QUEUE)
    stack = deploy("queue-alarms", template({**resources, "Topic": TOPIC, "Delivered": inbox, **alarms}))
    account.client("sqs").send_message(QueueUrl=stack.outputs["Full"], MessageBody="a message")
    assert wait_until(lambda: state_of(account, stack.outputs["OfFull"]) == "ALARM", seconds=PATIENCE)
    assert state_of(account, stack.outputs["OfEmpty"]) == "OK"
    said = [json.loads(message["Body"]) for message in messages(account, stack.outputs["Inbox"])]
    assert [(each["AlarmName"], each["NewStateValue"]) for each in said] == [(stack.outputs["OfFull"], "ALARM")]


def test_an_alarm_without_data_is_in_the_state_that_it_names(account: Account, deploy: Deploy) -> None:
    metric = {"Namespace": "Shop", "MetricName": "NeverPublished", "Statistic": "Sum"}
    expected = {"breaching": "ALARM", "notBreaching": "OK", "missing": "INSUFFICIENT_DATA"}
    alarms = {treatment: alarm(metric, TreatMissingData=treatment) for treatment in expected}
    stack = deploy("alarms-without-data", template(alarms))
    names = {treatment: stack.outputs[treatment] for treatment in expected}
    assert wait_until(lambda: state_of(account, names["notBreaching"]) == "OK", seconds=PATIENCE)
    assert {treatment: state_of(account, name) for treatment, name in names.items()} == expected


def test_an_alarm_goes_off_when_enough_of_its_periods_breach_and_not_before(account: Account, deploy: Deploy) -> None:
    metric = {"Namespace": "Shop", "MetricName": "Failures", "Statistic": "Sum", "TreatMissingData": "notBreaching"}
    given = alarm(metric, EvaluationPeriods=3, DatapointsToAlarm=2)
    stack = deploy("two-of-three", template({"Alarm": given}))
    cloudwatch, now = account.client("cloudwatch"), time.time()
    for minutes, state in ((2, "OK"), (1, "ALARM")):
        datum = {"MetricName": "Failures", "Value": 1, "Timestamp": now - 60 * minutes}
        cloudwatch.put_metric_data(Namespace="Shop", MetricData=[datum])
        assert state_of(account, stack.outputs["Alarm"]) == state


def test_a_batch_whose_answer_names_an_unknown_message_comes_back(account: Account, deploy: Deploy) -> None:
    redrive = {"deadLetterTargetArn": arn_of("DeadLetters"), "maxReceiveCount": 2}
    mapping = {
        "EventSourceArn": arn_of("Queue"),
        "FunctionName": {"Ref": "Function"},
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
    }
    resources = {
        "Queue": {**QUEUE, "Properties": {"VisibilityTimeout": 1, "RedrivePolicy": redrive}},
        "DeadLetters": QUEUE,
        "Function": function(REPORTER),
        "Mapping": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": mapping},
    }
    stack = deploy("unknown-failures", template(resources))
    account.client("sqs").send_message(QueueUrl=stack.outputs["Queue"], MessageBody="no id of the batch")
    assert [message["Body"] for message in messages(account, stack.outputs["DeadLetters"])] == ["no id of the batch"]


def test_a_delay_of_more_than_15_minutes_is_refused(account: Account, deploy: Deploy) -> None:
    client, url = account.client("sqs"), deploy("delays", template({"Queue": QUEUE})).outputs["Queue"]
    client.send_message(QueueUrl=url, MessageBody="later", DelaySeconds=900)
    with pytest.raises(client.exceptions.ClientError, match="Value 901 for parameter DelaySeconds is invalid"):
        client.send_message(QueueUrl=url, MessageBody="too late", DelaySeconds=901)
    entries = [{"Id": "1", "MessageBody": "too late", "DelaySeconds": 901}]
    assert [each["Id"] for each in client.send_message_batch(QueueUrl=url, Entries=entries)["Failed"]] == ["1"]


def test_of_those_who_receive_at_the_same_moment_each_gets_other_messages_and_none_is_lost(tmp_path: Path) -> None:
    received = in_the_emulators_environment(tmp_path, RECEIVE_AT_ONCE)
    assert received == {"sent": 5000, "received": 5000, "twice": 0}


def test_a_mapping_template_knows_the_id_of_the_request_that_the_answer_carries(account: Account, deploy: Deploy) -> None:
    request = "Action=SendMessage&MessageBody=$context.requestId"
    answer = {
        "StatusCode": "202",
        "ResponseTemplates": {"application/json": '{"id":"$context.requestId","path":"$context.path"}'},
    }
    integration = {
        "Type": "AWS",
        "IntegrationHttpMethod": "POST",
        "Uri": {"Fn::Sub": "arn:aws:apigateway:us-east-1:sqs:path/000000000000/${Queue.QueueName}"},
        "RequestTemplates": {"application/json": request},
        "IntegrationResponses": [answer],
    }
    given = rest_api({}, {"Integration": integration, "MethodResponses": [{"StatusCode": "202"}]})
    given["Resources"]["Queue"] = QUEUE
    given["Outputs"]["Queue"] = {"Value": {"Ref": "Queue"}}
    stack = deploy("rest-to-queue", given)
    response = call(account, stack, "POST", "/items")
    (message,) = messages(account, stack.outputs["Queue"])
    said = json.loads(response.content)
    assert said == {"id": message["Body"], "path": "/v1/items"}
    assert response.headers["x-amzn-requestid"] == said["id"] != ""


def test_a_template_knows_the_address_range_of_its_vpc(deploy: Deploy) -> None:
    vpc = {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.7.0.0/16"}}
    outputs = {"Range": {"Value": {"Fn::GetAtt": ["Vpc", "CidrBlock"]}}}
    assert deploy("vpc", {"Resources": {"Vpc": vpc}, "Outputs": outputs}).outputs["Range"] == "10.7.0.0/16"


# Says in the queue SEEN what it was called with, then fails if that says so.
SCHEDULED = """
import boto3, json, os
def handler(event, context):
    boto3.client("sqs").send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps(event))
    if event.get("fail"):
        raise LookupError("no such report")
"""
# The next moment of a schedule after another, as the corrected emulator computes it.
NEXT_MOMENTS = """
import json
from datetime import datetime
from corrections import schedules
def moment(expression, zone, since):
    schedule = {"ScheduleExpression": expression, "ScheduleExpressionTimezone": zone}
    found = schedules._next(schedule, datetime.fromisoformat(since).timestamp(), once=False)
    return datetime.fromtimestamp(found, schedules.UTC).isoformat()
print(json.dumps({"moments": [moment(*each) for each in %r]}))
"""
ROLE_OF_SCHEDULE = {"RoleArn": "arn:aws:iam::000000000000:role/schedule"}


def schedule(target: dict[str, Any], expression: str | None = None, **properties: object) -> dict[str, Any]:
    """A schedule that fires at once, or as the expression says."""
    now = time.strftime("at(%Y-%m-%dT%H:%M:%S)", time.gmtime())
    window = {"FlexibleTimeWindow": {"Mode": "OFF"}, "State": "ENABLED"}
    given = {**window, "ScheduleExpression": expression or now, "Target": {**ROLE_OF_SCHEDULE, **target}, **properties}
    return {"Type": "AWS::Scheduler::Schedule", "Properties": given}


def test_a_schedule_calls_a_function_with_its_time_and_a_failure_is_retried_and_goes_to_the_functions_destination(
    account: Account, deploy: Deploy
) -> None:
    config = {"FunctionName": {"Ref": "Function"}, "Qualifier": "$LATEST", "MaximumRetryAttempts": 1}
    destination = {"DestinationConfig": {"OnFailure": {"Destination": arn_of("Failed")}}}
    sent = {"fail": True, "at": "<aws.scheduler.scheduled-time>", "of": "<aws.scheduler.schedule-arn>", "try": "<other>"}
    resources = {
        **dict.fromkeys(("Seen", "Failed"), QUEUE),
        "Function": function(SCHEDULED, SEEN={"Ref": "Seen"}),
        "Config": {"Type": "AWS::Lambda::EventInvokeConfig", "Properties": {**config, **destination}},
    }
    stack = deploy("scheduled-failure", template(resources))
    functions = account.client("lambda")
    arn = functions.get_function(FunctionName=stack.outputs["Function"])["Configuration"]["FunctionArn"]
    at = time.time() + 2
    account.client("scheduler").create_schedule(
        Name="once",
        ScheduleExpression=time.strftime("at(%Y-%m-%dT%H:%M:%S)", time.gmtime(at)),
        FlexibleTimeWindow={"Mode": "OFF"},
        ActionAfterCompletion="DELETE",
        Target={**ROLE_OF_SCHEDULE, "Arn": arn, "Input": json.dumps(sent)},
    )
    (failure,) = messages(account, stack.outputs["Failed"])
    record = json.loads(failure["Body"])
    assert record["requestPayload"] == {
        "fail": True,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)),
        "of": "arn:aws:scheduler:us-east-1:000000000000:schedule/default/once",
        "try": "<other>",
    }
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert len(messages(account, stack.outputs["Seen"], number=2)) == 2
    assert wait_until(lambda: not account.client("scheduler").list_schedules(NamePrefix="once")["Schedules"], seconds=PATIENCE)


def test_a_schedule_whose_function_is_gone_tries_again_and_sends_the_input_to_the_dead_letter_queue_of_its_target(
    account: Account, deploy: Deploy
) -> None:
    gone = "arn:aws:lambda:us-east-1:000000000000:function:gone"
    policy = {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 60}
    target = {"Arn": gone, "Input": '{"report":"sales"}', "RetryPolicy": policy, "DeadLetterConfig": {"Arn": arn_of("Dead")}}
    stack = deploy("schedule-of-nobody", template({"Dead": QUEUE, "Once": schedule(target)}))
    (dead,) = messages(account, stack.outputs["Dead"])
    said = {name: value["StringValue"] for name, value in dead["MessageAttributes"].items()}
    assert dead["Body"] == '{"report":"sales"}'
    assert (said["RETRY_ATTEMPTS"], said["EXHAUSTED_RETRY_CONDITION"]) == ("2", "MaximumRetryAttempts")
    assert (said["ERROR_CODE"], said["TARGET_ARN"]) == ("ResourceNotFoundException", gone)
    assert said["SCHEDULE_ARN"].endswith(stack.outputs["Once"])


def test_a_schedule_of_a_template_that_fires_at_once_does_so_once(account: Account, deploy: Deploy) -> None:
    target = {"Arn": arn_of("Seen"), "Input": "<aws.scheduler.attempt-number>"}
    stack = deploy("schedule-once", template({"Seen": QUEUE, "Once": schedule(target)}))
    assert [message["Body"] for message in messages(account, stack.outputs["Seen"])] == ["1"]
    assert messages(account, stack.outputs["Seen"], seconds=2.5) == []


def test_a_schedule_of_a_template_keeps_its_time_zone(account: Account, deploy: Deploy) -> None:
    zone = {"ScheduleExpressionTimezone": "Europe/Berlin"}
    stack = deploy("zoned", template({"Seen": QUEUE, "Daily": schedule({"Arn": arn_of("Seen")}, "cron(0 6 * * ? *)", **zone)}))
    found = account.client("scheduler").get_schedule(Name=stack.outputs["Daily"])
    assert found["ScheduleExpressionTimezone"] == "Europe/Berlin"


def test_a_schedule_reads_its_expression_in_its_time_zone(tmp_path: Path) -> None:
    daily, berlin = "cron(30 2 * * ? *)", "Europe/Berlin"
    expected = {
        (daily, "UTC", "2026-03-01T12:00+00:00"): "2026-03-02T02:30:00+00:00",
        (daily, berlin, "2026-03-01T12:00+00:00"): "2026-03-02T01:30:00+00:00",
        (daily, berlin, "2026-03-28T12:00+00:00"): "2026-03-30T00:30:00+00:00",  # there is no 02:30 on the 29th
        (daily, berlin, "2026-10-24T12:00+00:00"): "2026-10-25T00:30:00+00:00",  # the first of two
        (daily, berlin, "2026-10-25T00:30+00:00"): "2026-10-26T01:30:00+00:00",  # and not the second
        (daily, berlin, "2026-10-25T01:15+00:00"): "2026-10-26T01:30:00+00:00",
        ("at(2026-03-01T06:00:00)", "Asia/Kolkata", "2026-03-01T00:00+00:00"): "2026-03-01T00:30:00+00:00",
        ("rate(5 minutes)", berlin, "2026-03-01T00:00+00:00"): "2026-03-01T00:05:00+00:00",
    }
    found = in_the_emulators_environment(tmp_path, NEXT_MOMENTS % list(expected))
    assert found["moments"] == list(expected.values())


def test_an_event_whose_queue_is_gone_comes_to_the_dead_letter_queue_of_the_rules_target(
    account: Account, deploy: Deploy
) -> None:
    target = {"Id": "Queue", "Arn": arn_of("Gone"), "DeadLetterConfig": {"Arn": arn_of("Dead")}}
    pattern = {"source": ["shop.of.test"]}
    rule = {"Type": "AWS::Events::Rule", "Properties": {"EventPattern": pattern, "Targets": [target], "State": "ENABLED"}}
    stack = deploy("rule-of-nobody", template({"Dead": QUEUE, "Gone": QUEUE, "Rule": rule}))
    entry = {"Source": "shop.of.test", "DetailType": "sold", "Detail": '{"id": 1}'}
    account.client("events").put_events(Entries=[entry])
    assert len(messages(account, stack.outputs["Gone"])) == 1
    account.client("sqs").delete_queue(QueueUrl=stack.outputs["Gone"])
    account.client("events").put_events(Entries=[entry])
    (dead,) = messages(account, stack.outputs["Dead"])
    said = {name: value["StringValue"] for name, value in dead["MessageAttributes"].items()}
    assert json.loads(dead["Body"])["detail"] == {"id": 1}
    assert (said["ERROR_CODE"], said["RETRY_ATTEMPTS"]) == ("NO_RESOURCE", "0")
    assert said["RULE_ARN"].endswith(f"rule/{stack.outputs['Rule']}")


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each correction says when it meets an emulator that has been corrected already."""
    return in_the_emulators_environment(tmp_path_factory.mktemp("corrections"), CHECK_AFTER_APPLY % NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_correction_whose_fault_is_gone_says_so(verdicts: dict[str, str], name: str) -> None:
    assert "the emulator" in verdicts[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_correction_names_the_page_that_says_what_aws_does(name: str) -> None:
    text = Path(CORRECTIONS / f"{name}.py").read_text(encoding="utf-8")
    assert "https://docs.aws.amazon.com/" in text.split('"""')[1]


@pytest.mark.parametrize(
    ("expression", "values", "expected"),
    [
        ("100 * part / whole", {"part": 2, "whole": 100}, 2),
        ("100 * part / whole", {"part": 2, "whole": None}, None),
        ("100 * part / whole", {"part": None, "whole": 100}, 0),
        ("100 * part / whole", {"part": None, "whole": None}, None),
        ("one + other - third", {"one": 1, "other": None, "third": None}, 1),
        ("FILL(one, 0) + 1", {"one": None}, 1),
        ("FILL(one, 0)", {"one": 2}, 2),
        ("IF(age > 5 AND FILL(good, 0) <= 0, 1, 0)", {"age": 6, "good": None}, 1),
        ("IF(age > 5 AND FILL(good, 0) <= 0, 1, 0)", {"age": 6, "good": 1}, 0),
        ("IF(age > 5 AND FILL(good, 0) <= 0, 1, 0)", {"age": None, "good": None}, None),
        ("IF(age > 5 OR good == 1, 1, 0)", {"age": 1, "good": 1}, 1),
    ],
)
def test_an_expression_takes_what_is_missing_for_nothing_unless_all_of_it_is(
    expression: str, values: dict[str, float | None], expected: float | None
) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html."""
    assert metric_math.evaluate(expression, values) == expected


def test_an_expression_that_is_not_known_is_refused_in_its_words() -> None:
    with pytest.raises(ValueError, match=r"metric math is not known here: ANOMALY_DETECTION_BAND\(one\)"):
        metric_math.evaluate("ANOMALY_DETECTION_BAND(one)", {"one": 1})


def test_each_request_to_an_http_api_is_counted_once(account: Account, http: Stack) -> None:
    dimensions = [{"Name": "ApiId", "Value": http.outputs["ApiId"]}, {"Name": "Stage", "Value": "$default"}]

    def counted(metric: str) -> float:
        now = time.time()
        points = account.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/ApiGateway",
            MetricName=metric,
            Dimensions=dimensions,
            StartTime=now - 600,
            EndTime=now + 60,
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
        return float(sum(point["Sum"] for point in points))

    before = counted("Count"), counted("4xx")
    call(account, http, "GET", "/nothing")
    assert (counted("Count"), counted("4xx")) == (before[0] + 1, before[1] + 1)
