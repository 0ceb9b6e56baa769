"""The records of a Kinesis stream: JSON that becomes rows, and all that is none."""

import base64
import gzip
import json
import zlib
from typing import Any

import pytest
from types_boto3_dynamodb import DynamoDBClient

from shared.dynamodb import attributes_of
from tests.handlers.stream_client import FIRST, JSON_RECORD, Projected, item, json_record, of_json

SCHEMA = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "amount": {"type": "number", "minimum": 0}},
    "required": ["amount"],
    "additionalProperties": False,
}

#: What no producer should send, and what is said about it.
NO_OBJECTS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "The JSON is broken at line 1, column 1."),
    "text": (b"Hello, this is a test.", "The JSON is broken at line 1, column 1."),
    "scalar": (b"42", "The record is no JSON object."),
    "null": (b"null", "The record is no JSON object."),
    "list": (b'[{"a":1}]', "The record is no JSON object."),
    "two objects": (b'{"a":1}{"a":2}', "The JSON is broken at line 1, column 8."),
    "cut off": (b'{"a":1', "The JSON is broken at line 1"),
    "not UTF-8": (b'{"a":"\xff"}', "The JSON is not UTF-8."),
    "UTF-16": ('{"a":1}'.encode("utf-16"), "The JSON is not UTF-8."),
    "gzip": (gzip.compress(b'{"a":1}'), "The JSON is not UTF-8."),
    "zlib": (zlib.compress(b'{"a":1}'), "The JSON is not UTF-8."),
    "same name twice": (b'{"a":1,"a":2}', "The JSON has values that cannot be kept exactly."),
    "NaN": (b'{"a":NaN}', "The JSON has values that cannot be kept exactly. /a is not a number in JSON"),
    "infinity": (b'{"a":-Infinity}', "The JSON has values that cannot be kept exactly. /a is not a number in JSON"),
    "huge integer": (b'{"a":' + b"1" * 39 + b"}", "The JSON has values that cannot be kept exactly. /a has more than 38"),
    "5000 digits": (b'{"a":' + b"1" * 5000 + b"}", "The JSON has values that cannot be kept exactly. /a has more than 38"),
    "huge exponent": (b'{"a":1e999999999}', "The JSON has values that cannot be kept exactly. /a has more than 38"),
    "half a pair": (b'{"a":"\\ud800"}', "The JSON has values that cannot be kept exactly. /a has a NUL or half"),
    "half a pair in a name": (b'{"\\udfff":1}', "The JSON has values that cannot be kept exactly."),
    "NUL": (b'{"a":"\\u0000"}', "The JSON has values that cannot be kept exactly. /a has a NUL or half"),
    "empty name": (b'{"":1}', "The JSON has values that cannot be kept exactly."),
    "deep": (b'{"a":' + b"[" * 31 + b"]" * 31 + b"}", "The JSON is nested deeper than 31 levels."),
    "very deep": (b"[" * 100_000, "The JSON is nested deeper than 31 levels."),
}


@pytest.fixture
def stream(dynamodb: DynamoDBClient) -> Projected:
    """A Kinesis stream whose partition keys are the ids."""
    return of_json(dynamodb)


@pytest.fixture
def keyed(dynamodb: DynamoDBClient) -> Projected:
    """A Kinesis stream of which a field is the id."""
    return of_json(dynamodb, KEY_FIELD="order")


@pytest.fixture
def checked(dynamodb: DynamoDBClient) -> Projected:
    """A Kinesis stream whose records have a schema."""
    return of_json(dynamodb, SCHEMA)


def encoded(data: object, number: int = 1) -> dict[str, Any]:
    """A record whose data is this, and base64 or not."""
    record = json_record(number, {})
    record["kinesis"]["data"] = data
    return record


# --- rows


def test_a_record_as_aws_documents_it_becomes_a_row_of_each_table(stream: Projected) -> None:
    record = json.loads(json.dumps(JSON_RECORD))
    record["kinesis"]["data"] = base64.b64encode(b'{"status":"paid"}').decode()
    assert stream.deliver(record) == []
    sequence = {"S": "49590338271490256608559692538361571095921575989136588898".zfill(128)}
    event_id = {"S": "shardId-000000000006:49590338271490256608559692538361571095921575989136588898"}
    time = {"S": "2026-11-21T10:01:34.987Z"}
    assert stream.rows == {
        "a": {
            "id": {"S": "a"},
            "data": {"M": {"status": {"S": "paid"}}},
            "sequence": sequence,
            "event_id": event_id,
            "updated_at": time,
        }
    }
    assert stream.trail == [
        {
            "id": {"S": "a"},
            "sequence": sequence,
            "event_id": event_id,
            "action": {"S": "RECORDED"},
            "changed": {"L": [{"S": "status"}]},
            "at": time,
        }
    ]


