"""The entry point: API Gateway's event in, its response out."""

import os
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from api_crud.logic import Items
from api_crud.models import Settings
from api_crud.routes import api_of
from api_crud.store import DynamoStore
from shared.api import Api
from shared.observability import logger
from shared.schema import Schema


@cache
def _api() -> Api:
    settings = Settings.from_environment(os.environ)
    schema = Schema.load(settings.schema_file, "SCHEMA_FILE")
    store = DynamoStore(settings.table_name, settings.idempotency_table_name, settings.ttl_attribute)
    return api_of(settings, Items(settings, schema, store))


@logger.inject_lambda_context(correlation_id_path="requestContext.requestId", clear_state=True, log_event=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer a request of API Gateway, of payload format 1.0 or 2.0."""
    return _api()(event, context)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    _api()  # in Lambda, fail while starting and not at the first request; elsewhere an import does nothing
