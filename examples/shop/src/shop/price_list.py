"""A processor of files: a price list becomes products, as if each had been entered by hand."""

import csv
import os
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

import boto3

from s3_processing.api import Rejected, StoredObject

COLUMNS = ["id", "name", "price"]


@cache
def _table() -> Any:  # noqa: ANN401  boto3 makes its classes at run time
    return boto3.resource("dynamodb").Table(os.environ["PRODUCTS_TABLE_NAME"])


def process(obj: StoredObject) -> dict[str, int]:
    """Put all products of a list into the table, or none if a line is bad: the supplier sends a mended list.

    Raises:
        Rejected: It is no such list.
    """
    try:
        header, *lines = list(csv.reader(obj.lines(), strict=True)) or [[]]
    except csv.Error:
        msg = "it is no CSV"
        raise Rejected(msg) from None
    if header != COLUMNS:
        msg = f"the columns must be {', '.join(COLUMNS)}"
        raise Rejected(msg)
    for product in [_product(line, number) for number, line in enumerate(lines, start=2)]:
        _table().put_item(Item=product)
    return {"products": len(lines)}


def _product(line: list[str], number: int) -> dict[str, Any]:
    try:
        product, name, price = line[0], line[1], Decimal(line[2])
    except (IndexError, InvalidOperation):
        msg = f"line {number} has no price"
        raise Rejected(msg) from None
    if not (product and name and price.is_finite() and price >= 0 and len(line) == len(COLUMNS)):
        msg = f"line {number} is no product"
        raise Rejected(msg)
    return {"id": product, "name": name, "price": price}
