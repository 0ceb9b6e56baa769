"""The Aurora that a report defines for itself: how it is protected, placed, sized and kept."""

import dataclasses
import json
from pathlib import Path

import pytest
from aws_cdk import Environment, RemovalPolicy, Stack
from aws_cdk import assertions as cdk_assertions
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds

from serverless_patterns import DEV, LOCAL, PROD, STAGING, Operations, PatternError
from serverless_patterns._blocks.report_source import ReportDatabase
from tests.support.readable import properties_at, readable
from tests.support.report_sources import CLUSTER, DATA_API, READ_SECRET, SECRET_ARN, bound, granted, secret_in, settings, vpc_in
from tests.support.synthesis import empty_stack, new_app, resources, template_of


@pytest.fixture
def stack():
    return empty_stack()


def test_an_aurora_is_reached_by_the_data_api_from_outside_of_its_vpc(stack):
    found = bound(ReportDatabase.aurora(database_name="shop"), stack)
    assert settings(stack) == {
        "SOURCE": "data_api",
        "CLUSTER_ARN": CLUSTER,
        "DATABASE_SECRET_ARN": "Database",
        "DATABASE_NAME": "shop",
    }
    assert granted(stack) == {CLUSTER: DATA_API, "Database": READ_SECRET}
    assert (found.network, found.connections) == (None, None)
    assert "VpcConfig" not in properties_at(stack, "Function")
    assert readable(stack, stack.resolve(dict(found.outputs))) == {"ClusterArn": CLUSTER, "DatabaseSecretArn": "Database"}


def test_an_aurora_is_encrypted_logged_and_closed(stack):
    bound(ReportDatabase.aurora(), stack)
    cluster = properties_at(stack, "Database")
    expected = {
        "DatabaseName": "reports",
        "Engine": "aurora-postgresql",
        "EngineVersion": "17.7",
        "EnableHttpEndpoint": True,
        "StorageEncrypted": True,
        "ManageMasterUserPassword": True,
        "EnableIAMDatabaseAuthentication": True,
        "CopyTagsToSnapshot": True,
        "EnableCloudwatchLogsExports": ["postgresql"],
        "VpcSecurityGroupIds": ["DatabaseSecurityGroup"],
    }
    assert cluster | expected == cluster
    (instance, *_) = resources(template_of(stack), "AWS::RDS::DBInstance").values()
    assert (instance["Properties"]["PubliclyAccessible"], instance["Properties"]["AutoMinorVersionUpgrade"]) == (False, True)
    group = properties_at(stack, "DatabaseSecurityGroup")
    assert "SecurityGroupIngress" not in group
    assert [rule["Description"] for rule in group["SecurityGroupEgress"]] == ["Disallow all traffic"]


def test_the_password_of_an_aurora_is_nowhere_in_the_template(stack):
    bound(ReportDatabase.aurora(), stack)
    assert "MasterUserPassword" not in properties_at(stack, "Database")
    assert resources(template_of(stack), "AWS::SecretsManager::Secret") == {}


def test_the_vpc_of_an_aurora_has_two_zones_and_leads_nowhere(stack):
    bound(ReportDatabase.aurora(), stack)
    found = {}
    for resource in template_of(stack)["Resources"].values():
        found[resource["Type"]] = found.get(resource["Type"], 0) + 1
    network = {name: number for name, number in found.items() if name.startswith("AWS::EC2::")}
    assert network == {
        "AWS::EC2::VPC": 1,
        "AWS::EC2::RouteTable": 1,
        "AWS::EC2::Subnet": 2,
        "AWS::EC2::SubnetRouteTableAssociation": 2,
        "AWS::EC2::SecurityGroup": 1,
    }
    subnets = [properties_at(stack, f"Subnet{number}") for number in (1, 2)]
    assert [subnet["CidrBlock"] for subnet in subnets] == ["10.0.0.0/25", "10.0.0.128/25"]
    assert [subnet["AvailabilityZone"]["Fn::Select"][0] for subnet in subnets] == [0, 1]
    assert all("MapPublicIpOnLaunch" not in subnet for subnet in subnets)
    assert properties_at(stack, "Database/Subnets/Default")["SubnetIds"] == ["Subnet1", "Subnet2"]


def test_an_aurora_needs_no_look_at_the_account_and_no_function_of_cdk():
    app = new_app()
    placed = Stack(app, "Placed", env=Environment(account="123456789012", region="eu-central-1"))
    bound(ReportDatabase.aurora(), placed)
    assembly = app.synth()
    assert "missing" not in json.loads((Path(assembly.directory) / "manifest.json").read_text())
    template = assembly.get_stack_artifact(placed.artifact_id).template
    assert len(resources(template, "AWS::Lambda::Function")) == 1
    assert not [name for name in (each["Type"] for each in template["Resources"].values()) if name.startswith("Custom::")]


def test_an_aurora_says_nothing_to_whoever_defines_it(stack):
    bound(ReportDatabase.aurora(), stack)
    everything = cdk_assertions.Match.any_value()
    assert cdk_assertions.Annotations.from_stack(stack).find_warning("*", everything) == []


