"""OrderWorkflow broken on purpose: what is down, throttled, too late, comes twice or never; and what is done about it."""

import functools
import json
import uuid
from collections import Counter
from decimal import Decimal
from types import SimpleNamespace

import pytest

from serverless_patterns.local.payment_provider import Behaviour, first
from serverless_patterns.local.processes import wait_until
from serverless_patterns.local.queues import Inbox
from tests.local.pipeline import NOBODY
from tests.local.workflow import ENDED, app, running, told
from tests.support.waiting import PATIENCE, until


@pytest.fixture(scope="module")
def workflow(emulator, account, deploy_app):
    with running(emulator, account, deploy_app("broken-workflow", app(attempts=8))) as deployed:
        yield deployed


@pytest.fixture
def inbox(account, workflow):
    with Inbox(account, workflow.outputs["TopicArn"]) as box:
        yield box


@pytest.fixture
def order_id():
    return f"order-{uuid.uuid4().hex[:12]}"


# A flood: orders that are shipped, and of each way not to be shipped some; some twice, and poison among them.

#: What is done to an order -> how many, the state in which it must end, how often it is charged and paid back.
FLOOD = {
    "good": (6, "SHIPPED", (1, 0)),
    "twice": (3, "SHIPPED", (1, 0)),
    "flaky": (4, "SHIPPED", (1, 0)),
    "declined": (3, "DECLINED", (0, 0)),
    "short": (2, "OUT_OF_STOCK", (0, 0)),
    "unfit": (2, "REJECTED", (0, 0)),
    "abroad": (3, "SHIPPING_FAILED", (1, 1)),
    "stuck": (2, "UNRESOLVED", (1, 0)),
}
#: So many come at a time, of kinds that are so far apart: each order takes five functions, and this machine has few cores.
WAVE, STEP = 6, 7
ABROAD = {"ship_to": {"country": "XX"}}
MORE = {"short": {"available": 1}, "unfit": {"amount": -1}, "abroad": ABROAD, "stuck": ABROAD}
POISON = ["no JSON {}", '["{}"]', '{{"id": "{}:x"}}', '{{"id": 7, "note": "{}"}}']


def behaviours_of(kind, order_id, number):
    match kind:
        case "flaky":
            return {order_id: first(1, [Behaviour.FAIL, Behaviour.LOSE_ANSWER][number % 2])}
        case "declined":
            return {order_id: Behaviour.DECLINE}
        case "stuck":
            return {f"{order_id}/refund": Behaviour.REFUSE}
    return {}


@pytest.fixture(scope="module")
def flood(account, workflow):
    """All that was sent, and what became of it."""
    run = uuid.uuid4().hex[:8]
    ids = {kind: [f"{kind}-{run}-{number}" for number in range(count)] for kind, (count, *_) in FLOOD.items()}
    orders = {each: workflow.order(each, **MORE.get(kind, {})) for kind, each_of in ids.items() for each in each_of}
    for kind, each_of in ids.items():
        for number, each in enumerate(each_of):
            workflow.behave(**behaviours_of(kind, each, number))
    poison = [text.format(f"poison-{run}-{number}") for number, text in enumerate(POISON)]
    sent = [*orders.values(), *poison, *(orders[each] for each in ids["twice"])]
    mixed = [each for start in range(STEP) for each in sent[start::STEP]]
    with Inbox(account, workflow.outputs["TopicArn"]) as inbox:
        ended = {}
        for start in range(0, len(mixed), WAVE):
            wave = mixed[start : start + WAVE]
            workflow.send(*wave)
            ended |= {each["id"]: workflow.ended(each["id"]) for each in wave if isinstance(each, dict)}
        until("the queue is empty", workflow.queue.count, good=lambda count: count == 0)
        letters = []

        def aside():
            letters.extend(workflow.dead_letters.take(lambda message: run in message.body))
            return letters

        until("poison is put aside", aside, good=lambda found: len(found) >= len(poison))
        announced = [json.loads(message.body) for message in inbox.received()]
    manual = [json.loads(message.body) for message in workflow.manual.take(lambda message: run in message.body)]
    return SimpleNamespace(ids=ids, ended=ended, poison=poison, letters=letters, announced=announced, manual=manual, run=run)


def test_each_order_of_a_flood_comes_to_the_end_that_is_its_own(flood):
    ends = {kind: {flood.ended[each].row["state"] for each in ids} for kind, ids in flood.ids.items()}
    assert ends == {kind: {state} for kind, (_, state, _) in FLOOD.items()}
    failed = {each for each, ended in flood.ended.items() if ended.status != "SUCCEEDED"}
    assert failed == {*flood.ids["stuck"]}


def test_of_a_flood_as_much_money_is_kept_as_was_shipped_or_is_left_to_people(workflow, flood):
    for kind, (_, _, money) in FLOOD.items():
        for each in flood.ids[kind]:
            moved = Counter(workflow.money(each))
            assert (moved["charge"], moved["refund"]) == money, each
    provider = workflow.provider
    kept = sum(Decimal(each.amount) for each in provider.charges.values() if flood.run in each.reference)
    kept -= sum(Decimal(each.amount) for each in provider.refunds.values() if flood.run in each.reference)
    states = Counter(ended.row["state"] for ended in flood.ended.values())
    assert kept == Decimal("19.99") * (states["SHIPPED"] + states["UNRESOLVED"])


