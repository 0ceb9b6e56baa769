"""A batch of records: in which order they are taken, what fails, what is kept, and from where on they come again."""

import copy
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError
from types_boto3_dynamodb import DynamoDBClient

from shared.errors import InvalidError, UnavailableError
from shared.observability import logger
from tests.handlers.api_client import Context
from tests.handlers.stream_client import DENIED, THROTTLED, Projected, item, json_record, of_json, refused, table_record
from tests.handlers.worker_client import Recorder

LogLines = Callable[[], list[dict[str, Any]]]

NO_ANSWER = ReadTimeoutError(endpoint_url="https://dynamodb.eu-central-1.amazonaws.com/")
NO_CONNECTION = ConnectTimeoutError(endpoint_url="https://dynamodb.eu-central-1.amazonaws.com/")
FAULT = ZeroDivisionError("alice@example.com")

PASSING = [
    THROTTLED,
    refused("ProvisionedThroughputExceededException"),
    refused("InternalServerError", 500),
    refused("SlowDown", 503),
    NO_ANSWER,
    NO_CONNECTION,
    UnavailableError("Not now."),
]
UNEXPECTED = [DENIED, refused("ResourceNotFoundException"), FAULT, KeyError("alice@example.com")]


@pytest.fixture
def stream(dynamodb: DynamoDBClient) -> Projected:
    """The stream of a table."""
    return Projected(dynamodb)


def inserts(*numbers: int, key: str = "") -> list[dict[str, Any]]:
    """Records of items that are new: each one's key is its number, unless one is given."""
    return [table_record(number, None, item(pk=key or str(number), number=number)) for number in numbers]


def poison(number: int) -> dict[str, Any]:
    return table_record(number, None, item(pk=str(number), x={"N": "NaN"}))


def metrics_in(text: str) -> list[str]:
    """The names of the metrics among these lines."""
    lines = [json.loads(line) for line in text.splitlines() if '"_aws"' in line]
    return [metric["Name"] for line in lines for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]]


class Running(Context):
    """A context whose time runs out: so many looks at the clock long there is enough."""

    def __init__(self, looks: int) -> None:
        super().__init__(milliseconds_left=0)
        self.looks = looks

    def get_remaining_time_in_millis(self) -> int:
        self.looks -= 1
        return 7_000 if self.looks >= 0 else 6_999


# --- the answer


def test_a_batch_that_is_taken_names_no_record(stream: Projected) -> None:
    answer = stream.function({"Records": inserts(1, 2, 3)}, stream.context)  # type: ignore[arg-type]
    assert answer == {"batchItemFailures": []}
    assert sorted(stream.rows) == ["1", "2", "3"]


def test_an_empty_batch_is_taken(stream: Projected) -> None:
    assert stream.deliver() == []


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"Records": None},
        {"Records": "text"},
        {"Records": [{}]},
        {"Records": [None]},
        {"Records": [{"eventSource": "aws:sqs"}]},
        {"Records": [json_record(1, {})]},
        None,
        [],
    ],
    ids=str,
)
def test_an_event_of_another_source_fails_as_a_whole(stream: Projected, event: Any) -> None:
    with pytest.raises(InvalidError, match="SOURCE"):
        stream.function(event, stream.context)  # type: ignore[arg-type]
    assert (stream.audit.made, stream.kept) == ([], {})


def test_a_kinesis_function_refuses_the_stream_of_a_table(dynamodb: DynamoDBClient) -> None:
    with pytest.raises(InvalidError, match="SOURCE"):
        of_json(dynamodb).deliver(*inserts(1))


@pytest.mark.parametrize("position", range(5))
@pytest.mark.parametrize("table", ["audit", "view"])
def test_the_record_that_fails_is_named_alone_and_none_after_it_is_begun(stream: Projected, position: int, table: str) -> None:
    recorder: Recorder = getattr(stream, table)
    recorder.failures["put_item"] = [None] * position + [THROTTLED]  # type: ignore[list-item]
    assert stream.deliver(*inserts(11, 12, 13, 14, 15)) == [str(11 + position)]
    assert sorted(stream.rows) == [str(11 + number) for number in range(position)]
    assert len(stream.audit.made) == position + 1


