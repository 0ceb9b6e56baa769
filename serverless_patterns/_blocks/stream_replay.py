"""How long a record of a stream may come again: out of the stream, or given to the function by somebody who has found it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serverless_patterns._blocks.bucket import OLD_VERSION_DAYS, BucketOptions
from serverless_patterns._blocks.checks import check, check_duration
from serverless_patterns._blocks.stream import retention_of

if TYPE_CHECKING:
    from aws_cdk import Duration
    from aws_cdk import aws_s3 as s3
    from constructs import IConstruct

#: Seconds.
DAY = 24 * 60 * 60
#: Seconds for which a source or a bucket is taken to keep what it has if that is not known: no stream keeps it for longer.
#: https://docs.aws.amazon.com/streams/latest/dev/kinesis-extended-retention.html
UNKNOWN = 365 * DAY
#: Seconds for which what is written is kept at most: a bucket without an expiration keeps records for ever.
CENTURY = 100 * 365 * DAY
#: Why what is written must stay so long, and what shortens it.
WHY = (
    "as long as a record that was given up can come again, or it would be written down twice; for less, give "
    "failure_bucket=BucketOptions(expiration=Duration.days(14), versioned=False)"
)


def replay_seconds(source: IConstruct, failures: s3.IBucket | BucketOptions) -> int:
    """Seconds after which no record comes again: what was written of it, or of what came after it, may go then.

    A record waits in its stream before it is given up, and then in the bucket for as long as its object is there, last as an
    old version. A day is to spare.

    Args:
        source: The table or the stream.
        failures: The bucket of a user's, of which it is not known how long it keeps objects, or the options of one.

    Raises:
        PatternError: The expiration of the bucket is not known while defining.
    """
    retention = retention_of(source)
    in_stream = UNKNOWN if retention is None else int(retention)
    in_bucket = _bucket_seconds(failures) if isinstance(failures, BucketOptions) else UNKNOWN
    return min(in_stream + in_bucket + DAY, CENTURY)


def check_outlives(name: str, value: Duration, least: int) -> None:
    """Check that what is written is there as long as its record can come again.

    Args:
        name: What the user calls the time for which it is kept.
        value: That time; a token passes.
        least: What ``replay_seconds`` says.

    Raises:
        PatternError: It is less, or more than 100 years.
    """
    check_duration(name, value, least=least, most=CENTURY, why=WHY)


def _bucket_seconds(options: BucketOptions) -> int:
    """Seconds for which a bucket has an object: S3 rounds up to the next midnight, for an object and for an old version.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
    """
    if options.expiration is None:
        return CENTURY
    check(
        not options.expiration.is_unresolved(),
        "expiration of failure_bucket must be known while defining: tombstones have to last longer, got a token; give a "
        "number, such as Duration.days(90)",
    )
    old_version = (OLD_VERSION_DAYS + 1) * DAY if options.versioned else 0
    return int(options.expiration.to_seconds()) + DAY + old_version
