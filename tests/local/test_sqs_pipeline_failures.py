"""SqsPipeline broken on purpose, deployed by the real CDK CLI: what is down, dies, answers nonsense, comes twice or never."""

import json
import random
import re
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Lock
from urllib.parse import quote

import pytest

from serverless_patterns.local.payment_provider import PATH, Behaviour, first
from serverless_patterns.local.processes import wait_until
from serverless_patterns.local.queues import Inbox
from tests.local.pipeline import FINAL, NOBODY, new_ids, order, piped, undisturbed
from tests.support.waiting import until

#: As by default, but for a clock that runs faster and an API that takes a crowd.
BODY = """
from aws_cdk import Duration
pattern = SqsPipeline(
    stack,
    "Orders",
    group_by="customer_id",
    throttle=Throttle(rate=1000, burst=1000),
    circuit_breaker=CircuitBreaker(recovery_timeout=Duration.seconds(2)),
    worker=WorkerOptions(timeout=Duration.seconds(20), retry_delay=Duration.seconds(1)),
    operations=LOCAL.operations.replace(capacity=Capacity(max_requests_per_second=1000, max_concurrency=6)),
)
pattern.add_alarms(Alerts())
"""
#: Seconds: longer than the worker's timeout, as the queue's own visibility timeout is, which is 120.
VISIBILITY = 21


@pytest.fixture(scope="module")
def deployed(emulator, account, deploy_app):
    with piped(emulator, account, deploy_app("broken-orders", BODY)) as pipeline:
        yield pipeline


@pytest.fixture
def pipeline(deployed):
    with undisturbed(deployed):
        yield deployed


@pytest.fixture
def inbox(account, pipeline):
    with Inbox(account, pipeline.outputs["TopicArn"]) as box:
        yield box


def told(inbox, expected):
    """What is announced, once there is so much of it."""
    messages = until(f"{expected} announcements", inbox.received, good=lambda found: len(found) >= expected)
    return [json.loads(message.body) for message in messages]


# A flood: 500 orders and poison, some twice, at a provider that fails.

APPROVED, HOPELESS, REFUSED = 450, 10, 15
POISON = {
    "no JSON": ("not JSON {}", "JSON"),
    "no object": ('["{}"]', "object"),
    "no fields": ('{{"id": "{}"}}', "amount"),
    "amount is a text": ('{{"id": "{}", "customer_id": "c", "amount": "19.99", "currency": "EUR"}}', "/amount"),
    "amount is negative": ('{{"id": "{}", "customer_id": "c", "amount": -1, "currency": "EUR"}}', "/amount"),
    "amount is NaN": ('{{"id": "{}", "customer_id": "c", "amount": NaN, "currency": "EUR"}}', "JSON"),
    "unknown currency": ('{{"id": "{}", "customer_id": "c", "amount": 1, "currency": "euro"}}', "/currency"),
    "no id": ('{{"customer_id": "{}", "amount": 1, "currency": "EUR"}}', "/id"),
    "a name twice": ('{{"id": "{}", "customer_id": "c", "amount": 1, "amount": 2, "currency": "EUR"}}', "the same name twice"),
    "an id with a path": ('{{"id": "../{}", "customer_id": "c", "amount": 1, "currency": "EUR"}}', "/id"),
    "too deep": ('{{"id": "{}", "items": ' + "[" * 5000 + "]" * 5000 + "}}", "deep"),
    "unknown field": ('{{"id": "{}", "customer_id": "c", "amount": 1, "currency": "EUR", "note": "x"}}', "/note"),
}


@dataclass
class Flood:
    """What was sent, and what was there when all of it had been worked."""

    approved: list
    hopeless: list
    refused: list
    poison: dict
    answers: Counter
    rows: dict
    charges: list
    letters: list
    events: list
    unexpected: list

    @property
    def ids(self):
        return [*self.approved, *self.hopeless, *self.refused]


def poison_of(number):
    kinds = list(POISON.values())
    bodies = {}
    for position, unique in enumerate(new_ids(number, "poison")):
        template, reason = kinds[position % len(kinds)]
        bodies[template.format(unique)] = reason
    return bodies