def test_the_number_is_named_as_the_stream_has_it_and_not_as_the_row_has_it(dynamodb: DynamoDBClient) -> None:
    stream = of_json(dynamodb)
    stream.view.failures["put_item"] = [None, THROTTLED]  # type: ignore[list-item]
    assert stream.deliver(json_record(7, {}), json_record(8, {}), json_record(9, {})) == ["8"]


def test_what_comes_again_after_a_failure_is_taken_and_has_one_effect(stream: Projected) -> None:
    records = inserts(1, 2, 3)
    stream.view.failures["put_item"] = [None, THROTTLED]  # type: ignore[list-item]
    (number,) = stream.deliver(*records)
    assert stream.deliver(*records[int(number) - 1 :]) == []
    assert (sorted(stream.rows), stream.actions) == (["1", "2", "3"], ["INSERTED"] * 3)


@pytest.mark.parametrize("error", PASSING, ids=str)
@pytest.mark.parametrize("table", ["audit", "view"])
def test_a_failure_that_passes_is_no_alarm(
    stream: Projected, table: str, error: Exception, capsys: pytest.CaptureFixture[str], log_lines: LogLines
) -> None:
    getattr(stream, table).failures["put_item"] = [error]
    assert stream.deliver(*inserts(1)) == ["1"]
    assert metrics_in(capsys.readouterr().out) == []
    assert [line["message"] for line in log_lines()] == ["comes again", "batch"]
    assert stream.kept == {}


@pytest.mark.parametrize("error", UNEXPECTED, ids=str)
@pytest.mark.parametrize("table", ["audit", "view"])
def test_a_failure_that_nobody_foresaw_is_an_alarm_and_its_record_comes_again(
    stream: Projected, table: str, error: Exception, capsys: pytest.CaptureFixture[str], log_lines: LogLines
) -> None:
    getattr(stream, table).failures["put_item"] = [error]
    assert stream.deliver(*inserts(1, 2)) == ["1"]
    assert metrics_in(capsys.readouterr().out) == ["UnexpectedErrors"]
    assert [line["message"] for line in log_lines()] == ["unexpected error", "batch"]
    assert (stream.kept, stream.rows) == ({}, {})


def test_a_batch_whose_first_record_fails_each_time_never_loses_one(stream: Projected) -> None:
    records = inserts(1, 2, 3)
    for _ in range(6):
        stream.audit.failures["put_item"] = [DENIED]
        assert stream.deliver(*records) == ["1"]
    assert stream.deliver(*records) == []
    assert sorted(stream.rows) == ["1", "2", "3"]


def test_a_record_without_a_number_that_cannot_be_kept_lets_the_whole_batch_come_again(stream: Projected) -> None:
    stream.s3.failures["put_object"] = [THROTTLED]
    record = copy.deepcopy(inserts(2)[0])
    del record["dynamodb"]["SequenceNumber"]
    assert stream.deliver(*inserts(1), record) == [""]


# --- time


@pytest.mark.parametrize(("looks", "named", "calls"), [(0, "1", 0), (1, "1", 1), (2, "2", 2), (3, "2", 3), (4, "3", 4)])
def test_what_there_is_no_time_for_comes_again_and_is_not_begun(stream: Projected, looks: int, named: str, calls: int) -> None:
    stream.context = Running(looks)
    assert stream.deliver(*inserts(1, 2, 3)) == [named]
    assert len(stream.audit.made) + len(stream.view.made) == calls


def test_a_poisonous_record_that_there_is_no_time_to_keep_comes_again(stream: Projected, log_lines: LogLines) -> None:
    stream.context = Running(0)
    assert stream.deliver(poison(1)) == ["1"]
    assert stream.s3.made == []
    assert log_lines()[0]["message"] == "comes again"


def test_no_time_is_no_alarm(stream: Projected, capsys: pytest.CaptureFixture[str], log_lines: LogLines) -> None:
    stream.context = Running(0)
    stream.deliver(*inserts(1))
    assert metrics_in(capsys.readouterr().out) == []
    assert "not enough time" in log_lines()[0]["reason"]


