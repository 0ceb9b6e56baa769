"""The managed policies of AWS that CDK attaches, with the content that AWS publishes.

https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html
"""

from collections.abc import Mapping
from typing import Any

from serverless_patterns.errors import PatternError


def document_of(arn: str, role: str) -> Mapping[str, Any]:
    """The content of a managed policy.

    Args:
        arn: Its ARN.
        role: Whose it is, for the message.

    Raises:
        PatternError: The policy is not known.
    """
    name = arn.partition(":policy/")[2]
    if ":iam::aws:" not in arn or name not in _ACTIONS:
        known = ", ".join(sorted(_ACTIONS))
        msg = (
            f"{role}: what the managed policy {arn} holds is not known (known are those of AWS that CDK attaches: {known}); "
            "give its document, as ResolvedTemplate.of(..., managed_policies={arn: document}), or grant what is used instead"
        )
        raise PatternError(msg)
    return {"Statement": [{"Effect": "Allow", "Action": _ACTIONS[name], "Resource": "*"}]}


_LOGS = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
_VPC = [
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
]
#: Name -> its actions, all of them on `*`.
_ACTIONS: Mapping[str, list[str]] = {
    # https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSLambdaBasicExecutionRole.html
    "service-role/AWSLambdaBasicExecutionRole": _LOGS,
    # https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSLambdaVPCAccessExecutionRole.html
    "service-role/AWSLambdaVPCAccessExecutionRole": [*_LOGS, *_VPC],
    # https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSLambdaSQSQueueExecutionRole.html
    "service-role/AWSLambdaSQSQueueExecutionRole": [
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        *_LOGS,
    ],
    # https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSLambdaDynamoDBExecutionRole.html
    "service-role/AWSLambdaDynamoDBExecutionRole": [
        "dynamodb:DescribeStream",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
        "dynamodb:ListStreams",
        *_LOGS,
    ],
    # https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSLambdaKinesisExecutionRole.html
    "service-role/AWSLambdaKinesisExecutionRole": [
        "kinesis:DescribeStream",
        "kinesis:DescribeStreamSummary",
        "kinesis:GetRecords",
        "kinesis:GetShardIterator",
        "kinesis:ListShards",
        "kinesis:ListStreams",
        "kinesis:SubscribeToShard",
        *_LOGS,
    ],
    # https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSXRayDaemonWriteAccess.html
    "AWSXRayDaemonWriteAccess": [
        "xray:PutTraceSegments",
        "xray:PutTelemetryRecords",
        "xray:GetSamplingRules",
        "xray:GetSamplingTargets",
        "xray:GetSamplingStatisticSummaries",
    ],
    # https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonAPIGatewayPushToCloudWatchLogs.html
    "service-role/AmazonAPIGatewayPushToCloudWatchLogs": [
        "logs:CreateLogGroup",
        "logs:CreateLogStream",
        "logs:DescribeLogGroups",
        "logs:DescribeLogStreams",
        "logs:PutLogEvents",
        "logs:GetLogEvents",
        "logs:FilterLogEvents",
    ],
}
