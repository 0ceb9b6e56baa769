"""ScheduledReport: schedule -> function -> SQL database or table -> report bucket, topic, mail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_rds as rds
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from serverless_patterns._blocks.alarms import AlarmSet, Alerts
from serverless_patterns._blocks.announcement import check_announcer, define_announcer
from serverless_patterns._blocks.arguments import check_arguments
from serverless_patterns._blocks.asynchronous import LONGEST_EVENT_AGE, invoke_asynchronously
from serverless_patterns._blocks.bucket import BucketOptions, bucket_of, grant_objects
from serverless_patterns._blocks.checks import check_type, seconds_text
from serverless_patterns._blocks.encryption import with_key
from serverless_patterns._blocks.function import HandlerFunction, grant_invoke
from serverless_patterns._blocks.handler import Handler
from serverless_patterns._blocks.queue import dead_letter_queue
from serverless_patterns._blocks.report_checks import check_query, check_settings, check_standard
from serverless_patterns._blocks.report_mail import ReportMail
from serverless_patterns._blocks.report_names import NamedReport, check_names
from serverless_patterns._blocks.report_options import ReportFormat, ReportQuery
from serverless_patterns._blocks.report_schedule import ReportSchedule
from serverless_patterns._blocks.report_source import ReportDatabase, ReportSource
from serverless_patterns._blocks.schedule import Trigger, invoke_on_schedule
from serverless_patterns._blocks.table import TableOptions, checked_table, grant_tables, table_of
from serverless_patterns.operations import Operations

#: Seconds. A million rows take about three minutes.
TIMEOUT = 300
#: Exactly one run at a time: a second tick waits, or finds the report made.
CONCURRENCY = 1
#: Seconds that an event may wait, all that Lambda gives: of many back-fills at once each waits for those before it, and what
#: is given up then may be the report of the day.
EVENT_AGE = LONGEST_EVENT_AGE
TABLE_ACTIONS = ("UpdateItem",)


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
        bus: An event bus of yours in the stack's region, such as that of ``EventRouting``, that is told instead of a topic:
            with an event, for programs; not together with ``topic``.
        mail: Who gets a mail. Default: nobody.
        link_lifetime: How long the links to the files work, 60 s to 12 hours. Default: an hour.
        on_success: A standard queue of yours that is sent each result, with the event. Default: none.
        table: Options of the table of runs that is defined, or a table of yours with the string partition key ``id`` alone.
        handler: Your code instead of the bundled handler. It gets the same environment variables and permissions.
        timeout: Of a run, 1 to 15 minutes. Default: 5 minutes.
        one_at_a_time: Whether one concurrent execution is reserved for the function, so that its runs wait for each other and
            burden the database one at a time. Default yes. AWS refuses that where fewer than 100 would be left for all other
            functions: new accounts have 10 (``aws lambda get-account-settings``). Say no there: two runs of one day are one
            in any case, by the table of runs, and the deploy does not fail beside a database that costs already.
        encryption_key: A customer managed key for all that is defined, logs included. Default: that of the operations, or keys
            that AWS owns, free. The policy of a key of this app is completed here; that of an imported one must let CloudWatch
            Logs and EventBridge use it.
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
        bus: events.IEventBus | None = None,
        mail: ReportMail | None = None,
        link_lifetime: Duration | None = None,
        on_success: sqs.IQueue | None = None,
        table: dynamodb.ITable | TableOptions | None = None,
        handler: Handler | None = None,
        timeout: Duration | None = None,
        one_at_a_time: bool = True,
        encryption_key: kms.IKey | None = None,
        operations: Operations | None = None,
    ) -> None:
        check_arguments(locals())
        operations = with_key(operations, encryption_key)
        encryption_key = operations.encryption_key
        self._source = ReportDatabase.aurora() if source is None else source
        self._schedule = schedule or ReportSchedule()
        self._timeout = timeout or Duration.seconds(TIMEOUT)
        links = link_lifetime or Duration.hours(1)
        name = construct_id if report_name is None else report_name
        self._bundled = handler is None
        check_settings(name, prefix, links, bundled=self._bundled, timeout=self._timeout)
        check_type("one_at_a_time", one_at_a_time, bool, "True or False")
        check_announcer(scope, topic, bus)
        check_standard(topic, on_success)
        check_query(query, self._source, self._timeout, bundled=self._bundled)
        table_options = checked_table("table", table, key=encryption_key)
        super().__init__(scope, construct_id)
        self._operations, self._prefix = operations, prefix

        self._bound = self._source.bind(
            self,
            key=encryption_key,
            operations=operations,
            announces="topic" if bus is None else "bus",
            mails=mail is not None,
        )
        self._bucket = bucket_of(self, "Bucket", bucket, key=encryption_key, operations=operations)
        self._table = table_of(self, "Runs", table_options, operations=operations)
        check_names(self, NamedReport(path=self.node.path, name=name, table=self._table, bucket=self._bucket, prefix=prefix))
        self._announcer = define_announcer(self, topic=topic, bus=bus, key=encryption_key)
        self._dead_letters = dead_letter_queue(self, "DeadLetterQueue", key=encryption_key, operations=operations)
        self._undelivered = dead_letter_queue(self, "DeliveryDeadLetterQueue", key=encryption_key, operations=operations)

        packed = {**({} if query is None else query.files), **self._bound.files}
        self._function = self._define_function(
            handler or Handler.bundled("scheduled_report", files=packed),
            {
                "REPORT_NAME": name,
                "LINK_SECONDS": seconds_text(links),
                **_settings_of(self._schedule, format or ReportFormat(), query, mail, self._bound),
            },
            reserved_concurrency=CONCURRENCY if one_at_a_time else None,
        )
        self._grant(mail)
        self._trigger = self._invoke(name, on_success)

    def _define_function(
        self, code: Handler, settings: Mapping[str, str], *, reserved_concurrency: int | None
    ) -> HandlerFunction:
        return HandlerFunction(
            self,
            "Function",
            handler=code,
            description="Makes the report of a day",
            timeout=self._timeout,
            environment={
                **settings,
                "REPORT_BUCKET_NAME": self._bucket.bucket_name,
                "REPORT_PREFIX": self._prefix,
                "RUNS_TABLE_NAME": self._table.table_name,
                **self._announcer.settings,
            },
            operations=self._operations,
            network=self._bound.network,
            reserved_concurrency=reserved_concurrency,
        )

    def _invoke(self, name: str, on_success: sqs.IQueue | None) -> Trigger:
        """Let the function be invoked: by anybody who may, and by the schedule."""
        invoke_asynchronously(
            self,
            "Invocation",
            function=self._function,
            on_failure=self._dead_letters,
            on_success=on_success,
            maximum_event_age=EVENT_AGE,
        )
        return invoke_on_schedule(
            self,
            "Schedule",
            schedule=self._schedule,
            function=self._function,
            delivery_dead_letter_queue=self._undelivered,
            description=f"When the report {name} is made",
        )

    def _grant(self, mail: ReportMail | None) -> None:
        """Let the function read the rows, write the files and the run, and tell people."""
        function = self._function
        self._bound.grant(function)
        # To read: what a link may do is what the function may that signed it.
        grant_objects(function, self._bucket, "PutObject", "AbortMultipartUpload", "GetObject", below=self._prefix)
        grant_tables(function, {self._table: TABLE_ACTIONS})
        self._announcer.grant_announce(function)
        if mail is not None:
            mail.grant_send(function, Stack.of(self))

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
        """Is told of each report.

        Raises:
            PatternError: There is none, but a ``bus``.
        """
        return self._announcer.for_subscribers

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
            **self._announcer.outputs,
            "FunctionName": self._function.function_name,
            "LogGroupName": self._function.log_group.log_group_name,
            "DeadLetterQueueUrl": self._dead_letters.queue_url,
            "DeliveryDeadLetterQueueUrl": self._undelivered.queue_url,
            **self._trigger.outputs,
            **self._bound.outputs,
        }

    def grant_back_fill(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a principal make the report of a day, by invoking the function with ``{"date": "2026-03-01"}``."""
        return grant_invoke(grantee, self._function)

    def grant_read(self, grantee: iam.IGrantable) -> None:
        """Let a principal read the reports."""
        grant_objects(grantee, self._bucket, "GetObject", below=self._prefix)

    def add_alarms(self, alerts: Alerts) -> list[cloudwatch.Alarm]:
        """Define the alarms of the schedule, the function, the queues, the topic and the table."""
        alarms = AlarmSet(self, alerts)
        self._trigger.add_alarms(alarms)
        alarms.add_undelivered("Delivery", self._undelivered, to="the function")
        missing_after = self._schedule.missing_after_or_default
        alarms.add_report("Report", self._function, timeout=self._timeout, missing_after=missing_after, bundled=self._bundled)
        alarms.add_asynchronous("Report", self._function, self._dead_letters)
        self._announcer.add_alarms(alarms)
        alarms.add_table("Runs", self._table, TABLE_ACTIONS)
        return alarms.alarms


class _Told(Protocol):
    """What the bundled handler is told of by environment variables."""

    @property
    def settings(self) -> Mapping[str, str]:
        """Name -> value."""


def _settings_of(*told: _Told | None) -> dict[str, str]:
    return {name: value for each in told if each is not None for name, value in each.settings.items()}
