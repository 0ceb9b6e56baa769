"""Each correction makes the emulator do what AWS does, seen from outside; and each notices when its fault is gone."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.httpsession import URLLib3Session

from serverless_patterns.local import venvs
from serverless_patterns.local.account import Account, Stack
from tests.local.conftest import ROOT, Deploy

CORRECTIONS = ROOT / "serverless_patterns" / "local" / "corrections"
NAMES = sorted(file.stem for file in CORRECTIONS.glob("*.py") if file.stem not in {"__init__", "__main__", "faults"})
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


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each correction says when it meets an emulator that has been corrected already."""
    folder = tmp_path_factory.mktemp("corrections")
    (folder / "corrections").symlink_to(CORRECTIONS)
    done = subprocess.run(
        [venvs.EMULATOR.python, "-c", CHECK_AFTER_APPLY % NAMES],
        cwd=folder,
        env={"STATE_DIR": str(folder), "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return said


@pytest.mark.parametrize("name", NAMES)
def test_a_correction_whose_fault_is_gone_says_so(verdicts: dict[str, str], name: str) -> None:
    assert "the emulator" in verdicts[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_correction_names_the_page_that_says_what_aws_does(name: str) -> None:
    text = Path(CORRECTIONS / f"{name}.py").read_text(encoding="utf-8")
    assert "https://docs.aws.amazon.com/" in text.split('"""')[1]
