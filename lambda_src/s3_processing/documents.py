"""JSON: one document as a whole, or one on each line."""

from collections.abc import Iterable
from typing import Any

from s3_processing.api import Rejected
from s3_processing.rows import Rows
from s3_processing.texts import lines
from shared import strict_json
from shared.dynamodb import MOST_NESTING, item_size
from shared.errors import Fault, InvalidError
from shared.schema import Schema
from shared.strict_json import Json

#: The largest document: it is in memory as a whole, as several times its size.
MOST_DOCUMENT_CHARACTERS = 5 * 1024 * 1024

#: The longest line of JSON Lines.
MOST_LINE_CHARACTERS = 1024 * 1024

#: The largest document that is stored as an item, with room for the item's own attributes.
MOST_STORED_BYTES = 350 * 1024

_LONGEST_REASON = 500
_FAULTS_IN_REASON = 5


def work_document(pieces: Iterable[str], schema: Schema | None, rows: Rows) -> dict[str, Any]:
    """Validate a document, and store it if there is room. If it is an array, its elements are worked like lines.

    Raises:
        Rejected: It is too large, no JSON, or does not fit.
    """
    try:
        # It becomes an attribute of its row: one level deeper.
        document = strict_json.parse(_whole(pieces).encode("utf-8", "surrogateescape"), MOST_NESTING - 1)
        if isinstance(document, list):
            _work_elements(document, schema, rows)
            return {"type": "array"}
        _check(document, schema)
    except InvalidError as error:
        raise Rejected(_reason(error)) from None
    is_stored = item_size({"data": document}) <= MOST_STORED_BYTES
    if is_stored:
        rows.accept(1, {"data": document})
    return {"type": "object" if isinstance(document, dict) else "value", "stored": is_stored}


def work_lines(pieces: Iterable[str], schema: Schema | None, rows: Rows) -> None:
    """Validate each line that is not empty, and store it."""
    for line in lines(pieces, MOST_LINE_CHARACTERS):
        if line.is_cut:
            rows.reject(line.number, f"has more than {MOST_LINE_CHARACTERS} characters")
        elif content := line.content.strip(" \t"):
            _work_line(line.number, content, schema, rows)


def _work_line(number: int, content: str, schema: Schema | None, rows: Rows) -> None:
    try:
        document = strict_json.parse(content.encode("utf-8", "surrogateescape"), MOST_NESTING - 1)
        _check(document, schema)
    except InvalidError as error:
        rows.reject(number, _reason(error))
    else:
        rows.accept(number, {"data": document})


def _work_elements(elements: list[Json], schema: Schema | None, rows: Rows) -> None:
    for number, element in enumerate(elements, 1):
        try:
            _check(element, schema)
        except InvalidError as error:
            rows.reject(number, _reason(error))
        else:
            rows.accept(number, {"data": element})


def _whole(pieces: Iterable[str]) -> str:
    taken: list[str] = []
    length = 0
    for piece in pieces:
        length += len(piece)
        if length > MOST_DOCUMENT_CHARACTERS:
            msg = f"it has more than {MOST_DOCUMENT_CHARACTERS} characters, and only JSON Lines may have more"
            raise Rejected(msg)
        taken.append(piece)
    return "".join(taken)


def _check(document: Json, schema: Schema | None) -> None:
    faults = list(schema.faults(document)) if schema else []
    if faults:
        msg = "does not fit:"
        raise InvalidError(msg, faults=faults)


def _reason(error: InvalidError) -> str:
    faults = "; ".join(_said(fault) for fault in error.faults[:_FAULTS_IN_REASON])
    more = len(error.faults) - _FAULTS_IN_REASON
    return f"{error.detail} {faults}{f'; and {more} more' if more > 0 else ''}".strip()[:_LONGEST_REASON]


def _said(fault: Fault) -> str:
    return f"{fault.pointer or 'the whole'} {fault.message}"
