"""The shop that is deployed, looked at from outside: what is in its tables, queues and buckets."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from serverless_patterns.local.account import Account, Stack
from serverless_patterns.local.queues import Message, Queue

STACKS = ("bus", "products", "view", "imports", "orders", "notifications", "fulfilment", "report")
Row = dict[str, Any]


class Deployed:
    """The shop.

    Args:
        account: Where it is deployed.
        environment: Its environment.
    """

    def __init__(self, account: Account, environment: str = "local") -> None:
        self.account = account
        self._stacks = {name: account.stack(f"{environment}-shop-{name}") for name in STACKS}
        self.table = cache(self._table)
        self._states = account.client("stepfunctions")
        self._s3 = account.client("s3")

    def stack(self, name: str) -> Stack:
        """A stack, by the name that it has in the shop."""
        return self._stacks[name]

    def of(self, name: str) -> Mapping[str, str]:
        """The outputs of a stack."""
        return self._stacks[name].outputs

    def rows(self, stack: str, output: str) -> list[Row]:
        """All rows of the table that an output names."""
        found: list[Row] = self.table(stack, output).scan(ConsistentRead=True)["Items"]  # a page is enough for a story
        return found

    def view(self) -> dict[str, Row]:
        """The products as customers see them."""
        return {row["data"]["id"]: row for row in self.rows("view", "ViewTableName")}

    def file_states(self) -> list[str]:
        """What became of each price list."""
        return [row["state"] for row in self.rows("imports", "TableName") if row["row"] == 0]

    def order(self, order_id: str) -> Row:
        """An order, as the worker left it."""
        found: Row = self.table("orders", "TableName").get_item(Key={"id": order_id}, ConsistentRead=True)["Item"]
        return found

    def orders(self, state: str) -> list[Row]:
        """The orders in this state."""
        return [row for row in self.rows("orders", "TableName") if row["state"] == state]

    def dead_letters(self) -> list[Message]:
        """The orders that nobody can work."""
        return Queue(self.account, self.of("orders")["DeadLetterQueueUrl"]).messages()

    def executions(self, status: str) -> int:
        """How many executions of the workflow have this status."""
        pages = self._states.get_paginator("list_executions").paginate(
            stateMachineArn=self.of("fulfilment")["StateMachineArn"], statusFilter=status
        )
        return sum(len(page["executions"]) for page in pages)

    def fulfilled(self, state: str) -> list[Row]:
        """The orders that the workflow left in this state."""
        return [row for row in self.rows("fulfilment", "TableName") if row["state"] == state]

    def stock(self) -> int:
        """How many items are in stock."""
        return sum(int(row["available"]) for row in self.rows("fulfilment", "StockTableName"))

    def ledger(self) -> dict[str, Row]:
        """What became of each order, as the bus told it."""
        return {row["id"]: row for row in self.rows("report", "SourceTableName")}

    def ledger_states(self) -> dict[str, str]:
        """The same, in a word."""
        return {order_id: row["state"] for order_id, row in self.ledger().items()}

    def runs(self) -> list[Row]:
        """The runs of the report."""
        return self.rows("report", "RunsTableName")

    def report_text(self) -> str:
        """The report, as CSV."""
        key = next(key for run in self.runs() for key in run["keys"] if key.endswith(".csv"))
        body = self._s3.get_object(Bucket=self.of("report")["BucketName"], Key=key)["Body"].read()
        return str(body.decode("utf-8-sig"))

    def left_in_queues(self) -> int:
        """How many messages are in all queues of the shop, those for what failed included."""
        urls = [url for name in STACKS for output, url in self.of(name).items() if output.endswith("QueueUrl")]
        return sum(Queue(self.account, url).count() for url in urls)

    def _table(self, stack: str, output: str) -> Any:  # noqa: ANN401  boto3 makes its classes at run time
        return self.account.table(self.of(stack)[output])
