"""What a client sees when a handler raises.

AWS answers 502 ``Internal server error`` (REST API) or 500 ``Internal Server Error`` (HTTP API) and shows nothing of the
exception.
https://docs.aws.amazon.com/apigateway/latest/developerguide/handle-errors-in-lambda-integration.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html

The emulator answers 502 with the exception's text.
"""

from __future__ import annotations

from typing import Any

from ministack.services import apigateway, lambda_svc

from .faults import expect

REST_STATUS, HTTP_STATUS = 502, 500
JSON = {"Content-Type": "application/json"}
REST_MESSAGE = "Internal server error"  # the emulator's REST API puts it into {"message": ...}
HTTP_BODY = '{"message":"Internal Server Error"}'


def check() -> None:
    """The exception's text is in the answer."""
    raised = {"error": True, "body": {"errorMessage": "the text of an exception"}}
    answer, _ = lambda_svc.lambda_execute_result_to_api_proxy_response(raised)
    expect("the text of an exception" in answer["body"], "the emulator no longer shows a client the text of an exception")


def apply() -> None:
    """Answer as each kind of API does."""
    shape, invoke = lambda_svc.lambda_execute_result_to_api_proxy_response, apigateway._invoke_lambda_proxy

    def shaped(result: dict[str, Any]) -> tuple[dict[str, Any] | None, str | None]:
        if result.get("error") and not result.get("throttle"):
            return {"statusCode": REST_STATUS, "headers": dict(JSON), "body": REST_MESSAGE}, None
        answer: tuple[dict[str, Any] | None, str | None] = shape(result)
        return answer

    async def invoked(*arguments: object, **named: object) -> tuple[int, dict[str, str], bytes]:
        status, headers, body = await invoke(*arguments, **named)
        raised = status == REST_STATUS and body == REST_MESSAGE.encode()
        return (HTTP_STATUS, headers, HTTP_BODY.encode()) if raised else (status, headers, body)

    lambda_svc.lambda_execute_result_to_api_proxy_response = shaped
    apigateway._invoke_lambda_proxy = invoked
