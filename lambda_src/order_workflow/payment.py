"""The entry point of ``ProcessPayment`` and of what undoes it, ``RefundPayment``: one function, since both need the secret."""

import os
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from order_workflow import steps
from order_workflow.models import PaymentSettings
from order_workflow.payment_api import PaymentApi
from shared.observability import logger
from shared.payment_secret import Secret
from shared.transport import Transport


@cache
def _settings() -> PaymentSettings:
    return PaymentSettings.from_environment(os.environ)


@cache
def _works() -> dict[str, steps.Work]:
    api = PaymentApi(_settings().workflow, Secret(_settings().payment_secret_arn), Transport())
    return {"ProcessPayment": api.charge, "RefundPayment": api.refund}


@logger.inject_lambda_context(clear_state=True, log_event=False)
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Charge an order, or pay it back."""
    return steps.run(_works(), event, _settings().logs)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    _works()  # in Lambda, fail while starting and not at the first order; elsewhere an import does nothing
