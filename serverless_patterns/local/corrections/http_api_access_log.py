"""The access log of an HTTP API.

AWS writes one line for each request, in the format of the stage's ``AccessLogSettings``, and gives the answer the id that
the line and the function's event have: ``apigw-requestid``.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging.html

The emulator keeps the settings and writes nothing. Corrected, it fills in what it knows; ``-`` stands for the rest, as it does
at AWS for what a request has not.
"""

from __future__ import annotations

import asyncio
import contextvars
import re
import time

from ministack.services import apigateway, cloudwatch_logs

from .faults import expect, provision, remove

API, STAGE, GROUP = "AWS::ApiGatewayV2::Api", "AWS::ApiGatewayV2::Stage", "AWS::Logs::LogGroup"
Response = tuple[int, dict[str, str], bytes]
VARIABLE = re.compile(r"\$context\.([\w.]+)")
STREAM = "access-log"

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id")


def check() -> None:
    """A request leaves no line."""
    group = provision(GROUP, {})
    api_id = provision(API, {"ProtocolType": "HTTP"})
    settings = {"DestinationArn": f"arn:aws:logs:us-east-1:000000000000:log-group:{group}", "Format": "$context.status"}
    provision(STAGE, {"ApiId": api_id, "StageName": "$default", "AccessLogSettings": settings})
    asyncio.run(apigateway.handle_execute(api_id, "$default", "/", "GET", {}, b"", {}))
    lines = cloudwatch_logs._log_groups[group]["streams"]
    remove(API, api_id, {})
    remove(GROUP, group, {})
    expect(not lines, "the emulator now writes the access log of an HTTP API")


def apply() -> None:
    """Give each request one id, and write its line when it has been answered."""
    execute, new_uuid = apigateway._handle_execute_in_scope, apigateway.new_uuid

    async def logged(api_id: str, stage: str, path: str, method: str, *request: object) -> Response:
        began, one_id = time.time(), str(new_uuid())
        token = request_id.set(one_id)
        try:
            status, headers, body = await execute(api_id, stage, path, method, *request)
        finally:
            request_id.reset(token)
        known = {"httpMethod": method, "path": path, "status": status, "responseLength": len(body), "requestId": one_id}
        _write(api_id, stage, known, began)
        return status, {**headers, "apigw-requestid": one_id}, body

    apigateway._handle_execute_in_scope = logged
    apigateway.new_uuid = lambda: request_id.get("") or new_uuid()


def _write(api_id: str, stage: str, known: dict[str, object], began: float) -> None:
    settings = (apigateway._stages.get(api_id, {}).get(stage) or {}).get("accessLogSettings") or {}
    group = settings.get("destinationArn", "").partition(":log-group:")[2].removesuffix(":*")
    if not group:
        return
    route = apigateway._match_route(api_id, str(known["httpMethod"]), "/" + str(known["path"]).lstrip("/")) or {}
    values = {
        "apiId": api_id,
        "stage": stage,
        "protocol": "HTTP/1.1",
        "identity.sourceIp": "127.0.0.1",
        "routeKey": route.get("routeKey"),
        "extendedRequestId": known["requestId"],
        "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(began)),
        "requestTimeEpoch": int(began * 1000),
        "responseLatency": round((time.time() - began) * 1000),
        **known,
    }
    line = VARIABLE.sub(lambda variable: str(values.get(variable[1]) or "-"), settings["format"])
    cloudwatch_logs._create_log_stream({"logGroupName": group, "logStreamName": STREAM})
    event = {"timestamp": int(began * 1000), "message": line}
    cloudwatch_logs._put_log_events({"logGroupName": group, "logStreamName": STREAM, "logEvents": [event]})
