"""The totals: each event counted exactly once, and its amount to the last digit."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from typing import Any

import pytest
from botocore.exceptions import ClientError
from types_boto3_dynamodb import DynamoDBClient

from shared.aws import time_guard
from shared.envelope import Envelope
from shared.errors import UnavailableError
from sns_fanout.logic import Aggregate
from sns_fanout.models import Count
from sns_fanout.store import TotalsTable
from tests.handlers.api_client import Calls, Context
from tests.handlers.fanout_client import EVENT, Fanout, event, event_about

COUNT = Count(marker_id="event#42:PAID", expires_at=1, total_id="orders.paid#2026-03-01")


@pytest.fixture
def totals(dynamodb: DynamoDBClient) -> Fanout:
    return Fanout("aggregate", dynamodb)


def cancelled(*codes: str) -> ClientError:
    reasons = [{"Code": code} for code in codes]
    response = {"Error": {"Code": "TransactionCanceledException", "Message": "m"}, "CancellationReasons": reasons}
    return ClientError(response | {"ResponseMetadata": {"HTTPStatusCode": 400}}, "TransactWriteItems")  # type: ignore[arg-type]


def with_amount(digits: str, event_id: str = "42:PAID") -> str:
    """The event with just these digits as its amount."""
    return json.dumps(event_about(amount="?") | {"id": event_id}).replace('"?"', digits)


# --- exactly once


def test_events_are_counted_by_type_and_day(totals: Fanout) -> None:
    later = event(id="3", time="2026-03-02T00:00:00Z")
    assert totals.send(EVENT, event(id="2"), later, event(id="4", type="orders.failed")) == []
    assert {name: row["events"] for name, row in totals.totals.items()} == {
        "orders.paid#2026-03-01": 2,
        "orders.paid#2026-03-02": 1,
        "orders.failed#2026-03-01": 1,
    }


def test_an_event_that_comes_again_under_another_message_id_is_counted_once(totals: Fanout) -> None:
    for _ in range(3):
        assert totals.send(EVENT) == []
    assert totals.totals == {"orders.paid#2026-03-01": {"events": 1, "amount_EUR": Decimal("19.99")}}


def test_an_event_twice_in_one_batch_is_counted_once(totals: Fanout) -> None:
    assert totals.send(EVENT, EVENT) == []
    assert totals.totals["orders.paid#2026-03-01"]["events"] == 1


def test_an_event_that_comes_twenty_times_at_once_is_counted_once(
    totals: Fanout, dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    conflicts = in_conflict(dynamodb, monkeypatch)
    at_once(totals, [EVENT] * 20)
    assert totals.totals == {"orders.paid#2026-03-01": {"events": 1, "amount_EUR": Decimal("19.99")}}
    assert conflicts


def test_twenty_events_that_meet_at_one_total_are_all_counted(
    totals: Fanout, dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    conflicts = in_conflict(dynamodb, monkeypatch)
    at_once(totals, [event(id=str(number)) for number in range(20)])
    assert totals.totals == {"orders.paid#2026-03-01": {"events": 20, "amount_EUR": Decimal("399.80")}}
    assert conflicts


def in_conflict(dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Cancel a transaction that begins while another one is under way, as DynamoDB does; moto would mix the two."""
    lock, conflicts, transact = threading.Lock(), [], dynamodb.transact_write_items
    conflict = cancelled("None", "TransactionConflict")

    def alone(**parameters: Any) -> object:
        if not lock.acquire(blocking=False):
            conflicts.append(1)
            raise conflict
        try:
            time.sleep(0.002)
            return transact(**parameters)
        finally:
            lock.release()

    monkeypatch.setattr(dynamodb, "transact_write_items", alone)
    return conflicts


def at_once(totals: Fanout, events: list[dict[str, Any]]) -> None:
    """One function for each, all starting together; one that fails gets its event again, as Lambda does it."""
    start = threading.Barrier(len(events))

    def deliver(body: dict[str, Any]) -> None:
        start.wait()
        while True:
            try:
                totals.direct(body)
            except UnavailableError:
                continue
            return

    with ThreadPoolExecutor(len(events)) as functions:
        list(functions.map(deliver, events))


