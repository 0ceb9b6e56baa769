"""What all APIs have in common: one answer and one line in the log for each event, whatever the event is.

An exception would reach the client as a 502 that says nothing. A pattern has an ``Api`` and gives it its routes.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol, TypeAlias

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.exceptions import NotFoundError as NoRouteError
from aws_lambda_powertools.utilities.typing import LambdaContext

from shared import problems
from shared.cors import cors_headers
from shared.errors import NotFoundError
from shared.observability import LogSettings, logger
from shared.request import Request, payload_format, route_of, with_route_as_path

_JSON = "application/json"
_ALWAYS = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}


class ApiSettings(Protocol):
    """What the settings of a handler behind an API have."""

    @property
    def resource(self) -> str:
        """The path segment of the collection, such as ``orders``."""

    @property
    def allow_origins(self) -> tuple[str, ...]:
        """The origins of web pages that may read the answers."""

    @property
    def allow_credentials(self) -> bool:
        """Whether those pages may send credentials."""

    @property
    def logs(self) -> LogSettings:
        """How much is logged."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a route.

    Args:
        request: What was asked.
        context: What Lambda says about this invocation: how much time is left, above all.
    """

    request: Request
    context: LambdaContext


@dataclass(frozen=True, slots=True)
class Answer:
    """What a route answers; the API adds the headers that every answer has."""

    status: HTTPStatus
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = _JSON


#: Method and path below the collection, such as ``("GET", "/{id}")``, and what answers there.
Routes: TypeAlias = Mapping[tuple[str, str], Callable[[Call], Answer]]


class Api:
    """The API of one resource.

    Args:
        settings: The handler's settings.
        routes: What answers where.
    """

    def __init__(self, settings: ApiSettings, routes: Routes) -> None:
        self._settings = settings
        self._router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves this one without types
        for (method, path), answer in routes.items():
            self._router.route(path, method=method)(self._route(answer))
        self._router.exception_handler(NoRouteError)(self._no_route)
        self._router.exception_handler(Exception)(self._problem)
        self._resolvers = {"1.0": APIGatewayRestResolver(), "2.0": APIGatewayHttpResolver()}
        for resolver in self._resolvers.values():
            resolver.include_router(self._router, prefix=f"/{settings.resource}")

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

    def _route(self, answer: Callable[[Call], Answer]) -> Callable[[], Response[str]]:
        def route() -> Response[str]:
            call = Call(self._request(), self._router.lambda_context)
            return self._response(answer(call))

        return route

    def _no_route(self, _: NoRouteError) -> Response[str]:
        return self._problem(NotFoundError("There is no such method and path."))

    def _problem(self, error: Exception) -> Response[str]:
        problem = _logged_problem(error)
        body = problem.body(self._request().id or self._router.lambda_context.aws_request_id)
        return self._response(Answer(problem.status, body, problem.headers, problems.CONTENT_TYPE))

    def _response(self, answer: Answer) -> Response[str]:
        cors = cors_headers(
            self._request().headers.get("origin"),
            allowed=self._settings.allow_origins,
            credentials=self._settings.allow_credentials,
        )
        content_type = answer.content_type if answer.body else None
        return Response(int(answer.status), content_type, answer.body, {**_ALWAYS, **cors, **answer.headers})

    def _request(self) -> Request:
        return Request.from_event(self._router.current_event)


def location(request: Request, resource: str, item_id: str) -> dict[str, str]:
    """The header that says where the new item is: at the path that the client called, and its id."""
    return {"Location": f"{request.path or f'/{resource}'}/{item_id}"}


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
