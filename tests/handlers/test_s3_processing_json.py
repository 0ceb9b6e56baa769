"""JSON documents, arrays of them, and JSON Lines."""

import json
from typing import Any

import pytest

from tests.handlers.s3_client import Intake

SCHEMA = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "email": {"type": "string", "format": "email"}},
    "required": ["id"],
    "additionalProperties": False,
}


def test_a_document_is_stored_as_one_item(intake: Intake) -> None:
    intake.work("a.json", b'{"id": 1, "deep": {"list": [1, null, true, 0.1]}}')
    assert json.loads(json.dumps(intake.rows("a.json"), default=float)) == {
        "1": {"data": {"id": 1.0, "deep": {"list": [1.0, None, True, 0.1]}}}
    }
    assert intake.status("a.json")["details"] == {"type": "object", "stored": True}


def test_a_document_without_room_in_an_item_is_validated_and_not_stored(intake: Intake) -> None:
    intake.work("a.json", json.dumps({"id": 1, "text": "x" * 360 * 1024}).encode())
    assert (intake.verdict("a.json"), intake.rows("a.json")) == (("PROCESSED", None), {})
    assert intake.status("a.json")["details"] == {"type": "object", "stored": False}


def test_a_document_of_more_than_5_mb_is_rejected(intake: Intake) -> None:
    intake.work("a.json", b'{"a": "' + b"x" * 5 * 1024 * 1024 + b'"}')
    assert intake.status("a.json")["state"] == "REJECTED"
    assert "only JSON Lines may have more" in intake.status("a.json")["reason"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"id": 1', "The JSON is broken at line 1"),
        (b'{"id": 1,\n "id": 2}', "has the same name twice"),
        (b'{"id": NaN}', "/id is not a number in JSON"),
        (b'{"id": 1e400}', "/id has more than 38 significant digits"),
        (b'{"id": "\\u0000"}', "/id has a NUL"),
        (b'{"id": "\xff"}', "The JSON is not UTF-8."),
        (b'{"id": ' + b"[" * 100_000, "nested deeper"),
        (b"hello", "The JSON is broken at line 1"),
    ],
)
def test_a_document_that_means_nothing_certain_is_rejected_with_the_reason(intake: Intake, body: bytes, reason: str) -> None:
    intake.work("a.json", body)
    state, said = intake.verdict("a.json")
    assert state == "REJECTED"
    assert reason in str(said)


def test_a_document_that_does_not_fit_is_rejected_with_its_faults(intake: Intake) -> None:
    intake.schema = SCHEMA
    intake.work("a.json", b'{"email": "4711", "more": 1}')
    state, reason = intake.verdict("a.json")
    assert state == "REJECTED"
    assert reason is not None
    for fault in ("/id is required", "/more is not a known field", "/email"):
        assert fault in reason
    assert "4711" not in reason


def test_the_faults_of_a_line_are_told_with_its_number(intake: Intake) -> None:
    intake.schema = SCHEMA
    intake.work("a.jsonl", b'{"id": 1}\n{"id": "x"}\n\n{"email": "a@b.de"}\nbroken\n{"id": 6}')
    assert intake.rows("a.jsonl") == {1: {"data": {"id": 1}}, 6: {"data": {"id": 6}}}
    rejected = intake.rejected("a.jsonl")
    assert list(rejected) == [2, 4, 5]
    assert rejected[2].startswith("does not fit: /id ")
    assert rejected[4] == "does not fit: /id is required"
    assert rejected[5].startswith("The JSON is broken at line 1")


def test_the_elements_of_an_array_are_worked_like_lines(intake: Intake) -> None:
    intake.schema = SCHEMA
    intake.work("a.json", b'[{"id": 1},\n {"id": "x"},\n {"id": 3}]')
    assert sorted(intake.rows("a.json")) == [1, 3]
    assert list(intake.rejected("a.json")) == [2]
    assert intake.status("a.json")["details"] == {"type": "array"}


def test_one_line_that_is_no_utf_8_costs_the_others_nothing(intake: Intake) -> None:
    intake.work("a.jsonl", '{"a": "ü"}\n'.encode() + b'{"a": "\xfc"}\n{"a": "x"}\n')
    assert sorted(intake.rows("a.jsonl")) == [1, 3]
    assert intake.rejected("a.jsonl") == {2: "The JSON is not UTF-8."}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_json_may_begin_with_a_byte_order_mark(intake: Intake, encoding: str) -> None:
    intake.work("a.jsonl", '{"a": "ü"}\n{"a": "日"}\n'.encode(encoding))
    assert [row["data"]["a"] for row in intake.rows("a.jsonl").values()] == ["ü", "日"]


def test_a_line_of_more_than_1_mb_is_a_bad_line(intake: Intake) -> None:
    intake.work("a.jsonl", b'{"a": 1}\n{"a": "' + b"x" * 1_100_000 + b'"}\n{"a": 3}\n')
    assert (sorted(intake.rows("a.jsonl")), intake.rejected("a.jsonl")) == ([1, 3], {2: "has more than 1048576 characters"})


def test_a_line_that_no_item_can_hold_is_a_bad_line(intake: Intake) -> None:
    intake.work("a.jsonl", b'{"a": 1}\n{"a": "' + b"x" * 410 * 1024 + b'"}\n')
    assert intake.rejected("a.jsonl") == {2: "is larger than the 400 KB that can be stored"}


@pytest.mark.parametrize(("depth", "state"), [(31, "PROCESSED"), (32, "REJECTED")])
def test_a_document_as_deep_as_an_item_can_hold_is_stored(intake: Intake, depth: int, state: str) -> None:
    document: Any = 1
    for _ in range(depth):
        document = {"a": document}
    intake.work("a.json", json.dumps(document).encode())
    assert intake.status("a.json")["state"] == state
