"""SqsPipeline: client -> API -> queue -> worker -> payment API, table, topic."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

from aws_cdk import Duration
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_apigatewayv2 as apigatewayv2
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from serverless_patterns._blocks.alarms import AlarmSet, Alerts, handler_metric, rate_of
from serverless_patterns._blocks.announcement import check_announcer, define_announcer
from serverless_patterns._blocks.arguments import check_arguments
from serverless_patterns._blocks.brought_queue import brought_queue, check_deduplication
from serverless_patterns._blocks.checks import (
    check,
    check_duration,
    check_one_of,
    check_path_segment,
    seconds_text,
)
from serverless_patterns._blocks.circuit_breaker import CircuitBreaker
from serverless_patterns._blocks.edge import Authorization, Cors, Edge, Route, Throttle
from serverless_patterns._blocks.encryption import with_key
from serverless_patterns._blocks.function import HandlerFunction
from serverless_patterns._blocks.handler import Handler
from serverless_patterns._blocks.http_edge import http_edge
from serverless_patterns._blocks.queue import DEAD_LETTER_RETENTION_DAYS, FIFO_RECEIVES, QueueOptions, WorkQueue, grant_send
from serverless_patterns._blocks.queue_route import queue_route
from serverless_patterns._blocks.resource_schema import require_fields, resource_schema, type_of
from serverless_patterns._blocks.rest_edge import check_rest, rest_edge
from serverless_patterns._blocks.secret import define_payment_secret, grant_secret
from serverless_patterns._blocks.table import TableOptions, checked_table, grant_tables, table_of, transient_table
from serverless_patterns._blocks.unique_name import unique_name
from serverless_patterns._blocks.worker import WorkerOptions, consume, worker_queue
from serverless_patterns.operations import Operations

Ingest = Literal["function", "direct"]

#: Seconds. The bundled handler reserves an id only with 14 s left, since storing and sending take 7 s each if all attempts time
#: out; and API Gateway waits for 29.
INGEST_TIMEOUT = 20
#: Seconds. The bundled worker starts an order only if one call to the payment API, 7 s with its timeouts, and what must be
#: written afterwards, 8 s, still fit: 16 s, and some to begin with.
LEAST_WORKER_TIMEOUT = 20
#: Bytes of a request's body: an item of a table holds 400 KB, names included.
#: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
MAX_BODY_BYTES = 256 * 1024
#: Seconds: an order that could not be tried is put off for so long at most.
LONGEST_POSTPONED = 4 * 24 * 60 * 60
WHY_FOUR_DAYS = "an order that is put off stays in it, and SQS deletes what is older"
#: Seconds that orders may be put off before it is critical: customers wait for them.
POSTPONED_TOO_LONG = 60 * 60
SCHEMA_FILE = "schema.json"
ID = "id"

INGEST_ACTIONS = ("GetItem", "PutItem")
WORKER_ACTIONS = ("UpdateItem",)
IDEMPOTENCY_ACTIONS = ("PutItem", "UpdateItem", "DeleteItem")
CIRCUIT_ACTIONS = ("GetItem", "PutItem", "UpdateItem")
#: What the bundled worker needs of an order -> its type.
CHARGED = {"amount": ("number", "integer"), "currency": ("string",)}

#: What an order is, unless the user says otherwise.
ORDER: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        ID: {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[A-Za-z0-9][A-Za-z0-9._~@:+-]*$"},
        "customer_id": {"type": "string", "minLength": 1, "maxLength": 128},
        "amount": {"type": "number", "exclusiveMinimum": 0, "maximum": 1_000_000, "multipleOf": 0.01},
        "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
        "items": {
            "type": "array",
            "maxItems": 100,
            "items": {
                "type": "object",
                "properties": {
                    "sku": {"type": "string", "minLength": 1, "maxLength": 64},
                    "quantity": {"type": "integer", "minimum": 1, "maximum": 1000},
                },
                "required": ["sku", "quantity"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["customer_id", "amount", "currency"],
}


class SqsPipeline(Construct):
    """Orders that are taken at once and worked later: an API stores them in a queue, a worker charges them.

    Example::

        orders = SqsPipeline(self, "Orders", group_by="customer_id")

    Routes: ``POST /orders`` (202 with the order's id; the same order again is the same order), ``GET /orders/{id}`` (its
    state and history). The states: PENDING, PROCESSING, and PAID, DECLINED or FAILED; the last three are announced.

    After the first deploy the payment API is named once, in the secret: ``aws secretsmanager put-secret-value --secret-id
    <PaymentSecretArn> --secret-string '{"url": "https://...", "api_key": "..."}'``. Until then orders wait and are retried.

    Args:
        resource: The path segment. Default ``"orders"``.
        schema: JSON Schema (draft 2020-12) of an order. The bundled worker charges its ``amount`` (a number) and
            ``currency`` (a string), both required. With a string property ``id`` clients may choose ids. Default:
            customer_id, amount, currency, and optional id and items.
        ingest: ``"function"`` (default) validates every field, reserves the id and answers 409 to another order with a used
            id. ``"direct"`` is a REST API that puts the body into the queue by itself: no function, no cold start, clients
            must choose ids, and what its model cannot check goes to the dead-letter queue.
        authorization: Default ``Authorization.iam()``: only who was granted may call.
        cors: Which web pages may call. Default: none.
        throttle: Requests per second and burst. Default 100 and 200.
        queue: Options of the queue that is defined, or a queue of yours whose dead-letter queue keeps messages longer.
            Its redrive comes after ``worker.max_attempts`` receives or more; with the bundled worker, best after some more.
        dead_letter_queue: That of an imported ``queue``, which does not know its own.
        group_by: A required field of the order: orders with one value are one message group. In a standard queue a group with
            many messages does not keep the others waiting (fair queue); in a FIFO queue each group is worked in order.
        table: Options of the table of orders, or a table of yours with the string partition key ``id`` and no sort key.
        topic: A topic of yours for the announcements. Default: one is defined.
        bus: An event bus of yours in the stack's region, such as that of ``EventRouting``, for the announcements instead of a
            topic; not together with ``topic``.
        payment_secret: A secret of yours with ``{"url": ..., "api_key": ...}``. Default: one is defined.
        circuit_breaker: When calls to the payment API stop. Default: after 3 failures in a row, for 30 s.
        handler: Your worker instead of the bundled one. It gets the same environment variables and permissions.
        worker: How the queue is consumed. Default: 30 s, batches of 10, 10 at a time, 5 tries. The bundled worker needs a
            timeout of 20 s or more.
        encryption_key: A customer managed key for all that is defined, logs included. Default: that of the operations, or keys
            that AWS owns, free. The policy of a key of this app is completed here; that of an imported one must let CloudWatch
            Logs use it.
        operations: Retention, backups, logs, capacity. Default: the careful ones.

    Raises:
        PatternError: An argument does not fit; the message says what is allowed.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        resource: str = "orders",
        schema: Mapping[str, object] | None = None,
        ingest: Ingest = "function",
        authorization: Authorization | None = None,
        cors: Cors | None = None,
        throttle: Throttle | None = None,
        queue: sqs.IQueue | QueueOptions | None = None,
        dead_letter_queue: sqs.IQueue | None = None,
        group_by: str | None = None,
        table: dynamodb.ITable | TableOptions | None = None,
        topic: sns.ITopic | None = None,
        bus: events.IEventBus | None = None,
        payment_secret: secretsmanager.ISecret | None = None,
        circuit_breaker: CircuitBreaker | None = None,
        handler: Handler | None = None,
        worker: WorkerOptions | None = None,
        encryption_key: kms.IKey | None = None,
        operations: Operations | None = None,
    ) -> None:
        check_arguments(locals())
        operations = with_key(operations, encryption_key)
        encryption_key = operations.encryption_key
        self._direct, self._group_by, self._bundled = ingest == "direct", group_by, handler is None
        self._worker_options, self._key = worker or WorkerOptions(), encryption_key
        authorization = authorization or Authorization.iam()
        circuit_breaker = circuit_breaker or CircuitBreaker()
        check_announcer(scope, topic, bus)
        _check(resource, ingest, self._worker_options, circuit_breaker, bundled=self._bundled)
        if self._direct:
            check_rest(authorization, cors, this="ingest='direct'", other="ingest='function'")
        order = _order_schema(ORDER if schema is None else schema, group_by, charged=handler is None, direct=self._direct)
        options = checked_table("table", table, key=encryption_key)
        super().__init__(scope, construct_id)
        self._operations = operations
        self._order_file = {SCHEMA_FILE: json.dumps(order)}

        self._queue = self._work_queue(queue, dead_letter_queue)
        self._table = table_of(self, "Table", options, operations=operations)
        self._ingest = self._define_ingest(resource, cors)
        self._routes = [Route("POST", f"/{resource}"), Route("GET", f"/{resource}/{{id}}")]
        self._edge = self._define_edge(order, authorization, cors, throttle or Throttle())

        self._idempotency_table = self._memory("IdempotencyTable")
        self._circuit_table = self._memory("CircuitTable")
        self._announcer = define_announcer(self, topic=topic, bus=bus, key=encryption_key)
        self._secret = payment_secret or define_payment_secret(self, key=encryption_key, operations=self._operations)
        self._worker = self._define_worker(resource, handler, circuit_breaker)
        consume(
            self,
            "WorkerSource",
            function=self._worker,
            queue=self._queue,
            options=self._worker_options,
            operations=self._operations,
        )
        if not self._queue.is_fifo:
            grant_send(self._worker, self.queue)  # an order that is put off goes back as a copy, whose receives count anew
        grant_tables(
            self._worker,
            {
                self._table: WORKER_ACTIONS,
                self._idempotency_table: IDEMPOTENCY_ACTIONS,
                self._circuit_table: CIRCUIT_ACTIONS,
            },
        )
        self._announcer.grant_announce(self._worker)
        grant_secret(self._worker, self._secret)

    @property
    def queue(self) -> sqs.IQueue:
        """Where orders wait to be worked."""
        return self._queue.queue

    @property
    def dead_letter_queue(self) -> sqs.IQueue:
        """Where orders are kept that could not be worked; the message attribute ``Reason`` says why."""
        return self._queue.dead_letter_queue

    @property
    def table(self) -> dynamodb.ITable:
        """The table of orders: the one that was given, or the one that was defined."""
        return self._table

    @property
    def topic(self) -> sns.ITopic:
        """Announces each order that is paid, declined or failed: subscribe to it, or give it to ``SnsFanout``.

        Raises:
            PatternError: There is none, but a ``bus``.
        """
        return self._announcer.for_subscribers

    @property
    def name(self) -> str:
        """A name that no other pipeline has, in any account and region: who pays back an order finds its charge by it.

        A charge has the Idempotency-Key ``<name>:<order id>:charge``.
        """
        return unique_name(self)

    @property
    def payment_secret(self) -> secretsmanager.ISecret:
        """The address and key of the payment API: ``{"url": ..., "api_key": ...}``."""
        return self._secret

    @property
    def worker_function(self) -> lambda_.Function:
        """The function that works orders."""
        return self._worker

    @property
    def ingest_function(self) -> lambda_.Function:
        """The function behind the API; with ``ingest="direct"`` it answers ``GET`` alone."""
        return self._ingest

    @property
    def api(self) -> apigatewayv2.HttpApi | apigateway.RestApi:
        """The API: an ``HttpApi`` or, with ``ingest="direct"``, a ``RestApi``."""
        return self._edge.api

    @property
    def url(self) -> str:
        """Where the API answers, without the resource's path and without a slash at the end."""
        return self._edge.url

    @property
    def outputs(self) -> Mapping[str, str]:
        """What a stack shows after a deploy, by its stable name."""
        return {
            "ApiUrl": self._edge.url,
            "ApiId": self._edge.api_id,
            "ApiStage": self._edge.stage,
            "QueueUrl": self.queue.queue_url,
            "DeadLetterQueueUrl": self.dead_letter_queue.queue_url,
            "TableName": self._table.table_name,
            "IdempotencyTableName": self._idempotency_table.table_name,
            "CircuitTableName": self._circuit_table.table_name,
            **self._announcer.outputs,
            "PaymentSecretArn": self._secret.secret_arn,
            "WorkerName": self._worker.function_name,
            "WorkerLogGroupName": self._worker.log_group.log_group_name,
            "IngestName": self._ingest.function_name,
            "IngestLogGroupName": self._ingest.log_group.log_group_name,
        }

    def grant_read(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a principal ask for the state of orders; needed with ``Authorization.iam()``."""
        return self._edge.grant_invoke(grantee, [route for route in self._routes if route.method == "GET"])

    def grant_write(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a principal place orders; needed with ``Authorization.iam()``."""
        return self._edge.grant_invoke(grantee, [route for route in self._routes if route.method == "POST"])

    def metric_circuit_opened(self) -> cloudwatch.IMetric:
        """How often the worker stopped calling the payment API, per minute."""
        return handler_metric(self._worker, "CircuitOpened", "Sum")

    def metric_server_errors(self) -> cloudwatch.IMetric:
        """Answers 5xx as a percentage of the requests, per minute."""
        return rate_of(self._edge.server_errors, self._edge.requests, "5xx per request")

    def add_alarms(self, alerts: Alerts) -> list[cloudwatch.Alarm]:
        """Define the alarms of the API, the queues, the functions, the circuit and the tables."""
        alarms = AlarmSet(self, alerts)
        alarms.add_edge(self._edge, timeout=Duration.seconds(INGEST_TIMEOUT))
        alarms.add_api_function("Ingest", self._ingest, timeout=Duration.seconds(INGEST_TIMEOUT))
        alarms.add_queue("Orders", self._queue, self._worker)
        alarms.add_worker("Worker", self._worker, timeout=self._worker_options.timeout_or_default)
        if self._bundled:  # another worker writes none of these metrics
            self._add_payment_alarms(alarms)
        self._announcer.add_alarms(alarms)
        alarms.add_table("Table", self._table, (*INGEST_ACTIONS, *WORKER_ACTIONS))
        alarms.add_table("IdempotencyTable", self._idempotency_table, IDEMPOTENCY_ACTIONS)
        alarms.add_table("CircuitTable", self._circuit_table, CIRCUIT_ACTIONS)
        return alarms.alarms

    def _add_payment_alarms(self, alarms: AlarmSet) -> None:
        logs = f"aws logs tail {self._worker.log_group.log_group_name} --since 15m"
        alarms.add(
            "CircuitOpened",
            self.metric_circuit_opened(),
            tier="warning",
            threshold=1,
            description=f"The payment API fails; orders wait until it answers again. First: {logs}",
        )
        alarms.add(
            "OrdersPostponed",
            handler_metric(self._worker, "PostponedSeconds", "Maximum"),
            tier="critical",
            threshold=POSTPONED_TOO_LONG,
            at_threshold=False,
            description=(
                "Orders have been put off for over an hour: the payment API is down, or refuses the key. After four days they "
                f"are given up. First: {logs}; aws secretsmanager describe-secret --secret-id {self._secret.secret_arn}"
            ),
        )
        alarms.add_unexpected_errors(self._worker)

    @property
    def _idempotency_seconds(self) -> int:
        """How long the result of a charge is remembered: for as long as an order can be put off, wait, and lie dead."""
        return LONGEST_POSTPONED + int(self._queue.retention) + DEAD_LETTER_RETENTION_DAYS * 24 * 60 * 60

    def _work_queue(self, queue: sqs.IQueue | QueueOptions | None, dead_letters: sqs.IQueue | None) -> WorkQueue:
        if queue is None or isinstance(queue, QueueOptions):
            check(
                dead_letters is None, "dead_letter_queue goes with a queue of yours: the one that is defined has one of its own"
            )
            found = self._own_queue(queue or QueueOptions())
        else:
            found = brought_queue(self, queue, dead_letters, worker=self._worker_options, bundled=self._bundled)
            check_deduplication(queue, wanted=queue.fifo and self._direct)
        if not (found.is_fifo and self._bundled):
            return found
        check(
            found.retention >= LONGEST_POSTPONED,
            f"retention of a FIFO queue must be at least 4 days for the bundled worker: {WHY_FOUR_DAYS}; "
            f"got {found.retention:g} s",
        )
        # It is received again while it is put off: the worker counts the tries of an order itself.
        return dataclasses.replace(found, max_receive_count=FIFO_RECEIVES)

    def _own_queue(self, options: QueueOptions) -> WorkQueue:
        return worker_queue(
            self,
            "",
            worker=self._worker_options,
            options=options,
            bundled=self._bundled,
            content_based_deduplication=options.fifo and self._direct,
            key=self._key,
            operations=self._operations,
        )

    def _define_ingest(self, resource: str, cors: Cors | None) -> HandlerFunction:
        settings = {
            "RESOURCE": resource,
            "TABLE_NAME": self._table.table_name,
            "SCHEMA_FILE": f"sqs_pipeline/{SCHEMA_FILE}",
            "MAX_BODY_BYTES": str(MAX_BODY_BYTES),
            **({} if self._direct else {"QUEUE_URL": self.queue.queue_url}),
            **({"GROUP_BY": self._group_by} if self._group_by else {}),
        }
        if cors is not None and self._direct:  # an HTTP API adds these headers itself
            settings["ALLOW_ORIGINS"] = ",".join(cors.allow_origins)
            settings["ALLOW_CREDENTIALS"] = str(cors.allow_credentials).lower()
        function = HandlerFunction(
            self,
            "Ingest",
            handler=Handler.bundled("sqs_pipeline", entry="ingest.handler", files=self._order_file),
            description=f"Tells the state of {resource}" if self._direct else f"Takes {resource} and tells their state",
            timeout=Duration.seconds(INGEST_TIMEOUT),
            environment=settings,
            operations=self._operations,
        )
        if not self._direct:
            grant_send(function, self.queue)
        grant_tables(function, {self._table: INGEST_ACTIONS[:1] if self._direct else INGEST_ACTIONS})
        return function

    def _define_edge(
        self, order: Mapping[str, Any], authorization: Authorization, cors: Cors | None, throttle: Throttle
    ) -> Edge:
        edge = http_edge
        if self._direct:
            to_queue = queue_route(self, queue=self._queue, id_field=ID, group_by=self._group_by, cors=cors)
            edge = partial(rest_edge, usage_plan=None, body_schema=order, direct={self._routes[0]: to_queue})
        return edge(
            self,
            function=self._ingest,
            routes=self._routes,
            authorization=authorization,
            cors=cors,
            throttle=throttle,
            operations=self._operations,
        )

    def _memory(self, construct_id: str) -> dynamodb.TableV2:
        """A table of what the worker remembers for a while, of charges or of the circuit."""
        return transient_table(
            self, construct_id, time_to_live_attribute="expiration", encryption_key=self._key, operations=self._operations
        )

    def _define_worker(self, resource: str, handler: Handler | None, circuit_breaker: CircuitBreaker) -> HandlerFunction:
        return HandlerFunction(
            self,
            "Worker",
            handler=handler or Handler.bundled("sqs_pipeline", files=self._order_file),
            description=f"Works {resource} from the queue: charges them and announces the result",
            timeout=self._worker_options.timeout_or_default,
            environment={
                **self._worker_options.settings(self._queue),
                "RESOURCE": resource,
                # Two pipelines may share an account of the payment API, and who is told: their orders are not the same orders.
                "PIPELINE": self.name,
                "TABLE_NAME": self._table.table_name,
                "IDEMPOTENCY_TABLE_NAME": self._idempotency_table.table_name,
                "IDEMPOTENCY_TTL_SECONDS": str(self._idempotency_seconds),
                "CIRCUIT_TABLE_NAME": self._circuit_table.table_name,
                "CIRCUIT_FAILURE_THRESHOLD": str(circuit_breaker.failure_threshold),
                "CIRCUIT_RECOVERY_SECONDS": seconds_text(circuit_breaker.recovery_timeout_or_default),
                "MAX_ATTEMPTS": str(self._worker_options.max_attempts),
                **self._announcer.settings,
                "PAYMENT_SECRET_ARN": self._secret.secret_arn,
                "SCHEMA_FILE": f"sqs_pipeline/{SCHEMA_FILE}",
            },
            operations=self._operations,
            memory_size=self._worker_options.memory_size,
            sends_to_its_source=not self._queue.is_fifo,
        )


def _check(resource: str, ingest: Ingest, worker: WorkerOptions, circuit_breaker: CircuitBreaker, *, bundled: bool) -> None:
    check_path_segment(resource)
    check_one_of("ingest", ingest, ("function", "direct"))
    if bundled:
        why = "a call to the payment API may take 7 s, and what is written before and after it 9 s"
        check_duration("timeout of the worker", worker.timeout_or_default, least=LEAST_WORKER_TIMEOUT, most=900, why=why)
        threshold = circuit_breaker.failure_threshold
        check(
            threshold <= worker.max_attempts,
            f"failure_threshold must be at most max_attempts ({worker.max_attempts}), got {threshold}: an order that is alone "
            "would be given up before the circuit opens",
        )


def _order_schema(schema: Mapping[str, object], group_by: str | None, *, charged: bool, direct: bool) -> dict[str, Any]:
    """The checked schema; with direct ingest clients must choose ids."""
    order = resource_schema(schema, reserved=())
    required = order.get("required", [])
    if charged:
        require_fields(order, CHARGED, why="the bundled worker charges it; or give a handler of yours")
    if group_by is not None:
        check(
            type_of(order, group_by) in ("string", "integer") and (group_by in required or group_by == ID),
            f"group_by must be a required field of the schema with type 'string' or 'integer', got {group_by!r}",
        )
        check(
            not direct or re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", group_by),
            "group_by must be of letters, digits and underscores for ingest='direct', where API Gateway finds it by a path, "
            f"got {group_by!r}",
        )
    if direct:
        check(
            ID in order["properties"],
            "schema must have a string property 'id' for ingest='direct': there is no function that could make one",
        )
        order["required"] = [*required, *({ID} - set(required))]
    return order
