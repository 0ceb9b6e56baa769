"""SnsFanout: each action, from a queue and from the topic itself."""

import json
from collections.abc import Sequence

from serverless_patterns.testing.resource import FunctionResource
from tests.handlers.fanout_client import EVENT, direct_event
from tests.proofs.scenarios.queues import comes_again_soon, poison_is_kept_with_its_reason
from tests.proofs.world import Scenario, World


def scenarios_of(function: FunctionResource) -> Sequence[Scenario]:
    if "QUEUE_URL" not in function.environment:
        return [an_event_is_worked]
    return [an_event_is_worked, poison_is_kept_with_its_reason, an_event_without_enough_time_comes_again]


def an_event_is_worked(world: World) -> None:
    for _ in range(2):
        if "QUEUE_URL" in world.variables:
            assert world.deliver(EVENT) == []
        else:
            assert world.invoke(direct_event(json.dumps(EVENT))) is None
    _WORKED[world.variables["ACTION"]](world)


def an_event_without_enough_time_comes_again(world: World) -> None:
    comes_again_soon(world, EVENT, milliseconds_left=1_000)


def _is_audited(world: World) -> None:
    (row,) = world.rows(world.variables["TABLE_NAME"])
    assert row["id"] == {"S": EVENT["id"]}


def _is_counted_once(world: World) -> None:
    totals = [row for row in world.rows(world.variables["TABLE_NAME"]) if not row["id"]["S"].startswith("event#")]
    assert [(row["id"], row["events"], row["amount_EUR"]) for row in totals] == [
        ({"S": "orders.paid#2026-03-01"}, {"N": "1"}, {"N": "19.99"})
    ]


def _is_told(world: World) -> None:
    notices = world.published(world.variables["NOTIFICATION_TOPIC_ARN"])
    assert {notice["Subject"] for notice in notices} == {"orders.paid: 42"}


_WORKED = {"audit": _is_audited, "aggregate": _is_counted_once, "notification": _is_told}
