"""The ingest of SqsPipeline: POST /<resource> puts an order into the queue, GET /<resource>/{id} says where it stands."""

import base64
import contextlib
import dataclasses
import importlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, NoCredentialsError, ReadTimeoutError
from moto.dynamodb.models.table import Table
from types_boto3_dynamodb import DynamoDBClient

from shared import strict_json
from shared.aws import CLIENT_CONFIG
from shared.dynamodb import attributes_of, values_of
from shared.errors import ConflictError, InvalidError
from shared.schema import Schema
from shared.settings import SettingsError
from sqs_pipeline import ingest
from sqs_pipeline.ingest_logic import Intake, Orders
from sqs_pipeline.ingest_models import IngestSettings, Message
from sqs_pipeline.ingest_routes import api_of
from sqs_pipeline.ingest_store import OrderQueue, OrdersTable
from sqs_pipeline.models import Order
from tests.handlers.api_client import Answer, Calls, Client, event_of

KINDS = ["http_api_iam", "http_api_jwt", "rest_api_cognito"]
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "customer_id": {"type": "string", "minLength": 1},
        "amount": {"type": "number", "exclusiveMinimum": 0},
        "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
        "extra": {},
    },
    "required": ["customer_id", "amount", "currency"],
    "additionalProperties": False,
}
VARIABLES = {"RESOURCE": "orders", "TABLE_NAME": "ingested-orders", "SCHEMA_FILE": "sqs_pipeline/schema.json"}
ORDER = {"id": "o-1", "customer_id": "alice", "amount": 19.99, "currency": "EUR"}
TIME = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
LogLines = Callable[[], list[dict[str, Any]]]


@dataclass
class World:
    """A table, a queue, and an API in front of them."""

    dynamodb: DynamoDBClient
    sqs: Any
    settings: IngestSettings

    def intake(self, schema: dict[str, Any] = SCHEMA) -> Intake:
        table, queue = OrdersTable(self.settings.table_name, self.dynamodb), OrderQueue(self.settings.queue_url, self.sqs)
        return Intake(Schema(schema), self.settings.group_by, table, queue)

    def client(self, schema: dict[str, Any] = SCHEMA, **changes: Any) -> Client:
        self.settings = dataclasses.replace(self.settings, **changes)
        intake = self.intake(schema) if self.settings.queue_url else None
        api = api_of(self.settings, Orders(OrdersTable(self.settings.table_name, self.dynamodb)), intake)
        return Client(api).with_seconds_left(20)

    def fifo(self) -> str:
        attributes = {"FifoQueue": "true"}
        url: str = self.sqs.create_queue(QueueName="ingested.fifo", Attributes=attributes)["QueueUrl"]
        return url

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [values_of(item) for item in self.dynamodb.scan(TableName="ingested-orders")["Items"]]

    @property
    def messages(self) -> list[dict[str, Any]]:
        """All messages, which stay invisible from then on."""
        found: list[dict[str, Any]] = []
        wanted = {"MaxNumberOfMessages": 10, "AttributeNames": ["All"], "VisibilityTimeout": 600}
        while batch := self.sqs.receive_message(QueueUrl=self.settings.queue_url, **wanted).get("Messages"):
            found += batch
        return found

    def becomes(self, order_id: str, state: str, **more: object) -> None:
        """What the worker does to the row."""
        (row,) = [row for row in self.rows if row["id"] == order_id]
        history = [*row["history"], {"state": state, "at": "2026-03-01T12:00:00.000Z"}]
        changed = row | {"state": state, "attempts": 1, "history": history} | more
        self.dynamodb.put_item(TableName="ingested-orders", Item=attributes_of(changed))


