"""Checks of APIs: each gives what is wrong with a template, a line each."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.support.synthesis import resources

Template = Mapping[str, Any]
#: Methods that carry a body: what their model refuses must not reach a function or a queue.
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
#: Requests a second, and at once, of all APIs of an account together.
#: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
MOST_REQUESTS, LARGEST_BURST = 10_000, 5_000
#: Milliseconds for which API Gateway waits, unless it is told to wait for a shorter time.
LONGEST_ANSWER = 29_000
CREDENTIALS, ORIGIN = (f"method.response.header.Access-Control-Allow-{name}" for name in ("Credentials", "Origin"))


def unchecked_bodies(template: Template) -> list[str]:
    """Methods of REST APIs that take a body which no model has been held against."""
    validators = resources(template, "AWS::ApiGateway::RequestValidator")

    def is_checked(method: Mapping[str, Any]) -> bool:
        validator = validators.get(method.get("RequestValidatorId", {}).get("Ref", ""), {"Properties": {}})
        body = validator["Properties"].get("ValidateRequestBody") is True
        return body and set(method.get("RequestModels", {})) == {"application/json"}

    return [key for key, method in _with_body(template).items() if not is_checked(method)]


def bodies_past_the_model(template: Template) -> list[str]:
    """Methods that pass on a body of another type than their model's: a model is for one content type."""
    return [
        key
        for key, method in _with_body(template).items()
        if method["Integration"]["Type"] == "AWS" and method["Integration"].get("PassthroughBehavior") != "NEVER"
    ]


def _with_body(template: Template) -> dict[str, Mapping[str, Any]]:
    methods = {key: each["Properties"] for key, each in resources(template, "AWS::ApiGateway::Method").items()}
    return {key: method for key, method in methods.items() if method["HttpMethod"] in WITH_BODY}


def bodies_in_logs(template: Template) -> list[str]:
    """Stages that write the bodies of requests to their log, or do not say that they do not."""
    stages = {key: each["Properties"].get("MethodSettings", []) for key, each in rest_stages(template).items()}
    return [
        key for key, found in stages.items() if not found or any(each.get("DataTraceEnabled") is not False for each in found)
    ]


def telltale_access_logs(template: Template) -> list[str]:
    """Stages without an access log, and those whose log has a header or a query string in it."""
    stages = {**rest_stages(template), **resources(template, "AWS::ApiGatewayV2::Stage")}
    return [key for key, stage in stages.items() if not _is_discreet(_access_log(stage))]


def rest_stages(template: Template) -> dict[str, dict[str, Any]]:
    """The stages of REST APIs."""
    return resources(template, "AWS::ApiGateway::Stage")


def beyond_the_account(template: Template) -> list[str]:
    """Stages and usage plans whose throttle is no limit, because the account's own is lower, and those that let nothing in."""
    return [key for key, rate, burst in _limits(template) if not (0 < rate <= MOST_REQUESTS and 0 < burst <= LARGEST_BURST)]


def _limits(template: Template) -> Iterator[tuple[str, float, float]]:
    """Logical id, requests a second and burst: 0 where there is no limit of its own."""
    rates, bursts = ("ThrottlingRateLimit", "RateLimit"), ("ThrottlingBurstLimit", "BurstLimit")
    for key, each in template["Resources"].items():
        properties = each.get("Properties", {})
        match each["Type"]:
            case "AWS::ApiGateway::Stage":
                found = properties.get("MethodSettings", [])
            case "AWS::ApiGatewayV2::Stage":
                found = [properties.get("DefaultRouteSettings", {}), *properties.get("RouteSettings", {}).values()]
            case "AWS::ApiGateway::UsagePlan":
                found = [properties.get("Throttle", {})]
            case _:
                found = []
        for limit in found:
            rate, burst = (next((limit[name] for name in names if name in limit), 0) for names in (rates, bursts))
            yield key, rate, burst


def misunderstood_integrations(template: Template) -> list[str]:
    """Integrations whose events a handler cannot read, and those that answer before their function has."""
    functions = {key: each["Properties"] for key, each in resources(template, "AWS::Lambda::Function").items()}
    http = {key: each["Properties"] for key, each in resources(template, "AWS::ApiGatewayV2::Integration").items()}
    rest = {key: each["Properties"]["Integration"] for key, each in resources(template, "AWS::ApiGateway::Method").items()}
    found = [f"{key}: payload" for key, each in http.items() if each.get("PayloadFormatVersion") != "2.0"]
    for key, each in (http | rest).items():
        names = re.findall(r'"Fn::GetAtt": \["(\w+)"', json.dumps(each.get("IntegrationUri") or each.get("Uri")))
        needed = max((functions[name].get("Timeout", 3) * 1000 for name in names if name in functions), default=0)
        if each.get("TimeoutInMillis", LONGEST_ANSWER) < min(needed, LONGEST_ANSWER):
            found.append(f"{key}: timeout")
    return found


def open_to_every_site(template: Template) -> list[str]:
    """APIs that scripts of every site may call."""
    return [key for key, (_, origins) in _origins(template).items() if "*" in origins]


def _access_log(stage: Mapping[str, Any]) -> str:
    found = stage["Properties"].get("AccessLogSettings") or stage["Properties"].get("AccessLogSetting") or {}
    return json.dumps(found.get("Format"))


def _is_discreet(line: str) -> bool:
    told = re.search(r"header|query|\$context\.path\b|body", line, re.IGNORECASE)
    return "$context.requestId" in line and not told


def origins_with_credentials(template: Template) -> list[str]:
    """APIs that let every site use a visitor's credentials."""
    return [key for key, (credentials, origins) in _origins(template).items() if credentials and "*" in origins]


def _origins(template: Template) -> dict[str, tuple[bool | None, list[str]]]:
    """Whether scripts may use credentials, and those of which sites, by API or method."""
    http = {
        key: (cors.get("AllowCredentials"), cors.get("AllowOrigins", []))
        for key, api in resources(template, "AWS::ApiGatewayV2::Api").items()
        if (cors := api["Properties"].get("CorsConfiguration"))
    }
    rest = {
        key: (headers.get(CREDENTIALS) == "'true'", [headers.get(ORIGIN, "").strip("'")])
        for key, method in resources(template, "AWS::ApiGateway::Method").items()
        for response in method["Properties"]["Integration"].get("IntegrationResponses", [])
        if (headers := response.get("ResponseParameters"))
    }
    return http | rest
