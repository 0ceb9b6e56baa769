"""ApiCrud as a REST API, deployed from an app of a user's: models at the edge, an API key, CORS."""

import pytest

from serverless_patterns.local.account import Account, Stack
from serverless_patterns.local.http_api import Answer, HttpApi, Request
from tests.local.conftest import DeployApp

BODY = """
schema = {"type": "object", "properties": {"name": {"type": "string", "format": "email"}}, "required": ["name"]}
pattern = ApiCrud(stack, "Users", resource="users", schema=schema, api_kind="rest", usage_plan=UsagePlan(),
                  cors=Cors(allow_origins=["https://shop.example.com"]), operations=LOCAL.operations)
"""
PAGE = {"Origin": "https://shop.example.com"}


@pytest.fixture(scope="module")
def rest(deploy_app: DeployApp) -> Stack:
    return deploy_app("rest", BODY)


@pytest.fixture(scope="module")
def key(account: Account, rest: Stack) -> str:
    (found,) = account.client("apigateway").get_api_keys(includeValues=True)["items"]
    value: str = found["value"]
    return value


def send(account: Account, rest: Stack, request: Request) -> Answer:
    return HttpApi(account, rest, on_hop=lambda _: None).send(request)


def post(account: Account, rest: Stack, body: str, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return send(account, rest, Request(method="POST", path="/users", body=body, headers={**named, **PAGE}))


def test_a_user_is_created_behind_a_rest_api_and_the_page_may_read_the_answer(account, rest, key):
    created = post(account, rest, '{"name": "ada@example.com"}', x_api_key=key)
    assert created.status == 201
    assert created.headers["Access-Control-Allow-Origin"] == PAGE["Origin"]
    assert created.headers["Location"] == f"/v1/users/{created.json['id']}"


def test_a_request_without_the_api_key_is_refused(account, rest):
    assert post(account, rest, '{"name": "ada@example.com"}').status == 403


def test_the_edge_refuses_what_the_model_does_not_allow_as_a_problem_that_the_page_may_read(account, rest, key):
    refused = post(account, rest, '{"age": 1}', x_api_key=key)
    assert (refused.status, refused.headers["Content-Type"]) == (400, "application/problem+json")
    assert refused.headers["Access-Control-Allow-Origin"] == PAGE["Origin"]
    assert "errors" not in refused.json


def test_what_the_model_cannot_say_the_function_checks_field_by_field(account, rest, key):
    refused = post(account, rest, '{"name": "no address"}', x_api_key=key)
    assert refused.status == 400
    assert [error["pointer"] for error in refused.json["errors"]] == ["/name"]


def test_a_preflight_needs_neither_signature_nor_key_and_names_the_origin(account, rest):
    headers = {**PAGE, "Access-Control-Request-Method": "PUT"}
    answer = send(account, rest, Request(method="OPTIONS", path="/users/1", headers=headers, signed=False))
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE["Origin"]
    assert "PUT" in answer.headers["Access-Control-Allow-Methods"]


def test_an_unsigned_request_is_refused_even_with_the_key(account, rest, key):
    assert send(account, rest, Request(method="GET", path="/users", headers={"x-api-key": key}, signed=False)).status == 403
