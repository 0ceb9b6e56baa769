"""One deployed ``SqsPipeline``, used and broken from outside: HTTP, AWS's own APIs and signals to processes."""

import json
import signal
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from serverless_patterns.local.account import Account, Stack
from serverless_patterns.local.emulator import Emulator
from serverless_patterns.local.functions import FunctionLog
from serverless_patterns.local.http_api import Answer, HttpApi, Request
from serverless_patterns.local.payment_ledger import Charge
from serverless_patterns.local.payment_provider import Behaviour, PaymentProvider
from serverless_patterns.local.queues import Message, Queue
from tests.support.functions import DeployedFunction
from tests.support.waiting import PATIENCE, until

FINAL = {"PAID", "DECLINED", "FAILED"}
#: Nobody listens there: what a function sees of a service that is out.
NOBODY = "http://127.0.0.1:9"
#: Seconds after which the messages of a batch come again that the emulator has ended: longer than a batch takes in an outage.
ENDED_BATCH = 8

Row = dict[str, Any]


def new_ids(number: int, word: str = "order") -> list[str]:
    """Ids that no other test uses."""
    common = uuid.uuid4().hex[:8]
    return [f"{word}-{common}-{position}" for position in range(number)]


def order(order_id: str, *, customer: str = "customer-1", amount: object = 19.99, currency: str = "EUR") -> dict[str, Any]:
    return {"id": order_id, "customer_id": customer, "amount": amount, "currency": currency}


