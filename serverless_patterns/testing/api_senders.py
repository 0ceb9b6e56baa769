"""What API Gateway invokes by itself: the functions of methods, routes and authorizers, each for a source of its own.

The source is ``api/stage/METHOD/path`` of the request, with the path as the API defines it, or ``api/authorizers/id``.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-control-access-using-iam-policies-to-invoke-api.html
"""

from collections.abc import Iterator
from typing import Any

from serverless_patterns.testing.resource import Resource
from serverless_patterns.testing.sending import Sending, sending
from serverless_patterns.testing.template import ResolvedTemplate


def method_sendings(template: ResolvedTemplate, resource: Resource) -> Iterator[Sending]:
    """A method of a REST API invokes its function, where it has no role for it."""
    integration = resource.properties.get("Integration", {})
    if "Credentials" not in integration:
        path = _path(template, resource.properties.get("ResourceId")) or "/"
        request = f"{resource.properties.get('HttpMethod')}{path}"
        yield from _requests(template, resource, str(resource.properties["RestApiId"]), request, integration.get("Uri"))


def integration_sendings(template: ResolvedTemplate, resource: Resource) -> Iterator[Sending]:
    """An integration of an HTTP or a WebSocket API invokes its function for each of its routes, where it has no role for it.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    """
    if "CredentialsArn" in resource.properties:
        return
    api = str(resource.properties["ApiId"])
    target = f"integrations/{resource.name}"
    routes = [each for each in template.of_type("AWS::ApiGatewayV2::Route") if each.properties.get("Target") == target]
    # Without a route in this template it has one in another.
    keys = [str(each.properties["RouteKey"]) for each in routes] or ["METHOD /path"]
    for key in keys:
        request = key.replace(" ", "", 1)
        yield from _requests(template, resource, api, request, resource.properties.get("IntegrationUri"))


def authorizer_sendings(template: ResolvedTemplate, resource: Resource) -> Iterator[Sending]:
    """An API asks the function of its authorizer, where it has no role for it.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
    """
    properties = resource.properties
    if not properties.keys() & {"AuthorizerCredentials", "AuthorizerCredentialsArn"}:
        source = _arn(template, str(properties.get("RestApiId") or properties.get("ApiId")), f"authorizers/{resource.name}")
        why = f"the authorizer {resource.logical_id}"
        yield from sending(template, "apigateway", _function(properties.get("AuthorizerUri")), source, why)


def definition_sendings(template: ResolvedTemplate, resource: Resource) -> Iterator[Sending]:
    """The operations of an API that is defined in OpenAPI invoke their functions.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-integration.html
    """
    for path, operations in resource.properties.get("Body", {}).get("paths", {}).items():
        for verb, operation in operations.items():
            integration = operation.get("x-amazon-apigateway-integration", {}) if isinstance(operation, dict) else {}
            if "credentials" not in integration:
                method = "ANY" if verb == "x-amazon-apigateway-any-method" else verb.upper()
                request = path.strip("/") if "$default" in path else f"{method}{path}"
                yield from _requests(template, resource, resource.name, request, integration.get("uri"))


def _requests(template: ResolvedTemplate, resource: Resource, api: str, request: str, uri: object) -> Iterator[Sending]:
    """An invocation for this request in each stage."""
    for stage in _stages(template, api):
        source = _arn(template, api, f"{stage}/{request}")
        yield from sending(template, "apigateway", _function(uri), source, f"{request} of {resource.logical_id}")


def _stages(template: ResolvedTemplate, api: str) -> list[str]:
    """The stages of an API; where they are of another template, one whose name no policy knows."""
    found = template.of_type("AWS::ApiGateway::Stage", "AWS::ApiGateway::Deployment", "AWS::ApiGatewayV2::Stage")
    own = [each.properties for each in found if api in {each.properties.get("RestApiId"), each.properties.get("ApiId")}]
    return sorted({str(each["StageName"]) for each in own if "StageName" in each}) or ["stage"]


def _path(template: ResolvedTemplate, resource: object) -> str:
    """The path of a resource of a REST API; that of its root is empty."""
    found = next((each for each in template.of_type("AWS::ApiGateway::Resource") if each.name == resource), None)
    return "" if found is None else f"{_path(template, found.properties['ParentId'])}/{found.properties['PathPart']}"


def _function(uri: Any) -> str:  # noqa: ANN401  whatever the property holds
    """The ARN of the function in the path of an invocation, or alone."""
    text = str(uri or "")
    function = text.partition("/functions/")[2].removesuffix("/invocations") or text
    return function if ":lambda:" in function else ""


def _arn(template: ResolvedTemplate, api: str, rest: str) -> str:
    place = template.place
    return f"arn:{place.partition}:execute-api:{place.region}:{place.account}:{api}/{rest}"
