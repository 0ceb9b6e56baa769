"""What the steps decide, without a call: whether an order fits, whether it can be shipped, what starts an execution."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from order_workflow.errors import InvalidOrder, ShippingFailed
from order_workflow.models import Task, is_amount, is_order_id
from shared import strict_json
from shared.errors import Fault, InvalidError
from shared.queue_consumer import Message
from shared.schema import Schema

#: Of the reason of an order that does not fit.
_LONGEST_REASON = 1000

_ID_RULE = "must be 1 to 80 letters, digits or characters of ._@+-, and begin with a letter or digit"


def validated(task: Task, schema: Schema) -> dict[str, Any]:
    """The order as the other steps get it: with its id, and its amount as a text, which no number of JSON can change.

    Raises:
        InvalidOrder: It does not fit, and the reason says all that is wrong; or it says that it is another order.
    """
    document = _document(task.order)
    faults = list(schema.faults(document if schema.declares("id") else _without_id(document)))
    if not is_order_id(task.order_id) or document.get("id", task.order_id) != task.order_id:
        faults.append(Fault.at(["id"], f"{_ID_RULE}, and the name of the execution"))
    if not faults and not is_amount(document["amount"]):
        faults.append(Fault.at(["amount"], "must be a number above 0"))
    if faults:
        raise InvalidOrder(_reason(faults), faults=faults)
    return {"order": {**task.order, "id": task.order_id, "amount": format(document["amount"], "f")}}


def check_destination(task: Task, ships_to: Sequence[str]) -> None:
    """Check that it can be shipped there.

    Raises:
        ShippingFailed: It cannot.
    """
    if ships_to and task.country not in ships_to:
        msg = "It is not shipped to the country of this order."
        raise ShippingFailed(msg)


class Starter:
    """Starts an execution for each order in the queue.

    Args:
        start: Starts the execution of this name with this input, if there was none.
    """

    def __init__(self, start: Callable[[str, str], None]) -> None:
        self._start = start

    def work(self, message: Message, _context: LambdaContext) -> None:
        """Start the execution of the order in this message. Whether the order fits is looked at there.

        Raises:
            InvalidError: No order is in it, or one whose id cannot name an execution.
        """
        order = strict_json.parse(message.body.encode("utf-8", "surrogatepass"))
        if not isinstance(order, dict):
            msg = "The message is no order: it is no JSON object."
            raise InvalidError(msg)
        order_id = order.get("id")
        if not isinstance(order_id, str) or not is_order_id(order_id):
            msg = "The order has no id that can name its execution."
            raise InvalidError(msg, faults=[Fault.at(["id"], _ID_RULE)])
        self._start(order_id, strict_json.render(order))


def _document(order: Mapping[str, Any]) -> dict[str, Any]:
    """The order with exact numbers, in the form that is stored and charged."""
    try:
        document = strict_json.parse(json.dumps(order).encode())
    except (InvalidError, RecursionError) as error:
        reason = error.detail if isinstance(error, InvalidError) else "It is nested too deep."
        raise InvalidOrder(reason) from error
    if not isinstance(document, dict):
        msg = "It is no order: it is no JSON object."
        raise InvalidOrder(msg)
    return document


def _without_id(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "id"}


def _reason(faults: Sequence[Fault]) -> str:
    listed = "; ".join(f"{fault.pointer or 'the whole'} {fault.message}" for fault in faults)
    return f"The order does not fit: {listed}"[:_LONGEST_REASON]
