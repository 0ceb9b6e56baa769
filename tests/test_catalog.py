"""What holds for every pattern of the catalogue, in every environment."""

import json
import re
from pathlib import Path

import aws_cdk as cdk
import pytest
from constructs import Construct

import app as repository_app
from serverless_patterns import DEV, ENVIRONMENTS, LOCAL, PROD, STAGING, Alerts, Operations
from serverless_patterns.catalog import CATALOG, pattern_named
from serverless_patterns.errors import PatternError
from serverless_patterns.stacks import AlertStack, PatternStack
from tests.proofs.checks import access, alarms, data, deliveries, functions
from tests.support.contracts import kept_in_prod
from tests.support.synthesis import new_app, resources, synthesise, template_of

ROOT = Path(__file__).resolve().parents[1]
PATTERNS = pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.name)
EVERYWHERE = pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda environment: environment.name)


@pytest.fixture
def template(templates, environment, entry):
    return templates[environment.name][f"{environment.name}-{entry.name.replace('_', '-')}"]


# --- one word names a pattern everywhere


@PATTERNS
def test_one_word_names_the_pattern_everywhere(entry):
    places = [
        f"serverless_patterns/{entry.name}.py",
        f"lambda_src/{entry.name}/handler.py",
        f"serverless_patterns/local/drives/{entry.name}.py",
        f"tests/constructs/test_{entry.name}.py",
        f"tests/local/test_{entry.name}.py",
        f"tests/snapshots/{entry.name}.json",
        f"docs/patterns/{entry.name}.md",
    ]
    missing = [place for place in places if not (ROOT / place).is_file()]
    assert not missing, f"CONTRIBUTING.md says what belongs there: {', '.join(missing)}"


@PATTERNS
def test_the_readme_lists_the_pattern_as_ready(entry):
    title = "".join(word.capitalize() for word in entry.name.split("_"))
    row = re.search(rf"\| \[{title}\]\(docs/patterns/{entry.name}\.md\) .*\| ready \|", (ROOT / "README.md").read_text())
    assert row, f"the README's table needs a row for {title}: | [{title}](docs/patterns/{entry.name}.md) | its flow | ready |"


def test_an_unknown_pattern_names_the_known_ones_and_the_closest():
    with pytest.raises(PatternError, match=r"pattern must be one of .*api_crud.*, got 'api_crut'; did you mean 'api_crud'\?"):
        pattern_named("api_crut")


# --- functions


@EVERYWHERE
@PATTERNS
def test_every_handler_reads_its_settings_from_the_templates_variables(template, entry):
    assert functions.unreadable_settings(template) == []


@EVERYWHERE
@PATTERNS
def test_every_function_has_the_runtime_logs_and_limits_of_the_library(template, environment):
    assert resources(template, "AWS::Lambda::Function")
    assert functions.unlike_the_library(template) == []


@EVERYWHERE
@PATTERNS
def test_every_function_has_a_role_of_its_own(template):
    assert access.shared_roles(template) == []
    assert access.managed_policies(template) == []


@EVERYWHERE
@PATTERNS
def test_every_statement_names_exact_actions_on_exact_resources(template):
    assert access.wide_statements(template) == []


@EVERYWHERE
@PATTERNS
def test_only_a_function_that_sends_to_the_queue_that_it_consumes_is_allowed_to_loop(template):
    """Lambda stops what looks like a loop: for this one, that would drop messages; for all others it is a safeguard."""
    assert deliveries.wrongly_looped(template) == []


# --- what an environment decides


@EVERYWHERE
@PATTERNS
def test_log_groups_keep_events_as_long_as_the_environment_says(template, environment):
    days = {LOCAL: 1, DEV: 7, STAGING: 30, PROD: 365}[environment]
    assert resources(template, "AWS::Logs::LogGroup")
    assert functions.logs_kept_otherwise(template, days) == []


