"""Rows by the Data API of Aurora: ``rds-data:BeginTransaction``, ``ExecuteStatement`` and ``RollbackTransaction``.

The Data API reads the secret with the caller's right to, so ``secretsmanager:GetSecretValue`` is needed as well.
https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/data-api.limitations.html
"""

import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from scheduled_report.days import Day
from scheduled_report.deadline import Deadline
from scheduled_report.models import Cell, DatabaseSettings, Number, Row, Table
from scheduled_report.paging import Answer, Column, Pager
from scheduled_report.query import Parameters, Query
from scheduled_report.refusals import refusal
from shared.errors import HandlerError, InvalidError, TooLargeError, UnavailableError
from shared.observability import best_effort

#: The Data API itself ends a statement after 45 s, and answers then; AWS advises a minute at least.
_READ_SECONDS = 60
_CONFIG = Config(connect_timeout=2, read_timeout=_READ_SECONDS, retries={"mode": "standard", "total_max_attempts": 2})

#: A paused database is there again after about 15 s, or 30 s and more if it slept for a day.
#: https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-serverless-v2-auto-pause.html
_MOST_RESUME_SECONDS = 60
_LONGEST_PAUSE_SECONDS = 8

_SQLSTATE = re.compile(r";?\s*SQLState: (\w{5})")
_TOO_LARGE = re.compile("size limit|too large", re.IGNORECASE)
_WITHOUT_OFFSET = re.compile(r"\d{4,}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?")
_NUMERIC = frozenset({"int2", "int4", "int8", "smallserial", "serial", "bigserial", "numeric", "float4", "float8", "oid"})
_UNQUOTED = re.compile(r"(?!null$)[^\s\"\\{},]+", re.IGNORECASE)

_ROW_TOO_LARGE = "A row is larger than the Data API returns: 64 KB. Let the query cut its longest texts."
_MEANINGS: Mapping[str, str] = {
    "StatementTimeoutException": "The Data API stopped the query: it ends each statement after 45 s. Let the query do less.",
    "UnsupportedResultException": "The query has a column that the Data API cannot return: cast it to text in the query.",
    "TransactionNotFoundException": "The transaction was gone: the database restarted, or was asked nothing for three minutes.",
    "HttpEndpointNotEnabledException": "The Data API is not turned on for the cluster.",
    "DatabaseUnavailableException": "The database cannot be reached now.",
    "DatabaseNotFoundException": "There is no database of the name in DATABASE_NAME.",
    "InvalidSecretException": "The secret has no username and password that the Data API can use.",
    "SecretsErrorException": "The Data API could not read the secret.",
}


class RdsDataClient(Protocol):
    """The calls that are made."""

    def begin_transaction(self, **parameters: Any) -> Any:  # noqa: ANN401  boto3's own
        """Begin a transaction."""

    def execute_statement(self, **parameters: Any) -> Any:  # noqa: ANN401  boto3's own
        """Run a statement in it."""

    def rollback_transaction(self, **parameters: Any) -> Any:  # noqa: ANN401  boto3's own
        """End it."""


