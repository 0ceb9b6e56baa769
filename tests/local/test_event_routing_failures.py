"""EventRouting broken on purpose: code that fails, dies or hangs, what is gone, and what becomes of each event then."""

import json
import time
from collections import Counter
from types import SimpleNamespace

import pytest

from serverless_patterns.local.processes import wait_until
from serverless_patterns.local.queues import Inbox
from tests.support.deployed import taken
from tests.support.functions import DeployedFunction
from tests.support.routing import Routing, each_once, event, id_of, ids_of, letter_id
from tests.support.waiting import PATIENCE, eventually

#: The user's functions: each writes down what it gets, since a log may lose the last words of who dies.
CODE = """
import os, signal, time, uuid
import boto3
from event_routing.api import Envelope, Rejected

tables = boto3.client("dynamodb")

def note(event):
    row = {"id": str(uuid.uuid4()), "event": event.id, "route": os.environ["ROUTE"], "at": str(time.time_ns())}
    tables.put_item(TableName=os.environ["SEEN"], Item={name: {"S": value} for name, value in row.items()})

def is_first(event):
    mark = {"id": {"S": f"{os.environ['ROUTE']} {event.id}"}}
    try:
        tables.put_item(TableName=os.environ["GATE"], Item=mark, ConditionExpression="attribute_not_exists(id)")
    except tables.exceptions.ConditionalCheckFailedException:
        return False
    return True

def records(event: Envelope) -> None:
    note(event)

def fails(event: Envelope) -> None:
    note(event)
    if "MENDED" not in os.environ:
        raise LookupError("no such customer")

def rejects(event: Envelope) -> None:
    note(event)
    if event.data["quantity"] < 1:
        raise Rejected("the quantity is below 1")

def stumbles(event: Envelope) -> None:
    if event.data.get("stumbles") and is_first(event):
        raise LookupError("not this time")
    note(event)

def dies(event: Envelope) -> None:
    when = event.data["dies"]
    if when == "always" or (when == "before" and is_first(event)):
        os.kill(os.getpid(), signal.SIGKILL)
    note(event)
    if when == "after" and is_first(event):
        os.kill(os.getpid(), signal.SIGKILL)

def hangs(event: Envelope) -> None:
    if is_first(event):
        time.sleep(60)
    note(event)

def waits(event: Envelope) -> None:
    gate = {"TableName": os.environ["GATE"], "ConsistentRead": True}
    tables.put_item(TableName=os.environ["GATE"], Item={"id": {"S": f"entered {event.id}"}})
    while "Item" not in tables.get_item(Key={"id": {"S": "open"}}, **gate):
        time.sleep(0.1)
    note(event)
"""

#: What the data of checked events must be.
SCHEMA = {
    "type": "object",
    "properties": {"currency": {"enum": ["EUR"]}, "amount": {"type": "number", "minimum": 0}},
    "required": ["currency", "amount"],
}
#: Seconds: the least timeout of a route, and what is a little more than an event is claimed for by a function that dies.
TIMEOUT, HIDDEN = 15, 22

