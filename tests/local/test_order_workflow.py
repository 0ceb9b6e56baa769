"""OrderWorkflow, deployed by the real CDK CLI: every path of an order, forward and back, and what is left to people."""

import functools
import json
import uuid

import pytest

from serverless_patterns.local.drives.order_workflow import drive
from serverless_patterns.local.hops import Hop
from serverless_patterns.local.payment_provider import Behaviour, first
from serverless_patterns.local.queues import Inbox, Queue
from tests.local.pipeline import NOBODY, new_ids
from tests.local.workflow import app, running, told
from tests.support.waiting import until


@pytest.fixture(scope="module")
def workflow(emulator, account, deploy_app):
    with running(emulator, account, deploy_app("order-workflow", app(kind="standard"))) as deployed:
        yield deployed


@pytest.fixture
def inbox(account, workflow):
    with Inbox(account, workflow.outputs["TopicArn"]) as box:
        yield box


@pytest.fixture
def order_id():
    return f"order-{uuid.uuid4().hex[:12]}"


def test_the_drive_shows_each_hop_and_leaves_what_is_of_others_alone(account, sales):
    queues = [Queue(account, sales.outputs[name]) for name in ("ManualQueueUrl", "DeadLetterQueueUrl")]
    tables = [account.table(sales.outputs[name]) for name in ("TableName", "StockTableName")]
    secrets, secret = account.client("secretsmanager"), sales.outputs["PaymentSecretArn"]
    for queue in queues:
        queue.send('{"order_id": "of somebody else"}')
    for table in tables:
        table.put_item(Item={"id": "of-somebody-else"})
    before = secrets.get_secret_value(SecretId=secret)["SecretString"]
    hops: list[Hop] = []
    drive(account, sales, hops.append)
    assert len(hops) > 10
    assert [hop for hop in hops if hop.faults] == []
    assert [[message.body for message in queue.messages()] for queue in queues] == [['{"order_id": "of somebody else"}']] * 2
    assert [[row["id"] for row in table.scan()["Items"]] for table in tables] == [["of-somebody-else"]] * 2
    assert secrets.get_secret_value(SecretId=secret)["SecretString"] == before


# The way forward.


def test_an_order_is_reserved_paid_and_shipped(workflow, order_id):
    ended = workflow.worked(order_id)
    assert (ended.status, ended.row["state"], ended.row["stock"], ended.row["shipment"]) == (
        "SUCCEEDED",
        "SHIPPED",
        "RESERVED",
        "REQUESTED",
    )
    assert (workflow.available(order_id), workflow.money(order_id)) == (3, ["charge"])
    assert ended.row["payment_id"] in {charge.id for charge in workflow.provider.charges.values()}
    assert ended.steps == [
        "ValidateOrder",
        "ClaimOrder",
        "ReserveStock",
        "ProcessPayment",
        "IsPaymentSuccessful",
        "ShipOrder",
        "RecordOutcome",
        "Broadcast",
        "IsSomethingBroken",
        "OrderClosed",
    ]


def test_everybody_is_told_of_a_shipped_order_in_one_envelope(workflow, inbox, order_id):
    ended = workflow.worked(order_id)
    (event,) = told(inbox, order_id)
    assert (event["type"], event["version"], event["causation_id"]) == ("orders.shipped", 1, ended.row["execution"])
    assert event["data"] == {
        "order_id": order_id,
        "state": "SHIPPED",
        "reason": "",
        "amount": "19.99",
        "currency": "EUR",
        "payment_id": ended.row["payment_id"],
    }
    assert workflow.announced(order_id) == [event]


def test_an_order_that_comes_three_times_is_worked_once(workflow, order_id):
    order = workflow.order(order_id)
    workflow.send(order, order, order)
    assert workflow.ended(order_id).row["state"] == "SHIPPED"
    until("the queue is empty", workflow.queue.count, good=lambda count: count == 0)
    assert (workflow.available(order_id), workflow.money(order_id), workflow.dead_letters.count()) == (3, ["charge"], 0)


# The answers that end an order.


