"""What API Gateway invokes: each method, route and authorizer with the source that it gives, as CDK's permissions name it."""

import pytest
from aws_cdk import aws_apigateway as rest
from aws_cdk import aws_apigatewayv2 as http
from aws_cdk import aws_apigatewayv2_authorizers as http_authorizers
from aws_cdk import aws_apigatewayv2_integrations as http_integrations
from aws_cdk import aws_lambda as lambda_

from serverless_patterns.testing.service_roles import service_reports
from serverless_patterns.testing.template import ResolvedTemplate
from tests.support.synthesis import empty_stack, template_of

AT = "eu-central-1:123456789012"
API = f"arn:aws:execute-api:{AT}:api"
WORK = f"arn:aws:lambda:{AT}:function:work"
INVOKED = f"arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/{WORK}/invocations"


def function(scope, name="Function"):
    return lambda_.Function(
        scope, name, runtime=lambda_.Runtime.PYTHON_3_12, handler="i.h", code=lambda_.Code.from_inline("def h(e, c): pass")
    )


def rest_api(stack):
    """A method with a parameter, one for any verb, and one behind an authorizer of the app's."""
    work = rest.LambdaIntegration(function(stack), allow_test_invoke=False)
    root = rest.RestApi(stack, "Api").root
    root.add_method("ANY", work)
    root.add_resource("users").add_resource("{id}").add_method("GET", work)
    root.add_resource("files").add_proxy(default_integration=work)
    authorizer = rest.TokenAuthorizer(stack, "Tokens", handler=function(stack, "Authorizer"))
    root.add_resource("orders").add_method("POST", work, authorizer=authorizer)


def http_api(stack):
    """Two routes with one integration and an authorizer of the app's, one for any verb, and the default one."""
    work = function(stack)
    api = http.HttpApi(stack, "Api", default_integration=http_integrations.HttpLambdaIntegration("Others", work))
    authorizer = http_authorizers.HttpLambdaAuthorizer("Tokens", function(stack, "Authorizer"))
    users = http_integrations.HttpLambdaIntegration("Users", work)
    verbs = [http.HttpMethod.GET, http.HttpMethod.POST]
    api.add_routes(path="/users/{id}", methods=verbs, integration=users, authorizer=authorizer)
    api.add_routes(path="/any", integration=http_integrations.HttpLambdaIntegration("Any", work))


def socket_api(stack):
    """A web socket, which names its function by the path of an invocation."""
    connect = http_integrations.WebSocketLambdaIntegration("Connect", function(stack))
    api = http.WebSocketApi(stack, "Api", connect_route_options=http.WebSocketRouteOptions(integration=connect))
    http.WebSocketStage(stack, "Stage", web_socket_api=api, stage_name="dev")


#: Those that anybody would define, with no class of this library.
PLAIN_APIS = {"a REST API": rest_api, "an HTTP API": http_api, "a web socket": socket_api}


def synthesised(define):
    stack = empty_stack()
    define(stack)
    return template_of(stack)


def about_functions(template):
    """The reports that are no role's."""
    found = service_reports(ResolvedTemplate.of(template))
    roles = {name for name, each in template["Resources"].items() if each["Type"] == "AWS::IAM::Role"}
    return [each for each in found if each.subject not in roles and not each.clean]


@pytest.mark.parametrize("api", PLAIN_APIS)
def test_the_permissions_of_a_plain_api_are_exact(api):
    assert about_functions(synthesised(PLAIN_APIS[api])) == []


@pytest.mark.parametrize("api", PLAIN_APIS)
def test_each_permission_of_a_plain_api_is_missed(api):
    template = synthesised(PLAIN_APIS[api])
    permissions = [name for name, each in template["Resources"].items() if each["Type"] == "AWS::Lambda::Permission"]
    # The default route of an HTTP API is let in by what lets in all, and two routes share an integration.
    wide = {name for name in permissions if api == "an HTTP API" and ("Others" in name or "Users" in name or "Any" in name)}
    for name in [each for each in permissions if each not in wide]:
        others = {key: value for key, value in template["Resources"].items() if key != name}
        missing = [need.action for each in about_functions({"Resources": others}) for need in each.missing]
        assert missing == ["lambda:InvokeFunction"], name


def test_the_permission_for_the_console_is_too_much_and_the_report_says_what_it_is_for():
    def define(stack):
        rest.RestApi(stack, "Api").root.add_method("GET", rest.LambdaIntegration(function(stack)))

    (found,) = about_functions(synthesised(define))
    assert [grant.action for grant in found.excess] == ["lambda:InvokeFunction"]
    assert found.missing == ()
    (advice,) = found.advice
    assert "test-invoke-stage" in advice
    assert "allow_test_invoke=False" in advice


def template(source, **resources):
    """A function that may be invoked from this source, and (type, properties) of an API."""
    permission = {
        "Action": "lambda:InvokeFunction",
        "FunctionName": {"Ref": "Function"},
        "Principal": "apigateway.amazonaws.com",
        "SourceArn": f"{API}/{source}",
    }
    named = {
        "Function": ("AWS::Lambda::Function", {"Role": "arn:aws:iam::1:role/r", "FunctionName": "work"}),
        "Permission": ("AWS::Lambda::Permission", permission),
        **resources,
    }
    return {"Resources": {name: {"Type": kind, "Properties": properties} for name, (kind, properties) in named.items()}}


