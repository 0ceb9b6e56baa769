"""Functions that read a stream in batches, report the first record of a batch that failed, and keep those that are given up."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import Duration, Token
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from constructs import Construct

from serverless_patterns._blocks.bucket import grant_listing, grant_objects
from serverless_patterns._blocks.checks import check, check_between, check_duration, check_type
from serverless_patterns._blocks.stream import LEAST_RECORD_AGE, LONGEST_RECORD_AGE
from serverless_patterns._blocks.stream_source import StreamSource

#: Seconds.
TIMEOUT = 60
#: Seconds after which a record is given up: long enough for an outage to end, and for half a day to be left of the 24 h that
#: a stream keeps it.
RECORD_AGE = 6 * 60 * 60
#: Tries, after the first, of a handler of the user's, where one bad record would keep all others of its shard waiting.
RETRIES = 5
#: As Lambda writes that only the age of a record ends its tries.
UNTIL_TOO_OLD = -1
#: What the keys of objects begin with that Lambda writes: ``aws/lambda/<mapping>/<shard>/YYYY/MM/DD/...``.
#: https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
#: https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
GIVEN_UP = "aws/lambda/"
#: Filters of an event source mapping, and characters of each.
#: https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html
MOST_FILTERS, LONGEST_FILTER = 5, 4096


@dataclass(frozen=True, kw_only=True)
class ReaderOptions:
    """How a function reads a stream.

    Args:
        timeout: The longest that a batch may take, 1 s to 15 minutes. Default 60 s; a bundled handler wants at least 30.
        batch_size: Records for each invocation at most, 1 to 10,000; there are never more than 6 MB of them. Default 100.
        batch_window: How long to wait for a batch to fill, 0 to 300 s. Default 0: no wait.
        parallelization_factor: Batches of one shard that are worked at the same time, 1 to 10; those of one key stay in order.
            Default 1.
        max_record_age: When a record is given up, 1 minute to 7 days, and before the stream drops it. What is older when it is
            first read is given up untried, and kept in the bucket: a stream that was there before is read from its oldest
            record on, and one whose reading was disabled from where it was. Give more for that time. Default 6 hours.
        max_retries: How often a failed batch is tried again, 0 to 10,000. Default: until its records are too old. The bundled
            handler sets aside what can never be taken, so what fails will work later; counting tries would give records up in
            a throttling of minutes, and a batch that ran out of time counts as a try. A handler of yours: 5, since one record
            that it cannot take would keep the others of its shard waiting for 6 hours.
        memory_size: MB of the function, 128 to 10,240; CPU grows with it. Default 512.

    Raises:
        PatternError: A value is outside its range.
    """

    timeout: Duration | None = None
    batch_size: int = 100
    batch_window: Duration | None = None
    parallelization_factor: int = 1
    max_record_age: Duration | None = None
    max_retries: int | None = None
    memory_size: int | None = None

    def __post_init__(self) -> None:
        """Check the ranges: https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html."""
        for name, least, most in (
            ("batch_size", 1, 10_000),
            ("parallelization_factor", 1, 10),
            ("max_retries", 0, 10_000),
            ("memory_size", 128, 10_240),
        ):
            value = getattr(self, name)
            check_type(name, value, int, "a whole number", optional=name.startswith("m"))
            if value is not None:
                check_between(name, value, least, most)
        check_duration("timeout", self.timeout_or_default, least=1, most=900)
        check_duration("batch_window", self.batch_window_or_default, least=0, most=300)
        check_duration("max_record_age", self.max_record_age_or_default, least=LEAST_RECORD_AGE, most=LONGEST_RECORD_AGE)
        for name, value in (("timeout", self.timeout_or_default), ("max_record_age", self.max_record_age_or_default)):
            check(not value.is_unresolved(), f"{name} must be known while defining: the alarms depend on it, got a token")

    @property
    def timeout_or_default(self) -> Duration:
        """The timeout of the function."""
        return self.timeout or Duration.seconds(TIMEOUT)

    @property
    def batch_window_or_default(self) -> Duration:
        """The batch window."""
        return self.batch_window or Duration.seconds(0)

    @property
    def max_record_age_or_default(self) -> Duration:
        """When a record is given up."""
        return self.max_record_age or Duration.seconds(RECORD_AGE)

    def retries(self, *, bundled: bool) -> int:
        """The retries as Lambda takes them."""
        if self.max_retries is not None:
            return self.max_retries
        return UNTIL_TOO_OLD if bundled else RETRIES


def read_stream(
    scope: Construct,
    construct_id: str,
    *,
    function: lambda_.Function,
    source: StreamSource,
    options: ReaderOptions,
    filters: Sequence[Mapping[str, Any]],
    failures: s3.IBucket,
    bundled: bool,
) -> lambda_.CfnEventSourceMapping:
    """Let a function read a stream from its oldest record on; what is given up goes to a bucket, whole and with the reason.

    SQS and SNS would only be told where the record was in the stream, which has dropped it a day later. CDK's own destination
    lets the function read, write and delete all objects of the bucket.
    """
    source.grant_read(function)
    grant_objects(function, failures, "PutObject", below=GIVEN_UP)
    grant_listing(function, failures)
    result = lambda_.CfnEventSourceMapping
    mapping = result(
        scope,
        construct_id,
        function_name=function.function_name,
        event_source_arn=source.arn,
        starting_position="TRIM_HORIZON",
        batch_size=options.batch_size,
        maximum_batching_window_in_seconds=options.batch_window_or_default.to_seconds(),
        parallelization_factor=options.parallelization_factor,
        maximum_record_age_in_seconds=options.max_record_age_or_default.to_seconds(),
        maximum_retry_attempts=options.retries(bundled=bundled),
        bisect_batch_on_function_error=True,
        function_response_types=["ReportBatchItemFailures"],
        filter_criteria=result.FilterCriteriaProperty(filters=[_filter(each) for each in filters]) if filters else None,
        destination_config=result.DestinationConfigProperty(
            on_failure=result.OnFailureProperty(destination=failures.bucket_arn)
        ),
        # Only these metrics, which are paid for like those of one's own, tell that records were given up.
        # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html#event-source-mapping-metrics
        metrics_config=result.MetricsConfigProperty(metrics=["EventCount"]),
    )
    # A mapping that is made before its permissions fails to be made.
    if function.role is not None:
        mapping.node.add_dependency(function.role)
    return mapping


def check_filters(filters: object) -> None:
    """Check that filters are what ``FilterCriteria.filter`` makes, and no more of them than there may be."""
    made = "made by lambda_.FilterCriteria.filter({...})"
    known = isinstance(filters, Sequence) and not isinstance(filters, str) and all(map(_is_filter, filters))
    check(known, f"filters must be a list of filters {made}, got {filters!r}")
    if isinstance(filters, Sequence):
        check(len(filters) <= MOST_FILTERS, f"filters must be at most {MOST_FILTERS}, got {len(filters)}")
        for each in filters:
            size = len(each["pattern"])
            check(size <= LONGEST_FILTER, f"filters must have at most {LONGEST_FILTER} characters each, got {size}")


def _is_filter(value: object) -> bool:
    if not isinstance(value, Mapping) or set(value) != {"pattern"} or not isinstance(value["pattern"], str):
        return False
    try:
        return Token.is_unresolved(value["pattern"]) or isinstance(json.loads(value["pattern"]), dict)
    except ValueError:
        return False


def _filter(given: Mapping[str, Any]) -> lambda_.CfnEventSourceMapping.FilterProperty:
    return lambda_.CfnEventSourceMapping.FilterProperty(pattern=given["pattern"])