@pytest.fixture
def world(dynamodb: DynamoDBClient) -> Iterator[World]:
    key = {"AttributeName": "id"}
    dynamodb.create_table(
        TableName="ingested-orders",
        KeySchema=[{**key, "KeyType": "HASH"}],
        AttributeDefinitions=[{**key, "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    sqs = boto3.client("sqs", config=CLIENT_CONFIG)
    url = sqs.create_queue(QueueName="ingested")["QueueUrl"]
    yield World(dynamodb, sqs, IngestSettings.from_environment(VARIABLES | {"QUEUE_URL": url}))
    dynamodb.delete_table(TableName="ingested-orders")
    for made in sqs.list_queues(QueueNamePrefix="ingested")["QueueUrls"]:
        sqs.delete_queue(QueueUrl=made)


@pytest.fixture
def orders(world: World) -> Client:
    """An HTTP API that takes orders."""
    return world.client()


@pytest.fixture(params=KINDS)
def any_orders(request: pytest.FixtureRequest, orders: Client) -> Client:
    """An API of each kind in turn."""
    return orders.as_kind(request.param)


@pytest.fixture
def sent(world: World) -> Iterator[Calls]:
    """The calls made to the table and the queue since the fixture was asked for, in their order."""
    calls = Calls()
    clients = {"dynamodb": world.dynamodb, "sqs": world.sqs}
    for name, client in clients.items():
        client.meta.events.register(f"provide-client-params.{name}", calls.record)
    yield calls
    for name, client in clients.items():
        client.meta.events.unregister(f"provide-client-params.{name}", calls.record)


def refused(code: str, status: int = 400) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "Operation")


PASSING = [
    refused("RequestThrottled", 403),
    refused("ThrottlingException"),
    refused("KMS.ThrottlingException"),
    refused("ServiceUnavailable", 503),
    ReadTimeoutError(endpoint_url="https://sqs.eu-central-1.amazonaws.com/"),
    ConnectTimeoutError(endpoint_url="https://sqs.eu-central-1.amazonaws.com/"),
]


@contextlib.contextmanager
def failing(client: Any, operation: str, error: Exception, *, after: bool = False) -> Iterator[None]:
    """The operation fails; with ``after``, it works and only its answer is lost."""
    works = getattr(client, operation)

    def fail(**params: object) -> object:
        if after:
            works(**params)
        raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, operation, fail)
        yield


def problem(answer: Answer) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["status"] == answer.status
    return answer.status, answer.detail


# --- an order is taken in


def test_an_order_is_accepted_with_its_id_the_time_and_its_location(any_orders: Client) -> None:
    answer = any_orders.post(ORDER)
    stage = "/prod" if any_orders.kind.startswith("rest") else ""
    assert (answer.status, answer.headers["location"]) == (202, f"{stage}/orders/o-1")
    assert answer.json.keys() == {"id", "accepted_at"}
    assert answer.json["id"] == "o-1"
    assert re.fullmatch(TIME, answer.json["accepted_at"])


def test_the_queue_gets_the_order_with_its_id_and_the_table_a_row_of_it(world: World, any_orders: Client) -> None:
    answer = any_orders.post(ORDER)
    (message,), (row,) = world.messages, world.rows
    assert message["Body"] == '{"amount":19.99,"currency":"EUR","customer_id":"alice","id":"o-1"}'
    time = answer.json["accepted_at"]
    order = Order("o-1", {"customer_id": "alice", "amount": Decimal("19.99"), "currency": "EUR"})
    assert row == {
        "id": "o-1",
        "order": order.fields,
        "body_hash": order.body_hash,
        "state": "PENDING",
        "attempts": 0,
        "created_at": time,
        "updated_at": time,
        "history": [{"state": "PENDING", "at": time}],
    }


def test_an_order_costs_one_write_and_one_message(orders: Client, sent: Calls) -> None:
    orders.post(ORDER)
    assert sent.names == ["PutItem", "SendMessage"]


def test_an_order_without_an_id_gets_one_that_nobody_has(world: World, orders: Client) -> None:
    order = {name: value for name, value in ORDER.items() if name != "id"}
    first, second = orders.post(order), orders.post(order)
    assert first.json["id"] != second.json["id"]
    assert len(first.json["id"]) == 36
    assert first.headers["location"] == f"/orders/{first.json['id']}"
    assert {json.loads(message["Body"])["id"] for message in world.messages} == {first.json["id"], second.json["id"]}


def test_a_schema_may_say_what_an_id_looks_like(world: World) -> None:
    named = world.client(SCHEMA | {"properties": SCHEMA["properties"] | {"id": {"type": "string", "pattern": "^o-"}}})
    assert named.post(ORDER).status == 202
    answer = named.post(ORDER | {"id": "p-1"})
    assert (answer.status, answer.errors) == (400, {"/id": 'value does not match "^o-"'})


def test_numbers_reach_the_row_and_the_message_with_every_digit(world: World, orders: Client) -> None:
    digits = "12345678901234567890.123456789"
    body = f'{{"id":"o-1","customer_id":"a","currency":"EUR","amount":{digits},"extra":[0.1,1e-130,{"9" * 38}]}}'
    assert orders.post(body).status == 202
    (message,), (row,) = world.messages, world.rows
    shown = f'"amount":{digits},"currency":"EUR","customer_id":"a","extra":[0.1,1E-130,{"9" * 38}]'
    assert message["Body"] == f'{{{shown},"id":"o-1"}}'
    assert row["order"]["amount"] == Decimal(digits)
    assert row["order"]["extra"] == [Decimal("0.1"), Decimal("1E-130"), Decimal("9" * 38)]
    assert f'"order":{{{shown}}}' in orders.get("o-1").text


def test_every_text_that_an_order_may_have_is_one_that_a_queue_takes(world: World, orders: Client) -> None:
    texts = ["\x01\t\n\x1f\x7f\x80\u2028", "\ufffe\uffff", "\\ufffe", "\U0001f600\U0010ffff"]
    assert orders.post(ORDER | {"extra": [*texts, {"\uffff": 1}]}).status == 202
    (message,) = world.messages
    assert re.fullmatch("[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*", message["Body"])
    sent = strict_json.parse(message["Body"].encode())
    assert isinstance(sent, dict)
    assert sent["extra"] == [*texts, {"\uffff": 1}]
    assert Order.parse(message["Body"].encode(), Schema(SCHEMA)).body_hash == world.rows[0]["body_hash"]


def test_an_order_as_deep_as_its_row_can_hold_is_taken_and_no_deeper_one(world: World, orders: Client, sent: Calls) -> None:
    def nested(levels: int) -> str:
        return json.dumps(ORDER)[:-1] + ', "extra": ' + "[" * levels + "]" * levels + "}"

    assert problem(orders.post(nested(31))) == (400, "The JSON is nested deeper than 31 levels.")
    assert sent.names == []
    assert orders.post(nested(30)).status == 202
    assert depth(world.dynamodb.scan(TableName="ingested-orders")["Items"][0]["order"]) == 31


def depth(value: object) -> int:
    """How deep lists and maps are nested in a value as DynamoDB's API has it."""
    match value:
        case {"M": dict(members)}:
            return 1 + max(map(depth, members.values()), default=0)
        case {"L": list(elements)}:
            return 1 + max(map(depth, elements), default=0)
        case _:
            return 0


# --- message groups


@pytest.mark.parametrize(
    ("value", "group"),
    [
        ("alice", "alice"),
        ("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
        ("x" * 128, "x" * 128),
        (7, "7"),
        (7.50, "7.5"),
        (True, "true"),
        (None, "null"),
    ],
)
def test_a_field_names_the_message_group(world: World, value: object, group: str) -> None:
    assert world.client(group_by="extra").post(ORDER | {"extra": value}).status == 202
    (message,) = world.messages
    assert message["Attributes"]["MessageGroupId"] == group


@pytest.mark.parametrize("value", ["", "x" * 129, "a b", "ä", "a\n", ["a b"], {"a": "ö"}])
def test_a_value_that_cannot_be_a_group_is_hashed_and_equal_ones_are_one_group(world: World, value: object) -> None:
    orders = world.client(group_by="extra")
    for order_id, extra in (("o-1", value), ("o-2", value), ("o-3", "a  b")):
        assert orders.post(ORDER | {"id": order_id, "extra": extra}).status == 202
    groups = {json.loads(message["Body"])["id"]: message["Attributes"]["MessageGroupId"] for message in world.messages}
    assert re.fullmatch("[0-9a-f]{64}", groups["o-1"])
    assert groups["o-1"] == groups["o-2"] != groups["o-3"]


def test_an_order_without_the_field_that_names_its_group_is_refused_without_a_call(world: World, sent: Calls) -> None:
    answer = world.client(group_by="extra").post(ORDER)
    assert problem(answer) == (400, "The order does not fit: errors has the fields.")
    assert answer.errors == {"/extra": "is required"}
    assert sent.names == []


def test_a_standard_queue_has_no_groups_unless_a_field_names_them(world: World, orders: Client) -> None:
    orders.post(ORDER)
    (message,) = world.messages
    assert not message["Attributes"].keys() & {"MessageGroupId", "MessageDeduplicationId"}


@pytest.mark.parametrize(("group_by", "group"), [("", "o-1"), ("customer_id", "alice"), ("id", "o-1")])
def test_a_fifo_queue_gets_a_group_and_the_id_to_tell_a_repetition_by(world: World, group_by: str, group: str) -> None:
    orders = world.client(queue_url=world.fifo(), group_by=group_by)
    assert [orders.post(ORDER).status for _ in range(2)] == [202, 202]
    (message,) = world.messages
    assert (message["Attributes"]["MessageGroupId"], message["Attributes"]["MessageDeduplicationId"]) == (group, "o-1")


# --- an order comes again


def test_a_repeated_order_gets_the_same_answer_and_is_one_row(world: World, any_orders: Client) -> None:
    first, again = any_orders.post(ORDER), any_orders.post(ORDER)
    assert (again.status, again.text, again.headers["location"]) == (202, first.text, first.headers["location"])
    assert len(world.rows) == 1


def test_the_same_order_with_its_names_and_zeros_otherwise_is_a_repetition(orders: Client) -> None:
    first = orders.post('{"id":"o-1","customer_id":"a","amount":19.90,"currency":"EUR"}')
    again = orders.post('{"amount":1.99e1,"currency":"EUR","customer_id":"a","id":"o-1"}')
    assert (again.status, again.text) == (202, first.text)


def test_while_it_is_pending_a_repeated_order_is_sent_again_as_it_was(world: World, orders: Client) -> None:
    orders.post(ORDER)
    orders.post(ORDER)
    first, second = world.messages
    assert first["Body"] == second["Body"]


@pytest.mark.parametrize("state", ["PROCESSING", "PAID", "DECLINED", "FAILED"])
def test_once_a_worker_has_had_it_a_repeated_order_is_not_sent_again(world: World, orders: Client, state: str) -> None:
    first = orders.post(ORDER)
    world.becomes("o-1", state, updated_at="2026-03-01T12:00:00.000Z")
    row = world.rows
    again = orders.post(ORDER)
    assert (again.status, again.text) == (202, first.text)
    assert len(world.messages) == 1
    assert world.rows == row


@pytest.mark.parametrize("change", [{"amount": 20}, {"extra": None}, {"customer_id": "bob"}])
def test_another_order_under_the_same_id_is_refused_and_nothing_is_sent(
    world: World, orders: Client, change: dict[str, object]
) -> None:
    orders.post(ORDER)
    row = world.rows
    answer = orders.post(ORDER | change)
    assert problem(answer) == (409, "There is another order with this id already.")
    assert "retry-after" not in answer.headers
    assert len(world.messages) == 1
    assert world.rows == row


@pytest.fixture
def _one_write_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """As DynamoDB writes an item; moto has no lock of its own."""
    put, lock = Table.put_item, threading.Lock()

    def locked(*args: Any, **more: Any) -> Any:
        with lock:
            return put(*args, **more)

    monkeypatch.setattr(Table, "put_item", locked)


@pytest.mark.usefixtures("_one_write_at_a_time")
def test_thirty_requests_at_once_with_one_id_are_one_row_and_get_one_answer(world: World) -> None:
    all_ready = threading.Barrier(30)
    intake, body = world.intake(), json.dumps(ORDER).encode()
    with ThreadPoolExecutor(30) as threads:
        answers = list(threads.map(lambda _: intake.accept(body, all_ready.wait), range(30)))
    assert len(set(answers)) == 1
    assert len(world.rows) == 1
    messages = world.messages
    assert {message["Body"] for message in messages} == {messages[0]["Body"]}


@pytest.mark.usefixtures("_one_write_at_a_time")
def test_of_thirty_different_orders_at_once_with_one_id_one_is_accepted_and_only_it_is_sent(world: World) -> None:
    all_ready = threading.Barrier(30)
    intake, accepted = world.intake(), []

    def post(amount: int) -> None:
        with contextlib.suppress(ConflictError):
            accepted.append((intake.accept(json.dumps(ORDER | {"amount": amount}).encode(), all_ready.wait), amount))

    with ThreadPoolExecutor(30) as threads:
        list(threads.map(post, range(1, 31)))
    ((_, amount),) = accepted
    assert [json.loads(message["Body"])["amount"] for message in world.messages] == [amount]
    assert world.rows[0]["order"]["amount"] == amount


# --- something fails


@pytest.mark.parametrize("error", PASSING, ids=str)
def test_an_order_that_could_not_be_sent_is_only_reserved_and_a_repetition_completes_it(
    world: World, orders: Client, error: Exception
) -> None:
    with failing(world.sqs, "send_message", error):
        answer = orders.post(ORDER)
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert answer.detail == 'The order is not accepted yet. Send it again with "id": "o-1", and it is accepted once.'
    (reservation,) = world.rows
    assert (reservation["state"], world.messages) == ("PENDING", [])
    again = orders.post(ORDER)
    assert (again.status, again.json["accepted_at"]) == (202, reservation["created_at"])
    assert (len(world.messages), world.rows) == (1, [reservation])


def test_an_order_without_an_id_that_could_not_be_sent_learns_the_id_to_come_again_with(world: World, orders: Client) -> None:
    order = {name: value for name, value in ORDER.items() if name != "id"}
    with failing(world.sqs, "send_message", PASSING[0]):
        told = re.search(r'"id": "([^"]+)"', orders.post(order).detail)
    assert told
    assert orders.post(order | {"id": told[1]}).json["id"] == told[1]
    assert [row["id"] for row in world.rows] == [told[1]]
    assert len(world.messages) == 1


def test_a_reservation_holds_its_id_against_another_order(world: World, orders: Client) -> None:
    with failing(world.sqs, "send_message", PASSING[0]):
        orders.post(ORDER)
    assert orders.post(ORDER | {"amount": 20}).status == 409
    assert world.messages == []


def test_an_order_whose_sending_had_no_answer_stays_the_same_order_when_it_comes_again(world: World, orders: Client) -> None:
    with failing(world.sqs, "send_message", ReadTimeoutError(endpoint_url="https://sqs"), after=True):
        assert orders.post(ORDER).status == 503
    again = orders.post(ORDER)
    assert (again.status, again.json["accepted_at"]) == (202, world.rows[0]["created_at"])
    assert {message["Body"] for message in world.messages} == {Order.parse(json.dumps(ORDER).encode(), Schema(SCHEMA)).body}
    assert len(world.rows) == 1


def test_a_row_whose_writing_had_no_answer_the_first_time_is_its_own(world: World, orders: Client) -> None:
    put = world.dynamodb.put_item

    def twice(**params: Any) -> object:
        put(**params)
        return put(**params)  # what the SDK does when the answer to its first attempt gets lost

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.dynamodb, "put_item", twice)
        assert orders.post(ORDER).status == 202
    assert len(world.messages) == 1


@pytest.mark.parametrize("error", [*PASSING, refused("ProvisionedThroughputExceededException")], ids=str)
def test_nothing_is_sent_of_an_order_that_could_not_be_reserved(world: World, orders: Client, error: Exception) -> None:
    with failing(world.dynamodb, "put_item", error):
        answer = orders.post(ORDER)
    assert problem(answer) == (503, "This does not work at the moment. Try again.")
    assert answer.headers["retry-after"] == "1"
    assert (world.messages, world.rows) == ([], [])
    assert orders.post(ORDER).status == 202


@pytest.mark.parametrize("error", [refused("AccessDenied", 403), refused("QueueDoesNotExist"), NoCredentialsError()], ids=str)
@pytest.mark.parametrize("operation", ["put_item", "send_message"])
def test_a_failure_that_stays_is_not_the_clients_fault_and_accepts_nothing(
    world: World, orders: Client, operation: str, error: Exception
) -> None:
    with failing(world.dynamodb if operation == "put_item" else world.sqs, operation, error):
        answer = orders.post(ORDER)
    assert problem(answer) == (500, "This failed, and not through a fault of the request.")
    assert world.messages == []
    assert orders.post(ORDER).status == 202


def test_a_table_that_fails_is_no_missing_order(world: World, orders: Client) -> None:
    with failing(world.dynamodb, "get_item", refused("ThrottlingException")):
        assert orders.get("o-1").status == 503


@pytest.mark.parametrize("seconds", [0.0, 7.1, 13.9])
def test_an_order_that_may_not_be_taken_in_in_time_is_not_begun(
    world: World, orders: Client, sent: Calls, seconds: float
) -> None:
    answer = orders.with_seconds_left(seconds).post(ORDER)
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert answer.detail == "There was not enough time left to do this safely, and nothing was changed. Try again."
    assert sent.names == []
    assert orders.with_seconds_left(14.1).post(ORDER).status == 202


# --- bodies that nobody should send


def test_each_field_that_does_not_fit_is_listed_and_no_call_is_made(any_orders: Client, sent: Calls) -> None:
    answer = any_orders.post({"id": "a/b", "amount": 0, "currency": "euro", "role/~admin": True})
    assert problem(answer) == (400, "The order does not fit: errors has the fields.")
    assert answer.errors == {
        "/customer_id": "is required",
        "/amount": "value is less than or equal to the minimum of 0",
        "/currency": 'value does not match "^[A-Z]{3}$"',
        "/role~1~0admin": "is not a known field",
        "/id": "must be 1 to 128 letters, digits or characters of ._~@:+-, and not . or ..",
    }
    assert sent.names == []


@pytest.mark.parametrize("order_id", ["", "a/b", "a b", "a%2Fb", ".", "..", "ö", "x" * 129, "a\r\nX: y", 5, None, ["a"]])
def test_an_id_that_does_not_fit_a_path_is_refused_without_a_call(orders: Client, sent: Calls, order_id: object) -> None:
    answer = orders.post(ORDER | {"id": order_id})
    assert answer.status == 400
    assert answer.errors == {"/id": "must be 1 to 128 letters, digits or characters of ._~@:+-, and not . or .."}
    assert sent.names == []


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (None, "The body is missing."),
        ("", "The body is missing."),
        ("[]", "The body must be a JSON object."),
        ("null", "The body must be a JSON object."),
        ('{"amount": 1', "The JSON is broken at line 1, column 13."),
        ('{"amount": NaN}', "The JSON has values that cannot be kept exactly."),
        ('{"amount": 1, "amount": 2}', "The JSON has values that cannot be kept exactly."),
        ('{"extra": "\\u0000"}', "The JSON has values that cannot be kept exactly."),
        ("[" * 100_000, "The JSON is nested deeper than 31 levels."),
        ('{"a":' * 5_000, "The JSON is nested deeper than 31 levels."),
    ],
)
def test_a_body_that_is_no_order_is_refused_without_a_call(
    any_orders: Client, sent: Calls, body: str | None, detail: str
) -> None:
    assert problem(any_orders.post(body)) == (400, detail)
    assert sent.names == []


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/merge-patch+json", "application/json; charset=latin-1", ""]
)
def test_another_content_type_is_refused_without_a_call(orders: Client, sent: Calls, content_type: str) -> None:
    answer = orders.post(ORDER, headers={"Content-Type": content_type})
    assert problem(answer) == (415, "Content-Type must be application/json, in UTF-8.")
    assert sent.names == []


