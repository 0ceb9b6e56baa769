"""OrderWorkflow: what starts its executions, from an API, and from orders or events in a queue.

``scenarios_of_starter`` has those of a function by its handler; none are the handler's of another module.
"""

import json
from collections.abc import Sequence
from typing import Any

from serverless_patterns.testing.resource import FunctionResource
from tests.handlers.api_client import event_of
from tests.handlers.route_client import EVENT
from tests.proofs.account import client
from tests.proofs.scenarios.api_crud import call, kind_of
from tests.proofs.scenarios.queues import comes_again_soon, poison_is_kept_with_its_reason
from tests.proofs.world import Scenario, World

ORDER = {
    "id": "o-1",
    "customer_id": "alice",
    "amount": 19.99,
    "currency": "EUR",
    "items": [{"sku": "cup", "quantity": 2}],
}


def scenarios_of_starter(function: FunctionResource) -> Sequence[Scenario]:
    """The scenarios of the function behind the API, or of the one that has orders or events in its queue."""
    by_handler: dict[str, Sequence[Scenario]] = {
        "order_workflow.intake.handler": [an_order_is_reserved_started_and_read],
        "order_workflow.handler.handler": [
            an_order_is_started_once,
            another_order_under_a_used_id_is_kept_with_its_reason,
            poison_is_kept_with_its_reason,
            an_order_that_cannot_be_started_comes_again,
        ],
    }
    return by_handler.get(function.handler, [])


def an_order_is_reserved_started_and_read(world: World) -> None:
    """A second time, the row is there, and an execution of its name as well."""
    for _ in range(2):
        accepted = call(world, event_of(kind_of(world), "POST", None, ORDER))
        assert (accepted.status, accepted.json["id"]) == (202, "o-1")
    assert _started(world) == {"o-1"}
    assert call(world, event_of(kind_of(world), "GET", "o-1")).json["state"] == "PENDING"


def an_order_is_started_once(world: World) -> None:
    for _ in range(2):
        assert world.deliver(_message(world, ORDER)) == []
    assert _started(world) == {"o-1"}


def another_order_under_a_used_id_is_kept_with_its_reason(world: World) -> None:
    if _has_unique_names(world):
        assert world.deliver(_message(world, ORDER)) == []
        other = _message(world, {**ORDER, "amount": 1})
        assert world.deliver(other) == []
        assert world.dead_letters == [other]


def _has_unique_names(world: World) -> bool:
    """Whether a second execution of a name is refused: an Express one is not, and moto knows no such kind."""
    (machine,) = world.template.of_type("AWS::StepFunctions::StateMachine")
    return machine.properties["StateMachineType"] == "STANDARD"


def an_order_that_cannot_be_started_comes_again(world: World) -> None:
    """The machine is gone: this is tried again, and what makes it wait is the queue's own call."""
    client("stepfunctions").delete_state_machine(stateMachineArn=world.variables["STATE_MACHINE_ARN"])
    comes_again_soon(world, _message(world, ORDER))


def _message(world: World, order: dict[str, Any]) -> str:
    """What stands in the queue of this starter for an order."""
    is_event = world.variables["MESSAGES"] == "events"
    return json.dumps({**EVENT, "detail": {**EVENT["detail"], "data": order}} if is_event else order)


def _started(world: World) -> set[str]:
    """The names of the executions."""
    found = client("stepfunctions").list_executions(stateMachineArn=world.variables["STATE_MACHINE_ARN"])
    return {each["name"] for each in found["executions"]}
