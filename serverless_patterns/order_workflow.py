"""OrderWorkflow: order -> state machine -> stock, payment API, shipment, and back again when a step fails."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from aws_cdk import Duration
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
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from serverless_patterns._blocks.alarms import AlarmSet, Alerts
from serverless_patterns._blocks.announcement import check_announcer, define_announcer
from serverless_patterns._blocks.arguments import check_arguments
from serverless_patterns._blocks.checks import check, check_duration, check_one_of, check_path_segment, check_texts, check_type
from serverless_patterns._blocks.edge import Authorization, Cors, Throttle
from serverless_patterns._blocks.encryption import with_key
from serverless_patterns._blocks.function import HandlerFunction
from serverless_patterns._blocks.handler import Handler
from serverless_patterns._blocks.order_api import API_ACTIONS, SCHEMA_FILE, ApiStarter, Callers
from serverless_patterns._blocks.order_broadcast import Announcements
from serverless_patterns._blocks.order_retries import Retries
from serverless_patterns._blocks.order_starters import (
    EventSource,
    EventStarter,
    Queued,
    QueueStarter,
    Started,
    Starter,
    check_starter,
)
from serverless_patterns._blocks.order_states import OrderStates, OrderSteps
from serverless_patterns._blocks.queue import QueueOptions
from serverless_patterns._blocks.queue import dead_letter_queue as kept_queue
from serverless_patterns._blocks.resource_schema import require_fields, resource_schema
from serverless_patterns._blocks.secret import define_payment_secret, grant_secret
from serverless_patterns._blocks.state_machine import (
    LONGEST_EXPRESS,
    LONGEST_STANDARD,
    Kind,
    Retry,
    define_state_machine,
    machine_role,
)
from serverless_patterns._blocks.table import TableOptions, checked_table, grant_tables, is_same_table, table_of
from serverless_patterns._blocks.unique_name import unique_name
from serverless_patterns._blocks.worker import WorkerOptions
from serverless_patterns.errors import PatternError
from serverless_patterns.operations import Operations

Part = Literal["validation", "stock", "payment", "shipping"]

#: What each function does -> the longest that it may take, in seconds. A transaction that is refused is followed by another,
#: 7 s each if all attempts time out. A charge is asked for once, 7 s, and once more with the secret read anew, 7 s as well.
PARTS: Mapping[Part, tuple[str, int]] = {
    "validation": ("Validates", 10),
    "stock": ("Reserves and releases the stock of", 20),
    "payment": ("Charges and pays back", 35),
    "shipping": ("Ships, and cancels the shipment of,", 20),
}
#: Items of an order: a transaction of DynamoDB changes at most 100, and one is the order's row.
#: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
MOST_ITEMS = 99
#: What a country is called in an order, unless a schema of the user's says otherwise.
COUNTRY = "[A-Z]{2}"
#: What a bundled step needs of an order -> its type.
NEEDED: Mapping[Part, Mapping[str, tuple[str, ...]]] = {
    "payment": {"amount": ("number", "integer"), "currency": ("string",)},
    "stock": {"items": ("array",)},
}

#: What an order is, unless the user says otherwise.
ORDER: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "minLength": 1, "maxLength": 80, "pattern": "^[A-Za-z0-9][A-Za-z0-9._@+-]*$"},
        "customer_id": {"type": "string", "minLength": 1, "maxLength": 128},
        "amount": {"type": "number", "exclusiveMinimum": 0, "maximum": 1_000_000, "multipleOf": 0.01},
        "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
        "items": {
            "type": "array",
            "minItems": 1,
            "maxItems": MOST_ITEMS,
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
        "ship_to": {
            "type": "object",
            "properties": {"country": {"type": "string", "pattern": f"^{COUNTRY}$"}},
            "required": ["country"],
        },
    },
    "required": ["customer_id", "amount", "currency", "items"],
}


class OrderWorkflow(Construct):
    """Orders that are worked step by step, and undone in reverse order when a step fails: a saga.

    Example::

        orders = OrderWorkflow(self, "Orders", starter="queue")

    The way forward: ``ValidateOrder``, ``ReserveStock``, ``ProcessPayment``, ``IsPaymentSuccessful``, ``ShipOrder``. The way
    back: ``CancelShipment``, ``RefundPayment``, ``ReleaseStock``. What became of an order is in the table and is announced:
    SHIPPED, or REJECTED, OUT_OF_STOCK, DECLINED, SHIPPING_FAILED. An execution fails only if something is broken; its order is
    FAILED then, or UNRESOLVED if it could not be undone: all that is known about it is in the manual queue.

    An execution is named after its order, so that each order has one. The payment API is named once, in the secret:
    ``aws secretsmanager put-secret-value --secret-id <PaymentSecretArn> --secret-string '{"url": "https://...", "api_key":
    "..."}'``; charges are posted to the ``url``, refunds to ``<url>/refunds``. The stock is put into its table:
    ``{"id": "<sku>", "available": 10}``.

    There is one function for each thing that steps change, which does and undoes: both need the same permissions.

    Args:
        resource: What the orders are called; the types of announcements begin with it. Default ``"orders"``.
        schema: JSON Schema (draft 2020-12) of an order. The bundled steps need ``amount`` (a number), ``currency`` (a string)
            and ``items`` (an array of ``sku`` and ``quantity``, ``maxItems`` of 99 at most), all required. Default: those,
            customer_id, and where it goes.
        kind: ``"standard"`` (default) runs each order once and keeps its history for 90 days. ``"express"`` is cheaper and
            ends after five minutes, whatever is not undone then: for orders that are worked in seconds.
        starter: What starts an execution for each order, named after its id. ``"queue"``: a queue and a function. ``"api"``:
            ``POST /orders`` (202 with the order's id; the same order again is the same order) and ``GET /orders/{id}`` (its
            state), behind an HTTP API. ``"event"``: a rule that puts events of a bus into a queue; it could not name an
            execution after the order, so that a function starts it here as well. Default: whoever is granted
            ``grant_start`` does.
        started_by: Which events, with ``starter="event"``: ``EventSource(pattern={"detail-type": ["orders.placed"]})``.
        authorization: Who may call the API, with ``starter="api"``. Default ``Authorization.iam()``: only who was granted may.
        cors: Which web pages may call it. Default: none.
        throttle: Its requests per second and burst. Default 100 and 200.
        handlers: Your functions instead of bundled ones, by ``"validation"``, ``"stock"``, ``"payment"``, ``"shipping"``. Each
            gets ``{"step", "order_id", "execution", "order"}``, may be asked more than once, and raises what the bundled ones
            raise: ``InvalidOrder``, ``OutOfStock``, ``PaymentDeclined`` or ``ShippingFailed`` for an answer, and
            ``UnavailableError`` for what is to be tried again. What undoes a step is tried again whatever it raises but
            ``RefundRefusedError`` and ``ConflictError``. A validation lets no order pass of more than 100 KiB, nor with
            a number of more than 15 significant digits, which an execution would round.
        ships_to: The countries that orders are shipped to, as ``ship_to.country`` names them: with two letters, such as
            ``"DE"``, unless a ``schema`` of yours says otherwise. Default: all.
        queue: Options of the queue that is defined, or a queue of yours; with ``starter="queue"`` or ``"event"``. A FIFO queue
            of yours lets messages be received 1,000 times: those behind one that fails are received with it, and not tried.
        dead_letter_queue: That of an imported ``queue``, which does not know its own.
        worker: How the queue is consumed. Default: 30 s, batches of 10, 10 at a time, 5 tries.
        table: Options of the table of orders, or a table of yours with the string partition key ``id`` and no sort key.
        stock_table: The same of the table of stock.
        topic: A topic of yours for the announcements. Default: one is defined.
        bus: An event bus of yours that orders are announced on, instead of a topic. It need not be the one in ``started_by``.
        broadcast_to: Topics and standard queues that are told as well, all at once, by names in PascalCase. Default: none.
        payment_secret: A secret of yours with ``{"url": ..., "api_key": ...}``. Default: one is defined.
        retry: How a step is tried again. Default: 4 times, after up to 2, 4, 8 and 16 s. A standard execution asks a function
            that is throttled 20 times more, after up to five minutes each.
        compensation_retry: How what undoes a step is tried again. Default: 20 times, after up to 15 minutes each: 200 minutes
            at most, 100 on average. In an Express one 4 times, 15 s at most.
        timeout: The longest that an execution may take. A standard one: a year at most, and not less than all tries may last,
            since an execution that is ended undoes nothing; default a day. An Express one: five minutes at most, which is the
            default, and whatever is not undone by then stays.
        encryption_key: A customer managed key for all tables, queues, topics, secrets and logs that are defined. What Step
            Functions keeps itself, the history of executions with their orders, is under a key that AWS owns. Default: that of
            the operations, or keys that AWS owns, free. The policy of a key of this app is completed here; that of an imported
            one must let CloudWatch Logs use it, and EventBridge with ``starter="event"``.
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
        kind: Kind = "standard",
        starter: Starter | None = None,
        started_by: EventSource | None = None,
        authorization: Authorization | None = None,
        cors: Cors | None = None,
        throttle: Throttle | None = None,
        handlers: Mapping[Part, Handler] | None = None,
        ships_to: Sequence[str] | None = None,
        queue: sqs.IQueue | QueueOptions | None = None,
        dead_letter_queue: sqs.IQueue | None = None,
        worker: WorkerOptions | None = None,
        table: dynamodb.ITable | TableOptions | None = None,
        stock_table: dynamodb.ITable | TableOptions | None = None,
        topic: sns.ITopic | None = None,
        bus: events.IEventBus | None = None,
        broadcast_to: Mapping[str, sns.ITopic | sqs.IQueue] | None = None,
        payment_secret: secretsmanager.ISecret | None = None,
        retry: Retry | None = None,
        compensation_retry: Retry | None = None,
        timeout: Duration | None = None,
        encryption_key: kms.IKey | None = None,
        operations: Operations | None = None,
    ) -> None:
        check_arguments(locals())
        check_starter(starter, locals())
        check_announcer(scope, topic, bus)
        operations = with_key(operations, encryption_key)
        encryption_key = operations.encryption_key
        check_type("handlers", handlers, Mapping, "a dict such as {'shipping': Handler.from_directory(...)}", optional=True)
        self._handlers, self._resource, self._kind = dict(handlers or {}), resource, kind
        timeout = timeout or (Duration.seconds(LONGEST_EXPRESS) if kind == "express" else Duration.days(1))
        _check(resource, kind, self._handlers, timeout=timeout)
        _check_countries(ships_to, self._handlers, known=schema is None)
        check(topic is None or not topic.fifo, "topic must be a standard topic, got a FIFO one: orders end in no order")
        targets = _targets(broadcast_to)
        retries = Retries.of(kind, retry, compensation_retry)
        if kind == "standard":
            retries.check_timeout(timeout, {part: seconds for part, (_, seconds) in PARTS.items()})
        order = _order_schema(ORDER if schema is None else schema, bundled={*PARTS} - {*self._handlers})
        table, stock_table = (
            checked_table(name, given, key=encryption_key) for name, given in (("table", table), ("stock_table", stock_table))
        )
        _check_apart(table, stock_table)
        super().__init__(scope, construct_id)
        self._operations = operations

        self._table = table_of(self, "Table", table, operations=operations)
        self._stock_table = table_of(self, "StockTable", stock_table, operations=operations)
        self._secret = payment_secret or define_payment_secret(self, key=encryption_key, operations=operations)
        self._announcer = define_announcer(self, topic=topic, bus=bus, key=encryption_key)
        self._manual_queue = kept_queue(self, "ManualQueue", key=encryption_key, operations=operations)
        self._steps = self._define_steps(order, ships_to)
        self._machine = self._define_machine(targets, retries, timeout)
        self._starter = self._define_starter(
            starter,
            started_by,
            queued=Queued(queue=queue, dead_letters=dead_letter_queue, options=worker or WorkerOptions()),
            callers=Callers(authorization=authorization, cors=cors, throttle=throttle),
            order=order,
        )

    @property
    def state_machine(self) -> sfn.StateMachine:
        """The state machine."""
        return self._machine

    @property
    def queue(self) -> sqs.IQueue | None:
        """Where orders wait to be started, with ``starter="queue"`` or ``"event"``."""
        return self._starter.queue.queue if isinstance(self._starter, QueueStarter) else None

    @property
    def api(self) -> apigatewayv2.HttpApi | None:
        """The API, with ``starter="api"``."""
        return self._starter.api if isinstance(self._starter, ApiStarter) else None

    @property
    def url(self) -> str | None:
        """Where the API answers, without the resource's path and without a slash at the end."""
        return self._starter.edge.url if isinstance(self._starter, ApiStarter) else None

    @property
    def starter_function(self) -> lambda_.Function | None:
        """The function that starts executions, if there is one."""
        return None if self._starter is None else self._starter.function

    @property
    def manual_queue(self) -> sqs.IQueue:
        """What people have to look at: orders that could not be undone, and announcements that could not be made."""
        return self._manual_queue

    @property
    def table(self) -> dynamodb.ITable:
        """The table of orders: the one that was given, or the one that was defined."""
        return self._table

    @property
    def stock_table(self) -> dynamodb.ITable:
        """The table of stock, the same."""
        return self._stock_table

    @property
    def topic(self) -> sns.ITopic:
        """Announces what became of each order: subscribe to it, or give it to ``SnsFanout``.

        Raises:
            PatternError: There is none, but a ``bus``.
        """
        return self._announcer.for_subscribers

    @property
    def payment_secret(self) -> secretsmanager.ISecret:
        """The address and key of the payment API: ``{"url": ..., "api_key": ...}``."""
        return self._secret

    def step_function(self, part: Part) -> lambda_.Function:
        """The function that does, and undoes, a part of the work."""
        check_one_of("part", part, tuple(PARTS))
        found: lambda_.Function = getattr(self._steps, part)
        return found

    @property
    def outputs(self) -> Mapping[str, str]:
        """What a stack shows after a deploy, by its stable name."""
        return {
            "StateMachineArn": self._machine.state_machine_arn,
            "TableName": self._table.table_name,
            "StockTableName": self._stock_table.table_name,
            **self._announcer.outputs,
            "ManualQueueUrl": self._manual_queue.queue_url,
            "PaymentSecretArn": self._secret.secret_arn,
            **{f"{part.capitalize()}Name": self.step_function(part).function_name for part in PARTS},
            **{f"{part.capitalize()}LogGroupName": self.step_function(part).log_group.log_group_name for part in PARTS},
            **({} if self._starter is None else self._starter.outputs),
        }

    def grant_start(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a principal start executions.

        It names them after the order's id, and takes ExecutionAlreadyExists for done if it knows that it is the same order.
        """
        return self._machine.grant_start_execution(grantee)

    def grant_read(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a principal ask the API for the state of orders; needed with ``Authorization.iam()``.

        Raises:
            PatternError: There is no API.
        """
        return self._api_starter.grant_read(grantee)

    def grant_write(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a principal place orders at the API; needed with ``Authorization.iam()``.

        Raises:
            PatternError: There is no API.
        """
        return self._api_starter.grant_write(grantee)

    def add_alarms(self, alerts: Alerts) -> list[cloudwatch.Alarm]:
        """Define the alarms of the state machine, of what it leaves to people, the functions, the starter and the tables."""
        alarms = AlarmSet(self, alerts)
        alarms.add_state_machine("Executions", self._machine)
        alarms.add_dead_letters("Manual", self._manual_queue, "An order could not be undone, or its end not announced")
        for part, (_, seconds) in PARTS.items():
            function = self.step_function(part)
            alarms.add_step(part.capitalize(), function, timeout=Duration.seconds(seconds))
            if part not in self._handlers:  # another one writes no such metric
                alarms.add_unexpected_errors(function, part.capitalize())
        if self._starter is not None:
            self._starter.add_alarms(alarms)
        self._announcer.add_alarms(alarms)
        asked = API_ACTIONS if isinstance(self._starter, ApiStarter) else ()
        alarms.add_table("Table", self._table, (*asked, "UpdateItem", "TransactWriteItems"))
        alarms.add_table("StockTable", self._stock_table, ("TransactWriteItems",))
        return alarms.alarms

    @property
    def _told(self) -> Mapping[str, sns.ITopic | events.IEventBus]:
        """Where what became of an order is announced first of all, by the name of its branch."""
        found = {"Topic": self._announcer.topic, "Bus": self._announcer.bus}
        return {name: target for name, target in found.items() if target is not None}

    @property
    def _api_starter(self) -> ApiStarter:
        if isinstance(self._starter, ApiStarter):
            return self._starter
        msg = f"{self.node.path} has no API: define it with starter='api'; to start executions yourself, use grant_start"
        raise PatternError(msg)

    def _define_steps(self, order: Mapping[str, Any], ships_to: Sequence[str] | None) -> OrderSteps:
        """The functions, each with what it needs and nothing else."""
        orders, stock = {"TABLE_NAME": self._table.table_name}, {"STOCK_TABLE_NAME": self._stock_table.table_name}
        steps = OrderSteps(
            validation=self._step("validation", {"SCHEMA_FILE": f"order_workflow/{SCHEMA_FILE}"}, schema=order),
            stock=self._step("stock", {**orders, **stock}),
            payment=self._step("payment", {"WORKFLOW": unique_name(self), "PAYMENT_SECRET_ARN": self._secret.secret_arn}),
            shipping=self._step("shipping", {**orders, **({"SHIPS_TO": ",".join(ships_to)} if ships_to else {})}),
        )
        for function, tables in ((steps.stock, (self._table, self._stock_table)), (steps.shipping, (self._table,))):
            for table in tables:
                grant_tables(function, {table: ["UpdateItem"]})
        grant_secret(steps.payment, self._secret)
        return steps

    def _define_machine(
        self, targets: Mapping[str, sns.ITopic | sqs.IQueue], retries: Retries, timeout: Duration
    ) -> sfn.StateMachine:
        """The steps in their order, and whom it tells what became of an order."""
        role = machine_role(self, "StateMachineRole", f"Assumed by the state machine that works {self._resource}")
        announcements = Announcements(
            source=unique_name(self),
            resource=self._resource,
            targets={**self._told, **targets},
            manual_queue=self._manual_queue,
        )
        states = OrderStates(
            self, role=role, steps=self._steps, table=self._table, announcements=announcements, retries=retries
        )
        return define_state_machine(
            self,
            "StateMachine",
            start=states.define(),
            role=role,
            kind=self._kind,
            timeout=timeout,
            operations=self._operations,
        )

    def _define_starter(
        self,
        starter: Starter | None,
        source: EventSource | None,
        *,
        queued: Queued,
        callers: Callers,
        order: Mapping[str, Any],
    ) -> QueueStarter | ApiStarter | None:
        """What starts an execution for each order."""
        workflow = Started(
            resource=self._resource,
            machine=self._machine,
            kind=self._kind,
            key=self._operations.encryption_key,
            operations=self._operations,
        )
        if starter == "api":
            return ApiStarter(self, workflow, table=self._table, schema=order, callers=callers)
        if source is not None:
            return EventStarter(self, workflow, queued, source)
        return None if starter is None else QueueStarter(self, workflow, queued)

    def _step(self, part: Part, environment: Mapping[str, str], *, schema: Mapping[str, Any] | None = None) -> HandlerFunction:
        does, seconds = PARTS[part]
        files = None if schema is None else {SCHEMA_FILE: json.dumps(schema)}
        return HandlerFunction(
            self,
            part.capitalize(),
            handler=self._handlers.get(part) or Handler.bundled("order_workflow", entry=f"{part}.handler", files=files),
            description=f"{does} {self._resource}",
            timeout=Duration.seconds(seconds),
            environment=environment,
            operations=self._operations,
        )


def _check(
    resource: str,
    kind: str,
    handlers: Mapping[Part, Handler],
    *,
    timeout: Duration,
) -> None:
    check_path_segment(resource)
    check_one_of("kind", kind, ("standard", "express"))
    for part, handler in handlers.items():
        check_one_of("a key of handlers", part, tuple(PARTS))
        check_type(f"handlers[{part!r}]", handler, Handler, "made by Handler.from_directory(...), or Handler(code, 'a.b')")
    check_duration("timeout", timeout, least=1, most=LONGEST_EXPRESS if kind == "express" else LONGEST_STANDARD, why=kind)


def _check_countries(ships_to: Sequence[str] | None, handlers: Mapping[Part, Handler], *, known: bool) -> None:
    """Check the countries; ``known``: whether they are written as the library's own schema has them."""
    if ships_to is None:
        return
    check_texts("ships_to", ships_to)
    check(
        "shipping" not in handlers,
        f"ships_to is for the bundled shipping, got {ships_to!r} beside a handler of yours: check it there",
    )
    check(ships_to, "ships_to must name a country at least, got none: leave it out to ship everywhere")
    for country in ships_to:
        check(
            re.fullmatch(COUNTRY, country) or not known,
            f"ships_to must be countries of two letters, as ship_to.country has them, such as 'DE', got {country!r}: no order "
            "could name it",
        )
        check(country and "," not in country, f"ships_to must be countries without commas, got {country!r}")


def _check_apart(table: dynamodb.ITable | TableOptions, stock_table: dynamodb.ITable | TableOptions) -> None:
    same = not isinstance(table, TableOptions) and is_same_table(table, stock_table)
    check(
        not same,
        "stock_table must be another table than table, got one for both: an order whose id is that of an item would take its "
        "row; leave one out",
    )


def _targets(given: Mapping[str, sns.ITopic | sqs.IQueue] | None) -> Mapping[str, sns.ITopic | sqs.IQueue]:
    check_type("broadcast_to", given, Mapping, "a dict of topics and queues such as {'Billing': topic}", optional=True)
    for name, target in (given or {}).items():
        check(
            re.fullmatch(r"[A-Z][A-Za-z0-9]{0,40}", str(name)) and name not in {"Topic", "Bus", "ForPeople"},
            f"a name in broadcast_to must be in PascalCase, and none of Topic, Bus and ForPeople, got {name!r}",
        )
        known = hasattr(target, "topic_arn") or hasattr(target, "queue_arn")
        check(known, f"broadcast_to[{name!r}] must be an SNS topic or an SQS queue, got {target!r}")
        check(
            not target.fifo, f"broadcast_to[{name!r}] must be a standard topic or queue, got a FIFO one: orders end in no order"
        )
    return dict(given or {})


def _order_schema(schema: Mapping[str, object], bundled: set[Part]) -> dict[str, Any]:
    """The checked schema, with what the bundled steps need."""
    order = resource_schema(schema, reserved=())
    why = "the bundled steps work with it; or give handlers of yours"
    for part, needed in NEEDED.items():
        if part in bundled:
            require_fields(order, needed, why=why)
    if "stock" in bundled:
        most = order["properties"]["items"].get("maxItems")
        check(
            isinstance(most, int) and most <= MOST_ITEMS,
            f"schema must bound 'items' by maxItems of {MOST_ITEMS} at most, got {most!r}: the bundled stock reserves them and "
            "marks the order in one transaction, which takes 100; or give handlers of yours",
        )
    return order
