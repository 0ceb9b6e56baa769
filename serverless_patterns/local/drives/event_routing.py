"""EventRouting, driven from outside: events are put on the bus, and each route works those that match its pattern.

And the other half of the promises: an event that comes twice, one of a version that nobody reads, one that belongs to no route
but all, and the archive, which brings everything again.
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any

from serverless_patterns.errors import LocalRunError
from serverless_patterns.local.account import Account, Stack
from serverless_patterns.local.events import Events
from serverless_patterns.local.hops import Effect, OnHop
from serverless_patterns.local.processes import wait_until
from serverless_patterns.local.queues import Queue

#: What is put on the bus. The catalogue's routes: one of payments, one of everything.
PUT = ("orders.paid", "orders.paid", "orders.declined", "orders.shipped", "customers.moved")
PAYMENTS = {"orders.paid", "orders.declined"}
ROUTES = ("Payments", "Everything")
#: A version of the envelope that nobody reads.
UNREAD = 99
#: The longest that a replay of a few events may take, in seconds.
REPLAY_SECONDS = 60.0


def drive(account: Account, stack: Stack, on_hop: OnHop) -> None:
    """Drive the deployed bus, and delete what was created; what is archived stays until the archive's days are over."""
    functions = {name: Events(account, stack.outputs[f"{name}LogGroupName"], on_hop) for name in ROUTES}
    routing = Routing(account, stack)
    try:
        _put(functions, routing)
        _put_again(functions, routing)
        _put_unread(functions, routing)
        if account.url is not None:  # an archive of AWS has an event up to ten minutes after the bus
            _replay(functions, routing)
        functions["Everything"].hop("Every one is accounted for", "all that was sent", routing.accounted_for, called=False)
    finally:
        routing.delete()


def _put(functions: dict[str, Events], routing: Routing) -> None:
    everything, payments = functions["Everything"], functions["Payments"]
    everything.hop(
        "The route of all keeps each", f"put {len(PUT)} events", lambda: routing.kept("Everything"), send=routing.put
    )
    payments.hop("That of payments keeps three", "the same events", lambda: routing.kept("Payments"))


def _put_again(functions: dict[str, Events], routing: Routing) -> None:
    everything, payments = functions["Everything"], functions["Payments"]
    everything.hop("They come twice: kept once", "put them again", lambda: routing.unchanged("Everything"), send=routing.put)
    payments.hop("By the other route too", "the same events", lambda: routing.unchanged("Payments"))


def _put_unread(functions: dict[str, Events], routing: Routing) -> None:
    everything, payments = functions["Everything"], functions["Payments"]
    sent = f"put an event of version {UNREAD}"
    everything.hop("A version that nobody reads", sent, lambda: routing.dead("Everything"), send=routing.put_unread)
    payments.hop("It is put aside by each route", "the same event", lambda: routing.dead("Payments"))


def _replay(functions: dict[str, Events], routing: Routing) -> None:
    everything, payments = functions["Everything"], functions["Payments"]
    everything.hop("A replay: all comes again", "replay the drive", lambda: routing.replayed("Everything"), send=routing.replay)
    payments.hop("And changes nothing", "the same replay", lambda: routing.replayed("Payments"))


