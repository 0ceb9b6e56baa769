"""Work queues and their workers: how they are defined, what a queue of the user's must be, and what is refused."""

import re

import pytest
from aws_cdk import CfnParameter, Duration, RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs

from serverless_patterns import (
    Alerts,
    Capacity,
    CircuitBreaker,
    Handler,
    Operations,
    PatternError,
    QueueOptions,
    SqsPipeline,
    WorkerOptions,
)
from serverless_patterns._blocks import queue as block
from serverless_patterns._blocks import worker as worker_block
from serverless_patterns.s3_processing import S3Processing
from shared import queue_consumer
from tests.support.readable import alarms, permissions, properties_at, readable
from tests.support.synthesis import empty_stack, resources, template_of

OWN = Handler(lambda_.Code.from_inline("def handler(event, context): ..."), "index.handler")
ARN = "arn:aws:sqs:eu-central-1:123456789012"


def orders(scope, **options) -> SqsPipeline:
    return SqsPipeline(scope, "Orders", **options)


def own_queue(stack, construct_id="Mine", *, fifo=None, receives=7, kept_days=14, **options) -> sqs.Queue:
    """A queue of the user's, with a dead-letter queue."""
    kept = sqs.Queue(stack, f"{construct_id}Failed", fifo=fifo, retention_period=Duration.days(kept_days))
    options = {"visibility_timeout": Duration.minutes(3), **options}
    failed = sqs.DeadLetterQueue(queue=kept, max_receive_count=receives)
    return sqs.Queue(stack, construct_id, fifo=fifo, dead_letter_queue=failed, **options)


def variables(stack, function="Orders/Worker"):
    return properties_at(stack, function)["Environment"]["Variables"]


# --- the queue that is defined


def test_messages_wait_four_days_and_are_kept_fourteen_when_they_failed(stack):
    orders(stack)
    queue, kept = properties_at(stack, "Orders/Queue"), properties_at(stack, "Orders/DeadLetterQueue")
    assert queue["MessageRetentionPeriod"] == 4 * 86_400
    assert kept["MessageRetentionPeriod"] == 14 * 86_400
    # The worker gives up after 5; SQS does so itself for one that died over its last try.
    assert queue["RedrivePolicy"] == {"deadLetterTargetArn": "Orders/DeadLetterQueue", "maxReceiveCount": 8}
    assert "RedriveAllowPolicy" not in kept


@pytest.mark.parametrize(
    ("worker", "seconds"),
    [
        (WorkerOptions(), 180),
        (WorkerOptions(timeout=Duration.seconds(60)), 360),
        (WorkerOptions(batch_size=100, batch_window=Duration.seconds(20)), 200),
        (WorkerOptions(timeout=Duration.minutes(15), batch_window=Duration.minutes(5)), 5700),
    ],
)
def test_a_message_is_hidden_for_six_timeouts_and_the_window_of_a_batch(stack, worker, seconds):
    orders(stack, worker=worker)
    assert properties_at(stack, "Orders/Queue")["VisibilityTimeout"] == seconds


def test_it_may_be_hidden_for_longer_and_wait_for_longer(stack):
    orders(stack, queue=QueueOptions(visibility_timeout=Duration.minutes(10), retention=Duration.days(13)))
    queue = properties_at(stack, "Orders/Queue")
    assert (queue["VisibilityTimeout"], queue["MessageRetentionPeriod"]) == (600, 13 * 86_400)


def test_it_may_not_be_hidden_for_less(stack):
    message = (
        "visibility_timeout must be at least 180 s (6 x the worker's timeout + its batch window), got 179 s: "
        "a message would be worked again while it is being worked"
    )
    with pytest.raises(PatternError, match=re.escape(message)):
        orders(stack, queue=QueueOptions(visibility_timeout=Duration.seconds(179)))


