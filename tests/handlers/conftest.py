"""What the tests of the handlers share: two tables, and APIs in front of them."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from aws_lambda_powertools.utilities.circuit_breaker.base import _LAST_OBSERVED_STATE, _LOCAL_FAILURES, _LOCAL_SUCCESSES
from moto import mock_aws
from moto.dynamodb.models import dynamodb_backends
from types_boto3_dynamodb import DynamoDBClient

from api_crud.models import Settings
from shared.aws import CLIENT_CONFIG
from shared.observability import logger
from tests.handlers.api_client import NAMED_SCHEMA, VARIABLES, Calls, Client, client_of, store_of
from tests.handlers.payment_server import PaymentServer
from tests.handlers.report_client import Database, Reports, running_database
from tests.handlers.s3_client import Intake
from tests.handlers.worker_client import Pipeline


def refuse_what_dynamodb_refuses(params: dict[str, Any], **_: object) -> None:
    """An empty map of names or values: the stand-in takes it, DynamoDB does not."""
    for name in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
        assert params.get(name) != {}, f"1 validation error detected: {name} must not be empty"


@pytest.fixture(scope="session")
def _dynamodb() -> Iterator[DynamoDBClient]:
    with mock_aws():
        client = boto3.client("dynamodb", config=CLIENT_CONFIG)
        client.meta.events.register("provide-client-params.dynamodb", refuse_what_dynamodb_refuses)
        for table in ("items-table", "keys-table", "circuit-table"):
            client.create_table(
                TableName=table,
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        yield client


@pytest.fixture
def dynamodb(_dynamodb: DynamoDBClient) -> DynamoDBClient:
    """A client of empty tables."""
    for backend in dynamodb_backends.values():
        for table in backend["eu-central-1"].tables.values():
            table.items.clear()  # twenty times faster than by calls
    return _dynamodb


@pytest.fixture
def calls(dynamodb: DynamoDBClient) -> Iterator[Calls]:
    """The calls made since the fixture was asked for."""
    calls = Calls()
    dynamodb.meta.events.register("provide-client-params.dynamodb", calls.record)
    yield calls
    dynamodb.meta.events.unregister("provide-client-params.dynamodb", calls.record)


@pytest.fixture
def settings() -> Settings:
    return Settings.from_environment(VARIABLES)


@pytest.fixture
def client(settings: Settings, dynamodb: DynamoDBClient) -> Client:
    """An HTTP API in front of two tables."""
    return client_of(settings, store_of(settings, dynamodb))


@pytest.fixture
def named_client(settings: Settings, dynamodb: DynamoDBClient) -> Client:
    """The same, of a resource whose clients choose the ids."""
    return client_of(settings, store_of(settings, dynamodb), NAMED_SCHEMA)


@pytest.fixture(params=["http_api_iam", "http_api_jwt", "rest_api_cognito"])
def any_client(request: pytest.FixtureRequest, client: Client) -> Client:
    """An API of each kind in turn."""
    return client.as_kind(request.param)


@pytest.fixture
def log_lines(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[dict[str, Any]]]:
    """What has been logged since the fixture was asked for."""
    stream = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture
def payment() -> Iterator[PaymentServer]:
    """A payment API that approves whatever it is asked, until it is told otherwise."""
    server = PaymentServer()
    yield server
    server.close()


@pytest.fixture
def pipeline(dynamodb: DynamoDBClient, payment: PaymentServer) -> Pipeline:
    """The worker of a standard queue, in an execution environment that has seen no failure yet."""
    for counters in (_LOCAL_FAILURES, _LOCAL_SUCCESSES, _LAST_OBSERVED_STATE):
        counters.clear()
    return Pipeline(dynamodb, payment)


@pytest.fixture
def fifo_pipeline(pipeline: Pipeline) -> Pipeline:
    """The worker of a FIFO queue."""
    return Pipeline(pipeline.dynamodb, pipeline.payment, is_fifo=True)


@pytest.fixture
def intake(dynamodb: DynamoDBClient) -> Intake:
    """The function behind a bucket that keeps versions."""
    return Intake(dynamodb)


@pytest.fixture
def plain_intake(dynamodb: DynamoDBClient) -> Intake:
    """The same behind a bucket without versions."""
    return Intake(dynamodb, is_versioned=False)


@pytest.fixture(scope="session")
def _database() -> Iterator[Database]:
    with running_database() as database:
        yield database


@pytest.fixture
def database(_database: Database) -> Database:
    """An empty PostgreSQL."""
    _database.clear()
    return _database


@pytest.fixture
def reports(dynamodb: DynamoDBClient, tmp_path: Path) -> Reports:
    """A report of a DynamoDB table."""
    return Reports(dynamodb, tmp_path)


@pytest.fixture(params=["data_api", "postgres"])
def sql_reports(request: pytest.FixtureRequest, dynamodb: DynamoDBClient, database: Database, tmp_path: Path) -> Reports:
    """A report of an SQL database, by each way to it in turn."""
    return Reports(dynamodb, tmp_path, database, request.param)


@pytest.fixture
def data_api_reports(dynamodb: DynamoDBClient, database: Database, tmp_path: Path) -> Reports:
    """A report of a cluster behind the Data API."""
    return Reports(dynamodb, tmp_path, database, "data_api")


@pytest.fixture
def postgres_reports(dynamodb: DynamoDBClient, database: Database, tmp_path: Path) -> Reports:
    """A report of a PostgreSQL whose address is in a secret."""
    return Reports(dynamodb, tmp_path, database, "postgres")
