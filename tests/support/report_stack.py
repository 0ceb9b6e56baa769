"""A deployed ``ScheduledReport`` as its tests see it: ticks go in, and what they make is looked for until it is there."""

import csv
import io
import itertools
import json
import re
from datetime import date, timedelta
from urllib.request import urlopen

from serverless_patterns.local.processes import wait_until
from tests.support.deployed import DeployedStack, taken
from tests.support.functions import DeployedFunction, without_bucket
from tests.support.waiting import PATIENCE, eventually

#: What each SQL report of the tests is about. An item may take its time: the database sleeps for it.
TABLE = """
CREATE TABLE IF NOT EXISTS sales (
    id text PRIMARY KEY,
    item text,
    amount numeric,
    sold_at timestamptz NOT NULL,
    seconds double precision NOT NULL DEFAULT 0
)
"""
SQL = """
SELECT id, item, amount FROM sales
WHERE CASE WHEN sold_at >= :from AND sold_at < :until THEN pg_sleep(seconds) IS NOT NULL END
"""

_days = itertools.count()


def new_day():
    """A day in the past that no other test uses."""
    return (date(2024, 1, 1) + timedelta(days=next(_days))).isoformat()


def sell(database, first, number, *, every="30 minutes", seconds=0.0):
    """Put so many sales into a database, one after the other from a moment on."""
    database.execute(
        "INSERT INTO sales (id, item, amount, sold_at, seconds) SELECT CAST(:first AS text) || '/' || lpad(n::text, 6, '0'), "
        "'item ' || n, n / 4.0, CAST(:first AS timestamptz) + (n - 1) * CAST(:every AS interval), :seconds "
        "FROM generate_series(1, CAST(:number AS int)) AS n",
        first={"stringValue": first},
        every={"stringValue": every},
        number={"longValue": number},
        seconds={"doubleValue": seconds},
    )


class ReportStack(DeployedStack):
    """A report of a stack; its dead-letter queues are that of the function and that of the schedule.

    Args:
        emulator: Where it runs.
        account: The same, for clients.
        stack: The stack.
        prefix: Of the names of its outputs; the report has this name.
    """

    def __init__(self, emulator, account, stack, prefix):
        super().__init__(account, stack, prefix)
        self._emulator = emulator
        self._lambda, self.s3 = account.client("lambda"), account.client("s3")
        self.table = account.table(self.output("RunsTableName"))
        self.function = DeployedFunction(emulator, account, self.output("FunctionName"))

    # What asks for a report.

    def invoke(self, event):
        """Invoke the function when no other run is at it, and wait: what it answers, or the words with which it failed."""
        answers = []
        assert wait_until(lambda: self._accepted(event, answers), seconds=PATIENCE, interval=0.1)
        (answer,) = answers
        found = json.loads(answer["Payload"].read())
        return found["errorMessage"] if "FunctionError" in answer else found

    def _accepted(self, event, answers):
        try:
            answers.append(self._lambda.invoke(FunctionName=self.output("FunctionName"), Payload=json.dumps(event).encode()))
        except self._lambda.exceptions.TooManyRequestsException:
            return False
        return True

    def made(self, day, **more):
        """Make the report of a day, which is known to work: what the function answers."""
        answer = self.invoke({"date": day, **more})
        assert isinstance(answer, dict), answer
        return answer

    def send(self, event):
        """Invoke the function as a schedule does: nobody waits for an answer."""
        payload = event if isinstance(event, bytes) else json.dumps(event).encode()
        self._lambda.invoke(FunctionName=self.output("FunctionName"), InvocationType="Event", Payload=payload)

    # What can be seen.

    def run(self, day):
        """The row of the run of a day."""
        return self.table.get_item(Key={"id": f"{self.prefix}#{day}"}, ConsistentRead=True).get("Item", {})

    def done(self, day):
        """The row of the run of a day when it is done."""
        assert eventually(lambda: self.run(day).get("state"), "DONE") == "DONE", self.run(day)
        return self.run(day)

    def keys(self, day):
        """The keys of what is in the bucket for a day."""
        found = self.s3.list_objects_v2(Bucket=self.output("BucketName"), Prefix=f"reports/dt={day}/")
        return [each["Key"].rpartition("/")[2] for each in found.get("Contents", ())]

    @property
    def files(self):
        """The names of the files of each report."""
        return [f"{self.prefix}.csv", f"{self.prefix}.html"]

    def content(self, day, ending):
        """A file of the report of a day."""
        key = f"reports/dt={day}/{self.prefix}.{ending}"
        return self.s3.get_object(Bucket=self.output("BucketName"), Key=key)["Body"].read()

    def rows(self, day):
        """The rows of the CSV, by the names of the columns."""
        return list(csv.DictReader(io.StringIO(self.content(day, "csv").decode("utf-8-sig"), newline="")))

    def letters(self, number=1, *, delivery=False):
        """So many kept events as soon as they are there, taken out."""
        found = taken(self.undelivered() if delivery else self.dead_letters(), number, seconds=2 * PATIENCE)
        assert len(found) == number, [letter.body for letter in found]
        return found

    def kept(self, number=1):
        """What is in so many kept events: event, words and tries."""
        records = [json.loads(letter.body) for letter in self.letters(number)]
        return [
            (each["requestPayload"], each["responsePayload"]["errorMessage"], each["requestContext"]["approximateInvokeCount"])
            for each in records
        ]

    def mails(self, day):
        """The mails about the report of a day."""
        accounts = json.loads(opened(f"{self._emulator.url}/_ministack/ses/messages"))["messages"]
        return [each for mails in accounts.values() for each in mails if f"{self.prefix} {day}" in each["Subject"]]

    def alarm(self, metric):
        """The state of the alarm on a metric of the function, or of its dead-letter queue."""
        pages = self.account.client("cloudwatch").get_paginator("describe_alarms").paginate()
        own = {self.output("FunctionName"), self.output("DeadLetterQueueUrl").rpartition("/")[2]}
        (state,) = [
            each["StateValue"]
            for page in pages
            for each in page["MetricAlarms"]
            for watched in _watched(each)
            if watched["MetricName"] == metric and own & {dimension["Value"] for dimension in watched["Dimensions"]}
        ]
        return state

    # What is changed.

    def without_bucket(self):
        """There is no bucket as long as this lasts."""
        return without_bucket(self.account, self.output("BucketName"))


def links_in(text):
    """The links of a message."""
    return re.findall(r"^https?://\S+", text, re.MULTILINE)


def opened(link):
    """What somebody gets who follows a link."""
    with urlopen(link, timeout=10) as answer:  # noqa: S310  of the emulator
        return answer.read()


def told(inbox, day):
    """What a topic has told of a day."""
    return [message.body for message in inbox.received() if day in message.body]


def _watched(alarm):
    """The metrics that an alarm watches, by itself or in its metric math."""
    return [each["MetricStat"]["Metric"] for each in alarm.get("Metrics", ()) if "MetricStat" in each] or [alarm]
