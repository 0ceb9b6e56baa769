"""What Lambda's destinations say of an invocation, and what is announced because of it.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
"""

from collections.abc import Callable
from typing import Protocol

from aws_lambda_powertools.utilities.typing import LambdaContext

from s3_processing.events import objects_of
from s3_processing.logic import WorkFailedError, event_of
from s3_processing.models import Created, State, Status
from shared import strict_json
from shared.aws import time_guard
from shared.envelope import Envelope
from shared.errors import InvalidError
from shared.queue_consumer import Message

#: What a failure takes: it is written down, announced, and that is written down.
_CALLS = 3

_NO_RECORD = "This is no record of an invocation: let a destination of the function send it."
_UNKNOWN = "The function ended without a reason."


class Failures(Protocol):
    """The statuses of objects, as far as they fail."""

    def fail(self, created: Created, reason: str) -> Status | None:
        """Write down that this version has failed; ``None`` if it is final, or a newer one is there."""

    def announced(self, created: Created, state: State) -> None:
        """Write down that this state is known to others."""


class Notifier:
    """Announces what became of objects that S3 invoked the other function for.

    Args:
        publish: Announces an event.
        bucket: For failures, the bucket whose objects are worked.
        failures: Where failures are written down; ``None`` to announce what was done, and not what failed.
    """

    def __init__(self, publish: Callable[[Envelope], None], bucket: str = "", failures: Failures | None = None) -> None:
        self._publish = publish
        self._bucket = bucket
        self._failures = failures

    def work(self, message: Message, context: LambdaContext) -> None:
        """Announce what this record says.

        Raises:
            InvalidError: It is no record of an invocation.
            UnavailableError: Others of its batch have taken the time, since the topic or the bus is slow.
        """
        time_guard(context, calls=_CALLS)()
        match strict_json.parse(message.body):
            case {"requestPayload": request, **answered} if self._failures:
                reason = _reason(answered.get("responsePayload"))
                self._alert(objects_of(request, self._bucket), reason, message.id, self._failures)
            case {"responsePayload": {"events": [*texts]}} if not self._failures:
                for event in [Envelope.parse(str(text)) for text in texts]:
                    self._publish(event)
            case _:
                raise InvalidError(_NO_RECORD)

    def _alert(self, failed: list[Created], reason: str, cause: str, failures: Failures) -> None:
        for created in failed:
            status = failures.fail(created, reason)
            if status:
                self._publish(event_of(created, status, cause))
                failures.announced(created, status.state)


def _reason(answer: object) -> str:
    """The handler's own words; of anything else, such as a timeout, only its kind: its text may hold anything."""
    match answer:
        case {"errorType": WorkFailedError.__name__, "errorMessage": str() as text}:
            return text
        case {"errorType": str() as kind}:
            return f"The function ended: {kind}."
        case _:
            return _UNKNOWN
