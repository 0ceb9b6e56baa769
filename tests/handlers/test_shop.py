"""The functions of the shop of the examples that are its own."""

import csv
import importlib
import io
import json
import os
import sys
import uuid
from collections.abc import Iterator
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError
from moto import mock_aws

from examples.shop.schemas import PRODUCT, TOLD
from s3_processing.api import Rejected, StoredObject
from serverless_patterns._blocks.order_tasks import TRANSIENT
from serverless_patterns.local.payment_provider import Behaviour, PaymentProvider
from shared import strict_json
from shared.envelope import Envelope
from shared.errors import InvalidError
from shared.ids import is_id
from shared.schema import Schema
from tests.handlers.payment_server import PaymentServer, Reply, endless_body, reply
from tests.support.synthesis import ROOT

TABLES = ("orders", "ledger", "products")
PIPELINE = "shop-orders"
MODULES = ("aws", "fulfilment", "ledger", "orders", "payments", "price_list", "refunds")


@pytest.fixture(scope="module")
def deployed() -> Iterator[Any]:
    """The modules, with tables and a secret.

    The stand-in for AWS is shared with other tests: so what is in it has names that nothing else has.
    """
    own = uuid.uuid4().hex
    tables = {name: f"{name}-{own}" for name in TABLES}
    variables = {f"{name.upper()}_TABLE_NAME": table for name, table in tables.items()}
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        patch.syspath_prepend(str(ROOT / "examples" / "shop" / "src"))
        for name, value in {**variables, "PIPELINE_NAME": PIPELINE, "PAYMENT_SECRET_ARN": own}.items():
            patch.setenv(name, value)
        modules = {name: importlib.import_module(f"shop.{name}") for name in MODULES}
        boto3.client("secretsmanager").create_secret(Name=own, SecretString="{}")
        yield SimpleNamespace(**modules, tables={name: _table(table) for name, table in tables.items()})
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        del sys.modules[name]


@pytest.fixture
def shop(deployed: Any) -> Iterator[Any]:
    """The same, with empty tables and a payment provider that has charged the order o-1."""
    for table in deployed.tables.values():
        for row in table.scan()["Items"]:
            table.delete_item(Key={"id": row["id"]})
    with PaymentProvider() as provider:
        name_payment_api(provider.url, provider.api_key)
        charge = json.dumps({"reference": "o-1", "amount": "19.90", "currency": "EUR"}).encode()
        provider.ledger.settle(f"{PIPELINE}:o-1:charge", charge, back=False, willing=True)
        deployed.provider = provider
        yield deployed


def name_payment_api(url: str, api_key: str) -> None:
    """As an operator does, in the secret."""
    secret = json.dumps({"url": url, "api_key": api_key})
    boto3.client("secretsmanager").put_secret_value(SecretId=os.environ["PAYMENT_SECRET_ARN"], SecretString=secret)


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


# --- calls to AWS


def failure(code: str, status: int = 400) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetItem")  # type: ignore[typeddict-item]


PASSING = [
    failure("ThrottlingException"),
    failure("ProvisionedThroughputExceededException"),
    failure("RequestLimitExceeded"),
    failure("KMS.ThrottlingException"),
    failure("InternalServerError", 500),
    failure("SomethingNew", 503),
    ConnectTimeoutError(endpoint_url="https://aws"),
    ReadTimeoutError(endpoint_url="https://aws"),
    EndpointConnectionError(endpoint_url="https://aws"),
]
LASTING = [failure("AccessDeniedException"), failure("ResourceNotFoundException"), failure("ValidationException")]


def clients(shop: Any) -> dict[str, Any]:
    """What each module calls AWS with."""
    tables = {module.__name__: module._table() for module in (shop.orders, shop.ledger, shop.price_list)}  # noqa: SLF001  as it calls
    return {**tables, shop.payments.__name__: shop.payments._secrets()}  # noqa: SLF001  the same


def name_of(error: object) -> str:
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__


def broken(error: Exception) -> Any:
    def call(**_: Any) -> None:
        raise error

    return call


