"""SnsFanout broken on purpose: code that fails, dies or is slow, queues that are gone, and what becomes of each message then.

An HTTPS endpoint is not among them: SNS talks to nobody without a certificate that it trusts, and a loopback address has none.
What the construct defines for one is tested on its template, and what becomes of a message that HTTP refuses with the
correction that does it.
"""

import hashlib
import io
import json
import time
import zipfile
from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest

from serverless_patterns.local.processes import wait_until
from serverless_patterns.local.queues import Inbox
from tests.support.deployed import taken
from tests.support.fanout import Fanout, event
from tests.support.waiting import PATIENCE, eventually

#: The code of a user's own subscribers: each writes down what it gets, since a log may lose the last words of who fails.
CODE = """
import hashlib, os, time, uuid
import boto3

tables = boto3.client("dynamodb")

def note(record, context):
    body = (record.get("Sns") or {}).get("Message") or record["body"]
    row = {
        "id": str(uuid.uuid4()),
        "subscriber": context.function_name,
        "request_id": context.aws_request_id,
        "body": body[:1000],
        "bytes": str(len(body.encode())),
        "digest": hashlib.sha256(body.encode()).hexdigest(),
        "at": str(time.time_ns()),
    }
    tables.put_item(TableName=os.environ["SEEN"], Item={name: {"S": value} for name, value in row.items()})

def records(event, context):
    for record in event["Records"]:
        note(record, context)

def fails(event, context):
    records(event, context)
    raise LookupError("no such customer")

def stumbles(event, context):
    failed = []
    for record in event["Records"]:
        first = record["attributes"]["ApproximateReceiveCount"] == "1"
        if failed or ("stumble" in record["body"] and first):
            failed.append({"itemIdentifier": record["messageId"]})
        else:
            note(record, context)
    return {"batchItemFailures": failed}

def waits(event, context):
    gate = {"TableName": os.environ["GATE"], "Key": {"id": {"S": "open"}}, "ConsistentRead": True}
    for record in event["Records"]:
        tables.put_item(TableName=os.environ["GATE"], Item={"id": {"S": f"entered {record['messageId']}"}})
        while "Item" not in tables.get_item(**gate):
            time.sleep(0.1)
        note(record, context)
"""

#: The bundled subscriber, killed once: at the first sight of a message that is fatal, before or after its work.
KILLED = """
import os, signal
from sns_fanout.subscriber import Subscriber

receive = Subscriber._receive

def receive_and_die(self, message, context):
    dies = "fatal" in message.body and message.receive_count == 1
    if dies and os.environ["DIES"] == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    receive(self, message, context)
    if dies:
        os.kill(os.getpid(), signal.SIGKILL)

Subscriber._receive = receive_and_die
from sns_fanout.handler import handler
"""

#: Which messages a subscriber gets: its filter, and what it is that passes.
FILTERS = {
    "Exact": ({"event_type": ["orders.paid", "orders.declined"]}, "attributes", {"paid", "large", "declined"}),
    "Prefix": ({"event_type": [{"prefix": "refunds."}]}, "attributes", {"refunded"}),
    "AnythingBut": ({"event_type": [{"anything-but": ["orders.paid"]}]}, "attributes", {"declined", "refunded"}),
    "Numeric": ({"amount": [{"numeric": [">=", 100, "<", 1000]}]}, "attributes", {"large"}),
    "Exists": ({"amount": [{"exists": True}]}, "attributes", {"paid", "large"}),
    "Absent": ({"event_type": [{"exists": False}]}, "attributes", {"coloured"}),
    "AllOf": ({"event_type": ["orders.paid"], "amount": [{"numeric": ["<", 100]}]}, "attributes", {"paid"}),
    "OneOf": (
        {"$or": [{"event_type": ["orders.declined"]}, {"amount": [{"numeric": [">", 100]}]}]},
        "attributes",
        {"declined", "large"},
    ),
    "Nested": ({"order": {"state": ["PAID"], "lines": {"sku": [{"prefix": "B-"}]}}}, "body", {"large"}),
}

