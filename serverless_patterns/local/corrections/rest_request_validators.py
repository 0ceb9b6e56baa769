"""Request validators of a REST API that a template defines.

AWS refuses with 400 a request whose body does not match the method's model or that lacks a required parameter.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-method-request-validation.html

The emulator can do that, but its CloudFormation neither stores ``AWS::ApiGateway::RequestValidator`` nor ties a method to
its validator: every body passes.
"""

from __future__ import annotations

from ministack.services import apigateway_v1

from .faults import Properties, after, expect, provision

VALIDATOR = "AWS::ApiGateway::RequestValidator"
METHOD = "AWS::ApiGateway::Method"


def check() -> None:
    """A validator is not stored."""
    validator_id = provision(VALIDATOR, {"RestApiId": "check", "ValidateRequestBody": True})
    stored = apigateway_v1._request_validators.get("check", {})
    expect(validator_id not in stored, "the emulator now stores the request validators of a template")


def apply() -> None:
    """Store it, and tie the methods to it."""
    after(VALIDATOR, _store)
    after(METHOD, _tie)


def _store(validator_id: str, properties: Properties) -> None:
    apigateway_v1._request_validators.setdefault(properties["RestApiId"], {})[validator_id] = {
        "id": validator_id,
        "name": properties.get("Name", validator_id),
        "validateRequestBody": _true(properties.get("ValidateRequestBody")),
        "validateRequestParameters": _true(properties.get("ValidateRequestParameters")),
    }


def _tie(_: str, properties: Properties) -> None:
    resource = apigateway_v1._resources[properties["RestApiId"]][properties["ResourceId"]]
    resource["resourceMethods"][properties["HttpMethod"]]["requestValidatorId"] = properties.get("RequestValidatorId")


def _true(value: object) -> bool:
    return str(value).lower() == "true"