def test_a_declined_order_gives_its_items_back_and_is_no_failure(workflow, inbox, order_id):
    workflow.behave(**{order_id: Behaviour.DECLINE})
    ended = workflow.worked(order_id)
    assert (ended.status, ended.row["state"], ended.row["reason"]) == ("SUCCEEDED", "DECLINED", "card refused")
    assert (workflow.available(order_id), workflow.money(order_id)) == (5, [])
    assert "PaymentFailed" in ended.steps
    assert not {"ShipOrder", "RefundPayment"} & {*ended.steps}
    assert [event["type"] for event in told(inbox, order_id)] == ["orders.declined"]


def test_an_order_that_is_out_of_stock_is_not_charged(workflow, order_id):
    ended = workflow.worked(order_id, available=1)
    assert (ended.status, ended.row["state"]) == ("SUCCEEDED", "OUT_OF_STOCK")
    assert f"sku-{order_id}" in ended.row["reason"]
    assert (workflow.available(order_id), workflow.money(order_id)) == (1, [])
    assert "ProcessPayment" not in ended.steps


@pytest.mark.parametrize("wrong", [{"amount": -1}, {"items": []}, {"currency": "euro"}, {"note": "x"}])
def test_an_order_that_does_not_fit_is_rejected_and_nothing_is_begun(workflow, inbox, order_id, wrong):
    ended = workflow.worked(order_id, **wrong)
    assert (ended.status, ended.row["state"]) == ("SUCCEEDED", "REJECTED")
    assert ended.row["reason"].startswith("The order does not fit: /")
    assert ended.steps[:3] == ["ValidateOrder", "RecordOutcome", "Broadcast"]
    (event,) = told(inbox, order_id)
    assert event["data"].keys() == {"order_id", "state", "reason"}


def test_an_order_that_cannot_be_shipped_is_undone_in_reverse_order(workflow, order_id):
    ended = workflow.worked(order_id, ship_to={"country": "XX"})
    assert (ended.status, ended.row["state"], ended.row["stock"], ended.row["shipment"]) == (
        "SUCCEEDED",
        "SHIPPING_FAILED",
        "RELEASED",
        "CANCELLED",
    )
    assert [step for step in ended.steps if step in {"CancelShipment", "RefundPayment", "ReleaseStock"}] == [
        "CancelShipment",
        "RefundPayment",
        "ReleaseStock",
    ]
    assert (workflow.available(order_id), workflow.money(order_id)) == (5, ["charge", "refund"])


# What passes.


@pytest.mark.parametrize("answer", [Behaviour.FAIL, Behaviour.THROTTLE, Behaviour.LOSE_ANSWER, Behaviour.HTML])
def test_a_payment_that_fails_for_a_moment_is_tried_again_and_charged_once(workflow, order_id, answer):
    workflow.behave(**{order_id: first(1, answer)})
    ended = workflow.worked(order_id)
    assert (ended.status, ended.row["state"], workflow.money(order_id)) == ("SUCCEEDED", "SHIPPED", ["charge"])


def test_a_payment_whose_function_runs_out_of_time_is_tried_again(workflow, order_id):
    workflow.behave(**{order_id: first(1, Behaviour.HANG)})
    with workflow.changed("Payment", timeout=5):
        ended = workflow.worked(order_id)
    assert (ended.row["state"], workflow.money(order_id)) == ("SHIPPED", ["charge"])


def test_a_payment_that_its_state_no_longer_waits_for_is_tried_again(workflow, order_id):
    workflow.behave(**{order_id: first(1, Behaviour.HANG)})
    with workflow.redefined("ProcessPayment", TimeoutSeconds=5):
        ended = workflow.worked(order_id)
    assert (ended.row["state"], workflow.money(order_id)) == ("SHIPPED", ["charge"])


def test_a_refund_that_fails_for_a_moment_is_tried_again(workflow, order_id):
    workflow.behave(**{f"{order_id}/refund": first(2, Behaviour.FAIL)})
    ended = workflow.worked(order_id, ship_to={"country": "XX"})
    assert (ended.row["state"], workflow.money(order_id)) == ("SHIPPING_FAILED", ["charge", "refund"])


# What is broken.


