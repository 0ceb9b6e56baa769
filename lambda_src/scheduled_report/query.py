"""The query of a report: the user's SQL as a part of a larger statement, with named parameters and no value in its text.

Every value, whether from the event or from a row, travels beside the statement as a text that the database casts to its type:
``CAST(:p_from AS timestamptz)``. So there is one statement for all ways to the database, nothing is ever formatted into it, and
no digit is lost on the way. What names a column is checked and quoted.

Whatever two readers of a statement could take for different things is refused here: a second statement, brackets that close
more than they open, escapes and dollar quotes, which the Data API, the driver and PostgreSQL each read in their own way.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias

from scheduled_report.days import Day
from shared import strict_json
from shared.errors import InvalidError
from shared.settings import SettingsError

#: A value as it travels: a text, or NULL.
Parameters: TypeAlias = Mapping[str, str | None]

#: Types that a column may have to sort and page by, as their text says all of them; by the names that drivers give them.
KEY_TYPES = {
    "int2": "int2",
    "int4": "int4",
    "int8": "int8",
    "smallserial": "int2",
    "serial": "int4",
    "bigserial": "int8",
    "numeric": "numeric",
    "text": "text",
    "varchar": "text",
    "bpchar": "bpchar",
    "uuid": "uuid",
    "date": "date",
    "timestamp": "timestamp",
    "timestamptz": "timestamptz",
}

#: The parameters that every query has.
_OWN = {"report_date": "date", "from": "timestamptz", "until": "timestamptz"}

_BIGINT = range(-(2**63), 2**63)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")

_TOKEN = re.compile(
    r"""(?P<comment> --[^\n]* | /\*(?:(?!\*/|/\*).)*+\*/ )
      | (?P<escape> \b[eE]'  | \b[uU]&['"] | \$ )
      | (?P<prefixed> \b[nNbBxX]'(?:[^']|'')*+' )
      | (?P<text> '(?:[^']|'')*+' | "(?:[^"]|"")++" )
      | (?P<cast> :: )
      | :(?P<parameter> [A-Za-z_]\w* )
      | (?P<mark> [()\[\];:'"\x00] | /\* )
      | (?P<word> [A-Za-z_]\w* | [\d.]++ )
      | (?P<rest> . )""",
    re.VERBOSE | re.DOTALL,
)

_REFUSED = {
    "'": "has a ' that is not closed",
    '"': 'has a " that is not closed, or with nothing in it',
    ";": "has a ; before its end: a report is one statement",
    ":": "has a : that is neither a cast nor a parameter such as :report_date",
    "\0": "has a NUL",
    "/*": "has a comment that is not closed, or one in another",
}
_ESCAPED = "has an E'', a U&'' or a $: write a plain '...', chr(10) for a new line, and parameters as :name"


@dataclass(frozen=True, slots=True)
class Query:
    """A query that can be a part of a statement.

    Args:
        text: The SQL, with a cast around each parameter.
        names: The parameters in it.
        extra: Those that the user has added, with their values.
    """

    text: str
    names: frozenset[str]
    extra: Parameters = field(default_factory=dict)

    @classmethod
    def load(cls, file: Path, parameters_file: Path | None = None) -> "Query":
        """The query in this file, with the parameters in the other one.

        Raises:
            SettingsError: A file is missing, or what is in it cannot be used; the message begins with the variable.
        """
        types, extra = dict(_OWN), {}
        for name, value in ({} if parameters_file is None else _parameters(parameters_file)).items():
            types[name], extra[name] = _typed(name, value)
        try:
            return cls.parse(_read(file, "QUERY_FILE").decode(), types, extra)
        except UnicodeDecodeError:
            raise _unusable(variable="QUERY_FILE", file=file, fault="is not UTF-8") from None
        except InvalidError as error:
            raise _unusable(variable="QUERY_FILE", file=file, fault=error.detail) from None

    @classmethod
    def parse(cls, sql: str, types: Mapping[str, str] = _OWN, extra: Parameters | None = None) -> "Query":
        """The query in this SQL.

        Args:
            sql: One SELECT, with or without a ``;`` at its end.
            types: Name -> type of the parameters that there are.
            extra: The values of those that are the user's.

        Raises:
            InvalidError: It could not be part of another statement; the detail is the rest of a sentence about the query.
        """
        parts: list[str] = []
        names: set[str] = set()
        depth: list[str] = []
        for token in _TOKEN.finditer(_without_end(sql.removeprefix("\ufeff"))):
            parts.append(_part(token, types, names))
            _follow(token["mark"], depth)
        text = "".join(parts).strip()
        if depth or not text:
            msg = "has a bracket that is not closed" if depth else "is empty"
            raise InvalidError(msg)
        used = {name: value for name, value in (extra or {}).items() if name in names}
        return cls(text, frozenset(names), used)

    def parameters(self, day: Day) -> dict[str, str | None]:
        """The values of the query's parameters in the report of this day."""
        own = {"report_date": day.date.isoformat(), "from": day.begins.isoformat(), "until": day.ends.isoformat()}
        values = {name: value for name, value in own.items() if name in self.names} | dict(self.extra)
        return {f"p_{name}": value for name, value in values.items()}

    def page(self, keys: tuple[str, ...], after_types: tuple[str, ...] = ()) -> str:
        """The statement for a page, sorted by the keys: the first one, or the one after a row whose keys have these types.

        It needs ``page_rows``, and ``after_1``, ``after_2`` and so on.
        """
        columns = ", ".join(map(_quoted, keys))
        after = ", ".join(f"CAST(:after_{place} AS {_known(name)})" for place, name in enumerate(after_types, 1))
        where = f" WHERE ({columns}) > ({after})" if after else ""
        return f"{self._select('*')}{where} ORDER BY {columns} LIMIT CAST(:page_rows AS bigint)"

    def without_key(self, keys: tuple[str, ...]) -> str:
        """The statement for a row that has no value in one of the keys, which no page after the first could find."""
        missing = " OR ".join(f"{_quoted(key)} IS NULL" for key in keys)
        return f"{self._select('1')} WHERE {missing} LIMIT 1"

    def _select(self, what: str) -> str:
        return f"SELECT {what} FROM (\n{self.text}\n) AS report"  # noqa: S608  checked above: one statement, no value in it


def _without_end(sql: str) -> str:
    """The SQL without what may follow a statement: comments, space and one semicolon."""
    tokens = [token for token in _TOKEN.finditer(sql) if token["comment"] is None and not token[0].isspace()]
    return sql[: tokens[-1].start()] if tokens and tokens[-1][0] == ";" else sql


def _part(token: re.Match[str], types: Mapping[str, str], names: set[str]) -> str:
    """A token as it goes into the statement."""
    if token["comment"] is not None:
        return " "
    if token["escape"] is not None:
        raise InvalidError(_ESCAPED)
    if token["mark"] in _REFUSED:
        raise InvalidError(_REFUSED[token["mark"]])
    name = token["parameter"]
    if name is None:
        return f" {token[0]}" if token["text"] is not None else token[0]  # a letter before the quote would be a prefix
    if name not in types:
        msg = f"has the parameter :{name}; there are {', '.join(f':{known}' for known in sorted(types))}"
        raise InvalidError(msg)
    names.add(name)
    return f"CAST(:p_{name} AS {types[name]})"


def _follow(mark: str | None, depth: list[str]) -> None:
    if mark in {"(", "["}:
        depth.append(mark)
    elif mark in {")", "]"} and (not depth or depth.pop() != {")": "(", "]": "["}[mark]):
        msg = "has a bracket that closes nothing"
        raise InvalidError(msg)


def _quoted(identifier: str) -> str:
    if not _NAME.fullmatch(identifier):
        msg = f"KEY_COLUMNS must have names of letters, digits and _, got {identifier!r}"
        raise SettingsError(msg)
    return f'"{identifier}"'


def _known(key_type: str) -> str:
    return KEY_TYPES[key_type]


def _read(file: Path, variable: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        msg = f"{variable} names {file.name}, which is not in the code"
        raise SettingsError(msg) from None


def _parameters(file: Path) -> dict[str, strict_json.Json]:
    try:
        document = strict_json.parse(_read(file, "PARAMETERS_FILE"))
    except InvalidError as error:
        raise _unusable(
            variable="PARAMETERS_FILE", file=file, fault=f"is not the JSON that is needed: {error.detail}"
        ) from None
    if not isinstance(document, dict):
        raise _unusable(variable="PARAMETERS_FILE", file=file, fault="is no JSON object")
    for name in document:
        if not _NAME.fullmatch(name) or name in _OWN:
            raise _unusable(variable="PARAMETERS_FILE", file=file, fault=f"has a parameter of a name that cannot be: {name!r}")
    return document


def _typed(name: str, value: strict_json.Json) -> tuple[str, str | None]:
    """The type of a parameter, and its value as it travels."""
    match value:
        case bool():
            return "boolean", str(value).lower()
        case Decimal():
            is_whole = value == value.to_integral_value() and int(value) in _BIGINT
            return ("bigint" if is_whole else "numeric"), format(value, "f")
        case str() | None:
            return "text", value
        case _:
            msg = f"PARAMETERS_FILE must have texts, numbers, true, false or null, but {name} is a list or an object"
            raise SettingsError(msg)


def _unusable(*, variable: str, file: Path, fault: str) -> SettingsError:
    return SettingsError(f"{variable} names {file.name}, which {fault}")
