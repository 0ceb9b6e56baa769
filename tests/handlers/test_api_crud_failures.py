"""When AWS fails, time runs out, or somebody reads the logs."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, NoCredentialsError, ReadTimeoutError
from types_boto3_dynamodb import DynamoDBClient

from api_crud import handler
from api_crud.models import Settings
from shared.observability import LogSettings, logger
from tests.handlers.api_client import Answer, Calls, Client, client_of, event_of, store_of

ARN = "arn:aws:sts::123456789012:assumed-role/orders/orders"
LogLines = Callable[[], list[dict[str, Any]]]


def refused(code: str, status: int = 400) -> ClientError:
    message = f"User: {ARN} is not authorized on table items-table"
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "PutItem")


PASSING = [
    refused("ProvisionedThroughputExceededException"),
    refused("ThrottlingException"),
    refused("RequestLimitExceeded"),
    refused("InternalServerError", 500),
    refused("TransactionConflictException"),
    ReadTimeoutError(endpoint_url="https://dynamodb.eu-central-1.amazonaws.com/"),
    ConnectTimeoutError(endpoint_url="https://dynamodb.eu-central-1.amazonaws.com/"),
    EndpointConnectionError(endpoint_url="https://dynamodb.eu-central-1.amazonaws.com/"),
]
STAYING = [
    refused("AccessDeniedException"),
    refused("ResourceNotFoundException"),
    refused("ValidationException"),
    NoCredentialsError(),
    ZeroDivisionError("division by zero"),
]


def failing(dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(**_: object) -> object:
        raise error

    for operation in ("get_item", "put_item", "delete_item", "scan", "transact_write_items"):
        monkeypatch.setattr(dynamodb, operation, fail)


def each_route(client: Client) -> list[Answer]:
    return [
        client.post({"name": "pen"}),
        client.post({"name": "pen"}, headers={"Idempotency-Key": "c0ffee"}),
        client.get(),
        client.get("a"),
        client.put("a", {"name": "pen"}),
        client.delete("a"),
    ]


@pytest.fixture
def entry_point(client: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
    """The same API, called as Lambda calls it."""
    monkeypatch.setattr(handler, "_api", lambda: client.api)
    return Client(handler.handler)


@pytest.mark.parametrize("error", PASSING, ids=str)
def test_a_failure_that_passes_asks_to_come_again(
    client: Client, dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    failing(dynamodb, monkeypatch, error)
    for answer in each_route(client):
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert answer.detail == "This does not work at the moment. Try again."


@pytest.mark.parametrize("error", STAYING, ids=str)
def test_any_other_failure_is_not_the_clients_fault(
    client: Client, dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    failing(dynamodb, monkeypatch, error)
    for answer in each_route(client):
        assert (answer.status, "retry-after" in answer.headers) == (500, False)
        assert answer.detail == "This failed, and not through a fault of the request."


@pytest.mark.parametrize("error", PASSING + STAYING, ids=str)
def test_no_answer_has_an_arn_a_class_or_the_text_of_an_exception(
    client: Client, dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    failing(dynamodb, monkeypatch, error)
    for answer in each_route(client):
        for secret in ("arn:", "items-table", "amazonaws", "Exception", "Error:", type(error).__name__, str(error)):
            assert secret not in answer.text


def test_a_failure_is_logged_in_full_under_the_id_that_the_client_got(
    entry_point: Client, dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch, log_lines: LogLines
) -> None:
    failing(dynamodb, monkeypatch, refused("AccessDeniedException"))
    answer = entry_point.get("a")
    (failure,) = [line for line in log_lines() if line["level"] == "ERROR"]
    assert failure["correlation_id"] == answer.json["request_id"]
    assert ARN in failure["exception"]


@pytest.mark.parametrize("seconds", [0.0, 1.0, 6.9])
def test_a_write_that_may_not_end_in_time_is_not_begun(client: Client, calls: Calls, seconds: float) -> None:
    item_id = client.post({"name": "pen"}).json["id"]
    late = client.with_seconds_left(seconds)
    calls.made.clear()
    for answer in (late.post({"name": "pen"}), late.put(item_id, {"name": "late"}), late.delete(item_id)):
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert answer.detail == "There was not enough time left to do this safely, and nothing was changed. Try again."
    assert set(calls.names) == {"GetItem"}
    assert late.get(item_id).json["name"] == "pen"


def test_a_write_that_will_end_in_time_is_made(client: Client) -> None:
    assert client.with_seconds_left(7.1).post({"name": "pen"}).status == 201


def test_each_request_is_one_line(entry_point: Client, log_lines: LogLines) -> None:
    entry_point.get("unknown")
    entry_point.post({"name": "pen"})
    missed, created = log_lines()
    assert (missed["level"], missed["message"], missed["method"], missed["route"]) == ("INFO", "request", "GET", "/orders/{id}")
    assert (missed["status"], missed["problem"]) == (404, "There is no item with this id.")
    assert missed["correlation_id"] == "JKJaXmPLvHcESHA="
    assert missed["function_request_id"] == "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
    assert created["duration_ms"] >= 0
    assert (created["status"], created["route"], "problem" in created) == (201, "/orders", False)


@pytest.mark.parametrize("kind", ["http_api_iam", "http_api_jwt", "rest_api_cognito"])
@pytest.mark.parametrize("error", [None, refused("AccessDeniedException")], ids=str)
def test_no_log_line_has_a_token_a_key_or_personal_data(  # noqa: PLR0917  each is a way for data to get there
    entry_point: Client,
    dynamodb: DynamoDBClient,
    monkeypatch: pytest.MonkeyPatch,
    log_lines: LogLines,
    kind: str,
    error: Exception | None,
) -> None:
    if error:
        failing(dynamodb, monkeypatch, error)
    client = entry_point.as_kind(kind)
    private = {"Idempotency-Key": "k3y", "If-Match": '"k3y"', "If-None-Match": "k3y", "Cookie": "k3y", "Origin": "k3y"}
    for name in ("Alice Example", 5):
        client.post({"name": name, "Alice Example": 1}, headers=private)
        client.post({"name": name}, headers=private)
        client.put("alice@example.com", {"name": name}, headers=private)
    client.get("alice@example.com")
    client.get(query={"cursor": "k3y", "alice": "Alice Example"})
    client.send(event_of(kind, "POST") | {"body": ["Alice Example"]})
    client.send(event_of(kind, "PUT", "alice@example.com", '{"Alice Example": 1', headers=private | {"Content-Type": "k3y"}))
    logged = str(log_lines())
    authorization = event_of(kind, "GET")["headers"]
    token = str(authorization.get("authorization") or authorization.get("Authorization"))
    for secret in (token, "Alice", "alice", "k3y", "203.0.113.17", "AKIA", "9f86d081"):
        assert secret not in logged


def test_the_sdk_writes_no_request_even_if_everything_else_logs_at_debug(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    client.post({"name": "Alice Example"})
    assert "Alice" not in caplog.text


def test_a_sample_of_invocations_logs_at_debug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_LOG_LEVEL", "WARNING")
    levels = set()
    for draw in (0.04, 0.06):
        monkeypatch.setattr("random.random", lambda draw=draw: draw)
        LogSettings(level="INFO", debug_sample_rate=0.05).apply()
        levels.add((draw, logger.log_level))
    assert levels == {(0.04, 10), (0.06, 20)}


def test_the_level_is_chosen_anew_for_each_request(
    settings: Settings, dynamodb: DynamoDBClient, log_lines: LogLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampled = dataclasses.replace(settings, logs=LogSettings(level="INFO", debug_sample_rate=0.5))
    client = client_of(sampled, store_of(sampled, dynamodb))
    for draw in (0.4, 0.6):
        monkeypatch.setattr("random.random", lambda draw=draw: draw)
        client.get()
    assert [line["message"] for line in log_lines()] == ["received", "request", "request"]


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING", "ERROR"])
def test_the_level_is_the_one_that_was_set(level: str) -> None:
    LogSettings(level=level, debug_sample_rate=0).apply()
    assert logger.log_level == {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40}[level]
    LogSettings(level="INFO", debug_sample_rate=0).apply()