def failing_at_random():
    """One request in five fails: half of those before they are charged, half after."""
    chance, lock = random.Random(7), Lock()  # noqa: S311  which requests fail is no secret

    def behaviour_for(_):
        with lock:
            return chance.choice([Behaviour.FAIL, Behaviour.LOSE_ANSWER, *[Behaviour.APPROVE] * 8])

    return behaviour_for


def _passers_by(pipeline, hopeless):
    """Other orders that keep coming until those that always fail are given up, and their ids.

    Without them each call fails, which is an outage: then orders wait, and none is given up for days.
    """
    placed = []

    def given_up():
        order_id, *_ = new_ids(1, "passer-by")
        placed.append(order_id)
        pipeline.send(order(order_id))
        states = {row["state"] for row in pipeline.rows(hopeless).values()}
        return states == {"FAILED"}

    assert wait_until(given_up, seconds=120, interval=0.5), pipeline.worker_log.last_lines()
    return placed


@pytest.fixture(scope="module")
def flood(deployed, account):
    with undisturbed(deployed), Inbox(account, deployed.outputs["TopicArn"]) as inbox:
        approved, hopeless, refused = new_ids(APPROVED), new_ids(HOPELESS, "hopeless"), new_ids(REFUSED, "refused")
        ids = [*hopeless, *refused, *approved]
        orders = {each: order(each, customer=f"customer-{number % 7}") for number, each in enumerate(ids)}
        poison = poison_of(25)
        deployed.behave(
            dict.fromkeys(approved, failing_at_random())
            | dict.fromkeys(hopeless, Behaviour.FAIL)
            | dict.fromkeys(refused, Behaviour.DECLINE)
        )
        by_api = ids[::5]
        deployed.send(*poison)
        deployed.send(*(orders[each] for each in ids if each not in by_api))
        with ThreadPoolExecutor(8) as clients:
            answers = Counter(clients.map(lambda each: deployed.post(orders[each]).status, by_api))
        deployed.send(*(orders[each] for each in approved[::9]))
        passed = _passers_by(deployed, hopeless)
        ids += passed
        approved += passed
        rows = deployed.settled(ids, seconds=120)
        deployed.emptied()
        letters = deployed.dead_letters.messages()
        until(
            "the announcements", lambda: len({json.loads(each.body)["id"] for each in inbox.received()}), good=len(ids).__le__
        )
        events = [json.loads(message.body) for message in inbox.received()]
        unexpected = [line for line in deployed.worker_log.lines() if "unexpected error" in line]
        yield Flood(approved, hopeless, refused, poison, answers, rows, deployed.charges(ids), letters, events, unexpected)


def test_of_500_orders_each_that_is_taken_ends_paid_declined_or_failed(flood):
    assert flood.answers == {202: 95}
    states = {state: {each for each, row in flood.rows.items() if row["state"] == state} for state in FINAL}
    assert states == {"PAID": set(flood.approved), "DECLINED": set(flood.refused), "FAILED": set(flood.hopeless)}


def test_in_all_of_it_the_worker_meets_no_error_that_it_does_not_know(flood):
    assert flood.unexpected == []


def test_each_paid_order_is_charged_once_however_often_it_came_and_others_are_not(flood):
    assert Counter(charge.reference for charge in flood.charges) == dict.fromkeys(flood.approved, 1)


def test_each_poison_and_each_failed_order_is_in_the_dead_letter_queue_once_with_its_reason(flood):
    reasons = {message.body: message.attributes["Reason"] for message in flood.letters}
    assert len(flood.letters) == len(reasons) == 35
    assert [(words, reasons.get(body)) for body, words in flood.poison.items() if words not in reasons.get(body, "")] == []
    failed = {json.loads(body)["id"]: reason for body, reason in reasons.items() if body not in flood.poison}
    assert failed.keys() == set(flood.hopeless)
    assert [reason for reason in failed.values() if "The payment API answered 500." not in reason] == []


