"""The envelope on a bus: what is put there is what comes out, and rules can match its parts."""

import copy
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import strict_json
from shared.envelope import Envelope
from shared.envelope.on_a_bus import entry_of, event_of, parse
from shared.errors import InvalidError
from tests.handlers.api_client import EVENTS

EVENT: dict[str, Any] = json.loads((EVENTS / "eventbridge_orders_paid_v1.json").read_text())
ENVELOPE = event_of(parse(json.dumps(EVENT)))

#: Whatever JSON has a form for and a table can keep.
NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**18), max_value=10**18)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=8
)


def envelope(**changes: Any) -> Envelope:
    parts = {name: getattr(ENVELOPE, name) for name in ENVELOPE.__slots__}
    return Envelope(**(parts | changes))


def delivered(entry: dict[str, str]) -> str:
    """The event that a rule sends of this entry."""
    document = EVENT | {"source": entry["Source"], "detail-type": entry["DetailType"]}
    return json.dumps(document | {"detail": 0}).replace('"detail": 0', f'"detail": {entry["Detail"]}')


def read(document: Any) -> Envelope:
    return event_of(parse(json.dumps(document)))


def faults_of(document: Any) -> dict[str, str]:
    with pytest.raises(InvalidError) as caught:
        read(document)
    return {fault.pointer: fault.message for fault in caught.value.faults}


def with_metadata(**changes: Any) -> dict[str, Any]:
    event = copy.deepcopy(EVENT)
    event["detail"]["metadata"] |= changes
    return event


def test_an_entry_has_the_parts_that_rules_match() -> None:
    entry = entry_of(ENVELOPE)
    assert list(entry) == ["Source", "DetailType", "Detail"]
    assert (entry["Source"], entry["DetailType"]) == ("orders", "orders.paid")
    assert json.loads(entry["Detail"]) == EVENT["detail"]


def test_the_detail_has_metadata_and_data_and_repeats_neither_source_nor_type() -> None:
    detail = json.loads(entry_of(ENVELOPE)["Detail"])
    assert sorted(detail) == ["data", "metadata"]
    assert sorted(detail["metadata"]) == ["causation_id", "correlation_id", "id", "time", "version"]


def test_the_version_is_a_number_as_patterns_have_it() -> None:
    assert '"version":1' in entry_of(ENVELOPE)["Detail"]


def test_the_time_of_the_entry_is_left_to_the_bus() -> None:
    assert "Time" not in entry_of(ENVELOPE)


@given(st.dictionaries(NAMES, VALUES))
def test_any_data_comes_out_as_it_was_put_in(data: dict[str, Any]) -> None:
    event = envelope(data=strict_json.parse(strict_json.render(data).encode()))
    assert event_of(parse(delivered(entry_of(event)))) == event


@given(TEXTS.filter(bool), TEXTS.filter(bool))
def test_any_source_and_type_come_out_as_they_were_put_in(source: str, kind: str) -> None:
    event = envelope(source=source[:512], type=kind[:128])
    assert event_of(parse(delivered(entry_of(event)))) == event


def test_numbers_keep_their_digits() -> None:
    event = envelope(data={"amount": Decimal("0.1234567890123456789"), "count": 2**63 - 1})
    assert event_of(parse(delivered(entry_of(event)))).data == event.data


def test_data_may_be_as_deep_as_on_a_topic() -> None:
    deep: Any = "end"
    for _ in range(31):
        deep = {"a": deep}
    assert Envelope.parse(envelope(data=deep).to_json()).data == deep
    assert event_of(parse(delivered(entry_of(envelope(data=deep))))).data == deep


