"""Charging and paying back: one key for each operation, declined told apart from not known, and nothing trusted."""

import pytest
from types_boto3_dynamodb import DynamoDBClient

from order_workflow.errors import PaymentDeclined
from order_workflow.payment_api import RefundRefusedError
from shared.errors import UnavailableError
from tests.handlers.payment_server import (
    APPROVED,
    BROKEN,
    DECLINED,
    SILENCE,
    PaymentServer,
    Reply,
    dripping_body,
    endless_body,
    reply,
)
from tests.handlers.workflow_client import Steps


@pytest.fixture
def steps(dynamodb: DynamoDBClient, payment: PaymentServer) -> Steps:
    return Steps(dynamodb, payment)


def test_a_charge_names_the_order_the_exact_amount_and_its_key(steps: Steps, payment: PaymentServer) -> None:
    assert steps.do("ProcessPayment") == {"success": True, "payment_id": "pay_1"}
    (request,) = payment.requests
    assert (request.path, request.headers["idempotency-key"]) == ("/charges", "shop:o-1:charge")
    assert request.body == {"reference": "o-1", "amount": "19.99", "currency": "EUR"}


def test_a_refund_names_the_key_of_the_charge_and_has_one_of_its_own(steps: Steps, payment: PaymentServer) -> None:
    assert steps.do("RefundPayment") == {"refund_id": "pay_1"}
    (request,) = payment.requests
    assert (request.path, request.headers["idempotency-key"]) == ("/charges/refunds", "shop:o-1:refund")
    assert request.body == {
        "reference": "o-1/refund",
        "amount": "19.99",
        "currency": "EUR",
        "charge_key": "shop:o-1:charge",
    }


@pytest.mark.parametrize("step", ["ProcessPayment", "RefundPayment"])
def test_a_step_that_is_tried_again_has_the_same_key(steps: Steps, payment: PaymentServer, step: str) -> None:
    payment.will([BROKEN])
    with pytest.raises(UnavailableError):
        steps.do(step)
    steps.do(step)
    assert len(set(payment.keys)) == 1


def test_where_nothing_was_charged_there_is_nothing_to_pay_back(steps: Steps, payment: PaymentServer) -> None:
    payment.will([reply(200, {"status": "nothing_to_refund"})])
    assert steps.do("RefundPayment") == {"refund_id": None}


@pytest.mark.parametrize(
    "answer", [DECLINED, reply(402, {"reason": "insufficient funds"}), reply(422, {"reason": "\ninsufficient\tfunds"})]
)
def test_a_declined_charge_has_the_reason_of_the_payment_api(steps: Steps, payment: PaymentServer, answer: Reply) -> None:
    payment.will([answer])
    with pytest.raises(PaymentDeclined, match=r"^insufficient funds$"):
        steps.do("ProcessPayment")


def test_a_charge_that_is_refused_without_a_word_is_declined_all_the_same(steps: Steps, payment: PaymentServer) -> None:
    payment.will([reply(400, "<html>")])
    with pytest.raises(PaymentDeclined, match=r"^The payment API declined it\.$"):
        steps.do("ProcessPayment")


def test_a_refund_that_is_refused_is_not_tried_again(steps: Steps, payment: PaymentServer) -> None:
    payment.will([reply(422, {"reason": "too old"})])
    with pytest.raises(RefundRefusedError, match=r"^too old$"):
        steps.do("RefundPayment")


@pytest.mark.parametrize("step", ["ProcessPayment", "RefundPayment"])
@pytest.mark.parametrize(
    "answer",
    [
        BROKEN,
        SILENCE,
        reply(404, {"error": "no such page"}),
        reply(409),
        reply(429, Retry_After="1"),
        reply(200, "<html>"),
        reply(200, '{"status": "approved", "id": NaN}'),
        reply(200, {"status": "approved"}),
        reply(500, {"status": "approved", "id": "pay_1"}),
        reply(200, {"status": "approved", "id": "x" * 257}),
        reply(200, "[" * 5000 + "]" * 5000),
        reply(307, Location="http://127.0.0.1/elsewhere"),
        dripping_body(),
        endless_body(),
    ],
    ids=[
        "500",
        "silence",
        "404",
        "409",
        "429",
        "html",
        "NaN",
        "no id",
        "500 approved",
        "long id",
        "deep",
        "redirect",
        "drip",
        "endless",
    ],
)
def test_what_is_not_known_can_be_tried_again(steps: Steps, payment: PaymentServer, step: str, answer: Reply) -> None:
    payment.will([answer])
    with pytest.raises(UnavailableError):
        steps.do(step)
    assert {request.path for request in payment.requests} <= {"/charges", "/charges/refunds"}


def test_a_key_that_was_changed_is_read_anew_at_once(steps: Steps, payment: PaymentServer) -> None:
    steps.do("ProcessPayment")
    steps.put_secret({"url": payment.url, "api_key": "key-2"})
    payment.will([reply(401), APPROVED])
    assert steps.do("ProcessPayment")["success"]
    assert len(set(payment.keys)) == 1
    assert [request.headers["authorization"] for request in payment.requests] == [
        "Bearer key-1",
        "Bearer key-1",
        "Bearer key-2",
    ]


def test_a_key_that_is_refused_is_mended_by_an_operator_and_so_tried_again(steps: Steps, payment: PaymentServer) -> None:
    payment.will([reply(403), reply(403)])
    with pytest.raises(UnavailableError) as caught:
        steps.do("ProcessPayment")
    assert "payment secret" in caught.value.hint


@pytest.mark.parametrize("secret", [{"url": "", "api_key": "k"}, {"url": "http://example.com", "api_key": "k"}, "no object"])
def test_without_a_proper_secret_nothing_is_asked(steps: Steps, payment: PaymentServer, secret: object) -> None:
    steps.put_secret(secret)
    with pytest.raises(UnavailableError):
        steps.do("ProcessPayment")
    assert payment.requests == []
