"""ApiCrud deployed by the real CDK CLI, used from outside: HTTP and DynamoDB only."""

import json
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import cached_property
from typing import Any

import boto3
import pytest

from serverless_patterns.local.account import Account, Stack
from serverless_patterns.local.drives import driven_patterns
from serverless_patterns.local.drives.api_crud import drive
from serverless_patterns.local.hops import Hop
from serverless_patterns.local.http_api import Answer, HttpApi, Request

CUP = {"name": "Cup", "price": 4}


class AnotherCaller(Account):
    """The same account, used by somebody else."""

    @cached_property
    def session(self) -> boto3.Session:
        iam = Account(self.url).client("iam")
        iam.create_user(UserName="somebody-else")
        key = iam.create_access_key(UserName="somebody-else")["AccessKey"]
        return boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name="us-east-1")


def post(api: HttpApi, body: object, **headers: str) -> Answer:
    text = body if isinstance(body, str) else json.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return api.send(Request(method="POST", path="/products", body=text, headers=named))


def put(api: HttpApi, product_id: str, body: object, etag: str) -> Answer:
    path = f"/products/{product_id}"
    return api.send(Request(method="PUT", path=path, body=json.dumps(body), headers={"If-Match": etag}))


def get(api: HttpApi, path: str) -> Answer:
    return api.send(Request(method="GET", path=path))


def at_once(number: int, send: Callable[[int], Answer]) -> list[Answer]:
    """The answers to so many requests that are sent without waiting for each other."""
    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(send, range(number)))


def ids_in(account: Account, products: Stack) -> set[str]:
    pages = account.client("dynamodb").get_paginator("scan").paginate(TableName=products.outputs["TableName"])
    return {item["id"]["S"] for page in pages for item in page["Items"]}


def stored(account: Account, products: Stack, product_id: str) -> dict[str, Any]:
    item: dict[str, Any] = account.table(products.outputs["TableName"]).get_item(Key={"id": product_id}).get("Item", {})
    return item


def test_a_created_product_is_stored_and_can_be_read_where_the_location_says(
    api: HttpApi, account: Account, products: Stack
) -> None:
    created = post(api, {**CUP, "tags": ["kitchen"]})
    assert created.status == 201
    assert stored(account, products, created.json["id"])["name"] == "Cup"
    read = get(api, f"/products/{created.json['id']}")
    assert (read.status, read.json) == (200, created.json)
    assert created.headers["Location"].endswith(f"/products/{created.json['id']}")


@pytest.mark.parametrize("price", ["19.99", "0.1", "0.12345678901234567890123456789012345678", "1E+20"])
def test_a_price_comes_back_exactly_as_it_was_sent(api: HttpApi, price: str) -> None:
    created = post(api, f'{{"name": "Exact", "price": {price}}}')
    assert created.status == 201
    assert get(api, f"/products/{created.json['id']}").json["price"] == Decimal(price)


def test_pages_show_each_product_once(api: HttpApi) -> None:
    created = {post(api, CUP).json["id"] for _ in range(3)}
    listed: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = get(api, f"/products?limit=2{cursor and f'&cursor={cursor}'}").json
        assert len(page["items"]) <= 2
        listed += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert len(listed) == len(set(listed))
    assert created <= set(listed)


def test_an_update_needs_the_version_that_is_stored(api: HttpApi, account: Account, products: Stack) -> None:
    created = post(api, CUP)
    product_id, etag = created.json["id"], created.headers["ETag"]
    updated = put(api, product_id, {**CUP, "price": 5}, etag)
    assert updated.status == 200
    assert updated.headers["ETag"] != etag
    assert put(api, product_id, {**CUP, "price": 6}, etag).status == 412
    assert stored(account, products, product_id)["price"] == 5


def test_a_deleted_product_is_gone(api: HttpApi, account: Account, products: Stack) -> None:
    product_id = post(api, CUP).json["id"]
    path = f"/products/{product_id}"
    assert api.send(Request(method="DELETE", path=path)).status == 204
    assert stored(account, products, product_id) == {}
    assert get(api, path).status == 404
    assert api.send(Request(method="DELETE", path=path)).status == 404


def test_an_idempotency_key_creates_once_and_replays_the_answer(api: HttpApi) -> None:
    key = str(uuid.uuid4())
    first, second = post(api, CUP, Idempotency_Key=key), post(api, CUP, Idempotency_Key=key)
    assert (second.status, second.json) == (first.status, first.json)
    assert second.headers["Idempotency-Replayed"] == "true"


def test_ten_requests_at_once_with_one_key_create_one_product(api: HttpApi, account: Account, products: Stack) -> None:
    before, key = ids_in(account, products), str(uuid.uuid4())
    answers = at_once(10, lambda _: post(api, CUP, Idempotency_Key=key))
    kinds = Counter((answer.status, answer.headers.get("Idempotency-Replayed")) for answer in answers)
    assert kinds[201, None] == 1
    assert kinds[201, None] + kinds[201, "true"] + kinds[409, None] == 10, kinds
    assert all("Retry-After" in answer.headers for answer in answers if answer.status == 409)
    (created,) = ids_in(account, products) - before
    assert {answer.json["id"] for answer in answers if answer.status == 201} == {created}


