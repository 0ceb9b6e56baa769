"""The orders of one drive of an ``OrderWorkflow``: what must become of each, and where it is seen that it did."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from botocore.exceptions import ClientError

from serverless_patterns.local.account import Account, Stack
from serverless_patterns.local.hops import Effect
from serverless_patterns.local.payment_provider import Behaviour, PaymentProvider
from serverless_patterns.local.queues import Inbox, Message, Queue

PRICE = "19.99"
#: So many of its items are there when an order comes, and so many it wants.
THERE, WANTED = 5, 2
#: A place that the catalogue's orders are shipped to.
HOME = "DE"


@dataclass(frozen=True)
class End:
    """What an order must have come to.

    Args:
        state: What became of it, in its row.
        money: How often it was charged and paid back.
        taken: How many of its items are gone.
        status: What became of its execution.
    """

    state: str
    money: tuple[int, int] = (0, 0)
    taken: int = 0
    status: str = "SUCCEEDED"

    @property
    def shown(self) -> str:
        """In the words of the report."""
        charged, paid_back = self.money
        money = "charged and paid back" if paid_back else "charged" if charged else "not charged"
        return f"{self.state}, {money}, {self.taken} items taken, execution {self.status}"


class Sales:
    """The orders of one drive: what is in stock, charged, announced, and left to people.

    Args:
        account: Where the stack is.
        stack: The stack.
        provider: Charges them, and pays back.
        inbox: Receives what is announced.
    """

    def __init__(self, account: Account, stack: Stack, provider: PaymentProvider, inbox: Inbox) -> None:
        outputs = stack.outputs
        self._queue, self._dead_letters = Queue(account, outputs["QueueUrl"]), Queue(account, outputs["DeadLetterQueueUrl"])
        self._manual = Queue(account, outputs["ManualQueueUrl"])
        self._orders, self._stock = account.table(outputs["TableName"]), account.table(outputs["StockTableName"])
        self._executions = account.client("stepfunctions"), outputs["StateMachineArn"].replace(":stateMachine:", ":execution:")
        self._provider, self._inbox = provider, inbox
        self._run = uuid.uuid4()
        self._there: dict[str, int] = {}
        self._ids: list[str] = []
        self._behaviours: dict[str, Behaviour] = {}
        self._kept: dict[str, dict[str, Any]] = {}
        self._poison: dict[str, str] = {}
        provider.behaviour_for = lambda reference: self._behaviours.get(reference, Behaviour.APPROVE)

    def new(
        self,
        name: str,
        charge: Behaviour = Behaviour.APPROVE,
        *,
        refund: Behaviour = Behaviour.APPROVE,
        there: int = THERE,
        country: str = HOME,
    ) -> dict[str, Any]:
        """Another order of an item of its own; how the provider treats it, how much is in stock, and where it goes."""
        order_id = f"{name}-{self._run}"
        self._ids.append(order_id)
        self._behaviours |= {order_id: charge, f"{order_id}/refund": refund}
        items = [{"sku": self.stock(f"sku-{order_id}", there), "quantity": WANTED}]
        to = {"ship_to": {"country": country}}
        return {"id": order_id, "customer_id": "drive", "amount": float(PRICE), "currency": "EUR", "items": items, **to}

    def stock(self, sku: str, available: int) -> str:
        """Put so much of an item into the stock."""
        self._there[sku] = available
        self._stock.put_item(Item={"id": sku, "available": available})
        return sku

    def send(self, *bodies: str) -> str:
        """Put messages into the queue."""
        self._queue.send(*bodies)
        return "taken"

    def ended(self, order: dict[str, Any], end: End) -> Effect:
        """The order has come to this end, and it was announced."""
        found, row = self._end_of(order), self._row(order["id"])
        event = f"orders.{end.state.lower()}"
        told = [each["type"] for each in self._announced() if each["correlation_id"] == order["id"]]
        reason = f" ({row['reason']})" if row.get("reason") else ""
        faults = [
            *([] if found == end else [f"it should be {end.shown}, but is {found.shown}"]),
            *([] if told == [event] else [f"{event} should be announced once, got {told}"]),
        ]
        return Effect(f"{found.shown}{reason}, {' '.join(told)}", tuple(faults))

    def left(self, order_id: str) -> Effect:
        """The order is in the manual queue: what could not be undone, and why."""
        for message in self._manual.take(lambda message: str(self._run) in message.body):
            letter = json.loads(message.body)
            self._kept[letter["order_id"]] = letter
        if order_id not in self._kept:
            return Effect("not left to people", ("nothing about the order is in the manual queue",))
        letter = self._kept[order_id]
        what = [f"{each['step']}: {each['error']}" for each in letter["unresolved"]]
        payment = letter["payment"].get("payment_id")
        faults = () if what == ["RefundPayment: RefundRefusedError"] and payment else ("what is known is incomplete",)
        return Effect(f"{', '.join(what)}; payment {payment}", faults)

    def put_aside(self, body: str) -> Effect:
        """A message is in the dead-letter queue, with its reason."""
        self._poison.setdefault(body, "")
        taken = self._dead_letters.take(lambda message: message.body in self._poison)
        self._poison |= {message.body: message.attributes.get("Reason", "") for message in taken}
        reason = self._poison[body]
        return Effect(f"put aside: {reason}", () if reason else ("it is not in the dead-letter queue with its reason",))

    def sold_out(self, orders: Sequence[dict[str, Any]], sku: str) -> Effect:
        """As many of these orders are shipped as there were items, the others are out of stock, and nothing is left."""
        states, left = Counter(self._row(each["id"]).get("state") for each in orders), self._available(sku)
        items = self._there[sku]
        expected = {"SHIPPED": items, "OUT_OF_STOCK": len(orders) - items}
        faults = [
            *([] if states == expected else [f"the orders should be {expected}, but are {dict(states)}"]),
            *([] if left == 0 else [f"nothing should be left, got {left}"]),
        ]
        return Effect(f"{states['SHIPPED']} shipped, {states['OUT_OF_STOCK']} out of stock, {left} left", tuple(faults))

    def accounted_for(self) -> Effect:
        """Each order has an end, and money and stock are those of what was shipped and of what people have to look at."""
        rows = {order_id: self._row(order_id) for order_id in self._ids}
        states = Counter(str(row.get("state", "nothing stored")) for row in rows.values())
        sold = sum(len(self._money(each)[0]) - len(self._money(each)[1]) for each in self._ids)
        taken = sum(there - self._available(sku) for sku, there in self._there.items())
        wanted = sum(_quantity(row) for row in rows.values() if row.get("state") == "SHIPPED")
        waiting = self._queue.count()
        shown = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
        faults = [
            *([] if sold == states["SHIPPED"] + len(self._kept) else [f"{sold} orders are paid for: {shown}"]),
            *([] if taken == wanted else [f"{taken} items are gone, of shipped orders {wanted}"]),
            *([] if waiting == 0 else [f"{waiting} messages are still in the queue"]),
        ]
        money = f"{Decimal(PRICE) * sold} EUR kept: {states['SHIPPED']} shipped, {len(self._kept)} left to people"
        return Effect(f"{shown}; {money}; {taken} items gone, all of them shipped", tuple(faults))

    def delete(self) -> None:
        """Delete what the drive has created, and nothing else: others may use the tables and queues."""
        for order_id in self._ids:
            self._orders.delete_item(Key={"id": order_id})
        for sku in self._there:
            self._stock.delete_item(Key={"id": sku})

        def is_own(message: Message) -> bool:
            return str(self._run) in message.body

        for queue in (self._dead_letters, self._manual):
            queue.take(is_own)

    def _end_of(self, order: dict[str, Any]) -> End:
        charges, refunds = self._money(order["id"])
        (item,) = order["items"]
        taken = self._there[item["sku"]] - self._available(item["sku"])
        state = self._row(order["id"]).get("state", "nothing stored")
        return End(state, (len(charges), len(refunds)), taken, self._status(order["id"]))

    def _money(self, order_id: str) -> tuple[list[str], list[str]]:
        """The ids of what was charged and of what was paid back."""
        charges = [each.id for each in list(self._provider.charges.values()) if each.reference == order_id]
        return charges, [each.id for each in list(self._provider.refunds.values()) if each.reference == f"{order_id}/refund"]

    def _status(self, order_id: str) -> str:
        client, prefix = self._executions
        try:
            return str(client.describe_execution(executionArn=f"{prefix}:{order_id}")["status"])
        except ClientError:
            return "not started"

    def _available(self, sku: str) -> int:
        return int(self._stock.get_item(Key={"id": sku}, ConsistentRead=True)["Item"]["available"])

    def _announced(self) -> list[dict[str, Any]]:
        return [json.loads(message.body) for message in self._inbox.received()]

    def _row(self, order_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self._orders.get_item(Key={"id": order_id}, ConsistentRead=True).get("Item", {})
        return found


def _quantity(row: dict[str, Any]) -> int:
    return sum(int(item["quantity"]) for item in json.loads(row["order"])["items"])
