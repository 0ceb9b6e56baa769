"""Creating an item: POST /<resource>."""

import base64
import dataclasses
import json
import re

import pytest
from types_boto3_dynamodb import DynamoDBClient

from api_crud.models import Settings
from tests.handlers.api_client import NAMED_SCHEMA, Calls, Client, client_of, store_of


def test_an_item_is_created_and_can_be_read_at_its_location(any_client: Client) -> None:
    answer = any_client.post({"name": "pen", "price": 1.5})
    read = any_client.get(answer.headers["location"].rpartition("/")[2])
    assert (answer.status, read.status) == (201, 200)
    assert read.json == answer.json
    assert read.etag == answer.etag
    assert read.json["name"] == "pen"


def test_the_location_is_the_path_that_the_client_called_and_the_id(client: Client) -> None:
    http, rest = client.post({"name": "pen"}), client.as_kind("rest_api_cognito").post({"name": "pen"})
    assert http.headers["location"] == f"/orders/{http.json['id']}"
    assert rest.headers["location"] == f"/prod/orders/{rest.json['id']}"


def test_an_item_says_when_it_was_created(client: Client) -> None:
    item = client.post({"name": "pen"}).json
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", item["created_at"])
    assert item["updated_at"] == item["created_at"]


def test_two_equal_items_have_ids_and_etags_of_their_own(client: Client) -> None:
    first, second = client.post({"name": "pen"}), client.post({"name": "pen"})
    assert first.json["id"] != second.json["id"]
    assert first.etag != second.etag


def test_a_client_chooses_the_id_where_the_schema_declares_one(named_client: Client) -> None:
    answer = named_client.post({"id": "a~b.c_d@e:f+g-h", "name": "pen"})
    assert answer.headers["location"] == "/orders/a~b.c_d@e:f+g-h"
    assert named_client.get("a~b.c_d@e:f+g-h").json["name"] == "pen"


def test_the_server_chooses_the_id_where_the_client_may_but_does_not(named_client: Client) -> None:
    assert len(named_client.post({"name": "pen"}).json["id"]) == 36


@pytest.mark.parametrize("item_id", ["", "a/b", "a b", "a%2Fb", "../x", ".", "..", "ö", "x" * 129, "a\r\nSet-Cookie: x"])
def test_an_id_that_does_not_fit_a_path_is_refused(named_client: Client, item_id: str) -> None:
    answer = named_client.post({"id": item_id, "name": "pen"})
    assert answer.status == 400
    assert answer.errors == {"/id": "must be 1 to 128 letters, digits or characters of ._~@:+-, and not . or .."}


def test_creating_over_an_existing_id_is_refused_and_changes_nothing(named_client: Client) -> None:
    victim = named_client.post({"id": "a", "name": "victim"})
    answer = named_client.post({"id": "a", "name": "attacker"})
    assert answer.status == 409
    assert answer.detail == "There is an item with this id already."
    assert named_client.get("a").json == victim.json


def test_the_same_holds_for_a_table_without_time_to_live(settings: Settings, dynamodb: DynamoDBClient) -> None:
    settings = dataclasses.replace(settings, ttl_attribute="")
    client = client_of(settings, store_of(settings, dynamodb), NAMED_SCHEMA)
    assert client.post({"id": "a", "name": "pen", "expires": 1}).status == 201
    assert client.post({"id": "a", "name": "pencil"}).status == 409
    assert client.get("a").json["name"] == "pen"


@pytest.mark.parametrize("name", ["id", "created_at", "updated_at", "etag"])
def test_what_the_server_owns_cannot_be_set(client: Client, name: str) -> None:
    answer = client.post({"name": "pen", name: "mine"})
    assert answer.status == 400
    assert answer.errors == {f"/{name}": "is set by the server"}


def test_each_field_that_does_not_fit_is_listed(client: Client) -> None:
    answer = client.post({"price": "high", "quantity": -1, "email": "nobody", "role/~admin": True, "is_admin": True})
    assert answer.status == 400
    assert answer.errors == {
        "/name": "is required",
        "/price": 'value is not of type "number"',
        "/quantity": "value is less than the minimum of 0",
        "/email": 'value is not a "email"',
        "/role~1~0admin": "is not a known field",
        "/is_admin": "is not a known field",
    }


