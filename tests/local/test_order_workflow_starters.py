"""OrderWorkflow started by an API and by the events of a bus, and announced on a bus; deployed by the real CDK CLI."""

import json
import uuid
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import pytest

from serverless_patterns.local.account import Account, Stack
from serverless_patterns.local.emulator import Emulator
from serverless_patterns.local.functions import FunctionLog
from serverless_patterns.local.http_api import Answer, HttpApi, Request
from serverless_patterns.local.payment_provider import Behaviour, PaymentProvider
from serverless_patterns.local.queues import Queue
from tests.local.pipeline import NOBODY
from tests.support.functions import DeployedFunction
from tests.support.waiting import PATIENCE, until

#: As by default, but for pauses that nobody has to wait for. What is told on the one bus is heard by a queue.
BODY = """
from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_sqs as sqs
placed, told = events.EventBus(stack, "Placed"), events.EventBus(stack, "Told")
heard = sqs.Queue(stack, "Heard", enforce_ssl=True)
pattern = events.EventPattern(source=events.Match.prefix("order_workflow/"))
events.Rule(stack, "HeardRule", event_bus=told, event_pattern=pattern, targets=[targets.SqsQueue(heard)])
soon = Retry(interval=Duration.seconds(1), max_attempts=2, backoff_rate=1, max_delay=Duration.seconds(2))
common = dict(retry=soon, compensation_retry=soon, bus=told, operations=LOCAL.operations)
worker = WorkerOptions(timeout=Duration.seconds(10), retry_delay=Duration.seconds(1))
source = EventSource(pattern={"detail-type": ["orders.placed"]}, bus=placed)
shapes = {
    "Api": OrderWorkflow(stack, "Api", starter="api", **common),
    "Express": OrderWorkflow(stack, "Express", starter="api", kind="express", **common),
    "Event": OrderWorkflow(stack, "Event", starter="event", started_by=source, worker=worker, **common),
}
for name, shape in shapes.items():
    shape.add_alarms(Alerts())

class pattern:
    outputs = {f"{name}{output}": value for name, shape in shapes.items() for output, value in shape.outputs.items()}
    outputs |= {"PlacedName": placed.event_bus_name, "HeardUrl": heard.queue_url}
"""
#: States in which nothing more is done for an order.
ENDED = {"SHIPPED", "REJECTED", "OUT_OF_STOCK", "DECLINED", "SHIPPING_FAILED", "FAILED", "UNRESOLVED"}


