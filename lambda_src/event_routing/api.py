"""What a function of your own is given, and how it says that an event is bad: the public part of this folder.

It takes one argument, and HANDLER names it as ``module:function``::

    def handle(event: Envelope) -> None:
        if event.data["quantity"] < 1:
            raise Rejected("the quantity is below 1")
        reserve(event.data["item"], event.data["quantity"], key=event.id)

An event that was handled is not handled again, however often it comes, replays included; one whose function raised or died
comes again. Between its last effect and the note that it is done lies a moment: a function that dies in it is called once more
for the same event. So an effect that must happen once, and not once or twice, needs a key of its own: ``event.id`` above,
with ``event.source`` if the events of several sources come here, whose ids may be the same.
"""

from typing import Protocol

from shared.envelope import Envelope

__all__ = ["Envelope", "Handle", "Rejected"]


class Rejected(Exception):  # noqa: N818  it is an outcome, and users raise it by this name
    """The event is bad: trying again cannot help. It goes to the dead-letter queue at once, with the reason.

    Args:
        reason: Why, in words that anybody may read.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Handle(Protocol):
    """Takes an event, and answers nothing."""

    def __call__(self, event: Envelope, /) -> None:
        """Do what the event calls for. Raise ``Rejected`` for a bad one; after any other exception it is tried again."""
