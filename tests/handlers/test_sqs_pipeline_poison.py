"""Messages that can never be worked, messages that fail for good, and what is left of each."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from sqs_pipeline.models import MOST_ORDER_BYTES
from tests.handlers.payment_server import APPROVED, BROKEN, PaymentServer, Reply, reply
from tests.handlers.worker_client import API_KEY, SENT, Pipeline, order_of

LogLines = Callable[[], list[dict[str, Any]]]

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
    assert row["charge"] == "none"
    assert [(event["type"], event["data"]["charge"]) for event in pipeline.announced] == [("orders.failed", "none")]


def test_an_order_that_fails_for_good_is_kept_with_its_reason_and_announced(pipeline: Pipeline, payment: PaymentServer) -> None:
    payment.otherwise = BROKEN
    pipeline.variables["CIRCUIT_FAILURE_THRESHOLD"] = "100"
    body = json.dumps(order_of())
    for receive_count in range(1, 5):
        assert len(pipeline.work(body, receive_count=receive_count)) == 1
        assert pipeline.row()["state"] == "PROCESSING"
    assert pipeline.work(body, receive_count=5) == []
    ((kept, attributes),) = pipeline.dead_letters
    reason = "The payment API answered 500. It is not known whether money was taken."
    assert (kept, attributes["Reason"]) == (body, reason)
    assert attributes["Error"] == "PaymentDownError"
    row = pipeline.row()
    assert (row["state"], row["attempts"], row["reason"]) == ("FAILED", 5, reason)
    assert row["charge"] == "unknown"
    (event,) = pipeline.announced
    assert (event["id"].partition(":2")[0], event["data"]["reason"]) == ("orders:o-1:FAILED", reason)
    assert event["data"]["charge"] == "unknown"
    assert payment.keys == ["orders:o-1:charge"] * 15


def test_each_failure_is_in_the_history_with_its_reason(pipeline: Pipeline, payment: PaymentServer) -> None:
    payment.will([BROKEN] * 3 + [reply(200, "<html>")] * 3)
    for receive_count in (1, 2, 3):
        pipeline.work(order_of(), receive_count=receive_count)
    history = [(entry["state"], entry.get("reason")) for entry in pipeline.row()["history"]]
    assert history == [
        ("PROCESSING", None),
        ("PROCESSING", "The payment API answered 500."),
        ("PROCESSING", "The payment API answered something that is neither approved nor declined."),
        ("PAID", None),
    ]


def test_an_order_is_given_up_after_as_many_attempts_whatever_sqs_counts(pipeline: Pipeline, payment: PaymentServer) -> None:
    payment.otherwise = BROKEN
    pipeline.variables["MAX_ATTEMPTS"] = "2"
    assert len(pipeline.work(order_of())) == 1
    assert pipeline.work(order_of()) == []
    assert pipeline.row()["state"] == "FAILED"
    assert len(pipeline.dead_letters) == 1


def test_each_wait_is_longer_than_the_last(pipeline: Pipeline, payment: PaymentServer) -> None:
    payment.otherwise = BROKEN
    for receive_count in (1, 2, 3, 4):
        pipeline.work(order_of(), receive_count=receive_count)
    assert pipeline.visibilities == [30, 60, 120, 240]


def test_a_wait_that_the_payment_api_asks_for_is_granted(pipeline: Pipeline, payment: PaymentServer) -> None:
    payment.otherwise = reply(503, Retry_After="300")
    pipeline.work(order_of())
    assert pipeline.visibilities == [300]


def test_a_wait_may_be_nothing(pipeline: Pipeline, payment: PaymentServer) -> None:
    payment.otherwise = BROKEN
    pipeline.variables["RETRY_DELAY_SECONDS"] = "0"
    assert len(pipeline.work(order_of())) == 1
    assert pipeline.visibilities == [0]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (reply(401), "The payment API cannot be used at the moment."),
        (reply(403), "The payment API cannot be used at the moment."),
        (reply(408), "The payment API asks to wait (408)."),
        (reply(409), "The payment API asks to wait (409)."),
        (reply(425), "The payment API asks to wait (425)."),
        (reply(429), "The payment API asks to wait (429)."),
        ("nonsense", "The payment API cannot be reached at the moment."),
    ],
    ids=str,
)
def test_what_is_not_the_orders_fault_uses_up_none_of_its_tries(pipeline: Pipeline, answer: Any, reason: str) -> None:
    fail_with(pipeline, answer)
    for _ in range(7):
        assert pipeline.work(order_of(), receive_count=5) == []
    assert (len(pipeline.copies), pipeline.dead_letters) == (7, [])
    row = pipeline.row()
    assert (row["state"], row["attempts"], row["reason"], len(row["history"])) == ("PROCESSING", 0, reason, 1)
    pipeline.payment.otherwise = APPROVED
    pipeline.put_secret({"url": pipeline.payment.url, "api_key": API_KEY})
    assert pipeline.work(order_of()) == []
    assert (pipeline.row()["state"], pipeline.row()["attempts"]) == ("PAID", 1)
    assert "reason" not in pipeline.row()


def fail_with(pipeline: Pipeline, answer: Reply | str) -> None:
    """Let the payment API answer like this; or put this text into its secret."""
    if isinstance(answer, str):
        pipeline.put_secret(answer)
    else:
        pipeline.payment.otherwise = answer


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (reply(401), "put the right api_key into the payment secret"),
        (reply(404), "look at the url in the payment secret"),
        ("nonsense", "aws secretsmanager put-secret-value"),
    ],
    ids=str,
)
def test_the_log_says_how_to_mend_it(pipeline: Pipeline, log_lines: LogLines, answer: Any, hint: str) -> None:
    fail_with(pipeline, answer)
    pipeline.work(order_of())
    assert [hint in line["hint"] for line in log_lines() if "result" in line] == [True]


def test_an_order_that_is_held_up_comes_again_the_later_the_longer_it_waits(pipeline: Pipeline, payment: PaymentServer) -> None:
    payment.otherwise = reply(429)
    for waited in (0, 60, 200, 2000, 9000):
        pipeline.now = SENT + waited
        pipeline.deliver(pipeline.record(order_of()), worker=pipeline.new_worker())
    assert [copy["DelaySeconds"] for copy in pipeline.copies] == [45, 45, 75, 750, 900]  # with the most jitter there is


def test_an_order_that_is_held_up_does_not_come_before_the_payment_api_wants_it(
    pipeline: Pipeline, payment: PaymentServer
) -> None:
    payment.otherwise = reply(429, Retry_After="300")
    pipeline.work(order_of())
    assert pipeline.copies[0]["DelaySeconds"] == 450


@pytest.mark.parametrize(("answer", "charge"), [(reply(401), "none"), (reply(429), "none"), (reply(409), "unknown")], ids=str)
def test_an_order_that_waited_for_four_days_has_failed_and_says_whether_money_was_taken(
    pipeline: Pipeline, payment: PaymentServer, answer: Reply, charge: str
) -> None:
    payment.otherwise = answer
    pipeline.work(order_of())
    pipeline.now = SENT + 4 * 86_400 + 1
    assert pipeline.deliver(pipeline.record(order_of()), worker=pipeline.new_worker()) == []
    row = pipeline.row()
    assert (row["state"], row["charge"], len(pipeline.dead_letters)) == ("FAILED", charge, 1)
    assert ("It is not known whether money was taken." in row["reason"]) is (charge == "unknown")
    (event,) = pipeline.announced
    assert (event["data"]["charge"], event["data"]["reason"]) == (charge, row["reason"])


@pytest.mark.parametrize("answer", [reply(401), reply(404), "nonsense"], ids=str)
def test_what_customers_see_has_nothing_that_is_meant_for_operators(pipeline: Pipeline, answer: Any) -> None:
    pipeline.variables["CIRCUIT_FAILURE_THRESHOLD"] = "100"
    fail_with(pipeline, answer)
    pipeline.now = SENT + 4 * 86_400 + 1
    assert pipeline.work(order_of(), receive_count=5) == []
    seen = str([pipeline.row(), pipeline.announced])
    assert "The payment API cannot be" in seen
    for word in ("secret", "api_key", "url", "aws "):
        assert word not in seen
    ((_, attributes),) = pipeline.dead_letters
    assert "payment secret" in attributes["Reason"]


def test_an_order_that_comes_back_from_the_dead_letter_queue_after_days_begins_a_new_life(
    pipeline: Pipeline, payment: PaymentServer
) -> None:
    payment.otherwise = BROKEN
    first = {"FirstSentTimestamp": {"stringValue": str(round(SENT * 1000)), "dataType": "String"}}
    pipeline.work(order_of(), receive_count=5, messageAttributes=first)
    ((body, attributes),) = pipeline.dead_letters
    redriven = pipeline.record(
        body, messageAttributes={name: {"stringValue": value, "dataType": "String"} for name, value in attributes.items()}
    )
    pipeline.now = SENT + 5 * 86_400
    redriven["attributes"]["SentTimestamp"] = str(round(pipeline.now * 1000))
    payment.otherwise = reply(401)
    assert pipeline.deliver(redriven, worker=pipeline.new_worker()) == []
    assert (len(pipeline.copies), pipeline.dead_letters, pipeline.row()["state"]) == (1, [], "PROCESSING")
