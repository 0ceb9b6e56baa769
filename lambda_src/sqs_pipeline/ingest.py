"""The entry point of the ingest: API Gateway's event in, its response out."""

import os
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from shared.api import Api
from shared.observability import logger
from shared.schema import Schema
from sqs_pipeline.ingest_logic import Intake, Orders
from sqs_pipeline.ingest_models import IngestSettings
from sqs_pipeline.ingest_routes import api_of
from sqs_pipeline.ingest_store import OrderQueue, OrdersTable


@cache
def _api() -> Api:
    settings = IngestSettings.from_environment(os.environ)
    table = OrdersTable(settings.table_name)
    intake = _intake(settings, table) if settings.queue_url else None
    return api_of(settings, Orders(table), intake)


def _intake(settings: IngestSettings, table: OrdersTable) -> Intake:
    schema = Schema.load(settings.schema_file, "SCHEMA_FILE")
    return Intake(schema, settings.group_by, table, OrderQueue(settings.queue_url))


@logger.inject_lambda_context(correlation_id_path="requestContext.requestId", clear_state=True, log_event=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer a request of API Gateway, of payload format 1.0 or 2.0."""
    return _api()(event, context)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    _api()  # in Lambda, fail while starting and not at the first request; elsewhere an import does nothing