def test_each_outcome_is_announced_as_one_event(flood):
    types = {"PAID": "orders.paid", "DECLINED": "orders.declined", "FAILED": "orders.failed"}
    by_id = {event["id"]: event for event in flood.events}
    announced = Counter((event["correlation_id"], event["type"]) for event in by_id.values())
    assert announced == {(each, types[row["state"]]): 1 for each, row in flood.rows.items()}
    assert {event["id"] for event in flood.events if event["data"] != by_id[event["id"]]["data"]} == set()


def test_after_a_redrive_what_was_mended_is_worked_once_and_poison_is_back_with_its_reason(pipeline, flood):
    pipeline.dead_letters.take()
    pipeline.send(*(message.body for message in flood.letters))
    pipeline.paid(*flood.hopeless)
    again = {message.body: message.attributes["Reason"] for message in pipeline.letters(len(flood.poison))}
    assert again == {m.body: m.attributes["Reason"] for m in flood.letters if m.body in flood.poison}
    assert Counter(charge.reference for charge in pipeline.charges(flood.hopeless)) == dict.fromkeys(flood.hopeless, 1)


# The payment provider.


def test_while_the_provider_is_down_orders_wait_in_the_queue_and_all_are_paid_when_it_is_back(pipeline):
    began, ids = datetime.now(UTC) - timedelta(minutes=1), new_ids(20)
    before = pipeline.circuits_opened(began)
    pipeline.provider.down = True
    pipeline.send(*map(order, ids))
    until("the circuit opens again and again", lambda: pipeline.circuits_opened(began) - before, good=lambda n: n >= 3)
    assert pipeline.dead_letters.count() == 0
    pipeline.provider.down = False
    rows = pipeline.paid(*ids)
    assert len(pipeline.charges(ids)) == 20
    assert pipeline.dead_letters.count() == 0
    assert max(row["attempts"] for row in rows.values()) <= 3


def test_an_open_circuit_sets_off_its_alarm(pipeline):
    ids = new_ids(20)
    (alarm,) = pipeline.alarms_of("CircuitOpened")
    pipeline.provider.down = True
    pipeline.send(*map(order, ids))
    until(f"{alarm['AlarmName']} goes off", lambda: pipeline.alarms_of("CircuitOpened")[0]["StateValue"], good="ALARM".__eq__)
    pipeline.provider.down = False
    pipeline.paid(*ids)


#: What the provider does, the state that the order gets, and how often it is asked.
ANSWERS = {
    "declined": (Behaviour.DECLINE, "DECLINED", 1),
    "refused with 402": (Behaviour.REFUSE, "DECLINED", 1),
    "two errors": (first(2, Behaviour.FAIL), "PAID", 3),
    "too many requests": (first(1, Behaviour.THROTTLE), "PAID", 2),
    "charged and no answer": (first(1, Behaviour.LOSE_ANSWER), "PAID", 2),
    "charged and an answer byte by byte": (first(1, Behaviour.DRIP), "PAID", 2),
    "no answer": (first(1, Behaviour.HANG), "PAID", 2),
    "a page for people": (first(1, Behaviour.HTML), "PAID", 2),
    "NaN": (first(1, Behaviour.NOT_A_NUMBER), "PAID", 2),
    "nested too deep": (first(1, Behaviour.DEEP), "PAID", 2),
    "without an end": (first(1, Behaviour.ENDLESS), "PAID", 2),
    "a redirect": (first(1, Behaviour.REDIRECT), "PAID", 2),
}


@pytest.fixture(scope="module")
def answered(deployed):
    """An order for each answer, all at the same time: some take seconds."""
    ids = dict(zip(ANSWERS, new_ids(len(ANSWERS), "answer"), strict=True))
    with undisturbed(deployed):
        deployed.behave({ids[name]: behaviour for name, (behaviour, _, _) in ANSWERS.items()})
        for order_id in sorted(ids.values(), key=ids["charged and an answer byte by byte"].__ne__):
            deployed.post(order(order_id))
        deployed.settled(ids.values())
    return ids


@pytest.mark.parametrize("answer", ANSWERS)
def test_whatever_the_provider_answers_an_order_is_charged_once_or_declined(deployed, answered, answer):
    _, state, asked = ANSWERS[answer]
    order_id = answered[answer]
    assert deployed.get(order_id).json["state"] == state
    assert len(deployed.charges([order_id])) == (state == "PAID")
    assert len(deployed.asked(order_id)) == asked


