"""The books of the shop: nothing is lost and nothing is doubled between any two of its patterns."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from examples.shop.deployed import Deployed
from serverless_patterns.local.payment_provider import PaymentProvider
from serverless_patterns.local.processes import wait_until
from serverless_patterns.local.queues import Inbox

Number = int | Decimal


@dataclass(frozen=True)
class Line:
    """Two sums that must be the same; a number that is taken off is below zero.

    Args:
        what: What is counted.
        left: What there was.
        right: What became of it.
    """

    what: str
    left: Mapping[str, Number]
    right: Mapping[str, Number]

    @property
    def holds(self) -> bool:
        """Whether they are the same."""
        return sum(self.left.values()) == sum(self.right.values())

    def __str__(self) -> str:
        mark = "✓" if self.holds else "✗"
        return f"{mark} {self.what:13} {_sum(self.left)} {'=' if self.holds else '≠'} {_sum(self.right)}"


def _sum(numbers: Mapping[str, Number]) -> str:
    first, *others = [f"{'-' if number < 0 else '+'} {_shown(number)} {name}" for name, number in numbers.items()]
    return " ".join([first.removeprefix("+ "), *others])


def _shown(number: Number) -> str:
    """Money is what is no whole number by its type."""
    return str(abs(number)) if isinstance(number, int) else f"{abs(number):.2f}"


class Books:
    """Counts, from outside.

    Args:
        shop: The shop.
        provider: Who took the money.
        people: Who is notified.
        entered: How many products were entered by hand, none of which is in a price list.
        stock_before: How many items there were.
        placed: How many orders were placed.
    """

    def __init__(
        self, shop: Deployed, provider: PaymentProvider, people: Inbox, *, entered: int, stock_before: int, placed: int
    ) -> None:
        self._shop, self._provider, self._people = shop, provider, people
        self._entered, self._stock_before, self._placed = entered, stock_before, placed

    def balanced(self, seconds: float) -> list[Line]:
        """All lines: as soon as all of them hold, or as they are after so many seconds."""
        lines: list[Line] = []

        def hold() -> bool:
            lines[:] = [*self._catalogue(), *self._orders(), *self._fulfilment(), *self._announcements(), *self._report()]
            return all(line.holds for line in lines)

        wait_until(hold, seconds=seconds, interval=0.5)
        return lines

    def _catalogue(self) -> Iterator[Line]:
        listed = sum(int(row["details"]["products"]) for row in self._shop.rows("imports", "TableName") if row["row"] == 0)
        view = len(self._shop.view())
        yield Line("products", {"entered by hand": self._entered, "in the price list": listed}, {"in the view": view})

    def _orders(self) -> Iterator[Line]:
        paid, declined = len(self._shop.orders("PAID")), len(self._shop.orders("DECLINED"))
        dead = len(self._shop.dead_letters())
        yield Line("orders", {"placed": self._placed}, {"paid": paid, "declined": declined, "put aside": dead})
        yield Line("charges", {"paid": paid}, {"charged": len(self._provider.charges)})
        yield Line("queues", {"put aside": dead}, {"left in all queues": self._shop.left_in_queues()})

    def _fulfilment(self) -> Iterator[Line]:
        paid, shipped = len(self._shop.orders("PAID")), self._shop.fulfilled("SHIPPED")
        refunds = self._provider.refunds.values()
        yield Line("workflows", {"paid": paid}, {"executions that succeeded": self._shop.executions("SUCCEEDED")})
        yield Line("ends", {"paid": paid}, {"shipped": len(shipped), "paid back": len(refunds)})
        back = -sum(Decimal(refund.amount) for refund in refunds)
        worth = sum(Decimal(json.loads(row["order"])["amount"]) for row in shipped)
        yield Line("money, EUR", {"charged": self._charged, "paid back": back}, {"shipped": worth})
        items = sum(item["quantity"] for row in shipped for item in json.loads(row["order"])["items"])
        yield Line("stock", {"items before": self._stock_before, "after": -self._shop.stock()}, {"shipped": items})

    def _announcements(self) -> Iterator[Line]:
        orders = len(self._shop.rows("orders", "TableName"))
        workflows = len(self._shop.rows("fulfilment", "TableName"))
        told = {"of orders": orders, "of workflows": workflows, "of files": len(self._shop.file_states())}
        audit = len(self._shop.rows("bus", "AuditTableName"))
        yield Line("events", {**told, "of reports": len(self._shop.runs())}, {"in the audit of the bus": audit})
        heard = len(self._shop.rows("notifications", "AuditTableName"))
        totals = [row for row in self._shop.rows("notifications", "TotalsTableName") if "events" in row]
        yield Line("subscribers", {"of workflows": workflows}, {"in their audit": heard})
        yield Line("totals", {"of workflows": workflows}, {"in the totals": sum(int(row["events"]) for row in totals)})
        not_shipped = workflows - len(self._shop.fulfilled("SHIPPED"))
        yield Line("people", {"not shipped": not_shipped}, {"notified": len(self._people.received())})

    def _report(self) -> Iterator[Line]:
        rows = list(csv.DictReader(self._shop.report_text().splitlines()))
        yield Line("report", {"orders": len(self._shop.rows("orders", "TableName"))}, {"in the report": len(rows)})
        worth = sum(Decimal(row["amount"]) for row in rows if row["state"] == "SHIPPED")
        back = -sum(Decimal(refund.amount) for refund in self._provider.refunds.values())
        yield Line("report, EUR", {"charged": self._charged, "paid back": back}, {"shipped in the report": worth})

    @property
    def _charged(self) -> Decimal:
        return sum((Decimal(charge.amount) for charge in self._provider.charges.values()), Decimal(0))
