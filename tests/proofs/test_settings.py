"""Settings that a deploy takes and no scanner sees, of every template: all patterns in every environment, and their shapes."""

import re

import pytest

from serverless_patterns import ENVIRONMENTS, Operations
from tests.proofs.checks import access, alarms, apis, encryption, feeds, functions, principals, secrets, stores
from tests.support.synthesis import resources
from tests.support.variants import VARIANTS

#: Whom a user names beside the own account: a shape with publishers of another account and of an organization.
NAMED = {
    "event_routing_key": [
        'EventsBuscdkPublisher1TestEventsBusDD0B069E51C12926: "arn:aws:iam::210987654321:root"',
        'EventsBuscdkPublisher2TestEventsBusDD0B069ED5E03A36: "*"',
    ]
}
#: An API that is asked to answer scripts of every site.
FOR_EVERY_SITE = {"api_crud_cognito": ["UsersApiE362F846"]}


# --- who is let in, and to what


def test_resources_let_in_their_own_account_and_its_services_and_whom_the_user_names(found_by):
    kinds = (
        "AWS::Events::EventBusPolicy",
        "AWS::IAM::Role",
        "AWS::KMS::Key",
        "AWS::Lambda::Permission",
        "AWS::SQS::QueuePolicy",
    )
    assert found_by(principals.strangers, *kinds) == NAMED


def test_all_permissions_are_where_they_are_measured(found_by):
    assert found_by(access.unread_permissions, "AWS::IAM::Role") == {}


def test_scripts_of_other_sites_may_call_an_api_only_where_they_are_named(found_by):
    assert found_by(apis.open_to_every_site, "AWS::ApiGatewayV2::Api") == FOR_EVERY_SITE


def test_the_throttle_of_an_api_is_below_that_of_the_account(found_by):
    kinds = ("AWS::ApiGateway::Stage", "AWS::ApiGateway::UsagePlan", "AWS::ApiGatewayV2::Stage")
    assert found_by(apis.beyond_the_account, *kinds) == {}


def test_an_api_hands_over_what_its_handler_reads_and_waits_for_the_answer(found_by):
    kinds = ("AWS::ApiGateway::Method", "AWS::ApiGatewayV2::Integration")
    assert found_by(apis.misunderstood_integrations, *kinds) == {}


# --- what is kept, and under which key


def test_all_data_is_under_the_key_of_its_stack_wherever_it_has_one(every_template):
    with_key = tuple(f"{environment.name}-" for environment in ENVIRONMENTS if environment.customer_key)
    due = {
        name: template
        for name, template in every_template.items()
        if name.startswith(with_key) or resources(template, "AWS::KMS::Key")
    }
    assert {name: found for name, template in due.items() if (found := encryption.beside_the_key(template))} == {}
    assert {kind for kind in encryption.KEYS for template in due.values() if resources(template, kind)} == set(encryption.KEYS)


def test_buckets_have_no_access_lists_and_tables_forget_and_tell_all_of_a_change(found_by, every_template):
    assert found_by(stores.badly_set_stores, "AWS::DynamoDB::GlobalTable", "AWS::S3::Bucket") == {}
    tables = {key[:-8] for template in every_template.values() for key in resources(template, "AWS::DynamoDB::GlobalTable")}
    assert [name for name in stores.KEPT if not any(re.fullmatch(name, table) for table in tables)] == []


# --- what nobody should read


def test_no_secret_is_in_a_template(found_by):
    assert found_by(secrets.readable_secrets, "AWS::SecretsManager::Secret", "AWS::Lambda::Function") == {}


def test_no_event_is_written_to_a_log_as_a_whole(found_by):
    assert found_by(secrets.events_in_logs, "AWS::Lambda::Function", "AWS::StepFunctions::StateMachine") == {}


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda environment: environment.name)
def test_functions_log_at_the_level_of_their_environment(templates, environment):
    found = {
        name: secrets.levels_otherwise(template, environment.operations)
        for name, template in templates[environment.name].items()
    }
    assert {name: each for name, each in found.items() if each} == {}


def test_functions_of_other_shapes_log_at_the_level_of_the_library(every_template):
    found = {name: secrets.levels_otherwise(every_template[name], Operations()) for name in VARIANTS}
    assert {name: each for name, each in found.items() if each} == {}


# --- what must go on


def test_nothing_that_feeds_others_is_switched_off(found_by):
    kinds = ("AWS::Events::Rule", "AWS::Lambda::EventSourceMapping", "AWS::Scheduler::Schedule")
    assert found_by(feeds.switched_off, *kinds) == {}


def test_a_bucket_tells_eventbridge_of_uploads_exactly_where_a_rule_is_about_it(found_by):
    assert found_by(feeds.unheard_buckets, "AWS::S3::Bucket", "AWS::Events::Rule") == {}


def test_nothing_is_given_up_after_one_try(found_by):
    kinds = (
        "AWS::Events::Rule",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Lambda::EventSourceMapping",
        "AWS::Scheduler::Schedule",
    )
    assert found_by(feeds.given_up_at_once, *kinds) == {}


def test_a_function_may_run_as_often_at_once_as_its_pollers_start_batches(found_by):
    assert found_by(functions.starved, "AWS::Lambda::Function", "AWS::Lambda::EventSourceMapping") == {}


def test_each_alarm_goes_off_when_its_kind_says_and_tells_it(found_by):
    assert found_by(alarms.unlike_their_kind, "AWS::CloudWatch::Alarm") == {}
