"""When reports are made: the schedule with its group and its role, the rule in its place, and what is refused."""

import json
from datetime import timedelta

import pytest
from aws_cdk import Aws, CfnParameter, Duration

from serverless_patterns import PatternError, ReportSchedule
from serverless_patterns._blocks import report_schedule as block
from tests.support.circles import check_no_circle
from tests.support.imports import allowed_in, resource_at
from tests.support.readable import permissions, properties_at, rule_arn
from tests.support.reports import handler_settings, items, report, variables
from tests.support.synthesis import empty_stack, resources, template_of


@pytest.fixture
def scheduled(stack):
    """A stack with a report that is made on this schedule."""

    def define(**options):
        report(stack, source=items(stack), schedule=ReportSchedule(**options))
        return stack

    return define


# --- EventBridge Scheduler


def test_a_report_is_made_each_day_at_five_in_utc_unless_told(stack):
    report(stack)
    found = properties_at(stack, "Report/Schedule")
    assert (found["ScheduleExpression"], found["ScheduleExpressionTimezone"]) == ("cron(0 5 * * ? *)", "Etc/UTC")
    assert found["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert found["Description"] == "When the report Report is made"
    assert "State" not in found
    assert variables(stack)["TIME_ZONE"] == "Etc/UTC"


def test_a_schedule_invokes_the_function_as_its_own_role_and_says_for_which_moment(scheduled):
    target = properties_at(scheduled(), "Report/Schedule")["Target"]
    assert json.loads(target.pop("Input")) == {"scheduled_time": "<aws.scheduler.scheduled-time>"}
    assert target == {
        "Arn": "Report/Function",
        "DeadLetterConfig": {"Arn": "Report/DeliveryDeadLetterQueue"},
        "RetryPolicy": {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 3},
        "RoleArn": "Report/ScheduleRole",
    }


def test_a_schedule_is_alone_in_a_group_of_its_own(scheduled):
    stack = scheduled()
    assert properties_at(stack, "Report/Schedule")["GroupName"] == "Report/ScheduleGroup"
    assert len(resources(template_of(stack), "AWS::Scheduler::ScheduleGroup")) == 1


def test_the_role_of_a_schedule_may_invoke_the_function_and_keep_what_is_undelivered_and_nothing_else(scheduled):
    assert permissions(scheduled(), "Report/ScheduleRole") == {
        "Report/Function": ["lambda:InvokeFunction"],
        "Report/DeliveryDeadLetterQueue": ["sqs:SendMessage"],
    }


def test_only_scheduler_is_that_role_and_only_for_this_group_of_this_account(scheduled):
    (statement,) = properties_at(scheduled(), "Report/ScheduleRole")["AssumeRolePolicyDocument"]["Statement"]
    assert statement == {
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": "AWS::AccountId", "aws:SourceArn": "Report/ScheduleGroup"}},
        "Effect": "Allow",
        "Principal": {"Service": "scheduler.amazonaws.com"},
    }


def test_the_group_is_known_to_the_role_by_its_arn_and_to_the_schedule_by_its_name(scheduled):
    stack = scheduled()
    trust = json.dumps(resource_at(stack, "Report/ScheduleRole"))
    group = stack.get_logical_id(stack.node.find_child("Report").node.find_child("ScheduleGroup"))
    assert json.dumps({"Fn::GetAtt": [group, "Arn"]}) in trust
    assert resource_at(stack, "Report/Schedule")["Properties"]["GroupName"] == {"Ref": group}


def test_the_role_has_its_permissions_before_the_schedule_is_made(scheduled):
    stack = scheduled()
    waits = set(resource_at(stack, "Report/Schedule")["DependsOn"])
    role = stack.node.find_child("Report").node.find_child("ScheduleRole")
    assert {stack.get_logical_id(each.node.default_child) for each in (role, role.node.find_child("Policy"))} <= waits
    check_no_circle(template_of(stack))


def test_days_and_hours_are_those_of_the_time_zone(scheduled):
    stack = scheduled(expression="cron(30 6 ? * MON-FRI *)", time_zone="Europe/Berlin")
    found = properties_at(stack, "Report/Schedule")
    assert found["ScheduleExpression"] == "cron(30 6 ? * MON-FRI *)"
    assert found["ScheduleExpressionTimezone"] == "Europe/Berlin"
    assert str(handler_settings(stack).time_zone) == "Europe/Berlin"


@pytest.mark.parametrize(
    ("window", "minutes"), [(Duration.minutes(1), 1), (Duration.seconds(900), 15), (Duration.hours(24), 1440)]
)
def test_a_schedule_may_begin_within_a_window(scheduled, window, minutes):
    found = properties_at(scheduled(flexible_window=window), "Report/Schedule")
    assert found["FlexibleTimeWindow"] == {"MaximumWindowInMinutes": minutes, "Mode": "FLEXIBLE"}


# --- a rule of EventBridge


@pytest.fixture
def ruled(scheduled):
    return scheduled(engine="rule", expression="rate(12 hours)", time_zone="Europe/Berlin")


def test_a_rule_invokes_the_function_with_the_event_that_says_when(ruled):
    rule = properties_at(ruled, "Report/ScheduleRule")
    assert rule == {
        "Description": "When the report Report is made",
        "Name": rule["Name"],
        "ScheduleExpression": "rate(12 hours)",
        "Targets": [
            {
                "Arn": "Report/Function",
                "DeadLetterConfig": {"Arn": "Report/DeliveryDeadLetterQueue"},
                "Id": "Function",
                "RetryPolicy": {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 3},
            }
        ],
    }


def test_only_this_rule_may_invoke_the_function(ruled):
    (permission,) = resources(template_of(ruled), "AWS::Lambda::Permission")
    assert properties_at(ruled, "Report/ScheduleRulePermission") == {
        "Action": "lambda:InvokeFunction",
        "FunctionName": "Report/Function",
        "Principal": "events.amazonaws.com",
        "SourceArn": "Report/ScheduleRule",
    }
    assert template_of(ruled)["Resources"][permission]["Properties"]["SourceArn"]["Fn::GetAtt"][1] == "Arn"


def test_only_this_rule_may_keep_what_it_cannot_deliver(ruled):
    (statement,) = allowed_in(ruled, "Report/DeliveryDeadLetterQueue")
    assert statement == {
        "Action": "sqs:SendMessage",
        "Condition": {"ArnEquals": {"aws:SourceArn": rule_arn(ruled, "Report/ScheduleRule")}},
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Resource": "Report/DeliveryDeadLetterQueue",
    }
    check_no_circle(template_of(ruled))


def test_a_rule_needs_no_role_and_nothing_of_scheduler(ruled):
    template = template_of(ruled)
    assert len(resources(template, "AWS::IAM::Role")) == 1
    assert not [each["Type"] for each in template["Resources"].values() if "::Scheduler::" in each["Type"]]


def test_the_day_of_a_report_by_a_rule_is_still_that_of_the_time_zone(ruled):
    assert str(handler_settings(ruled).time_zone) == "Europe/Berlin"


def test_a_rule_takes_no_id_from_a_schedule_which_cloudformation_would_not_turn_into_one():
    kinds = {}
    for engine in ("scheduler", "rule"):
        stack = empty_stack()
        report(stack, source=items(stack), schedule=ReportSchedule(engine=engine))
        kinds[engine] = {name: each["Type"] for name, each in template_of(stack)["Resources"].items()}
    common = kinds["scheduler"].keys() & kinds["rule"].keys()
    assert {name for name in common if kinds["scheduler"][name] != kinds["rule"][name]} == set()


# --- tokens, and refusals


def test_what_is_known_only_when_deployed_passes(scheduled):
    stack = scheduled(expression=Aws.STACK_NAME, time_zone=Aws.REGION)
    found = properties_at(stack, "Report/Schedule")
    assert (found["ScheduleExpression"], found["ScheduleExpressionTimezone"]) == ("AWS::StackName", "AWS::Region")


def test_a_window_that_is_known_only_when_deployed_passes(stack):
    minutes = CfnParameter(stack, "Minutes", type="Number").value_as_number
    report(stack, source=items(stack), schedule=ReportSchedule(flexible_window=Duration.minutes(minutes)))
    window = properties_at(stack, "Report/Schedule")["FlexibleTimeWindow"]
    assert window == {"MaximumWindowInMinutes": "Minutes", "Mode": "FLEXIBLE"}


def test_a_machine_that_knows_no_time_zones_takes_all(monkeypatch):
    monkeypatch.setattr(block, "available_timezones", set)
    assert ReportSchedule(time_zone="Europe/Berlim").time_zone == "Europe/Berlim"


@pytest.mark.parametrize("expression", ["rate(1 day)", "rate(2 days)", "rate(10 hours)", "rate(90 minutes)"])
def test_rates_are_taken_as_aws_spells_them(expression):
    assert ReportSchedule(expression=expression).expression == expression


SHAPE = (
    "expression must be cron(minutes hours day-of-month month day-of-week year) or rate(number unit), such as "
    "'cron(0 5 * * ? *)', 'rate(1 day)' or 'rate(12 hours)', got "
)
HOURS = "missing_after must be whole hours from 2 to 168, got "
ZONE = "time_zone must be a name of the IANA time zones, such as 'Europe/Berlin', got "


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "cron"}, "engine must be one of 'scheduler', 'rule', got 'cron'"),
        ({"engine": None}, "engine must be one of 'scheduler', 'rule', got None"),
        ({"expression": "0 5 * * *"}, f"{SHAPE}'0 5 * * *'"),
        ({"expression": "cron(0 5 * * *)"}, f"{SHAPE}'cron(0 5 * * *)'"),
        ({"expression": "cron(0 5 * * ? * *)"}, f"{SHAPE}'cron(0 5 * * ? * *)'"),
        ({"expression": "rate(0 days)"}, f"{SHAPE}'rate(0 days)'"),
        ({"expression": "rate(1 days)"}, f"{SHAPE}'rate(1 days)'"),
        ({"expression": "rate(12 hour)"}, f"{SHAPE}'rate(12 hour)'"),
        ({"expression": "rate(1 week)"}, f"{SHAPE}'rate(1 week)'"),
        ({"expression": "rate(1 day)\n"}, f"{SHAPE}'rate(1 day)\\n'"),
        ({"expression": "at(2026-03-01T05:00:00)"}, f"{SHAPE}'at(2026-03-01T05:00:00)'"),
        ({"expression": 5}, "expression must be a text such as 'cron(0 5 * * ? *)', got 5 (int, not str)"),
        ({"time_zone": "Europe/Berlim"}, f"{ZONE}'Europe/Berlim'"),
        ({"time_zone": "Europe"}, f"{ZONE}'Europe'"),
        ({"time_zone": "../../etc/passwd"}, f"{ZONE}'../../etc/passwd'"),
        ({"time_zone": ""}, f"{ZONE}''"),
        ({"time_zone": None}, f"{ZONE.removesuffix(', got ')}, got None (NoneType, not str)"),
        (
            {"engine": "rule", "flexible_window": Duration.minutes(5)},
            "flexible_window needs engine='scheduler': a rule has none",
        ),
        ({"flexible_window": Duration.seconds(59)}, "flexible_window must be 60 to 86400 s, got 59 s"),
        ({"flexible_window": Duration.minutes(1441)}, "flexible_window must be 60 to 86400 s, got 86460 s"),
        ({"flexible_window": Duration.seconds(90)}, "flexible_window must be whole minutes, got 90 s"),
        (
            {"flexible_window": 15},
            "flexible_window must be a duration such as Duration.seconds(10), got 15 (int, not Duration)",
        ),
        (
            {"flexible_window": Duration.minutes(90), "missing_after": Duration.hours(27)},
            "missing_after must be at least 28 hours (24 between two ticks, 1.5 of flexible_window, 2 for retries), got 27",
        ),
        (
            {"expression": "rate(6 hours)", "flexible_window": Duration.hours(1), "missing_after": Duration.hours(8)},
            "missing_after must be at least 9 hours (6 between two ticks, 1 of flexible_window, 2 for retries), got 8",
        ),
        ({"missing_after": Duration.hours(1)}, f"{HOURS}1"),
        ({"missing_after": Duration.hours(169)}, f"{HOURS}169"),
        ({"missing_after": Duration.minutes(150)}, f"{HOURS}2.5"),
        ({"missing_after": Duration.millis(9_000_500)}, f"{HOURS}2.50014"),
        ({"missing_after": 0}, "missing_after must be a duration such as Duration.hours(26), got 0 (int, not Duration)"),
    ],
)
def test_a_schedule_that_does_not_fit_is_refused(options, message):
    with pytest.raises(PatternError) as raised:
        ReportSchedule(**options)
    assert str(raised.value) == message


