"""The routes: what a request asks, and how its answer looks."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from api_crud.logic import Items
from api_crud.models import Item, Key, Precondition, Settings, is_listed
from shared import api
from shared.api import Answer, Call
from shared.aws import time_guard
from shared.strict_json import render


class Api:
    """The routes of one resource.

    Args:
        settings: The handler's settings.
        items: What the routes ask.
    """

    def __init__(self, settings: Settings, items: Items) -> None:
        self._settings = settings
        self._items = items
        self._api = api.Api(
            settings,
            {
                ("POST", "/"): self._create,
                ("GET", "/"): self._list,
                ("GET", "/{id}"): self._read,
                ("PUT", "/{id}"): self._replace,
                ("DELETE", "/{id}"): self._delete,
            },
        )

    def __call__(self, event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Answer one request."""
        return self._api(event, context)

    def _create(self, call: Call) -> Answer:
        request = call.request
        key = Key.parse(request.headers.get("idempotency-key"), request.caller)
        created = self._items.create(self._body(call), key, time_guard(call.context))
        headers = api.location(request, self._settings.resource, created.item.id)
        if created.replayed:
            headers["Idempotency-Replayed"] = "true"
        return _shown(HTTPStatus.CREATED, created.item, headers)

    def _list(self, call: Call) -> Answer:
        items, cursor = self._items.page(call.request.query)
        return Answer(HTTPStatus.OK, render({"items": [item.attributes for item in items], "next_cursor": cursor}))

    def _read(self, call: Call) -> Answer:
        item = self._items.read(call.request.item_id)
        if is_listed(item, call.request.headers.get("if-none-match", ""), weak=True):
            return Answer(HTTPStatus.NOT_MODIFIED, headers=_etag(item))
        return _shown(HTTPStatus.OK, item)

    def _replace(self, call: Call) -> Answer:
        precondition = Precondition.parse(call.request.headers)
        item = self._items.replace(call.request.item_id, self._body(call), precondition, time_guard(call.context))
        return _shown(HTTPStatus.OK, item)

    def _delete(self, call: Call) -> Answer:
        self._items.delete(call.request.item_id, Precondition.parse(call.request.headers), time_guard(call.context))
        return Answer(HTTPStatus.NO_CONTENT)

    def _body(self, call: Call) -> bytes:
        return call.request.json_body(self._settings.max_body_bytes)


def _shown(status: HTTPStatus, item: Item, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, render(item.attributes), {**_etag(item), **(headers or {})})


def _etag(item: Item) -> dict[str, str]:
    return {} if item.etag is None else {"ETag": f'"{item.etag}"'}
