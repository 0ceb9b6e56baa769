"""A deployed stack as its tests see it: its outputs by name, and the queues that they name."""

from __future__ import annotations

from collections.abc import Callable

from serverless_patterns.local.account import Account, Stack
from serverless_patterns.local.processes import wait_until
from serverless_patterns.local.queues import Message, Queue
from tests.support.waiting import PATIENCE


class DeployedStack:
    """One pattern of a stack. Its queues are those of one part of it, such as a route, if one is named.

    Args:
        account: Where it is.
        stack: The stack.
        prefix: Of the names of the pattern's outputs: its id, where the stack has several patterns.
    """

    def __init__(self, account: Account, stack: Stack, prefix: str = "") -> None:
        self.account = account
        self.stack = stack
        self.prefix = prefix

    def output(self, name: str) -> str:
        """An output of the stack."""
        return self.stack.outputs[f"{self.prefix}{name}"]

    def queue(self, part: str = "") -> Queue:
        """The queue of what is to be worked."""
        return Queue(self.account, self.output(f"{part}QueueUrl"))

    def dead_letters(self, part: str = "") -> Queue:
        """Where that is that could not be worked."""
        return self.queue(f"{part}DeadLetter")

    def undelivered(self, part: str = "") -> Queue:
        """Where that is that could not be delivered."""
        return self.dead_letters(f"{part}Delivery")

    def set_visibility(self, seconds: int, part: str = "") -> None:
        """How long a message that was received stays hidden: the construct chooses minutes, tests have no time."""
        attributes = {"VisibilityTimeout": str(seconds)}
        self.account.client("sqs").set_queue_attributes(QueueUrl=self.output(f"{part}QueueUrl"), Attributes=attributes)


def taken(
    queue: Queue, number: int = 1, wanted: Callable[[Message], bool] = lambda _: True, *, seconds: float = PATIENCE
) -> list[Message]:
    """So many messages of a queue as soon as they are there, and all that are there by then; they are taken out."""
    found: list[Message] = []

    def enough() -> bool:
        found.extend(queue.take(wanted))
        return len(found) >= number

    wait_until(enough, seconds=seconds, interval=0.1)
    return found
