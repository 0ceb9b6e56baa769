"""A route of a REST API that puts each request's body into a queue, without a function between them."""

from __future__ import annotations

import json
from dataclasses import dataclass

from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_iam as iam
from constructs import Construct

from serverless_patterns._blocks.edge import CORS_RESPONSE_HEADERS, Cors
from serverless_patterns._blocks.queue import WorkQueue, grant_send
from serverless_patterns._blocks.role import ServiceRole

#: For whatever is not a success. SQS answers 400 for a body that never fits and for a key of KMS that is throttled alike: to
#: say 400 of the second would lose it.
REFUSED = (
    "The queue did not take the body. Try again; one of over 1 MiB, or with a message group that has other than "
    "letters, digits and punctuation or over 128 of them, is never taken."
)


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
        id_field: The field of the body that identifies it: the message group in a FIFO queue without another one.
        group_by: The field of the body that is the message group. Default: none, or the id in a FIFO queue.
        cors: Which web pages may read the answers.
    """
    role = ServiceRole(
        scope,
        "ApiRole",
        # Without conditions: API Gateway names neither its account nor its API when it assumes the role of an integration, and
        # a role can be given to APIs of its own account only.
        assumed_by=iam.ServicePrincipal("apigateway.amazonaws.com"),
        description="Assumed by API Gateway: sends requests to the queue",
    )
    grant_send(role, queue.queue)
    answers = _answers(cors)
    integration = apigateway.AwsIntegration(
        service="sqs",
        path=f"{queue.queue.env.account}/{queue.queue.queue_name}",
        integration_http_method="POST",
        options=apigateway.IntegrationOptions(
            credentials_role=role,
            passthrough_behavior=apigateway.PassthroughBehavior.NEVER,
            request_parameters={"integration.request.header.Content-Type": "'application/x-www-form-urlencoded'"},
            request_templates={"application/json": _message(queue, id_field, group_by)},
            integration_responses=answers,
        ),
    )
    responses = [
        apigateway.MethodResponse(
            status_code=each.status_code, response_parameters=dict.fromkeys(each.response_parameters or {}, True)
        )
        for each in answers
    ]
    return DirectMethod(integration=integration, responses=responses)


def _answers(cors: Cors | None) -> list[apigateway.IntegrationResponse]:
    """202 for what SQS has taken, and 503 for whatever else it says."""
    headers = _cors_headers(cors)
    problem = {**headers, "Content-Type": "'application/problem+json'", "Retry-After": "'1'"}
    return [
        apigateway.IntegrationResponse(
            status_code=status,
            selection_pattern=pattern,
            response_parameters={f"method.response.header.{name}": value for name, value in own.items()},
            response_templates={"application/json": body},
        )
        for pattern, status, own, body in (
            ("2\\d{2}", "202", headers, '{"request_id": "$context.requestId"}'),
            (None, "503", problem, _problem(503, "Service Unavailable", REFUSED)),
        )
    ]


def _cors_headers(cors: Cors | None) -> dict[str, str]:
    if cors is None:
        return {}
    headers = {
        "Access-Control-Allow-Origin": f"'{cors.allow_origins[0]}'",
        "Access-Control-Expose-Headers": f"'{','.join(CORS_RESPONSE_HEADERS)}'",
    }
    return {**headers, "Access-Control-Allow-Credentials": "'true'"} if cors.allow_credentials else headers


def _message(queue: WorkQueue, id_field: str, group_by: str | None) -> str:
    """The request to SQS: the body and its fields are encoded, so that nothing in them can add a parameter.

    A field is put into a text first: what encodes takes texts only, and a template with a call that does not fit stands there
    as it is.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
    """
    parameters = {"Action": "SendMessage", "MessageBody": "$util.urlEncode($input.body)"}
    if group_by or queue.is_fifo:
        parameters["MessageGroupId"] = _field(group_by or id_field)
    # No deduplication id: a FIFO queue takes the content for it. The id would let a corrected order vanish for five minutes.
    return "&".join(f"{name}={value}" for name, value in parameters.items())


def _field(name: str) -> str:
    return f"$util.urlEncode(\"$input.path('$.{name}')\")"


def _problem(status: int, title: str, detail: str) -> str:
    problem = {"type": "about:blank", "title": title, "status": status, "detail": detail, "request_id": "$context.requestId"}
    return json.dumps(problem)
