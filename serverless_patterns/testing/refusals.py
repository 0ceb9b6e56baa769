"""How each service says that a caller may not do something.

By default as its protocol has it: services with JSON say ``AccessDeniedException``, the older ones with XML ``AccessDenied``.
"""

from collections.abc import Mapping
from typing import Any, cast

from botocore.client import BaseClient
from botocore.exceptions import ClientError

from serverless_patterns.testing.calls import Call
from serverless_patterns.testing.need import Need

#: Service -> code and status, where they are others:
#: https://docs.aws.amazon.com/sns/latest/api/CommonErrors.html,
#: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
_OWN: Mapping[str, tuple[str, int]] = {
    "ec2": ("UnauthorizedOperation", 403),
    "s3": ("AccessDenied", 403),
    "s3control": ("AccessDenied", 403),
    "sns": ("AuthorizationError", 403),
}
#: Service -> code and status where the key of a resource may not be used:
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html,
#: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html, https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecord.html
_OF_KEYS: Mapping[str, tuple[str, int]] = {
    "kinesis": ("KMSAccessDeniedException", 400),
    "sns": ("KMSAccessDenied", 400),
    "sqs": ("KMS.AccessDeniedException", 400),
}
#: Code -> the name by which the SDK knows its class: SQS has two codes for the same, since it changed its protocol.
_CLASSES: Mapping[str, str] = {"KMS.AccessDeniedException": "KmsAccessDenied"}
#: The answer to a HEAD has no body: the status is all that the SDK is told.
_WITHOUT_BODY = frozenset({("s3", "HeadBucket"), ("s3", "HeadObject")})
#: What services with JSON answer with; those with REST answer 403.
_JSON_STATUS = {"json": 400, "smithy-rpc-v2-cbor": 400, "rest-json": 403}


def refusal(client: BaseClient, call: Call, need: Need, principal: str) -> ClientError:
    """The error that a client raises where a need of its call is not allowed, of the very class that its users catch."""
    code, status = _code(client, call, need)
    message = (
        f"User: {principal or 'the role'} is not authorized to perform: {need.action} on resource: {need.resource} "
        f"because no identity-based policy allows the {need.action} action"
    )
    if (call.service, call.operation) in _WITHOUT_BODY:
        code, message = str(status), "Forbidden"
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "RetryAttempts": 0},
    }
    error_class = cast("type[ClientError]", client.exceptions.from_code(_CLASSES.get(code, code)))
    return error_class(response, call.operation)


def _code(client: BaseClient, call: Call, need: Need) -> tuple[str, int]:
    if need.action.startswith("kms:") and call.service in _OF_KEYS:
        return _OF_KEYS[call.service]
    if call.service in _OWN:
        return _OWN[call.service]
    model = client.meta.service_model
    old = "awsQueryCompatible" in model.metadata or model.metadata["protocol"] not in _JSON_STATUS
    return ("AccessDenied", 403) if old else ("AccessDeniedException", _JSON_STATUS[model.metadata["protocol"]])
