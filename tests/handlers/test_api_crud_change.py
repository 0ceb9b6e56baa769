"""Changing and deleting an item: PUT and DELETE /<resource>/{id}."""

from collections.abc import Callable

import pytest
from types_boto3_dynamodb import DynamoDBClient

from api_crud.models import Item, Settings
from api_crud.store import DynamoStore
from tests.handlers.api_client import Calls, Client, client_of


class OvertakenStore(DynamoStore):
    """Lets another writer in between each reading of an item and the writing that follows."""

    overtake: Callable[[], object] = staticmethod(lambda: None)

    def get(self, item_id: str) -> Item | None:
        item = super().get(item_id)
        self.overtake()
        return item


def once(act: Callable[[], object]) -> Callable[[], object]:
    left = [act]
    return lambda: left.pop()() if left else None


@pytest.fixture
def overtaken(settings: Settings, dynamodb: DynamoDBClient) -> OvertakenStore:
    return OvertakenStore(settings, dynamodb)


def test_a_change_replaces_all_fields_and_keeps_the_time_of_creation(any_client: Client) -> None:
    created = any_client.post({"name": "pen", "note": "blue"})
    changed = any_client.put(created.json["id"], {"name": "pencil"})
    assert changed.status == 200
    assert changed.json == {
        "id": created.json["id"],
        "name": "pencil",
        "created_at": created.json["created_at"],
        "updated_at": changed.json["updated_at"],
    }
    assert changed.etag != created.etag
    assert any_client.get(created.json["id"]).json == changed.json


def test_an_unknown_item_cannot_be_changed_into_being(any_client: Client) -> None:
    assert any_client.put("unknown", {"name": "pen"}).status == 404
    assert any_client.get("unknown").status == 404


@pytest.mark.parametrize("condition", ["{etag}", '"other", {etag}', "*", ' {etag} , "other"'])
def test_a_change_of_the_version_that_was_read_succeeds(client: Client, condition: str) -> None:
    created = client.post({"name": "pen"})
    header = condition.format(etag=created.etag)
    assert client.put(created.json["id"], {"name": "pencil"}, headers={"If-Match": header}).status == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_stale_change_is_refused_and_changes_nothing(any_client: Client, method: str) -> None:
    stale = any_client.post({"name": "pen"})
    current = any_client.put(stale.json["id"], {"name": "pencil"})
    answer = any_client.call(method, stale.json["id"], {"name": "lost update"}, headers={"If-Match": stale.etag})
    assert answer.status == 412
    assert answer.detail == "The item has changed since you read it. Read it again, and repeat your change."
    assert any_client.get(stale.json["id"]).json == current.json


def test_a_weak_etag_matches_nothing(client: Client) -> None:
    created = client.post({"name": "pen"})
    assert client.delete(created.json["id"], headers={"If-Match": f"W/{created.etag}"}).status == 412


@pytest.mark.parametrize("header", ["", "abc", '"a" "b"', '"a', "W/*", '"a",'])
def test_a_malformed_condition_is_refused_rather_than_ignored(client: Client, header: str) -> None:
    answer = client.delete("a", headers={"If-Match": header})
    assert answer.status == 400
    assert answer.detail == 'If-Match must be * or a list of ETags in quotes, such as "5d41".'


def test_a_deleted_item_is_gone(any_client: Client) -> None:
    created = any_client.post({"name": "pen"})
    answer = any_client.delete(created.json["id"], headers={"If-Match": created.etag})
    assert (answer.status, answer.text) == (204, "")
    assert any_client.get(created.json["id"]).status == 404
    assert any_client.delete(created.json["id"]).status == 404


def test_a_change_that_does_not_fit_is_refused_without_a_call(client: Client, calls: Calls) -> None:
    answer = client.put("a", {"name": 1, "created_at": "1970"})
    assert answer.status == 400
    assert answer.errors == {"/created_at": "is set by the server", "/name": 'value is not of type "string"'}
    assert calls.names == []


def test_an_id_in_the_body_must_be_the_one_in_the_path(named_client: Client) -> None:
    named_client.post({"id": "a", "name": "pen"})
    assert named_client.put("a", {"id": "a", "name": "pencil"}).status == 200
    answer = named_client.put("a", {"id": "b", "name": "pencil"})
    assert answer.status == 400
    assert answer.errors == {"/id": "is not the id in the path"}


