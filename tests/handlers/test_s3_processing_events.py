"""Which object an event is about, whatever its key is."""

import copy
from typing import Any

import pytest

from s3_processing.events import objects_of
from s3_processing.models import Created
from shared.errors import InvalidError
from tests.handlers.s3_client import TEST_EVENT, Intake, bridged, notified, rows_of

KEYS = [
    "a+b.csv",
    "a b.csv",
    "a%20b.csv",
    "%252F.csv",
    "Übung/日本語 🎉.csv",
    "../../etc/passwd.csv",
    "/absolute/path.csv",
    "a//b/./c.csv",
    "line\r\nbreak: x.csv",
    "tab\tnull%00.csv",
    "quote\"'<&>.csv",
    "x" * 1020 + ".csv",
]

CREATED = Created(
    "uploads", "in/a.csv", 5, "d41d8cd98f00b204e9800998ecf8427e", "0055AED6DCD90281E5", "096fKKXTRTtl3on89fVO.nfljtsv6qko"
)


@pytest.mark.parametrize("key", KEYS)
def test_a_key_of_any_characters_is_read_as_it_was_uploaded(intake: Intake, key: str) -> None:
    assert intake.work(key, rows_of(1)) == []
    assert intake.rows(key) == {2: {"id": "1", "text": "x" * 10}}
    assert intake.result(key)["key"] == key
    (event,) = intake.announced
    assert event["data"]["key"] == key


@pytest.mark.parametrize("key", KEYS)
def test_both_kinds_of_events_mean_the_same_key(key: str) -> None:
    created = Created("uploads", key, 5, "d41d8cd9", "0055aed6", "v1")
    assert objects_of(bridged(created), "uploads") == objects_of(notified(created), "uploads") == [created]


@pytest.mark.parametrize("key", KEYS)
def test_no_key_of_a_result_leads_out_of_its_folder_or_breaks_a_line(key: str) -> None:
    made = Created("uploads", key, 5, "d41d8cd9", "0055AED6", "v1").output_key("results", ".json")
    assert made.startswith("results/")
    assert not {".", ".."} & set(made.split("/"))
    assert made.isprintable()
    assert len(made.encode()) <= 1024


def test_each_key_has_a_result_of_its_own() -> None:
    keys = [*KEYS, "%2E%2E/x.csv", "../x.csv", "%252E%252E/x.csv", "line%0D%0Abreak: x.csv"]
    assert len({Created("b", key, 5, "e", "0", "v").output_key("results", ".json") for key in keys}) == len(keys)


@pytest.mark.parametrize("key", KEYS)
def test_a_key_makes_no_line_of_its_own_in_the_log(intake: Intake, log_lines, key: str) -> None:
    intake.work(key, rows_of(1))
    (line,) = [line for line in log_lines() if line["message"] == "object"]
    assert "\n" not in line["key"]
    assert "\r" not in line["key"]


def test_a_message_about_an_object_of_another_bucket_is_kept_with_its_reason_and_nothing_is_read(intake: Intake) -> None:
    created = intake.put("a.csv", rows_of(1))
    intake.forget_calls()
    event = bridged(created)
    event["detail"]["bucket"]["name"] = "somebody-elses"
    assert intake.deliver(intake.record(event)) == []
    ((_, reason),) = intake.dead_letters
    assert reason == "The object is in another bucket than this function works for."
    assert (intake.s3.names, intake.table.names) == ([], [])


def test_results_may_go_to_the_bucket_that_is_worked_and_are_not_worked_themselves(intake: Intake) -> None:
    """What tells them is the rule; if that is wrong, each result would be worked, and have a result, for ever."""
    intake.variables["OUTPUT_BUCKET_NAME"] = intake.output = intake.bucket
    assert intake.work("incoming/a.csv", rows_of(1)) == []
    assert intake.verdict("incoming/a.csv") == ("PROCESSED", None)
    assert intake.result("incoming/a.csv")["key"] == "incoming/a.csv"
    for made in ("results/incoming/a.csv@1.json", "thumbnails/incoming/a.png@1.png"):
        assert intake.work(made, b"{}") == []
        assert intake.dead_letters[-1][1].startswith("The object is a result of this function itself")
        assert intake.table.names == []
    assert len(intake.announced) == 1


def test_what_is_called_a_result_in_another_bucket_is_worked(intake: Intake) -> None:
    assert intake.work("results/a.csv", rows_of(1)) == []
    assert intake.verdict("results/a.csv") == ("PROCESSED", None)


