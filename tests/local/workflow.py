"""One deployed ``OrderWorkflow``, used and broken from outside: its queue, AWS's own APIs, and a payment provider."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from serverless_patterns.local.account import Account, Stack
from serverless_patterns.local.emulator import Emulator
from serverless_patterns.local.functions import FunctionLog
from serverless_patterns.local.payment_provider import Behaviour, PaymentProvider
from serverless_patterns.local.queues import Inbox, Queue
from tests.support.functions import DeployedFunction
from tests.support.waiting import PATIENCE, until

#: As by default, but for pauses that nobody has to wait for.
BODY = """
from aws_cdk import Duration
from aws_cdk import aws_sqs as sqs
soon = Retry(interval=Duration.seconds(1), max_attempts={attempts}, backoff_rate=1, max_delay=Duration.seconds(2))
warehouse = sqs.Queue(stack, "Warehouse", enforce_ssl=True)
pattern = OrderWorkflow(
    stack,
    "Orders",
    kind={kind!r},
    starter="queue",
    ships_to=["DE"],
    broadcast_to={{"Warehouse": warehouse}},
    retry=soon,
    compensation_retry=soon,
    worker=WorkerOptions(timeout=Duration.seconds(10), retry_delay=Duration.seconds(1)),
    operations=LOCAL.operations,
)
pattern.add_alarms(Alerts())
cdk.CfnOutput(stack, "WarehouseUrl", value=warehouse.queue_url)
"""
ENDED = {"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"}


@dataclass
class Ended:
    """What became of an execution, of its order, and of its items."""

    status: str
    error: str
    cause: str
    row: dict[str, Any]
    steps: list[str]
    errors: list[str]


class Workflow:
    """A deployed workflow and the payment provider that its secret names."""

    def __init__(self, emulator: Emulator, account: Account, stack: Stack, provider: PaymentProvider) -> None:
        self._emulator, self._account = emulator, account
        self.outputs, self.provider = stack.outputs, provider
        self.queue = Queue(account, self.outputs["QueueUrl"])
        self.dead_letters = Queue(account, self.outputs["DeadLetterQueueUrl"])
        self.manual = Queue(account, self.outputs["ManualQueueUrl"])
        self.warehouse = Queue(account, self.outputs["WarehouseUrl"])
        self.starter_log = FunctionLog(account.client("logs"), self.outputs["StarterLogGroupName"])
        self.machine = self.outputs["StateMachineArn"]
        self._states, self._lambda = account.client("stepfunctions"), account.client("lambda")
        self._orders = account.table(self.outputs["TableName"])
        self._stock = account.table(self.outputs["StockTableName"])
        self._behaviours: dict[str, Any] = {}
        provider.behaviour_for = self._behaviour_for

    def _behaviour_for(self, reference: str) -> Behaviour:
        behaviour = self._behaviours.get(reference, Behaviour.APPROVE)
        return behaviour if isinstance(behaviour, Behaviour) else behaviour(reference)

    def behave(self, **behaviours: Any) -> None:
        self._behaviours |= behaviours

    def order(self, order_id: str, *, available: int = 5, **fields: Any) -> dict[str, Any]:
        """An order of two items of its own, of which there are so many."""
        self._stock.put_item(Item={"id": f"sku-{order_id}", "available": available})
        items = [{"sku": f"sku-{order_id}", "quantity": 2}]
        base = {"id": order_id, "customer_id": "c-1", "amount": 19.99, "currency": "EUR", "ship_to": {"country": "DE"}}
        return {**base, "items": items, **fields}

    def send(self, *orders: object) -> None:
        self.queue.send(*(order if isinstance(order, str) else json.dumps(order) for order in orders))

    def start(self, order: dict[str, Any]) -> str:
        answer = self._states.start_execution(stateMachineArn=self.machine, name=order["id"], input=json.dumps(order))
        arn: str = answer["executionArn"]
        return arn

    def execution(self, order_id: str) -> dict[str, Any]:
        arn = f"{self.machine.replace(':stateMachine:', ':execution:')}:{order_id}"
        try:
            found: dict[str, Any] = self._states.describe_execution(executionArn=arn)
        except ClientError:
            return {"status": "not started", "executionArn": arn}
        return found

    def row(self, order_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self._orders.get_item(Key={"id": order_id}, ConsistentRead=True).get("Item", {})
        return found

    def available(self, order_id: str) -> int:
        return int(self._stock.get_item(Key={"id": f"sku-{order_id}"}, ConsistentRead=True)["Item"]["available"])

    def ended(self, order_id: str, *, seconds: float = PATIENCE) -> Ended:
        """The execution once it has ended."""
        found = until(
            f"{order_id} ends",
            lambda: self.execution(order_id),
            good=lambda found: found["status"] in ENDED,
            seconds=seconds,
        )
        entered = [event["name"] for event in self._history(order_id, "stateEnteredEventDetails")]
        return Ended(
            found["status"],
            found.get("error", ""),
            found.get("cause", ""),
            self.row(order_id),
            entered,
            self.errors(order_id),
        )

    def errors(self, order_id: str) -> list[str]:
        """What the steps of an execution have failed with so far."""
        return [event["error"] for event in self._history(order_id, "taskFailedEventDetails")]

    def worked(self, order_id: str, **fields: Any) -> Ended:
        """Send an order through the queue, and see what becomes of it."""
        self.send(self.order(order_id, **fields))
        return self.ended(order_id)

    def money(self, order_id: str) -> list[str]:
        """What was done with the money of an order, in its order."""
        moved = [*list(self.provider.charges.values()), *list(self.provider.refunds.values())]
        return [each.key.rpartition(":")[2] for each in moved if each.reference.partition("/")[0] == order_id]

    def announced(self, order_id: str) -> list[dict[str, Any]]:
        """What the warehouse was told about an order, taken out."""
        return [json.loads(message.body) for message in self.warehouse.take(lambda message: order_id in message.body)]

    def do(self, part: str, step: str, letter: Mapping[str, Any]) -> dict[str, Any]:
        """Let a function do a step of an order by hand, with what is known of it; the answer, or the error."""
        event = {"step": step, **{name: letter[name] for name in ("order_id", "execution", "order")}}
        answer = self._lambda.invoke(FunctionName=self.outputs[f"{part}Name"], Payload=json.dumps(event).encode())
        found: dict[str, Any] = json.loads(answer["Payload"].read())
        return found

    def throttled(self, part: str) -> AbstractContextManager[None]:
        """A function that may not run, as long as this lasts."""
        return self._function(part).throttled()

    def held(self) -> AbstractContextManager[None]:
        """Nothing is started: what is sent meanwhile is started together afterwards."""
        return self._function("Starter").held()

    def kept(self, order_id: str) -> list[dict[str, Any]]:
        """What is left to people about an order, taken out."""
        return [json.loads(message.body) for message in self.manual.take(lambda message: order_id in message.body)]

    def changed(self, part: str, *, timeout: int | None = None, **variables: str) -> AbstractContextManager[None]:
        """A function with another timeout or other variables, as long as this lasts."""
        return self._function(part).changed(timeout=timeout, **variables)

    @contextmanager
    def redefined(self, state: str | None = None, **fields: Any) -> Iterator[None]:
        """A state machine with other fields of a state, or of its own, as long as this lasts."""
        with self._rewritten(lambda machine: (_states_of(machine)[state] if state else machine).update(fields)):
            yield

    @contextmanager
    def untold(self, name: str, *, before: str) -> Iterator[None]:
        """One who can neither be told nor have that left to people, which is known before somebody else is told."""

        def change(machine: dict[str, Any]) -> None:
            states = _states_of(machine)
            for state in (states[f"Tell{name}"], states[f"Keep{name}"]):
                gone = {
                    field: f"{state['Arguments'][field]}-gone"
                    for field in ("QueueUrl", "TopicArn")
                    if field in state["Arguments"]
                }
                state.update(Arguments={**state["Arguments"], **gone}, Retry=[])
            (branch,) = (each for each in machine["States"]["Broadcast"]["Branches"] if each["StartAt"] == f"Tell{before}")
            branch["States"]["Later"] = {"Type": "Wait", "Seconds": 3, "Next": branch["StartAt"]}
            branch["StartAt"] = "Later"

        with self._rewritten(change):
            yield

    def alarms(self, dimension: str, value: str) -> dict[str, str]:
        """Metric -> state of each alarm that watches this."""
        pages = self._account.client("cloudwatch").get_paginator("describe_alarms").paginate()
        watched = [{"Name": dimension, "Value": value}]
        alarms = (alarm for page in pages for alarm in page["MetricAlarms"])
        return {alarm["MetricName"]: alarm["StateValue"] for alarm in alarms if alarm.get("Dimensions") == watched}

    @contextmanager
    def _rewritten(self, change: Callable[[dict[str, Any]], None]) -> Iterator[None]:
        before = self._states.describe_state_machine(stateMachineArn=self.machine)["definition"]
        machine = json.loads(before)
        change(machine)
        self._states.update_state_machine(stateMachineArn=self.machine, definition=json.dumps(machine))
        try:
            yield
        finally:
            self._states.update_state_machine(stateMachineArn=self.machine, definition=before)

    def _history(self, order_id: str, kind: str) -> list[dict[str, Any]]:
        found = self.execution(order_id)
        if found["status"] == "not started":
            return []
        history = self._states.get_execution_history(executionArn=found["executionArn"], maxResults=1000)["events"]
        return [event[kind] for event in history if kind in event]

    def _function(self, part: str) -> DeployedFunction:
        return DeployedFunction(self._emulator, self._account, self.outputs[f"{part}Name"])


def _states_of(machine: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Name -> state, those of branches included."""
    states: dict[str, dict[str, Any]] = machine["States"]
    branches = [branch for state in states.values() for branch in state.get("Branches", [])]
    return states | {name: state for branch in branches for name, state in branch["States"].items()}


def app(*, kind: str = "standard", attempts: int = 2) -> str:
    """The body of a stack with a workflow whose steps are tried again so often."""
    return BODY.format(kind=kind, attempts=attempts)


@contextmanager
def running(emulator: Emulator, account: Account, stack: Stack) -> Iterator[Workflow]:
    """The workflow of a stack, with a payment provider of its own."""
    with PaymentProvider() as provider:
        provider.put_secret(account, stack.outputs["PaymentSecretArn"])
        yield Workflow(emulator, account, stack, provider)


def told(inbox: Inbox, order_id: str) -> list[dict[str, Any]]:
    """What is announced about an order, once something is."""
    events = until(
        "it is announced",
        lambda: [json.loads(message.body) for message in inbox.received()],
        good=lambda found: any(event["correlation_id"] == order_id for event in found),
    )
    return [event for event in events if event["correlation_id"] == order_id]
