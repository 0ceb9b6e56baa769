"""The RDS Data API of a cluster that runs here.

AWS runs the SQL with the user of the secret. Parameters have the types that they were given with, so text fits no date without
a hint or a cast; numbers are exact, times are UTC. One call runs one statement, for at most 45 seconds, and returns at most
1 MiB, else it ends the transaction. A transaction ends when nobody used it for three minutes, or after 24 hours.
https://docs.aws.amazon.com/rdsdataservice/latest/APIReference/API_ExecuteStatement.html
https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/data-api-operations.html

The emulator puts the parameters into the text of the statement, calls each column a VARCHAR, has times with the server's zone
and no limits, and lets all of AWS wait for a statement that waits.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import json
import threading
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ministack.core.responses import json_response
from ministack.services import rds_data
from psycopg import conninfo, pq

from .data_api_values import RefusedError, bound, column_metadata, records
from .faults import expect, repeatedly
from .postgresql import HOST

STATEMENT_LIMIT = 45.0
RESPONSE_LIMIT = 1024 * 1024
IDLE_LIMIT, TRANSACTION_LIMIT = 180.0, 24 * 3600.0
#: As many statements as may wait at the same time; more than connections to a server.
CALLS = ThreadPoolExecutor(100, thread_name_prefix="rds-data")
ROWS, DONE, EMPTY = pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK, pq.ExecStatus.EMPTY_QUERY
FORMATS = "-c datestyle=ISO -c intervalstyle=iso_8601 -c bytea_output=hex -c extra_float_digits=1"
Request = dict[str, Any]
Answer = tuple[int, dict[str, str], bytes]
Action = Callable[[Request, Request], Request]
Calls = Callable[..., Coroutine[Any, Any, Answer]]


@dataclass
class Transaction:
    """A transaction that somebody has begun, with a connection of its own."""

    cluster: str
    connection: pq.PGconn
    began: float = field(default_factory=time.monotonic)
    used: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def over(self) -> bool:
        """Whether it has lived too long."""
        now = time.monotonic()
        return now - self.used > IDLE_LIMIT or now - self.began > TRANSACTION_LIMIT


transactions: dict[str, Transaction] = {}


def check() -> None:
    """The parameters go into the text."""
    code = inspect.getsource(rds_data._execute_statement)
    expect("_substitute_named_params" in code, "the emulator no longer puts parameters into the text of a statement")


def apply() -> None:
    """Take over what concerns a cluster with a server, each call in a thread of its own."""
    actions: dict[str, Action] = {
        "_batch_execute_statement": _batch,
        "_begin_transaction": _begin,
        "_commit_transaction": functools.partial(_end, "COMMIT", "Transaction Committed"),
        "_execute_statement": _execute,
        "_rollback_transaction": functools.partial(_end, "ROLLBACK", "Transaction Rolled Back"),
    }
    for name, action in actions.items():
        setattr(rds_data, name, _for_servers(action, getattr(rds_data, name)))
    rds_data.handle_request = _in_a_thread(rds_data.handle_request)
    repeatedly(1.0, _expire)


def _in_a_thread(stock: Calls) -> Calls:
    async def handle(*arguments: object) -> Answer:
        call = functools.partial(contextvars.copy_context().run, asyncio.run, stock(*arguments))
        return await asyncio.get_running_loop().run_in_executor(CALLS, call)

    return handle


def _for_servers(action: Action, stock: Callable[[Request], Answer]) -> Callable[..., Answer]:
    def act(request: Request) -> Answer:
        instance, _, cluster = rds_data._resolve_target(request.get("resourceArn") or "")
        if not instance or not cluster or cluster["Endpoint"] != HOST or not cluster.get("HttpEndpointEnabled"):
            return stock(request)
        try:
            answer: Answer = json_response(action(request, cluster))
        except RefusedError as refusal:
            answer = rds_data._error(refusal.code, str(refusal), refusal.status)
        return answer

    return act


def _execute(request: Request, cluster: Request) -> Request:
    with _connection(request, cluster) as connection:
        statement, values, types = bound(_required(request, "sql"), request.get("parameters") or [])
        result = _run(connection, statement, values, types, wait=bool(request.get("continueAfterTimeout")))
        answer: Request = {"generatedFields": [], "numberOfRecordsUpdated": _updated(result)}
        if result.status == ROWS:
            answer["records"] = records(result, request.get("resultSetOptions") or {})
            if len(json.dumps(answer["records"])) > RESPONSE_LIMIT:
                _close(request.get("transactionId"))
                code, said = "BadRequestException", "Database returned more than the allowed response size limit"
                raise RefusedError(code, said)
            if request.get("includeResultMetadata"):
                answer["columnMetadata"] = column_metadata(result, connection)
        return answer


def _batch(request: Request, cluster: Request) -> Request:
    """All parameter sets or none."""
    sets = request.get("parameterSets") or [[]]
    with _connection(request, cluster) as connection:
        own = "transactionId" not in request
        if own:
            _run(connection, "BEGIN")
        for parameters in sets:
            _run(connection, *bound(_required(request, "sql"), parameters))
        if own:
            _run(connection, "COMMIT")
    return {"updateResults": [{"generatedFields": []} for _ in sets]}


def _begin(request: Request, cluster: Request) -> Request:
    connection = _connect(request, cluster)
    _run(connection, "BEGIN")
    name = uuid.uuid4().hex
    transactions[name] = Transaction(cluster["DBClusterArn"], connection)
    return {"transactionId": name}


def _end(how: str, status: str, request: Request, cluster: Request) -> Request:
    _required(request, "transactionId")
    with _connection(request, cluster) as connection:
        try:
            _run(connection, how)
        finally:
            _close(request["transactionId"])
    return {"transactionStatus": status}


def _required(request: Request, name: str) -> str:
    if not request.get(name):
        code, said = "BadRequestException", f"{name} is required"
        raise RefusedError(code, said)
    return str(request[name])


@contextmanager
def _connection(request: Request, cluster: Request) -> Iterator[pq.PGconn]:
    """That of the transaction, or one that is closed in the end and commits each statement."""
    if not request.get("transactionId"):
        connection = _connect(request, cluster)
        try:
            yield connection
        finally:
            connection.finish()
        return
    transaction = transactions.get(request["transactionId"])
    if not transaction or transaction.cluster != cluster["DBClusterArn"]:
        code, said = "TransactionNotFoundException", f"Transaction {request['transactionId']} is not found"
        raise RefusedError(code, said, 404)
    with transaction.lock:
        transaction.used = time.monotonic()
        yield transaction.connection
        transaction.used = time.monotonic()


def _connect(request: Request, cluster: Request) -> pq.PGconn:
    user, password, refused = rds_data._require_secret_credentials(_required(request, "secretArn"))
    if refused:
        said = json.loads(refused[2])
        raise RefusedError(said["__type"], said["message"], refused[0])
    target = {"host": HOST, "port": cluster["Port"], "user": user or cluster["MasterUsername"], "password": password}
    name = request.get("database") or cluster["DatabaseName"] or "postgres"
    connection = pq.PGconn.connect(conninfo.make_conninfo(**target, dbname=name, options=FORMATS).encode())
    if connection.status != pq.ConnStatus.OK:
        _, _, said = connection.get_error_message().partition("failed: ")
        connection.finish()
        code = "DatabaseErrorException"
        raise RefusedError(code, said.strip())
    return connection


def _run(
    connection: pq.PGconn,
    statement: str,
    values: list[bytes | None] | None = None,
    types: list[int] | None = None,
    *,
    wait: bool = False,
) -> pq.abc.PGresult:
    """Run one statement, and cancel it when it takes too long."""
    limit = threading.Timer(STATEMENT_LIMIT, connection.get_cancel().cancel)
    limit.daemon = True
    if not wait:
        limit.start()
    try:
        result = connection.exec_params(statement.encode(), values or [], types or [])
    finally:
        limit.cancel()
    if result.status not in (ROWS, DONE, EMPTY):
        raise _refusal(result)
    return result


def _refusal(result: pq.abc.PGresult) -> RefusedError:
    """What the server says, in the words of AWS's driver."""
    fields = pq.DiagnosticField
    said = {name: result.error_field(name) for name in (fields.MESSAGE_DETAIL, fields.MESSAGE_HINT, fields.STATEMENT_POSITION)}
    state = (result.error_field(fields.SQLSTATE) or b"").decode()
    message = (result.error_field(fields.MESSAGE_PRIMARY) or b"").decode()
    if "multiple commands" in message:
        return RefusedError("ValidationException", "Multistatements aren't supported.")
    labels = ("Detail", "Hint", "Position")
    more = [f"{label}: {value.decode()}" for label, value in zip(labels, said.values(), strict=True) if value]
    severity = (result.error_field(fields.SEVERITY_NONLOCALIZED) or b"ERROR").decode()
    text = "; ".join([f"{severity}: {message}", *more, f"SQLState: {state}"])
    return RefusedError("StatementTimeoutException" if state == "57014" else "DatabaseErrorException", text)


def _updated(result: pq.abc.PGresult) -> int:
    """How many rows the statement changed; those that a query returns are none."""
    command = (result.command_status or b"").split(b" ")[0]
    return int(result.command_tuples or 0) if command in {b"INSERT", b"UPDATE", b"DELETE", b"MERGE"} else 0


def _close(name: str | None) -> None:
    """A transaction that was not committed is rolled back by the server."""
    if name and (transaction := transactions.pop(name, None)):
        transaction.connection.finish()


def _expire() -> None:
    for name, transaction in list(transactions.items()):
        if transaction.over and transaction.lock.acquire(blocking=False):
            _close(name)
