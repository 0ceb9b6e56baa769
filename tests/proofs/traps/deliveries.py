"""Mistakes that lose, delay or repeat messages."""

from aws_cdk import Duration

from serverless_patterns import QueueOptions, SqsPipeline, WorkerOptions
from tests.proofs.checks.deliveries import (
    batches_that_fail_as_a_whole,
    batches_without_window,
    deliveries_that_lose,
    failures_that_nobody_keeps,
    messages_seen_too_early,
    pollers_without_limit,
    queues_that_lose,
    reports_at_the_same_time,
    streams_that_lose,
    wrongly_looped,
)
from tests.proofs.traps.plants import removed, setting, without
from tests.proofs.traps.trap import Refusal, Rule, Trap

PIPELINE, FILES, EVENTS, REPORT = "prod-sqs-pipeline", "prod-s3-processing", "prod-sns-fanout", "prod-scheduled-report"
STREAM, ROUTES, WORKFLOW = "prod-stream-processing", "prod-event-routing", "prod-order-workflow"
DIRECT = "sns_fanout_direct_and_endpoints"
MAPPING, QUEUE, FUNCTION = "AWS::Lambda::EventSourceMapping", "AWS::SQS::Queue", "AWS::Lambda::Function"

QUEUES = [
    Trap(
        "one poison message fails its whole batch",
        PIPELINE,
        without(MAPPING, "Worker", "FunctionResponseTypes"),
        batches_that_fail_as_a_whole,
    ),
    Trap(
        "a message is seen again after 30 s, while it is being worked",
        PIPELINE,
        setting(QUEUE, "OrdersQueue", "VisibilityTimeout", 30),
        messages_seen_too_early,
    ),
    Refusal(
        "a visibility timeout of 30 s is asked for",
        PIPELINE,
        lambda stack: SqsPipeline(stack, "Orders", queue=QueueOptions(visibility_timeout=Duration.seconds(30))),
        lambda stack: SqsPipeline(stack, "Orders", queue=QueueOptions(visibility_timeout=Duration.seconds(180))),
    ),
    Trap(
        "batches of 100 have no window",
        PIPELINE,
        setting(MAPPING, "Worker", "BatchSize", 100),
        batches_without_window,
    ),
    Refusal(
        "batches of 100 without a window are asked for",
        PIPELINE,
        lambda stack: SqsPipeline(stack, "Orders", worker=WorkerOptions(batch_size=100)),
        lambda stack: SqsPipeline(stack, "Orders", worker=WorkerOptions(batch_size=10)),
    ),
    Trap(
        "nothing limits how many batches are worked at once",
        PIPELINE,
        without(MAPPING, "Worker", "ScalingConfig"),
        pollers_without_limit,
    ),
    Trap("the dead-letter queue is gone", PIPELINE, removed(QUEUE, "DeadLetter"), queues_that_lose),
    Trap(
        "nothing moves poison to the dead-letter queue",
        PIPELINE,
        without(QUEUE, "OrdersQueue", "RedrivePolicy"),
        queues_that_lose,
    ),
    Trap(
        "the dead-letter queue keeps messages for a shorter time than the queue",
        PIPELINE,
        setting(QUEUE, "DeadLetter", "MessageRetentionPeriod", 86_400),
        queues_that_lose,
    ),
    Trap(
        "Lambda may stop a worker that sends messages back",
        PIPELINE,
        without(FUNCTION, "Worker", "RecursiveLoop"),
        wrongly_looped,
    ),
]
STREAMS = [
    Trap(
        "one record that fails brings its whole batch again",
        STREAM,
        without(MAPPING, "Reader", "FunctionResponseTypes"),
        batches_that_fail_as_a_whole,
    ),
    Trap(
        "what is written while a reader is made is never read",
        STREAM,
        setting(MAPPING, "Reader", "StartingPosition", "LATEST"),
        streams_that_lose,
    ),
    Trap(
        "records that are given up are kept nowhere",
        STREAM,
        without(MAPPING, "Reader", "DestinationConfig"),
        streams_that_lose,
    ),
    Trap(
        "a record is tried until the stream has lost it",
        STREAM,
        without(MAPPING, "Reader", "MaximumRecordAgeInSeconds"),
        streams_that_lose,
    ),
    Trap(
        "good records are given up with a bad one",
        STREAM,
        setting(MAPPING, "Reader", "BisectBatchOnFunctionError", value=False),
        streams_that_lose,
    ),
]
DELIVERIES = [
    Trap(
        "what a route of a bus cannot deliver is lost",
        ROUTES,
        without("AWS::Events::Rule", "Payments", "Targets/0/DeadLetterConfig"),
        deliveries_that_lose,
    ),
    Trap(
        "an event that a route cannot work comes for ever",
        ROUTES,
        without(QUEUE, "PaymentsQueue", "RedrivePolicy"),
        queues_that_lose,
    ),
    Trap(
        "the steps of a workflow leave no trace",
        WORKFLOW,
        without("AWS::StepFunctions::StateMachine", "", "LoggingConfiguration"),
        Rule("SF1"),
    ),
    Trap(
        "an order that waits to be started is seen by two starters",
        WORKFLOW,
        setting(QUEUE, "SalesQueue", "VisibilityTimeout", 30),
        messages_seen_too_early,
    ),
    Trap(
        "what a rule cannot deliver is lost",
        FILES,
        without("AWS::Events::Rule", "", "Targets/0/DeadLetterConfig"),
        deliveries_that_lose,
    ),
    Trap(
        "what a rule cannot deliver is lost, as the scanners see it",
        FILES,
        without("AWS::Events::Rule", "", "Targets/0/DeadLetterConfig"),
        Rule("EventBusDLQ"),
    ),
    Trap(
        "what a subscription cannot deliver is lost",
        EVENTS,
        without("AWS::SNS::Subscription", "Audit", "RedrivePolicy"),
        deliveries_that_lose,
    ),
    Trap(
        "what a schedule cannot deliver is lost",
        REPORT,
        without("AWS::Scheduler::Schedule", "", "Target/DeadLetterConfig"),
        deliveries_that_lose,
    ),
    Trap(
        "an event that a function fails at is lost",
        DIRECT,
        without("AWS::Lambda::EventInvokeConfig", "", "DestinationConfig"),
        failures_that_nobody_keeps,
    ),
    Trap(
        "a report that fails leaves nothing behind",
        REPORT,
        removed("AWS::Lambda::EventInvokeConfig", ""),
        failures_that_nobody_keeps,
    ),
    Trap(
        "two reports are made at the same time",
        REPORT,
        without(FUNCTION, "DailySalesFunction", "ReservedConcurrentExecutions"),
        reports_at_the_same_time,
    ),
]
