"""SqsPipeline in its other shapes, deployed from an app of a user's: direct ingest, a FIFO queue, resources of one's own."""

import json
import re
from collections import Counter

import pytest

from serverless_patterns.local.account import Stack
from serverless_patterns.local.payment_provider import Behaviour, first
from tests.local.pipeline import new_ids, order, piped, undisturbed
from tests.support.waiting import until

BODY = """
from aws_cdk import Duration, aws_dynamodb, aws_sns, aws_sqs, aws_secretsmanager

quick = dict(
    circuit_breaker=CircuitBreaker(recovery_timeout=Duration.seconds(2)),
    worker=WorkerOptions(timeout=Duration.seconds(20), retry_delay=Duration.seconds(1)),
    operations=LOCAL.operations,
)
own = dict(
    queue=aws_sqs.Queue(
        stack,
        "OwnQueue",
        visibility_timeout=Duration.seconds(120),
        dead_letter_queue=aws_sqs.DeadLetterQueue(queue=aws_sqs.Queue(stack, "OwnDeadLetters"), max_receive_count=5),
    ),
    table=aws_dynamodb.TableV2(
        stack, "OwnTable", partition_key=aws_dynamodb.Attribute(name="id", type=aws_dynamodb.AttributeType.STRING)
    ),
    topic=aws_sns.Topic(stack, "OwnTopic"),
    payment_secret=aws_secretsmanager.Secret(stack, "OwnSecret"),
)
shapes = {
    "Direct": SqsPipeline(stack, "Direct", ingest="direct", group_by="customer_id", **quick),
    "Fifo": SqsPipeline(stack, "Fifo", queue=QueueOptions(fifo=True), group_by="customer_id", **quick),
    "Own": SqsPipeline(stack, "Own", **own, **quick),
}

class pattern:
    outputs = {f"{name}{output}": value for name, shape in shapes.items() for output, value in shape.outputs.items()}
"""


@pytest.fixture(scope="module")
def shapes(deploy_app):
    return deploy_app("shaped-orders", BODY)


def shape_fixture(name):
    @pytest.fixture(scope="module", name=f"deployed_{name.lower()}")
    def deployed(emulator, account, shapes):
        outputs = {output.removeprefix(name): value for output, value in shapes.outputs.items() if output.startswith(name)}
        with piped(emulator, account, Stack(shapes.name, outputs)) as pipeline:
            yield pipeline

    return deployed


deployed_direct, deployed_fifo, deployed_own = map(shape_fixture, ("Direct", "Fifo", "Own"))


@pytest.fixture
def direct(deployed_direct):
    with undisturbed(deployed_direct):
        yield deployed_direct


@pytest.fixture
def fifo(deployed_fifo):
    with undisturbed(deployed_fifo):
        yield deployed_fifo


@pytest.fixture
def own(deployed_own):
    with undisturbed(deployed_own):
        yield deployed_own


# Without a function between API and queue.


def test_an_order_goes_from_the_api_into_the_queue_without_a_function(direct):
    (order_id,) = new_ids(1)
    taken = direct.post(order(order_id))
    assert taken.status == 202
    assert taken.json["request_id"]
    row = direct.paid(order_id)[order_id]
    assert [each["state"] for each in row["history"]] == ["PROCESSING", "PAID"]
    assert direct.ingest_log.new_invocations(1, seconds=0.5) == []
    assert direct.get(order_id).json["state"] == "PAID"


MODEL = {
    "no id": {"customer_id": "c", "amount": 1, "currency": "EUR"},
    "no amount": {"id": "1", "customer_id": "c", "currency": "EUR"},
    "a negative amount": order("1", amount=-1),
    "no customer": order("1", customer=""),
    "no object": ["1"],
    "no JSON": "{",
}


@pytest.mark.parametrize("fault", MODEL)
def test_the_api_itself_refuses_what_its_model_does_not_allow_and_nothing_is_sent(direct, fault):
    with direct.held():
        assert direct.post(MODEL[fault]).status == 400
        assert direct.queue.count() == 0


#: What a worker finds that the model of an API cannot say, and where.
BEYOND_THE_MODEL = {
    "an id with a path": ({"id": "../1"}, "/id"),
    "a part of a cent": ({"amount": 1.001}, "/amount"),
    "an unknown currency": ({"currency": "euro"}, "/currency"),
}


@pytest.mark.parametrize("fault", BEYOND_THE_MODEL)
def test_what_the_model_cannot_check_is_taken_and_put_aside_with_its_reason(direct, fault):
    fields, pointer = BEYOND_THE_MODEL[fault]
    (order_id,) = new_ids(1)
    wrong = json.dumps(order(order_id) | fields)
    assert direct.post(wrong).status == 202
    (letter,) = direct.letters(1)
    assert letter.body == wrong
    assert pointer in letter.attributes["Reason"]
    assert direct.charges([order_id]) == []


