"""What becomes of an object when events come twice, late or in the wrong order, and when something around it fails."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from botocore.exceptions import IncompleteReadError, ReadTimeoutError

from s3_processing.models import Created
from shared.envelope import Envelope
from tests.handlers.s3_client import DENIED, TABLE, THROTTLED, Intake, refused, rows_of


def fails_at(number: int, error: Exception = THROTTLED) -> list[Exception | None]:
    return [*[None] * (number - 1), error]


# --- the event


def test_what_became_of_an_object_is_announced_in_an_envelope_that_subscribers_can_filter(intake: Intake) -> None:
    created = intake.put("in/a.csv", rows_of(2) + b"bad\n")
    record = intake.record(created)
    intake.deliver(record)
    (event,) = [Envelope.parse(json.dumps(event)) for event in intake.announced]
    assert (event.id, event.type) == (f"{created.rows_id}:PROCESSED", "objects.processed")
    assert (event.correlation_id, event.causation_id) == (created.rows_id, record["messageId"])
    assert event.time == intake.status("in/a.csv")["updated_at"]
    assert json.loads(json.dumps(event.data, default=int)) == {
        "bucket": intake.bucket,
        "key": "in/a.csv",
        "version": created.version_id,
        "kind": "csv",
        "rows": 3,
        "accepted": 2,
        "rejected": 1,
        "result_key": f"results/in/a.csv@{created.version_id}.json",
    }
    (published,) = intake.sns.of("publish")
    assert published["MessageAttributes"]["event_type"] == {"DataType": "String", "StringValue": "objects.processed"}


def test_a_rejected_object_is_announced_with_its_reason_and_its_message_is_done(intake: Intake) -> None:
    assert intake.work("a.zip", b"PK\x03\x04") == []
    (event,) = intake.announced
    assert (event["type"], event["data"]["reason"], event["data"]["kind"]) == ("objects.rejected", "unsupported", "unsupported")
    assert intake.dead_letters == []


def test_the_result_says_what_the_status_says_and_which_rows_were_rejected(intake: Intake) -> None:
    created = intake.put("a.csv", rows_of(1) + b"bad\n")
    intake.deliver(intake.record(created))
    assert intake.result("a.csv") == {
        "bucket": intake.bucket,
        "key": "a.csv",
        "version": created.version_id,
        "state": "PROCESSED",
        "kind": "csv",
        "reason": None,
        "counts": {"rows": 2, "accepted": 1, "rejected": 1},
        "rejected_rows": [{"line": 3, "reason": "has 1 fields, and the header has 2"}],
        "details": {"delimiter": ",", "columns": 2, "encoding": "utf-8"},
    }


# --- twice, late, in the wrong order


def test_a_message_that_comes_twice_is_worked_and_announced_once(intake: Intake) -> None:
    created = intake.put("a.csv", rows_of(3))
    for _ in range(3):
        assert intake.again(created) == []
    assert (intake.written, len(intake.announced), intake.s3.names.count("get_object")) == ([2, 3, 4], 1, 1)


def test_a_new_version_takes_the_place_of_the_old_one(intake: Intake) -> None:
    intake.work("a.csv", rows_of(3))
    old = intake.status("a.csv")
    intake.work("a.csv", rows_of(1))
    new = intake.status("a.csv")
    assert new["version"] != old["version"]
    assert (new["counts"]["rows"], sorted(intake.rows("a.csv"))) == (1, [2])
    assert sorted(intake.rows("a.csv", old["version"])) == [2, 3, 4]


def test_an_older_version_that_comes_after_a_newer_one_changes_nothing(intake: Intake) -> None:
    older, newer = intake.put("a.csv", rows_of(3)), intake.put("a.csv", rows_of(1))
    intake.deliver(intake.record(newer))
    before = intake.status("a.csv")
    assert intake.deliver(intake.record(older)) == []
    assert (intake.status("a.csv"), intake.written, len(intake.announced)) == (before, [2], 1)
    assert intake.rows("a.csv", older.version) == {}


def test_an_older_version_that_fails_after_a_newer_one_changes_nothing(intake: Intake) -> None:
    older, newer = intake.put("a.csv", rows_of(3)), intake.put("a.csv", rows_of(1))
    intake.deliver(intake.record(newer))
    before = intake.status("a.csv")
    intake.deliver(intake.record(older, receive_count=6))
    assert (intake.status("a.csv"), len(intake.announced)) == (before, 1)


def test_an_older_version_that_is_overtaken_while_it_is_worked_is_not_announced(intake: Intake) -> None:
    older, newer = intake.put("a.csv", rows_of(300)), intake.put("a.csv", rows_of(1))
    calls: list[int] = []

    def overtaken(_: Any) -> None:
        if not calls:
            calls.append(1)
            intake.deliver(intake.record(newer))

    intake.processor = overtaken  # the older one is read by it, and the newer one comes meanwhile
    intake.deliver(intake.record(older))
    assert intake.status("a.csv")["version"] == newer.version
    assert [event["data"]["version"] for event in intake.announced] == [newer.version]


def test_versions_come_in_the_order_of_their_sequencers_whatever_their_length(intake: Intake) -> None:
    first, second = intake.put("a.csv", rows_of(1)), intake.put("a.csv", rows_of(2))
    intake.deliver(intake.record(replace(first, sequencer="0055AED6DC")))
    intake.deliver(intake.record(replace(second, sequencer="0055aed6dc01")))
    assert intake.status("a.csv")["version"] == second.version


def test_the_version_that_the_event_is_about_is_read_even_if_there_is_a_newer_one(intake: Intake) -> None:
    older = intake.put("a.csv", b"a,b\nold,1\n")
    intake.put("a.csv", b"a,b\nnew,2\n")
    intake.deliver(intake.record(older))
    assert intake.rows("a.csv") == {2: {"a": "old", "b": "1"}}


def test_without_versions_an_object_that_was_overwritten_before_it_was_read_is_superseded(plain_intake: Intake) -> None:
    older = plain_intake.put("a.csv", b"a,b\nold,1\n")
    newer = plain_intake.put("a.csv", b"a,b\nnew,2\n")
    plain_intake.deliver(plain_intake.record(older))
    assert plain_intake.verdict("a.csv") == ("REJECTED", "superseded")
    plain_intake.deliver(plain_intake.record(newer))
    assert plain_intake.verdict("a.csv") == ("PROCESSED", None)
    assert plain_intake.rows("a.csv") == {2: {"a": "new", "b": "2"}}
    assert plain_intake.status("a.csv")["version"] == f"{newer.etag}-{newer.sequencer.lower()}"


def test_the_same_content_uploaded_twice_without_versions_is_worked_twice(plain_intake: Intake) -> None:
    first, second = plain_intake.put("a.csv", rows_of(1)), plain_intake.put("a.csv", rows_of(1))
    plain_intake.deliver(plain_intake.record(first), plain_intake.record(second))
    assert len({event["id"] for event in plain_intake.announced}) == 2


@pytest.mark.parametrize("versioned", [True, False])
def test_an_object_that_is_gone_is_rejected(intake: Intake, plain_intake: Intake, versioned: bool) -> None:
    bench = intake if versioned else plain_intake
    created = bench.put("a.csv", rows_of(1))
    more = {"VersionId": created.version_id} if created.version_id else {}
    bench.s3.client.delete_object(Bucket=bench.bucket, Key="a.csv", **more)
    assert bench.deliver(bench.record(created)) == []
    assert bench.verdict("a.csv") == ("REJECTED", "gone")


def test_a_version_that_was_only_hidden_by_a_deletion_is_still_worked(intake: Intake) -> None:
    created = intake.put("a.csv", rows_of(1))
    intake.s3.client.delete_object(Bucket=intake.bucket, Key="a.csv")
    intake.deliver(intake.record(created))
    assert intake.verdict("a.csv") == ("PROCESSED", None)


def test_an_archived_object_is_rejected(intake: Intake) -> None:
    intake.s3.failures["get_object"] = [refused("InvalidObjectState", "GetObject", 403)]
    created = intake.put("a.csv", rows_of(1))
    intake.deliver(intake.record(created))
    assert "archived" in str(intake.verdict("a.csv")[1])


# --- what fails


@dataclass
class Failure:
    """A call of one of the clients that fails, and what is said of it."""

    client: str
    call: str
    error: Exception
    reason: str


FAILURES = [
    Failure("table", "update_item", DENIED, "unexpected error: AccessDeniedException"),
    Failure("table", "update_item", THROTTLED, "A call to AWS did not work: ThrottlingException."),
    Failure("table", "batch_write_item", DENIED, "unexpected error: AccessDeniedException"),
    Failure("s3", "get_object", refused("AccessDenied", "GetObject", 403), "unexpected error: AccessDenied"),
    Failure("s3", "get_object", refused("SlowDown", "GetObject", 503), "A call to AWS did not work: SlowDown."),
    Failure("s3", "put_object", refused("InternalError", "PutObject", 500), "A call to AWS did not work: InternalError."),
    Failure("sns", "publish", THROTTLED, "A call to AWS did not work: ThrottlingException."),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: f"{failure.call}: {failure.reason}")
def test_whatever_call_fails_the_message_comes_again_and_nothing_is_lost(intake: Intake, log_lines, failure: Failure) -> None:
    created = intake.put("a.csv", rows_of(3))
    getattr(intake, failure.client).failures[failure.call] = [failure.error]
    assert len(intake.deliver(intake.record(created))) == 1
    assert [line["reason"] for line in log_lines() if line.get("result") == "comes again"] == [failure.reason]
    assert (intake.announced, intake.dead_letters) == ([], [])
    assert intake.again(created) == []
    assert (intake.verdict("a.csv"), sorted(intake.rows("a.csv"))) == (("PROCESSED", None), [2, 3, 4])
    assert [event["type"] for event in intake.announced] == ["objects.processed"]


def test_after_the_last_try_the_message_is_kept_with_its_reason_and_the_object_has_failed(intake: Intake) -> None:
    created = intake.put("a.csv", rows_of(3))
    intake.s3.failures["get_object"] = [refused("SlowDown", "GetObject", 503)]
    assert intake.again(created, receive_count=5) == []
    ((body, reason),) = intake.dead_letters
    assert json.loads(body)["detail"]["object"]["key"] == "a.csv"
    assert reason == "A call to AWS did not work: SlowDown."
    assert intake.verdict("a.csv") == ("FAILED", reason)
    (event,) = intake.announced
    assert (event["type"], event["data"]["reason"]) == ("objects.failed", reason)


def test_a_failed_object_is_worked_again_when_its_message_comes_again(intake: Intake) -> None:
    created = intake.put("a.csv", rows_of(3))
    intake.s3.failures["get_object"] = [DENIED]
    intake.again(created, receive_count=5)
    assert intake.again(created, receive_count=1) == []
    assert (intake.verdict("a.csv"), sorted(intake.rows("a.csv"))) == (("PROCESSED", None), [2, 3, 4])
    assert [event["type"] for event in intake.announced] == ["objects.failed", "objects.processed"]


def test_an_object_that_the_function_died_of_each_time_is_given_up(intake: Intake) -> None:
    created = intake.put("a.csv", rows_of(3))
    intake.deliver(intake.record(created, receive_count=6))
    state, reason = intake.verdict("a.csv")
    assert (state, intake.written) == ("FAILED", [])
    assert str(reason).startswith("The function ended before it was done, each of 5 times")
    assert len(intake.dead_letters) == 1


def test_a_final_object_never_becomes_anything_else(intake: Intake) -> None:
    created = intake.put("a.csv", rows_of(1))
    intake.deliver(intake.record(created))
    before = intake.status("a.csv")
    for receive_count in (1, 5, 6):
        intake.again(created, receive_count=receive_count)
    assert (intake.status("a.csv"), len(intake.announced)) == (before, 1)


def test_a_topic_that_fails_after_the_table_was_written_is_told_the_next_time_and_nothing_is_read_again(intake: Intake) -> None:
    created = intake.put("a.csv", rows_of(1))
    intake.sns.failures["publish"] = [THROTTLED]
    assert len(intake.deliver(intake.record(created))) == 1
    assert (intake.verdict("a.csv"), intake.announced) == (("PROCESSED", None), [])
    intake.forget_calls()
    assert intake.again(created) == []
    (event,) = intake.announced
    assert (event["id"], event["time"]) == (f"{created.rows_id}:PROCESSED", intake.status("a.csv")["updated_at"])
    assert intake.s3.names == []


def test_an_announcement_that_is_made_twice_is_the_same_event(intake: Intake) -> None:
    created = intake.put("a.csv", rows_of(1))
    intake.table.failures["update_item"] = fails_at(3)
    assert len(intake.deliver(intake.record(created))) == 1
    intake.again(created)
    first, second = intake.announced
    assert first.pop("causation_id") != second.pop("causation_id")
    assert first == second


def test_a_table_that_is_denied_stops_nothing_but_this_message_and_its_arn_is_told_nobody(intake: Intake) -> None:
    denied, good = intake.put("a.csv", rows_of(1)), intake.put("b.csv", rows_of(1))
    intake.table.failures["update_item"] = [DENIED]
    came_again = intake.deliver(intake.record(denied, receive_count=5), intake.record(good))
    assert (came_again, intake.verdict("b.csv")) == ([], ("PROCESSED", None))
    assert [reason for _, reason in intake.dead_letters] == ["unexpected error: AccessDeniedException"]
    assert intake.verdict("a.csv") == ("FAILED", "unexpected error: AccessDeniedException")


# --- a table without room


def room_for(intake: Intake, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the table take only so many items of each call."""
    write = intake.dynamodb.batch_write_item

    def some(RequestItems: Any) -> Any:  # noqa: N803  boto3's own
        offered = RequestItems[TABLE]
        if most:
            write(RequestItems={TABLE: offered[:most]})
        return {"UnprocessedItems": {TABLE: offered[most:]} if offered[most:] else {}}

    monkeypatch.setattr(intake.dynamodb, "batch_write_item", some)


