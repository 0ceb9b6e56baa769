"""Asynchronous invocations: how often they are tried, and where the event goes, with the reason, when they fail for good."""

from __future__ import annotations

from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from serverless_patterns._blocks.queue import grant_send

#: Lambda's own number of retries. https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
RETRIES = 2
#: Seconds. Lambda's own six hours would work an event long after anybody waited for it.
MAXIMUM_EVENT_AGE = 60 * 60
#: Seconds that Lambda keeps an event at most. https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionEventInvokeConfig.html
LONGEST_EVENT_AGE = 6 * 60 * 60


def invoke_asynchronously(
    scope: Construct,
    construct_id: str,
    *,
    function: lambda_.Function,
    on_failure: sqs.IQueue,
    on_success: sqs.IQueue | None = None,
    maximum_event_age: int = MAXIMUM_EVENT_AGE,
) -> lambda_.CfnEventInvokeConfig:
    """Keep each event that fails for good in a queue, with the reason: a function's own dead-letter queue keeps the event only.

    So is one that waited for longer than ``maximum_event_age`` seconds: for room in the concurrency, or for its next try.
    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    """
    grant_send(function, on_failure)
    if on_success is not None:
        grant_send(function, on_success)
    config = lambda_.CfnEventInvokeConfig(
        scope,
        construct_id,
        function_name=function.function_name,
        qualifier="$LATEST",
        maximum_retry_attempts=RETRIES,
        maximum_event_age_in_seconds=maximum_event_age,
        destination_config=lambda_.CfnEventInvokeConfig.DestinationConfigProperty(
            on_failure=lambda_.CfnEventInvokeConfig.OnFailureProperty(destination=on_failure.queue_arn),
            on_success=None
            if on_success is None
            else lambda_.CfnEventInvokeConfig.OnSuccessProperty(destination=on_success.queue_arn),
        ),
    )
    # Lambda looks whether the role may send there before it takes the configuration.
    if function.role is not None:
        config.node.add_dependency(function.role)
    return config
