"""SqsPipeline: the ingest, and the worker while the payment API works, fails, and is left alone."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from serverless_patterns.testing.resource import FunctionResource
from tests.handlers.api_client import event_of
from tests.handlers.payment_server import APPROVED, PaymentServer, reply
from tests.proofs.account import client
from tests.proofs.scenarios.api_crud import call, kind_of
from tests.proofs.scenarios.queues import comes_again_soon, poison_is_kept_with_its_reason
from tests.proofs.world import Scenario, World

ORDER = {"id": "o-1", "customer_id": "alice", "amount": 19.99, "currency": "EUR"}
#: Fails at once: without this header the worker waits before it asks once more.
BROKEN = reply(500, Retry_After="0")


def scenarios_of(function: FunctionResource) -> Sequence[Scenario]:
    if function.handler == "sqs_pipeline.ingest.handler":
        return [an_order_is_accepted] if "QUEUE_URL" in function.environment else [an_order_is_read]
    return [
        an_order_is_charged_once_and_announced,
        an_order_that_the_payment_api_fails_for_comes_again_and_is_charged_then,
        an_order_that_fails_for_good_is_announced_as_failed,
        failures_in_a_row_open_the_circuit_until_a_probe_succeeds,
        poison_is_kept_with_its_reason,
    ]


# --- the ingest


def an_order_is_accepted(world: World) -> None:
    for _ in range(2):
        accepted = call(world, event_of(kind_of(world), "POST", None, ORDER))
        assert (accepted.status, accepted.json["id"]) == (202, "o-1")
    assert {json.loads(each["body"])["id"] for each in world.messages(world.queue)} == {"o-1"}
    assert call(world, event_of(kind_of(world), "GET", "o-1")).json["state"] == "PENDING"


def an_order_is_read(world: World) -> None:
    row = {"id": {"S": "o-1"}, "state": {"S": "PAID"}}
    client("dynamodb").put_item(TableName=world.variables["TABLE_NAME"], Item=row)
    assert call(world, event_of(kind_of(world), "GET", "o-1")).json["state"] == "PAID"


# --- the worker


@contextmanager
def payment_api(world: World) -> Iterator[PaymentServer]:
    """A payment API that is in the function's secret."""
    server = PaymentServer()
    try:
        secret = json.dumps({"url": server.url, "api_key": "sk_test"})
        client("secretsmanager").put_secret_value(SecretId=world.variables["PAYMENT_SECRET_ARN"], SecretString=secret)
        yield server
    finally:
        server.close()


def an_order_is_charged_once_and_announced(world: World) -> None:
    with payment_api(world) as payment:
        assert world.deliver(ORDER) == []
        assert world.deliver(ORDER) == []
    assert _order(world)["state"] == {"S": "PAID"}
    assert [event["type"] for event in world.announced()] == ["orders.paid"]
    assert len(payment.requests) == 1
    (kept,) = world.rows(world.variables["IDEMPOTENCY_TABLE_NAME"])
    assert kept["status"] == {"S": "COMPLETED"}


def an_order_that_the_payment_api_fails_for_comes_again_and_is_charged_then(world: World) -> None:
    with payment_api(world) as payment:
        payment.otherwise = BROKEN
        comes_again_soon(world, ORDER)
        assert world.rows(world.variables["IDEMPOTENCY_TABLE_NAME"]) == []
        payment.otherwise = APPROVED
        assert world.deliver(ORDER) == []
    assert _order(world)["state"] == {"S": "PAID"}


def an_order_that_fails_for_good_is_announced_as_failed(world: World) -> None:
    with payment_api(world) as payment:
        payment.otherwise = BROKEN
        _begun(world, times=int(world.variables["MAX_ATTEMPTS"]) - 1)
        assert world.deliver(ORDER) == []
    assert [json.loads(body)["id"] for body in world.dead_letters] == ["o-1"]
    assert [event["type"] for event in world.announced()] == ["orders.failed"]
    assert _order(world)["state"] == {"S": "FAILED"}


def failures_in_a_row_open_the_circuit_until_a_probe_succeeds(world: World) -> None:
    orders = [ORDER | {"id": f"o-{number}"} for number in range(int(world.variables["CIRCUIT_FAILURE_THRESHOLD"]))]
    with payment_api(world) as payment:
        payment.otherwise = BROKEN
        world.deliver(*orders)
        assert _circuit(world)["state"] == {"S": "OPEN"}
        payment.otherwise = APPROVED
        payment.requests.clear()
        world.messages(world.queue)
        world.restart()  # another worker, which knows of it from the table
        _is_put_off(world)
        assert payment.requests == []
        _turn_back(world)
        world.restart()
        assert world.deliver(ORDER) == []
    assert _circuit(world)["state"] == {"S": "CLOSED"}
    assert "half_open_owner" not in _circuit(world)
    assert _order(world)["state"] == {"S": "PAID"}


def _is_put_off(world: World) -> None:
    """Deliver an order that is not tried now: of a standard queue a copy is put back, in a FIFO queue it stays."""
    came_again = world.deliver(ORDER)
    if world.is_fifo:
        assert 0 < world.hidden_for(came_again[0]) <= 60
    else:
        assert came_again == []
        assert [json.loads(each["body"])["id"] for each in world.messages(world.queue)] == ["o-1"]


def _order(world: World) -> dict[str, Any]:
    rows = {row["id"]["S"]: row for row in world.rows(world.variables["TABLE_NAME"])}
    return rows["o-1"]


def _begun(world: World, *, times: int) -> None:
    """Let the order have been tried so many times: one in fact, the others in its row."""
    world.deliver(ORDER)
    client("dynamodb").update_item(
        TableName=world.variables["TABLE_NAME"],
        Key={"id": {"S": "o-1"}},
        UpdateExpression="SET attempts = :times",
        ExpressionAttributeValues={":times": {"N": str(times)}},
    )


def _circuit(world: World) -> dict[str, Any]:
    (row,) = world.rows(world.variables["CIRCUIT_TABLE_NAME"])
    return row


def _turn_back(world: World) -> None:
    """Let the circuit have opened so long ago that one worker may try."""
    then = int(time.time()) - int(world.variables["CIRCUIT_RECOVERY_SECONDS"]) - 1
    client("dynamodb").update_item(
        TableName=world.variables["CIRCUIT_TABLE_NAME"],
        Key={"id": _circuit(world)["id"]},
        UpdateExpression="SET opened_at = :then",
        ExpressionAttributeValues={":then": {"N": str(then)}},
    )
