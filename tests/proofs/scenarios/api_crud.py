"""ApiCrud: all routes, and the same request twice."""

import json
from collections.abc import Sequence
from typing import Any

from serverless_patterns.testing.resource import FunctionResource
from tests.handlers.api_client import Answer, event_of
from tests.proofs.world import Scenario, World


def scenarios_of(_: FunctionResource) -> Sequence[Scenario]:
    return [an_item_is_created_read_listed_replaced_and_deleted, a_repeated_request_creates_one_item]


def an_item_is_created_read_listed_replaced_and_deleted(world: World) -> None:
    created = _call(world, "POST", body={"name": "Hat", "price": 5})
    assert created.status == 201
    item_id = created.json["id"]
    assert _call(world, "GET", item_id).json == created.json
    assert _call(world, "GET").json["items"] == [created.json]
    replaced = _call(world, "PUT", item_id, body={"name": "Cap", "price": 6}, headers={"If-Match": created.etag})
    assert (replaced.status, replaced.json["name"]) == (200, "Cap")
    assert _call(world, "DELETE", item_id).status == 204
    assert _call(world, "GET", item_id).status == 404


def a_repeated_request_creates_one_item(world: World) -> None:
    once, again = (_call(world, "POST", body={"name": "Hat"}, headers={"Idempotency-Key": "key-1"}) for _ in range(2))
    assert (once.status, again.status) == (201, 201)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json == once.json


def _call(world: World, method: str, item_id: str | None = None, body: Any = None, **parts: Any) -> Answer:
    return call(world, event_of(kind_of(world), method, item_id, body, **parts))


def kind_of(world: World) -> str:
    """Of which kind the events of this template's API are."""
    return "rest_api_cognito" if world.template.of_type("AWS::ApiGateway::RestApi") else "http_api_iam"


def call(world: World, event: dict[str, Any]) -> Answer:
    """The answer to a recorded event, which is about orders, at the resource of this function."""
    event = json.loads(json.dumps(event).replace("/orders", f"/{world.variables['RESOURCE']}"))
    answer = world.invoke(event)
    lists = answer.get("multiValueHeaders", {}).items()
    headers = {name.lower(): value for name, value in answer.get("headers", {}).items()}
    return Answer(answer["statusCode"], headers | {name.lower(): ", ".join(values) for name, values in lists}, answer["body"])
