"""What becomes of an order that comes through the queue: charged once, stored, announced."""

import hashlib
import json
import time
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError

from shared.dynamodb import attributes_of
from shared.envelope import Envelope
from shared.settings import SettingsError
from sqs_pipeline.models import Identity, Outcome, State
from tests.handlers.payment_server import BROKEN, DECLINED, PaymentServer
from tests.handlers.worker_client import Pipeline, order_of


def refused(code: str) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    return ClientError(response, "UpdateItem")


THROTTLED = refused("ThrottlingException")


def fails_at(number: int, error: Exception = THROTTLED) -> list[Exception | None]:
    return [*[None] * (number - 1), error]


def test_an_order_is_charged_and_its_row_says_so(pipeline: Pipeline, payment: PaymentServer) -> None:
    assert pipeline.work(order_of()) == []
    (request,) = payment.requests
    assert request.body == {"reference": "o-1", "amount": "19.99", "currency": "EUR"}
    row = pipeline.row()
    assert (row["state"], row["payment_id"], row["attempts"]) == ("PAID", "pay_1", 1)
    assert row["order"]["customer_id"] == "Alice Example"
    assert "id" not in row["order"]
    assert pipeline.states() == ["PROCESSING", "PAID"]
    assert pipeline.dead_letters == []


def test_an_order_costs_these_calls_and_no_others(pipeline: Pipeline) -> None:
    pipeline.work(order_of())
    made = [(name, parameters["TableName"]) for name, parameters in pipeline.table.made]
    assert made == [
        ("get_item", "circuit-table"),
        ("update_item", "items-table"),
        ("put_item", "keys-table"),
        ("update_item", "keys-table"),
        ("update_item", "items-table"),
        ("update_item", "items-table"),
    ]
    assert (pipeline.sqs.names, pipeline.sns.names, pipeline.secrets.names) == ([], ["publish"], ["get_secret_value"])


def test_the_next_order_reads_neither_the_secret_nor_the_circuit_again(pipeline: Pipeline) -> None:
    pipeline.deliver(pipeline.record(order_of("o-1")), pipeline.record(order_of("o-2")))
    assert pipeline.secrets.names == ["get_secret_value"]
    assert pipeline.table.names.count("get_item") == 1


def test_a_payment_is_announced_in_an_envelope_that_subscribers_can_filter(pipeline: Pipeline) -> None:
    record = pipeline.record(order_of())
    pipeline.deliver(record)
    (event,) = [Envelope.parse(json.dumps(event)) for event in pipeline.announced]
    assert (event.id, event.type, event.version) == ("orders:o-1:PAID", "orders.paid", 1)
    assert (event.correlation_id, event.causation_id) == ("o-1", record["messageId"])
    assert event.time == pipeline.row()["updated_at"]
    assert {name: str(value) for name, value in event.data.items()} == {
        "order_id": "o-1",
        "state": "PAID",
        "amount": "19.99",
        "currency": "EUR",
        "payment_id": "pay_1",
    }
    (published,) = pipeline.sns.of("publish")
    assert published["MessageAttributes"]["event_type"] == {"DataType": "String", "StringValue": "orders.paid"}


def test_the_keys_of_a_pipeline_are_told_from_those_of_another(pipeline: Pipeline, payment: PaymentServer) -> None:
    pipeline.variables["PIPELINE"] = "eu-central-1/Shop/Orders"
    pipeline.work(order_of())
    payment.otherwise = BROKEN
    pipeline.work(order_of("o-2"), receive_count=5)
    assert set(payment.keys) == {"eu-central-1/Shop/Orders:o-1:charge", "eu-central-1/Shop/Orders:o-2:charge"}
    paid, failed = pipeline.announced
    assert (paid["id"], paid["source"]) == ("eu-central-1/Shop/Orders:o-1:PAID", "sqs_pipeline/eu-central-1/Shop/Orders")
    assert failed["id"] == f"eu-central-1/Shop/Orders:o-2:FAILED:{pipeline.row('o-2')['updated_at']}"
    key = hashlib.sha256(b'"eu-central-1/Shop/Orders:o-1:charge"').hexdigest()
    items = pipeline.dynamodb.scan(TableName="keys-table")["Items"]
    assert [item["id"]["S"] for item in items] == [f"sqs_pipeline.payment#{key}"]


