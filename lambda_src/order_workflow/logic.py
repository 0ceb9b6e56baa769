"""What the steps decide, without a call: whether an order fits, whether it can be shipped, what starts an execution."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from order_workflow.errors import InvalidOrder, ShippingFailed
from order_workflow.models import Task, is_amount, is_order_id
from shared import strict_json
from shared.envelope import on_a_bus
from shared.errors import Fault, InvalidError, TooLargeError
from shared.queue_consumer import Message
from shared.schema import Schema
from shared.strict_json import Json

#: Bytes of an order. What a state is given or answers has 256 KiB at most, and is lost if it has more. The one that writes the
#: order down has it as a text in JSON, up to twice as long; the one that leaves it to people has all reasons beside it.
#: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
MOST_INPUT_BYTES = 100 * 1024

#: Significant digits of a number that stays as it was sent. Those of an execution are doubles, and what writes the order down,
#: JSONata's $string, rounds to so many.
#: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-state-machine-data.html
#: https://github.com/jsonata-js/jsonata/blob/v2.0.6/src/functions.js
MOST_DIGITS = 15

#: Of the reason of an order that does not fit.
_LONGEST_REASON = 1000

_ID_RULE = "must be 1 to 80 letters, digits or characters of ._@+-, and begin with a letter or digit"


def validated(task: Task, schema: Schema) -> dict[str, Any]:
    """The order as the other steps get it: with its id, and its amount as a text, which no number of JSON can change.

    Raises:
        InvalidOrder: It does not fit, and the reason says all that is wrong; it says that it is another order; or it is larger
            than what the states after this one may have. Whoever starts executions may have given it 256 KiB.
    """
    document = _document(task.order)
    faults = faults_of(document, task.order_id, schema)
    if faults:
        raise InvalidOrder(_reason(faults), faults=faults)
    try:
        input_of({**document, "id": task.order_id})
    except TooLargeError as error:
        raise InvalidOrder(error.detail) from error
    return {"order": {**task.order, "id": task.order_id, **exact_amount(document)}}


def faults_of(document: dict[str, Json], order_id: object, schema: Schema) -> list[Fault]:
    """All that is wrong with an order whose execution has this name."""
    faults = list(schema.faults(document if schema.declares("id") else _without_id(document)))
    if not is_order_id(order_id):
        faults.append(Fault.at(["id"], _ID_RULE))
    elif document.get("id", order_id) != order_id:
        faults.append(Fault.at(["id"], "must be the name of the execution"))
    if not faults and "amount" in document and not is_amount(document["amount"]):
        faults.append(Fault.at(["amount"], "must be a number above 0"))
    return [*faults, *_rounded(document)]


def exact_amount(document: Mapping[str, Any]) -> dict[str, str]:
    """The amount as a text; nothing of an order that has none, which is for a payment of the user's own."""
    return {"amount": format(document["amount"], "f")} if "amount" in document else {}


def input_of(order: Mapping[str, Json]) -> str:
    """The order as its execution gets it.

    Raises:
        TooLargeError: It is larger than what a state may have.
    """
    text = strict_json.render(order)
    if len(text.encode()) > MOST_INPUT_BYTES:
        msg = f"The order is larger than the {MOST_INPUT_BYTES} bytes that its execution can have, names included."
        raise TooLargeError(msg)
    return text


def check_destination(task: Task, ships_to: Sequence[str]) -> None:
    """Check that it can be shipped there.

    Raises:
        ShippingFailed: It cannot.
    """
    if ships_to and task.country not in ships_to:
        msg = "It is not shipped to the country of this order."
        raise ShippingFailed(msg)


def order_in_message(body: str) -> Json:
    """What a client put into the queue.

    Raises:
        InvalidError: It is not JSON, or something in it cannot be kept exactly.
    """
    return strict_json.parse(body)


def order_in_event(body: str) -> Json:
    """The data of an event with an envelope, which a rule of a bus put into the queue.

    It is an order, or what another pattern says of one: that names it ``order_id``.

    Raises:
        InvalidError: It is no such event, or its envelope has a version that is not read here.
    """
    data = on_a_bus.event_of(on_a_bus.parse(body)).data
    return {"id": data["order_id"], **data} if "order_id" in data else data


#: What the messages of a queue are -> what finds the order in one.
ORDER_IN: Mapping[str, Callable[[str], Json]] = {"orders": order_in_message, "events": order_in_event}


class Starter:
    """Starts an execution for each order in the queue.

    Args:
        start: Starts the execution of this name with this input, if there was none; another order's is an error.
        order_in: Finds the order in the body of a message.
    """

    def __init__(self, start: Callable[[str, str], None], order_in: Callable[[str], Json]) -> None:
        self._start = start
        self._order_in = order_in

    def work(self, message: Message, _context: LambdaContext) -> None:
        """Start the execution of the order in this message. Whether the order fits is looked at there.

        Raises:
            InvalidError: No order is in it, or one whose id cannot name an execution, or is another order's, or with numbers
                that an execution would round to others, which may fit.
            TooLargeError: The order is larger than what an execution can have.
        """
        order = self._order_in(message.body)
        if not isinstance(order, dict):
            msg = "The message is no order: it is no JSON object."
            raise InvalidError(msg)
        order_id = order.get("id")
        if not isinstance(order_id, str) or not is_order_id(order_id):
            msg = "The order has no id that can name its execution."
            raise InvalidError(msg, faults=[Fault.at(["id"], _ID_RULE)])
        if faults := list(_rounded(order)):
            msg = "The order has numbers that its execution would round."
            raise InvalidError(msg, faults=faults)
        self._start(order_id, input_of(order))


def _rounded(order: Json) -> Iterator[Fault]:
    """The numbers that an execution would not keep as they are."""
    for path, number in strict_json.numbers(order):
        if len(number.as_tuple().digits) > MOST_DIGITS:
            yield Fault.at(path, f"has more than {MOST_DIGITS} significant digits: send it as a text")


def _document(order: Mapping[str, Any]) -> dict[str, Any]:
    """The order with exact numbers, in the form that is stored and charged."""
    try:
        document = strict_json.parse(json.dumps(order))
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
