"""What a report asks, and how it looks."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from aws_cdk import Duration, Token

from serverless_patterns._blocks.checks import check, check_between, check_duration, check_texts, check_type, seconds_text

Parameter: TypeAlias = str | int | float | bool | None

#: Seconds after which the Data API ends a statement: https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/data-api.limitations.html
DATA_API_STATEMENT_SECONDS = 45
#: Seconds. Default of the statement timeout.
STATEMENT_SECONDS = 40
#: Rows. Default of a page.
PAGE_ROWS = 1000

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
#: How a query begins, after comments and parentheses.
_QUERY = re.compile(r"(?>\s|\(|--[^\n]*\n|/\*.*?\*/)*+(select|with|values|table)\b", re.IGNORECASE | re.DOTALL)
#: The parameters that every query has.
_OWN = ("report_date", "from", "until")


@dataclass(frozen=True, kw_only=True)
class ReportQuery:
    """What a report asks a database: one SELECT in the SQL of PostgreSQL, which is packed with the function.

    Args:
        sql: The SELECT. It may use ``:report_date`` (date), ``:from`` and ``:until`` (timestamptz: the first moment of the day
            and of the next), and the named parameters below; values travel beside the statement and are never put into it.
        key_columns: The columns that together name a row; the report is sorted by them, and read page by page after the last
            ones (keyset paging). None of them may be NULL.
        parameters: More named parameters: texts, numbers, truth values or None. Default: none.
        page_rows: Rows of a page, 1 to 100,000. Default 1,000; pages over the 1 MiB of the Data API are halved by themselves.
        statement_timeout: How long the database may work on one page, 1 to 900 s; with the Data API at most 45 s, after which
            it ends statements itself. Default 40 s.

    Raises:
        PatternError: A value does not fit. Whether the SQL can be paged is checked when the code is packed; whether its columns
            are there, only by the database.
    """

    sql: str
    key_columns: Sequence[str]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    page_rows: int = PAGE_ROWS
    statement_timeout: Duration | None = None

    def __post_init__(self) -> None:
        """Check the shapes and ranges."""
        check_type("sql", self.sql, str, "a SELECT")
        check(not Token.is_unresolved(self.sql), "sql must be known while defining: it is packed with the function")
        check(
            _QUERY.match(self.sql),
            f"sql must be one SELECT (or WITH, VALUES, TABLE), got {self.sql!r}: a report reads, and changes nothing",
        )
        check_texts("key_columns", self.key_columns)
        for column in self.key_columns:
            shape = "must have names of letters, digits and _, at most 63, that begin with no digit"
            check(_NAME.fullmatch(column), f"key_columns {shape}, got {column!r}")
        distinct = len(set(self.key_columns)) == len(self.key_columns) > 0
        check(distinct, f"key_columns must have one column or more, each once, got {list(self.key_columns)!r}")
        check_type("page_rows", self.page_rows, int, "a whole number")
        check_between("page_rows", self.page_rows, 1, 100_000)
        check_duration("statement_timeout", self.statement_timeout_or_default, least=1, most=900)
        _check_parameters(self.parameters)

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        *,
        key_columns: Sequence[str],
        parameters: Mapping[str, Parameter] | None = None,
        page_rows: int = PAGE_ROWS,
        statement_timeout: Duration | None = None,
    ) -> ReportQuery:
        """The query in a file of SQL.

        Raises:
            PatternError: There is no such file, it is not UTF-8, or another value does not fit.
        """
        file = Path(path)
        try:
            sql = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            check(holds=False, message=f"path must be a file of SQL in UTF-8, got {str(path)!r}: {error}")
            raise
        return cls(
            sql=sql,
            key_columns=key_columns,
            parameters={} if parameters is None else parameters,
            page_rows=page_rows,
            statement_timeout=statement_timeout,
        )

    @property
    def statement_timeout_or_default(self) -> Duration:
        """How long the database may work on one page."""
        return Duration.seconds(STATEMENT_SECONDS) if self.statement_timeout is None else self.statement_timeout

    @property
    def files(self) -> dict[str, str]:
        """What is packed beside the handler."""
        parameters = {"parameters.json": json.dumps(dict(self.parameters))} if self.parameters else {}
        return {"query.sql": self.sql, **parameters}

    @property
    def settings(self) -> dict[str, str]:
        """The environment variables from which the bundled handler knows its query."""
        found = {
            "QUERY_FILE": "scheduled_report/query.sql",
            "KEY_COLUMNS": ",".join(self.key_columns),
            "PAGE_ROWS": str(self.page_rows),
            "STATEMENT_TIMEOUT_SECONDS": seconds_text(self.statement_timeout_or_default),
        }
        return found | ({"PARAMETERS_FILE": "scheduled_report/parameters.json"} if self.parameters else {})


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Two columns of the report that the page draws as bars.

    Args:
        label: The column whose text stands at a bar.
        value: The column whose number is its length.
    """

    label: str
    value: str

    def __post_init__(self) -> None:
        """Check that they are names."""
        for name in ("label", "value"):
            value = getattr(self, name)
            check(isinstance(value, str) and value.strip(), f"{name} must be the name of a column, got {value!r}")


@dataclass(frozen=True, kw_only=True)
class ReportFormat:
    """How large a report may be, and what its page shows; the CSV has all rows.

    Args:
        max_rows: A report with more rows fails, 1 to 100,000,000. Default 1,000,000: about three minutes.
        html_rows: Rows that the page shows, 0 to 10,000. Default 1,000.
        chart: What the page draws. Default: nothing.

    Raises:
        PatternError: A value is outside its range.
    """

    max_rows: int = 1_000_000
    html_rows: int = 1_000
    chart: Chart | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, least, most in (("max_rows", 1, 100_000_000), ("html_rows", 0, 10_000)):
            check_type(name, getattr(self, name), int, "a whole number")
            check_between(name, getattr(self, name), least, most)
        check_type("chart", self.chart, Chart, "a Chart(label=..., value=...)", optional=True)

    @property
    def settings(self) -> dict[str, str]:
        """The environment variables from which the bundled handler knows it."""
        found = {"MAX_ROWS": str(self.max_rows), "HTML_ROWS": str(self.html_rows)}
        return found | ({} if self.chart is None else {"CHART_LABEL": self.chart.label, "CHART_VALUE": self.chart.value})


def _check_parameters(parameters: object) -> None:
    check(isinstance(parameters, Mapping), f"parameters must be a dict, got {parameters!r}")
    assert isinstance(parameters, Mapping)  # noqa: S101  checked above, for mypy
    for name, value in parameters.items():
        known = isinstance(name, str) and _NAME.fullmatch(name) and name not in _OWN
        check(known, f"parameters must have names of letters, digits and _ other than {', '.join(_OWN)}, got {name!r}")
        finite = not isinstance(value, float) or math.isfinite(value)
        plain = finite and (value is None or isinstance(value, str | int | float | bool))
        check(plain, f"parameters must be texts, numbers, True, False or None, got {name}={value!r}")
        known = not Token.is_unresolved(value)
        check(known, f"parameters must be known while defining, since they are packed with the function: {name} is not")
