"""The story: six products, a price list, ten orders, and a report of the day; told hop by hop, and then counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from examples.shop.books import Books, Line
from examples.shop.deployed import Deployed
from examples.shop.sales import FROM_THE_TILL, LISTED, PAID_BACK, PRICES, SALES, STOCK, Sale
from serverless_patterns.errors import LocalRunError
from serverless_patterns.local.account import Account
from serverless_patterns.local.http_api import HttpApi, Request
from serverless_patterns.local.payment_ledger import Refund
from serverless_patterns.local.payment_provider import Behaviour, PaymentProvider
from serverless_patterns.local.processes import wait_until
from serverless_patterns.local.queues import Inbox, Queue
from serverless_patterns.local.reports import Reports

Say = Callable[[str], None]

#: Seconds that a chapter may take to come to its end.
PATIENCE = 180.0


def tell(account: Account, say: Say) -> list[Line]:
    """Let the story happen in the shop that is deployed here, and count: what each line says must be so.

    Raises:
        LocalRunError: A chapter did not come to its end.
    """
    shop = Deployed(account)
    cards = {sale.id: Behaviour.DECLINE for sale in SALES if sale.end == "DECLINED"}
    with ExitStack() as block:
        provider = block.enter_context(PaymentProvider(behaviour_for=lambda order: cards.get(order, Behaviour.APPROVE)))
        provider.put_secret(account, shop.of("orders")["PaymentSecretArn"])
        people = block.enter_context(Inbox(account, shop.of("notifications")["NotificationTopicArn"]))
        before = {"entered": len(PRICES), "stock_before": sum(STOCK.values())}
        books = Books(shop, provider, people, **before, placed=len(SALES) + 1)
        story = Story(shop, provider, say)
        story.fill_the_catalogue()
        story.fill_the_shelves()
        story.place_orders()
        story.close_the_day()
        return books.balanced(PATIENCE)


class Story:
    """The chapters.

    Args:
        shop: The shop.
        provider: Who takes the money.
        say: Prints a line.
    """

    def __init__(self, shop: Deployed, provider: PaymentProvider, say: Say) -> None:
        self._shop, self._provider, self._say = shop, provider, say

    def fill_the_catalogue(self) -> None:
        """Three products come by hand, three in a file; customers see all of them."""
        self._say("\nThe catalogue (ApiCrud, S3Processing, StreamProcessing): three products by hand, three in a price list")
        api = HttpApi(self._shop.account, self._shop.stack("products"), on_hop=lambda _: None)
        for name, price in PRICES.items():
            body = json.dumps({"id": name, "name": name.capitalize(), "price": float(price)})
            answer = api.send(Request(method="POST", path="/products", body=body))
            self._say(f"  POST /products {name}: {answer.status}")
        lines = ["id,name,price", *(f"{name},{name.capitalize()},{price}" for name, price in LISTED.items())]
        bucket = self._shop.of("imports")["BucketName"]
        self._shop.account.client("s3").put_object(Bucket=bucket, Key="price-lists/autumn.csv", Body="\n".join(lines).encode())
        self._until("the price list is worked", lambda: self._shop.file_states() == ["PROCESSED"])
        self._say("  PUT price-lists/autumn.csv: PROCESSED")
        self._until("all products are in the view", lambda: set(self._shop.view()) == {*PRICES, *LISTED})
        self._say(f"  in the view of customers: {', '.join(sorted(self._shop.view()))}")

    def fill_the_shelves(self) -> None:
        """The warehouse counts what it has."""
        table = self._shop.table("fulfilment", "StockTableName")
        for sku, available in STOCK.items():
            table.put_item(Item={"id": sku, "available": available})
        self._say(f"\nThe warehouse: {', '.join(f'{available} {sku}' for sku, available in STOCK.items())}")

    def place_orders(self) -> None:
        """Nine orders come by the API, one after the other, and one that nobody can work by the till of the old shop."""
        self._say("\nTen orders (SqsPipeline, EventRouting, OrderWorkflow, SnsFanout)")
        api = HttpApi(self._shop.account, self._shop.stack("orders"), on_hop=lambda _: None, log_group="IngestLogGroupName")
        for sale in SALES:
            answer = api.send(Request(method="POST", path="/orders", body=sale.body))
            self._until(f"{sale.id} comes to its end", partial(self._has_ended, sale))
            self._say(f"  {sale.id} {sale}")
            self._say(f"       POST /orders {answer.status} -> {' -> '.join(self._hops_of(sale.id))}")
        Queue(self._shop.account, self._shop.of("orders")["QueueUrl"]).send(FROM_THE_TILL)
        self._until("what the old till writes is put aside", lambda: self._shop.dead_letters() != [])
        (letter,) = self._shop.dead_letters()
        self._say(f"  o-10 by the old till: {letter.body}")
        self._say(f"       queue -> dead-letter queue ({letter.attributes['Reason']})")

    def close_the_day(self) -> None:
        """The schedule fires, and the report is there."""
        reports = Reports(self._shop.account, self._shop.stack("report"))
        reports.tick()
        self._until("the report is made", lambda: [run["state"] for run in self._shop.runs()] == ["DONE"])
        self._say("\nThe report of the morning (ScheduledReport)")
        for line in self._shop.report_text().splitlines():
            self._say(f"  {line}")

    def _has_ended(self, sale: Sale) -> bool:
        """Whether the bus has told the ledger so, and the money is back if it is to go back."""
        back = sale.end in PAID_BACK
        return self._shop.ledger_states().get(sale.id) == sale.end and bool(self._refund_of(sale.id)) == back

    def _refund_of(self, order_id: str) -> Refund | None:
        return next((each for each in self._provider.refunds.values() if each.reference == f"{order_id}/refund"), None)

    def _hops_of(self, order_id: str) -> list[str]:
        order, line, refund = self._shop.order(order_id), self._shop.ledger()[order_id], self._refund_of(order_id)
        return [
            f"orders: {order['state']} ({order.get('payment_id') or order.get('reason')})",
            *([] if line["state"] == order["state"] else [f"fulfilment: {line['state']} {line['reason']}".rstrip()]),
            *([] if refund is None else [f"paid back ({refund.id})"]),
        ]

    def _until(self, what: str, met: Callable[[], bool]) -> None:
        if not wait_until(met, seconds=PATIENCE, interval=0.2):
            msg = f"the story stops here: within {PATIENCE:.0f} s it did not happen that {what}"
            raise LocalRunError(msg)
