"""Aurora PostgreSQL, serverless, behind the Data API: a database that a function reaches without being in its VPC."""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from constructs import Construct

from serverless_patterns._blocks.checks import check
from serverless_patterns._blocks.network import isolated_vpc
from serverless_patterns.operations import Operations

#: Of the newest major version that the Data API knows; from 17 on, PostgreSQL takes connections with TLS only.
#: https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/Concepts.Aurora_Fea_Regions_DB-eng.Feature.Data_API.html
ENGINE_VERSION = "17.7"
#: Who owns the database.
OWNER = "postgres"


def define_cluster(
    scope: Construct,
    *,
    database_name: str,
    vpc: ec2.IVpc | None,
    engine_version: rds.AuroraPostgresEngineVersion | None,
    key: kms.IKey | None,
    operations: Operations,
) -> rds.DatabaseCluster:
    """A cluster that nothing can connect to but the Data API, until its security group lets it.

    RDS makes the owner's password, keeps it in a secret of its own and changes it every week:
    https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/rds-secrets-manager.html. RDS makes the log group too, which
    keeps its events until somebody sets a retention: CDK's way to set one is a function of its own. There is no Performance
    Insights, for which AWS advises at least 2 ACU, and no enhanced monitoring, which needs a role with a policy of AWS's.
    """
    settings = operations.database
    removal = _removal_policy(operations)
    network = vpc or isolated_vpc(scope, _beside(removal))
    group = ec2.SecurityGroup(scope, "DatabaseSecurityGroup", vpc=network, description="Database", allow_all_outbound=False)
    group.apply_removal_policy(_beside(removal))
    cluster = rds.DatabaseCluster(
        scope,
        "Database",
        engine=rds.DatabaseClusterEngine.aurora_postgres(
            version=engine_version or rds.AuroraPostgresEngineVersion.of(ENGINE_VERSION, ENGINE_VERSION.partition(".")[0])
        ),
        default_database_name=database_name,
        credentials=rds.Credentials.from_username(OWNER, encryption_key=key),
        manage_master_user_password=True,
        enable_data_api=True,
        iam_authentication=True,
        writer=rds.ClusterInstance.serverless_v2("Instance1", auto_minor_version_upgrade=True),
        readers=[
            # Grows with the writer, and so is as large when it takes over.
            rds.ClusterInstance.serverless_v2(f"Instance{number}", scale_with_writer=True, auto_minor_version_upgrade=True)
            for number in range(2, settings.instances + 1)
        ],
        serverless_v2_min_capacity=settings.min_capacity,
        serverless_v2_max_capacity=settings.max_capacity,
        serverless_v2_auto_pause_duration=None if settings.min_capacity else Duration.minutes(settings.pause_after_minutes),
        vpc=network,
        vpc_subnets=ec2.SubnetSelection(subnets=_private_subnets(network)),
        security_groups=[group],
        storage_encrypted=True,
        storage_encryption_key=key,
        backup=rds.BackupProps(retention=Duration.days(settings.backup_days)),
        copy_tags_to_snapshot=True,
        cloudwatch_logs_exports=["postgresql"],
        deletion_protection=operations.deletion_protection,
        removal_policy=removal,
    )
    for each in cluster.node.find_all():  # CDK keeps them for one policy only: a cluster that stays needs them in any case
        if isinstance(each, rds.CfnDBInstance | rds.CfnDBSubnetGroup):
            each.apply_removal_policy(_beside(removal))
    if removal is RemovalPolicy.SNAPSHOT and key is not None and isinstance(key.node.default_child, kms.CfnKey):
        key.apply_removal_policy(RemovalPolicy.RETAIN)  # without it, nobody could restore the snapshot
    return cluster


def _removal_policy(operations: Operations) -> RemovalPolicy:
    """That of all data; a database that goes can leave a snapshot."""
    goes = operations.removal_policy is RemovalPolicy.DESTROY
    return RemovalPolicy.SNAPSHOT if goes and operations.database.final_snapshot else operations.removal_policy


def _beside(removal: RemovalPolicy) -> RemovalPolicy:
    """What happens to that which a database needs and which takes no snapshot: a database that stays keeps it in use."""
    return RemovalPolicy.DESTROY if removal is RemovalPolicy.SNAPSHOT else removal


def _private_subnets(vpc: ec2.IVpc) -> list[ec2.ISubnet]:
    subnets = vpc.isolated_subnets or vpc.private_subnets
    check(
        len(subnets) > 1,
        f"vpc must have at least two isolated or private subnets in different zones for a database, got {len(subnets)}",
    )
    return list(subnets)