def test_data_that_is_deeper_is_refused_before_it_is_sent() -> None:
    deep: Any = "end"
    for _ in range(32):
        deep = {"a": deep}
    with pytest.raises(InvalidError, match="deeper than 33"):
        entry_of(envelope(data=deep))


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, Decimal("1E+19"), Decimal("1E+100")])
def test_an_integer_that_eventbridge_does_not_take_is_refused_by_its_place(number: Any) -> None:
    with pytest.raises(InvalidError, match="integers that EventBridge does not take") as caught:
        entry_of(envelope(data={"a": [1, {"b": number}]}))
    (fault,) = caught.value.faults
    assert fault.pointer == "/detail/data/a/1/b"
    assert "send it as a text" in fault.message


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), Decimal("1.5"), Decimal("9223372036854775807.5"), True])
def test_other_numbers_are_taken(number: Any) -> None:
    assert event_of(parse(delivered(entry_of(envelope(data={"a": number}))))).data == {"a": number}


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"type": "x" * 129}, "/detail-type"),
        ({"type": ""}, "/detail-type"),
        ({"source": ""}, "/source"),
        ({"source": "x" * 513}, "/source"),
        ({"id": ""}, "/detail/metadata/id"),
        ({"time": "yesterday"}, "/detail/metadata/time"),
        ({"data": []}, "/detail/data"),
        ({"data": {"a": "\0"}}, "/detail/data/a"),
        ({"data": {"": 1}}, "/detail/data/"),
    ],
)
def test_what_no_reader_would_take_is_refused_before_it_is_sent(changes: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidError) as caught:
        entry_of(envelope(**changes))
    assert [fault.pointer for fault in caught.value.faults] == [pointer]


def test_half_a_surrogate_pair_is_refused_before_it_is_sent() -> None:
    with pytest.raises(InvalidError, match="not UTF-8"):
        entry_of(envelope(data={"a": "\ud800"}))


def test_an_unknown_version_is_refused_before_it_is_sent() -> None:
    with pytest.raises(InvalidError, match="has version 2"):
        entry_of(envelope(version=2))


def test_fields_that_later_writers_add_are_passed_over_wherever_they_are() -> None:
    event = with_metadata(tenant="shop", trace={"id": [1]}) | {"resources": ["a"], "new": True}
    event["detail"]["signature"] = "abc"
    assert read(event) == ENVELOPE


def test_fields_that_later_writers_add_to_the_data_are_kept() -> None:
    event = copy.deepcopy(EVENT)
    event["detail"]["data"]["loyalty"] = {"points": 3}
    assert read(event).data["loyalty"] == {"points": 3}


@pytest.mark.parametrize("version", [2, 99])
def test_an_unknown_version_is_refused_by_its_number(version: int) -> None:
    with pytest.raises(InvalidError, match=rf"^The event's envelope has version {version}; only version 1 is read here\.$"):
        read(with_metadata(version=version))


@pytest.mark.parametrize("version", [0, -1, 1.5, "1", None, True])
def test_what_is_no_version_is_refused(version: Any) -> None:
    assert list(faults_of(with_metadata(version=version))) == ["/detail/metadata/version"]


@pytest.mark.parametrize("name", ["id", "version", "correlation_id", "causation_id", "time"])
def test_each_part_of_the_metadata_is_needed(name: str) -> None:
    event = copy.deepcopy(EVENT)
    del event["detail"]["metadata"][name]
    assert faults_of(event) == {f"/detail/metadata/{name}": "is required"}


@pytest.mark.parametrize("name", ["metadata", "data"])
def test_both_parts_of_the_detail_are_needed(name: str) -> None:
    event = copy.deepcopy(EVENT)
    del event["detail"][name]
    assert faults_of(event) == {f"/detail/{name}": "is required"}


@pytest.mark.parametrize(
    ("name", "value"), [("source", 5), ("source", ""), ("detail-type", None), ("detail-type", ""), ("detail", "text")]
)
def test_a_part_of_the_event_that_does_not_fit_is_named(name: str, value: object) -> None:
    assert list(faults_of(EVENT | {name: value})) == [f"/{name}"]


@pytest.mark.parametrize("name", ["source", "detail-type", "detail"])
def test_without_one_of_its_parts_it_is_no_event_of_eventbridge(name: str) -> None:
    with pytest.raises(InvalidError, match="no event of EventBridge: let a rule of a bus send the whole event"):
        read({key: value for key, value in EVENT.items() if key != name})


@pytest.mark.parametrize("document", [None, 5, "text", [], [EVENT], {}, EVENT["detail"]])
def test_what_is_no_event_of_eventbridge_says_how_to_send_one(document: Any) -> None:
    with pytest.raises(InvalidError, match="no event of EventBridge"):
        read(document)


@pytest.mark.parametrize("text", ["", "{", "[" * 5000, '{"detail": NaN}', "\ud800", '{"a": 1, "a": 2}'])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(InvalidError):
        event_of(parse(text))
