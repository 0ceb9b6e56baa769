"""The entry point of ``ShipOrder`` and of what undoes it, ``CancelShipment``: one function, since they change the same row."""

import os
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from order_workflow import steps
from order_workflow.logic import check_destination
from order_workflow.models import ShippingSettings, Task
from order_workflow.store import ShipmentsTable
from shared.observability import logger


@cache
def _settings() -> ShippingSettings:
    return ShippingSettings.from_environment(os.environ)


@cache
def _works() -> dict[str, steps.Work]:
    table = ShipmentsTable(_settings().table_name)

    def ship(task: Task) -> dict[str, Any]:
        check_destination(task, _settings().ships_to)
        return table.request(task)

    return {"ShipOrder": ship, "CancelShipment": table.cancel}


@logger.inject_lambda_context(clear_state=True, log_event=False)
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Ship an order, or see to it that it is not."""
    return steps.run(_works(), event, _settings().logs)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    _works()  # in Lambda, fail while starting and not at the first order; elsewhere an import does nothing
