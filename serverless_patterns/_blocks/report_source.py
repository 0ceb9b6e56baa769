"""Where the rows of a report come from: an SQL database, or a DynamoDB table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from aws_cdk import Token
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from serverless_patterns._blocks.bound_source import AuroraKind, BoundSource, PostgresKind
from serverless_patterns._blocks.checks import check, check_between, check_texts, check_type
from serverless_patterns.operations import Operations

POSTGRES_PORT = 5432
_MOST_PORT = 65_535
#: Names that PostgreSQL and RDS have themselves.
RESERVED_NAMES = ("rdsadmin", "template0", "template1")


@dataclass(frozen=True)
class ReportDatabase:
    """An SQL database that reports are made of; the function reads it in a transaction that is read-only.

    Two kinds::

        ReportDatabase.aurora()                  # defines an Aurora PostgreSQL, or takes one of yours, by the Data API
        ReportDatabase.postgres(secret, vpc=vpc)  # any PostgreSQL that is there, from inside its VPC

    A user of the database that may only ``SELECT`` from what the report is about is better than its owner: make one, put its
    name and password into a secret, and give that as ``secret``.
    """

    _kind: AuroraKind | PostgresKind

    @classmethod
    def aurora(
        cls,
        *,
        database_name: str = "reports",
        cluster: rds.IDatabaseCluster | None = None,
        secret: secretsmanager.ISecret | None = None,
        vpc: ec2.IVpc | None = None,
        engine_version: rds.AuroraPostgresEngineVersion | None = None,
    ) -> Self:
        """Aurora PostgreSQL by the Data API: the function is in no VPC, and each answer has at most 1 MiB.

        Without ``cluster``, an Aurora Serverless v2 is defined: encrypted, in a VPC that leads nowhere, its size, backups and
        end as the operations say. It is empty: fill it by the Data API. Its log group is made by RDS and never expires:
        ``aws logs put-retention-policy`` sets when it does.

        Args:
            database_name: The database, 1 to 63 letters, digits or ``_`` that begin with a letter. Default ``reports``.
            cluster: A cluster of yours with the Data API on. Default: one is defined.
            secret: Who asks: ``username`` and ``password`` of a user of the database. Default: its owner, whose password RDS
                keeps and changes every week; of a cluster of yours, the secret that it was defined with.
            vpc: A VPC of yours for the cluster that is defined, with two isolated or private subnets. Default: one of its own.
            engine_version: 17.4, 16.3, 15.7 or a later one of these, for the Data API and for pauses. Default 17.7.

        Raises:
            PatternError: An argument does not fit, or does not go with ``cluster``.
        """
        check_type("database_name", database_name, str, "a text such as 'reports'")
        _check_resource("cluster", cluster, "cluster_arn", "an Aurora cluster", optional=True)
        _check_resource("secret", secret, "secret_arn", "a Secrets Manager secret", optional=True)
        _check_resource("vpc", vpc, "vpc_id", "a VPC", optional=True)
        version = rds.AuroraPostgresEngineVersion
        check_type("engine_version", engine_version, version, "an AuroraPostgresEngineVersion", optional=True)
        if cluster is None:
            _check_database_name(database_name)
        else:
            own = [name for name, value in (("vpc", vpc), ("engine_version", engine_version)) if value is not None]
            check(not own, f"{' and '.join(own)} must not be given with cluster, which has its own")
            secret = secret or getattr(cluster, "secret", None)  # those that CDK defines have one, imported ones do not
            _check_cluster(cluster, secret)
        return cls(
            AuroraKind(database_name=database_name, cluster=cluster, secret=secret, vpc=vpc, engine_version=engine_version)
        )

    @classmethod
    def postgres(
        cls,
        secret: secretsmanager.ISecret,
        *,
        vpc: ec2.IVpc,
        subnets: ec2.SubnetSelection | None = None,
        security_groups: Sequence[ec2.ISecurityGroup] | None = None,
        port: int = POSTGRES_PORT,
        endpoints: bool = False,
    ) -> Self:
        """Any PostgreSQL that is reached from a VPC: RDS, Aurora, or a server of yours; the function runs there.

        Let it in: ``database.connections.allow_default_port_from(report.connections)``.

        Args:
            secret: ``{"host", "port", "username", "password", "dbname"}``, and ``sslmode`` if it is ``verify-full``. The one
                that CDK or RDS makes for an instance has them, if it has a ``dbname``.
            vpc: The VPC that leads to the database.
            subnets: Private ones. Default: those that lead to the internet by a NAT; else isolated ones.
            security_groups: Those of the function. Default: one is defined, out to ``port`` and to HTTPS only.
            port: That of the database, for that group. Default 5432.
            endpoints: Whether to define VPC endpoints for what the function calls: S3, DynamoDB, Secrets Manager, and SNS and
                SES if it uses them. Default no: most VPCs have a NAT or endpoints, and a second one of a service is refused.
                Each but the first two costs about 8 USD a month and subnet.

        Raises:
            PatternError: An argument does not fit.
        """
        _check_resource("secret", secret, "secret_arn", "a Secrets Manager secret")
        _check_resource("vpc", vpc, "vpc_id", "a VPC")
        check_type("subnets", subnets, ec2.SubnetSelection, "an ec2.SubnetSelection(...)", optional=True)
        check_type("port", port, int, f"a whole number from 1 to {_MOST_PORT}")
        check_between("port", port, 1, _MOST_PORT)
        check_type("endpoints", endpoints, bool, "True or False")
        _check_groups(security_groups)
        return cls(
            PostgresKind(
                secret=secret, vpc=vpc, subnets=subnets, security_groups=security_groups, port=port, endpoints=endpoints
            )
        )

    @property
    def is_data_api(self) -> bool:
        """Whether it is asked by the Data API, which has limits of its own."""
        return isinstance(self._kind, AuroraKind)

    def bind(
        self,
        scope: Construct,
        *,
        key: kms.IKey | None,
        operations: Operations,
        publishes: bool = False,
        mails: bool = False,
    ) -> BoundSource:
        """Define what it needs in a pattern, whose function may publish to a topic and send mail."""
        if isinstance(self._kind, AuroraKind):
            return self._kind.bind(scope, key, operations)
        services = {"SecretsManager": ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER}
        if publishes:
            services["Sns"] = ec2.InterfaceVpcEndpointAwsService.SNS
        if mails:
            services["Ses"] = ec2.InterfaceVpcEndpointAwsService.EMAIL
        return self._kind.bind(scope, services)


@dataclass(frozen=True)
class ReportSource:
    """Items of a DynamoDB table that a report is made of.

    Example::

        ReportSource.dynamodb(table, columns=["id", "name", "amount"])
    """

    _table: dynamodb.ITable
    _columns: tuple[str, ...]

    @classmethod
    def dynamodb(cls, table: dynamodb.ITable, *, columns: Sequence[str]) -> Self:
        """All items of a table, in no order: the whole table is read, and paid for, each time.

        Args:
            table: The table.
            columns: The attributes that are the columns, in the order of the report.

        Raises:
            PatternError: An argument does not fit.
        """
        _check_resource("table", table, "table_arn", "a DynamoDB table")
        check_texts("columns", columns)
        check(len(columns), f"columns must name at least one attribute, got {columns!r}")
        check(len(set(columns)) == len(columns), f"columns must be distinct, got {columns!r}")
        for column in columns:
            plain = Token.is_unresolved(column) or re.fullmatch(r"[^,\s]([^,]*[^,\s])?", column)
            check(plain, f"columns must be names without a comma or a space around them, got {column!r}")
        return cls(table, tuple(columns))

    def bind(
        self,
        scope: Construct,  # noqa: ARG002  as that of a database
        *,
        key: kms.IKey | None,  # noqa: ARG002
        operations: Operations,  # noqa: ARG002
        publishes: bool = False,  # noqa: ARG002
        mails: bool = False,  # noqa: ARG002
    ) -> BoundSource:
        """What a pattern's function needs; nothing is defined."""
        return BoundSource(
            settings={
                "SOURCE": "dynamodb",
                "SOURCE_TABLE_NAME": self._table.table_name,
                "COLUMNS": ",".join(self._columns),
            },
            outputs={"SourceTableName": self._table.table_name},
            table=self._table,
        )


