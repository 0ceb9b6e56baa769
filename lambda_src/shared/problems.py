"""Errors as HTTP clients see them: problem details (RFC 9457), mapped here and nowhere else.

A client sees words of this library, the fields that are wrong and the id of its request, with which the logs are searched.
It never sees the text of an exception, a class name or an ARN.
"""

from dataclasses import dataclass
from http import HTTPStatus

from shared import aws
from shared.errors import (
    RETRY_AFTER_SECONDS,
    ConflictError,
    Fault,
    HandlerError,
    InvalidError,
    KeyReusedError,
    NotFoundError,
    PreconditionError,
    TooLargeError,
    UnavailableError,
    UnsupportedFormatError,
)
from shared.strict_json import render

CONTENT_TYPE = "application/problem+json"

STATUS: dict[type[Exception], HTTPStatus] = {
    InvalidError: HTTPStatus.BAD_REQUEST,
    NotFoundError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    PreconditionError: HTTPStatus.PRECONDITION_FAILED,
    TooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UnsupportedFormatError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    KeyReusedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    UnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What a client sees of an error."""

    status: HTTPStatus
    detail: str
    faults: tuple[Fault, ...] = ()
    retry_after: int | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers that go with it."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}

    def body(self, request_id: str) -> str:
        """The problem document."""
        members = {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": int(self.status),
            "detail": self.detail,
            "request_id": request_id,
        }
        errors = [{"pointer": fault.pointer, "message": fault.message} for fault in self.faults]
        return render(members | {"errors": errors} if errors else members)


def problem_of(error: Exception) -> Problem:
    """What the client sees of this error: all that was foreseen, and next to nothing of the rest."""
    if isinstance(error, HandlerError) and type(error) in STATUS:
        return Problem(STATUS[type(error)], error.detail, error.faults, error.retry_after)
    if aws.passes(error):
        return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "This does not work at the moment. Try again.", (), RETRY_AFTER_SECONDS)
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "This failed, and not through a fault of the request.")