def test_a_customer_managed_key_encrypts_the_storage_and_the_secret(stack):
    bound(ReportDatabase.aurora(), stack, key=kms.Key(stack, "Key"))
    cluster = properties_at(stack, "Database")
    assert (cluster["KmsKeyId"], cluster["MasterUserSecret"]) == ("Key", {"KmsKeyId": "Key"})
    assert granted(stack) == {CLUSTER: DATA_API, "Database": READ_SECRET, "Key": ["kms:Decrypt"]}


def test_a_report_can_be_made_by_a_user_of_its_own(stack):
    bound(ReportDatabase.aurora(secret=secret_in(stack)), stack)
    assert settings(stack)["DATABASE_SECRET_ARN"] == SECRET_ARN
    assert granted(stack) == {CLUSTER: DATA_API, SECRET_ARN: READ_SECRET}


def test_an_aurora_goes_into_the_isolated_subnets_of_a_vpc(stack):
    bound(ReportDatabase.aurora(vpc=vpc_in(stack)), stack)
    assert properties_at(stack, "Database/Subnets/Default")["SubnetIds"] == ["isolated-1", "isolated-2"]
    assert resources(template_of(stack), "AWS::EC2::VPC") == {}


def test_an_aurora_goes_into_private_subnets_where_a_vpc_has_no_isolated_ones(stack):
    bound(ReportDatabase.aurora(vpc=vpc_in(stack, isolated=0)), stack)
    assert properties_at(stack, "Database/Subnets/Default")["SubnetIds"] == ["private-1", "private-2"]


def test_an_aurora_never_goes_into_public_subnets(stack):
    with pytest.raises(PatternError) as raised:
        bound(ReportDatabase.aurora(vpc=vpc_in(stack, isolated=0, private=0)), stack)
    assert str(raised.value) == (
        "vpc must have at least two isolated or private subnets in different zones for a database, got 0"
    )


def test_another_version_is_taken(stack):
    bound(ReportDatabase.aurora(engine_version=rds.AuroraPostgresEngineVersion.VER_16_8), stack)
    assert properties_at(stack, "Database")["EngineVersion"] == "16.8"


# --- how it is run


@pytest.mark.parametrize(
    ("environment", "scaling", "instances", "backup_days"),
    [
        (LOCAL, {"MinCapacity": 0, "MaxCapacity": 1, "SecondsUntilAutoPause": 300}, 1, 1),
        (DEV, {"MinCapacity": 0, "MaxCapacity": 1, "SecondsUntilAutoPause": 300}, 1, 1),
        (STAGING, {"MinCapacity": 0.5, "MaxCapacity": 2}, 1, 7),
        (PROD, {"MinCapacity": 0.5, "MaxCapacity": 8}, 2, 14),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_an_environment_gives_an_aurora_its_size_and_backups(stack, environment, scaling, instances, backup_days):
    bound(ReportDatabase.aurora(), stack, operations=environment.operations)
    cluster = properties_at(stack, "Database")
    assert cluster["ServerlessV2ScalingConfiguration"] == scaling
    assert cluster["BackupRetentionPeriod"] == backup_days
    tiers = [found["Properties"]["PromotionTier"] for found in resources(template_of(stack), "AWS::RDS::DBInstance").values()]
    assert tiers == list(range(instances))


@pytest.mark.parametrize(
    ("environment", "cluster", "beside", "protected"),
    [
        (LOCAL, "Delete", "Delete", False),
        (DEV, "Delete", "Delete", False),
        (STAGING, "Snapshot", "Delete", False),
        (PROD, "Retain", "Retain", True),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_what_a_database_needs_stays_as_long_as_it_does(stack, environment, cluster, beside, protected):
    bound(ReportDatabase.aurora(), stack, operations=environment.operations)
    template = template_of(stack)
    (found,) = resources(template, "AWS::RDS::DBCluster").values()
    assert (found["DeletionPolicy"], found["UpdateReplacePolicy"]) == (cluster, cluster)
    assert found["Properties"]["DeletionProtection"] is protected
    others = {
        name: resource.get("DeletionPolicy", "Delete")
        for name, resource in template["Resources"].items()
        if resource["Type"].startswith(("AWS::EC2::", "AWS::RDS::")) and resource is not found
    }
    assert set(others.values()) == {beside}


def test_a_database_waits_before_it_pauses_as_long_as_it_is_told(stack):
    database = dataclasses.replace(DEV.operations.database, pause_after_minutes=60)
    bound(ReportDatabase.aurora(), stack, operations=DEV.operations.replace(database=database))
    assert properties_at(stack, "Database")["ServerlessV2ScalingConfiguration"]["SecondsUntilAutoPause"] == 3600


def test_retaining_on_update_is_said_of_all_that_a_database_needs(stack):
    policy = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
    bound(ReportDatabase.aurora(), stack, operations=Operations(removal_policy=policy))
    found = {
        (resource["Type"], resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy"))
        for resource in template_of(stack)["Resources"].values()
        if resource["Type"].startswith(("AWS::EC2::", "AWS::RDS::"))
    }
    assert {(deleted, replaced) for _, deleted, replaced in found} == {("RetainExceptOnCreate", "Retain")}
    assert {"AWS::RDS::DBInstance", "AWS::RDS::DBSubnetGroup"} <= {kind for kind, *_ in found}