class DataApi:
    """A cluster behind the Data API.

    Args:
        settings: The settings of the database.
        client: The client to use. Default: a new one that waits as long as a statement may take.
        pause: What waits for so many seconds.
    """

    def __init__(
        self,
        settings: DatabaseSettings,
        client: RdsDataClient | None = None,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._settings = settings
        self._client: RdsDataClient = client or boto3.client("rds-data", config=_CONFIG)
        self._pause = pause
        self._query = Query.load(settings.query_file, settings.parameters_file)
        self._page_rows = settings.page_rows

    @contextmanager
    def open(self, day: Day, deadline: Deadline) -> Iterator[Table]:
        """The rows of a day, in a transaction that lasts as long as the context.

        Raises:
            TooLargeError: A page was larger than the Data API returns. Those of the next transaction have half as many rows.
            InvalidError: So is a single row.
        """
        session = _Session(self._settings, self._client, self._pause, deadline)
        session.begin()
        try:
            yield Pager(self._settings, self._query, session, day, deadline, page_rows=self._page_rows).table()
        except TooLargeError:
            if self._page_rows == 1:
                raise InvalidError(_ROW_TOO_LARGE) from None
            self._page_rows //= 2
            raise
        finally:
            session.end()


class _Session:
    def __init__(
        self, settings: DatabaseSettings, client: RdsDataClient, pause: Callable[[float], object], deadline: Deadline
    ) -> None:
        self._where = {"resourceArn": settings.cluster_arn, "secretArn": settings.secret_arn}
        self._database = settings.name
        self._client = client
        self._pause = pause
        self._deadline = deadline
        self._transaction = ""

    def begin(self) -> None:
        answer = self._called(self._client.begin_transaction, {"database": self._database})
        self._transaction = answer["transactionId"]

    def end(self) -> None:
        """Roll back, unless it is over. If that fails it ends by itself after three minutes, and it has changed nothing."""
        if self._transaction:
            with best_effort("transaction not rolled back"):  # it must not hide why the run ends
                self._client.rollback_transaction(transactionId=self._transaction, **self._where)

    def run(self, sql: str, parameters: Parameters) -> Answer:
        statement = {
            "database": self._database,
            "transactionId": self._transaction,
            "sql": sql,
            "parameters": [{"name": name, "value": _field(value)} for name, value in parameters.items()],
            "includeResultMetadata": True,
            "formatRecordsAs": "NONE",
            "resultSetOptions": {"decimalReturnType": "STRING", "longReturnType": "LONG"},
        }
        try:
            answer = self._called(self._client.execute_statement, statement)
        except TooLargeError:
            self._transaction = ""  # it ended with the answer
            raise
        columns = tuple(Column(found["label"], found["typeName"]) for found in answer.get("columnMetadata", ()))
        return Answer(columns, [_row(columns, record) for record in answer.get("records", ())])

    def _called(self, call: Callable[..., Any], parameters: dict[str, Any]) -> Any:  # noqa: ANN401  boto3's own
        """Call, and again while the database wakes up, for a minute at most and no longer than there is time."""
        waited = 0.0
        longest = 1.0
        while True:
            left = self._deadline.left()
            try:
                return call(**self._where, **parameters)
            except ClientError as error:
                if error.response["Error"]["Code"] != "DatabaseResumingException" or waited >= min(_MOST_RESUME_SECONDS, left):
                    raise _meaning(error) from None
            seconds = longest * random.uniform(0.75, 1)  # noqa: S311  a jitter, not a secret
            self._pause(seconds)
            waited, longest = waited + seconds, min(2 * longest, _LONGEST_PAUSE_SECONDS)


def _meaning(error: ClientError) -> Exception:
    code, words = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    if state := _SQLSTATE.search(words):
        return refusal(state[1], words[: state.start()].removeprefix("ERROR: "))
    if code in {"BadRequestException", "UnsupportedResultException", "DatabaseErrorException"} and _TOO_LARGE.search(words):
        return TooLargeError("The answer is larger than 1 MiB.")
    if code == "DatabaseResumingException":
        return UnavailableError("The database was paused, and did not wake up in time.")
    if code in _MEANINGS:
        return HandlerError(_MEANINGS[code])
    if code in {"BadRequestException", "DatabaseErrorException"}:
        return HandlerError("The Data API refused the query.")  # its words may quote a value
    return error


def _field(value: str | None) -> dict[str, object]:
    return {"isNull": True} if value is None else {"stringValue": value}


def _row(columns: tuple[Column, ...], record: list[dict[str, Any]]) -> Row:
    return tuple(_cell(column.type, found) for column, found in zip(columns, record, strict=True))


def _cell(column_type: str, found: dict[str, Any]) -> Cell:
    """The cell in a field, which has one member: its kind and its value."""
    ((kind, value),) = found.items()
    if kind == "isNull":
        return None
    text = _text(kind, value)
    if column_type in _NUMERIC:
        return Number.of(text)
    if column_type == "timestamptz" and _WITHOUT_OFFSET.fullmatch(text):
        return f"{text}+00"  # the transaction is in UTC; the Data API does not say so
    return text


def _text(kind: str, value: Any) -> str:  # noqa: ANN401  whatever a field has
    match kind:
        case "booleanValue":
            return "true" if value else "false"
        case "blobValue":
            return f"\\x{bytes(value).hex()}"
        case "arrayValue":
            return _array(value)
        case "doubleValue":
            return repr(float(value))
        case _:
            return str(value)


def _array(value: dict[str, Any]) -> str:
    """The array as PostgreSQL writes it."""
    ((kind, elements),) = value.items()
    if kind == "arrayValues":
        return "{" + ",".join(_array(element) for element in elements) + "}"
    return "{" + ",".join(_element(kind.removesuffix("s"), element) for element in elements) + "}"


def _element(kind: str, element: object) -> str:
    if element is None:
        return "NULL"
    if kind == "booleanValue":
        return "t" if element else "f"
    text = _text(kind, element)
    if _UNQUOTED.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
