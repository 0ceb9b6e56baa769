"""What the Data API takes and gives, as PostgreSQL's: parameters, results and their types; no correction, but part of one."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from psycopg import pq

Parameter = dict[str, Any]
Field = dict[str, Any]

#: The first type number of what a database has defined itself, such as an enumeration.
OWN_TYPES = 16_384
BOOL, BYTEA, INT8, VARCHAR, NUMERIC, FLOAT8, TIMESTAMPTZ = 16, 17, 20, 1043, 1700, 701, 1184
INTEGERS, FLOATS = {INT8, 21, 23}, {700, FLOAT8}
#: Number, name, and what JDBC calls its kind, precision and scale.
TYPES: dict[int, tuple[str, int, int, int]] = {
    BOOL: ("bool", -7, 1, 0),
    BYTEA: ("bytea", -2, 2147483647, 0),
    18: ("char", 1, 1, 0),
    19: ("name", 12, 63, 0),
    INT8: ("int8", -5, 19, 0),
    21: ("int2", 5, 5, 0),
    23: ("int4", 4, 10, 0),
    25: ("text", 12, 2147483647, 0),
    26: ("oid", -5, 10, 0),
    114: ("json", 1111, 2147483647, 0),
    650: ("cidr", 1111, 2147483647, 0),
    700: ("float4", 7, 8, 8),
    FLOAT8: ("float8", 8, 17, 17),
    869: ("inet", 1111, 2147483647, 0),
    1042: ("bpchar", 1, 2147483647, 0),
    1082: ("date", 91, 13, 0),
    1083: ("time", 92, 15, 6),
    1114: ("timestamp", 93, 29, 6),
    TIMESTAMPTZ: ("timestamptz", 93, 35, 6),
    NUMERIC: ("numeric", 2, 0, 0),
    VARCHAR: ("varchar", 12, 2147483647, 0),
    2278: ("void", 1111, 2147483647, 0),
    2950: ("uuid", 1111, 2147483647, 0),
    3802: ("jsonb", 1111, 2147483647, 0),
}
#: Number of an array type: that of its elements.
ARRAYS = {
    199: 114,
    1000: BOOL,
    1005: 21,
    1007: 23,
    1009: 25,
    1014: 1042,
    1015: VARCHAR,
    1016: INT8,
    1021: 700,
    1022: FLOAT8,
    1115: 1114,
    1182: 1082,
    1183: 1083,
    1185: TIMESTAMPTZ,
    1231: NUMERIC,
    2951: 2950,
    3807: 3802,
}
JDBC_ARRAY, JDBC_OTHER = 2003, 1111
HINTS = {"DATE": 1082, "DECIMAL": NUMERIC, "JSON": 114, "TIME": 1083, "TIMESTAMP": 1114, "UUID": 2950}
SHAPES = {
    "DATE": re.compile(r"\d{4}-\d\d-\d\d"),
    "TIME": re.compile(r"\d\d:\d\d:\d\d(\.\d+)?"),
    "TIMESTAMP": re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?"),
}
# What a colon means nothing in, a cast, and a parameter.
TOKENS = re.compile(
    r"""[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$"""
    r"""|::|:(?P<name>[A-Za-z_]\w*)""",
    re.DOTALL,
)
ELEMENTS = re.compile(r'"((?:[^"\\]|\\.)*)"|([^,{}"]+)')
ZONE = re.compile(r"[+-]\d\d(:\d\d){0,2}$")
# Of the columns of tables: the table, its schema, whether it takes NULL, and whether it counts up itself.
ORIGINS = """
SELECT attrelid, attnum, relname, nspname, attnotnull, attidentity <> '' OR pg_get_expr(adbin, adrelid) LIKE 'nextval(%'
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attrelid = ANY ($1::oid[]) AND attnum > 0
"""


class RefusedError(Exception):
    """An error that the Data API answers with."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


def bound(statement: str, parameters: list[Parameter]) -> tuple[str, list[bytes | None], list[int]]:
    """A statement with PostgreSQL's numbered parameters, their values and their types."""
    given = {str(parameter.get("name")): parameter for parameter in parameters}
    names: list[str] = []

    def number(match: re.Match[str]) -> str:
        name = match["name"]
        if name is None:
            return match[0]
        if name not in given:
            code, said = "BadRequestException", f"Cannot find parameter: {name}"
            raise RefusedError(code, said)
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    numbered = TOKENS.sub(number, statement)
    typed = [_typed(given[name]) for name in names]
    return numbered, [value for value, _ in typed], [type_ for _, type_ in typed]


def _typed(parameter: Parameter) -> tuple[bytes | None, int]:
    hint = parameter.get("typeHint")
    match parameter.get("value") or {}:
        case {"isNull": True}:
            return None, HINTS.get(hint or "", 0)
        case {"stringValue": str() as text}:
            if hint in SHAPES and not SHAPES[hint].fullmatch(text):
                code, said = "BadRequestException", f"Parameter {parameter['name']} is no {hint} in the accepted format: {text}"
                raise RefusedError(code, said)
            if "\0" in text:
                code, said = "DatabaseErrorException", 'ERROR: invalid byte sequence for encoding "UTF8": 0x00; SQLState: 22021'
                raise RefusedError(code, said)
            return text.encode(), HINTS.get(hint or "", VARCHAR)
        case {"longValue": int() as whole}:
            return str(whole).encode(), INT8
        case {"doubleValue": (int() | float()) as real}:
            return repr(float(real)).encode(), FLOAT8
        case {"booleanValue": bool() as truth}:
            return str(truth).lower().encode(), BOOL
        case {"blobValue": str() as encoded}:
            return b"\\x" + base64.b64decode(encoded).hex().encode(), BYTEA
        case {"arrayValue": _}:
            code, said = "ValidationException", "Array parameters are not supported."
            raise RefusedError(code, said)
        case other:
            code, said = "BadRequestException", f"Parameter {parameter.get('name')} has no value: {other}"
            raise RefusedError(code, said)


def records(result: pq.abc.PGresult, options: Field) -> list[list[Field]]:
    """The rows of a result."""
    types = [result.ftype(column) for column in range(result.nfields)]
    for type_ in types:
        if type_ < OWN_TYPES and type_ not in TYPES and type_ not in ARRAYS:
            code, said = "UnsupportedResultException", f"The result contains the unsupported data type {type_}: cast it to text"
            raise RefusedError(code, said)
    rows = range(result.ntuples)
    return [[_field(result.get_value(row, column), type_, options) for column, type_ in enumerate(types)] for row in rows]


def _field(value: bytes | None, type_: int, options: Field) -> Field:
    if value is None:
        return {"isNull": True}
    text = value.decode()
    if type_ in ARRAYS:
        return {"arrayValue": _array(text, ARRAYS[type_])}
    if type_ == BYTEA:
        return {"blobValue": base64.b64encode(bytes.fromhex(text[2:])).decode()}
    if type_ in INTEGERS and options.get("longReturnType") == "STRING":
        return {"stringValue": text}
    if type_ == NUMERIC and options.get("decimalReturnType") == "DOUBLE_OR_LONG":
        type_ = FLOAT8 if "." in text else INT8
    kind, converted = _scalar(text, type_)
    return {f"{kind}Value": converted}


def _scalar(text: str, type_: int) -> tuple[str, Any]:
    """Which kind of value it is to the Data API, and the value."""
    if type_ in INTEGERS:
        return "long", int(text)
    if type_ in FLOATS:
        return "double", float(text)
    if type_ == BOOL:
        return "boolean", text == "t"
    return "string", _in_utc(text) if type_ == TIMESTAMPTZ else text


def _in_utc(text: str) -> str:
    """A time without its zone: that of the session, which is UTC unless a statement has changed it."""
    if text.endswith("+00"):
        return text.removesuffix("+00")
    if not ZONE.search(text):
        return text  # infinity, or before Christ
    there = datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)
    return there.isoformat(" ").rstrip("0") if there.microsecond else there.isoformat(" ")


