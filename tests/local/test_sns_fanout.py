"""SnsFanout deployed by the real CDK CLI, used from outside: what is published, and what each subscriber makes of it."""

import json
import random
from collections import defaultdict
from decimal import Decimal

import pytest

from serverless_patterns.local.drives import driven_patterns
from serverless_patterns.local.drives.sns_fanout import drive
from serverless_patterns.local.processes import wait_until
from serverless_patterns.local.queues import Inbox
from tests.support.fanout import Fanout, event
from tests.support.waiting import PATIENCE, eventually

SUBSCRIBERS = ("Audit", "Totals", "Notification")
TYPES = ("orders.paid", "orders.paid", "orders.declined", "orders.failed", "orders.shipped")
TOLD = {"orders.declined", "orders.failed"}
DAY = "2001-09-09"

#: What is no event, and what its reason must say. Each comes twice among 200 events: 5 %.
POISON = {
    "no JSON": ("{", "JSON"),
    "no object": ("[]", "no JSON object"),
    "no envelope": ('{"order_id": "1"}', "no envelope"),
    "a version to come": (json.dumps(event(version=2)), "version 2"),
    "an event in SNS's own JSON": (
        json.dumps({"Type": "Notification", "MessageId": "1", "TopicArn": "arn", "Message": "{}"}),
        "raw message delivery",
    ),
}


class Rush:
    """200 events of all types and 10 messages that are none, published at the same time.

    Args:
        fanout: Where to.
        inbox: Receives what people are told.
    """

    def __init__(self, fanout, inbox):
        amounts = random.Random(7)  # noqa: S311  amounts are no secret
        self.fanout = fanout
        self.inbox = inbox
        self.events = [self._event(number, Decimal(amounts.randint(1, 99_999)) / 100) for number in range(200)]
        self.poison = {f"{body}{' ' * number}": reason for number in range(2) for body, reason in POISON.values()}

    def run(self):
        self.fanout.publish_events(self.events)
        for body in self.poison:
            self.fanout.publish(body, event_type="orders.failed")

    def told(self):
        """The ids of the events that people were told of."""
        texts = "\n".join(message.body for message in self.inbox.received())
        return {each["id"] for each in self.events if each["id"] in texts}

    def expected_totals(self):
        totals = defaultdict(lambda: (0, Decimal(0)))
        for each in self.events:
            number, amount = totals[each["type"]]
            totals[each["type"]] = number + 1, amount + Decimal(str(each["data"]["amount"]))
        return dict(totals)

    @staticmethod
    def _event(number, amount):
        return event(
            type=TYPES[number % len(TYPES)], time=f"{DAY}T10:00:00Z", data={"amount": float(amount), "currency": "EUR"}
        )


def total(fanout, kind, day):
    row = fanout.account.table(fanout.output("TotalsTableName")).get_item(Key={"id": f"{kind}#{day}"}).get("Item", {})
    return int(row.get("events", 0)), row.get("amount_EUR", Decimal(0))


@pytest.fixture(scope="module")
def fanout(account, events):
    return Fanout(account, events)


@pytest.fixture(scope="module")
def rush(account, fanout):
    with Inbox(account, fanout.output("NotificationTopicArn")) as inbox:
        rush = Rush(fanout, inbox)
        rush.run()
        yield rush


@pytest.fixture(scope="module")
def put_aside(rush):
    """What each subscriber put aside of the rush: body -> reason."""
    found = {name: {} for name in SUBSCRIBERS}

    def all_there():
        for name in SUBSCRIBERS:
            letters = rush.fanout.dead_letters(name).take(lambda message: message.body in rush.poison)
            found[name] |= {letter.body: letter.attributes["Reason"] for letter in letters}
        return all(len(bodies) == len(rush.poison) for bodies in found.values())

    wait_until(all_there, seconds=PATIENCE, interval=0.1)
    return found


def test_each_of_200_events_at_once_is_kept_as_one_row(rush):
    expected = {each["id"]: (each["type"], Decimal(str(each["data"]["amount"]))) for each in rush.events}

    def kept():
        rows = rush.fanout.rows("AuditTableName", rush.events)
        return {name: (row["type"]["S"], Decimal(row["data"]["M"]["amount"]["N"])) for name, row in rows.items()}

    assert len(expected) == 200
    assert eventually(kept, expected) == expected


def test_the_totals_of_200_events_at_once_are_exact(rush):
    expected = rush.expected_totals()
    assert eventually(lambda: {kind: total(rush.fanout, kind, DAY) for kind in expected}, expected) == expected


def test_people_are_told_of_the_events_that_pass_the_filter_and_of_no_other(rush):
    expected = {each["id"] for each in rush.events if each["type"] in TOLD}
    assert len(expected) == 80
    assert eventually(rush.told, expected) == expected


def test_what_is_no_event_is_put_aside_by_each_subscriber_with_the_reason(rush, put_aside):
    for name in SUBSCRIBERS:
        assert put_aside[name].keys() == rush.poison.keys(), name
        assert {body for body, reason in put_aside[name].items() if rush.poison[body] not in reason} == set(), name


def test_all_that_was_published_is_worked_or_put_aside_and_nothing_is_left(rush, put_aside):
    expected = {"Audit": 210, "Totals": 210, "Notification": 90}

    def accounted_for():
        worked = {
            "Audit": len(rush.fanout.rows("AuditTableName", rush.events)),
            "Totals": sum(total(rush.fanout, kind, DAY)[0] for kind in set(TYPES)),
            "Notification": len(rush.told()),
        }
        return {name: worked[name] + len(put_aside[name]) for name in SUBSCRIBERS}

    assert eventually(accounted_for, expected) == expected
    assert eventually(lambda: [rush.fanout.queue(name).count() for name in SUBSCRIBERS], [0, 0, 0]) == [0, 0, 0]
    assert [rush.fanout.undelivered(name).count() for name in SUBSCRIBERS] == [0, 0, 0]


def test_an_event_that_is_published_twice_is_kept_and_counted_once(fanout):
    day = "2002-03-04"
    twice = event(time=f"{day}T00:00:00Z", data={"amount": 19.99, "currency": "EUR"})
    for _ in range(2):
        fanout.publish(twice, event_type=twice["type"])
    queues = [fanout.queue(name) for name in ("Audit", "Totals")]
    assert eventually(lambda: [queue.count() for queue in queues], [0, 0]) == [0, 0]
    assert total(fanout, "orders.paid", day) == (1, Decimal("19.99"))
    assert len(fanout.rows("AuditTableName", [twice])) == 1


def test_the_drive_shows_each_hop_and_deletes_its_own_rows_only(account, events, fanout):
    of_somebody_else = event()
    fanout.publish(of_somebody_else, event_type="orders.paid")
    queues = [fanout.queue(name) for name in SUBSCRIBERS]
    assert eventually(lambda: [queue.count() for queue in queues], [0, 0, 0]) == [0, 0, 0]
    assert fanout.rows("AuditTableName", [of_somebody_else])
    tables = [account.table(fanout.output(name)) for name in ("AuditTableName", "TotalsTableName")]
    before = [{item["id"] for item in table.scan()["Items"]} for table in tables]
    hops = []
    drive(account, events, hops.append)
    assert len(hops) > 5
    assert [hop for hop in hops if hop.faults] == []
    assert [{item["id"] for item in table.scan()["Items"]} for table in tables] == before


def test_sns_fanout_has_a_drive():
    assert "sns_fanout" in driven_patterns()
