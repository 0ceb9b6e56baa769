"""The alarms of a report: which there are, how bad each is, what it watches, and when silence is one."""

import pytest
from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sns as sns

from serverless_patterns import Alerts, PatternError, ReportSchedule, SnsFanout
from tests.support.readable import alarms
from tests.support.reports import OWN, report

SCHEDULE_ALARMS = {
    "ScheduleInvocationDroppedCount": ("critical", "InvocationDroppedCount", 1),
    "ScheduleInvocationsFailedToBeSentToDeadLetterCount": ("critical", "InvocationsFailedToBeSentToDeadLetterCount", 1),
    "ScheduleTargetErrorCount": ("critical", "TargetErrorCount", 1),
}
RULE_ALARMS = {
    "ScheduleFailedInvocations": ("critical", "FailedInvocations", 1),
    "ScheduleInvocationsFailedToBeSentToDlq": ("critical", "InvocationsFailedToBeSentToDlq", 1),
}


@pytest.mark.parametrize(("engine", "own"), [("scheduler", SCHEDULE_ALARMS), ("rule", RULE_ALARMS)])
def test_the_alarms_watch_each_hop_and_say_how_bad_it_is(stack, engine, own):
    report(stack, schedule=ReportSchedule(engine=engine)).add_alarms(Alerts())
    found = {name: (each["tier"], each["metric"], each["Threshold"]) for name, each in alarms(stack).items()}
    assert found == {
        **own,
        "AnnouncementNotificationsFailed": ("critical", "NumberOfNotificationsFailed", 1),
        "AnnouncementNotificationsLost": ("critical", "NumberOfNotificationsFailedToRedriveToDlq", 1),
        "DeliveryDeadLetters": ("critical", "ApproximateNumberOfMessagesVisible", 1),
        "DeliveryDeadLettersAge": ("warning", "ApproximateAgeOfOldestMessage", 907_200),
        "ReportAsyncEventsDropped": ("critical", "AsyncEventsDropped", 1),
        "ReportDeadLetters": ("critical", "ApproximateNumberOfMessagesVisible", 1),
        "ReportDeadLettersAge": ("warning", "ApproximateAgeOfOldestMessage", 907_200),
        "ReportDestinationDeliveryFailures": ("critical", "DestinationDeliveryFailures", 1),
        "ReportDuration": ("warning", "Duration", 240_000),
        "ReportErrors": ("warning", "Errors", 1),
        "ReportMissing": ("critical", "FILL(reports, 0)", 1),
        "ReportThrottles": ("warning", "Throttles", 1),
        "RunsSystemErrors": ("critical", "updateitem", 1),
        "RunsThrottles": ("critical", "updateitem", 1),
    }


def test_each_alarm_watches_its_own_queue_function_schedule_or_topic(stack):
    report(stack).add_alarms(Alerts())
    places = {
        "Announcement": {"TopicName": "Report/Topic"},
        "DeliveryDeadLetters": {"QueueName": "Report/DeliveryDeadLetterQueue"},
        "ReportDeadLetters": {"QueueName": "Report/DeadLetterQueue"},
        "Report": {"FunctionName": "Report/Function"},
        "Schedule": {"ScheduleGroup": "Report/ScheduleGroup"},
    }
    for name, each in alarms(stack).items():
        if each["watched"]:
            assert each["watched"] == next(place for begin, place in places.items() if name.startswith(begin)), name
    runs = alarms(stack)["RunsThrottles"]["Metrics"]
    (dimensions,) = [each["MetricStat"]["Metric"]["Dimensions"] for each in runs if "MetricStat" in each]
    assert {each["Name"]: each["Value"] for each in dimensions} == {"TableName": "Report/Runs", "Operation": "UpdateItem"}


