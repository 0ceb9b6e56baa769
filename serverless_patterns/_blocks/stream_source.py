"""Where the records of a stream come from: the changes of a DynamoDB table, or a Kinesis stream."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms
from constructs import Construct

from serverless_patterns._blocks.checks import check, check_between, check_duration, check_type, shown
from serverless_patterns._blocks.source_table import images_of
from serverless_patterns._blocks.table import TableOptions, grant_tables, keyed_table
from serverless_patterns.operations import Operations

NEW_AND_OLD = dynamodb.StreamViewType.NEW_AND_OLD_IMAGES
DYNAMODB, KINESIS = "dynamodb", "kinesis"
#: What polling a stream takes. Lambda says that it makes no mapping without ``ListStreams``; AWS's page allows that for one
#: stream, too.
#: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/iam-policy-read-stream-only.html
TABLE_POLL = ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams")
#: What changes items.
TABLE_WRITES = ("DeleteItem", "PutItem", "UpdateItem")
#: https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-create.html
KINESIS_POLL = (
    "kinesis:DescribeStream",
    "kinesis:DescribeStreamSummary",
    "kinesis:GetRecords",
    "kinesis:GetShardIterator",
    "kinesis:ListShards",
)
#: Of the metric of what is written: as long as that of the alarm which asks for it.
WRITTEN_PERIOD = Duration.minutes(5)
#: Hours: https://docs.aws.amazon.com/streams/latest/dev/kinesis-extended-retention.html
LEAST_RETENTION, LONGEST_RETENTION = 24, 365 * 24
#: Shards that a stream may have before an account asks for more, in the larger regions.
#: https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
MOST_SHARDS = 20_000


@dataclass(frozen=True, kw_only=True)
class KinesisOptions:
    """How a pattern's own Kinesis stream is defined.

    It is encrypted with the key of Kinesis that AWS manages, free, or with the pattern's ``encryption_key``.

    Args:
        retention: How long it keeps records, 24 hours to 365 days, in whole hours. Default 24 hours; more costs more.
        shards: How many shards it has, 1 to 20,000: 1 MB/s in and 2 MB/s out of each. Default: as many as it takes, on demand.

    Raises:
        PatternError: A value is outside its range.
    """

    retention: Duration | None = None
    shards: int | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        kept = self.retention or Duration.hours(LEAST_RETENTION)
        check_duration("retention", kept, least=LEAST_RETENTION * 3600, most=LONGEST_RETENTION * 3600)
        check(not kept.is_unresolved(), "retention must be known while defining: tombstones have to last longer, got a token")
        check(kept.to_seconds() % 3600 == 0, f"retention must be whole hours, got {kept.to_seconds():.0f} s")
        check_type("shards", self.shards, int, "a whole number", optional=True)
        if self.shards is not None:
            check_between("shards", self.shards, 1, MOST_SHARDS)


@dataclass(frozen=True)
class TableSource:
    """The stream of a table.

    Attributes:
        resource: The table.
        owned: Whether the pattern has defined it.
    """

    resource: dynamodb.ITable
    owned: bool = False
    kind: str = DYNAMODB

    @property
    def arn(self) -> str:
        """The ARN of the stream."""
        return cast(str, self.resource.table_stream_arn)  # checked before

    @property
    def outputs(self) -> dict[str, str]:
        """What a stack shows of it, by its stable name."""
        return {"SourceTableName": self.resource.table_name}

    @property
    def written(self) -> cloudwatch.Metric:
        """What is written to the table. Writes that change nothing count too, though no record comes of them."""
        return self.resource.metric("ConsumedWriteCapacityUnits", period=WRITTEN_PERIOD, statistic="Sum")

    def grant_read(self, function: iam.IGrantable) -> None:
        """Let a function poll the stream, and read it through the key of the table."""
        iam.Grant.add_to_principal(grantee=function, actions=list(TABLE_POLL), resource_arns=[self.arn])
        if self.resource.encryption_key is not None:
            self.resource.encryption_key.grant(function, "kms:Decrypt")

    def grant_write(self, grantee: iam.IGrantable) -> None:
        """Let a principal write items."""
        grant_tables(grantee, {self.resource: TABLE_WRITES})


@dataclass(frozen=True)
class KinesisSource:
    """A Kinesis stream.

    Attributes:
        resource: The stream.
        owned: Whether the pattern has defined it.
    """

    resource: kinesis.IStream
    owned: bool = False
    kind: str = KINESIS

    @property
    def arn(self) -> str:
        """The ARN of the stream."""
        return self.resource.stream_arn

    @property
    def outputs(self) -> dict[str, str]:
        """What a stack shows of it, by its stable name."""
        return {"StreamName": self.resource.stream_name}

    @property
    def written(self) -> cloudwatch.Metric:
        """What is written to the stream."""
        return self.resource.metric_incoming_records(period=WRITTEN_PERIOD, statistic="Sum")

    def grant_read(self, function: iam.IGrantable) -> None:
        """Let a function poll the stream, and read it through its key."""
        iam.Grant.add_to_principal(grantee=function, actions=list(KINESIS_POLL), resource_arns=[self.arn])
        if self.resource.encryption_key is not None:
            self.resource.encryption_key.grant(function, "kms:Decrypt")

    def grant_write(self, grantee: iam.IGrantable) -> None:
        """Let a principal write records: https://docs.aws.amazon.com/streams/latest/dev/permissions-user-key-KMS.html."""
        actions = ["kinesis:PutRecord", "kinesis:PutRecords"]
        iam.Grant.add_to_principal(grantee=grantee, actions=actions, resource_arns=[self.arn])
        if self.resource.encryption_key is not None:
            self.resource.encryption_key.grant(grantee, "kms:GenerateDataKey")