@pytest.mark.parametrize(("answer", "reason"), [("declined", "card refused"), ("refused with 402", "card expired")])
def test_a_declined_order_has_the_reason_of_the_provider(deployed, answered, answer, reason):
    assert deployed.get(answered[answer]).json["reason"] == reason


def test_a_redirect_is_not_followed(deployed, answered):
    assert {request.path for request in deployed.provider.requests} == {PATH}


def test_a_provider_that_names_a_time_is_left_alone_for_as_long(pipeline):
    (order_id,) = new_ids(1)
    times, once = [], first(1, Behaviour.THROTTLE)
    pipeline.provider.retry_after = 3

    def behave(reference):
        times.append(time.monotonic())
        return once(reference)

    pipeline.behave({order_id: behave})
    pipeline.post(order(order_id))
    pipeline.paid(order_id)
    assert times[1] - times[0] >= 3


def put_off(pipeline, order_id):
    """The lines of the log in which this order is postponed."""
    return [line for line in pipeline.worker_log.lines() if order_id in line and '"postponed"' in line]


@pytest.fixture(scope="module")
def held_up(deployed, account):
    """Orders that come while the secret cannot be used, which is put right afterwards."""
    unwritten, refused = new_ids(2, "held-up")
    secret = deployed.outputs["PaymentSecretArn"]
    with undisturbed(deployed):
        account.client("secretsmanager").put_secret_value(SecretId=secret, SecretString='{"url": "", "api_key": "made-up"}')
        deployed.recycle()
        for order_id in (unwritten, refused):
            deployed.post(order(order_id))
            until("it is put off", lambda each=order_id: put_off(deployed, each), because=deployed.worker_log.last_lines)
            deployed.provider.put_secret(account, secret)
            deployed.provider.api_key = "not-known-yet"
        deployed.provider.put_secret(account, secret)
        rows = deployed.settled([unwritten, refused], seconds=75)
        deployed.emptied()
    return {"is not written": rows[unwritten], "has a key that is refused": rows[refused]}


@pytest.mark.parametrize("secret", ["is not written", "has a key that is refused"])
def test_while_the_payment_secret_cannot_be_used_orders_wait_and_use_up_no_attempt(deployed, held_up, secret):
    row = held_up[secret]
    assert (row["state"], row["attempts"]) == ("PAID", 1)
    assert len(deployed.charges([row["id"]])) == 1


def test_a_new_key_in_the_secret_is_used_at_once(pipeline, account):
    before, after = new_ids(2)
    pipeline.post(order(before))
    pipeline.paid(before)
    pipeline.provider.api_key = "rotated"
    pipeline.provider.put_secret(account, pipeline.outputs["PaymentSecretArn"])
    pipeline.post(order(after))
    assert pipeline.paid(after)[after]["attempts"] == 1


# The worker.


@pytest.fixture(scope="module")
def mishaps(deployed):
    """A batch whose worker is killed in its middle, after a charge; and one whose worker hangs, so that Lambda ends it."""
    killed, frozen = new_ids(10, "killed"), new_ids(10, "frozen")
    with undisturbed(deployed), deployed.visibility(VISIBILITY):
        for ids, number in ((killed, signal.SIGKILL), (frozen, signal.SIGSTOP)):
            deployed.recycle()
            deployed.behave({ids[5]: first(1, Behaviour.DRIP)})
            with deployed.held():
                deployed.send(*map(order, ids))
            until("the sixth order is being charged", lambda ids=ids: deployed.charges([ids[5]]))
            deployed.signal_worker(number)
        deployed.settled([*killed, *frozen], seconds=60)
        deployed.emptied()
    return {"killed": killed, "frozen": frozen}


