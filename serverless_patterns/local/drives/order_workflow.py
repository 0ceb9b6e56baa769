"""OrderWorkflow, driven from outside: the catalogue's sales are shipped, declined, run out of stock, and are undone.

And what is left to people: an order that cannot be paid back, a message that is no order. At the end, money and stock add up.
The payment provider is one on loopback, whose address is put into the stack's secret for the drive. Executions stay, as AWS
keeps them too: nobody can delete them.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any

from serverless_patterns.local.account import Account, Stack
from serverless_patterns.local.drives._sales import WANTED, End, Sales
from serverless_patterns.local.events import Events
from serverless_patterns.local.hops import OnHop
from serverless_patterns.local.payment_provider import Behaviour, PaymentProvider
from serverless_patterns.local.queues import Inbox

#: A place that the catalogue's orders are not shipped to.
ABROAD = "XX"
#: So many orders come at once and want one item each, of which there are fewer.
CROWD, FEWER = 6, 4

SHIPPED = End("SHIPPED", (1, 0), WANTED)
DECLINED, OUT_OF_STOCK = End("DECLINED"), End("OUT_OF_STOCK")
SHIPPING_FAILED = End("SHIPPING_FAILED", (1, 1))
UNRESOLVED = End("UNRESOLVED", (1, 0), 0, "FAILED")


def drive(account: Account, stack: Stack, on_hop: OnHop) -> None:
    """Drive the deployed workflow, and delete what was created.

    Raises:
        LocalRunError: The stack is in AWS, whose functions cannot reach the provider on this machine; nothing was touched.
    """
    with ExitStack() as block:
        provider = block.enter_context(PaymentProvider())
        block.enter_context(provider.named_in(account, stack.outputs["PaymentSecretArn"]))
        inbox = block.enter_context(Inbox(account, stack.outputs["TopicArn"]))
        starter = Events(account, stack.outputs["StarterLogGroupName"], on_hop)
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
