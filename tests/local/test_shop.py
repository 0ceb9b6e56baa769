"""The shop of the examples: deployed as one command does it, told its story, and counted from outside."""

import io
import json
import re
from collections import Counter
from contextlib import contextmanager
from decimal import Decimal
from itertools import pairwise
from types import SimpleNamespace

import pytest
from rich.console import Console

from examples.shop import story
from examples.shop.__main__ import SHOP, deploy, main, show
from examples.shop.books import Line
from examples.shop.deployed import STACKS, Deployed
from examples.shop.sales import LISTED, PRICES, SALES, STOCK, Sale
from serverless_patterns.errors import LocalRunError
from serverless_patterns.local.cdk_cli import App, CdkCli
from serverless_patterns.local.emulator import Emulator
from serverless_patterns.local.http_api import HttpApi, Request
from serverless_patterns.local.queues import Queue
from serverless_patterns.local.report import Report
from tests.support.waiting import eventually

#: Nine functions of a cold start each, on a machine that may be busy: all of it is in the first test's fixture.
pytestmark = pytest.mark.timeout(900)

ENDS = {"SHIPPED": 6, "OUT_OF_STOCK": 1, "SHIPPING_FAILED": 1, "DECLINED": 1}


@pytest.fixture(scope="module")
def told(emulator, account):
    """The shop after its story, with what was said, the books, and who moved the money."""
    providers, said = [], []

    class Provider(story.PaymentProvider):
        def __enter__(self):
            providers.append(self)
            return super().__enter__()

        def __exit__(self, *_):
            """It goes on: orders come after the story, too."""

    deploy(Report(Console(file=io.StringIO())), emulator)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(story, "PaymentProvider", Provider)
        books = story.tell(account, said.append)
    yield SimpleNamespace(shop=Deployed(account), said="\n".join(said), books=books, provider=providers[0])
    super(Provider, providers[0]).__exit__()


def test_the_books_of_the_shop_balance(told):
    assert [str(line) for line in told.books if not line.holds] == []
    counted = {line.what for line in told.books}
    assert counted >= {"products", "orders", "charges", "workflows", "stock", "events", "subscribers", "people", "report"}


def test_the_books_in_the_readme_of_the_shop_are_those_of_the_story(told):
    readme = (SHOP / "README.md").read_text(encoding="utf-8")
    assert [f"  {line}" for line in told.books] == readme.partition("```text\n")[2].partition("\n```")[0].splitlines()


def test_the_story_of_the_shop_tells_of_each_order_hop_by_hop(told):
    said = told.said.splitlines()
    hops = {order.split()[0]: line.strip() for order, line in pairwise(said) if re.match(r"  o-\d\d ", order)}
    taken = "POST /orders 202 -> orders:"
    assert hops["o-01"] == f"{taken} PAID (ch_1) -> fulfilment: SHIPPED"
    end = "fulfilment: OUT_OF_STOCK Not enough is in stock of: lamp."
    assert hops["o-07"] == f"{taken} PAID (ch_7) -> {end} -> paid back (re_1)"
    end = "fulfilment: SHIPPING_FAILED It is not shipped to the country of this order."
    assert hops["o-08"] == f"{taken} PAID (ch_8) -> {end} -> paid back (re_2)"
    assert hops["o-09"] == f"{taken} DECLINED (card refused)"
    assert hops["o-10"].startswith("queue -> dead-letter queue (The order does not fit")
    assert len(hops) == len(SALES) + 1


def test_ten_orders_of_the_shop_are_eight_paid_one_declined_and_one_dead_letter_with_its_reason(told):
    assert Counter(row["state"] for row in told.shop.rows("orders", "TableName")) == {"PAID": 8, "DECLINED": 1}
    (letter,) = told.shop.dead_letters()
    assert json.loads(letter.body)["id"] == "o-10"
    assert "/currency is required" in letter.attributes["Reason"]


def test_each_paid_order_of_the_shop_has_one_execution_and_is_shipped_or_paid_back(told):
    assert {status: told.shop.executions(status) for status in ("SUCCEEDED", "FAILED", "RUNNING", "TIMED_OUT")} == {
        "SUCCEEDED": 8,
        "FAILED": 0,
        "RUNNING": 0,
        "TIMED_OUT": 0,
    }
    assert Counter(told.shop.ledger_states().values()) == ENDS
    charges, refunds = told.provider.charges.values(), told.provider.refunds.values()
    assert (len(charges), told.provider.double_charges) == (8, {})
    assert sorted(refund.reference for refund in refunds) == ["o-07/refund", "o-08/refund"]
    kept = sum(Decimal(each.amount) for each in charges) - sum(Decimal(each.amount) for each in refunds)
    assert kept == sum(sale.amount for sale in SALES if sale.end == "SHIPPED")


def test_what_is_missing_in_the_stock_of_the_shop_was_shipped(told):
    shipped = Counter()
    for sale in SALES:
        shipped.update(sale.items if sale.end == "SHIPPED" else {})
    left = {row["id"]: int(row["available"]) for row in told.shop.rows("fulfilment", "StockTableName")}
    assert left == {sku: before - shipped[sku] for sku, before in STOCK.items()}


def test_customers_of_the_shop_see_each_product_whether_it_was_entered_or_in_the_price_list(told):
    seen = {name: row["data"]["price"] for name, row in told.shop.view().items()}
    assert seen == PRICES | LISTED
    assert all("etag" not in row["data"] for row in told.shop.view().values())


def test_each_event_on_the_bus_of_the_shop_is_audited_once(told):
    audit = Counter(row["type"] for row in told.shop.rows("bus", "AuditTableName"))
    assert audit == {
        "orders.paid": 8,
        "orders.declined": 1,
        "orders.shipped": 6,
        "orders.out_of_stock": 1,
        "orders.shipping_failed": 1,
        "objects.processed": 1,
        "reports.done": 1,
    }