@pytest.mark.parametrize("asked", ["ValidateOrder", "ProcessPayment", "RefundPayment"])
@pytest.mark.parametrize("error", PASSING, ids=name_of)
def test_an_order_that_cannot_be_read_for_a_moment_is_asked_for_again_and_not_failed(
    shop: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, asked: str
) -> None:
    place(shop)
    part = shop.fulfilment.validate if asked == "ValidateOrder" else shop.fulfilment.pay
    with monkeypatch.context() as now:
        now.setattr(clients(shop)["shop.orders"], "get_item", broken(error))
        with pytest.raises(shop.aws.UnavailableError):
            part(step(asked), None)
    assert part(step(asked), None)


def test_the_state_machine_tries_again_what_is_called_like_a_failure_that_passes(shop: Any) -> None:
    assert shop.aws.UnavailableError.__name__ in TRANSIENT


@pytest.mark.parametrize("error", LASTING, ids=name_of)
def test_what_asking_again_cannot_help_ends_an_order_at_once_under_its_own_name(
    shop: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(clients(shop)["shop.orders"], "get_item", broken(error))
    with pytest.raises(ClientError) as caught:
        shop.fulfilment.validate(step("ValidateOrder"), None)
    assert caught.value is error


def test_a_payment_secret_that_cannot_be_read_for_a_moment_is_asked_for_again(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    place(shop)
    monkeypatch.setattr(clients(shop)["shop.payments"], "get_secret_value", broken(failure("ThrottlingException")))
    with pytest.raises(shop.aws.UnavailableError):
        shop.payments.refund("o-1")


def test_no_call_to_aws_outlives_the_shortest_function_that_makes_it(shop: Any) -> None:
    for name, client in clients(shop).items():
        config = getattr(client.meta, "client", client).meta.config
        attempt, pause = config.connect_timeout + config.read_timeout, 1
        assert config.retries["total_max_attempts"] * attempt + pause < 10, name  # seconds of ValidateOrder's function


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


@pytest.fixture
def payment_api(shop: Any) -> Iterator[PaymentServer]:
    """A payment API that answers as it is told, named in the secret."""
    server = PaymentServer()
    name_payment_api(server.url, "k")
    yield server
    server.close()


APPROVED = {"status": "approved", "id": "re_7"}
NOTHING = {"status": "nothing_to_refund"}
DECLINED = {"status": "declined", "reason": "closed account"}


@pytest.mark.parametrize(
    ("answer", "refund"),
    [(reply(200, APPROVED), "re_7"), (reply(201, APPROVED), "re_7"), (reply(200, NOTHING), None)],
    ids=["approved", "created", "nothing"],
)
def test_money_is_back_if_the_payment_api_says_so_or_that_it_never_took_any(
    shop: Any, payment_api: PaymentServer, answer: Reply, refund: str | None
) -> None:
    place(shop)
    payment_api.will([answer])
    assert shop.payments.refund("o-1") == refund
    assert [request.path for request in payment_api.requests] == ["/charges/refunds"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (reply(200, DECLINED), "closed account"),
        (reply(422, DECLINED), "closed account"),
        (reply(400, {"error": "what?"}), "The payment API does not pay it back."),
        (reply(402, [1]), "The payment API does not pay it back."),
        (reply(402, "no JSON"), "The payment API does not pay it back."),
        (reply(402, APPROVED), "The payment API does not pay it back."),
        (reply(200, {"status": "declined", "reason": "x" * 1000}), "x" * 256),
    ],
    ids=["declined", "422", "400", "402 a list", "402 no JSON", "402 approved", "long reason"],
)
def test_a_refund_that_the_payment_api_refuses_is_not_asked_for_again(
    shop: Any, payment_api: PaymentServer, answer: Reply, reason: str
) -> None:
    place(shop)
    payment_api.will([answer])
    with pytest.raises(shop.payments.RefundRefusedError) as caught:
        shop.payments.refund("o-1")
    assert str(caught.value) == reason
    assert len(payment_api.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        reply(503, APPROVED),
        reply(503, DECLINED),
        reply(500, NOTHING),
        reply(401, DECLINED),
        reply(403, DECLINED),
        reply(404, DECLINED),
        reply(429, {}),
        reply(307, APPROVED, Location="/elsewhere"),
        reply(200, {"status": "approved"}),
        reply(200, {"status": "approved", "id": ""}),
        reply(200, {"status": "approved", "id": 7}),
        reply(200, {"status": "pending"}),
        reply(200, {"status": ["declined"]}),
        reply(200, [1]),
        reply(200, "<html>"),
        reply(200, b"\xff\xfe"),
        reply(200, "[" * 60_000),
        reply(200, APPROVED | {"more": "x" * 70_000}),
        endless_body(),
        Reply((b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"{")),
        Reply(()),
    ],
    ids=[
        *("503 approved", "503 declined", "500 nothing", "401", "403", "404", "429", "redirect", "no id", "empty id", "number"),
        *("pending", "a list of words", "a list", "a page", "no text", "deep", "large", "endless", "cut off", "no answer"),
    ],
)
def test_a_refund_of_which_nothing_is_known_is_asked_for_again(shop: Any, payment_api: PaymentServer, answer: Reply) -> None:
    place(shop)
    payment_api.will([answer])
    with pytest.raises(shop.aws.UnavailableError):
        shop.payments.refund("o-1")
    assert shop.payments.refund("o-1") == "pay_1", "what comes next is asked for with the same key"
    assert payment_api.keys == [f"{PIPELINE}:o-1:refund"] * 2


