"""The values of this pattern: its settings, what a cell of a report holds, and the run that makes one."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta, tzinfo
from enum import StrEnum
from pathlib import Path
from typing import Any, Self, TypeAlias
from zoneinfo import ZoneInfo

from shared import settings
from shared.announcer import AnnouncerSettings
from shared.observability import LogSettings
from shared.settings import SettingsError

DATA_API = "data_api"
POSTGRES = "postgres"
DYNAMODB = "dynamodb"

#: A link is signed with the credentials of the function's role, which live no longer than this.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ShareObjectPreSignedURL.html
MOST_LINK_SECONDS = 43_200

#: https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-flexible-time-windows.html
MOST_WINDOW_SECONDS = 86_400

#: https://docs.aws.amazon.com/ses/latest/dg/quotas.html
_MOST_RECIPIENTS = 50

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_PREFIX = re.compile(r"(?:(?!\.{1,2}/)[A-Za-z0-9!_.*'()=-]{1,128}/){0,8}")
_ADDRESS = re.compile(r"(?=.{3,254}$)[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)


class Number(str):
    """A number with the digits that its source wrote: no float, no context and no rounding come between it and the report."""

    __slots__ = ()

    @classmethod
    def of(cls, digits: str) -> "Number | str":
        """The number in this text, or the text if it is none: ``NaN`` and ``-Infinity`` are words to whoever opens a file."""
        return cls(digits) if _NUMBER.fullmatch(digits) else digits


#: What is in one place of a report: a number, a text, or nothing.
Cell: TypeAlias = Number | str | None
Row: TypeAlias = tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """What a source has for a report.

    Args:
        columns: The names of the columns.
        rows: The rows, read while they are asked for.
    """

    columns: tuple[str, ...]
    rows: Iterator[Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """Where the rows of a report come from, if that is an SQL database.

    Args:
        query_file: QUERY_FILE: the query, relative to the root of the code.
        key_columns: KEY_COLUMNS: the columns of the query that together are there only once; the report is sorted by them.
        secret_arn: DATABASE_SECRET_ARN: the secret with the user, and for ``postgres`` also with the address.
        parameters_file: PARAMETERS_FILE: more named parameters of the query, relative to the root of the code, or none.
        page_rows: PAGE_ROWS: how many rows are read at a time. Default 1000.
        statement_timeout_seconds: STATEMENT_TIMEOUT_SECONDS: how long the database works on one page. Default 60.
        cluster_arn: CLUSTER_ARN: for ``data_api``, else ``""``.
        name: DATABASE_NAME: for ``data_api``; for ``postgres`` where the secret has no ``dbname``, or ``""``.
        host: DATABASE_HOST: for ``postgres`` where the secret has no ``host``, or ``""``.
        port: DATABASE_PORT: for ``postgres`` where the secret has no ``port``. Default 5432.
        ca_file: CA_FILE: PEM certificates to trust beside the public ones, relative to the root of the code, or none.
    """

    query_file: Path
    key_columns: tuple[str, ...]
    secret_arn: str
    parameters_file: Path | None = None
    page_rows: int = 1000
    statement_timeout_seconds: int = 60
    cluster_arn: str = ""
    name: str = ""
    host: str = ""
    port: int = 5432
    ca_file: Path | None = None

    @classmethod
    def from_environment(cls, variables: Mapping[str, str], source: str) -> Self:
        """The settings in these variables.

        Raises:
            SettingsError: A variable is missing or malformed.
        """
        managed = source == DATA_API
        return cls(
            query_file=settings.code_file(variables, "QUERY_FILE"),
            key_columns=_identifiers(variables, "KEY_COLUMNS"),
            secret_arn=settings.text(variables, "DATABASE_SECRET_ARN"),
            parameters_file=_optional_file(variables, "PARAMETERS_FILE"),
            page_rows=settings.integer(variables, "PAGE_ROWS", 1000, least=1, most=100_000),
            statement_timeout_seconds=settings.integer(variables, "STATEMENT_TIMEOUT_SECONDS", 60, least=1, most=900),
            cluster_arn=settings.text(variables, "CLUSTER_ARN") if managed else "",
            name=settings.text(variables, "DATABASE_NAME") if managed else variables.get("DATABASE_NAME", ""),
            host=variables.get("DATABASE_HOST", ""),
            port=settings.integer(variables, "DATABASE_PORT", 5432, least=1, most=65_535),
            ca_file=_optional_file(variables, "CA_FILE"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncementSettings:
    """Who is told of a report.

    Args:
        announcer: TOPIC_ARN or BUS_NAME: the topic or the bus, or none.
        mail_from: MAIL_FROM: the sender of the mail, or ``""``.
        mail_to: MAIL_TO: who gets the mail; nobody without a sender.
        configuration_set: MAIL_CONFIGURATION_SET: what of SES the mail is sent with, or ``""``.
        link_seconds: LINK_SECONDS: how long the links to the files work. Default an hour, at most 12 hours.
    """

    announcer: AnnouncerSettings | None
    mail_from: str
    mail_to: tuple[str, ...]
    configuration_set: str
    link_seconds: int

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> Self:
        """The settings in these variables.

        Raises:
            SettingsError: A variable is malformed, one of MAIL_FROM and MAIL_TO is missing, or there is a topic and a bus.
        """
        senders, recipients = _addresses(variables, "MAIL_FROM"), _addresses(variables, "MAIL_TO")
        if len(senders) > 1 or bool(senders) != bool(recipients):
            msg = "MAIL_FROM must be one address, and set together with MAIL_TO"
            raise SettingsError(msg)
        if len(recipients) > _MOST_RECIPIENTS:
            msg = f"MAIL_TO must have at most {_MOST_RECIPIENTS} addresses, got {len(recipients)}: use the topic instead"
            raise SettingsError(msg)
        return cls(
            announcer=AnnouncerSettings.if_any(variables),
            mail_from=senders[0] if senders else "",
            mail_to=recipients,
            configuration_set=variables.get("MAIL_CONFIGURATION_SET", ""),
            link_seconds=settings.integer(variables, "LINK_SECONDS", 3600, least=1, most=MOST_LINK_SECONDS),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the construct tells the handler through environment variables.

    Args:
        report_name: REPORT_NAME: what the report is called: 1 to 64 letters, digits, ``-`` or ``_``.
        time_zone: TIME_ZONE: whose days the report is about, such as ``Europe/Berlin``. Default UTC.
        flexible_window: FLEXIBLE_WINDOW_SECONDS: how much later than planned the schedule may begin. Default 0.
        bucket_name: REPORT_BUCKET_NAME: where the files go.
        prefix: REPORT_PREFIX: what their keys begin with. Default ``reports/``.
        runs_table_name: RUNS_TABLE_NAME: the table of the runs; its key is the text ``id``.
        source: SOURCE: ``data_api``, ``postgres`` or ``dynamodb``.
        database: What goes with the first two; ``None`` for ``dynamodb``.
        table_name: SOURCE_TABLE_NAME: for ``dynamodb``, else ``""``.
        columns: COLUMNS: the attributes that are the columns, for ``dynamodb``.
        announcement: TOPIC_ARN or BUS_NAME, MAIL_FROM, MAIL_TO and LINK_SECONDS.
        most_rows: MAX_ROWS: a report with more rows fails. Default a million.
        html_rows: HTML_ROWS: how many rows the page shows; the CSV has them all. Default 1000.
        chart: CHART_LABEL and CHART_VALUE: the columns that the page draws, or none.
        logs: LOG_LEVEL and DEBUG_SAMPLE_RATE.
    """

    report_name: str
    time_zone: tzinfo
    flexible_window: timedelta
    bucket_name: str
    prefix: str
    runs_table_name: str
    source: str
    database: DatabaseSettings | None
    table_name: str
    columns: tuple[str, ...]
    announcement: AnnouncementSettings
    most_rows: int
    html_rows: int
    chart: tuple[str, str] | None
    logs: LogSettings

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> Self:
        """The settings in these variables.

        Raises:
            SettingsError: A variable is missing or malformed; the message begins with its name.
        """
        source = settings.choice(variables, "SOURCE", "", allowed=(DATA_API, POSTGRES, DYNAMODB))
        is_table = source == DYNAMODB
        return cls(
            report_name=_matching(variables, "REPORT_NAME", _NAME, "1 to 64 letters, digits, - or _"),
            time_zone=_time_zone(variables),
            flexible_window=timedelta(
                seconds=settings.integer(variables, "FLEXIBLE_WINDOW_SECONDS", 0, least=0, most=MOST_WINDOW_SECONDS)
            ),
            bucket_name=settings.text(variables, "REPORT_BUCKET_NAME"),
            prefix=_matching(
                variables, "REPORT_PREFIX", _PREFIX, "folders that each end with /, none of them . or ..", "reports/"
            ),
            runs_table_name=settings.text(variables, "RUNS_TABLE_NAME"),
            source=source,
            database=None if is_table else DatabaseSettings.from_environment(variables, source),
            table_name=settings.text(variables, "SOURCE_TABLE_NAME") if is_table else "",
            columns=_distinct(variables, "COLUMNS") if is_table else (),
            announcement=AnnouncementSettings.from_environment(variables),
            most_rows=settings.integer(variables, "MAX_ROWS", 1_000_000, least=1, most=100_000_000),
            html_rows=settings.integer(variables, "HTML_ROWS", 1000, least=0, most=10_000),
            chart=_chart(variables),
            logs=LogSettings.from_environment(variables),
        )


