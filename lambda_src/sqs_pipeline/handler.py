"""The worker's entry point: a batch of messages in, those that must come again out."""

import os
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from shared.announcer import announcer
from shared.observability import logger
from shared.payment_secret import Secret
from shared.queue_consumer import QueueConsumer
from shared.schema import Schema
from shared.transport import Transport
from sqs_pipeline.charges import GuardedCharges
from sqs_pipeline.logic import Worker
from sqs_pipeline.models import WorkerSettings
from sqs_pipeline.payment import PaymentApi
from sqs_pipeline.store import OrdersTable


@cache
def _settings() -> WorkerSettings:
    return WorkerSettings.from_environment(os.environ)


@cache
def _consumer() -> QueueConsumer:
    settings = _settings()
    payment = PaymentApi(Secret(settings.payment_secret_arn), Transport())
    worker = Worker(
        settings,
        Schema.load(settings.schema_file, "SCHEMA_FILE"),
        OrdersTable(settings.table_name),
        GuardedCharges(settings, payment.charge),
        announcer(settings.announcer).publish,
    )
    return QueueConsumer(settings.queue, worker.work, worker.give_up)


@logger.inject_lambda_context(clear_state=True, log_event=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Work a batch of messages; the answer names those that come again."""
    _settings().logs.apply()
    return _consumer()(event, context)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    _consumer()  # in Lambda, fail while starting and not at the first batch; elsewhere an import does nothing
