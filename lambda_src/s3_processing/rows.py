"""The rows of one object on their way into the table: counted, judged, and written a hundred at a time."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from s3_processing.api import Rejected
from s3_processing.models import Counts, RejectedRow
from shared.dynamodb import MOST_ITEM_BYTES, item_size

#: So many rejected rows are listed; the others are only counted.
MOST_LISTED = 1_000

_MOST_PENDING = 100
_MOST_PENDING_BYTES = 4 * 1024 * 1024

#: Rows between two looks at the clock where none is written.
_ROWS_BETWEEN_CHECKS = 1_000

_TOO_LARGE = f"is larger than the {MOST_ITEM_BYTES // 1024} KB that can be stored"

Item = Mapping[str, Any]


class Table(Protocol):
    """Where rows are written."""

    def write(self, items: Sequence[Item]) -> None:
        """Write these items over what is there. They all have another key."""


class Rows:
    """The rows of one object.

    Args:
        table: Where they go.
        rows_id: The partition that they go to.
        most: How many rows there may be.
        written: Up to which line they were written before: these are counted and not written again.
        check_time: Raises if there is too little time left for a write.
    """

    def __init__(self, table: Table, rows_id: str, *, most: int, written: int, check_time: Callable[[], None]) -> None:
        self._table = table
        self._rows_id = rows_id
        self._most = most
        self._written = written
        self._check_time = check_time
        self._pending: list[Item] = []
        self._pending_bytes = 0
        self._accepted = self._rejected = self._last = 0
        self._listed: list[RejectedRow] = []

    @property
    def counts(self) -> Counts:
        """The rows so far."""
        return Counts(self._accepted, self._rejected)

    @property
    def rejected_rows(self) -> tuple[RejectedRow, ...]:
        """The first of those that were not taken."""
        return tuple(self._listed)

    @property
    def progress(self) -> int:
        """The line up to which all is done."""
        return self._written

    def accept(self, line: int, attributes: Mapping[str, Any]) -> None:
        """Take this row.

        Raises:
            Rejected: It is one too many.
        """
        item = {**attributes, "object": self._rows_id, "row": line}
        size = item_size(item)
        if size > MOST_ITEM_BYTES:
            self.reject(line, _TOO_LARGE)
            return
        self._count(line)
        self._accepted += 1
        if line > self._written:
            self._pending.append(item)
            self._pending_bytes += size
        self._look_after()

    def reject(self, line: int, reason: str) -> None:
        """Do not take the row at this line, and say why.

        Raises:
            Rejected: It is one too many.
        """
        self._count(line)
        self._rejected += 1
        if len(self._listed) < MOST_LISTED:
            self._listed.append(RejectedRow(line, reason))
        self._look_after()

    def flush(self) -> None:
        """Write what was taken and not written yet."""
        if self._pending:
            self._check_time()
            self._table.write(self._pending)
            self._pending = []
            self._pending_bytes = 0
        self._written = max(self._written, self._last)

    def _count(self, line: int) -> None:
        if self.counts.rows >= self._most:
            msg = f"it has more than {self._most} rows"
            raise Rejected(msg)
        self._last = line

    def _look_after(self) -> None:
        if len(self._pending) >= _MOST_PENDING or self._pending_bytes >= _MOST_PENDING_BYTES:
            self.flush()
        elif self.counts.rows % _ROWS_BETWEEN_CHECKS == 0:
            self._check_time()