def test_durations_of_the_queue_may_be_tokens(stack):
    seconds = CfnParameter(stack, "Seconds", type="Number").value_as_number
    token = Duration.seconds(seconds)
    pipeline = orders(
        stack,
        queue=QueueOptions(visibility_timeout=token, retention=token),
        worker=WorkerOptions(retry_delay=token),
        circuit_breaker=CircuitBreaker(recovery_timeout=token),
    )
    queue = properties_at(stack, "Orders/Queue")
    assert queue["VisibilityTimeout"] == queue["MessageRetentionPeriod"] == "Seconds"
    assert pipeline.queue is not pipeline.dead_letter_queue
    found = variables(stack)
    assert found["RETRY_DELAY_SECONDS"] == found["CIRCUIT_RECOVERY_SECONDS"] == "Seconds"
    assert found["IDEMPOTENCY_TTL_SECONDS"] == str((4 + 14 + 14) * 86_400)


def test_both_queues_refuse_callers_without_tls(stack):
    orders(stack)
    policies = [readable(stack, each["Properties"]) for each in resources(template_of(stack), "AWS::SQS::QueuePolicy").values()]
    refusals = {policy["Queues"][0]: policy["PolicyDocument"]["Statement"] for policy in policies}
    assert refusals == {
        name: [
            {
                "Action": "sqs:*",
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                "Effect": "Deny",
                "Principal": {"AWS": "*"},
                "Resource": name,
            }
        ]
        for name in ("Orders/Queue", "Orders/DeadLetterQueue")
    }


def test_both_queues_are_encrypted_by_sqs_without_a_key(stack):
    orders(stack)
    for name in ("Queue", "DeadLetterQueue"):
        found = properties_at(stack, f"Orders/{name}")
        assert found["SqsManagedSseEnabled"] is True
        assert "KmsMasterKeyId" not in found


def test_both_queues_are_encrypted_with_the_key_that_is_given():
    stack = empty_stack(region="eu-central-1")
    orders(stack, encryption_key=kms.Key(stack, "Key"))
    for name in ("Queue", "DeadLetterQueue"):
        found = properties_at(stack, f"Orders/{name}")
        assert found["KmsMasterKeyId"] == "Key"
        assert "SqsManagedSseEnabled" not in found


def test_queues_are_kept_as_the_operations_say(stack):
    orders(stack, operations=Operations(removal_policy=RemovalPolicy.DESTROY))
    assert {each["DeletionPolicy"] for each in resources(template_of(stack), "AWS::SQS::Queue").values()} == {"Delete"}
    other = empty_stack()
    orders(other)
    assert {each["DeletionPolicy"] for each in resources(template_of(other), "AWS::SQS::Queue").values()} == {"Retain"}


def test_a_fifo_queue_keeps_the_order_of_each_group_and_not_of_all(stack):
    orders(stack, queue=QueueOptions(fifo=True))
    for name in ("Queue", "DeadLetterQueue"):
        found = properties_at(stack, f"Orders/{name}")
        assert found["FifoQueue"] is True
        assert (found["FifoThroughputLimit"], found["DeduplicationScope"]) == ("perMessageGroupId", "messageGroup")
        assert "ContentBasedDeduplication" not in found


def test_a_fifo_queue_lets_a_message_come_again_as_often_as_sqs_can(stack):
    """An order that is put off there is received again; the worker counts its tries."""
    orders(stack, queue=QueueOptions(fifo=True), worker=WorkerOptions(max_attempts=3))
    assert properties_at(stack, "Orders/Queue")["RedrivePolicy"]["maxReceiveCount"] == 1000
    found = variables(stack)
    assert (found["MAX_RECEIVE_COUNT"], found["MAX_ATTEMPTS"]) == ("1000", "3")


