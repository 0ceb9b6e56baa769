"""The notifier's entry point: records of invocations in, those that must come again out."""

import os
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from s3_processing.models import NotifierSettings
from s3_processing.notices import Notifier
from s3_processing.store import StatusTable
from shared.announcer import announcer
from shared.observability import logger
from shared.queue_consumer import QueueConsumer


@cache
def _settings() -> NotifierSettings:
    return NotifierSettings.from_environment(os.environ)


@cache
def _consumer() -> QueueConsumer:
    settings = _settings()
    failures = StatusTable(settings.table_name) if settings.table_name else None
    notifier = Notifier(announcer(settings.announcer).publish, settings.bucket_name, failures)
    return QueueConsumer(settings.queue, notifier.work)


@logger.inject_lambda_context(clear_state=True, log_event=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Announce what a batch of records says; the answer names those that come again."""
    _settings().logs.apply()
    return _consumer()(event, context)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    _consumer()  # in Lambda, fail while starting and not at the first batch; elsewhere an import does nothing