@pytest.mark.parametrize("name", ["a:b", "a b", "\u00e4", "x" * 101, "a\r\nb"])
def test_a_name_of_a_pipeline_that_fits_into_no_key_is_refused(pipeline: Pipeline, name: str) -> None:
    pipeline.variables["PIPELINE"] = name
    with pytest.raises(SettingsError, match=r"^PIPELINE must be 1 to 100 letters"):
        _ = pipeline.settings


def test_the_longest_names_there_are_make_a_key_and_an_event_that_are_taken(pipeline: Pipeline, payment: PaymentServer) -> None:
    pipeline.variables["PIPELINE"] = "p" * 100
    payment.otherwise = BROKEN
    pipeline.work(order_of("o" * 128), receive_count=5)
    assert len(payment.keys[0]) <= 255
    (event,) = [Envelope.parse(json.dumps(event)) for event in pipeline.announced]
    assert len(event.id) < 512


def test_a_declined_order_has_its_reason_in_the_row_and_in_the_event(pipeline: Pipeline, payment: PaymentServer) -> None:
    payment.will([DECLINED])
    assert pipeline.work(order_of()) == []
    assert (pipeline.row()["state"], pipeline.row()["reason"]) == ("DECLINED", "insufficient funds")
    (event,) = pipeline.announced
    assert (event["type"], event["data"]["reason"]) == ("orders.declined", "insufficient funds")


def test_a_message_that_comes_twice_is_charged_and_announced_once(pipeline: Pipeline, payment: PaymentServer) -> None:
    for _ in range(3):
        assert pipeline.work(order_of()) == []
    assert (len(payment.requests), len(pipeline.announced)) == (1, 1)
    assert pipeline.states() == ["PROCESSING", "PAID"]


def test_the_same_order_twice_in_one_batch_is_charged_once(pipeline: Pipeline, payment: PaymentServer) -> None:
    assert pipeline.deliver(pipeline.record(order_of()), pipeline.record(order_of())) == []
    assert len(payment.requests) == 1


def test_the_order_of_names_and_zeros_at_the_end_make_no_other_order(pipeline: Pipeline, payment: PaymentServer) -> None:
    pipeline.work('{"id":"o-1","customer_id":"a","amount":20,"currency":"EUR"}')
    assert pipeline.work('{"currency":"EUR","amount":20.00,"customer_id":"a","id":"o-1"}') == []
    assert (len(payment.requests), pipeline.dead_letters) == (1, [])


def put_pending_row(pipeline: Pipeline, order: dict[str, Any]) -> None:
    """Write the row that the API writes before it sends the message."""
    identity = Identity.of(json.dumps(order).encode())
    assert identity is not None
    time = "2026-01-01T00:00:00.000Z"
    row = {
        "id": order["id"],
        "order": {"amount": Decimal("19.99"), "currency": "EUR"},
        "body_hash": identity.body_hash,
        "state": "PENDING",
        "attempts": 0,
        "created_at": time,
        "updated_at": time,
        "history": [{"state": "PENDING", "at": time}],
    }
    pipeline.dynamodb.put_item(TableName="items-table", Item=attributes_of(row))


def test_a_row_of_the_api_is_taken_up(pipeline: Pipeline) -> None:
    put_pending_row(pipeline, order_of())
    pipeline.work(order_of())
    assert pipeline.states() == ["PENDING", "PROCESSING", "PAID"]
    assert pipeline.row()["created_at"] == "2026-01-01T00:00:00.000Z"


def test_another_order_under_the_id_of_one_that_waits_is_poison_and_leaves_the_row_alone(
    pipeline: Pipeline, payment: PaymentServer
) -> None:
    put_pending_row(pipeline, order_of())
    before = pipeline.row()
    assert pipeline.work(order_of(amount=5)) == []
    assert (pipeline.row(), len(pipeline.dead_letters), payment.requests) == (before, 1, [])


def test_another_order_under_a_used_id_is_poison_and_leaves_the_row_alone(pipeline: Pipeline, payment: PaymentServer) -> None:
    pipeline.work(order_of())
    before = pipeline.row()
    assert pipeline.work(order_of(amount=5)) == []
    ((body, attributes),) = pipeline.dead_letters
    assert json.loads(body)["amount"] == 5
    assert attributes["Reason"] == "Its id belongs to another order, which was there first."
    assert (pipeline.row(), len(payment.requests)) == (before, 1)