# --- order


def test_an_older_record_never_overwrites_a_newer_one(stream: Projected) -> None:
    stream.deliver(*inserts(10, key="a"))
    assert stream.deliver(*inserts(9, key="a")) == []
    assert stream.data["a"]["number"] == {"N": "10"}
    assert stream.actions == ["INSERTED", "INSERTED"]


def test_the_order_is_that_of_the_numbers_and_not_of_their_texts(stream: Projected) -> None:
    stream.deliver(*inserts(9, key="a"))
    stream.deliver(*inserts(10, key="a"))
    assert stream.data["a"]["number"] == {"N": "10"}


def test_the_same_record_twice_has_one_effect(stream: Projected) -> None:
    stream.deliver(*inserts(1, 1))
    stream.deliver(*inserts(1))
    assert stream.actions == ["INSERTED"]


def test_of_two_records_with_one_number_the_first_stands(stream: Projected) -> None:
    first = table_record(1, None, item(pk="a", x="first"))
    stream.deliver(first, table_record(1, None, item(pk="a", y="second")))
    assert stream.data["a"] == item(pk="a", x="first")
    assert stream.changed() == [["pk", "x"]]


def test_a_tombstone_keeps_an_older_record_from_bringing_the_row_back(stream: Projected) -> None:
    image = item(pk="a")
    stream.deliver(table_record(3, image, None))
    assert stream.deliver(table_record(1, None, image), table_record(2, image, item(pk="a", x=1))) == []
    assert stream.data == {}
    assert stream.actions == ["INSERTED", "MODIFIED", "REMOVED"]


def test_an_older_removal_does_not_remove_a_newer_row(stream: Projected) -> None:
    image = item(pk="a")
    stream.deliver(table_record(3, None, image))
    stream.deliver(table_record(2, image, None))
    assert stream.data == {"a": image}


def test_an_item_that_is_made_again_takes_the_place_of_its_tombstone(stream: Projected) -> None:
    image = item(pk="a")
    stream.deliver(table_record(1, None, image), table_record(2, image, None), table_record(3, None, image))
    assert stream.data == {"a": image}


def test_a_row_that_is_no_projection_is_left_alone(stream: Projected) -> None:
    foreign = {"id": {"S": "1"}, "note": {"S": "mine"}}
    stream.dynamodb.put_item(TableName="view-table", Item=foreign)  # type: ignore[arg-type]
    assert stream.deliver(*inserts(1)) == []
    assert stream.rows == {"1": foreign}


def test_a_row_of_the_audit_is_written_before_that_of_the_view(stream: Projected) -> None:
    stream.view.failures["put_item"] = [THROTTLED]
    stream.deliver(*inserts(1))
    assert (stream.actions, stream.rows) == (["INSERTED"], {})
    stream.audit.failures["put_item"] = [THROTTLED]
    stream.deliver(*inserts(2))
    assert len(stream.view.made) == 1


def test_a_record_whose_view_failed_gets_it_when_it_comes_again(stream: Projected) -> None:
    stream.view.failures["put_item"] = [THROTTLED]
    assert stream.deliver(*inserts(1)) == ["1"]
    assert stream.deliver(*inserts(1)) == []
    assert (list(stream.rows), len(stream.trail)) == (["1"], 1)


# --- poison


def test_a_poisonous_record_does_not_hold_up_those_after_it(stream: Projected) -> None:
    assert stream.deliver(*inserts(1), poison(2), *inserts(3)) == []
    assert sorted(stream.rows) == ["1", "3"]


def test_a_good_record_after_a_poisonous_one_of_the_same_key_is_in_the_view(stream: Projected) -> None:
    image = item(pk="2", x=1)
    assert stream.deliver(poison(2), table_record(3, item(pk="2"), image)) == []
    assert stream.data == {"2": image}


