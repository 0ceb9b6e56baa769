"""ApiCrud: what its options do to the template, and what it refuses."""

import json
import re

import aws_cdk as cdk
import pytest
from aws_cdk import CfnParameter, Duration, RemovalPolicy
from aws_cdk import aws_apigatewayv2 as apigatewayv2
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from api_crud import models
from serverless_patterns import (
    DEV,
    Alerts,
    ApiCrud,
    Authorization,
    BundlingError,
    Capacity,
    Cors,
    Handler,
    Operations,
    PatternError,
    TableOptions,
    Throttle,
    UsagePlan,
)
from serverless_patterns._blocks.resource_schema import resource_schema
from serverless_patterns.api_crud import LEAST_TIMEOUT, SERVER_OWNED
from shared.aws import LONGEST_CALL_SECONDS
from tests.support.synthesis import FLAGS, empty_stack, resources, statements, template_of

USER = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}, "required": ["name"]}


def users(scope: Construct, construct_id: str = "Users", **options: object) -> ApiCrud:
    return ApiCrud(scope, construct_id, **{"resource": "users", "schema": USER, **options})


def properties(stack: Construct, kind: str) -> dict:
    (resource,) = resources(template_of(stack), kind).values()
    return resource["Properties"]


def routes(stack: Construct) -> dict[str, dict]:
    found = resources(template_of(stack), "AWS::ApiGatewayV2::Route").values()
    return {route["Properties"]["RouteKey"]: route["Properties"] for route in found}


def methods(stack: Construct) -> list[dict]:
    found = resources(template_of(stack), "AWS::ApiGateway::Method").values()
    return [method["Properties"] for method in found if method["Properties"]["HttpMethod"] != "OPTIONS"]


# --- the smallest use


def test_the_smallest_use_has_all_five_routes_and_asks_for_signed_requests(stack):
    users(stack)
    assert {key: route["AuthorizationType"] for key, route in routes(stack).items()} == {
        "POST /users": "AWS_IAM",
        "GET /users": "AWS_IAM",
        "GET /users/{id}": "AWS_IAM",
        "PUT /users/{id}": "AWS_IAM",
        "DELETE /users/{id}": "AWS_IAM",
    }


def test_the_smallest_use_keeps_its_data(stack):
    api = users(stack)
    table = template_of(stack)["Resources"][stack.get_logical_id(api.table.node.default_child)]
    assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == "Retain"
    (replica,) = table["Properties"]["Replicas"]
    assert replica["DeletionProtectionEnabled"] is True
    assert replica["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": 35}


def test_the_function_may_do_exactly_what_its_handler_does(stack):
    api = users(stack)
    table, keys = (stack.get_logical_id(found.node.default_child) for found in (api.table, api.idempotency_table))
    allowed = {
        action: statement["Resource"]["Fn::GetAtt"][0]
        for statement in statements(template_of(stack))
        for action in statement["Action"]
        if action.startswith("dynamodb:") and statement["Resource"]["Fn::GetAtt"][0] == table
    }
    assert sorted(allowed) == ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Scan"]
    (on_keys,) = [s["Action"] for s in statements(template_of(stack)) if s["Resource"] == {"Fn::GetAtt": [keys, "Arn"]}]
    assert on_keys == ["dynamodb:GetItem", "dynamodb:PutItem"]


def test_only_this_api_may_invoke_the_function(stack):
    users(stack)
    permission = properties(stack, "AWS::Lambda::Permission")
    assert permission["Principal"] == "apigateway.amazonaws.com"
    assert {"Ref": "AWS::AccountId"} in permission["SourceArn"]["Fn::Join"][1]
    assert permission["SourceArn"]["Fn::Join"][1][-1] == "/*/*/*"


