"""StreamProcessing broken on purpose: poison, records that come again or late, and what dies, is gone or says no meanwhile."""

import signal
import time
from collections import Counter
from types import SimpleNamespace

import pytest

from serverless_patterns.local.processes import wait_until
from tests.support.between import LONGEST, Between, Refusal, refusal_in_xml, refusal_of_dynamodb
from tests.support.projection import Projection, new_id
from tests.support.waiting import PATIENCE, eventually

#: The bundled handler begins a write with 7 seconds left.
SHORT_TIMEOUT = 12
#: A handler of a user's own: it writes down what it is given, and fails for what it cannot take.
OWN = """
import boto3, os
audit = boto3.resource("dynamodb").Table(os.environ["AUDIT_TABLE_NAME"])
def handler(event, context):
    for record in event["Records"]:
        item = record["dynamodb"]["NewImage"]
        if "bad" in item:
            raise LookupError("no such customer")
    for record in event["Records"]:
        audit.put_item(Item={"id": record["dynamodb"]["Keys"]["id"]["S"], "sequence": record["dynamodb"]["SequenceNumber"]})
    return {"batchItemFailures": []}
"""
APP = f"""
from types import SimpleNamespace
from aws_cdk import Duration, aws_lambda as lambda_

order = {{"type": "object", "properties": {{"id": {{"type": "string"}}, "amount": {{"type": "integer"}}}}, "required": ["id"]}}
own = Handler(lambda_.Code.from_inline({OWN!r}), "index.handler")
given = {{
    "Items": {{}},
    "Orders": {{"source": KinesisOptions(shards=1), "schema": order}},
    "Own": {{"handler": own, "reader": ReaderOptions(max_retries=1)}},
}}
outputs = {{}}
for name, options in given.items():
    made = StreamProcessing(stack, name, operations=LOCAL.operations, **options)
    outputs |= {{f"{{name}}{{key}}": value for key, value in made.outputs.items()}}
pattern = SimpleNamespace(outputs=outputs)
"""
#: Records that nobody can ever take, and what their reason must say.
POISON = {
    "no JSON": (b"{", "The JSON is broken"),
    "no object": (b'["order"]', "no JSON object"),
    "not the schema": (b'{"id": "1", "amount": "much"}', "does not match the schema"),
    "a field that nobody knows": (b'{"id": "1", "colour": "red"}', "does not match the schema"),
    "JSON that goes 10,000 deep": (b"[" * 10_000, "nested"),
    "several records in one": (b"\xf3\x89\x9a\xc2 and more", "aggregates"),
    "nothing": (b"", "The JSON is broken"),
}
DENIED = refusal_of_dynamodb("AccessDeniedException")
THROTTLED = refusal_of_dynamodb("ProvisionedThroughputExceededException")
#: How a table can be down, and what it answers then.
DOWN = {
    "denied": lambda: DENIED,
    "throttled": lambda: THROTTLED,
    "failing": lambda: Refusal(500, b'{"__type": "com.amazon.coral.service#InternalServerError"}'),
    "answering nonsense": lambda: Refusal(502, b"<html>"),
    "slow": lambda: (time.sleep(4), THROTTLED)[1],
}


@pytest.fixture(scope="module")
def stack(deploy_app):
    return deploy_app("broken-streams", APP)


@pytest.fixture(scope="module")
def between(emulator):
    """What stands between the functions and the services that they call, and lets all through."""
    with Between(emulator.url) as between:
        yield between


@pytest.fixture(scope="module")
def streams(emulator, account, stack, between):
    """Each StreamProcessing of the stack, by its name."""
    found = {name: Projection(emulator, account, stack, name) for name in ("Items", "Orders", "Own")}
    for each in (found["Items"], found["Orders"]):
        each.function.add_variables(**between.variables)
    return SimpleNamespace(**found)


@pytest.fixture(scope="module")
def items(streams):
    return streams.Items


@pytest.fixture(scope="module")
def orders(streams):
    return streams.Orders


def about(name, service="dynamodb"):
    """Whether a call is about something of this name."""
    return lambda call: call.service == service and name.encode() in call.body + call.path.encode()


