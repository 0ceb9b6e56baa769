"""ScheduledReport as a whole: what its function is told and may do, its key, its outputs, its alarms, its instances."""

import json

import pytest
from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs

from serverless_patterns import (
    Alerts,
    Operations,
    ReportDatabase,
    ReportMail,
    ReportSchedule,
    TableOptions,
)
from tests.support.circles import check_no_circle
from tests.support.imports import REFUSE_HTTP, allowed_in, resource_at
from tests.support.readable import key_statements, permissions, properties_at, readable
from tests.support.report_sources import secret_in, vpc_in
from tests.support.reports import (
    AURORA,
    OWN,
    QUEUE_KEY,
    QUEUES,
    TABLE_KEY,
    WORK,
    function_permissions,
    items,
    keyed,
    own_table,
    report,
)
from tests.support.synthesis import empty_stack, resources, role_policies, template_of

# --- the function


def test_the_function_may_ask_the_database_and_write_reports_and_nothing_else(stack):
    report(stack)
    assert function_permissions(stack) == {**WORK, **AURORA}


def test_the_function_of_a_table_may_scan_it_and_knows_no_database(stack):
    report(stack, source=items(stack))
    assert function_permissions(stack) == {**WORK, "Items": ["dynamodb:Scan"]}
    assert not [resource for resource in template_of(stack)["Resources"].values() if "::RDS::" in resource["Type"]]


def test_one_run_is_made_at_a_time(stack):
    report(stack)
    assert properties_at(stack, "Report/Function")["ReservedConcurrentExecutions"] == 1


def test_an_account_with_nothing_to_spare_need_not_reserve_anything(stack):
    report(stack, one_at_a_time=False)
    assert "ReservedConcurrentExecutions" not in properties_at(stack, "Report/Function")


@pytest.mark.parametrize(("options", "seconds"), [({}, 300), ({"timeout": Duration.minutes(15)}, 900)])
def test_a_run_has_five_minutes_unless_told(stack, options, seconds):
    report(stack, **options)
    assert properties_at(stack, "Report/Function")["Timeout"] == seconds


def test_only_lambda_is_the_function(stack):
    report(stack)
    (statement,) = properties_at(stack, "Report/FunctionRole")["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}


def test_a_handler_of_ones_own_has_the_same_variables_and_permissions_without_those_of_the_query(stack):
    report(stack, handler=OWN, timeout=Duration.seconds(5))
    found = properties_at(stack, "Report/Function")
    assert (found["Handler"], found["Timeout"], "Layers" in found) == ("index.handler", 5, False)
    assert found["Environment"]["Variables"].keys() >= {"REPORT_NAME", "REPORT_BUCKET_NAME", "RUNS_TABLE_NAME", "CLUSTER_ARN"}
    assert "QUERY_FILE" not in found["Environment"]["Variables"]
    assert function_permissions(stack) == {**WORK, **AURORA}


def test_a_run_that_fails_is_tried_twice_more_and_kept_then_and_many_may_wait_for_each_other(stack):
    report(stack)
    assert properties_at(stack, "Report/Invocation") == {
        "DestinationConfig": {"OnFailure": {"Destination": "Report/DeadLetterQueue"}},
        "FunctionName": "Report/Function",
        "MaximumEventAgeInSeconds": 6 * 3600,
        "MaximumRetryAttempts": 2,
        "Qualifier": "$LATEST",
    }


def test_lambda_may_send_to_the_queues_before_it_is_told_to(stack):
    report(stack)
    policies = {
        name
        for name, each in role_policies(template_of(stack)).items()
        if readable(stack, each["Properties"]["Roles"]) == ["Report/FunctionRole"]
    }
    assert policies
    assert policies <= set(resource_at(stack, "Report/Invocation")["DependsOn"])


# --- queues, bucket and table that are defined


@pytest.mark.parametrize("name", QUEUES)
def test_what_failed_is_kept_for_two_weeks_encrypted_and_for_callers_with_tls(stack, name):
    report(stack)
    found = properties_at(stack, f"Report/{name}")
    assert found == {"MessageRetentionPeriod": 1_209_600, "SqsManagedSseEnabled": True}
    assert allowed_in(stack, f"Report/{name}") == []


def test_the_topic_takes_announcements_with_tls_only(stack):
    report(stack)
    (statement,) = properties_at(stack, "Report/Topic/Policy")["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"], statement["Condition"]) == ("Deny", "sns:Publish", REFUSE_HTTP)
    assert "KmsMasterKeyId" not in properties_at(stack, "Report/Topic")