def test_idempotency_keys_expire_and_go_with_the_stack(stack):
    api = users(stack)
    table = template_of(stack)["Resources"][stack.get_logical_id(api.idempotency_table.node.default_child)]
    assert table["Properties"]["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert table["DeletionPolicy"] == "Delete"


def test_fields_that_the_schema_does_not_name_are_refused_unless_it_allows_them():
    assert resource_schema(USER, reserved=())["additionalProperties"] is False
    assert resource_schema({**USER, "additionalProperties": True}, reserved=())["additionalProperties"] is True


def test_two_instances_live_in_one_stack(stack):
    users(stack, "Users").add_alarms(Alerts())
    users(stack, "Others", resource="others").add_alarms(Alerts())
    assert len(resources(template_of(stack), "AWS::DynamoDB::GlobalTable")) == 4


# --- the edge


def test_the_access_log_is_json_with_the_request_id_and_without_query_and_headers(stack):
    users(stack)
    line = json.loads(properties(stack, "AWS::ApiGatewayV2::Stage")["AccessLogSettings"]["Format"])
    assert line["requestId"] == "$context.requestId"
    assert not [value for value in line.values() if "header" in value.lower() or "query" in value.lower()]


@pytest.mark.parametrize(
    ("capacity", "expected"),
    [(Capacity(), (100, 200)), (Capacity(share=0.5), (50, 100)), (Capacity(max_requests_per_second=10), (10, 10))],
)
def test_the_api_is_throttled_as_declared_within_the_environments_capacity(stack, capacity, expected):
    users(stack, operations=Operations(capacity=capacity))
    settings = properties(stack, "AWS::ApiGatewayV2::Stage")["DefaultRouteSettings"]
    assert (settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"]) == expected


def test_a_rest_api_is_throttled_and_traced_too(stack):
    users(stack, api_kind="rest", throttle=Throttle(rate=7, burst=9))
    stage = properties(stack, "AWS::ApiGateway::Stage")
    (settings,) = stage["MethodSettings"]
    assert (settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"]) == (7, 9)
    assert settings["DataTraceEnabled"] is False
    assert stage["TracingEnabled"] is True
    assert "requestId" in json.loads(stage["AccessLogSetting"]["Format"])


def test_a_rest_api_takes_its_share_of_the_capacity_and_is_traced_only_where_wanted(stack):
    operations = Operations(capacity=Capacity(share=0.5), tracing=False)
    users(stack, api_kind="rest", usage_plan=UsagePlan(), operations=operations)
    stage = properties(stack, "AWS::ApiGateway::Stage")
    assert (stage["MethodSettings"][0]["ThrottlingRateLimit"], stage["TracingEnabled"]) == (50, False)
    assert properties(stack, "AWS::ApiGateway::UsagePlan")["Throttle"] == {"RateLimit": 50, "BurstLimit": 100}
    assert "TracingConfig" not in properties(stack, "AWS::Lambda::Function")


def test_a_rest_apis_callers_are_granted_its_stage(stack):
    users(stack, api_kind="rest").grant_read(iam.Role(stack, "Reader", assumed_by=iam.AccountRootPrincipal()))
    (arns,) = [s["Resource"] for s in statements(template_of(stack)) if s["Action"] == "execute-api:Invoke"]
    assert [arn["Fn::Join"][1][-1] for arn in arns] == ["/v1/GET/users", "/v1/GET/users/*"]


def test_a_browser_keeps_a_preflight_as_long_as_told(stack):
    cors = Cors(allow_origins=["https://a.example"], max_age=Duration.minutes(5))
    users(stack, "Http", cors=cors)
    users(stack, "Rest", api_kind="rest", cors=cors)
    assert properties(stack, "AWS::ApiGatewayV2::Api")["CorsConfiguration"]["MaxAge"] == 300
    found = [method["Properties"] for method in resources(template_of(stack), "AWS::ApiGateway::Method").values()]
    preflights = [method["Integration"]["IntegrationResponses"] for method in found if method["HttpMethod"] == "OPTIONS"]
    ages = {answer["ResponseParameters"]["method.response.header.Access-Control-Max-Age"] for (answer,) in preflights}
    assert ages == {"'300'"}


def test_a_rest_api_without_authorization_has_to_be_written_out_too(stack):
    users(stack, api_kind="rest", authorization=Authorization.none())
    assert {method["AuthorizationType"] for method in methods(stack)} == {"NONE"}


def test_what_a_kind_cannot_do_is_said_before_anything_is_defined(stack):
    with pytest.raises(PatternError, match="a REST API verifies tokens of a Cognito user pool only"):
        users(stack, api_kind="rest", authorization=Authorization.jwt(issuer="https://id.example.com", audience=["a"]))
    assert stack.node.children == []


def test_no_stack_touches_the_accounts_own_api_gateway_role(stack):
    users(stack, api_kind="rest")
    assert resources(template_of(stack), "AWS::ApiGateway::Account") == {}


def test_a_rest_api_checks_bodies_against_the_schema_before_the_function(stack):
    users(stack, api_kind="rest")
    assert properties(stack, "AWS::ApiGateway::Model")["Schema"]["required"] == ["name"]
    assert properties(stack, "AWS::ApiGateway::RequestValidator")["ValidateRequestBody"] is True
    validated = {m["HttpMethod"] for m in methods(stack) if "RequestValidatorId" in m}
    assert validated == {"POST", "PUT"}


def test_another_schema_makes_another_deployment_of_a_rest_api(stack):
    users(stack, "A", api_kind="rest")
    first = set(resources(template_of(stack), "AWS::ApiGateway::Deployment"))
    other = empty_stack()
    users(other, "A", api_kind="rest", schema={**USER, "required": []})
    assert first != set(resources(template_of(other), "AWS::ApiGateway::Deployment"))


def test_rest_apis_have_names_of_their_own_since_their_metrics_have_no_other_dimension(stack):
    users(stack, "One", api_kind="rest")
    users(stack, "Two", api_kind="rest", resource="others")
    names = [api["Properties"]["Name"] for api in resources(template_of(stack), "AWS::ApiGateway::RestApi").values()]
    assert len(set(names)) == 2


def test_a_usage_plan_asks_each_request_for_a_key_and_meters_it(stack):
    users(stack, api_kind="rest", usage_plan=UsagePlan(throttle=Throttle(rate=5, burst=10), requests_per_day=1000))
    assert all(method["ApiKeyRequired"] for method in methods(stack))
    plan = properties(stack, "AWS::ApiGateway::UsagePlan")
    assert plan["Throttle"] == {"RateLimit": 5, "BurstLimit": 10}
    assert plan["Quota"] == {"Limit": 1000, "Period": "DAY"}
    assert len(resources(template_of(stack), "AWS::ApiGateway::UsagePlanKey")) == 1


# --- who may call


def test_tokens_of_any_issuer_are_accepted_with_their_audience_and_scopes(stack):
    users(stack, authorization=Authorization.jwt(issuer="https://id.example.com", audience=["shop", "app"], scopes=["users"]))
    authorizer = properties(stack, "AWS::ApiGatewayV2::Authorizer")
    assert authorizer["JwtConfiguration"] == {"Audience": ["shop", "app"], "Issuer": "https://id.example.com"}
    assert {(r["AuthorizationType"], *r["AuthorizationScopes"]) for r in routes(stack).values()} == {("JWT", "users")}


@pytest.mark.parametrize(
    ("kind", "resource"), [("http", "AWS::ApiGatewayV2::Authorizer"), ("rest", "AWS::ApiGateway::Authorizer")]
)
def test_tokens_of_a_user_pool_are_accepted_by_both_kinds(stack, kind, resource):
    pool = cognito.UserPool(stack, "Pool")
    users(stack, api_kind=kind, authorization=Authorization.cognito(pool, clients=[pool.add_client("Client")]))
    assert len(resources(template_of(stack), resource)) == 1


def test_a_rest_api_asks_for_signed_requests_by_default(stack):
    users(stack, api_kind="rest")
    assert {method["AuthorizationType"] for method in methods(stack)} == {"AWS_IAM"}


def test_no_authorization_has_to_be_written_out(stack):
    users(stack, authorization=Authorization.none())
    assert {route["AuthorizationType"] for route in routes(stack).values()} == {"NONE"}


def test_readers_may_call_the_routes_that_read_and_writers_the_others(stack):
    api = users(stack)
    reader, writer = (iam.Role(stack, name, assumed_by=iam.AccountRootPrincipal()) for name in ("Reader", "Writer"))
    api.grant_read(reader)
    api.grant_write(writer)
    paths = {
        policy["Properties"]["PolicyName"][:6]: [arn["Fn::Join"][1][-1] for arn in statement["Resource"]]
        for policy in resources(template_of(stack), "AWS::IAM::Policy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Action"] == "execute-api:Invoke"
    }
    assert paths == {
        "Reader": ["/$default/GET/users", "/$default/GET/users/*"],
        "Writer": ["/$default/DELETE/users/*", "/$default/POST/users", "/$default/PUT/users/*"],
    }


# --- CORS


def test_an_http_api_answers_for_the_listed_origins(stack):
    users(stack, cors=Cors(allow_origins=["https://a.example", "https://b.example"], allow_credentials=True))
    cors = properties(stack, "AWS::ApiGatewayV2::Api")["CorsConfiguration"]
    assert cors["AllowOrigins"] == ["https://a.example", "https://b.example"]
    assert cors["AllowCredentials"] is True
    assert "idempotency-key" in cors["AllowHeaders"]
    assert "etag" in cors["ExposeHeaders"]


def test_a_rest_api_has_the_origin_on_its_own_errors_too(stack):
    users(stack, api_kind="rest", cors=Cors(allow_origins=["https://a.example"]))
    answers = resources(template_of(stack), "AWS::ApiGateway::GatewayResponse").values()
    origins = {a["Properties"]["ResponseParameters"]["gatewayresponse.header.Access-Control-Allow-Origin"] for a in answers}
    assert origins == {"'https://a.example'"}
    variables = properties(stack, "AWS::Lambda::Function")["Environment"]["Variables"]
    assert variables["ALLOW_ORIGINS"] == "https://a.example"


def test_without_cors_no_page_may_call(stack):
    users(stack)
    assert "CorsConfiguration" not in properties(stack, "AWS::ApiGatewayV2::Api")
    assert "ALLOW_ORIGINS" not in properties(stack, "AWS::Lambda::Function")["Environment"]["Variables"]


# --- table, handler


def test_the_table_takes_time_to_live_stream_indexes_and_a_key():
    stack = empty_stack(region="eu-central-1")
    index = dynamodb.GlobalSecondaryIndexPropsV2(
        index_name="by-name", partition_key=dynamodb.Attribute(name="name", type=dynamodb.AttributeType.STRING)
    )
    options = TableOptions(
        time_to_live_attribute="age",
        stream=dynamodb.StreamViewType.NEW_AND_OLD_IMAGES,
        global_secondary_indexes=[index],
        encryption_key=kms.Key(stack, "Key"),
    )
    api = users(stack, table=options)
    table = template_of(stack)["Resources"][stack.get_logical_id(api.table.node.default_child)]["Properties"]
    assert table["TimeToLiveSpecification"]["AttributeName"] == "age"
    assert table["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert [found["IndexName"] for found in table["GlobalSecondaryIndexes"]] == ["by-name"]
    assert table["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS"}
    assert properties(stack, "AWS::Lambda::Function")["Environment"]["Variables"]["TTL_ATTRIBUTE"] == "age"


def test_a_table_of_ones_own_is_reached_through_its_key(stack):
    key = kms.Key(stack, "Key")
    table = dynamodb.Table(
        stack,
        "Mine",
        partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
        encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
        encryption_key=key,
    )
    users(stack, table=table)
    assert any("kms:Decrypt" in statement["Action"] for statement in statements(template_of(stack)))


def test_a_customer_managed_key_may_be_used_by_the_function():
    stack = empty_stack(region="eu-central-1")
    users(stack, table=TableOptions(encryption_key=kms.Key(stack, "Key")))
    (allowed,) = [s["Action"] for s in statements(template_of(stack)) if "kms:Decrypt" in s["Action"]]
    assert allowed == ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"]


def test_a_table_of_ones_own_is_used_even_an_imported_one(stack):
    table = dynamodb.TableV2.from_table_name(stack, "Mine", "people")
    api = users(stack, table=table)
    assert api.table is table
    assert len(resources(template_of(stack), "AWS::DynamoDB::GlobalTable")) == 1
    assert properties(stack, "AWS::Lambda::Function")["Environment"]["Variables"]["TABLE_NAME"] == "people"


def test_a_handler_of_ones_own_gets_the_settings_and_permissions(stack):
    users(stack, handler=Handler(lambda_.Code.from_inline("def handler(event, context): ..."), "index.handler"))
    function = properties(stack, "AWS::Lambda::Function")
    assert function["Handler"] == "index.handler"
    assert "TABLE_NAME" in function["Environment"]["Variables"]
    assert "SCHEMA_FILE" not in function["Environment"]["Variables"]
    assert any("dynamodb:Scan" in statement["Action"] for statement in statements(template_of(stack)))


def test_what_was_defined_is_exposed_for_changes_that_have_no_argument(stack):
    api = users(stack)
    api.function.add_environment("EXTRA", "1")
    assert isinstance(api.api, apigatewayv2.HttpApi)
    assert properties(stack, "AWS::Lambda::Function")["Environment"]["Variables"]["EXTRA"] == "1"


def test_the_environment_decides_what_happens_to_data(stack):
    operations = Operations(removal_policy=RemovalPolicy.DESTROY, deletion_protection=False, backup_days=None)
    api = users(stack, operations=operations)
    table = template_of(stack)["Resources"][stack.get_logical_id(api.table.node.default_child)]
    assert table["DeletionPolicy"] == "Delete"
    assert table["Properties"]["Replicas"][0]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": False}


# --- refusals


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"resource": "Users/all"},
            ("resource must be 1 to 64 lower-case letters, digits and hyphens, starting with a letter, got 'Users/all'"),
        ),
        ({"api_kind": "graphql"}, "api_kind must be one of 'http', 'rest', got 'graphql'"),
        (
            {"usage_plan": UsagePlan()},
            ("usage_plan needs api_kind='rest': an HTTP API has no API keys; throttle limits it as a whole"),
        ),
        (
            {"timeout": Duration.seconds(31)},
            "timeout must be 8 to 29 s (a call to DynamoDB may take 7 s; api_kind='http' gives up after 30 s), got 31 s",
        ),
        (
            {"timeout": Duration.seconds(30), "api_kind": "rest"},
            ("timeout must be 8 to 28 s (a call to DynamoDB may take 7 s; api_kind='rest' gives up after 29 s), got 30 s"),
        ),
        (
            {"api_kind": "rest", "cors": Cors(allow_origins=["https://a.example", "https://b.example"])},
            (
                "allow_origins must be one origin for api_kind='rest' (its own error answers carry a fixed one), "
                "got ['https://a.example', 'https://b.example']; api_kind='http' takes several"
            ),
        ),
        (
            {"api_kind": "rest", "authorization": Authorization.jwt(issuer="https://id.example.com", audience=["a"])},
            (
                "authorization: a REST API verifies tokens of a Cognito user pool only; use Authorization.cognito(user_pool, "
                "clients=[...]), or api_kind='http', which verifies those of any issuer"
            ),
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_the_users_words(stack, options, message):
    with pytest.raises(PatternError) as raised:
        users(stack, **options)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"operations": DEV}, "operations must be Operations(...), such as DEV.operations, got <Environment>"),
        ({"timeout": 10}, "timeout must be a duration such as Duration.seconds(10), got 10 (int, not Duration)"),
        (
            {"authorization": "iam"},
            "authorization must be made by Authorization.iam(), .jwt(...), .cognito(...) or .none(), got 'iam'",
        ),
        ({"cors": ["*"]}, "cors must be a Cors(allow_origins=[...]), got ['*'] (list, not Cors)"),
        ({"throttle": {"rate": 1}}, "throttle must be a Throttle(rate=..., burst=...), got {'rate': 1} (dict, not Throttle)"),
        ({"usage_plan": True}, "usage_plan must be a UsagePlan(...), got True (bool, not UsagePlan)"),
        ({"table": "users"}, "table must be TableOptions(...) or a DynamoDB table, got 'users'"),
        (
            {"handler": "app.handler"},
            "handler must be made by Handler.from_directory(...), or Handler(code, 'module.function')",
        ),
        ({"resource": 3}, "resource must be a path segment such as 'users', got 3 (int, not str)"),
        ({"resource": None}, "resource must be a path segment such as 'users', got None (NoneType, not str)"),
    ],
)
def test_a_value_of_another_type_is_refused_with_how_to_make_one(stack, options, message):
    with pytest.raises(PatternError) as raised:
        users(stack, **options)
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(
    ("partition", "sort", "found"),
    [
        (("pk", "STRING"), None, "pk (S)"),
        (("id", "NUMBER"), None, "id (N)"),
        (("id", "STRING"), ("at", "STRING"), "id (S), at (S)"),
    ],
)
@pytest.mark.parametrize("table_class", [dynamodb.Table, dynamodb.TableV2])
def test_a_table_of_ones_own_with_another_key_is_refused(stack, table_class, partition, sort, found):
    partition_key, sort_key = (
        None if key is None else dynamodb.Attribute(name=key[0], type=dynamodb.AttributeType[key[1]])
        for key in (partition, sort)
    )
    table = table_class(stack, "Mine", partition_key=partition_key, sort_key=sort_key)
    message = f"table must have the partition key 'id' of type string and no sort key, got {found}"
    with pytest.raises(PatternError, match=re.escape(message)):
        users(stack, table=table)


