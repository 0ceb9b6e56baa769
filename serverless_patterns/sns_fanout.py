"""SnsFanout: topic -> filtered queues -> subscribers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aws_cdk import Duration, Token
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct, IDependable

from serverless_patterns._blocks.alarms import AlarmSet, Alerts
from serverless_patterns._blocks.arguments import check_arguments
from serverless_patterns._blocks.asynchronous import invoke_asynchronously
from serverless_patterns._blocks.checks import check, check_type
from serverless_patterns._blocks.encryption import with_key
from serverless_patterns._blocks.filter_policy import FilterOn
from serverless_patterns._blocks.function import HandlerFunction, check_environment
from serverless_patterns._blocks.handler import Handler
from serverless_patterns._blocks.part_names import check_part_name
from serverless_patterns._blocks.queue import QueueOptions, WorkQueue, dead_letter_queue
from serverless_patterns._blocks.subscriber_action import Action, Prepared, check_action, prepare
from serverless_patterns._blocks.subscription import (
    Filter,
    SubscriptionProtocol,
    allow_delivery,
    allow_invocation,
    allow_key,
    subscribe,
)
from serverless_patterns._blocks.topic import define_topic, grant_publish
from serverless_patterns._blocks.worker import SETTINGS, TIMEOUT, WorkerOptions, consume, worker_queue
from serverless_patterns.operations import Operations

#: What follows the name of a subscriber in the names of its outputs and alarms, and what could be the end of another's name.
ENDINGS = ("DeadLetter", "Delivery", "DeliveryDeadLetter", "Table")
#: The construct ids of the pattern itself.
RESERVED = ("Alarms", "Topic")


@dataclass(frozen=True, kw_only=True)
class Subscriber:
    """A subscriber of a fan-out, and where its messages are.

    Attributes:
        name: Its construct id.
        function: What works its messages; ``None`` for an e-mail address or an endpoint.
        dead_letter_queue: Where messages are kept that its function could not work, with the reason; ``None`` without one.
        delivery_dead_letter_queue: Where messages are kept that could not be delivered to it.
        timeout: Of its function.
    """

    name: str
    delivery_dead_letter_queue: sqs.IQueue
    function: lambda_.Function | None = None
    dead_letter_queue: sqs.IQueue | None = None
    timeout: Duration = field(default_factory=lambda: Duration.seconds(TIMEOUT))
    _work: WorkQueue | None = field(default=None, repr=False)
    _action: Prepared | None = field(default=None, repr=False)

    @property
    def queue(self) -> sqs.IQueue | None:
        """Where its messages wait; ``None`` with ``direct=True``, for an address or an endpoint."""
        return None if self._work is None else self._work.queue

    def add_alarms(self, alarms: AlarmSet) -> None:
        """Define its alarms."""
        name, function, action = self.name, self.function, self._action
        alarms.add_undelivered(f"{name}Delivery", self.delivery_dead_letter_queue, to="its subscriber")
        if function is None or action is None:  # an address or an endpoint
            return
        alarms.add_worker(name, function, timeout=self.timeout)
        if self._work is not None:
            alarms.add_queue(name, self._work, function)
            if action.handler.is_bundled:
                alarms.add_unexpected_errors(function, name)
        elif self.dead_letter_queue is not None:
            alarms.add_asynchronous(name, function, self.dead_letter_queue)
        if action.table is not None:
            alarms.add_table(f"{name}Table", action.table, action.operations)
        if action.topic is not None:
            alarms.add_topic(f"{name}Topic", action.topic)


class SnsFanout(Construct):
    """A topic whose messages reach many subscribers, each through a queue of its own: a slow or broken one hurts no other.

    Example::

        events = SnsFanout(self, "Events")
        events.add_subscriber("Audit", handler=AuditTrail())
        events.add_subscriber(
            "Email",
            handler=Handler.from_directory("src/email", "app.handler"),
            filter_policy={"event_type": ["orders.paid"]},
        )

    The bundled subscribers read the versioned envelope that ``SqsPipeline`` publishes: JSON with ``id``, ``type``, ``version``,
    ``time``, ``source``, ``correlation_id``, ``causation_id`` and ``data``; its ``type`` and ``version`` travel as the message
    attributes ``event_type`` and ``event_version`` as well, for filters.

    Args:
        topic: A topic of yours, such as ``SqsPipeline(...).topic``. Default: one is defined.
        fifo: Whether the topic that is defined keeps the order of each message group; then all subscribers are FIFO queues.
            Default no.
        encryption_key: A customer managed key for all that is defined, logs included. Default: that of the operations, or keys
            that AWS owns, free; a topic without one is not encrypted. The policy of a key of this app is completed here; that
            of an imported one must let CloudWatch Logs and SNS use it.
        operations: Retention, logs, capacity. Default: the careful ones.

    Raises:
        PatternError: An argument does not fit; the message says what is allowed.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        topic: sns.ITopic | None = None,
        fifo: bool = False,
        encryption_key: kms.IKey | None = None,
        operations: Operations | None = None,
    ) -> None:
        check_arguments(locals(), anywhere=("topic",))  # SNS delivers to queues and functions of other regions
        operations = with_key(operations, encryption_key)
        encryption_key = operations.encryption_key
        check_type("fifo", fifo, bool, "True or False")
        check(topic is None or not fifo, "fifo is a property of the topic: define yours with fifo=True, or give none")
        super().__init__(scope, construct_id)
        self._operations = operations
        self._key = encryption_key
        self._topic = topic or define_topic(self, "Topic", fifo=fifo, key=encryption_key)
        self._owns_topic = topic is None
        self._outputs: dict[str, str] = {"TopicArn": self._topic.topic_arn}
        self._subscribers: list[Subscriber] = []
        if encryption_key is not None:
            allow_key(encryption_key, self._topic)

    @property
    def topic(self) -> sns.ITopic:
        """The topic: the one that was given, or the one that was defined."""
        return self._topic

    @property
    def subscribers(self) -> Mapping[str, Subscriber]:
        """The subscribers by name, in the order in which they were added."""
        return {subscriber.name: subscriber for subscriber in self._subscribers}

    @property
    def outputs(self) -> Mapping[str, str]:
        """What a stack shows after a deploy, by its stable name."""
        return dict(self._outputs)

    def grant_publish(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a principal publish to the topic."""
        return grant_publish(grantee, self._topic)

    def add_subscriber(
        self,
        construct_id: str,
        *,
        handler: Action,
        filter_policy: Mapping[str, Any] | None = None,
        filter_on: FilterOn = "attributes",
        direct: bool = False,
        worker: WorkerOptions | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Subscriber:
        """Add a function that gets the messages which pass its filter.

        Args:
            construct_id: Its name, in PascalCase.
            handler: What it does: ``AuditTrail()``, ``Totals()``, ``Notification()``, or your code. That gets SQS records whose
                body is the message as it was published, and answers with ``batchItemFailures``; with ``direct=True`` it gets an
                SNS event.
            filter_policy: SNS's filter policy, such as ``{"event_type": ["orders.paid", {"prefix": "refund."}]}``. Default:
                every message.
            filter_on: ``"attributes"`` (default): message attributes; ``"body"``: the fields of a JSON body.
            direct: Whether SNS invokes the function itself, without a queue: no batches, no bound on what arrives at once. It
                is tried three times within an hour; then the event is kept with the reason. Default no.
            worker: How the queue is consumed; with ``direct=True`` only a timeout and memory. Default: 30 s, batches of 10,
                10 at a time, 5 tries.
            environment: Environment variables for code of yours, beside those of its queue and its log.

        Raises:
            PatternError: A filter that no message can pass, a name that is taken, variables that nothing of yours would read,
                or what a FIFO topic cannot do.
        """
        options, messages = worker or WorkerOptions(), Filter(policy=filter_policy, on=filter_on)
        check_type("direct", direct, bool, "True or False")
        check_type("worker", options, WorkerOptions, "WorkerOptions(...)")
        check_action(handler)
        if direct:
            options.check_without_queue("direct=True")
        check_environment(environment, taken=() if direct else SETTINGS, own=isinstance(handler, Handler))
        scope = self._scope_of(construct_id, "direct=True" if direct else None)
        action = prepare(scope, handler, key=self._key, operations=self._operations)
        deliver = self._deliver_directly if direct else self._deliver_to_queue
        subscriber = deliver(scope, action, messages, options, environment or {})
        self._outputs |= {f"{construct_id}{name}": value for name, value in action.outputs.items()}
        return self._added(subscriber)

    def add_email(
        self,
        construct_id: str,
        *,
        address: str,
        filter_policy: Mapping[str, Any] | None = None,
        filter_on: FilterOn = "attributes",
    ) -> Subscriber:
        """Add an e-mail address: its owner must confirm it, and then gets each message as it is.

        Args:
            construct_id: Its name, in PascalCase.
            address: The e-mail address.
            filter_policy: As of ``add_subscriber``.
            filter_on: As of ``add_subscriber``.

        Raises:
            PatternError: It is no address, the filter matches nothing, or the topic is a FIFO topic.
        """
        holds = Token.is_unresolved(address) or re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", str(address))
        check(holds, f"address must be an e-mail address, got {address!r}")
        return self._add_endpoint(construct_id, "email", address, Filter(policy=filter_policy, on=filter_on))

    def add_https_endpoint(
        self,
        construct_id: str,
        *,
        url: str,
        filter_policy: Mapping[str, Any] | None = None,
        filter_on: FilterOn = "attributes",
    ) -> Subscriber:
        """Add an HTTPS endpoint: it must confirm the subscription and verify the signature of each message.

        https://docs.aws.amazon.com/sns/latest/dg/sns-http-https-endpoint-as-subscriber.html

        Args:
            construct_id: Its name, in PascalCase.
            url: Where SNS posts to; https only.
            filter_policy: As of ``add_subscriber``.
            filter_on: As of ``add_subscriber``.

        Raises:
            PatternError: It is no https URL, the filter matches nothing, or the topic is a FIFO topic.
        """
        holds = Token.is_unresolved(url) or re.fullmatch(r"https://[^\s/?#]+[^\s]*", str(url))
        check(holds, f"url must be an https URL, got {url!r}")
        return self._add_endpoint(construct_id, "https", url, Filter(policy=filter_policy, on=filter_on))

    def add_alarms(self, alerts: Alerts) -> list[cloudwatch.Alarm]:
        """Define the alarms of the topic and of each subscriber; none can be added afterwards."""
        alarms = AlarmSet(self, alerts)
        if self._owns_topic:
            alarms.add_topic("Topic", self._topic)  # that of another pattern has its alarms there
        for subscriber in self._subscribers:
            subscriber.add_alarms(alarms)
        return alarms.alarms

    def _scope_of(self, construct_id: str, only_standard: str | None) -> Construct:
        """The scope of a subscriber; what it is in the way of is said before anything is defined."""
        names = list(self.subscribers)
        check_part_name("construct_id", construct_id, example="Audit", parts=names, reserved=RESERVED, endings=ENDINGS)
        alarmed = self.node.try_find_child("Alarms") is not None
        check(not alarmed, f"add_alarms was called before: {construct_id!r} would have no alarms; add subscribers first")
        check(
            only_standard is None or not self._topic.fifo,
            f"{only_standard} needs a standard topic: a FIFO topic delivers to queues only",
        )
        return Construct(self, construct_id)

    def _added(self, subscriber: Subscriber) -> Subscriber:
        name = subscriber.name
        self._subscribers.append(subscriber)
        self._outputs[f"{name}DeliveryDeadLetterQueueUrl"] = subscriber.delivery_dead_letter_queue.queue_url
        if subscriber.queue is not None:
            self._outputs[f"{name}QueueUrl"] = subscriber.queue.queue_url
        if subscriber.dead_letter_queue is not None:
            self._outputs[f"{name}DeadLetterQueueUrl"] = subscriber.dead_letter_queue.queue_url
        if subscriber.function is not None:
            self._outputs[f"{name}FunctionName"] = subscriber.function.function_name
            self._outputs[f"{name}LogGroupName"] = subscriber.function.log_group.log_group_name
        return subscriber

    def _deliver_to_queue(
        self, scope: Construct, action: Prepared, messages: Filter, options: WorkerOptions, environment: Mapping[str, str]
    ) -> Subscriber:
        queue = worker_queue(
            scope,
            "",
            worker=options,
            options=QueueOptions(fifo=self._topic.fifo),
            bundled=action.handler.is_bundled,
            key=self._key,
            operations=self._operations,
        )
        permission = allow_delivery(self._topic, queue.queue)
        undelivered = self._subscribe(scope, "sqs", queue.queue.queue_arn, messages, permission)
        function = self._function(scope, action, options, {**environment, **options.settings(queue)})
        consume(scope, "Source", function=function, queue=queue, options=options, operations=self._operations)
        return Subscriber(
            name=scope.node.id,
            function=function,
            dead_letter_queue=queue.dead_letter_queue,
            delivery_dead_letter_queue=undelivered,
            timeout=options.timeout_or_default,
            _work=queue,
            _action=action,
        )

    def _deliver_directly(
        self, scope: Construct, action: Prepared, messages: Filter, options: WorkerOptions, environment: Mapping[str, str]
    ) -> Subscriber:
        function = self._function(scope, action, options, environment)
        permission = allow_invocation(scope, "Permission", topic=self._topic, function=function)
        undelivered = self._subscribe(scope, "lambda", function.function_arn, messages, permission)
        failed = dead_letter_queue(scope, "DeadLetterQueue", key=self._key, operations=self._operations)
        invoke_asynchronously(scope, "Invocation", function=function, on_failure=failed)
        return Subscriber(
            name=scope.node.id,
            function=function,
            dead_letter_queue=failed,
            delivery_dead_letter_queue=undelivered,
            timeout=options.timeout_or_default,
            _action=action,
        )

    def _function(
        self, scope: Construct, action: Prepared, options: WorkerOptions, environment: Mapping[str, str]
    ) -> HandlerFunction:
        function = HandlerFunction(
            scope,
            "Function",
            handler=action.handler,
            description=action.description,
            timeout=options.timeout_or_default,
            environment={**environment, **action.environment},
            operations=self._operations,
            memory_size=options.memory_size,
        )
        action.grant(function)
        return function

    def _add_endpoint(self, construct_id: str, protocol: SubscriptionProtocol, endpoint: str, messages: Filter) -> Subscriber:
        scope = self._scope_of(construct_id, f"a subscriber by {protocol}")
        return self._added(
            Subscriber(name=construct_id, delivery_dead_letter_queue=self._subscribe(scope, protocol, endpoint, messages))
        )

    def _subscribe(
        self,
        scope: Construct,
        protocol: SubscriptionProtocol,
        endpoint: str,
        messages: Filter,
        permission: IDependable | None = None,
    ) -> sqs.Queue:
        """Subscribe, and keep what cannot be delivered."""
        undelivered = dead_letter_queue(
            scope, "DeliveryDeadLetterQueue", fifo=self._topic.fifo, key=self._key, operations=self._operations
        )
        subscribe(
            scope,
            "Subscription",
            topic=self._topic,
            protocol=protocol,
            endpoint=endpoint,
            messages=messages,
            delivery_dead_letter_queue=undelivered,
            permission=permission,
        )
        return undelivered