def test_a_payment_of_which_nothing_is_known_is_paid_back_and_the_execution_fails(workflow, order_id):
    workflow.behave(**{order_id: Behaviour.FAIL})
    ended = workflow.worked(order_id)
    assert (ended.status, ended.error, ended.row["state"]) == ("FAILED", "UnavailableError", "FAILED")
    assert ended.row["reason"] == "ProcessPayment: UnavailableError"
    assert (workflow.available(order_id), workflow.money(order_id)) == (5, [])
    assert workflow.kept(order_id) == []


def test_a_charge_that_is_declined_after_a_try_of_which_nothing_is_known_is_paid_back(workflow, order_id):
    workflow.behave(**{order_id: first(1, Behaviour.HANG, then=Behaviour.DECLINE)})
    ended = workflow.worked(order_id)
    assert (ended.status, ended.row["state"], ended.row["reason"]) == ("SUCCEEDED", "DECLINED", "card refused")
    assert [step for step in ended.steps if step in {"PaymentFailed", "RefundPayment", "ReleaseStock"}] == [
        "PaymentFailed",
        "RefundPayment",
        "ReleaseStock",
    ]
    assert (workflow.available(order_id), workflow.money(order_id)) == (5, [])
    assert workflow.kept(order_id) == []


def test_an_order_whose_shipping_is_broken_is_undone_and_the_execution_fails(workflow, order_id):
    with workflow.changed("Shipping", TABLE_NAME="gone"):
        ended = workflow.worked(order_id)
    assert (ended.status, ended.row["state"]) == ("FAILED", "UNRESOLVED")  # whether it is shipped, nobody can say
    assert (workflow.available(order_id), workflow.money(order_id)) == (5, ["charge", "refund"])
    (letter,) = workflow.kept(order_id)
    assert [each["step"] for each in letter["unresolved"]] == ["CancelShipment"]


def test_an_error_that_does_not_pass_is_not_tried_again_but_by_what_undoes_it(workflow, order_id):
    with workflow.changed("Stock", STOCK_TABLE_NAME="gone"):
        ended = workflow.worked(order_id)
    assert (ended.status, ended.error) == ("FAILED", "CompensationFailed")
    assert len(ended.errors) == 1 + 3  # ReserveStock once, ReleaseStock as often as it is told to
    assert workflow.money(order_id) == []
    assert len(workflow.kept(order_id)) == 1


@pytest.mark.parametrize(
    ("answer", "error"), [(Behaviour.REFUSE, "RefundRefusedError"), (Behaviour.FAIL, "UnavailableError")], ids=str
)
def test_a_refund_that_fails_is_left_to_people_with_all_that_is_known(workflow, inbox, order_id, answer, error):
    workflow.behave(**{f"{order_id}/refund": answer})
    ended = workflow.worked(order_id, ship_to={"country": "XX"})
    assert (ended.status, ended.error, ended.row["state"]) == ("FAILED", "CompensationFailed", "UNRESOLVED")
    assert (workflow.available(order_id), workflow.money(order_id)) == (5, ["charge"])
    (letter,) = workflow.kept(order_id)
    assert (letter["kind"], letter["order_id"], letter["execution"]) == (
        "compensation failed",
        order_id,
        ended.row["execution"],
    )
    assert [(each["step"], each["error"]) for each in letter["unresolved"]] == [("RefundPayment", error)]
    assert letter["payment"]["payment_id"] == ended.row["payment_id"]
    assert letter["outcome"] == {"state": "SHIPPING_FAILED", "reason": "It is not shipped to the country of this order."}
    assert letter["order"]["amount"] == "19.99"
    assert [event["type"] for event in told(inbox, order_id)] == ["orders.unresolved"]


def test_what_is_left_to_people_sets_off_a_critical_alarm(workflow, order_id):
    workflow.behave(**{f"{order_id}/refund": Behaviour.REFUSE})
    workflow.worked(order_id, ship_to={"country": "XX"})
    queue = workflow.outputs["ManualQueueUrl"].rpartition("/")[2]
    alarms = functools.partial(workflow.alarms, "QueueName", queue)
    until("it goes off", alarms, good=lambda found: found["ApproximateNumberOfMessagesVisible"] == "ALARM")
    assert len(workflow.kept(order_id)) == 1


