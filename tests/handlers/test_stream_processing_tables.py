"""The records of a table's stream: which row each becomes, and what of it is written down."""

import copy
import json
from decimal import Decimal
from typing import Any

import pytest
from types_boto3_dynamodb import DynamoDBClient

from shared.settings import SettingsError
from stream_processing.attributes import attributes_at
from stream_processing.models import DYNAMODB
from stream_processing.records import Record
from stream_processing.table_records import TableReader
from tests.handlers.stream_client import EXPIRY, FIRST, TABLE_RECORD, Projected, item, table_record

A = item(pk="a", price=1)
B = item(pk="a", price=2)


@pytest.fixture
def stream(dynamodb: DynamoDBClient) -> Projected:
    """The stream of a table."""
    return Projected(dynamodb)


def changed_record(**changes: Any) -> dict[str, Any]:
    """The documented record with these members changed; ``None`` takes one away."""
    record = copy.deepcopy(TABLE_RECORD)
    for name, value in changes.items():
        place = record if name in record or name == "userIdentity" else record["dynamodb"]
        place[name] = value
        if value is None:
            del place[name]
    return record


def image_of(attribute: object) -> dict[str, Any]:
    """A record of an item with this attribute."""
    return changed_record(NewImage={"pk": {"S": "a"}, "x": attribute})


# --- rows


def test_a_record_as_aws_documents_it_becomes_a_row_of_each_table(stream: Projected) -> None:
    assert stream.deliver(TABLE_RECORD) == []
    sequence = {"S": "4421584500000000017450439091".zfill(128)}
    event_id, time = {"S": "c4ca4238a0b923820dcc509a6f75849b"}, {"S": "2026-11-21T10:01:34.000Z"}
    assert stream.rows == {
        "a": {
            "id": {"S": "a"},
            "data": {"M": {"pk": {"S": "a"}}},
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
            "action": {"S": "INSERTED"},
            "changed": {"L": [{"S": "pk"}]},
            "at": time,
        }
    ]
    assert stream.kept == {}


def test_the_life_of_an_item_is_its_trail_and_its_last_image_is_the_view(stream: Projected) -> None:
    stream.deliver(table_record(1, None, A), table_record(2, A, B))
    assert stream.data == {"a": B}
    assert (stream.actions, stream.changed()) == (["INSERTED", "MODIFIED"], [["pk", "price"], ["price"]])


def test_what_was_removed_is_a_tombstone_without_data(stream: Projected) -> None:
    stream.deliver(table_record(1, None, A), table_record(2, A, None))
    row = stream.rows["a"]
    assert sorted(row) == ["event_id", "expires_at", "id", "removed", "sequence", "updated_at"]
    assert row["removed"] == {"BOOL": True}
    assert (stream.actions, stream.changed()[1]) == (["INSERTED", "REMOVED"], ["pk", "price"])


def test_a_tombstone_may_go_184_days_after_the_removal(stream: Projected) -> None:
    stream.deliver(table_record(2, A, None))
    assert stream.rows["a"]["expires_at"] == {"N": str(FIRST + 2 + 184 * 86_400)}


def test_a_tombstone_may_go_when_the_settings_say(dynamodb: DynamoDBClient) -> None:
    stream = Projected(dynamodb, {"TOMBSTONE_SECONDS": "86400"})
    stream.deliver(table_record(2, A, None))
    assert stream.rows["a"]["expires_at"] == {"N": str(FIRST + 2 + 86_400)}


def test_a_row_that_is_there_never_expires(stream: Projected) -> None:
    stream.deliver(table_record(1, A, None), table_record(2, None, A))
    assert not {"expires_at", "removed"} & stream.rows["a"].keys()


def test_audit_rows_stay_for_ever_unless_the_settings_say_otherwise(stream: Projected) -> None:
    stream.deliver(table_record(1, None, A))
    assert "expires_at" not in stream.trail[0]