def test_a_later_record_takes_the_place_of_the_earlier_one_as_a_whole(stream: Projected) -> None:
    stream.deliver(json_record(1, {"a": 1, "b": 2}), json_record(2, {"b": 3}))
    assert stream.data == {"a": item(b=3)}
    assert stream.changed() == [["a", "b"], ["b"]]


def test_the_same_document_again_is_a_record_of_its_own(stream: Projected) -> None:
    stream.deliver(json_record(1, {"a": 1}), json_record(2, {"a": 1}))
    assert stream.rows["a"]["sequence"] == {"S": "2".zfill(128)}
    assert stream.actions == ["RECORDED", "RECORDED"]


def test_an_empty_object_is_an_empty_row(stream: Projected) -> None:
    assert stream.deliver(json_record(1, {})) == []
    assert (stream.data, stream.changed()) == ({"a": {}}, [[]])


def test_audit_rows_expire_where_the_settings_say_so(dynamodb: DynamoDBClient) -> None:
    stream = of_json(dynamodb, AUDIT_SECONDS="60")
    stream.deliver(json_record(1, {}))
    assert stream.trail[0]["expires_at"] == {"N": str(FIRST + 61)}


@pytest.mark.parametrize(
    ("number", "stored"),
    [
        (b"1", "1"),
        (b"-0", "0"),
        (b"0.1", "0.1"),
        (b"19.90", "19.9"),
        (b"12345678901234567890123456789012345678", "12345678901234567890123456789012345678"),
        (b"9007199254740993", "9007199254740993"),
        (b"0.30000000000000004", "0.30000000000000004"),
        (b"1e125", "1E+125"),
        (b"1e-130", "1E-130"),
    ],
    ids=str,
)
def test_a_number_keeps_all_its_digits(stream: Projected, number: bytes, stored: str) -> None:
    assert stream.deliver(json_record(1, b'{"x":' + number + b"}")) == []
    assert stream.view.of("put_item")[0]["Item"]["data"] == {"M": {"x": {"N": stored}}}


def test_all_that_json_has_is_in_the_view(stream: Projected) -> None:
    document = {"Zürich 東京 🚀": [True, False, None, "", "\x1f", {"deep": [[]]}], "empty": {}}
    stream.deliver(json_record(1, document))
    assert stream.data["a"] == attributes_of(document)


def test_a_document_of_31_levels_is_taken(stream: Projected) -> None:
    assert stream.deliver(json_record(1, b'{"a":' + b"[" * 30 + b"]" * 30 + b"}")) == []
    assert list(stream.data) == ["a"]


# --- ids


@pytest.mark.parametrize("key", ["a", "Zürich 東京 🚀", " ", "0", "k" * 256])
def test_the_id_is_the_partition_key_unless_the_settings_name_a_field(stream: Projected, key: str) -> None:
    stream.deliver(json_record(1, {"order": "o-1"}, key=key))
    assert list(stream.rows) == [key]


@pytest.mark.parametrize(
    ("value", "row_id"),
    [
        ("o-1", "o-1"),
        ("Zürich 東京 🚀", "Zürich 東京 🚀"),
        (42, "42"),
        (1.50, "1.5"),
        (10**20, "100000000000000000000"),
        ("k" * 2048, "k" * 2048),
    ],
)
def test_the_id_is_the_field_that_the_settings_name(keyed: Projected, value: object, row_id: str) -> None:
    keyed.deliver(json_record(1, {"order": value, "x": 1}, key="other"))
    assert list(keyed.rows) == [row_id]
    assert sorted(keyed.data[row_id]) == ["order", "x"]


@pytest.mark.parametrize("value", [None, True, [], {}, ["o-1"]], ids=str)
def test_a_field_that_can_be_no_id_is_poison(keyed: Projected, value: object) -> None:
    assert keyed.deliver(json_record(1, {"order": value})) == []
    assert keyed.reasons == ["The record has no key. /order must be a text or a number"]


def test_a_record_without_the_field_of_its_id_is_poison(keyed: Projected) -> None:
    assert keyed.deliver(json_record(1, {"id": "o-1"}, key="o-1")) == []
    assert keyed.reasons == ["The record has no key. /order must be a text or a number"]
    assert (keyed.rows, keyed.trail) == ({}, [])


