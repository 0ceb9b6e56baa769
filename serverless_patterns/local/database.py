"""A PostgreSQL of the local run with orders in it: for reports, through the Data API or a plain driver."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Self

from botocore.exceptions import WaiterError

from serverless_patterns.errors import LocalRunError
from serverless_patterns.local.account import Account

STACK = "local-database"
FIRST = datetime(2026, 3, 1, tzinfo=UTC)
EVERY = timedelta(minutes=13)
PREFIX = "order-"
#: What a connection needs; the local server has no TLS, and listens on loopback only.
CREDENTIALS = ("host", "port", "username", "password", "dbname")
TABLE = """
CREATE TABLE IF NOT EXISTS orders (
    id text PRIMARY KEY,
    customer_id text NOT NULL,
    amount numeric(12, 2) NOT NULL,
    currency text NOT NULL,
    state text NOT NULL,
    placed_at timestamptz NOT NULL
)
"""
# Each value is a function of the row's number alone.
ROWS = """
INSERT INTO orders
SELECT
    CAST(:prefix AS text) || lpad(n::text, 8, '0'),
    'customer-' || n * 7919 % 97,
    (n * 7907 % 99999 + 1)::numeric / 100,
    (ARRAY['EUR', 'EUR', 'USD', 'GBP'])[n % 4 + 1],
    (ARRAY['PAID', 'PAID', 'PAID', 'DECLINED', 'FAILED'])[n % 5 + 1],
    CAST(:first AS timestamptz) + (n - 1) * :seconds * interval '1 second'
FROM generate_series(1, CAST(:rows AS int)) AS n
ON CONFLICT (id) DO NOTHING
"""


class Database:
    """The database of a cluster that is deployed, with the Data API.

    Args:
        account: Where it is.
        cluster_arn: The cluster.
        secret_arn: The secret with the user and the password, as AWS's ``SecretTargetAttachment`` completes it.
        name: The database's name.
    """

    def __init__(self, account: Account, cluster_arn: str, secret_arn: str, name: str) -> None:
        self.cluster_arn = cluster_arn
        self.secret_arn = secret_arn
        self.name = name
        self._account = account

    @classmethod
    def start(cls, account: Account, name: str = "shop") -> Self:
        """Start a cluster of its own, which takes a second; ``with`` removes it.

        Args:
            account: An emulator: nobody wants to pay for this one.
            name: The database's name.

        Raises:
            LocalRunError: It is no emulator, or the cluster did not start.
        """
        if account.url is None:
            msg = "a database is started on an emulator only: on AWS, deploy a cluster and give its ARNs to Database"
            raise LocalRunError(msg)
        cloudformation = account.client("cloudformation")
        cloudformation.create_stack(StackName=STACK, TemplateBody=json.dumps(_template(name)))
        try:
            waiter = {"Delay": 0.1, "MaxAttempts": 600}
            cloudformation.get_waiter("stack_create_complete").wait(StackName=STACK, WaiterConfig=waiter)
        except WaiterError as error:
            events = cloudformation.describe_stack_events(StackName=STACK)["StackEvents"]
            reasons = [event["ResourceStatusReason"] for event in events if event["ResourceStatus"] == "CREATE_FAILED"]
            cloudformation.delete_stack(StackName=STACK)
            msg = f"the database did not start: {'; '.join(reasons)}"
            raise LocalRunError(msg) from error
        outputs = account.stack(STACK).outputs
        return cls(account, outputs["ClusterArn"], outputs["SecretArn"], name)

    @property
    def credentials(self) -> dict[str, Any]:
        """What a plain driver connects with."""
        secret = self._account.client("secretsmanager").get_secret_value(SecretId=self.secret_arn)
        found = json.loads(secret["SecretString"])
        return {name: found[name] for name in CREDENTIALS}

    def execute(self, statement: str, **parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Run one statement through the Data API; a parameter is a value as the API takes it, such as ``{"longValue": 1}``."""
        given = [{"name": name, "value": value} for name, value in parameters.items()]
        target = {"resourceArn": self.cluster_arn, "secretArn": self.secret_arn, "database": self.name}
        answer: dict[str, Any] = self._client.execute_statement(sql=statement, parameters=given, **target)
        return answer

    def seed(self, rows: int, *, first: datetime = FIRST, every: timedelta = EVERY, prefix: str = PREFIX) -> None:
        """Put orders into the table ``orders``, which is made if it is not there; the same rows each time.

        Args:
            rows: How many there are to be; those that are there already stay as they are.
            first: When the first one was placed.
            every: How long after each the next one was.
            prefix: What their ids begin with.

        Raises:
            LocalRunError: There are to be fewer than none.
        """
        if rows < 0:
            msg = f"rows must be 0 or more, got {rows}"
            raise LocalRunError(msg)
        self.execute(TABLE)
        self.execute(
            ROWS,
            first={"stringValue": first.isoformat()},
            seconds={"doubleValue": every.total_seconds()},
            rows={"longValue": rows},
            prefix={"stringValue": prefix},
        )

    def write_secret(self, secret_id: str) -> None:
        """Let a handler connect: put what a plain driver needs into a secret that is there."""
        content = {**self.credentials, "sslmode": "disable"}
        self._account.client("secretsmanager").put_secret_value(SecretId=secret_id, SecretString=json.dumps(content))

    def stop(self) -> None:
        """Remove what ``start`` has made."""
        cloudformation = self._account.client("cloudformation")
        cloudformation.delete_stack(StackName=STACK)
        waiter = {"Delay": 0.1, "MaxAttempts": 600}
        cloudformation.get_waiter("stack_delete_complete").wait(StackName=STACK, WaiterConfig=waiter)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @cached_property
    def _client(self) -> Any:  # noqa: ANN401  boto3 makes the classes of its clients at run time
        return self._account.client("rds-data")


def _template(name: str) -> dict[str, Any]:
    """As CDK's ``rds.DatabaseCluster`` makes it, but without a VPC: nothing is in one here."""
    secret = {
        "SecretStringTemplate": json.dumps({"username": "orders"}),
        "GenerateStringKey": "password",
        "PasswordLength": 30,
        "ExcludeCharacters": " %+~`#$&*()|[]{}:;<>?!'/@\"\\",
    }
    cluster = {
        "Engine": "aurora-postgresql",
        "DatabaseName": name,
        "EnableHttpEndpoint": True,
        "MasterUsername": "orders",
        "MasterUserPassword": {"Fn::Sub": "{{resolve:secretsmanager:${Secret}:SecretString:password::}}"},
        "ServerlessV2ScalingConfiguration": {"MinCapacity": 0, "MaxCapacity": 1},
    }
    instance = {"Engine": "aurora-postgresql", "DBInstanceClass": "db.serverless", "DBClusterIdentifier": {"Ref": "Cluster"}}
    attachment = {"SecretId": {"Ref": "Secret"}, "TargetId": {"Ref": "Cluster"}, "TargetType": "AWS::RDS::DBCluster"}
    typed = {
        "Secret": ("AWS::SecretsManager::Secret", {"GenerateSecretString": secret}),
        "Cluster": ("AWS::RDS::DBCluster", cluster),
        "Writer": ("AWS::RDS::DBInstance", instance),
        "Attachment": ("AWS::SecretsManager::SecretTargetAttachment", attachment),
    }
    return {
        "Resources": {key: {"Type": type_, "Properties": properties} for key, (type_, properties) in typed.items()},
        "Outputs": {
            "ClusterArn": {"Value": {"Fn::GetAtt": ["Cluster", "DBClusterArn"]}},
            "SecretArn": {"Value": {"Ref": "Attachment"}},
        },
    }