def test_an_audit_row_expires_so_long_after_its_change_and_the_view_does_not(dynamodb: DynamoDBClient) -> None:
    stream = Projected(dynamodb, {"AUDIT_SECONDS": "3600"})
    stream.deliver(table_record(1, None, A))
    assert stream.trail[0]["expires_at"] == {"N": str(FIRST + 1 + 3600)}
    assert "expires_at" not in stream.rows["a"]


@pytest.mark.parametrize(
    ("identity", "action"),
    [
        (EXPIRY, "EXPIRED"),
        (EXPIRY | {"more": "later"}, "EXPIRED"),
        (None, "REMOVED"),
        ({}, "REMOVED"),
        ("dynamodb.amazonaws.com", "REMOVED"),
        ({"type": "Service"}, "REMOVED"),
        ({"principalId": "dynamodb.amazonaws.com"}, "REMOVED"),
        ({"type": "Service", "principalId": "other.amazonaws.com"}, "REMOVED"),
        ({"type": "User", "principalId": "dynamodb.amazonaws.com"}, "REMOVED"),
    ],
)
def test_only_a_removal_by_the_time_to_live_is_called_expired(stream: Projected, identity: object, action: str) -> None:
    assert stream.deliver(table_record(1, A, None, userIdentity=identity)) == []
    assert (stream.actions, stream.data) == ([action], {})


def test_an_insert_by_a_service_is_no_expiry(stream: Projected) -> None:
    stream.deliver(table_record(1, None, A, userIdentity=EXPIRY))
    assert stream.actions == ["INSERTED"]


def test_what_changes_are_the_values_attributes_that_came_and_those_that_went(stream: Projected) -> None:
    old = item(pk="a", same=1, gone=1, other={"M": {"deep": {"N": "1"}}})
    new = item(pk="a", same=1, came=1, other={"M": {"deep": {"N": "2"}}})
    stream.deliver(table_record(1, old, new))
    assert stream.changed() == [["came", "gone", "other"]]


def test_an_attribute_whose_type_alone_changes_has_changed(stream: Projected) -> None:
    stream.deliver(table_record(1, item(pk="a", x={"S": "1"}), item(pk="a", x={"N": "1"})))
    assert stream.changed() == [["x"]]


def test_a_set_in_another_order_has_not_changed(stream: Projected) -> None:
    sets = (
        ({"SS": ["b", "a"]}, {"SS": ["a", "b"]}),
        ({"NS": ["10", "9"]}, {"NS": ["9", "10"]}),
        ({"BS": ["Yg==", "YQ=="]}, {"BS": ["YQ==", "Yg=="]}),
    )
    for number, (old, new) in enumerate(sets, 1):
        stream.deliver(table_record(number, item(pk="a", x=old), item(pk="a", x=new)))
    assert stream.changed() == [[], [], []]
    assert stream.rows == {}


def test_a_change_of_nothing_is_in_the_audit_only(stream: Projected) -> None:
    stream.deliver(table_record(1, None, A))
    stream.view.made.clear()
    assert stream.deliver(table_record(2, A, A)) == []
    assert (stream.actions, stream.changed()[1]) == (["INSERTED", "MODIFIED"], [])
    assert stream.view.made == []
    assert stream.rows["a"]["sequence"]["S"] == "1".zfill(128)


def test_an_update_by_another_record_makes_the_row_that_was_not_there(stream: Projected) -> None:
    stream.deliver(table_record(7, A, B))
    assert stream.data == {"a": B}


# --- values


@pytest.mark.parametrize(
    "attribute",
    [
        {"S": ""},
        {"S": "Zürich 東京 🚀 \0 \x1f"},
        {"N": "12345678901234567890123456789012345678"},
        {"N": "-0.1"},
        {"N": "1E-130"},
        {"N": "9.9999999999999999999999999999999999999E+125"},
        {"BOOL": False},
        {"NULL": True},
        {"L": []},
        {"M": {}},
        {"L": [{"S": "x"}, {"L": [{"N": "1"}]}, {"M": {"y": {"NULL": True}}}]},
        {"M": {"": {"S": "x"}, "S": {"S": "x"}, "L": {"L": []}}},
        {"SS": ["a", "b"]},
        {"NS": ["-1", "0.5", "10"]},
    ],
    ids=str,
)
def test_a_value_is_in_the_view_as_it_was_in_the_item(stream: Projected, attribute: dict[str, Any]) -> None:
    assert stream.deliver(image_of(attribute)) == []
    assert stream.view.of("put_item")[0]["Item"]["data"]["M"]["x"] == attribute
    assert "a" in stream.rows