class Routing:
    """The events of one drive: what each route keeps, and what it puts aside.

    Args:
        account: Where the stack is.
        stack: The stack.
    """

    def __init__(self, account: Account, stack: Stack) -> None:
        self._client = account.client("events")
        self._outputs = stack.outputs
        self._tables = {name: account.table(stack.outputs[f"{name}TableName"]) for name in ROUTES}
        self._queues = {name: Queue(account, stack.outputs[f"{name}QueueUrl"]) for name in ROUTES}
        self._dead_letters = {name: Queue(account, stack.outputs[f"{name}DeadLetterQueueUrl"]) for name in ROUTES}
        self._began = datetime.now(UTC).replace(microsecond=0)
        self._run = str(uuid.uuid4())
        self._entries = [self._entry(f"{number}", kind) for number, kind in enumerate(PUT)]
        self._unread = self._entry("unread", "orders.paid", version=UNREAD)
        self._first: dict[str, list[Any]] = {}
        self._dead: dict[str, str] = {}
        self._replay_name = ""

    def put(self) -> str:
        """Put all events on the bus."""
        return self._put(self._entries)

    def put_unread(self) -> str:
        """Put the event on the bus that nobody reads."""
        return self._put([self._unread])

    def replay(self) -> str:
        """Replay what was put since the drive began, and wait until that is done.

        Raises:
            LocalRunError: It is not.
        """
        self._replay_name = f"drive-{self._run}"
        self._client.start_replay(
            ReplayName=self._replay_name,
            EventSourceArn=self._outputs["ArchiveArn"],
            EventStartTime=self._began,
            EventEndTime=datetime.now(UTC),
            Destination={"Arn": self._outputs["BusArn"]},
        )
        if not wait_until(lambda: self._replay_state() == "COMPLETED", seconds=REPLAY_SECONDS, interval=0.1):
            msg = f"the replay {self._replay_name} is {self._replay_state()} after {REPLAY_SECONDS:g} s"
            raise LocalRunError(msg)
        return "completed"

    def kept(self, name: str) -> Effect:
        """Each event that matches the route is a row of its table, and no other is."""
        expected = [self._id(entry) for entry in self._entries if name == "Everything" or entry["DetailType"] in PAYMENTS]
        rows = self._rows(name)
        got = [row["event_id"] for row in rows]
        faults = [] if got == expected else [f"{name} should keep {len(expected)} events, got {len(got)}"]
        self._first[name] = rows
        return Effect(f"{len(got)} rows", (*faults, *self._left(name)))

    def unchanged(self, name: str) -> Effect:
        """The rows are what they were after the first time, but for the replay that they say."""
        rows = [{key: value for key, value in row.items() if key != "replayed"} for row in self._rows(name)]
        faults = [] if rows == self._first[name] else [f"the rows of {name} are not what they were"]
        return Effect(f"{len(rows)} rows as before", (*faults, *self._left(name)))

    def dead(self, name: str) -> Effect:
        """The event that nobody reads is in the dead-letter queue of a route, with its reason."""
        for message in self._dead_letters[name].take(lambda message: self._id(self._unread) in message.body):
            self._dead[name] = message.attributes.get("Reason", "")
        if name not in self._dead:
            return Effect("not put aside", (f"the event is not in the dead-letter queue of {name}",))
        return Effect(f"put aside: {self._dead[name]}", () if self._dead[name] else ("the reason is missing",))

    def replayed(self, name: str) -> Effect:
        """Each row says that the replay brought its event again, and what nobody reads is put aside again."""
        said = [row.get("replayed") for row in self._rows(name)]
        faults = [] if set(said) == {self._replay_name} else [f"not all events of {name} were replayed"]
        effects = [self.unchanged(name), self.dead(name)]
        return Effect(f"{len(said)} rows say so", (*faults, *(fault for effect in effects for fault in effect.faults)))

    def accounted_for(self) -> Effect:
        """All is kept or put aside as it was, and no queue has anything left."""
        effects = [self.unchanged(name) for name in ROUTES]
        shown = f"{' and '.join(effect.shown for effect in effects)}, {len(self._dead)} put aside, nothing left in the queues"
        return Effect(shown, tuple(fault for effect in effects for fault in effect.faults))

    def delete(self) -> None:
        """Delete what the drive has created, and nothing else: others may use the bus."""
        for name in ROUTES:
            self.dead(name)
            for entry in self._entries:
                self._tables[name].delete_item(Key=self._key(entry))

    def _put(self, entries: list[dict[str, str]]) -> str:
        failed = self._client.put_events(Entries=entries)["FailedEntryCount"]
        return f"{len(entries) - failed} taken" + (f", {failed} not" if failed else "")

    def _replay_state(self) -> str:
        state: str = self._client.describe_replay(ReplayName=self._replay_name)["State"]
        return state

    def _rows(self, name: str) -> list[dict[str, Any]]:
        table = self._tables[name]
        found = (table.get_item(Key=self._key(entry), ConsistentRead=True).get("Item") for entry in self._entries)
        return [row for row in found if row is not None]

    def _entry(self, number: str, kind: str, version: int = 1) -> dict[str, str]:
        metadata = {
            "id": f"{self._run}-{number}",
            "version": version,
            "time": datetime.now(UTC).isoformat(),
            "correlation_id": self._run,
            "causation_id": self._run,
        }
        detail = {"metadata": metadata, "data": {"order_id": f"{self._run}-{number}", "amount": 19.99}}
        return {
            "EventBusName": self._outputs["BusName"],
            "Source": "drive",
            "DetailType": kind,
            "Detail": json.dumps(detail),
        }

    def _left(self, name: str) -> list[str]:
        left = self._queues[name].count()
        return [f"{left} messages are still in the queue of {name}"] if left else []

    def _key(self, entry: dict[str, str]) -> dict[str, str]:
        """Where a route keeps it: the same id of another source is another event."""
        return {"id": f"{entry['Source']}#{self._id(entry)}"}

    @staticmethod
    def _id(entry: dict[str, str]) -> str:
        event_id: str = json.loads(entry["Detail"])["metadata"]["id"]
        return event_id
