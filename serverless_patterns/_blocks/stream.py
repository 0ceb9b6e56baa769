"""Streams: how old a record may be that is still tried."""

from __future__ import annotations

from aws_cdk import Duration, Token
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kinesis as kinesis
from constructs import IConstruct

from serverless_patterns._blocks.checks import check, check_duration

#: Seconds for which a stream of DynamoDB keeps its records; nothing changes that.
#: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
TABLE_RETENTION = 24 * 60 * 60
#: Seconds: the least and most that an event source mapping takes for the age of a record.
#: https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
LEAST_RECORD_AGE, LONGEST_RECORD_AGE = 60, 7 * 24 * 60 * 60


def check_record_age(name: str, value: Duration, source: dynamodb.ITable | kinesis.IStream) -> None:
    """Check that a record is given up, and kept with the reason, before its stream loses it: then nobody would know of it.

    Args:
        name: What the user calls the age.
        value: The age at which a record is given up, 1 minute to 7 days; a token passes.
        source: The table or the stream; how long an imported stream keeps its records is not known, and passes.

    Raises:
        PatternError: The age is outside its range, or not below the retention of the stream.
    """
    check_duration(name, value, least=LEAST_RECORD_AGE, most=LONGEST_RECORD_AGE)
    retention = retention_of(source)
    if retention is None or value.is_unresolved():
        return
    check(
        value.to_seconds() < retention,
        f"{name} must be less than the retention of the stream of {source.node.path!r} ({retention:.0f} s), got "
        f"{value.to_seconds():.0f} s: the stream would lose a record that is still tried, and nothing would be kept of it; "
        "choose Duration.hours(6)",
    )


def retention_of(source: IConstruct) -> float | None:
    """Seconds for which records are kept; ``None`` if it is not known.

    CDK defines each Kinesis stream with a number of hours, 24 unless it was told.
    https://docs.aws.amazon.com/streams/latest/dev/kinesis-extended-retention.html
    """
    if hasattr(source, "table_arn"):
        return TABLE_RETENTION
    definition = source.node.default_child
    if not isinstance(definition, kinesis.CfnStream):
        return None
    hours = definition.retention_period_hours
    return None if hours is None or Token.is_unresolved(hours) else hours * 60 * 60
