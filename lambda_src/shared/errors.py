"""What can go wrong while a handler works, drawn as a tree.

HandlerError                      anything that a handler foresees
├── InvalidError                  what was sent breaks a rule: sending it again cannot help
├── UnsupportedFormatError        it is not in a format that is read here
├── TooLargeError                 it is larger than what is taken or can be stored
├── NotFoundError                 there is no such thing
├── ConflictError                 something else is there already, or came first
├── PreconditionError             it is not as the caller made it a condition
├── KeyReusedError                an idempotency key came with another request before
└── UnavailableError              it would work later: sending it again can help

Each source has one place which maps these to what it must see: ``shared.problems`` does it for HTTP. The words of an error
reach the client. They are the library's own and never quote what was sent; ``faults`` may name a field.
"""

from collections.abc import Iterable
from dataclasses import dataclass

#: Enough to mend a form with; more would only make the answer as large as the request.
MOST_FAULTS = 100

#: After how many seconds another try makes sense of what does not work at the moment, where nothing better is known.
RETRY_AFTER_SECONDS = 1

_LONGEST_TEXT = 200


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a JSON document.

    Args:
        pointer: Where: a JSON pointer (RFC 6901), ``""`` for the whole document.
        message: What.
    """

    pointer: str
    message: str

    @classmethod
    def at(cls, path: Iterable[str | int], message: str) -> "Fault":
        """The fault at the end of this path; both texts are cut to a length that is fit to be sent back."""
        steps = (str(step).replace("~", "~0").replace("/", "~1") for step in path)
        return cls(_presentable("".join(f"/{step}" for step in steps)), _presentable(message))


def _presentable(text: str) -> str:
    cut = text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}..."
    return cut.encode("utf-8", "replace").decode()  # half a surrogate pair has no UTF-8 and could not be sent


class HandlerError(Exception):
    """The base of all errors that a handler foresees.

    Args:
        detail: What went wrong and how to mend it, in words for the client.
        faults: What is wrong with the document that was sent, field by field; the first hundred are kept.
        retry_after: Seconds after which another try makes sense.
        hint: What whoever runs this can do about it: for the log, and not for the client.
    """

    #: Whether it lasts until somebody mends what the code runs in, a permission for instance: nobody should have to wait for
    #: the last try to hear of that.
    is_fault = False

    def __init__(self, detail: str, *, faults: Iterable[Fault] = (), retry_after: int | None = None, hint: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.faults = tuple(faults)[:MOST_FAULTS]
        self.retry_after = retry_after
        self.hint = hint


class InvalidError(HandlerError):
    """What was sent breaks a rule: sending it again cannot help."""


class UnsupportedFormatError(HandlerError):
    """What was sent is not in a format that is read here."""


class TooLargeError(HandlerError):
    """What was sent is larger than what is taken or can be stored."""


class NotFoundError(HandlerError):
    """There is no such thing."""


class ConflictError(HandlerError):
    """Something else is there already, or came first."""


class PreconditionError(HandlerError):
    """The thing is not as the caller made it a condition: it has changed since the caller saw it, for instance."""


class KeyReusedError(HandlerError):
    """An idempotency key came with another request before."""


class UnavailableError(HandlerError):
    """It does not work now, but would later: sending it again can help."""
