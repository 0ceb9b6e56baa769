"""Workers: functions that consume a queue in batches, and report the messages of a batch that failed."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from serverless_patterns._blocks.checks import check, check_between, check_duration, check_type, seconds_text
from serverless_patterns._blocks.queue import (
    FIFO_RECEIVES,
    POLL,
    SPARE_RECEIVES,
    QueueOptions,
    WorkQueue,
    grant_queue_key,
    grant_send,
    least_visibility,
    work_queue,
)
from serverless_patterns.operations import Operations

#: Seconds.
TIMEOUT = 30
#: Messages.
BATCH_SIZE = 10
#: Seconds before the first retry of a message; it doubles with each.
RETRY_DELAY = 30
#: AWS's advice for a queue that Lambda polls is at least 5.
#: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
MAX_ATTEMPTS = 5
#: Messages: above it, an event source mapping needs a window; a FIFO queue has no larger batches.
#: https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
LARGEST_BATCH_WITHOUT_WINDOW = 10
#: The environment variables from which a bundled handler knows its queue: the keys of ``WorkerOptions.settings``.
SETTINGS = ("QUEUE_URL", "DEAD_LETTER_QUEUE_URL", "MAX_RECEIVE_COUNT", "RETRY_DELAY_SECONDS")


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """How a function consumes a queue.

    Args:
        timeout: The longest that a batch may take, 1 s to 15 minutes (a pattern may want more). Default 30 s.
        batch_size: Messages for each invocation at most, 1 to 10,000 (10 from a FIFO queue). Above 10 it needs a
            ``batch_window``. Default 10, or what the pattern says.
        batch_window: How long to wait for a batch to fill, 0 to 300 s; not for FIFO queues. Default 0: no wait.
        max_concurrency: Batches that are worked at the same time, 2 to 1,000; an environment takes its share of it. Default
            10. It bounds the pollers, so nothing is throttled and no receive count is burnt, which reserved concurrency does.
        max_attempts: How often a message is tried before it goes to the dead-letter queue, 1 to 100. Default 5.
        memory_size: MB of the function, 128 to 10,240; CPU grows with it. Default 512, or what the pattern needs.
        retry_delay: Before the first retry of a message, 0 to 900 s; it doubles with each, up to 900 s. Default 30 s.

    Raises:
        PatternError: A value is outside its range.
    """

    timeout: Duration | None = None
    batch_size: int | None = None
    batch_window: Duration | None = None
    max_concurrency: int = 10
    max_attempts: int = MAX_ATTEMPTS
    memory_size: int | None = None
    retry_delay: Duration | None = None

    def __post_init__(self) -> None:
        """Check the ranges: https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html."""
        numbers = {"batch_size": (self.batch, 1, 10_000)}
        numbers |= {"max_concurrency": (self.max_concurrency, 2, 1_000), "max_attempts": (self.max_attempts, 1, 100)}
        for name, (number, least, most) in numbers.items():
            check_type(name, number, int, "a whole number")
            check_between(name, number, least, most)
        if self.memory_size is not None:
            check_type("memory_size", self.memory_size, int, "a whole number")
            check_between("memory_size", self.memory_size, 128, 10_240, " MB")
        for name, value in (("timeout", self.timeout_or_default), ("batch_window", self.window)):
            check_type(name, value, Duration, "a duration such as Duration.seconds(30)")
            check(
                not value.is_unresolved(), f"{name} must be known while defining: the queue's visibility timeout depends on it"
            )
        check_duration("timeout", self.timeout_or_default, least=1, most=900)
        check_duration("batch_window", self.window, least=0, most=300)
        check_duration("retry_delay", self.first_delay, least=0, most=900, why="the longest delay of SQS")
        check(
            self.batch <= LARGEST_BATCH_WITHOUT_WINDOW or self.window.to_seconds() >= 1,
            f"batch_window must be at least 1 s for a batch_size above 10, got {self.window.to_seconds():g} s "
            f"with batch_size={self.batch}",
        )

    @property
    def batch(self) -> int:
        """How many messages a batch has at most."""
        return BATCH_SIZE if self.batch_size is None else self.batch_size

    @property
    def timeout_or_default(self) -> Duration:
        """The timeout of the function."""
        return self.timeout or Duration.seconds(TIMEOUT)

    @property
    def window(self) -> Duration:
        """The batch window."""
        return self.batch_window or Duration.seconds(0)

    @property
    def first_delay(self) -> Duration:
        """The delay before the first retry."""
        return self.retry_delay or Duration.seconds(RETRY_DELAY)

    @property
    def least_visibility(self) -> Duration:
        """How long the queue must hide a message that was received."""
        return least_visibility(self.timeout_or_default, self.window)

    def check_without_queue(self, why: str) -> None:
        """Check that nothing is wanted of a queue where there is none, which would be silently left out.

        Args:
            why: The argument that says so.

        Raises:
            PatternError: It says more than what the function has: ``timeout`` and ``memory_size``.
        """
        for each in dataclasses.fields(self):
            value = getattr(self, each.name)
            check(
                each.name in {"timeout", "memory_size"} or value == each.default,
                f"{each.name} of worker goes with a queue, got {value!r} with {why}, which has none: leave it out",
            )

    def check_fifo(self) -> None:
        """Check what a FIFO queue can do."""
        check(
            self.batch <= LARGEST_BATCH_WITHOUT_WINDOW,
            f"batch_size must be 1 to 10 for a FIFO queue, got {self.batch}",
        )
        check(
            self.window.to_seconds() == 0,
            f"batch_window must be 0 for a FIFO queue, which has none, got {self.window.to_seconds():g} s",
        )

    def settings(self, queue: WorkQueue) -> dict[str, str]:
        """The environment variables from which a bundled handler knows its queue."""
        values = (
            queue.queue.queue_url,
            queue.dead_letter_queue.queue_url,
            f"{queue.max_receive_count or self.max_attempts:g}",
            seconds_text(self.first_delay),
        )
        return dict(zip(SETTINGS, values, strict=True))


def worker_queue(
    scope: Construct,
    construct_id: str,
    *,
    worker: WorkerOptions,
    options: QueueOptions | None = None,
    bundled: bool,
    content_based_deduplication: bool = False,
    key: kms.IKey | None,
    operations: Operations,
) -> WorkQueue:
    """Define the queue of a worker, ``<id>Queue``, and its ``<id>DeadLetterQueue``.

    A bundled handler moves a message itself after its last try, with the reason, and SQS only later. In a FIFO queue as late as
    it can: what waits there behind a message that fails is received with it each time, and not tried.

    Raises:
        PatternError: The worker wants what a FIFO queue cannot do, or the queue shows messages again too soon for it.
    """
    options = options or QueueOptions()
    if options.fifo:
        worker.check_fifo()
    spared = FIFO_RECEIVES if options.fifo else worker.max_attempts + SPARE_RECEIVES
    return work_queue(
        scope,
        construct_id,
        options=options,
        least_visibility=worker.least_visibility,
        content_based_deduplication=content_based_deduplication,
        max_receive_count=worker.max_attempts,
        redrive_after=spared if bundled else worker.max_attempts,
        key=key,
        operations=operations,
    )


def consume(
    scope: Construct,
    construct_id: str,
    *,
    function: lambda_.Function,
    queue: WorkQueue,
    options: WorkerOptions,
    operations: Operations,
) -> lambda_.EventSourceMapping:
    """Let a function consume a queue: it polls it, keeps messages back for a while, and sends hopeless ones aside."""
    queue.queue.grant(function, *POLL, "sqs:ChangeMessageVisibility")
    grant_send(function, queue.dead_letter_queue)
    grant_queue_key(function, queue.queue)
    mapping = lambda_.EventSourceMapping(
        scope,
        construct_id,
        target=function,
        event_source_arn=queue.queue.queue_arn,
        batch_size=options.batch,
        max_batching_window=options.batch_window,
        max_concurrency=operations.capacity.concurrency(options.max_concurrency),
        report_batch_item_failures=True,
    )
    # A mapping that is made before its permissions fails to be made.
    if function.role is not None:
        mapping.node.add_dependency(function.role)
    return mapping