def test_a_standard_queue_moves_a_message_only_when_its_worker_did_not_after_the_last_try(stack):
    orders(stack, worker=WorkerOptions(max_attempts=3, retry_delay=Duration.minutes(2)))
    assert properties_at(stack, "Orders/Queue")["RedrivePolicy"]["maxReceiveCount"] == 6
    found = variables(stack)
    assert (found["MAX_RECEIVE_COUNT"], found["MAX_ATTEMPTS"], found["RETRY_DELAY_SECONDS"]) == ("3", "3", "120")


@pytest.mark.parametrize("fifo", [False, True])
def test_the_queue_of_a_worker_of_ones_own_moves_a_message_after_its_last_try(stack, fifo):
    orders(stack, handler=OWN, queue=QueueOptions(fifo=fifo), worker=WorkerOptions(max_attempts=3))
    assert properties_at(stack, "Orders/Queue")["RedrivePolicy"]["maxReceiveCount"] == 3
    assert variables(stack)["MAX_RECEIVE_COUNT"] == "3"


def test_only_a_fifo_queue_that_is_sent_to_without_an_id_takes_the_content_for_it(stack):
    """A client's id would let a corrected order vanish for five minutes."""
    orders(stack, queue=QueueOptions(fifo=True), ingest="direct")
    assert properties_at(stack, "Orders/Queue")["ContentBasedDeduplication"] is True
    assert "ContentBasedDeduplication" not in properties_at(stack, "Orders/DeadLetterQueue")
    standard = empty_stack()
    orders(standard, ingest="direct")
    assert "ContentBasedDeduplication" not in properties_at(standard, "Orders/Queue")


# --- a queue of the user's


def test_a_queue_of_ones_own_is_used_with_its_dead_letter_queue(stack):
    mine = own_queue(stack)
    pipeline = orders(stack, queue=mine)
    assert pipeline.queue is mine
    assert pipeline.dead_letter_queue.node.path == "Test/MineFailed"
    assert len(resources(template_of(stack), "AWS::SQS::Queue")) == 2
    found = variables(stack)
    assert (found["QUEUE_URL"], found["DEAD_LETTER_QUEUE_URL"]) == ("Mine", "MineFailed")
    assert (found["MAX_RECEIVE_COUNT"], found["MAX_ATTEMPTS"]) == ("7", "5")


def test_a_queue_of_ones_own_that_is_shown_again_while_it_is_worked_is_refused(stack):
    message = "visibility_timeout of the queue must be at least 30 s (the worker's timeout + its batch window), got 29 s"
    with pytest.raises(PatternError, match=re.escape(message)):
        orders(stack, queue=own_queue(stack, visibility_timeout=Duration.seconds(29)))


def test_a_queue_for_which_no_visibility_timeout_was_set_has_thirty_seconds(stack):
    with pytest.raises(PatternError, match=r"visibility_timeout of the queue must be at least 31 s .*, got 30 s"):
        orders(stack, queue=own_queue(stack, visibility_timeout=None), worker=WorkerOptions(timeout=Duration.seconds(31)))
    quick = empty_stack()
    orders(
        quick, queue=own_queue(quick, visibility_timeout=None), handler=OWN, worker=WorkerOptions(timeout=Duration.seconds(5))
    )
    assert "VisibilityTimeout" not in properties_at(quick, "Mine")


def test_a_visibility_timeout_that_is_a_token_passes(stack):
    seconds = CfnParameter(stack, "Seconds", type="Number").value_as_number
    pipeline = orders(stack, queue=own_queue(stack, visibility_timeout=Duration.seconds(seconds)))
    assert pipeline.queue.node.path == "Test/Mine"


def test_a_queue_without_a_dead_letter_queue_is_refused_with_both_ways_to_give_it_one(stack):
    message = (
        "queue must have a dead-letter queue, got 'Test/Mine' without one: define it with "
        "dead_letter_queue=sqs.DeadLetterQueue(...), or name that of an imported queue with dead_letter_queue="
    )
    with pytest.raises(PatternError) as raised:
        orders(stack, queue=sqs.Queue(stack, "Mine", visibility_timeout=Duration.minutes(3)))
    assert str(raised.value) == message


