"""An event of version 1, as it was written first, is read for ever: whoever publishes it may be older than its readers.

``orders_paid_v1.json`` never changes. A reader that fails here would refuse events that lie in queues at this moment.
"""

import copy
import hashlib
import json
from decimal import Decimal
from typing import Any

import pytest
from types_boto3_dynamodb import DynamoDBClient

from shared.envelope import Envelope
from shared.errors import InvalidError
from tests.handlers.api_client import EVENTS
from tests.handlers.fanout_client import EVENT, Fanout, event

FIRST = (EVENTS / "orders_paid_v1.json").read_text()
MEMBERS = ["id", "type", "version", "time", "correlation_id", "causation_id", "source", "data"]


def test_the_first_event_is_as_it_was_written() -> None:
    assert hashlib.sha256(FIRST.encode()).hexdigest() == "affb9d63a684cf36f1f07c6611c7caebfbed09ad000bab3c1760d11b1d90435a"


def test_the_first_event_is_read() -> None:
    assert Envelope.parse(FIRST) == Envelope(
        id="42:PAID",
        type="orders.paid",
        version=1,
        time="2026-03-01T12:00:00.123Z",
        correlation_id="42",
        causation_id="059f36b4-87a3-44ab-83d2-661975830a7d",
        source="orders",
        data={
            "order_id": "42",
            "state": "PAID",
            "amount": Decimal("19.99"),
            "currency": "EUR",
            "payment_id": "pay_7f3c",
        },
    )


@pytest.mark.parametrize("action", ["audit", "aggregate", "notification"])
def test_each_subscriber_takes_the_first_event(dynamodb: DynamoDBClient, action: str) -> None:
    fanout = Fanout(action, dynamodb)
    assert fanout.send(FIRST) == []
    assert fanout.dead_letters == []
    assert len(fanout.rows) + len(fanout.notices) > 0


def test_what_is_written_today_is_the_first_event_member_for_member() -> None:
    written = Envelope.parse(FIRST).to_json()
    assert json.loads(written) == json.loads(FIRST)
    assert Envelope.parse(written) == Envelope.parse(FIRST)


def test_subscribers_filter_by_the_attributes_of_the_first_event() -> None:
    assert Envelope.parse(FIRST).message_attributes == {
        "event_type": {"DataType": "String", "StringValue": "orders.paid"},
        "event_version": {"DataType": "String", "StringValue": "1"},
    }


@pytest.mark.parametrize("action", ["audit", "aggregate", "notification"])
def test_members_that_a_later_publisher_adds_are_passed_over(dynamodb: DynamoDBClient, action: str) -> None:
    fanout = Fanout(action, dynamodb)
    assert fanout.send(event(tenant="shop", trace={"id": [1]})) == []
    assert fanout.dead_letters == []
    assert "tenant" not in str([*fanout.rows, *fanout.notices])


def test_fields_that_a_later_publisher_adds_to_the_data_are_kept(dynamodb: DynamoDBClient) -> None:
    audit = Fanout("audit", dynamodb)
    audit.send(event(data=EVENT["data"] | {"loyalty": {"points": 3}}))
    assert audit.rows[0]["data"]["loyalty"] == {"points": 3}


@pytest.mark.parametrize("version", [2, 99])
def test_an_event_of_a_version_that_is_not_known_is_refused_by_its_number(dynamodb: DynamoDBClient, version: int) -> None:
    audit = Fanout("audit", dynamodb)
    assert audit.send(event(version=version)) == []
    ((_, attributes),) = audit.dead_letters
    assert attributes["Reason"] == f"The event's envelope has version {version}; only version 1 is read here."
    assert audit.rows == []


@pytest.mark.parametrize("version", [0, -1, 1.5, "1", None, True])
def test_what_is_no_version_is_refused(version: Any) -> None:
    with pytest.raises(InvalidError) as caught:
        Envelope.parse(json.dumps(event(version=version)))
    assert [fault.pointer for fault in caught.value.faults] == ["/version"]


@pytest.mark.parametrize("member", MEMBERS)
def test_an_event_without_one_of_its_members_is_refused_by_its_name(member: str) -> None:
    less = copy.deepcopy(EVENT)
    del less[member]
    with pytest.raises(InvalidError) as caught:
        Envelope.parse(json.dumps(less))
    assert [(fault.pointer, fault.message) for fault in caught.value.faults] == [(f"/{member}", "is required")]
