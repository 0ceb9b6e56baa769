"""A processor of files: a price list becomes products, of which each could have been entered by hand."""

import csv
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import boto3

from s3_processing.api import Rejected, StoredObject
from shop import aws

COLUMNS = ["id", "name", "price"]

# What the API takes, and nothing else: the schema is PRODUCT in examples/shop/schemas.py.
_ID = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._~@:+-]{1,64}")
_NAME = re.compile(r"[^\0]{1,200}")
_PRICE = re.compile(r"[0-9]+(\.[0-9]+)?")
_HIGHEST_PRICE, _CENT = Decimal(1_000_000), Decimal("0.01")


@cache
def _table() -> Any:  # noqa: ANN401  boto3 makes its classes at run time
    return boto3.resource("dynamodb", config=aws.CLIENT).Table(os.environ["PRODUCTS_TABLE_NAME"])


def process(obj: StoredObject) -> dict[str, int]:
    """Put all products of a list into the table, or none if a line is bad: the supplier sends a mended list.

    Raises:
        Rejected: It is no such list.
    """
    products = list(_products(obj))  # all of them, before the first is written
    for product in products:
        _write(**product)
    return {"products": len(products)}


def _products(obj: StoredObject) -> Iterator[dict[str, Any]]:
    lines = csv.reader(list(obj.lines()), strict=True)
    try:
        if next(lines, []) != COLUMNS:
            msg = f"the columns must be {', '.join(COLUMNS)}"
            raise Rejected(msg)
        for line in filter(None, lines):
            if fault := _fault(line):
                msg = f"line {lines.line_num}: {fault}"
                raise Rejected(msg)
            yield {"product": line[0], "name": line[1], "price": Decimal(line[2])}
    except csv.Error:
        msg = "it is no CSV"
        raise Rejected(msg) from None


def _fault(line: list[str]) -> str | None:
    """What is wrong with a line, if something is."""
    if len(line) != len(COLUMNS):
        return f"it must have {', '.join(COLUMNS)}, and nothing else"
    if not _ID.fullmatch(line[0]):
        return "the id must be 1 to 64 letters, digits or characters of ._~@:+-, and not . or .."
    if not _NAME.fullmatch(line[1]):
        return "the name must be 1 to 200 characters, and no NUL"
    if not _is_price(line[2]):
        return f"the price must be 0 to {_HIGHEST_PRICE} with at most two decimals, such as 19.90"
    return None


def _is_price(text: str) -> bool:
    if not _PRICE.fullmatch(text):
        return False
    price = Decimal(text)
    return price <= _HIGHEST_PRICE and price == price.quantize(_CENT)


def _write(product: str, name: str, price: Decimal) -> None:
    """Write a product, if it is not there like this: a list may come again.

    What else is known of it stays, such as when it was entered. But the API's mark of its version goes: whoever has read the
    product before, and changes it on the condition that it is the same, has to read it again.
    """
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    with suppress(_table().meta.client.exceptions.ConditionalCheckFailedException):
        _table().update_item(
            Key={"id": product},
            UpdateExpression="SET #name = :name, price = :price, updated_at = :now, "
            "created_at = if_not_exists(created_at, :now) REMOVE etag",
            ConditionExpression="attribute_not_exists(id) OR #name <> :name OR price <> :price",
            ExpressionAttributeNames={"#name": "name"},
            ExpressionAttributeValues={":name": name, ":price": price, ":now": now},
        )