def test_the_runs_have_the_key_that_the_handler_needs(stack):
    report(stack)
    assert properties_at(stack, "Report/Runs")["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]


@pytest.mark.parametrize(("policy", "kept"), [(RemovalPolicy.RETAIN, "Retain"), (RemovalPolicy.DESTROY, "Delete")])
def test_reports_runs_and_messages_stay_or_go_as_the_operations_say(stack, policy, kept):
    report(stack, operations=Operations(removal_policy=policy))
    for name in ("Bucket", "Runs", *QUEUES):
        found = resource_at(stack, f"Report/{name}")
        assert (found["DeletionPolicy"], found["UpdateReplacePolicy"]) == (kept, kept), name
    database = resource_at(stack, "Report/Database")["DeletionPolicy"]
    assert database == ("Retain" if policy is RemovalPolicy.RETAIN else "Snapshot")


@pytest.mark.parametrize("engine", ["scheduler", "rule"])
def test_no_function_and_no_custom_resource_is_defined_beyond_those_of_the_pattern(stack, engine):
    report(stack, schedule=ReportSchedule(engine=engine)).add_alarms(Alerts())
    template = template_of(stack)
    assert len(resources(template, "AWS::Lambda::Function")) == 1
    kinds = {resource["Type"] for resource in template["Resources"].values()}
    assert not [kind for kind in kinds if kind.startswith(("Custom::", "AWS::CloudFormation::"))]


# --- a customer managed key


@pytest.mark.parametrize("engine", ["scheduler", "rule"])
def test_a_customer_managed_key_encrypts_everything(engine):
    stack = keyed(schedule=ReportSchedule(engine=engine))
    (rule,) = properties_at(stack, "Report/Bucket")["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule == {
        "BucketKeyEnabled": True,
        "ServerSideEncryptionByDefault": {"KMSMasterKeyID": "Key", "SSEAlgorithm": "aws:kms"},
    }
    for name in ("Topic", *QUEUES):
        assert properties_at(stack, f"Report/{name}")["KmsMasterKeyId"] == "Key", name
    (replica,) = properties_at(stack, "Report/Runs")["Replicas"]
    assert replica["SSESpecification"] == {"KMSMasterKeyId": "Key"}
    database = properties_at(stack, "Report/Database")
    assert (database["KmsKeyId"], database["MasterUserSecret"]) == ("Key", {"KmsKeyId": "Key"})


def test_function_and_schedule_use_the_key_as_far_as_needed():
    stack = keyed()
    database = {place.replace("AWS::Partition", "aws").replace("AWS::Region", "eu-central-1"): v for place, v in AURORA.items()}
    assert function_permissions(stack) == {**WORK, **database, "Key": TABLE_KEY}
    assert permissions(stack, "Report/ScheduleRole")["Key"] == QUEUE_KEY


def test_with_a_bucket_a_topic_and_a_table_of_ones_own_the_key_is_that_of_the_queues_only():
    stack = empty_stack(region="eu-central-1")
    mine = {"bucket": s3.Bucket(stack, "Files"), "topic": sns.Topic(stack, "News"), "table": own_table(stack)}
    report(stack, source=items(stack), encryption_key=kms.Key(stack, "Key"), **mine)
    assert function_permissions(stack)["Key"] == QUEUE_KEY


def test_a_table_whose_options_name_no_key_has_the_one_of_the_pattern():
    (replica,) = properties_at(keyed(table=TableOptions(stream=dynamodb.StreamViewType.NEW_IMAGE)), "Report/Runs")["Replicas"]
    assert replica["SSESpecification"] == {"KMSMasterKeyId": "Key"}


def test_a_table_with_a_key_of_its_own_is_reached_through_that_one():
    stack = empty_stack(region="eu-central-1")
    report(stack, source=items(stack), table=TableOptions(encryption_key=kms.Key(stack, "Other")))
    assert function_permissions(stack)["Other"] == TABLE_KEY


def test_no_service_but_that_of_logs_may_use_the_key_by_its_policy():
    (owner,) = key_statements(keyed(), "Key")
    assert (owner["Action"], owner["Principal"]) == ("kms:*", {"AWS": "arn:aws:iam::AWS::AccountId:root"})


def test_a_rule_of_this_account_and_region_may_use_the_key():
    stack = keyed(schedule=ReportSchedule(engine="rule"))
    _, service = key_statements(stack, "Key")
    assert service == {
        "Action": QUEUE_KEY,
        "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:events:eu-central-1:AWS::AccountId:rule/*"}},
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Resource": "*",
    }
    check_no_circle(template_of(stack))


