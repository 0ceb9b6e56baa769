"""The entry point: a batch of events in, the messages that are to come again out."""

import os
from functools import cache
from typing import Any, cast

from aws_lambda_powertools.utilities.typing import LambdaContext

from event_routing.api import Handle
from event_routing.logic import Route
from event_routing.models import Settings
from event_routing.schemas import Schemas
from event_routing.store import EventsTable
from shared.observability import logger
from shared.queue_consumer import QueueConsumer
from shared.user_code import function_named


@cache
def _settings() -> Settings:
    return Settings.from_environment(os.environ)


@cache
def _consumer() -> QueueConsumer:
    settings = _settings()
    schemas = Schemas.load(settings.schema_file, "SCHEMA_FILE") if settings.schema_file else Schemas({})
    handle = cast("Handle | None", function_named(settings.handler, "HANDLER"))
    route = Route(settings, EventsTable(settings.table_name), schemas, handle)
    return QueueConsumer(settings.queue, route.work)


@logger.inject_lambda_context(clear_state=True, log_event=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Work a batch of events; the answer names those that come again."""
    _settings().logs.apply()
    return _consumer()(event, context)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    _consumer()  # in Lambda, fail while starting and not at the first batch; elsewhere an import does nothing
