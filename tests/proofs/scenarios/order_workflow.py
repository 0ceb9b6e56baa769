"""OrderWorkflow: each step and what undoes it; what starts executions is beside this."""

from collections.abc import Sequence
from typing import Any

from serverless_patterns.testing.resource import FunctionResource
from tests.proofs.account import client
from tests.proofs.scenarios.order_workflow_starters import ORDER, scenarios_of_starter
from tests.proofs.scenarios.sqs_pipeline import payment_api
from tests.proofs.world import Scenario, World

EXECUTION = "arn:aws:states:eu-central-1:111122223333:execution:orders:o-1"
#: As the steps get it: the amount is a text since it was validated.
VALIDATED = {**ORDER, "amount": "19.99"}


def scenarios_of(function: FunctionResource) -> Sequence[Scenario]:
    by_handler: dict[str, Sequence[Scenario]] = {
        "order_workflow.validation.handler": [an_order_is_validated],
        "order_workflow.stock.handler": [items_are_reserved_and_released, what_was_never_reserved_is_released],
        "order_workflow.payment.handler": [an_order_is_charged_and_paid_back],
        "order_workflow.shipping.handler": [an_order_is_shipped, an_order_is_not_shipped_any_more],
    }
    return by_handler.get(function.handler) or scenarios_of_starter(function)


def do(world: World, step: str, order: dict[str, Any]) -> Any:
    """What a step answers."""
    return world.invoke({"step": step, "order_id": "o-1", "execution": EXECUTION, "order": order})


def an_order_is_validated(world: World) -> None:
    order = {"name": "an order", "amount": 19.99}  # as the schema of the scenarios has it
    assert do(world, "ValidateOrder", order)["order"] == {"name": "an order", "amount": "19.99", "id": "o-1"}


def items_are_reserved_and_released(world: World) -> None:
    _claimed(world)
    stock = world.variables["STOCK_TABLE_NAME"]
    client("dynamodb").put_item(TableName=stock, Item={"id": {"S": "cup"}, "available": {"N": "3"}})
    for step, available in (("ReserveStock", "1"), ("ReserveStock", "1"), ("ReleaseStock", "3"), ("ReleaseStock", "3")):
        do(world, step, VALIDATED)
        assert world.rows(stock) == [{"id": {"S": "cup"}, "available": {"N": available}}]


def what_was_never_reserved_is_released(world: World) -> None:
    _claimed(world)
    assert do(world, "ReleaseStock", VALIDATED) == {"stock": "RELEASED"}
    assert world.rows(world.variables["STOCK_TABLE_NAME"]) == []
    assert _row(world)["stock"] == {"S": "RELEASED"}


def an_order_is_charged_and_paid_back(world: World) -> None:
    with payment_api(world) as payment:
        assert do(world, "ProcessPayment", VALIDATED) == {"success": True, "payment_id": "pay_1"}
        assert do(world, "RefundPayment", VALIDATED) == {"refund_id": "pay_1"}
    assert [request.path for request in payment.requests] == ["/charges", "/charges/refunds"]


def an_order_is_shipped(world: World) -> None:
    _claimed(world)
    country = world.variables.get("SHIPS_TO", "DE").split(",")[0]
    for _ in range(2):
        assert do(world, "ShipOrder", {**VALIDATED, "ship_to": {"country": country}}) == {"shipment": "REQUESTED"}
    assert _row(world)["shipment"] == {"S": "REQUESTED"}


def an_order_is_not_shipped_any_more(world: World) -> None:
    _claimed(world)
    assert do(world, "CancelShipment", VALIDATED) == {"shipment": "CANCELLED"}
    assert _row(world)["shipment"] == {"S": "CANCELLED"}


def _claimed(world: World) -> None:
    """As the state machine leaves the row of an order that it has claimed."""
    row = {"id": {"S": "o-1"}, "state": {"S": "PROCESSING"}, "execution": {"S": EXECUTION}}
    client("dynamodb").put_item(TableName=world.variables["TABLE_NAME"], Item=row)


def _row(world: World) -> dict[str, Any]:
    (row,) = world.rows(world.variables["TABLE_NAME"])
    return row
