"""Requests as such: routes, events, headers, origins."""

import dataclasses
import importlib
import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
from types_boto3_dynamodb import DynamoDBClient

from api_crud import handler
from api_crud.models import Settings
from shared.settings import SettingsError
from tests.handlers.api_client import SCHEMA, VARIABLES, Client, client_of, event_of, store_of

KINDS = ["http_api_iam", "rest_api_cognito"]


@pytest.fixture
def page(settings: Settings, dynamodb: DynamoDBClient) -> Client:
    """A REST API that the pages of one origin may call."""
    allowed = dataclasses.replace(settings, allow_origins=("https://b.example.com",), allow_credentials=True)
    return client_of(allowed, store_of(allowed, dynamodb)).as_kind("rest_api_cognito")


@pytest.fixture
def deployed(
    tmp_path: Path,
    dynamodb: DynamoDBClient,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Client]:
    """The entry point itself, with its settings in the environment."""
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps(SCHEMA))
    for name, value in (VARIABLES | {"SCHEMA_FILE": str(schema)}).items():
        monkeypatch.setenv(name, value)
    yield Client(handler.handler)
    handler._api.cache_clear()  # noqa: SLF001  the next test has other settings


@pytest.mark.parametrize("kind", KINDS)
def test_the_entry_point_reads_its_settings_and_answers(deployed: Client, kind: str) -> None:
    created = deployed.as_kind(kind).post({"name": "pen"})
    assert created.status == 201
    assert deployed.as_kind(kind).get(created.json["id"]).status == 200


def test_a_function_with_a_bad_variable_fails_while_it_starts_and_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "orders")
    monkeypatch.setenv("RESOURCE", "orders")
    with pytest.raises(SettingsError, match=r"^TABLE_NAME must be set$"):
        importlib.reload(handler)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("method", "item_id"), [("PATCH", "a"), ("POST", "a"), ("DELETE", None), ("FOO", None)])
def test_a_method_that_a_path_does_not_have_is_not_found(client: Client, kind: str, method: str, item_id: str | None) -> None:
    answer = client.as_kind(kind).call(method, item_id, {"name": "pen"})
    assert (answer.status, answer.detail) == (404, "There is no such method and path.")


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_route_is_not_found(client: Client, kind: str) -> None:
    event = event_of(kind, "GET")
    event |= {"resource": "/users"} if kind.startswith("rest") else {"routeKey": "$default", "rawPath": "/users"}
    answer = client.send(event)
    assert (answer.status, answer.detail) == (404, "There is no such method and path.")


def test_a_stage_and_the_base_path_of_a_custom_domain_do_not_matter(named_client: Client) -> None:
    named_client.post({"id": "orders", "name": "pen"})
    event = event_of("http_api_iam", "GET", "orders")
    event["requestContext"]["stage"] = "live"
    event["rawPath"] = "/live/orders/orders"
    assert named_client.send(event).json["id"] == "orders"
    event = event_of("rest_api_cognito", "GET", "orders")
    event["path"] = "/shop/orders/orders"
    assert named_client.send(event).json["id"] == "orders"


def test_the_location_has_the_base_path_of_a_custom_domain(client: Client) -> None:
    event = event_of("rest_api_cognito", "POST", body={"name": "pen"})
    event["requestContext"]["path"] = "/shop/orders"
    assert client.send(event).headers["location"].startswith("/shop/orders/")


def test_a_path_that_is_not_plain_never_gets_into_a_header(client: Client) -> None:
    for path in ("/orders\r\nSet-Cookie: x", "//evil.example/orders", "/a b/orders", "https://evil.example"):
        event = event_of("http_api_iam", "POST", body={"name": "pen"})
        event["requestContext"]["http"]["path"] = path
        assert re.fullmatch(r"/orders/[0-9a-f-]{36}", client.send(event).headers["location"])


def test_nothing_that_a_client_sends_breaks_a_header(page: Client) -> None:
    evil = "x\r\nSet-Cookie: y"
    headers = {"Origin": evil, "If-Match": f'"{evil}"', "If-None-Match": evil, "X-Amzn-Trace-Id": evil}
    created = page.post({"name": evil, "note": evil}, headers={"Origin": evil})
    answers = [
        created,
        page.post({"name": evil}, headers=headers | {"Idempotency-Key": evil}),
        page.get(created.json["id"], headers=headers),
        page.get(evil, headers=headers),
        page.put(evil, {"name": evil}, headers=headers),
        page.delete(evil, headers=headers),
        page.get(query={"cursor": evil, "limit": evil}),
    ]
    for answer in answers:
        assert not re.search(r"[\r\n]", "".join(answer.headers.values()))
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "event",
    [
        {},
        None,
        [],
        "text",
        {"version": "2.0"},
        {"version": "2.0", "requestContext": None, "routeKey": "GET /orders"},
        {"requestContext": {}, "version": "1.0"},
        {"Records": [{"eventSource": "aws:sqs"}]},
        {"requestContext": {"elb": {}}, "httpMethod": "GET", "path": "/orders"},
    ],
)
def test_an_event_that_is_no_request_gets_a_problem(deployed: Client, event: object) -> None:
    answer = deployed.send(event)
    assert (answer.status, answer.detail) == (400, "This is not a request from API Gateway.")
    assert answer.json["request_id"] == "8476a536-e9f4-11e8-9739-2dfe598c3fcd"


