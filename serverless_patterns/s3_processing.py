"""S3Processing: bucket -> (EventBridge -> queue) -> function -> table, output bucket, topic."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Literal, cast

from aws_cdk import Duration, Token
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from serverless_patterns._blocks.alarms import AlarmSet, Alerts
from serverless_patterns._blocks.announcement import check_announcer, define_announcer
from serverless_patterns._blocks.arguments import check_arguments
from serverless_patterns._blocks.asynchronous import invoke_asynchronously
from serverless_patterns._blocks.bucket import (
    BucketOptions,
    bucket_of,
    grant_listing,
    grant_objects,
    let_read,
    send_events,
    send_to_function,
)
from serverless_patterns._blocks.checks import check, check_one_of, check_type
from serverless_patterns._blocks.encryption import with_key
from serverless_patterns._blocks.file_limits import FileLimits
from serverless_patterns._blocks.function import HandlerFunction
from serverless_patterns._blocks.handler import Handler, check_packed
from serverless_patterns._blocks.object_flow import Place, check_flow, is_same_bucket
from serverless_patterns._blocks.queue import WorkQueue, dead_letter_queue, grant_send
from serverless_patterns._blocks.resource_schema import resource_schema
from serverless_patterns._blocks.rule import allow_events_key, rule_to_queue
from serverless_patterns._blocks.table import Keys, TableOptions, checked_table, grant_tables, table_of
from serverless_patterns._blocks.worker import WorkerOptions, consume, worker_queue
from serverless_patterns.operations import Operations

Trigger = Literal["queue", "direct"]

#: Seconds. A file of a million rows takes minutes; what is not done by then goes on in the next invocation.
TIMEOUT = 300
#: Objects of a batch: one that takes long, or kills the function, keeps no other from being worked.
BATCH_SIZE = 1
#: Seconds. The bundled handler begins an object only with 33 s left, and keeps 26 for what comes after the last row.
LEAST_TIMEOUT = 60
#: MB. An image of 50 million pixels takes 150 to 200 when it is decoded; and more memory is more CPU.
FILE_MEMORY_SIZE = 1024
#: The status of each object, and its rows: a row belongs to one version of its object.
KEYS = Keys(partition_key="object", sort_key="row")
TABLE_ACTIONS = ("BatchWriteItem", "UpdateItem")
#: Bytes: the longest key of an object. https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
LONGEST_KEY = 1024
#: Where results go in the output bucket.
RESULTS, THUMBNAILS = "results/", "thumbnails/"
SCHEMA_FILE = "schema.json"


class S3Processing(Construct):
    """Files that are uploaded are read, checked and stored: CSV and JSON as rows, text measured, images with a thumbnail.

    Example::

        S3Processing(self, "Imports", prefix="incoming/", suffix=".csv")

    Each version of an object is worked once; an older one never replaces a newer one. Its status row says RECEIVED, PROCESSED,
    REJECTED (with the reason: it is not tried again) or FAILED; bad rows are listed with their lines in a result object, the
    good ones are kept. Each end is announced.

    Args:
        bucket: Options of the bucket that is defined, or a bucket of yours: one of this app is told to send its events to
            EventBridge; an imported one must do so already.
        prefix: Only keys that begin so. Default: all.
        suffix: Only keys that end so. Default: all.
        trigger: ``"queue"`` (default): EventBridge -> queue -> function, with back-pressure. ``"direct"``: S3 invokes the
            function; success and failure go to a queue each, whose functions announce them. It needs the pattern's own bucket;
            any bucket of the account may invoke the function, which can read this one only.
        output_bucket: Options of the bucket for results and thumbnails, or a bucket of yours. It may be ``bucket``, if that is
            yours and worked below a ``prefix`` other than those of results (``results/``) and thumbnails (``thumbnails/``).
        table: Options of the table that is defined, or a table of yours with the string partition key ``object`` and the number
            sort key ``row``.
        topic: A topic of yours for the announcements. Default: one is defined.
        bus: An event bus of yours in the stack's region, such as that of ``EventRouting``, for the announcements instead of a
            topic; not together with ``topic``.
        schema: JSON Schema (draft 2020-12) of each JSON document or line, which are objects then; fields that it does not name
            are refused, unless it sets ``additionalProperties``. Default: any JSON.
        processor: Your ``process(object) -> result`` instead of the built-in formats, made by
            ``Handler.from_directory(folder, "module.process")``; reading, limits, status, retries and announcements stay.
        limits: What a file may be.
        handler: Your code instead of all of the bundled handler. It gets the same environment variables and permissions.
        worker: How the queue is consumed; with ``trigger="direct"`` only a timeout and memory. Default: 5 minutes, batches of
            1, 10 at a time, 5 tries.
        encryption_key: A customer managed key for all that is defined, logs included. Default: that of the operations, or keys
            that AWS owns, free. The policy of a key of this app is completed here; that of an imported one must let CloudWatch
            Logs and EventBridge use it.
        operations: Retention, backups, logs, capacity. Default: the careful ones.

    Raises:
        PatternError: An argument does not fit, input and output would feed each other, or the processor's folder has a module
            that the bundled handler has too.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        bucket: s3.IBucket | BucketOptions | None = None,
        prefix: str = "",
        suffix: str = "",
        trigger: Trigger = "queue",
        output_bucket: s3.IBucket | BucketOptions | None = None,
        table: dynamodb.ITable | TableOptions | None = None,
        topic: sns.ITopic | None = None,
        bus: events.IEventBus | None = None,
        schema: Mapping[str, object] | None = None,
        processor: Handler | None = None,
        limits: FileLimits | None = None,
        handler: Handler | None = None,
        worker: WorkerOptions | None = None,
        encryption_key: kms.IKey | None = None,
        operations: Operations | None = None,
    ) -> None:
        check_arguments(locals())
        operations = with_key(operations, encryption_key)
        encryption_key = operations.encryption_key
        self._worker_options = _worker_options(worker)
        check_announcer(scope, topic, bus)
        _check_keys(prefix, suffix)
        check_one_of("trigger", trigger, ("queue", "direct"))
        if trigger == "direct" and worker is not None:
            worker.check_without_queue("trigger='direct'")
        _check_code(processor, handler, self._worker_options)
        _check_buckets(bucket, output_bucket, trigger)
        files = {} if schema is None else {SCHEMA_FILE: json.dumps(resource_schema(schema, reserved=(), key=None))}
        code = handler or Handler.bundled("s3_processing", files=files, beside=processor)
        table_options = checked_table("table", table, keys=KEYS, key=encryption_key)
        super().__init__(scope, construct_id)
        self._operations, self._key = operations, encryption_key
        self._prefix, self._suffix, self._bundled = prefix, suffix, handler is None

        self._bucket = bucket_of(self, "Bucket", bucket, key=encryption_key, operations=operations)
        self._output_bucket = bucket_of(self, "OutputBucket", output_bucket, key=encryption_key, operations=operations)
        results = [Place(self._output_bucket, folder) for folder in (RESULTS, THUMBNAILS)]
        check_flow(self, reads=Place(self._bucket, prefix), writes=results)
        self._table = table_of(self, "Table", table_options, keys=KEYS, operations=operations)
        self._announcer = define_announcer(self, topic=topic, bus=bus, key=encryption_key)
        self._queue = self._work_queue("", self._worker_options, bundled=handler is None) if trigger == "queue" else None
        self._outcomes: dict[str, tuple[WorkQueue, HandlerFunction]] = {}
        self._rule: events.CfnRule | None = None
        self._undelivered: sqs.Queue | None = None

        self._function = self._define_function(code, files, processor, limits or FileLimits())
        grant_tables(self._function, {self._table: TABLE_ACTIONS})
        for folder in (RESULTS, THUMBNAILS):
            grant_objects(self._function, self._output_bucket, "PutObject", below=folder)
        if self._queue is not None:
            self._listen(self._queue)
        else:
            self._be_invoked()

    @property
    def bucket(self) -> s3.IBucket:
        """Where files are uploaded to."""
        return self._bucket

    @property
    def output_bucket(self) -> s3.IBucket:
        """Where results (``results/``) and thumbnails (``thumbnails/``) are."""
        return self._output_bucket

    @property
    def table(self) -> dynamodb.ITable:
        """The status of each object, and its rows."""
        return self._table

    @property
    def topic(self) -> sns.ITopic:
        """Announces each object that is processed, rejected or failed.

        Raises:
            PatternError: There is none, but a ``bus``.
        """
        return self._announcer.for_subscribers

    @property
    def function(self) -> lambda_.Function:
        """The function that works objects."""
        return self._function

    @property
    def queue(self) -> sqs.IQueue | None:
        """Where events wait to be worked; ``None`` with ``trigger="direct"``."""
        return None if self._queue is None else self._queue.queue

    @property
    def outputs(self) -> Mapping[str, str]:
        """What a stack shows after a deploy, by its stable name."""
        found = {
            "BucketName": self._bucket.bucket_name,
            "OutputBucketName": self._output_bucket.bucket_name,
            "TableName": self._table.table_name,
            **self._announcer.outputs,
            "FunctionName": self._function.function_name,
            "LogGroupName": self._function.log_group.log_group_name,
        }
        if self._queue is not None and self._undelivered is not None:
            found["QueueUrl"] = self._queue.queue.queue_url
            found["DeadLetterQueueUrl"] = self._queue.dead_letter_queue.queue_url
            found["DeliveryDeadLetterQueueUrl"] = self._undelivered.queue_url
        for name, (queue, _) in self._outcomes.items():
            found[f"{name}QueueUrl"] = queue.queue.queue_url
            found[f"{name}DeadLetterQueueUrl"] = queue.dead_letter_queue.queue_url
        return found

    def grant_upload(self, grantee: iam.IGrantable) -> None:
        """Let a principal upload files under the prefix."""
        grant_objects(grantee, self._bucket, "PutObject", below=self._prefix)

    def add_alarms(self, alerts: Alerts) -> list[cloudwatch.Alarm]:
        """Define the alarms of the rule, the queues, the functions, the topic and the table."""
        alarms = AlarmSet(self, alerts)
        if self._rule is not None and self._undelivered is not None:
            alarms.add_rule("Rule", self._rule)
            alarms.add_undelivered("Delivery", self._undelivered, to="the queue of the function")
        if self._queue is not None:
            alarms.add_queue("Objects", self._queue, self._function)
            if self._bundled:
                alarms.add_unexpected_errors(self._function)
        alarms.add_worker("Function", self._function, timeout=self._worker_options.timeout_or_default)
        for name, (queue, function) in self._outcomes.items():
            alarms.add_queue(name, queue, function)
            alarms.add_worker(name, function, timeout=WorkerOptions().timeout_or_default)
            alarms.add_unexpected_errors(function, name)
        if self._outcomes:
            alarms.add_dropped("Function", self._function)
        self._announcer.add_alarms(alarms)
        alarms.add_table("Table", self._table, TABLE_ACTIONS)
        return alarms.alarms

    def _work_queue(self, construct_id: str, worker: WorkerOptions, *, bundled: bool) -> WorkQueue:
        return worker_queue(self, construct_id, worker=worker, bundled=bundled, key=self._key, operations=self._operations)

    def _define_function(
        self, code: Handler, files: Mapping[str, str], processor: Handler | None, limits: FileLimits
    ) -> HandlerFunction:
        settings = {
            "OUTPUT_BUCKET_NAME": self._output_bucket.bucket_name,
            "TABLE_NAME": self._table.table_name,
            "MAX_OBJECT_BYTES": f"{limits.object_size.to_bytes():.0f}",
            "MAX_DECOMPRESSED_BYTES": f"{limits.decompressed_size.to_bytes():.0f}",
            "MAX_ROWS": str(limits.rows),
            "MAX_PIXELS": str(limits.pixels),
            "THUMBNAIL_PIXELS": str(limits.thumbnail),
        }
        if SCHEMA_FILE in files:
            settings["SCHEMA_FILE"] = f"s3_processing/{SCHEMA_FILE}"
        if processor is not None:
            settings["PROCESSOR"] = processor.importable
        if self._queue is not None:
            settings |= self._worker_options.settings(self._queue)
            settings |= {"BUCKET_NAME": self._bucket.bucket_name, **self._announcer.settings}
        return HandlerFunction(
            self,
            "Function",
            handler=code,
            description="Works the objects that are uploaded",
            timeout=self._worker_options.timeout_or_default,
            environment=settings,
            operations=self._operations,
            memory_size=self._worker_options.memory_size or FILE_MEMORY_SIZE,
            sends_to_its_source=self._queue is not None,
        )

    def _listen(self, queue: WorkQueue) -> None:
        """Bucket -> EventBridge -> queue -> function."""
        send_events(self._bucket)
        self._undelivered = dead_letter_queue(self, "DeliveryDeadLetterQueue", key=self._key, operations=self._operations)
        if self._key is not None:
            allow_events_key(self, self._key)
        self._rule = rule_to_queue(
            self,
            "Rule",
            pattern=_pattern(self._bucket.bucket_name, self._prefix, self._suffix),
            description="Objects that are created",
            queue=queue.queue,
            delivery_dead_letter_queue=self._undelivered,
        )
        consume(self, "Source", function=self._function, queue=queue, options=self._worker_options, operations=self._operations)
        grant_send(self._function, queue.queue)  # an object that is not done in time goes on as a copy of its message
        grant_objects(self._function, self._bucket, "GetObject", "GetObjectVersion", below=self._prefix)
        grant_listing(self._function, self._bucket)
        self._announcer.grant_announce(self._function)

    def _be_invoked(self) -> None:
        """Bucket -> function -> a queue for success and one for failure -> a function each that announces them."""
        bucket = cast(s3.Bucket, self._bucket)  # the pattern's own: checked before
        send_to_function(bucket, self._function, prefix=self._prefix, suffix=self._suffix)
        let_read(bucket, self._function, below=self._prefix)
        if self._key is not None:
            self._key.grant(self._function, "kms:Decrypt")
        self._outcomes["Success"] = self._define_outcome("Success", {"ACTION": "complete"})
        alert = {"ACTION": "alert", "BUCKET_NAME": self._bucket.bucket_name, "TABLE_NAME": self._table.table_name}
        self._outcomes["Failure"] = self._define_outcome("Failure", alert)
        notifier = self._outcomes["Failure"][1]
        grant_tables(notifier, {self._table: ["UpdateItem"]})
        invoke_asynchronously(
            self,
            "Invocation",
            function=self._function,
            on_success=self._outcomes["Success"][0].queue,
            on_failure=self._outcomes["Failure"][0].queue,
        )

    def _define_outcome(self, name: str, settings: Mapping[str, str]) -> tuple[WorkQueue, HandlerFunction]:
        options = WorkerOptions()
        queue = self._work_queue(name, options, bundled=True)
        function = HandlerFunction(
            self,
            f"{name}Notifier",
            handler=Handler.bundled("s3_processing", entry="notifier.handler"),
            description=f"Announces each {name.lower()}",
            timeout=options.timeout_or_default,
            environment={**options.settings(queue), **settings, **self._announcer.settings},
            operations=self._operations,
        )
        consume(self, f"{name}Source", function=function, queue=queue, options=options, operations=self._operations)
        self._announcer.grant_announce(function)
        return queue, function


