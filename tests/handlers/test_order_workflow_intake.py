"""The intake of OrderWorkflow: POST /<resource> starts the execution of an order, GET /<resource>/{id} says where it stands."""

import base64
import contextlib
import dataclasses
import importlib
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, NoCredentialsError, ReadTimeoutError
from moto.dynamodb.models.table import Table
from types_boto3_dynamodb import DynamoDBClient

from order_workflow import intake
from order_workflow.executions import Executions
from order_workflow.intake_logic import Intake, Orders
from order_workflow.intake_models import IntakeSettings
from order_workflow.intake_routes import api_of
from order_workflow.intake_store import OrdersTable
from order_workflow.logic import MOST_INPUT_BYTES
from shared.dynamodb import attributes_of, values_of
from shared.errors import ConflictError
from shared.schema import Schema
from shared.settings import SettingsError
from tests.handlers.api_client import Answer, Client
from tests.handlers.worker_client import refused
from tests.handlers.workflow_client import Steps

MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:orders"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "amount": {"type": "number", "exclusiveMinimum": 0, "multipleOf": 0.01},
        "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
        "items": {"type": "array", "minItems": 1},
        "extra": {},
    },
    "required": ["amount", "currency", "items"],
    "additionalProperties": False,
}
VARIABLES = {
    "RESOURCE": "orders",
    "TABLE_NAME": "items-table",
    "STATE_MACHINE_ARN": MACHINE,
    "SCHEMA_FILE": "order_workflow/schema.json",
}
ORDER = {"id": "o-1", "amount": 19.99, "currency": "EUR", "items": [{"sku": "cup", "quantity": 2}]}
WITHOUT_ID = {name: value for name, value in ORDER.items() if name != "id"}
#: What goes away by itself.
PASSING = [
    refused("ThrottlingException"),
    refused("ExecutionLimitExceeded"),
    refused("KmsThrottlingException"),
    refused("ServiceUnavailable", 503),
    ReadTimeoutError(endpoint_url="https://states.eu-central-1.amazonaws.com/"),
    ConnectTimeoutError(endpoint_url="https://states.eu-central-1.amazonaws.com/"),
]


@dataclass
class Machine:
    """Step Functions, as far as it starts executions: one of each name, and no second one, whatever its input is."""

    inputs: dict[str, str] = field(default_factory=dict)
    errors: list[Exception] = field(default_factory=list)
    calls: int = 0
    loses_answers: bool = False

    def start_execution(self, **parameters: Any) -> dict[str, Any]:
        self.calls += 1
        assert parameters.keys() == {"stateMachineArn", "name", "input"}
        assert parameters["stateMachineArn"] == MACHINE
        if self.errors and not self.loses_answers:
            raise self.errors.pop()
        if parameters["name"] in self.inputs:
            exists = refused("ExecutionAlreadyExists")
            raise exists
        self.inputs[parameters["name"]] = parameters["input"]
        if self.errors:
            raise self.errors.pop()
        return {}


@dataclass
class World:
    """A table, a state machine, and an API in front of them."""

    dynamodb: DynamoDBClient
    machine: Machine = field(default_factory=Machine)
    settings: IntakeSettings = field(default_factory=lambda: IntakeSettings.from_environment(VARIABLES))

    @property
    def table(self) -> OrdersTable:
        return OrdersTable("items-table", self.dynamodb)

    def intake(self, schema: dict[str, Any] = SCHEMA) -> Intake:
        return Intake(Schema(schema), self.table, Executions(MACHINE, self.machine))

    def client(self, schema: dict[str, Any] = SCHEMA, **changes: Any) -> Client:
        settings = dataclasses.replace(self.settings, **changes)
        return Client(api_of(settings, Orders(self.table), self.intake(schema))).with_seconds_left(20)

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [values_of(item) for item in self.dynamodb.scan(TableName="items-table")["Items"]]

    @property
    def row(self) -> dict[str, Any]:
        (row,) = self.rows
        return row

    def becomes(self, state: str, **more: object) -> None:
        """What the execution does to the row."""
        claimed = {"state": state, "execution": f"{MACHINE}:o-1", "updated_at": "2026-03-01T12:00:00.000Z"}
        self.dynamodb.put_item(TableName="items-table", Item=attributes_of({**self.row, **claimed, **more}))