def test_an_imported_queue_works_with_the_dead_letter_queue_that_is_named(stack):
    mine = sqs.Queue.from_queue_arn(stack, "Mine", f"{ARN}:mine")
    kept = sqs.Queue.from_queue_arn(stack, "Kept", f"{ARN}:kept")
    with pytest.raises(PatternError, match="queue must have a dead-letter queue, got 'Test/Mine' without one"):
        orders(empty_stack(), queue=mine)
    orders(stack, queue=mine, dead_letter_queue=kept)
    assert permissions(stack, "Orders/WorkerRole")[f"{ARN}:mine"] == [
        "sqs:ChangeMessageVisibility",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:ReceiveMessage",
        "sqs:SendMessage",
    ]
    assert permissions(stack, "Orders/WorkerRole")[f"{ARN}:kept"] == ["sqs:SendMessage"]
    assert permissions(stack, "Orders/IngestRole")[f"{ARN}:mine"] == ["sqs:SendMessage"]
    assert variables(stack)["MAX_RECEIVE_COUNT"] == "5"


def test_an_imported_fifo_queue_is_known_by_its_name(stack):
    mine, kept = (sqs.Queue.from_queue_arn(stack, name, f"{ARN}:{name}.fifo") for name in ("mine", "kept"))
    orders(stack, queue=mine, dead_letter_queue=kept)
    assert "sqs:SendMessage" not in permissions(stack, "Orders/WorkerRole")[f"{ARN}:mine.fifo"]


def test_a_fifo_queue_of_ones_own_must_let_an_order_be_put_off(stack):
    message = (
        "max_receive_count of a FIFO queue must be 1000 for the bundled worker, got 999: what waits behind a message that "
        "fails, or is put off, is received with it and not tried, and SQS would move it without a reason"
    )
    with pytest.raises(PatternError) as raised:
        orders(stack, queue=own_queue(stack, fifo=True, receives=999))
    assert str(raised.value) == message


def test_a_fifo_queue_of_ones_own_that_lets_an_order_be_put_off_is_used(stack):
    orders(stack, queue=own_queue(stack, fifo=True, receives=1000))
    found = variables(stack)
    assert (found["MAX_RECEIVE_COUNT"], found["MAX_ATTEMPTS"]) == ("1000", "5")


def test_a_worker_of_ones_own_takes_a_fifo_queue_with_any_number_of_receives(stack):
    orders(stack, handler=OWN, queue=own_queue(stack, fifo=True, receives=7))
    assert variables(stack)["MAX_RECEIVE_COUNT"] == "7"


@pytest.mark.parametrize("given", [{}, {"content_based_deduplication": False}])
def test_a_fifo_queue_of_ones_own_that_asks_for_an_id_is_refused_for_orders_that_come_directly(stack, given):
    message = "queue must have content_based_deduplication=True for ingest='direct', got 'Test/Mine' without it"
    with pytest.raises(PatternError, match=message):
        orders(stack, ingest="direct", queue=own_queue(stack, fifo=True, receives=1000, **given))


def test_a_queue_of_ones_own_that_needs_no_id_takes_orders_that_come_directly(stack):
    mine = own_queue(stack, fifo=True, receives=1000, content_based_deduplication=True)
    assert orders(stack, ingest="direct", queue=mine).queue is mine
    standard = empty_stack()
    own = own_queue(standard)
    assert orders(standard, ingest="direct", queue=own).queue is own


def test_an_imported_fifo_queue_passes_for_orders_that_come_directly(stack):
    mine, kept = (sqs.Queue.from_queue_arn(stack, name, f"{ARN}:{name}.fifo") for name in ("mine", "kept"))
    assert orders(stack, ingest="direct", queue=mine, dead_letter_queue=kept).queue is mine


