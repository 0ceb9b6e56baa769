"""The metrics of an HTTP API: how many requests it had, how many answers were errors, and how long they took.

AWS publishes them for the API and for each stage.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html

The emulator publishes nothing. Corrected, it publishes those of each stage.
"""

from __future__ import annotations

import asyncio
import time

from ministack.services import apigateway, cloudwatch

from .faults import expect, provision, remove

API, STAGE = "AWS::ApiGatewayV2::Api", "AWS::ApiGatewayV2::Stage"
NAMESPACE = "AWS/ApiGateway"
CLIENT_ERROR, SERVER_ERROR = 400, 500
Response = tuple[int, dict[str, str], bytes]


def check() -> None:
    """A request is not counted."""
    api_id = provision(API, {"ProtocolType": "HTTP"})
    provision(STAGE, {"ApiId": api_id, "StageName": "$default"})
    asyncio.run(apigateway.handle_execute(api_id, "$default", "/", "GET", {}, b"", {}))
    counted = [key for key in cloudwatch._metrics if key[0] == NAMESPACE]
    remove(API, api_id, {})
    for key in counted:
        del cloudwatch._metrics[key]
    expect(not counted, "the emulator now publishes the metrics of HTTP APIs")


def apply() -> None:
    """Count each request when it has been answered."""
    execute = apigateway._handle_execute_in_scope

    async def counted(api_id: str, stage: str, *request: object) -> Response:
        began = time.time()
        status, headers, body = await execute(api_id, stage, *request)
        dimensions, took = {"ApiId": api_id, "Stage": stage}, 1000 * (time.time() - began)
        cloudwatch.record_metric(NAMESPACE, "Count", 1, "Count", dimensions)
        cloudwatch.record_metric(NAMESPACE, "4xx", CLIENT_ERROR <= status < SERVER_ERROR, "Count", dimensions)
        cloudwatch.record_metric(NAMESPACE, "5xx", status >= SERVER_ERROR, "Count", dimensions)
        cloudwatch.record_metric(NAMESPACE, "Latency", took, "Milliseconds", dimensions)
        return status, headers, body

    apigateway._handle_execute_in_scope = counted
