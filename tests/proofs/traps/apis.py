"""Mistakes in APIs and functions."""

from functools import partial

from serverless_patterns import ApiCrud, Cors
from tests.proofs.checks.apis import (
    beyond_the_account,
    bodies_in_logs,
    bodies_past_the_model,
    misunderstood_integrations,
    open_to_every_site,
    origins_with_credentials,
    telltale_access_logs,
    unchecked_bodies,
)
from tests.proofs.checks.functions import logs_kept_otherwise, unlike_the_library, unreadable_settings
from tests.proofs.traps.plants import setting, without
from tests.proofs.traps.trap import Refusal, Resources, Rule, Trap

API, PIPELINE = "prod-api-crud", "prod-sqs-pipeline"
REST, REST_QUEUE = "api_crud_rest", "sqs_pipeline_direct"
METHOD, STAGE, HTTP_STAGE = "AWS::ApiGateway::Method", "AWS::ApiGateway::Stage", "AWS::ApiGatewayV2::Stage"
FUNCTION, LOGS = "AWS::Lambda::Function", "AWS::Logs::LogGroup"
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}}


def _every_origin(resources: Resources) -> None:
    for resource in resources.values():
        if resource["Type"] == METHOD:
            for response in resource["Properties"]["Integration"].get("IntegrationResponses", []):
                response["ResponseParameters"]["method.response.header.Access-Control-Allow-Origin"] = "'*'"


def _users(stack: object, *, credentials: bool) -> ApiCrud:
    cors = Cors(allow_origins=["*"], allow_credentials=credentials)
    return ApiCrud(stack, "Users", resource="users", schema=SCHEMA, cors=cors)


APIS = [
    Trap("no model is held against a body", REST, without(METHOD, "POST", "RequestValidatorId"), unchecked_bodies),
    Trap(
        "the validator does not look at bodies",
        REST,
        setting("AWS::ApiGateway::RequestValidator", "", "ValidateRequestBody", value=False),
        unchecked_bodies,
    ),
    Trap(
        "a body of another type passes by the model",
        REST_QUEUE,
        setting(METHOD, "POST", "Integration/PassthroughBehavior", "WHEN_NO_MATCH"),
        bodies_past_the_model,
    ),
    Trap(
        "bodies are written to the log",
        REST,
        setting(STAGE, "", "MethodSettings/0/DataTraceEnabled", value=True),
        bodies_in_logs,
    ),
    Trap("nothing limits requests", API, without(HTTP_STAGE, "", "DefaultRouteSettings"), Rule("APIGWDefaultThrottling")),
    Trap("there is no access log", API, without(HTTP_STAGE, "", "AccessLogSettings"), telltale_access_logs),
    Trap(
        "there is no access log, as the scanners see it",
        API,
        without(HTTP_STAGE, "", "AccessLogSettings"),
        Rule("APIG1"),
    ),
    Trap(
        "everybody may call a route",
        API,
        setting("AWS::ApiGatewayV2::Route", "POST", "AuthorizationType", "NONE"),
        Rule("APIG4"),
    ),
    Trap("everybody may call a method", REST, setting(METHOD, "POST", "AuthorizationType", "NONE"), Rule("APIG4")),
    Trap("every site may use a visitor's credentials", REST, _every_origin, origins_with_credentials),
    Trap(
        "scripts of every site may call the API",
        API,
        setting("AWS::ApiGatewayV2::Api", "", "CorsConfiguration", {"AllowOrigins": ["*"]}),
        open_to_every_site,
    ),
    Trap(
        "the throttle of an API is higher than the account's",
        API,
        setting(HTTP_STAGE, "", "DefaultRouteSettings/ThrottlingRateLimit", 100_000),
        beyond_the_account,
    ),
    Trap(
        "the throttle of a REST API is higher than the account's",
        REST,
        setting(STAGE, "", "MethodSettings/0/ThrottlingBurstLimit", 10_000),
        beyond_the_account,
    ),
    Trap(
        "the throttle of a usage plan is higher than the account's",
        REST,
        setting("AWS::ApiGateway::UsagePlan", "", "Throttle/RateLimit", 100_000),
        beyond_the_account,
    ),
    Trap(
        "the handler gets events of another format",
        API,
        setting("AWS::ApiGatewayV2::Integration", "", "PayloadFormatVersion", "1.0"),
        misunderstood_integrations,
    ),
    Trap(
        "the API answers after a second that the function took too long",
        API,
        setting("AWS::ApiGatewayV2::Integration", "", "TimeoutInMillis", 1000),
        misunderstood_integrations,
    ),
    Trap(
        "a method answers after a second that the function took too long",
        REST,
        setting(METHOD, "POST", "Integration/TimeoutInMillis", 1000),
        misunderstood_integrations,
    ),
    Refusal(
        "every site is given a visitor's credentials",
        REST,
        lambda stack: _users(stack, credentials=True),
        lambda stack: _users(stack, credentials=False),
    ),
]
FUNCTIONS = [
    Trap("a function runs on Python 3.9", API, setting(FUNCTION, "", "Runtime", "python3.9"), unlike_the_library),
    Trap(
        "a function runs on Python 3.9, as the scanners see it",
        API,
        setting(FUNCTION, "", "Runtime", "python3.9"),
        Rule("L1"),
    ),
    Trap("a function has 3 s", API, setting(FUNCTION, "", "Timeout", 3), unlike_the_library),
    Trap("a function is not traced", API, without(FUNCTION, "", "TracingConfig"), unlike_the_library),
    Trap("a log is kept for ever", API, without(LOGS, "Function", "RetentionInDays"), partial(logs_kept_otherwise, days=365)),
    Trap(
        "a log is kept for a day", API, setting(LOGS, "Function", "RetentionInDays", 1), partial(logs_kept_otherwise, days=365)
    ),
    Trap(
        "a handler is not told its table",
        PIPELINE,
        without(FUNCTION, "Worker", "Environment/Variables/TABLE_NAME"),
        unreadable_settings,
    ),
]
