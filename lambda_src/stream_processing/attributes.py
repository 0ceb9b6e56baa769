"""The attributes of an item in a stream's record: checked, and in the form in which DynamoDB's API takes them.

They stay in DynamoDB's own form from end to end. So a number keeps all its digits, and sets and bytes survive, which neither
JSON nor Python's numbers could promise. Only bytes look different: base64 in a record, bytes in a call.
"""

import base64
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeAlias

from shared.dynamodb import NUMBERS
from stream_processing.records import unknown

Path: TypeAlias = "list[str | int]"

_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


def attributes_at(value: object, path: Path) -> dict[str, Any]:
    """The attributes at this path of a record, sets in order, so that equal ones are equal.

    Raises:
        InvalidError: Something there is not as DynamoDB has it; it says where.
    """
    if not isinstance(value, dict):
        raise unknown(path, "must be attributes by their names")
    return {_name(name, path): _attribute(attribute, [*path, name]) for name, attribute in value.items()}


def _attribute(value: object, path: Path) -> dict[str, Any]:
    match value:
        case {"L": list() as elements, **more} if not more:
            return {"L": [_attribute(element, [*path, index]) for index, element in enumerate(elements)]}
        case {"M": dict() as members, **more} if not more:
            return {"M": attributes_at(members, path)}
        case dict() if len(value) == 1:
            ((kind, content),) = value.items()
            return {kind: _plain(kind, content, path)}
        case _:
            raise unknown(path, "is no attribute value")


def _plain(kind: str, content: object, path: Path) -> object:
    try:
        return _READ[kind](content)
    except (KeyError, TypeError, ValueError, ArithmeticError):
        raise unknown(path, "is no attribute value") from None


def _name(name: object, path: Path) -> str:
    try:
        return _text(name)
    except (TypeError, ValueError):
        raise unknown(path, "has a name that is no text") from None


def _text(content: object) -> str:
    if not isinstance(content, str):
        raise TypeError
    content.encode()  # half a surrogate pair has no UTF-8: UnicodeEncodeError is a ValueError
    return content


def _number(content: object) -> str:
    digits = _text(content)
    if not _NUMBER.fullmatch(digits):
        raise ValueError
    NUMBERS.plus(Decimal(digits))  # more than 38 digits, or out of range: an ArithmeticError
    return digits


def _bytes(content: object) -> bytes:
    return base64.b64decode(_text(content), validate=True)


def _truth(content: object) -> bool:
    if not isinstance(content, bool):
        raise TypeError
    return content


def _null(content: object) -> bool:
    if content is not True:
        raise ValueError
    return True


def _set(content: object, read: Callable[[object], Any], order: Callable[[Any], Any]) -> list[Any]:
    if not (isinstance(content, list) and content):
        raise ValueError
    return sorted(map(read, content), key=order)


_READ: dict[str, Callable[[object], Any]] = {
    "S": _text,
    "N": _number,
    "B": _bytes,
    "BOOL": _truth,
    "NULL": _null,
    "SS": lambda content: _set(content, _text, str),
    "NS": lambda content: _set(content, _number, Decimal),
    "BS": lambda content: _set(content, _bytes, bytes),
}