METHOD = {
    "RestApiId": "api",
    "ResourceId": {"Ref": "Item"},
    "HttpMethod": "GET",
    "Integration": {"Type": "AWS_PROXY", "Uri": INVOKED},
}
REST = {
    "Items": ("AWS::ApiGateway::Resource", {"RestApiId": "api", "ParentId": "root", "PathPart": "items"}),
    "Item": ("AWS::ApiGateway::Resource", {"RestApiId": "api", "ParentId": {"Ref": "Items"}, "PathPart": "{id}"}),
    "Stage": ("AWS::ApiGateway::Stage", {"RestApiId": "api", "StageName": "v1"}),
    "Method": ("AWS::ApiGateway::Method", METHOD),
}
ROUTE = {"ApiId": "api", "RouteKey": "GET /items/{id}", "Target": {"Fn::Sub": "integrations/${Integration}"}}
HTTP = {
    "Integration": ("AWS::ApiGatewayV2::Integration", {"ApiId": "api", "IntegrationUri": WORK}),
    "Route": ("AWS::ApiGatewayV2::Route", ROUTE),
    "Stage": ("AWS::ApiGatewayV2::Stage", {"ApiId": "api", "StageName": "v1"}),
}
SOURCES = {
    "v1/GET/items/{id}": True,
    "v1/GET/items/*": True,
    "*/*/*": True,
    "v2/GET/items/*": False,
    "v1/POST/items/*": False,
    "v1/GET/orders/*": False,
    "v1/GET/items": False,
    "authorizers/*": False,
}


@pytest.mark.parametrize("api", [REST, HTTP], ids=["a REST API", "an HTTP API"])
@pytest.mark.parametrize("source", SOURCES)
def test_a_permission_must_be_for_the_stage_the_verb_and_the_path_of_the_request(api, source):
    found = about_functions(template(source, **api))
    assert bool(found) is not SOURCES[source]
    assert len([need for each in found for need in each.missing]) == (not SOURCES[source])
    assert len([grant for each in found for grant in each.excess]) == (not SOURCES[source])


def test_the_stage_of_a_deployment_counts():
    deployment = ("AWS::ApiGateway::Deployment", {"RestApiId": "api", "StageName": "v1"})
    assert about_functions(template("v1/GET/items/*", **REST | {"Stage": deployment})) == []


def test_each_stage_must_be_let_in():
    beta = ("AWS::ApiGateway::Stage", {"RestApiId": "api", "StageName": "beta"})
    (found,) = about_functions(template("v1/GET/items/*", **REST, Beta=beta))
    assert [need.context["aws:SourceArn"] for need in found.missing] == [f"{API}/beta/GET/items/{{id}}"]


OPERATION = {"x-amazon-apigateway-integration": {"type": "aws_proxy", "uri": INVOKED}}


@pytest.mark.parametrize(
    ("source", "verb", "path"),
    [
        ("*/GET/items/*", "get", "/items/{id}"),
        ("*/*/items", "x-amazon-apigateway-any-method", "/items"),
    ],
)
def test_the_operations_of_a_definition_in_openapi_invoke(source, verb, path):
    own = ("AWS::ApiGateway::RestApi", {"Body": {"paths": {path: {"parameters": [], verb: OPERATION}}}})
    found = template(source, Api=own)
    api = {"Fn::Sub": f"arn:aws:execute-api:{AT}:${{Api}}/{source}"}
    found["Resources"]["Permission"]["Properties"]["SourceArn"] = api
    assert about_functions(found) == []
    del found["Resources"]["Permission"]
    assert [need.action for each in about_functions(found) for need in each.missing] == ["lambda:InvokeFunction"]


ROLE = "arn:aws:iam::1:role/r"
KEPT = {"ApiId": "api", "IntegrationUri": WORK, "CredentialsArn": ROLE}
DEFINED = {"x-amazon-apigateway-integration": {"uri": INVOKED, "credentials": ROLE}}
WITH_ROLES = {
    "a method": ("AWS::ApiGateway::Method", METHOD | {"Integration": {"Uri": INVOKED, "Credentials": ROLE}}),
    "an integration": ("AWS::ApiGatewayV2::Integration", KEPT),
    "an operation": ("AWS::ApiGateway::RestApi", {"Body": {"paths": {"/items": {"get": DEFINED}}}}),
    "an authorizer": (
        "AWS::ApiGateway::Authorizer",
        {"RestApiId": "api", "AuthorizerUri": INVOKED, "AuthorizerCredentials": ROLE},
    ),
    "an authorizer of an HTTP API": (
        "AWS::ApiGatewayV2::Authorizer",
        {"ApiId": "api", "AuthorizerUri": INVOKED, "AuthorizerCredentialsArn": ROLE},
    ),
}


@pytest.mark.parametrize("case", WITH_ROLES)
def test_what_invokes_with_a_role_needs_no_permission_of_the_function(case):
    resources = {"Item": REST["Item"], "Items": REST["Items"], "User": WITH_ROLES[case]}
    found = template("*", **resources)
    assert [(each.subject, len(each.excess), each.missing) for each in about_functions(found)] == [("Permission", 1, ())]
    del found["Resources"]["Permission"]
    assert about_functions(found) == []
