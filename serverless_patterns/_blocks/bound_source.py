"""A source of rows inside a pattern: what its function is told, and may do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from serverless_patterns._blocks.aurora import define_cluster
from serverless_patterns._blocks.network import Network, define_endpoints, join_network
from serverless_patterns._blocks.secret import grant_secret
from serverless_patterns._blocks.table import grant_tables
from serverless_patterns.operations import Operations

#: The certificates that the user packs with the bundled handler, in its folder.
CA_FILE = "ca.pem"
#: What a report asks of the Data API: it reads in a transaction that it never commits.
DATA_API_ACTIONS = ("rds-data:BeginTransaction", "rds-data:ExecuteStatement", "rds-data:RollbackTransaction")


@dataclass(frozen=True, kw_only=True)
class BoundSource:
    """A source inside a pattern: what its function is told, and may do.

    Attributes:
        settings: Environment variables of the function.
        files: What the bundled handler reads beside its code: name -> text.
        outputs: What a stack shows of it, by its stable name.
        network: Where the function has to run; ``None``: anywhere.
        cluster: The cluster behind the Data API.
        secret: The secret with the user and the password, of an SQL database.
        table: The table that is read.
    """

    settings: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    network: Network | None = None
    cluster: rds.IDatabaseCluster | None = None
    secret: secretsmanager.ISecret | None = None
    table: dynamodb.ITable | None = None

    @property
    def connections(self) -> ec2.Connections | None:
        """The function's side of the network, for the database to let in; ``None`` if it is in none."""
        return None if self.network is None else self.network.connections

    def grant(self, function: iam.IGrantable) -> None:
        """Let a function read the rows: nothing else of the database, and nothing of another one."""
        if self.cluster is not None:
            arns = [self.cluster.cluster_arn]
            iam.Grant.add_to_principal(grantee=function, actions=list(DATA_API_ACTIONS), resource_arns=arns)
        if self.secret is not None:
            grant_secret(function, self.secret)
        if self.table is not None:
            grant_tables(function, {self.table: ["Scan"]})


@dataclass(frozen=True, kw_only=True)
class AuroraKind:
    """A cluster behind the Data API: the user's, or one to define."""

    database_name: str
    cluster: rds.IDatabaseCluster | None
    secret: secretsmanager.ISecret | None
    vpc: ec2.IVpc | None
    engine_version: rds.AuroraPostgresEngineVersion | None

    def bind(self, scope: Construct, key: kms.IKey | None, operations: Operations) -> BoundSource:
        """Define the cluster, unless there is one."""
        cluster, secret = self.cluster, self.secret
        if cluster is None:
            cluster = define_cluster(
                scope,
                database_name=self.database_name,
                vpc=self.vpc,
                engine_version=self.engine_version,
                key=key,
                operations=operations,
            )
            secret = secret or cluster.secret
        secret = cast(secretsmanager.ISecret, secret)  # a cluster of the user's has one: checked before
        arns = {"ClusterArn": cluster.cluster_arn, "DatabaseSecretArn": _arn(secret)}
        return BoundSource(
            settings={
                "SOURCE": "data_api",
                "CLUSTER_ARN": arns["ClusterArn"],
                "DATABASE_SECRET_ARN": arns["DatabaseSecretArn"],
                "DATABASE_NAME": self.database_name,
            },
            outputs=arns,
            cluster=cluster,
            secret=secret,
        )


@dataclass(frozen=True, kw_only=True)
class PostgresKind:
    """A server in a VPC."""

    secret: secretsmanager.ISecret
    vpc: ec2.IVpc
    subnets: ec2.SubnetSelection | None
    security_groups: Sequence[ec2.ISecurityGroup] | None
    host: str | None
    port: int
    database_name: str | None
    ca_certificates: str | None
    endpoints: bool

    def bind(self, scope: Construct, services: Mapping[str, ec2.InterfaceVpcEndpointAwsService]) -> BoundSource:
        """Find the place of the function in the VPC."""
        network = join_network(
            scope,
            vpc=self.vpc,
            subnets=self.subnets,
            security_groups=self.security_groups,
            port=self.port,
            endpoints=self.endpoints,
        )
        if self.endpoints:
            define_endpoints(scope, network, services=services)
        arn = _arn(self.secret)
        return BoundSource(
            settings={"SOURCE": "postgres", "DATABASE_SECRET_ARN": arn, **self._place},
            files={} if self.ca_certificates is None else {CA_FILE: self.ca_certificates},
            outputs={"DatabaseSecretArn": arn},
            network=network,
            secret=self.secret,
        )

    @property
    def _place(self) -> Mapping[str, str]:
        """What the secret need not have."""
        known = {
            "DATABASE_HOST": self.host,
            "DATABASE_PORT": str(self.port),
            "DATABASE_NAME": self.database_name,
            "CA_FILE": None if self.ca_certificates is None else f"scheduled_report/{CA_FILE}",
        }
        return {name: value for name, value in known.items() if value is not None}


def _arn(secret: secretsmanager.ISecret) -> str:
    return secret.secret_full_arn or secret.secret_arn
