"""The entry point in front of the state machine: a batch of messages in, each an order or an event with one; an execution each.

Each kind of step has an entry point of its own: ``validation``, ``stock``, ``payment``, ``shipping``.
"""

import os
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from order_workflow.executions import Executions
from order_workflow.logic import ORDER_IN, Starter
from order_workflow.models import StarterSettings
from shared.observability import logger
from shared.queue_consumer import QueueConsumer


@cache
def _settings() -> StarterSettings:
    return StarterSettings.from_environment(os.environ)


@cache
def _consumer() -> QueueConsumer:
    start = Executions(_settings().state_machine_arn).start_the_same
    return QueueConsumer(_settings().queue, Starter(start, ORDER_IN[_settings().messages]).work)


@logger.inject_lambda_context(clear_state=True, log_event=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Start the orders of a batch of messages; the answer names those that come again."""
    _settings().logs.apply()
    return _consumer()(event, context)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    _consumer()  # in Lambda, fail while starting and not at the first batch; elsewhere an import does nothing