def test_of_a_batch_of_refunds_those_that_failed_come_again_and_no_other(shop: Any) -> None:
    place(shop)
    answer = shop.refunds.handler({"Records": [message(), {"messageId": "m-bad", "body": "{"}]}, None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m-bad"}]}
    assert len(shop.provider.refunds) == 1


def test_the_log_says_of_each_refund_that_failed_which_and_why(shop: Any, caplog: pytest.LogCaptureFixture) -> None:
    place(shop)
    shop.provider.behaviour_for = lambda _: Behaviour.DECLINE
    shop.refunds.handler({"Records": [message(), {"messageId": "m-bad", "body": "[]"}]}, None)
    refused, bad = caplog.records
    assert vars(refused) | {"message_id": "m-o-1", "order_id": "o-1"} == vars(refused)
    assert vars(refused)["reason"] == "RefundRefusedError: refund refused"
    assert vars(bad)["message_id"] == "m-bad"
    assert vars(bad)["reason"].startswith("TypeError: ")


def test_of_an_order_that_nobody_placed_nothing_is_paid_back_and_it_does_not_come_again(
    shop: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert shop.refunds.handler({"Records": [message("o-404")]}, None) == {"batchItemFailures": []}
    assert shop.provider.requests == []
    (line,) = caplog.records
    assert (line.levelname, vars(line)["order_id"]) == ("WARNING", "o-404")


# --- the ledger


def told(state: str, time: str, **data: Any) -> Envelope:
    return Envelope(
        id=f"o-1:{state}",
        type="orders.any",
        time=time,
        correlation_id="o-1",
        causation_id="-",
        source="shop",
        data={"order_id": "o-1", "state": state, **data},
    )


#: As the worker says it, and the workflow.
PAID = told("PAID", "2026-03-01T12:00:00.100Z", amount=Decimal("19.90"), currency="EUR", payment_id="ch_1")
OUT_OF_STOCK = told("OUT_OF_STOCK", "2026-03-01T12:00:00.200Z", amount="19.90", currency="EUR", reason="none left")
#: What the workflow says of an order that it could not validate, and the worker of one that it could not read.
WITHOUT_AMOUNT = pytest.mark.parametrize("nothing", [{}, {"amount": None, "currency": None}], ids=["left out", "null"])


def ledger_after(shop: Any, *events: Envelope) -> dict[str, Any]:
    for event in events:
        shop.ledger.handle(event)
    (row,) = shop.tables["ledger"].scan()["Items"]
    found: dict[str, Any] = row
    return found


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 1, 0, 1)], ids=["in order", "late", "twice"])
def test_the_ledger_has_the_latest_word_on_an_order_whenever_it_comes(shop: Any, order: tuple[int, ...]) -> None:
    assert ledger_after(shop, *([PAID, OUT_OF_STOCK][number] for number in order)) == {
        "id": "o-1",
        "state": "OUT_OF_STOCK",
        "amount": Decimal("19.90"),
        "currency": "EUR",
        "reason": "none left",
        "updated_at": "2026-03-01T12:00:00.200Z",
    }


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (1, 0, 1, 0)], ids=["in order", "late", "twice"])
def test_of_two_amounts_the_ledger_has_that_of_the_latest_word(shop: Any, order: tuple[int, ...]) -> None:
    part = told("SHIPPED", "2026-03-01T12:00:01.000Z", amount="9.90", currency="EUR")
    assert ledger_after(shop, *([PAID, part][number] for number in order))["amount"] == Decimal("9.90")