def test_a_charge_whose_row_could_not_be_written_is_not_repeated(pipeline: Pipeline, payment: PaymentServer) -> None:
    pipeline.table.failures["update_item"] = fails_at(3)
    assert len(pipeline.work(order_of())) == 1
    assert pipeline.row()["state"] == "PROCESSING"
    assert pipeline.deliver(pipeline.record(order_of(), receive_count=2), worker=pipeline.new_worker()) == []
    assert (pipeline.row()["state"], pipeline.row()["payment_id"], len(payment.requests)) == ("PAID", "pay_1", 1)


def test_a_charge_that_could_not_be_remembered_is_repeated_with_the_same_key(
    pipeline: Pipeline, payment: PaymentServer
) -> None:
    pipeline.table.failures["update_item"] = fails_at(2)
    assert len(pipeline.work(order_of())) == 1
    key = hashlib.sha256(b'"orders:o-1:charge"').hexdigest()
    pipeline.dynamodb.update_item(  # the worker's time is over
        TableName="keys-table",
        Key={"id": {"S": f"sqs_pipeline.payment#{key}"}},
        UpdateExpression="SET in_progress_expiration = :past",
        ExpressionAttributeValues={":past": {"N": "1"}},
    )
    assert pipeline.work(order_of(), receive_count=2) == []
    assert payment.keys == ["orders:o-1:charge", "orders:o-1:charge"]
    assert pipeline.row()["state"] == "PAID"


def test_a_message_whose_order_another_worker_charges_comes_again_and_counts_no_attempt(
    pipeline: Pipeline, payment: PaymentServer
) -> None:
    pipeline.table.failures["update_item"] = fails_at(2)
    pipeline.work(order_of())
    assert pipeline.work(order_of()) == []
    (copy,) = pipeline.copies
    assert (copy["DelaySeconds"], json.loads(copy["MessageBody"])) == (30, order_of())
    assert (pipeline.row()["attempts"], len(payment.requests)) == (1, 1)


def test_a_charge_is_remembered_for_eighteen_days(pipeline: Pipeline) -> None:
    pipeline.work(order_of())
    (item,) = pipeline.dynamodb.scan(TableName="keys-table")["Items"]
    days = (int(item["expiration"]["N"]) - time.time()) / 86_400
    assert 17.99 < days <= 18


@pytest.mark.parametrize(("first", "state"), [(None, "PAID"), (DECLINED, "DECLINED")])
def test_a_final_order_never_becomes_anything_else(pipeline: Pipeline, payment: PaymentServer, first: Any, state: str) -> None:
    payment.will([first] if first else [])
    pipeline.work(order_of())
    payment.otherwise = BROKEN
    before = pipeline.row()
    for receive_count in (1, 5, 6):
        pipeline.work(order_of(), receive_count=receive_count)
    pipeline.give_up(order_of())
    assert (before["state"], pipeline.row(), len(payment.requests)) == (state, before, 1)


def test_an_order_that_was_not_announced_is_announced_the_next_time(pipeline: Pipeline, payment: PaymentServer) -> None:
    pipeline.sns.failures["publish"] = [THROTTLED]
    assert len(pipeline.work(order_of())) == 1
    assert (pipeline.row()["state"], pipeline.announced) == ("PAID", [])
    assert pipeline.work(order_of(), receive_count=2) == []
    (event,) = pipeline.announced
    assert (event["id"], event["time"], len(payment.requests)) == ("orders:o-1:PAID", pipeline.row()["updated_at"], 1)


def test_an_announcement_that_is_made_twice_is_the_same_event(pipeline: Pipeline) -> None:
    pipeline.table.failures["update_item"] = fails_at(4)
    assert len(pipeline.work(order_of())) == 1
    pipeline.work(order_of(), receive_count=2)
    first, second = pipeline.announced
    assert first.pop("causation_id") != second.pop("causation_id")
    assert first == second


