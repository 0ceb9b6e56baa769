"""Work queues: a queue, the dead-letter queue behind it, and who may do what with them."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs
from constructs import Construct, IDependable

from serverless_patterns._blocks.checks import check, check_duration, check_type
from serverless_patterns._blocks.managed_key import managed_service
from serverless_patterns.operations import Operations

#: Days. SQS keeps messages for 60 seconds to 14 days; 4 is its own default.
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
RETENTION_DAYS = 4
#: Days. A message that moves here from a standard queue keeps its age, so this must be longer than the retention of the queue:
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
DEAD_LETTER_RETENTION_DAYS = 14
#: Receives that SQS allows beyond the tries of a bundled worker, which moves a message itself, with the reason. If it dies over
#: the last try, or cannot send it, one of these finishes that; without them SQS would move the message, and nobody knew why.
SPARE_RECEIVES = 3
#: The most receives that SQS allows: in a FIFO queue those behind a message that waits are received with it each time.
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
FIFO_RECEIVES = 1000
#: Seconds: the longest retention.
LONGEST_RETENTION = 14 * 24 * 60 * 60
#: A message is invisible for six times as long as its consumer may take, and the window in which a batch is collected:
#: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
VISIBILITY_FACTOR = 6
#: Seconds: the longest visibility timeout.
LONGEST_VISIBILITY = 12 * 60 * 60
#: What the poller of an event source mapping does with a queue, in the name of the function.
#: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
POLL = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
#: What everybody does with the key of a queue who sends to it or receives from it.
KEY_ACTIONS = ("kms:Decrypt", "kms:GenerateDataKey")


@dataclass(frozen=True, kw_only=True)
class QueueOptions:
    """How a pattern's own queue is defined. Its dead-letter queue keeps messages for 14 days, the longest there is.

    Args:
        fifo: Whether messages of one group are worked one after the other, in order. Default no: faster and cheaper.
        visibility_timeout: How long a message that was received stays hidden from other consumers, at most 12 hours. Default
            and least: 6 times the worker's timeout, and its batch window.
        retention: How long a message waits to be worked, 60 s to 13 days. Default 4 days: a weekend, and a day to mend.
    """

    fifo: bool = False
    visibility_timeout: Duration | None = None
    retention: Duration | None = None

    def __post_init__(self) -> None:
        """Check the types and ranges."""
        check_type("fifo", self.fifo, bool, "True or False")
        if self.visibility_timeout is not None:
            check_duration("visibility_timeout", self.visibility_timeout, least=1, most=LONGEST_VISIBILITY)
        if self.retention is not None:
            day = 24 * 60 * 60
            why = "a message keeps its age when it moves to the dead-letter queue, which keeps it for 14 days"
            check_duration("retention", self.retention, least=60, most=13 * day, why=why)


@dataclass(frozen=True, kw_only=True)
class WorkQueue:
    """A queue and its dead-letter queue.

    Attributes:
        queue: Where messages wait to be worked.
        dead_letter_queue: Where those are kept that could not be.
        max_receive_count: After so many receives its worker gives a message up; ``None`` if it is not known.
        visibility_timeout: Of the queue, in seconds; ``None`` if it is not known.
        retention: Of the queue, in seconds; the longest there is if it is not known.
        dead_letter_retention: Of the dead-letter queue, the same.
    """

    queue: sqs.IQueue
    dead_letter_queue: sqs.IQueue
    max_receive_count: float | None = None
    visibility_timeout: float | None = None
    retention: float = LONGEST_RETENTION
    dead_letter_retention: float = LONGEST_RETENTION

    @property
    def is_fifo(self) -> bool:
        """Whether the queue keeps messages of a group in order."""
        return self.queue.fifo


def grant_send(grantee: iam.IGrantable, queue: sqs.IQueue) -> None:
    """Let a principal put messages into a queue: CDK's own ``grant_send_messages`` grants more."""
    queue.grant(grantee, "sqs:SendMessage")
    grant_queue_key(grantee, queue)


def grant_queue_key(grantee: iam.IGrantable, queue: sqs.IQueue) -> None:
    """Let a principal send to, or receive from, a queue that has a key, as far as it is known.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
    """
    key = queue.encryption_master_key
    if key is not None and managed_service(key) is None:
        key.grant(grantee, *KEY_ACTIONS)


def let_service_send(queue: sqs.IQueue, service: str, source_arn: str) -> IDependable | None:
    """Let a service send to a queue for one resource of its own; what comes back is there as soon as it may.

    ``None`` comes back for a queue of another app, whose policy cannot be changed here.
    """
    added = queue.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.ServicePrincipal(service)],
            actions=["sqs:SendMessage"],
            resources=[queue.queue_arn],
            conditions={"ArnEquals": {"aws:SourceArn": source_arn}},  # it names the account too
        )
    )
    return added.policy_dependable