def refusing(between, wanted, answer):
    """Calls that are wanted are refused as long as this lasts."""
    return between.refusing(lambda call: answer() if wanted(call) else None)


# --- poison


@pytest.mark.parametrize("case", POISON)
def test_a_record_that_can_never_be_taken_is_kept_whole_with_the_reason_and_the_next_is_worked(orders, case):
    content, reason = POISON[case]
    name = new_id("poison")
    orders.send(content, {"id": name, "amount": 1}, key=name)
    orders.shows(name, {"id": name, "amount": 1})
    (kept,) = [each for each in orders.poison() if each["record"]["kinesis"]["partitionKey"] == name]
    assert reason in kept["reason"]
    assert kept["record"]["kinesis"] == orders.stored(name)[0]["kinesis"] | kept["record"]["kinesis"]
    assert orders.actions(name) == ["RECORDED"]


def test_an_item_that_no_view_can_show_is_kept_whole_with_the_reason_and_the_next_is_worked(items):
    large, small = new_id("large"), new_id("small")
    text = "x" * (400 * 1024 - 60)
    items.put(large, text=text)
    items.put(small, text="y")
    items.shows(small, {"id": small, "text": "y"})
    (kept,) = [each for each in items.poison() if each["record"]["dynamodb"]["Keys"] == {"id": {"S": large}}]
    assert "No row can hold it" in kept["reason"]
    assert kept["record"]["dynamodb"]["NewImage"]["text"] == {"S": text}
    assert (items.row(large), items.actions(large)) == ({}, ["INSERTED"])


# --- what comes again, and what comes late


def test_records_that_come_again_change_nothing(items):
    name = new_id()
    items.put(name, city="London")
    items.put(name, city="Paris")
    items.shows(name, {"id": name, "city": "Paris"})
    before = items.row(name), items.history(name)
    for _ in range(2):
        assert items.invoke(items.stored(name)) == {"batchItemFailures": []}
    assert (items.row(name), items.history(name)) == before


def test_an_older_record_that_comes_after_a_newer_one_does_not_take_its_place(items):
    changed, removed = new_id("changed"), new_id("removed")
    for name in (changed, removed):
        items.put(name, city="London")
        items.put(name, city="Paris")
    items.remove(removed)
    assert eventually(lambda: items.row(removed).get("removed"), wanted=True)
    before = [(items.row(name), items.history(name)) for name in (changed, removed)]
    for record in reversed(items.stored(changed, removed)):
        assert items.invoke([record]) == {"batchItemFailures": []}
    assert [(items.row(name), items.history(name)) for name in (changed, removed)] == before
    assert items.data(changed) == {"id": changed, "city": "Paris"}


def test_a_record_is_written_down_once_though_it_is_worked_twice_at_the_same_time(items, between):
    name = new_id()
    with between.held(about(name)) as waits:
        items.put(name, city="London")
        assert waits.wait(LONGEST)
        assert items.invoke(items.stored(name)) == {"batchItemFailures": []}
    items.shows(name, {"id": name, "city": "London"})
    assert items.actions(name) == ["INSERTED"]


# --- what dies, is gone or says no


def test_a_function_that_is_killed_in_the_middle_of_a_batch_has_worked_each_record_once_in_the_end(items):
    prefix = new_id("killed")
    names = [f"{prefix}-{number:03}" for number in range(100)]
    items.function.configure(Timeout=SHORT_TIMEOUT)
    with items.function.held():
        for name in names:
            items.put(name, city="London")
    assert wait_until(lambda: items.history(names[2]), seconds=PATIENCE, interval=0.005)
    for process in items.function.processes():
        process.send_signal(signal.SIGSTOP)
    assert not items.history(names[-1])
    for name in names:
        items.shows(name, {"id": name, "city": "London"})
    assert Counter(row["id"] for row in items.rows(prefix)) == dict.fromkeys(names, 1)
    assert not [each for each in items.given_up() if each["dynamodb"]["Keys"]["id"]["S"] in names]
    items.function.configure(Timeout=60)


