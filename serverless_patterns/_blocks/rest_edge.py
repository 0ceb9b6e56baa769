"""The edge as API Gateway REST API: for WAF, API keys with a usage plan, and request models."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from aws_cdk import Duration, Names
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from serverless_patterns._blocks.checks import check
from serverless_patterns._blocks.edge import (
    ACCESS_LOG_FIELDS,
    CORS_REQUEST_HEADERS,
    CORS_RESPONSE_HEADERS,
    Authorization,
    Cors,
    Edge,
    Route,
    Throttle,
    UsagePlan,
)
from serverless_patterns._blocks.log_group import log_group
from serverless_patterns._blocks.queue_route import DirectMethod
from serverless_patterns._blocks.request_model import draft4
from serverless_patterns.operations import Operations

STAGE = "v1"
#: Problem details that API Gateway answers itself. ``messageString`` brings its own quotes; the detailed reason of a refused
#: body (``validationErrorString``) does not, and can have quotes in it.
#: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
PROBLEM = '{"type": "about:blank", "detail": $context.error.messageString, "request_id": "$context.requestId"}'
BAD_BODY = (
    '{"type": "about:blank", "title": "Bad Request", "status": 400, '
    '"detail": "The body does not fit the schema of the resource.", "request_id": "$context.requestId"}'
)


def rest_edge(
    scope: Construct,
    *,
    function: lambda_.IFunction,
    routes: Sequence[Route],
    authorization: Authorization,
    cors: Cors | None,
    throttle: Throttle,
    usage_plan: UsagePlan | None,
    body_schema: Mapping[str, object] | None,
    operations: Operations,
    direct: Mapping[Route, DirectMethod] | None = None,
) -> Edge:
    """Define a REST API that sends these routes to the function, and refuses bodies that do not fit the schema.

    The routes in ``direct`` go to a service of AWS instead.

    Its access log needs the CloudWatch role of API Gateway, which is one for an account and region: whoever owns the account
    sets it once. A stack that set it would break the logs of all others when it goes, so none here does.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
    """
    access_log = log_group(scope, "ApiAccessLog", operations)
    api = apigateway.RestApi(
        scope,
        "Api",
        # Its metrics have the name as their only dimension: two APIs of the same name would share their alarms.
        rest_api_name=Names.unique_resource_name(scope, max_length=128),
        cloud_watch_role=False,
        endpoint_types=[apigateway.EndpointType.REGIONAL],
        deploy_options=_stage(access_log, throttle, operations),
        default_cors_preflight_options=None if cors is None else _preflight(cors, routes),
    )
    # API Gateway writes its execution log to a group of this name, and would make one that is kept for ever.
    name = f"API-Gateway-Execution-Logs_{api.rest_api_id}/{STAGE}"
    api.deployment_stage.node.add_dependency(log_group(scope, "ApiExecutionLog", operations, name=name))
    _add_gateway_responses(api, cors)
    _add_methods(api, function, routes, _MethodOptions(api, authorization, usage_plan, body_schema), direct or {})
    if usage_plan is not None:
        _add_usage_plan(api, usage_plan, operations)
    minute = Duration.minutes(1)
    return Edge(
        kind="rest",
        api=api,
        api_id=api.rest_api_id,
        stage=STAGE,
        url=api.url.rstrip("/"),
        stage_arn=api.arn_for_execute_api(stage=STAGE).removesuffix("/*/*"),
        access_log=access_log,
        requests=api.metric_count(period=minute),
        server_errors=api.metric_server_error(period=minute),
        latency=api.metric_latency(period=minute, statistic="p99"),
    )


def check_rest(authorization: Authorization, cors: Cors | None, *, this: str, other: str) -> None:
    """Check what only an HTTP API can do; ``this`` argument asks for a REST API, the ``other`` for an HTTP API."""
    check(
        authorization.kind != "jwt",
        "authorization: a REST API verifies tokens of a Cognito user pool only; use Authorization.cognito(user_pool, "
        f"clients=[...]), or {other}, which verifies those of any issuer",
    )
    origins = [] if cors is None else list(cors.allow_origins)
    check(
        len(origins) <= 1,
        f"allow_origins must be one origin for {this} (its own error answers carry a fixed one), "
        f"got {origins}; {other} takes several",
    )


def _add_methods(
    api: apigateway.RestApi,
    function: lambda_.IFunction,
    routes: Sequence[Route],
    options: _MethodOptions,
    direct: Mapping[Route, DirectMethod],
) -> None:
    # One permission for the API, not two for each route: there is one function behind all of them.
    integration = apigateway.LambdaIntegration(function, scope_permission_to_method=False)
    for route in routes:
        resource = api.root.resource_for_path(route.path)
        method = direct.get(route)
        if method is None:
            resource.add_method(route.method, integration, **options.of(route))
        else:
            resource.add_method(route.method, method.integration, **options.of(route), method_responses=method.responses)


class _MethodOptions:
    """What is said for each method: authorization, API key, and the model of its body."""

    def __init__(
        self,
        api: apigateway.RestApi,
        authorization: Authorization,
        usage_plan: UsagePlan | None,
        body_schema: Mapping[str, object] | None,
    ) -> None:
        self._common = {"api_key_required": usage_plan is not None, **_authorization(api, authorization)}
        self._body: dict[str, Any] = {}
        if body_schema is not None:
            schema = {"$schema": "http://json-schema.org/draft-04/schema#", **draft4(body_schema)}
            model = apigateway.CfnModel(
                api, "Body", rest_api_id=api.rest_api_id, content_type="application/json", schema=schema
            )
            # A stage serves the model as it was at its deployment: another schema needs another deployment.
            deployment = cast(apigateway.Deployment, api.latest_deployment)
            deployment.add_to_logical_id({"body": schema})
            self._body = {
                "request_models": {"application/json": apigateway.Model.from_model_name(api, "BodyModel", model.ref)},
                "request_validator": api.add_request_validator(
                    "BodyValidator", validate_request_body=True, validate_request_parameters=True
                ),
            }

    def of(self, route: Route) -> dict[str, Any]:
        """The keyword arguments of ``add_method``."""
        return {**self._common, **(self._body if route.method in {"POST", "PUT"} else {})}


def _authorization(api: apigateway.RestApi, authorization: Authorization) -> dict[str, Any]:
    if authorization.kind == "iam":
        return {"authorization_type": apigateway.AuthorizationType.IAM}
    if authorization.kind == "none":
        return {"authorization_type": apigateway.AuthorizationType.NONE}
    authorizer = apigateway.CognitoUserPoolsAuthorizer(
        api, "Authorizer", cognito_user_pools=[cast(cognito.IUserPool, authorization.user_pool)]
    )
    return {
        "authorization_type": apigateway.AuthorizationType.COGNITO,
        "authorizer": authorizer,
        "authorization_scopes": list(authorization.scopes) or None,
    }


def _stage(access_log: logs.ILogGroup, throttle: Throttle, operations: Operations) -> apigateway.StageOptions:
    fields = {**ACCESS_LOG_FIELDS, "route": "$context.httpMethod $context.resourcePath"}
    return apigateway.StageOptions(
        stage_name=STAGE,
        throttling_rate_limit=operations.capacity.requests_per_second(throttle.rate),
        throttling_burst_limit=operations.capacity.requests_per_second(throttle.burst),
        access_log_destination=apigateway.LogGroupLogDestination(access_log),
        access_log_format=apigateway.AccessLogFormat.custom(json.dumps(fields)),
        logging_level=apigateway.MethodLoggingLevel.ERROR,
        data_trace_enabled=False,  # it would log bodies and tokens
        tracing_enabled=operations.tracing,
    )


def _preflight(cors: Cors, routes: Sequence[Route]) -> apigateway.CorsOptions:
    return apigateway.CorsOptions(
        allow_origins=list(cors.allow_origins),
        allow_methods=sorted({route.method for route in routes}),
        allow_headers=list(CORS_REQUEST_HEADERS),
        expose_headers=list(CORS_RESPONSE_HEADERS),
        allow_credentials=cors.allow_credentials,
        max_age=cors.max_age or Duration.hours(1),
    )


def _add_gateway_responses(api: apigateway.RestApi, cors: Cors | None) -> None:
    """The errors that API Gateway answers itself: problem details too, in one text, with the CORS headers."""
    headers: dict[str, str] = {"Content-Type": "'application/problem+json'"}
    if cors is not None:
        headers["Access-Control-Allow-Origin"] = f"'{cors.allow_origins[0]}'"
        if cors.allow_credentials:
            headers["Access-Control-Allow-Credentials"] = "'true'"
    for construct_id, kind, problem in (
        ("BadBody", apigateway.ResponseType.BAD_REQUEST_BODY, BAD_BODY),
        ("ClientError", apigateway.ResponseType.DEFAULT_4_XX, PROBLEM),
        ("ServerError", apigateway.ResponseType.DEFAULT_5_XX, PROBLEM),
    ):
        api.add_gateway_response(construct_id, type=kind, response_headers=headers, templates={"application/json": problem})


def _add_usage_plan(api: apigateway.RestApi, usage_plan: UsagePlan, operations: Operations) -> None:
    plan = api.add_usage_plan(
        "UsagePlan",
        throttle=apigateway.ThrottleSettings(
            rate_limit=operations.capacity.requests_per_second(usage_plan.throttle.rate),
            burst_limit=operations.capacity.requests_per_second(usage_plan.throttle.burst),
        ),
        quota=None
        if usage_plan.requests_per_day is None
        else apigateway.QuotaSettings(limit=usage_plan.requests_per_day, period=apigateway.Period.DAY),
    )
    plan.add_api_stage(stage=api.deployment_stage)
    plan.add_api_key(api.add_api_key("ApiKey"))
