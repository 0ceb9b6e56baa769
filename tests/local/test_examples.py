"""The examples, deployed by the CDK CLI from their own folders as a user would, and used from outside."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from types import SimpleNamespace

import pytest

from serverless_patterns.local.cdk_cli import App, CdkCli
from serverless_patterns.local.http_api import HttpApi, Request
from serverless_patterns.local.payment_provider import Behaviour, PaymentProvider
from serverless_patterns.local.queues import Inbox, Queue
from tests.local.conftest import ROOT
from tests.support.fanout import AT_ONCE
from tests.support.waiting import eventually

ORDER_EVENTS = ROOT / "examples" / "order_events"

#: What the payment provider does with an order, by the kind of the order; and what becomes of it.
BEHAVIOURS = {"paid": Behaviour.APPROVE, "declined": Behaviour.DECLINE, "failed": Behaviour.FAIL}
#: 40 orders: the number of each kind. Fewer fail than the circuit breaker takes before it opens.
NUMBERS = {"paid": 30, "declined": 7, "failed": 3}


@pytest.fixture(scope="module")
def order_events(emulator, account, local_environment):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        cli = CdkCli(App(ORDER_EVENTS, context={"environment": "local"}), emulator)
        assembly = cli.synth(lambda _: None)
    assembly.check(emulator.resource_types)
    cli.deploy(assembly, lambda _: None)
    return account.stack("local-order-events")


def give_up_at_once(account, worker):
    """Let the worker try an order once: four more tries would take minutes. The circuit stays out of it."""
    functions = account.client("lambda")
    variables = functions.get_function_configuration(FunctionName=worker)["Environment"]["Variables"]
    once = variables | {"MAX_ATTEMPTS": "1", "CIRCUIT_FAILURE_THRESHOLD": "100", "MAX_RECEIVE_COUNT": "1"}
    functions.update_function_configuration(FunctionName=worker, Environment={"Variables": once})


def order_of(number, kind):
    return {"id": f"{kind}-{number}", "customer_id": f"customer-{number % 5}", "amount": number + 0.99, "currency": "EUR"}


@pytest.fixture(scope="module")
def placed(account, order_events):
    """40 orders, placed at the same time."""
    outputs = order_events.outputs
    give_up_at_once(account, outputs["WorkerName"])
    api = HttpApi(account, order_events, on_hop=lambda _: None, log_group="IngestLogGroupName")
    orders = [order_of(number, kind) for kind, how_many in NUMBERS.items() for number in range(how_many)]

    def place(order):
        return api.send(Request(method="POST", path="/orders", body=json.dumps(order)))

    with (
        Inbox(account, outputs["NotificationTopicArn"]) as inbox,
        PaymentProvider(behaviour_for=lambda reference: BEHAVIOURS[reference.partition("-")[0]]) as provider,
    ):
        provider.put_secret(account, outputs["PaymentSecretArn"])
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(place, orders))
        yield SimpleNamespace(outputs=outputs, api=api, orders=orders, answers=answers, inbox=inbox, provider=provider)


def rows_of(account, table):
    pages = account.client("dynamodb").get_paginator("scan").paginate(TableName=table)
    return [item for page in pages for item in page["Items"]]


def test_order_events_takes_each_order_and_says_in_the_end_what_became_of_it(placed):
    assert Counter(answer.status for answer in placed.answers) == {202: 40}

    def states():
        found = (placed.api.send(Request(method="GET", path=f"/orders/{order['id']}")).json for order in placed.orders)
        return Counter((each["id"].partition("-")[0], each["state"]) for each in found)

    expected = Counter({(kind, kind.upper()): how_many for kind, how_many in NUMBERS.items()})
    assert eventually(states, expected) == expected


def test_order_events_keeps_one_audit_row_for_each_order(account, placed):
    expected = Counter({(order["id"], f"orders.{order['id'].partition('-')[0]}"): 1 for order in placed.orders})

    def kept():
        rows = rows_of(account, placed.outputs["AuditTableName"])
        return Counter((row["correlation_id"]["S"], row["type"]["S"]) for row in rows)

    assert eventually(kept, expected) == expected


def test_order_events_adds_up_exactly_what_was_charged(account, placed):
    amounts = [Decimal(str(order["amount"])) for order in placed.orders if order["id"].startswith("paid")]

    def totals():
        rows = rows_of(account, placed.outputs["TotalsTableName"])
        found = [row for row in rows if "events" in row]  # the others are marks of events that were counted
        kinds = {row["id"]["S"].partition("#")[0] for row in found}
        # Of two days, if it is midnight.
        return kinds, sum(int(row["events"]["N"]) for row in found), sum(Decimal(row["amount_EUR"]["N"]) for row in found)

    expected = ({"orders.paid"}, len(amounts), sum(amounts))
    assert eventually(totals, expected) == expected
    assert sum(Decimal(charge.amount) for charge in placed.provider.charges.values()) == sum(amounts)
    assert placed.provider.double_charges == {}


def test_order_events_tells_people_of_each_order_that_was_not_paid_and_of_no_other(placed):
    expected = {order["id"] for order in placed.orders if not order["id"].startswith("paid")}

    def told():
        subjects = (line for message in placed.inbox.received() for line in message.body.splitlines())
        return {line.removeprefix("order_id: ") for line in subjects if line.startswith("order_id: ")}

    assert eventually(told, expected) == expected


def test_order_events_has_nothing_left_in_any_queue_but_the_orders_that_failed(account, placed):
    urls = {name: url for name, url in placed.outputs.items() if name.endswith("QueueUrl")}
    expected = dict.fromkeys(urls, 0) | {"DeadLetterQueueUrl": NUMBERS["failed"]}
    assert len(urls) == 11
    assert eventually(lambda: {name: Queue(account, url).count() for name, url in urls.items()}, expected) == expected
    letters = Queue(account, urls["DeadLetterQueueUrl"]).take()
    assert {json.loads(letter.body)["id"] for letter in letters} == {f"failed-{number}" for number in range(3)}
    assert all("500" in letter.attributes["Reason"] for letter in letters), letters