def test_the_bundled_handler_has_time_for_a_whole_call(stack):
    assert LONGEST_CALL_SECONDS < LEAST_TIMEOUT
    with pytest.raises(PatternError, match="timeout must be 8 to 29 s"):
        users(stack, timeout=Duration.seconds(7))


def test_a_handler_of_ones_own_may_be_quicker(stack):
    own = Handler(lambda_.Code.from_inline("def handler(event, context): ..."), "index.handler")
    users(stack, handler=own, timeout=Duration.seconds(1))
    assert properties(stack, "AWS::Lambda::Function")["Timeout"] == 1


def test_a_duration_that_is_a_token_passes(stack):
    seconds = CfnParameter(stack, "Seconds", type="Number").value_as_number
    users(stack, timeout=Duration.seconds(seconds)).add_alarms(Alerts())
    assert properties(stack, "AWS::Lambda::Function")["Timeout"] == {"Ref": "Seconds"}


def test_alarms_on_time_can_fire_before_the_function_is_cut_off(stack):
    users(stack, timeout=Duration.seconds(20)).add_alarms(Alerts())
    alarms = resources(template_of(stack), "AWS::CloudWatch::Alarm").values()
    thresholds = {alarm["Properties"].get("MetricName"): alarm["Properties"]["Threshold"] for alarm in alarms}
    assert (thresholds["Latency"], thresholds["Duration"]) == (10_000, 16_000)