def test_an_event_whose_answer_got_lost_is_counted_once(
    totals: Fanout, dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    transact = dynamodb.transact_write_items

    def lost(**parameters: Any) -> None:
        transact(**parameters)
        raise TimeoutError

    monkeypatch.setattr(dynamodb, "transact_write_items", lost)
    (again,) = totals.send(EVENT)
    monkeypatch.setattr(dynamodb, "transact_write_items", transact)
    assert totals.send(again) == []
    assert totals.totals["orders.paid#2026-03-01"]["events"] == 1


def test_the_mark_of_a_counted_event_outlives_its_last_message_and_then_goes(dynamodb: DynamoDBClient, totals: Fanout) -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    Aggregate(TotalsTable("items-table", dynamodb), lambda: now)(Envelope.parse(json.dumps(EVENT)), lambda: None)
    (mark,) = [row for row in totals.rows if row["id"].startswith("event#")]
    assert mark == {"id": "event#42:PAID", "expires_at": Decimal(int(now.timestamp()) + 45 * 86_400)}


def test_an_event_is_one_transaction_of_a_put_and_an_update(totals: Fanout, calls: Calls) -> None:
    totals.send(EVENT)
    assert calls.names == ["TransactWriteItems"]
    put, update = calls.made[0][1]["TransactItems"]
    assert (put["Put"]["ConditionExpression"], update["Update"]["UpdateExpression"]) == (
        "attribute_not_exists(id)",
        "ADD events :one, #amount :amount",
    )


@pytest.mark.parametrize("event_type", ["event", "event#orders"])
def test_a_type_whose_total_would_look_like_a_mark_is_refused(totals: Fanout, event_type: str) -> None:
    assert totals.send(event(type=event_type)) == []
    ((_, attributes),) = totals.dead_letters
    assert "would have the id of a mark. /type is event or begins with event#" in attributes["Reason"]
    assert totals.rows == []


# --- amounts


def test_amounts_are_added_exactly(totals: Fanout) -> None:
    assert totals.send(with_amount("0.1", "1"), with_amount("0.2", "2"), with_amount("100", "3"), with_amount("200", "4")) == []
    assert totals.totals["orders.paid#2026-03-01"]["amount_EUR"] == Decimal("300.3")


def test_an_amount_of_38_digits_is_added_to_the_last_digit(totals: Fanout) -> None:
    with localcontext(prec=38):  # moto adds in the precision of the thread
        totals.send(with_amount("123456789012345678901234567890.00000001", "1"), with_amount("0.00000002", "2"))
    (total,) = totals.totals.values()
    assert total["amount_EUR"] == Decimal("123456789012345678901234567890.00000003")


def test_amounts_of_several_currencies_are_kept_apart(totals: Fanout) -> None:
    totals.send(EVENT, event_about(currency="USD") | {"id": "2"}, event_about(currency="EUR", amount=0.01) | {"id": "3"})
    (total,) = totals.totals.values()
    assert total == {"events": 3, "amount_EUR": Decimal(20), "amount_USD": Decimal("19.99")}


def test_an_amount_that_is_a_text_as_a_state_machine_announces_it_is_added_exactly(totals: Fanout) -> None:
    totals.send(EVENT, event_about(amount="0.10") | {"id": "2"}, event_about(amount="-0.09") | {"id": "3"})
    assert totals.totals["orders.paid#2026-03-01"] == {"events": 3, "amount_EUR": Decimal("20.00")}


def test_a_negative_amount_is_taken_off(totals: Fanout) -> None:
    totals.send(EVENT, event_about(amount=-20) | {"id": "2"})
    assert totals.totals["orders.paid#2026-03-01"]["amount_EUR"] == Decimal("-0.01")


def test_an_amount_is_written_in_full(totals: Fanout, calls: Calls) -> None:
    totals.send(with_amount("1E+3"))
    update = calls.made[0][1]["TransactItems"][1]["Update"]
    assert update["ExpressionAttributeValues"][":amount"] == {"N": "1000"}


@pytest.mark.parametrize("data", [{}, {"amount": 5}, {"currency": "EUR"}, {"amount": None, "currency": "EUR"}])
def test_an_event_without_an_amount_of_money_is_counted_all_the_same(totals: Fanout, data: dict[str, Any]) -> None:
    assert totals.send(event(data=data)) == []
    assert totals.totals == {"orders.paid#2026-03-01": {"events": 1}}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"amount": "much"}, "/data/amount must be a number where there is a currency"),
        ({"amount": "1" * 31}, "/data/amount must be a number where there is a currency"),
        ({"amount": True}, "/data/amount must be a number where there is a currency"),
        ({"amount": [1]}, "/data/amount must be a number where there is a currency"),
        ({"currency": "eur"}, "/data/currency must be three capital letters where there is an amount"),
        ({"currency": "EUR\n"}, "/data/currency must be three capital letters where there is an amount"),
        ({"currency": "E" * 100_000}, "/data/currency must be three capital letters where there is an amount"),
        ({"currency": 978}, "/data/currency must be three capital letters where there is an amount"),
    ],
    ids=["text", "too many digits", "truth", "list", "small letters", "more", "long", "number"],
)
def test_money_that_cannot_be_added_is_not_left_out_but_kept_with_its_reason(
    totals: Fanout, changes: dict[str, Any], fault: str
) -> None:
    assert totals.send(event_about(**changes)) == []
    ((_, attributes),) = totals.dead_letters
    assert attributes["Reason"] == f"The event has an amount that cannot be added. {fault}"
    assert totals.rows == []


