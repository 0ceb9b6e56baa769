"""SqsPipeline, driven from outside: the catalogue's ``orders`` are placed, charged, declined and announced.

And the other half of the promises: orders that come twice, answers that are lost, messages that nobody can work. The payment
provider is one on loopback, whose address is put into the stack's secret for the drive.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from serverless_patterns.errors import LocalRunError
from serverless_patterns.local.account import Account, Stack
from serverless_patterns.local.events import Events
from serverless_patterns.local.hops import Effect, OnHop
from serverless_patterns.local.http_api import ANY, Answer, Expected, HttpApi, Request
from serverless_patterns.local.payment_ledger import Charge
from serverless_patterns.local.payment_provider import Behaviour, PaymentProvider
from serverless_patterns.local.queues import Inbox, Queue

ORDERS = "/orders"
CUSTOMER = "drive"
#: As many orders as come without waiting for the one before, of as many customers.
CROWD, CUSTOMERS = 12, 3


def drive(account: Account, stack: Stack, on_hop: OnHop) -> None:
    """Drive the deployed pipeline, and delete what was created.

    Raises:
        LocalRunError: The stack is in AWS, whose worker cannot reach the provider on this machine; nothing was touched.
    """
    if account.url is None:
        msg = (
            "the drive of sqs_pipeline charges at a payment provider on this machine, which a worker in AWS cannot reach: "
            "drive it on the emulator, or leave it out with --pattern"
        )
        raise LocalRunError(msg)
    api = HttpApi(account, stack, on_hop, log_group="IngestLogGroupName")
    worker = Events(account, stack.outputs["WorkerLogGroupName"], on_hop)
    with ExitStack() as block:
        provider = block.enter_context(PaymentProvider())
        block.enter_context(provider.named_in(account, stack.outputs["PaymentSecretArn"]))
        inbox = block.enter_context(Inbox(account, stack.outputs["TopicArn"]))
        orders = Orders(account, stack, provider, inbox)
        block.callback(orders.delete)
        _refuse_strangers(api)
        _pay(api, worker, orders)
        _refuse_bad_orders(api, orders)
        _decline(api, worker, orders)
        _lose_an_answer(api, worker, orders)
        _crowd(api, worker, orders)
        _poison(worker, orders)
        worker.hop("Every one is accounted for", "all that was sent", orders.accounted_for, called=False)


def _refuse_strangers(api: HttpApi) -> None:
    api.hop(
        "Unsigned: refused by the API",
        Request(method="POST", path=ORDERS, body="{}", signed=False),
        Expected(status=403, calls=0),
    )


def _pay(api: HttpApi, worker: Events, orders: Orders) -> None:
    order_id = orders.new_id("paid")
    location = f"{ORDERS}/{order_id}"
    api.hop(
        "Place an order",
        orders.request(order_id),
        Expected(
            status=202,
            headers={"Location": ANY},
            fields={"id": order_id, "accepted_at": ANY},
            effect=orders.accepted(order_id),
        ),
    )
    worker.hop("It is charged and announced", "the order in the queue", lambda: orders.finished(order_id, "PAID"))
    api.hop(
        "What became of it",
        Request(method="GET", path=location),
        Expected(status=200, fields={"id": order_id, "state": "PAID", "attempts": 1, "payment_id": ANY, "history": ANY}),
    )
    api.hop(
        "The same order again: the same answer",
        orders.request(order_id),
        Expected(status=202, fields={"id": order_id}, effect=lambda _: orders.finished(order_id, "PAID")),
    )
    api.hop(
        "Its id with another amount",
        orders.request(order_id, amount=1),
        Expected(status=409, effect=lambda _: orders.finished(order_id, "PAID")),
    )


def _refuse_bad_orders(api: HttpApi, orders: Orders) -> None:
    api.hop(
        "Invalid fields, all named",
        orders.request("-", amount=-1, currency="euro"),
        Expected(
            status=400,
            headers={"Content-Type": "application/problem+json"},
            effect=_names_at_least("/id", "/amount", "/currency"),
        ),
    )
    api.hop("Unknown order", Request(method="GET", path=f"{ORDERS}/unknown"), Expected(status=404))


def _decline(api: HttpApi, worker: Events, orders: Orders) -> None:
    order_id = orders.new_id("declined", Behaviour.DECLINE)
    api.hop("An order whose card is refused", orders.request(order_id), Expected(status=202, effect=orders.accepted(order_id)))
    worker.hop("It is declined and announced", "the order in the queue", lambda: orders.finished(order_id, "DECLINED"))


def _lose_an_answer(api: HttpApi, worker: Events, orders: Orders) -> None:
    order_id = orders.new_id("lost", Behaviour.LOSE_ANSWER)
    api.hop("The provider's answer is lost", orders.request(order_id), Expected(status=202, effect=orders.accepted(order_id)))
    worker.hop("Asked again, charged once", "the order in the queue", lambda: orders.finished(order_id, "PAID"))


def _crowd(api: HttpApi, worker: Events, orders: Orders) -> None:
    ids = [orders.new_id(f"crowd-{number}") for number in range(CROWD)]

    def send() -> str:
        answers = [
            api.send(orders.request(order_id, customer_id=f"{CUSTOMER}-{number % CUSTOMERS}"))
            for number, order_id in enumerate(ids)
        ]
        return ", ".join(f"{status} x {number}" for status, number in Counter(each.status for each in answers).items())

    worker.hop(f"{CROWD} orders of {CUSTOMERS} customers", f"POST {ORDERS} x {CROWD}", lambda: orders.all_paid(ids), send=send)


def _poison(worker: Events, orders: Orders) -> None:
    poison = json.dumps({"id": orders.new_id("poison"), "amount": "much"})
    orders.poison.append(poison)

    def send() -> str:
        orders.queue.send(poison, MessageGroupId=CUSTOMER)
        return "taken"

    worker.hop("A message that is no order", "1 message to the queue", lambda: orders.dead(poison), send=send)


class Orders:
    """The orders of one drive: what is stored, charged, announced and put aside.

    Args:
        account: Where the stack is.
        stack: The stack.
        provider: Charges them.
        inbox: Receives what is announced.
    """

    def __init__(self, account: Account, stack: Stack, provider: PaymentProvider, inbox: Inbox) -> None:
        self.queue = Queue(account, stack.outputs["QueueUrl"])
        self.poison: list[str] = []
        self._dead_letters = Queue(account, stack.outputs["DeadLetterQueueUrl"])
        self._table = account.table(stack.outputs["TableName"])
        self._charges = account.table(stack.outputs["IdempotencyTableName"])
        self._provider = provider
        self._inbox = inbox
        self._run = uuid.uuid4()
        self._behaviours: dict[str, Behaviour] = {}
        self._dead: dict[str, str] = {}
        provider.behaviour_for = lambda reference: self._behaviours.get(reference, Behaviour.APPROVE)

    def new_id(self, name: str, behaviour: Behaviour = Behaviour.APPROVE) -> str:
        """The id of another order, and how the provider treats it."""
        order_id = f"{name}-{self._run}"
        self._behaviours[order_id] = behaviour
        return order_id

    def request(self, order_id: str, **fields: object) -> Request:
        """The request that places an order."""
        order = {"id": order_id, "customer_id": CUSTOMER, "amount": 19.99, "currency": "EUR", **fields}
        return Request(method="POST", path=ORDERS, body=json.dumps(order))

    def accepted(self, order_id: str) -> Callable[[Answer], Effect]:
        """The order is stored; a worker may have it already."""

        def look(_: Answer) -> Effect:
            state = self._row(order_id).get("state")
            return Effect(f"stored, {state}") if state else Effect("nothing stored", ("the order is not stored",))

        return look

    def finished(self, order_id: str, state: str) -> Effect:
        """The order is in this state, was charged as often as that means, and was announced."""
        row, charge = self._row(order_id), self._charge(order_id)
        charged = f"charged {charge.amount} {charge.currency}" if charge else "not charged"
        asked = sum(1 for each in list(self._provider.requests) if each.reference == order_id)
        expected = "charged 19.99 EUR" if state == "PAID" else "not charged"
        event = f"orders.{state.lower()}"
        announced = [each["type"] for each in self._announced() if each["correlation_id"] == order_id]
        faults = [
            *([] if row.get("state") == state else [f"the state should be {state}, got {row.get('state')}"]),
            *([] if charged == expected else [f"it should be {expected}, but it is {charged}"]),
            *([] if set(announced) == {event} else [f"{event} should be announced, got {announced}"]),
            *(f"{reference} was charged {number} times" for reference, number in self._provider.double_charges.items()),
        ]
        reason = f" ({row['reason']})" if "reason" in row else ""
        times = f" (asked {asked} times)" if asked > 1 else ""
        return Effect(f"{row.get('state')}{reason}, {charged}{times}, {' '.join(sorted(set(announced)))}", tuple(faults))

    def all_paid(self, order_ids: list[str]) -> Effect:
        """Each of these orders is paid, charged once, and announced."""
        faults = {order_id: self.finished(order_id, "PAID").faults for order_id in order_ids}
        bad = [f"{order_id}: {each}" for order_id, found in faults.items() for each in found]
        return Effect(f"{len(order_ids) - sum(map(bool, faults.values()))} paid, each charged once", tuple(bad[:3]))

    def dead(self, body: str) -> Effect:
        """A message is in the dead-letter queue, with its reason."""
        taken = self._dead_letters.take(lambda message: message.body in self.poison)
        self._dead.update({message.body: message.attributes.get("Reason", "") for message in taken})
        if body not in self._dead:
            return Effect("not put aside", ("the message is not in the dead-letter queue",))
        reason = self._dead[body]
        return Effect(f"put aside: {reason}", () if reason else ("the reason is missing",))

    def accounted_for(self) -> Effect:
        """Each order that was sent is paid or declined, each poison is put aside, and nothing else is there."""
        states = Counter(self._row(order_id).get("state", "nothing stored") for order_id in self._orders())
        sent, left = len(self._orders()) + len(self.poison), self.queue.count()
        ended = states["PAID"] + states["DECLINED"] + len(self._dead)
        shown = f"{sent} sent = {states['PAID']} paid + {states['DECLINED']} declined + {len(self._dead)} put aside"
        charges = len(self._provider.charges)
        return Effect(
            shown,
            (
                *([] if sent == ended else [f"{sent} were sent, but {ended} came to an end: {dict(states)}"]),
                *([] if charges == states["PAID"] else [f"{charges} charges for {states['PAID']} paid orders"]),
                *([] if left == 0 else [f"{left} messages are still in the queue"]),
            ),
        )

    def delete(self) -> None:
        """Delete what the drive has created, and nothing else: others may use the tables and queues."""
        for body in self.poison:
            self.dead(body)
        for order_id in self._behaviours:
            self._table.delete_item(Key={"id": order_id})
        for key in {each.key for each in list(self._provider.requests) if each.reference in self._behaviours}:
            digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()
            self._charges.delete_item(Key={"id": f"sqs_pipeline.payment#{digest}"})

    def _charge(self, order_id: str) -> Charge | None:
        """The provider's charge for the order; its key begins with the name of the pipeline, which only the worker knows."""
        return next((each for each in list(self._provider.charges.values()) if each.reference == order_id), None)

    def _orders(self) -> list[str]:
        poison = {json.loads(body)["id"] for body in self.poison}
        return [order_id for order_id in self._behaviours if order_id not in poison]

    def _announced(self) -> list[dict[str, Any]]:
        return [json.loads(message.body) for message in self._inbox.received()]

    def _row(self, order_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self._table.get_item(Key={"id": order_id}, ConsistentRead=True).get("Item", {})
        return found


def _names_at_least(*pointers: str) -> Callable[[Answer], Effect]:
    def look(answer: Answer) -> Effect:
        named = {error["pointer"] for error in answer.json.get("errors", [])}
        missing = set(pointers) - named
        return Effect(f"names {', '.join(sorted(named))}", tuple(f"{pointer} is not named" for pointer in sorted(missing)))

    return look
