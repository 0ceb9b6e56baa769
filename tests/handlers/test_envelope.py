"""The envelope of an event: written once, read for as long as there are readers."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.envelope import Envelope
from shared.errors import InvalidError
from tests.handlers.api_client import EVENTS

EVENT: dict[str, Any] = {
    "id": "o-1:PAID",
    "type": "orders.paid",
    "version": 1,
    "time": "2026-03-01T12:00:00.123Z",
    "correlation_id": "o-1",
    "causation_id": "059f36b4",
    "source": "sqs_pipeline/orders",
    "data": {"order_id": "o-1", "amount": 19.99},
}


def faults_of(document: object) -> dict[str, str]:
    with pytest.raises(InvalidError) as caught:
        Envelope.parse(json.dumps(document))
    return {fault.pointer: fault.message for fault in caught.value.faults}


def test_an_event_is_read_as_it_was_written() -> None:
    event = Envelope.parse(json.dumps(EVENT))
    assert Envelope.parse(event.to_json()) == event
    assert event.data["amount"] == Decimal("19.99")


def test_the_json_has_these_fields_and_the_digits_that_were_given() -> None:
    text = Envelope.parse(json.dumps(EVENT)).to_json()
    assert json.loads(text, parse_float=str)["data"]["amount"] == "19.99"
    assert json.loads(text) == EVENT


@given(st.dictionaries(st.text("abc", min_size=1), st.text("äöü 1") | st.booleans() | st.none() | st.integers(-9, 9)))
def test_any_data_survives(data: dict[str, Any]) -> None:
    event = Envelope.parse(json.dumps(EVENT | {"data": data}))
    assert Envelope.parse(event.to_json()).data == data


def test_an_event_that_was_written_first_is_read_for_ever() -> None:
    event = Envelope.parse((EVENTS / "orders_paid_v1.json").read_text())
    assert (event.type, event.version) == ("orders.paid", 1)


def test_fields_that_a_later_writer_adds_are_passed_over() -> None:
    assert Envelope.parse(json.dumps(EVENT | {"tenant": "a"})) == Envelope.parse(json.dumps(EVENT))


def test_another_version_is_refused_by_its_number() -> None:
    with pytest.raises(InvalidError, match=r"^The event's envelope has version 2; only version 1 is read here\.$"):
        Envelope.parse(json.dumps(EVENT | {"version": 2}))


@pytest.mark.parametrize("name", list(EVENT))
def test_each_field_is_needed(name: str) -> None:
    assert faults_of({key: value for key, value in EVENT.items() if key != name}) == {f"/{name}": "is required"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", ""),
        ("id", 5),
        ("type", None),
        ("version", "1"),
        ("version", 0),
        ("version", 1.5),
        ("time", "yesterday"),
        ("time", "2026-03-01T12:00:00"),
        ("correlation_id", "x" * 513),
        ("data", []),
        ("data", "text"),
    ],
)
def test_a_field_that_does_not_fit_is_named(name: str, value: object) -> None:
    assert list(faults_of(EVENT | {name: value})) == [f"/{name}"]


@pytest.mark.parametrize("text", ["", "null", "5", '"text"', "[]", "{", "[" * 5000, '{"id": NaN}', "\ud800"])
def test_what_is_no_json_object_is_no_event(text: str) -> None:
    with pytest.raises(InvalidError):
        Envelope.parse(text)


def test_subscribers_can_filter_by_type_and_version() -> None:
    assert Envelope.parse(json.dumps(EVENT)).message_attributes == {
        "event_type": {"DataType": "String", "StringValue": "orders.paid"},
        "event_version": {"DataType": "String", "StringValue": "1"},
    }