# Two of a kind, and none.


def test_a_second_execution_of_an_order_touches_nothing(workflow, account, order_id):
    order = workflow.order(order_id)
    table = account.table(workflow.outputs["TableName"])
    table.put_item(Item={"id": order_id, "state": "SHIPPED", "execution": "arn:of-another"})
    workflow.start(order)
    ended = workflow.ended(order_id)
    assert (ended.status, ended.steps[-1]) == ("SUCCEEDED", "OrderKnown")
    assert (workflow.available(order_id), workflow.money(order_id), ended.row["state"]) == (5, [], "SHIPPED")


def test_a_message_that_is_no_order_is_put_aside_with_its_reason(workflow, order_id):
    poison = json.dumps({"id": f"{order_id}:x"})
    workflow.send(poison)
    letters = until("it is put aside", lambda: workflow.dead_letters.take(lambda message: message.body == poison))
    assert [letter.attributes["Reason"].split(" /")[0] for letter in letters] == [
        "The order has no id that can name its execution."
    ]


def test_another_order_under_a_used_id_is_put_aside_with_its_reason(workflow, order_id):
    first_one = workflow.worked(order_id).row
    other = json.dumps(workflow.order(order_id, amount=1))
    workflow.send(other)
    letters = until("it is put aside", lambda: workflow.dead_letters.take(lambda message: message.body == other))
    assert [letter.attributes["Reason"] for letter in letters] == [
        "Another order has had this id before: send it under another one."
    ]
    assert (workflow.row(order_id), workflow.money(order_id)) == (first_one, ["charge"])


def test_a_crowd_of_orders_takes_no_more_than_there_is(workflow):
    ids = new_ids(6)
    orders = [workflow.order(each) for each in ids]
    shared = f"sku-{ids[0]}"  # five of it, two for each order
    workflow.send(*({**order, "items": [{"sku": shared, "quantity": 2}]} for order in orders))
    states = [workflow.ended(each).row["state"] for each in ids]
    assert sorted(states) == ["OUT_OF_STOCK"] * 4 + ["SHIPPED"] * 2
    assert workflow.available(ids[0]) == 1
    assert sum(len(workflow.money(each)) for each in ids) == 2


def test_orders_wait_while_no_execution_can_be_started(workflow, order_id):
    with workflow.changed("Starter", AWS_ENDPOINT_URL_SFN=NOBODY):
        workflow.send(workflow.order(order_id))
        log = workflow.starter_log
        until("it comes again", lambda: [line for line in log.lines() if '"comes again"' in line], because=log.last_lines)
        assert workflow.execution(order_id)["status"] == "not started"
    assert workflow.ended(order_id).row["state"] == "SHIPPED"


# Another kind, and a topic that is gone.


@pytest.fixture(scope="module")
def express(emulator, account, deploy_app):
    with running(emulator, account, deploy_app("order-workflow-express", app(kind="express"))) as deployed:
        yield deployed


@pytest.mark.parametrize(
    ("country", "state", "money"), [("DE", "SHIPPED", ["charge"]), ("XX", "SHIPPING_FAILED", ["charge", "refund"])]
)
def test_an_express_workflow_works_the_same_way(express, order_id, country, state, money):
    express.send(express.order(order_id, ship_to={"country": country}))
    until(f"it is {state}", lambda: express.row(order_id).get("state"), good=lambda seen: seen == state)
    assert express.money(order_id) == money


def test_an_announcement_that_cannot_be_made_is_left_to_people_and_undoes_nothing(express, account, order_id):
    account.client("sns").delete_topic(TopicArn=express.outputs["TopicArn"])
    ended = express.worked(order_id)
    assert (ended.status, ended.row["state"], express.money(order_id)) == ("SUCCEEDED", "SHIPPED", ["charge"])
    (letter,) = express.kept(order_id)
    assert (letter["kind"], letter["event"]["type"]) == ("announcement failed", "orders.shipped")
    assert express.announced(order_id) == [letter["event"]]
