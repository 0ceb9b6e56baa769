"""A real PostgreSQL behind a cluster: through the Data API as on AWS, and through a plain driver from a handler."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from serverless_patterns.errors import LocalRunError
from serverless_patterns.local import database as database_module
from serverless_patterns.local.account import Account
from serverless_patterns.local.database import Database
from serverless_patterns.local.emulator import Emulator
from serverless_patterns.local.processes import wait_until
from tests.local.conftest import Deploy, command_environment, zipped
from tests.local.test_corrections import in_the_emulators_environment
from tests.support.waiting import PATIENCE

START_AND_WAIT = """
import sys, time
from pathlib import Path
from serverless_patterns.local.account import Account
from serverless_patterns.local.database import Database
from serverless_patterns.local.emulator import Emulator
emulator = Emulator.start(Path(sys.argv[1]))
print(Database.start(Account(emulator.url)).credentials["port"], flush=True)
time.sleep(60)
"""
# Speaks PostgreSQL's protocol with nothing but the standard library: SCRAM, then one query.
HANDLER = """
import base64, boto3, hashlib, hmac, json, os, socket, struct
def handler(event, context):
    secret = json.loads(boto3.client("secretsmanager").get_secret_value(SecretId=os.environ["SECRET"])["SecretString"])
    with socket.create_connection((secret["host"], int(secret["port"])), timeout=5) as connection:
        stream = connection.makefile("rwb")
        log_in(stream, secret)
        send(stream, b"Q", event["sql"].encode() + bytes(1))
        rows = []
        while (kind := receive(stream))[0] != b"Z":
            if kind[0] == b"E":
                raise RuntimeError(kind[1])
            if kind[0] == b"D":
                rows.append(columns(kind[1]))
        return rows
def columns(body):
    (number,), found, at = struct.unpack("!H", body[:2]), [], 2
    for _ in range(number):
        (size,) = struct.unpack("!i", body[at:at + 4])
        found.append(body[at + 4:at + 4 + size].decode())
        at += 4 + size
    return found
def send(stream, kind, body):
    stream.write(kind + struct.pack("!I", len(body) + 4) + body)
    stream.flush()
def receive(stream):
    kind = stream.read(1)
    (size,) = struct.unpack("!I", stream.read(4))
    body = stream.read(size - 4)
    if kind == b"E":
        raise RuntimeError(body)
    return kind, body
def log_in(stream, secret):
    pairs = ["user", secret["username"], "database", secret["dbname"], "", ""]
    send(stream, b"", struct.pack("!I", 196608) + chr(0).join(pairs[:4]).encode() + bytes(2))
    assert receive(stream)[1][:4] == struct.pack("!I", 10), "asks for SCRAM"
    first = "n=,r=nonce"
    send(stream, b"p", b"SCRAM-SHA-256" + bytes(1) + struct.pack("!I", len(first) + 3) + b"n,," + first.encode())
    server = receive(stream)[1][4:].decode()
    given = dict(part.split("=", 1) for part in server.split(","))
    salted = hashlib.pbkdf2_hmac("sha256", secret["password"].encode(), base64.b64decode(given["s"]), int(given["i"]))
    final = "c=biws,r=" + given["r"]
    key = hmac.digest(salted, b"Client Key", "sha256")
    signature = hmac.digest(hashlib.sha256(key).digest(), ",".join([first, server, final]).encode(), "sha256")
    proof = bytes(one ^ other for one, other in zip(key, signature))
    send(stream, b"p", (final + ",p=" + base64.b64encode(proof).decode()).encode())
    while receive(stream)[0] != b"Z":
        pass
"""
# A statement may take as long as it likes, but not longer than the limit.
TOO_LONG = """
import json
from corrections import data_api, postgresql
server = postgresql.Server.start()
target = {"host": postgresql.HOST, "port": server.port, "user": postgresql.OWNER, "password": server.password}
connection = data_api.pq.PGconn.connect(data_api.conninfo.make_conninfo(**target, dbname="postgres").encode())
data_api.STATEMENT_LIMIT = 0.2
try:
    data_api._run(connection, "SELECT pg_sleep(5)")
