"""The entry point: the events of a queue or of the topic in, the messages that are to come again out."""

import os
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from shared.observability import logger
from sns_fanout.logic import Action, Aggregate, Audit, Notification
from sns_fanout.models import AGGREGATE, AUDIT, Settings
from sns_fanout.store import AuditTable, NoticeTopic, TotalsTable
from sns_fanout.subscriber import Subscriber


@cache
def _subscriber() -> Subscriber:
    settings = Settings.from_environment(os.environ)
    return Subscriber(settings, action_of(settings))


def action_of(settings: Settings) -> Action:
    """What these settings say is done with each event."""
    if settings.action == AUDIT:
        return Audit(AuditTable(settings.table_name))
    if settings.action == AGGREGATE:
        return Aggregate(TotalsTable(settings.table_name))
    return Notification(NoticeTopic(settings.notification_topic_arn))


@logger.inject_lambda_context(clear_state=True, log_event=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any] | None:
    """Take the events of one invocation."""
    return _subscriber()(event, context)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    _subscriber()  # in Lambda, fail while starting and not at the first event; elsewhere an import does nothing