def test_a_body_over_the_limit_is_refused_without_a_call(world: World, sent: Calls) -> None:
    answer = world.client(max_body_bytes=100).post(ORDER | {"extra": "x" * 100})
    assert problem(answer) == (413, "The body is larger than 100 bytes.")
    assert sent.names == []


def test_a_body_in_base64_is_decoded_before_it_is_counted(world: World, any_orders: Client) -> None:
    text = json.dumps(ORDER)
    world.client(max_body_bytes=len(text))
    assert any_orders.post(base64.b64encode(text.encode()).decode(), is_base64=True).json["id"] == "o-1"


def test_an_order_that_no_table_can_hold_is_refused_without_a_call(world: World, sent: Calls) -> None:
    answer = world.client(max_body_bytes=6_291_456).post(ORDER | {"extra": "x" * 400 * 1024})
    assert answer.status == 413
    assert "bytes that can be stored, names included." in answer.detail
    assert sent.names == []


def test_an_order_that_no_queue_takes_is_refused_without_a_call(world: World, sent: Calls) -> None:
    answer = world.client(max_body_bytes=6_291_456).post(ORDER | {"extra": "\x01" * 200_000})
    assert problem(answer) == (413, "The order is larger than the 1032192 bytes that a queue takes, names included.")
    assert sent.names == []


