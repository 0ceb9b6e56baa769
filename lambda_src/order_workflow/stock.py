"""The entry point of ``ReserveStock`` and of what undoes it, ``ReleaseStock``: one function, since they change the same."""

import os
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from order_workflow import steps
from order_workflow.models import StockSettings
from order_workflow.store import StockTable
from shared.observability import logger


@cache
def _settings() -> StockSettings:
    return StockSettings.from_environment(os.environ)


@cache
def _works() -> dict[str, steps.Work]:
    table = StockTable(_settings().table_name, _settings().stock_table_name)
    return {"ReserveStock": table.reserve, "ReleaseStock": table.release}


@logger.inject_lambda_context(clear_state=True, log_event=False)
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Reserve or release the items of an order."""
    return steps.run(_works(), event, _settings().logs)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    _works()  # in Lambda, fail while starting and not at the first order; elsewhere an import does nothing
