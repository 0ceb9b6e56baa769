"""Rows as CSV: RFC 4180 in UTF-8 with a byte order mark, which is what spreadsheets need to read it as UTF-8.

A spreadsheet runs a text that begins like a formula, even one that a customer typed into a form. Such a text gets an apostrophe
in front, which spreadsheets take for "this is a text". Numbers are written as they are, -5 included: they are no texts.
"""

import re
from collections.abc import Iterable

from scheduled_report.models import Cell, Number

_BYTE_ORDER_MARK = "\ufeff"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_QUOTED = re.compile(r'[",\r\n]')


def header(columns: Iterable[str]) -> bytes:
    """The beginning of the file: the mark and the names of the columns."""
    return _BYTE_ORDER_MARK.encode() + line(columns)


def line(cells: Iterable[Cell]) -> bytes:
    """One row. Nothing is between two commas where there is nothing, and ``""`` where there is a text without characters."""
    text = ",".join(map(_field, cells))
    return f"{text or _EMPTY}\r\n".encode("utf-8", "replace")  # an empty line would be no row to most readers


_EMPTY = '""'


def _field(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, Number):
        return str(cell)
    text = f"'{cell}" if cell.startswith(_FORMULA) else cell
    if text and not _QUOTED.search(text):
        return text
    escaped = text.replace('"', '""')
    return f'"{escaped}"'
