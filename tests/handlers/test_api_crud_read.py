"""Reading one item and listing them: GET /<resource>/{id} and GET /<resource>."""

import json
import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_crud.models import Cursors
from shared.errors import InvalidError
from tests.handlers.api_client import Calls, Client, event_of

IDS = st.text(string.ascii_letters + string.digits + "._~@:+-", min_size=1, max_size=128)


def fill(named_client: Client, count: int) -> list[str]:
    ids = [f"item-{number}" for number in range(count)]
    for item_id in ids:
        assert named_client.post({"id": item_id, "name": "pen"}).status == 201
    return ids


@pytest.mark.parametrize(
    "item_id", ["unknown", "", "a/b", "..", "x" * 2048, "ö", "a b", "%", 'a"b', "a\\b", "a\n", "a\r\nX: y"]
)
def test_an_id_that_does_not_exist_is_not_found(any_client: Client, item_id: str) -> None:
    answer = any_client.get(item_id)
    assert answer.status == 404
    assert answer.detail == "There is no item with this id."


@pytest.mark.parametrize("item_id", ["x" * 2048, ".", ".."])
def test_an_id_that_cannot_be_one_makes_no_call(client: Client, calls: Calls, item_id: str) -> None:
    assert client.get(item_id).status == 404
    assert calls.names == []


@pytest.mark.parametrize("kind", ["http_api_iam", "rest_api_cognito"])
def test_an_encoded_id_is_decoded_exactly_once(named_client: Client, kind: str) -> None:
    named_client.post({"id": "a@b:c+d", "name": "pen"})
    assert named_client.as_kind(kind).get("a@b:c+d").status == 200
    assert named_client.as_kind(kind).get("a%40b:c+d").status == 404


def test_an_item_is_read_as_it_is_now_and_not_as_it_was(client: Client, calls: Calls) -> None:
    created = client.post({"name": "pen"}, headers={"Idempotency-Key": "k"})
    client.post({"name": "pen"}, headers={"Idempotency-Key": "k"})
    client.get(created.json["id"])
    reads = [params for name, params in calls.made if name == "GetItem"]
    assert [(read["TableName"], read["ConsistentRead"]) for read in reads] == [("keys-table", True), ("items-table", True)]


def test_a_newline_after_an_id_is_part_of_it(named_client: Client) -> None:
    named_client.post({"id": "a", "name": "pen"})
    assert named_client.get("a\n").status == 404


def test_an_unchanged_item_is_not_sent_again(client: Client) -> None:
    created = client.post({"name": "pen"})
    for header in (created.etag, f"W/{created.etag}", f'"other", {created.etag}', "*"):
        answer = client.get(created.json["id"], headers={"If-None-Match": header})
        assert (answer.status, answer.text, answer.etag) == (304, "", created.etag)
    assert client.get(created.json["id"], headers={"If-None-Match": '"other"'}).status == 200


def test_numbers_come_back_with_every_digit(client: Client) -> None:
    numbers = "0.1", "12345678901234567890.123456789", "-1e-130", "9.99e+125", "1" * 38, "9007199254740993", "100", "3.0", "-0"
    answer = client.post(f'{{"name": "pen", "extra": [{", ".join(numbers)}]}}')
    shown = "0.1,12345678901234567890.123456789,-1E-130,9.99E+125," + "1" * 38 + ",9007199254740993,100,3,0"
    assert f'"extra":[{shown}]' in answer.text
    assert client.get(answer.json["id"]).text == answer.text


def test_the_pages_together_have_each_item_once(named_client: Client) -> None:
    ids = fill(named_client, 7)
    seen, query = [], {"limit": "3"}
    for size in (3, 3, 1):
        answer = named_client.get(query=query).json
        assert len(answer["items"]) == size
        seen += [item["id"] for item in answer["items"]]
        query = {"limit": "3", "cursor": answer["next_cursor"]}
    assert sorted(seen) == ids
    assert answer["next_cursor"] is None