def test_an_unconditional_change_that_is_overtaken_is_made_on_what_is_there_then(
    settings: Settings, client: Client, overtaken: OvertakenStore
) -> None:
    item_id = client.post({"name": "pen"}).json["id"]
    overtaken.overtake = once(lambda: client.put(item_id, {"name": "other"}))
    assert client_of(settings, overtaken).put(item_id, {"name": "mine"}).json["name"] == "mine"
    assert client.get(item_id).json["name"] == "mine"


def test_a_conditional_change_that_is_overtaken_is_stale(settings: Settings, client: Client, overtaken: OvertakenStore) -> None:
    created = client.post({"name": "pen"})
    item_id = created.json["id"]
    overtaken.overtake = once(lambda: client.put(item_id, {"name": "other"}))
    answer = client_of(settings, overtaken).put(item_id, {"name": "mine"}, headers={"If-Match": created.etag})
    assert answer.status == 412
    assert client.get(item_id).json["name"] == "other"


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_change_that_is_overtaken_again_and_again_gives_up_and_says_so(
    settings: Settings, client: Client, overtaken: OvertakenStore, method: str
) -> None:
    item_id = client.post({"name": "pen"}).json["id"]
    overtaken.overtake = lambda: client.put(item_id, {"name": "other"})
    answer = client_of(settings, overtaken).call(method, item_id, {"name": "mine"})
    assert (answer.status, answer.headers["retry-after"]) == (409, "1")
    assert client.get(item_id).json["name"] == "other"


def test_a_change_that_is_overtaken_by_a_deletion_finds_nothing(
    settings: Settings, client: Client, overtaken: OvertakenStore
) -> None:
    item_id = client.post({"name": "pen"}).json["id"]
    overtaken.overtake = once(lambda: client.delete(item_id))
    assert client_of(settings, overtaken).put(item_id, {"name": "mine"}).status == 404
    assert client.get(item_id).status == 404


def test_an_item_that_something_else_wrote_can_be_read_changed_and_deleted(client: Client, dynamodb: DynamoDBClient) -> None:
    dynamodb.put_item(TableName="items-table", Item={"id": {"S": "a"}, "name": {"S": "imported"}})
    read = client.get("a")
    assert (read.json, "etag" in read.headers) == ({"id": "a", "name": "imported"}, False)
    assert client.put("a", {"name": "mine"}, headers={"If-Match": '"any"'}).status == 412
    assert client.put("a", {"name": "mine"}).status == 200
    assert client.delete("a").status == 204


def twice(operation: Callable[..., object]) -> Callable[..., object]:
    """What the SDK does when the answer to its first attempt gets lost."""

    def attempt(**params: object) -> object:
        operation(**params)
        return operation(**params)

    return attempt


@pytest.mark.parametrize("operation", ["put_item", "delete_item"])
def test_a_write_whose_answer_was_lost_counts_as_done(
    named_client: Client, dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    monkeypatch.setattr(dynamodb, operation, twice(getattr(dynamodb, operation)))
    assert named_client.post({"id": "a", "name": "pen"}).status == 201
    assert named_client.put("a", {"name": "pencil"}).json["name"] == "pencil"
    assert named_client.delete("a").status == 204


def test_each_action_is_one_that_the_function_is_granted(named_client: Client, calls: Calls) -> None:
    for _ in range(2):
        named_client.post({"id": "a", "name": "pen"}, headers={"Idempotency-Key": "k"})
        named_client.post({"id": "a", "name": "pen"})
    named_client.get()
    named_client.put("a", {"name": "pencil"})
    named_client.delete("a")
    tables = {(name, params["TableName"]) for name, params in calls.made if name != "TransactWriteItems"}
    assert tables == {
        ("GetItem", "items-table"),
        ("PutItem", "items-table"),
        ("DeleteItem", "items-table"),
        ("Scan", "items-table"),
        ("GetItem", "keys-table"),
    }
    parts = [part for name, params in calls.made if name == "TransactWriteItems" for part in params["TransactItems"]]
    assert {(action, put["TableName"]) for part in parts for action, put in part.items()} == {
        ("Put", "items-table"),
        ("Put", "keys-table"),
    }