def _array(text: str, type_: int) -> Field:
    found = ELEMENTS.findall(text[1:-1])
    if "{" in ELEMENTS.sub("", text[1:-1]) or ("", "NULL") in found:
        code, said = "UnsupportedResultException", "The result contains a multidimensional array, or one with NULL"
        raise RefusedError(code, said)
    converted = [_scalar(bare or re.sub(r"\\(.)", r"\1", quoted), type_) for quoted, bare in found]
    kind = converted[0][0] if converted else "string"
    return {f"{kind}Values": [value for _, value in converted]}


def column_metadata(result: pq.abc.PGresult, connection: pq.PGconn) -> list[Field]:
    """What is known of the columns of a result."""
    columns = range(result.nfields)
    origins = _origins({result.ftable(column) for column in columns} - {0}, connection)
    own = _own_names({result.ftype(column) for column in columns if result.ftype(column) >= OWN_TYPES}, connection)
    return [_column(result, column, origins, own) for column in columns]


def _column(result: pq.abc.PGresult, column: int, origins: dict[tuple[str, str], list[str]], own: dict[str, str]) -> Field:
    type_, label = result.ftype(column), (result.fname(column) or b"").decode()
    table, schema, required, counts = origins.get((str(result.ftable(column)), str(result.ftablecol(column))), ["", "", "", ""])
    name, kind, precision, scale = _described(type_, result.fmod(column), own)
    return {
        "arrayBaseColumnType": 0,
        "isAutoIncrement": counts == "t",
        "isCaseSensitive": type_ in {18, 19, 25, 1042, VARCHAR},
        "isCurrency": False,
        "isSigned": type_ in INTEGERS | FLOATS | {NUMERIC},
        "label": label,
        "name": label,
        "nullable": {"t": 0, "f": 1}.get(required, 2),
        "precision": precision,
        "scale": scale,
        "schemaName": schema,
        "tableName": table,
        "type": kind,
        "typeName": name,
    }