def test_no_value_of_a_refused_order_comes_back(orders: Client) -> None:
    assert "s3cret" not in orders.post({"id": "s3cret s3cret", "amount": "s3cret", "currency": "s3cret"}).text


# --- an order is read


@pytest.mark.parametrize("kind", KINDS)
def test_an_order_can_be_read_at_its_location_as_soon_as_it_is_accepted(orders: Client, kind: str) -> None:
    client = orders.as_kind(kind)
    created = client.post(ORDER)
    time = created.json["accepted_at"]
    answer = client.get(created.headers["location"].rpartition("/")[2])
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json == {
        "id": "o-1",
        "state": "PENDING",
        "order": {"customer_id": "alice", "amount": 19.99, "currency": "EUR"},
        "attempts": 0,
        "created_at": time,
        "updated_at": time,
        "history": [{"state": "PENDING", "at": time}],
    }


@pytest.mark.parametrize(
    ("state", "more"), [("PAID", {"payment_id": "p-1"}), ("DECLINED", {"reason": "no funds"}), ("FAILED", {"reason": "late"})]
)
def test_an_order_says_what_became_of_it_and_how(world: World, orders: Client, state: str, more: dict[str, str]) -> None:
    orders.post(ORDER)
    world.becomes("o-1", "PROCESSING")
    world.becomes("o-1", state, announced_at="2026-03-01T12:00:01.000Z", **more)
    shown = orders.get("o-1").json
    assert (shown["state"], shown["attempts"]) == (state, 1)
    assert [step["state"] for step in shown["history"]] == ["PENDING", "PROCESSING", state]
    assert {name: shown.get(name) for name in more} == more
    assert not shown.keys() & {"body_hash", "announced_at"}


