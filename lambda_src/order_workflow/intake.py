"""The entry point behind the API: API Gateway's event in, its response out."""

import os
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from order_workflow.executions import Executions
from order_workflow.intake_logic import Intake, Orders
from order_workflow.intake_models import IntakeSettings
from order_workflow.intake_routes import api_of
from order_workflow.intake_store import OrdersTable
from shared.api import Api
from shared.observability import logger
from shared.schema import Schema


@cache
def _api() -> Api:
    settings = IntakeSettings.from_environment(os.environ)
    table = OrdersTable(settings.table_name)
    schema = Schema.load(settings.schema_file, "SCHEMA_FILE")
    return api_of(settings, Orders(table), Intake(schema, table, Executions(settings.state_machine_arn)))


@logger.inject_lambda_context(correlation_id_path="requestContext.requestId", clear_state=True, log_event=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer a request of API Gateway."""
    return _api()(event, context)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    _api()  # in Lambda, fail while starting and not at the first request; elsewhere an import does nothing
