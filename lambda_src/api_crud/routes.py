"""The routes: what a request asks, and how its answer looks."""

from collections.abc import Mapping
from functools import partial
from http import HTTPStatus

from api_crud.logic import Items
from api_crud.models import Item, Key, Precondition, Settings, is_listed
from shared import api
from shared.api import Answer, Api, Call
from shared.aws import time_guard
from shared.strict_json import render


def api_of(settings: Settings, items: Items) -> Api:
    """The API of one resource."""
    return Api(
        settings,
        {
            ("POST", "/"): partial(_create, settings, items),
            ("GET", "/"): partial(_list, items),
            ("GET", "/{id}"): partial(_read, items),
            ("PUT", "/{id}"): partial(_replace, settings, items),
            ("DELETE", "/{id}"): partial(_delete, items),
        },
    )


def _create(settings: Settings, items: Items, call: Call) -> Answer:
    request = call.request
    key = Key.parse(request.headers.get("idempotency-key"), request.caller)
    created = items.create(request.json_body(settings.max_body_bytes), key, time_guard(call.context))
    headers = api.location(request, settings.resource, created.item.id)
    if created.replayed:
        headers["Idempotency-Replayed"] = "true"
    return _shown(HTTPStatus.CREATED, created.item, headers)


def _list(items: Items, call: Call) -> Answer:
    page, cursor = items.page(call.request.query)
    return Answer(HTTPStatus.OK, render({"items": [item.attributes for item in page], "next_cursor": cursor}))


def _read(items: Items, call: Call) -> Answer:
    item = items.read(call.request.item_id)
    if is_listed(item, call.request.headers.get("if-none-match", ""), weak=True):
        return Answer(HTTPStatus.NOT_MODIFIED, headers=_etag(item))
    return _shown(HTTPStatus.OK, item)


def _replace(settings: Settings, items: Items, call: Call) -> Answer:
    request = call.request
    precondition = Precondition.parse(request.headers)
    body = request.json_body(settings.max_body_bytes)
    return _shown(HTTPStatus.OK, items.replace(request.item_id, body, precondition, time_guard(call.context)))


def _delete(items: Items, call: Call) -> Answer:
    items.delete(call.request.item_id, Precondition.parse(call.request.headers), time_guard(call.context))
    return Answer(HTTPStatus.NO_CONTENT)


def _shown(status: HTTPStatus, item: Item, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, render(item.attributes), {**_etag(item), **(headers or {})})


def _etag(item: Item) -> dict[str, str]:
    return {} if item.etag is None else {"ETag": f'"{item.etag}"'}