def test_an_order_is_read_as_it_is_now(orders: Client, sent: Calls) -> None:
    orders.get("o-1")
    ((name, params),) = sent.made
    assert (name, params["ConsistentRead"]) == ("GetItem", True)


@pytest.mark.parametrize("order_id", ["unknown", "", "a/b", "..", "x" * 2048, "ö", "a b", "%", 'a"b', "a\n", "a\r\nX: y"])
def test_an_id_that_does_not_exist_is_not_found(any_orders: Client, order_id: str) -> None:
    assert problem(any_orders.get(order_id)) == (404, "There is no order with this id.")


@pytest.mark.parametrize("order_id", ["x" * 129, ".", "..", "a b"])
def test_an_id_that_cannot_be_one_makes_no_call(orders: Client, sent: Calls, order_id: str) -> None:
    assert orders.get(order_id).status == 404
    assert sent.names == []


# --- the API around it


def test_without_a_queue_orders_can_only_be_read(world: World, sent: Calls) -> None:
    world.client().post(ORDER)
    sent.made.clear()
    direct = world.client(queue_url="")
    for kind in KINDS:
        assert problem(direct.as_kind(kind).post(ORDER | {"id": "o-2"})) == (404, "There is no such method and path.")
    assert sent.names == []
    assert direct.get("o-1").json["state"] == "PENDING"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("method", "order_id"), [("GET", None), ("PUT", "a"), ("DELETE", "a"), ("POST", "a"), ("PATCH", "a")])
