"""SnsFanout, driven from outside: events are published, kept, added up, and told of where the filter lets them through.

And the other half of the promises: an event that comes twice, and a message that is none.
"""

from __future__ import annotations

import json
import secrets
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from serverless_patterns.local.account import Account, Stack
from serverless_patterns.local.events import Events
from serverless_patterns.local.hops import Effect, OnHop
from serverless_patterns.local.queues import Inbox, Queue

#: What is published: what happened, and the amount. The catalogue's filter lets two of them through to people.
PUBLISHED = (
    ("orders.paid", "19.99"),
    ("orders.paid", "0.01"),
    ("orders.shipped", None),
    ("orders.declined", "5.00"),
    ("orders.failed", "7.50"),
)
TOLD = {"orders.declined", "orders.failed"}
SUBSCRIBERS = ("Audit", "Totals", "Notification")


def drive(account: Account, stack: Stack, on_hop: OnHop) -> None:
    """Drive the deployed fan-out, and delete what was created."""
    subscribers = {name: Events(account, stack.outputs[f"{name}LogGroupName"], on_hop) for name in SUBSCRIBERS}
    with Inbox(account, stack.outputs["NotificationTopicArn"]) as inbox:
        fanout = Fanout(account, stack, inbox)
        try:
            _publish(subscribers, fanout)
            _publish_again(subscribers, fanout)
            _poison(subscribers, fanout)
            subscribers["Audit"].hop("Every one is accounted for", "all that was sent", fanout.accounted_for, called=False)
        finally:
            fanout.delete()


def _publish(subscribers: dict[str, Events], fanout: Fanout) -> None:
    published = f"publish {len(PUBLISHED)} events"
    subscribers["Audit"].hop("Each event is kept", published, fanout.kept, send=fanout.publish)
    subscribers["Totals"].hop("They are added up", "the same events", fanout.added_up)
    subscribers["Notification"].hop("People are told of two of them", "the same events", fanout.told)


def _publish_again(subscribers: dict[str, Events], fanout: Fanout) -> None:
    subscribers["Audit"].hop("They come twice: kept once", "publish them again", fanout.kept, send=fanout.publish)
    subscribers["Totals"].hop("And added up once", "the same events", fanout.added_up)


def _poison(subscribers: dict[str, Events], fanout: Fanout) -> None:
    subscribers["Audit"].hop(
        "A message that is no event", "publish a message", lambda: fanout.dead("Audit"), send=fanout.publish_poison
    )
    subscribers["Totals"].hop("It is put aside by each subscriber", "the same message", lambda: fanout.dead("Totals"))


