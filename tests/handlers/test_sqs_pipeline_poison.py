"""Messages that can never be worked, messages that fail for good, and what is left of each."""

import json
from typing import Any

import pytest

from sqs_pipeline.models import MOST_ORDER_BYTES
from tests.handlers.payment_server import BROKEN, PaymentServer, reply
from tests.handlers.worker_client import Pipeline, order_of

POISON = [
    ("", "The JSON is broken at line 1, column 1."),
    (" ", "The JSON is broken at line 1, column 2."),
    ("null", "The body must be a JSON object."),
    ("5", "The body must be a JSON object."),
    ('"text"', "The body must be a JSON object."),
    ("[]", "The body must be a JSON object."),
    ("{", "The JSON is broken"),
    ("{}", "/id is required"),
    ("[" * 100_000, "The JSON is nested deeper than"),
    ('{"id":"o-1","customer_id":"a","amount":NaN,"currency":"EUR"}', "/amount is not a number in JSON"),
    ('{"id":"o-1","customer_id":"a","amount":1,"amount":2,"currency":"EUR"}', "has the same name twice"),
    (order_of(id="../x"), "/id must be 1 to 128 letters"),
    (order_of(id=5), "/id must be 1 to 128 letters"),
    (order_of(id=None), "/id must be 1 to 128 letters"),
    (order_of(amount=0), "/amount"),
    (order_of(amount="19.99"), "/amount"),
    (order_of(currency="Euro"), "/currency"),
    (order_of(surprise=1), "/surprise is not a known field"),
    (order_of(customer_id="\ud800"), "half a surrogate pair"),
    (order_of(items=["x" * MOST_ORDER_BYTES]), "The order is larger than"),
]


@pytest.mark.parametrize(("body", "reason"), POISON, ids=[str(index) for index in range(len(POISON))])
def test_poison_goes_to_the_dead_letter_queue_at_once_with_its_reason_and_nothing_else_is_touched(
    pipeline: Pipeline, payment: PaymentServer, body: Any, reason: str
) -> None:
    record = pipeline.record(body)
    assert pipeline.deliver(record) == []
    (sent,) = pipeline.sqs.of("send_message")
    assert (sent["QueueUrl"], sent["MessageBody"]) == (pipeline.dead_letter_queue, record["body"])
    assert reason in sent["MessageAttributes"]["Reason"]["StringValue"]
    assert (payment.requests, pipeline.sns.names, pipeline.visibilities) == ([], [], [])
    assert pipeline.dynamodb.scan(TableName="items-table")["Count"] == 0


@pytest.fixture(autouse=True)
def _takes_empty_bodies(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQS has no empty bodies, and none is ever delivered; here one stands for the smallest there is."""
    send = pipeline.sqs.client.send_message
    monkeypatch.setattr(
        pipeline.sqs.client, "send_message", lambda **sent: send(**(sent | {"MessageBody": sent["MessageBody"] or " "}))
    )


def test_the_others_of_the_batch_are_charged(pipeline: Pipeline, payment: PaymentServer) -> None:
    payment.will([reply(200, {"status": "approved", "id": "pay_1"}), BROKEN, BROKEN, BROKEN])
    records = [pipeline.record(body) for body in (order_of("o-1"), "poison", order_of("o-2"), order_of("o-3"))]
    assert pipeline.deliver(*records) == [records[2]["messageId"]]
    assert [pipeline.row(f"o-{number}")["state"] for number in (1, 2, 3)] == ["PAID", "PROCESSING", "PAID"]
    assert [body for body, _ in pipeline.dead_letters] == ["poison"]


def test_a_row_whose_message_is_poison_has_failed_and_says_why(pipeline: Pipeline) -> None:
    pipeline.payment.otherwise = reply(429)
    body = json.dumps(order_of())
    pipeline.work(body)
    worker = pipeline.new_worker(schema={"type": "object", "required": ["vat"]})
    assert pipeline.deliver(pipeline.record(body, receive_count=2), worker=worker) == []
    row = pipeline.row()
    assert (row["state"], row["reason"]) == ("FAILED", "The order does not fit: errors has the fields. /vat is required")
    assert [event["type"] for event in pipeline.announced] == ["orders.failed"]


def test_an_order_that_fails_for_good_is_kept_with_its_reason_and_announced(pipeline: Pipeline, payment: PaymentServer) -> None:
    payment.otherwise = BROKEN
    pipeline.variables["CIRCUIT_FAILURE_THRESHOLD"] = "100"
    body = json.dumps(order_of())
    for receive_count in range(1, 5):
        assert len(pipeline.work(body, receive_count=receive_count)) == 1
        assert pipeline.row()["state"] == "PROCESSING"
    assert pipeline.work(body, receive_count=5) == []
    ((kept, attributes),) = pipeline.dead_letters
    assert (kept, attributes["Reason"]) == (body, "The payment API answered 500.")
    assert attributes["Error"] == "PaymentDownError"
    row = pipeline.row()
    assert (row["state"], row["attempts"], row["reason"]) == ("FAILED", 5, "The payment API answered 500.")
    (event,) = pipeline.announced
    assert (event["id"].partition(":2")[0], event["data"]["reason"]) == ("o-1:FAILED", "The payment API answered 500.")
    assert payment.keys == ["o-1:charge"] * 15


def test_each_failure_is_in_the_history_with_its_reason(pipeline: Pipeline, payment: PaymentServer) -> None:
    payment.will([BROKEN] * 3 + [reply(429, Retry_After="60")])
    for receive_count in (1, 2, 3):
        pipeline.work(order_of(), receive_count=receive_count)
    history = [(entry["state"], entry.get("reason")) for entry in pipeline.row()["history"]]
    assert history == [
        ("PROCESSING", None),
        ("PROCESSING", "The payment API answered 500."),
        ("PROCESSING", "The payment API asks to wait (429)."),
        ("PAID", None),
    ]


def test_an_order_is_given_up_after_as_many_attempts_whatever_sqs_counts(pipeline: Pipeline, payment: PaymentServer) -> None:
    payment.otherwise = reply(429)
    pipeline.variables["MAX_ATTEMPTS"] = "2"
    assert len(pipeline.work(order_of())) == 1
    assert pipeline.work(order_of()) == []
    assert pipeline.row()["state"] == "FAILED"
    assert len(pipeline.dead_letters) == 1


def test_each_wait_is_longer_than_the_last(pipeline: Pipeline, payment: PaymentServer) -> None:
    payment.otherwise = reply(429)
    for receive_count in (1, 2, 3, 4):
        pipeline.work(order_of(), receive_count=receive_count)
    assert pipeline.visibilities == [30, 60, 120, 240]


def test_a_wait_that_the_payment_api_asks_for_is_granted(pipeline: Pipeline, payment: PaymentServer) -> None:
    payment.otherwise = reply(429, Retry_After="300")
    pipeline.work(order_of())
    assert pipeline.visibilities == [300]


def test_a_wait_may_be_nothing(pipeline: Pipeline, payment: PaymentServer) -> None:
    payment.otherwise = reply(429)
    pipeline.variables["RETRY_DELAY_SECONDS"] = "0"
    assert len(pipeline.work(order_of())) == 1
    assert pipeline.visibilities == [0]
