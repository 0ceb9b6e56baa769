"""What a route takes, and what it keeps in the dead-letter queue at once."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from types_boto3_dynamodb import DynamoDBClient

from tests.handlers.api_client import EVENTS, Calls
from tests.handlers.route_client import EVENT, REPLAYED, Routed, event, text_of

ORDERS = {
    "orders.paid": {"type": "object", "properties": {"amount": {"type": "number", "maximum": 100}}, "required": ["amount"]}
}


@pytest.fixture
def routed(dynamodb: DynamoDBClient) -> Routed:
    return Routed(dynamodb)


def with_version(version: object) -> dict[str, Any]:
    changed = event()
    changed["detail"]["metadata"]["version"] = version
    return changed


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "null",
        "5",
        '"text"',
        "[]",
        "{}",
        "[" * 100_000,
        '{"detail": NaN}',
        json.dumps({"Records": []}),
        (EVENTS / "orders_paid_v1.json").read_text(),
        json.dumps(EVENT["detail"]),
        json.dumps({**EVENT, "detail": None}),
        json.dumps({**EVENT, "detail": {"instance-id": "i-1", "state": "running"}}),
    ],
    ids=range(14),
)
def test_what_is_no_event_with_an_envelope_goes_to_the_dead_letter_queue_at_once(routed: Routed, body: str) -> None:
    assert routed.deliver(body) == []
    ((kept, reason),) = routed.dead_letters
    assert kept == body
    assert reason
    assert routed.rows == []


def test_a_foreign_event_says_how_the_rule_should_send_it(routed: Routed) -> None:
    routed.deliver(EVENT["detail"])
    assert "let a rule of a bus send the whole event" in routed.reason


@pytest.mark.parametrize("version", [2, 99])
def test_an_unknown_version_goes_to_the_dead_letter_queue_with_its_number(routed: Routed, version: int) -> None:
    assert routed.deliver(with_version(version)) == []
    assert routed.reason == f"The event's envelope has version {version}; only version 1 is read here."
    assert routed.rows == []


def test_all_that_is_wrong_with_an_envelope_is_in_the_reason(routed: Routed) -> None:
    changed = event()
    del changed["detail"]["metadata"]["id"]
    changed["detail"]["metadata"]["time"] = "yesterday"
    routed.deliver(changed)
    assert "/detail/metadata/id is required" in routed.reason
    assert "/detail/metadata/time" in routed.reason


@pytest.mark.parametrize("document", [EVENT, REPLAYED], ids=["event", "replayed"])
def test_the_first_events_are_taken_for_ever(routed: Routed, document: dict[str, Any]) -> None:
    assert routed.deliver(document) == []
    assert routed.dead_letters == []
    assert routed.row["event_id"] == "42:PAID"


def test_fields_that_a_later_publisher_adds_are_passed_over(routed: Routed) -> None:
    changed = event(loyalty={"points": 3}) | {"new": True}
    changed["detail"]["metadata"]["tenant"] = "shop"
    assert routed.deliver(changed) == []
    assert routed.dead_letters == []
    assert routed.row["data"]["loyalty"] == {"points": 3}


def test_one_poison_event_does_not_hold_up_the_others(routed: Routed) -> None:
    assert routed.deliver(event(1), "poison", event(2)) == []
    assert [row["event_id"] for row in routed.rows] == ["1:PAID", "2:PAID"]
    assert [body for body, _ in routed.dead_letters] == ["poison"]


def test_poison_makes_no_call_to_the_table(routed: Routed, calls: Calls) -> None:
    routed.schemas = ORDERS
    routed.deliver("poison", with_version(2), event(amount="much"))
    assert calls.names == []


def test_data_that_fits_the_schema_of_its_type_is_taken(routed: Routed) -> None:
    routed.schemas = ORDERS
    assert routed.deliver(event()) == []
    assert (routed.dead_letters, len(routed.rows)) == ([], 1)


def test_data_that_does_not_fit_goes_to_the_dead_letter_queue_with_all_that_is_wrong(routed: Routed) -> None:
    routed.schemas = {"orders.paid": ORDERS["orders.paid"] | {"required": ["amount", "shop"]}}
    assert routed.deliver(event(amount=101)) == []
    reason = routed.reason
    assert reason.startswith("The event's data does not fit the schema of its type. ")
    assert "/data/amount value is greater than the maximum" in reason
    assert "/data/shop is required" in reason
    assert routed.rows == []


def test_a_reason_does_not_repeat_what_was_sent(routed: Routed) -> None:
    routed.schemas = ORDERS
    routed.deliver(event(amount="4111-1111-1111-1111"))
    assert "4111" not in routed.reason


def test_each_type_has_its_own_schema(routed: Routed) -> None:
    routed.schemas = {"orders.paid": {}, "orders.placed": {"required": ["never"]}}
    routed.deliver(event(1), event(2) | {"detail-type": "orders.placed"})
    assert [row["event_id"] for row in routed.rows] == ["1:PAID"]
    assert "/data/never is required" in routed.reason


def test_an_event_of_a_type_without_a_schema_passes(routed: Routed) -> None:
    routed.schemas = {"orders.placed": {"required": ["never"]}}
    assert routed.deliver(event()) == []
    assert (routed.dead_letters, len(routed.rows)) == ([], 1)


def test_the_log_has_neither_data_nor_credentials(routed: Routed, log_lines: Callable[[], list[dict[str, Any]]]) -> None:
    routed.deliver(event(secret="hunter2"), text_of(event(3)).replace("42", '"hunter2'))
    assert "hunter2" not in json.dumps(log_lines())