@WITHOUT_AMOUNT
@pytest.mark.parametrize("order", [(0, 1), (1, 0), (1, 0, 1, 0)], ids=["in order", "late", "twice"])
def test_an_end_without_an_amount_is_written_down_and_the_amount_that_was_told_before_stays(
    shop: Any, nothing: dict[str, None], order: tuple[int, ...]
) -> None:
    rejected = told("REJECTED", "2026-03-01T12:00:01.000Z", reason="there is no such order", **nothing)
    assert ledger_after(shop, *([PAID, rejected][number] for number in order)) == {
        "id": "o-1",
        "state": "REJECTED",
        "amount": Decimal("19.90"),
        "currency": "EUR",
        "reason": "there is no such order",
        "updated_at": "2026-03-01T12:00:01.000Z",
    }


@WITHOUT_AMOUNT
def test_an_order_of_which_nobody_tells_an_amount_has_a_line_without_one(shop: Any, nothing: dict[str, None]) -> None:
    failed = told("FAILED", "2026-03-01T12:00:01.000Z", **nothing)
    assert ledger_after(shop, failed, failed) == {
        "id": "o-1",
        "state": "FAILED",
        "reason": "",
        "updated_at": "2026-03-01T12:00:01.000Z",
    }


@pytest.mark.parametrize(
    ("data", "pointers"),
    [
        (PAID.data, []),
        (OUT_OF_STOCK.data, []),
        (told("FAILED", "-").data, []),
        (told("FAILED", "-", amount=None, currency=None).data, []),
        (told("PAID", "-", amount="much").data, ["/amount"]),
        (told("PAID", "-", amount=[1]).data, ["/amount"]),
        (told("PAID", "-", reason=None).data, ["/reason"]),
        ({"state": "PAID"}, ["/order_id"]),
        ({"order_id": "o-1"}, ["/state"]),
        ({"order_id": "", "state": "PAID"}, ["/order_id"]),
    ],
    ids=["worker", "workflow", "left out", "null", "words", "list", "no reason", "no order", "no state", "empty"],
)
def test_the_route_to_the_ledger_takes_what_the_patterns_say_and_puts_aside_what_no_line_can_be_made_of(
    data: dict[str, Any], pointers: list[str]
) -> None:
    assert [fault.pointer for fault in Schema(TOLD).faults(data)] == pointers


# --- price lists


def listed(text: str) -> StoredObject:
    content = text.encode()
    return StoredObject("bucket", "price-lists/a.csv", "1", len(content), "text/csv", io.BytesIO(content))


def products(shop: Any) -> dict[str, dict[str, Any]]:
    """Id -> what is known of the product, but when."""
    rows = shop.tables["products"].scan()["Items"]
    return {row["id"]: {name: row[name] for name in row if name not in {"id", "created_at", "updated_at"}} for row in rows}


def test_each_line_of_a_price_list_is_a_product(shop: Any) -> None:
    answer = shop.price_list.process(listed('id,name,price\nrug,"Rug, red",120.00\n\nmirror,Mirror,35\n\n'))
    assert answer == {"products": 2}
    assert products(shop) == {
        "mirror": {"name": "Mirror", "price": Decimal(35)},
        "rug": {"name": "Rug, red", "price": Decimal(120)},
    }


def test_a_price_list_changes_the_name_and_the_price_of_a_product_and_leaves_what_else_is_known(shop: Any) -> None:
    by_hand = {"id": "rug", "name": "Rug", "price": Decimal(99), "colour": "red", "created_at": "2026-01-01T00:00:00.000Z"}
    shop.tables["products"].put_item(Item={**by_hand, "updated_at": "2026-01-02T00:00:00.000Z", "etag": "0" * 32})
    shop.price_list.process(listed("id,name,price\nrug,Rug,120\n"))
    (row,) = shop.tables["products"].scan()["Items"]
    assert row.pop("updated_at") > "2026-01-02"
    assert row == by_hand | {"price": Decimal(120)}, "who changes it on the condition that it is as before has to read it again"