def test_idempotent_writes_are_watched_as_the_transactions_that_they_are(stack):
    users(stack).add_alarms(Alerts())
    alarms = resources(template_of(stack), "AWS::CloudWatch::Alarm")
    watched = json.dumps([alarm for name, alarm in alarms.items() if "IdempotencyTableThrottles" in name])
    assert "TransactWriteItems" in watched


def test_alarms_are_defined_once(stack):
    api = users(stack)
    api.add_alarms(Alerts())
    with pytest.raises(PatternError, match="add_alarms was called before on Test/Users; call it once"):
        api.add_alarms(Alerts())


def test_the_execution_log_of_a_rest_api_is_not_kept_for_ever(stack):
    users(stack, api_kind="rest")
    groups = resources(template_of(stack), "AWS::Logs::LogGroup").values()
    (name,) = [json.dumps(group["Properties"]["LogGroupName"]) for group in groups if "LogGroupName" in group["Properties"]]
    assert "API-Gateway-Execution-Logs_" in name
    assert {group["Properties"]["RetentionInDays"] for group in groups} == {365}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Cors(allow_origins=[]), "allow_origins must be a list with at least one origin, got []"),
        (
            lambda: Cors(allow_origins=["*"], allow_credentials=True),
            ("allow_credentials must be False when allow_origins is '*': browsers refuse that pair; list the origins"),
        ),
        (
            lambda: Cors(allow_origins=["*", "https://a.example"]),
            ("allow_origins: '*' already allows all others, got ['*', 'https://a.example']"),
        ),
        (
            lambda: Cors(allow_origins=["https://a.example/"]),
            ("allow_origins must hold origins such as 'https://shop.example.com' or '*', got 'https://a.example/'"),
        ),
        (
            lambda: Throttle(rate="10"),
            "rate must be a whole number, got '10' (str, not int)",
        ),
        (lambda: Cors(allow_origins=["*"], max_age=Duration.days(2)), "max_age must be 0 to 86400 s, got 172800 s"),
        (lambda: Alerts(critical="arn:aws:sns:x"), "critical must be an SNS topic, got 'arn:aws:sns:x'"),
        (
            lambda: TableOptions(stream="NEW_IMAGE"),
            "stream must be a StreamViewType, got 'NEW_IMAGE' (str, not StreamViewType)",
        ),
        (lambda: TableOptions(encryption_key="alias/x"), "encryption_key must be a KMS key, got 'alias/x'"),
        (
            lambda: Handler("src", "app.handler"),
            "code must be made by lambda_.Code, or use Handler.from_directory(...), got 'src'",
        ),
        (lambda: Throttle(rate=None), "rate must be a whole number, got None (NoneType, not int)"),
        (lambda: Throttle(burst=True), "burst must be a whole number, got True (bool, not int)"),
        (lambda: Throttle(burst=5_001), "burst must be 1 to 5000 requests, got 5001 requests"),
        (lambda: UsagePlan(throttle={}), "throttle must be a Throttle(rate=..., burst=...), got {} (dict, not Throttle)"),
        (
            lambda: Cors(allow_origins=["https://Shop.example"]),
            ("allow_origins must hold origins such as 'https://shop.example.com' or '*', got 'https://Shop.example'"),
        ),
        (lambda: Cors(allow_origins=["*"], max_age=Duration.millis(1500)), "max_age must be whole seconds, got 1500 ms"),
        (lambda: Throttle(rate=0), "rate must be 1 to 10000 requests per second, got 0 requests per second"),
        (lambda: UsagePlan(requests_per_day=0), "requests_per_day must be at least 1, or None for no quota, got 0"),
        (
            lambda: Authorization.jwt(issuer="http://id.example.com", audience=["a"]),
            ("issuer must be an https URL, got 'http://id.example.com'"),
        ),
        (
            lambda: Authorization.jwt(issuer="https://id.example.com", audience=[]),
            ("audience must be a list with at least one client id: without it any client's token passes"),
        ),
        (lambda: Authorization.cognito(None, clients=[]), "user_pool must be a Cognito user pool, got None"),
        (lambda: Authorization(kind="IAM"), "kind must be one of 'iam', 'jwt', 'cognito', 'none', got 'IAM'"),
        (lambda: Authorization.jwt(issuer="https://id.example.com", audience="a"), "audience must be a list of texts, got 'a'"),
        (lambda: Cors(allow_origins="*"), "allow_origins must be a list of texts, got '*'"),
    ],
)
def test_values_are_checked_where_they_are_made(make, message):
    with pytest.raises(PatternError) as raised:
        make()
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "array"}, "schema must have type 'object', got 'array'"),
        ({"type": "object"}, "schema must name the fields of the resource under 'properties'"),
        ({**USER, "x": {1, 2}}, "schema must hold JSON values only: Object of type set is not JSON serializable"),
        (
            {**USER, "properties": {"etag": {"type": "string"}}},
            ("schema must not have the properties etag: the server sets them; choose other names"),
        ),
        (
            {**USER, "properties": {"id": {"type": "integer"}}},
            ("schema: the property 'id' is the key of the table and must have type 'string', got {'type': 'integer'}"),
        ),
        (
            {**USER, "properties": {"name": {"type": "text"}}},
            ("schema.properties.name: type must be one of array, boolean, integer, null, number, object, string, got 'text'"),
        ),
        (
            {**USER, "properties": {"name": {"$ref": "https://example.com/x"}}},
            ("schema.properties.name: $ref must point into the schema itself ('#/...'), got 'https://example.com/x'"),
        ),
        ({**USER, "properties": {"name": 5}}, "schema.properties.name must be a schema (a dict), got 5"),
        ({**USER, "$defs": []}, "schema: $defs must be a dict of schemas, got []"),
        ({**USER, "required": ["nmae"]}, "schema: required names 'nmae', which properties does not have"),
        ({**USER, "properties": {"name": {"allOf": 3}}}, "schema.properties.name: allOf must be a list of schemas"),
        (
            {**USER, "properties": {"name": {"anyOf": [{"items": {"type": "text"}}]}}},
            (
                "schema.properties.name.anyOf[0].items: type must be "
                "one of array, boolean, integer, null, number, object, string, got 'text'"
            ),
        ),
        ({**USER, "required": "name"}, "schema: required must be a list of property names, got 'name'"),
    ],
)
def test_a_schema_that_cannot_work_is_refused_with_its_place(stack, schema, message):
    with pytest.raises(PatternError) as raised:
        users(stack, schema=schema)
    assert str(raised.value) == message


