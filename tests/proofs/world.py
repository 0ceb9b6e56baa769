"""One function of a template, with its real code and its own variables, in an account with the template's resources."""

import contextlib
import importlib
import json
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from aws_lambda_powertools.utilities.circuit_breaker.base import _LAST_OBSERVED_STATE, _LOCAL_FAILURES, _LOCAL_SUCCESSES
from moto.events.models import events_backends
from moto.sqs.models import sqs_backends

from serverless_patterns.testing.resource import FunctionResource
from serverless_patterns.testing.template import ResolvedTemplate
from tests.handlers.api_client import Context
from tests.proofs.account import ACCOUNT, INBOX, REGION, account_of, client, name_of

ROOT = Path(__file__).resolve().parents[2]
FILES = Path(__file__).with_name("files")
#: Where the functions of a user's own are that stand beside a bundled handler.
STOCK = ROOT / "tests" / "support" / "stock"
#: The first names of modules that are the handlers' own.
_OWN = frozenset(folder.name for folder in (ROOT / "lambda_src").iterdir() if folder.is_dir())

#: What stands around each invocation: something that writes its calls down, or refuses some.
Boundary = Callable[[], AbstractContextManager[Any]]


@dataclass
class World:
    """What a scenario prepares, uses and looks at. Only what the handler itself calls is inside the boundary.

    Args:
        template: The template.
        function: The function.
        boundary: What stands around each invocation.
    """

    template: ResolvedTemplate
    function: FunctionResource
    boundary: Boundary = nullcontext
    _handler: Callable[[Any, Any], Any] = field(init=False)

    @property
    def variables(self) -> dict[str, str]:
        """The function's environment variables; those that name a file of its package name one of ``files`` instead."""
        given = self.function.environment
        return {name: str(FILES / Path(value).name) if name.endswith("_FILE") else value for name, value in given.items()}

    def restart(self) -> None:
        """Let the function have a new execution environment: modules that nobody has used."""
        _forget_modules()
        for counters in (_LOCAL_FAILURES, _LOCAL_SUCCESSES, _LAST_OBSERVED_STATE):
            counters.clear()
        module, _, name = self.function.handler.rpartition(".")
        self._handler = getattr(importlib.import_module(module), name)

    def invoke(self, event: Any, *, context: Context | None = None) -> Any:
        """What the function answers to this event."""
        context = context or Context(milliseconds_left=300_000)
        context.function_name, context.invoked_function_arn = self.function.name, self.function.arn
        with self.boundary():
            answer = self._handler(event, context)
        return json.loads(json.dumps(answer))

    # --- queues

    def send(self, *bodies: object) -> None:
        """Put these into the queue that the function consumes."""
        for body in bodies:
            text = body if isinstance(body, str) else json.dumps(body)
            # A group each: of one group, SQS delivers nothing while a message is worked.
            fifo = dict.fromkeys(("MessageGroupId", "MessageDeduplicationId"), uuid.uuid4().hex) if self.is_fifo else {}
            client("sqs").send_message(QueueUrl=self.queue, MessageBody=text, **fifo)

    def deliver(self, *bodies: object, milliseconds_left: int = 300_000) -> list[str]:
        """Let the queue invoke the function with these bodies; the handles of the messages that are to come again."""
        self.send(*bodies)
        received = client("sqs").receive_message(
            QueueUrl=self.queue, MaxNumberOfMessages=10, AttributeNames=["All"], MessageAttributeNames=["All"]
        )
        records = {message["MessageId"]: self._record(message) for message in received["Messages"]}
        answer = self.invoke({"Records": list(records.values())}, context=Context(milliseconds_left))
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        handles = {identifier: record["receiptHandle"] for identifier, record in records.items()}
        for identifier in handles.keys() - failed:  # as Lambda does
            client("sqs").delete_message(QueueUrl=self.queue, ReceiptHandle=handles[identifier])
        return [handles[identifier] for identifier in failed]

    def _record(self, message: dict[str, Any]) -> dict[str, Any]:
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message["Attributes"],
            "messageAttributes": {},
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name_of(self.queue)}",
            "awsRegion": REGION,
        }

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
    world = World(template, function, boundary)
    lambda_ = {"AWS_LAMBDA_FUNCTION_NAME": function.name, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
    path = mock.patch.object(sys, "path", [*sys.path, str(STOCK)])
    with mock.patch.dict(os.environ, {**world.variables, **lambda_}), account_of(template), path, _own_modules():
        world.restart()
        yield world


@contextlib.contextmanager
def _own_modules() -> Iterator[None]:
    """Give other tests back the handlers' modules that they have imported."""
    kept = {name: module for name, module in sys.modules.items() if _is_own(name)}
    try:
        yield
    finally:
        _forget_modules()
        sys.modules.update(kept)


def _forget_modules() -> None:
    for name in [name for name in sys.modules if _is_own(name)]:
        del sys.modules[name]


def _is_own(name: str) -> bool:
    return name.partition(".")[0] in _OWN
