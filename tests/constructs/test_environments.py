"""Environments and operations: values, checked."""

import dataclasses
import math

import pytest
from aws_cdk import Duration, RemovalPolicy

from serverless_patterns import DEV, LOCAL, PROD, STAGING, Capacity, Environment, Operations, PatternError, environment_named
from serverless_patterns.errors import UnknownEnvironmentError
from serverless_patterns.operations import DatabaseOperations

NAME = "name must be 1 to 31 lower-case letters, digits and hyphens, starting with a letter, such as 'dev-alice'"
BACKUPS = "backup_days must be a whole number from 1 to 35, or None for no backups"
ARCHIVE = "archive_days must be a whole number from 1 to 3600, or None for no archive"
SAMPLES = "debug_sample_rate must be a number from 0 to 1 (0.01 is one invocation in a hundred)"
KEY = "encryption_key must be a KMS key, or None for keys that AWS owns"
SHARE = "share must be a number above 0 and at most 1 (1 is the declared capacity)"
RATE = "max_requests_per_second must be a whole number of at least 1, or None for no limit"
CONCURRENCY = "max_concurrency must be a whole number of at least 2, or None for no limit"


@pytest.mark.parametrize("environment", [LOCAL, DEV, STAGING, PROD])
def test_an_environment_is_found_by_its_name(environment):
    assert environment_named(environment.name) is environment


def test_an_unknown_environment_names_the_known_ones_and_the_closest():
    with pytest.raises(UnknownEnvironmentError) as raised:
        environment_named("prdo")
    assert str(raised.value) == "environment must be one of local, dev, staging, prod, got 'prdo'; did you mean 'prod'?"


def test_an_environment_with_a_name_like_no_other_names_only_the_known_ones():
    for name in ("q", 3, [], None):
        with pytest.raises(UnknownEnvironmentError) as raised:
            environment_named(name)
        assert str(raised.value) == f"environment must be one of local, dev, staging, prod, got {name!r}"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"account": 123456789012}, "account must be a text, since account ids can begin with 0: write '123456789012'"),
        ({"account": "12"}, "account must be an AWS account id of 12 digits, or None for any account, got '12'"),
        (
            {"region": "Frankfurt"},
            "region must be an AWS region such as 'eu-central-1', or None for any region, got 'Frankfurt'",
        ),
        ({"name": "Prod 1"}, f"{NAME}, got 'Prod 1'"),
        ({"name": 1}, f"{NAME}, got 1"),
        ({"region": 3}, "region must be an AWS region such as 'eu-central-1', or None for any region, got 3"),
        ({"operations": None}, "operations must be of type Operations, got None"),
        ({"alarm_actions": "no"}, "alarm_actions must be True or False, got 'no'"),
        ({"dashboards": None}, "dashboards must be True or False, got None"),
        ({"customer_key": 1}, "customer_key must be True or False, got 1"),
        ({"termination_protection": 0}, "termination_protection must be True or False, got 0"),
    ],
)
def test_an_environment_refuses_what_is_not_well_formed(change, message):
    with pytest.raises(PatternError) as raised:
        dataclasses.replace(PROD, **change)
    assert str(raised.value) == message


@pytest.mark.parametrize("region", ["eu-central-1", "us-gov-west-1", "ap-southeast-4", "cn-north-1"])
def test_regions_of_all_partitions_are_accepted(region):
    assert PROD.at(account="123456789012", region=region).region == region


def test_an_environment_placed_nowhere_keeps_what_it_has():
    assert PROD.at() == PROD