class Pipeline:
    """A deployed pipeline and the payment provider that its secret names."""

    def __init__(self, emulator: Emulator, account: Account, stack: Stack, provider: PaymentProvider) -> None:
        self.account = account
        self.outputs = stack.outputs
        self.provider = provider
        self.queue = Queue(account, self.outputs["QueueUrl"])
        self.dead_letters = Queue(account, self.outputs["DeadLetterQueueUrl"])
        self.ingest_log = FunctionLog(account.client("logs"), self.outputs["IngestLogGroupName"])
        self.worker_log = FunctionLog(account.client("logs"), self.outputs["WorkerLogGroupName"])
        self._emulator = emulator
        self._api = HttpApi(account, stack, on_hop=lambda _: None, log_group="IngestLogGroupName")
        self._sqs, self._lambda = account.client("sqs"), account.client("lambda")
        self._table = account.table(self.outputs["TableName"])
        self.worker = self._function("Worker")

    # What clients do.

    def post(self, body: object, *, signed: bool = True) -> Answer:
        text = body if isinstance(body, str) else json.dumps(body)
        return self._api.send(Request(method="POST", path="/orders", body=text, signed=signed))

    def get(self, order_id: str) -> Answer:
        return self._api.send(Request(method="GET", path=f"/orders/{order_id}"))

    def send(self, *bodies: object, **parameters: str) -> None:
        """Put messages straight into the queue."""
        self.queue.send(*(body if isinstance(body, str) else json.dumps(body) for body in bodies), **parameters)

    # What can be seen.

    def row(self, order_id: str) -> Row:
        row: Row = self._table.get_item(Key={"id": order_id}, ConsistentRead=True).get("Item", {})
        return row

    def rows(self, ids: Iterable[str]) -> dict[str, Row]:
        """The rows that there are of these orders."""
        wanted, found, start = set(ids), {}, {}
        while True:
            page = self._table.scan(ConsistentRead=True, **start)
            found |= {row["id"]: row for row in page["Items"] if row["id"] in wanted}
            if "LastEvaluatedKey" not in page:
                return found
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def settled(self, ids: Iterable[str], *, states: Iterable[str] = FINAL, seconds: float = PATIENCE) -> dict[str, Row]:
        """The rows of these orders once each is in one of these states."""
        wanted, allowed = list(ids), set(states)

        def others() -> dict[str, str]:
            rows = self.rows(wanted)
            states = {each: rows[each]["state"] if each in rows else "no row" for each in wanted}
            return {each: state for each, state in states.items() if state not in allowed}

        until(
            f"orders are {' or '.join(sorted(allowed))}",
            others,
            good=lambda rest: not rest,
            seconds=seconds,
            because=self.worker_log.last_lines,
        )
        return self.rows(wanted)

    def paid(self, *ids: str, seconds: float = PATIENCE) -> dict[str, Row]:
        """The rows of these orders once each is paid and its message is gone."""
        rows = self.settled(ids, states={"PAID"}, seconds=seconds)
        self.emptied()
        return rows

    def emptied(self, *, seconds: float = PATIENCE) -> None:
        """Wait until the queue is empty."""
        until(
            "the queue is empty",
            self.queue.count,
            good=lambda count: count == 0,
            seconds=seconds,
            because=self.worker_log.last_lines,
        )

    def charges(self, ids: Iterable[str]) -> list[Charge]:
        """What was charged for these orders, in its order."""
        wanted = set(ids)
        return [charge for charge in list(self.provider.charges.values()) if charge.reference in wanted]

    def asked(self, order_id: str) -> list[int]:
        """The statuses that the provider has answered for an order."""
        return [request.status for request in list(self.provider.requests) if request.reference == order_id]

    def letters(self, expected: int, *, seconds: float = PATIENCE) -> list[Message]:
        """All that is in the dead-letter queue, once there are so many, taken out."""
        until(f"{expected} dead letters", self.dead_letters.count, good=lambda count: count >= expected, seconds=seconds)
        return self.dead_letters.take()

    def circuits_opened(self, since: datetime) -> float:
        """How often the metric says that the circuit opened."""
        answer = self.account.client("cloudwatch").get_metric_statistics(
            Namespace="ServerlessPatterns",
            MetricName="CircuitOpened",
            Dimensions=[{"Name": "FunctionName", "Value": self.outputs["WorkerName"]}],
            StartTime=since,
            EndTime=datetime.now(UTC) + timedelta(minutes=1),
            Period=60,
            Statistics=["Sum"],
        )
        return sum(point["Sum"] for point in answer["Datapoints"])

    def alarms_of(self, metric: str) -> list[dict[str, Any]]:
        """The alarms on a metric of the worker's own."""
        pages = self.account.client("cloudwatch").get_paginator("describe_alarms").paginate()
        dimensions = [{"Name": "FunctionName", "Value": self.outputs["WorkerName"]}]
        alarms = (alarm for page in pages for alarm in page["MetricAlarms"])
        return [alarm for alarm in alarms if alarm.get("MetricName") == metric and alarm["Dimensions"] == dimensions]

    # What goes wrong.

    def behave(self, behaviours: Mapping[str, Behaviour | Callable[[str], Behaviour]]) -> None:
        """Let the provider behave in these ways for these orders, and well for others."""

        def behaviour_for(reference: str) -> Behaviour:
            behaviour = behaviours.get(reference, Behaviour.APPROVE)
            return behaviour if isinstance(behaviour, Behaviour) else behaviour(reference)

        self.provider.behaviour_for = behaviour_for

    def held(self) -> AbstractContextManager[None]:
        """Nothing is worked: what is sent meanwhile is worked together afterwards."""
        return self.worker.held()

    @contextmanager
    def visibility(self, seconds: int) -> Iterator[None]:
        """Messages that are received come back after so many seconds, not after the minutes that the construct sets."""
        url = self.outputs["QueueUrl"]
        name = "VisibilityTimeout"
        before = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name]
        self._sqs.set_queue_attributes(QueueUrl=url, Attributes={name: str(seconds)})
        try:
            yield
        finally:
            self._sqs.set_queue_attributes(QueueUrl=url, Attributes={name: before})

    @contextmanager
    def changed(self, function: str, **variables: str) -> Iterator[None]:
        """A function with other environment variables, as long as this lasts."""
        # The emulator ends a function that is changed, even in the middle of a batch: its messages must come again soon.
        with self.visibility(ENDED_BATCH), self._function(function).changed(**variables):
            yield

    def outage(self, function: str, service: str) -> Any:
        """A function does not reach a service, such as ``SNS``."""
        return self.changed(function, **{f"AWS_ENDPOINT_URL_{service}": NOBODY})

    def recycle(self) -> None:
        """End the idle processes of the worker, as Lambda does when it likes: the next batch starts a new one."""
        with self.changed("Worker", RECYCLED="1"):
            pass

    def signal_worker(self, number: signal.Signals) -> None:
        """Send a signal to the one process of the worker."""
        (process,) = self.worker.processes()
        process.send_signal(number)

    def _function(self, name: str) -> DeployedFunction:
        return DeployedFunction(self._emulator, self.account, self.outputs[f"{name}Name"])


@contextmanager
def piped(emulator: Emulator, account: Account, stack: Stack) -> Iterator[Pipeline]:
    """The pipeline of a stack with a payment provider of its own, which its secret names."""
    with PaymentProvider() as provider:
        provider.put_secret(account, stack.outputs["PaymentSecretArn"])
        yield Pipeline(emulator, account, stack, provider)


@contextmanager
def undisturbed(pipeline: Pipeline) -> Iterator[Pipeline]:
    """For one test: a provider that behaves; afterwards nothing is left in the queues."""
    _reset(pipeline)
    pipeline.dead_letters.take()
    try:
        yield pipeline
    finally:
        _reset(pipeline)
    pipeline.emptied()


def _reset(pipeline: Pipeline) -> None:
    provider = pipeline.provider
    provider.down, provider.retry_after = False, 1
    pipeline.behave({})
    provider.put_secret(pipeline.account, pipeline.outputs["PaymentSecretArn"])