def test_a_method_that_a_path_does_not_have_is_not_found(orders: Client, kind: str, method: str, order_id: str | None) -> None:
    assert problem(orders.as_kind(kind).call(method, order_id, ORDER)) == (404, "There is no such method and path.")


def test_an_allowed_page_may_read_each_answer_errors_included(world: World) -> None:
    page = world.client(allow_origins=("https://b.example.com",), allow_credentials=True).as_kind("rest_api_cognito")
    origin = {"Origin": "https://b.example.com"}
    answers = [page.post(ORDER, headers=origin), page.post({}, headers=origin), page.get("o-1", headers=origin)]
    assert [answer.status for answer in answers] == [202, 400, 200]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == "https://b.example.com"
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert "Location" in answer.headers["access-control-expose-headers"]
    stranger = page.get("o-1", headers={"Origin": "https://evil.example"})
    assert not [name for name in stranger.headers if name.startswith("access-control")]


@pytest.mark.parametrize("kind", KINDS)
def test_no_log_line_has_anything_of_an_order_but_its_id(
    world: World, monkeypatch: pytest.MonkeyPatch, log_lines: LogLines, kind: str
) -> None:
    api = world.client().api
    monkeypatch.setattr(ingest, "_api", lambda: api)
    client = Client(ingest.handler, kind).with_seconds_left(20)
    private = {"customer_id": "Alice Example", "amount": 77.31, "currency": "EUR", "id": "o-1"}
    client.post(private)
    client.post(private | {"amount": 77.32})
    client.post(private | {"Alice Example": 1})
    client.post('{"Alice Example": 77.31')
    for operation in ("put_item", "send_message"):
        for error in (PASSING[0], refused("AccessDenied")):
            with failing(world.dynamodb if operation == "put_item" else world.sqs, operation, error):
                client.post(private)
    client.get("o-1")
    lines = log_lines()
    assert [line["status"] for line in lines if line["message"] == "request"] == [202, 409, 400, 400, 503, 500, 503, 500, 200]
    assert lines[0]["order_id"] == "o-1"
    for secret in ("Alice", "77.3", "EUR", "203.0.113.17", "AKIA"):
        assert secret not in str(lines)


