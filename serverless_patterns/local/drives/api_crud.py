"""ApiCrud, driven from outside: the catalogue's ``products`` are created, read, listed, updated and deleted.

And the other half of the promises: requests that are unsigned, invalid, too large, too late or sent twice.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from serverless_patterns.local.account import Account, Stack
from serverless_patterns.local.hops import Effect, OnHop
from serverless_patterns.local.http_api import ANY, Answer, Expected, HttpApi, Request, differences, names_at_least

PRODUCTS = "/products"
ESPRESSO = '{"name": "Espresso machine", "price": 19.99, "tags": ["coffee"]}'
CHEAPER = '{"name": "Espresso machine", "price": 17.50, "tags": ["coffee"]}'
#: A number with more digits than a float holds, and no more than a table keeps: 38.
EXACT = "0.12345678901234567890123456789012345678"
LARGEST_BODY = 256 * 1024


def drive(account: Account, stack: Stack, on_hop: OnHop) -> None:
    """Drive the deployed API, and delete what was created."""
    api = HttpApi(account, stack, on_hop)
    items = Items(account, stack)
    try:
        _refuse_strangers(api)
        product_id, etag = _create(api, items)
        _list(api, items)
        _refuse_bad_requests(api)
        _update(api, items, product_id, etag)
        _delete(api, items, product_id)
    finally:
        items.delete()


def _refuse_strangers(api: HttpApi) -> None:
    api.hop(
        "Unsigned: refused by the API",
        Request(method="POST", path=PRODUCTS, body=ESPRESSO, signed=False),
        Expected(status=403, calls=0),
    )
    api.hop(
        "Unknown route",
        Request(method="GET", path="/nothing"),
        Expected(status=404, calls=0),
    )


def _create(api: HttpApi, items: Items) -> tuple[str, str]:
    once = {"Idempotency-Key": str(uuid.uuid4())}
    created = api.hop(
        "Create",
        Request(method="POST", path=PRODUCTS, body=ESPRESSO, headers=once),
        Expected(
            status=201,
            headers={"Location": ANY, "ETag": ANY},
            fields={"id": ANY, "name": "Espresso machine", "price": Decimal("19.99"), "created_at": ANY, "updated_at": ANY},
            effect=items.stored(price=Decimal("19.99")),
        ),
    )
    product_id, etag = created.json["id"], created.headers["ETag"]
    api.hop(
        "The same again: replayed",
        Request(method="POST", path=PRODUCTS, body=ESPRESSO, headers=once),
        Expected(
            status=201,
            headers={"Idempotency-Replayed": "true", "ETag": etag},
            fields={"id": product_id},
            effect=items.count(1),
        ),
    )
    api.hop(
        "The same key, another body",
        Request(method="POST", path=PRODUCTS, body=CHEAPER, headers=once),
        Expected(status=422, effect=items.count(1)),
    )
    api.hop(
        "Read",
        Request(method="GET", path=f"{PRODUCTS}/{product_id}"),
        Expected(status=200, headers={"ETag": etag}, fields={"id": product_id, "price": Decimal("19.99")}),
    )
    return product_id, etag


def _list(api: HttpApi, items: Items) -> None:
    api.hop(
        "38 digits stay exact",
        Request(method="POST", path=PRODUCTS, body=f'{{"name": "Sugar", "price": {EXACT}}}'),
        Expected(status=201, fields={"price": Decimal(EXACT)}, effect=items.stored(price=Decimal(EXACT))),
    )
    api.hop(
        "A third product",
        Request(method="POST", path=PRODUCTS, body='{"name": "Cup", "price": 4}'),
        Expected(status=201, fields={"price": 4}, effect=items.stored(price=Decimal(4))),
    )
    first = api.hop(
        "The first page of two",
        Request(method="GET", path=f"{PRODUCTS}?limit=2"),
        Expected(status=200, fields={"items": ANY, "next_cursor": ANY}, effect=_page_of(2)),
    )
    api.hop(
        "The next page",
        Request(method="GET", path=f"{PRODUCTS}?limit=2&cursor={first.json['next_cursor']}"),
        Expected(status=200, fields={"items": ANY, "next_cursor": ANY}, effect=_page_after(first)),
    )


def _refuse_bad_requests(api: HttpApi) -> None:
    api.hop(
        "Invalid fields, all named",
        Request(method="POST", path=PRODUCTS, body='{"name": "", "price": -1, "colour": "red"}'),
        Expected(status=400, headers={"Content-Type": "application/problem+json"}, effect=names_at_least("/name", "/price")),
    )
    api.hop(
        "Not JSON",
        Request(method="POST", path=PRODUCTS, body=ESPRESSO, headers={"Content-Type": "text/plain"}),
        Expected(status=415),
    )
    too_large = json.dumps({"name": "Espresso machine", "price": 1, "description": "x" * LARGEST_BODY})
    api.hop("Larger than 256 KiB", Request(method="POST", path=PRODUCTS, body=too_large), Expected(status=413))
    api.hop("Unknown product", Request(method="GET", path=f"{PRODUCTS}/unknown"), Expected(status=404))


def _update(api: HttpApi, items: Items, product_id: str, etag: str) -> None:
    path = f"{PRODUCTS}/{product_id}"
    api.hop(
        "Update the version read",
        Request(method="PUT", path=path, body=CHEAPER, headers={"If-Match": etag}),
        Expected(status=200, headers={"ETag": ANY}, effect=items.stored(price=Decimal("17.50"))),
    )
    api.hop(
        "Lost update: a stale version",
        Request(method="PUT", path=path, body=ESPRESSO, headers={"If-Match": etag}),
        Expected(status=412, effect=items.kept(product_id, price=Decimal("17.50"))),
    )


def _delete(api: HttpApi, items: Items, product_id: str) -> None:
    path = f"{PRODUCTS}/{product_id}"
    api.hop("Delete", Request(method="DELETE", path=path), Expected(status=204, effect=items.gone(product_id)))
    api.hop("Read what is gone", Request(method="GET", path=path), Expected(status=404))


class Items:
    """The table behind the API, looked at directly.

    Args:
        account: Where the stack is.
        stack: The stack; its outputs name the table.
    """

    def __init__(self, account: Account, stack: Stack) -> None:
        self._table = account.table(stack.outputs["TableName"])
        self._before = self._ids()
        self._created: set[str] = set()

    def stored(self, **fields: object) -> Callable[[Answer], Effect]:
        """The product of the answer is stored with these fields."""

        def look(answer: Answer) -> Effect:
            product_id = answer.json.get("id", "")
            self._created.update(filter(None, [product_id]))
            return self._stored(product_id, fields)

        return look

    def kept(self, product_id: str, **fields: object) -> Callable[[Answer], Effect]:
        """A product is still stored with these fields."""
        return lambda _: self._stored(product_id, fields)

    def gone(self, product_id: str) -> Callable[[Answer], Effect]:
        """A product is no longer stored."""
        return lambda _: Effect("deleted", ("it is still stored",) if self._item(product_id) else ())

    def count(self, number: int) -> Callable[[Answer], Effect]:
        """So many products have been added since the beginning."""

        def look(_: Answer) -> Effect:
            added = len(self._ids() - self._before)
            return Effect(f"{added} stored", () if added == number else (f"{number} products should be stored, not {added}",))

        return look

    def delete(self) -> None:
        """Delete what the drive has created, and nothing else: others may use the table."""
        for product_id in self._created:
            self._table.delete_item(Key={"id": product_id})

    def _stored(self, product_id: str, fields: dict[str, object]) -> Effect:
        item = self._item(product_id)
        shown = ", ".join(f"{name} {item[name]}" for name in fields if name in item)
        return Effect(shown or "nothing stored", tuple(differences("stored", fields, item)))

    def _item(self, product_id: str) -> dict[str, Any]:
        if not product_id:
            return {}
        found: dict[str, Any] = self._table.get_item(Key={"id": product_id}, ConsistentRead=True).get("Item", {})
        return found

    def _ids(self) -> set[str]:
        pages = self._table.meta.client.get_paginator("scan").paginate(
            TableName=self._table.name, ProjectionExpression="id", ConsistentRead=True
        )
        return {str(item["id"]) for page in pages for item in page["Items"]}


def _page_of(number: int) -> Callable[[Answer], Effect]:
    def look(answer: Answer) -> Effect:
        found = len(answer.json.get("items", []))
        faults = [f"{number} products expected, got {found}"] if found != number else []
        if not answer.json.get("next_cursor"):
            faults.append("a third product is stored, but there is no next page")
        return Effect(f"{found} listed", tuple(faults))

    return look


def _page_after(first: Answer) -> Callable[[Answer], Effect]:
    def look(answer: Answer) -> Effect:
        ids = [[item["id"] for item in page.json.get("items", [])] for page in (first, answer)]
        again = set(ids[0]) & set(ids[1])
        faults = ("products of the first page are shown again",) if again or not ids[1] else ()
        return Effect(f"{len(ids[1])} listed", faults)

    return look