def _optional_file(variables: Mapping[str, str], name: str) -> Path | None:
    return settings.code_file(variables, name) if variables.get(name) else None


def _matching(
    variables: Mapping[str, str], name: str, pattern: re.Pattern[str], allowed: str, default: str | None = None
) -> str:
    given = settings.text(variables, name, default)
    if not pattern.fullmatch(given):
        msg = f"{name} must be {allowed}, got {given!r}"
        raise SettingsError(msg)
    return given


def _distinct(variables: Mapping[str, str], name: str) -> tuple[str, ...]:
    given = settings.texts(variables, name)
    if not given or len(set(given)) < len(given):
        msg = f"{name} must have one name or more with commas between them, each only once, got {variables.get(name, '')!r}"
        raise SettingsError(msg)
    return given


def _identifiers(variables: Mapping[str, str], name: str) -> tuple[str, ...]:
    given = _distinct(variables, name)
    for column in given:
        if not _IDENTIFIER.fullmatch(column):
            msg = f"{name} must have names of at most 63 letters, digits and _ that begin with no digit, got {column!r}"
            raise SettingsError(msg)
    return given


def _addresses(variables: Mapping[str, str], name: str) -> tuple[str, ...]:
    given = settings.texts(variables, name)
    for address in given:
        if not _ADDRESS.fullmatch(address):
            msg = f"{name} must have addresses like reports@example.com, without names and brackets, got {address!r}"
            raise SettingsError(msg)
    return given


