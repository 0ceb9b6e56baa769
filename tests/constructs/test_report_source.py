"""Where the rows of a report come from: a cluster or a table of the user's, and what a function may do with it."""

import pytest
from aws_cdk import Aws, Duration, SecretValue
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager

from serverless_patterns import Handler, Operations, PatternError
from serverless_patterns._blocks.function import HandlerFunction
from serverless_patterns._blocks.report_source import ReportDatabase, ReportSource
from tests.support.readable import properties_at
from tests.support.report_sources import CLUSTER, DATA_API, READ_SECRET, SECRET_ARN, bound, granted, secret_in, settings, vpc_in
from tests.support.synthesis import empty_stack, resources, template_of


@pytest.fixture
def stack():
    return empty_stack()


# --- an Aurora of the user's


def cluster_in(stack, **options):
    given = {
        "engine": rds.DatabaseClusterEngine.aurora_postgres(version=rds.AuroraPostgresEngineVersion.VER_16_8),
        "writer": rds.ClusterInstance.serverless_v2("Writer"),
        "vpc": vpc_in(stack),
        "enable_data_api": True,
    }
    return rds.DatabaseCluster(stack, "Shop", **given | options)


def test_a_cluster_of_the_users_is_read_with_the_secret_that_it_was_defined_with(stack):
    found = bound(ReportDatabase.aurora(cluster=cluster_in(stack), database_name="shop"), stack)
    shop = CLUSTER.replace("Database", "Shop")
    assert settings(stack)["CLUSTER_ARN"] == shop
    assert granted(stack) == {shop: DATA_API, "Shop/Secret/Attachment": READ_SECRET}
    assert found.cluster.node.path == "Test/Shop"
    assert len(resources(template_of(stack), "AWS::RDS::DBCluster")) == 1


def test_an_imported_cluster_is_read_with_the_secret_that_is_given(stack):
    cluster = rds.DatabaseCluster.from_database_cluster_attributes(stack, "Shop", cluster_identifier="shop")
    bound(ReportDatabase.aurora(cluster=cluster, secret=secret_in(stack), database_name='odd "name"'), stack)
    shop = CLUSTER.replace("Database", "shop")
    assert settings(stack) == {
        "SOURCE": "data_api",
        "CLUSTER_ARN": shop,
        "DATABASE_SECRET_ARN": SECRET_ARN,
        "DATABASE_NAME": 'odd "name"',
    }
    assert granted(stack) == {shop: DATA_API, SECRET_ARN: READ_SECRET}


def test_a_secret_that_is_known_by_name_only_is_granted_with_the_letters_that_aws_adds(stack):
    secret = secretsmanager.Secret.from_secret_name_v2(stack, "Secret", "reader")
    bound(ReportDatabase.aurora(secret=secret), stack)
    arn = "arn:AWS::Partition:secretsmanager:AWS::Region:AWS::AccountId:secret:reader"
    assert settings(stack)["DATABASE_SECRET_ARN"] == arn
    assert granted(stack)[f"{arn}-??????"] == READ_SECRET


def without_data_api(stack):
    return ReportDatabase.aurora(cluster=cluster_in(stack, enable_data_api=False))


def mysql(stack):
    engine = rds.DatabaseClusterEngine.aurora_mysql(version=rds.AuroraMysqlEngineVersion.VER_3_08_0)
    return ReportDatabase.aurora(cluster=cluster_in(stack, engine=engine))


def without_secret(stack):
    credentials = rds.Credentials.from_password("me", SecretValue.unsafe_plain_text("x"))
    return ReportDatabase.aurora(cluster=cluster_in(stack, credentials=credentials))