def test_the_test_event_of_s3_is_nothing_to_do(intake: Intake) -> None:
    assert intake.deliver(intake.record(TEST_EVENT)) == []
    assert (intake.dead_letters, intake.table.names, intake.s3.names) == ([], [], [])


def test_a_notification_that_was_sent_to_the_queue_by_s3_itself_is_worked(intake: Intake) -> None:
    created = intake.put("a+b.csv", rows_of(1))
    assert intake.deliver(intake.record(notified(created))) == []
    assert intake.verdict("a+b.csv") == ("PROCESSED", None)


def test_an_object_that_was_removed_is_nothing_to_do() -> None:
    assert objects_of(notified(CREATED, name="ObjectRemoved:Delete"), "uploads") == []


def changed(path: str, value: Any) -> dict[str, Any]:
    event = copy.deepcopy(bridged(CREATED))
    target: Any = event
    *steps, last = path.split(".")
    for step in steps:
        target = target[step]
    target[last] = value
    return event


NO_EVENTS = [
    "",
    "{}",
    "[]",
    "null",
    {"detail-type": "Object Deleted", "detail": bridged(CREATED)["detail"]},
    {"Records": [{"eventSource": "aws:sns"}]},
    {"Records": [5]},
    {"Records": {}},
    changed("detail.object", None),
    changed("detail.bucket", "uploads"),
    changed("detail.object.key", ""),
    changed("detail.object.key", 5),
    changed("detail.object.key", "x" * 1025),
    changed("detail.object.key", "a\0b"),
    changed("detail.object.size", -1),
    changed("detail.object.size", "5"),
    changed("detail.object.sequencer", "xyz"),
    changed("detail.object.sequencer", ""),
    changed("detail.object.version-id", ""),
    changed("detail.object.etag", None),
]


@pytest.mark.parametrize("body", NO_EVENTS, ids=range(len(NO_EVENTS)))
def test_a_message_that_is_no_event_about_an_object_is_kept_with_a_reason(intake: Intake, body: object) -> None:
    intake.variables["BUCKET_NAME"] = "uploads"
    record = intake.record(body)
    record["body"] = record["body"] or " "
    assert intake.deliver(record) == []
    ((_, reason),) = intake.dead_letters
    assert reason
    assert (intake.table.names, intake.s3.names) == ([], [])


def test_poison_costs_the_others_of_its_batch_nothing(intake: Intake) -> None:
    good = intake.put("a.csv", rows_of(2))
    assert intake.deliver(intake.record("poison"), intake.record(good), intake.record("{}")) == []
    assert (intake.verdict("a.csv"), len(intake.dead_letters)) == (("PROCESSED", None), 2)


@pytest.mark.parametrize("key", ["%FF.csv", "a%C3.csv"])
def test_a_key_that_is_no_encoded_utf_8_is_refused(key: str) -> None:
    event = notified(CREATED)
    event["Records"][0]["s3"]["object"]["key"] = key
    with pytest.raises(InvalidError, match="not URL-encoded UTF-8"):
        objects_of(event, "uploads")


def test_the_null_version_of_a_bucket_whose_versions_were_turned_off_is_none() -> None:
    (created,) = objects_of(changed("detail.object.version-id", "null"), "uploads")
    assert (created.version_id, created.version) == (None, f"{CREATED.etag}-{CREATED.sequencer.lower()}")


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("0055AED6DCD90281E5", "0055AED6DCD90281E6"),
        ("0055aed6", "0055AED7"),
        ("0055AED6", "0055AED601"),
        ("9", "A"),
        ("0F", "1"),
    ],
)
def test_the_later_sequencer_is_the_larger_once_the_shorter_is_filled_with_zeros(older: str, newer: str) -> None:
    assert Created("b", "k", 1, "e", older).order < Created("b", "k", 1, "e", newer).order


def test_zeros_at_the_end_of_a_sequencer_make_it_no_later() -> None:
    assert Created("b", "k", 1, "e", "0055").order == Created("b", "k", 1, "e", "005500").order


def test_the_id_of_an_event_about_the_longest_key_is_one_that_readers_of_envelopes_take() -> None:
    first, second = (Created("b" * 63, "ü" * 511 + end, 1, "e" * 32, "0055", "v" * 512).public_id for end in "ab")
    assert len(first) + len(":PROCESSED") <= 512
    assert first != second