def test_of_a_flood_as_much_stock_is_taken_as_was_shipped(workflow, flood):
    there = {each: 1 if kind == "short" else 5 for kind, ids in flood.ids.items() for each in ids}
    taken = {each: there[each] - workflow.available(each) for each in there}
    shipped = {each for each, ended in flood.ended.items() if ended.row["state"] == "SHIPPED"}
    assert taken == {each: 2 if each in shipped else 0 for each in there}


def test_of_a_flood_what_cannot_be_worked_or_undone_is_kept_once_with_its_reason(flood):
    assert sorted(letter.body for letter in flood.letters) == sorted(flood.poison)
    assert all(letter.attributes["Reason"] for letter in flood.letters)
    assert sorted(letter["order_id"] for letter in flood.manual) == sorted(flood.ids["stuck"])
    reasons = {(each["step"], each["error"]) for letter in flood.manual for each in letter["unresolved"]}
    assert reasons == {("RefundPayment", "RefundRefusedError")}


def test_of_a_flood_each_end_is_announced_once(flood):
    ends = {each: f"orders.{ended.row['state'].lower()}" for each, ended in flood.ended.items()}
    assert {event["correlation_id"]: event["type"] for event in flood.announced} == ends
    assert Counter(event["id"] for event in flood.announced).most_common(1)[0][1] == 1


# What cannot be started.


def test_a_message_that_is_no_order_keeps_none_of_its_batch_from_being_started(workflow, order_id):
    poison = f"no order {order_id}"
    with workflow.held():
        workflow.send(poison, workflow.order(order_id), poison)
    assert workflow.ended(order_id).row["state"] == "SHIPPED"
    until("the queue is empty", workflow.queue.count, good=lambda count: count == 0)
    letters = workflow.dead_letters.take(lambda message: order_id in message.body)
    assert [letter.body for letter in letters] == [poison] * 2
    assert all("JSON" in letter.attributes["Reason"] for letter in letters)


# What passes.


def test_a_step_whose_function_is_throttled_is_tried_again_until_it_may_run(workflow, order_id):
    with workflow.throttled("Stock"):
        workflow.send(workflow.order(order_id))
        assert wait_until(lambda: workflow.row(order_id).get("state") == "PROCESSING", seconds=PATIENCE)
        until("it was throttled", lambda: workflow.errors(order_id))
    ended = workflow.ended(order_id)
    assert (ended.row["state"], {*ended.errors}) == ("SHIPPED", {"Lambda.TooManyRequestsException"})
    assert (workflow.available(order_id), workflow.money(order_id)) == (3, ["charge"])


def test_an_order_waits_while_its_stock_cannot_be_reached(workflow, order_id):
    with workflow.changed("Stock", AWS_ENDPOINT_URL_DYNAMODB=NOBODY):
        workflow.send(workflow.order(order_id))
        until("it was tried", lambda: workflow.errors(order_id))
    ended = workflow.ended(order_id)
    assert (ended.row["state"], {*ended.errors}) == ("SHIPPED", {"UnavailableError"})
    assert (workflow.available(order_id), workflow.money(order_id)) == (3, ["charge"])


def test_a_charge_whose_answer_never_comes_is_paid_back(workflow, order_id):
    workflow.behave(**{order_id: Behaviour.LOSE_ANSWER})
    with workflow.redefined("ProcessPayment", Retry=[]):
        ended = workflow.worked(order_id)
    assert (ended.status, ended.row["state"], ended.row["reason"]) == ("FAILED", "FAILED", "ProcessPayment: UnavailableError")
    assert (workflow.available(order_id), workflow.money(order_id)) == (5, ["charge", "refund"])
    assert workflow.kept(order_id) == []


# What comes too late.


@pytest.mark.parametrize(
    ("part", "step", "error"),
    [
        ("Stock", "ReserveStock", "ConflictError"),
        ("Payment", "ProcessPayment", "PaymentDeclined"),
        ("Shipping", "ShipOrder", "ShippingFailed"),
    ],
)
def test_a_step_that_comes_after_what_undoes_it_changes_nothing(workflow, order_id, part, step, error):
    workflow.behave(**{order_id: first(9, Behaviour.FAIL)})  # it is never charged, and so nothing is paid back
    with workflow.redefined("ProcessPayment", Next="ShipOrder", Retry=[]):
        before = workflow.worked(order_id, **ABROAD).row
    workflow.behave(**{order_id: Behaviour.APPROVE})
    order = {**json.loads(before["order"]), "ship_to": {"country": "DE"}}
    letter = {"order_id": order_id, "execution": before["execution"], "order": order}
    workflow.do("Shipping", "CancelShipment", letter)
    before = workflow.row(order_id)
    assert workflow.do(part, step, letter)["errorType"] == error
    assert (workflow.row(order_id), workflow.available(order_id), workflow.money(order_id)) == (before, 5, [])


