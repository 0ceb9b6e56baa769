"""StreamProcessing deployed by the real CDK CLI, used from outside: what changes, and what the view and the audit say of it."""

import time
from collections import Counter
from datetime import datetime
from decimal import Decimal

import pytest

from serverless_patterns.local.drives import driven_patterns
from serverless_patterns.local.drives.stream_processing import drive
from serverless_patterns.local.processes import wait_until
from tests.support.projection import Projection, new_id
from tests.support.waiting import PATIENCE, eventually

#: Seconds.
DAY = 24 * 60 * 60
#: A table of a user's own with filters, a Kinesis stream whose two shards are worked twice at a time each.
APP = """
from types import SimpleNamespace
from aws_cdk import Duration, RemovalPolicy, aws_dynamodb as dynamodb, aws_lambda as lambda_

orders = {"type": "object", "properties": {"id": {"type": "string"}, "amount": {"type": "integer"}, "card": {}}}
theirs = dynamodb.TableV2(
    stack,
    "Theirs",
    partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
    sort_key=dynamodb.Attribute(name="line", type=dynamodb.AttributeType.NUMBER),
    dynamo_stream=dynamodb.StreamViewType.NEW_AND_OLD_IMAGES,
    removal_policy=RemovalPolicy.DESTROY,
)
written = lambda_.FilterCriteria.filter({"eventName": lambda_.FilterRule.or_("INSERT", "MODIFY")})
given = {
    "Orders": {
        "source": KinesisOptions(shards=2),
        "key_field": "id",
        "schema": {**orders, "required": ["id"]},
        "excluded": ["card"],
        "reader": ReaderOptions(batch_size=50, parallelization_factor=2),
    },
    "Lines": {
        "source": theirs,
        "filters": [written],
        "audit_retention": Duration.days(30),
        "failure_bucket": BucketOptions(expiration=Duration.days(14), versioned=False),
    },
}
outputs = {}
for name, options in given.items():
    made = StreamProcessing(stack, name, operations=LOCAL.operations, **options)
    outputs |= {f"{name}{key}": value for key, value in made.outputs.items()}
pattern = SimpleNamespace(outputs=outputs)
"""


def seconds_of(text):
    """A time as the view and the audit have it, in seconds since 1970."""
    return int(datetime.fromisoformat(text).timestamp())


@pytest.fixture(scope="module")
def customers(emulator, account, local_environment):
    return Projection(emulator, account, account.stack("local-stream-processing"))


@pytest.fixture(scope="module")
def stack(deploy_app):
    return deploy_app("other-streams", APP)


@pytest.fixture(scope="module")
def orders(emulator, account, stack):
    return Projection(emulator, account, stack, "Orders")


@pytest.fixture(scope="module")
def lines(emulator, account, stack):
    return Projection(emulator, account, stack, "Lines")


def test_the_drive_finds_every_promise_kept(account, customers):
    assert "stream_processing" in driven_patterns()
    hops = []
    drive(account, account.stack("local-stream-processing"), hops.append)
    assert [hop.faults for hop in hops] == [()] * len(hops)
    assert len(hops) == 8


def test_a_drive_leaves_nothing_behind(account, customers):
    drive(account, account.stack("local-stream-processing"), lambda _: None)
    left = [customers.rows("drive-"), [row for row in customers.view.scan()["Items"] if row["id"].startswith("drive-")]]
    assert left == [[], []]
    assert [kept for kept in customers.poison() if "drive-" in str(kept["record"]["dynamodb"]["Keys"])] == []


def test_the_view_has_the_newest_state_of_an_item_and_the_audit_each_change_of_it(customers):
    name = new_id()
    customers.put(name, city="London", born=Decimal("1815.1210"))
    customers.put(name, city="Paris", born=Decimal("1815.1210"), tags={"math", "poetry"})
    customers.shows(name, {"id": name, "city": "Paris", "born": Decimal("1815.121"), "tags": {"math", "poetry"}})
    history = customers.history(name)
    assert [(row["action"], row["changed"]) for row in history] == [
        ("INSERTED", ["born", "city", "id"]),
        ("MODIFIED", ["city", "tags"]),
    ]
    row = customers.row(name)
    assert (row["sequence"], row["updated_at"]) == (history[-1]["sequence"], history[-1]["at"])


def test_an_item_that_a_user_removes_is_a_tombstone_for_longer_than_an_older_record_can_come_again(customers):
    name = new_id()
    customers.put(name, city="London")
    customers.remove(name)
    assert eventually(lambda: customers.row(name).get("removed"), wanted=True)
    assert customers.actions(name) == ["INSERTED", "REMOVED"]
    assert "data" not in customers.row(name)
    assert customers.row(name)["expires_at"] - seconds_of(customers.row(name)["updated_at"]) == 184 * DAY


