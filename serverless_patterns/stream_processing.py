"""StreamProcessing: table or Kinesis stream -> function -> view and audit trail."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from constructs import Construct

from serverless_patterns._blocks.alarms import AlarmSet, Alerts
from serverless_patterns._blocks.arguments import check_arguments
from serverless_patterns._blocks.bucket import BucketOptions, bucket_of, grant_objects
from serverless_patterns._blocks.checks import check, check_texts, check_type, seconds_text
from serverless_patterns._blocks.encryption import with_key
from serverless_patterns._blocks.function import HandlerFunction
from serverless_patterns._blocks.handler import Handler
from serverless_patterns._blocks.object_flow import Rows, check_flow
from serverless_patterns._blocks.resource_schema import resource_schema
from serverless_patterns._blocks.source_table import warn_of_replicas
from serverless_patterns._blocks.stream import check_record_age
from serverless_patterns._blocks.stream_reader import ReaderOptions, check_filters, read_stream
from serverless_patterns._blocks.stream_replay import check_outlives, replay_seconds
from serverless_patterns._blocks.stream_source import (
    TABLE_WRITES,
    KinesisOptions,
    KinesisSource,
    TableSource,
    check_source,
    define_source,
    key_attributes,
)
from serverless_patterns._blocks.table import Keys, TableOptions, checked_table, grant, grant_tables, is_same_table, table_of
from serverless_patterns.operations import Operations

#: Seconds. The bundled handler begins a write only with 7 s left, which is what one takes that times out twice; a record is two
#: of them, or three if no row can hold it.
LEAST_TIMEOUT = 30
#: Days for which records are kept that could not be worked: they are whole, with what is excluded.
FAILURE_DAYS = 90
#: Where the bundled handler puts records that can never be taken; Lambda writes below ``aws/lambda/``.
POISON = "records/"
SCHEMA_FILE = "schema.json"
EXPIRY = "expires_at"

VIEW_KEYS = Keys()
AUDIT_KEYS = Keys(sort_key="sequence", sort_type=dynamodb.AttributeType.STRING)
TABLE_ACTIONS = ("PutItem",)


class StreamProcessing(Construct):
    """Changes of a table, or records of a Kinesis stream, are projected on a view, and each leaves a row in an audit trail.

    Example::

        StreamProcessing(self, "Customers", source=customers, excluded=["password_hash"])

    The view has the newest state of each id (``id``, ``data``, ``sequence``, ``updated_at``); of a removed one a tombstone is
    left for longer than a record can come again, so that none brings it back. The audit has a row for each record (``id``,
    ``sequence``, ``action``, ``changed``, ``at``). Both are written once, however often a record comes.

    A record that can never be taken is set aside at once in the bucket of failures, with its reason; what fails otherwise is
    tried again, with all that follows, until it is too old, and then kept there, whole.

    Args:
        source: A table of yours with a stream of new and old images, a Kinesis stream of yours, or options of the table or
            the stream that is defined: ``TableOptions(...)``, ``KinesisOptions(...)``. Default: a table with the string
            partition key ``id``.
        filters: Which records are worked: at most 5, made by ``lambda_.FilterCriteria.filter({...})``; one that matches is
            enough. A removal that is filtered out leaves its row in the view. Of a Kinesis stream they look at ``data``, and
            Lambda drops what is no JSON there: nothing of it is kept, and no alarm tells. Default: all.
            https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis-filtering.html
        key_field: Of a Kinesis stream: the field of the JSON that is the id, a text or a number; all records of one id need
            one partition key, or they have no order. Default: the record's partition key.
        schema: Of a Kinesis stream: JSON Schema (draft 2020-12) of each record; fields that it does not name are refused,
            unless it sets ``additionalProperties``. Default: any JSON object.
        excluded: Top-level attributes or fields that reach neither the view nor the audit: personal data, secrets. None may be
            part of the key. A record that fails is kept whole.
        view_table: Options of the table of the view, or a table of yours with the string partition key ``id`` and no sort key;
            its time-to-live attribute is ``expires_at``.
        audit_table: Options of the table of the audit, or a table of yours with the string partition key ``id`` and the string
            sort key ``sequence``; the same.
        audit_retention: How long after a change its audit row may go: as long as its record can come again, which is 184 days
            with the default bucket of failures and a table, to 100 years. Default: it is kept for ever.
        failure_bucket: Options of the bucket of failures, or a bucket of yours. Default: objects are kept for 90 days, then for
            90 as old versions. What is given up can come again for as long, so tombstones last longer: 184 days for a table
            by default, for ever if the options have no ``expiration``. A bucket of yours is taken to keep objects for a year.
        handler: Your code instead of the bundled handler. It gets the same environment variables and permissions; it must
            report the first record that failed by its sequence number.
        reader: How the stream is read. Default: 60 s, batches of 100, tried until a record is 6 hours old.
        encryption_key: A customer managed key for all that is defined, logs included. Default: that of the operations, or keys
            that AWS owns or manages, free. The policy of a key of this app is completed here; that of an imported one must let
            CloudWatch Logs use it.
        operations: Retention, backups, logs, capacity. Default: the careful ones.

    Raises:
        PatternError: An argument does not fit, or the pattern would write to its own source.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        source: dynamodb.ITable | kinesis.IStream | TableOptions | KinesisOptions | None = None,
        filters: Sequence[Mapping[str, Any]] = (),
        key_field: str | None = None,
        schema: Mapping[str, object] | None = None,
        excluded: Sequence[str] = (),
        view_table: dynamodb.ITable | TableOptions | None = None,
        audit_table: dynamodb.ITable | TableOptions | None = None,
        audit_retention: Duration | None = None,
        failure_bucket: s3.IBucket | BucketOptions | None = None,
        handler: Handler | None = None,
        reader: ReaderOptions | None = None,
        encryption_key: kms.IKey | None = None,
        operations: Operations | None = None,
    ) -> None:
        check_arguments(locals())
        operations = with_key(operations, encryption_key)
        encryption_key = operations.encryption_key
        self._bundled, self._reader = handler is None, reader or ReaderOptions()
        _check(source, filters, excluded, self._reader, bundled=self._bundled)
        fixed = _schema(schema, key_field, bundled=self._bundled)
        _check_json(source, key_field, fixed)
        view = checked_table("view_table", view_table, keys=VIEW_KEYS, expiry=EXPIRY, key=encryption_key)
        audit = checked_table("audit_table", audit_table, keys=AUDIT_KEYS, expiry=EXPIRY, key=encryption_key)
        _check_tables(view, audit, source, filtered=bool(filters), bundled=self._bundled)
        super().__init__(scope, construct_id)
        self._operations = operations

        self._source = define_source(self, source, key=encryption_key, operations=operations)
        failures = BucketOptions(expiration=Duration.days(FAILURE_DAYS)) if failure_bucket is None else failure_bucket
        if self._bundled and not isinstance(self._source, KinesisSource):
            warn_of_replicas(self, self._source.resource)
        self._remembered = replay_seconds(self._source.resource, failures)
        self._check_against_source(excluded, key_field, audit_retention)
        self._view = table_of(self, "ViewTable", view, keys=VIEW_KEYS, operations=operations)
        self._audit = table_of(self, "AuditTable", audit, keys=AUDIT_KEYS, operations=operations)
        if self._bundled and not filters and isinstance(self._source, TableSource):  # a filter may leave out what comes back
            check_flow(self, reads=Rows(self._source.resource), writes=[Rows(self._view), Rows(self._audit)])
        self._failures = bucket_of(self, "FailureBucket", failures, key=encryption_key, operations=operations)
        files = {} if fixed is None else {SCHEMA_FILE: json.dumps(fixed)}
        self._function = self._define_function(
            handler or Handler.bundled("stream_processing", files=files),
            {
                "EXCLUDED": ",".join(excluded),
                "AUDIT_SECONDS": "0" if audit_retention is None else seconds_text(audit_retention),
                "KEY_FIELD": key_field or "",
                "SCHEMA_FILE": "" if fixed is None else f"stream_processing/{SCHEMA_FILE}",
            },
        )
        self._mapping = read_stream(
            self,
            "Reader",
            function=self._function,
            source=self._source,
            options=self._reader,
            filters=filters,
            failures=self._failures,
            bundled=self._bundled,
        )
        grant_tables(self._function, {self._view: TABLE_ACTIONS, self._audit: TABLE_ACTIONS})
        grant_objects(self._function, self._failures, "PutObject", below=POISON)

    @property
    def source(self) -> dynamodb.ITable | kinesis.IStream:
        """Where the records come from: the table or the stream that was given, or the one that was defined."""
        return self._source.resource

    @property
    def view_table(self) -> dynamodb.ITable:
        """The newest state of each id."""
        return self._view

    @property
    def audit_table(self) -> dynamodb.ITable:
        """What happened to each id."""
        return self._audit

    @property
    def failure_bucket(self) -> s3.IBucket:
        """Where records are kept that could not be worked: below ``records/`` and ``aws/lambda/``."""
        return self._failures

    @property
    def function(self) -> lambda_.Function:
        """The function that works records."""
        return self._function

    @property
    def outputs(self) -> Mapping[str, str]:
        """What a stack shows after a deploy, by its stable name."""
        return {
            **self._source.outputs,
            "ViewTableName": self._view.table_name,
            "AuditTableName": self._audit.table_name,
            "FailureBucketName": self._failures.bucket_name,
            "FunctionName": self._function.function_name,
            "LogGroupName": self._function.log_group.log_group_name,
            "ReaderId": self._mapping.attr_id,
        }

    def grant_write(self, grantee: iam.IGrantable) -> None:
        """Let a principal write to the source: items of the table, or records of the stream."""
        self._source.grant_write(grantee)

    def grant_read_view(self, grantee: iam.IGrantable) -> None:
        """Let a principal read the view, by id or as a whole; a row with ``removed`` is a tombstone."""
        grant(grantee, self._view, "BatchGetItem", "GetItem", "Scan")
        if self._view.encryption_key is not None:
            self._view.encryption_key.grant(grantee, "kms:Decrypt")

    def add_alarms(self, alerts: Alerts) -> list[cloudwatch.Alarm]:
        """Define the alarms of the stream, the function and the tables."""
        alarms, age = AlarmSet(self, alerts), self._reader.max_record_age_or_default
        if isinstance(self._source, KinesisSource):
            alarms.add_stream("Stream", self._source.resource, given_up_after=age)
        elif self._source.owned:
            alarms.add_table("Source", self._source.resource, TABLE_WRITES)
        alarms.add_stream_reader("Records", self._function, self._mapping, written=self._source.written, given_up_after=age)
        alarms.add_worker("Function", self._function, timeout=self._reader.timeout_or_default)
        if self._bundled:
            alarms.add_unexpected_errors(self._function)
            alarms.add_poison(self._function)
        alarms.add_table("View", self._view, TABLE_ACTIONS)
        alarms.add_table("Audit", self._audit, TABLE_ACTIONS)
        return alarms.alarms

    def _check_against_source(self, excluded: Sequence[str], key_field: str | None, audit_retention: Duration | None) -> None:
        check_record_age("max_record_age", self._reader.max_record_age_or_default, self._source.resource)
        keys = sorted(set(excluded) & set(key_attributes(self._source, key_field)))
        check(
            not keys,
            f"excluded must not have an attribute of the key, got {', '.join(map(repr, keys))}: each row has it in its id; "
            "give the items another key, or leave it",
        )
        if audit_retention is not None:
            check_outlives("audit_retention", audit_retention, self._remembered)

    def _define_function(self, code: Handler, optional: Mapping[str, str]) -> HandlerFunction:
        return HandlerFunction(
            self,
            "Function",
            handler=code,
            description="Projects the records of a stream",
            timeout=self._reader.timeout_or_default,
            environment={
                "SOURCE": self._source.kind,
                "VIEW_TABLE_NAME": self._view.table_name,
                "AUDIT_TABLE_NAME": self._audit.table_name,
                "FAILURE_BUCKET_NAME": self._failures.bucket_name,
                "FAILURE_PREFIX": POISON,
                "TOMBSTONE_SECONDS": str(self._remembered),
                **{name: value for name, value in optional.items() if value},
            },
            operations=self._operations,
            memory_size=self._reader.memory_size,
        )