def test_a_page_ends_before_it_outgrows_the_answer_of_a_function(named_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for item_id in ("a", "b", "c"):
        named_client.post({"id": item_id, "name": "\x01" * 30_000})
    monkeypatch.setattr("api_crud.logic.MOST_PAGE_BYTES", 500_000)
    first = named_client.get()
    second = named_client.get(query={"cursor": first.json["next_cursor"]})
    assert [len(answer.json["items"]) for answer in (first, second)] == [2, 1]
    assert len(json.dumps(first.text)) < 500_000
    assert second.json["next_cursor"] is None


def test_a_page_has_at_least_one_item_however_large(named_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(named_client, 2)
    monkeypatch.setattr("api_crud.logic.MOST_PAGE_BYTES", 1)
    assert len(named_client.get().json["items"]) == 1


def test_an_empty_list_has_no_cursor(any_client: Client) -> None:
    assert any_client.get().json == {"items": [], "next_cursor": None}


def test_a_page_has_25_items_unless_told(named_client: Client) -> None:
    fill(named_client, 26)
    assert len(named_client.get().json["items"]) == 25


@pytest.mark.parametrize("limit", ["0", "101", "1000000000", "-1", "abc", "", "1.5", " 1", "1,2", "٣", "9" * 5000])
def test_a_limit_outside_1_to_100_is_refused(any_client: Client, limit: str) -> None:
    answer = any_client.get(query={"limit": limit})
    assert answer.status == 400
    assert answer.detail == "limit must be a whole number from 1 to 100."


def test_a_repeated_parameter_is_refused(client: Client) -> None:
    event = event_of("rest_api_cognito", "GET", query={"limit": "1"})
    event["multiValueQueryStringParameters"] = {"limit": ["1", "2"]}
    assert client.send(event).status == 400


def test_an_unknown_parameter_is_refused_rather_than_ignored(client: Client) -> None:
    answer = client.get(query={"cursr": "x"})
    assert answer.status == 400
    assert answer.detail == "The parameters of a listing are limit and cursor."


def test_a_cursor_that_is_changed_in_any_character_is_refused(named_client: Client) -> None:
    fill(named_client, 2)
    cursor = named_client.get(query={"limit": "1"}).json["next_cursor"]
    changed = {cursor[:place] + char + cursor[place + 1 :] for place in range(len(cursor)) for char in "AQgw_-9"} - {cursor}
    others = {"", cursor + "A", cursor + "=", cursor[:-1], "ö", "\ud800", "x" * 5000, " " + cursor, cursor * 2}
    for wrong in changed | others:
        answer = named_client.get(query={"cursor": wrong})
        assert (answer.status, answer.detail) == (400, "cursor must be a next_cursor of this listing, unchanged.")


def test_a_cursor_shows_no_more_than_the_last_id_of_its_page(named_client: Client) -> None:
    fill(named_client, 3)
    page = named_client.get(query={"limit": "1"}).json
    assert Cursors("items-table/orders").read(page["next_cursor"]) == page["items"][-1]["id"]


def test_a_cursor_outlives_the_item_that_it_points_at(named_client: Client) -> None:
    ids = fill(named_client, 3)
    page = named_client.get(query={"limit": "2"}).json
    for item in page["items"]:
        named_client.delete(item["id"])
    rest = named_client.get(query={"cursor": page["next_cursor"]}).json["items"]
    assert {item["id"] for item in page["items"] + rest} == set(ids)


@given(item_id=IDS)
def test_every_id_survives_a_cursor(item_id: str) -> None:
    cursors = Cursors("items-table/orders")
    assert cursors.read(cursors.write(item_id)) == item_id


@given(item_id=IDS)
def test_a_cursor_of_another_listing_is_refused(item_id: str) -> None:
    with pytest.raises(InvalidError, match="cursor must be a next_cursor of this listing"):
        Cursors("items-table/orders").read(Cursors("items-table/users").write(item_id))


@given(text=st.text())
def test_no_text_breaks_the_reading_of_cursors(text: str) -> None:
    with pytest.raises(InvalidError, match="cursor must be"):
        Cursors("items-table/orders").read(text)


def test_an_expired_item_is_gone_at_once(named_client: Client) -> None:
    past, future = int(time.time()) - 10, int(time.time()) + 1000
    named_client.post({"id": "old", "name": "pen", "expires": past})
    named_client.post({"id": "new", "name": "pen", "expires": future})
    assert named_client.get("old").status == 404
    assert named_client.put("old", {"name": "pen"}).status == 404
    assert named_client.delete("old").status == 404
    assert [item["id"] for item in named_client.get().json["items"]] == ["new"]


def test_an_expired_item_gives_way_to_a_new_one(named_client: Client) -> None:
    named_client.post({"id": "a", "name": "old", "expires": 1})
    assert named_client.post({"id": "a", "name": "new"}).status == 201
    assert named_client.get("a").json["name"] == "new"
