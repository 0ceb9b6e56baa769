"""Two parts of the workflow that are the shop's own, since its orders are paid before they come to it.

The errors have the names that the state machine knows.
"""

from typing import Any

from shop import orders
from shop.payments import refund


class InvalidOrder(Exception):  # noqa: N818  the name that the state machine knows
    """There is no such order."""


class PaymentDeclined(Exception):  # noqa: N818  the same
    """The order is not paid."""


def validate(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """``ValidateOrder``: the event tells that an order is paid, and the table what was ordered.

    Raises:
        InvalidOrder: Nothing was ordered under this id.
        UnavailableError: The table cannot be read now.
    """
    try:
        row = orders.read(event["order_id"])
    except orders.UnknownOrderError as error:
        raise InvalidOrder(*error.args) from error
    order = row["order"]
    items = [{"sku": item["sku"], "quantity": int(item["quantity"])} for item in order["items"]]
    return {"order": {**order, "id": row["id"], "amount": format(order["amount"], "f"), "items": items}}


def pay(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """``ProcessPayment`` takes no money: it looks whether that was done. ``RefundPayment`` gives it back.

    Raises:
        PaymentDeclined: No money was taken.
        RefundRefusedError: The payment API does not pay it back.
        UnavailableError: It is not known whether it was paid, or paid back.
    """
    if event["step"] == "RefundPayment":
        return {"refund_id": refund(event["order_id"])}
    row = orders.read(event["order_id"])
    if not orders.is_paid(row):
        msg = f"The order is not paid: it is {row['state']}."
        raise PaymentDeclined(msg)
    return {"success": True, "payment_id": row["payment_id"]}