# --- outputs, and who may do what


ALWAYS = {
    "BucketName": "Report/Bucket",
    "DeadLetterQueueUrl": "Report/DeadLetterQueue",
    "DeliveryDeadLetterQueueUrl": "Report/DeliveryDeadLetterQueue",
    "FunctionName": "Report/Function",
    "LogGroupName": "Report/FunctionLogs",
    "RunsTableName": "Report/Runs",
    "TopicArn": "Report/Topic",
}
SCHEDULE = {"ScheduleGroupName": "Report/ScheduleGroup", "ScheduleName": "Report/Schedule"}


def shown(stack, found):
    return readable(stack, stack.resolve(dict(found.outputs)))


def test_outputs_have_stable_names_and_what_was_defined_is_exposed(stack):
    found = report(stack)
    arns = {"ClusterArn": next(iter(AURORA)), "DatabaseSecretArn": "Report/Database"}
    assert shown(stack, found) == {**ALWAYS, **SCHEDULE, **arns}
    exposed = (found.bucket, found.table, found.topic, found.function, found.dead_letter_queue, found.cluster)
    assert [each.node.id for each in exposed] == ["Bucket", "Runs", "Topic", "Function", "DeadLetterQueue", "Database"]
    assert found.connections is None


def test_outputs_of_a_report_of_a_table_name_the_table(stack):
    found = report(stack, source=items(stack))
    assert shown(stack, found) == {**ALWAYS, **SCHEDULE, "SourceTableName": "Items"}
    assert (found.cluster, found.connections) == (None, None)


def test_outputs_of_a_report_of_a_server_name_its_secret_and_the_function_can_be_let_in(stack):
    secret = secret_in(stack)
    found = report(stack, source=ReportDatabase.postgres(secret, vpc=vpc_in(stack)))
    assert shown(stack, found) == {**ALWAYS, **SCHEDULE, "DatabaseSecretArn": secret.secret_arn}
    assert [group.node.path for group in found.connections.security_groups] == ["Test/Report/SecurityGroup"]
    assert found.cluster is None


def test_outputs_of_a_report_by_a_rule_name_the_rule(stack):
    found = report(stack, source=items(stack), schedule=ReportSchedule(engine="rule"))
    assert shown(stack, found) == {**ALWAYS, "RuleName": "Report/ScheduleRule", "SourceTableName": "Items"}


def test_something_is_let_into_the_database_by_the_property_cluster(stack):
    found = report(stack)
    found.cluster.connections.allow_default_port_from_any_ipv4()
    (rule,) = resources(template_of(stack), "AWS::EC2::SecurityGroupIngress").values()
    assert readable(stack, rule["Properties"]["GroupId"]) == "Report/DatabaseSecurityGroup"