def test_a_price_list_that_comes_again_changes_nothing(shop: Any) -> None:
    shop.price_list.process(listed("id,name,price\nrug,Rug,120\n"))
    changed = {"id": "rug", "name": "Rug", "price": Decimal("120.00"), "colour": "red", "etag": "0" * 32}
    shop.tables["products"].put_item(Item=changed)  # by hand, meanwhile
    assert shop.price_list.process(listed("id,name,price\nrug,Rug,120\n")) == {"products": 1}
    assert shop.tables["products"].scan()["Items"] == [changed]


COLUMNS = "the columns must be id, name, price"
FIELDS = "it must have id, name, price, and nothing else"
NAMED = "the id must be 1 to 64 letters, digits or characters of ._~@:+-, and not . or .."
PRICED = "the price must be 0 to 1000000 with at most two decimals, such as 19.90"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", COLUMNS),
        ("id;name;price\nrug;Rug;1\n", COLUMNS),
        ("id,name,price\nrug,Rug,1\nmirror,Mirror,much\n", f"line 3: {PRICED}"),
        ("id,name,price\nrug,Rug,1\n\nmirror,Mirror,much\n", f"line 4: {PRICED}"),
        ('id,name,price\nrug,"Rug\nred",1\nmirror,Mirror,much\n', f"line 4: {PRICED}"),
        ("id,name,price\nrug,Rug\n", f"line 2: {FIELDS}"),
        ("id,name,price\nrug,Rug,1,2\n", f"line 2: {FIELDS}"),
        ("id,name,price\n,Rug,1\n", f"line 2: {NAMED}"),
        ("id,name,price\nrug,Rug,1\n..,Dots,1\n", f"line 3: {NAMED}"),
        (f"id,name,price\nrug,{'x' * 201},1\n", "line 2: the name must be 1 to 200 characters, and no NUL"),
        ('id,name,price\nrug,"Rug,1\n', "it is no CSV"),
    ],
    ids=[
        *("empty", "semicolons", "no number", "after an empty line", "after two lines in one", "short", "long"),
        *("no id", "dots", "long name", "open quote"),
    ],
)
def test_a_bad_price_list_is_rejected_with_its_line_and_no_product_of_it_is_taken(shop: Any, text: str, reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        shop.price_list.process(listed(text))
    assert caught.value.reason == reason
    assert shop.tables["products"].scan()["Count"] == 0


IDS = ("r", "r" * 64, "r" * 65, "r" * 3000, "Az09._~@:+-", ".", "..", "...", "a/b c", "ä", "a%20", " rug", "rug\n", "")
NAMES = ("R", "ä" * 200, "ä" * 201, " ", "", "R\0ug", "\U0001f6cb", "=1+1")
PRICES = (
    *("0", "0.01", "0.1", "35", "120.00", "19.900", "1000000", "1000000.00", "1000000.01", "1000001", "0.005", "0.0"),
    *("1E+200", "-1", "-0.01", "NaN", "Infinity", "9" * 40, "0." + "0" * 40 + "1", "1." + "0" * 40 + "1"),
)


@pytest.mark.parametrize(
    "lines",
    [
        [(each, "Rug", "1") for each in IDS],
        [("rug", each, "1") for each in NAMES],
        [("rug", "Rug", each) for each in PRICES],
    ],
    ids=["ids", "names", "prices"],
)
def test_a_price_list_takes_what_the_api_takes_and_nothing_else(shop: Any, lines: list[tuple[str, str, str]]) -> None:
    taken = [line for line in lines if _is_taken(shop, line)]
    assert taken == [line for line in lines if _is_taken_by_the_api(*line)]
    assert 0 < len(taken) < len(lines)


def _is_taken(shop: Any, line: tuple[str, str, str]) -> bool:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["id", "name", "price"], line])
    shop.tables["products"].delete_item(Key={"id": line[0] or "-"})
    try:
        shop.price_list.process(listed(text.getvalue()))
    except Rejected:
        return False
    return line[0] in products(shop)


def _is_taken_by_the_api(product: str, name: str, price: str) -> bool:
    try:
        body = strict_json.parse(f'{{"id": {json.dumps(product)}, "name": {json.dumps(name)}, "price": {price}}}'.encode())
    except InvalidError:
        return False
    return is_id(product) and not [*Schema(PRODUCT).faults(body)]
