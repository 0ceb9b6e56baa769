"""What an item of a DynamoDB table can hold, known before any call is made.

Limits: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
Sizes: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
"""

from collections.abc import Mapping
from decimal import Context, DivisionByZero, Inexact, InvalidOperation, Overflow, Subnormal

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
