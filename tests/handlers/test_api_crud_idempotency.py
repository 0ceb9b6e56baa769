"""Creating exactly once: POST /<resource> with an Idempotency-Key."""

import functools
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError
from types_boto3_dynamodb import DynamoDBClient

from api_crud.logic import Created, Items
from api_crud.models import Key, Settings
from shared.schema import Schema
from tests.handlers.api_client import SCHEMA, Answer, Client, client_of, event_of, store_of

KEY = {"Idempotency-Key": "c0ffee"}


def count(client: Client) -> int:
    return len(client.get(query={"limit": "100"}).json["items"])


def test_a_repeated_request_gets_the_same_answer_and_creates_nothing(any_client: Client) -> None:
    first = any_client.post({"name": "pen", "price": 1.10}, headers=KEY)
    again = any_client.post({"name": "pen", "price": 1.10}, headers=KEY)
    assert (first.status, again.status) == (201, 201)
    assert (again.text, again.etag, again.headers["location"]) == (first.text, first.etag, first.headers["location"])
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert count(any_client) == 1


def test_the_same_request_with_its_names_in_another_order_is_a_repetition(client: Client) -> None:
    first = client.post('{"name": "pen", "price": 1.10}', headers=KEY)
    assert client.post('{"price":1.1,"name":"pen"}', headers=KEY).json == first.json


def test_a_repetition_gets_the_first_answer_even_after_the_item_has_changed(client: Client) -> None:
    first = client.post({"name": "pen"}, headers=KEY)
    client.put(first.json["id"], {"name": "pencil"})
    assert client.post({"name": "pen"}, headers=KEY).json == first.json
    client.delete(first.json["id"])
    assert client.post({"name": "pen"}, headers=KEY).json == first.json
    assert count(client) == 0


def test_a_key_with_another_body_is_refused(any_client: Client) -> None:
    any_client.post({"name": "pen"}, headers=KEY)
    answer = any_client.post({"name": "pencil"}, headers=KEY)
    assert answer.status == 422
    assert answer.detail == "This Idempotency-Key came with another body before. Use a new key for a new request."
    assert count(any_client) == 1


def test_another_key_creates_another_item(client: Client) -> None:
    client.post({"name": "pen"}, headers=KEY)
    client.post({"name": "pen"}, headers={"Idempotency-Key": "other"})
    assert count(client) == 2


@pytest.mark.parametrize("kind", ["http_api_iam", "http_api_jwt", "rest_api_cognito"])
def test_a_caller_cannot_see_what_another_created_with_the_same_key(client: Client, kind: str) -> None:
    first = client.as_kind(kind).post({"name": "pen"}, headers=KEY)
    event = event_of(kind, "POST", body={"name": "pen"}, headers=KEY)
    authorizer = event["requestContext"]["authorizer"]
    if "iam" in authorizer:
        authorizer["iam"]["userArn"] = "arn:aws:iam::123456789012:user/mallory"
    else:
        authorizer.get("jwt", authorizer)["claims"]["sub"] = "mallory"
    second = client.send(event)
    assert (second.status, "idempotency-replayed" in second.headers) == (201, False)
    assert second.json["id"] != first.json["id"]


def test_a_caller_of_another_issuer_is_another_caller(client: Client) -> None:
    client.as_kind("http_api_jwt").post({"name": "pen"}, headers=KEY)
    event = event_of("http_api_jwt", "POST", body={"name": "pen"}, headers=KEY)
    event["requestContext"]["authorizer"]["jwt"]["claims"]["iss"] = "https://login.example.com"
    assert "idempotency-replayed" not in client.send(event).headers


def test_callers_of_an_iam_authorized_rest_api_are_told_apart(client: Client) -> None:
    answers = []
    for name in ("alice", "mallory"):
        event = event_of("rest_api_cognito", "POST", body={"name": "pen"}, headers=KEY)
        del event["requestContext"]["authorizer"]
        event["requestContext"]["identity"]["userArn"] = f"arn:aws:iam::123456789012:user/{name}"
        answers.append(client.send(event))
    assert "idempotency-replayed" not in answers[1].headers


def test_an_api_without_authorization_has_one_caller(client: Client) -> None:
    event = event_of("http_api_iam", "POST", body={"name": "pen"}, headers=KEY)
    del event["requestContext"]["authorizer"]
    client.send(event)
    assert client.send(event).headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize("key", ["", " ", "a b", "ö", "x" * 256, "a\r\nX: y", "\x7f"])
def test_a_key_that_is_not_visible_ascii_is_refused(client: Client, key: str) -> None:
    answer = client.post({"name": "pen"}, headers={"Idempotency-Key": key})
    assert answer.status == 400
    assert answer.detail == "Idempotency-Key must be 1 to 255 visible ASCII characters."


