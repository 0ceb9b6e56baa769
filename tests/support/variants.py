"""The other shapes of the patterns: what their options do, for scanners and snapshots."""

from collections.abc import Mapping
from typing import Any

from aws_cdk import aws_cognito as cognito
from constructs import Construct

from serverless_patterns import PROD, Alerts, ApiCrud, Authorization, Cors, UsagePlan
from serverless_patterns.stacks import AlertStack
from tests.support.synthesis import empty_stack, new_app, template_of

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}}


def variants() -> Mapping[str, Mapping[str, Any]]:
    """Name -> template."""
    return {name: make() for name, make in VARIANTS.items()}


def _rest() -> Mapping[str, Any]:
    stack = empty_stack()
    api = ApiCrud(
        stack,
        "Users",
        resource="users",
        schema=SCHEMA,
        api_kind="rest",
        cors=Cors(allow_origins=["https://shop.example.com"], allow_credentials=True),
        usage_plan=UsagePlan(requests_per_day=10_000),
    )
    api.add_alarms(Alerts())
    return template_of(stack)


def _cognito() -> Mapping[str, Any]:
    stack = empty_stack()
    authorization = _user_pool(stack, clients=2)
    ApiCrud(stack, "Users", resource="users", schema=SCHEMA, authorization=authorization, cors=Cors(allow_origins=["*"]))
    return template_of(stack)


def _rest_cognito() -> Mapping[str, Any]:
    stack = empty_stack()
    ApiCrud(stack, "Users", resource="users", schema=SCHEMA, api_kind="rest", authorization=_user_pool(stack, clients=1))
    return template_of(stack)


def _user_pool(scope: Construct, clients: int) -> Authorization:
    """A pool of another region than the stack's: its tokens name its own region."""
    pool = cognito.UserPool.from_user_pool_arn(
        scope, "Pool", "arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_Example"
    )
    found = [cognito.UserPoolClient.from_user_pool_client_id(scope, f"Client{n}", f"client-{n}") for n in range(clients)]
    return Authorization.cognito(pool, clients=found, scopes=["users/write"])


def _alerts() -> Mapping[str, Any]:
    return template_of(AlertStack(new_app(), "prod-alerts", environment=PROD))


VARIANTS = {"alerts": _alerts, "api_crud_rest": _rest, "api_crud_cognito": _cognito, "api_crud_rest_cognito": _rest_cognito}
