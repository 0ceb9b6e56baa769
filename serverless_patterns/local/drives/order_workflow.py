"""OrderWorkflow, driven from outside: the catalogue's sales are shipped, declined, run out of stock, and are undone.

And what is left to people: an order that cannot be paid back, a message that is no order. At the end, money and stock add up.
The payment provider is one on loopback, whose address is put into the stack's secret for the drive. Executions stay, as AWS
keeps them too: nobody can delete them.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from botocore.exceptions import ClientError

from serverless_patterns.errors import LocalRunError
from serverless_patterns.local.account import Account, Stack
from serverless_patterns.local.events import Events
from serverless_patterns.local.hops import Effect, OnHop
from serverless_patterns.local.payment_provider import Behaviour, PaymentProvider
from serverless_patterns.local.queues import Inbox, Message, Queue

PRICE = "19.99"
#: So many of its items are there when an order comes, and so many it wants.
THERE, WANTED = 5, 2
#: A place that the catalogue's orders are shipped to, and one that they are not.
HOME, ABROAD = "DE", "XX"
#: So many orders come at once and want one item each, of which there are fewer.
CROWD, FEWER = 6, 4


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


SHIPPED = End("SHIPPED", (1, 0), WANTED)
DECLINED, OUT_OF_STOCK = End("DECLINED"), End("OUT_OF_STOCK")
SHIPPING_FAILED = End("SHIPPING_FAILED", (1, 1))
UNRESOLVED = End("UNRESOLVED", (1, 0), 0, "FAILED")


def drive(account: Account, stack: Stack, on_hop: OnHop) -> None:
    """Drive the deployed workflow, and delete what was created.

    Raises:
        LocalRunError: The stack is in AWS, whose functions cannot reach the provider on this machine; nothing was touched.
    """
    if account.url is None:
        msg = (
            "the drive of order_workflow charges at a payment provider on this machine, which a function in AWS cannot reach: "
            "drive it on the emulator, or leave it out with --pattern"
        )
        raise LocalRunError(msg)
    starter = Events(account, stack.outputs["StarterLogGroupName"], on_hop)
    with ExitStack() as block:
        provider = block.enter_context(PaymentProvider())
        block.enter_context(provider.named_in(account, stack.outputs["PaymentSecretArn"]))
        inbox = block.enter_context(Inbox(account, stack.outputs["TopicArn"]))
        sales = Sales(account, stack, provider, inbox)
        block.callback(sales.delete)
        _forward(starter, sales)
        _back(starter, sales)
        _to_people(starter, sales)
        _crowd(starter, sales)
        starter.hop("Every one is accounted for", "all that was sent", sales.accounted_for, called=False)


def _forward(starter: Events, sales: Sales) -> None:
    shipped = sales.new("shipped")
    _hop(starter, sales, "An order is reserved, paid and shipped", shipped, SHIPPED)
    _hop(starter, sales, "The same order again: it is worked once", shipped, SHIPPED)
    lost = sales.new("lost", Behaviour.LOSE_ANSWER)
    _hop(starter, sales, "The provider's answer is lost: asked again, charged once", lost, SHIPPED)


def _back(starter: Events, sales: Sales) -> None:
    _hop(starter, sales, "Its card is refused: its items are back", sales.new("declined", Behaviour.DECLINE), DECLINED)
    _hop(starter, sales, "Too little is in stock: it is not charged", sales.new("short", there=WANTED - 1), OUT_OF_STOCK)
    step = "It cannot be shipped there: cancelled, paid back, released"
    _hop(starter, sales, step, sales.new("abroad", country=ABROAD), SHIPPING_FAILED)


def _to_people(starter: Events, sales: Sales) -> None:
    order = sales.new("stuck", refund=Behaviour.REFUSE, country=ABROAD)
    _hop(starter, sales, "It cannot be paid back either: the rest is undone", order, UNRESOLVED)
    starter.hop("... and it is left to people, with all that is known", "-", lambda: sales.left(order["id"]), called=False)
    poison = json.dumps({"id": f"{order['id']}:poison", "amount": "much"})
    starter.hop("A message that is no order", poison, lambda: sales.put_aside(poison), send=lambda: sales.send(poison))


def _crowd(starter: Events, sales: Sales) -> None:
    orders = [sales.new(f"crowd-{number}", there=0) for number in range(CROWD)]
    shared = sales.stock(orders[0]["items"][0]["sku"], FEWER)
    for order in orders:
        order["items"] = [{"sku": shared, "quantity": 1}]
    step = f"{CROWD} orders at once for {FEWER} items: none is sold twice"
    bodies = [json.dumps(order) for order in orders]
    starter.hop(step, f"{CROWD} orders", lambda: sales.sold_out(orders, shared), send=lambda: sales.send(*bodies))


def _hop(starter: Events, sales: Sales, step: str, order: dict[str, Any], end: End) -> None:
    request = f"order {order['id']} to {order['ship_to']['country']}"
    starter.hop(step, request, lambda: sales.ended(order, end), send=lambda: sales.send(json.dumps(order)))


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
        """As many orders are shipped as there were items, the others are out of stock, and nothing is left."""
        states, left = Counter(self._row(each["id"]).get("state") for each in orders), self._available(sku)
        expected = {"SHIPPED": FEWER, "OUT_OF_STOCK": CROWD - FEWER}
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
