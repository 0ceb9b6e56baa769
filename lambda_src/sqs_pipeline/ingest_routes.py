"""The routes of the ingest: what a request asks, and how its answer looks."""

from functools import partial
from http import HTTPStatus

from shared import api
from shared.api import Answer, Api, Call, Routes
from shared.aws import time_guard
from shared.observability import logger
from shared.strict_json import render
from sqs_pipeline.ingest_logic import Intake, Orders
from sqs_pipeline.ingest_models import IngestSettings

#: An order is taken in with two calls, one after the other.
_CALLS = 2


def api_of(settings: IngestSettings, orders: Orders, intake: Intake | None) -> Api:
    """The API of the orders: without an intake they can only be read."""
    routes: Routes = {("GET", "/{id}"): partial(_read, orders)}
    if intake is not None:
        routes = {**routes, ("POST", "/"): partial(_accept, settings, intake)}
    return Api(settings, routes)


def _accept(settings: IngestSettings, intake: Intake, call: Call) -> Answer:
    body = call.request.json_body(settings.max_body_bytes)
    accepted = intake.accept(body, time_guard(call.context, calls=_CALLS))
    logger.append_keys(order_id=accepted.id)
    location = api.location(call.request, settings.resource, accepted.id)
    return Answer(HTTPStatus.ACCEPTED, render({"id": accepted.id, "accepted_at": accepted.accepted_at}), location)


def _read(orders: Orders, call: Call) -> Answer:
    return Answer(HTTPStatus.OK, render(orders.read(call.request.item_id)))