APP = f"""
from pathlib import Path
from types import SimpleNamespace
from aws_cdk import Duration, aws_dynamodb as dynamodb, aws_events as events, aws_s3 as s3, aws_scheduler as scheduler
from aws_cdk import aws_sns as sns

Path("code").mkdir()
Path("code/app.py").write_text({CODE!r})
operations = LOCAL.operations.replace(capacity=Capacity())

def table(name):
    return dynamodb.TableV2(stack, name, partition_key={{"name": "id", "type": dynamodb.AttributeType.STRING}})

seen, gate = table("Seen"), table("Gate")

def worker(**options):
    return WorkerOptions(**{{"timeout": Duration.seconds({TIMEOUT}), "max_attempts": 3, "max_concurrency": 2, **options}})

def add(routing, name, function=None, kind=None, worker=worker(), **options):
    if function:
        options["handler"] = Handler.from_directory("code", f"app.{{function}}")
        options["environment"] = {{"SEEN": seen.table_name, "GATE": gate.table_name, "ROUTE": name}}
    route = routing.add_route(name, pattern={{"detail-type": [kind or f"orders.{{name.lower()}}"]}}, worker=worker, **options)
    for each in (seen, gate):
        each.grant_read_write_data(route.function)

at_once = worker(retry_delay=Duration.seconds(0))
broken = EventRouting(stack, "Broken", operations=operations)
add(broken, "Audit", kind={{"prefix": "orders."}})
add(broken, "Failing", "fails", worker=at_once)
add(broken, "Stumbling", "stumbles", worker=at_once)
add(broken, "Rejecting", "rejects")
add(broken, "Checked", schemas={{"orders.checked": {SCHEMA!r}}})
add(broken, "Gone", "records")
add(broken, "Nowhere", worker=at_once)
add(broken, "Alarming")
add(broken, "Dying", "dies", worker=worker(batch_size=1, max_attempts=2))
add(broken, "Hanging", "hangs")
add(broken, "Slow", "waits", worker=worker(batch_size=1, timeout=Duration.seconds(60)))
alarms = sns.Topic(stack, "Alarms")
broken.add_alarms(Alerts(critical=alarms))

# On buses that are brought, which hear of a bucket and of schedules that begin when a test says so. One bus goes away.
bucket = s3.CfnBucket(
    stack, "Uploads", notification_configuration={{"eventBridgeConfiguration": {{"eventBridgeEnabled": True}}}}
)
uploads = {{"source": ["aws.s3"], "detail-type": ["Object Created"]}}
once = scheduler.ScheduleExpression.expression("at(2050-01-01T00:00:00)")

def bring(name):
    bus = events.EventBus(stack, f"{{name}}Bus", event_bus_name=f"{{name}}-of-somebody")
    routing = EventRouting(stack, name, bus=bus, operations=operations)
    routing.add_route("Everything", pattern={{"source": [{{"anything-but": "nobody"}}]}})
    routing.forward("Uploads", pattern=uploads)
    routing.add_schedule("Opening", schedule=once, detail_type="shop.opens", data={{"at": "<aws.scheduler.scheduled-time>"}})
    return routing

brought, orphan = bring("Brought"), bring("Orphan")
outputs = {{
    "SeenTableName": seen.table_name,
    "GateTableName": gate.table_name,
    "AlarmsTopicArn": alarms.topic_arn,
    "BucketName": bucket.ref,
}}
for name, routing in {{"Broken": broken, "Brought": brought, "Orphan": orphan}}.items():
    outputs |= {{f"{{name}}{{key}}": value for key, value in routing.outputs.items()}}
pattern = SimpleNamespace(outputs=outputs)
"""


@pytest.fixture(scope="module")
def stack(deploy_app):
    return deploy_app("broken-routing", APP)


@pytest.fixture(scope="module")
def broken(account, stack):
    return Routing(account, stack, "Broken")


@pytest.fixture(scope="module")
def brought(account, stack):
    return Routing(account, stack, "Brought")


@pytest.fixture(scope="module")
def orphan(account, stack):
    """What has lost its bus."""
    account.client("events").delete_event_bus(Name="Orphan-of-somebody")
    return Routing(account, stack, "Orphan")


@pytest.fixture(scope="module", autouse=True)
def crashed(broken):
    """Events whose functions die or hang: put first of all, since they stay claimed for as long as their function may run."""
    dying = {when: event("orders.dying", dies=when) for when in ("before", "after", "always")}
    hanging = event("orders.hanging")
    for route in ("Dying", "Hanging"):
        broken.set_visibility(HIDDEN, route)
    broken.put(*dying.values(), hanging)
    return SimpleNamespace(**dying, hanging=hanging)


def seen(routing, route):
    """How often a user's own function was called for each event."""
    table = routing.account.table(routing.stack.outputs["SeenTableName"])
    return Counter(row["event"] for row in table.scan(ConsistentRead=True)["Items"] if row["route"] == route)