def test_the_dead_letter_queue_is_of_the_same_kind(stack):
    mine = sqs.Queue.from_queue_arn(stack, "Mine", f"{ARN}:mine.fifo")
    kept = sqs.Queue.from_queue_arn(stack, "Kept", f"{ARN}:kept")
    message = "dead_letter_queue must be a FIFO queue as the queue itself is, got a standard queue"
    with pytest.raises(PatternError, match=message):
        orders(stack, queue=mine, dead_letter_queue=kept)


def test_a_queue_whose_kind_is_a_token_passes(stack):
    arn = CfnParameter(stack, "Arn").value_as_string
    mine = sqs.Queue.from_queue_arn(stack, "Mine", arn)
    kept = sqs.Queue.from_queue_arn(stack, "Kept", f"{ARN}:kept.fifo")
    orders(stack, queue=mine, dead_letter_queue=kept)
    assert properties_at(stack, "Orders/WorkerSource")["EventSourceArn"] == "Arn"


def test_a_queue_is_not_its_own_dead_letter_queue(stack):
    mine = sqs.Queue.from_queue_arn(stack, "Mine", f"{ARN}:mine")
    with pytest.raises(PatternError, match="dead_letter_queue must be another queue than 'Test/Mine' itself"):
        orders(stack, queue=mine, dead_letter_queue=mine)


@pytest.mark.parametrize("queue", [None, QueueOptions()])
def test_a_dead_letter_queue_without_its_queue_is_refused(stack, queue):
    kept = sqs.Queue(stack, "Kept")
    message = "dead_letter_queue goes with a queue of yours: the one that is defined has one of its own"
    with pytest.raises(PatternError, match=message):
        orders(stack, queue=queue, dead_letter_queue=kept)