#: What is published to all of them: name -> attributes and order.
FILTERED = {
    "paid": ({"event_type": "orders.paid", "amount": 50}, {"state": "PAID", "lines": {"sku": "A-1"}}),
    "large": ({"event_type": "orders.paid", "amount": 100.5}, {"state": "PAID", "lines": {"sku": "B-1"}}),
    "declined": ({"event_type": "orders.declined"}, {"state": "DECLINED", "lines": {"sku": "B-2"}}),
    "refunded": ({"event_type": "refunds.paid"}, {"state": "PAID"}),
    "coloured": ({"colour": "red"}, {}),
    "bare": ({}, {}),
}

APP = f"""
from pathlib import Path
from types import SimpleNamespace
from aws_cdk import Duration, aws_dynamodb as dynamodb, aws_sns as sns

Path("code").mkdir()
Path("code/app.py").write_text({CODE!r})
KILLED, FILTERS = {KILLED!r}, {FILTERS!r}
operations = LOCAL.operations.replace(capacity=Capacity())

def table(name):
    return dynamodb.TableV2(stack, name, partition_key={{"name": "id", "type": dynamodb.AttributeType.STRING}})

seen, gate = table("Seen"), table("Gate")

def worker(**options):
    return WorkerOptions(**{{"timeout": Duration.seconds(10), "max_attempts": 3, "max_concurrency": 2, **options}})

def add(fanout, name, function, case=None, worker=worker(), **options):
    if case:
        options["filter_policy"] = {{"case": case}}
    subscriber = fanout.add_subscriber(
        name, handler=Handler.from_directory("code", f"app.{{function}}"), worker=worker,
        environment={{"SEEN": seen.table_name, "GATE": gate.table_name}}, **options,
    )
    seen.grant_write_data(subscriber.function)
    return subscriber

broken = SnsFanout(stack, "Broken", operations=operations)
most = {{"case": [{{"anything-but": ["poison", "nowhere"]}}]}}
broken.add_subscriber("Audit", handler=AuditTrail(), worker=worker(), filter_policy=most)
broken.add_subscriber("AuditDirectly", handler=AuditTrail(), direct=True, filter_policy={{"case": ["poison"]}})
at_once = worker(retry_delay=Duration.seconds(0))
broken.add_subscriber("AuditNowhere", handler=AuditTrail(), worker=at_once, filter_policy={{"case": ["nowhere"]}})
add(broken, "Failing", "fails", ["failing"])
add(broken, "Gone", "records", ["gone"])
directly = WorkerOptions(timeout=Duration.seconds(10))
add(broken, "FailingDirectly", "fails", ["direct"], directly, direct=True)
add(broken, "Direct", "records", ["direct"], directly, direct=True)
alarms = sns.Topic(stack, "Alarms")
broken.add_alarms(Alerts(critical=alarms))

filtered = SnsFanout(stack, "Filtered", operations=operations)
for name, (policy, on, _) in FILTERS.items():
    add(filtered, name, "records", filter_policy=policy, filter_on=on)

steady = SnsFanout(stack, "Steady", operations=operations)
slow = add(steady, "Slow", "waits", ["slow"], worker(batch_size=1, timeout=Duration.seconds(60)))
gate.grant_read_write_data(slow.function)
add(steady, "Fast", "records", ["slow", "raw"])
outputs = {{"SeenTableName": seen.table_name, "GateTableName": gate.table_name, "AlarmsTopicArn": alarms.topic_arn}}
for name, action, when in (("KilledAudit", "audit", "before"), ("KilledTotals", "aggregate", "after")):
    rows = table(name)
    killed = Handler.bundled("sns_fanout", entry="killed.handler", files={{"killed.py": KILLED}})
    settings = {{"ACTION": action, "TABLE_NAME": rows.table_name, "DIES": when}}
    subscriber = steady.add_subscriber(
        name, handler=killed, filter_policy={{"case": ["killed"]}}, worker=worker(max_attempts=10), environment=settings
    )
    rows.grant_read_write_data(subscriber.function)
    outputs[f"Steady{{name}}TableName"] = rows.table_name

ordered = SnsFanout(stack, "Ordered", fifo=True, operations=operations)
ordered.add_subscriber("Audit", handler=AuditTrail(), worker=worker())
add(ordered, "Calm", "records")
add(ordered, "Stumbling", "stumbles")

for name, fanout in {{"Broken": broken, "Filtered": filtered, "Steady": steady, "Ordered": ordered}}.items():
    outputs |= {{f"{{name}}{{key}}": value for key, value in fanout.outputs.items()}}
pattern = SimpleNamespace(outputs=outputs)
"""


