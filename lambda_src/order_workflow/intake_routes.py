"""The routes of the intake: what a request asks, and how its answer looks."""

from functools import partial
from http import HTTPStatus

from order_workflow.intake_logic import Intake, Orders
from order_workflow.intake_models import IntakeSettings
from shared import api
from shared.api import Answer, Api, Call
from shared.aws import time_guard
from shared.observability import logger
from shared.strict_json import render

#: An order is taken in with two calls, one after the other.
_CALLS = 2


def api_of(settings: IntakeSettings, orders: Orders, intake: Intake) -> Api:
    """The API of the orders."""
    return Api(settings, {("GET", "/{id}"): partial(_read, orders), ("POST", "/"): partial(_accept, settings, intake)})


def _accept(settings: IntakeSettings, intake: Intake, call: Call) -> Answer:
    body = call.request.json_body(settings.max_body_bytes)
    accepted = intake.accept(body, time_guard(call.context, calls=_CALLS))
    logger.append_keys(order_id=accepted.id)
    location = api.location(call.request, settings.resource, accepted.id)
    return Answer(HTTPStatus.ACCEPTED, render({"id": accepted.id, "accepted_at": accepted.accepted_at}), location)


def _read(orders: Orders, call: Call) -> Answer:
    return Answer(HTTPStatus.OK, render(orders.read(call.request.item_id)))