@pytest.fixture
def world(dynamodb: DynamoDBClient) -> World:
    return World(dynamodb)


@pytest.fixture
def orders(world: World) -> Client:
    """An HTTP API that takes orders."""
    return world.client()


def problem(answer: Answer) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["status"] == answer.status
    return answer.status, answer.detail


# --- an order is taken in


@pytest.mark.parametrize("kind", ["http_api_iam", "http_api_jwt", "rest_api_cognito"])
def test_an_order_is_accepted_with_its_id_the_time_and_its_location(world: World, kind: str) -> None:
    answer = world.client().as_kind(kind).post(ORDER)
    stage = "/prod" if kind.startswith("rest") else ""
    assert (answer.status, answer.headers["location"]) == (202, f"{stage}/orders/o-1")
    assert answer.json == {"id": "o-1", "accepted_at": world.row["created_at"]}


def test_its_execution_is_named_after_it_and_gets_it_as_it_came(world: World, orders: Client) -> None:
    orders.post('{"id": "o-1", "amount": 19.90, "currency": "EUR", "items": [{"quantity": 2, "sku": "cup"}], "extra": 1e-9}')
    assert world.machine.inputs == {
        "o-1": '{"amount":19.9,"currency":"EUR","extra":1E-9,"id":"o-1","items":[{"quantity":2,"sku":"cup"}]}'
    }


def test_its_row_is_there_before_it_is_accepted_and_names_no_execution(world: World, orders: Client) -> None:
    orders.post(ORDER)
    row = world.row
    assert row.keys() == {"id", "order", "body_hash", "state", "created_at", "updated_at"}
    assert (row["id"], row["state"], row["created_at"]) == ("o-1", "PENDING", row["updated_at"])


def test_the_order_in_its_row_is_the_one_that_the_first_step_makes_of_it(
    world: World, orders: Client, dynamodb: DynamoDBClient, payment: Any
) -> None:
    orders.post(ORDER)
    row = world.row
    validated = Steps(dynamodb, payment).do("ValidateOrder", json.loads(world.machine.inputs["o-1"]))
    assert json.loads(row["order"]) == validated["order"]


def test_an_order_without_an_id_gets_one_that_nobody_has(world: World, orders: Client) -> None:
    first, second = orders.post(WITHOUT_ID), orders.post(WITHOUT_ID)
    assert first.json["id"] != second.json["id"]
    assert first.headers["location"] == f"/orders/{first.json['id']}"
    assert {*world.machine.inputs} == {first.json["id"], second.json["id"]}
    assert json.loads(world.machine.inputs[first.json["id"]])["id"] == first.json["id"]


def test_where_the_schema_says_what_an_id_looks_like_a_made_one_must_fit_as_well(world: World) -> None:
    named = world.client({**SCHEMA, "properties": {**SCHEMA["properties"], "id": {"type": "string", "pattern": "^o-"}}})
    assert named.post(ORDER).status == 202
    answer = named.post(WITHOUT_ID)
    assert (answer.status, answer.errors) == (400, {"/id": 'value does not match "^o-"'})


def test_where_the_schema_requires_an_id_none_is_made(world: World) -> None:
    answer = world.client({**SCHEMA, "required": [*SCHEMA["required"], "id"]}).post(WITHOUT_ID)
    assert (answer.status, answer.errors) == (400, {"/id": "is required"})
    assert (world.machine.calls, world.rows) == (0, [])


# --- an order comes again


def test_a_repeated_order_gets_the_same_answer_and_is_one_row_and_one_execution(world: World, orders: Client) -> None:
    first, again = orders.post(ORDER), orders.post(ORDER)
    assert (again.status, again.text, again.headers["location"]) == (202, first.text, first.headers["location"])
    assert (len(world.rows), [*world.machine.inputs]) == (1, ["o-1"])


