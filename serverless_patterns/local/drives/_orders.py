"""The orders of one drive of an ``SqsPipeline``: what must become of each, and where it is seen that it did."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

from serverless_patterns.local.account import Account, Stack
from serverless_patterns.local.hops import Effect
from serverless_patterns.local.http_api import Answer, Request
from serverless_patterns.local.payment_ledger import Charge
from serverless_patterns.local.payment_provider import Behaviour, PaymentProvider
from serverless_patterns.local.queues import Inbox, Queue

ORDERS = "/orders"
CUSTOMER = "drive"


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