@pytest.mark.parametrize(
    "event",
    [
        {"version": "2.0", "requestContext": {}, "routeKey": "GET /orders"},
        {"version": "2.0", "requestContext": {"http": {"method": "GET"}}, "routeKey": 5},
        {"resource": "/orders", "httpMethod": None, "requestContext": {}},
        event_of("http_api_iam", "GET") | {"headers": "text"},
        event_of("rest_api_cognito", "GET") | {"multiValueQueryStringParameters": {"limit": 5}},
        event_of("http_api_iam", "POST") | {"body": 5},
    ],
)
def test_a_request_that_is_damaged_gets_a_problem_that_says_nothing(deployed: Client, event: object) -> None:
    answer = deployed.send(event)
    assert (answer.status, answer.detail) == (500, "This failed, and not through a fault of the request.")


@pytest.mark.parametrize("kind", KINDS)
def test_null_in_place_of_empty_parts_is_as_good_as_nothing(client: Client, kind: str) -> None:
    event = event_of(kind, "GET")
    names = [
        "headers",
        "multiValueHeaders",
        "queryStringParameters",
        "multiValueQueryStringParameters",
        "pathParameters",
        "body",
    ]
    assert client.send(event | dict.fromkeys(names)).status == 200


@pytest.mark.parametrize("kind", KINDS)
def test_headers_are_found_whatever_the_case_of_their_names(client: Client, kind: str) -> None:
    for name in ("content-type", "CONTENT-TYPE", "Content-Type"):
        event = event_of(kind, "POST", body={"name": "pen"})
        for headers in (event["headers"], event.get("multiValueHeaders", {})):
            for present in [key for key in headers if key.lower() == "content-type"]:
                headers[name] = headers.pop(present)
        assert client.send(event).status == 201


def test_a_repeated_header_is_not_half_ignored(client: Client) -> None:
    event = event_of("rest_api_cognito", "POST", body={"name": "pen"})
    event["multiValueHeaders"]["Content-Type"] = ["text/plain", "application/json"]
    assert client.send(event).status == 415


def test_a_problem_has_the_members_of_rfc_9457_and_the_id_of_the_request(any_client: Client) -> None:
    answer = any_client.get("unknown")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json == {
        "type": "about:blank",
        "title": HTTPStatus.NOT_FOUND.phrase,
        "status": 404,
        "detail": "There is no item with this id.",
        "request_id": answer.json["request_id"],
    }
    assert answer.json["request_id"] in {"JKJaXmPLvHcESHA=", "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"}


def test_no_answer_is_stored_unasked_or_taken_for_another_type(client: Client) -> None:
    for answer in (client.post({"name": "pen"}), client.get("unknown"), client.get(), client.send({})):
        assert (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == ("no-cache", "nosniff")


def test_an_allowed_page_may_read_each_answer_errors_included(page: Client) -> None:
    origin = {"Origin": "https://b.example.com"}
    created = page.post({"name": "pen"}, headers=origin)
    answers = [created, page.get("unknown", headers=origin), page.post({}, headers=origin), page.call("PATCH", headers=origin)]
    assert [answer.status for answer in answers] == [201, 404, 400, 404]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == "https://b.example.com"
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert answer.headers["access-control-expose-headers"] == "ETag, Idempotency-Replayed, Location, Retry-After"
        assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "https://b.example.com.evil.example", "https://B.example.com"]
)
def test_another_page_may_read_no_answer(page: Client, origin: str) -> None:
    for answer in (page.get(headers={"Origin": origin}), page.get("unknown", headers={"Origin": origin})):
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert answer.headers["vary"] == "Origin"


def test_without_allowed_origins_no_page_is_named(client: Client) -> None:
    answer = client.get(headers={"Origin": "https://a.example.com"})
    assert not [name for name in answer.headers if name.startswith("access-control") or name == "vary"]