def test_bytes_stay_bytes_alone_in_sets_and_deep_inside(stream: Projected) -> None:
    encoded = {"L": [{"B": "AP8="}, {"BS": ["/w==", "AA=="]}, {"M": {"x": {"B": ""}}}]}
    stream.deliver(image_of(encoded))
    assert stream.data["a"]["x"] == {"L": [{"B": b"\0\xff"}, {"BS": [b"\0", b"\xff"]}, {"M": {"x": {"B": b""}}}]}


def test_numbers_in_a_set_are_in_the_order_of_numbers() -> None:
    assert attributes_at({"x": {"NS": ["10", "9", "-1"]}}, []) == {"x": {"NS": ["-1", "9", "10"]}}


def test_a_number_is_never_read_as_a_float(stream: Projected) -> None:
    stream.deliver(image_of({"N": "0.1000000000000000055511151231257827021"}))
    assert Decimal(stream.data["a"]["x"]["N"]) == Decimal("0.1000000000000000055511151231257827021")


# --- ids


@pytest.mark.parametrize(
    ("keys", "row_id"),
    [
        ({"pk": {"S": "a"}}, "a"),
        ({"pk": {"S": "Zürich 東京 🚀"}}, "Zürich 東京 🚀"),
        ({"pk": {"S": '{"pk":"a"}'}}, '{"pk":"a"}'),
        ({"pk": {"S": " a "}}, " a "),
        ({"pk": {"N": "42"}}, '{"pk":42}'),
        ({"pk": {"N": "1E+2"}}, '{"pk":100}'),
        ({"pk": {"N": "0.10"}}, '{"pk":0.1}'),
        ({"pk": {"B": "AP8="}}, '{"pk":"AP8="}'),
        ({"pk": {"S": "a"}, "sk": {"N": "1"}}, '{"pk":"a","sk":1}'),
        ({"sk": {"N": "1"}, "pk": {"S": "a"}}, '{"pk":"a","sk":1}'),
        ({"pk": {"S": "a"}, "sk": {"S": "1"}}, '{"pk":"a","sk":"1"}'),
        ({"pk": {"S": 'a","sk":"b'}, "sk": {"S": "c"}}, '{"pk":"a\\",\\"sk\\":\\"b","sk":"c"}'),
        ({"ö": {"S": "ä"}, "sk": {"B": ""}}, '{"sk":"","ö":"ä"}'),
        ({"pk": {"S": "k" * 2048}}, "k" * 2048),
    ],
)
def test_the_id_of_a_row_is_the_key_of_its_item_as_text(stream: Projected, keys: dict[str, Any], row_id: str) -> None:
    stream.deliver(changed_record(Keys=keys))
    assert list(stream.rows) == [row_id]
    assert [row["id"]["S"] for row in stream.trail] == [row_id]


@pytest.mark.parametrize("text", ["k" * 2049, "ü" * 1025, "", "\ud800"], ids=["long", "long in bytes", "empty", "half"])
def test_a_key_that_no_row_can_have_is_poison(stream: Projected, text: str) -> None:
    keys = {"pk": {"S": text}}
    assert stream.deliver(changed_record(Keys=keys)) == []
    assert len(stream.reasons) == 1
    assert (stream.rows, stream.trail) == ({}, [])