def test_a_total_that_cannot_hold_one_more_is_not_rounded_but_the_event_kept_with_its_reason(
    totals: Fanout, dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    always(dynamodb, monkeypatch, cancelled("None", "ValidationError"))
    assert totals.send(EVENT) == []
    ((_, attributes),) = totals.dead_letters
    assert attributes["Reason"].startswith("The table cannot count this event: a total has at most 38 digits")


def test_an_id_that_is_too_long_for_a_mark_is_refused_and_not_tried_again(totals: Fanout) -> None:
    assert totals.send(event(id="🎉" * 512)) == []
    ((_, attributes),) = totals.dead_letters
    assert "an id at most 2048 bytes" in attributes["Reason"]


# --- days


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2026-03-01T00:00:00Z", "2026-03-01"),
        ("2026-03-01T23:59:59.999999999Z", "2026-03-01"),
        ("2026-03-01T00:30:00+02:00", "2026-02-28"),
        ("2026-02-28T23:30:00-01:00", "2026-03-01"),
        ("2026-03-01t12:00:00z", "2026-03-01"),
        ("2024-02-29T12:00:00Z", "2024-02-29"),
        ("2016-12-31T23:59:60Z", "2016-12-31"),
        ("1969-12-31T23:59:59Z", "1969-12-31"),
    ],
)
def test_the_day_is_that_of_the_events_time_in_utc(totals: Fanout, moment: str, day: str) -> None:
    assert totals.send(event(time=moment)) == []
    assert list(totals.totals) == [f"orders.paid#{day}"]


@pytest.mark.parametrize("moment", ["0000-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"])
def test_a_time_outside_of_the_calendar_is_refused(totals: Fanout, moment: str) -> None:
    assert totals.send(event(time=moment)) == []
    ((_, attributes),) = totals.dead_letters
    assert attributes["Reason"] == "The event has no time whose day can be told. /time is not in the years 1 to 9999"


# --- when others write to the same total


def always(dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch, *errors: ClientError) -> list[int]:
    """Let each transaction fail with the next of these errors, the last one for ever."""
    left, tries = list(errors), []

    def fail(**_: object) -> object:
        tries.append(1)
        raise left.pop(0) if len(left) > 1 else left[0]

    monkeypatch.setattr(dynamodb, "transact_write_items", fail)
    return tries


def test_a_total_that_others_write_to_is_tried_six_times_and_then_left_to_the_queue(
    dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = always(dynamodb, monkeypatch, cancelled("None", "TransactionConflict"))
    pauses: list[float] = []
    with pytest.raises(UnavailableError, match="Other events were added to the same total all the time"):
        TotalsTable("items-table", dynamodb, pauses.append).add(COUNT, lambda: None)
    assert len(tries) == 6
    assert all(0 <= pause <= longest for pause, longest in zip(pauses, [0.05, 0.1, 0.2, 0.4, 0.8, 0], strict=True))


def test_an_event_whose_twin_was_under_way_is_a_duplicate_once_that_is_done(
    dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    always(
        dynamodb,
        monkeypatch,
        cancelled("TransactionConflict", "None"),
        cancelled("ConditionalCheckFailed", "TransactionConflict"),
    )
    assert TotalsTable("items-table", dynamodb, lambda _: None).add(COUNT, lambda: None) is False


@pytest.mark.parametrize("codes", [("None", "ThrottlingError"), ("TransactionConflict", "ProvisionedThroughputExceeded")])
def test_a_throttled_transaction_is_not_tried_at_once_again(
    dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch, codes: tuple[str, str]
) -> None:
    tries = always(dynamodb, monkeypatch, cancelled(*codes))
    with pytest.raises(ClientError):
        TotalsTable("items-table", dynamodb, lambda _: None).add(COUNT, lambda: None)
    assert len(tries) == 1


def test_time_is_looked_at_before_each_try(dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = always(dynamodb, monkeypatch, cancelled("None", "TransactionConflict"))
    context = Context(milliseconds_left=9_000)

    def passing(_: float) -> None:
        context.milliseconds_left -= 1_500

    with pytest.raises(UnavailableError, match="not enough time left"):
        TotalsTable("items-table", dynamodb, passing).add(COUNT, time_guard(context))  # type: ignore[arg-type]
    assert len(tries) == 2