def test_a_key_is_forgotten_after_its_time(settings: Settings, client: Client, dynamodb: DynamoDBClient) -> None:
    client.post({"name": "pen"}, headers=KEY)
    later = datetime.fromtimestamp(datetime.now(UTC).timestamp() + settings.idempotency_ttl_seconds + 2, UTC)
    items = Items(settings, Schema(SCHEMA), store_of(settings, dynamodb), clock=lambda: later)
    caller = "iam arn:aws:iam::123456789012:user/alice"
    assert not items.create(b'{"name": "pen"}', Key("c0ffee", caller), lambda: None).replayed
    assert count(client) == 2


def test_a_record_of_a_key_has_no_copy_of_the_data_and_an_end(client: Client, dynamodb: DynamoDBClient) -> None:
    client.post({"name": "Alice Example"}, headers=KEY)
    (record,) = dynamodb.scan(TableName="keys-table")["Items"]
    assert record.keys() == {"id", "request_hash", "item_id", "etag", "created_at", "expires_at"}
    assert "Alice" not in str(record)
    assert "c0ffee" not in str(record)


def test_a_key_for_an_id_that_exists_is_refused_and_not_used_up(named_client: Client) -> None:
    named_client.post({"id": "a", "name": "victim"})
    refused = named_client.post({"id": "a", "name": "attacker"}, headers=KEY)
    assert (refused.status, refused.detail) == (409, "There is an item with this id already.")
    named_client.delete("a")
    assert named_client.post({"id": "a", "name": "attacker"}, headers=KEY).status == 201


def test_of_requests_that_overlap_under_one_key_one_creates_the_item_and_all_get_its_answer(
    settings: Settings, client: Client, dynamodb: DynamoDBClient
) -> None:
    items = Items(settings, Schema(SCHEMA), store_of(settings, dynamodb))
    answers: list[Created] = []

    def request(more: int) -> None:
        """Come as far as the write, let the other requests pass, and go on."""
        pass_others = functools.partial(request, more - 1) if more else lambda: None
        answers.append(items.create(b'{"name": "pen"}', Key("c0ffee", "alice"), pass_others))

    request(7)
    assert [answer.replayed for answer in answers] == [False] + [True] * 7
    assert [item["id"] for item in client.get().json["items"]] == [answers[0].item.id]
    assert all(answer.item == answers[0].item for answer in answers)


def cancelled(*codes: str) -> Callable[..., object]:
    def transact(**_: object) -> object:
        reasons = [{"Code": code} for code in codes]
        response = {"Error": {"Code": "TransactionCanceledException", "Message": "m"}, "CancellationReasons": reasons}
        raise ClientError(response | {"ResponseMetadata": {"HTTPStatusCode": 400}}, "TransactWriteItems")  # type: ignore[arg-type]

    return transact


def cancelled_post(settings: Settings, dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch, *codes: str) -> Answer:
    monkeypatch.setattr(dynamodb.exceptions, "TransactionCanceledException", ClientError)
    monkeypatch.setattr(dynamodb, "transact_write_items", cancelled(*codes))
    return client_of(settings, store_of(settings, dynamodb)).post({"name": "pen"}, headers=KEY)


@pytest.mark.parametrize("codes", [("None", "TransactionConflict"), ("TransactionConflict", "None")])
def test_a_request_that_meets_its_twin_under_way_is_asked_to_come_again(
    settings: Settings, dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch, codes: tuple[str, str]
) -> None:
    answer = cancelled_post(settings, dynamodb, monkeypatch, *codes)
    assert (answer.status, answer.headers["retry-after"]) == (409, "1")
    assert answer.detail == "A request with this Idempotency-Key is under way. Try again."


def test_a_request_that_met_its_twin_gets_the_answer_of_the_twin_once_it_is_there(
    settings: Settings, client: Client, dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = client.post({"name": "pen"}, headers=KEY)
    assert cancelled_post(settings, dynamodb, monkeypatch, "None", "TransactionConflict").json == first.json


def test_a_request_under_way_is_not_answered_from_a_forgotten_key(
    settings: Settings, client: Client, dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.post({"name": "pen"}, headers=KEY)
    (record,) = dynamodb.scan(TableName="keys-table")["Items"]
    dynamodb.put_item(TableName="keys-table", Item=record | {"expires_at": {"N": "1"}})
    assert cancelled_post(settings, dynamodb, monkeypatch, "None", "TransactionConflict").status == 409


@pytest.mark.parametrize(
    ("code", "status"), [("ThrottlingError", 503), ("ProvisionedThroughputExceeded", 503), ("ValidationError", 500)]
)
def test_a_transaction_that_is_cancelled_for_another_reason_is_a_failure(
    settings: Settings, dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch, code: str, status: int
) -> None:
    assert cancelled_post(settings, dynamodb, monkeypatch, code, "None").status == status


def test_both_attempts_of_the_sdk_are_one_transaction(
    client: Client, dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = []
    send = dynamodb.transact_write_items

    def recorded(**params: object) -> object:
        tokens.append(params["ClientRequestToken"])
        return send(**params)  # type: ignore[arg-type]

    monkeypatch.setattr(dynamodb, "transact_write_items", recorded)
    client.post({"name": "pen"}, headers=KEY)
    client.post({"name": "pen"}, headers={"Idempotency-Key": "other"})
    assert len(set(tokens)) == 2