def _check(source: object, filters: object, excluded: object, reader: ReaderOptions, *, bundled: bool) -> None:
    check_source(source, bundled=bundled)
    check_filters(filters)
    _check_reader(reader, bundled=bundled)
    _check_excluded(excluded)


def _check_reader(reader: ReaderOptions, *, bundled: bool) -> None:
    seconds = reader.timeout_or_default.to_seconds()
    check(
        not bundled or seconds >= LEAST_TIMEOUT,
        f"timeout of the reader must be {LEAST_TIMEOUT} to 900 s with the bundled handler, got {seconds:g} s",
    )


def _check_excluded(excluded: object) -> None:
    """Check that the handler reads the names as they are: it has them in one text, with commas between."""
    check_texts("excluded", excluded)
    if isinstance(excluded, Sequence):
        unfit = [name for name in excluded if "," in name or name != name.strip() or not name]
        check(not unfit, f"excluded must be names without commas and without spaces around them, got {unfit!r}")


def _schema(schema: Mapping[str, object] | None, key_field: str | None, *, bundled: bool) -> dict[str, Any] | None:
    check_type("key_field", key_field, str, "the name of a field such as 'order_id'", optional=True)
    check(key_field != "", "key_field must be the name of a field such as 'order_id', or left out, got ''")
    if schema is None:
        return None
    check(bundled, "schema is checked by the bundled handler: give it, or a handler of yours")
    fixed = resource_schema(schema, reserved=(), key=None)
    named = key_field in fixed["properties"] or fixed["additionalProperties"] is not False or "patternProperties" in fixed
    check(key_field is None or named, f"key_field must be a field of the schema, which refuses all others, got {key_field!r}")
    return fixed


