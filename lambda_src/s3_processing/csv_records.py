"""CSV as it comes: any of four delimiters, quoted ends of lines, rows that do not fit, quotes that are never closed.

Python's parser does the fields of a record. Which lines are a record is found out here: it would take all lines after a quote
that is not closed for one field, and it can neither bound what it keeps nor say where it began. ``csv.Sniffer`` is not used: it
guesses from how often a character occurs, and takes letters and colons for delimiters.
"""

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from s3_processing.api import Rejected
from s3_processing.texts import Line, is_decoded, lines

#: The longest line, and the longest record, in characters. An item is never as large.
MOST_CHARACTERS = 1024 * 1024

#: How many characters may be read twice, to go on after a quote that is not closed. It keeps the work proportional to the file.
_MOST_LOOKED_AHEAD = 64 * MOST_CHARACTERS

_DELIMITERS = ",;\t|"
_SAMPLE = 100
_LONGEST_NAME = 255
_MOST_COLUMNS = 4096

#: Names of the item's own keys.
_RESERVED = frozenset({"object", "row"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")

_NOT_CLOSED = "has a quote that is not closed"
_TOO_LONG = f"has more than {MOST_CHARACTERS} characters"


@dataclass(frozen=True, slots=True)
class Record:
    """One row.

    Args:
        line: The line that it begins at.
        fields: Its fields.
        fault: Why it cannot be read, if so.
    """

    line: int
    fields: Sequence[str]
    fault: str | None = None


class Records:
    """The records of a CSV.

    Args:
        text: Its lines.
        delimiter: What stands between fields.
        most_field: The longest field, in characters.
    """

    def __init__(self, text: Iterable[Line], delimiter: str, most_field: int) -> None:
        self._lines = iter(text)
        self._waiting: deque[Line] = deque()
        self._delimiter = delimiter
        self._most_field = most_field
        self._ahead = _MOST_LOOKED_AHEAD
        # Possessive throughout: each character is looked at once, whatever is sent.
        other = f"[^{re.escape(delimiter)}]*+"
        quoted = f'[^"]*+(?:""[^"]*+)*+"{other}'
        field = f'(?:"{quoted}|(?!"){other})'
        more = f"(?:{re.escape(delimiter)}{field})*+"
        self._whole = re.compile(field + more)
        self._end = re.compile(quoted + more)

    def __iter__(self) -> Iterator[Record]:
        """Each record that is not an empty line."""
        while (first := self._take()) is not None:
            record = self._record(first)
            if record.fault or record.fields:
                yield record

    def _take(self) -> Line | None:
        return self._waiting.popleft() if self._waiting else next(self._lines, None)

    def _record(self, first: Line) -> Record:
        if first.is_cut:
            return Record(first.number, (), _TOO_LONG)
        if '"' not in first.text:
            content = first.content
            return self._checked(first.number, content.split(self._delimiter) if content else ())
        if self._whole.fullmatch(first.content):
            return self._parsed([first])
        return self._parsed_until_closed(first)

    def _parsed_until_closed(self, first: Line) -> Record:
        held, length = [first], len(first.text)
        while length <= MOST_CHARACTERS and (line := self._take()) is not None:
            held.append(line)
            if line.is_cut:
                break
            length += len(line.text)
            if self._end.fullmatch(line.content):
                return self._parsed(held)
        return self._not_closed(held, length)

    def _not_closed(self, held: list[Line], length: int) -> Record:
        """Give up the first line only: the others may be rows."""
        self._ahead -= length
        if self._ahead < 0:
            return Record(held[0].number, (), f"{_NOT_CLOSED}, up to line {held[-1].number}")
        self._waiting.extendleft(reversed(held[1:]))
        return Record(held[0].number, (), _NOT_CLOSED)

    def _parsed(self, held: list[Line]) -> Record:
        csv.field_size_limit(2 * MOST_CHARACTERS)  # of the whole process; a record is shorter than that
        fields = next(csv.reader([line.text for line in held], delimiter=self._delimiter), [])
        return self._checked(held[0].number, fields)

    def _checked(self, line: int, fields: Sequence[str]) -> Record:
        if any(len(field) > self._most_field for field in fields):
            return Record(line, (), f"has a field of more than {self._most_field} characters")
        text = "".join(fields)
        if "\0" in text:
            return Record(line, (), "has a NUL")
        if not is_decoded(text):
            return Record(line, (), "is not all in the file's encoding")
        return Record(line, fields)


def delimiter_of(head: str, preferred: str = "") -> str:
    """The delimiter with which the first records have as many fields as the header; a comma if there is only one field.

    Args:
        head: The beginning of the text; its last line may be cut off.
        preferred: The delimiter to take if another one fits just as well.
    """
    fits = {delimiter: _fit(head, delimiter) for delimiter in preferred + _DELIMITERS}
    best = max(fits, key=lambda delimiter: fits[delimiter].score)  # of equals, the first
    return best if fits[best].score else ","


def is_table(head: str) -> bool:
    """Whether a text of which nobody says so is a CSV: with some delimiter, three or more records have as many fields."""
    fits = (_fit(head, delimiter) for delimiter in _DELIMITERS)
    return any(fit.width > 1 and fit.others > 1 and fit.share == 1 for fit in fits)


@dataclass(frozen=True, slots=True)
class _Fit:
    """How a delimiter fits: the fields of the header, the records after it, and how many of these have as many fields."""

    width: int
    others: int
    share: float

    @property
    def score(self) -> float:
        """That the records agree counts twice; then, that there are many fields."""
        return self.share**2 * (self.width - 1)


def _fit(head: str, delimiter: str) -> _Fit:
    whole = list(lines([head], MOST_CHARACTERS))
    if len(whole) > 1 and not head.endswith(("\n", "\r")):
        whole.pop()
    records = islice(Records(whole, delimiter, MOST_CHARACTERS), _SAMPLE)
    header, *others = [len(record.fields) for record in records if record.fault is None] or [1]
    return _Fit(header, len(others), others.count(header) / len(others) if others else 1)


def columns_of(header: Record) -> list[str]:
    """The names of the columns: each one once, and none that an item has for itself.

    Raises:
        Rejected: The header cannot be read.
    """
    if header.fault:
        msg = f"its header {header.fault}"
        raise Rejected(msg)
    if len(header.fields) > _MOST_COLUMNS:
        msg = f"its header has more than {_MOST_COLUMNS} columns"
        raise Rejected(msg)
    taken: set[str] = set()
    return [_free(_clean(name, number), taken) for number, name in enumerate(header.fields, 1)]


def _clean(name: str, number: int) -> str:
    cleaned = " ".join(_CONTROL.sub(" ", name).split())[:_LONGEST_NAME].rstrip()
    return f"column_{cleaned}" if cleaned in _RESERVED else cleaned or f"column_{number}"


def _free(name: str, taken: set[str]) -> str:
    """The name, or the first of ``name_2``, ``name_3``, ... that no column to the left has."""
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    taken.add(free)
    return free