@pytest.mark.parametrize(
    ("engine", "namespace", "look"),
    [
        ("scheduler", "AWS/Scheduler", "aws scheduler list-schedules --group-name Report/ScheduleGroup"),
        ("rule", "AWS/Events", "aws events list-targets-by-rule --rule Report/ScheduleRule"),
    ],
)
def test_one_tick_that_does_not_arrive_is_enough(stack, engine, namespace, look):
    report(stack, schedule=ReportSchedule(engine=engine)).add_alarms(Alerts())
    found = [each for name, each in alarms(stack).items() if name.startswith("Schedule")]
    for each in found:
        assert (each["Namespace"], each["Statistic"], each["Period"]) == (namespace, "Sum", 60)
        assert each["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
        assert (each["EvaluationPeriods"], each["DatapointsToAlarm"], each["TreatMissingData"]) == (1, 1, "notBreaching")
        assert each["AlarmDescription"].endswith(f"First: {look}")


def math_of(alarm):
    """The expression of an alarm, and the metrics in it."""
    (expression,) = [each["Expression"] for each in alarm["Metrics"] if "Expression" in each]
    return expression, [each["MetricStat"] for each in alarm["Metrics"] if "MetricStat" in each]


@pytest.mark.parametrize("name", ["ReportDuration", "ReportThrottles"])
def test_one_run_that_is_slow_or_refused_is_enough_where_there_is_one_a_day(stack, name):
    report(stack).add_alarms(Alerts())
    found = alarms(stack)[name]
    assert (found["EvaluationPeriods"], found["DatapointsToAlarm"]) == (1, 1)


@pytest.mark.parametrize(("schedule", "hours"), [(None, 26), (ReportSchedule(missing_after=Duration.days(7)), 168)])
def test_no_report_for_so_many_hours_alarms_and_so_does_silence(stack, schedule, hours):
    report(stack, schedule=schedule).add_alarms(Alerts())
    found = alarms(stack)["ReportMissing"]
    expression, (watched,) = math_of(found)
    assert expression == "FILL(reports, 0)"
    assert (watched["Metric"]["Namespace"], watched["Metric"]["MetricName"]) == ("ServerlessPatterns", "ReportSucceeded")
    assert (watched["Stat"], watched["Period"]) == ("Sum", 3600)
    assert watched["Metric"]["Dimensions"] == [{"Name": "FunctionName", "Value": "Report/Function"}]
    assert (found["EvaluationPeriods"], found["DatapointsToAlarm"]) == (hours, hours)
    assert (found["ComparisonOperator"], found["TreatMissingData"]) == ("LessThanThreshold", "breaching")
    assert found["AlarmDescription"].startswith(f"[critical] For {hours} hours there was no report of the latest day.")
    assert found["AlarmDescription"].endswith(f"--since {hours}h")


def test_of_a_handler_of_ones_own_each_run_that_did_not_fail_counts_as_a_report(stack):
    report(stack, handler=OWN).add_alarms(Alerts())
    found = alarms(stack)["ReportMissing"]
    assert (found["TreatMissingData"], found["EvaluationPeriods"], found["Threshold"]) == ("breaching", 26, 1)
    expression, watched = math_of(found)
    assert expression == "FILL(invocations, 0) - FILL(errors, 0)"
    assert {each["Metric"]["MetricName"] for each in watched} == {"Invocations", "Errors"}
    for each in watched:
        assert (each["Period"], each["Metric"]["Namespace"]) == (3600, "AWS/Lambda")
        assert each["Metric"]["Dimensions"] == [{"Name": "FunctionName", "Value": "Report/Function"}]


def test_all_other_alarms_are_silent_where_nothing_happens(stack):
    report(stack).add_alarms(Alerts())
    others = {name: each["TreatMissingData"] for name, each in alarms(stack).items() if name != "ReportMissing"}
    assert set(others.values()) == {"notBreaching"}


def test_a_topic_that_another_pattern_watches_is_not_watched_twice(stack):
    report(stack, topic=SnsFanout(stack, "Events").topic).add_alarms(Alerts())
    assert not [name for name in alarms(stack) if name.startswith("Announcement")]


def test_alarms_notify_the_topic_of_their_tier(stack):
    topics = {tier: sns.Topic(stack, tier.capitalize()) for tier in ("critical", "warning")}
    report(stack).add_alarms(Alerts(**topics))
    for each in alarms(stack).values():
        assert each["AlarmActions"] == each["OKActions"] == [each["tier"].capitalize()]


def test_alarms_are_defined_once(stack):
    found = report(stack)
    made = found.add_alarms(Alerts())
    assert len(made) == len(alarms(stack))
    assert all(isinstance(each, cloudwatch.Alarm) for each in made)
    with pytest.raises(PatternError, match="add_alarms was called before on Test/Report; call it once"):
        found.add_alarms(Alerts())