def _pattern(bucket_name: str, prefix: str, suffix: str) -> dict[str, Any]:
    """What EventBridge matches: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html."""
    detail: dict[str, Any] = {"bucket": {"name": [bucket_name]}}
    if prefix and suffix:
        plain = [text.replace("\\", "\\\\") for text in (prefix, suffix)]  # no ``*``: checked before
        detail["object"] = {"key": [{"wildcard": "*".join(plain)}]}
    elif prefix or suffix:
        detail["object"] = {"key": [{"prefix": prefix} if prefix else {"suffix": suffix}]}
    return {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": detail}


def _check_keys(prefix: str, suffix: str) -> None:
    for name, value in (("prefix", prefix), ("suffix", suffix)):
        check_type(name, value, str, "a text such as 'incoming/'")
        if Token.is_unresolved(value):
            continue
        fits = len(value.encode()) <= LONGEST_KEY
        check(fits, f"{name} must have at most {LONGEST_KEY} bytes, as a key of S3 has, got {len(value.encode())}")
        check(
            not {"*", "?"} & {*value},
            f"{name} must be a part of keys, without '*' and '?', got {value!r}: no key would match it; leave "
            f"them out, since all keys that {'begin' if name == 'prefix' else 'end'} so are worked",
        )
    check(
        Token.is_unresolved(prefix) or not prefix.startswith("/"),
        f"prefix must not begin with '/', got {prefix!r}: no key would match it; write {prefix.lstrip('/')!r}",
    )


def _check_code(processor: Handler | None, handler: Handler | None, worker: WorkerOptions) -> None:
    check(processor is None or handler is None, "processor is called by the bundled handler: give it, or a handler of yours")
    check_packed("processor", processor, "module.process")
    seconds = worker.timeout_or_default.to_seconds()
    check(
        handler is not None or seconds >= LEAST_TIMEOUT,
        f"timeout of the worker must be {LEAST_TIMEOUT} to 900 s with the bundled handler, got {seconds:g} s",
    )


def _worker_options(given: WorkerOptions | None) -> WorkerOptions:
    """Those that were given; files take longer than messages do, and are worked one by one."""
    options = given or WorkerOptions()
    timeout, batch_size = options.timeout or Duration.seconds(TIMEOUT), options.batch_size or BATCH_SIZE
    return dataclasses.replace(options, timeout=timeout, batch_size=batch_size)


def _check_buckets(
    bucket: s3.IBucket | BucketOptions | None, output_bucket: s3.IBucket | BucketOptions | None, trigger: Trigger
) -> None:
    own = bucket is None or isinstance(bucket, BucketOptions)
    check(
        trigger == "queue" or own,
        "bucket must be the pattern's own for trigger='direct', whose notification is a property of the bucket: give "
        "BucketOptions(...), or use trigger='queue', which takes any bucket",
    )
    if bucket is None or isinstance(bucket, BucketOptions) or not isinstance(output_bucket, BucketOptions):
        return
    logs = output_bucket.access_logs
    check(
        logs is None or not is_same_bucket(bucket, logs),
        "access_logs of output_bucket must be another bucket than bucket: each log would be worked, and logged again",
    )
