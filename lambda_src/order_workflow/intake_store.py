"""The calls of the intake to the table of the orders: ``dynamodb:GetItem`` and ``PutItem``.

The SDK makes a call again that got no answer: a second PutItem then finds the row of the first, which is the same order.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import boto3

from order_workflow.intake_logic import PENDING
from order_workflow.intake_models import Order, Reservation
from shared.aws import CLIENT_CONFIG
from shared.dynamodb import attributes_of, values_of

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


class OrdersTable:
    """The table of the orders.

    Args:
        table_name: Its name.
        client: The client to use. Default: a new one, with short timeouts.
    """

    def __init__(self, table_name: str, client: "DynamoDBClient | None" = None) -> None:
        self._client = client or boto3.client("dynamodb", config=CLIENT_CONFIG)
        self._table = table_name

    def reserve(self, order: Order, time: str) -> Reservation:
        """Write the row of a new order if its id is free; the row that holds the id now.

        It names no execution: the first one that comes claims it.
        """
        row = _new_row(order, time)
        try:
            self._client.put_item(
                TableName=self._table,
                Item=attributes_of(row),
                ConditionExpression="attribute_not_exists(id)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            return _reservation(values_of(error.response["Item"]))  # type: ignore[typeddict-item]  # not in the stubs
        return _reservation(row)

    def get(self, order_id: str) -> Mapping[str, Any] | None:
        """The row of an order as it is now."""
        answer = self._client.get_item(TableName=self._table, Key=attributes_of({"id": order_id}), ConsistentRead=True)
        return values_of(answer["Item"]) if "Item" in answer else None


def _new_row(order: Order, time: str) -> dict[str, Any]:
    return {
        "id": order.id,
        "order": order.as_worked,
        "body_hash": order.body_hash,
        "state": PENDING,
        "created_at": time,
        "updated_at": time,
    }


def _reservation(row: Mapping[str, Any]) -> Reservation:
    """A row that a step has written, of an order that another starter took in, has no hash: it is another order's."""
    return Reservation(row.get("body_hash", ""), row.get("state", ""), row.get("created_at", ""))
