"""What is decided about an object: which version counts, what becomes of it, and when it is announced. It makes no call."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

from aws_lambda_powertools.utilities.typing import LambdaContext

from s3_processing.api import Rejected
from s3_processing.events import objects_of
from s3_processing.models import RESULTS, Created, Outcome, Settings, State, Status, presentable
from s3_processing.reading import Output, Reader, Work
from s3_processing.rows import Rows, Table
from shared import metrics, strict_json
from shared.aws import LONGEST_CALL_SECONDS, passes
from shared.envelope import Envelope
from shared.errors import HandlerError, InvalidError, UnavailableError
from shared.observability import best_effort, logger
from shared.queue_consumer import MOST_REASON_CHARACTERS, GivenUpError, Message, PostponedError, check_time, reason_of

#: With less time left no rows are written: these, how far they go, and the message that is put back take a call each; and
#: rows are offered again while the table has no room for them.
_STOP_SECONDS = 3 * LONGEST_CALL_SECONDS + 5

#: With less time left no object is begun.
LEAST_SECONDS = _STOP_SECONDS + LONGEST_CALL_SECONDS

_DIED = (
    "The function ended before it was done, each of {} times: it needs more memory or more time for this object. "
    "If another message about it is in the dead-letter queue, that one has the reason."
)
_RESULT = (
    "The object is a result of this function itself, which would be worked for ever: let the rule leave out results/ and "
    "thumbnails/."
)
_NO_ROW_FITS = "none of its rows fits"


class Statuses(Protocol):
    """The statuses of objects. Each change is made on a condition, so that what comes late or twice changes nothing."""

    def claim(self, created: Created) -> Status | None:
        """Take this version up, or say what became of it; ``None`` if a newer one is there."""

    def keep_progress(self, created: Created, line: int) -> None:
        """Write down up to which line the rows are written."""

    def finish(self, created: Created, outcome: Outcome, result_key: str) -> Status | None:
        """Write down what became of this version; if it is known already, that stands. ``None`` if a newer one is there."""

    def fail(self, created: Created, reason: str) -> Status | None:
        """Write down that this version has failed; ``None`` if it is final, or a newer one is there."""

    def announced(self, created: Created, state: State) -> None:
        """Write down that this state is known to others."""


class Stores(NamedTuple):
    """What the worker writes to."""

    statuses: Statuses
    rows: Table
    output: Output


class WorkFailedError(Exception):
    """What Lambda is told of a failure: it tries again, and keeps the text in the end. It has no content and no ARN."""


class Worker:
    """Works objects that were created.

    Args:
        settings: The handler's settings.
        stores: What is written to.
        reader: Reads objects.
        publish: Announces an event; ``None`` if that is done by another function.
    """

    def __init__(
        self, settings: Settings, stores: Stores, reader: Reader, publish: Callable[[Envelope], None] | None = None
    ) -> None:
        self._settings = settings
        self._stores = stores
        self._reader = reader
        self._publish = publish

    def work(self, message: Message, context: LambdaContext) -> None:
        """Work the objects that the event in this message is about, unless that was done, and announce what became of them.

        Raises:
            InvalidError: It is no event about objects of the bucket, or the user's processor answered with no result.
            PostponedError: Too little time is left. What was written is known, and is not written again.
            GivenUpError: The function died of it each time before.
            UnavailableError: It failed, and may work the next time.
        """
        logger.remove_keys(["bucket", "key", "version"])  # of the message before
        created = self._objects_of(strict_json.parse(message.body))
        most = self._settings.queue.max_receive_count if self._settings.queue else 0
        if created and message.receive_count > most:
            raise GivenUpError(_DIED.format(most))
        for each in created:
            self._take(each, message.id, context)

    def give_up(self, message: Message, reason: str) -> None:
        """Let the objects of a message that went to the dead-letter queue have failed, and announce it."""
        try:
            created = self._objects_of(strict_json.parse(message.body))
        except InvalidError:
            return
        for each in created:
            status = self._stores.statuses.fail(each, reason)
            if status:
                self._announce(each, status, message.id)

    def answer(self, event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Work the objects of an event that S3 invoked the function with, and answer with what is to be announced.

        Raises:
            WorkFailedError: It failed: Lambda tries again.
        """
        if "Records" not in event and "detail" not in event:
            return {"events": []}  # S3 asks whether the function is there
        try:
            created = self._objects_of(event)
            taken = [(each, self._take(each, context.aws_request_id, context)) for each in created]
        except Exception as error:  # noqa: BLE001  whatever it is, what Lambda keeps of it must be presentable
            if not (isinstance(error, HandlerError) or passes(error)):
                logger.exception("unexpected error", exc_info=error)
                metrics.count("UnexpectedErrors")
            raise WorkFailedError(reason_of(error)) from None
        events = [event_of(each, status, context.aws_request_id) for each, status in taken if status]
        return {"events": [event.to_json() for event in events]}

    def _objects_of(self, event: object) -> list[Created]:
        """The objects of an event: none that was made here, which would be worked into another one, for ever."""
        created = objects_of(event, self._settings.bucket_name)
        if any(each.is_result_in(self._settings.output_bucket_name) for each in created):
            raise InvalidError(_RESULT)
        return created

    def _take(self, created: Created, cause: str, context: LambdaContext) -> Status | None:
        logger.append_keys(bucket=created.bucket, key=presentable(created.key), version=created.version)
        check_time(context, LEAST_SECONDS)
        status = self._stores.statuses.claim(created)
        if status and not status.state.is_final:
            status = self._worked(created, status, context)
        if status is None:
            logger.info("object", extra={"result": "superseded"})
            return None
        logger.info("object", extra={"result": status.state, "kind": status.kind, **status.counts.as_dict()})
        if status.announced_at is None:
            self._announce(created, status, cause)
        return status

    def _worked(self, created: Created, status: Status, context: LambdaContext) -> Status | None:
        outcome = self._outcome(self._begun(created, status, context), status)
        result_key = created.output_key(RESULTS, ".json")
        result = strict_json.render(_result(created, outcome)).encode("utf-8", "replace")
        self._stores.output.put(result_key, result, "application/json")
        return self._stores.statuses.finish(created, outcome, result_key)

    def _begun(self, created: Created, status: Status, context: LambdaContext) -> Work:
        check = partial(check_time, context, _STOP_SECONDS)
        most, written = self._settings.max_rows, status.progress
        rows = Rows(self._stores.rows, created.rows_id, most=most, written=written, check_time=check)
        return Work(created, rows, check)

    def _outcome(self, work: Work, status: Status) -> Outcome:
        reason = None
        try:
            try:
                self._reader.read(work)
            except Rejected as rejected:
                reason = presentable(str(rejected.reason))[:MOST_REASON_CHARACTERS]
            work.rows.flush()
        except PostponedError as error:
            if self._has_progress(work, status):
                raise
            raise UnavailableError(error.detail) from error  # the next time would end like this one
        except Exception:
            self._has_progress(work, status)
            raise
        counts = work.rows.counts
        if reason is None and counts.rejected and not counts.accepted:
            reason = _NO_ROW_FITS
        return Outcome(
            state=State.PROCESSED if reason is None else State.REJECTED,
            kind=work.kind,
            counts=counts,
            rejected_rows=work.rows.rejected_rows,
            reason=reason,
            details=work.details,
            thumbnail_key=work.thumbnail_key,
        )

    def _has_progress(self, work: Work, status: Status) -> bool:
        """Whether rows were written. How far is kept, so that the next time begins there."""
        is_kept = False
        if work.rows.progress > status.progress:
            with best_effort("progress not kept"):  # the rows are written once more, over themselves
                self._stores.statuses.keep_progress(work.created, work.rows.progress)
                is_kept = True
        return is_kept

    def _announce(self, created: Created, status: Status, cause: str) -> None:
        if self._publish:
            self._publish(event_of(created, status, cause))
            self._stores.statuses.announced(created, status.state)


def event_of(created: Created, status: Status, cause: str) -> Envelope:
    """The event of this status: the same one each time, whatever it is announced because of."""
    data = {
        "bucket": created.bucket,
        "key": created.key,
        "version": created.version,
        "kind": status.kind,
        **status.counts.as_dict(),
        **({} if status.reason is None else {"reason": status.reason}),
        "result_key": status.result_key,
    }
    return Envelope(
        id=f"{created.public_id}:{status.state}",
        type=f"objects.{status.state.lower()}",
        time=status.updated_at,
        correlation_id=created.public_id,
        causation_id=cause,
        source=f"s3_processing/{created.bucket}",
        data=data,
    )


def _result(created: Created, outcome: Outcome) -> dict[str, Any]:
    rows: Sequence[dict[str, Any]] = [{"line": row.line, "reason": row.reason} for row in outcome.rejected_rows]
    return {
        "bucket": created.bucket,
        "key": created.key,
        "version": created.version,
        "state": str(outcome.state),
        "kind": None if outcome.kind is None else str(outcome.kind),
        "reason": outcome.reason,
        "counts": outcome.counts.as_dict(),
        "rejected_rows": rows,
        "details": dict(outcome.details),
    }
