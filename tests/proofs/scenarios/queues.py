"""What every function that consumes a queue does with a message that it cannot work, and with one that it cannot work now."""

from collections.abc import Callable
from typing import Any

from tests.proofs.account import client, name_of
from tests.proofs.world import World

_POISON = "no JSON"
_RETRY_DELAY = 30


def poison_is_kept_with_its_reason(world: World) -> None:
    assert world.deliver(_POISON) == []
    assert world.dead_letters == [_POISON]


def comes_again_soon(world: World, body: object, *, milliseconds_left: int = 300_000) -> None:
    """Deliver a message that fails: it comes again long before the visibility timeout of the queue is over."""
    (handle,) = world.deliver(body, milliseconds_left=milliseconds_left)
    assert 0 < world.hidden_for(handle) <= _RETRY_DELAY


def a_message_comes_again_while_nothing_can_be_announced(body: Callable[[World], Any]) -> Callable[[World], None]:
    def scenario(world: World) -> None:
        if "BUS_NAME" in world.variables:
            client("events").delete_event_bus(Name=name_of(world.variables["BUS_NAME"]))
        else:
            client("sns").delete_topic(TopicArn=world.variables["TOPIC_ARN"])
        comes_again_soon(world, body(world))

    return scenario
