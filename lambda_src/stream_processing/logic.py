"""What becomes of a change: a row of the audit, then the row of the view. It makes no AWS call itself.

A stream delivers at least once: from a record that fails, all that follow come again. So both writes have conditions, and
nothing here depends on when or how often a record comes: the rows are made of the record alone.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

from shared.dynamodb import attributes_of
from shared.times import timestamp
from stream_processing.models import Change, Settings

#: An item in the form of DynamoDB's API.
Row: TypeAlias = dict[str, Any]

Check: TypeAlias = Callable[[], None]


class View(Protocol):
    """The newest state of each id."""

    def write(self, row: Row) -> bool:
        """Write the row over one with a lesser sequence, or none; ``False`` if this or a later one is there."""


class Audit(Protocol):
    """What happened to each id."""

    def add(self, row: Row) -> None:
        """Write the row unless it is there."""


class Result(StrEnum):
    """What became of a record."""

    WRITTEN = "written"
    NOT_NEWER = "not_newer"  # the view has this change, or a later one
    UNCHANGED = "unchanged"  # nothing has changed that the view shows
    POISON = "poison"


class Projection:
    """Projects changes on a view, and keeps what happened.

    Args:
        settings: The handler's settings.
        view: The newest state of each id.
        audit: What happened to each id.
    """

    def __init__(self, settings: Settings, view: View, audit: Audit) -> None:
        self._settings = settings
        self._view = view
        self._audit = audit

    def __call__(self, change: Change, before_write: Check) -> Result:
        """Write down the change; ``before_write`` is asked before each call.

        The audit comes first: if the function ends in between, the record comes again and the view gets it then. The other way
        round the same would hold; but the view must never show what the audit does not know of.
        """
        before_write()
        self._audit.add(self._audit_row(change))
        if not change.is_visible:
            return Result.UNCHANGED
        before_write()
        return Result.WRITTEN if self._view.write(self._view_row(change)) else Result.NOT_NEWER

    def _audit_row(self, change: Change) -> Row:
        seconds = self._settings.audit_seconds
        row: dict[str, object] = {
            "id": change.id,
            "sequence": change.sequence,
            "event_id": change.event_id,
            "action": str(change.action),
            "changed": list(change.changed),
            "at": timestamp(change.at),
        }
        return attributes_of(row | (_expiry(change, seconds) if seconds else {}))

    def _view_row(self, change: Change) -> Row:
        row = attributes_of(
            {
                "id": change.id,
                "sequence": change.sequence,
                "event_id": change.event_id,
                "updated_at": timestamp(change.at),
            }
        )
        if change.image is not None:
            return row | {"data": {"M": change.image}}
        return row | attributes_of({"removed": True, **_expiry(change, self._settings.tombstone_seconds)})


def _expiry(change: Change, seconds: int) -> dict[str, object]:
    return {"expires_at": int(change.at.timestamp()) + seconds}