def test_an_item_that_expires_is_told_from_one_that_a_user_removes(customers):
    expires, stays = new_id("expires"), new_id("removed")
    customers.put(expires, city="London", expires_at=int(time.time()) - 1)
    customers.put(stays, city="London", expires_at=int(time.time()) + 3600)
    customers.remove(stays)
    assert eventually(lambda: customers.actions(expires), ["INSERTED", "EXPIRED"]) == ["INSERTED", "EXPIRED"]
    assert eventually(lambda: customers.actions(stays), ["INSERTED", "REMOVED"]) == ["INSERTED", "REMOVED"]


def test_an_item_that_comes_back_is_shown_again(customers):
    name = new_id()
    customers.put(name, city="London")
    customers.remove(name)
    customers.put(name, city="Paris")
    customers.shows(name, {"id": name, "city": "Paris"})
    assert customers.actions(name) == ["INSERTED", "REMOVED", "INSERTED"]
    assert "removed" not in customers.row(name)


def test_what_is_excluded_is_stored_nowhere_and_a_change_of_nothing_else_leaves_the_view_as_it_is(customers):
    name = new_id()
    customers.put(name, city="London", password_hash="secret-1")
    customers.shows(name, {"id": name, "city": "London"})
    before = customers.row(name)
    customers.put(name, city="London", password_hash="secret-2")
    assert eventually(lambda: customers.actions(name), ["INSERTED", "MODIFIED"]) == ["INSERTED", "MODIFIED"]
    assert customers.row(name) == before
    assert "secret" not in str([customers.row(name), customers.history(name), customers.poison()])
    assert "password_hash" not in str([customers.row(name), customers.history(name)])


def test_each_of_1000_changes_has_one_row_in_the_audit_and_the_last_of_each_item_is_shown(customers):
    prefix, each, times = new_id("many"), 50, 20
    for number in range(times):
        with customers.source.batch_writer() as batch:
            for item in range(each):
                batch.put_item(Item={"id": f"{prefix}-{item}", "number": number})
    names = [f"{prefix}-{item}" for item in range(each)]
    assert wait_until(lambda: all((customers.data(name) or {}).get("number") == times - 1 for name in names), seconds=PATIENCE)
    rows = customers.rows(prefix)
    assert Counter(row["id"] for row in rows) == dict.fromkeys(names, times)
    assert len({row["sequence"] for row in rows}) == len(rows) == each * times


def test_records_of_a_kinesis_stream_are_shown_under_the_field_that_is_their_key(orders):
    name = new_id("order")
    orders.send({"id": name, "amount": 1, "card": "4111"}, {"id": name, "amount": 2, "card": "4111"}, key=name)
    orders.shows(name, {"id": name, "amount": 2})
    assert orders.actions(name) == ["RECORDED", "RECORDED"]
    assert "4111" not in str([orders.row(name), orders.history(name)])


def test_records_of_one_key_of_a_kinesis_stream_keep_their_order_however_many_are_worked_at_a_time(orders):
    prefix, names, times = new_id("ordered"), 10, 20
    orders.send(*({"id": f"{prefix}-{name}", "amount": number} for number in range(times) for name in range(names)))
    for name in range(names):
        orders.shows(f"{prefix}-{name}", {"id": f"{prefix}-{name}", "amount": times - 1})
    assert wait_until(lambda: len(orders.rows(prefix)) == names * times, seconds=PATIENCE)
    for name in range(names):
        at = [(row["sequence"], row["at"]) for row in orders.history(f"{prefix}-{name}")]
        assert at == sorted(at)


def test_what_a_filter_does_not_ask_for_is_not_worked(lines):
    name = new_id("line")
    for line in (1, 2):
        lines.source.put_item(Item={"id": name, "line": line, "text": "one"})
    lines.source.delete_item(Key={"id": name, "line": 1})
    lines.source.put_item(Item={"id": name, "line": 2, "text": "two"})
    ids = [f'{{"id":"{name}","line":{line}}}' for line in (1, 2)]
    lines.shows(ids[1], {"id": name, "line": 2, "text": "two"})
    assert [lines.actions(each) for each in ids] == [["INSERTED"], ["INSERTED", "MODIFIED"]]
    assert lines.data(ids[0]) == {"id": name, "line": 1, "text": "one"}


def test_the_rows_of_an_audit_that_is_kept_for_30_days_say_when_they_may_go(lines):
    name = new_id("line")
    lines.source.put_item(Item={"id": name, "line": 1})
    found = f'{{"id":"{name}","line":1}}'
    assert wait_until(lambda: lines.history(found), seconds=PATIENCE)
    (row,) = lines.history(found)
    assert row["expires_at"] - seconds_of(row["at"]) == 30 * DAY
