"""What AWS publishes under which dimensions, as far as alarms watch it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """Metrics that are published under the same dimensions.

    Args:
        page: Where it is documented.
        metrics: Their names.
        dimensions: All of their dimensions -> the CloudFormation types of what the value names; none for what is no resource.
    """

    page: str
    metrics: frozenset[str]
    dimensions: Mapping[str, tuple[str, ...]]


_APIS = "https://docs.aws.amazon.com/apigateway/latest/developerguide"

#: Namespace -> what is published there. A set of dimensions that is not there has no data, and no alarm on it ever fires.
PUBLISHED: Mapping[str, tuple[Published, ...]] = {
    "AWS/ApiGateway": (
        Published(
            f"{_APIS}/http-api-metrics.html",
            frozenset({"Count", "4xx", "5xx", "Latency", "IntegrationLatency"}),
            {"ApiId": ("AWS::ApiGatewayV2::Api",), "Stage": ("AWS::ApiGatewayV2::Stage",)},
        ),
        Published(
            f"{_APIS}/api-gateway-metrics-and-dimensions.html",
            frozenset({"Count", "4XXError", "5XXError", "Latency", "IntegrationLatency"}),
            {"ApiName": ("AWS::ApiGateway::RestApi",)},
        ),
    ),
    "AWS/DynamoDB": (
        Published(
            "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html",
            frozenset({"ThrottledRequests", "SystemErrors", "SuccessfulRequestLatency"}),
            {"TableName": ("AWS::DynamoDB::GlobalTable", "AWS::DynamoDB::Table"), "Operation": ()},
        ),
        Published(
            "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html",
            frozenset({"ConsumedWriteCapacityUnits"}),
            {"TableName": ("AWS::DynamoDB::GlobalTable", "AWS::DynamoDB::Table")},
        ),
    ),
    "AWS/Events": (
        Published(
            "https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html",
            frozenset({"FailedInvocations", "InvocationsFailedToBeSentToDlq"}),
            {"RuleName": ("AWS::Events::Rule",)},
        ),
        Published(  # of a rule of another bus than the default one
            "https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html",
            frozenset({"FailedInvocations", "InvocationsFailedToBeSentToDlq"}),
            {"EventBusName": (), "RuleName": ("AWS::Events::Rule",)},  # the bus may be of another stack
        ),
    ),
    "AWS/Kinesis": (
        Published(
            "https://docs.aws.amazon.com/streams/latest/dev/monitoring-with-cloudwatch.html",
            frozenset({"GetRecords.IteratorAgeMilliseconds", "IncomingRecords", "WriteProvisionedThroughputExceeded"}),
            {"StreamName": ("AWS::Kinesis::Stream",)},
        ),
    ),
    "AWS/Lambda": (
        Published(
            "https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html",
            frozenset(
                {
                    "Invocations",
                    "Errors",
                    "Throttles",
                    "Duration",
                    "AsyncEventsDropped",
                    "DestinationDeliveryFailures",
                    "IteratorAge",
                }
            ),
            {"FunctionName": ("AWS::Lambda::Function",)},
        ),
        Published(  # where MetricsConfig asks for EventCount
            "https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html#event-source-mapping-metrics",
            frozenset({"OnFailureDestinationDeliveredEventCount", "DroppedEventCount", "PolledEventCount"}),
            {"EventSourceMappingUUID": ("AWS::Lambda::EventSourceMapping",)},
        ),
    ),
    "AWS/SNS": (
        Published(
            "https://docs.aws.amazon.com/sns/latest/dg/sns-monitoring-using-cloudwatch.html",
            frozenset({"NumberOfNotificationsFailed", "NumberOfNotificationsFailedToRedriveToDlq"}),
            {"TopicName": ("AWS::SNS::Topic",)},
        ),
    ),
    "AWS/SQS": (
        Published(
            "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html",
            frozenset({"ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"}),
            {"QueueName": ("AWS::SQS::Queue",)},
        ),
    ),
    "AWS/Scheduler": (
        Published(
            "https://docs.aws.amazon.com/scheduler/latest/UserGuide/monitoring-cloudwatch.html",
            frozenset({"TargetErrorCount", "InvocationDroppedCount", "InvocationsFailedToBeSentToDeadLetterCount"}),
            {"ScheduleGroup": ("AWS::Scheduler::ScheduleGroup",)},
        ),
    ),
    "AWS/States": (
        Published(
            "https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html",
            frozenset({"ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted", "ExecutionThrottled"}),
            {"StateMachineArn": ("AWS::StepFunctions::StateMachine",)},
        ),
    ),
    # What the bundled handlers write: lambda_src/shared/metrics.py.
    "ServerlessPatterns": (
        Published(
            "https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format.html",
            frozenset(
                {"UnexpectedErrors", "CircuitOpened", "PostponedSeconds", "ReportSucceeded", "ReportFailed", "PoisonRecords"}
            ),
            {"FunctionName": ("AWS::Lambda::Function",)},
        ),
    ),
}
