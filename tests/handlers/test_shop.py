"""The functions of the shop of the examples that are its own."""

import importlib
import io
import json
import sys
import uuid
from collections.abc import Iterator
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from s3_processing.api import Rejected, StoredObject
from serverless_patterns.local.payment_provider import Behaviour, PaymentProvider
from shared.envelope import Envelope
from tests.support.synthesis import ROOT

TABLES = ("orders", "ledger", "products")
PIPELINE = "shop-orders"
MODULES = ("fulfilment", "ledger", "orders", "payments", "price_list", "refunds")


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The modules, with empty tables and a payment provider that has charged the order o-1.

    The stand-in for AWS is shared with other tests: so what is in it has names that nothing else has.
    """
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "shop" / "src"))
    own = uuid.uuid4().hex
    tables = {f"{name.upper()}_TABLE_NAME": f"{name}-{own}" for name in TABLES}
    for name, value in {**tables, "PIPELINE_NAME": PIPELINE, "PAYMENT_SECRET_ARN": own}.items():
        monkeypatch.setenv(name, value)
    with mock_aws(), PaymentProvider() as provider:
        modules = {name: importlib.import_module(f"shop.{name}") for name in MODULES}
        secret = json.dumps({"url": provider.url, "api_key": provider.api_key})
        boto3.client("secretsmanager").create_secret(Name=own, SecretString=secret)
        charge = json.dumps({"reference": "o-1", "amount": "19.90", "currency": "EUR"}).encode()
        provider.ledger.settle(f"{PIPELINE}:o-1:charge", charge, back=False, willing=True)
        yield SimpleNamespace(**modules, tables={name: _table(f"{name}-{own}") for name in TABLES}, provider=provider)
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        del sys.modules[name]


def _table(name: str) -> Any:
    return boto3.resource("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


def place(shop: Any, state: str = "PAID") -> None:
    """An order, as the worker leaves it."""
    items = [{"sku": "chair", "quantity": Decimal(2)}]
    order = {"customer_id": "ada", "amount": Decimal("19.90"), "currency": "EUR", "items": items, "ship_to": {"country": "DE"}}
    row = {"id": "o-1", "state": state, "order": order} | ({"payment_id": "ch_1"} if state == "PAID" else {})
    shop.tables["orders"].put_item(Item=row)


def step(name: str) -> dict[str, Any]:
    return {"step": name, "order_id": "o-1", "execution": "e-1", "order": {"id": "o-1"}}


# --- two parts of the workflow


def test_the_workflow_gets_the_order_as_the_customer_sent_it(shop: Any) -> None:
    place(shop)
    answer = shop.fulfilment.validate(step("ValidateOrder"), None)
    assert json.loads(json.dumps(answer)) == {
        "order": {
            "id": "o-1",
            "customer_id": "ada",
            "amount": "19.90",
            "currency": "EUR",
            "items": [{"sku": "chair", "quantity": 2}],
            "ship_to": {"country": "DE"},
        }
    }


def test_an_order_that_nobody_placed_is_rejected_under_the_name_that_the_state_machine_knows(shop: Any) -> None:
    with pytest.raises(shop.fulfilment.InvalidOrder, match="There is no order o-1"):
        shop.fulfilment.validate(step("ValidateOrder"), None)


def test_a_paid_order_is_not_charged_again(shop: Any) -> None:
    place(shop)
    assert shop.fulfilment.pay(step("ProcessPayment"), None) == {"success": True, "payment_id": "ch_1"}
    assert shop.provider.requests == []


@pytest.mark.parametrize("state", ["PENDING", "PROCESSING", "DECLINED", "FAILED"])
def test_an_order_that_is_not_paid_is_not_shipped(shop: Any, state: str) -> None:
    place(shop, state)
    with pytest.raises(shop.fulfilment.PaymentDeclined, match=state):
        shop.fulfilment.pay(step("ProcessPayment"), None)


def test_an_order_that_is_undone_is_paid_back_in_full(shop: Any) -> None:
    place(shop)
    assert shop.fulfilment.pay(step("RefundPayment"), None) == {"refund_id": "re_1"}
    (refund,) = shop.provider.refunds.values()
    assert (Decimal(refund.amount), refund.currency) == (Decimal("19.90"), "EUR")
    assert refund.charge_key == f"{PIPELINE}:o-1:charge"


# --- money that goes back


def message(order_id: str = "o-1") -> dict[str, Any]:
    return {"messageId": f"m-{order_id}", "body": json.dumps({"data": {"order_id": order_id}})}


def test_whoever_asks_and_however_often_an_order_is_paid_back_once(shop: Any) -> None:
    place(shop)
    assert shop.fulfilment.pay(step("RefundPayment"), None) == {"refund_id": "re_1"}
    assert shop.refunds.handler({"Records": [message(), message()]}, None) == {"batchItemFailures": []}
    assert len(shop.provider.refunds) == 1


def test_an_order_that_took_no_money_gets_none_back(shop: Any) -> None:
    place(shop, "DECLINED")
    assert shop.payments.refund("o-1") is None
    assert shop.provider.requests == []


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (Behaviour.DECLINE, "RefundRefusedError"),
        (Behaviour.REFUSE, "RefundRefusedError"),
        (Behaviour.FAIL, "UnavailableError"),
        (Behaviour.HTML, "UnavailableError"),
        (Behaviour.LOSE_ANSWER, "UnavailableError"),
        (Behaviour.REDIRECT, "UnavailableError"),
    ],
    ids=str,
)
def test_a_refund_that_is_not_confirmed_is_none_and_says_whether_to_ask_again(
    shop: Any, behaviour: Behaviour, error: str
) -> None:
    place(shop)
    shop.provider.behaviour_for = lambda _: behaviour
    with pytest.raises(getattr(shop.payments, error)):
        shop.payments.refund("o-1")


def test_of_a_batch_of_refunds_those_that_failed_come_again_and_no_other(shop: Any) -> None:
    place(shop)
    answer = shop.refunds.handler({"Records": [message("o-404"), message(), {"messageId": "m-bad", "body": "{"}]}, None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m-o-404"}, {"itemIdentifier": "m-bad"}]}
    assert len(shop.provider.refunds) == 1


# --- the ledger


def told(state: str, time: str, **data: Any) -> Envelope:
    known = {"order_id": "o-1", "state": state, "amount": Decimal("19.90"), "currency": "EUR"} | data
    return Envelope(
        id=f"o-1:{state}", type="orders.any", time=time, correlation_id="o-1", causation_id="-", source="shop", data=known
    )


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 1, 0, 1)], ids=["in order", "late", "twice"])
def test_the_ledger_has_the_latest_word_on_an_order_whenever_it_comes(shop: Any, order: tuple[int, ...]) -> None:
    events = [
        told("PAID", "2026-03-01T12:00:00.100Z"),
        told("OUT_OF_STOCK", "2026-03-01T12:00:00.200Z", amount="19.90", reason="none left"),
    ]
    for number in order:
        shop.ledger.handle(events[number])
    (row,) = shop.tables["ledger"].scan()["Items"]
    assert row == {
        "id": "o-1",
        "state": "OUT_OF_STOCK",
        "amount": Decimal("19.90"),
        "currency": "EUR",
        "reason": "none left",
        "updated_at": "2026-03-01T12:00:00.200Z",
    }


# --- price lists


def listed(text: str) -> StoredObject:
    content = text.encode()
    return StoredObject("bucket", "price-lists/a.csv", "1", len(content), "text/csv", io.BytesIO(content))


def test_each_line_of_a_price_list_is_a_product(shop: Any) -> None:
    answer = shop.price_list.process(listed('id,name,price\nrug,"Rug, red",120.00\nmirror,Mirror,35\n'))
    assert answer == {"products": 2}
    rows = sorted(shop.tables["products"].scan()["Items"], key=lambda row: row["id"])
    assert rows == [
        {"id": "mirror", "name": "Mirror", "price": Decimal(35)},
        {"id": "rug", "name": "Rug, red", "price": Decimal(120)},
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the columns must be id, name, price"),
        ("id;name;price\nrug;Rug;1\n", "the columns must be id, name, price"),
        ("id,name,price\nrug,Rug,1\nmirror,Mirror,much\n", "line 3 has no price"),
        ("id,name,price\nrug,Rug\n", "line 2 has no price"),
        ("id,name,price\nrug,Rug,-1\n", "line 2 is no product"),
        ("id,name,price\nrug,Rug,NaN\n", "line 2 is no product"),
        ("id,name,price\n,Rug,1\n", "line 2 is no product"),
        ("id,name,price\nrug,Rug,1,2\n", "line 2 is no product"),
        ('id,name,price\nrug,"Rug,1\n', "it is no CSV"),
    ],
    ids=["empty", "semicolons", "no number", "short", "negative", "not a number", "no id", "long", "open quote"],
)
def test_a_bad_price_list_is_rejected_with_its_line_and_no_product_of_it_is_taken(shop: Any, text: str, reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        shop.price_list.process(listed(text))
    assert caught.value.reason == reason
    assert shop.tables["products"].scan()["Count"] == 0
