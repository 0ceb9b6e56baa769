"""CORS of an HTTP API that a template defines.

AWS answers preflight requests itself and adds the headers of ``CorsConfiguration`` to the integration's responses.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html

The emulator does so too, but keeps the template's ``AllowOrigins`` where it looks for ``allowOrigins``: it refuses every
preflight request with 403.
"""

from __future__ import annotations

from ministack.services import apigateway

from .faults import Properties, after, camel_case, expect, provision, remove

API = "AWS::ApiGatewayV2::Api"


def check() -> None:
    """The template's spelling is kept."""
    properties = {"ProtocolType": "HTTP", "CorsConfiguration": {"AllowOrigins": ["https://example.com"]}}
    api_id = provision(API, properties)
    kept = apigateway._apis[api_id].get("corsConfiguration", {})
    remove(API, api_id, properties)
    expect("AllowOrigins" in kept, "the emulator no longer keeps an HTTP API's CORS settings in the template's spelling")


def apply() -> None:
    """Keep them in the API's spelling."""
    after(API, _respell)


def _respell(api_id: str, properties: Properties) -> None:
    if cors := properties.get("CorsConfiguration"):
        apigateway._apis[api_id]["corsConfiguration"] = camel_case(cors)
