"""ScheduledReport: a report that is written and announced, and one that breaks off when a part of it is in the bucket."""

import atexit
import contextlib
import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import boto3
import pytest
from moto.ses.models import ses_backends

from serverless_patterns.testing.resource import FunctionResource
from tests.handlers.api_client import Context
from tests.handlers.rds_data import RdsData
from tests.handlers.report_client import PASSWORD, Database, running_database
from tests.proofs.account import ACCOUNT, REGION, client
from tests.proofs.world import Scenario, World

DAYS = ("2025-12-31", "2026-01-01")
#: Bytes of a row: an answer of the Data API (1 MB) has room for two, and a part of an upload (8 MiB) takes less than twenty.
WIDE = 450_000
ROWS = 20


def scenarios_of(function: FunctionResource) -> Sequence[Scenario]:
    if function.environment["SOURCE"] == "dynamodb":
        return [a_table_of_dynamodb_becomes_a_report, a_report_whose_time_runs_out_leaves_no_parts]
    return [a_query_becomes_a_report, a_report_that_breaks_off_leaves_no_parts]


def a_query_becomes_a_report(world: World) -> None:
    with _query_finding(world, rows=1, width=1) as transactions:
        _are_reported(world)
        assert not transactions


def a_table_of_dynamodb_becomes_a_report(world: World) -> None:
    _put_items(world, rows=1, width=1)
    _are_reported(world)


def a_report_that_breaks_off_leaves_no_parts(world: World) -> None:
    with _query_finding(world, rows=ROWS, width=WIDE, last_key=ROWS - 1):
        for day in DAYS:
            with pytest.raises(Exception, match="Two rows have the same"):
                world.invoke({"date": day})
    _is_nothing_left(world)


def a_report_whose_time_runs_out_leaves_no_parts(world: World) -> None:
    _put_items(world, rows=ROWS + 10, width=WIDE - 60_000)
    for day in DAYS:
        with pytest.raises(Exception, match="too little time left"):
            world.invoke({"date": day}, context=RunsOut(milliseconds_left=300_000))
    _is_nothing_left(world)


@dataclass
class RunsOut(Context):
    """A context that has no time left once a dozen pages of 1 MB have been read."""

    asked: int = 0

    def get_remaining_time_in_millis(self) -> int:
        self.asked += 1
        return self.milliseconds_left if self.asked <= 13 else 0


def _is_nothing_left(world: World) -> None:
    assert _states(world) == {"FAILED"}
    assert "Uploads" not in client("s3").list_multipart_uploads(Bucket=world.variables["REPORT_BUCKET_NAME"])


def _are_reported(world: World) -> None:
    """Make a report of each day: its files are there, and whoever is told of it gets links to them."""
    if "MAIL_FROM" in world.variables:
        client("sesv2").create_email_identity(EmailIdentity=world.variables["MAIL_FROM"])
    keys = [key for day in DAYS for key in world.invoke({"date": day})["keys"]]
    assert _states(world) == {"DONE"}
    found = client("s3").list_objects_v2(Bucket=world.variables["REPORT_BUCKET_NAME"])["Contents"]
    assert sorted(keys) == sorted(each["Key"] for each in found)
    if "TOPIC_ARN" in world.variables:
        told = "".join(notice["Message"] for notice in world.published(world.variables["TOPIC_ARN"]))
        assert all(f"{quote(key)}?" in told for key in keys)
    if "BUS_NAME" in world.variables:
        links = "".join(each["link"] for event in world.announced() for each in event["data"]["files"])
        assert all(f"{quote(key)}?" in links for key in keys)
    if "MAIL_FROM" in world.variables:
        assert _mailed() == [world.variables["MAIL_FROM"]] * len(DAYS)


def _mailed() -> list[str]:
    """The senders of the mails that have been sent."""
    return [message.source for message in ses_backends[ACCOUNT][REGION].sent_messages]


def _states(world: World) -> set[str]:
    """The states of all runs."""
    return {row["state"]["S"] for row in world.rows(world.variables["RUNS_TABLE_NAME"])}


@functools.cache
def _database() -> Database:
    """One PostgreSQL for all scenarios; it ends with the process."""
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(running_database())


def _put_items(world: World, *, rows: int, width: int) -> None:
    """Put so many items into the table that is reported: the first column is its key, the last one makes them wide."""
    key, *_, note = world.variables["COLUMNS"].split(",")
    for number in range(rows):
        item = {key: {"S": f"o-{number}"}, note: {"S": "x" * width}}
        client("dynamodb").put_item(TableName=world.variables["SOURCE_TABLE_NAME"], Item=item)


@contextlib.contextmanager
def _query_finding(world: World, *, rows: int, width: int, last_key: int = 1) -> Iterator[Mapping[str, object]]:
    """Let the query find so many rows, by whichever way the function goes; no key is above the last one.

    Yields:
        The transactions that the function has not ended: in the Data API they would live on for minutes.
    """
    database = _database()
    database.clear()
    keys = world.variables["KEY_COLUMNS"].split(",")
    drawn = [world.variables[name] for name in ("CHART_LABEL", "CHART_VALUE") if name in world.variables]
    columns = ", ".join(f'least(n, {last_key}) AS "{name}"' for name in dict.fromkeys([*keys, *drawn]))
    rest = f"repeat('x', {width}) AS note FROM generate_series(1, {rows}) AS n"
    database.run(f"CREATE VIEW orders AS SELECT {columns}, {rest}")
    if world.variables["SOURCE"] == "data_api":
        data_api = RdsData(database.connect)
        boto3.setup_default_session()
        session = boto3._get_default_session()  # noqa: SLF001  the only way to the clients that the handler makes
        session.events.register("before-call.rds-data", data_api._answer)  # noqa: SLF001  it is made for one client
        world.restart()
        try:
            yield data_api.open
        finally:
            for connection in data_api.open.values():
                connection.close()
        return
    address = {"host": database.socket_folder, "port": 5432, "username": "postgres", "password": PASSWORD}
    secret = json.dumps(address | {"dbname": "postgres"})
    client("secretsmanager").put_secret_value(SecretId=world.variables["DATABASE_SECRET_ARN"], SecretString=secret)
    yield {}
