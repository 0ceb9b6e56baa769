"""What no scanner sees, of every template: all patterns in every environment, and their other shapes."""

import json
import re

from serverless_patterns import ENVIRONMENTS
from tests.proofs.checks import access, alarms, apis, data, deliveries
from tests.support.synthesis import resources
from tests.support.variants import VARIANTS


def test_all_environments_and_all_other_shapes_are_looked_at(every_template):
    assert set(VARIANTS) < set(every_template)
    assert {environment.name for environment in ENVIRONMENTS} < {name.partition("-")[0] for name in every_template}


# --- APIs


def test_each_method_with_a_body_checks_it_against_a_model_first(found_by):
    assert found_by(apis.unchecked_bodies, "AWS::ApiGateway::Method") == {}


def test_a_body_of_another_type_does_not_pass_by_the_model(found_by):
    """A model is for one content type: an integration that passes others on would take them unchecked."""
    assert found_by(apis.bodies_past_the_model, "AWS::ApiGateway::Method") == {}


def test_no_stage_writes_bodies_to_its_log(found_by):
    assert found_by(apis.bodies_in_logs, "AWS::ApiGateway::Stage") == {}


def test_no_access_log_has_a_header_or_a_query_string_in_it(found_by):
    assert found_by(apis.telltale_access_logs, "AWS::ApiGateway::Stage", "AWS::ApiGatewayV2::Stage") == {}


def test_no_api_lets_every_site_use_a_visitors_credentials(found_by):
    assert found_by(apis.origins_with_credentials, "AWS::ApiGateway::Method", "AWS::ApiGatewayV2::Api") == {}


# --- queues and their functions


def test_each_function_that_gets_batches_says_which_messages_failed(found_by):
    assert found_by(deliveries.batches_that_fail_as_a_whole, "AWS::Lambda::EventSourceMapping") == {}


def test_no_large_batch_is_without_a_window_to_fill_in(found_by):
    assert found_by(deliveries.batches_without_window, "AWS::Lambda::EventSourceMapping") == {}


def test_the_batches_that_a_queue_starts_at_once_are_limited(found_by):
    assert found_by(deliveries.pollers_without_limit, "AWS::Lambda::EventSourceMapping") == {}


def test_a_message_stays_hidden_for_six_timeouts_and_the_window_of_its_batch(found_by):
    assert found_by(deliveries.messages_seen_too_early, "AWS::Lambda::EventSourceMapping", "AWS::SQS::Queue") == {}


def test_each_queue_that_a_function_works_has_a_dead_letter_queue_that_keeps_for_longer(found_by):
    assert found_by(deliveries.queues_that_lose, "AWS::Lambda::EventSourceMapping", "AWS::SQS::Queue") == {}


def test_a_record_of_a_stream_that_is_given_up_is_kept_alone_and_in_time(found_by):
    assert found_by(deliveries.streams_that_lose, "AWS::Lambda::EventSourceMapping") == {}


DELIVERERS = ("AWS::Events::Rule", "AWS::SNS::Subscription", "AWS::Scheduler::Schedule")


def test_what_a_rule_a_subscription_or_a_schedule_cannot_deliver_goes_to_a_queue(found_by):
    assert found_by(deliveries.deliveries_that_lose, *DELIVERERS) == {}


def test_what_a_function_fails_at_that_nobody_waits_for_goes_to_a_destination(found_by):
    assert found_by(deliveries.failures_that_nobody_keeps, "AWS::Lambda::EventInvokeConfig") == {}


def test_a_report_is_made_once_at_a_time(found_by):
    assert found_by(deliveries.reports_at_the_same_time, "AWS::Scheduler::Schedule") == {}


# --- who may: each service on behalf of one source only


def test_a_service_may_invoke_a_function_for_one_source_only(found_by):
    assert found_by(access.permissions_without_source, "AWS::Lambda::Permission") == {}


def test_a_resource_policy_lets_a_service_in_for_one_source_or_account_only(found_by, every_template):
    assert found_by(access.services_without_source) == {}
    assert sum(len(access.service_statements(template)) for template in every_template.values()) > 50


def test_nobody_at_all_is_let_in_by_a_resource_policy(found_by):
    assert found_by(access.open_to_anybody, "AWS::KMS::Key", "AWS::S3::BucketPolicy", "AWS::SNS::TopicPolicy") == {}


def test_a_role_that_a_service_assumes_for_others_names_the_source(found_by):
    assert found_by(access.roles_without_source, "AWS::IAM::Role") == {}


# --- what holds data


def test_what_is_kept_when_its_stack_goes_is_kept_when_it_is_replaced_too(found_by):
    assert found_by(data.replaced_otherwise_than_deleted) == {}


def keeps(template):
    others = template["Resources"].keys() - data.keys_of_snapshots(template)
    return any("Retain" in json.dumps(template["Resources"][key]) for key in others)


def test_without_an_environment_and_in_prod_data_is_kept_and_elsewhere_it_goes(every_template):
    keeping = {name for name, template in every_template.items() if keeps(template)}
    with_data = {name for name in every_template if name in VARIANTS or name.startswith("prod-")}
    assert keeping == with_data


#: The tables that a user brings to a pattern are as the user made them.
BROUGHT = {
    name: ["Items5C12978B"] for name in ("scheduled_report_bus", "scheduled_report_dynamodb", "stream_processing_own_table")
}


def test_a_table_that_is_kept_is_backed_up_and_cannot_be_deleted_by_mistake(found_by, every_template):
    assert found_by(data.kept_tables_that_can_be_lost) == BROUGHT
    every = [
        table for template in every_template.values() for table in resources(template, "AWS::DynamoDB::GlobalTable").values()
    ]
    assert "Retain" in {table["DeletionPolicy"] for table in every}


def test_no_bucket_keeps_the_parts_of_unfinished_uploads(found_by):
    assert found_by(data.forgotten_uploads, "AWS::S3::Bucket") == {}


def test_buckets_and_queues_say_how_they_are_encrypted(found_by):
    assert found_by(data.without_encryption, "AWS::S3::Bucket", "AWS::SQS::Queue") == {}


def test_a_bucket_a_topic_or_a_queue_refuses_plain_http(found_by):
    assert found_by(data.taking_plain_http, "AWS::S3::Bucket", "AWS::SNS::Topic", "AWS::SQS::Queue") == {}


def test_a_database_is_private_encrypted_and_backed_up(found_by):
    assert found_by(data.exposed_databases, "AWS::RDS::DBCluster", "AWS::RDS::DBInstance") == {}


# --- alarms and names


def test_an_alarm_for_what_should_happen_goes_off_when_there_is_no_data(found_by, every_template):
    assert found_by(alarms.content_with_silence, "AWS::CloudWatch::Alarm") == {}
    assert any("LessThanThreshold" in json.dumps(template) for template in every_template.values())


def test_the_only_physical_names_are_those_that_aws_leaves_no_choice_about(found_by, every_template):
    assert found_by(data.needless_names) == {}
    names = {name for template in every_template.values() for name in data.physical_names(template)}
    needed = {pattern for pattern in data.NAMED if any(re.fullmatch(pattern, name) for name in names)}
    assert needed == set(data.NAMED), "these are not needed any more"
