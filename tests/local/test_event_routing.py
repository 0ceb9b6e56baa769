"""EventRouting deployed by the real CDK CLI, used from outside: what is put on the bus, and what each route makes of it."""

import json
import random
import time
import uuid
from decimal import Decimal

import pytest

from serverless_patterns.local.drives import driven_patterns
from serverless_patterns.local.drives.event_routing import drive
from serverless_patterns.local.processes import wait_until
from shared.bus import NotTakenError, Publisher
from shared.envelope import Envelope
from tests.support.routing import Routing, event, id_of, ids_of
from tests.support.waiting import PATIENCE, eventually

ROUTES = ("Payments", "Everything")
PAYMENTS = {"orders.paid", "orders.declined"}
TYPES = ("orders.paid", "orders.paid", "orders.declined", "orders.shipped", "customers.moved")
NOTHING_LEFT = [0] * len(ROUTES)


def poison():
    """What is no event, and what its reason must say. A payment, so that both routes get it."""
    unread, empty, misplaced = event(version=2), event(), event()
    empty["Detail"] = {}
    misplaced["Detail"] = misplaced["Detail"]["metadata"]
    numbers, text = event(), event()
    numbers["Detail"]["metadata"]["id"] = 7
    text["Detail"]["data"] = "all of it"
    return [(unread, "version 2"), (empty, "metadata"), (misplaced, "metadata"), (numbers, "id"), (text, "data")]


class Rush:
    """200 events, 20 of them twice, and 10 that are none, in any order.

    Args:
        routing: Where to.
    """

    def __init__(self, routing):
        amounts = random.Random(7)  # noqa: S311  amounts are no secret
        self.routing = routing
        self.since = time.time()
        self.run = str(uuid.uuid4())
        self.events = [
            event(TYPES[number % len(TYPES)], run=self.run, amount=amounts.randint(1, 99_999) / 100) for number in range(200)
        ]
        self.poison = [self._marked(each, reason) for _ in range(2) for each, reason in poison()]

    def put(self):
        entries = [*self.events, *self.events[:20], *(each for each, _ in self.poison)]
        random.Random(11).shuffle(entries)  # noqa: S311  an order is none either
        self.routing.put(*entries)

    def of(self, route):
        """The events that match a route."""
        return [each for each in self.events if route == "Everything" or each["DetailType"] in PAYMENTS]

    def _marked(self, entry, reason):
        """With a mark to find it by, for a reader who looks at the whole."""
        return {**entry, "Resources": [f"{self.run}/{uuid.uuid4()}"]}, reason


@pytest.fixture(scope="module")
def stack(account, local_environment):
    return account.stack("local-event-routing")


@pytest.fixture(scope="module")
def routing(account, stack):
    return Routing(account, stack)


@pytest.fixture(scope="module")
def rush(routing):
    rush = Rush(routing)
    rush.put()
    return rush


@pytest.fixture(scope="module")
def put_aside(rush):
    """What each route put aside of the rush: mark -> reason."""
    found = {route: {} for route in ROUTES}

    def all_there():
        for route in ROUTES:
            letters = rush.routing.dead_letters(route).take(lambda message: rush.run in message.body)
            found[route] |= {json.loads(each.body)["resources"][0]: each.attributes["Reason"] for each in letters}
        return all(len(marks) == len(rush.poison) for marks in found.values())

    wait_until(all_there, seconds=PATIENCE, interval=0.1)
    return found


def nothing_left(routing):
    return eventually(lambda: [routing.queue(route).count() for route in ROUTES], NOTHING_LEFT) == NOTHING_LEFT


def test_each_of_200_events_at_once_is_kept_by_each_route_that_it_matches_and_by_no_other(rush):
    for route, number in (("Payments", 120), ("Everything", 200)):
        expected = {
            id_of(each): (each["DetailType"], Decimal(str(each["Detail"]["data"]["amount"]))) for each in rush.of(route)
        }
        assert len(expected) == number

        def kept(route=route):
            rows = rush.routing.rows(route, rush.events)
            return {name: (row["type"], row["data"]["amount"]) for name, row in rows.items()}

        assert eventually(kept, expected) == expected


def test_what_is_no_event_is_put_aside_by_each_route_with_the_reason(rush, put_aside):
    reasons = {each["Resources"][0]: reason for each, reason in rush.poison}
    for route in ROUTES:
        assert put_aside[route].keys() == reasons.keys(), route
        assert {mark for mark, reason in put_aside[route].items() if reasons[mark] not in reason} == set(), route


def test_all_that_was_put_is_kept_or_put_aside_and_nothing_is_left(rush, put_aside):
    expected = {"Payments": 130, "Everything": 210}

    def accounted_for():
        return {route: len(rush.routing.kept(route, rush.events)) + len(put_aside[route]) for route in ROUTES}

    assert eventually(accounted_for, expected) == expected
    assert nothing_left(rush.routing)
    assert [rush.routing.undelivered(route).count() for route in ROUTES] == NOTHING_LEFT


