"""What an item of a DynamoDB table can hold, known before any call is made, and how it looks in a call.

boto3 has a conversion of its own, which fails to read a number that DynamoDB writes out in more than 38 digits: 1E+100 can be
stored with it, and then neither the item nor any page with it can be read again.

Limits: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
Sizes: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
"""

import base64
from collections.abc import Callable, Mapping
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow, Subnormal
from typing import Any

#: The largest item, attribute names included: 400 KB.
MOST_ITEM_BYTES = 400 * 1024

#: How deep lists and maps may be nested.
MOST_NESTING = 32

#: The longest name of an attribute.
MOST_NAME_BYTES = 65535

#: The numbers that are kept exactly: 38 digits, from 1E-130 to 9.9...E+125. A number that is none of these raises.
NUMBERS = Context(prec=38, Emin=-130, Emax=125, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow, Subnormal])

_MOST_NUMBER_BYTES = 21
_CONTAINER_BYTES = 3
_ELEMENT_BYTES = 1


def item_size(attributes: Mapping[str, object]) -> int:
    """The bytes that count towards the limit of an item; a number counts as its longest form."""
    return sum(len(name.encode()) + _size(value) for name, value in attributes.items())


def _size(value: object) -> int:
    match value:
        case str():
            return len(value.encode())
        case bool() | None:
            return 1
        case list():
            return _CONTAINER_BYTES + sum(_ELEMENT_BYTES + _size(element) for element in value)
        case dict():
            return _CONTAINER_BYTES + _ELEMENT_BYTES * len(value) + item_size(value)
        case _:
            return _MOST_NUMBER_BYTES


def to_dynamodb(value: object) -> dict[str, Any]:
    """The value as DynamoDB's API has it, such as ``{"S": "text"}``."""
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case list():
            return {"L": [to_dynamodb(element) for element in value]}
        case dict():
            return {"M": attributes_of(value)}
        case _:
            return {"N": str(value)}


def attributes_of(values: Mapping[str, object]) -> dict[str, Any]:
    """Each of these values as DynamoDB's API has it."""
    return {name: to_dynamodb(value) for name, value in values.items()}


def from_dynamodb(value: Mapping[str, Any]) -> Any:  # noqa: ANN401  an attribute can be anything
    """The value that DynamoDB's API has like this; a set becomes a list and bytes become base64, as JSON has neither."""
    ((kind, content),) = value.items()
    return _READ[kind](content)


def values_of(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Each of these attributes as a value."""
    return {name: from_dynamodb(value) for name, value in attributes.items()}


def _number(digits: str) -> Decimal:
    return Decimal(digits).normalize(NUMBERS)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


_READ: dict[str, Callable[[Any], object]] = {
    "NULL": lambda _: None,
    "BOOL": bool,
    "S": str,
    "N": _number,
    "B": _base64,
    "L": lambda elements: [from_dynamodb(element) for element in elements],
    "M": values_of,
    "SS": list,
    "NS": lambda numbers: [_number(digits) for digits in numbers],
    "BS": lambda contents: [_base64(content) for content in contents],
}