def test_values_cannot_be_changed_in_place():
    with pytest.raises(dataclasses.FrozenInstanceError):
        PROD.name = "other"
    with pytest.raises(dataclasses.FrozenInstanceError):
        PROD.operations.tracing = False


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Operations(backup_days=36), f"{BACKUPS}, got 36"),
        (lambda: Operations(backup_days=0), f"{BACKUPS}, got 0"),
        (lambda: Operations(backup_days="7"), f"{BACKUPS}, got '7'"),
        (lambda: Operations(backup_days=True), f"{BACKUPS}, got True"),
        (lambda: Operations(archive_days=0), f"{ARCHIVE}, got 0"),
        (lambda: Operations(archive_days=3601), f"{ARCHIVE}, got 3601"),
        (lambda: Operations(archive_days=True), f"{ARCHIVE}, got True"),
        (lambda: Operations(debug_sample_rate="0.5"), f"{SAMPLES}, got '0.5'"),
        (lambda: Operations(debug_sample_rate=True), f"{SAMPLES}, got True"),
        (lambda: Operations(debug_sample_rate=1.5), f"{SAMPLES}, got 1.5"),
        (lambda: Operations(capacity=0.5), "capacity must be of type Capacity, got 0.5"),
        (
            lambda: Operations(backup_days=Duration.days(7)),
            f"{BACKUPS}, got a Duration: write the number alone, such as backup_days=1",
        ),
        (
            lambda: Operations(log_retention=7),
            "log_retention must be of type RetentionDays, such as logs.RetentionDays.ONE_WEEK, got 7",
        ),
        (lambda: Operations(capacity=None), "capacity must be of type Capacity, got None"),
        (lambda: Operations(removal_policy=None), "removal_policy must be of type RemovalPolicy, got None"),
        (lambda: Operations(tracing="no"), "tracing must be True or False, got 'no'"),
        (lambda: Operations(deletion_protection=None), "deletion_protection must be True or False, got None"),
        (lambda: Operations(encryption_key="alias/mine"), f"{KEY}, got 'alias/mine'"),
        (
            lambda: Operations(removal_policy=RemovalPolicy.SNAPSHOT),
            "removal_policy must be one of RETAIN, DESTROY, RETAIN_ON_UPDATE_OR_DELETE, got SNAPSHOT",
        ),
        (lambda: Operations(log_level="info"), "log_level must be one of 'DEBUG', 'INFO', 'WARNING', 'ERROR', got 'info'"),
        (lambda: Operations(handler_platform="arm"), "handler_platform must be one of 'aws', 'host', got 'arm'"),
        (lambda: Capacity(share=0), f"{SHARE}, got 0"),
        (lambda: Capacity(share=1.01), f"{SHARE}, got 1.01"),
        (lambda: Capacity(share="0.5"), f"{SHARE}, got '0.5'"),
        (lambda: Capacity(share=True), f"{SHARE}, got True"),
        (lambda: Capacity(share=None), f"{SHARE}, got None"),
        (lambda: Capacity(max_requests_per_second=0), f"{RATE}, got 0"),
        (lambda: Capacity(max_requests_per_second=math.inf), f"{RATE}, got inf"),
        (lambda: Capacity(max_concurrency=1), f"{CONCURRENCY}, got 1"),
        (lambda: Capacity(max_concurrency=2.5), f"{CONCURRENCY}, got 2.5"),
        (lambda: Capacity(max_concurrency="5"), f"{CONCURRENCY}, got '5'"),
        (
            lambda: Operations(database={"instances": 1}),
            "database must be of type DatabaseOperations, got {'instances': 1}",
        ),
        (
            lambda: DatabaseOperations(min_capacity=-0.5),
            "min_capacity must be 0 to 256 Aurora capacity units, in halves, got -0.5",
        ),
        (
            lambda: DatabaseOperations(min_capacity=0.7),
            "min_capacity must be 0 to 256 Aurora capacity units, in halves, got 0.7",
        ),
        (
            lambda: DatabaseOperations(max_capacity=0.5),
            "max_capacity must be 1 to 256 Aurora capacity units, in halves, got 0.5",
        ),
        (
            lambda: DatabaseOperations(max_capacity=256.5),
            "max_capacity must be 1 to 256 Aurora capacity units, in halves, got 256.5",
        ),
        (
            lambda: DatabaseOperations(max_capacity=True),
            "max_capacity must be 1 to 256 Aurora capacity units, in halves, got True",
        ),
        (
            lambda: DatabaseOperations(min_capacity=4, max_capacity=2.5),
            "min_capacity must be at most max_capacity, got 4 and 2.5",
        ),
        (lambda: DatabaseOperations(instances=0), "instances must be a whole number from 1 to 16, got 0"),
        (lambda: DatabaseOperations(instances=17), "instances must be a whole number from 1 to 16, got 17"),
        (lambda: DatabaseOperations(instances=True), "instances must be a whole number from 1 to 16, got True"),
        (lambda: DatabaseOperations(backup_days=None), "backup_days must be a whole number from 1 to 35, got None"),
        (lambda: DatabaseOperations(backup_days=36), "backup_days must be a whole number from 1 to 35, got 36"),
        (
            lambda: DatabaseOperations(pause_after_minutes=4),
            "pause_after_minutes must be a whole number from 5 to 1440, got 4",
        ),
        (
            lambda: DatabaseOperations(pause_after_minutes=1441),
            "pause_after_minutes must be a whole number from 5 to 1440, got 1441",
        ),
        (
            lambda: DatabaseOperations(min_capacity="0.5"),
            "min_capacity must be 0 to 256 Aurora capacity units, in halves, got '0.5'",
        ),
        (lambda: DatabaseOperations(final_snapshot=1), "final_snapshot must be True or False, got 1"),
        (lambda: DatabaseOperations(final_snapshot="no"), "final_snapshot must be True or False, got 'no'"),
    ],
)
def test_operations_refuse_values_outside_their_range(make, message):
    with pytest.raises(PatternError) as raised:
        make()
    assert str(raised.value) == message