def test_the_hours_of_an_alarm_must_be_known(stack):
    hours = CfnParameter(stack, "Hours", type="Number").value_as_number
    with pytest.raises(PatternError) as raised:
        ReportSchedule(missing_after=Duration.hours(hours))
    assert str(raised.value) == "missing_after must be known while defining: an alarm depends on it"


@pytest.mark.parametrize(
    ("options", "hours"),
    [
        ({}, 26),
        ({"flexible_window": Duration.minutes(15)}, 27),
        ({"flexible_window": Duration.hours(24)}, 50),
        ({"flexible_window": Duration.minutes(15), "missing_after": Duration.hours(27)}, 27),
        ({"expression": "rate(1 hour)", "flexible_window": Duration.minutes(15), "missing_after": Duration.hours(4)}, 4),
        ({"expression": "cron(0 * * * ? *)", "flexible_window": Duration.minutes(15), "missing_after": Duration.hours(2)}, 2),
    ],
)
def test_a_report_is_missing_only_after_a_window_and_its_retries(options, hours):
    assert ReportSchedule(**options).missing_after_or_default.to_hours() == hours


def test_the_handler_knows_how_late_its_schedule_may_begin(stack):
    report(stack, source=items(stack), schedule=ReportSchedule(flexible_window=Duration.minutes(15)))
    assert handler_settings(stack).flexible_window == timedelta(minutes=15)


def test_a_window_that_is_known_only_when_deployed_counts_as_the_longest(stack):
    minutes = CfnParameter(stack, "Minutes", type="Number").value_as_number
    schedule = ReportSchedule(flexible_window=Duration.minutes(minutes))
    report(stack, source=items(stack), schedule=schedule)
    assert handler_settings(stack).flexible_window == timedelta(days=1)
    assert schedule.missing_after_or_default.to_hours() == 50
