"""A route of the bus: what became of each order, a line each, for the daily report."""

import os
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Any

import boto3

from event_routing.api import Envelope
from shop import aws

_IS_LATER = "attribute_not_exists(updated_at) OR updated_at < :updated_at"


@cache
def _table() -> Any:  # noqa: ANN401  boto3 makes its classes at run time
    return boto3.resource("dynamodb", config=aws.CLIENT).Table(os.environ["LEDGER_TABLE_NAME"])


def handle(event: Envelope) -> None:
    """Write down the latest word on an order: events may come in any order, and more than once.

    Not each word says what the order costs: one that is rejected, or that nobody can work, ends before that is known. What is
    known of it stays, and an earlier word that comes late may still say it.
    """
    data, order_id = event.data, str(event.data["order_id"])
    worth = {name: data[name] for name in ("amount", "currency") if data.get(name) is not None}
    if "amount" in worth:
        worth["amount"] = Decimal(str(worth["amount"]))  # a number from the worker, a text from the workflow
    word = {"state": data["state"], "reason": data.get("reason") or "", "updated_at": event.time}
    try:
        _set(order_id, "#{0} = :{0}", word | worth, ConditionExpression=_IS_LATER)
    except _table().meta.client.exceptions.ConditionalCheckFailedException:
        if worth:  # a later word is there
            _set(order_id, "#{0} = if_not_exists(#{0}, :{0})", worth)


def _set(order_id: str, clause: str, values: Mapping[str, Any], **condition: str) -> None:
    _table().update_item(
        Key={"id": order_id},
        UpdateExpression=f"SET {', '.join(clause.format(name) for name in values)}",
        ExpressionAttributeNames={f"#{name}": name for name in values},
        ExpressionAttributeValues={f":{name}": value for name, value in values.items()},
        **condition,
    )
