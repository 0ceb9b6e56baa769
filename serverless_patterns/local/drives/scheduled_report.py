"""ScheduledReport, driven from outside: orders are put into its database, and the report of a day is made of them.

By hand for one day, twice; by its schedule; and for a day that has not ended, which nobody can report.
"""

from __future__ import annotations

import csv
import io
import json
import re
import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.request import urlopen

from serverless_patterns.local.account import Account, Stack
from serverless_patterns.local.database import FIRST, Database
from serverless_patterns.local.events import Events
from serverless_patterns.local.hops import Effect, OnHop
from serverless_patterns.local.queues import Inbox, Queue
from serverless_patterns.local.reports import Reports

#: The name of the catalogue's report, and of its database.
REPORT, DATABASE = "DailySales", "reports"
DAY = FIRST.date()
ORDERS = 300
#: Seconds in which Lambda tries an event three times: a minute after the first, two after the second.
RETRIED = 5 * 60.0
TOTALS = """
SELECT CAST(coalesce(sum(amount), 0) AS text) FROM orders
WHERE state = 'PAID' AND currency = 'EUR' AND placed_at >= CAST(:day AS timestamptz)
AND placed_at < CAST(:day AS timestamptz) + interval '1 day'
"""


def drive(account: Account, stack: Stack, on_hop: OnHop) -> None:
    """Drive the deployed pattern, and delete what was created."""
    function = Events(account, stack.outputs["LogGroupName"], on_hop)
    with Inbox(account, stack.outputs["TopicArn"]) as inbox:
        sales = Sales(account, stack, inbox)
        try:
            sales.seed()
            _drive(function, sales)
        finally:
            sales.delete()


def _drive(function: Events, sales: Sales) -> None:
    by_hand = json.dumps({"date": DAY.isoformat()})
    function.hop("The report of a day, by hand", by_hand, sales.made, send=sales.make)
    function.hop("The same day once more: nothing is made or told twice", by_hand, sales.made, send=sales.make)
    function.hop("The schedule fires: the day that ended last", "a tick", sales.ticked, send=sales.tick)
    step = "A day that has not ended: kept, with the reason, after three tries"
    event = json.dumps({"date": sales.today})
    function.hop(step, event, sales.kept, send=sales.order_today, patience=RETRIED)
    function.hop("The page, to open in a browser", "GetObject", sales.saved, called=False)