@pytest.mark.parametrize(
    "keys", [{}, None, "a", {"pk": {"BOOL": True}}, {"a": {"S": "1"}, "b": {"S": "2"}, "c": {"S": "3"}}, {"pk": {"SS": ["a"]}}]
)
def test_what_is_no_key_is_poison(stream: Projected, keys: object) -> None:
    stream.deliver(changed_record(Keys=keys))
    (reason,) = stream.reasons
    assert "/dynamodb/Keys must be" in reason


# --- excluded


def test_what_is_excluded_reaches_neither_the_view_nor_the_audit(dynamodb: DynamoDBClient) -> None:
    stream = Projected(dynamodb, {"EXCLUDED": "email, card"})
    secret = item(pk="a", email="alice@example.com", card={"M": {"number": {"S": "4242"}}}, price=1)
    stream.deliver(table_record(1, None, secret), table_record(2, secret, item(pk="a", price=1)))
    stream.deliver(table_record(3, secret, None))
    calls = json.dumps([stream.view.made, stream.audit.made])
    assert not [word for word in ("email", "alice", "card", "4242") if word in calls]
    assert stream.changed() == [["pk", "price"], [], ["pk", "price"]]


def test_a_change_of_what_is_excluded_is_in_the_audit_without_its_name_and_not_in_the_view(dynamodb: DynamoDBClient) -> None:
    stream = Projected(dynamodb, {"EXCLUDED": "email"})
    stream.deliver(table_record(1, item(pk="a", email="old"), item(pk="a", email="new")))
    assert (stream.actions, stream.changed(), stream.rows) == (["MODIFIED"], [[]], {})


def test_only_whole_top_level_attributes_are_excluded(dynamodb: DynamoDBClient) -> None:
    stream = Projected(dynamodb, {"EXCLUDED": "email"})
    stream.deliver(table_record(1, None, item(pk="a", emails="x", more={"M": {"email": {"S": "x"}}})))
    assert sorted(stream.data["a"]) == ["emails", "more", "pk"]


def test_an_excluded_attribute_may_hold_anything(dynamodb: DynamoDBClient) -> None:
    stream = Projected(dynamodb, {"EXCLUDED": "x"})
    stream.deliver(image_of({"N": "NaN"}))
    assert stream.data == {"a": {"pk": {"S": "a"}}}


def test_a_key_that_is_excluded_is_a_fault_of_the_settings_and_no_record_is_lost_over_it(dynamodb: DynamoDBClient) -> None:
    stream = Projected(dynamodb, {"EXCLUDED": "sk,pk"})
    record = table_record(1, None, item(pk="a", sk="b"), keys=("pk", "sk"))
    with pytest.raises(SettingsError, match=r"^EXCLUDED must not have an attribute of the table's key.*'pk'$"):
        TableReader(stream.settings.excluded)(Record.of(record, DYNAMODB))
    assert stream.deliver(record) == ["1"]
    assert (stream.rows, stream.trail, stream.kept) == ({}, [], {})


# --- poison

UNFIT = {
    "no mapping": "text",
    "none": None,
    "empty": {},
    "two types": {"S": "a", "N": "1"},
    "list and more": {"L": [], "S": "a"},
    "map and more": {"M": {}, "S": "a"},
    "unknown type": {"X": "a"},
    "text as number": {"S": 1},
    "number as number": {"N": 1},
    "NaN": {"N": "NaN"},
    "infinity": {"N": "Infinity"},
    "blank number": {"N": " 1"},
    "underscore": {"N": "1_000"},
    "other digits": {"N": "\u0661"},
    "39 digits": {"N": "1" * 39},
    "too great": {"N": "1E+126"},
    "far too great": {"N": "1E+99999999999999999999"},
    "too small": {"N": "1E-131"},
    "no base64": {"B": "a!"},
    "cut off base64": {"B": "YQ="},
    "bytes as number": {"B": 1},
    "text as truth": {"BOOL": "true"},
    "no null": {"NULL": False},
    "null as number": {"NULL": 1},
    "list as text": {"L": "a"},
    "list of plain": {"L": ["a"]},
    "map as list": {"M": []},
    "map of plain": {"M": {"a": 1}},
    "empty set": {"SS": []},
    "set as text": {"SS": "a"},
    "set of numbers": {"SS": [1]},
    "set of no numbers": {"NS": ["x"]},
    "set of no base64": {"BS": ["!"]},
    "half a pair": {"S": "\ud800"},
    "half a pair in a name": {"M": {"\udfff": {"S": "a"}}},
    "deep inside": {"L": [{"M": {"y": {"L": [{"N": "x"}]}}}]},
}