def test_a_failed_order_is_worked_again_when_its_message_comes_again(pipeline: Pipeline, payment: PaymentServer) -> None:
    payment.otherwise = BROKEN
    assert pipeline.work(order_of(), receive_count=5) == []
    ((body, _),) = pipeline.dead_letters
    assert pipeline.row()["state"] == "FAILED"
    payment.otherwise = DECLINED
    assert pipeline.work(body) == []
    row = pipeline.row()
    assert (row["state"], row["attempts"], row["reason"]) == ("DECLINED", 1, "insufficient funds")
    assert pipeline.states() == ["PROCESSING", "PROCESSING", "FAILED", "PROCESSING", "DECLINED"]
    assert [event["type"] for event in pipeline.announced] == ["orders.failed", "orders.declined"]


def test_a_charge_that_ends_after_its_order_was_given_up_elsewhere_still_counts(
    pipeline: Pipeline, payment: PaymentServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = pipeline.worker
    update, seen = pipeline.dynamodb.update_item, []

    def given_up_meanwhile(**parameters: Any) -> Any:
        seen.append(parameters["TableName"])
        if seen == ["items-table", "keys-table", "items-table"]:
            pipeline.give_up(order_of())
        return update(**parameters)

    monkeypatch.setattr(pipeline.dynamodb, "update_item", given_up_meanwhile)
    assert pipeline.deliver(pipeline.record(order_of()), worker=worker) == []
    assert pipeline.states() == ["PROCESSING", "FAILED", "PROCESSING", "PAID"]
    assert [event["type"] for event in pipeline.announced] == ["orders.failed", "orders.paid"]
    assert len(payment.requests) == 1


@pytest.mark.parametrize("found", ["FAILED", "PROCESSING"])
def test_an_order_that_another_worker_finishes_at_the_same_moment_stays_finished(
    pipeline: Pipeline, payment: PaymentServer, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.work(order_of())
    set_state(pipeline, found)
    worker, update, calls = pipeline.worker, pipeline.dynamodb.update_item, []

    def overtaken(**parameters: Any) -> Any:
        calls.append(parameters)
        if len(calls) == 2:
            set_state(pipeline, "PAID", update)
        return update(**parameters)

    monkeypatch.setattr(pipeline.dynamodb, "update_item", overtaken)
    assert len(pipeline.deliver(pipeline.record(order_of()), worker=worker)) == 1
    assert (pipeline.row()["state"], len(payment.requests)) == ("PAID", 1)


def set_state(pipeline: Pipeline, state: str, update: Any = None) -> None:
    """What another worker does."""
    (update or pipeline.dynamodb.update_item)(
        TableName="items-table",
        Key={"id": {"S": "o-1"}},
        UpdateExpression="SET #state = :state",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={":state": {"S": state}},
    )


def test_an_order_whose_worker_died_in_each_attempt_is_given_up(pipeline: Pipeline, payment: PaymentServer) -> None:
    pipeline.work(order_of("o-0"))
    payment.requests.clear()
    for _ in range(5):
        pipeline.table.failures["put_item"] = [KeyboardInterrupt()]  # type: ignore[list-item]  # as if the process ended
        with pytest.raises(KeyboardInterrupt):
            pipeline.work(order_of())
    assert pipeline.work(order_of(), receive_count=6) == []
    ((_, attributes),) = pipeline.dead_letters
    assert attributes["Reason"] == (
        "The worker ended in each of 5 attempts before it knew what became of the charge. "
        "It is not known whether money was taken."
    )
    assert (pipeline.row()["state"], pipeline.row()["charge"], payment.requests) == ("FAILED", "unknown", [])


def test_the_neighbours_of_an_order_of_which_the_worker_dies_are_still_tried(pipeline: Pipeline) -> None:
    pipeline.work(order_of("warm"))
    for _ in range(5):
        pipeline.table.failures["put_item"] = [KeyboardInterrupt()]  # type: ignore[list-item]  # as if the process ended
        with pytest.raises(KeyboardInterrupt):
            pipeline.deliver(pipeline.record(order_of("killer")), pipeline.record(order_of("neighbour")))
    killer, neighbour = (pipeline.record(order_of(order_id), receive_count=6) for order_id in ("killer", "neighbour"))
    assert pipeline.deliver(killer, neighbour) == []
    assert (pipeline.row("killer")["state"], pipeline.row("neighbour")["state"]) == ("FAILED", "PAID")
    assert len(pipeline.dead_letters) == 1


def test_two_messages_of_one_order_at_once_are_one_charge_and_no_dead_letter_even_with_one_try(
    pipeline: Pipeline, payment: PaymentServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.variables |= {"MAX_ATTEMPTS": "1", "MAX_RECEIVE_COUNT": "1"}
    put, first, second = pipeline.dynamodb.put_item, pipeline.worker, pipeline.new_worker()
    came_again: list[list[str]] = []

    def meanwhile(**parameters: Any) -> Any:
        answer = put(**parameters)
        monkeypatch.undo()
        came_again.append(pipeline.deliver(pipeline.record(order_of()), worker=second))
        return answer

    monkeypatch.setattr(pipeline.dynamodb, "put_item", meanwhile)  # the first worker is at it
    assert pipeline.deliver(pipeline.record(order_of()), worker=first) == []
    assert (came_again, len(pipeline.copies), len(payment.requests)) == ([[]], 1, 1)
    assert pipeline.work(pipeline.copies[0]["MessageBody"]) == []
    assert (pipeline.row()["state"], pipeline.dead_letters, len(payment.requests)) == ("PAID", [], 1)


@pytest.mark.parametrize("seconds", [0.5, 7.5, 12.9, 15.9])
def test_a_message_for_which_too_little_time_is_left_is_not_begun(
    pipeline: Pipeline, payment: PaymentServer, seconds: float
) -> None:
    pipeline.context.milliseconds_left = int(seconds * 1000)
    came_again = pipeline.work(order_of())
    assert len(came_again) + len(pipeline.copies) == 1
    assert (pipeline.row(), payment.requests, pipeline.dead_letters) == ({}, [], [])


def test_a_message_with_enough_time_left_is_begun(pipeline: Pipeline) -> None:
    pipeline.context.milliseconds_left = 16_000
    pipeline.work(order_of())
    assert pipeline.row()["state"] == "PAID"


def test_a_message_that_is_put_back_for_lack_of_time_comes_at_once_as_it_was(pipeline: Pipeline) -> None:
    pipeline.context.milliseconds_left = 12_000
    attributes = {"trace": {"stringValue": "t-1", "dataType": "String", "stringListValues": [], "binaryListValues": []}}
    record = pipeline.record(order_of(), group="alice", messageAttributes=attributes)
    assert pipeline.deliver(record) == []
    (copy,) = pipeline.copies
    assert (copy["MessageBody"], copy["MessageGroupId"], copy["DelaySeconds"]) == (record["body"], "alice", 0)
    assert copy["MessageAttributes"]["trace"]["StringValue"] == "t-1"
    assert copy["MessageAttributes"]["FirstSentTimestamp"]["StringValue"] == "1795255294100"


def test_after_a_charge_that_took_all_its_time_the_rest_of_the_batch_is_put_back_and_not_just_returned(
    pipeline: Pipeline, payment: PaymentServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.context.milliseconds_left = 16_000
    asked: list[float] = []

    def takes_all(_: object, __: object, seconds: float) -> Any:
        asked.append(seconds)
        pipeline.context.milliseconds_left -= int(seconds * 1000)
        return Outcome(State.PAID, payment_id="pay_1")

    monkeypatch.setattr("sqs_pipeline.payment.PaymentApi.charge", takes_all)
    assert pipeline.deliver(*(pipeline.record(order_of(f"o-{number}")) for number in range(10))) == []
    assert (asked, pipeline.context.milliseconds_left, len(pipeline.copies)) == ([8.0], 8_000, 9)
    assert pipeline.row("o-0")["state"] == "PAID"


@pytest.mark.parametrize("operation", ["update_item", "put_item"])
def test_a_charge_for_which_a_table_took_too_long_is_put_back_and_counts_no_attempt(
    pipeline: Pipeline, payment: PaymentServer, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    worker, call = pipeline.worker, getattr(pipeline.dynamodb, operation)

    def slow(**parameters: Any) -> Any:
        pipeline.context.milliseconds_left = 9_500
        return call(**parameters)

    monkeypatch.setattr(pipeline.dynamodb, operation, slow)
    pipeline.deliver(pipeline.record(order_of()), worker=worker)
    assert (pipeline.row()["attempts"], payment.requests) == (0, [])
    monkeypatch.undo()
    pipeline.context.milliseconds_left = 60_000
    assert pipeline.work(order_of()) == []
    assert pipeline.row()["state"] == "PAID"