def kept_by_audit(broken, events):
    return eventually(lambda: broken.kept("Audit", events), ids_of(events)) == ids_of(events)


@pytest.fixture(scope="module")
def failing(broken):
    """Twelve events to a function that fails at each, and what had become of them when all was quiet."""
    events, since = [event("orders.failing") for _ in range(12)], time.time()
    broken.put(*events)
    queue, dead_letters = broken.queue("Failing"), broken.dead_letters("Failing")
    waiting = eventually(lambda: (queue.count(), dead_letters.count()), (0, 12))
    return SimpleNamespace(events=events, since=since, waiting=waiting, tries=seen(broken, "Failing"))


def test_an_event_whose_function_fails_is_tried_three_times_and_waits_in_the_dead_letter_queue_of_its_route(broken, failing):
    assert failing.waiting == (0, 12)
    assert failing.tries == each_once(failing.events, times=3)
    letters = broken.dead_letters("Failing").messages()
    assert {letter.attributes["Error"] for letter in letters} == {"LookupError"}
    assert {letter.attributes["Reason"] for letter in letters} == {"unexpected error: LookupError"}


def test_the_other_routes_get_every_event_of_one_whose_function_fails(broken, failing):
    assert kept_by_audit(broken, failing.events)
    assert broken.dead_letters("Audit").take(lambda message: letter_id(message) in ids_of(failing.events)) == []


@pytest.fixture(scope="module")
def mended(emulator, account, broken, failing):
    """The same events once their function was mended and their dead letters moved back; how often it was called for each."""
    DeployedFunction(emulator, account, broken.output("FailingFunctionName")).add_variables(MENDED="yes")
    moved = broken.dead_letters("Failing").redrive(broken.queue("Failing"))
    calls = eventually(lambda: seen(broken, "Failing"), failing.tries + each_once(failing.events))
    return SimpleNamespace(events=failing.events, since=failing.since, moved=moved, calls=calls)


def test_when_a_function_is_mended_what_waits_in_its_dead_letter_queue_is_moved_back_and_worked_once(broken, failing, mended):
    assert mended.moved == 12
    assert mended.calls == failing.tries + each_once(failing.events)
    assert eventually(broken.queue("Failing").count, 0) == 0
    assert broken.dead_letters("Failing").count() == 0


def test_a_replay_after_the_dead_letters_were_worked_calls_no_function_again(broken, mended):
    broken.replay("after-the-redrive", since=mended.since, routes=["Failing"])
    said = {("COMPLETE", "after-the-redrive")}

    def told():
        return {(row["state"], row.get("replayed")) for row in broken.rows("Failing", mended.events).values()}

    assert eventually(told, said) == said
    assert eventually(broken.queue("Failing").count, 0) == 0
    assert seen(broken, "Failing") == mended.calls


def test_of_a_batch_those_that_fail_come_again_and_each_is_worked_once(broken):
    events = [event("orders.stumbling", stumbles=number % 3 == 0) for number in range(9)]
    broken.put(*events)
    assert eventually(lambda: seen(broken, "Stumbling"), each_once(events)) == each_once(events)
    assert eventually(broken.queue("Stumbling").count, 0) == 0
    assert broken.dead_letters("Stumbling").count() == 0


def test_an_event_that_its_function_rejects_is_kept_at_once_with_the_functions_own_words(broken):
    good, bad = event("orders.rejecting", quantity=1), event("orders.rejecting", quantity=0)
    broken.put(good, bad)
    (letter,) = taken(broken.dead_letters("Rejecting"), 1)
    assert (letter_id(letter), letter.attributes["Reason"]) == (id_of(bad), "the quantity is below 1")
    assert letter.attributes["ReceiveCount"] == "1"
    assert eventually(lambda: seen(broken, "Rejecting"), each_once([good, bad])) == each_once([good, bad])