def with_vpc_and_cluster(stack):
    cluster = rds.DatabaseCluster.from_database_cluster_attributes(stack, "Shop", cluster_identifier="shop")
    return ReportDatabase.aurora(
        cluster=cluster, secret=secret_in(stack), vpc=vpc_in(stack), engine_version=rds.AuroraPostgresEngineVersion.VER_16_8
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            without_data_api,
            "cluster must have the Data API on: define it with enable_data_api=True, or use ReportDatabase.postgres(...)",
        ),
        (mysql, "cluster must be an Aurora PostgreSQL, got the engine 'aurora-mysql'"),
        (
            without_secret,
            "secret must be given with a cluster that has none of its own: the one with username and password of a user",
        ),
        (with_vpc_and_cluster, "vpc and engine_version must not be given with cluster, which has its own"),
        (
            lambda _: ReportDatabase.aurora(database_name="my-reports"),
            "database_name must be 1 to 63 letters, digits or _ that begin with a letter, got 'my-reports'",
        ),
        (
            lambda _: ReportDatabase.aurora(database_name="reports\n"),
            "database_name must be 1 to 63 letters, digits or _ that begin with a letter, got 'reports\\n'",
        ),
        (
            lambda _: ReportDatabase.aurora(database_name="r" * 64),
            f"database_name must be 1 to 63 letters, digits or _ that begin with a letter, got '{'r' * 64}'",
        ),
        (
            lambda _: ReportDatabase.aurora(database_name="template1"),
            "database_name must be none of rdsadmin, template0, template1, got 'template1'",
        ),
        (
            lambda _: ReportDatabase.aurora(database_name=7),
            "database_name must be a text such as 'reports', got 7 (int, not str)",
        ),
        (lambda _: ReportDatabase.aurora(cluster="shop"), "cluster must be an Aurora cluster, got 'shop'"),
        (lambda _: ReportDatabase.aurora(secret="arn"), "secret must be a Secrets Manager secret, got 'arn'"),
        (lambda _: ReportDatabase.aurora(vpc="vpc-1"), "vpc must be a VPC, got 'vpc-1'"),
        (
            lambda _: ReportDatabase.aurora(engine_version="16.8"),
            "engine_version must be an AuroraPostgresEngineVersion, got '16.8' (str, not AuroraPostgresEngineVersion)",
        ),
    ],
)
def test_an_aurora_that_does_not_fit_is_refused(stack, make, message):
    with pytest.raises(PatternError) as raised:
        make(stack)
    assert str(raised.value) == message


def test_the_name_of_a_database_may_be_known_only_when_it_is_deployed(stack):
    bound(ReportDatabase.aurora(database_name=Aws.STACK_NAME), stack)
    assert settings(stack)["DATABASE_NAME"] == "AWS::StackName"


# --- a table


def table_in(stack, **options):
    key = dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING)
    return dynamodb.Table(stack, "Table", partition_key=key, **options)


def test_a_table_is_read_as_a_whole_and_not_changed(stack):
    found = bound(ReportSource.dynamodb(table_in(stack), columns=["id", "placed at"]), stack)
    assert settings(stack) == {"SOURCE": "dynamodb", "SOURCE_TABLE_NAME": "Table", "COLUMNS": "id,placed at"}
    assert granted(stack) == {"Table": ["dynamodb:Scan"]}
    assert (found.network, found.secret, found.cluster) == (None, None, None)
    assert stack.resolve(found.outputs["SourceTableName"]) == stack.resolve(found.settings["SOURCE_TABLE_NAME"])


def test_a_table_with_a_key_is_read_with_it(stack):
    table = table_in(stack, encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED, encryption_key=kms.Key(stack, "Key"))
    bound(ReportSource.dynamodb(table, columns=["id"]), stack)
    assert set(granted(stack)) == {"Table", "Key"}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([], "columns must name at least one attribute, got []"),
        ("id", "columns must be a list of texts, got 'id'"),
        (["id", "id"], "columns must be distinct, got ['id', 'id']"),
        (["id,name"], "columns must be names without a comma or a space around them, got 'id,name'"),
        ([" id"], "columns must be names without a comma or a space around them, got ' id'"),
        (["id", ""], "columns must be names without a comma or a space around them, got ''"),
    ],
)
def test_columns_that_do_not_fit_are_refused(stack, columns, message):
    with pytest.raises(PatternError) as raised:
        ReportSource.dynamodb(table_in(stack), columns=columns)
    assert str(raised.value) == message


def test_what_is_no_table_is_refused():
    with pytest.raises(PatternError) as raised:
        ReportSource.dynamodb("orders", columns=["id"])
    assert str(raised.value) == "table must be a DynamoDB table, got 'orders'"


# --- the function


def test_reserved_concurrency_is_that_which_is_given(stack):
    HandlerFunction(
        stack,
        "Function",
        handler=Handler(lambda_.Code.from_inline("pass"), "index.handler"),
        description="Makes the report",
        timeout=Duration.seconds(30),
        environment={},
        operations=Operations(),
        reserved_concurrency=1,
    )
    assert properties_at(stack, "Function")["ReservedConcurrentExecutions"] == 1
