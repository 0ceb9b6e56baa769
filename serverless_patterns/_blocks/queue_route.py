"""A route of a REST API that puts each request's body into a queue, without a function between them."""

from __future__ import annotations

import json
from dataclasses import dataclass

from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_iam as iam
from constructs import Construct

from serverless_patterns._blocks.edge import Cors
from serverless_patterns._blocks.queue import WorkQueue

REFUSED = "The queue did not take the body: it is larger than 1 MiB, or has characters that a message or its group cannot hold."
UNAVAILABLE = "This does not work at the moment. Try again."


@dataclass(frozen=True, kw_only=True)
class DirectMethod:
    """An integration with an AWS service, and the answers that its method can have."""

    integration: apigateway.AwsIntegration
    responses: list[apigateway.MethodResponse]


def queue_route(scope: Construct, *, queue: WorkQueue, id_field: str, group_by: str | None, cors: Cors | None) -> DirectMethod:
    """Define what sends a JSON body to the queue, as it is, and answers 202.

    Args:
        scope: The pattern.
        queue: The queue.
        id_field: The field of the body that identifies it: the deduplication id in a FIFO queue.
        group_by: The field of the body that is the message group. Default: none, or the id in a FIFO queue.
        cors: Which web pages may read the answers.
    """
    role = iam.Role(
        scope,
        "ApiRole",
        # Not the API's ARN: its method has this role, and CloudFormation takes no circles.
        assumed_by=iam.ServicePrincipal(
            "apigateway.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": queue.queue.env.account}}
        ),
        description="Assumed by API Gateway: sends requests to the queue",
    )
    queue.grant_send(role)
    headers = {} if cors is None else {"Access-Control-Allow-Origin": f"'{cors.allow_origins[0]}'"}
    answers = (
        ("2\\d{2}", "202", headers, '{"request_id": "$context.requestId"}'),
        ("400", "400", headers, _problem(400, "Bad Request", REFUSED)),
        (None, "503", {**headers, "Retry-After": "'1'"}, _problem(503, "Service Unavailable", UNAVAILABLE)),
    )
    integration = apigateway.AwsIntegration(
        service="sqs",
        path=f"{queue.queue.env.account}/{queue.queue.queue_name}",
        integration_http_method="POST",
        options=apigateway.IntegrationOptions(
            credentials_role=role,
            passthrough_behavior=apigateway.PassthroughBehavior.NEVER,
            request_parameters={"integration.request.header.Content-Type": "'application/x-www-form-urlencoded'"},
            request_templates={"application/json": _message(queue, id_field, group_by)},
            integration_responses=[
                apigateway.IntegrationResponse(
                    status_code=status,
                    selection_pattern=pattern,
                    response_parameters={f"method.response.header.{name}": value for name, value in own.items()},
                    response_templates={"application/json": body},
                )
                for pattern, status, own, body in answers
            ],
        ),
    )
    responses = [
        apigateway.MethodResponse(
            status_code=status, response_parameters={f"method.response.header.{name}": True for name in own}
        )
        for _, status, own, _ in answers
    ]
    return DirectMethod(integration=integration, responses=responses)


def _message(queue: WorkQueue, id_field: str, group_by: str | None) -> str:
    """The request to SQS: the body is its one value, encoded, so that nothing in it can add a parameter.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
    """
    parameters = {"Action": "SendMessage", "MessageBody": "$util.urlEncode($input.body)"}
    if group_by or queue.is_fifo:
        parameters["MessageGroupId"] = f"$util.urlEncode($input.path('$.{group_by or id_field}'))"
    if queue.is_fifo:
        parameters["MessageDeduplicationId"] = f"$util.urlEncode($input.path('$.{id_field}'))"
    return "&".join(f"{name}={value}" for name, value in parameters.items())


def _problem(status: int, title: str, detail: str) -> str:
    problem = {"type": "about:blank", "title": title, "status": status, "detail": detail, "request_id": "$context.requestId"}
    return json.dumps(problem)
