"""One function of a template, with its real code and its own variables, in an account with the template's resources."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aws_lambda_powertools.utilities.circuit_breaker.base import _LAST_OBSERVED_STATE, _LOCAL_FAILURES, _LOCAL_SUCCESSES
from moto.events.models import events_backends
from moto.sqs.models import sqs_backends

from serverless_patterns.testing import Running, deliver, running
from serverless_patterns.testing.resource import FunctionResource
from serverless_patterns.testing.template import ResolvedTemplate
from tests.proofs.account import ACCOUNT, INBOX, REGION, account_of, client, name_of

ROOT = Path(__file__).resolve().parents[2]
FILES = Path(__file__).with_name("files")
#: Where the functions of a user's own are that stand beside a bundled handler.
STOCK = ROOT / "tests" / "support" / "stock"
LAMBDA_SOURCE = ROOT / "lambda_src"

#: What stands around each invocation: something that writes its calls down, or refuses some.
Boundary = Callable[[], AbstractContextManager[Any]]


@dataclass
class World:
    """What a scenario prepares, uses and looks at. Only what the handler itself calls is inside the boundary.

    Args:
        template: The template.
        function: The function.
        running: The same, in this process.
        boundary: What stands around each invocation.
    """

    template: ResolvedTemplate
    function: FunctionResource
    running: Running
    boundary: Boundary = nullcontext

    @property
    def variables(self) -> dict[str, str]:
        """The function's environment variables."""
        return variables_of(self.function)

    def restart(self) -> None:
        """Let the function have a new execution environment."""
        for counters in (_LOCAL_FAILURES, _LOCAL_SUCCESSES, _LAST_OBSERVED_STATE):
            counters.clear()
        self.running.restart()

    def invoke(self, event: Any, context: Any = None) -> Any:
        """What the function answers to this event."""
        with self.boundary():
            return self.running(event, context)

    # --- queues

    def deliver(self, *bodies: object, milliseconds_left: int = 300_000) -> list[str]:
        """Let the queue invoke the function with these bodies; the handles of the messages that are to come again."""
        return deliver(self.invoke, self.queue, *bodies, milliseconds_left=milliseconds_left)

    @property
    def queue(self) -> str:
        return self.variables["QUEUE_URL"]

    @property
    def is_fifo(self) -> bool:
        return self.queue.endswith(".fifo")

    def hidden_for(self, receipt_handle: str) -> float:
        """The seconds until a message that was received comes again."""
        messages = sqs_backends[ACCOUNT][REGION].queues[name_of(self.queue)]._messages  # noqa: SLF001  SQS tells nobody
        (visible_at,) = [each.visible_at for each in messages if each.receipt_handle == receipt_handle]
        return float(visible_at) / 1000 - time.time()

    def messages(self, queue: str) -> list[dict[str, Any]]:
        """The messages that wait in a queue, delayed ones too; they are gone then."""
        found: list[dict[str, Any]] = sqs_backends[ACCOUNT][REGION].queues[name_of(queue)]._messages  # noqa: SLF001  the same
        taken = [{"body": each.body, "attributes": each.message_attributes} for each in found if not each.receipt_handle]
        found[:] = [each for each in found if each.receipt_handle]
        return taken

    @property
    def dead_letters(self) -> list[str]:
        """The bodies of the messages in the dead-letter queue, each of which says why it is there."""
        found = self.messages(self.variables["DEAD_LETTER_QUEUE_URL"])
        assert all("Reason" in each["attributes"] for each in found)
        return [each["body"] for each in found]

    # --- topics and buses

    def published(self, topic_arn: str) -> list[dict[str, Any]]:
        """What has been published to a topic: what SNS says of each message."""
        return [json.loads(each["body"]) for each in self.messages(f"{INBOX}{name_of(topic_arn)}")]

    def announced(self) -> list[dict[str, Any]]:
        """The events that the function has announced, whether on a topic or on a bus."""
        if "BUS_NAME" in self.variables:
            return [_from_a_bus(event) for event in self.put_on(self.variables["BUS_NAME"])]
        return [json.loads(each["Message"]) for each in self.published(self.variables["TOPIC_ARN"])]

    def put_on(self, bus_arn: str) -> list[dict[str, Any]]:
        """What has been put on a bus: the events as a rule sends them; they are gone then."""
        found: list[dict[str, Any]] = events_backends[ACCOUNT][REGION].event_buses[name_of(bus_arn)].rules[INBOX].events
        taken = list(found)
        found.clear()
        return taken

    # --- tables

    def rows(self, table: str) -> list[dict[str, Any]]:
        """The items of a table, as the service has them."""
        found: list[dict[str, Any]] = client("dynamodb").scan(TableName=table)["Items"]
        return found


def _from_a_bus(event: dict[str, Any]) -> dict[str, Any]:
    """An event of a bus in the form that it has on a topic."""
    detail = event["detail"]
    return {"source": event["source"], "type": event["detail-type"], "data": detail["data"], **detail["metadata"]}


#: Prepares the world, lets the function work in it, and asserts what comes out.
Scenario = Callable[[World], None]


@contextlib.contextmanager
def world_of(template: ResolvedTemplate, function: FunctionResource, boundary: Boundary = nullcontext) -> Iterator[World]:
    """A world with nothing in it but the template's resources, all of them empty."""
    with account_of(template), running(function, LAMBDA_SOURCE, STOCK, variables=variables_of(function)) as process:
        world = World(template, function, process, boundary)
        world.restart()
        yield world


def variables_of(function: FunctionResource) -> dict[str, str]:
    """Its environment variables; those that name a file of its package name one of ``files`` instead."""
    given = function.environment
    return {name: str(FILES / Path(value).name) if name.endswith("_FILE") else value for name, value in given.items()}
