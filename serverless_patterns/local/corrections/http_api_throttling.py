"""Throttling of an HTTP API.

AWS answers 429 to requests beyond a route's rate and burst, which a stage's ``DefaultRouteSettings`` and ``RouteSettings``
set.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-throttling.html

The emulator keeps the settings in the template's spelling, where ``GetStage`` does not find them, and lets everything pass.
"""

from __future__ import annotations

from ministack.services import apigateway, apigateway_v1

from .faults import Properties, after, camel_case, expect, provision, remove

STAGE = "AWS::ApiGatewayV2::Stage"
Response = tuple[int, dict[str, str], bytes]


def check() -> None:
    """The template's spelling is kept."""
    properties = {"ApiId": "check", "StageName": "$default", "DefaultRouteSettings": {"ThrottlingRateLimit": 1}}
    provision(STAGE, properties)
    kept = apigateway._stages["check"]["$default"]["defaultRouteSettings"]
    remove(STAGE, "$default", properties)
    del apigateway._stages["check"]
    expect("ThrottlingRateLimit" in kept, "the emulator no longer keeps an HTTP API's throttling in the template's spelling")


def apply() -> None:
    """Keep the settings in the API's spelling and take a token for each request that reaches a route."""
    after(STAGE, _respell)
    execute = apigateway._handle_execute_in_scope

    async def throttled(api_id: str, stage: str, path: str, method: str, *request: object) -> Response:
        if not _admitted(api_id, stage, path, method):
            return 429, {"Content-Type": "application/json"}, b'{"message":"Too Many Requests"}'
        response: Response = await execute(api_id, stage, path, method, *request)
        return response

    apigateway._handle_execute_in_scope = throttled


def _respell(_: str, properties: Properties) -> None:
    settings = apigateway._stages[properties["ApiId"]][properties.get("StageName", "$default")]
    settings["defaultRouteSettings"] = camel_case(properties.get("DefaultRouteSettings") or {})
    own = properties.get("RouteSettings") or {}
    settings["routeSettings"] = {route: camel_case(limits) for route, limits in own.items()}


def _admitted(api_id: str, stage: str, path: str, method: str) -> bool:
    route = apigateway._match_route(api_id, method, "/" + path.lstrip("/"))
    settings = apigateway._stages.get(api_id, {}).get(stage)
    if method == "OPTIONS" or not route or not settings:
        return True
    key = route["routeKey"]
    limits = {**(settings.get("defaultRouteSettings") or {}), **(settings.get("routeSettings") or {}).get(key, {})}
    tokens = {"rateLimit": limits.get("throttlingRateLimit"), "burstLimit": limits.get("throttlingBurstLimit")}
    return bool(apigateway_v1._take_token(("http-api", api_id, stage, key), tokens))