def test_each_end_of_an_order_of_the_shop_reaches_its_subscribers(told):
    heard = Counter(row["type"] for row in told.shop.rows("notifications", "AuditTableName"))
    assert heard == {"orders.shipped": 6, "orders.out_of_stock": 1, "orders.shipping_failed": 1}
    totals = {row["id"].partition("#")[0]: row for row in told.shop.rows("notifications", "TotalsTableName") if "events" in row}
    assert totals["orders.shipped"]["amount_EUR"] == sum(sale.amount for sale in SALES if sale.end == "SHIPPED")


def test_the_report_of_the_shop_has_each_order_with_its_end(told):
    lines = told.shop.report_text().splitlines()
    assert {line.split(",")[0]: line.split(",")[1] for line in lines[1:]} == {sale.id: sale.end for sale in SALES}


def test_no_queue_of_the_shop_has_anything_left_but_the_bad_order(told):
    urls = [url for name in STACKS for output, url in told.shop.of(name).items() if output.endswith("QueueUrl")]
    assert len(urls) > 25
    assert {url: number for url in urls if (number := Queue(told.shop.account, url).count())} == {
        told.shop.of("orders")["DeadLetterQueueUrl"]: 1
    }


def test_books_that_do_not_balance_say_where_and_end_with_1():
    page = io.StringIO()
    report = Report(Console(file=page, width=132))
    good, bad = (
        Line("orders", {"placed": 10}, {"paid": 9, "declined": 1}),
        Line("stock", {"before": 5, "after": -4}, {"shipped": 2}),
    )
    assert show(report, [good]) == 0
    assert show(report, [good, bad]) == 1
    assert "✓ orders        10 placed = 9 paid + 1 declined" in page.getvalue()
    assert "✗ stock         5 before - 4 after ≠ 2 shipped" in page.getvalue()


def test_a_shop_whose_story_stops_says_why_and_ends_with_1(monkeypatch, capsys):
    def stop(*_):
        msg = "the story stops here"
        raise LocalRunError(msg)

    monkeypatch.setattr(Emulator, "start", stop)
    assert main() == 1
    assert "error: the story stops here" in capsys.readouterr().out


# Then orders that are not in the story: what was counted above is not so any more.


@contextmanager
def redefined(shop, **states):
    """The workflow with other fields of some states, as long as this lasts."""
    client, machine = shop.account.client("stepfunctions"), shop.of("fulfilment")["StateMachineArn"]
    before = client.describe_state_machine(stateMachineArn=machine)["definition"]
    definition = json.loads(before)
    for name, fields in states.items():
        definition["States"][name] |= fields
    client.update_state_machine(stateMachineArn=machine, definition=json.dumps(definition))
    yield
    client.update_state_machine(stateMachineArn=machine, definition=before)


NOWHERE = {"Arguments": {"FunctionName": "nowhere"}, "Retry": []}


@pytest.mark.parametrize(
    ("order_id", "broken", "end", "reason"),
    [
        ("o-11", {"ReleaseStock": NOWHERE}, "UNRESOLVED", "Not enough is in stock of: lamp."),
        ("o-12", {"ReserveStock": NOWHERE, "ReleaseStock": NOWHERE}, "UNRESOLVED", "ReserveStock: Lambda."),
        ("o-13", {"ValidateOrder": NOWHERE}, "FAILED", "ValidateOrder: Lambda."),
    ],
    ids=["out of stock", "not reserved", "not validated"],
)
def test_a_paid_order_of_the_shop_that_ends_before_its_payment_step_is_paid_back_whatever_else_fails(
    told, order_id, broken, end, reason
):
    sale = Sale(order_id, "alan", {"lamp": 5})
    api = HttpApi(told.shop.account, told.shop.stack("orders"), on_hop=lambda _: None, log_group="IngestLogGroupName")
    with redefined(told.shop, **broken):
        api.send(Request(method="POST", path="/orders", body=sale.body))
        assert eventually(lambda: told.shop.ledger_states().get(order_id), end) == end
    refunds = told.provider.refunds
    assert eventually(lambda: [each.amount for each in refunds.values() if order_id in each.reference], ["125"]) == ["125"]
    line = told.shop.ledger()[order_id]
    assert (line["amount"], line["currency"]) == (Decimal(125), "EUR"), "that of a FAILED order was told when it was paid"
    assert line["reason"].startswith(reason)
    left = [each.body for each in Queue(told.shop.account, told.shop.of("fulfilment")["ManualQueueUrl"]).messages()]
    assert [order_id in body for body in left].count(True) == (end == "UNRESOLVED")


# Last: afterwards there is no shop any more.


def test_a_consumer_of_the_shop_can_go_before_the_others_and_they_go_in_the_reverse_order(told, emulator, account):
    cli = CdkCli(App(SHOP, context={"environment": "local"}), emulator)
    _empty_buckets(told.shop)
    gone = []

    def destroy(*stacks):
        cli.run("destroy", *stacks, "--force", "--app", str(emulator.folder / "cdk.out"), on_line=gone.append)
        return {name for name in account.stack_names() if "-shop-" in name}

    left = {f"local-shop-{name}" for name in STACKS}
    assert destroy("local-shop-report") == left - {"local-shop-report"}
    assert told.shop.ledger() != {}, "what the consumer read is still there"
    assert destroy("--all") == set()


def _empty_buckets(shop):
    s3 = shop.account.client("s3")
    for stack, output in (("imports", "BucketName"), ("imports", "OutputBucketName"), ("report", "BucketName")):
        bucket = shop.of(stack)[output]
        for version in s3.list_object_versions(Bucket=bucket).get("Versions", []):
            s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])
