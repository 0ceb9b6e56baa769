"""What starts the executions of OrderWorkflow from an API, and tells the state of orders there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from aws_cdk import Duration
from aws_cdk import aws_apigatewayv2 as apigatewayv2
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from constructs import Construct

from serverless_patterns._blocks.alarms import AlarmSet
from serverless_patterns._blocks.edge import Authorization, Cors, Route, Throttle
from serverless_patterns._blocks.function import HandlerFunction
from serverless_patterns._blocks.handler import Handler
from serverless_patterns._blocks.http_edge import http_edge
from serverless_patterns._blocks.order_starters import Started, function_outputs
from serverless_patterns._blocks.table import grant_tables

#: Seconds. The bundled handler reserves an id only with 14 s left, since writing its row and starting its execution take 7 s
#: each if all attempts time out; and API Gateway waits for 30.
API_TIMEOUT = 20
#: Bytes of a request's body: the largest order that an execution can have.
MAX_BODY_BYTES = 100 * 1024
#: What the function behind the API does with the table of orders.
API_ACTIONS = ("GetItem", "PutItem")
SCHEMA_FILE = "schema.json"


@dataclass(frozen=True, kw_only=True)
class Callers:
    """Who may call the API.

    Attributes:
        authorization: Who. Default: only who was granted.
        cors: Which web pages. Default: none.
        throttle: How often. Default: 100 times a second, and 200 at once.
    """

    authorization: Authorization | None
    cors: Cors | None
    throttle: Throttle | None


class ApiStarter:
    """API -> function -> table of orders, state machine.

    Args:
        scope: The pattern.
        workflow: Its workflow.
        table: The table of orders, in which ids are reserved.
        schema: What an order is.
        callers: Who may call.
    """

    def __init__(
        self,
        scope: Construct,
        workflow: Started,
        *,
        table: dynamodb.ITable,
        schema: Mapping[str, Any],
        callers: Callers,
    ) -> None:
        self.function = HandlerFunction(
            scope,
            "Starter",
            handler=Handler.bundled("order_workflow", entry="intake.handler", files={SCHEMA_FILE: json.dumps(schema)}),
            description=f"Takes {workflow.resource}, starts their executions and tells their state",
            timeout=Duration.seconds(API_TIMEOUT),
            environment={
                "RESOURCE": workflow.resource,
                "TABLE_NAME": table.table_name,
                "STATE_MACHINE_ARN": workflow.machine.state_machine_arn,
                "SCHEMA_FILE": f"order_workflow/{SCHEMA_FILE}",
                "MAX_BODY_BYTES": str(MAX_BODY_BYTES),
            },
            operations=workflow.operations,
        )
        grant_tables(self.function, {table: API_ACTIONS})
        workflow.machine.grant_start_execution(self.function)
        self._write, self._read = Route("POST", f"/{workflow.resource}"), Route("GET", f"/{workflow.resource}/{{id}}")
        self.edge = http_edge(
            scope,
            function=self.function,
            routes=[self._write, self._read],
            authorization=callers.authorization or Authorization.iam(),
            cors=callers.cors,
            throttle=callers.throttle or Throttle(),
            operations=workflow.operations,
        )

    @property
    def api(self) -> apigatewayv2.HttpApi:
        """CDK's construct of the API."""
        return cast(apigatewayv2.HttpApi, self.edge.api)

    @property
    def outputs(self) -> Mapping[str, str]:
        """What a stack shows of it."""
        edge = {"ApiUrl": self.edge.url, "ApiId": self.edge.api_id, "ApiStage": self.edge.stage}
        return {**edge, **function_outputs(self.function)}

    def grant_read(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a principal ask for the state of orders."""
        return self.edge.grant_invoke(grantee, [self._read])

    def grant_write(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a principal place orders."""
        return self.edge.grant_invoke(grantee, [self._write])

    def add_alarms(self, alarms: AlarmSet) -> None:
        """The alarms of the API and the function."""
        alarms.add_edge(self.edge, timeout=Duration.seconds(API_TIMEOUT))
        alarms.add_api_function("Starter", self.function, timeout=Duration.seconds(API_TIMEOUT))
