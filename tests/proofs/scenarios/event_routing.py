"""EventRouting: an event in its queue, kept in the table of the route or given to a function of the user's own."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from serverless_patterns.testing.resource import FunctionResource
from tests.handlers.route_client import EVENT, REPLAYED
from tests.proofs.account import client
from tests.proofs.scenarios.queues import comes_again_soon, poison_is_kept_with_its_reason
from tests.proofs.world import Scenario, World


def scenarios_of(function: FunctionResource) -> Sequence[Scenario]:
    del function  # all routes do the same
    return [
        an_event_has_its_effect_once,
        an_event_without_enough_time_comes_later,
        an_event_comes_again_while_its_table_is_gone,
        poison_is_kept_with_its_reason,
    ]


def an_event_has_its_effect_once(world: World) -> None:
    for _ in range(2):
        assert world.deliver(EVENT) == []
    assert world.deliver(_replayed_just_now()) == []
    (row,) = world.rows(world.variables["TABLE_NAME"])
    assert row["state"] == {"S": "COMPLETE"}
    assert row["replayed"] == {"S": REPLAYED["replay-name"]}
    assert ("data" in row) is ("HANDLER" not in world.variables)


def an_event_without_enough_time_comes_later(world: World) -> None:
    assert world.deliver(EVENT, milliseconds_left=10_000) == []
    assert [json.loads(each["body"]) for each in world.messages(world.queue)] == [EVENT]


def an_event_comes_again_while_its_table_is_gone(world: World) -> None:
    client("dynamodb").delete_table(TableName=world.variables["TABLE_NAME"])
    comes_again_soon(world, EVENT)


def _replayed_just_now() -> dict[str, Any]:
    """One that the bus took a moment ago: of older ones nobody knows whether they had their effect."""
    return REPLAYED | {"time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
