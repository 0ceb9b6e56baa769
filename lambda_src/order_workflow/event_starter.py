"""The entry point in front of the state machine for orders that come in events: a batch of them in, an execution for each."""

import os
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from order_workflow.executions import Executions
from order_workflow.logic import Starter, order_in_event
from order_workflow.models import StarterSettings
from shared.observability import logger
from shared.queue_consumer import QueueConsumer


@cache
def _settings() -> StarterSettings:
    return StarterSettings.from_environment(os.environ)


@cache
def _consumer() -> QueueConsumer:
    starter = Starter(Executions(_settings().state_machine_arn).start_the_same, order_in_event)
    return QueueConsumer(_settings().queue, starter.work)


@logger.inject_lambda_context(clear_state=True, log_event=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Start the orders of a batch of events; the answer names the messages that come again."""
    _settings().logs.apply()
    return _consumer()(event, context)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    _consumer()  # in Lambda, fail while starting and not at the first batch; elsewhere an import does nothing