def test_the_same_order_with_its_names_and_zeros_otherwise_is_a_repetition(orders: Client) -> None:
    first = orders.post('{"id":"o-1","amount":19.90,"currency":"EUR","items":[1]}')
    again = orders.post('{"items":[1.0],"amount":1.99e1,"currency":"EUR","id":"o-1"}')
    assert (again.status, again.text) == (202, first.text)


@pytest.mark.parametrize("state", ["PROCESSING", "SHIPPED", "DECLINED", "FAILED", "UNRESOLVED"])
def test_once_its_execution_has_taken_it_up_a_repeated_order_starts_nothing(world: World, orders: Client, state: str) -> None:
    first = orders.post(ORDER)
    world.becomes(state)
    row = world.row
    again = orders.post(ORDER)
    assert (again.status, again.text) == (202, first.text)
    assert (world.machine.calls, world.row) == (1, row)


@pytest.mark.parametrize("change", [{"amount": 20}, {"extra": None}, {"currency": "USD"}])
@pytest.mark.parametrize("state", ["PENDING", "SHIPPED"])
def test_another_order_under_the_same_id_is_refused_and_starts_nothing(
    world: World, orders: Client, change: dict[str, object], state: str
) -> None:
    orders.post(ORDER)
    world.becomes(state)
    row = world.row
    answer = orders.post(ORDER | change)
    assert problem(answer) == (409, "There is another order with this id already.")
    assert "retry-after" not in answer.headers
    assert (world.machine.calls, world.row) == (1, row)


def test_an_order_under_the_id_of_one_that_was_started_elsewhere_is_refused(world: World, orders: Client) -> None:
    world.dynamodb.put_item(TableName="items-table", Item=attributes_of({"id": "o-1", "state": "REJECTED", "reason": "r"}))
    assert orders.post(ORDER).status == 409
    assert world.machine.calls == 0


@pytest.fixture
def _one_write_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """As DynamoDB writes an item; moto has no lock of its own."""
    put, lock = Table.put_item, threading.Lock()

    def locked(*args: Any, **more: Any) -> Any:
        with lock:
            return put(*args, **more)

    monkeypatch.setattr(Table, "put_item", locked)


@pytest.mark.usefixtures("_one_write_at_a_time")
def test_of_thirty_different_orders_at_once_with_one_id_one_is_accepted_and_only_it_is_started(world: World) -> None:
    all_ready = threading.Barrier(30)
    taken, accepted = world.intake(), []

    def wait() -> None:
        all_ready.wait()

    def post(amount: int) -> None:
        body = json.dumps(ORDER | {"amount": amount}).encode()
        with contextlib.suppress(ConflictError):
            accepted.append((taken.accept(body, wait), amount))

    with ThreadPoolExecutor(30) as threads:
        list(threads.map(post, range(1, 31)))
    ((_, amount),) = accepted
    assert json.loads(world.machine.inputs["o-1"])["amount"] == amount
    assert json.loads(world.row["order"])["amount"] == str(amount)


# --- something fails


@pytest.mark.parametrize("error", PASSING, ids=str)
def test_an_order_that_could_not_be_started_is_only_reserved_and_a_repetition_completes_it(
    world: World, orders: Client, error: Exception
) -> None:
    world.machine.errors = [error]
    answer = orders.post(ORDER)
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert answer.detail == 'The order is not accepted yet. Send it again with "id": "o-1", and it is accepted once.'
    reservation = world.row
    assert (reservation["state"], world.machine.inputs) == ("PENDING", {})
    again = orders.post(ORDER)
    assert (again.status, again.json["accepted_at"]) == (202, reservation["created_at"])
    assert ([*world.machine.inputs], world.row) == (["o-1"], reservation)


def test_an_order_without_an_id_that_could_not_be_started_learns_the_id_to_come_again_with(
    world: World, orders: Client
) -> None:
    world.machine.errors = [refused("ThrottlingException")]
    told = orders.post(WITHOUT_ID).detail.split('"')[3]
    assert orders.post(ORDER | {"id": told}).json["id"] == told
    assert ([row["id"] for row in world.rows], [*world.machine.inputs]) == ([told], [told])