def _check_resource(name: str, value: object, attribute: str, hint: str, *, optional: bool = False) -> None:
    check((optional and value is None) or hasattr(value, attribute), f"{name} must be {hint}, got {value!r}")


def _check_groups(groups: object) -> None:
    holds = isinstance(groups, Sequence) and groups and all(hasattr(group, "security_group_id") for group in groups)
    check(groups is None or holds, f"security_groups must be a list of at least one security group, got {groups!r}")


def _check_database_name(name: str) -> None:
    """https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBCluster.html."""
    if Token.is_unresolved(name):
        return
    check(
        re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,62}", name),
        f"database_name must be 1 to 63 letters, digits or _ that begin with a letter, got {name!r}",
    )
    check(name not in RESERVED_NAMES, f"database_name must be none of {', '.join(RESERVED_NAMES)}, got {name!r}")


def _check_cluster(cluster: rds.IDatabaseCluster, secret: secretsmanager.ISecret | None) -> None:
    """Check what can be seen of a cluster of the user's; an imported one cannot be looked at."""
    check(
        secret is not None,
        "secret must be given with a cluster that has none of its own: the one with username and password of a user",
    )
    definition = cluster.node.default_child
    if not isinstance(definition, rds.CfnDBCluster):
        return
    engine = cluster.stack.resolve(definition.engine)
    check(engine == "aurora-postgresql", f"cluster must be an Aurora PostgreSQL, got the engine {engine!r}")
    on = cluster.stack.resolve(definition.enable_http_endpoint)
    check(on, "cluster must have the Data API on: define it with enable_data_api=True, or use ReportDatabase.postgres(...)")