@EVERYWHERE
@PATTERNS
def test_data_is_kept_in_prod_and_goes_with_the_stack_elsewhere(template, environment, entry):
    kept = kept_in_prod(entry.name) if environment is PROD else data.keys_of_snapshots(template)
    assert data.kept_otherwise(template, kept) == []


@EVERYWHERE
@PATTERNS
def test_all_tables_are_backed_up_as_the_environment_says(template, environment):
    days = {LOCAL: None, DEV: None, STAGING: 7, PROD: 35}[environment]
    for name, table in resources(template, "AWS::DynamoDB::GlobalTable").items():
        (replica,) = table["Properties"]["Replicas"]
        recovery = replica["PointInTimeRecoverySpecification"]
        assert recovery["PointInTimeRecoveryEnabled"] is (days is not None), name
        assert recovery.get("RecoveryPeriodInDays") == days, name


@EVERYWHERE
@PATTERNS
def test_nothing_has_a_physical_name(template):
    assert data.needless_names(template) == []


# --- what a stack adds


@EVERYWHERE
@PATTERNS
def test_every_function_and_table_is_tagged(template, environment, entry):
    wanted = {"Service": "serverless-patterns", "Environment": environment.name, "Pattern": entry.name, "ManagedBy": "cdk"}
    for function in resources(template, "AWS::Lambda::Function").values():
        assert {tag["Key"]: tag["Value"] for tag in function["Properties"]["Tags"]} == wanted
    for table in resources(template, "AWS::DynamoDB::GlobalTable").values():
        assert {tag["Key"]: tag["Value"] for tag in table["Properties"]["Replicas"][0]["Tags"]} == wanted


@PATTERNS
def test_outputs_have_the_same_names_in_every_environment(templates, entry):
    stack = entry.name.replace("_", "-")
    names = {
        environment.name: set(templates[environment.name][f"{environment.name}-{stack}"]["Outputs"])
        for environment in ENVIRONMENTS
    }
    (same,) = {frozenset(found) for found in names.values()}
    assert all(re.fullmatch(r"[A-Z][A-Za-z]+", name) for name in same)


@EVERYWHERE
def test_only_prod_is_protected_against_termination(environment):
    app = new_app()
    stack = PatternStack(app, "One", environment=environment, pattern="api_crud", define=pattern_named("api_crud").define)
    assert bool(stack.termination_protection) is (environment is PROD)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"environment": "dev"}, "environment must be an Environment, such as DEV"),
        (
            {"environment": DEV, "define": lambda _scope, _operations: None},
            "define must return the pattern that it defines, got None",
        ),
        ({"environment": DEV, "alerts": "topic"}, r"alerts must be Alerts\(\.\.\.\), such as those of AlertStack"),
    ],
)
def test_a_stack_says_how_its_environment_and_alerts_are_given(wrong, message):
    with pytest.raises(PatternError, match=message):
        PatternStack(new_app(), "One", **{"pattern": "api_crud", "define": CATALOG[0].define, **wrong})


def test_stacks_and_alerts_work_inside_a_stage():
    stage = cdk.Stage(new_app(), "Prod")
    alerts = AlertStack(stage, "alerts", environment=PROD).alerts
    stack = PatternStack(stage, "one", environment=PROD, pattern="api_crud", define=CATALOG[0].define, alerts=alerts)
    assert stack.stack_name == "Prod-one"
    assert "Prod-alerts" in json.dumps(resources(template_of(stack), "AWS::CloudWatch::Alarm"))


def test_an_environment_that_notifies_nobody_does_so_even_with_topics():
    app = new_app()
    alerts = AlertStack(app, "alerts", environment=PROD).alerts
    stack = PatternStack(app, "one", environment=DEV, pattern="api_crud", define=CATALOG[0].define, alerts=alerts)
    alarms = resources(template_of(stack), "AWS::CloudWatch::Alarm").values()
    assert not [alarm for alarm in alarms if "AlarmActions" in alarm["Properties"]]