def test_an_unsigned_order_is_refused_by_the_api_itself_and_nothing_is_sent(direct):
    with direct.held():
        assert direct.post(order("1"), signed=False).status == 403
        assert direct.queue.count() == 0


def test_an_order_that_comes_twice_is_taken_twice_and_charged_once(direct):
    (order_id,) = new_ids(1)
    assert [direct.post(order(order_id)).status for _ in range(3)] == [202] * 3
    direct.paid(order_id)
    assert len(direct.charges([order_id])) == 1


def test_another_order_under_a_used_id_is_taken_and_put_aside_with_its_reason(direct):
    (order_id,) = new_ids(1)
    direct.post(order(order_id))
    direct.paid(order_id)
    assert direct.post(order(order_id, amount=1)).status == 202
    (letter,) = direct.letters(1)
    assert letter.attributes["Reason"] == "Its id belongs to another order, which was there first."
    assert [charge.amount for charge in direct.charges([order_id])] == ["19.99"]


def test_what_a_body_holds_comes_to_the_worker_as_it_is(direct):
    (order_id,) = new_ids(1)
    fields = order(order_id, customer="&Action=DeleteQueue&x=%26+ \"\\' $input ü 漢 😀")
    assert direct.post(fields).status == 202
    assert direct.paid(order_id)[order_id]["order"]["customer_id"] == fields["customer_id"]


def test_an_order_that_was_not_worked_yet_is_answered_404(direct):
    (order_id,) = new_ids(1)
    with direct.held():
        direct.post(order(order_id))
        assert direct.get(order_id).status == 404
    direct.paid(order_id)


# A FIFO queue.


def test_the_orders_of_a_customer_are_charged_in_their_order_even_if_one_is_retried(fifo):
    ids = new_ids(8, "retried")
    fifo.behave({ids[2]: first(3, Behaviour.FAIL)})
    with fifo.held():
        for each in ids:
            assert fifo.post(order(each)).status == 202
    rows = fifo.paid(*ids)
    assert [charge.reference for charge in fifo.charges(ids)] == ids
    assert rows[ids[2]]["attempts"] == 2


def test_a_customer_whose_order_is_retried_does_not_hold_up_another(fifo):
    slow, quick = new_ids(3, "slow"), new_ids(3, "quick")
    fifo.behave({slow[0]: first(6, Behaviour.FAIL)})
    with fifo.held():
        for one, other in zip(slow, quick, strict=True):
            fifo.post(order(one, customer="unlucky"))
            fifo.post(order(other, customer="lucky"))
    fifo.paid(*slow, *quick)
    assert [charge.reference for charge in fifo.charges([*slow, *quick])] == [*quick, *slow]


def test_while_the_provider_is_down_orders_keep_their_order_and_none_is_lost(fifo):
    ids = new_ids(12, "down")
    fifo.provider.down = True
    with fifo.held():
        for number, each in enumerate(ids):
            fifo.post(order(each, customer=f"customer-{number % 2}"))
    until("the circuit is open", lambda: [line for line in fifo.worker_log.lines() if '"postponed"' in line])
    fifo.provider.down = False
    fifo.paid(*ids)
    charged = [charge.reference for charge in fifo.charges(ids)]
    assert [each for each in charged if each in ids[::2]] == ids[::2]
    assert [each for each in charged if each in ids[1::2]] == ids[1::2]
    assert fifo.dead_letters.count() == 0


def test_an_order_that_cannot_be_worked_does_not_stop_those_after_it(fifo):
    ids = new_ids(2, "after-poison")
    poison = json.dumps({"id": new_ids(1, "poison")[0]})
    with fifo.held():
        fifo.send(poison, MessageGroupId="customer-1", MessageDeduplicationId="1")
        for each in ids:
            fifo.post(order(each))
    fifo.paid(*ids)
    (letter,) = fifo.letters(1)
    assert (letter.body, letter.group) == (poison, "customer-1")
    assert "/amount" in letter.attributes["Reason"]


# Resources of one's own.


def test_orders_are_worked_with_a_queue_a_table_a_topic_and_a_secret_of_ones_own(own):
    (order_id,) = new_ids(1)
    assert own.post(order(order_id)).status == 202
    own.paid(order_id)
    own.send("no order")
    (letter,) = own.letters(1)
    assert letter.body == "no order"
    assert re.search("OwnDeadLetters", own.outputs["DeadLetterQueueUrl"])
    assert Counter(charge.reference for charge in own.charges([order_id])) == {order_id: 1}
