"""SqsPipeline and S3Processing that announce on a bus of the user's, deployed from an app of a user's and used from outside.

A rule of the bus matches what events of this library have on a bus and no others, and sends them to a queue: nothing else
consumes it, so that each event that arrives can be counted.
"""

import json
from collections import Counter

import pytest

from serverless_patterns.local.account import Stack
from serverless_patterns.local.payment_provider import Behaviour
from serverless_patterns.local.queues import Queue
from tests.local.pipeline import NOBODY, new_ids, order, piped
from tests.support.intake import Intake, csv_of, new_key
from tests.support.waiting import until

BODY = """
from aws_cdk import Duration, aws_events, aws_events_targets, aws_sqs

bus = aws_events.EventBus(stack, "Bus")
inbox = aws_sqs.Queue(stack, "Inbox")
aws_events.Rule(
    stack,
    "Rule",
    event_bus=bus,
    event_pattern=aws_events.EventPattern(
        source=aws_events.Match.prefix("s"),
        detail_type=["orders.paid", "orders.declined", "objects.processed", "objects.rejected"],
        detail={"metadata": {"version": [1]}},
    ),
    targets=[aws_events_targets.SqsQueue(inbox)],
)
quick = dict(timeout=Duration.seconds(60), retry_delay=Duration.seconds(1))
patterns = {
    "Orders": SqsPipeline(
        stack,
        "Orders",
        bus=bus,
        circuit_breaker=CircuitBreaker(recovery_timeout=Duration.seconds(2)),
        worker=WorkerOptions(**quick),
        operations=LOCAL.operations,
    ),
    "Files": S3Processing(stack, "Files", bus=bus, worker=WorkerOptions(batch_size=1, **quick), operations=LOCAL.operations),
}

class pattern:
    outputs = {
        "InboxUrl": inbox.queue_url,
        **{f"{name}{output}": value for name, each in patterns.items() for output, value in each.outputs.items()},
    }
"""


@pytest.fixture(scope="module")
def stack(deploy_app):
    return deploy_app("announced-on-a-bus", BODY)


@pytest.fixture(scope="module")
def pipeline(emulator, account, stack):
    outputs = {name.removeprefix("Orders"): value for name, value in stack.outputs.items() if name.startswith("Orders")}
    with piped(emulator, account, Stack(stack.name, outputs)) as pipeline:
        yield pipeline


@pytest.fixture(scope="module")
def intake(emulator, account, stack):
    return Intake(emulator, account, stack, prefix="Files", folder="")


@pytest.fixture
def inbox(account, stack):
    """The queue of the rule, with nothing in it from before."""
    queue = Queue(account, stack.outputs["InboxUrl"])
    queue.take()
    return queue


def arrived(inbox, number):
    """The events that have arrived, as soon as there are so many, and all that are there by then."""
    found = []
    until("events arrive", lambda: found.extend(inbox.take()) or found, good=lambda events: len(events) >= number)
    return [json.loads(message.body) for message in found]


def test_no_topic_is_there(stack):
    assert not [name for name in stack.outputs if name.endswith("TopicArn")]


def test_each_order_is_announced_once_on_the_bus_as_rules_match_it(pipeline, inbox):
    paid, declined = new_ids(15), new_ids(5, "declined")
    pipeline.behave(dict.fromkeys(declined, Behaviour.DECLINE))
    for each in (*paid, *declined):
        assert pipeline.post(order(each)).status == 202
    pipeline.settled([*paid, *declined])
    pipeline.emptied()
    events = arrived(inbox, 20)
    found = Counter((each["detail"]["data"]["order_id"], each["detail-type"]) for each in events)
    assert found == Counter([*((each, "orders.paid") for each in paid), *((each, "orders.declined") for each in declined)])
    assert len({each["detail"]["metadata"]["id"] for each in events}) == 20
    assert all(each["source"].startswith("sqs_pipeline/") for each in events)
    assert (pipeline.dead_letters.count(), inbox.count()) == (0, 0)


def test_an_outcome_is_announced_when_the_bus_can_be_reached_again(pipeline, inbox):
    (order_id,) = new_ids(1)
    with pipeline.outage("Worker", "EVENTBRIDGE"):
        pipeline.post(order(order_id))
        pipeline.settled([order_id], states={"PAID"})
        assert inbox.count() == 0
    (event,) = arrived(inbox, 1)
    assert (event["detail"]["metadata"]["correlation_id"], event["detail-type"]) == (order_id, "orders.paid")
    pipeline.emptied()
    assert (len(pipeline.charges([order_id])), pipeline.dead_letters.count(), inbox.count()) == (1, 0, 0)


def test_each_file_is_announced_once_on_the_bus_as_rules_match_it(intake, inbox):
    contents = {"csv": csv_of(3), "zip": b"PK\x03\x04"}
    keys = intake.put_all({new_key(f"a.{ending}"): contents[ending] for ending in ["csv"] * 8 + ["zip"] * 2})
    intake.ended(*keys)
    intake.emptied()
    events = arrived(inbox, 10)
    found = Counter((each["detail"]["data"]["key"], each["detail-type"]) for each in events)
    ends = {"csv": "objects.processed", "zip": "objects.rejected"}
    assert found == Counter((key, ends[key.rpartition(".")[2]]) for key in keys)
    assert {each["source"] for each in events} == {f"s3_processing/{intake.output('BucketName')}"}
    letters = {name: intake.queue(name).count() for name in ("DeadLetter", "DeliveryDeadLetter")}
    assert (letters, inbox.count()) == ({"DeadLetter": 0, "DeliveryDeadLetter": 0}, 0)


def test_a_file_is_announced_when_the_bus_can_be_reached_again_and_is_not_worked_twice(intake, inbox):
    intake.set_visibility(12)  # a change of the function ends what it works, which comes again when this is over
    with intake.function.changed(AWS_ENDPOINT_URL_EVENTBRIDGE=NOBODY):
        intake.worked(new_key("a.csv"), csv_of(3))
        assert inbox.count() == 0
    (event,) = arrived(inbox, 1)
    assert (event["detail-type"], event["detail"]["data"]["accepted"]) == ("objects.processed", 3)
    intake.emptied()
    assert (intake.dead_letters().count(), inbox.count()) == (0, 0)