class Sales:
    """The orders of one drive, and the reports that are made of them.

    Args:
        account: Where the stack is.
        stack: The stack.
        inbox: Receives what people are told.
    """

    def __init__(self, account: Account, stack: Stack, inbox: Inbox) -> None:
        outputs = stack.outputs
        self._reports = Reports(account, stack)
        self._database = Database(account, outputs["ClusterArn"], outputs["DatabaseSecretArn"], DATABASE)
        self._table = account.table(outputs["RunsTableName"])
        self._dead_letters = Queue(account, outputs["DeadLetterQueueUrl"])
        self._bucket, self._function_name = outputs["BucketName"], outputs["FunctionName"]
        self._s3, self._lambda = account.client("s3"), account.client("lambda")
        self._inbox = inbox
        self._prefix = f"drive-{uuid.uuid4().hex[:8]}-"
        self._yesterday = datetime.now(UTC).date() - timedelta(days=1)
        self._own = [day for day in (DAY, self._yesterday) if not self._run(day)]
        self._keys: Sequence[str] = ()
        self._dead: list[str] = []

    @property
    def today(self) -> str:
        """A day that has not ended."""
        return datetime.now(UTC).date().isoformat()

    def seed(self) -> None:
        """Put orders into the database: 110 of them on the day that is reported."""
        self._database.seed(ORDERS, prefix=self._prefix)

    def make(self) -> str:
        """Make the report of the day; what the function answers."""
        answer = self._reports.make(DAY)
        self._keys = answer["keys"]
        return f"{answer['state']}, {answer['rows']} rows"

    def made(self) -> Effect:
        """Its files are there, the sum is that of the database to the last digit, and people were told once."""
        rows = list(csv.DictReader(io.StringIO(self._reports.content(self._keys[0]).decode("utf-8-sig"))))
        total, expected = sum(Decimal(row["revenue"] or 0) for row in rows), self._expected()
        told = self._told(DAY)
        faults = [] if total == expected else [f"the revenue should be {expected}, got {total}"]
        if len(told) != 1:
            faults.append(f"people should be told once, but were {len(told)} times")
        if told and (broken := self._broken_links(told[0])):
            faults.append(f"links that do not work: {', '.join(broken)}")
        return Effect(f"{len(rows)} hours, revenue {total} EUR as in the database; told once, the links work", tuple(faults))

    def tick(self) -> str:
        """Let the schedule fire now."""
        return f"schedule {self._reports.tick()}"

    def ticked(self) -> Effect:
        """The run of yesterday is done."""
        run = self._run(self._yesterday)
        state = run.get("state")
        faults = () if state == "DONE" else (f"the run of {self._yesterday} should be DONE, got {state}",)
        return Effect(f"{run.get('id')} {state}, {run.get('rows')} rows", faults)

    def order_today(self) -> str:
        """Ask for the report of a day that has not ended, as a schedule would: nobody waits for the answer."""
        payload = json.dumps({"date": self.today}).encode()
        answer = self._lambda.invoke(FunctionName=self._function_name, InvocationType="Event", Payload=payload)
        return str(answer["StatusCode"])

    def kept(self) -> Effect:
        """The event is in the dead-letter queue, with the reason."""
        self._dead += [letter.body for letter in self._dead_letters.take(lambda message: self.today in message.body)]
        if not self._dead:
            return Effect("not kept", ("the event is not in the dead-letter queue",))
        reason = json.loads(self._dead[0])["responsePayload"]["errorMessage"]
        return Effect(f"in the dead-letter queue: {reason}", () if "not ended" in reason else ("the reason is another one",))

    def saved(self) -> Effect:
        """The files on this machine."""
        paths = self._reports.save(self._keys)
        empty = [path.name for path in paths if not path.stat().st_size]
        faults = (f"{', '.join(empty)} should not be empty",) if empty else ()
        return Effect(f"{len(paths)} files saved", faults, tuple(paths))

    def delete(self) -> None:
        """Delete what the drive has created, and nothing else."""
        self._database.execute("DELETE FROM orders WHERE id LIKE :ids", ids={"stringValue": f"{self._prefix}%"})
        self._dead_letters.take(lambda message: self.today in message.body)
        for day in self._own:
            self._table.delete_item(Key={"id": f"{REPORT}#{day}"})
            pages = self._s3.get_paginator("list_object_versions").paginate(
                Bucket=self._bucket, Prefix=f"reports/dt={day}/{REPORT}."
            )
            for version in [each for page in pages for each in page.get("Versions", [])]:
                self._s3.delete_object(Bucket=self._bucket, Key=version["Key"], VersionId=version["VersionId"])

    def _run(self, day: date) -> dict[str, Any]:
        item: dict[str, Any] = self._table.get_item(Key={"id": f"{REPORT}#{day}"}, ConsistentRead=True).get("Item", {})
        return item

    def _expected(self) -> Decimal:
        answer = self._database.execute(TOTALS, day={"stringValue": FIRST.isoformat()})
        return Decimal(answer["records"][0][0]["stringValue"])

    def _told(self, day: date) -> list[str]:
        return [message.body for message in self._inbox.received() if str(day) in message.body]

    def _broken_links(self, text: str) -> list[str]:
        return [link for link in re.findall(r"^https?://\S+", text, re.MULTILINE) if not _opens(link)]


def _opens(link: str) -> bool:
    with urlopen(link, timeout=10) as answer:  # noqa: S310  a link to the report's own bucket
        return bool(answer.read())