class Fanout:
    """The events of one drive: what is kept, added up, told and put aside.

    Args:
        account: Where the stack is.
        stack: The stack.
        inbox: Receives what people are told.
    """

    def __init__(self, account: Account, stack: Stack, inbox: Inbox) -> None:
        self._topics = account.client("sns")
        self._topic_arn = stack.outputs["TopicArn"]
        self._queues = {name: Queue(account, stack.outputs[f"{name}QueueUrl"]) for name in SUBSCRIBERS}
        self._dead_letters = {name: Queue(account, stack.outputs[f"{name}DeadLetterQueueUrl"]) for name in SUBSCRIBERS}
        self._audit = account.table(stack.outputs["AuditTableName"])
        self._totals = account.table(stack.outputs["TotalsTableName"])
        self._inbox = inbox
        self._run = uuid.uuid4()
        self._time = _day_of_nobody()
        self._events = [self._event(number, kind, amount) for number, (kind, amount) in enumerate(PUBLISHED)]
        self._poison = f"no event of the drive {self._run}"
        self._dead: dict[str, str] = {}

    def publish(self) -> str:
        """Publish all events, with the attributes that subscribers filter by."""
        for event in self._events:
            attributes = {"event_type": event["type"], "event_version": str(event["version"])}
            self._topics.publish(
                TopicArn=self._topic_arn,
                Message=json.dumps(event),
                MessageAttributes={name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()},
            )
        return f"{len(self._events)} taken"

    def publish_poison(self) -> str:
        """Publish what is no event."""
        self._topics.publish(TopicArn=self._topic_arn, Message=self._poison)
        return "taken"

    def kept(self) -> Effect:
        """Each event is a row."""
        rows = [self._audit.get_item(Key={"id": event["id"]}, ConsistentRead=True).get("Item") for event in self._events]
        missing = [
            event["id"] for event, row in zip(self._events, rows, strict=True) if row is None or row["type"] != event["type"]
        ]
        faults = [f"{event_id} is not kept" for event_id in missing]
        return Effect(f"{len(rows) - len(missing)} rows", (*faults, *self._left("Audit")))

    def added_up(self) -> Effect:
        """The total of each type has the number and the amount of its events."""
        expected: dict[str, tuple[int, Decimal]] = {}
        for kind, amount in PUBLISHED:
            number, total = expected.get(kind, (0, Decimal(0)))
            expected[kind] = number + 1, total + Decimal(amount or 0)
        got = {kind: self._total(kind) for kind in expected}
        faults = [
            f"the total of {kind} should be {expected[kind]}, got {got[kind]}" for kind in got if got[kind] != expected[kind]
        ]
        shown = ", ".join(f"{kind} {number} of {total} EUR" for kind, (number, total) in got.items())
        return Effect(shown, (*faults, *self._left("Totals")))

    def told(self) -> Effect:
        """People are told of the events that pass the filter, and of no other."""
        texts = [message.body for message in self._inbox.received()]
        told = {event["type"] for event in self._events if any(event["id"] in text for text in texts)}
        faults = [f"people should be told of {sorted(TOLD)}, got {sorted(told)}"] if told != TOLD else []
        return Effect(f"told of {', '.join(sorted(told)) or 'nothing'}", (*faults, *self._left("Notification")))

    def dead(self, name: str) -> Effect:
        """The message is in the dead-letter queue of a subscriber, with its reason."""
        for message in self._dead_letters[name].take(lambda message: message.body == self._poison):
            self._dead[name] = message.attributes.get("Reason", "")
        if name not in self._dead:
            return Effect("not put aside", (f"the message is not in the dead-letter queue of {name}",))
        return Effect(f"put aside: {self._dead[name]}", () if self._dead[name] else ("the reason is missing",))

    def accounted_for(self) -> Effect:
        """All is kept, added up, told and put aside as it was, and no queue has anything left."""
        effects = [self.kept(), self.added_up(), self.told()]
        shown = f"{effects[0].shown}, {len(self._dead)} put aside, nothing left in the queues"
        return Effect(shown, tuple(fault for effect in effects for fault in effect.faults))

    def delete(self) -> None:
        """Delete what the drive has created, and nothing else: others may use the tables and queues."""
        for name in ("Audit", "Totals"):
            self.dead(name)
        for event in self._events:
            self._audit.delete_item(Key={"id": event["id"]})
            self._totals.delete_item(Key={"id": f"event#{event['id']}"})
            self._totals.delete_item(Key={"id": self._total_id(event["type"])})

    def _event(self, number: int, kind: str, amount: str | None) -> dict[str, Any]:
        data = {"order_id": f"{self._run}-{number}"}
        return {
            "id": f"{self._run}-{number}:{kind}",
            "type": kind,
            "version": 1,
            "time": self._time,
            "correlation_id": f"{self._run}-{number}",
            "causation_id": str(self._run),
            "source": "drive",
            "data": {**data, "amount": float(amount), "currency": "EUR"} if amount else data,
        }

    def _total(self, kind: str) -> tuple[int, Decimal]:
        row = self._totals.get_item(Key={"id": self._total_id(kind)}, ConsistentRead=True).get("Item", {})
        return int(row.get("events", 0)), Decimal(row.get("amount_EUR", 0))

    def _total_id(self, kind: str) -> str:
        return f"{kind}#{self._time[:10]}"

    def _left(self, name: str) -> list[str]:
        left = self._queues[name].count()
        return [f"{left} messages are still in the queue of {name}"] if left else []


def _day_of_nobody() -> str:
    """A time long ago: the totals of its day are the drive's own, to be deleted afterwards."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=secrets.randbelow(10_000))).isoformat()