def test_records_of_a_function_that_is_throttled_wait_and_are_worked_when_there_is_room(items):
    names = [new_id(f"throttled-{number}") for number in range(3)]
    with items.function.throttled():
        for name in names:
            items.put(name, city="London")
        assert items.total("AWS/Lambda", "Throttles", 2, FunctionName=items.output("FunctionName"))
        assert [items.history(name) for name in names] == [[], [], []]
    for name in names:
        items.shows(name, {"id": name, "city": "London"})
        assert items.actions(name) == ["INSERTED"]


@pytest.mark.parametrize("case", DOWN)
def test_records_wait_in_order_while_a_table_is_down_and_are_worked_once_when_it_is_not(items, between, case):
    name = new_id("waits")
    refused = []
    with refusing(between, lambda call: about(name)(call) and not refused.append(call), DOWN[case]):
        items.put(name, city="London")
        items.put(name, city="Paris")
        assert wait_until(lambda: len(refused) >= 3, seconds=PATIENCE)
        assert (items.row(name), items.history(name)) == ({}, [])
    items.shows(name, {"id": name, "city": "Paris"})
    assert items.actions(name) == ["INSERTED", "MODIFIED"]


def test_a_change_that_was_written_down_before_the_view_failed_is_shown_in_the_end_and_written_down_once(items, between):
    name = new_id("half")
    view = items.output("ViewTableName")
    with refusing(between, lambda call: about(name)(call) and about(view)(call), lambda: THROTTLED):
        items.put(name, city="London")
        assert eventually(lambda: items.actions(name), ["INSERTED"]) == ["INSERTED"]
        assert items.row(name) == {}
    items.shows(name, {"id": name, "city": "London"})
    assert items.actions(name) == ["INSERTED"]


def test_poison_waits_while_the_bucket_takes_nothing_and_is_kept_once_when_it_does(orders, between):
    name, refused = new_id("poison"), []
    with refusing(
        between, lambda call: call.service == "s3" and not refused.append(call), lambda: refusal_in_xml("AccessDenied")
    ):
        orders.send(b"{", {"id": name}, key=name)
        assert wait_until(lambda: len(refused) >= 2, seconds=PATIENCE)
        assert orders.history(name) == []
    orders.shows(name, {"id": name})
    assert len([each for each in orders.poison() if each["record"]["kinesis"]["partitionKey"] == name]) == 1


# --- a part of a batch


def test_of_a_batch_in_which_one_record_fails_those_before_it_are_done_and_it_and_the_others_come_again(items, between):
    prefix = new_id("part")
    names = [f"{prefix}-{number}" for number in range(5)]
    with refusing(between, about(names[2]), lambda: THROTTLED):
        with items.function.held():
            for name in names:
                items.put(name, city="London")
        items.shows(names[1], {"id": names[1], "city": "London"})
        assert [items.history(name) for name in names[2:]] == [[], [], []]
    for name in names:
        items.shows(name, {"id": name, "city": "London"})
        assert items.actions(name) == ["INSERTED"]


def test_a_handler_of_a_users_own_that_fails_for_one_record_gives_up_that_record_alone(streams):
    own = streams.Own
    prefix = new_id("own")
    names = [f"{prefix}-{number}" for number in range(7)]
    with own.function.held():
        for name in names:
            own.put(name, **({"bad": 1} if name == names[3] else {}))
    assert wait_until(lambda: len(own.rows(prefix)) == len(names) - 1, seconds=PATIENCE)
    given_up = [record["dynamodb"]["Keys"]["id"]["S"] for record in own.given_up()]
    assert given_up == [names[3]]
    assert names[3] not in {row["id"] for row in own.rows(prefix)}


# --- what is given up


@pytest.fixture
def given_up(items, between):
    """A record that failed until it was too old, with one after it that did not; and what Lambda has kept of it."""
    name, after = new_id("old"), new_id("after")
    with refusing(between, about(name), lambda: DENIED), items.giving_up_after(6):
        items.put(name, city="London")
        assert eventually(lambda: len(of_name(items.given_up(), name)), 1) == 1
    items.put(after, city="Paris")
    items.shows(after, {"id": after, "city": "Paris"})
    return SimpleNamespace(name=name, records=of_name(items.given_up(), name))


