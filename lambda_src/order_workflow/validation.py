"""The entry point of ``ValidateOrder``: it makes no call and needs no permission."""

import os
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from order_workflow import steps
from order_workflow.logic import validated
from order_workflow.models import ValidationSettings
from shared.observability import logger
from shared.schema import Schema


@cache
def _settings() -> ValidationSettings:
    return ValidationSettings.from_environment(os.environ)


@cache
def _works() -> dict[str, steps.Work]:
    schema = Schema.load(_settings().schema_file, "SCHEMA_FILE")
    return {"ValidateOrder": lambda task: validated(task, schema)}


@logger.inject_lambda_context(clear_state=True, log_event=False)
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Validate an order."""
    return steps.run(_works(), event, _settings().logs)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    _works()  # in Lambda, fail while starting and not at the first order; elsewhere an import does nothing
