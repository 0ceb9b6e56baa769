"""The circuit breaker: when the payment API is down it is left alone, and no order pays for it with an attempt."""

import json
import time
from typing import Any

import pytest

from tests.handlers.payment_server import APPROVED, BROKEN, DECLINED, SILENCE, PaymentServer, Reply, reply
from tests.handlers.worker_client import Pipeline, order_of, refused


@pytest.fixture(autouse=True)
def _function_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "worker")


def metrics_in(output: str, name: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in output.splitlines() if line.startswith('{"_aws"')]
    return [line for line in lines if name in line]


def open_circuit(pipeline: Pipeline, failures: int = 5) -> None:
    """Let as many orders fail as it takes."""
    pipeline.payment.otherwise = BROKEN
    groups = pipeline.is_fifo
    orders = (f"f-{number}" for number in range(failures))
    pipeline.deliver(*(pipeline.record(order_of(order), group=order if groups else None) for order in orders))
    pipeline.payment.otherwise = APPROVED
    pipeline.payment.requests.clear()
    pipeline.sqs.made.clear()
    pipeline.table.made.clear()


def opened_at(pipeline: Pipeline, seconds_ago: int) -> None:
    """Turn the clock back to where the circuit opened."""
    pipeline.dynamodb.update_item(
        TableName="circuit-table",
        Key={"id": {"S": "sqs_pipeline.payment"}},
        UpdateExpression="SET opened_at = :then",
        ExpressionAttributeValues={":then": {"N": str(int(time.time()) - seconds_ago)}},
    )


def circuit(pipeline: Pipeline) -> str:
    item = pipeline.dynamodb.get_item(TableName="circuit-table", Key={"id": {"S": "sqs_pipeline.payment"}}).get("Item")
    return item["state"]["S"] if item else "none"


@pytest.mark.parametrize("answer", [BROKEN, SILENCE, reply(200, "<html>"), reply(302, Location="/")], ids=str)
def test_so_many_failures_in_a_row_open_the_circuit(pipeline: Pipeline, payment: PaymentServer, answer: Reply) -> None:
    payment.otherwise = answer
    pipeline.variables["CIRCUIT_FAILURE_THRESHOLD"] = "2"
    pipeline.work(order_of("o-1"))
    assert circuit(pipeline) == "none"
    pipeline.work(order_of("o-2"))
    assert circuit(pipeline) == "OPEN"


def test_the_circuit_opens_after_five_failures_unless_it_is_set_otherwise(pipeline: Pipeline) -> None:
    open_circuit(pipeline, 4)
    assert circuit(pipeline) == "none"
    open_circuit(pipeline, 1)
    assert circuit(pipeline) == "OPEN"


def test_a_success_in_between_keeps_the_circuit_closed(pipeline: Pipeline) -> None:
    open_circuit(pipeline, 4)
    pipeline.work(order_of("o-1"))
    open_circuit(pipeline, 4)
    assert circuit(pipeline) == "none"


@pytest.mark.parametrize("answer", [DECLINED, reply(400), reply(402), reply(429), reply(409), reply(401)], ids=str)
def test_an_answer_that_is_no_outage_does_not_open_the_circuit(
    pipeline: Pipeline, payment: PaymentServer, answer: Reply
) -> None:
    payment.otherwise = answer
    pipeline.deliver(*(pipeline.record(order_of(f"f-{number}")) for number in range(6)))
    assert circuit(pipeline) == "none"


def test_a_secret_that_is_missing_does_not_open_the_circuit(pipeline: Pipeline) -> None:
    pipeline.put_secret("nonsense")
    pipeline.deliver(*(pipeline.record(order_of(f"f-{number}")) for number in range(6)))
    assert circuit(pipeline) == "none"


def test_opening_is_a_metric_of_this_function(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    open_circuit(pipeline)
    (metric,) = metrics_in(capsys.readouterr().out, "CircuitOpened")
    assert (metric["CircuitOpened"], metric["FunctionName"]) == ([1.0], "worker")
    (directive,) = metric["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"]) == ("ServerlessPatterns", [["FunctionName"]])


def test_while_it_is_open_a_message_is_put_back_with_nothing_else_touched(pipeline: Pipeline, payment: PaymentServer) -> None:
    open_circuit(pipeline)
    record = pipeline.record(order_of(), group="alice", receive_count=5)
    assert pipeline.deliver(record) == []
    (copy,) = pipeline.copies
    assert (copy["MessageBody"], copy["MessageGroupId"]) == (record["body"], "alice")
    assert copy["MessageAttributes"]["FirstSentTimestamp"]["StringValue"] == "1795255294100"
    assert 33 <= copy["DelaySeconds"] <= 35  # the rest of thirty seconds, and half of the jitter
    assert (pipeline.row(), payment.requests, pipeline.table.names, pipeline.dead_letters) == ({}, [], ["update_item"], [])