@pytest.fixture(scope="module")
def stack(deploy_app):
    return deploy_app("broken-fanout", APP)


@pytest.fixture(scope="module")
def broken(account, stack):
    return Fanout(account, stack, "Broken")


@pytest.fixture(scope="module")
def filtered(account, stack):
    fanout = Fanout(account, stack, "Filtered")
    for name, (attributes, order) in FILTERED.items():
        fanout.publish({"name": name, "order": order}, **attributes)
    return fanout


@pytest.fixture(scope="module")
def steady(account, stack):
    return Fanout(account, stack, "Steady")


@pytest.fixture(scope="module")
def ordered(account, stack):
    return Fanout(account, stack, "Ordered")


def notes(fanout, subscriber):
    """What a user's own subscriber has written down, in order."""
    pages = fanout.account.client("dynamodb").get_paginator("scan").paginate(TableName=fanout.stack.outputs["SeenTableName"])
    rows = [{name: value["S"] for name, value in item.items()} for page in pages for item in page["Items"]]
    function = fanout.output(f"{subscriber}FunctionName")
    return sorted((row for row in rows if row["subscriber"] == function), key=lambda row: int(row["at"]))


def seen(fanout, subscriber):
    """The bodies that a user's own subscriber has seen, in order."""
    return [note["body"] for note in notes(fanout, subscriber)]


def ids_seen(fanout, subscriber):
    return Counter(json.loads(body)["id"] for body in seen(fanout, subscriber) if "id" in body)


def each_once(events, times=1):
    return Counter({each["id"]: times for each in events})


def kept(fanout, events, table="AuditTableName"):
    return set(fanout.rows(table, events))


@pytest.fixture(scope="module")
def failing(broken):
    """Twelve events to a subscriber that fails at each, and what had become of them when all was quiet."""
    events = [event() for _ in range(12)]
    broken.set_visibility(1, "Failing")
    broken.publish_events(events, case="failing")
    queue, dead_letters = broken.queue("Failing"), broken.dead_letters("Failing")
    waiting = eventually(lambda: (queue.count(), dead_letters.count()), (0, 12))
    tries = eventually(lambda: ids_seen(broken, "Failing"), each_once(events, times=3))
    return SimpleNamespace(events=events, waiting=waiting, tries=tries)


def test_a_subscriber_that_always_fails_is_tried_three_times_and_its_messages_wait_in_its_own_dead_letter_queue(failing):
    assert failing.waiting == (0, 12)
    assert failing.tries == each_once(failing.events, times=3)


def test_the_others_get_every_message_of_a_subscriber_that_always_fails(broken, failing):
    expected = {each["id"] for each in failing.events}
    assert eventually(lambda: kept(broken, failing.events), expected) == expected
    assert broken.dead_letters("Audit").take(lambda message: any(each in message.body for each in expected)) == []


def test_when_a_subscriber_is_mended_what_waits_in_its_dead_letter_queue_is_moved_back_and_worked_once(
    account, broken, failing
):
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", f"{CODE}\nfails = records\n")
    account.client("lambda").update_function_code(FunctionName=broken.output("FailingFunctionName"), ZipFile=code.getvalue())
    broken.set_visibility(60, "Failing")
    # By hand, since the emulator knows no StartMessageMoveTask.
    dead_letters, moved = broken.dead_letters("Failing"), []
    while letters := dead_letters.take():
        moved += letters
    for letter in moved:
        broken.queue("Failing").send(letter.body)
    assert len(moved) == 12
    expected = failing.tries + each_once(failing.events)
    assert eventually(lambda: ids_seen(broken, "Failing"), expected) == expected
    assert eventually(broken.queue("Failing").count, 0) == 0
    assert dead_letters.count() == 0