def test_operations_without_arguments_keep_data_and_are_those_of_prod():
    assert Operations() == PROD.operations
    assert Operations().removal_policy is RemovalPolicy.RETAIN


@pytest.mark.parametrize(
    ("capacity", "rate", "concurrency"),
    [
        (Capacity(), 100, 10),
        (Capacity(share=0.5), 50, 5),
        (Capacity(max_requests_per_second=10, max_concurrency=2), 10, 2),
        (Capacity(share=0.001), 1, 2),
    ],
)
def test_capacity_gives_a_share_of_what_is_declared_within_its_limits(capacity, rate, concurrency):
    assert (capacity.requests_per_second(100), capacity.concurrency(10)) == (rate, concurrency)


def test_dev_is_small_and_staging_is_half_of_prod():
    assert [e.operations.capacity.requests_per_second(100) for e in (DEV, STAGING, PROD)] == [10, 50, 100]


@pytest.mark.parametrize("capacity", [(0, 1), (0.5, 0.5 * 3), (256, 256)])
def test_a_database_grows_in_halves_from_nothing_to_the_largest(capacity):
    database = DatabaseOperations(min_capacity=capacity[0], max_capacity=capacity[1])
    assert (database.min_capacity, database.max_capacity) == capacity


def test_a_database_is_that_of_prod_unless_its_environment_is_smaller():
    assert Operations().database == PROD.operations.database == DatabaseOperations()
    assert (DatabaseOperations().instances, DatabaseOperations().backup_days) == (2, 14)
    smaller = [environment.operations.database for environment in (LOCAL, DEV, STAGING)]
    assert [(found.min_capacity, found.max_capacity, found.instances) for found in smaller] == [
        (0, 1, 1),
        (0, 1, 1),
        (0.5, 2, 1),
    ]


def test_a_database_leaves_a_snapshot_only_where_its_data_are_worth_one():
    kept = {each.name: each.operations.database.final_snapshot for each in (LOCAL, DEV, STAGING, PROD)}
    assert kept == {"local": False, "dev": False, "staging": True, "prod": True}


def test_an_environment_of_ones_own_needs_only_a_name():
    own = Environment(name="sandbox-7")
    assert (own.operations, own.termination_protection, own.alarm_actions) == (Operations(), True, True)