def _described(type_: int, modifier: int, own: dict[str, str]) -> tuple[str, int, int, int]:
    if type_ in ARRAYS:
        name, _, precision, scale = TYPES[ARRAYS[type_]]
        return f"_{name}", JDBC_ARRAY, precision, scale
    if type_ not in TYPES:
        return own[str(type_)], JDBC_OTHER, 2147483647, 0
    name, kind, precision, scale = TYPES[type_]
    if modifier >= 0 and type_ == NUMERIC:
        return name, kind, (modifier - 4) >> 16, (modifier - 4) & 0x7FF
    if modifier >= 0 and type_ in {1042, VARCHAR}:
        return name, kind, modifier - 4, 0
    return name, kind, precision, scale


def _origins(tables: set[int], connection: pq.PGconn) -> dict[tuple[str, str], list[str]]:
    return {(row[0], row[1]): row[2:] for row in _catalogue(ORIGINS, tables, connection)} if tables else {}


def _own_names(types: set[int], connection: pq.PGconn) -> dict[str, str]:
    query = "SELECT oid, typname FROM pg_type WHERE oid = ANY ($1::oid[])"
    return {row[0]: row[1] for row in _catalogue(query, types, connection)} if types else {}


def _catalogue(query: str, numbers: Iterable[int], connection: pq.PGconn) -> list[list[str]]:
    result = connection.exec_params(query.encode(), [f"{{{','.join(map(str, numbers))}}}".encode()])
    columns = range(result.nfields)
    return [[(result.get_value(row, column) or b"").decode() for column in columns] for row in range(result.ntuples)]
