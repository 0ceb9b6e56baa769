"""What a mapping template of a REST API knows of the request: ``$context``.

AWS fills in the request's id, its time, its method and its path; the answer carries the id as ``x-amzn-requestid``.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html

The emulator fills in what an authorizer says, and nothing else, in the templates of an integration with a queue.
"""

from __future__ import annotations

import contextvars
import time
from typing import Any

from ministack.services import apigateway_v1

from .faults import expect

TEMPLATE = "$context.requestId"
Response = tuple[int, dict[str, str], bytes]

request_context: contextvars.ContextVar[dict[str, Any] | None] = contextvars.ContextVar("request_context", default=None)


def check() -> None:
    """There is no id."""
    rendered = apigateway_v1._render_request_template_v1(TEMPLATE, "{}", {})
    expect(not rendered, "the emulator now fills in the request's id in a mapping template")


def apply() -> None:
    """Give each request one id, and let the templates know it."""
    render, invoke = apigateway_v1._render_request_template_v1, apigateway_v1._invoke_sqs_v1

    def rendered(template: str, body: str, parameters: dict[str, Any], context: dict[str, Any] | None = None) -> str:
        known = request_context.get() or _context("", "", "", "")
        return str(render(template, body, parameters, {**known, **(context or {})}))

    async def invoked(integration: object, api_id: str, stage_name: str, *request: Any, **named: object) -> Response:  # noqa: ANN401
        _stage, _resource, path, method, *_ = request
        known = _context(api_id, stage_name, path, method)
        token = request_context.set(known)
        try:
            status, headers, body = await invoke(integration, api_id, stage_name, *request, **named)
        finally:
            request_context.reset(token)
        return status, {**headers, "x-amzn-requestid": known["requestId"]}, body

    apigateway_v1._render_request_template_v1 = rendered
    apigateway_v1._invoke_sqs_v1 = invoked


def _context(api_id: str, stage: str, path: str, method: str) -> dict[str, Any]:
    now = time.time()
    request_id = str(apigateway_v1.new_uuid())
    return {
        "apiId": api_id,
        "stage": stage,
        "httpMethod": method,
        "path": f"/{stage}{path}",
        "requestId": request_id,
        "extendedRequestId": request_id,
        "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
        "requestTimeEpoch": int(now * 1000),
    }