def test_a_queue_of_ones_own_is_reached_through_its_keys(stack):
    kept = sqs.Queue(stack, "Kept", encryption_master_key=kms.Key(stack, "KeptKey"), retention_period=Duration.days(14))
    failed = sqs.DeadLetterQueue(queue=kept, max_receive_count=7)
    mine = sqs.Queue(
        stack,
        "Mine",
        encryption_master_key=kms.Key(stack, "MineKey"),
        dead_letter_queue=failed,
        visibility_timeout=Duration.minutes(3),
    )
    orders(stack, queue=mine)
    worker, ingest = permissions(stack, "Orders/WorkerRole"), permissions(stack, "Orders/IngestRole")
    assert worker["MineKey"] == worker["KeptKey"] == ingest["MineKey"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert "KeptKey" not in ingest


def imported(stack):
    """A queue of another app, and its dead-letter queue."""
    mine, kept = (sqs.Queue.from_queue_arn(stack, name, f"{ARN}:{name}") for name in ("Imported", "Kept"))
    return {"queue": mine, "dead_letter_queue": kept}


@pytest.mark.parametrize(
    ("given", "days"),
    [
        (lambda _: {}, 4),
        (lambda _: {"queue": QueueOptions(retention=Duration.days(13))}, 13),
        (lambda stack: {"queue": own_queue(stack)}, 4),
        (lambda stack: {"queue": own_queue(stack, retention_period=Duration.days(10))}, 10),
        (imported, 14),
    ],
)
def test_charges_are_remembered_as_long_as_an_order_can_be_put_off_and_wait_and_lie_dead(stack, given, days):
    orders(stack, **given(stack))
    assert variables(stack)["IDEMPOTENCY_TTL_SECONDS"] == str((4 + days + 14) * 86_400)


# --- the worker


def test_a_worker_takes_batches_and_reports_the_messages_that_failed(stack):
    orders(stack, worker=WorkerOptions(batch_size=200, batch_window=Duration.seconds(5)))
    assert properties_at(stack, "Orders/WorkerSource") == {
        "BatchSize": 200,
        "EventSourceArn": "Orders/Queue",
        "FunctionName": "Orders/Worker",
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "MaximumBatchingWindowInSeconds": 5,
        "ScalingConfig": {"MaximumConcurrency": 10},
    }


@pytest.mark.parametrize(
    ("declared", "capacity", "expected"),
    [
        (10, Capacity(), 10),
        (10, Capacity(share=0.5), 5),
        (1000, Capacity(max_concurrency=50), 50),
        (10, Capacity(share=0.1), 2),
        (2, Capacity(share=0.5, max_concurrency=2), 2),
    ],
)
def test_an_environment_takes_its_share_of_the_concurrency_and_never_less_than_two(stack, declared, capacity, expected):
    orders(stack, worker=WorkerOptions(max_concurrency=declared), operations=Operations(capacity=capacity))
    assert properties_at(stack, "Orders/WorkerSource")["ScalingConfig"] == {"MaximumConcurrency": expected}
    assert "ReservedConcurrentExecutions" not in properties_at(stack, "Orders/Worker")


def test_the_poller_starts_only_when_the_function_may_poll(stack):
    orders(stack)
    (mapping,) = resources(template_of(stack), "AWS::Lambda::EventSourceMapping").values()
    assert any("WorkerRolePolicy" in name for name in mapping["DependsOn"])


@pytest.mark.parametrize(
    ("worker", "message"),
    [
        (
            WorkerOptions(batch_size=11, batch_window=Duration.seconds(1)),
            "batch_size must be 1 to 10 for a FIFO queue, got 11",
        ),
        (
            WorkerOptions(batch_window=Duration.seconds(1)),
            "batch_window must be 0 for a FIFO queue, which has none, got 1 s",
        ),
    ],
)
def test_what_a_fifo_queue_cannot_do_is_refused_for_any_queue(stack, worker, message):
    for queue in (QueueOptions(fifo=True), own_queue(stack, fifo=True, visibility_timeout=Duration.minutes(4))):
        with pytest.raises(PatternError) as raised:
            orders(empty_stack(), queue=queue, worker=worker)
        assert str(raised.value) == message


def test_the_bundled_worker_has_time_for_a_charge_and_what_is_written_around_it(stack):
    message = (
        "timeout of the worker must be 20 to 900 s (a call to the payment API may take 7 s, and what is written before and "
        "after it 9 s), got 19 s"
    )
    with pytest.raises(PatternError) as raised:
        orders(stack, worker=WorkerOptions(timeout=Duration.seconds(19)))
    assert str(raised.value) == message
    orders(stack, worker=WorkerOptions(timeout=Duration.seconds(20)))
    assert properties_at(stack, "Orders/Worker")["Timeout"] == 20


def test_a_worker_of_ones_own_may_be_quicker(stack):
    orders(stack, handler=OWN, worker=WorkerOptions(timeout=Duration.seconds(1)))
    assert properties_at(stack, "Orders/Worker")["Timeout"] == 1
    assert properties_at(stack, "Orders/Queue")["VisibilityTimeout"] == 6


def test_a_worker_has_the_memory_that_is_given(stack):
    orders(stack, worker=WorkerOptions(memory_size=10_240))
    assert properties_at(stack, "Orders/Worker")["MemorySize"] == 10_240
    assert properties_at(stack, "Orders/Ingest")["MemorySize"] == 512
    other = empty_stack()
    orders(other)
    assert properties_at(other, "Orders/Worker")["MemorySize"] == 512


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: WorkerOptions(memory_size=127), "memory_size must be 128 to 10240 MB, got 127 MB"),
        (lambda: WorkerOptions(memory_size=10_241), "memory_size must be 128 to 10240 MB, got 10241 MB"),
        (lambda: WorkerOptions(memory_size="512"), "memory_size must be a whole number, got '512' (str, not int)"),
        (lambda: WorkerOptions(batch_size=0), "batch_size must be 1 to 10000, got 0"),
        (lambda: WorkerOptions(batch_size=10_001), "batch_size must be 1 to 10000, got 10001"),
        (lambda: WorkerOptions(batch_size="10"), "batch_size must be a whole number, got '10' (str, not int)"),
        (lambda: WorkerOptions(batch_size=True), "batch_size must be a whole number, got True (bool, not int)"),
        (
            lambda: WorkerOptions(batch_size=11),
            "batch_window must be at least 1 s for a batch_size above 10, got 0 s with batch_size=11",
        ),
        (lambda: WorkerOptions(max_concurrency=1), "max_concurrency must be 2 to 1000, got 1"),
        (lambda: WorkerOptions(max_concurrency=1001), "max_concurrency must be 2 to 1000, got 1001"),
        (lambda: WorkerOptions(max_attempts=0), "max_attempts must be 1 to 100, got 0"),
        (lambda: WorkerOptions(max_attempts=101), "max_attempts must be 1 to 100, got 101"),
        (
            lambda: WorkerOptions(timeout=30),
            "timeout must be a duration such as Duration.seconds(30), got 30 (int, not Duration)",
        ),
        (lambda: WorkerOptions(timeout=Duration.minutes(16)), "timeout must be 1 to 900 s, got 960 s"),
        (lambda: WorkerOptions(timeout=Duration.millis(1500)), "timeout must be whole seconds, got 1500 ms"),
        (lambda: WorkerOptions(batch_window=Duration.seconds(301)), "batch_window must be 0 to 300 s, got 301 s"),
        (
            lambda: WorkerOptions(retry_delay=Duration.seconds(901)),
            "retry_delay must be 0 to 900 s (the longest delay of SQS), got 901 s",
        ),
        (lambda: QueueOptions(fifo="yes"), "fifo must be True or False, got 'yes' (str, not bool)"),
        (lambda: QueueOptions(fifo=1), "fifo must be True or False, got 1 (int, not bool)"),
        (
            lambda: QueueOptions(visibility_timeout=300),
            "visibility_timeout must be a duration such as Duration.seconds(10), got 300 (int, not Duration)",
        ),
        (
            lambda: QueueOptions(visibility_timeout=Duration.hours(13)),
            "visibility_timeout must be 1 to 43200 s, got 46800 s",
        ),
        (
            lambda: QueueOptions(retention=Duration.days(14)),
            (
                "retention must be 60 to 1123200 s (a message keeps its age when it moves to the dead-letter queue, which "
                "keeps it for 14 days), got 1209600 s"
            ),
        ),
        (lambda: CircuitBreaker(failure_threshold=0), "failure_threshold must be 1 to 100, got 0"),
        (
            lambda: CircuitBreaker(failure_threshold=2.5),
            "failure_threshold must be a whole number, got 2.5 (float, not int)",
        ),
        (
            lambda: CircuitBreaker(recovery_timeout=Duration.minutes(16)),
            "recovery_timeout must be 1 to 900 s (the longest delay of SQS), got 960 s",
        ),
        (
            lambda: CircuitBreaker(recovery_timeout=30),
            "recovery_timeout must be a duration such as Duration.seconds(10), got 30 (int, not Duration)",
        ),
    ],
)
def test_values_are_checked_where_they_are_made(make, message):
    with pytest.raises(PatternError) as raised:
        make()
    assert str(raised.value) == message


