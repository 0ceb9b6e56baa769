"""What becomes of an object whose table or topic is gone or denied for good: one message is kept, with the reason."""

from typing import Any

import pytest

from s3_processing.models import Created
from tests.handlers.s3_client import DENIED, Intake, refused, rows_of


class ForGood(list[Exception]):
    """A call that fails each time."""

    def __init__(self, error: Exception) -> None:
        super().__init__([error])

    def pop(self, _: Any = -1) -> Exception:
        return self[0]


#: What may be taken away for good, by what AWS says then: the code, and the HTTP status.
TABLE_FAILURES = [("AccessDeniedException", 400), ("ResourceNotFoundException", 400)]
TOPIC_FAILURES = [("AuthorizationError", 403), ("NotFound", 404)]


def worked_to_its_end(intake: Intake, created: Created) -> int:
    """Let the message of an object come as often as it does until it is done: how often it came."""
    for receive_count in range(1, 9):
        if not intake.again(created, receive_count):
            return receive_count
    return 9


@pytest.mark.parametrize(("code", "status"), TABLE_FAILURES)
def test_a_table_that_is_gone_or_denied_for_good_leaves_one_message_with_the_reason(
    intake: Intake, code: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    created = intake.put("a.csv", rows_of(3))
    intake.table.failures["update_item"] = ForGood(refused(code, "UpdateItem", status))
    assert worked_to_its_end(intake, created) == 5
    assert [reason for _, reason in intake.dead_letters] == [f"unexpected error: {code}"]
    assert (intake.announced, intake.s3.names) == ([], [])
    assert "UnexpectedErrors" in capsys.readouterr().out


def test_a_table_that_takes_no_row_for_good_lets_the_object_fail_with_the_reason(intake: Intake) -> None:
    created = intake.put("a.csv", rows_of(3))
    intake.table.failures["batch_write_item"] = ForGood(DENIED)
    assert worked_to_its_end(intake, created) == 5
    reason = "unexpected error: AccessDeniedException"
    assert ([reason for _, reason in intake.dead_letters], intake.verdict("a.csv")) == ([reason], ("FAILED", reason))
    assert [event["data"]["reason"] for event in intake.announced] == [reason]


@pytest.mark.parametrize(("code", "status"), TOPIC_FAILURES)
def test_a_topic_that_is_gone_or_denied_for_good_leaves_one_message_with_the_reason_and_the_object_is_worked(
    intake: Intake, code: str, status: int
) -> None:
    created = intake.put("a.csv", rows_of(3))
    intake.sns.failures["publish"] = ForGood(refused(code, "Publish", status))
    assert worked_to_its_end(intake, created) == 5
    assert [reason for _, reason in intake.dead_letters] == [f"unexpected error: {code}"]
    assert (intake.verdict("a.csv"), sorted(intake.rows("a.csv"))) == (("PROCESSED", None), [2, 3, 4])
    assert ("announced_at" in intake.status("a.csv"), intake.s3.names.count("get_object")) == (False, 1)


def test_a_failure_that_cannot_be_announced_since_the_topic_is_denied_is_kept_once_and_written_down(intake: Intake) -> None:
    created = intake.put("a.csv", rows_of(3))
    intake.s3.failures["get_object"] = ForGood(refused("AccessDenied", "GetObject", 403))
    intake.sns.failures["publish"] = ForGood(refused("AuthorizationError", "Publish", 403))
    assert worked_to_its_end(intake, created) == 5
    assert [reason for _, reason in intake.dead_letters] == ["unexpected error: AccessDenied"]
    assert intake.verdict("a.csv") == ("FAILED", "unexpected error: AccessDenied")


def test_a_message_that_comes_back_once_the_table_and_the_topic_are_mended_is_worked(intake: Intake) -> None:
    created = intake.put("a.csv", rows_of(3))
    intake.table.failures["update_item"] = ForGood(DENIED)
    worked_to_its_end(intake, created)
    intake.table.failures.clear()
    ((body, _),) = intake.dead_letters
    assert intake.deliver(intake.record(body)) == []
    assert (intake.verdict("a.csv"), [event["type"] for event in intake.announced]) == (
        ("PROCESSED", None),
        ["objects.processed"],
    )