@pytest.fixture(scope="module")
def directly(broken):
    """Three events to two functions without queues, of which one fails; and the records of its failures."""
    events = [event() for _ in range(3)]
    broken.publish_events(events, case="direct")
    records = [json.loads(letter.body) for letter in taken(broken.dead_letters("FailingDirectly"), len(events))]
    return SimpleNamespace(events=events, records=records)


def test_a_direct_subscriber_that_fails_is_tried_three_times_under_one_request_id(broken, directly):
    tries = Counter(note["request_id"] for note in notes(broken, "FailingDirectly"))
    assert ids_seen(broken, "FailingDirectly") == each_once(directly.events, times=3)
    assert tries == Counter({record["requestContext"]["requestId"]: 3 for record in directly.records})


def test_the_event_and_the_reason_of_a_direct_subscriber_that_fails_are_kept_in_its_dead_letter_queue(directly):
    payloads = [json.loads(record["requestPayload"]["Records"][0]["Sns"]["Message"]) for record in directly.records]
    assert sorted(payload["id"] for payload in payloads) == sorted(each["id"] for each in directly.events)
    assert {record["responsePayload"]["errorType"] for record in directly.records} == {"LookupError"}
    assert {record["responsePayload"]["errorMessage"] for record in directly.records} == {"no such customer"}


def test_the_others_get_every_event_of_a_direct_subscriber_that_fails_and_a_direct_one_gets_it_once(broken, directly):
    expected = {each["id"] for each in directly.events}
    assert eventually(lambda: ids_seen(broken, "Direct"), each_once(directly.events)) == each_once(directly.events)
    assert eventually(lambda: kept(broken, directly.events), expected) == expected
    assert broken.dead_letters("Direct").count() == 0


def test_what_is_no_event_is_kept_with_all_its_faults_by_a_bundled_subscriber_without_a_queue(broken):
    broken.publish('{"id": ""}', case="poison")
    (letter,) = taken(broken.dead_letters("AuditDirectly"), 1)
    record = json.loads(letter.body)
    assert record["requestPayload"]["Records"][0]["Sns"]["Message"] == '{"id": ""}'
    assert record["responsePayload"]["errorType"] == "InvalidError"
    assert all(fault in record["responsePayload"]["errorMessage"] for fault in ("id", "correlation_id", "data"))


def test_an_event_whose_table_is_gone_is_tried_three_times_and_kept_with_the_reason(account, broken):
    account.client("dynamodb").delete_table(TableName=broken.output("AuditNowhereTableName"))
    events = [event() for _ in range(3)]
    broken.publish_events(events, case="nowhere")
    letters = taken(broken.dead_letters("AuditNowhere"), 3)
    found = {json.loads(letter.body)["id"]: letter.attributes for letter in letters}
    assert found.keys() == {each["id"] for each in events}
    assert {attributes["Error"] for attributes in found.values()} == {"ResourceNotFoundException"}
    assert {attributes["ReceiveCount"] for attributes in found.values()} == {"3"}
    assert eventually(broken.queue("AuditNowhere").count, 0) == 0


def test_what_cannot_be_delivered_to_a_queue_that_is_gone_is_kept_and_the_others_get_theirs(account, broken):
    account.client("sqs").delete_queue(QueueUrl=broken.output("GoneQueueUrl"))
    lost = event(type="orders.lost")
    broken.publish(lost, event_type=lost["type"], case="gone")
    (letter,) = taken(broken.undelivered("Gone"), 1)
    assert json.loads(letter.body) == lost
    assert letter.attributes == {"event_type": "orders.lost", "case": "gone"}
    assert eventually(lambda: kept(broken, [lost]), {lost["id"]}) == {lost["id"]}