def test_a_reservation_holds_its_id_against_another_order(world: World, orders: Client) -> None:
    world.machine.errors = [refused("ThrottlingException")]
    orders.post(ORDER)
    assert orders.post(ORDER | {"amount": 20}).status == 409
    assert world.machine.inputs == {}


def test_an_order_whose_start_had_no_answer_has_one_execution_when_it_comes_again(world: World, orders: Client) -> None:
    world.machine.errors, world.machine.loses_answers = [ReadTimeoutError(endpoint_url="https://states")], True
    assert orders.post(ORDER).status == 503
    assert orders.post(ORDER).status == 202
    assert (len(world.rows), [*world.machine.inputs]) == (1, ["o-1"])


def test_a_row_whose_writing_had_no_answer_the_first_time_is_its_own(world: World, orders: Client) -> None:
    put = world.dynamodb.put_item

    def twice(**params: Any) -> object:
        put(**params)
        return put(**params)  # what the SDK does when the answer to its first attempt gets lost

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.dynamodb, "put_item", twice)
        assert orders.post(ORDER).status == 202
    assert [*world.machine.inputs] == ["o-1"]


@contextlib.contextmanager
def failing(client: Any, operation: str, error: Exception) -> Iterator[None]:
    def fail(**_: object) -> object:
        raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, operation, fail)
        yield


@pytest.mark.parametrize("error", [refused("ProvisionedThroughputExceededException"), *PASSING[3:]], ids=str)
def test_nothing_is_started_of_an_order_that_could_not_be_reserved(world: World, orders: Client, error: Exception) -> None:
    with failing(world.dynamodb, "put_item", error):
        answer = orders.post(ORDER)
    assert problem(answer) == (503, "This does not work at the moment. Try again.")
    assert (world.machine.calls, world.rows) == (0, [])


@pytest.mark.parametrize("error", [refused("AccessDeniedException"), refused("InvalidArn"), NoCredentialsError()], ids=str)
def test_a_failure_that_stays_is_not_the_clients_fault_and_accepts_nothing(
    world: World, orders: Client, error: Exception
) -> None:
    world.machine.errors = [error]
    assert problem(orders.post(ORDER)) == (500, "This failed, and not through a fault of the request.")
    assert orders.post(ORDER).status == 202


def test_a_table_that_fails_is_no_missing_order(world: World, orders: Client) -> None:
    with failing(world.dynamodb, "get_item", refused("ThrottlingException")):
        assert orders.get("o-1").status == 503


@pytest.mark.parametrize("seconds", [0.0, 7.1, 13.9])
def test_an_order_that_may_not_be_taken_in_in_time_is_not_begun(world: World, orders: Client, seconds: float) -> None:
    answer = orders.with_seconds_left(seconds).post(ORDER)
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert (world.machine.calls, world.rows) == (0, [])
    assert orders.with_seconds_left(14.1).post(ORDER).status == 202


# --- bodies that nobody should send

#: What is sent -> what is answered.
BODIES: dict[str, tuple[str, int, str]] = {
    "nothing": ("", 400, "The body is missing."),
    "null": ("null", 400, "The body must be a JSON object."),
    "an array": ("[]", 400, "The body must be a JSON object."),
    "a number": ("5", 400, "The body must be a JSON object."),
    "a text": ('"order"', 400, "The body must be a JSON object."),
    "true": ("true", 400, "The body must be a JSON object."),
    "no JSON": ("{", 400, "The JSON is broken at line 1, column 2."),
    "half an object": ('{"id": "o-1",', 400, "The JSON is broken at line 1, column 14."),
    "a comment": ('{} // "o-1"', 400, "The JSON is broken at line 1, column 4."),
    "NaN": (json.dumps(ORDER | {"amount": float("nan")}), 400, "The JSON has values that cannot be kept exactly."),
    "infinity": (json.dumps(ORDER | {"amount": float("inf")}), 400, "The JSON has values that cannot be kept exactly."),
    "a huge number": ('{"amount": 1e999}', 400, "The JSON has values that cannot be kept exactly."),
    "a name twice": ('{"id": "o-1", "id": "o-2"}', 400, "The JSON has values that cannot be kept exactly."),
    "half a character": (json.dumps(ORDER | {"extra": "\ud800"}), 400, "The JSON has values that cannot be kept exactly."),
    "NUL": (json.dumps(ORDER | {"extra": "\0"}), 400, "The JSON has values that cannot be kept exactly."),
    "deep JSON": ("[" * 100_000, 400, "The JSON is nested deeper than 32 levels."),
    "too much": (json.dumps(ORDER | {"extra": "x" * MOST_INPUT_BYTES}), 413, "The body is larger than 102400 bytes."),
    "an empty object": ("{}", 400, "The order does not fit: errors has the fields."),
    "an unknown field": (json.dumps(ORDER | {"admin": True}), 400, "The order does not fit: errors has the fields."),
}


