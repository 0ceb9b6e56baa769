"""The table of orders, which the functions of the shop read and do not change: ``dynamodb:GetItem``."""

import os
from functools import cache
from typing import Any

import boto3

from shop import aws


class UnknownOrderError(Exception):
    """There is no order of this id."""


@cache
def _table() -> Any:  # noqa: ANN401  boto3 makes its classes at run time
    return boto3.resource("dynamodb", config=aws.CLIENT).Table(os.environ["ORDERS_TABLE_NAME"])


def read(order_id: str) -> dict[str, Any]:
    """What is known of an order: ``state``, ``payment_id``, and as ``order`` what the customer sent.

    Raises:
        UnknownOrderError: Nothing is.
        UnavailableError: The table cannot be read now.
    """
    with aws.passing():
        answer = _table().get_item(Key={"id": order_id}, ConsistentRead=True)
    if "Item" not in answer:
        msg = f"There is no order {order_id}."
        raise UnknownOrderError(msg)
    row: dict[str, Any] = answer["Item"]
    return row


def is_paid(row: dict[str, Any]) -> bool:
    """Whether money was taken for the order."""
    return bool(row["state"] == "PAID")