def _check_json(source: object, key_field: str | None, schema: object) -> None:
    reads_json = isinstance(source, KinesisOptions) or hasattr(source, "stream_arn")
    for name, value in (("key_field", key_field), ("schema", schema)):
        check(
            value is None or reads_json,
            f"{name} is for a Kinesis stream, whose records are JSON, and a table has its keys and attributes: leave it out, "
            "or give source=KinesisOptions() or a stream",
        )


def _check_tables(
    view: dynamodb.ITable | TableOptions,
    audit: dynamodb.ITable | TableOptions,
    source: object,
    *,
    filtered: bool,
    bundled: bool,
) -> None:
    for name, table in (("view_table", view), ("audit_table", audit)):
        _check_writes(name, table, source, filtered=filtered, bundled=bundled)
    same = not isinstance(view, TableOptions) and is_same_table(view, audit)
    check(not same, "audit_table must be another table than view_table, as their keys differ, got one for both; leave one out")


def _check_writes(name: str, table: dynamodb.ITable | TableOptions, source: object, *, filtered: bool, bundled: bool) -> None:
    """Check that what the function writes is no change that it works again: nothing stops that but the bill."""
    if isinstance(table, TableOptions) or not is_same_table(table, source):
        return
    check(
        filtered,
        f"{name} must be another table than source, got {table.node.path!r} for both: each row would be worked as a new "
        "change, for ever; leave it out, or give filters that no row of it matches",
    )
    check(
        not bundled or name != "view_table",
        f"view_table must be another table than source with the bundled handler, got {table.node.path!r} for both: the rows of "
        "a view have the ids of what they show, and would take their places",
    )