@pytest.mark.parametrize("sent", BODIES)
def test_what_is_no_order_is_refused_in_words_and_nothing_is_written_or_started(
    world: World, orders: Client, sent: str
) -> None:
    body, status, detail = BODIES[sent]
    assert problem(orders.post(body)) == (status, detail)
    assert (world.machine.calls, world.rows) == (0, [])


def test_each_field_that_does_not_fit_is_listed(orders: Client) -> None:
    answer = orders.post({"id": "a/b", "amount": 0, "currency": "euro", "role": True})
    assert answer.errors == {
        "/items": "is required",
        "/amount": "value is less than or equal to the minimum of 0",
        "/currency": 'value does not match "^[A-Z]{3}$"',
        "/role": "is not a known field",
        "/id": "must be 1 to 80 letters, digits or characters of ._@+-, and begin with a letter or digit",
    }


def test_a_number_that_its_execution_would_round_is_named_and_nothing_is_written(world: World, orders: Client) -> None:
    answer = orders.post({**ORDER, "extra": {"customer": 9007199254740993, "share": 0.5}})
    assert (answer.status, answer.errors) == (
        400,
        {"/extra/customer": "has more than 15 significant digits: send it as a text"},
    )
    assert (world.machine.calls, world.rows) == (0, [])


NO_NAMES: list[object] = ["", "a/b", "a b", "a:b", "a~b", ".", "..", "-a", "ö", "x" * 81, "a\r\nX: y", "a*", 5, None, ["a"], {}]


@pytest.mark.parametrize("order_id", NO_NAMES, ids=repr)
def test_an_id_that_cannot_name_an_execution_is_refused(world: World, orders: Client, order_id: object) -> None:
    answer = orders.post(ORDER | {"id": order_id})
    assert answer.status == 400
    assert "/id" in answer.errors
    assert (world.machine.calls, world.rows) == (0, [])


@pytest.mark.parametrize("order_id", ["o", "x" * 80, "A.b_c@d+e-f", "0"])
def test_an_id_that_can_name_an_execution_is_taken_and_found(orders: Client, order_id: str) -> None:
    assert orders.post(ORDER | {"id": order_id}).status == 202
    assert orders.get(order_id).json["id"] == order_id


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "application/jsonx"]
)
def test_another_format_is_refused(world: World, orders: Client, content_type: str) -> None:
    answer = orders.post(ORDER, headers={"Content-Type": content_type})
    assert problem(answer) == (415, "Content-Type must be application/json, in UTF-8.")
    assert world.machine.calls == 0


def test_a_body_in_base64_is_read_and_one_that_is_none_is_refused(orders: Client) -> None:
    encoded = base64.b64encode(json.dumps(ORDER).encode()).decode()
    assert orders.post(encoded, is_base64=True).status == 202
    assert problem(orders.post("{}", is_base64=True)) == (400, "The body is not in base64.")


def test_a_body_that_is_not_utf8_is_refused(orders: Client) -> None:
    encoded = base64.b64encode(b'{"id": "\xff"}').decode()
    assert problem(orders.post(encoded, is_base64=True)) == (400, "The JSON is not UTF-8.")


def test_an_order_that_grows_too_large_for_its_execution_is_refused_before_anything_is_written(
    world: World, orders: Client
) -> None:
    body = json.dumps(ORDER)[:-1] + ', "extra": [' + ",".join(["1e20"] * 20_000) + "]}"
    assert len(body) < MOST_INPUT_BYTES
    answer = orders.post(body)
    assert problem(answer) == (
        413,
        "The order is larger than the 102400 bytes that its execution can have, names included.",
    )
    assert (world.machine.calls, world.rows) == (0, [])


