"""The routes: what a request asks, and how its answer looks.

Whatever the event is, an answer comes back: an exception would reach the client as a 502 that says nothing.
"""

import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.exceptions import NotFoundError as NoRouteError
from aws_lambda_powertools.utilities.typing import LambdaContext

from api_crud.logic import Items
from api_crud.models import Item, Key, Precondition, Settings, is_listed
from api_crud.request import Request, payload_format, route_of, with_route_as_path
from shared import problems
from shared.aws import time_guard
from shared.cors import cors_headers
from shared.errors import NotFoundError
from shared.observability import logger
from shared.strict_json import render

_JSON = "application/json"
_ALWAYS = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}


class Api:
    """The routes of one resource.

    Args:
        settings: The handler's settings.
        items: What the routes ask.
    """

    def __init__(self, settings: Settings, items: Items) -> None:
        self._settings = settings
        self._items = items
        self._collection = f"/{settings.resource}"
        self._routes = Router()  # type: ignore[no-untyped-call]  # Powertools leaves this one without types
        self._routes.post("/")(self._create)
        self._routes.get("/")(self._list)
        self._routes.get("/{id}")(self._read)
        self._routes.put("/{id}")(self._replace)
        self._routes.delete("/{id}")(self._delete)
        self._routes.exception_handler(NoRouteError)(self._no_route)
        self._routes.exception_handler(Exception)(self._problem)
        self._resolvers = {"1.0": APIGatewayRestResolver(), "2.0": APIGatewayHttpResolver()}
        for resolver in self._resolvers.values():
            resolver.include_router(self._routes, prefix=self._collection)

    def __call__(self, event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Answer one request and write one line about it."""
        started = time.perf_counter()
        self._settings.logs.apply()
        try:
            method, route = route_of(event)
            logger.append_keys(method=method, route=route)
            logger.debug("received", milliseconds_left=context.get_remaining_time_in_millis())
            answer = self._resolvers[payload_format(event)].resolve(with_route_as_path(event), context)
        except Exception as error:  # noqa: BLE001  the last resort: the event is not what API Gateway sends
            answer = _last_resort(error, context.aws_request_id)
        logger.info("request", status=answer["statusCode"], duration_ms=round((time.perf_counter() - started) * 1000))
        return answer

    def _create(self) -> Response[str]:
        request = self._request()
        key = Key.parse(request.headers.get("idempotency-key"), request.caller)
        created = self._items.create(self._body(request), key, self._time_guard())
        headers = {"Location": f"{request.path or self._collection}/{created.item.id}"}
        if created.replayed:
            headers["Idempotency-Replayed"] = "true"
        return self._item(HTTPStatus.CREATED, created.item, headers)

    def _list(self) -> Response[str]:
        items, cursor = self._items.page(self._request().query)
        body = {"items": [item.attributes for item in items], "next_cursor": cursor}
        return self._answer(HTTPStatus.OK, render(body))

    def _read(self) -> Response[str]:
        request = self._request()
        item = self._items.read(request.item_id)
        if is_listed(item, request.headers.get("if-none-match", ""), weak=True):
            return self._answer(HTTPStatus.NOT_MODIFIED, headers=_etag(item))
        return self._item(HTTPStatus.OK, item)

    def _replace(self) -> Response[str]:
        request = self._request()
        precondition = Precondition.parse(request.headers)
        item = self._items.replace(request.item_id, self._body(request), precondition, self._time_guard())
        return self._item(HTTPStatus.OK, item)

    def _delete(self) -> Response[str]:
        request = self._request()
        self._items.delete(request.item_id, Precondition.parse(request.headers), self._time_guard())
        return self._answer(HTTPStatus.NO_CONTENT)

    def _no_route(self, _: NoRouteError) -> Response[str]:
        return self._problem(NotFoundError("There is no such method and path."))

    def _problem(self, error: Exception) -> Response[str]:
        problem = _logged_problem(error)
        body = problem.body(self._request().id or self._routes.lambda_context.aws_request_id)
        return self._answer(problem.status, body, problem.headers, problems.CONTENT_TYPE)

    def _item(self, status: HTTPStatus, item: Item, headers: Mapping[str, str] | None = None) -> Response[str]:
        return self._answer(status, render(item.attributes), {**_etag(item), **(headers or {})})

    def _answer(
        self, status: HTTPStatus, body: str = "", headers: Mapping[str, str] | None = None, content_type: str = _JSON
    ) -> Response[str]:
        cors = cors_headers(
            self._request().headers.get("origin"),
            allowed=self._settings.allow_origins,
            credentials=self._settings.allow_credentials,
        )
        return Response(int(status), content_type if body else None, body, {**_ALWAYS, **cors, **(headers or {})})

    def _request(self) -> Request:
        return Request.from_event(self._routes.current_event)

    def _body(self, request: Request) -> bytes:
        return request.json_body(self._settings.max_body_bytes)

    def _time_guard(self) -> Callable[[], None]:
        return time_guard(self._routes.lambda_context)


def _etag(item: Item) -> dict[str, str]:
    return {} if item.etag is None else {"ETag": f'"{item.etag}"'}


def _logged_problem(error: Exception) -> problems.Problem:
    problem = problems.problem_of(error)
    logger.append_keys(problem=problem.detail)
    if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.exception("request failed", exc_info=error)
    return problem


def _last_resort(error: Exception, request_id: str) -> dict[str, Any]:
    """An answer in the form that both payload formats take."""
    problem = _logged_problem(error)
    headers = _ALWAYS | {"Content-Type": problems.CONTENT_TYPE}
    return {"statusCode": int(problem.status), "headers": headers, "body": problem.body(request_id), "isBase64Encoded": False}