def test_the_sdk_writes_no_order_even_if_everything_else_logs_at_debug(
    orders: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    orders.post(ORDER | {"customer_id": "Alice Example"})
    assert "Alice" not in caplog.text


# --- the entry point and its settings


@pytest.fixture
def deployed(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """The entry point itself, with its settings in the environment."""
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps(SCHEMA))
    for name, value in (VARIABLES | {"SCHEMA_FILE": str(schema), "QUEUE_URL": world.settings.queue_url}).items():
        monkeypatch.setenv(name, value)
    ingest._api.cache_clear()  # noqa: SLF001  another test has had other settings
    yield Client(ingest.handler).with_seconds_left(20)
    ingest._api.cache_clear()  # noqa: SLF001  the next test has other settings


@pytest.mark.parametrize("kind", KINDS)
def test_the_entry_point_reads_its_settings_takes_an_order_in_and_shows_it(world: World, deployed: Client, kind: str) -> None:
    assert deployed.as_kind(kind).post(ORDER).status == 202
    assert deployed.as_kind(kind).get("o-1").json["state"] == "PENDING"
    assert len(world.messages) == 1


def test_the_entry_point_without_a_queue_needs_no_schema(deployed: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEMA_FILE", "nothing/there.json")
    monkeypatch.delenv("QUEUE_URL")
    assert deployed.get("o-1").status == 404
    assert deployed.post(ORDER).detail == "There is no such method and path."


@pytest.mark.parametrize("event", [{}, None, [], {"Records": [{"eventSource": "aws:sqs"}]}])
def test_an_event_that_is_no_request_gets_a_problem(deployed: Client, event: object) -> None:
    assert problem(deployed.send(event)) == (400, "This is not a request from API Gateway.")


def test_a_damaged_request_gets_a_problem_that_says_nothing(deployed: Client) -> None:
    answer = deployed.send(event_of("http_api_iam", "POST") | {"body": 5})
    assert problem(answer) == (500, "This failed, and not through a fault of the request.")


def test_a_function_with_a_bad_variable_fails_while_it_starts_and_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "ingest")
    monkeypatch.setenv("RESOURCE", "orders")
    with pytest.raises(SettingsError, match=r"^TABLE_NAME must be set$"):
        importlib.reload(ingest)


def test_settings_have_careful_defaults() -> None:
    read = IngestSettings.from_environment(VARIABLES)
    assert (read.queue_url, read.group_by, read.max_body_bytes) == ("", "", 262_144)
    assert (read.allow_origins, read.allow_credentials, read.logs.level) == ((), False, "INFO")


def test_settings_are_read_from_their_variables() -> None:
    more = {"QUEUE_URL": "https://q", "GROUP_BY": "customer_id", "MAX_BODY_BYTES": "1000", "ALLOW_ORIGINS": "https://a.example"}
    read = IngestSettings.from_environment(VARIABLES | more | {"ALLOW_CREDENTIALS": "true", "DEBUG_SAMPLE_RATE": "0.25"})
    assert (read.queue_url, read.group_by, read.max_body_bytes) == ("https://q", "customer_id", 1000)
    assert (read.allow_origins, read.allow_credentials, read.logs.debug_sample_rate) == (("https://a.example",), True, 0.25)
    assert read.schema_file.parts[-3:] == ("lambda_src", "sqs_pipeline", "schema.json")


@pytest.mark.parametrize("name", ["RESOURCE", "TABLE_NAME", "SCHEMA_FILE"])
def test_a_missing_variable_names_itself(name: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{name} must be set$"):
        IngestSettings.from_environment(VARIABLES | {name: ""})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"RESOURCE": "a/b"}, "RESOURCE must be 1 to 64 letters, digits, - or _, got 'a/b'"),
        ({"MAX_BODY_BYTES": "0"}, "MAX_BODY_BYTES must be a whole number from 1 to 6291456, got '0'"),
        (
            {"ALLOW_ORIGINS": "*", "ALLOW_CREDENTIALS": "true"},
            "ALLOW_CREDENTIALS must be false where ALLOW_ORIGINS has *: browsers refuse the two together",
        ),
    ],
)
def test_a_malformed_variable_says_what_is_allowed(changes: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        IngestSettings.from_environment(VARIABLES | changes)
    assert str(caught.value) == message


def test_a_message_says_which_field_its_group_lacks() -> None:
    with pytest.raises(InvalidError) as caught:
        Message.of(Order("o-1", {}), "customer_id")
    assert [(fault.pointer, fault.message) for fault in caught.value.faults] == [("/customer_id", "is required")]