def test_while_it_is_open_an_order_that_was_paid_is_announced(pipeline: Pipeline) -> None:
    pipeline.sns.failures["publish"] = [refused("ThrottledException")]
    assert len(pipeline.work(order_of())) == 1
    open_circuit(pipeline)
    assert pipeline.work(order_of(), receive_count=2) == []
    assert ([event["id"] for event in pipeline.announced], pipeline.copies) == (["orders:o-1:PAID"], [])


def test_while_it_is_open_another_order_under_a_used_id_is_poison(pipeline: Pipeline) -> None:
    pipeline.work(order_of())
    open_circuit(pipeline)
    assert pipeline.work(order_of(amount=5)) == []
    assert (len(pipeline.dead_letters), pipeline.copies) == (1, [])


def test_while_it_is_open_an_order_that_was_begun_waits_as_it_is(pipeline: Pipeline) -> None:
    open_circuit(pipeline)
    before = pipeline.row("f-0")
    assert pipeline.work(order_of("f-0")) == []
    assert (pipeline.row("f-0"), len(pipeline.copies)) == (before, 1)


def test_one_lonely_order_outlives_an_outage_of_fifty_deliveries(pipeline: Pipeline, payment: PaymentServer) -> None:
    pipeline.variables["CIRCUIT_FAILURE_THRESHOLD"] = "3"
    payment.otherwise = BROKEN
    body = json.dumps(order_of())
    receive_count = 1
    for _ in range(50):
        came_again = pipeline.work(body, receive_count=receive_count)
        receive_count = receive_count + 1 if came_again else 1  # a copy is a new message
        if circuit(pipeline) == "OPEN":
            opened_at(pipeline, 31)
            pipeline.forget_the_circuit()
    row = pipeline.row()
    assert (row["state"], pipeline.dead_letters) == ("PROCESSING", [])
    assert row["attempts"] == 2  # the third opened the circuit, and all that came later were probes
    assert len(payment.requests) == 150
    payment.otherwise = APPROVED
    assert pipeline.work(body) == []
    assert pipeline.row()["state"] == "PAID"
    assert "charge" not in pipeline.row()
    assert "reason" not in pipeline.row()


def test_an_order_that_fails_while_others_are_paid_has_failed_after_five_tries(
    pipeline: Pipeline, payment: PaymentServer
) -> None:
    pipeline.variables["CIRCUIT_FAILURE_THRESHOLD"] = "3"
    for number in range(1, 6):
        assert pipeline.row().get("state") in {None, "PROCESSING"}
        payment.otherwise = BROKEN
        pipeline.work(order_of(), receive_count=number)
        payment.otherwise = APPROVED
        pipeline.work(order_of(f"other-{number}"))
    assert (pipeline.row()["state"], pipeline.row()["attempts"], len(pipeline.dead_letters)) == ("FAILED", 5, 1)
    assert circuit(pipeline) == "none"


def test_a_failure_that_opens_the_circuit_is_no_try_although_that_could_not_be_kept(pipeline: Pipeline) -> None:
    pipeline.variables["CIRCUIT_FAILURE_THRESHOLD"] = "1"
    pipeline.payment.otherwise = BROKEN
    pipeline.table.failures["put_item"] = [None, refused("ThrottlingException")]
    assert pipeline.work(order_of()) == []
    (copy,) = pipeline.copies
    assert (pipeline.row()["attempts"], circuit(pipeline)) == (0, "none")
    assert 30 <= copy["DelaySeconds"] <= 40


def test_no_outage_is_too_long_for_an_order(pipeline: Pipeline) -> None:
    open_circuit(pipeline)
    for _ in range(20):
        assert pipeline.work(order_of()) == []
    assert (len(pipeline.copies), pipeline.dead_letters) == (20, [])
    opened_at(pipeline, 31)
    assert pipeline.deliver(pipeline.record(order_of()), worker=pipeline.new_worker()) == []
    assert (pipeline.row()["state"], pipeline.row()["attempts"]) == ("PAID", 1)


def test_another_environment_sees_the_open_circuit(pipeline: Pipeline, payment: PaymentServer) -> None:
    open_circuit(pipeline)
    pipeline.deliver(pipeline.record(order_of()), worker=pipeline.new_worker())
    assert (len(pipeline.copies), payment.requests) == (1, [])


def test_poison_is_taken_out_even_while_the_circuit_is_open(pipeline: Pipeline) -> None:
    open_circuit(pipeline)
    pipeline.work("poison")
    assert [body for body, _ in pipeline.dead_letters] == ["poison"]