@pytest.mark.parametrize("name", ["timeout", "batch_window"])
def test_what_the_visibility_timeout_depends_on_must_be_known(stack, name):
    token = Duration.seconds(CfnParameter(stack, "Seconds", type="Number").value_as_number)
    message = f"{name} must be known while defining: the queue's visibility timeout depends on it"
    with pytest.raises(PatternError, match=message):
        WorkerOptions(**{name: token})


# --- alarms of a queue


def test_the_age_of_messages_is_watched_at_five_minutes_or_as_long_as_they_are_hidden(stack):
    pipeline = orders(stack, worker=WorkerOptions(timeout=Duration.minutes(2)))
    pipeline.add_alarms(Alerts())
    found = alarms(stack)
    assert properties_at(stack, "Orders/Queue")["VisibilityTimeout"] == 720
    assert found["OrdersQueueAge"]["Threshold"] == 720
    assert found["OrdersQueueStall"]["metric"] == "IF(age > 720 AND FILL(invocations, 0) - FILL(errors, 0) <= 0, 1, 0)"


def test_the_age_of_messages_in_a_queue_that_is_not_known_is_watched_at_five_minutes(stack):
    mine, kept = (sqs.Queue.from_queue_arn(stack, name, f"{ARN}:{name}") for name in ("mine", "kept"))
    orders(stack, queue=mine, dead_letter_queue=kept).add_alarms(Alerts())
    age = alarms(stack)["OrdersQueueAge"]
    assert (age["metric"], age["watched"], age["Threshold"]) == ("ApproximateAgeOfOldestMessage", {"QueueName": "mine"}, 300)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (lambda _: {}, 0.75 * 10 * 86_400),
        (lambda _: {"queue": QueueOptions(retention=Duration.hours(24))}, 0.75 * 13 * 86_400),
        (lambda _: {"queue": QueueOptions(retention=Duration.days(13))}, 0.75 * 86_400),
        (lambda stack: {"queue": own_queue(stack, retention_period=Duration.days(13))}, 0.75 * 86_400),
        (lambda stack: {"queue": own_queue(stack, kept_days=6)}, 0.75 * 2 * 86_400),
        # It may be lost at any time: a day is the least that is waited for.
        (lambda stack: {"queue": own_queue(stack, kept_days=4)}, 0.75 * 86_400),
        # It is not known: the longest retention there is would leave no time at all.
        (imported, 0.75 * 86_400),
    ],
)
def test_it_is_said_when_a_dead_message_that_keeps_its_age_is_about_to_be_lost(stack, given, seconds):
    orders(stack, **given(stack)).add_alarms(Alerts())
    assert alarms(stack)["OrdersDeadLettersAge"]["Threshold"] == seconds