def test_a_poisonous_record_is_kept_whole_with_its_reason_and_time(stream: Projected) -> None:
    stream.deliver(poison(2))
    assert stream.kept == {
        f"records/dt=2026-11-21/{2:032x}.json": {
            "reason": "The record is not in the form that its stream has. /dynamodb/NewImage/x is no attribute value",
            "error": "InvalidError",
            "record": poison(2),
            "at": "2026-11-21T10:01:36.000Z",
        }
    }
    assert stream.s3.of("put_object")[0]["ContentType"] == "application/json"


def test_a_poisonous_record_is_kept_with_what_is_excluded_or_it_could_not_be_mended(stream: Projected) -> None:
    stream.variables["EXCLUDED"] = "email"
    record = table_record(2, None, item(pk="2", email="alice@example.com", x={"N": "NaN"}))
    stream.deliver(record)
    assert [kept["record"] for kept in stream.kept.values()] == [record]


def test_a_record_is_kept_below_the_prefix_that_is_set(stream: Projected) -> None:
    stream.variables["FAILURE_PREFIX"] = "poison/orders/"
    stream.deliver(poison(2))
    assert list(stream.kept) == [f"poison/orders/dt=2026-11-21/{2:032x}.json"]


def test_a_poisonous_record_that_comes_again_is_kept_once_byte_for_byte(stream: Projected) -> None:
    stream.deliver(poison(2))
    (key,) = stream.kept
    before = stream.body(key)
    stream.deliver(poison(2))
    assert list(stream.kept) == [key]
    assert stream.body(key) == before


@pytest.mark.parametrize("event_id", ["../../secret", "a/b", "a b", "é", "x" * 257, "a_b", ""])
def test_an_id_that_is_no_name_for_a_key_is_replaced_by_a_digest_of_the_record(stream: Projected, event_id: str) -> None:
    stream.deliver({**poison(2), "eventID": event_id}, {**poison(3), "eventID": event_id})
    names = [key.removeprefix("records/dt=2026-11-21/").removesuffix(".json") for key in stream.kept]
    assert [len(name) for name in names] == [64, 64]
    assert all(set(name) <= set("0123456789abcdef") for name in names)


def test_poison_is_counted_each_time_and_is_no_unexpected_error(stream: Projected, capsys: pytest.CaptureFixture[str]) -> None:
    stream.deliver(poison(1), *inserts(2), poison(3))
    assert metrics_in(capsys.readouterr().out) == ["PoisonRecords", "PoisonRecords"]