def test_a_replay_of_everything_changes_no_row_and_says_so_in_it(rush, put_aside):
    assert nothing_left(rush.routing)
    before = {route: rush.routing.rows(route, rush.events) for route in ROUTES}
    replay = f"rush-{rush.run}"
    rush.routing.replay(replay, since=rush.since)

    def marked():
        return {route: {row.get("replayed") for row in rush.routing.rows(route, rush.events).values()} for route in ROUTES}

    said = {route: {replay} for route in ROUTES}
    assert eventually(marked, said) == said
    assert nothing_left(rush.routing)
    for route in ROUTES:
        after = {name: {**row, "replayed": None} for name, row in rush.routing.rows(route, rush.events).items()}
        assert after == {name: {**row, "replayed": None} for name, row in before[route].items()}
        again = rush.routing.dead_letters(route).take(lambda message: rush.run in message.body)
        assert {json.loads(each.body)["resources"][0] for each in again} == put_aside[route].keys()


def test_a_replay_can_go_to_one_route_only(routing):
    since, one = time.time(), event()
    routing.put(one)
    both = [{id_of(one)}] * 2
    assert eventually(lambda: [routing.kept(route, [one]) for route in ROUTES], both) == both
    routing.replay(f"one-{id_of(one)}", since=since, routes=["Payments"])
    said = {"Payments": f"one-{id_of(one)}", "Everything": None}

    def replayed():
        return {route: routing.rows(route, [one])[id_of(one)].get("replayed") for route in ROUTES}

    assert eventually(replayed, said) == said
    assert nothing_left(routing)
    assert replayed() == said


def test_an_event_that_is_put_twice_is_kept_once(routing):
    twice = event(amount=1)
    routing.put(twice)
    assert eventually(lambda: routing.kept("Everything", [twice]), {id_of(twice)}) == {id_of(twice)}
    first = routing.rows("Everything", [twice])
    # With other data, so that it can be seen which one is kept.
    routing.put({**twice, "Detail": {**twice["Detail"], "data": {"amount": 2}}})
    assert nothing_left(routing)
    assert routing.rows("Everything", [twice]) == first


def test_events_that_come_out_of_order_are_kept_as_they_are(routing):
    story = [event("orders.paid"), event("orders.shipped")]
    for each, moment in zip(story, ("2001-02-03T10:00:00Z", "2001-02-03T11:00:00Z"), strict=True):
        each["Detail"]["metadata"] |= {"correlation_id": "an order", "time": moment}
    routing.put(*reversed(story))
    assert eventually(lambda: routing.kept("Everything", story), ids_of(story)) == ids_of(story)
    rows = routing.rows("Everything", story)
    assert [(rows[id_of(each)]["type"], rows[id_of(each)]["time"]) for each in story] == [
        ("orders.paid", "2001-02-03T10:00:00Z"),
        ("orders.shipped", "2001-02-03T11:00:00Z"),
    ]


def envelope(kind, source="tests/publisher"):
    event_id = str(uuid.uuid4())
    told = {"correlation_id": "an order", "causation_id": "a message", "time": "2001-02-03T04:05:06.789Z"}
    data = {"amount": Decimal("19.99"), "lines": [{"sku": "ä 漢字", "gift": None}]}
    return Envelope(id=event_id, type=kind, source=source, data=data, **told)


def key_of(published):
    return {"id": f"{published.source}#{published.id}"}


def publisher(account, routing):
    return Publisher(routing.output("BusName"), account.client("events"))


def test_a_route_keeps_what_the_publisher_of_the_handlers_puts_as_it_was(account, routing):
    events = [envelope("orders.paid") for _ in range(25)]
    publisher(account, routing).publish_all(events)
    table = account.table(routing.output("PaymentsTableName"))

    def kept():
        rows = (table.get_item(Key=key_of(each)).get("Item", {}) for each in events)
        names = ("event_id", "type", "source", "time", "correlation_id", "causation_id", "data")
        return [{name: row.get(name) for name in names} for row in rows]

    expected = [
        {
            "event_id": each.id,
            "type": "orders.paid",
            "source": "tests/publisher",
            "time": each.time,
            "correlation_id": "an order",
            "causation_id": "a message",
            "data": each.data,
        }
        for each in events
    ]
    assert eventually(kept, expected) == expected


def test_of_a_batch_the_publisher_names_those_that_the_bus_did_not_take_and_the_others_are_kept(account, routing):
    good, refused = envelope("orders.paid"), envelope("orders.paid", source="aws.tests")
    with pytest.raises(NotTakenError) as raised:
        publisher(account, routing).publish_all([refused, good])
    assert [(each.event.id, each.code) for each in raised.value.left] == [(refused.id, "NotAuthorizedForSourceException")]
    table = account.table(routing.output("PaymentsTableName"))
    assert eventually(lambda: "Item" in table.get_item(Key=key_of(good)), wanted=True)
    assert "Item" not in table.get_item(Key=key_of(refused))


def test_the_drive_shows_each_hop_and_deletes_its_own_rows_only(account, stack, routing):
    of_somebody_else = event()
    routing.put(of_somebody_else)
    assert eventually(lambda: routing.kept("Payments", [of_somebody_else]), ids_of([of_somebody_else]))
    assert nothing_left(routing)
    tables = [account.table(routing.output(f"{route}TableName")) for route in ROUTES]
    before = [{item["id"] for item in table.scan()["Items"]} for table in tables]
    hops = []
    drive(account, stack, hops.append)
    assert len(hops) > 8
    assert [hop for hop in hops if hop.faults] == []
    assert [{item["id"] for item in table.scan()["Items"]} for table in tables] == before


def test_event_routing_has_a_drive():
    assert "event_routing" in driven_patterns()
