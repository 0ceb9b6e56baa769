"""Alarms of streams: records that wait too long, are given up, or are kept nowhere."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_lambda as lambda_

from serverless_patterns._blocks.alarms.alarm_list import AlarmList
from serverless_patterns._blocks.alarms.metrics import handler_metric, tail

#: Milliseconds that a record may wait to be worked before somebody should know.
OLDEST_RECORD = 60_000


class StreamAlarms(AlarmList):
    """Alarms of streams."""

    def add_stream_reader(
        self,
        name: str,
        function: lambda_.Function,
        mapping: lambda_.CfnEventSourceMapping,
        *,
        written: cloudwatch.Metric,
        given_up_after: Duration,
    ) -> None:
        """The alarms of a function that reads a stream: records that wait, that nobody reads, and those that are given up.

        The age of records is known only while Lambda reads them: that nobody does is told by what is written meanwhile. The
        second alarm of their age comes at half of the age at which they are given up, which is less than what the stream
        keeps: half of its retention may never be reached.
        """
        age = function.metric("IteratorAge", period=Duration.minutes(1), statistic="Maximum")
        self._add_waiting(f"{name}Age", age, f"First: {tail(function)}", given_up_after)
        look = f"aws lambda get-event-source-mapping --uuid {mapping.attr_id}"
        self.add(
            f"{name}Unread",
            _unread(written, _of_mapping(mapping, "PolledEventCount", written.period)),
            tier="critical",
            threshold=1,
            periods=(3, 3),
            description=f"Records are written and nobody reads the stream, which keeps them for a while only. First: {look}",
        )
        for suffix, metric, cause in (
            (
                "GivenUp",
                "OnFailureDestinationDeliveredEventCount",
                "Records failed too often, or waited too long; they are kept in the bucket of failures, below aws/lambda/",
            ),
            ("Lost", "DroppedEventCount", "Records were given up and are kept by the stream alone, until it drops them"),
        ):
            self.add(
                f"{name}{suffix}",
                _of_mapping(mapping, metric, Duration.minutes(1)),
                tier="critical",
                threshold=1,
                description=f"{cause}. First: {look}; {tail(function)}",
            )
        self.add(
            f"{name}NotKept",
            function.metric("DestinationDeliveryFailures", period=Duration.minutes(1), statistic="Sum"),
            tier="critical",
            threshold=1,
            description=f"Records that were given up could not be written to the bucket of failures. First: {look}",
        )

    def add_poison(self, function: lambda_.Function) -> None:
        """The alarm of a bundled handler that met records which can never be taken: it set them aside, and goes on."""
        self.add(
            "PoisonRecords",
            handler_metric(function, "PoisonRecords", "Sum"),
            tier="critical",
            threshold=1,
            description=(
                "Records can never be taken; they are in the bucket of failures, below records/, with the reason. "
                f"First: {tail(function)}"
            ),
        )

    def add_stream(self, name: str, stream: kinesis.IStream, *, given_up_after: Duration) -> None:
        """The alarms of a Kinesis stream: records that nobody reads, and those that it refuses.

        Lambda tells the age of records when it invokes the function; if it cannot even do that, the stream still does.
        https://docs.aws.amazon.com/streams/latest/dev/monitoring-with-cloudwatch.html
        """
        look = f"First: aws kinesis describe-stream-summary --stream-name {stream.stream_name}"
        minute = Duration.minutes(1)
        read = stream.metric("GetRecords.IteratorAgeMilliseconds", period=minute, statistic="Maximum")
        self._add_waiting(f"{name}Age", read, look, given_up_after)
        self.add(
            f"{name}Refused",
            stream.metric("WriteProvisionedThroughputExceeded", period=minute, statistic="Sum"),
            tier="critical",
            threshold=1,
            periods=(3, 5),
            description=f"The stream refuses records: too many for its shards, or for one of them, by a hot key. {look}",
        )

    def _add_waiting(self, name: str, age: cloudwatch.IMetric, look: str, given_up_after: Duration) -> None:
        self.add(
            name,
            age,
            tier="warning",
            threshold=OLDEST_RECORD,
            at_threshold=False,
            periods=(3, 5),
            description=f"Records wait for over {OLDEST_RECORD // 1000} s: more comes in than is worked, or one fails. {look}",
        )
        half = given_up_after.to_milliseconds() / 2
        self.add(
            f"{name}Critical",
            age,
            tier="critical",
            threshold=half,
            at_threshold=False,
            description=f"Records wait for over {half / 1000:g} s, half of the time after which they are given up. {look}",
        )


def _of_mapping(mapping: lambda_.CfnEventSourceMapping, metric: str, period: Duration) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace="AWS/Lambda",
        metric_name=metric,
        dimensions_map={"EventSourceMappingUUID": mapping.attr_id},
        period=period,
        statistic="Sum",
    )


def _unread(written: cloudwatch.Metric, polled: cloudwatch.Metric) -> cloudwatch.MathExpression:
    """1 while something is written and nothing is read, else 0."""
    return cloudwatch.MathExpression(
        expression="IF(FILL(written, 0) > 0 AND FILL(polled, 0) <= 0, 1, 0)",
        using_metrics={"written": written, "polled": polled},
        label="unread",
        period=written.period,
    )