@pytest.mark.parametrize("mishap", ["killed", "frozen"])
def test_a_batch_whose_worker_ends_in_its_middle_is_paid_and_each_order_is_charged_once(deployed, mishaps, mishap):
    ids = mishaps[mishap]
    assert {deployed.get(each).json["state"] for each in ids} == {"PAID"}
    assert Counter(charge.reference for charge in deployed.charges(ids)) == dict.fromkeys(ids, 1)
    assert deployed.row(ids[5])["attempts"] == 2


def test_orders_for_which_too_little_time_is_left_are_put_off_and_use_up_no_attempt(pipeline):
    ids = new_ids(6)

    def slowly(_):
        time.sleep(0.8)
        return Behaviour.APPROVE

    pipeline.behave(dict.fromkeys(ids, slowly))
    with pipeline.held():
        pipeline.send(*map(order, ids))
    rows = pipeline.paid(*ids)
    assert {row["attempts"] for row in rows.values()} == {1}
    assert len(pipeline.charges(ids)) == 6
    assert any('"postponed"' in line and "time" in line for line in pipeline.worker_log.lines())


def test_an_order_waits_while_the_worker_cannot_reach_its_table(pipeline):
    (order_id,) = new_ids(1)
    with pipeline.outage("Worker", "DYNAMODB"):
        pipeline.send(order(order_id))
        until("it comes again", lambda: [line for line in pipeline.worker_log.lines() if '"comes again"' in line])
    pipeline.paid(order_id)
    assert len(pipeline.charges([order_id])) == 1


def test_an_outcome_is_announced_when_the_topic_can_be_reached_again(pipeline, inbox):
    (order_id,) = new_ids(1)
    with pipeline.outage("Worker", "SNS"):
        pipeline.post(order(order_id))
        pipeline.settled([order_id], states={"PAID"})
        assert inbox.received() == []
    assert [(event["correlation_id"], event["type"]) for event in told(inbox, 1)] == [(order_id, "orders.paid")]
    pipeline.emptied()
    assert len(pipeline.charges([order_id])) == 1


def test_a_message_under_the_id_of_another_order_is_put_aside_and_changes_nothing(pipeline):
    (order_id,) = new_ids(1)
    pipeline.post(order(order_id))
    before = pipeline.paid(order_id)
    pipeline.send(order(order_id, amount=1))
    (letter,) = pipeline.letters(1)
    assert letter.attributes["Reason"] == "Its id belongs to another order, which was there first."
    assert pipeline.rows([order_id]) == before
    assert len(pipeline.charges([order_id])) == 1


# The ingest.


def test_a_taken_order_is_paid_and_shows_its_way_there(pipeline):
    (order_id,) = new_ids(1)
    taken = pipeline.post(order(order_id, amount=19.9))
    assert taken.status == 202
    assert taken.headers["Location"].endswith(f"/orders/{order_id}")
    pipeline.paid(order_id)
    shown = pipeline.get(order_id)
    assert (shown.status, shown.json["state"], shown.json["attempts"]) == (200, "PAID", 1)
    assert [each["state"] for each in shown.json["history"]] == ["PENDING", "PROCESSING", "PAID"]
    assert shown.json["created_at"] == taken.json["accepted_at"]
    assert shown.json["order"] == {"customer_id": "customer-1", "amount": Decimal("19.9"), "currency": "EUR"}
    (charge,) = pipeline.charges([order_id])
    assert (shown.json["payment_id"], charge.amount) == (charge.id, "19.9")


def test_the_same_order_again_gets_the_same_answer_and_is_charged_once(pipeline):
    (order_id,) = new_ids(1)
    answers = [pipeline.post(order(order_id)) for _ in range(2)]
    pipeline.paid(order_id)
    answers.append(pipeline.post(order(order_id)))
    pipeline.emptied()
    assert {(answer.status, answer.text) for answer in answers} == {(202, answers[0].text)}
    assert len(pipeline.charges([order_id])) == 1


def test_another_order_under_a_used_id_is_refused_and_sent_nowhere(pipeline):
    (order_id,) = new_ids(1)
    with pipeline.held():
        assert pipeline.post(order(order_id)).status == 202
        before = pipeline.row(order_id)
        assert pipeline.post(order(order_id, amount=1)).status == 409
        assert (pipeline.row(order_id), pipeline.queue.count()) == (before, 1)