def test_items_that_the_table_had_no_room_for_are_offered_again_after_a_pause(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    room_for(intake, 10, monkeypatch)
    assert intake.work("a.csv", rows_of(25)) == []
    assert len(intake.rows("a.csv")) == 25
    assert len(intake.pauses) == 2
    assert all(0 <= pause <= longest for pause, longest in zip(intake.pauses, (0.05, 0.1), strict=True))


def test_a_table_that_never_has_room_lets_the_message_come_again(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    room_for(intake, 0, monkeypatch)
    assert len(intake.work("a.csv", rows_of(25))) == 1
    assert sum(intake.pauses) <= 5
    monkeypatch.undo()
    assert intake.verdict("a.csv") == ("RECEIVED", None)


# --- too little time


def runs_out_after(intake: Intake, batches: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the time be over once so many batches of rows are written."""
    write, made = intake.dynamodb.batch_write_item, []

    def counted(**parameters: Any) -> Any:
        made.append(1)
        if len(made) >= batches:
            intake.context.milliseconds_left = 25_000
        return write(**parameters)

    monkeypatch.setattr(intake.dynamodb, "batch_write_item", counted)


def test_an_object_for_which_the_time_ran_out_goes_on_where_it_stopped(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    created = intake.put("a.csv", b"id,text\nbad\n" + rows_of(320).partition(b"\n")[2])
    runs_out_after(intake, 8, monkeypatch)
    assert intake.deliver(intake.record(created, receive_count=5)) == []
    first = intake.written
    (copy,) = intake.copies
    assert (copy["DelaySeconds"], intake.status("a.csv")["state"], intake.dead_letters) == (0, "RECEIVED", [])
    assert intake.status("a.csv")["progress"] == max(first) == 202
    monkeypatch.undo()
    intake.context.milliseconds_left = 60_000
    intake.forget_calls()
    assert intake.deliver(intake.record(copy["MessageBody"])) == []
    assert sorted([*first, *intake.written]) == list(range(3, 323))
    assert intake.status("a.csv")["counts"] == {"rows": 321, "accepted": 320, "rejected": 1}
    assert list(intake.rejected("a.csv")) == [2]


def test_time_that_runs_out_without_a_row_written_is_a_failure(intake: Intake) -> None:
    created = intake.put("a.csv", rows_of(150))

    def slow(**_: Any) -> None:
        intake.context.milliseconds_left = 20_000

    intake.s3.client.meta.events.register("before-call.s3.GetObject", slow)
    came_again = intake.deliver(intake.record(created))
    intake.s3.client.meta.events.unregister("before-call.s3.GetObject", slow)
    assert (len(came_again), intake.copies, intake.written) == (1, [], [])


def test_a_failure_amid_the_rows_goes_on_where_it_stopped(intake: Intake) -> None:
    created = intake.put("a.csv", rows_of(300))
    intake.table.failures["batch_write_item"] = fails_at(5)
    assert len(intake.deliver(intake.record(created))) == 1
    assert intake.status("a.csv")["progress"] == 101
    intake.forget_calls()
    assert intake.again(created) == []
    assert intake.written == list(range(102, 302))
    assert len(intake.rows("a.csv")) == 300


def test_a_new_version_begins_at_its_first_row(intake: Intake) -> None:
    older = intake.put("a.csv", rows_of(300))
    intake.table.failures["batch_write_item"] = fails_at(5)
    intake.deliver(intake.record(older))
    intake.work("a.csv", rows_of(150))
    assert sorted(intake.rows("a.csv")) == list(range(2, 152))


@pytest.mark.parametrize("milliseconds", [100, 20_000, 32_900])
def test_a_message_for_which_too_little_time_is_left_is_not_begun(intake: Intake, milliseconds: int) -> None:
    intake.context.milliseconds_left = milliseconds
    came_again = intake.work("a.csv", rows_of(1))
    assert len(came_again) + len(intake.copies) == 1
    assert (intake.table.names, intake.s3.names, intake.dead_letters) == ([], [], [])


# --- a connection that breaks


@pytest.mark.parametrize(
    "error",
    [IncompleteReadError(actual_bytes=1, expected_bytes=2), ReadTimeoutError(endpoint_url="https://s3", error="slow")],
)
def test_a_connection_that_breaks_while_an_object_is_read_goes_on_where_it_broke(
    intake: Intake, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    get = intake.s3.client.get_object
    monkeypatch.setattr(intake.s3.client, "get_object", breaking(get, error))
    intake.work("a.csv", rows_of(30, width=10_000))
    assert (intake.verdict("a.csv"), len(intake.rows("a.csv"))) == (("PROCESSED", None), 30)
    ranges = [call.get("Range") for call in intake.s3.of("get_object")]
    assert ranges[:3] == [None, "bytes=65536-", "bytes=131072-"]
    assert len({call["VersionId"] for call in intake.s3.of("get_object")}) == 1


def breaking(get: Callable[..., Any], error: Exception) -> Callable[..., Any]:
    """A bucket whose connections break after one piece each."""

    def some(**parameters: Any) -> Any:
        answer = get(**parameters)
        body, read = answer["Body"], []
        original = body.read

        def once(size: int) -> bytes:
            if read:
                raise error
            data: bytes = original(size)
            if len(data) == size:
                read.append(1)
            return data

        body.read = once
        return answer

    return some


def test_a_connection_that_breaks_again_and_again_lets_the_message_come_again(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    get = intake.s3.client.get_object

    def broken(**parameters: Any) -> Any:
        answer = get(**parameters)

        def fail(_: int) -> bytes:
            raise IncompleteReadError(actual_bytes=0, expected_bytes=1)

        answer["Body"].read = fail
        return answer

    monkeypatch.setattr(intake.s3.client, "get_object", broken)
    assert len(intake.work("a.csv", rows_of(3))) == 1
    assert intake.s3.names == ["get_object"] * 4


def test_without_versions_an_object_that_is_overwritten_while_it_is_read_is_superseded(
    plain_intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    get = plain_intake.s3.client.get_object
    monkeypatch.setattr(
        plain_intake.s3.client, "get_object", breaking(get, IncompleteReadError(actual_bytes=1, expected_bytes=2))
    )
    created = plain_intake.put("a.csv", rows_of(30, width=10_000))

    def overwrite(**_: Any) -> None:
        if len(plain_intake.s3.of("get_object")) == 1:
            plain_intake.put("a.csv", rows_of(30, width=20_000))

    plain_intake.s3.client.meta.events.register("after-call.s3.GetObject", overwrite)
    plain_intake.deliver(plain_intake.record(created))
    plain_intake.s3.client.meta.events.unregister("after-call.s3.GetObject", overwrite)
    assert plain_intake.verdict("a.csv") == ("REJECTED", "superseded")


def test_a_status_is_made_even_if_the_object_fails_before_it_was_taken_up(intake: Intake) -> None:
    created: Created = intake.put("a.csv", rows_of(1))
    intake.table.failures["update_item"] = [THROTTLED]
    intake.again(created, receive_count=5)
    assert intake.verdict("a.csv") == ("FAILED", "A call to AWS did not work: ThrottlingException.")
