"""ScheduledReport: schedule -> function -> SQL database or table -> report bucket, topic, mail."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import cast

from aws_cdk import Duration, Stack, Token
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_rds as rds
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from serverless_patterns._blocks.alarms import AlarmSet, Alerts
from serverless_patterns._blocks.arguments import check_arguments
from serverless_patterns._blocks.asynchronous import invoke_asynchronously
from serverless_patterns._blocks.bucket import BucketOptions, define_bucket, grant_objects
from serverless_patterns._blocks.checks import check, check_duration, check_type, seconds_text
from serverless_patterns._blocks.function import HandlerFunction
from serverless_patterns._blocks.handler import Handler
from serverless_patterns._blocks.queue import dead_letter_queue
from serverless_patterns._blocks.report_options import DATA_API_STATEMENT_SECONDS, ReportFormat, ReportMail, ReportQuery
from serverless_patterns._blocks.report_source import ReportDatabase, ReportSource
from serverless_patterns._blocks.schedule import ReportSchedule, invoke_on_schedule
from serverless_patterns._blocks.table import TableOptions, check_key, grant, grant_key_use, keyed_table
from serverless_patterns._blocks.topic import define_topic, grant_publish
from serverless_patterns.operations import Operations

#: Seconds. A million rows take about three minutes.
TIMEOUT = 300
#: Seconds. The bundled handler keeps 20 for what comes after the last row.
LEAST_TIMEOUT, RESERVED = 60, 20
#: Exactly one run at a time: a second tick waits, or finds the report made.
CONCURRENCY = 1
#: Seconds that a link can work: it is signed by the function's role, whose credentials live no longer.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ShareObjectPreSignedURL.html
LONGEST_LINK = 12 * 60 * 60
TABLE_ACTIONS = ("UpdateItem",)

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
#: Without ``*``, which would stand for any folder in the permissions.
_PREFIX = re.compile(r"(?:(?!\.{1,2}/)[A-Za-z0-9!_.'()=-]{1,128}/){0,8}")


class ScheduledReport(Construct):
    """A report of each day: a query's rows as CSV, and as a page with a chart that people can look at.

    Example::

        ScheduledReport(
            self,
            "DailySales",
            query=ReportQuery(
                sql="SELECT id, country, total FROM orders WHERE created_at >= :from AND created_at < :until",
                key_columns=["id"],
            ),
            schedule=ReportSchedule(time_zone="Europe/Berlin"),
        )

    The day is the idempotency key: a tick that comes twice makes one report, a run that failed is taken up by the next try,
    and a back-fill - invoke the function with ``{"date": "2026-03-01"}`` - writes the same objects,
    ``reports/dt=2026-03-01/<name>.csv`` and ``.html``. The files come first; then people are told, with links that expire.

    Args:
        query: What is asked of the database. Needed unless the source is a table, or the handler yours.
        source: ``ReportDatabase.aurora()`` (default), ``ReportDatabase.postgres(secret, vpc=...)`` or
            ``ReportSource.dynamodb(table, columns=[...])``.
        schedule: When. Default: each day at 05:00 UTC.
        report_name: Names the report in keys, mails and logs: 1 to 64 letters, digits, ``-`` or ``_``. Default: the construct
            id.
        format: Its limits, and what the page shows.
        bucket: Options of the bucket that is defined, or a bucket of yours.
        prefix: The folder of the reports in it, ending with ``/``. Default ``reports/``.
        topic: A standard topic of yours that is told of each report. Default: one is defined.
        mail: Who gets a mail. Default: nobody.
        link_lifetime: How long the links to the files work, 60 s to 12 hours. Default: an hour.
        on_success: A standard queue of yours that is sent each result, with the event. Default: none.
        table: Options of the table of runs that is defined, or a table of yours with the string partition key ``id`` alone.
        handler: Your code instead of the bundled handler. It gets the same environment variables and permissions.
        timeout: Of a run, 1 to 15 minutes. Default: 5 minutes.
        encryption_key: A customer managed key for what is defined; the stack's region must be known. Default: keys that AWS
            owns, free.
        operations: Retention, backups, logs, capacity. Default: the careful ones.

    Raises:
        PatternError: An argument does not fit.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        query: ReportQuery | None = None,
        source: ReportDatabase | ReportSource | None = None,
        schedule: ReportSchedule | None = None,
        report_name: str | None = None,
        format: ReportFormat | None = None,  # noqa: A002  the word for it
        bucket: s3.IBucket | BucketOptions | None = None,
        prefix: str = "reports/",
        topic: sns.ITopic | None = None,
        mail: ReportMail | None = None,
        link_lifetime: Duration | None = None,
        on_success: sqs.IQueue | None = None,
        table: dynamodb.ITable | TableOptions | None = None,
        handler: Handler | None = None,
        timeout: Duration | None = None,
        encryption_key: kms.IKey | None = None,
        operations: Operations | None = None,
    ) -> None:
        check_arguments(locals())
        self._source = ReportDatabase.aurora() if source is None else source
        self._schedule = schedule or ReportSchedule()
        self._timeout = timeout or Duration.seconds(TIMEOUT)
        links = link_lifetime or Duration.hours(1)
        name = construct_id if report_name is None else report_name
        self._bundled = handler is None
        _check(name, prefix, links, bundled=self._bundled, timeout=self._timeout)
        _check_standard(topic, on_success)
        _check_query(query, self._source, self._timeout, bundled=self._bundled)
        table_options = _table_options(table, encryption_key)
        super().__init__(scope, construct_id)
        operations = operations or Operations()
        self._prefix, self._owns_topic = prefix, topic is None

        self._bound = self._source.bind(self, key=encryption_key, operations=operations, publishes=True, mails=mail is not None)
        self._bucket: s3.IBucket = (
            define_bucket(self, "Bucket", options=bucket or BucketOptions(), key=encryption_key, operations=operations)
            if bucket is None or isinstance(bucket, BucketOptions)
            else bucket
        )
        self._table: dynamodb.ITable = (
            keyed_table(self, "Runs", options=table_options, operations=operations)
            if isinstance(table_options, TableOptions)
            else table_options
        )
        self._topic = topic or define_topic(self, "Topic", key=encryption_key)
        self._dead_letters = dead_letter_queue(self, "DeadLetterQueue", key=encryption_key, operations=operations)
        self._undelivered = dead_letter_queue(self, "DeliveryDeadLetterQueue", key=encryption_key, operations=operations)

        self._function = HandlerFunction(
            self,
            "Function",
            handler=handler or Handler.bundled("scheduled_report", files={} if query is None else query.files),
            description="Makes the report of a day",
            timeout=self._timeout,
            environment={
                "REPORT_NAME": name,
                "TIME_ZONE": self._schedule.time_zone,
                "REPORT_BUCKET_NAME": self._bucket.bucket_name,
                "REPORT_PREFIX": prefix,
                "RUNS_TABLE_NAME": self._table.table_name,
                "TOPIC_ARN": self._topic.topic_arn,
                "LINK_SECONDS": seconds_text(links),
                **(format or ReportFormat()).settings,
                **({} if query is None else query.settings),
                **({} if mail is None else mail.settings),
                **self._bound.settings,
            },
            operations=operations,
            network=self._bound.network,
            reserved_concurrency=CONCURRENCY,
        )
        self._bound.grant(self._function)
        # To read: what a link may do is what the function may that signed it.
        grant_objects(self._function, self._bucket, "PutObject", "AbortMultipartUpload", "GetObject", below=prefix)
        grant(self._function, self._table, *TABLE_ACTIONS)
        grant_key_use(self._table.encryption_key, self._function)
        grant_publish(self._function, self._topic)
        if mail is not None:
            mail.grant_send(self._function, Stack.of(self))
        invoke_asynchronously(
            self,
            "Invocation",
            function=self._function,
            on_failure=self._dead_letters,
            on_success=on_success,
            key=encryption_key,
        )
        self._trigger = invoke_on_schedule(
            self,
            "Schedule",
            schedule=self._schedule,
            function=self._function,
            delivery_dead_letter_queue=self._undelivered,
            key=encryption_key,
            description=f"When the report {name} is made",
        )

    @property
    def bucket(self) -> s3.IBucket:
        """Where the reports are."""
        return self._bucket

    @property
    def table(self) -> dynamodb.ITable:
        """The runs: which report of which day is made, and why one is not."""
        return self._table

    @property
    def topic(self) -> sns.ITopic:
        """Is told of each report."""
        return self._topic

    @property
    def function(self) -> lambda_.Function:
        """The function that makes the report of a day."""
        return self._function

    @property
    def dead_letter_queue(self) -> sqs.IQueue:
        """Where a run that failed for good is kept, with the reason."""
        return self._dead_letters

    @property
    def cluster(self) -> rds.IDatabaseCluster | None:
        """The database that was defined or given; let something in by ``cluster.connections``. ``None`` for other sources."""
        return self._bound.cluster

    @property
    def connections(self) -> ec2.Connections | None:
        """The network of the function, to let it into a database; ``None`` outside a VPC."""
        return self._bound.connections

    @property
    def outputs(self) -> Mapping[str, str]:
        """What a stack shows after a deploy, by its stable name."""
        return {
            "BucketName": self._bucket.bucket_name,
            "RunsTableName": self._table.table_name,
            "TopicArn": self._topic.topic_arn,
            "FunctionName": self._function.function_name,
            "LogGroupName": self._function.log_group.log_group_name,
            "DeadLetterQueueUrl": self._dead_letters.queue_url,
            "DeliveryDeadLetterQueueUrl": self._undelivered.queue_url,
            **self._trigger.outputs,
            **self._bound.outputs,
        }

    def grant_back_fill(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a principal make the report of a day, by invoking the function with ``{"date": "2026-03-01"}``."""
        arn = self._function.function_arn
        return iam.Grant.add_to_principal(grantee=grantee, actions=["lambda:InvokeFunction"], resource_arns=[arn])

    def grant_read(self, grantee: iam.IGrantable) -> None:
        """Let a principal read the reports."""
        grant_objects(grantee, self._bucket, "GetObject", below=self._prefix)

    def add_alarms(self, alerts: Alerts) -> list[cloudwatch.Alarm]:
        """Define the alarms of the schedule, the function, the queues, the topic and the table."""
        alarms = AlarmSet(self, alerts)
        self._trigger.add_alarms(alarms)
        alarms.add_undelivered("Delivery", self._undelivered)
        missing_after = self._schedule.missing_or_default
        alarms.add_report("Report", self._function, timeout=self._timeout, missing_after=missing_after, bundled=self._bundled)
        alarms.add_asynchronous("Report", self._function, self._dead_letters)
        if self._owns_topic:
            alarms.add_topic("Announcement", self._topic)  # that of another pattern has its alarms there
        alarms.add_table("Runs", self._table, TABLE_ACTIONS)
        return alarms.alarms


def _check(name: str, prefix: str, links: Duration, *, bundled: bool, timeout: Duration) -> None:
    for argument, value, pattern, shape, example in (
        ("report_name", name, _NAME, "1 to 64 letters, digits, - or _", "daily-sales"),
        ("prefix", prefix, _PREFIX, "folders of letters, digits or !_.'()=- that each end with /, none . or ..", "reports/"),
    ):
        check_type(argument, value, str, f"a text such as {example!r}")
        known = not Token.is_unresolved(value)
        check(not known or pattern.fullmatch(value), f"{argument} must be {shape}, got {value!r}")
    check_duration("link_lifetime", links, least=60, most=LONGEST_LINK, why="its signer's credentials live no longer")
    check(not timeout.is_unresolved(), "timeout must be known while defining: other limits depend on it")
    check_duration("timeout", timeout, least=LEAST_TIMEOUT if bundled else 1, most=900)


def _check_standard(topic: sns.ITopic | None, on_success: sqs.IQueue | None) -> None:
    """Mail takes no FIFO topic, and Lambda no FIFO queue.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    """
    check(topic is None or not topic.fifo, "topic must be a standard topic: people subscribe to it, by mail or otherwise")
    check(on_success is None or not on_success.fifo, "on_success must be a standard queue: Lambda sends to no FIFO queue")


def _check_query(query: ReportQuery | None, source: ReportDatabase | ReportSource, timeout: Duration, *, bundled: bool) -> None:
    if isinstance(source, ReportSource):
        check(query is None, "query asks a database: a ReportSource has none, leave it out")
        return
    if not bundled:
        check(query is None, "query is packed with the bundled handler: with a handler of yours, leave it out")
        return
    check(query is not None, "query must be given for a database: ReportQuery(sql='SELECT ...', key_columns=[...])")
    statement = cast(ReportQuery, query).timeout_or_default
    seconds = 0 if statement.is_unresolved() else statement.to_seconds()
    limit = timeout.to_seconds() - RESERVED
    why = f"timeout={timeout.to_seconds():g} s less {RESERVED} s for what comes after the last row"
    if source.is_data_api and limit > DATA_API_STATEMENT_SECONDS:
        limit, why = DATA_API_STATEMENT_SECONDS, "the Data API ends statements then"
    check(seconds <= limit, f"statement_timeout must be at most {limit:g} s ({why}), got {seconds:g} s")


def _table_options(table: dynamodb.ITable | TableOptions | None, key: kms.IKey | None) -> dynamodb.ITable | TableOptions:
    if table is not None and not isinstance(table, TableOptions):
        check_key("table", table)
        return table
    options = table or TableOptions()
    return options if options.encryption_key is not None else dataclasses.replace(options, encryption_key=key)
