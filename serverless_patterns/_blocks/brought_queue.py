"""Queues that the user brings: what a worker needs of them, checked as far as they are known.

Of a queue of this app everything is known, of an imported one its name and the key that came with it; a token passes. What
cannot work is refused; what AWS advises against is warned of, since it is the user's queue.
"""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Annotations, Duration, Token
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from serverless_patterns._blocks.checks import check
from serverless_patterns._blocks.queue import (
    DEAD_LETTER_RETENTION_DAYS,
    FIFO_RECEIVES,
    LONGEST_RETENTION,
    RETENTION_DAYS,
    VISIBILITY_FACTOR,
    WorkQueue,
)
from serverless_patterns._blocks.worker import WorkerOptions

#: Seconds: the visibility timeout of a queue for which none was set.
DEFAULT_VISIBILITY = 30
#: Seconds that a queue keeps messages for which nothing was set.
DEFAULT_RETENTION = Duration.days(RETENTION_DAYS).to_seconds()


def brought_queue(
    scope: Construct, queue: sqs.IQueue, dead_letters: sqs.IQueue | None, *, worker: WorkerOptions, bundled: bool
) -> WorkQueue:
    """A queue of the user's for a pattern, with its own dead-letter queue or the one that is named beside it.

    Raises:
        PatternError: It has no dead-letter queue that is known here, or the two do not fit together or to the worker.
    """
    if queue.fifo:
        worker.check_fifo()
    own = queue.dead_letter_queue if isinstance(queue, sqs.Queue) else None
    kept = _dead_letter_queue(queue, own, dead_letters)
    visibility = _definition_of(queue, "visibility_timeout", DEFAULT_VISIBILITY)
    if visibility is not None:
        _check_visibility(scope, queue, visibility, worker)
    retention, longer = (_definition_of(each, "message_retention_period", DEFAULT_RETENTION) for each in (queue, kept))
    if not (queue.fifo or retention is None or longer is None):  # in a FIFO queue, the age begins anew
        _check_retention(scope, queue, retention, longer)
    receives = None if own is None or Token.is_unresolved(own.max_receive_count) else own.max_receive_count
    check(
        receives is None or receives >= worker.max_attempts,
        f"max_receive_count of the queue must be at least max_attempts of the worker ({worker.max_attempts}), got "
        f"{receives or 0:g}: SQS would move a message that the worker would still try; raise the one, or lower the other",
    )
    check(
        not (bundled and queue.fifo) or receives is None or receives >= FIFO_RECEIVES,
        f"max_receive_count of a FIFO queue must be {FIFO_RECEIVES} for the bundled worker, got {receives or 0:g}: what waits "
        "behind a message that fails, or is put off, is received with it and not tried, and SQS would move it without a reason",
    )
    return WorkQueue(
        queue=queue,
        dead_letter_queue=kept,
        max_receive_count=receives,
        visibility_timeout=visibility,
        retention=LONGEST_RETENTION if retention is None else retention,
        dead_letter_retention=LONGEST_RETENTION if longer is None else longer,
    )


def check_deduplication(queue: sqs.IQueue, *, wanted: bool) -> None:
    """Check that a FIFO queue takes the content for the deduplication id, where nothing else gives one."""
    definition = queue.node.default_child
    check(
        not (wanted and isinstance(definition, sqs.CfnQueue)) or definition.content_based_deduplication,
        f"queue must have content_based_deduplication=True for ingest='direct', got {queue.node.path!r} without it",
    )


def _dead_letter_queue(queue: sqs.IQueue, own: sqs.DeadLetterQueue | None, named: sqs.IQueue | None) -> sqs.IQueue:
    """The dead-letter queue: its own, or the one that is named, if that is where SQS puts messages too."""
    definition = queue.node.default_child
    redrives = own is not None or not isinstance(definition, sqs.CfnQueue) or definition.redrive_policy is not None
    kept = named or (None if own is None else own.queue)
    check(
        kept is not None and redrives,
        f"queue must have a dead-letter queue, got {queue.node.path!r} without one: define it with "
        "dead_letter_queue=sqs.DeadLetterQueue(...), or name that of an imported queue with dead_letter_queue=",
    )
    found = kept or queue  # it is there: checked above
    check(not _is_same(found, queue), f"dead_letter_queue must be another queue than {queue.node.path!r} itself")
    check(
        own is None or _is_same(found, own.queue),
        f"dead_letter_queue must be the one that {queue.node.path!r} has, got {found.node.path!r}: SQS would put some messages "
        "there and the worker others here; leave the argument out",
    )
    check(
        found.fifo == queue.fifo or not (_is_known(found) and _is_known(queue)),
        f"dead_letter_queue must be a {_kind(queue)} queue as the queue itself is, got a {_kind(found)} queue",
    )
    _check_allows(found)
    return found


