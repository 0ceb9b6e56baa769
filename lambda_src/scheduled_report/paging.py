"""Reading a query page by page in one transaction, so that all pages are of the same moment.

A page begins after the keys of the last row of the one before. That finds each row once and in any size of table at the same
price, but only if the keys are there and unique: both are checked while reading, rather than losing a row. What PostgreSQL
takes for equal can differ in its text, such as 2.0 and 2.00, or texts in a collation that is not deterministic. So each page
is read with one row more, which has to be the first one of the next page: if it is passed over, it equals the row before.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from scheduled_report.days import Day
from scheduled_report.deadline import Deadline
from scheduled_report.models import Cell, DatabaseSettings, Number, Row, Table
from scheduled_report.query import KEY_TYPES, Parameters, Query
from shared.errors import InvalidError

_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_TEXTS = "SELECT set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO, YMD', true)"
_LIMIT = "SELECT set_config('statement_timeout', CAST(:milliseconds AS text), true)"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an answer.

    Args:
        name: Its name.
        type: What PostgreSQL calls its type, such as ``int8``.
    """

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a statement answers."""

    columns: tuple[Column, ...]
    rows: Sequence[Row]


class Session(Protocol):
    """A transaction."""

    def run(self, sql: str, parameters: Parameters) -> Answer:
        """Run a statement.

        Raises:
            TooLargeError: The answer has more bytes than can be returned, and the transaction is over.
        """


class Pager:
    """The pages of a query.

    Args:
        settings: The settings of the database.
        query: The query.
        session: A transaction that has just begun.
        day: The day of the report.
        deadline: Until when to read.
        page_rows: How many rows are read at a time. Default: as the settings say.
    """

    def __init__(
        self,
        settings: DatabaseSettings,
        query: Query,
        session: Session,
        day: Day,
        deadline: Deadline,
        *,
        page_rows: int | None = None,
    ) -> None:
        self._keys = settings.key_columns
        self._page_rows = page_rows or settings.page_rows
        self._most_seconds = settings.statement_timeout_seconds
        self._query = query
        self._session = session
        self._parameters = query.parameters(day)
        self._deadline = deadline
        self._seconds = 0.0

    def table(self) -> Table:
        """All rows, read while they are asked for; the first page is read here."""
        self._session.run(_SNAPSHOT, {})
        self._session.run(_TEXTS, {})
        self._limit()
        first = self._fetch(())
        names = tuple(column.name for column in first.columns)
        if missing := [key for key in self._keys if key not in names]:
            msg = f"The query has no column {', '.join(missing)}, which KEY_COLUMNS names."
            raise InvalidError(msg)
        return Table(names, self._rows(first))

    def _limit(self) -> None:
        """Let no statement take longer than it may, nor than there is time."""
        seconds = min(self._most_seconds, self._deadline.left())
        if seconds < self._most_seconds or not self._seconds:
            self._seconds = seconds
            self._session.run(_LIMIT, {"milliseconds": str(max(1, int(seconds * 1000)))})

    def _fetch(self, after: Row, columns: tuple[Column, ...] = ()) -> Answer:
        """A page and one row more, which tells whether there is another page."""
        types = tuple(self._key_type(column) for column in _named(columns, self._keys)) if after else ()
        values = {f"after_{place}": value for place, value in enumerate(after, 1)}
        return self._session.run(
            self._query.page(self._keys, types), {**self._parameters, **values, "page_rows": str(self._page_rows + 1)}
        )

    def _rows(self, answer: Answer) -> Iterator[Row]:
        last: Row = ()
        following: Row = ()
        while True:
            places = [[column.name for column in answer.columns].index(key) for key in self._keys]
            keys = [tuple(row[place] for place in places) for row in answer.rows]
            if following and following not in keys[:1]:
                raise self._passed_over()
            for number, (row, key) in enumerate(zip(answer.rows, keys, strict=True)):
                self._check(key, last)
                if number == self._page_rows:
                    break  # the row more, which begins the next page
                last = key
                yield row
            else:
                break
            following = keys[-1]
            self._limit()
            answer = self._fetch(last, answer.columns)
        if following:
            self._refuse_rows_without_key()

    def _check(self, key: Row, last: Row) -> None:
        if None in key:
            raise self._without_key()
        if key == last or list(map(_value, key)) == list(map(_value, last)):
            msg = f"Two rows have the same {', '.join(self._keys)}: KEY_COLUMNS must name columns that are unique together."
            raise InvalidError(msg)

    def _passed_over(self) -> InvalidError:
        return InvalidError(
            f"A row was passed over at the end of a page: PostgreSQL takes its {', '.join(self._keys)} for equal to those of "
            "the row before, or the query does not find the same rows twice. KEY_COLUMNS must name columns that are unique "
            'together; let the query compare texts byte by byte (name COLLATE "C" AS name), and leave random() out.'
        )

    def _refuse_rows_without_key(self) -> None:
        self._limit()
        if self._session.run(self._query.without_key(self._keys), self._parameters).rows:
            raise self._without_key()

    def _without_key(self) -> InvalidError:
        return InvalidError(
            f"A row has no value in {' or '.join(self._keys)}: KEY_COLUMNS must name columns that always have one."
        )

    def _key_type(self, column: Column) -> str:
        if column.type not in KEY_TYPES:
            msg = (
                f"The report cannot be paged by {column.name}, which has the type {column.type}: let the query cast it to text."
            )
            raise InvalidError(msg)
        return column.type


def _value(cell: Cell) -> Decimal | str | None:
    """What a cell is compared by: 2.0 is 2.00."""
    return Decimal(cell) if isinstance(cell, Number) else cell


def _named(columns: tuple[Column, ...], names: tuple[str, ...]) -> list[Column]:
    return [next(column for column in columns if column.name == name) for name in names]