def principal(stack):
    return iam.Role(stack, "Someone", assumed_by=iam.AccountRootPrincipal())


def test_who_may_back_fill_may_invoke_the_function_and_nothing_else(stack):
    found = report(stack)
    found.grant_back_fill(principal(stack))
    assert permissions(stack, "Someone") == {"Report/Function": ["lambda:InvokeFunction"]}


@pytest.mark.parametrize(("prefix", "place"), [("sales/daily/", "Report/Bucket/sales/daily/*"), ("", "Report/Bucket/*")])
def test_who_may_read_may_read_the_reports_and_nothing_else(stack, prefix, place):
    found = report(stack, prefix=prefix)
    found.grant_read(principal(stack))
    assert permissions(stack, "Someone") == {place: ["s3:GetObject"]}


def test_who_may_read_may_decrypt_the_reports():
    stack = empty_stack(region="eu-central-1")
    report(stack, encryption_key=kms.Key(stack, "Key")).grant_read(principal(stack))
    assert permissions(stack, "Someone")["Key"] == ["kms:Decrypt"]


# --- several instances


def test_several_instances_live_in_one_stack_and_share_the_layers(stack):
    vpc, secret = vpc_in(stack), secret_in(stack)
    kinds = (
        {},
        {"schedule": ReportSchedule(engine="rule")},
        {"source": items(stack)},
        {
            "source": ReportDatabase.postgres(secret, vpc=vpc),
            "mail": ReportMail(sender="a@b.example", recipients=["c@d.example"]),
        },
    )
    for number, options in enumerate(kinds):
        report(stack, f"Report{number}", **options).add_alarms(Alerts())
    template = template_of(stack)
    assert len(resources(template, "AWS::Lambda::Function")) == 4
    assert len(resources(template, "AWS::Scheduler::ScheduleGroup")) == 3
    assert len(resources(template, "AWS::RDS::DBCluster")) == 2
    assert len(resources(template, "AWS::Lambda::LayerVersion")) == 2
    check_no_circle(template)


def test_one_source_may_serve_two_reports(stack):
    source = ReportDatabase.aurora()
    clusters = {report(stack, name, source=source).cluster.node.path for name in ("Daily", "Hourly")}
    assert clusters == {"Test/Daily/Database", "Test/Hourly/Database"}


# --- who is told of a success


def test_a_queue_is_sent_each_result_through_its_own_key(stack):
    queue = sqs.Queue(stack, "Results", encryption_master_key=kms.Key(stack, "ResultsKey"))
    report(stack, on_success=queue)
    assert properties_at(stack, "Report/Invocation")["DestinationConfig"] == {
        "OnFailure": {"Destination": "Report/DeadLetterQueue"},
        "OnSuccess": {"Destination": "Results"},
    }
    assert function_permissions(stack) == {**WORK, **AURORA, "Results": ["sqs:SendMessage"], "ResultsKey": QUEUE_KEY}


def test_a_queue_with_the_key_of_the_pattern_is_reached_through_it():
    stack = empty_stack(region="eu-central-1")
    key = kms.Key(stack, "Key")
    report(stack, source=items(stack), on_success=sqs.Queue(stack, "Results", encryption_master_key=key), encryption_key=key)
    found = function_permissions(stack)
    assert (found["Results"], found["Key"]) == (["sqs:SendMessage"], TABLE_KEY)


def test_nothing_of_a_function_is_said_twice(stack):
    report(stack)
    (policy,) = [
        each["Properties"]
        for each in role_policies(template_of(stack)).values()
        if readable(stack, each["Properties"]["Roles"]) == ["Report/FunctionRole"]
    ]
    found = [json.dumps(statement, sort_keys=True) for statement in policy["PolicyDocument"]["Statement"]]
    assert len(found) == len(set(found))
