"""EventRouting: producers -> bus -> rules -> queues -> functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from serverless_patterns._blocks.alarms import AlarmSet, Alerts
from serverless_patterns._blocks.arguments import check_arguments
from serverless_patterns._blocks.bus_feed import Feed, check_schedule, forward_events, schedule_events
from serverless_patterns._blocks.checks import check, check_type
from serverless_patterns._blocks.encryption import with_key
from serverless_patterns._blocks.event_bus import (
    DEFAULT_BUS,
    bus_name,
    check_bus,
    check_publishers,
    define_archive,
    define_bus,
    grant_put_events,
)
from serverless_patterns._blocks.event_pattern import checked_pattern
from serverless_patterns._blocks.event_route import Route, define_route
from serverless_patterns._blocks.handler import Handler
from serverless_patterns._blocks.part_names import check_part_name
from serverless_patterns._blocks.queue import QueueOptions, dead_letter_queue
from serverless_patterns._blocks.route_plan import plan_route
from serverless_patterns._blocks.rule import allow_events_key
from serverless_patterns._blocks.worker import WorkerOptions
from serverless_patterns.operations import Operations

#: What follows the name of a route in the names of its outputs and alarms, and what could be the end of another's name.
ENDINGS = ("DeadLetter", "Delivery", "DeliveryDeadLetter", "Rule", "Schedule", "Table")
#: The construct ids of the pattern itself.
RESERVED = ("Alarms", "Archive", "Bus", "BusDeadLetterQueue")


class EventRouting(Construct):
    """A bus whose events reach routes by what they are, each through a queue of its own: a slow or broken one hurts no other.

    Example::

        events = EventRouting(self, "Events")
        events.add_route("Payments", pattern={"detail-type": ["orders.paid", "orders.declined"]})
        events.add_route(
            "Stock",
            pattern={"detail-type": ["orders.paid"], "detail": {"metadata": {"version": [1]}}},
            handler=Handler.from_directory("src/stock", "stock.handle"),
            schemas={"orders.paid": {"type": "object", "required": ["order_id"]}},
        )
        events.grant_publish(checkout)

    Events have the envelope that all patterns here publish: on a bus, ``source`` and ``detail-type`` are its source and type,
    ``detail.metadata`` has its ``id``, ``version``, ``time``, ``correlation_id`` and ``causation_id``, and ``detail.data`` is
    what there is to know. Each event has its effect once in each route, however often it comes, replays included.

    Args:
        bus: A bus of yours, such as that of another ``EventRouting``, or ``events.EventBus.from_event_bus_name(self, "Default",
            "default")`` for the one that AWS services send to. Default: one is defined.
        publishers: Ids of other accounts (12 digits) and of organizations (``o-...``) whose principals may put events on the
            bus that is defined. They may name any source and id, yours as well: an event of yours that comes after such a one
            is taken for its duplicate. Name those that you trust. Default: those of its own account only.
        archive: Whether events can be replayed for as long as ``operations.archive_days`` says. Default: those of a bus that is
            defined; a bus of yours may have an archive, or many more events than these.
        encryption_key: A customer managed key for all that is defined, logs included. What the bus cannot encrypt with it is
            kept in a queue that SQS encrypts by itself. Default: that of the operations, or keys that AWS owns, free. The
            policy of a key of this app is completed here; that of an imported one must let CloudWatch Logs and EventBridge use
            it.
        operations: Retention, logs, capacity, archive. Default: the careful ones.

    Raises:
        PatternError: An argument does not fit; the message says what is allowed.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        bus: events.IEventBus | None = None,
        publishers: Sequence[str] = (),
        archive: bool | None = None,
        encryption_key: kms.IKey | None = None,
        operations: Operations | None = None,
    ) -> None:
        check_arguments(locals())
        check_type("archive", archive, bool, "True or False", optional=True)
        check_publishers(publishers)
        check(bus is None or not publishers, "publishers are let in by the policy of the bus, which is yours: leave them out")
        check_bus(scope, bus)
        super().__init__(scope, construct_id)
        self._operations = with_key(operations, encryption_key)
        self._key = self._operations.encryption_key
        self._undelivered: sqs.IQueue | None = None
        self._name = bus_name(self) if bus is None else "*"
        self._bus = bus or self._define_bus(publishers)
        if self._key is not None:
            allow_events_key(self, self._key)
        self._archive = self._define_archive(wanted=bus is None if archive is None else archive)
        self._routes: list[Route] = []
        self._feeds: list[Feed] = []

    @property
    def bus(self) -> events.IEventBus:
        """The bus: the one that was given, or the one that was defined."""
        return self._bus

    @property
    def archive(self) -> events.CfnArchive | None:
        """What events are replayed from, if they are kept."""
        return self._archive

    @property
    def dead_letter_queue(self) -> sqs.IQueue | None:
        """Where events are kept that the bus could not encrypt or decrypt, if it was defined and has a key: without that."""
        return self._undelivered

    @property
    def routes(self) -> Mapping[str, Route]:
        """The routes by name, in the order in which they were added."""
        return {route.name: route for route in self._routes}

    @property
    def outputs(self) -> Mapping[str, str]:
        """What a stack shows after a deploy, by its stable name."""
        shown = {"BusName": self._bus.event_bus_name, "BusArn": self._bus.event_bus_arn}
        if self._archive is not None:
            shown |= {"ArchiveName": self._archive.ref, "ArchiveArn": self._archive.attr_arn}
        for part in self._parts:
            shown |= part.outputs
        return shown

    def grant_publish(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a principal put events on the bus. It needs nothing of its key: EventBridge uses that itself.

        A principal of another account needs ``publishers`` as well.
        """
        made = grant_put_events(grantee, self._bus)
        check(
            made.success, f"grantee must be a role, a user or what has one, got {grantee!r}: name other accounts in publishers"
        )
        return made

    def add_route(
        self,
        route_id: str,
        *,
        pattern: Mapping[str, Any],
        handler: Handler | None = None,
        schemas: Mapping[str, Any] | None = None,
        worker: WorkerOptions | None = None,
        queue: QueueOptions | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Route:
        """Add a function that gets the events which match its pattern, each through its queue and once.

        What its function publishes to the same bus may match its own pattern: nobody can tell here. An event that is made of
        another one then has others of its own, without end. Give it a type that the pattern does not name.

        Args:
            route_id: Its name, in PascalCase.
            pattern: EventBridge's event pattern, such as ``{"detail-type": ["orders.paid", {"prefix": "refunds."}]}``. It must
                limit ``source`` or ``detail-type``; the version of the envelope is ``detail.metadata.version``, a number.
            handler: Your function of one event, made by ``Handler.from_directory(folder, "module.handle")``: ``def
                handle(event: Envelope) -> None``, with ``from event_routing.api import Envelope, Rejected``. It is packed
                beside the bundled consumer, which calls it for each event once. Default: the event is kept in the table of
                the route.
            schemas: Type of an event -> JSON Schema (draft 2020-12) of its data. What does not fit goes to the dead-letter
                queue at once, with all that is wrong. Default, and for types that it does not name: any data.
            worker: How the queue is consumed. Its timeout, 15 s at least, is for what the function does and 14 s that may be
                needed to write down that it was done. Default: 30 s, batches of 10, 10 at a time, 5 tries.
            queue: How the queue is defined; never FIFO. Default: it keeps events for 4 days.
            environment: Environment variables for your function.

        Raises:
            PatternError: A pattern that nothing or everything matches, a name that is taken, or a value outside its range.
        """
        plan = plan_route(
            pattern=pattern, handler=handler, schemas=schemas, worker=worker, queue=queue, environment=environment
        )
        scope = self._scope_of(route_id)
        route = define_route(scope, plan, bus=self._bus, key=self._key, operations=self._operations)
        self._routes.append(route)
        return route

    def forward(self, route_id: str, *, pattern: Mapping[str, Any]) -> Feed:
        """Put events of AWS services on the bus as well, such as those of a bucket: they come to the default bus only.

        They have no envelope. The bundled consumer takes the id, the time, the source and the type that AWS gave them, and the
        whole detail for their data.

        Args:
            route_id: Its name, in PascalCase.
            pattern: As of ``add_route``, such as ``{"source": ["aws.s3"], "detail-type": ["Object Created"]}``.

        Raises:
            PatternError: As of ``add_route``, or the bus is the default one itself.
        """
        checked = checked_pattern(pattern)
        is_default = self._bus.event_bus_name == DEFAULT_BUS
        check(
            not is_default, "forward puts events of the default bus on another one: this is the default bus, add routes to it"
        )
        scope = self._scope_of(route_id)
        feed = forward_events(scope, pattern=checked, bus=self._bus, undelivered=self._undelivered_of(scope))
        self._feeds.append(feed)
        return feed

    def add_schedule(
        self,
        route_id: str,
        *,
        schedule: scheduler.ScheduleExpression,
        detail_type: str,
        data: Mapping[str, Any] | None = None,
    ) -> Feed:
        """Put an event on the bus at each tick of a schedule: routes do what is to be done then, each once.

        Args:
            route_id: Its name, in PascalCase; the events' source is ``event_routing/<route_id>``.
            schedule: When, such as ``scheduler.ScheduleExpression.cron(hour="5", minute="0", time_zone=...)``.
            detail_type: The type of the events, 1 to 128 characters.
            data: Their data; ``<aws.scheduler.scheduled-time>`` in it becomes the moment that a tick was planned for. Default:
                an empty object.

        Raises:
            PatternError: A value of another kind, or a name that is taken.
        """
        check_schedule(schedule, detail_type, data or {})
        scope = self._scope_of(route_id)
        feed = schedule_events(
            scope,
            schedule=schedule,
            detail_type=detail_type,
            data=data or {},
            bus=self._bus,
            undelivered=self._undelivered_of(scope),
        )
        self._feeds.append(feed)
        return feed

    def add_alarms(self, alerts: Alerts) -> list[cloudwatch.Alarm]:
        """Define the alarms of the bus and of each route; none can be added afterwards."""
        alarms = AlarmSet(self, alerts)
        if self._undelivered is not None:
            alarms.add_dead_letters("Bus", self._undelivered, "The bus could not encrypt or decrypt an event: look at its key")
        for route in self._routes:
            route.add_alarms(alarms, self._bus)
        for feed in self._feeds:
            feed.add_alarms(alarms)
        return alarms.alarms

    @property
    def _parts(self) -> list[Route | Feed]:
        return [*self._routes, *self._feeds]

    def _define_bus(self, publishers: Sequence[str]) -> events.EventBus:
        if self._key is not None:
            # Events come here when the key cannot be used: SQS could not encrypt them with it either.
            # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-encryption-event-bus-dlq.html
            self._undelivered = dead_letter_queue(self, "BusDeadLetterQueue", key=None, operations=self._operations)
        return define_bus(
            self,
            "Bus",
            publishers=publishers,
            key=self._key,
            dead_letter_queue=self._undelivered,
            operations=self._operations,
        )

    def _define_archive(self, *, wanted: bool) -> events.CfnArchive | None:
        days = self._operations.archive_days
        if not wanted or days is None:
            return None
        return define_archive(
            self, "Archive", bus=self._bus, name=self._name, days=days, key=self._key, operations=self._operations
        )

    def _undelivered_of(self, scope: Construct) -> sqs.Queue:
        return dead_letter_queue(scope, "DeliveryDeadLetterQueue", key=self._key, operations=self._operations)

    def _scope_of(self, route_id: str) -> Construct:
        """The scope of a route; what it is in the way of is said before anything is defined."""
        names = [part.name for part in self._parts]
        check_part_name("route_id", route_id, example="Payments", parts=names, reserved=RESERVED, endings=ENDINGS)
        alarmed = self.node.try_find_child("Alarms") is not None
        check(not alarmed, f"add_alarms was called before: {route_id!r} would have no alarms; add routes first")
        return Construct(self, route_id)