def _time_zone(variables: Mapping[str, str]) -> tzinfo:
    given = settings.text(variables, "TIME_ZONE", "UTC")
    try:
        return ZoneInfo(given)
    except (ValueError, OSError, KeyError):  # KeyError: ZoneInfoNotFoundError is one
        msg = f"TIME_ZONE must be a name of the IANA time zones, such as Europe/Berlin, got {given!r}"
        raise SettingsError(msg) from None


def _chart(variables: Mapping[str, str]) -> tuple[str, str] | None:
    label, value = variables.get("CHART_LABEL"), variables.get("CHART_VALUE")
    if bool(label) != bool(value):
        msg = f"{'CHART_VALUE' if label else 'CHART_LABEL'} must be set: CHART_LABEL and CHART_VALUE go together"
        raise SettingsError(msg)
    return (label, value) if label and value else None


class State(StrEnum):
    """Where a run stands: RUNNING, then DONE or FAILED; a failed one can be taken up again."""

    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who makes a report.

    Args:
        request: The invocation; Lambda's own retries have the same one.
        function: The name of the function.
    """

    request: str
    function: str


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a report as they are in the bucket.

    Args:
        keys: Their keys: the CSV, then the page.
        rows: How many rows the report has.
        bytes: How large the files are together.
    """

    keys: tuple[str, ...] = ()
    rows: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The row of a report of one day.

    Args:
        id: The report and the day.
        state: Where it stands.
        attempts: Which attempt this is; only the latest may write.
        published: Whether the topic or the bus has been told.
        mailed: Whether the mail has been sent.
        owner: The function that makes it; ``""`` where that was not written down.
        request: The invocation that makes it; Lambda's own retries have the same one.
        files: What has been written, if it is done.
    """

    id: str
    state: State
    attempts: int
    published: bool = False
    mailed: bool = False
    owner: str = ""
    request: str = ""
    files: Files = field(default_factory=Files)

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Self:
        """The run in the values of its row."""
        return cls(
            id=values["id"],
            state=State(values["state"]),
            attempts=int(values["attempts"]),
            published="published_at" in values,
            mailed="mailed_at" in values,
            owner=values.get("owner", ""),
            request=values.get("request_id", ""),
            files=Files(tuple(values.get("keys", ())), int(values.get("rows", 0)), int(values.get("bytes", 0))),
        )
