"""A deployed bus as its tests see it: events go in, and what the routes make of them is looked for until it is there."""

import json
import time
import uuid
from collections import Counter

from tests.support.deployed import DeployedStack
from tests.support.waiting import eventually

#: The most entries of one call.
BATCH = 10


def event(kind="orders.paid", *, version=1, source="tests", **data):
    """An event of this type with an id of its own, as an entry of PutEvents whose detail is still a dict."""
    event_id = str(uuid.uuid4())
    metadata = {
        "id": event_id,
        "version": version,
        "time": "2001-02-03T04:05:06Z",
        "correlation_id": f"story of {event_id}",
        "causation_id": "message",
    }
    return {"Source": source, "DetailType": kind, "Detail": {"metadata": metadata, "data": data}}


def id_of(entry):
    return entry["Detail"]["metadata"]["id"]


def ids_of(entries):
    return {id_of(each) for each in entries}


class Routing(DeployedStack):
    """A bus of a stack with its routes, which are its parts."""

    def __init__(self, account, stack, prefix=""):
        super().__init__(account, stack, prefix)
        self._client = account.client("events")

    def put(self, *entries):
        """Put events on the bus; a detail that is a text goes as it is."""
        texts = [
            each if isinstance(each["Detail"], str) else {**each, "Detail": json.dumps(each["Detail"])} for each in entries
        ]
        on_bus = [{**each, "EventBusName": self.output("BusName")} for each in texts]
        for start in range(0, len(on_bus), BATCH):
            assert self._client.put_events(Entries=on_bus[start : start + BATCH])["FailedEntryCount"] == 0

    def archived(self):
        """How many events the archive has."""
        return self._client.describe_archive(ArchiveName=self.output("ArchiveName"))["EventCount"]

    def replay(self, name, *, since, routes=()):
        """Replay what the bus took since then, to these routes or all, and wait until all is on its way."""
        destination = {"Arn": self.output("BusArn")}
        if routes:
            destination["FilterArns"] = [self.output(f"{route}RuleArn") for route in routes]
        self._client.start_replay(
            ReplayName=name,
            EventSourceArn=self.output("ArchiveArn"),
            EventStartTime=int(since),
            EventEndTime=time.time(),
            Destination=destination,
        )
        state = eventually(lambda: self._client.describe_replay(ReplayName=name)["State"], "COMPLETED")
        assert state == "COMPLETED"

    def rows(self, route, entries):
        """The rows that a route has of these events, by id."""
        wanted = ids_of(entries)
        return {row["event_id"]: row for row in self._table(f"{route}TableName") if row["event_id"] in wanted}

    def kept(self, route, entries):
        """Of which of these events a route has a row."""
        return set(self.rows(route, entries))

    def _table(self, name):
        table, start = self.account.table(self.output(name)), {}
        while True:
            page = table.scan(ConsistentRead=True, **start)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def letter_id(letter):
    """The id of the event in a letter."""
    return json.loads(letter.body)["detail"]["metadata"]["id"]


def each_once(entries, times=1):
    return Counter({id_of(each): times for each in entries})