class Shop:
    """One workflow of the stack, used from outside."""

    def __init__(self, emulator: Emulator, account: Account, stack: Stack, name: str, provider: PaymentProvider) -> None:
        outputs = {output.removeprefix(name): value for output, value in stack.outputs.items() if output.startswith(name)}
        self.outputs, self.provider = outputs, provider
        self.heard = Queue(account, stack.outputs["HeardUrl"])
        self.api = (
            HttpApi(account, Stack(stack.name, outputs), lambda _: None, log_group="StarterLogGroupName")
            if "ApiId" in outputs
            else None
        )
        self.dead_letters = Queue(account, outputs["DeadLetterQueueUrl"]) if "DeadLetterQueueUrl" in outputs else None
        self.bus = stack.outputs["PlacedName"]
        self.starter_log = FunctionLog(account.client("logs"), outputs["StarterLogGroupName"])
        self._account = account
        self._starter = DeployedFunction(emulator, account, outputs["StarterName"])
        self._stock, self._orders = account.table(outputs["StockTableName"]), account.table(outputs["TableName"])
        self._behaviours: dict[str, Behaviour] = {}
        provider.behaviour_for = lambda reference: self._behaviours.get(reference, Behaviour.APPROVE)

    def behave(self, order_id: str, behaviour: Behaviour) -> None:
        self._behaviours[order_id] = behaviour

    def order(self, order_id: str, **fields: Any) -> dict[str, Any]:
        """An order of two items of its own, of which there are five."""
        self._stock.put_item(Item={"id": f"sku-{order_id}", "available": 5})
        items = [{"sku": f"sku-{order_id}", "quantity": 2}]
        return {"id": order_id, "customer_id": "c-1", "amount": 19.99, "currency": "EUR", "items": items, **fields}

    def post(self, body: object, *, signed: bool = True, headers: Mapping[str, str] | None = None) -> Answer:
        assert self.api
        text = body if isinstance(body, str) else json.dumps(body)
        return self.api.send(Request(method="POST", path="/orders", body=text, signed=signed, headers=headers or {}))

    def get(self, order_id: str, *, signed: bool = True) -> Answer:
        assert self.api
        return self.api.send(Request(method="GET", path=f"/orders/{order_id}", signed=signed))

    def publish(self, data: object, *, kind: str = "orders.placed", version: int = 1) -> None:
        """Put an event on the bus, as any publisher of the envelope does."""
        metadata = {"id": str(uuid.uuid4()), "version": version, "time": "2026-03-01T12:00:00Z"}
        detail = {"metadata": {**metadata, "correlation_id": "c-1", "causation_id": "c-1"}, "data": data}
        entry = {"EventBusName": self.bus, "Source": "shop", "DetailType": kind, "Detail": json.dumps(detail)}
        assert self._account.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0

    def row(self, order_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self._orders.get_item(Key={"id": order_id}, ConsistentRead=True).get("Item", {})
        return found

    def rows(self) -> int:
        return int(self._orders.scan(Select="COUNT", ConsistentRead=True)["Count"])

    def ended(self, order_id: str, *, seconds: float = PATIENCE) -> dict[str, Any]:
        """The row of an order once nothing more is done for it."""
        return until(
            f"{order_id} ends", lambda: self.row(order_id), good=lambda row: row.get("state") in ENDED, seconds=seconds
        )

    def available(self, order_id: str) -> int:
        return int(self._stock.get_item(Key={"id": f"sku-{order_id}"}, ConsistentRead=True)["Item"]["available"])

    def charges(self, order_id: str) -> int:
        return sum(charge.reference == order_id for charge in self.provider.charges.values())

    def executions(self) -> int:
        states = self._account.client("stepfunctions")
        return len(states.list_executions(stateMachineArn=self.outputs["StateMachineArn"], maxResults=1000)["executions"])

    def told(self, order_id: str) -> list[dict[str, Any]]:
        """The events about an order that came through the bus, once one has."""
        found: list[dict[str, Any]] = []

        def look() -> list[dict[str, Any]]:
            found.extend(json.loads(message.body) for message in self.heard.take(lambda message: order_id in message.body))
            return found

        return until("it is announced", look)

    def starting_nothing(self) -> AbstractContextManager[None]:
        """A starter that cannot reach Step Functions, as long as this lasts."""
        return self._starter.changed(AWS_ENDPOINT_URL_SFN=NOBODY)


@pytest.fixture(scope="module")
def stack(deploy_app):
    return deploy_app("order-workflow-starters", BODY)


def shop_fixture(name):
    @pytest.fixture(scope="module", name=f"by_{name.lower()}")
    def deployed(emulator, account, stack):
        with PaymentProvider() as provider:
            provider.put_secret(account, stack.outputs[f"{name}PaymentSecretArn"])
            yield Shop(emulator, account, stack, name, provider)

    return deployed


by_api, by_express, by_event = map(shop_fixture, ("Api", "Express", "Event"))


@pytest.fixture
def order_id():
    return f"order-{uuid.uuid4().hex[:12]}"


# By the API.


@pytest.mark.parametrize("kind", ["by_api", "by_express"])
def test_an_order_that_is_posted_is_worked_and_its_state_can_be_read(request, kind, order_id):
    shop = request.getfixturevalue(kind)
    accepted = shop.post(shop.order(order_id))
    assert (accepted.status, accepted.json["id"]) == (202, order_id)
    assert accepted.headers["Location"].endswith(f"/orders/{order_id}")
    assert shop.get(order_id).status == 200  # at once: it is never unknown
    shop.ended(order_id)
    found = shop.get(order_id).json
    assert (found["state"], found["stock"], found["shipment"]) == ("SHIPPED", "RESERVED", "REQUESTED")
    assert found["order"] == {**shop.order(order_id), "amount": "19.99"}
    assert found["created_at"] == accepted.json["accepted_at"]
    assert (shop.charges(order_id), "execution" in found) == (1, False)


@pytest.mark.parametrize("kind", ["by_api", "by_express"])
def test_an_order_that_is_posted_again_and_again_is_worked_once(request, kind, order_id):
    shop = request.getfixturevalue(kind)
    order = shop.order(order_id)
    first, *others = [shop.post(order) for _ in range(5)]
    shop.ended(order_id)
    last = shop.post(order)
    assert {(answer.status, answer.text) for answer in (first, *others, last)} == {(202, first.text)}
    until("all of it is done", lambda: shop.available(order_id), good=lambda left: left == 3)
    assert shop.charges(order_id) == 1


def test_another_order_under_a_used_id_is_refused_while_the_first_is_worked_and_afterwards(by_api, order_id):
    by_api.post(by_api.order(order_id))
    refused = by_api.post(by_api.order(order_id, amount=1))
    by_api.ended(order_id)
    assert [refused.status, by_api.post(by_api.order(order_id, amount=1)).status] == [409, 409]
    assert [charge.amount for charge in by_api.provider.charges.values() if charge.reference == order_id] == ["19.99"]


def test_an_order_without_an_id_gets_one_and_is_worked_under_it(by_api, order_id):
    order = by_api.order(order_id)
    del order["id"]
    accepted = by_api.post(order)
    row = by_api.ended(accepted.json["id"])
    assert (accepted.status, row["state"]) == (202, "SHIPPED")


def test_a_declined_order_says_so_and_why(by_api, order_id):
    by_api.behave(order_id, Behaviour.DECLINE)
    by_api.post(by_api.order(order_id))
    by_api.ended(order_id)
    found = by_api.get(order_id).json
    assert (found["state"], found["reason"], found["stock"]) == ("DECLINED", "card refused", "RELEASED")
    assert by_api.available(order_id) == 5


def test_an_order_that_could_not_be_started_is_not_accepted_and_is_worked_once_it_comes_again(by_api, order_id):
    order = by_api.order(order_id)
    with by_api.starting_nothing():
        refused = by_api.post(order)
        waiting = by_api.get(order_id).json
    assert (refused.status, waiting["state"]) == (503, "PENDING")
    assert f'"id": "{order_id}"' in refused.json["detail"]
    assert by_api.post(order).status == 202
    assert by_api.ended(order_id)["state"] == "SHIPPED"
    assert by_api.charges(order_id) == 1


BAD = {
    "no body": ("", 400),
    "no JSON": ("{", 400),
    "null": ("null", 400),
    "a list": ("[]", 400),
    "no fields": ("{}", 400),
    "NaN": ('{"amount": NaN}', 400),
    "a name twice": ('{"id": "a", "id": "b"}', 400),
    "too deep": ("[" * 1000 + "]" * 1000, 400),
    "too large": (json.dumps({"note": "x" * 200_000}), 413),
    "a path as id": (json.dumps({"id": "../secrets"}), 400),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_body_that_is_no_order_is_refused_in_words_and_starts_nothing(by_api, fault):
    body, status = BAD[fault]
    before = by_api.rows(), by_api.executions()
    answer = by_api.post(body)
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert (by_api.rows(), by_api.executions()) == before


def test_another_content_type_is_refused(by_api, order_id):
    assert by_api.post(by_api.order(order_id), headers={"Content-Type": "text/plain"}).status == 415


def test_an_unsigned_request_is_refused_by_the_api_itself(by_api, order_id):
    assert by_api.post(by_api.order(order_id), signed=False).status == 403
    assert by_api.get(order_id, signed=False).status == 403
    assert by_api.row(order_id) == {}


@pytest.mark.parametrize("unknown", ["nobody", "a%2Fb", "x" * 200])
def test_an_order_that_nobody_placed_is_not_found(by_api, unknown):
    assert by_api.get(unknown).status in {403, 404}  # 403: the emulator takes a slash in an id for a path
    assert by_api.get("nobody").status == 404


# By events.


def test_an_order_in_an_event_of_a_bus_is_worked(by_event, order_id):
    by_event.publish(by_event.order(order_id))
    assert by_event.ended(order_id)["state"] == "SHIPPED"
    assert (by_event.available(order_id), by_event.charges(order_id)) == (3, 1)


def test_an_event_that_comes_three_times_is_worked_once(by_event, order_id):
    order = by_event.order(order_id)
    for _ in range(3):
        by_event.publish(order)
    by_event.ended(order_id)
    assert (by_event.available(order_id), by_event.charges(order_id)) == (3, 1)
    assert by_event.dead_letters.count() == 0


def test_events_of_another_kind_start_nothing(by_event, order_id):
    other = f"other-{order_id}"
    by_event.publish(by_event.order(other), kind="orders.cancelled")
    by_event.publish(by_event.order(order_id))
    by_event.ended(order_id)
    assert by_event.row(other) == {}


@pytest.mark.parametrize("fault", ["no id", "no object", "a version of tomorrow"])
def test_an_event_with_no_order_in_it_is_kept_with_its_reason(by_event, order_id, fault):
    data: Any = by_event.order(order_id)
    if fault == "no id":
        del data["id"]
    by_event.publish([data] if fault == "no object" else data, version=2 if fault == "a version of tomorrow" else 1)
    (letter,) = until("it is kept", lambda: by_event.dead_letters.take(lambda message: order_id in message.body))
    reason = {
        "no id": "The order has no id that can name its execution.",
        "no object": "The event is no event of EventBridge with an envelope",
        "a version of tomorrow": "The event's envelope has version 2; only version 1 is read here.",
    }
    assert letter.attributes["Reason"].startswith(reason[fault])
    assert by_event.row(order_id) == {}


def test_an_event_whose_order_could_not_be_started_comes_again_and_is_worked(by_event, order_id):
    order = by_event.order(order_id)
    with by_event.starting_nothing():
        by_event.publish(order)
        until("it was tried", lambda: [line for line in by_event.starter_log.lines() if '"comes again"' in line])
    assert by_event.row(order_id) == {}
    assert by_event.ended(order_id)["state"] == "SHIPPED"
    assert by_event.dead_letters.count() == 0


# On a bus.


def test_what_became_of_an_order_is_told_on_the_bus_in_the_envelope(by_api, order_id):
    by_api.post(by_api.order(order_id))
    row = by_api.ended(order_id)
    (event,) = by_api.told(order_id)
    assert event["detail-type"] == "orders.shipped"
    assert event["source"].startswith("order_workflow/")
    assert event["detail"]["metadata"].keys() == {"id", "version", "time", "correlation_id", "causation_id"}
    assert (event["detail"]["metadata"]["version"], event["detail"]["metadata"]["causation_id"]) == (1, row["execution"])
    assert event["detail"]["data"] == {
        "order_id": order_id,
        "state": "SHIPPED",
        "reason": "",
        "amount": "19.99",
        "currency": "EUR",
        "payment_id": row["payment_id"],
    }


def test_an_order_that_does_not_fit_is_told_of_on_the_bus_though_its_data_is_not_known(by_event, order_id):
    by_event.publish(by_event.order(order_id, amount=-1))
    by_event.ended(order_id)
    (event,) = by_event.told(order_id)
    assert event["detail-type"] == "orders.rejected"
    assert event["detail"]["data"].keys() == {"order_id", "state", "reason"}
