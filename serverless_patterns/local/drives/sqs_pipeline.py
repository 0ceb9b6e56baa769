"""SqsPipeline, driven from outside: the catalogue's ``orders`` are placed, charged, declined and announced.

And the other half of the promises: orders that come twice, answers that are lost, messages that nobody can work. The payment
provider is one on loopback, whose address is put into the stack's secret for the drive.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import ExitStack

from serverless_patterns.local.account import Account, Stack
from serverless_patterns.local.drives._orders import CUSTOMER, ORDERS, Orders
from serverless_patterns.local.events import Events
from serverless_patterns.local.hops import OnHop
from serverless_patterns.local.http_api import ANY, Expected, HttpApi, Request, names_at_least
from serverless_patterns.local.payment_provider import Behaviour, PaymentProvider
from serverless_patterns.local.queues import Inbox

#: As many orders as come without waiting for the one before, of as many customers.
CROWD, CUSTOMERS = 12, 3


def drive(account: Account, stack: Stack, on_hop: OnHop) -> None:
    """Drive the deployed pipeline, and delete what was created.

    Raises:
        LocalRunError: The stack is in AWS, whose worker cannot reach the provider on this machine; nothing was touched.
    """
    with ExitStack() as block:
        provider = block.enter_context(PaymentProvider())
        block.enter_context(provider.named_in(account, stack.outputs["PaymentSecretArn"]))
        inbox = block.enter_context(Inbox(account, stack.outputs["TopicArn"]))
        api = HttpApi(account, stack, on_hop, log_group="IngestLogGroupName")
        worker = Events(account, stack.outputs["WorkerLogGroupName"], on_hop)
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
            effect=names_at_least("/id", "/amount", "/currency"),
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
