"""A release reads what the releases before it wrote: they lie in queues, dead-letter queues and archives at this moment.

The files of ``tests/support/events`` that end in ``_v1.json`` never change. A new version comes with files of its own beside
them: the first test fails until it does.
"""

import hashlib
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

import shared.envelope
from shared.envelope import VERSION, Envelope
from shared.envelope.forms import VERSIONS, Form
from shared.envelope.on_a_bus import entry_of, event_of, parse
from shared.errors import InvalidError
from tests.handlers.api_client import EVENTS

SCHEMAS = Path(shared.envelope.__file__).parent

#: Version -> each event of it that is kept -> the hash of its file.
GOLDEN = {
    1: {
        "orders_paid": "affb9d63a684cf36f1f07c6611c7caebfbed09ad000bab3c1760d11b1d90435a",
        "eventbridge_orders_paid": "941c4b57987dcc3449cb1587701a34e5bd0247f252a721105b9132247d9804cc",
        "eventbridge_replayed": "eff7144c334c8d81943f4e2d80d657f2d02ba4b23f21506913957aa59f3f68f3",
    }
}
FILES = [(version, name) for version, names in GOLDEN.items() for name in names]

PAID = Envelope(
    id="42:PAID",
    type="orders.paid",
    version=1,
    time="2026-03-01T12:00:00.123Z",
    correlation_id="42",
    causation_id="059f36b4-87a3-44ab-83d2-661975830a7d",
    source="orders",
    data={"order_id": "42", "state": "PAID", "amount": Decimal("19.99"), "currency": "EUR", "payment_id": "pay_7f3c"},
)


def text_of(version: int, name: str) -> str:
    return (EVENTS / f"{name}_v{version}.json").read_text()


def on_a_bus(text: str) -> Envelope:
    return event_of(parse(text))


def reader_of(name: str) -> Callable[[str], Envelope]:
    return on_a_bus if name.startswith("eventbridge") else Envelope.parse


def schema_of(name: str, version: int = 1) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((SCHEMAS / f"v{version}" / f"{name}.json").read_text())
    return document


def test_each_version_that_is_read_has_events_that_are_kept_and_both_schemas() -> None:
    assert tuple(GOLDEN) == VERSIONS
    assert sorted(path.name for path in SCHEMAS.glob("v*")) == [f"v{version}" for version in VERSIONS]
    for version in VERSIONS:
        assert sorted(path.name for path in (SCHEMAS / f"v{version}").iterdir()) == ["envelope.json", "event.json"]


def test_the_newest_version_is_written() -> None:
    assert VERSION == VERSIONS[-1] == max(VERSIONS)


@pytest.mark.parametrize(("version", "name"), FILES)
def test_a_kept_event_is_as_it_was_written(version: int, name: str) -> None:
    assert hashlib.sha256(text_of(version, name).encode()).hexdigest() == GOLDEN[version][name]


@pytest.mark.parametrize(("version", "name"), FILES)
def test_a_kept_event_is_read_in_all_its_parts(version: int, name: str) -> None:
    assert reader_of(name)(text_of(version, name)) == PAID


@pytest.mark.parametrize(("version", "name"), FILES)
def test_a_kept_event_fits_the_schema_that_other_languages_read(version: int, name: str) -> None:
    schema = schema_of("event" if name.startswith("eventbridge") else "envelope", version)
    jsonschema_rs.validator_for(schema, validate_formats=True).validate(json.loads(text_of(version, name)))


def test_what_is_written_today_fits_the_schema_that_other_languages_read() -> None:
    jsonschema_rs.validator_for(schema_of("envelope"), validate_formats=True).validate(json.loads(PAID.to_json()))
    entry = entry_of(PAID)
    event = {"source": entry["Source"], "detail-type": entry["DetailType"], "detail": json.loads(entry["Detail"])}
    jsonschema_rs.validator_for(schema_of("event"), validate_formats=True).validate(event)


def test_both_forms_carry_the_same_event() -> None:
    assert on_a_bus(text_of(1, "eventbridge_orders_paid")) == Envelope.parse(text_of(1, "orders_paid"))


@pytest.mark.parametrize("name", ["envelope", "event"])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_schema_is_one_of_draft_2020_12_with_an_id_of_its_version(version: int, name: str) -> None:
    schema = schema_of(name, version)
    jsonschema_rs.meta.validate(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"urn:serverless-patterns:{name}:{version}"


def test_no_schema_closes_an_object_for_what_a_later_release_adds() -> None:
    for path in SCHEMAS.glob("v*/*.json"):
        assert "additionalProperties" not in path.read_text()
        assert "unevaluatedProperties" not in path.read_text()


def test_what_both_forms_have_has_the_same_rule() -> None:
    envelope, event = schema_of("envelope")["properties"], schema_of("event")["properties"]
    metadata = event["detail"]["properties"]["metadata"]["properties"]
    assert envelope["source"] == event["source"]
    assert {name: envelope[name] for name in metadata} == metadata
    assert envelope["data"] == event["detail"]["properties"]["data"]


def test_every_part_of_a_schema_says_what_it_is() -> None:
    event = schema_of("event")["properties"]
    parts = [*schema_of("envelope")["properties"].values(), *event["detail"]["properties"]["metadata"]["properties"].values()]
    assert all(part["description"] for part in parts)
    assert all(event[name]["description"] for name in ("source", "detail-type", "time", "replay-name"))


@pytest.mark.parametrize("version", [2, 99, 10**20])
def test_of_an_unknown_version_only_the_number_is_told_whatever_its_fields_are(version: int) -> None:
    with pytest.raises(InvalidError, match=r"^The event's envelope has version \d.*; only version 1 is read here\.$") as caught:
        Envelope.parse(json.dumps({"version": version, "body": "of another form"}))
    assert caught.value.faults == ()


def test_all_versions_that_are_read_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    form = Form("envelope", "envelope")
    monkeypatch.setattr("shared.envelope.forms.VERSIONS", (1, 2))
    with pytest.raises(InvalidError, match="only version 1 or 2 is read here"):
        form.check({}, Decimal(3))


def test_each_version_is_checked_by_its_own_schema(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for version, needed in ((1, "old"), (2, "new")):
        (tmp_path / f"v{version}").mkdir()
        (tmp_path / f"v{version}" / "thing.json").write_text(json.dumps({"required": [needed]}))
    monkeypatch.setattr("shared.envelope.forms._FOLDER", tmp_path)
    monkeypatch.setattr("shared.envelope.forms.VERSIONS", (1, 2))
    form = Form("thing", "thing")
    form.check({"old": True}, Decimal(1))
    form.check({"new": True}, Decimal(2))
    with pytest.raises(InvalidError) as caught:
        form.check({"old": True}, Decimal(2))
    assert [fault.pointer for fault in caught.value.faults] == ["/new"]


def test_what_names_no_version_is_checked_as_the_newest() -> None:
    with pytest.raises(InvalidError) as caught:
        Envelope.parse("{}")
    assert len(caught.value.faults) == 8


def test_the_version_is_a_whole_number_of_python() -> None:
    assert type(Envelope.parse(text_of(1, "orders_paid")).version) is int
    assert type(on_a_bus(text_of(1, "eventbridge_orders_paid")).version) is int