# --- an order is asked for


def test_a_just_started_order_is_shown_though_no_step_has_seen_it(orders: Client) -> None:
    accepted = orders.post(ORDER).json
    assert orders.get("o-1").json == {
        "id": "o-1",
        "state": "PENDING",
        "order": ORDER | {"amount": "19.99"},
        "created_at": accepted["accepted_at"],
        "updated_at": accepted["accepted_at"],
    }


def test_an_ended_order_says_how_it_ended_and_nothing_of_how_it_is_worked(world: World, orders: Client) -> None:
    orders.post(ORDER)
    world.becomes("DECLINED", reason="card refused", payment_id="", stock="RELEASED")
    found = orders.get("o-1").json
    assert (found["state"], found["reason"], found["stock"]) == ("DECLINED", "card refused", "RELEASED")
    assert not {"execution", "body_hash", "payment_id", "shipment"} & found.keys()


def test_what_the_first_step_wrote_into_the_row_is_shown_with_its_digits(world: World, orders: Client) -> None:
    orders.post(ORDER)
    world.becomes("PROCESSING", order='{"id":"o-1","amount":"19.99","extra":0.12345678901234567}')
    assert '"extra":0.12345678901234567' in orders.get("o-1").text


def test_an_order_that_was_refused_elsewhere_is_shown_without_what_it_was(world: World, orders: Client) -> None:
    world.dynamodb.put_item(TableName="items-table", Item=attributes_of({"id": "o-1", "state": "REJECTED", "reason": "r"}))
    assert orders.get("o-1").json == {"id": "o-1", "state": "REJECTED", "reason": "r"}


@pytest.mark.parametrize("order_id", ["o-2", "x" * 81, "..", "a:b", "%", "o-1 "])
def test_an_unknown_order_is_not_found(orders: Client, order_id: str) -> None:
    orders.post(ORDER)
    assert problem(orders.get(order_id)) == (404, "There is no order with this id.")


@pytest.mark.parametrize(("method", "order_id"), [("PUT", "o-1"), ("DELETE", "o-1"), ("GET", None)])
def test_there_is_no_other_route(orders: Client, method: str, order_id: str | None) -> None:
    assert problem(orders.call(method, order_id)) == (404, "There is no such method and path.")


# --- the entry point


@pytest.mark.parametrize("missing", ["RESOURCE", "TABLE_NAME", "STATE_MACHINE_ARN", "SCHEMA_FILE"])
def test_a_missing_variable_is_named(missing: str) -> None:
    with pytest.raises(SettingsError, match=f"^{missing} must be set"):
        IntakeSettings.from_environment({name: value for name, value in VARIABLES.items() if name != missing})


def test_the_entry_point_fails_while_starting_if_it_could_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "orders")
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=r"SCHEMA_FILE names schema\.json, which is not in the code"):
        importlib.reload(intake)


LogLines = Callable[[], list[dict[str, Any]]]


def test_the_log_has_the_id_of_an_accepted_order_and_nothing_that_it_is_about(orders: Client, log_lines: LogLines) -> None:
    orders.post(ORDER | {"extra": "a secret"})
    (line,) = [line for line in log_lines() if line["message"] == "request"]
    assert (line["status"], line["order_id"]) == (202, "o-1")
    assert "a secret" not in json.dumps(log_lines())


def test_an_event_that_is_no_request_is_answered_as_a_problem(orders: Client) -> None:
    answer = orders.api({"Records": []}, orders.context)
    assert (answer["statusCode"], json.loads(answer["body"])["detail"]) == (400, "This is not a request from API Gateway.")


def test_a_client_error_of_no_known_kind_is_still_one_answer(world: World, orders: Client) -> None:
    world.machine.errors = [ClientError({"Error": {"Code": "Unheard"}, "ResponseMetadata": {}}, "StartExecution")]  # type: ignore[typeddict-item]
    assert orders.post(ORDER).status == 500
