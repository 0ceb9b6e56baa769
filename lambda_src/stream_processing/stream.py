"""The records of one invocation, one after the other, up to the first that fails.

Lambda takes up the stream again at the lowest sequence number that it is told of, so all that follow come again anyhow: they
are not begun, and their order is kept. Powertools' processor of a stream goes on after a failure, hence the loop.
https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
"""

import traceback
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

from aws_lambda_powertools.utilities.typing import LambdaContext

from shared import aws, metrics
from shared.errors import HandlerError, InvalidError
from shared.observability import logger
from shared.queue_consumer import reason_of
from stream_processing.logic import Check, Projection, Result
from stream_processing.models import Change, Settings
from stream_processing.poison import poison_body, poison_key
from stream_processing.records import Record, is_of

_OTHER_SOURCE = "The event has no records of the source that SOURCE names: let its stream invoke this function."


class Failures(Protocol):
    """Where records are kept that can never be taken."""

    def keep(self, key: str, body: bytes) -> None:
        """Keep this at the key."""


class Stream:
    """Takes the records of a stream.

    Args:
        settings: The handler's settings.
        read: Reads a record.
        project: Writes down what it says.
        failures: Where it goes if it can never be taken.
    """

    def __init__(self, settings: Settings, read: Callable[[Record], Change], project: Projection, failures: Failures) -> None:
        self._settings = settings
        self._read = read
        self._project = project
        self._failures = failures

    def __call__(self, event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Take the records of this event; the answer names the one from which on they come again, if any.

        One without a sequence number is named ``""``: then Lambda sends the whole batch again.

        Raises:
            InvalidError: The event is not of the source.
        """
        self._settings.logs.apply()
        if not is_of(self._settings.source, event):
            raise InvalidError(_OTHER_SOURCE)
        records = [Record.of(raw, self._settings.source) for raw in event["Records"]]
        results: Counter[str] = Counter()
        failed = self._first_failure(records, aws.time_guard(context), results)
        logger.info("batch", extra={"records": len(records), **results})
        return {"batchItemFailures": [] if failed is None else [{"itemIdentifier": failed.sequence_number}]}

    def _first_failure(self, records: list[Record], before_write: Check, results: Counter[str]) -> Record | None:
        for record in records:
            try:
                result = self._taken(record, before_write)
            except Exception as error:  # noqa: BLE001  those before it are done, and an exception would say that they are not
                _tell(record, error)
                return record
            results[result] += 1
            logger.debug("record", extra={"result": result, **_names(record)})
        return None

    def _taken(self, record: Record, before_write: Check) -> Result:
        try:
            return self._project(self._read(record), before_write)
        except InvalidError as error:
            before_write()
            self._failures.keep(poison_key(record), poison_body(record, error))
            metrics.count("PoisonRecords")
            logger.warning("poison", extra={"reason": error.detail, **_names(record)})
            return Result.POISON


def _tell(record: Record, error: Exception) -> None:
    """Log why the record comes again: an error's own text only where it is the library's, as others may quote the record."""
    reason = error.detail if isinstance(error, HandlerError) else reason_of(error)
    line = {"reason": reason, **_names(record)}
    if isinstance(error, HandlerError) or aws.passes(error):
        logger.warning("comes again", extra=line)
        return
    logger.error("unexpected error", extra=line | {"where": traceback.format_tb(error.__traceback__)})
    metrics.count("UnexpectedErrors")


def _names(record: Record) -> dict[str, str]:
    """What the log calls a record: not the key of its row, which may be somebody's name."""
    return {"event_id": record.event_id, "sequence_number": record.sequence_number}
