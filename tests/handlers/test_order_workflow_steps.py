"""Validating and shipping an order, starting its execution, and what the state machine sees of errors."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from types_boto3_dynamodb import DynamoDBClient

from order_workflow import errors
from order_workflow.errors import InvalidOrder, ShippingFailed
from order_workflow.executions import Executions
from order_workflow.logic import MOST_INPUT_BYTES, Starter, order_in_message
from order_workflow.models import (
    PaymentSettings,
    ShippingSettings,
    StarterSettings,
    StockSettings,
    ValidationSettings,
)
from order_workflow.steps import run
from shared.errors import ConflictError, InvalidError, UnavailableError
from shared.payment_secret import MalformedSecretError
from shared.queue_consumer import Message
from shared.settings import SettingsError
from tests.handlers.api_client import Context
from tests.handlers.payment_server import PaymentServer
from tests.handlers.worker_client import refused
from tests.handlers.workflow_client import QUIET, Steps, order_of

ARN = "arn:aws:states:eu-central-1:123456789012:stateMachine:orders"


@pytest.fixture
def steps(dynamodb: DynamoDBClient, payment: PaymentServer) -> Steps:
    return Steps(dynamodb, payment)


# Validating.


@pytest.mark.parametrize(("amount", "text"), [(19.99, "19.99"), (5, "5"), (0.01, "0.01"), (1e3, "1000"), (1000000, "1000000")])
def test_an_order_that_fits_has_its_id_and_its_exact_amount_as_a_text(steps: Steps, amount: float, text: str) -> None:
    order = order_of(amount=amount)
    assert steps.do("ValidateOrder", order) == {"order": {**order, "id": "o-1", "amount": text}}


def test_an_order_that_does_not_fit_says_all_that_is_wrong_and_nothing_of_what_was_sent(steps: Steps) -> None:
    with pytest.raises(InvalidOrder) as caught:
        steps.do("ValidateOrder", order_of(amount=-1, currency="secret", note="x"))
    assert {fault.pointer for fault in caught.value.faults} >= {"/amount", "/currency"}
    assert str(caught.value).startswith("The order does not fit: /")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("order", [[], "text", 5, {"amount": float("nan")}, {"items": "\ud800"}, {}])
def test_what_is_no_order_is_invalid(steps: Steps, order: object) -> None:
    with pytest.raises(InvalidOrder):
        steps.do("ValidateOrder", order)


def test_an_order_that_says_that_it_is_another_one_is_invalid(steps: Steps) -> None:
    with pytest.raises(InvalidOrder, match="/id"):
        steps.do("ValidateOrder", order_of(amount=5, id="o-2"))


def test_an_execution_whose_name_is_no_id_works_no_order(steps: Steps) -> None:
    with pytest.raises(InvalidOrder, match="/id"):
        steps.do("ValidateOrder", order_of(amount=5), order_id="o 1")


@pytest.mark.parametrize("more", [0, 1], ids=["as large as it may be", "a byte more"])
def test_an_order_that_is_too_large_for_the_states_after_this_one_is_rejected(steps: Steps, more: int) -> None:
    empty = order_of(amount=5, id="o-1", ship_to={"note": ""})
    note = "x" * (MOST_INPUT_BYTES - len(json.dumps(empty, separators=(",", ":"))) + more)
    order = order_of(amount=5, ship_to={"note": note})
    if not more:
        assert steps.do("ValidateOrder", order)["order"]["id"] == "o-1"
        return
    with pytest.raises(InvalidOrder, match="larger than the 102400 bytes"):
        steps.do("ValidateOrder", order)


#: What doubles keep, and JSONata's $string with them; and what they do not.
KEPT = [0, 1, -5, 19.99, 0.1, 1e-9, 123456789012345, 1.23456789012345, 1e22, 10**30, 1.7e125]
ROUNDED = [
    9007199254740993,
    9007199254740991,
    0.1234567890123456789,
    0.30000000000000004,
    1234567890123456,
    -1.234567890123456e30,
]


@pytest.mark.parametrize("number", KEPT)
def test_a_number_of_up_to_fifteen_digits_is_kept(steps: Steps, number: float) -> None:
    order = order_of(amount=5, ship_to={"customer": [number]})
    assert steps.do("ValidateOrder", order)["order"]["ship_to"] == {"customer": [number]}


@pytest.mark.parametrize("number", ROUNDED)
def test_an_order_with_a_number_that_its_execution_would_round_is_rejected_and_told_what_to_do(
    steps: Steps, number: float
) -> None:
    with pytest.raises(InvalidOrder) as caught:
        steps.do("ValidateOrder", order_of(amount=5, ship_to={"customer": [number]}))
    reason = "The order does not fit: /ship_to/customer/0 has more than 15 significant digits: send it as a text"
    assert str(caught.value) == reason


def test_such_a_number_in_a_message_is_poison_before_it_can_be_rounded_to_one_that_fits() -> None:
    states = States()
    with pytest.raises(InvalidError) as caught:
        start('{"id": "o-1", "share": 0.10000000000000000001, "note": "0.10000000000000000001"}', states)
    assert ([fault.pointer for fault in caught.value.faults], states.started) == (["/share"], [])


# Shipping.


def test_an_order_is_shipped_once(steps: Steps) -> None:
    assert steps.do("ShipOrder") == steps.do("ShipOrder") == {"shipment": "REQUESTED"}
    assert steps.row()["shipment"] == "REQUESTED"


def test_a_shipment_that_was_cancelled_is_never_requested(steps: Steps) -> None:
    assert steps.do("CancelShipment") == steps.do("CancelShipment") == {"shipment": "CANCELLED"}
    with pytest.raises(ShippingFailed):
        steps.do("ShipOrder")
    assert steps.row()["shipment"] == "CANCELLED"


@pytest.mark.parametrize("place", [{}, {"ship_to": {"country": "XX"}}, {"ship_to": {"country": 5}}])
def test_an_order_for_another_country_is_not_shipped(steps: Steps, place: dict[str, Any]) -> None:
    steps.ships_to = ("DE", "FR")
    with pytest.raises(ShippingFailed):
        steps.do("ShipOrder", order_of(**place))
    assert "shipment" not in steps.row()
    assert steps.do("ShipOrder", order_of(ship_to={"country": "FR"})) == {"shipment": "REQUESTED"}


@pytest.mark.parametrize("step", ["ShipOrder", "CancelShipment"])
def test_another_execution_ships_and_cancels_nothing(steps: Steps, step: str) -> None:
    with pytest.raises(ConflictError):
        steps.do(step, execution="arn:of-another")
    assert "shipment" not in steps.row()


# What the state machine sees.


def test_the_state_machine_knows_business_errors_by_these_names() -> None:
    names = {name for name, value in vars(errors).items() if isinstance(value, type) and value.__module__ == errors.__name__}
    assert names == {"InvalidOrder", "OutOfStock", "PaymentDeclined", "ShippingFailed"}


@pytest.mark.parametrize(
    ("raised", "seen"),
    [
        (ConnectTimeoutError(endpoint_url="x"), UnavailableError),
        (refused("InternalServerError", 500), UnavailableError),
        (refused("AccessDeniedException"), ClientError),
        (KeyError("x"), KeyError),
        (MalformedSecretError(fault="is empty"), UnavailableError),
        (ConflictError("x"), ConflictError),
    ],
)
def test_only_what_passes_is_called_unavailable(raised: Exception, seen: type[Exception]) -> None:
    def work(_: object) -> dict[str, Any]:
        raise raised

    event = {"step": "S", "order_id": "o-1", "execution": "e", "order": {}}
    with pytest.raises(seen) as caught:
        run({"S": work}, event, QUIET)
    assert type(caught.value) is seen


def test_what_is_to_be_tried_again_keeps_its_words_and_what_can_be_done_about_it() -> None:
    malformed = MalformedSecretError(fault="is empty")

    def work(_: object) -> dict[str, Any]:
        raise malformed

    with pytest.raises(UnavailableError) as caught:
        run({"S": work}, {"step": "S", "order_id": "o-1", "execution": "e", "order": {}}, QUIET)
    assert (caught.value.detail, caught.value.hint) == (malformed.detail, malformed.hint)
    assert caught.value.__cause__ is malformed


def test_an_error_that_nobody_has_foreseen_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    def work(_: object) -> dict[str, Any]:
        return {}["x"]

    with pytest.raises(KeyError):
        run({"S": work}, {"step": "S", "order_id": "o-1", "execution": "e", "order": {}}, QUIET)
    assert '"UnexpectedErrors"' in capsys.readouterr().out


# Starting.


class States:
    """A client that starts executions, or raises; and knows one that is there already, or raises again."""

    def __init__(self, error: Exception | None = None, *, known: str | Exception = "{}") -> None:
        self.started: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.error = error
        self.known = known

    def start_execution(self, **parameters: Any) -> None:
        self.started.append(parameters)
        if self.error:
            raise self.error

    def describe_execution(self, *, executionArn: str) -> dict[str, str]:  # noqa: N803  as the API has it
        self.asked.append(executionArn)
        if isinstance(self.known, Exception):
            raise self.known
        return {"input": self.known}


def start(body: str, states: States) -> None:
    Starter(Executions(ARN, states).start_the_same, order_in_message).work(Message(id="m-1", body=body), Context())  # type: ignore[arg-type]


def test_the_execution_is_named_after_the_order_and_gets_it_with_exact_numbers() -> None:
    states = States()
    start('{"id": "o-1", "amount": 19.90}', states)
    (started,) = states.started
    assert (started["stateMachineArn"], started["name"]) == (ARN, "o-1")
    assert json.loads(started["input"]) == {"id": "o-1", "amount": 19.9}


EXISTS = refused("ExecutionAlreadyExists")


@pytest.mark.parametrize("known", ['{"id":"o-1","amount":19.9}', '{"amount": 19.90}', '{ "amount": 1.99e1, "id": "o-1" }'])
def test_an_execution_that_is_there_already_is_what_was_wanted(known: str) -> None:
    states = States(EXISTS, known=known)
    start('{"id": "o-1", "amount": 19.9}', states)
    assert states.asked == ["arn:aws:states:eu-central-1:123456789012:execution:orders:o-1"]


@pytest.mark.parametrize("known", ['{"id":"o-1","amount":20}', "{}", "[]", "NaN"])
def test_another_order_under_the_id_of_one_that_was_started_is_poison(known: str) -> None:
    with pytest.raises(InvalidError, match="Another order has had this id before"):
        start('{"id": "o-1", "amount": 19.9}', States(EXISTS, known=known))


@pytest.mark.parametrize(
    ("known", "seen"),
    [(refused("ExecutionDoesNotExist"), UnavailableError), (refused("AccessDeniedException"), ClientError)],
)
def test_an_order_of_which_it_cannot_be_told_comes_again(known: Exception, seen: type[Exception]) -> None:
    with pytest.raises(seen):
        start('{"id": "o-1"}', States(EXISTS, known=known))


def test_an_execution_that_is_new_is_not_looked_at() -> None:
    states = States()
    start('{"id": "o-1"}', states)
    assert states.asked == []


def test_an_execution_that_cannot_be_started_is_an_error_of_the_message() -> None:
    with pytest.raises(ClientError):
        start('{"id": "o-1"}', States(refused("ExecutionLimitExceeded")))


@pytest.mark.parametrize(
    "body", ["", "[]", "{}", '{"id": 5}', '{"id": "a b"}', '{"id": "a:b"}', '{"id": ".a"}', f'{{"id": "{"x" * 81}"}}']
)
def test_a_message_without_an_id_for_an_execution_is_poison(body: str) -> None:
    states = States()
    with pytest.raises(InvalidError):
        start(body, states)
    assert states.started == []


# Settings.


@pytest.mark.parametrize(
    ("read", "missing"),
    [
        (StarterSettings.from_environment, "STATE_MACHINE_ARN"),
        (ValidationSettings.from_environment, "SCHEMA_FILE"),
        (StockSettings.from_environment, "TABLE_NAME"),
        (PaymentSettings.from_environment, "WORKFLOW"),
        (ShippingSettings.from_environment, "TABLE_NAME"),
    ],
)
def test_a_missing_variable_is_named(read: Callable[[dict[str, str]], object], missing: str) -> None:
    with pytest.raises(SettingsError, match=f"^{missing} must be set$"):
        read({})


def test_messages_that_are_neither_orders_nor_events_are_refused() -> None:
    with pytest.raises(SettingsError, match="MESSAGES must be one of orders, events, got 'order'"):
        StarterSettings.from_environment({"STATE_MACHINE_ARN": ARN, "MESSAGES": "order"})


def test_a_name_of_a_workflow_that_would_end_in_the_middle_of_a_key_is_refused() -> None:
    with pytest.raises(SettingsError, match="WORKFLOW must be"):
        PaymentSettings.from_environment({"WORKFLOW": "a:b", "PAYMENT_SECRET_ARN": "arn"})