def test_an_execution_that_takes_too_long_is_ended_and_its_order_says_how_far_it_came(workflow, order_id):
    workflow.behave(**{order_id: Behaviour.HANG})
    with workflow.redefined(TimeoutSeconds=12):
        ended = workflow.worked(order_id)
    assert (ended.status, ended.row["state"], ended.row["stock"]) == ("TIMED_OUT", "PROCESSING", "RESERVED")
    assert (ended.steps[-1], workflow.money(order_id)) == ("ProcessPayment", [])


# What people have to do.


def test_what_is_left_to_people_can_be_undone_by_hand_with_what_they_are_told(workflow, order_id):
    workflow.behave(**{f"{order_id}/refund": Behaviour.REFUSE})
    workflow.worked(order_id, **ABROAD)
    (letter,) = workflow.kept(order_id)
    assert workflow.do("Payment", "RefundPayment", letter)["errorType"] == "RefundRefusedError"
    workflow.behave(**{f"{order_id}/refund": Behaviour.APPROVE})
    answers = [workflow.do("Payment", "RefundPayment", letter) for _ in range(2)]
    assert answers[0] == answers[1]
    assert workflow.money(order_id) == ["charge", "refund"]


def test_what_cannot_even_be_left_to_people_is_in_the_execution_that_fails(workflow, order_id):
    workflow.behave(**{f"{order_id}/refund": Behaviour.REFUSE})
    nowhere = {"QueueUrl": workflow.outputs["ManualQueueUrl"] + "-gone", "MessageBody": "{% $order_id %}"}
    with workflow.redefined("KeepForPeople", Arguments=nowhere, Retry=[]):
        ended = workflow.worked(order_id, **ABROAD)
    assert (ended.status, ended.error, ended.row["state"]) == ("FAILED", "CompensationFailed", "UNRESOLVED")
    assert [(each["step"], each["error"]) for each in json.loads(ended.cause)] == [("RefundPayment", "RefundRefusedError")]
    assert workflow.kept(order_id) == []


def test_what_is_left_to_people_is_cut_to_what_an_execution_can_keep(workflow, order_id):
    endless = {
        "FunctionName": workflow.outputs["PaymentName"],
        "Payload": {"step": "x" * 40_000, "order_id": order_id, "execution": "", "order": {}},
    }
    with workflow.redefined("RefundPayment", Arguments=endless, Retry=[]):
        ended = workflow.worked(order_id, **ABROAD)
    (letter,) = workflow.kept(order_id)
    ((step, error, cause),) = [(each["step"], each["error"], each["cause"]) for each in letter["unresolved"]]
    assert (step, error, len(cause)) == ("RefundPayment", "KeyError", 8192)
    assert (ended.error, ended.row["state"]) == ("CompensationFailed", "UNRESOLVED")
    assert json.loads(ended.cause) == [{"step": step, "error": error, "cause": cause[:1000]}]


@pytest.mark.parametrize(("gone", "other"), [("Warehouse", "Topic"), ("Topic", "Warehouse")])
def test_what_can_neither_be_told_nor_left_to_people_fails_its_execution_and_is_kept_from_nobody_else(
    workflow, inbox, order_id, gone, other
):
    with workflow.untold(gone, before=other):
        ended = workflow.worked(order_id)
    assert (ended.status, ended.error, ended.row["state"]) == ("FAILED", "AnnouncementFailed", "SHIPPED")
    assert ended.cause.startswith(f"Not told: {gone}: S")
    heard = workflow.announced(order_id) if other == "Warehouse" else told(inbox, order_id)
    assert [event["type"] for event in heard] == ["orders.shipped"]
    assert workflow.kept(order_id) == []
    alarms = functools.partial(workflow.alarms, "StateMachineArn", workflow.machine)
    until("its alarm goes off", alarms, good=lambda found: found["ExecutionsFailed"] == "ALARM")


@pytest.mark.parametrize("reason", [None, 7, ["card"], {"code": "card"}], ids=["null", "number", "list", "object"])
def test_an_order_that_is_declined_for_a_reason_that_is_no_text_is_declined(workflow, order_id, reason):
    answer = {"payment": {"success": False, "reason": reason}, "charge_tried": False}
    with workflow.redefined("ProcessPayment", Assign=answer):
        ended = workflow.worked(order_id)
    assert (ended.status, ended.row["state"], ended.row["reason"]) == ("SUCCEEDED", "DECLINED", "Payment processing failed")
    assert workflow.available(order_id) == 5


def test_an_order_whose_end_cannot_be_written_down_is_announced_and_its_execution_fails(workflow, inbox, order_id):
    with workflow.redefined(
        "RecordOutcome", Retry=[], Arguments={"TableName": "gone", "Key": {"id": {"S": "{% $order_id %}"}}}
    ):
        ended = workflow.worked(order_id)
    assert ended.status in ENDED - {"SUCCEEDED"}
    assert (ended.row["state"], ended.row["shipment"], workflow.money(order_id)) == ("PROCESSING", "REQUESTED", ["charge"])
    assert [event["type"] for event in told(inbox, order_id)] == ["orders.shipped"]