# --- what looks like a loop to Lambda


@pytest.mark.parametrize("handler", [None, OWN])
def test_a_worker_that_sends_to_its_own_queue_is_not_stopped_as_a_loop(stack, handler):
    orders(stack, handler=handler)
    assert properties_at(stack, "Orders/Worker")["RecursiveLoop"] == "Allow"


def test_a_function_that_sends_nothing_to_its_own_queue_is_stopped_as_a_loop(stack):
    """Lambda does so unless it is told otherwise."""
    orders(stack, queue=QueueOptions(fifo=True))
    for name in ("Worker", "Ingest"):
        assert "RecursiveLoop" not in properties_at(stack, f"Orders/{name}")


@pytest.mark.parametrize("trigger", ["queue", "direct"])
def test_only_files_from_a_queue_are_sent_back_to_it(stack, trigger):
    S3Processing(stack, "Files", trigger=trigger)
    names = ["Function", *(["SuccessNotifier", "FailureNotifier"] if trigger == "direct" else [])]
    loops = {name for name in names if "RecursiveLoop" in properties_at(stack, f"Files/{name}")}
    assert loops == ({"Function"} if trigger == "queue" else set())


# --- construct and handler agree


def test_construct_and_handler_agree_on_what_is_tried_and_when():
    defaults = queue_consumer.QueueSettings.from_environment({"QUEUE_URL": "q", "DEAD_LETTER_QUEUE_URL": "d"})
    assert defaults.max_receive_count == worker_block.MAX_ATTEMPTS
    assert defaults.retry_delay_seconds == worker_block.RETRY_DELAY
    assert block.RETENTION_DAYS < block.DEAD_LETTER_RETENTION_DAYS
