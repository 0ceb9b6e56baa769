"""Where the rows of a report come from: an SQL database, or a DynamoDB table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from aws_cdk import Token
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from serverless_patterns._blocks.bound_source import AuroraKind, BoundSource, PostgresKind
from serverless_patterns._blocks.checks import check, check_between, check_has, check_texts, check_type
from serverless_patterns._blocks.report_source_checks import (
    certificates,
    check_cluster,
    check_database_name,
    check_groups,
    check_place,
)
from serverless_patterns.operations import Operations

#: What the function that reads the rows announces reports on, if it does.
Announces = Literal["topic", "bus"] | None

POSTGRES_PORT = 5432
_MOST_PORT = 65_535


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
        check_has("cluster", cluster, "cluster_arn", "an Aurora cluster", optional=True)
        check_has("secret", secret, "secret_arn", "a Secrets Manager secret", optional=True)
        check_has("vpc", vpc, "vpc_id", "a VPC", optional=True)
        version = rds.AuroraPostgresEngineVersion
        check_type("engine_version", engine_version, version, "an AuroraPostgresEngineVersion", optional=True)
        if cluster is None:
            check_database_name(database_name)
        else:
            own = [name for name, value in (("vpc", vpc), ("engine_version", engine_version)) if value is not None]
            check(not own, f"{' and '.join(own)} must not be given with cluster, which has its own")
            secret = secret or getattr(cluster, "secret", None)  # those that CDK defines have one, imported ones do not
            check_cluster(cluster, secret)
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
        host: str | None = None,
        port: int = POSTGRES_PORT,
        database_name: str | None = None,
        ca_certificates: str | Path | None = None,
        endpoints: bool = False,
    ) -> Self:
        """Any PostgreSQL that is reached from a VPC: RDS, Aurora, or a server of yours; the function runs there.

        Let it in: ``database.connections.allow_default_port_from(report.connections)``.

        Args:
            secret: ``{"username", "password"}``, and ``"host"``, ``"port"``, ``"dbname"`` and ``"sslmode"``, which come before
                the arguments here. The one that CDK makes for an instance or a cluster has the place too, and a ``dbname`` if
                one was named; the one that RDS makes and keeps itself (``manage_master_user_password``) has a user only.
            vpc: The VPC that leads to the database.
            subnets: Private ones. Default: those that lead to the internet by a NAT; else isolated ones.
            security_groups: Those of the function. Default: one is defined, out to ``port`` and to HTTPS only.
            host: Where the database is, unless the secret says so: ``instance.db_instance_endpoint_address``,
                ``cluster.cluster_endpoint.hostname``.
            port: That of the database, for that group, and where the secret says none. Default 5432.
            database_name: The database in it, unless the secret says so.
            ca_certificates: A file of PEM certificates to trust beside the public ones: those of RDS are signed by CAs of
                AWS's own, which are in no such list. AWS publishes them for each region, such as
                https://truststore.pki.rds.amazonaws.com/eu-central-1/eu-central-1-bundle.pem, described in
                https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html. The file is packed with the
                bundled handler, which then checks who answers (``sslmode`` ``verify-full``) unless the secret says
                ``require``. Default: none, and the connection is encrypted without that check.
            endpoints: Whether to define VPC endpoints for what the function calls: S3, DynamoDB, Secrets Manager, and SNS,
                EventBridge and SES if it uses them. Default no: most VPCs have a NAT or endpoints, and a second one of a
                service is refused. Each but the first two costs about 8 USD a month and subnet.

        Raises:
            PatternError: An argument does not fit.
        """
        check_has("secret", secret, "secret_arn", "a Secrets Manager secret")
        check_has("vpc", vpc, "vpc_id", "a VPC")
        check_type("subnets", subnets, ec2.SubnetSelection, "an ec2.SubnetSelection(...)", optional=True)
        check_type("port", port, int, f"a whole number from 1 to {_MOST_PORT}")
        check_between("port", port, 1, _MOST_PORT)
        check_type("endpoints", endpoints, bool, "True or False")
        check_groups(security_groups)
        check_place(host, database_name)
        return cls(
            PostgresKind(
                secret=secret,
                vpc=vpc,
                subnets=subnets,
                security_groups=security_groups,
                host=host,
                port=port,
                database_name=database_name,
                ca_certificates=None if ca_certificates is None else certificates(ca_certificates),
                endpoints=endpoints,
            )
        )

    @property
    def is_data_api(self) -> bool:
        """Whether it is asked by the Data API, which has limits of its own."""
        return isinstance(self._kind, AuroraKind)

    @property
    def has_certificates(self) -> bool:
        """Whether certificates are packed with the bundled handler."""
        return isinstance(self._kind, PostgresKind) and self._kind.ca_certificates is not None

    def bind(
        self,
        scope: Construct,
        *,
        key: kms.IKey | None,
        operations: Operations,
        announces: Announces = None,
        mails: bool = False,
    ) -> BoundSource:
        """Define what it needs in a pattern, whose function may announce reports and send mail."""
        if isinstance(self._kind, AuroraKind):
            return self._kind.bind(scope, key, operations)
        services = {"SecretsManager": ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER}
        if announces == "topic":
            services["Sns"] = ec2.InterfaceVpcEndpointAwsService.SNS
        if announces == "bus":
            services["Events"] = ec2.InterfaceVpcEndpointAwsService.EVENTBRIDGE
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
        check_has("table", table, "table_arn", "a DynamoDB table")
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
        announces: Announces = None,  # noqa: ARG002
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