@pytest.mark.parametrize("value", ["", "k" * 2049, "ü" * 1025], ids=["empty", "long", "long in bytes"])
def test_an_id_that_no_row_can_have_is_poison(keyed: Projected, value: str) -> None:
    assert keyed.deliver(json_record(1, {"order": value})) == []
    (reason,) = keyed.reasons
    assert reason.startswith("The record has a key that no row can have for its id. ")
    assert "1 to 2048 bytes" in reason


@pytest.mark.parametrize("key", [None, "\ud800", ""], ids=str)
def test_a_partition_key_that_can_be_no_id_is_poison(stream: Projected, key: Any) -> None:
    assert stream.deliver(json_record(1, {}, key=key)) == []
    assert (len(stream.reasons), stream.rows, stream.trail) == (1, {}, [])


# --- excluded


def test_what_is_excluded_reaches_neither_the_view_nor_the_audit(dynamodb: DynamoDBClient) -> None:
    stream = of_json(dynamodb, EXCLUDED="email,card")
    stream.deliver(json_record(1, {"email": "alice@example.com", "card": {"number": "4242"}, "x": 1}))
    calls = json.dumps([stream.view.made, stream.audit.made])
    assert not [word for word in ("email", "alice", "card", "4242") if word in calls]
    assert (stream.data, stream.changed()) == ({"a": item(x=1)}, [["x"]])


def test_the_schema_is_of_the_record_as_it_was_sent(dynamodb: DynamoDBClient) -> None:
    stream = of_json(dynamodb, SCHEMA, EXCLUDED="amount")
    assert stream.deliver(json_record(1, {"amount": 1})) == []
    assert (stream.data, stream.kept) == ({"a": {}}, {})


# --- poison


@pytest.mark.parametrize(("data", "reason"), NO_OBJECTS.values(), ids=NO_OBJECTS)
def test_what_is_no_object_that_can_be_kept_exactly_is_poison(stream: Projected, data: bytes, reason: str) -> None:
    assert stream.deliver(json_record(1, data), json_record(2, {"good": True}, key="good")) == []
    ((key, kept),) = stream.kept.items()
    assert key == "records/dt=2026-11-21/shardId-000000000006_1.json"
    assert kept["reason"].startswith(reason)
    assert base64.b64decode(kept["record"]["kinesis"]["data"]) == data
    assert list(stream.rows) == ["good"]
    assert stream.actions == ["RECORDED"]


def test_an_aggregated_record_is_poison_and_says_what_to_turn_off(stream: Projected) -> None:
    stream.deliver(json_record(1, b"\xf3\x89\x9a\xc2\x0a\x01a" + bytes(16)))
    (reason,) = stream.reasons
    assert reason.startswith("These are several records in one")
    assert "AggregationEnabled: false" in reason


def test_data_that_only_resembles_an_aggregated_record_is_called_what_it_is(stream: Projected) -> None:
    stream.deliver(json_record(1, b"\xf3\x89\x9a"))
    assert stream.reasons == ["The JSON is not UTF-8."]


@pytest.mark.parametrize("data", [None, 5, "e30", "e30=!", "e3\n0=", "ü", ["e30="]], ids=str)
def test_data_that_is_not_base64_is_poison(stream: Projected, data: object) -> None:
    assert stream.deliver(encoded(data)) == []
    assert stream.reasons == ["The record is not in the form that its stream has. /kinesis/data must be base64"]


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ({}, "/amount is required"),
        ({"amount": -1}, "/amount value is less than the minimum of 0"),
        ({"amount": 1, "more": 1}, "/more is not a known field"),
        ({"amount": "secret"}, '/amount value is not of type "number"'),
    ],
)
def test_a_record_that_does_not_match_the_schema_is_poison(checked: Projected, document: object, fault: str) -> None:
    assert checked.deliver(json_record(1, document)) == []
    assert checked.reasons == [f"The record does not match the schema. {fault}"]
    assert (checked.rows, checked.trail) == ({}, [])


def test_all_faults_of_a_record_are_told(checked: Projected) -> None:
    checked.deliver(json_record(1, {"id": 5, "amount": -1}))
    (reason,) = checked.reasons
    assert "/amount" in reason
    assert "/id" in reason


def test_a_record_that_matches_the_schema_is_taken(checked: Projected) -> None:
    checked.deliver(json_record(1, {"id": "o-1", "amount": 19.99}))
    assert checked.data == {"a": {"id": {"S": "o-1"}, "amount": {"N": "19.99"}}}


def test_a_record_of_a_table_is_poison_for_a_kinesis_stream(stream: Projected) -> None:
    other = {**json_record(2, {}), "eventSource": "aws:dynamodb"}
    assert stream.deliver(json_record(1, {}), other) == []
    assert len(stream.reasons) == 1
