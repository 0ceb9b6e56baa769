"""JSON that means one thing only, and numbers that stay as they were written.

Python's parser is lenient where it hurts later: it takes NaN, keeps the last of two equal names, rounds 0.1 to a binary float,
refuses an integer of 5,000 digits with an error of its own and recurses as deep as the sender likes. Here whatever cannot be
kept exactly is refused, and each refusal says where it is in the document. NUL and half surrogate pairs are refused as well:
JSON can write both, but the stores and languages behind a handler cut or break such texts.
"""

import json
import re
from collections.abc import Iterator
from decimal import Decimal, DecimalException
from typing import NamedTuple, TypeAlias

from shared.dynamodb import MOST_NAME_BYTES, MOST_NESTING, NUMBERS
from shared.errors import Fault, InvalidError

Json: TypeAlias = "dict[str, Json] | list[Json] | str | Decimal | int | bool | None"

#: A text, whole or cut off at the end. Possessive, hence linear, whatever is sent.
_TEXT = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")
_UNKEEPABLE = re.compile("[\0\ud800-\udfff]")

#: Numbers are written out in full up to this many digits before or zeros after the point, as JavaScript does.
_PLAIN_EXPONENTS = range(-7, 21)


class _Refused(NamedTuple):
    """Stands in the parsed document where something was that cannot be kept."""

    reason: str


def parse(raw: bytes | str, most_nesting: int = MOST_NESTING) -> Json:
    """The document: numbers as ``Decimal``, without trailing zeros.

    Args:
        raw: The JSON, in UTF-8 or as a text: one with half a surrogate pair in it is no UTF-8 either.
        most_nesting: How deep it may be nested. The default fits a document whose members become the attributes of an item.

    Raises:
        InvalidError: It is not JSON, or something in it cannot be kept exactly; all such places are listed.
    """
    text = _decoded(raw)
    if _nesting(text) > most_nesting:
        msg = f"The JSON is nested deeper than {most_nesting} levels."
        raise InvalidError(msg)
    document = _loaded(text)
    if faults := list(_faults(document, ())):
        msg = "The JSON has values that cannot be kept exactly."
        raise InvalidError(msg, faults=faults)
    return document


def parse_object(raw: bytes | str, most_nesting: int = MOST_NESTING) -> dict[str, Json]:
    """The document, which must be an object.

    Args:
        raw: As for ``parse``.
        most_nesting: As for ``parse``.

    Raises:
        InvalidError: As for ``parse``, or it is no object.
    """
    document = parse(raw, most_nesting)
    if not isinstance(document, dict):
        msg = "The body must be a JSON object."
        raise InvalidError(msg)
    return document


def numbers(document: Json, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Decimal]]:
    """All numbers of a document that ``parse`` has read, each with its path."""
    match document:
        case Decimal():
            yield path, document
        case list():
            for index, element in enumerate(document):
                yield from numbers(element, (*path, index))
        case dict():
            for name, member in document.items():
                yield from numbers(member, (*path, name))


def render(value: object) -> str:
    """The one JSON text of a document: names in order, numbers with the digits that they have.

    Raises:
        TypeError: It holds something that JSON has no form for.
    """
    match value:
        case dict():
            return "{" + ",".join(f"{render(name)}:{render(value[name])}" for name in sorted(value)) + "}"
        case list() | tuple():
            return "[" + ",".join(map(render, value)) + "]"
        case Decimal():
            return _digits(value)
        case _:
            return json.dumps(value, ensure_ascii=False)


def _decoded(raw: bytes | str) -> str:
    encoded = raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw
    try:
        return encoded.decode()
    except UnicodeDecodeError:
        msg = "The JSON is not UTF-8."
        raise InvalidError(msg) from None


def _nesting(text: str) -> int:
    depth = deepest = 0
    for bracket in _BRACKET.findall(_TEXT.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _loaded(text: str) -> Json:
    try:
        document: Json = json.loads(
            text, object_pairs_hook=_object, parse_int=_number, parse_float=_number, parse_constant=_no_number
        )
    except json.JSONDecodeError as error:
        msg = f"The JSON is broken at line {error.lineno}, column {error.colno}."
        raise InvalidError(msg) from None
    return document


def _object(pairs: list[tuple[str, object]]) -> object:
    fields = dict(pairs)
    return fields if len(fields) == len(pairs) else _Refused("has the same name twice")


def _number(digits: str) -> object:
    try:
        return NUMBERS.plus(Decimal(digits)).normalize(NUMBERS)  # plus: -0 becomes 0
    except DecimalException:
        return _Refused("has more than 38 significant digits, or is not between 1E-130 and 9.99E+125")


def _no_number(_: str) -> object:
    return _Refused("is not a number in JSON")


def _faults(value: object, path: tuple[str | int, ...]) -> Iterator[Fault]:
    match value:
        case _Refused(reason):
            yield Fault.at(path, reason)
        case str() if _UNKEEPABLE.search(value):
            yield Fault.at(path, "has a NUL or half a surrogate pair")
        case list():
            for index, element in enumerate(value):
                yield from _faults(element, (*path, index))
        case dict():
            for name, member in value.items():
                yield from _name_faults((*path, name), name)
                yield from _faults(member, (*path, name))


def _name_faults(path: tuple[str | int, ...], name: str) -> Iterator[Fault]:
    if _UNKEEPABLE.search(name):
        yield Fault.at(path, "has a name with a NUL or half a surrogate pair")
    elif not 1 <= len(name.encode()) <= MOST_NAME_BYTES:
        yield Fault.at(path, f"has a name that is not 1 to {MOST_NAME_BYTES} bytes long")


def _digits(number: Decimal) -> str:
    number = number.normalize(NUMBERS)
    return format(number, "f") if number.adjusted() in _PLAIN_EXPONENTS else str(number)