def test_stacks_go_to_the_account_and_region_of_their_environment():
    app = new_app(environment="prod", account="123456789012", region="eu-central-1")
    repository_app.define(app)
    stacks = [child for child in app.node.children if isinstance(child, cdk.Stack)]
    assert {stack.node.id: stack.environment for stack in stacks} == {
        "prod-alerts": "aws://123456789012/eu-central-1",
        "prod-api-crud": "aws://123456789012/eu-central-1",
        "prod-sqs-pipeline": "aws://123456789012/eu-central-1",
        "prod-sns-fanout": "aws://123456789012/eu-central-1",
        "prod-s3-processing": "aws://123456789012/eu-central-1",
        "prod-scheduled-report": "aws://123456789012/eu-central-1",
        "prod-stream-processing": "aws://123456789012/eu-central-1",
        "prod-order-workflow": "aws://123456789012/eu-central-1",
        "prod-event-routing": "aws://123456789012/eu-central-1",
    }
    assert all(stack.termination_protection for stack in stacks)


def test_the_app_is_that_of_dev_unless_told():
    app = new_app()
    repository_app.define(app)
    found = [child.node.id for child in app.node.children if isinstance(child, cdk.Stack)]
    assert found == [
        "dev-api-crud",
        "dev-sqs-pipeline",
        "dev-sns-fanout",
        "dev-s3-processing",
        "dev-scheduled-report",
        "dev-stream-processing",
        "dev-order-workflow",
        "dev-event-routing",
    ]


def test_a_users_tags_are_added():
    stack = PatternStack(
        new_app(),
        "One",
        environment=DEV,
        pattern="api_crud",
        define=CATALOG[0].define,
        service="shop",
        tags={"CostCenter": "42"},
    )
    (function,) = resources(template_of(stack), "AWS::Lambda::Function").values()
    tags = {tag["Key"]: tag["Value"] for tag in function["Properties"]["Tags"]}
    assert (tags["Service"], tags["CostCenter"]) == ("shop", "42")


# --- alarms


@EVERYWHERE
@PATTERNS
def test_alarms_notify_the_topic_of_their_tier_where_the_environment_wants_it(template, environment):
    assert resources(template, "AWS::CloudWatch::Alarm")
    assert alarms.badly_told(template, environment) == []


@EVERYWHERE
@PATTERNS
def test_every_alarm_watches_a_resource_of_its_own_template(template):
    assert alarms.watching_nothing(template) == []


def test_alarm_topics_are_encrypted_with_a_key_that_cloudwatch_may_use():
    stack = AlertStack(new_app(), "Alerts", environment=PROD)
    template = template_of(stack)
    assert len(resources(template, "AWS::KMS::Key")) == 1
    assert alarms.unheard_topics(template) == []
    assert len(resources(template, "AWS::SNS::Topic")) == 3


def test_alarm_topics_let_cloudwatch_publish_and_refuse_plain_http():
    template = template_of(AlertStack(new_app(), "Alerts", environment=PROD))
    for policy in resources(template, "AWS::SNS::TopicPolicy").values():
        effects = {s["Effect"]: s for s in policy["Properties"]["PolicyDocument"]["Statement"]}
        assert effects["Allow"]["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
        assert effects["Deny"]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


# --- one synthesis and another


@PATTERNS
def test_two_instances_live_in_one_stack_and_in_a_stage(entry):
    def count(instances: int) -> int:
        stack = cdk.Stack(cdk.Stage(new_app(), "Stage"), "Stack")
        for number in range(instances):
            entry.define(Construct(stack, f"Instance{number}"), Operations()).add_alarms(Alerts())
        return len(resources(template_of(stack), "AWS::Lambda::Function"))

    assert count(2) == 2 * count(1) > 0


@EVERYWHERE
@PATTERNS
def test_a_second_synthesis_gives_the_same_template(template, environment, entry):
    again = synthesise.__wrapped__()[environment.name][f"{environment.name}-{entry.name.replace('_', '-')}"]
    assert again == template