def let_service_encrypt(key: kms.IKey, service: str, source_arns: str) -> None:
    """Let a service encrypt what it puts into queues that have this key, for its resources of these ARNs.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
    """
    key.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.ServicePrincipal(service)],
            actions=list(KEY_ACTIONS),
            resources=["*"],
            conditions={"ArnLike": {"aws:SourceArn": source_arns}},
        )
    )


def work_queue(
    scope: Construct,
    construct_id: str,
    *,
    options: QueueOptions,
    least_visibility: Duration,
    content_based_deduplication: bool = False,
    max_receive_count: int,
    redrive_after: int,
    key: kms.IKey | None,
    operations: Operations,
) -> WorkQueue:
    """Define a queue ``<id>Queue`` and its ``<id>DeadLetterQueue``: encrypted, for callers with TLS only.

    Its worker gives a message up after ``max_receive_count`` receives, SQS itself after ``redrive_after``.
    """
    dead_letters = dead_letter_queue(scope, f"{construct_id}DeadLetterQueue", fifo=options.fifo, key=key, operations=operations)
    visibility = options.visibility_timeout or least_visibility
    check_visibility("visibility_timeout", visibility, least_visibility)
    retention = options.retention or Duration.days(RETENTION_DAYS)
    queue = _queue(
        scope,
        f"{construct_id}Queue",
        fifo=options.fifo,
        content_based_deduplication=content_based_deduplication,
        key=key,
        operations=operations,
        retention=retention,
        visibility_timeout=visibility,
        dead_letter_queue=sqs.DeadLetterQueue(queue=dead_letters, max_receive_count=redrive_after),
    )
    return WorkQueue(
        queue=queue,
        dead_letter_queue=dead_letters,
        max_receive_count=max_receive_count,
        visibility_timeout=None if visibility.is_unresolved() else visibility.to_seconds(),
        retention=LONGEST_RETENTION if retention.is_unresolved() else retention.to_seconds(),
    )


def dead_letter_queue(
    scope: Construct, construct_id: str, *, fifo: bool = False, key: kms.IKey | None, operations: Operations
) -> sqs.Queue:
    """Define a dead-letter queue: it keeps messages for as long as SQS can.

    It has no redrive-allow policy: that would name the queue before it, which names this one, and CloudFormation takes no
    circles.
    """
    retention = Duration.days(DEAD_LETTER_RETENTION_DAYS)
    return _queue(scope, construct_id, fifo=fifo, key=key, operations=operations, retention=retention)


def _queue(
    scope: Construct,
    construct_id: str,
    *,
    fifo: bool,
    content_based_deduplication: bool = False,
    key: kms.IKey | None,
    operations: Operations,
    retention: Duration,
    visibility_timeout: Duration | None = None,
    dead_letter_queue: sqs.DeadLetterQueue | None = None,
) -> sqs.Queue:
    return sqs.Queue(
        scope,
        construct_id,
        fifo=True if fifo else None,
        # Throughput and deduplication for each group, not for the queue as a whole.
        fifo_throughput_limit=sqs.FifoThroughputLimit.PER_MESSAGE_GROUP_ID if fifo else None,
        deduplication_scope=sqs.DeduplicationScope.MESSAGE_GROUP if fifo else None,
        content_based_deduplication=True if content_based_deduplication else None,
        encryption=sqs.QueueEncryption.SQS_MANAGED if key is None else sqs.QueueEncryption.KMS,
        encryption_master_key=key,
        enforce_ssl=True,
        retention_period=retention,
        visibility_timeout=visibility_timeout,
        dead_letter_queue=dead_letter_queue,
        removal_policy=operations.removal_policy,
    )


def least_visibility(timeout: Duration, batch_window: Duration) -> Duration:
    """How long a message must be hidden at least, so that it is not worked again while it is being worked."""
    return Duration.seconds(VISIBILITY_FACTOR * timeout.to_seconds() + batch_window.to_seconds())


def check_visibility(name: str, visibility: Duration, least: Duration) -> None:
    """Check the rule of AWS for queues that Lambda polls; a queue of the user's may have less, with a warning."""
    if visibility.is_unresolved():
        return
    check(
        visibility.to_seconds() >= least.to_seconds(),
        f"{name} must be at least {least.to_seconds():g} s ({VISIBILITY_FACTOR} x the worker's timeout + its batch window), "
        f"got {visibility.to_seconds():g} s: a message would be worked again while it is being worked",
    )