def test_an_event_whose_data_does_not_fit_its_schema_is_kept_at_once_with_all_that_is_wrong(broken):
    good, bad = event("orders.checked", currency="EUR", amount=1), event("orders.checked", currency="Taler", amount=-1)
    broken.put(good, bad)
    (letter,) = taken(broken.dead_letters("Checked"), 1)
    assert letter_id(letter) == id_of(bad)
    assert all(field in letter.attributes["Reason"] for field in ("/data/currency", "/data/amount"))
    assert eventually(lambda: broken.kept("Checked", [good, bad]), {id_of(good)}) == {id_of(good)}
    assert kept_by_audit(broken, [good, bad])


@pytest.fixture(scope="module")
def undelivered(account, broken):
    """An event for a route whose queue is gone."""
    account.client("sqs").delete_queue(QueueUrl=broken.output("GoneQueueUrl"))
    found = SimpleNamespace(event=event("orders.gone"), since=time.time())
    broken.put(found.event)
    return found


def test_what_cannot_be_delivered_to_a_queue_that_is_gone_is_kept_and_the_other_routes_get_theirs(broken, undelivered):
    (letter,) = taken(broken.undelivered("Gone"), 1)
    assert letter_id(letter) == id_of(undelivered.event)
    assert letter.attributes["ERROR_CODE"] == "NO_RESOURCE"
    assert letter.attributes["RULE_ARN"].startswith(broken.output("BusArn").replace(":event-bus/", ":rule/"))
    assert kept_by_audit(broken, [undelivered.event])


def test_what_could_not_be_delivered_is_worked_once_when_the_queue_is_back_and_it_is_replayed(account, broken, undelivered):
    audited = broken.rows("Audit", [undelivered.event])
    account.client("sqs").create_queue(QueueName=broken.output("GoneQueueUrl").rpartition("/")[2])
    broken.replay("when-the-queue-is-back", since=undelivered.since, routes=["Gone"])
    once = each_once([undelivered.event])
    assert eventually(lambda: seen(broken, "Gone"), once) == once
    assert eventually(broken.queue("Gone").count, 0) == 0
    assert broken.rows("Audit", [undelivered.event]) == audited


@pytest.fixture(scope="module")
def without_table(account, broken):
    """The route whose table is gone."""
    account.client("dynamodb").delete_table(TableName=broken.output("NowhereTableName"))
    return "Nowhere"


def test_an_event_whose_table_is_gone_is_tried_three_times_and_kept_with_the_reason(broken, without_table):
    events = [event("orders.nowhere") for _ in range(3)]
    broken.put(*events)
    letters = taken(broken.dead_letters(without_table), 3)
    assert {letter_id(letter) for letter in letters} == ids_of(events)
    assert {letter.attributes["Error"] for letter in letters} == {"ResourceNotFoundException"}
    assert {letter.attributes["ReceiveCount"] for letter in letters} == {"3"}
    assert kept_by_audit(broken, events)


#: Of each kind, an event that can be worked, and one that never can.
MIXED = {
    "Stumbling": ({"stumbles": True}, None),
    "Rejecting": ({"quantity": 1}, {"quantity": 0}),
    "Checked": ({"currency": "EUR", "amount": 1}, {"currency": "EUR", "amount": -1}),
    "Nowhere": (None, {}),
}


def mixed(route):
    """Events of a route: those that can be worked, and those that never can, one of a version to come among them."""
    kind, (good, bad) = f"orders.{route.lower()}", MIXED[route]
    never = [event(kind, version=2, **(good or {})), *(event(kind, **bad) for _ in range(3) if bad is not None)]
    return [event(kind, **good) for _ in range(7) if good is not None], never