def test_a_message_in_a_dead_letter_queue_sets_off_its_alarm_which_is_heard(account, stack, broken):
    with Inbox(account, stack.outputs["AlarmsTopicArn"]) as inbox:
        broken.publish("no event", case="alarm")
        url = broken.output("AuditDeadLetterQueueUrl")
        heard = []

        def alarmed():
            heard[:] = [json.loads(message.body) for message in inbox.received()]
            return any(url in each["AlarmDescription"] and each["NewStateValue"] == "ALARM" for each in heard)

        assert wait_until(alarmed, seconds=PATIENCE), heard
    (letter,) = broken.dead_letters("Audit").take()
    assert letter.body == "no event"


@pytest.mark.parametrize("name", FILTERS)
def test_a_subscriber_gets_the_messages_that_pass_its_filter_and_no_other(filtered, name):
    expected = Counter(FILTERS[name][2])

    def got_and_left():
        return Counter(json.loads(body)["name"] for body in seen(filtered, name)), filtered.queue(name).count()

    assert eventually(got_and_left, (expected, 0)) == (expected, 0)


def test_a_body_arrives_byte_for_byte(steady):
    body = json.dumps({"text": "ä\u0000 漢字 😀 \\ \" '\u2028\t\r\n", "more": 1.10}, ensure_ascii=False) + " \r\n"
    body += "é漢😀" * ((200 * 1024 - len(body.encode())) // len("é漢😀".encode()))
    sent = {"digest": hashlib.sha256(body.encode()).hexdigest(), "bytes": str(len(body.encode()))}
    assert int(sent["bytes"]) > 200 * 1000
    steady.publish(body, case="raw")

    def arrived():
        return [{name: note[name] for name in sent} for note in notes(steady, "Fast") if int(note["bytes"]) > 100_000]

    assert eventually(arrived, [sent]) == [sent]


@pytest.fixture(scope="module")
def held(account, stack, steady):
    """Six events to a subscriber that does not come to an end with any, and what had become of them meanwhile."""
    events = [event() for _ in range(6)]
    gate = account.table(stack.outputs["GateTableName"])
    steady.publish_events(events, case="slow")
    fast = eventually(lambda: ids_seen(steady, "Fast") & each_once(events), each_once(events))
    wait_until(lambda: gate.scan()["Count"] >= 2, seconds=PATIENCE)
    time.sleep(1.5)  # long enough for a third, if there were one
    entered = gate.scan()["Count"]
    worked = ids_seen(steady, "Slow")
    gate.put_item(Item={"id": "open"})
    return SimpleNamespace(events=events, fast=fast, entered=entered, worked=worked)


def test_a_subscriber_that_does_not_come_to_an_end_does_not_hold_up_the_others(held):
    assert held.worked == Counter()
    assert held.fast == each_once(held.events)


def test_a_subscriber_works_as_many_batches_at_once_as_it_may(held):
    assert held.entered == 2


def test_what_waited_for_a_slow_subscriber_is_worked_once_when_it_goes_on(steady, held):
    assert eventually(lambda: ids_seen(steady, "Slow"), each_once(held.events)) == each_once(held.events)
    assert eventually(steady.queue("Slow").count, 0) == 0


@pytest.fixture(scope="module")
def killed(account, steady):
    """Ten events, given as one batch to functions that are killed at the sixth: before its work, or after it."""
    events = [event(time="2003-04-05T00:00:00Z", data={"amount": 0.1, "currency": "EUR"}) for _ in range(10)]
    events[5]["source"] = "fatal"
    steady.publish(event(time="2003-04-06T00:00:00Z"), case="killed")
    # Started, they are as fast as the queue expects.
    assert eventually(lambda: [steady.queue(name).count() for name in ("KilledAudit", "KilledTotals")], [0, 0]) == [0, 0]
    mappings = account.client("lambda")
    names = [steady.output(f"{name}FunctionName") for name in ("KilledAudit", "KilledTotals")]
    ids = [mappings.list_event_source_mappings(FunctionName=name)["EventSourceMappings"][0]["UUID"] for name in names]
    for name, each in zip(("KilledAudit", "KilledTotals"), ids, strict=True):
        mappings.update_event_source_mapping(UUID=each, Enabled=False)
        steady.set_visibility(3, name)
    for each in events:
        steady.publish(each, case="killed")
    for each in ids:
        mappings.update_event_source_mapping(UUID=each, Enabled=True)
    return events


def test_a_function_that_is_killed_in_the_middle_of_a_batch_has_kept_each_event_once_in_the_end(steady, killed):
    expected = {each["id"] for each in killed}
    assert eventually(lambda: kept(steady, killed, "KilledAuditTableName"), expected) == expected
    assert eventually(steady.queue("KilledAudit").count, 0) == 0
    rows = steady.rows("KilledAuditTableName", killed)
    times = [datetime.fromisoformat(rows[each["id"]]["recorded_at"]["S"]) for each in killed]
    # It was killed in the middle: the last five had to wait until the queue gave the batch out again.
    assert min(times[5:]) - max(times[:5]) > timedelta(seconds=1)
    assert steady.dead_letters("KilledAudit").count() == 0


def test_a_message_that_is_delivered_again_since_the_function_died_after_its_work_is_counted_once(account, steady, killed):
    table = account.table(steady.output("KilledTotalsTableName"))
    total = {"id": "orders.paid#2003-04-05"}
    assert eventually(lambda: table.get_item(Key=total).get("Item", {}).get("events"), 10) == 10
    assert eventually(steady.queue("KilledTotals").count, 0) == 0
    assert table.get_item(Key=total)["Item"] == {**total, "events": 10, "amount_EUR": Decimal(1)}
    marks = [table.get_item(Key={"id": f"event#{each['id']}"})["Item"]["expires_at"] for each in killed]
    assert min(marks[6:]) - max(marks[:6]) > 1  # in seconds: six were counted before it died
    assert steady.dead_letters("KilledTotals").count() == 0


def in_groups(bodies, run):
    """The texts of a run by their group, in order."""
    found = [json.loads(body) for body in bodies]
    texts = {}
    for each in found:
        if each["source"] == run:
            texts.setdefault(each["correlation_id"], []).append(each["type"])
    return texts


def publish_in_order(fanout, run, groups):
    """One of each group after the other, as events whose type is their text."""
    for texts in zip(*groups.values(), strict=True):
        for group, text in zip(groups, texts, strict=True):
            each = event(type=text, correlation_id=group, source=run)
            fanout.publish(each, group=f"{run}-{group}", deduplication=each["id"])


def test_a_fifo_topic_keeps_the_order_of_each_group_also_where_a_message_fails_at_first(ordered):
    ordered.set_visibility(2, "Stumbling")
    groups = {group: [f"{group}{number}" for number in range(8)] for group in ("a", "b")}
    groups["a"][3] = "stumble"
    publish_in_order(ordered, "order", groups)
    assert eventually(lambda: in_groups(seen(ordered, "Calm"), "order"), groups) == groups
    assert eventually(lambda: in_groups(seen(ordered, "Stumbling"), "order"), groups) == groups


def test_a_fifo_topic_drops_what_is_published_twice_within_five_minutes(ordered):
    twice, marker = (event(type=text, correlation_id="a", source="twice") for text in ("twice", "marker"))
    ordered.publish(twice, group="twice", deduplication=twice["id"])
    assert eventually(lambda: in_groups(seen(ordered, "Calm"), "twice"), {"a": ["twice"]}) == {"a": ["twice"]}
    for each in (twice, marker):
        ordered.publish(each, group="twice", deduplication=each["id"])
    expected = {"a": ["twice", "marker"]}
    assert eventually(lambda: in_groups(seen(ordered, "Calm"), "twice"), expected) == expected


def test_a_message_of_a_fifo_topic_that_is_no_event_is_put_aside_and_its_group_goes_on(ordered):
    events = [event(), event()]
    bodies = [
        json.dumps(events[0]),
        '{"of": "the middle", "correlation_id": "", "source": "", "type": ""}',
        json.dumps(events[1]),
    ]
    for number, body in enumerate(bodies):
        ordered.publish(body, group="poison", deduplication=f"poison-{number}")
    expected = {each["id"] for each in events}
    assert eventually(lambda: kept(ordered, events), expected) == expected
    (letter,) = ordered.dead_letters("Audit").take()
    assert letter.body == bodies[1]
    assert "no envelope" in letter.attributes["Reason"]
