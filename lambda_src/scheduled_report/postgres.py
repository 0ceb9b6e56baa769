"""Rows of any PostgreSQL, by its own protocol; where it is and who asks is in a secret."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from scheduled_report.days import Day
from scheduled_report.deadline import Deadline
from scheduled_report.models import Cell, DatabaseSettings, Number, Table
from scheduled_report.paging import Answer, Column, Pager
from scheduled_report.query import Parameters, Query
from scheduled_report.refusals import NOT_LET_IN, refusal
from scheduled_report.secret import Address, Secret, SecretsClient
from shared.errors import UnavailableError
from shared.strict_json import Json

_CONNECT_SECONDS = 5
#: Beyond the statement timeout, for the answer to get here.
_MARGIN_SECONDS = 10

#: The types whose text is read otherwise than as a text, and those that a report can be paged by.
#: https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat
_TYPES = {
    16: "bool",
    20: "int8",
    21: "int2",
    23: "int4",
    25: "text",
    26: "oid",
    700: "float4",
    701: "float8",
    1042: "bpchar",
    1043: "varchar",
    1082: "date",
    1114: "timestamp",
    1184: "timestamptz",
    1700: "numeric",
    2950: "uuid",
}
_NUMERIC = frozenset({"int2", "int4", "int8", "oid", "float4", "float8", "numeric"})

_UNREACHABLE = "The database cannot be reached: check the host and the port in the secret, the security groups and the TLS."
_BROKE = "The connection to the database broke, or it did not answer in time."


class Connection(Protocol):
    """What is used of a connection of pg8000."""

    columns: list[dict[str, Any]] | None

    def run(self, sql: str, **parameters: str | None) -> list[list[str | None]] | None:
        """Run a statement."""

    def close(self) -> None:
        """Leave."""


def connect(address: Address, seconds: float, ca_file: Path | None = None) -> Connection:
    """A connection, over TLS unless the database is on this machine.

    Args:
        address: Where to.
        seconds: How long an answer may take.
        ca_file: Certificates to trust beside the public ones.

    Raises:
        UnavailableError: It cannot be reached.
        HandlerError: It refuses the user.
    """
    from pg8000 import converters, native  # type: ignore[import-untyped]  # noqa: PLC0415  only reports of this source need it

    try:
        wire = _socket(address, seconds)
    except OSError:
        raise UnavailableError(_UNREACHABLE) from None
    with _words(native, broken=NOT_LET_IN):
        try:
            connection = native.Connection(
                address.username,
                host=address.host,
                password=address.password,
                database=address.database,
                sock=wire,
                ssl_context=tls(address.sslmode, ca_file),
                application_name="scheduled_report",
            )
        except BaseException:
            wire.close()
            raise
    for oid in converters.PG_TYPES:
        connection.register_in_adapter(oid, str)  # the text that PostgreSQL writes, all its digits included
    made: Connection = connection
    return made


def _socket(address: Address, seconds: float) -> socket.socket:
    if address.host.startswith("/"):
        wire = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            wire.connect(f"{address.host}/.s.PGSQL.{address.port}")
        except OSError:
            wire.close()
            raise
    else:
        wire = socket.create_connection((address.host, address.port), _CONNECT_SECONDS)
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    wire.settimeout(seconds)
    return wire


def tls(sslmode: str, ca_file: Path | None = None) -> ssl.SSLContext | bool:
    """As libpq means it: ``require`` encrypts, ``verify-full`` also checks who answers.

    Like libpq, it does not hold it against a CA that it follows RFC 5280 less than to the letter, as private ones do.
    """
    if sslmode == "disable":
        return False
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if sslmode == "require":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@contextmanager
def _words(native: Any, *, broken: str = _BROKE) -> Iterator[None]:  # noqa: ANN401  the module
    """Errors of the driver in words of ours: its own quote values and repeat the address."""
    try:
        yield
    except native.DatabaseError as error:
        fields = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
        raise refusal(str(fields.get("C", "?")), str(fields.get("M", ""))) from None
    except (native.InterfaceError, OSError):
        raise UnavailableError(broken) from None


class Postgres:
    """A PostgreSQL.

    Args:
        settings: The settings of the database.
        client: The client to use for the secret. Default: a new one, with short timeouts.
    """

    def __init__(self, settings: DatabaseSettings, client: SecretsClient | None = None) -> None:
        self._settings = settings
        self._secret = Secret(settings.secret_arn, _place(settings), client)
        self._query = Query.load(settings.query_file, settings.parameters_file)

    @contextmanager
    def open(self, day: Day, deadline: Deadline) -> Iterator[Table]:
        """The rows of a day, in a transaction that lasts as long as the context."""
        seconds = min(self._settings.statement_timeout_seconds, deadline.left()) + _MARGIN_SECONDS
        connection = connect(self._secret.read(), seconds, self._settings.ca_file)
        try:
            session = _Session(connection)
            session.run("BEGIN", {})
            yield Pager(self._settings, self._query, session, day, deadline).table()
        finally:
            _leave(connection)


def _place(settings: DatabaseSettings) -> dict[str, Json]:
    """What is known of the database without its secret. With certificates to check it by, it is checked."""
    known: dict[str, Json] = {
        "host": settings.host,
        "port": settings.port,
        "dbname": settings.name,
        "sslmode": "verify-full" if settings.ca_file else "",
    }
    return {name: value for name, value in known.items() if value}


class _Session:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def run(self, sql: str, parameters: Parameters) -> Answer:
        from pg8000 import native  # noqa: PLC0415  only reports of this source need it

        with _words(native):
            rows = self._connection.run(sql, **parameters) or []
        columns = tuple(
            Column(str(found["name"]), _TYPES.get(found["type_oid"], f"number {found['type_oid']}"))
            for found in self._connection.columns or ()
        )
        types = [column.type for column in columns]
        return Answer(columns, [tuple(map(_cell, types, row)) for row in rows])


def _cell(column_type: str, text: str | None) -> Cell:
    if text is None:
        return None
    if column_type in _NUMERIC:
        return Number.of(text)
    return {"t": "true", "f": "false"}[text] if column_type == "bool" else text


def _leave(connection: Connection) -> None:
    """Close, which ends the transaction too; a connection that is broken is as good as closed."""
    from pg8000 import native  # noqa: PLC0415  only reports of this source need it

    with suppress(native.InterfaceError, OSError):
        connection.close()
