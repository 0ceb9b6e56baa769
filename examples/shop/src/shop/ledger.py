"""A route of the bus: what became of each order, a line each, for the daily report."""

import os
from decimal import Decimal
from functools import cache
from typing import Any

import boto3

from event_routing.api import Envelope


@cache
def _table() -> Any:  # noqa: ANN401  boto3 makes its classes at run time
    return boto3.resource("dynamodb").Table(os.environ["LEDGER_TABLE_NAME"])


def handle(event: Envelope) -> None:
    """Write down the latest word on an order: events may come in any order, and more than once."""
    table, data = _table(), event.data
    try:
        table.update_item(
            Key={"id": data["order_id"]},
            UpdateExpression="SET #state = :state, amount = :amount, currency = :currency, reason = :reason, updated_at = :at",
            ConditionExpression="attribute_not_exists(updated_at) OR updated_at < :at",
            ExpressionAttributeNames={"#state": "state"},
            ExpressionAttributeValues={
                ":state": data["state"],
                ":amount": Decimal(str(data["amount"])),
                ":currency": data["currency"],
                ":reason": data.get("reason", ""),
                ":at": event.time,
            },
        )
    except table.meta.client.exceptions.ConditionalCheckFailedException:
        return  # a later word is there