def test_ten_requests_at_once_with_one_order_are_one_order_and_one_charge(pipeline, inbox):
    (order_id,) = new_ids(1)
    with ThreadPoolExecutor(10) as clients:
        answers = list(clients.map(lambda _: pipeline.post(order(order_id)), range(10)))
    assert {(answer.status, answer.text) for answer in answers} == {(202, answers[0].text)}
    pipeline.paid(order_id)
    assert len(pipeline.charges([order_id])) == 1
    assert {event["correlation_id"] for event in told(inbox, 1)} == {order_id}
    assert len({event["id"] for event in told(inbox, 1)}) == 1


def test_orders_without_an_id_are_given_ids_of_their_own(pipeline):
    nameless = {name: value for name, value in order("").items() if name != "id"}
    ids = [pipeline.post(nameless).json["id"] for _ in range(2)]
    assert len(set(ids)) == 2
    pipeline.paid(*ids)
    assert len(pipeline.charges(ids)) == 2


def test_an_order_that_fails_the_schema_is_answered_with_every_field_and_sent_nowhere(pipeline):
    (order_id,) = new_ids(1)
    wrong = {"id": order_id, "customer_id": "", "amount": 0, "currency": "euro", "items": [{"sku": "cup"}]}
    with pipeline.held():
        answer = pipeline.post(wrong)
        assert (answer.status, answer.headers["Content-Type"]) == (400, "application/problem+json")
        assert {error["pointer"] for error in answer.json["errors"]} >= {"/customer_id", "/amount", "/currency"}
        assert (pipeline.row(order_id), pipeline.queue.count()) == ({}, 0)


def test_an_unsigned_order_is_refused_and_sent_nowhere(pipeline):
    (order_id,) = new_ids(1)
    with pipeline.held():
        assert pipeline.post(order(order_id), signed=False).status == 403
        assert (pipeline.row(order_id), pipeline.queue.count()) == ({}, 0)


@pytest.mark.parametrize("order_id", ["unknown", "x" * 129, "a b"])
def test_an_unknown_order_is_answered_404(pipeline, order_id):
    assert pipeline.get(quote(order_id)).status == 404


#: What the ingest sees of a queue that it cannot use, and what it answers.
WITHOUT_QUEUE = {
    "out": ({"AWS_ENDPOINT_URL_SQS": NOBODY}, 503),
    "gone": ({"QUEUE_URL": "http://localhost/000000000000/gone"}, 500),
}


@pytest.mark.parametrize("queue", WITHOUT_QUEUE)
def test_an_order_whose_queue_fails_is_not_accepted_and_sending_it_again_completes_it(pipeline, queue):
    variables, status = WITHOUT_QUEUE[queue]
    (order_id,) = new_ids(1)
    with pipeline.changed("Ingest", **variables):
        refused = pipeline.post(order(order_id))
    assert refused.status == status
    assert pipeline.get(order_id).json["state"] == "PENDING"
    assert pipeline.post(order(order_id, amount=1)).status == 409
    taken = pipeline.post(order(order_id))
    assert (taken.status, taken.json["id"]) == (202, order_id)
    pipeline.paid(order_id)
    assert len(pipeline.charges([order_id])) == 1


def test_a_client_that_is_to_come_back_is_told_when_and_under_which_id(pipeline):
    nameless = {name: value for name, value in order("").items() if name != "id"}
    with pipeline.outage("Ingest", "SQS"):
        refused = pipeline.post(nameless)
    assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
    (order_id,) = re.findall(r'"id": "([^"]+)"', refused.json["detail"])
    assert pipeline.post(nameless | {"id": order_id}).status == 202
    pipeline.paid(order_id)
    assert len(pipeline.charges([order_id])) == 1


def test_an_order_that_cannot_be_stored_is_not_accepted_and_leaves_nothing(pipeline):
    (order_id,) = new_ids(1)
    with pipeline.held():
        with pipeline.outage("Ingest", "DYNAMODB"):
            assert pipeline.post(order(order_id)).status == 503
        assert (pipeline.row(order_id), pipeline.queue.count()) == ({}, 0)