def test_with_poison_duplicates_and_broken_routes_each_event_is_worked_once_or_kept_with_its_reason(broken, without_table):
    sent = {route: mixed(route) for route in MIXED}
    good, bad = ([each for parts in sent.values() for each in parts[which]] for which in (0, 1))
    broken.put(*good, *bad, *good)
    expected = {route: (each_once(parts[0]), each_once(parts[1])) for route, parts in sent.items()}
    read = [each for each in [*good, *bad] if each["Detail"]["metadata"]["version"] == 1]
    expected["Audit"] = each_once(read), each_once([each for each in bad if each not in read])
    letters = {route: [] for route in expected}

    def found():
        for route, kept in letters.items():
            kept.extend(broken.dead_letters(route).take(lambda message: letter_id(message) in ids_of(bad)))
        return {route: (worked(route), Counter(map(letter_id, kept))) for route, kept in letters.items()}

    def worked(route):
        if route == without_table:
            return Counter()
        return Counter(name for name, row in broken.rows(route, [*good, *bad]).items() if row["state"] == "COMPLETE")

    assert eventually(found, expected) == expected
    assert eventually(lambda: [broken.queue(route).count() for route in expected], [0] * 5) == [0] * 5
    assert found() == expected
    assert all(letter.attributes["Reason"] for kept in letters.values() for letter in kept)
    calls = seen(broken, "Stumbling")
    assert {calls[id_of(each)] for each in sent["Stumbling"][0]} == {1}


def test_an_event_that_matches_no_route_is_in_the_archive_and_nowhere_else(broken):
    before = broken.archived()
    unmatched, marker = event("customers.moved"), event("orders.any")
    broken.put(unmatched, marker)
    assert kept_by_audit(broken, [marker])
    assert broken.archived() == before + 2
    assert broken.kept("Audit", [unmatched]) == set()


def test_a_dead_letter_sets_off_the_alarm_of_its_route_which_is_heard(account, stack, broken):
    with Inbox(account, stack.outputs["AlarmsTopicArn"]) as inbox:
        unread = event("orders.alarming", version=2)
        broken.put(unread)
        url = broken.output("AlarmingDeadLetterQueueUrl")
        heard = []

        def alarmed():
            heard[:] = [json.loads(message.body) for message in inbox.received()]
            return any(url in each["AlarmDescription"] and each["NewStateValue"] == "ALARM" for each in heard)

        assert wait_until(alarmed, seconds=PATIENCE), heard
    (letter,) = broken.dead_letters("Alarming").take()
    assert letter_id(letter) == id_of(unread)


@pytest.fixture(scope="module")
def held(account, stack, broken):
    """Six events to a function that does not come to an end with any, and what had become of them meanwhile."""
    events = [event("orders.slow") for _ in range(6)]
    gate = account.table(stack.outputs["GateTableName"])
    broken.put(*events)
    broken.put(events[0])  # once more, while it may be in progress
    audited = kept_by_audit(broken, events)

    def entered():
        return sum(row["id"].startswith("entered") for row in gate.scan()["Items"])

    wait_until(lambda: entered() >= 2, seconds=PATIENCE)
    time.sleep(1.5)  # long enough for a third, if there were one
    found = SimpleNamespace(events=events, audited=audited, entered=entered(), worked=seen(broken, "Slow"))
    gate.put_item(Item={"id": "open"})
    return found


def test_a_route_that_does_not_come_to_an_end_does_not_hold_up_the_others(held):
    assert held.worked == Counter()
    assert held.audited


def test_a_route_works_as_many_batches_at_once_as_it_may(held):
    assert held.entered == 2


def test_what_waited_for_a_slow_route_is_worked_once_when_it_goes_on(broken, held):
    assert eventually(lambda: seen(broken, "Slow"), each_once(held.events)) == each_once(held.events)
    assert eventually(broken.queue("Slow").count, 0) == 0
    assert seen(broken, "Slow") == each_once(held.events)


def upload(routing, key):
    """Upload a file to the bucket that the buses hear of."""
    routing.account.client("s3").put_object(Bucket=routing.stack.outputs["BucketName"], Key=key, Body=b"text")


def open_now(routing):
    """Let the schedule of a bus begin at once."""
    client = routing.account.client("scheduler")
    wanted = routing.output("BusArn")
    every = (client.get_schedule(**each) for each in _schedules(client))
    (known,) = [each for each in every if each["Target"]["Arn"] == wanted]
    names = ("GroupName", "Name", "Target", "FlexibleTimeWindow")
    now = time.strftime("at(%Y-%m-%dT%H:%M:%S)", time.gmtime())
    client.update_schedule(ScheduleExpression=now, **{name: known[name] for name in names})