def test_after_its_time_one_success_closes_the_circuit(pipeline: Pipeline, payment: PaymentServer) -> None:
    open_circuit(pipeline)
    opened_at(pipeline, 31)
    assert pipeline.deliver(pipeline.record(order_of("o-1")), worker=pipeline.new_worker()) == []
    assert (circuit(pipeline), len(payment.requests), pipeline.row("o-1")["state"]) == ("CLOSED", 1, "PAID")
    assert pipeline.deliver(pipeline.record(order_of("o-2")), worker=pipeline.new_worker()) == []
    assert pipeline.row("o-2")["state"] == "PAID"


def test_after_its_time_one_failure_opens_the_circuit_again(
    pipeline: Pipeline, payment: PaymentServer, capsys: pytest.CaptureFixture[str]
) -> None:
    open_circuit(pipeline)
    opened_at(pipeline, 31)
    payment.otherwise = BROKEN
    came_again = pipeline.deliver(
        pipeline.record(order_of("o-1")), pipeline.record(order_of("o-2")), worker=pipeline.new_worker()
    )
    assert (len(came_again), len(payment.requests), len(pipeline.copies)) == (0, 3, 2)
    assert circuit(pipeline) == "OPEN"
    assert len(metrics_in(capsys.readouterr().out, "CircuitOpened")) == 2


def test_while_another_worker_tries_the_others_wait_and_count_no_attempt(pipeline: Pipeline, payment: PaymentServer) -> None:
    open_circuit(pipeline)
    pipeline.dynamodb.update_item(
        TableName="circuit-table",
        Key={"id": {"S": "sqs_pipeline.payment"}},
        UpdateExpression="SET #state = :half, half_open_owner = :other, probe_lease_expiry = :later",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={
            ":half": {"S": "HALF_OPEN"},
            ":other": {"S": "another"},
            ":later": {"N": str(int(time.time()) + 30)},
        },
    )
    worker = pipeline.new_worker()
    for _ in range(7):
        assert pipeline.deliver(pipeline.record(order_of()), worker=worker) == []
    assert (len(pipeline.copies), payment.requests) == (7, [])
    assert (pipeline.row()["attempts"], pipeline.states()) == (0, ["PROCESSING"])


def test_a_circuit_that_cannot_be_read_holds_nothing_up(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = pipeline.worker

    def fail(**_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(pipeline.dynamodb, "get_item", fail)
    assert pipeline.deliver(pipeline.record(order_of()), worker=worker) == []
    monkeypatch.undo()
    assert pipeline.row()["state"] == "PAID"


def test_in_a_fifo_queue_messages_wait_where_they_are(fifo_pipeline: Pipeline, payment: PaymentServer) -> None:
    open_circuit(fifo_pipeline)
    records = [fifo_pipeline.record(order_of(f"o-{number}"), receive_count=50) for number in range(3)]
    fifo_pipeline.variables["MAX_RECEIVE_COUNT"] = "100"
    came_again = fifo_pipeline.deliver(*records, worker=fifo_pipeline.new_worker())
    assert came_again == [record["messageId"] for record in records]
    assert (fifo_pipeline.copies, payment.requests, fifo_pipeline.row("o-0")) == ([], [], {})
    assert len(fifo_pipeline.visibilities) == 3
    assert all(33 <= seconds <= 35 for seconds in fifo_pipeline.visibilities)


def test_in_a_fifo_queue_an_order_that_waited_long_has_all_its_tries_afterwards(
    fifo_pipeline: Pipeline, payment: PaymentServer
) -> None:
    fifo_pipeline.variables |= {"MAX_RECEIVE_COUNT": "1000", "CIRCUIT_FAILURE_THRESHOLD": "100"}
    payment.otherwise = BROKEN
    for receive_count in range(101, 105):
        assert len(fifo_pipeline.work(order_of(), receive_count=receive_count)) == 1
    assert (fifo_pipeline.row()["state"], fifo_pipeline.row()["attempts"]) == ("PROCESSING", 4)
    assert fifo_pipeline.work(order_of(), receive_count=105) == []
    assert (fifo_pipeline.row()["state"], fifo_pipeline.row()["attempts"]) == ("FAILED", 5)


def test_in_a_fifo_queue_the_mates_of_an_order_that_fails_are_neither_tried_nor_counted(
    fifo_pipeline: Pipeline, payment: PaymentServer
) -> None:
    fifo_pipeline.variables |= {"MAX_RECEIVE_COUNT": "1000", "CIRCUIT_FAILURE_THRESHOLD": "100"}
    payment.otherwise = BROKEN
    for receive_count in range(1, 6):
        orders = [order_of("o-1"), order_of("o-2"), order_of("o-3")]
        records = [fifo_pipeline.record(order, receive_count=receive_count) for order in orders]
        came_again = fifo_pipeline.deliver(*records)
    assert came_again == [record["messageId"] for record in records[1:]]
    assert [fifo_pipeline.row(order).get("attempts") for order in ("o-1", "o-2", "o-3")] == [5, 1, None]
    assert [body["id"] for body in (json.loads(body) for body, _ in fifo_pipeline.dead_letters)] == ["o-1"]
