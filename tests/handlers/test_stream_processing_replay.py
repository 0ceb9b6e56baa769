"""Whatever is delivered twice, fails or comes late: the view is that of the stream, and each change is once in the audit."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from types_boto3_dynamodb import DynamoDBClient

from stream_processing.logic import Projection
from stream_processing.models import DYNAMODB, KINESIS, Settings
from stream_processing.poison import poison_key
from stream_processing.records import Record
from stream_processing.stream import Stream
from stream_processing.table_records import TableReader
from tests.handlers.api_client import Context
from tests.handlers.stream_client import EXPIRY, THROTTLED, VARIABLES, Projected, item, json_record, refused, table_record

Image = dict[str, Any]
KEYS = ["a", "b", "ü"]


@dataclass
class Tables:
    """Both tables and the bucket, in memory, with the conditions of the real ones. Calls fail as they are told to."""

    failures: list[bool] = field(default_factory=list)
    view: dict[str, dict[str, Any]] = field(default_factory=dict)
    audit: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    bucket: dict[str, bytes] = field(default_factory=dict)

    def _may_fail(self) -> None:
        """Asked before and after each call: one that fails afterwards was made, and nobody knows it."""
        if self.failures and self.failures.pop():
            raise THROTTLED

    def write(self, row: dict[str, Any]) -> bool:
        self._may_fail()
        there = self.view.get(row["id"]["S"])
        is_newer = there is None or there["sequence"]["S"] < row["sequence"]["S"]
        if is_newer:
            self.view[row["id"]["S"]] = row
        self._may_fail()
        return is_newer

    def add(self, row: dict[str, Any]) -> None:
        self._may_fail()
        self.audit.setdefault((row["id"]["S"], row["sequence"]["S"]), row)
        self._may_fail()

    def keep(self, key: str, body: bytes) -> None:
        self._may_fail()
        assert self.bucket.setdefault(key, body) == body
        self._may_fail()

    def stream(self) -> Stream:
        settings = Settings.from_environment(VARIABLES | {"EXCLUDED": "secret"})
        return Stream(settings, TableReader(settings.excluded), Projection(settings, self, self), self)

    @property
    def data(self) -> dict[str, Image]:
        return {row_id: row["data"]["M"] for row_id, row in self.view.items() if "data" in row}


def delivered(tables: Tables, batch: Sequence[dict[str, Any]]) -> None:
    """Deliver the batch as Lambda does: again and again from the record that is named, until none is."""
    stream, rest = tables.stream(), list(batch)
    while rest:
        answer = stream({"Records": rest}, Context(milliseconds_left=60_000))  # type: ignore[arg-type]
        if not answer["batchItemFailures"]:
            return
        (failure,) = answer["batchItemFailures"]
        numbers = [record["dynamodb"]["SequenceNumber"] for record in rest]
        rest = rest[numbers.index(failure["itemIdentifier"]) :]


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[dict[str, Any]], dict[str, Image]]:
    """The records of random changes, and the items that are there in the end; some records are poison."""
    items: dict[str, Image] = {}
    records = []
    number = draw(st.sampled_from([1, 95, 9_999_999]))
    for _ in range(draw(st.integers(1, 15))):
        number += draw(st.integers(1, 12))
        key = draw(st.sampled_from(KEYS))
        old = items.get(key)
        is_removed = old is not None and draw(st.booleans())
        values = item(pk=key, x=draw(st.integers(0, 2)), secret=draw(st.integers(0, 2)))
        more = {"userIdentity": EXPIRY} if is_removed and draw(st.booleans()) else {}
        records.append(table_record(number, old, None if is_removed else values, **more))
        if is_removed:
            del items[key]
        else:
            items[key] = values
    return records, items


def visible(items: dict[str, Image]) -> dict[str, Image]:
    """What the view shows of these items."""
    return {key: {name: value for name, value in image.items() if name != "secret"} for key, image in items.items()}


@settings(max_examples=100, deadline=None)
@given(histories(), st.lists(st.booleans(), max_size=60), st.data())
def test_batches_that_fail_and_come_again_leave_the_view_of_the_stream(
    history: tuple[list[dict[str, Any]], dict[str, Image]], failures: list[bool], data: st.DataObject
) -> None:
    records, items = history
    tables, begin = Tables(failures), 0
    while begin < len(records):
        end = data.draw(st.integers(begin + 1, len(records)))
        delivered(tables, records[begin:end])
        begin = end - data.draw(st.integers(0, end - begin - 1))  # what is done may come again, with what follows
    assert tables.data == visible(items)
    assert_each_change_is_once_in_the_audit(tables, records)


@settings(max_examples=100, deadline=None)
@given(histories(), st.lists(st.booleans(), max_size=60), st.randoms(use_true_random=False))
def test_records_in_any_order_leave_the_view_of_the_stream(
    history: tuple[list[dict[str, Any]], dict[str, Image]], failures: list[bool], random: Any
) -> None:
    records, items = history
    mixed = records + random.sample(records, len(records) // 2)
    random.shuffle(mixed)
    tables = Tables(failures)
    for record in mixed:
        delivered(tables, [record])
    assert tables.data == visible(items)
    assert_each_change_is_once_in_the_audit(tables, records)


@settings(max_examples=50, deadline=None)
@given(histories())
def test_a_replay_of_the_whole_stream_changes_no_byte(history: tuple[list[dict[str, Any]], dict[str, Image]]) -> None:
    records, _ = history
    tables = Tables()
    delivered(tables, records)
    view, audit = dict(tables.view), dict(tables.audit)
    delivered(tables, records)
    delivered(tables, records[::-1])
    assert (tables.view, tables.audit) == (view, audit)


def assert_each_change_is_once_in_the_audit(tables: Tables, records: Sequence[dict[str, Any]]) -> None:
    found = sorted((int(row["sequence"]["S"]), row["event_id"]["S"]) for row in tables.audit.values())
    assert found == [(int(record["dynamodb"]["SequenceNumber"]), record["eventID"]) for record in records]
    assert tables.bucket == {}


def test_the_tables_in_memory_do_what_dynamodb_does(dynamodb: DynamoDBClient) -> None:
    """The stand-ins of this file against the real conditions."""
    image, other = item(pk="a", x=1), item(pk="a", x=2)
    records = [
        table_record(5, None, image),
        table_record(3, None, other),
        table_record(7, image, other),
        table_record(7, image, other),
        table_record(9, other, None),
        table_record(8, other, image),
    ]
    stream, tables = Projected(dynamodb), Tables()
    for record in records:
        assert stream.deliver(record) == []
        delivered(tables, [record])
        assert stream.rows == tables.view
    assert stream.trail == sorted(tables.audit.values(), key=lambda row: str(row["sequence"]["S"]))


def test_poison_that_fails_to_be_kept_comes_again_until_it_is() -> None:
    tables = Tables([False, True, False, False, True])
    poison = table_record(2, None, item(pk="a", x={"N": "NaN"}))
    delivered(tables, [table_record(1, None, item(pk="a")), poison, table_record(3, None, item(pk="b"))])
    assert sorted(tables.data) == ["a", "b"]
    assert list(tables.bucket) == [poison_key(Record.of(poison, DYNAMODB))]


def test_ten_thousand_records_are_taken_in_one_batch() -> None:
    tables = Tables()
    records = [table_record(number, None, item(pk=f"k-{number % 100}", x=number)) for number in range(1, 10_001)]
    delivered(tables, records)
    assert (len(tables.audit), len(tables.view)) == (10_000, 100)
    assert {row["sequence"]["S"] for row in tables.view.values()} == {str(number).zfill(128) for number in range(9_901, 10_001)}


def test_the_key_of_a_kinesis_record_that_is_kept_has_its_shard_and_number() -> None:
    assert poison_key(Record.of(json_record(5, b""), KINESIS)) == "dt=2026-11-21/shardId-000000000006_5.json"


def test_a_table_that_is_throttled_in_the_middle_of_a_batch_loses_and_repeats_nothing(dynamodb: DynamoDBClient) -> None:
    stream = Projected(dynamodb)
    records = [table_record(number, None, item(pk=f"k-{number}")) for number in range(1, 101)]
    stream.view.failures["put_item"] = [
        refused("ProvisionedThroughputExceededException") if n % 10 == 9 else None for n in range(60)
    ]
    rest, rounds = records, 0
    while failed := stream.deliver(*rest):
        rest = records[int(failed[0]) - 1 :]
        rounds += 1
    assert rounds == 6
    assert (len(stream.data), len(stream.trail)) == (100, 100)