except data_api.RefusedError as error:
    print(json.dumps({"code": error.code, "said": str(error)}))
server.stop()
"""
# One that was used lately, one that was not for over three minutes, one that was begun over a day ago.
EXPIRY = """
import json, time
from corrections import data_api
class Connection:
    def __init__(self):
        self.open = True
    def finish(self):
        self.open = False
ages = {"used": (200, 1), "idle": (200, 181), "old": (86401, 1)}
now, connections = time.monotonic(), {name: Connection() for name in ages}
for name, (began, used) in ages.items():
    data_api.transactions[name] = data_api.Transaction("cluster", connections[name], now - began, now - used)
data_api._expire()
print(json.dumps({"kept": list(data_api.transactions), "open": [name for name in ages if connections[name].open]}))
"""


@pytest.fixture(scope="module")
def database(account: Account) -> Iterator[Database]:
    with Database.start(account) as started:
        started.seed(500)
        yield started


@pytest.fixture
def data_api(account: Account) -> Any:
    return account.client("rds-data")


@pytest.fixture
def target(database: Database) -> dict[str, str]:
    return {"resourceArn": database.cluster_arn, "secretArn": database.secret_arn}


def only_value(answer: dict[str, Any]) -> dict[str, Any]:
    ((value,),) = answer["records"]
    found: dict[str, Any] = value
    return found


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def somebody_listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def server_of(port: int) -> tuple[psutil.Process, Path]:
    """The PostgreSQL that listens on a port, and its data folder."""
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if "-p" in command and str(port) in command and command[0].endswith("postgres"):
            return process, Path(command[command.index("-D") + 1])
    pytest.fail(f"no PostgreSQL has the port {port}")


def test_a_seed_is_the_same_each_time(database: Database) -> None:
    database.seed(500)
    (row,) = database.execute("SELECT count(*), sum(amount), min(placed_at), max(placed_at) FROM orders")["records"]
    assert row == [
        {"longValue": 500},
        {"stringValue": "247619.06"},
        {"stringValue": "2026-03-01 00:00:00"},
        {"stringValue": "2026-03-05 12:07:00"},
    ]


def test_a_seed_begins_when_it_is_told_to(account: Account, database: Database) -> None:
    database.execute("CREATE DATABASE other")
    other = Database(account, database.cluster_arn, database.secret_arn, "other")
    other.seed(2, first=datetime(2025, 12, 31, 23, tzinfo=UTC), every=database_module.EVERY * 10)
    rows = other.execute("SELECT placed_at FROM orders ORDER BY id")["records"]
    assert [row[0]["stringValue"] for row in rows] == ["2025-12-31 23:00:00", "2026-01-01 01:10:00"]


def test_fewer_than_no_rows_are_refused(database: Database) -> None:
    with pytest.raises(LocalRunError, match="rows must be 0 or more, got -1"):
        database.seed(-1)


def test_a_database_is_not_started_on_aws() -> None:
    with pytest.raises(LocalRunError, match="on an emulator only: on AWS, deploy a cluster"):
        Database.start(Account(None))


def test_a_database_that_cannot_be_made_says_why_and_leaves_nothing(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "STACK", "impossible-database")
    with pytest.raises(LocalRunError, match='database "template1" already exists'):
        Database.start(account, "template1")
    assert "impossible-database" not in account.stack_names()


def test_a_handler_reads_through_a_plain_driver(account: Account, database: Database) -> None:
    secret = account.client("secretsmanager").create_secret(Name="of-the-driver")["ARN"]
    database.write_secret(secret)
    functions = account.client("lambda")
    functions.create_function(
        FunctionName="driver",
        Runtime="python3.13",
        Role="arn:aws:iam::000000000000:role/driver",
        Handler="index.handler",
        Code={"ZipFile": zipped(HANDLER)},
        Environment={"Variables": {"SECRET": secret}},
    )
    event = {"sql": "SELECT id, amount, placed_at FROM orders ORDER BY id LIMIT 1"}
    answer = functions.invoke(FunctionName="driver", Payload=json.dumps(event))
    assert json.loads(answer["Payload"].read()) == [["order-00000001", "79.08", "2026-03-01 00:00:00+00"]]


def test_values_are_exact_and_times_are_utc(database: Database) -> None:
    values = {
        "1234567890123456789012345678.0123456789::numeric": {"stringValue": "1234567890123456789012345678.0123456789"},
        "1.50::numeric(9, 2)": {"stringValue": "1.50"},
        "9223372036854775807": {"longValue": 9223372036854775807},
        "0.1::float8": {"doubleValue": 0.1},
        "true": {"booleanValue": True},
        "NULL::text": {"isNull": True},
        "'Zürich''s'": {"stringValue": "Zürich's"},
        "DATE '2026-03-01'": {"stringValue": "2026-03-01"},
        "TIMESTAMPTZ '2026-03-01 10:00:00.125+05:30'": {"stringValue": "2026-03-01 04:30:00.125"},
        "TIMESTAMP '2026-03-01 10:00:00'": {"stringValue": "2026-03-01 10:00:00"},
        "'\\x00ff'::bytea": {"blobValue": b"\x00\xff"},
        "'{\"a\": [1]}'::jsonb": {"stringValue": '{"a": [1]}'},
        "ARRAY['a,b', 'q\"x']": {"arrayValue": {"stringValues": ["a,b", 'q"x']}},
        "ARRAY[1, 2]": {"arrayValue": {"longValues": [1, 2]}},
    }
    (row,) = database.execute(f"SELECT {', '.join(values)}")["records"]
    assert row == list(values.values())


def test_a_time_is_utc_whatever_the_zone_of_the_session(data_api: Any, target: dict[str, str]) -> None:
    transaction = data_api.begin_transaction(**target)["transactionId"]
    in_it = {**target, "transactionId": transaction}
    data_api.execute_statement(sql="SET LOCAL timezone = 'Asia/Kolkata'", **in_it)
    answer = data_api.execute_statement(sql="SELECT TIMESTAMPTZ '2026-03-01 10:00:00.5+05:30'", **in_it)
    data_api.rollback_transaction(**in_it)
    assert only_value(answer) == {"stringValue": "2026-03-01 04:30:00.5"}


def test_columns_have_the_names_that_postgresql_gives_to_their_types(
    data_api: Any, target: dict[str, str], database: Database
) -> None:
    sql = "SELECT id, amount, placed_at, 1 AS one, ARRAY[1] AS many FROM orders LIMIT 0"
    answer = data_api.execute_statement(sql=sql, includeResultMetadata=True, database=database.name, **target)
    described = [
        tuple(column[key] for key in ("label", "typeName", "precision", "scale", "nullable", "tableName"))
        for column in answer["columnMetadata"]
    ]
    assert described == [
        ("id", "text", 2147483647, 0, 0, "orders"),
        ("amount", "numeric", 12, 2, 0, "orders"),
        ("placed_at", "timestamptz", 35, 6, 0, "orders"),
        ("one", "int4", 10, 0, 2, ""),
        ("many", "_int4", 10, 0, 2, ""),
    ]
    assert answer["records"] == []


def test_a_parameter_is_a_value_and_never_text_of_the_statement(database: Database) -> None:
    evil = "'; DROP TABLE orders; --"
    sql = "SELECT :value || ':value' || '' /* :value */ AS \":value\", :value::text -- :value"
    assert database.execute(sql, value={"stringValue": evil})["records"] == [
        [{"stringValue": f"{evil}:value"}, {"stringValue": evil}]
    ]


def test_text_is_no_date_without_a_hint(data_api: Any, target: dict[str, str], database: Database) -> None:
    sql = "SELECT count(*) FROM orders WHERE placed_at < :until"
    until: dict[str, Any] = {"name": "until", "value": {"stringValue": "2026-03-02 00:00:00"}}
    given = {**target, "database": database.name, "sql": sql}
    with pytest.raises(ClientError, match=r"timestamp with time zone < character varying.*SQLState: 42883") as refused:
        data_api.execute_statement(parameters=[until], **given)
    assert code_of(refused) == "DatabaseErrorException"
    answer = data_api.execute_statement(parameters=[{**until, "typeHint": "TIMESTAMP"}], **given)
    assert only_value(answer) == {"longValue": 111}


def test_a_hinted_value_of_another_format_is_refused(data_api: Any, target: dict[str, str]) -> None:
    at = {"name": "at", "value": {"stringValue": "2026-03-02T00:00:00Z"}, "typeHint": "TIMESTAMP"}
    with pytest.raises(ClientError, match="at is no TIMESTAMP in the accepted format"):
        data_api.execute_statement(sql="SELECT :at", parameters=[at], **target)


@pytest.mark.parametrize(
    ("sql", "code", "said"),
    [
        ("SELECT * FROM nothing", "DatabaseErrorException", 'ERROR: relation "nothing" does not exist; Position: 15; SQLSt'),
        ("SELECT 1; SELECT 2", "ValidationException", "Multistatements aren't supported"),
        ("SELECT :missing", "BadRequestException", "Cannot find parameter: missing"),
        ("SELECT INTERVAL '1 day'", "UnsupportedResultException", "unsupported data type"),
        ("SELECT ARRAY[ARRAY[1]]", "UnsupportedResultException", "multidimensional array"),
    ],
)
def test_what_cannot_be_run_or_returned_is_refused(database: Database, sql: str, code: str, said: str) -> None:
    with pytest.raises(ClientError, match=said) as refused:
        database.execute(sql)
    assert code_of(refused) == code


def test_an_answer_of_more_than_a_mebibyte_is_refused_and_ends_its_transaction(data_api: Any, target: dict[str, str]) -> None:
    in_it = {**target, "transactionId": data_api.begin_transaction(**target)["transactionId"]}
    fits = data_api.execute_statement(sql="SELECT repeat('x', 1048000)", **in_it)
    assert len(only_value(fits)["stringValue"]) == 1_048_000
    with pytest.raises(ClientError, match="Database returned more than the allowed response size limit") as refused:
        data_api.execute_statement(sql="SELECT repeat('x', 1048577)", **in_it)
    assert code_of(refused) == "BadRequestException"
    with pytest.raises(ClientError, match="is not found") as gone:
        data_api.execute_statement(sql="SELECT 1", **in_it)
    assert code_of(gone) == "TransactionNotFoundException"


def test_a_transaction_is_seen_by_others_when_it_is_committed_and_never_when_it_is_rolled_back(
    data_api: Any, target: dict[str, str], database: Database
) -> None:
    database.execute("CREATE TABLE notes (text text)")
    for end, before in ((data_api.rollback_transaction, 0), (data_api.commit_transaction, 0)):
        given = {**target, "transactionId": data_api.begin_transaction(database=database.name, **target)["transactionId"]}
        changed = data_api.execute_statement(sql="INSERT INTO notes VALUES ('one'), ('two')", **given)
        assert changed["numberOfRecordsUpdated"] == 2
        assert only_value(database.execute("SELECT count(*) FROM notes")) == {"longValue": before}
        end(**given)
    assert only_value(database.execute("SELECT count(*) FROM notes")) == {"longValue": 2}


def test_a_batch_runs_for_all_of_its_parameters_or_for_none(data_api: Any, target: dict[str, str], database: Database) -> None:
    database.execute("CREATE TABLE pairs (id int PRIMARY KEY)")
    sql, given = "INSERT INTO pairs VALUES (:id)", {**target, "database": database.name}
    sets = [[{"name": "id", "value": {"longValue": number}}] for number in (1, 2)]
    assert len(data_api.batch_execute_statement(sql=sql, parameterSets=sets, **given)["updateResults"]) == 2
    sets = [[{"name": "id", "value": {"longValue": number}}] for number in (3, 1)]
    with pytest.raises(ClientError, match="SQLState: 23505"):
        data_api.batch_execute_statement(sql=sql, parameterSets=sets, **given)
    assert only_value(database.execute("SELECT count(*) FROM pairs")) == {"longValue": 2}


def test_a_statement_ends_at_the_time_limit_that_its_transaction_sets(data_api: Any, target: dict[str, str]) -> None:
    in_it = {**target, "transactionId": data_api.begin_transaction(**target)["transactionId"]}
    data_api.execute_statement(sql="SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY", **in_it)
    data_api.execute_statement(sql="SET LOCAL statement_timeout = '200ms'", **in_it)
    with pytest.raises(ClientError, match="SQLState: 57014") as late:
        data_api.execute_statement(sql="SELECT pg_sleep(5)", **in_it)
    assert code_of(late) == "StatementTimeoutException"
    data_api.rollback_transaction(**in_it)


def test_a_statement_ends_at_the_time_limit_of_the_data_api(tmp_path: Path) -> None:
    assert in_the_emulators_environment(tmp_path, TOO_LONG)["code"] == "StatementTimeoutException"


def test_a_transaction_that_nobody_uses_ends(tmp_path: Path) -> None:
    assert in_the_emulators_environment(tmp_path, EXPIRY) == {"kept": ["used"], "open": ["used"]}


def test_a_statement_that_waits_for_another_keeps_nobody_waiting(
    account: Account, data_api: Any, target: dict[str, str], database: Database
) -> None:
    given = {**target, "database": database.name, "sql": "UPDATE orders SET state = state WHERE id = 'order-00000001'"}
    transaction = data_api.begin_transaction(database=database.name, **target)["transactionId"]
    data_api.execute_statement(transactionId=transaction, **given)
    changed: list[int] = []

    def wait() -> None:
        changed.append(account.client("rds-data").execute_statement(**given)["numberOfRecordsUpdated"])

    waits = threading.Thread(target=wait)
    waits.start()
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    assert wait_until(lambda: only_value(database.execute(waiting)) == {"longValue": 1}, seconds=PATIENCE)
    assert changed == []
    data_api.commit_transaction(transactionId=transaction, **target)
    waits.join(5)
    assert changed == [1]


def test_a_wrong_password_is_refused(account: Account, data_api: Any, database: Database) -> None:
    content = json.dumps({"username": database.credentials["username"], "password": "wrong"})
    secret = account.client("secretsmanager").create_secret(Name="wrong-password", SecretString=content)["ARN"]
    with pytest.raises(ClientError, match="password authentication failed"):
        data_api.execute_statement(sql="SELECT 1", resourceArn=database.cluster_arn, secretArn=secret)


def test_a_password_may_have_any_character_and_the_user_is_no_superuser(account: Account, deploy: Deploy) -> None:
    password = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ \u00e9"
    secret = {"SecretString": json.dumps({"username": 'it\'s "me"', "password": password})}
    cluster = {
        "Engine": "aurora-postgresql",
        "EnableHttpEndpoint": True,
        "MasterUsername": 'it\'s "me"',
        "MasterUserPassword": {"Fn::Sub": "{{resolve:secretsmanager:${Secret}:SecretString:password::}}"},
    }
    writer = {"Engine": "aurora-postgresql", "DBClusterIdentifier": {"Ref": "Cluster"}}
    resources = {
        "Secret": {"Type": "AWS::SecretsManager::Secret", "Properties": secret},
        "Cluster": {"Type": "AWS::RDS::DBCluster", "Properties": cluster},
        "Writer": {"Type": "AWS::RDS::DBInstance", "Properties": writer},
    }
    outputs = {"Secret": {"Value": {"Ref": "Secret"}}, "Arn": {"Value": {"Fn::GetAtt": ["Cluster", "DBClusterArn"]}}}
    stack = deploy("punctuation", {"Resources": resources, "Outputs": outputs})
    found = Database(account, stack.outputs["Arn"], stack.outputs["Secret"], "postgres")
    assert only_value(found.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")) == {"booleanValue": False}
    account.client("cloudformation").delete_stack(StackName="punctuation")


def test_a_managed_password_is_in_a_secret_that_goes_with_its_cluster(account: Account, deploy: Deploy) -> None:
    cluster = {
        "Engine": "aurora-postgresql",
        "EnableHttpEndpoint": True,
        "MasterUsername": "boss",
        "ManageMasterUserPassword": True,
    }
    writer = {"Engine": "aurora-postgresql", "DBClusterIdentifier": {"Ref": "Cluster"}}
    resources = {
        "Cluster": {"Type": "AWS::RDS::DBCluster", "Properties": cluster, "DeletionPolicy": "Delete"},
        "Writer": {"Type": "AWS::RDS::DBInstance", "Properties": writer},
    }
    values = {"Secret": "MasterUserSecret.SecretArn", "Arn": "DBClusterArn"}
    outputs = {name: {"Value": {"Fn::GetAtt": ["Cluster", attribute]}} for name, attribute in values.items()}
    stack = deploy("managed-password", {"Resources": resources, "Outputs": outputs})
    found = Database(account, stack.outputs["Arn"], stack.outputs["Secret"], "postgres")
    assert only_value(found.execute("SELECT current_user::text")) == {"stringValue": "boss"}
    account.client("cloudformation").delete_stack(StackName="managed-password")
    listed = account.client("secretsmanager").get_paginator("list_secrets").paginate()
    arns = {secret["ARN"] for page in listed for secret in page["SecretList"]}
    assert stack.outputs["Secret"] not in arns


def test_an_instance_without_a_cluster_has_a_server_that_goes_with_its_stack(account: Account, deploy: Deploy) -> None:
    properties = {"Engine": "postgres", "MasterUsername": "me", "MasterUserPassword": "secret", "DBName": "shop"}
    outputs = {
        name: {"Value": {"Fn::GetAtt": ["Instance", f"Endpoint.{name}"]}, "Export": {"Name": name}}
        for name in ("Address", "Port")
    }
    instance = {"Type": "AWS::RDS::DBInstance", "Properties": properties, "DeletionPolicy": "Delete"}
    stack = deploy("instance", {"Resources": {"Instance": instance}, "Outputs": outputs})
    port = int(stack.outputs["Port"])
    assert stack.outputs["Address"] == "127.0.0.1"
    assert somebody_listens(port)
    _, data = server_of(port)
    account.client("cloudformation").delete_stack(StackName="instance")
    assert wait_until(lambda: not somebody_listens(port), seconds=PATIENCE)
    assert wait_until(lambda: not data.parent.exists(), seconds=PATIENCE)


def test_a_database_ends_with_its_emulator(tmp_path: Path) -> None:
    with Emulator.start(tmp_path / "emulator") as emulator:
        server, data = server_of(Database.start(Account(emulator.url)).credentials["port"])
        assert data.exists()
    assert not server.is_running()
    assert not data.parent.exists()


def test_a_database_in_the_middle_of_a_statement_ends_with_whoever_started_its_emulator_even_when_that_is_killed(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", START_AND_WAIT, str(tmp_path / "emulator")]
    with subprocess.Popen(command, env=command_environment(tmp_path), stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        server, data = server_of(int(parent.stdout.readline()))
        found = Emulator.of_folder(tmp_path / "emulator")
        assert found
        database = database_of(Account(found.url))
        threading.Thread(target=run_until_cut_off, args=(database,), daemon=True).start()
        busy = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%1000000000)'"
        assert wait_until(lambda: only_value(database.execute(busy)) == {"longValue": 1}, seconds=PATIENCE)
        children = server.children()
        parent.kill()
    assert wait_until(lambda: not any(process.is_running() for process in [server, *children]), seconds=PATIENCE)
    assert wait_until(lambda: not data.parent.exists() and not (tmp_path / "emulator").exists(), seconds=PATIENCE)


def test_a_database_ends_when_its_emulator_is_killed(tmp_path: Path) -> None:
    with Emulator.start(tmp_path / "emulator") as emulator:
        server, data = server_of(Database.start(Account(emulator.url)).credentials["port"])
        os.killpg(emulator.pid, signal.SIGKILL)
        assert wait_until(lambda: not emulator.alive, seconds=PATIENCE)
        assert not server.is_running()
        assert not data.parent.exists()


def database_of(account: Account) -> Database:
    outputs = account.stack(database_module.STACK).outputs
    return Database(account, outputs["ClusterArn"], outputs["SecretArn"], "shop")


def run_until_cut_off(database: Database) -> None:
    started = time.monotonic()
    with pytest.raises(Exception, match=r"."):
        database.execute("SELECT count(*) FROM generate_series(1, 1000000000)")
    assert time.monotonic() - started < 60
