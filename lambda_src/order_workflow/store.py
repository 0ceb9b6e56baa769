"""The calls to the tables: conditional writes, so that a step which comes twice, late or at once with another changes nothing.

The stock needs ``dynamodb:UpdateItem`` on both tables, in transactions; the shipments on that of the orders alone. A change is
made only for the execution that has claimed the order's row.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import boto3

from order_workflow.errors import OutOfStock, ShippingFailed
from order_workflow.models import Task
from shared.aws import CLIENT_CONFIG
from shared.dynamodb import attributes_of, values_of
from shared.errors import ConflictError, UnavailableError

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

_FAILED = "ConditionalCheckFailed"
_RESERVED, _RELEASED = "RESERVED", "RELEASED"
_REQUESTED, _CANCELLED = "REQUESTED", "CANCELLED"


class StockTable:
    """What is available, and for which orders some of it is reserved.

    Args:
        table_name: The table of the orders.
        stock_table_name: That of the stock.
        client: The client to use. Default: a new one, with short timeouts.
    """

    def __init__(self, table_name: str, stock_table_name: str, client: "DynamoDBClient | None" = None) -> None:
        self._client = client or boto3.client("dynamodb", config=CLIENT_CONFIG)
        self._table = table_name
        self._stock = stock_table_name

    def reserve(self, task: Task) -> dict[str, Any]:
        """Take all items of the order out of the stock, or none. An order that has its items keeps them.

        Raises:
            OutOfStock: There is not enough; the reason names the items.
            ConflictError: What was reserved has been released: this came too late.
            UnavailableError: Another order was reserved at the same moment.
        """
        quantities = task.quantities
        items = [
            self._item(sku, "SET available = available - :quantity", "available >= :quantity", quantity)
            for sku, quantity in quantities.items()
        ]
        reasons = self._write(self._mark(task, _RESERVED, "attribute_not_exists(stock)"), *items)
        if not reasons:
            return {"stock": _RESERVED}
        row = _row(reasons[0])
        if row is not None:
            return _same(row, task, "stock", _RESERVED)
        missing = [sku for sku, reason in zip(quantities, reasons[1:], strict=True) if reason["Code"] == _FAILED]
        if missing:
            msg = f"Not enough is in stock of: {', '.join(missing)}."
            raise OutOfStock(msg)
        raise _overtaken()

    def release(self, task: Task) -> dict[str, Any]:
        """Put back what was reserved for the order, once; if nothing was, nothing can be any more.

        Raises:
            ConflictError: The order belongs to another execution.
            UnavailableError: Another order was changed at the same moment.
        """
        put_back = "SET available = if_not_exists(available, :none) + :quantity"
        items = [self._item(sku, put_back, "", quantity) for sku, quantity in task.quantities.items()]
        reasons = self._write(self._mark(task, _RELEASED, f"stock = :{_RESERVED.lower()}"), *items)
        if reasons and reasons[0]["Code"] != _FAILED:
            raise _overtaken()
        if reasons and "stock" not in (_row(reasons[0]) or {}):
            reasons = self._write(self._mark(task, _RELEASED, "attribute_not_exists(stock)"))
        row = _row(reasons[0]) if reasons else None
        return {"stock": _RELEASED} if row is None else _same(row, task, "stock", _RELEASED)

    def _write(self, *changes: dict[str, Any]) -> list[dict[str, Any]]:
        """Make all changes: none of them if this answers with the reasons, one for each change."""
        try:
            self._client.transact_write_items(TransactItems=[{"Update": change} for change in changes])  # type: ignore[typeddict-item]
        except self._client.exceptions.TransactionCanceledException as error:
            reasons: list[dict[str, Any]] = list(error.response["CancellationReasons"])  # type: ignore[arg-type]
            if not any(reason["Code"] == _FAILED for reason in reasons):
                raise
            return reasons
        return []

    def _mark(self, task: Task, state: str, condition: str) -> dict[str, Any]:
        values = {":execution": task.execution, ":state": state}
        if ":reserved" in condition:
            values[":reserved"] = _RESERVED
        return {
            "TableName": self._table,
            "Key": {"id": {"S": task.order_id}},
            "UpdateExpression": "SET stock = :state",
            "ConditionExpression": f"execution = :execution AND {condition}",
            "ExpressionAttributeValues": attributes_of(values),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def _item(self, sku: str, expression: str, condition: str, quantity: int) -> dict[str, Any]:
        values = {":quantity": quantity} | ({":none": 0} if ":none" in expression else {})
        return {
            "TableName": self._stock,
            "Key": {"id": {"S": sku}},
            "UpdateExpression": expression,
            **({"ConditionExpression": condition} if condition else {}),
            "ExpressionAttributeValues": attributes_of(values),
        }


class ShipmentsTable:
    """What is to be shipped: an attribute of the order's row, which the announcement of the order repeats.

    Args:
        table_name: The table of the orders.
        client: The client to use. Default: a new one, with short timeouts.
    """

    def __init__(self, table_name: str, client: "DynamoDBClient | None" = None) -> None:
        self._client = client or boto3.client("dynamodb", config=CLIENT_CONFIG)
        self._table = table_name

    def request(self, task: Task) -> dict[str, Any]:
        """Let the order be shipped, once.

        Raises:
            ShippingFailed: The shipment was cancelled before: this came too late.
            ConflictError: The order belongs to another execution.
        """
        row = self._set(task, _REQUESTED, "attribute_not_exists(shipment)")
        if row is not None and row.get("shipment") == _CANCELLED:
            msg = "The shipment was cancelled."
            raise ShippingFailed(msg)
        return {"shipment": _REQUESTED} if row is None else _same(row, task, "shipment", _REQUESTED)

    def cancel(self, task: Task) -> dict[str, Any]:
        """See to it that the order is not shipped, now or later.

        Raises:
            ConflictError: The order belongs to another execution.
        """
        row = self._set(task, _CANCELLED, "attribute_exists(id)")
        return {"shipment": _CANCELLED} if row is None else _same(row, task, "shipment", _CANCELLED)

    def _set(self, task: Task, state: str, condition: str) -> dict[str, Any] | None:
        """Make the change: the row as it is if it is not made."""
        try:
            self._client.update_item(
                TableName=self._table,
                Key={"id": {"S": task.order_id}},
                UpdateExpression="SET shipment = :state",
                ConditionExpression=f"execution = :execution AND {condition}",
                ExpressionAttributeValues=attributes_of({":execution": task.execution, ":state": state}),
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            return values_of(error.response.get("Item", {}))  # type: ignore[arg-type]
        return None


def _row(reason: Mapping[str, Any]) -> dict[str, Any] | None:
    """The row whose condition was broken; ``None`` if it was not that one's."""
    return values_of(reason.get("Item") or {}) if reason["Code"] == _FAILED else None


def _same(row: Mapping[str, Any], task: Task, attribute: str, state: str) -> dict[str, Any]:
    """The answer of the first time, if it is what was wanted."""
    if row.get("execution") != task.execution or row.get(attribute) != state:
        msg = "The order is not as this step left it, or belongs to another execution."
        raise ConflictError(msg)
    return {attribute: state}


def _overtaken() -> UnavailableError:
    return UnavailableError("The stock was changed elsewhere at the same moment.")
