"""The edge as API Gateway HTTP API."""

from __future__ import annotations

import json
from collections.abc import Sequence

import jsii
from aws_cdk import Duration, Names
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_apigatewayv2 as apigatewayv2
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from serverless_patterns._blocks.edge import (
    ACCESS_LOG_FIELDS,
    CORS_REQUEST_HEADERS,
    CORS_RESPONSE_HEADERS,
    Authorization,
    Cors,
    Edge,
    Route,
    Throttle,
)
from serverless_patterns._blocks.log_group import log_group
from serverless_patterns.operations import Operations


def http_edge(
    scope: Construct,
    *,
    function: lambda_.IFunction,
    routes: Sequence[Route],
    authorization: Authorization,
    cors: Cors | None,
    throttle: Throttle,
    operations: Operations,
) -> Edge:
    """Define an HTTP API that sends these routes to the function."""
    api = apigatewayv2.HttpApi(
        scope,
        "Api",
        api_name=Names.unique_resource_name(scope, max_length=128),
        create_default_stage=False,
        cors_preflight=None if cors is None else _cors(cors, routes),
    )
    access_log = log_group(scope, "ApiAccessLog", operations)
    stage = apigatewayv2.HttpStage(
        scope,
        "ApiStage",
        http_api=api,
        stage_name="$default",
        auto_deploy=True,
        throttle=apigatewayv2.ThrottleSettings(
            rate_limit=operations.capacity.requests_per_second(throttle.rate),
            burst_limit=operations.capacity.requests_per_second(throttle.burst),
        ),
        access_log_settings=_AccessLog(access_log),
    )
    _add_routes(api, function, routes, authorization)
    minute = Duration.minutes(1)
    return Edge(
        kind="http",
        api=api,
        api_id=api.api_id,
        stage=stage.stage_name,
        url=api.api_endpoint,
        stage_arn=api.arn_for_execute_api(stage=stage.stage_name).removesuffix("/*/*"),
        access_log=access_log,
        requests=stage.metric_count(period=minute),
        server_errors=stage.metric_server_error(period=minute),
        latency=stage.metric_latency(period=minute, statistic="p99"),
    )


def _add_routes(
    api: apigatewayv2.HttpApi, function: lambda_.IFunction, routes: Sequence[Route], authorization: Authorization
) -> None:
    # One permission for the API, not one for each route: there is one function behind all of them.
    integration = integrations.HttpLambdaIntegration("Function", function, scope_permission_to_route=False)
    authorizer = _authorizer(authorization)
    for route in routes:
        api.add_routes(
            path=route.path,
            methods=[getattr(apigatewayv2.HttpMethod, route.method)],
            integration=integration,
            authorizer=authorizer,
            authorization_scopes=list(authorization.scopes) or None,
        )


@jsii.implements(apigatewayv2.IAccessLogSettings)
class _AccessLog:
    """The access log as JSON: CDK's default is the Common Log Format, which nobody can query."""

    def __init__(self, log_group: logs.ILogGroup) -> None:
        self._log_group = log_group

    @property
    def destination(self) -> apigatewayv2.IAccessLogDestination:
        """The log group."""
        return apigatewayv2.LogGroupLogDestination(self._log_group)

    @property
    def format(self) -> apigateway.AccessLogFormat:
        """One JSON object for each request."""
        return apigateway.AccessLogFormat.custom(json.dumps({**ACCESS_LOG_FIELDS, "route": "$context.routeKey"}))


def _cors(cors: Cors, routes: Sequence[Route]) -> apigatewayv2.CorsPreflightOptions:
    methods = sorted({route.method for route in routes})
    return apigatewayv2.CorsPreflightOptions(
        allow_origins=list(cors.allow_origins),
        allow_methods=[getattr(apigatewayv2.CorsHttpMethod, method) for method in methods],
        allow_headers=list(CORS_REQUEST_HEADERS),
        expose_headers=list(CORS_RESPONSE_HEADERS),
        allow_credentials=cors.allow_credentials,
        max_age=cors.max_age or Duration.hours(1),
    )


def _authorizer(authorization: Authorization) -> apigatewayv2.IHttpRouteAuthorizer:
    if authorization.kind == "iam":
        return authorizers.HttpIamAuthorizer()
    if authorization.kind == "none":
        return apigatewayv2.HttpNoneAuthorizer()
    if authorization.kind == "cognito" and authorization.user_pool is not None:
        return authorizers.HttpUserPoolAuthorizer(
            "Authorizer",
            authorization.user_pool,
            user_pool_clients=list(authorization.clients),
            user_pool_region=authorization.user_pool.env.region,
        )
    return authorizers.HttpJwtAuthorizer("Authorizer", str(authorization.issuer), jwt_audience=list(authorization.audience))