StreamSource = TableSource | KinesisSource
#: What a user may give.
Given = dynamodb.ITable | kinesis.IStream | TableOptions | KinesisOptions


def check_source(source: object, *, bundled: bool) -> None:
    """Check what a user gives as the source.

    Raises:
        PatternError: It is no source, or a table without the stream that is needed.
    """
    options = isinstance(source, TableOptions | KinesisOptions)
    resource = hasattr(source, "table_arn") or hasattr(source, "stream_arn")
    check(
        source is None or options or resource,
        f"source must be a DynamoDB table with a stream, a Kinesis stream, TableOptions(...) or KinesisOptions(...), "
        f"got {shown(source)}{'; did you mean its .table?' if hasattr(type(source), 'table') else ''}",
    )
    if isinstance(source, TableOptions):
        check(
            source.stream in {None, NEW_AND_OLD} or not bundled,
            f"stream of source must be StreamViewType.NEW_AND_OLD_IMAGES, or left out, got {source.stream}: the bundled "
            "handler tells what has changed from both images",
        )
    if hasattr(source, "table_arn"):
        _check_table(cast(dynamodb.ITable, source), bundled=bundled)


def _check_table(table: dynamodb.ITable, *, bundled: bool) -> None:
    known, images = images_of(table)
    check(
        table.table_stream_arn is not None and (images is not None or not known),
        f"source must be a table with a stream, got {table.node.path!r}: give it "
        "dynamo_stream=StreamViewType.NEW_AND_OLD_IMAGES, or, if a pattern defines it, such as ApiCrud, "
        "table=TableOptions(stream=StreamViewType.NEW_AND_OLD_IMAGES); or import it with "
        "TableV2.from_table_attributes(..., table_stream_arn=...)",
    )
    check(
        not bundled or images in {None, NEW_AND_OLD.name},
        f"source must be a table whose stream has NEW_AND_OLD_IMAGES, got {images} for {table.node.path!r}: the bundled "
        "handler tells what has changed from both images",
    )


def define_source(scope: Construct, given: Given | None, *, key: kms.IKey | None, operations: Operations) -> StreamSource:
    """The source that was given, or one that is defined: a table with the string partition key ``id`` unless told."""
    if isinstance(given, KinesisOptions):
        return KinesisSource(_define_stream(scope, given, key, operations), owned=True)
    if given is None or isinstance(given, TableOptions):
        options = given or TableOptions()
        stream, own_key = options.stream or NEW_AND_OLD, options.encryption_key or key
        complete = dataclasses.replace(options, stream=stream, encryption_key=own_key)
        return TableSource(keyed_table(scope, "SourceTable", options=complete, operations=operations), owned=True)
    if hasattr(given, "table_arn"):
        return TableSource(cast(dynamodb.ITable, given))
    return KinesisSource(given)


def _define_stream(scope: Construct, options: KinesisOptions, key: kms.IKey | None, operations: Operations) -> kinesis.Stream:
    return kinesis.Stream(
        scope,
        "SourceStream",
        stream_mode=kinesis.StreamMode.ON_DEMAND if options.shards is None else kinesis.StreamMode.PROVISIONED,
        shard_count=options.shards,
        retention_period=options.retention or Duration.hours(LEAST_RETENTION),
        encryption=kinesis.StreamEncryption.MANAGED if key is None else kinesis.StreamEncryption.KMS,
        encryption_key=key,
        removal_policy=operations.removal_policy,
    )


def key_attributes(source: StreamSource, key_field: str | None) -> Sequence[str]:
    """What the id of a row is made of, as far as it is known."""
    if isinstance(source, KinesisSource):
        return [] if key_field is None else [key_field]
    definition = source.resource.node.default_child
    if not isinstance(definition, dynamodb.CfnTable | dynamodb.CfnGlobalTable):
        return []
    return [key["attributeName"] for key in source.resource.stack.resolve(definition.key_schema) if isinstance(key, dict)]