@pytest.mark.parametrize("error", [refused("AccessDenied", 403), refused("NoSuchBucket", 404)], ids=str)
def test_poison_that_the_bucket_does_not_take_comes_again_and_is_an_alarm(
    stream: Projected, error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    stream.s3.failures["put_object"] = [error]
    assert stream.deliver(*inserts(1), poison(2), *inserts(3)) == ["2"]
    assert metrics_in(capsys.readouterr().out) == ["UnexpectedErrors"]
    assert list(stream.rows) == ["1"]
    assert stream.deliver(poison(2), *inserts(3)) == []
    assert (len(stream.kept), sorted(stream.rows)) == (1, ["1", "3"])


@pytest.mark.parametrize("error", [refused("SlowDown", 503), refused("InternalError", 500), NO_ANSWER], ids=str)
def test_poison_comes_again_while_the_bucket_is_out_of_order(
    stream: Projected, error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    stream.s3.failures["put_object"] = [error]
    assert stream.deliver(poison(2)) == ["2"]
    assert metrics_in(capsys.readouterr().out) == []


def test_an_item_that_leaves_no_room_for_the_rest_of_its_row_is_poison_and_its_change_is_in_the_audit(
    stream: Projected,
) -> None:
    large = item(pk="a", x="x" * (400 * 1024 - 10))
    assert stream.deliver(table_record(1, None, large), *inserts(2)) == []
    (reason,) = stream.reasons
    assert reason.startswith("No row can hold it: a row has at most 400 KB")
    assert (list(stream.rows), len(stream.trail)) == (["2"], 2)


def test_an_item_with_more_names_than_the_audit_can_hold_is_poison(dynamodb: DynamoDBClient) -> None:
    stream = of_json(dynamodb)
    assert stream.deliver(json_record(1, {f"{number:0500d}": 1 for number in range(850)})) == []
    assert (len(stream.reasons), stream.rows, stream.trail) == (1, {}, [])


@pytest.mark.parametrize("table", ["audit", "view"])
def test_a_row_that_dynamodb_calls_invalid_is_poison(stream: Projected, table: str) -> None:
    getattr(stream, table).failures["put_item"] = [refused("ValidationException")]
    assert stream.deliver(*inserts(1, 2)) == []
    assert len(stream.reasons) == 1
    assert list(stream.rows) == ["2"]


def test_a_batch_of_six_megabytes_is_taken(stream: Projected) -> None:
    batch = [table_record(number, None, item(pk=str(number), x="x" * 390_000)) for number in range(1, 16)]
    assert len(json.dumps(batch)) > 5_800_000
    assert stream.deliver(*batch) == []
    assert len(stream.data) == 15


# --- logs


def test_a_batch_is_one_line_with_what_became_of_its_records(stream: Projected, log_lines: LogLines) -> None:
    image = item(pk="a")
    stream.deliver(*inserts(1, 1, 2), table_record(3, image, image))
    (line,) = log_lines()
    counts = {name: line[name] for name in ("records", "written", "not_newer", "unchanged")}
    assert (line["message"], counts) == ("batch", {"records": 4, "written": 2, "not_newer": 1, "unchanged": 1})


def test_poison_is_a_line_with_the_records_id_and_number_and_the_reason(stream: Projected, log_lines: LogLines) -> None:
    stream.deliver(poison(2))
    line = log_lines()[0]
    names = ("level", "message", "event_id", "sequence_number", "reason")
    reason = "The record is not in the form that its stream has."
    assert [line[name] for name in names] == ["WARNING", "poison", f"{2:032x}", "2", reason]


def test_what_comes_again_is_a_line_with_its_number_and_the_reason(stream: Projected, log_lines: LogLines) -> None:
    stream.view.failures["put_item"] = [THROTTLED]
    stream.deliver(*inserts(2))
    line = log_lines()[0]
    assert (line["sequence_number"], line["event_id"]) == ("2", f"{2:032x}")
    assert line["reason"] == "A call to AWS did not work: ThrottlingException."


def test_an_unexpected_error_says_where_in_the_code_it_was(stream: Projected, log_lines: LogLines) -> None:
    stream.view.failures["put_item"] = [FAULT]
    stream.deliver(*inserts(2))
    line = log_lines()[0]
    assert (line["level"], line["reason"]) == ("ERROR", "unexpected error: ZeroDivisionError")
    assert any("store.py" in place for place in line["where"])


def test_each_record_is_a_line_where_the_level_is_debug(stream: Projected, log_lines: LogLines) -> None:
    stream.variables["LOG_LEVEL"] = "DEBUG"
    stream.deliver(*inserts(1, 2))
    lines = [line for line in log_lines() if line["message"] == "record"]
    assert [(line["sequence_number"], line["result"]) for line in lines] == [("1", "written"), ("2", "written")]


@pytest.mark.parametrize("error", [None, THROTTLED, *UNEXPECTED], ids=str)
def test_nothing_of_a_record_is_ever_logged(
    stream: Projected, error: Exception | None, log_lines: LogLines, capsys: pytest.CaptureFixture[str]
) -> None:
    stream.variables["LOG_LEVEL"] = "DEBUG"
    logging.getLogger(logger.name).setLevel("DEBUG")
    secret = item(pk="alice@example.com", alice="alice@example.com")
    bad = {**secret, "alice@example.com": {"N": "alice@example.com"}}
    stream.audit.failures["put_item"] = [None, error] if error else []  # type: ignore[list-item]
    stream.deliver(*inserts(1), table_record(2, None, bad), table_record(3, None, secret), table_record(4, secret, None))
    text = json.dumps(log_lines()) + capsys.readouterr().out
    assert "alice" not in text
    assert "is a secret" not in text