def of_name(records, name):
    """The records that are about an item."""
    return [record for record in records if record["dynamodb"]["Keys"]["id"]["S"] == name]


def test_a_record_that_is_too_old_is_kept_whole_and_the_next_is_worked(items, given_up):
    (record,) = given_up.records
    assert record["dynamodb"] == items.stored(given_up.name)[0]["dynamodb"] | record["dynamodb"]
    assert record["dynamodb"]["NewImage"]["city"] == {"S": "London"}
    assert (items.row(given_up.name), items.history(given_up.name)) == ({}, [])
    mapping = items.output("ReaderId")
    assert items.total("AWS/Lambda", "OnFailureDestinationDeliveredEventCount", 1, EventSourceMappingUUID=mapping)


def test_a_record_that_was_given_up_is_worked_when_it_is_given_to_the_function_again(items, given_up):
    for _ in range(2):
        assert items.invoke(given_up.records) == {"batchItemFailures": []}
    assert items.data(given_up.name) == {"id": given_up.name, "city": "London"}
    assert items.actions(given_up.name) == ["INSERTED"]


def test_a_record_that_was_given_up_does_not_take_the_place_of_what_has_come_since(items, given_up):
    items.put(given_up.name, city="Rome")
    items.shows(given_up.name, {"id": given_up.name, "city": "Rome"})
    assert items.invoke(given_up.records) == {"batchItemFailures": []}
    assert items.data(given_up.name) == {"id": given_up.name, "city": "Rome"}
    assert items.actions(given_up.name) == ["INSERTED", "MODIFIED"]


def test_a_record_that_was_given_up_does_not_bring_back_an_item_that_was_removed_since(items, given_up):
    items.remove(given_up.name)
    assert eventually(lambda: items.row(given_up.name).get("removed"), wanted=True)
    assert items.invoke(given_up.records) == {"batchItemFailures": []}
    assert items.row(given_up.name)["removed"]
    actions = items.actions(given_up.name)
    assert (actions.count("INSERTED"), actions[-1]) == (1, "REMOVED")


def test_records_that_are_given_up_while_the_bucket_is_gone_are_counted_and_the_stream_still_has_them(streams):
    own, name = streams.Own, new_id("lost")
    with own.without_bucket():
        own.put(name, bad=1)
        function, mapping = own.output("FunctionName"), own.output("ReaderId")
        assert own.total("AWS/Lambda", "DestinationDeliveryFailures", 1, FunctionName=function)
        assert own.total("AWS/Lambda", "DroppedEventCount", 1, EventSourceMappingUUID=mapping)
    assert [record["dynamodb"]["NewImage"]["bad"] for record in own.stored(name)] == [{"N": "1"}]


# --- none is lost


def test_of_300_records_with_poison_repetitions_and_failures_each_is_written_down_once_or_kept(orders, between):
    prefix = new_id("all")
    names = [f"{prefix}-{number:03}" for number in range(300)]
    poison, failing = set(names[::30]), set(names[7::50])
    records = [b'{"id": ' if name in poison else {"id": name, "amount": 1} for name in names]
    down = {"now": True}

    def refused(call):
        return down["now"] and any(about(name)(call) for name in failing)

    with refusing(between, refused, lambda: THROTTLED):
        for name, record in zip(names, records, strict=True):
            orders.send(record, key=name)
        assert wait_until(lambda: orders.rows(prefix), seconds=PATIENCE)
        orders.invoke(orders.stored(*names[:60]))  # at the same time as Lambda
        down["now"] = False
    assert wait_until(lambda: len(orders.rows(prefix)) >= len(names) - len(poison), seconds=PATIENCE)
    orders.invoke(orders.stored(*names))
    written = Counter(row["id"] for row in orders.rows(prefix))
    kept = Counter(each["record"]["kinesis"]["partitionKey"] for each in orders.poison())
    assert written + Counter({name: times for name, times in kept.items() if name in names}) == dict.fromkeys(names, 1)
    assert {name for name in kept if name in names} == poison