def test_construct_and_handler_agree_on_what_belongs_to_the_server():
    assert SERVER_OWNED == models.SERVER_OWNED


@pytest.mark.parametrize(("attribute", "others"), [("updated_at", False), ("name", False), ("unknown", False), ("etag", True)])
def test_items_expire_by_a_number_of_the_schema(stack, attribute, others):
    with pytest.raises(PatternError, match="time_to_live_attribute must be a field of the schema with type 'integer'"):
        users(stack, table=TableOptions(time_to_live_attribute=attribute), schema={**USER, "additionalProperties": others})


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"pattern": "("}, 'is not a "regex"'),
        ({"minLength": "x"}, 'is not of type "integer"'),
        ({"$ref": "#/$defs/nothing"}, "nothing"),
        ({"type": "number", "multipleOf": 0}, "is less than or equal to the minimum of 0"),
    ],
)
def test_a_schema_that_the_handler_could_not_use_is_refused_when_it_is_packed(field, message):
    stack = cdk.Stack(cdk.App(context=FLAGS, analytics_reporting=False), "Test")
    with pytest.raises(BundlingError, match="(?s)schema names schema.json, which is not a JSON Schema.*" + re.escape(message)):
        users(stack, schema={"type": "object", "properties": {"name": field}})


def test_patterns_of_json_schema_that_python_does_not_know_are_fine():
    stack = cdk.Stack(cdk.App(context=FLAGS, analytics_reporting=False), "Test")
    users(stack, schema={"type": "object", "properties": {"name": {"type": "string", "pattern": r"^\p{L}+$"}}})


def test_a_schema_with_tokens_is_refused(stack):
    with pytest.raises(PatternError, match="schema must not hold CDK tokens"):
        users(stack, schema={**USER, "title": stack.region})
