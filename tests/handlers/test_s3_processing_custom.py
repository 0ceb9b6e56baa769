"""The user's own processor."""

import hashlib
import io
import json
import sys
import types
from typing import Any

import pytest

from s3_processing.api import ByteReader, Rejected, StoredObject
from shared.settings import SettingsError
from shared.user_code import function_named
from tests.handlers.s3_client import Intake


def stored(content: bytes) -> StoredObject:
    return StoredObject(
        "b", "k", "v", len(content), "", io.BufferedReader(ByteReader(content[n : n + 7] for n in range(0, len(content), 7)))
    )


def test_what_a_processor_answers_is_in_the_details_of_the_status(intake: Intake) -> None:
    seen: list[Any] = []

    def process(obj: StoredObject) -> dict[str, Any]:
        seen.append((obj.bucket, obj.key, obj.version, obj.size, obj.content_type))
        return {"sha256": hashlib.file_digest(obj.body, "sha256").hexdigest(), "list": [1, 2.5, None]}

    intake.processor = process
    assert intake.work("a.csv", b"x" * 300_000, "text/x-own") == []
    status = intake.status("a.csv")
    assert seen == [(intake.bucket, "a.csv", status["version"], 300_000, "text/x-own")]
    assert (status["state"], status["kind"]) == ("PROCESSED", "custom")
    details = json.loads(json.dumps(status["details"], default=float))
    assert details == {"sha256": hashlib.sha256(b"x" * 300_000).hexdigest(), "list": [1, 2.5, None]}


def test_a_processor_may_answer_nothing(intake: Intake) -> None:
    intake.processor = lambda _: None
    intake.work("a.csv", b"x")
    assert (intake.verdict("a.csv"), intake.status("a.csv")["details"]) == (("PROCESSED", None), {})


def test_a_processor_can_reject_a_file(intake: Intake) -> None:
    def process(_: StoredObject) -> None:
        raise Rejected("the total is negative")  # noqa: EM101, TRY003  as users write it

    intake.processor = process
    assert intake.work("a.csv", b"x") == []
    assert intake.verdict("a.csv") == ("REJECTED", "the total is negative")
    assert intake.result("a.csv")["reason"] == "the total is negative"


def test_a_reason_of_any_length_and_characters_fits_into_the_status(intake: Intake) -> None:
    def process(_: StoredObject) -> None:
        raise Rejected("a\r\nb\0\ud800" + "x" * 500_000)

    intake.processor = process
    assert intake.work("a.csv", b"x") == []
    state, reason = intake.verdict("a.csv")
    assert (state, reason) == ("REJECTED", "a??b??" + "x" * 994)


def test_after_any_other_exception_the_object_is_tried_again_and_has_failed_in_the_end(intake: Intake, log_lines) -> None:
    def process(_: StoredObject) -> None:
        raise KeyError

    intake.processor = process
    created = intake.put("a.csv", b"x")
    assert len(intake.again(created, receive_count=4)) == 1
    assert intake.verdict("a.csv") == ("RECEIVED", None)
    assert intake.again(created, receive_count=5) == []
    assert intake.verdict("a.csv") == ("FAILED", "unexpected error: KeyError")
    assert [reason for _, reason in intake.dead_letters] == ["unexpected error: KeyError"]
    assert any("KeyError" in str(line.get("exception")) for line in log_lines())


@pytest.mark.parametrize(
    "result", [{"a": object()}, {"a": float("nan")}, {"a": "x" * 310_000}, {"a": b"x"}, [1], "text", {"\0": 1}]
)
def test_a_processor_whose_answer_cannot_be_stored_is_told_so(intake: Intake, result: Any) -> None:
    intake.processor = lambda _: result
    assert intake.work("a.csv", b"x") == []
    state, reason = intake.verdict("a.csv")
    assert state == "FAILED"
    assert str(reason).startswith("The processor must answer with a mapping that JSON has a form for")


def test_the_lines_of_an_object_come_one_by_one_without_their_ends() -> None:
    assert list(stored("\ufeffä\r\nb\n\nc".encode()).lines()) == ["ä", "b", "", "c"]


def test_lines_in_another_encoding_than_asked_for_reject_the_file() -> None:
    with pytest.raises(Rejected, match="it is not in utf-8"):
        list(stored(b"a\n\xfc\n").lines("utf-8"))
    assert list(stored(b"a\n\xfc\n").lines("latin-1")) == ["a", "ü"]


def test_a_line_that_would_not_fit_into_memory_rejects_the_file() -> None:
    with pytest.raises(Rejected, match="a line has more than 1048576 characters"):
        list(stored(b"x" * 1_048_577).lines())
    assert [len(line) for line in stored(b"x" * 1_048_575 + b"\nx").lines()] == [1_048_575, 1]


def test_the_body_can_be_read_on_after_its_lines_were_left() -> None:
    obj = stored(b"a\nb\n")
    assert next(obj.lines()) == "a"
    assert not obj.body.closed


def test_a_processor_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = types.ModuleType("own_processing")
    module.process = lambda _: {"own": True}
    module.number = 5
    monkeypatch.setitem(sys.modules, "own_processing", module)
    assert function_named("own_processing:process", "PROCESSOR") is module.process
    assert function_named("", "PROCESSOR") is None


@pytest.mark.parametrize("name", ["nowhere:process", "json:nothing", "json", ":", "json:__name__"])
def test_a_processor_that_is_none_is_named_at_the_start(name: str) -> None:
    with pytest.raises(SettingsError, match=r"PROCESSOR must .* got"):
        function_named(name, "PROCESSOR")