def test_a_refused_body_makes_no_call(client: Client, calls: Calls) -> None:
    assert client.post({"name": ""}).status == 400
    assert calls.names == []


def test_at_most_a_hundred_faults_are_listed_and_each_is_short(client: Client) -> None:
    answer = client.post({"x" * 1000 + str(number): 1 for number in range(150)})
    assert len(answer.json["errors"]) == 100
    assert len(answer.text) < 30_000


def test_of_very_many_faults_the_first_is_told(settings: Settings, dynamodb: DynamoDBClient) -> None:
    schema = {"properties": {"tags": {"items": {"type": "string"}}}}
    client = client_of(settings, store_of(settings, dynamodb), schema)
    answer = client.post('{"tags": [' + "1," * 131_000 + "1]}")
    assert answer.status == 400
    assert answer.errors == {"/tags/0": 'value is not of type "string"'}


def test_no_value_of_a_refused_body_comes_back(client: Client) -> None:
    assert "s3cret" not in client.post({"name": 1, "email": "s3cret", "quantity": "s3cret"}).text


def test_a_name_that_has_no_utf_8_is_answered_in_utf_8(client: Client) -> None:
    answer = client.post('{"x\\ud800": 1}')
    assert answer.text.encode()
    assert answer.errors == {"/x?": "has a name with a NUL or half a surrogate pair"}


def test_a_body_in_base64_is_decoded(any_client: Client) -> None:
    body = base64.b64encode(json.dumps({"name": "Stift ✏"}).encode()).decode()
    assert any_client.post(body, is_base64=True).json["name"] == "Stift ✏"


@pytest.mark.parametrize("item_id", ["...", ".a", "a.", "..a"])
def test_an_id_may_have_dots_as_long_as_no_client_resolves_them(named_client: Client, item_id: str) -> None:
    assert named_client.post({"id": item_id, "name": "pen"}).status == 201
    assert named_client.get(item_id).json["id"] == item_id


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON; charset=UTF-8",
        'application/json;charset="utf8"',
        "application/json; profile=x",
        "application/json; profile=x; Charset = utf-8",
        "application/json ; ",
    ],
)
def test_json_is_taken_whatever_the_case_and_the_parameters_of_its_content_type(client: Client, content_type: str) -> None:
    assert client.post({"name": "pen"}, headers={"Content-Type": content_type}).status == 201


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/jsonp",
        "application/j\u017fon",
        "application/merge-patch+json",
        "application/vnd.order+json",
        "application/json; charset=latin-1",
        "application/json; charset=utf-8; profile=x; charset=utf-16",
        "application/json; charset=",
        "application/json, text/plain",
        "application/x-www-form-urlencoded",
        "",
    ],
)
def test_another_content_type_is_refused(client: Client, content_type: str) -> None:
    answer = client.post({"name": "pen"}, headers={"Content-Type": content_type})
    assert answer.status == 415
    assert answer.detail == "Content-Type must be application/json, in UTF-8."


def test_objects_that_look_like_operators_are_data(client: Client) -> None:
    extra = {"$gt": "", "S": "x", "NULL": True, "M": {"N": "1"}, ":now": 1, "#expires": "id"}
    created = client.post({"name": "attribute_exists(id)", "extra": extra})
    assert client.get(created.json["id"]).json["extra"] == extra


def test_what_a_client_sends_never_gets_into_an_expression(named_client: Client, calls: Calls) -> None:
    marker = "MARKER"
    body = {"id": marker, "name": marker, "extra": {marker: marker}}
    etag = named_client.post(body, headers={"Idempotency-Key": marker}).etag
    named_client.post(body)
    named_client.put(marker, body, headers={"If-Match": etag})
    named_client.get(query={"limit": "1"})
    named_client.delete(marker)
    texts = [value for _, params in calls.made for value in _expressions(params)]
    assert len(texts) >= 5
    assert not [text for text in texts if marker in text]


def _expressions(params: object) -> list[str]:
    """All that DynamoDB would read as a part of an expression."""
    match params:
        case dict():
            own = [str(value) for name, value in params.items() if name.endswith(("Expression", "AttributeNames"))]
            return own + [text for value in params.values() for text in _expressions(value)]
        case list():
            return [text for value in params for text in _expressions(value)]
        case _:
            return []
