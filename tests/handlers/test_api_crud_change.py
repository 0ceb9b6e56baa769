"""Changing and deleting an item: PUT and DELETE /<resource>/{id}."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from types_boto3_dynamodb import DynamoDBClient

from api_crud.models import Item, Precondition, Settings
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
    return OvertakenStore(settings.table_name, settings.idempotency_table_name, settings.ttl_attribute, dynamodb)


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


@pytest.mark.parametrize(
    "condition",
    [
        "{etag}",
        '"other", {etag}',
        "*",
        ' {etag} , "other"',
        'W/"a", {etag}',
        '{etag}, W/"a"',
        "W/{etag}, {etag}",
        '"W/",{etag}',
    ],
)
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
    assert answer.detail == "The item is not at a version that your condition allows. Read it again, and repeat your change."
    assert any_client.get(stale.json["id"]).json == current.json


@pytest.mark.parametrize("condition", ["W/{etag}", 'W/{etag}, "other"', '"other", W/{etag}'])
def test_a_weak_etag_matches_nothing(client: Client, condition: str) -> None:
    created = client.post({"name": "pen"})
    assert client.delete(created.json["id"], headers={"If-Match": condition.format(etag=created.etag)}).status == 412


@given(tags=st.lists(st.tuples(st.booleans(), st.text("aW/,* ", max_size=3)), min_size=1))
def test_every_list_of_etags_is_read_as_it_was_written(tags: list[tuple[bool, str]]) -> None:
    header = ", ".join(f'{"W/" if weak else ""}"{tag}"' for weak, tag in tags)
    wanted, unwanted = Precondition.parse({"if-match": header}), Precondition.parse({"if-none-match": header})
    for tag in {tag for _, tag in tags}:
        item = Item({"id": "a"}, tag)
        assert wanted.allows(item) == ((False, tag) in tags)
        assert not unwanted.allows(item)
    assert unwanted.allows(Item({"id": "a"}, "other"))


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("condition", ["*", "{etag}", "W/{etag}", '"other", {etag}'])
def test_a_change_of_a_version_that_is_excluded_is_refused_and_changes_nothing(
    any_client: Client, method: str, condition: str
) -> None:
    created = any_client.post({"name": "pen"})
    headers = {"If-Match": created.etag, "If-None-Match": condition.format(etag=created.etag)}
    answer = any_client.call(method, created.json["id"], {"name": "pencil"}, headers=headers)
    assert answer.status == 412
    assert answer.detail == "The item is not at a version that your condition allows. Read it again, and repeat your change."
    assert any_client.get(created.json["id"]).json == created.json


def test_a_change_of_any_version_but_those_that_are_excluded_succeeds(client: Client) -> None:
    created = client.post({"name": "pen"})
    headers = {"If-None-Match": '"other", W/"another"'}
    assert client.put(created.json["id"], {"name": "pencil"}, headers=headers).status == 200
    assert client.delete(created.json["id"], headers=headers).status == 204
    assert client.put(created.json["id"], {"name": "pen"}, headers={"If-None-Match": "*"}).status == 404


@pytest.mark.parametrize("name", ["If-Match", "If-None-Match"])
@pytest.mark.parametrize("header", ["", "abc", '"a" "b"', '"a', "W/*", '"a",', '*, "a"'])
def test_a_malformed_condition_is_refused_rather_than_ignored(client: Client, name: str, header: str) -> None:
    answer = client.delete("a", headers={name: header})
    assert answer.status == 400
    assert answer.detail == f'{name} must be * or a list of ETags in quotes, such as "5d41".'


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


@pytest.mark.parametrize("condition", [{}, {"If-Match": "*"}, {"If-None-Match": '"other"'}])
def test_changes_at_once_that_name_no_version_are_all_made_and_the_last_one_stays(
    settings: Settings, client: Client, overtaken: OvertakenStore, condition: dict[str, str]
) -> None:
    created = client.post({"name": "pen"}).json
    client.put(created["id"], {"name": "pencil"})
    overtaken.overtake = lambda: client.put(created["id"], {"name": "other"})
    answer = client_of(settings, overtaken).put(created["id"], {"name": "mine"}, headers=condition)
    assert (answer.status, answer.json["name"]) == (200, "mine")
    assert client.get(created["id"]).json == answer.json
    assert answer.json["created_at"] == created["created_at"]


def test_a_deletion_that_names_no_version_is_made_however_often_the_item_changes(
    settings: Settings, client: Client, overtaken: OvertakenStore
) -> None:
    item_id = client.post({"name": "pen"}).json["id"]
    overtaken.overtake = lambda: client.put(item_id, {"name": "other"})
    assert client_of(settings, overtaken).delete(item_id).status == 204
    assert client.get(item_id).status == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_conditional_change_that_is_overtaken_is_refused(
    settings: Settings, client: Client, overtaken: OvertakenStore, method: str
) -> None:
    created = client.post({"name": "pen"})
    item_id = created.json["id"]
    overtaken.overtake = once(lambda: client.put(item_id, {"name": "other"}))
    answer = client_of(settings, overtaken).call(method, item_id, {"name": "mine"}, headers={"If-Match": created.etag})
    assert answer.status == 412
    assert client.get(item_id).json["name"] == "other"


@pytest.mark.parametrize("condition", ["*", "{etag}"])
def test_a_change_that_is_overtaken_by_a_deletion_finds_nothing(
    settings: Settings, client: Client, overtaken: OvertakenStore, condition: str
) -> None:
    created = client.post({"name": "pen"})
    item_id = created.json["id"]
    overtaken.overtake = once(lambda: client.delete(item_id))
    headers = {"If-Match": condition.format(etag=created.etag)}
    assert client_of(settings, overtaken).put(item_id, {"name": "mine"}, headers=headers).status == 404
    assert client.get(item_id).status == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_change_spares_an_item_that_took_the_id_of_the_one_that_was_read(
    settings: Settings, named_client: Client, overtaken: OvertakenStore, dynamodb: DynamoDBClient, method: str
) -> None:
    named_client.post({"id": "a", "name": "read"})
    (later,) = dynamodb.scan(TableName="items-table")["Items"]
    later |= {"name": {"S": "later"}, "created_at": {"S": "2999-12-31T00:00:00.000Z"}}
    overtaken.overtake = once(lambda: dynamodb.put_item(TableName="items-table", Item=later))
    assert client_of(settings, overtaken).call(method, "a", {"name": "mine"}).status == 404
    assert named_client.get("a").json["name"] == "later"


#: What else than this handler may have left under the names that it has for itself.
FOREIGN: list[dict[str, Any]] = [
    {},
    {"etag": {"S": "x\r\nSet-Cookie: y"}},
    {"etag": {"N": "5"}},
    {"etag": {"NULL": True}},
    {"etag": {"S": "any"}, "created_at": {"S": "long ago"}},
    {"created_at": {"N": "5"}},
    {"created_at": {"SS": ["x"]}},
    {"created_at": {"S": ""}},
]


@pytest.fixture(params=FOREIGN, ids=str)
def imported(request: pytest.FixtureRequest, dynamodb: DynamoDBClient) -> None:
    """An item ``a`` that something else wrote."""
    dynamodb.put_item(TableName="items-table", Item={"id": {"S": "a"}, "name": {"S": "imported"}} | request.param)


@pytest.mark.usefixtures("imported")
def test_an_item_that_something_else_wrote_is_shown_without_a_version(any_client: Client) -> None:
    for answer in (any_client.get("a"), any_client.get("a", headers={"If-None-Match": '"any"'})):
        assert (answer.status, answer.json["name"]) == (200, "imported")
        assert "etag" not in answer.headers
        assert "etag" not in answer.json
    assert any_client.get("a", headers={"If-None-Match": "*"}).status == 304


@pytest.mark.usefixtures("imported")
@pytest.mark.parametrize("condition", [{}, {"If-Match": "*"}, {"If-None-Match": '"any", "5"'}])
def test_an_item_that_something_else_wrote_can_be_deleted(client: Client, condition: dict[str, str]) -> None:
    assert client.delete("a", headers={"If-Match": '"any", "5", "None"'}).status == 412
    assert client.delete("a", headers={"If-None-Match": "*"}).status == 412
    assert client.delete("a", headers=condition).status == 204
    assert client.get("a").status == 404


@pytest.mark.usefixtures("imported")
@pytest.mark.parametrize("condition", [{}, {"If-Match": "*"}, {"If-None-Match": '"any", "5"'}])
def test_an_item_that_something_else_wrote_gets_a_version_when_it_is_changed(
    settings: Settings, client: Client, overtaken: OvertakenStore, condition: dict[str, str]
) -> None:
    assert client.put("a", {"name": "mine"}, headers={"If-Match": '"any", "5", "None"'}).status == 412
    overtaken.overtake = once(lambda: client.put("a", {"name": "other"}))
    changed = client_of(settings, overtaken).put("a", {"name": "mine"}, headers=condition)
    assert (changed.status, changed.json["name"], client.get("a").json) == (200, "mine", changed.json)
    assert client.put("a", {"name": "pencil"}, headers={"If-Match": changed.etag}).status == 200


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
