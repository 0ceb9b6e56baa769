"""ApiCrud: client -> HTTP API -> function -> table."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial

from aws_cdk import Duration
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_apigatewayv2 as apigatewayv2
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from serverless_patterns._blocks.alarms import AlarmSet, Alerts, rate_of
from serverless_patterns._blocks.arguments import check_arguments
from serverless_patterns._blocks.checks import check, check_duration, check_one_of, check_path_segment
from serverless_patterns._blocks.edge import INTEGRATION_LIMIT, ApiKind, Authorization, Cors, Edge, Route, Throttle, UsagePlan
from serverless_patterns._blocks.encryption import with_key
from serverless_patterns._blocks.function import HandlerFunction
from serverless_patterns._blocks.handler import Handler
from serverless_patterns._blocks.http_edge import http_edge
from serverless_patterns._blocks.resource_schema import check_expiry, resource_schema
from serverless_patterns._blocks.rest_edge import check_rest, rest_edge
from serverless_patterns._blocks.table import TableOptions, checked_table, grant_tables, table_of, transient_table
from serverless_patterns.operations import Operations

#: Seconds. DynamoDB answers in milliseconds; ten seconds leave room for a cold start and the SDK's retries.
TIMEOUT = 10
#: Seconds. The bundled handler reckons with 7 for a call to DynamoDB, both attempts included, and starts no write with less
#: time left.
LEAST_TIMEOUT = 8
#: Bytes of a request's body: an item of a table holds 400 KB, names included.
#: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
MAX_BODY_BYTES = 256 * 1024
#: Seconds for which an idempotency key is remembered: longer than any client retries.
IDEMPOTENCY_TTL = 24 * 60 * 60
SERVER_OWNED = ("created_at", "updated_at", "etag")
SCHEMA_FILE = "schema.json"
#: What the handler may do with each table; a transaction needs the permissions of its parts.
TABLE_ACTIONS = ("GetItem", "PutItem", "DeleteItem", "Scan")
IDEMPOTENCY_ACTIONS = ("GetItem", "PutItem")


class ApiCrud(Construct):
    """A validated CRUD API for a resource that a JSON Schema describes: API Gateway, one function, one DynamoDB table.

    Example::

        ApiCrud(self, "Users", resource="users", schema={
            "type": "object",
            "properties": {"name": {"type": "string", "minLength": 1}, "email": {"type": "string", "format": "email"}},
            "required": ["name"],
        })

    Routes: ``POST /users``, ``GET /users?limit=&cursor=``, ``GET``, ``PUT`` and ``DELETE /users/{id}``. ``POST`` takes an
    ``Idempotency-Key``; ``PUT`` and ``DELETE`` take ``If-Match`` and ``If-None-Match``; errors are problem details (RFC 9457).

    Args:
        resource: The path segment, 1 to 64 lower-case letters, digits and hyphens.
        schema: JSON Schema (draft 2020-12) of the resource. Fields that it does not name are refused, unless it sets
            ``additionalProperties``. With a string property ``id`` clients choose ids; else the server does.
        api_kind: ``"http"`` (default: cheaper and faster) or ``"rest"`` (WAF, usage plans, request models).
        authorization: Default ``Authorization.iam()``: only who was granted may call.
        cors: Which web pages may call. Default: none.
        throttle: Requests per second and burst. Default 100 and 200.
        usage_plan: An API key with limits that each request must carry; ``api_kind="rest"`` only. Default: none.
        table: Options of the table that is defined, or a table of yours with the string partition key ``id`` and no sort
            key. Default: a table on demand.
        handler: Your code instead of the bundled handler. It gets the same environment variables and permissions.
        timeout: Of the function, 8 s (1 s with a handler of yours) to 29 s (http) or 28 s (rest): one less than
            API Gateway waits. Default 10 s.
        encryption_key: A customer managed key for all that is defined, logs included. Default: that of the operations, or keys
            that AWS owns, free. The policy of a key of this app is completed here; that of an imported one must let CloudWatch
            Logs use it.
        operations: Retention, backups, logs, capacity. Default: the careful ones.

    Raises:
        PatternError: An argument does not fit; the message says what is allowed.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        resource: str,
        schema: Mapping[str, object],
        api_kind: ApiKind = "http",
        authorization: Authorization | None = None,
        cors: Cors | None = None,
        throttle: Throttle | None = None,
        usage_plan: UsagePlan | None = None,
        table: dynamodb.ITable | TableOptions | None = None,
        handler: Handler | None = None,
        timeout: Duration | None = None,
        encryption_key: kms.IKey | None = None,
        operations: Operations | None = None,
    ) -> None:
        check_arguments(locals())
        operations = with_key(operations, encryption_key)
        encryption_key = operations.encryption_key
        self._timeout = timeout or Duration.seconds(TIMEOUT)
        authorization = authorization or Authorization.iam()
        _check(resource, api_kind, usage_plan)
        if api_kind == "rest":
            check_rest(authorization, cors, this="api_kind='rest'", other="api_kind='http'")
        _check_timeout(self._timeout, api_kind, least=1 if handler else LEAST_TIMEOUT)
        checked_schema = resource_schema(schema, reserved=SERVER_OWNED)
        expiry = table.time_to_live_attribute if isinstance(table, TableOptions) else None
        check_expiry(expiry, checked_schema, reserved=("id", *SERVER_OWNED))
        options = checked_table("table", table, expiry=expiry, key=encryption_key)
        super().__init__(scope, construct_id)
        self._operations = operations

        self._table = table_of(self, "Table", options, operations=operations)
        self._idempotency_table = transient_table(
            self,
            "IdempotencyTable",
            time_to_live_attribute="expires_at",
            encryption_key=encryption_key,
            operations=operations,
        )
        self._function = self._define_function(
            resource,
            handler or Handler.bundled("api_crud", files={SCHEMA_FILE: json.dumps(checked_schema)}),
            self._settings(resource, expiry, cors if api_kind == "rest" else None, bundled=handler is None),
        )
        self._routes = _routes(resource)
        edge = http_edge if api_kind == "http" else partial(rest_edge, usage_plan=usage_plan, body_schema=checked_schema)
        self._edge = self._define_edge(edge, authorization, cors, throttle or Throttle())

    @property
    def table(self) -> dynamodb.ITable:
        """The table of the resource: the one that was given, or the one that was defined."""
        return self._table

    @property
    def idempotency_table(self) -> dynamodb.ITable:
        """The table that remembers idempotency keys for 24 hours."""
        return self._idempotency_table

    @property
    def function(self) -> lambda_.Function:
        """The function behind all routes."""
        return self._function

    @property
    def api(self) -> apigatewayv2.HttpApi | apigateway.RestApi:
        """The API: an ``HttpApi`` or, with ``api_kind="rest"``, a ``RestApi``."""
        return self._edge.api

    @property
    def url(self) -> str:
        """Where the API answers, without the resource's path and without a slash at the end."""
        return self._edge.url

    @property
    def outputs(self) -> Mapping[str, str]:
        """What a stack shows after a deploy, by its stable name."""
        return {
            "ApiUrl": self._edge.url,
            "ApiId": self._edge.api_id,
            "ApiStage": self._edge.stage,
            "TableName": self._table.table_name,
            "FunctionName": self._function.function_name,
            "LogGroupName": self._function.log_group.log_group_name,
        }

    def grant_read(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a principal call the routes that read; needed with ``Authorization.iam()``."""
        return self._edge.grant_invoke(grantee, [route for route in self._routes if route.method == "GET"])

    def grant_write(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a principal call the routes that create, update and delete; needed with ``Authorization.iam()``."""
        return self._edge.grant_invoke(grantee, [route for route in self._routes if route.method != "GET"])

    def metric_server_errors(self) -> cloudwatch.IMetric:
        """Answers 5xx as a percentage of the requests, per minute."""
        return rate_of(self._edge.server_errors, self._edge.requests, "5xx per request")

    def metric_latency(self) -> cloudwatch.IMetric:
        """Milliseconds from the request to the answer, p99 per minute."""
        return self._edge.latency

    def add_alarms(self, alerts: Alerts) -> list[cloudwatch.Alarm]:
        """Define the alarms of the API, the function and the tables, heard by the topics of their tier."""
        alarms = AlarmSet(self, alerts)
        limit = Duration.seconds(INTEGRATION_LIMIT[self._edge.kind])
        timeout = limit if self._timeout.is_unresolved() else self._timeout  # of a token, only that it is below is known
        alarms.add_edge(self._edge, timeout=timeout)
        alarms.add_api_function("Function", self._function, timeout=timeout)
        # An idempotent POST is metered as a transaction, whatever it puts.
        alarms.add_table("Table", self._table, (*TABLE_ACTIONS, "TransactWriteItems"))
        alarms.add_table("IdempotencyTable", self._idempotency_table, (*IDEMPOTENCY_ACTIONS, "TransactWriteItems"))
        return alarms.alarms

    def _define_function(self, resource: str, code: Handler, settings: Mapping[str, str]) -> HandlerFunction:
        function = HandlerFunction(
            self,
            "Function",
            handler=code,
            description=f"Creates, reads, updates, deletes and lists {resource}",
            timeout=self._timeout,
            environment=settings,
            operations=self._operations,
        )
        grant_tables(function, {self._table: TABLE_ACTIONS, self._idempotency_table: IDEMPOTENCY_ACTIONS})
        return function

    def _define_edge(
        self, kind: Callable[..., Edge], authorization: Authorization, cors: Cors | None, throttle: Throttle
    ) -> Edge:
        return kind(
            self,
            function=self._function,
            routes=self._routes,
            authorization=authorization,
            cors=cors,
            throttle=throttle,
            operations=self._operations,
        )

    def _settings(self, resource: str, expiry: str | None, cors: Cors | None, *, bundled: bool) -> dict[str, str]:
        settings = {
            "RESOURCE": resource,
            "TABLE_NAME": self._table.table_name,
            "IDEMPOTENCY_TABLE_NAME": self._idempotency_table.table_name,
            "IDEMPOTENCY_TTL_SECONDS": str(IDEMPOTENCY_TTL),
            "MAX_BODY_BYTES": str(MAX_BODY_BYTES),
        }
        if bundled:
            settings["SCHEMA_FILE"] = f"api_crud/{SCHEMA_FILE}"
        if expiry:
            settings["TTL_ATTRIBUTE"] = expiry
        if cors is not None:
            settings["ALLOW_ORIGINS"] = ",".join(cors.allow_origins)
            settings["ALLOW_CREDENTIALS"] = str(cors.allow_credentials).lower()
        return settings


def _routes(resource: str) -> list[Route]:
    items, item = f"/{resource}", f"/{resource}/{{id}}"
    return [Route("POST", items), Route("GET", items), Route("GET", item), Route("PUT", item), Route("DELETE", item)]


def _check(resource: str, api_kind: ApiKind, usage_plan: UsagePlan | None) -> None:
    check_path_segment(resource)
    check_one_of("api_kind", api_kind, ("http", "rest"))
    check(
        usage_plan is None or api_kind == "rest",
        "usage_plan needs api_kind='rest': an HTTP API has no API keys; throttle limits it as a whole",
    )


def _check_timeout(timeout: Duration, api_kind: ApiKind, *, least: int) -> None:
    limit = INTEGRATION_LIMIT[api_kind]
    why = (
        f"{'a call to DynamoDB may take 7 s; ' if least == LEAST_TIMEOUT else ''}api_kind={api_kind!r} gives up after {limit} s"
    )
    check_duration("timeout", timeout, least=least, most=limit - 1, why=why)
