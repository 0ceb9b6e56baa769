"""Bodies that nobody should send: each gets a problem that says what is wrong, and reaches no table."""

import base64
import dataclasses

import pytest
from types_boto3_dynamodb import DynamoDBClient

from api_crud.models import Settings
from tests.handlers.api_client import Answer, Calls, Client, client_of, store_of


def problem(answer: Answer) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["status"] == answer.status
    return answer.status, answer.detail


@pytest.mark.parametrize("body", [None, ""])
@pytest.mark.parametrize("is_base64", [False, True])
def test_a_missing_body_is_refused(any_client: Client, body: str | None, is_base64: bool) -> None:
    assert problem(any_client.post(body, is_base64=is_base64)) == (400, "The body is missing.")


@pytest.mark.parametrize("body", ["null", "[]", '[{"name": "pen"}]', "1", '"text"', "true"])
def test_a_body_that_is_no_object_is_refused(any_client: Client, body: str) -> None:
    assert problem(any_client.post(body)) == (400, "The body must be a JSON object.")


def test_a_truncated_body_is_refused(any_client: Client) -> None:
    assert problem(any_client.post('{"name": "pe')) == (400, "The JSON is broken at line 1, column 10.")


@pytest.mark.parametrize("body", ["{name}", "a", "ö", "e30=="])
def test_a_body_that_is_not_in_base64_as_announced_is_refused(any_client: Client, body: str) -> None:
    assert problem(any_client.post(body, is_base64=True)) == (400, "The body is not in base64.")


def test_bytes_that_are_no_text_are_refused(any_client: Client) -> None:
    body = base64.b64encode(b"\x1f\x8b\x08\x00").decode()
    assert problem(any_client.post(body, is_base64=True)) == (400, "The JSON is not UTF-8.")


def test_half_a_surrogate_pair_in_the_event_is_refused(client: Client) -> None:
    assert problem(client.post('{"name": "\ud800"}')) == (400, "The JSON is not UTF-8.")


def test_a_field_of_a_megabyte_is_refused_without_a_call(client: Client, calls: Calls) -> None:
    answer = client.post({"name": "x" * 1024 * 1024})
    assert problem(answer) == (413, "The body is larger than 262144 bytes.")
    assert calls.names == []


def test_the_limit_of_a_body_counts_bytes_after_decoding(client: Client) -> None:
    fits = '{"name":"' + "ö" * 131_066 + '"}'
    assert len(fits.encode()) == 262_143
    assert client.post(base64.b64encode(fits.encode()).decode(), is_base64=True).status == 201
    assert client.post(fits + "  ").status == 413


@pytest.mark.parametrize(("method", "item_id"), [("POST", None), ("PUT", "a")])
def test_an_item_that_no_table_can_hold_is_refused_without_a_call(
    settings: Settings, dynamodb: DynamoDBClient, calls: Calls, method: str, item_id: str | None
) -> None:
    settings = dataclasses.replace(settings, max_body_bytes=6_291_456)
    answer = client_of(settings, store_of(settings, dynamodb)).call(method, item_id, {"name": "x" * 400 * 1024})
    assert problem(answer) == (413, "The item is larger than the 409600 bytes that can be stored, names included.")
    assert calls.names == []


def test_nesting_that_would_break_a_parser_is_refused_without_a_call(client: Client, calls: Calls) -> None:
    for depth in (5_000, 100_000):
        assert problem(client.post("[" * depth)) == (400, "The JSON is nested deeper than 32 levels.")
    assert calls.names == []


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("NaN", "is not a number in JSON"),
        ("-Infinity", "is not a number in JSON"),
        ("9" * 5000, "has more than 38 significant digits, or is not between 1E-130 and 9.99E+125"),
        ("0." + "3" * 39, "has more than 38 significant digits, or is not between 1E-130 and 9.99E+125"),
        ('"\\ud800"', "has a NUL or half a surrogate pair"),
        ('"\\u0000"', "has a NUL or half a surrogate pair"),
        ('{"role": 1, "role": 2}', "has the same name twice"),
    ],
)
def test_a_value_that_cannot_be_kept_exactly_is_refused_at_its_place(client: Client, value: str, message: str) -> None:
    answer = client.post(f'{{"name": "pen", "extra": {value}}}')
    assert problem(answer) == (400, "The JSON has values that cannot be kept exactly.")
    assert answer.errors == {"/extra": message}