def _schedules(client):
    return [{name: each[name] for name in ("GroupName", "Name")} for each in client.list_schedules()["Schedules"]]


def rows_of(routing, kind):
    """The rows of everything that came to a bus, of one type."""
    table = routing.account.table(routing.output("EverythingTableName"))
    return [row for row in table.scan(ConsistentRead=True)["Items"] if row["type"] == kind]


def test_an_event_of_an_aws_service_reaches_the_routes_of_the_bus_that_it_is_forwarded_to(brought):
    upload(brought, "forwarded.txt")

    def found():
        return [(row["source"], row["data"]["object"]["key"]) for row in rows_of(brought, "Object Created")]

    assert eventually(lambda: ("aws.s3", "forwarded.txt") in found(), wanted=True), found()
    assert found().count(("aws.s3", "forwarded.txt")) == 1


def test_a_tick_of_a_schedule_reaches_the_routes_once_with_an_envelope(brought):
    open_now(brought)

    def ticks():
        return [(row["source"], row["id"].endswith(row["time"]), row["data"]["at"]) for row in rows_of(brought, "shop.opens")]

    assert eventually(lambda: len(ticks()), 1) == 1
    ((source, is_named_by_time, at),) = ticks()
    assert (source, is_named_by_time) == ("event_routing/Opening", True)
    assert at == rows_of(brought, "shop.opens")[0]["time"]


def test_what_cannot_be_forwarded_since_the_bus_is_gone_is_kept(orphan):
    upload(orphan, "nowhere.txt")
    (letter,) = taken(orphan.undelivered("Uploads"), 1, lambda message: "nowhere.txt" in message.body)
    assert json.loads(letter.body)["detail"]["object"]["key"] == "nowhere.txt"
    assert letter.attributes["ERROR_CODE"] == "NO_RESOURCE"


def test_a_tick_of_a_schedule_whose_bus_is_gone_is_kept(orphan):
    open_now(orphan)
    (letter,) = taken(orphan.undelivered("Opening"), 1)
    assert json.loads(letter.body)["data"].keys() == {"at"}
    assert letter.attributes["RETRY_ATTEMPTS"] == "10"


# --- what takes longest comes last: it has been going on since the beginning


def test_an_event_whose_function_is_ended_by_its_timeout_is_worked_once_in_the_end(broken, crashed):
    assert eventually(lambda: seen(broken, "Hanging"), each_once([crashed.hanging])) == each_once([crashed.hanging])
    assert eventually(broken.queue("Hanging").count, 0) == 0
    assert broken.rows("Hanging", [crashed.hanging])[id_of(crashed.hanging)]["state"] == "COMPLETE"
    assert broken.dead_letters("Hanging").count() == 0


def test_an_event_whose_function_dies_before_its_effect_has_it_once(broken, crashed):
    once = each_once([crashed.before])
    assert eventually(lambda: seen(broken, "Dying") & once, once) == once
    assert eventually(lambda: state_of(broken, crashed.before), "COMPLETE") == "COMPLETE"
    assert seen(broken, "Dying")[id_of(crashed.before)] == 1


def test_an_event_whose_function_dies_after_its_effect_comes_once_more_under_the_same_id(broken, crashed):
    assert eventually(lambda: seen(broken, "Dying")[id_of(crashed.after)], 2) == 2
    assert eventually(lambda: state_of(broken, crashed.after), "COMPLETE") == "COMPLETE"


def test_an_event_whose_function_dies_each_time_is_kept_with_that_reason(broken, crashed):
    (letter,) = taken(broken.dead_letters("Dying"), 1)
    assert letter_id(letter) == id_of(crashed.always)
    assert "The function ended before it was done, each of 2 times" in letter.attributes["Reason"]
    assert eventually(broken.queue("Dying").count, 0) == 0


def state_of(broken, entry):
    return broken.rows("Dying", [entry]).get(id_of(entry), {}).get("state")
