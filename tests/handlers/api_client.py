"""A small client that speaks to the handler in API Gateway's events, as they were recorded in ``tests/support/events``."""

import copy
import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict, Unpack
from urllib.parse import quote

from botocore.model import OperationModel
from types_boto3_dynamodb import DynamoDBClient

from api_crud.logic import Items, Store
from api_crud.models import Settings
from api_crud.routes import api_of
from api_crud.store import DynamoStore
from shared.schema import Schema

EVENTS = Path(__file__).parents[1] / "support" / "events"

VARIABLES = {
    "RESOURCE": "orders",
    "TABLE_NAME": "items-table",
    "IDEMPOTENCY_TABLE_NAME": "keys-table",
    "SCHEMA_FILE": "api_crud/schema.json",
    "TTL_ATTRIBUTE": "expires",
}

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "price": {"type": "number"},
        "quantity": {"type": "integer", "minimum": 0},
        "email": {"type": "string", "format": "email"},
        "note": {"type": "string"},
        "extra": {},
        "expires": {"type": "integer"},
    },
    "required": ["name"],
    "additionalProperties": False,
}
NAMED_SCHEMA = SCHEMA | {"properties": SCHEMA["properties"] | {"id": {"type": "string"}}}  # type: ignore[operator]


class Parts(TypedDict, total=False):
    """What a request may have besides a body."""

    headers: Mapping[str, str]
    query: Mapping[str, str]
    is_base64: bool


@dataclass
class Answer:
    """The response that the client would see."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.text)
        return document

    @property
    def detail(self) -> str:
        return str(self.json["detail"])

    @property
    def errors(self) -> dict[str, str]:
        return {error["pointer"]: error["message"] for error in self.json["errors"]}

    @property
    def etag(self) -> str:
        return self.headers["etag"]


@dataclass
class Context:
    """What Lambda hands to a handler besides the event."""

    milliseconds_left: int = 9_500
    function_name: str = "orders"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:123456789012:function:orders"
    aws_request_id: str = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds_left


@dataclass
class Client:
    """Calls the API with events of one kind."""

    api: Callable[[Any, Any], dict[str, Any]]
    kind: str = "http_api_iam"
    context: Context = field(default_factory=Context)

    def as_kind(self, kind: str) -> "Client":
        return dataclasses.replace(self, kind=kind)

    def with_seconds_left(self, seconds: float) -> "Client":
        return dataclasses.replace(self, context=Context(milliseconds_left=int(seconds * 1000)))

    def post(self, body: object = None, **more: Unpack[Parts]) -> Answer:
        return self.call("POST", None, body, **more)

    def put(self, item_id: str, body: object = None, **more: Unpack[Parts]) -> Answer:
        return self.call("PUT", item_id, body, **more)

    def get(self, item_id: str | None = None, **more: Unpack[Parts]) -> Answer:
        return self.call("GET", item_id, **more)

    def delete(self, item_id: str, **more: Unpack[Parts]) -> Answer:
        return self.call("DELETE", item_id, **more)

    def call(self, method: str, item_id: str | None = None, body: object = None, **more: Unpack[Parts]) -> Answer:
        return self.send(event_of(self.kind, method, item_id, body, **more))

    def send(self, event: object) -> Answer:
        response = json.loads(json.dumps(self.api(event, self.context)))
        lists = response.get("multiValueHeaders", {}).items()
        headers = {name.lower(): ", ".join(values) for name, values in lists}
        headers |= {name.lower(): value for name, value in response.get("headers", {}).items()}
        return Answer(response["statusCode"], headers, response.get("body") or "")


def event_of(kind: str, method: str, item_id: str | None = None, body: object = None, **parts: Unpack[Parts]) -> dict[str, Any]:
    """A recorded event with this request in it; a body that is no text is sent as JSON."""
    event: dict[str, Any] = json.loads((EVENTS / f"{kind}.json").read_text())
    event["body"] = body if body is None or isinstance(body, str) else json.dumps(body)
    event["isBase64Encoded"] = parts.get("is_base64", False)
    route = "/orders" if item_id is None else "/orders/{id}"
    into = _into_rest if kind.startswith("rest") else _into_http
    into(event, method, route, item_id)
    for name, value in parts.get("headers", {}).items():
        _add_header(event, name, value)
    if "query" in parts:
        event["queryStringParameters"] = dict(parts["query"])
        if kind.startswith("rest"):
            event["multiValueQueryStringParameters"] = {name: [value] for name, value in parts["query"].items()}
    return event


def _into_http(event: dict[str, Any], method: str, route: str, item_id: str | None) -> None:
    path = route.replace("{id}", item_id or "")
    event |= {"routeKey": f"{method} {route}", "rawPath": path}
    event["requestContext"]["routeKey"] = f"{method} {route}"
    event["requestContext"]["http"] |= {"method": method, "path": path}
    if item_id is not None:
        event["pathParameters"] = {"id": item_id}


def _into_rest(event: dict[str, Any], method: str, route: str, item_id: str | None) -> None:
    encoded = quote(item_id or "", safe="")
    path = route.replace("{id}", encoded)
    event |= {"httpMethod": method, "resource": route, "path": path}
    event["requestContext"] |= {"httpMethod": method, "resourcePath": route, "path": f"/prod{path}"}
    if item_id is not None:
        event["pathParameters"] = {"id": encoded}


def _add_header(event: dict[str, Any], name: str, value: str) -> None:
    if "multiValueHeaders" in event:
        event["headers"][name] = value
        event["multiValueHeaders"][name] = [value]
    else:
        event["headers"][name.lower()] = value


@dataclass
class Calls:
    """The calls that reached DynamoDB's client: what, and with which parameters."""

    made: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def record(self, params: dict[str, Any], model: OperationModel, **_: object) -> None:
        self.made.append((model.name, copy.deepcopy(params)))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.made]


def client_of(settings: Settings, store: Store, schema: Mapping[str, Any] = SCHEMA) -> Client:
    return Client(api_of(settings, Items(settings, Schema(dict(schema)), store)))


def store_of(settings: Settings, client: DynamoDBClient) -> DynamoStore:
    """The tables that the settings name."""
    return DynamoStore(settings.table_name, settings.idempotency_table_name, settings.ttl_attribute, client)