def _check_allows(kept: sqs.IQueue) -> None:
    """Check that a dead-letter queue lets queues use it, as far as it is known.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
    """
    definition = kept.node.default_child
    policy = kept.stack.resolve(definition.redrive_allow_policy) if isinstance(definition, sqs.CfnQueue) else None
    check(
        not isinstance(policy, Mapping) or policy.get("redrivePermission") != "denyAll",
        f"dead_letter_queue must let queues use it, got {kept.node.path!r} with redrive_allow_policy DENY_ALL: SQS would "
        "refuse the queue; leave that policy out, which allows all of the account, or allow this queue",
    )


def _check_visibility(scope: Construct, queue: sqs.IQueue, visibility: float, worker: WorkerOptions) -> None:
    """Check that a message is hidden while it is worked, and warn if that leaves no time for another try of its batch.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    """
    least = worker.timeout_or_default.to_seconds() + worker.window.to_seconds()
    check(
        visibility >= least,
        f"visibility_timeout of the queue must be at least {least:g} s (the worker's timeout + its batch window), got "
        f"{visibility:g} s: a message would be worked again while it is being worked; define the queue with more",
    )
    advised = worker.least_visibility.to_seconds()
    if visibility < advised:
        Annotations.of(scope).add_warning_v2(
            "serverless-patterns:visibility-timeout",
            f"visibility_timeout of {queue.node.path!r} should be at least {advised:g} s ({VISIBILITY_FACTOR} x the worker's "
            f"timeout + its batch window), got {visibility:g} s: a batch that Lambda has to try again, since the function was "
            "throttled, is seen by others before it is done. Define the queue with more, or acknowledge this.",
        )


def _check_retention(scope: Construct, queue: sqs.IQueue, retention: float, longer: float) -> None:
    """Check that what comes late into the dead-letter queue is not deleted there at once.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/setting-up-dead-letter-queue-retention.html
    """
    days = f"retention_period=Duration.days({DEAD_LETTER_RETENTION_DAYS})"
    check(
        longer >= retention,
        f"retention_period of the dead-letter queue must be at least that of {queue.node.path!r} ({retention:g} s), got "
        f"{longer:g} s: a message keeps its age when SQS moves it, and one that has waited would be deleted at once; define "
        f"the dead-letter queue with {days}",
    )
    if longer == retention:
        Annotations.of(scope).add_warning_v2(
            "serverless-patterns:dead-letter-retention",
            f"retention_period of the dead-letter queue should be longer than that of {queue.node.path!r} ({retention:g} s), "
            f"got {longer:g} s: a message keeps its age when SQS moves it, and one that has waited is deleted soon. Define the "
            f"dead-letter queue with {days}, and its source with less, or acknowledge this.",
        )


def _is_same(one: sqs.IQueue, other: sqs.IQueue) -> bool:
    """Whether two queues are one, however often it is imported."""
    return one is other or one.queue_arn == other.queue_arn


def _is_known(queue: sqs.IQueue) -> bool:
    """Whether it is known what kind of queue it is: of an imported one its name tells, unless that is a token."""
    return isinstance(queue, sqs.Queue) or not Token.is_unresolved(queue.queue_name)


def _kind(queue: sqs.IQueue) -> str:
    return "FIFO" if queue.fifo else "standard"


def _definition_of(queue: sqs.IQueue, name: str, default: float) -> float | None:
    """The seconds that a queue of this app is defined with; of an imported one nothing is known."""
    definition = queue.node.default_child
    if not isinstance(definition, sqs.CfnQueue):
        return None
    seconds: float | None = getattr(definition, name)
    if seconds is None:
        return default
    return None if Token.is_unresolved(seconds) else seconds
