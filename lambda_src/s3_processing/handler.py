"""The entry point: events about objects in, from a queue or from S3 itself; what is to come again, or to be announced, out."""

import os
from functools import cache
from typing import Any, cast

from aws_lambda_powertools.utilities.typing import LambdaContext

from s3_processing.api import Processor
from s3_processing.logic import Stores, Worker
from s3_processing.models import Settings
from s3_processing.reading import Reader
from s3_processing.store import OutputBucket, RowsTable, SourceBucket, StatusTable
from shared.announcer import announcer
from shared.observability import logger
from shared.queue_consumer import QueueConsumer
from shared.schema import Schema
from shared.settings import SettingsError
from shared.user_code import function_named

_NO_QUEUE = "QUEUE_URL must be set for a function that reads a queue"


class Processing:
    """From where events come, and what becomes of one that fails.

    From a queue it comes again by itself, and in the end goes to the dead-letter queue with its reason. Where S3 invokes the
    function, only an exception makes Lambda try again, and at last keep the event and the reason in the on-failure destination.

    Args:
        settings: The handler's settings.
        worker: Works the objects.
        consume: Works the messages of the queue, if there is one.
    """

    def __init__(self, settings: Settings, worker: Worker, consume: QueueConsumer | None) -> None:
        self._settings = settings
        self._worker = worker
        self._consume = consume

    def __call__(self, event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Work the objects of one invocation.

        Raises:
            SettingsError: A queue invoked the function, and there are no settings of a queue.
            WorkFailedError: S3 invoked it, and it failed.
        """
        self._settings.logs.apply()
        if not _is_of_a_queue(event):
            return self._worker.answer(event, context)
        if self._consume is None:
            raise SettingsError(_NO_QUEUE)
        return self._consume(event, context)


def _is_of_a_queue(event: object) -> bool:
    match event:
        case {"Records": [{"eventSource": "aws:sqs"}, *_]}:
            return True
        case _:
            return False


@cache
def _processing() -> Processing:
    settings = Settings.from_environment(os.environ)
    output = OutputBucket(settings.output_bucket_name)
    schema = Schema.load(settings.schema_file, "SCHEMA_FILE") if settings.schema_file else None
    processor = cast("Processor | None", function_named(settings.processor, "PROCESSOR"))
    reader = Reader(settings, SourceBucket(), output, schema, processor)
    stores = Stores(StatusTable(settings.table_name), RowsTable(settings.table_name), output)
    publish = announcer(settings.announcer).publish if settings.announcer else None
    worker = Worker(settings, stores, reader, publish)
    consume = QueueConsumer(settings.queue, worker.work, worker.give_up) if settings.queue else None
    return Processing(settings, worker, consume)


@logger.inject_lambda_context(clear_state=True, log_event=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Work the objects of one invocation."""
    return _processing()(event, context)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    _processing()  # in Lambda, fail while starting and not at the first event; elsewhere an import does nothing