def test_of_updates_at_once_of_one_version_one_wins_and_the_others_are_refused(
    api: HttpApi, account: Account, products: Stack
) -> None:
    created = post(api, CUP)
    product_id, etag = created.json["id"], created.headers["ETag"]
    answers = at_once(10, lambda number: put(api, product_id, {**CUP, "price": 10 + number}, etag))
    assert Counter(answer.status for answer in answers) == {200: 1, 412: 9}
    (won,) = (answer.json["price"] for answer in answers if answer.status == 200)
    assert stored(account, products, product_id)["price"] == won


def test_a_used_key_with_another_body_is_refused_and_writes_nothing(api: HttpApi, account: Account, products: Stack) -> None:
    key = str(uuid.uuid4())
    assert post(api, CUP, Idempotency_Key=key).status == 201
    before = ids_in(account, products)
    assert post(api, {**CUP, "price": 5}, Idempotency_Key=key).status == 422
    assert ids_in(account, products) == before


def test_the_same_key_of_another_caller_is_another_key(api: HttpApi, account: Account, products: Stack) -> None:
    key, elsewhere = str(uuid.uuid4()), HttpApi(AnotherCaller(account.url), products, on_hop=lambda _: None)
    first, second = post(api, CUP, Idempotency_Key=key), post(elsewhere, CUP, Idempotency_Key=key)
    assert (first.status, second.status) == (201, 201)
    assert first.json["id"] != second.json["id"]
    assert "Idempotency-Replayed" not in second.headers


def test_a_body_that_fails_the_schema_is_answered_with_every_field(api: HttpApi) -> None:
    answer = post(api, {"name": "", "price": -1, "colour": "red"})
    assert answer.status == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert {error["pointer"] for error in answer.json["errors"]} >= {"/name", "/price"}


BAD_BODIES = {
    "not JSON": ("{", "application/json", 400),
    "nested too deep": ("[" * 100_000, "application/json", 400),
    "wrong content type": (json.dumps(CUP), "text/plain", 415),
    "too large": (json.dumps({**CUP, "description": "x" * 256 * 1024}), "application/json", 413),
}


@pytest.mark.parametrize("fault", BAD_BODIES)
def test_a_bad_body_is_refused_and_writes_nothing(api: HttpApi, account: Account, products: Stack, fault: str) -> None:
    body, content_type, status = BAD_BODIES[fault]
    before = ids_in(account, products)
    answer = post(api, body, Content_Type=content_type)
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert ids_in(account, products) == before


def test_a_number_that_dynamodb_would_round_is_refused_where_it_stands(api: HttpApi) -> None:
    answer = post(api, f'{{"name": "Cup", "price": 0.{"1" * 39}}}')
    assert answer.status == 400
    assert [error["pointer"] for error in answer.json["errors"]] == ["/price"]


def test_a_cursor_that_was_changed_or_made_up_is_refused(api: HttpApi) -> None:
    for _ in range(2):
        post(api, CUP)
    cursor = get(api, "/products?limit=1").json["next_cursor"]
    changed = ("B" if cursor.startswith("A") else "A") + cursor[1:]
    statuses = {name: get(api, f"/products?limit=1&cursor={name}").status for name in (cursor, changed, "made-up")}
    assert statuses == {cursor: 200, changed: 400, "made-up": 400}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/products/unknown", 404), ("GET", "/nothing", 404), ("PATCH", "/products/1", 404)],
)
def test_what_is_not_there_is_answered_404(api: HttpApi, method: str, path: str, status: int) -> None:
    assert api.send(Request(method=method, path=path)).status == status


def test_each_request_has_a_line_of_json_in_the_access_log(api: HttpApi, account: Account, products: Stack) -> None:
    ids = {get(api, path).headers["apigw-requestid"] for path in ("/products/unknown", "/nothing")}
    client = account.client("logs")
    groups = client.describe_log_groups(logGroupNamePrefix=f"/aws/cloudformation/{products.name}/ProductsApiAccessLog")
    (group,) = [group["logGroupName"] for group in groups["logGroups"]]
    lines = [json.loads(event["message"]) for event in client.filter_log_events(logGroupName=group)["events"]]
    assert ids <= {line["requestId"] for line in lines if line["status"] == "404"}


def test_an_unsigned_request_is_refused(api: HttpApi) -> None:
    answer = api.send(Request(method="GET", path="/products", signed=False))
    assert (answer.status, answer.json) == (403, {"message": "Forbidden"})


def test_the_drive_shows_each_hop_and_deletes_its_own_products_only(account: Account, products: Stack) -> None:
    table = account.table(products.outputs["TableName"])
    before = {item["id"] for item in table.scan()["Items"]}
    hops: list[Hop] = []

    def on_hop(hop: Hop) -> None:
        hops.append(hop)
        if hop.step == "Read what is gone":
            table.put_item(Item={"id": "of-somebody-else"})

    drive(account, products, on_hop)
    assert len(hops) > 15
    assert [hop for hop in hops if hop.faults] == []
    assert {hop.function for hop in hops if hop.answer == "403"} == {"not called"}
    assert {item["id"] for item in table.scan()["Items"]} == before | {"of-somebody-else"}
    table.delete_item(Key={"id": "of-somebody-else"})


def test_api_crud_has_a_drive() -> None:
    assert "api_crud" in driven_patterns()
