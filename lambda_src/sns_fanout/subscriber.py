"""From where an event came, and what becomes of one that fails.

From a queue it comes again by itself, and in the end goes to the dead-letter queue with its reason. Where the topic invokes the
function, only an exception makes Lambda try again, and at last keep the event and the reason in the on-failure destination.
"""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from shared.aws import time_guard
from shared.errors import InvalidError
from shared.observability import logger
from shared.queue_consumer import Message, QueueConsumer, SqsClient, reason_of
from shared.settings import SettingsError
from sns_fanout.logic import Action, event_of
from sns_fanout.models import Settings

_NO_RECORDS = "The event has no records of SQS or SNS: let a queue or a topic invoke this function."
_NO_QUEUE = "QUEUE_URL must be set for a function that reads a queue"


class Subscriber:
    """One subscriber of the topic.

    Args:
        settings: The handler's settings.
        action: What it does with each event.
        client: The client to use for the queue. Default: a new one, with short timeouts.
    """

    def __init__(self, settings: Settings, action: Action, client: SqsClient | None = None) -> None:
        self._settings = settings
        self._action = action
        self._consume = QueueConsumer(settings.queue, self._receive, client=client) if settings.queue else None

    def __call__(self, event: dict[str, Any], context: LambdaContext) -> dict[str, Any] | None:
        """Take the events of one invocation; the answer says which messages of a queue are to come again.

        Raises:
            InvalidError: What invoked the function is neither a queue nor a topic, or the topic's event is none.
            SettingsError: A queue invoked it, and there are no settings of a queue.
        """
        self._settings.logs.apply()
        source = _source(event)
        if source == "aws:sns":
            self._take_all(event, context)
            return None
        if source != "aws:sqs":
            raise InvalidError(_NO_RECORDS)
        if self._consume is None:
            raise SettingsError(_NO_QUEUE)
        return self._consume(event, context)

    def _take_all(self, event: dict[str, Any], context: LambdaContext) -> None:
        """SNS sends one record at a time. Were there more, those that are done would be duplicates at the next try."""
        for record in event["Records"]:
            try:
                self._take(record["Sns"]["Message"], record["Sns"]["MessageId"], context)
            except InvalidError as error:
                raise InvalidError(reason_of(error)) from error  # with all faults: of an exception, only the text is kept

    def _receive(self, message: Message, context: LambdaContext) -> None:
        self._take(message.body, message.id, context)

    def _take(self, body: str, message_id: str, context: LambdaContext) -> None:
        event = event_of(body)
        done = self._action(event, time_guard(context))
        line = {"action": self._settings.action, "event_id": event.id, "event_type": event.type, "message_id": message_id}
        logger.info("event", extra=line | {"result": "done" if done else "duplicate"})


def _source(event: object) -> str:
    match event:
        case {"Records": [{"eventSource": str() as source}, *_]} | {"Records": [{"EventSource": str() as source}, *_]}:
            return source
        case _:
            return ""