@pytest.mark.parametrize("attribute", UNFIT.values(), ids=UNFIT)
def test_a_value_that_dynamodb_does_not_have_is_poison_and_leaves_no_row(stream: Projected, attribute: object) -> None:
    assert stream.deliver(image_of(attribute)) == []
    (kept,) = stream.kept.values()
    assert kept["reason"].startswith("The record is not in the form that its stream has. /dynamodb/NewImage/x")
    assert kept["error"] == "InvalidError"
    assert (stream.rows, stream.trail) == ({}, [])


def test_the_reason_says_where_the_value_is(stream: Projected) -> None:
    stream.deliver(image_of(UNFIT["deep inside"]))
    (reason,) = stream.reasons
    assert reason.endswith("/dynamodb/NewImage/x/0/y/0 is no attribute value")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"eventName": "TRUNCATE"}, "/eventName must be INSERT, MODIFY or REMOVE"),
        ({"eventName": None}, "/eventName must be"),
        ({"eventName": ["INSERT"]}, "/eventName must be"),
        ({"eventSource": "aws:sqs"}, "/eventName must be"),
        ({"dynamodb": None}, "/eventName must be"),
        ({"dynamodb": "text"}, "/eventName must be"),
        ({"NewImage": None}, "/dynamodb/NewImage is required: the stream must have new and old images"),
        ({"NewImage": []}, "/dynamodb/NewImage is required"),
        ({"eventName": "MODIFY"}, "/dynamodb/OldImage is required"),
        ({"eventName": "REMOVE"}, "/dynamodb/OldImage is required"),
        ({"eventID": None}, "The record is not in the form"),
        ({"eventID": 5}, "The record is not in the form"),
        ({"eventID": "\ud800"}, "The record is not in the form"),
        ({"ApproximateCreationDateTime": None}, "The record is not in the form"),
        ({"ApproximateCreationDateTime": "yesterday"}, "The record is not in the form"),
        ({"ApproximateCreationDateTime": True}, "The record is not in the form"),
        ({"ApproximateCreationDateTime": 1e20}, "The record is not in the form"),
        ({"SequenceNumber": None}, "The record is not in the form"),
        ({"SequenceNumber": "-1"}, "The record is not in the form"),
        ({"SequenceNumber": "1" * 129}, "The record is not in the form"),
        ({"SequenceNumber": 1}, "The record is not in the form"),
    ],
    ids=str,
)
def test_a_record_in_another_form_is_kept_with_what_is_wrong(stream: Projected, changes: dict[str, Any], words: str) -> None:
    good = table_record(1, None, item(pk="good"))
    assert stream.deliver(good, changed_record(**changes)) == []
    (kept,) = stream.kept.values()
    assert words in kept["reason"]
    assert kept["record"] == changed_record(**changes)
    assert list(stream.rows) == ["good"]


@pytest.mark.parametrize("record", [None, 5, "text", [], {}], ids=str)
def test_what_is_no_record_at_all_is_kept_too(stream: Projected, record: object) -> None:
    assert stream.deliver(table_record(1, None, A), record) == []
    ((key, kept),) = stream.kept.items()
    assert key.startswith("records/dt=unknown/")
    assert (kept["record"], kept["at"]) == (record, None)


def test_a_sequence_number_of_128_digits_is_taken(stream: Projected) -> None:
    stream.deliver(changed_record(SequenceNumber="9" * 128))
    assert stream.rows["a"]["sequence"] == {"S": "9" * 128}
