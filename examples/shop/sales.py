"""What is sold in the story: the products, what there is of them, and who orders what."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

#: Entered by hand, and in the price list of a supplier.
PRICES = {name: Decimal(price) for name, price in (("chair", "49.50"), ("table", "199.00"), ("lamp", "25.00"))}
LISTED = {name: Decimal(price) for name, price in (("shelf", "79.90"), ("mirror", "35.00"), ("rug", "120.00"))}
STOCK = {"chair": 20, "table": 5, "lamp": 2, "shelf": 8, "mirror": 6, "rug": 4}
#: The ends of an order that is paid and not shipped.
PAID_BACK = ("OUT_OF_STOCK", "SHIPPING_FAILED")
#: What the till of the old shop writes straight into the queue: nobody can ever work it.
FROM_THE_TILL = '{"id": "o-10", "customer_id": "till", "amount": "twelve"}'


@dataclass(frozen=True)
class Sale:
    """An order of the story.

    Args:
        id: Its id.
        customer: Who orders.
        items: How much of what.
        country: Where it goes.
        end: What should become of it.
    """

    id: str
    customer: str
    items: dict[str, int]
    country: str = "DE"
    end: str = "SHIPPED"

    @cached_property
    def amount(self) -> Decimal:
        """What it costs."""
        return sum((quantity * (PRICES | LISTED)[sku] for sku, quantity in self.items.items()), Decimal(0))

    def __str__(self) -> str:
        return f"{' + '.join(f'{number} {sku}' for sku, number in self.items.items())} to {self.country}, {self.amount} EUR"

    @property
    def body(self) -> str:
        """The order as a client sends it."""
        order = {
            "id": self.id,
            "customer_id": self.customer,
            "amount": float(self.amount),
            "currency": "EUR",
            "items": [{"sku": sku, "quantity": quantity} for sku, quantity in self.items.items()],
            "ship_to": {"country": self.country},
        }
        return json.dumps(order)


SALES = (
    Sale("o-01", "ada", {"chair": 4, "table": 1}),
    Sale("o-02", "grace", {"shelf": 2}),
    Sale("o-03", "edsger", {"rug": 1, "mirror": 1}, country="AT"),
    Sale("o-04", "ada", {"mirror": 2}),
    Sale("o-05", "barbara", {"chair": 2}, country="CH"),
    Sale("o-06", "grace", {"table": 1, "chair": 6}),
    Sale("o-07", "alan", {"lamp": 5}, end="OUT_OF_STOCK"),
    Sale("o-08", "john", {"shelf": 1, "rug": 1}, country="US", end="SHIPPING_FAILED"),
    Sale("o-09", "charles", {"table": 2}, end="DECLINED"),
)
