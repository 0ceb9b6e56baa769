"""Alarms of several patterns: of code of a user's own, which writes none of the bundled metrics, and of deliveries."""

import pytest
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_

from serverless_patterns import (
    Alerts,
    EventRouting,
    EventSource,
    Handler,
    OrderWorkflow,
    ReportSource,
    S3Processing,
    ScheduledReport,
    SnsFanout,
    SqsPipeline,
)
from tests.support.readable import alarms

OWN = Handler(lambda_.Code.from_inline("pass"), "index.handler")


def report(stack, handler):
    key = dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING)
    items = dynamodb.TableV2(stack, "Items", partition_key=key)
    source = ReportSource.dynamodb(items, columns=["id"])
    ScheduledReport(stack, "Pattern", source=source, handler=handler).add_alarms(Alerts())


def fanout(stack, handler):
    events = SnsFanout(stack, "Pattern")
    events.add_subscriber("One", handler=handler)
    events.add_alarms(Alerts())


MAKE = {
    "sqs_pipeline": lambda stack, handler: SqsPipeline(stack, "Pattern", handler=handler).add_alarms(Alerts()),
    "s3_processing": lambda stack, handler: S3Processing(stack, "Pattern", handler=handler).add_alarms(Alerts()),
    "sns_fanout": fanout,
    "scheduled_report": report,
}


@pytest.mark.parametrize("name", MAKE)
def test_no_alarm_waits_for_metrics_that_code_of_a_users_own_does_not_write(stack, name):
    MAKE[name](stack, OWN)
    found = alarms(stack)
    assert found
    assert [alarm for alarm, each in found.items() if each.get("Namespace") == "ServerlessPatterns"] == []


def test_a_report_of_a_users_own_code_is_missing_when_no_run_succeeds(stack):
    report(stack, OWN)
    missing = alarms(stack)["ReportMissing"]
    assert (missing["metric"], missing["tier"]) == ("FILL(invocations, 0) - FILL(errors, 0)", "critical")
    assert (missing["ComparisonOperator"], missing["TreatMissingData"]) == ("LessThanThreshold", "breaching")
    assert (missing["EvaluationPeriods"], missing["DatapointsToAlarm"]) == (26, 26)


PAID = {"detail-type": ["orders.paid"]}


def routing(stack):
    events = EventRouting(stack, "Pattern")
    events.add_route("One", pattern=PAID)
    events.forward("Feed", pattern={"source": ["aws.s3"]})
    return events


#: How what delivers is defined, and whom its dead-letter queue names, by the beginning of the alarm.
DELIVERIES = {
    "sns_fanout": (lambda stack: fanout(stack, OWN), {"One": "its subscriber"}),
    "s3_processing": (lambda stack: S3Processing(stack, "Pattern").add_alarms(Alerts()), {"": "the queue of the function"}),
    "scheduled_report": (lambda stack: report(stack, None), {"": "the function"}),
    "event_routing": (
        lambda stack: routing(stack).add_alarms(Alerts()),
        {"One": "the queue of its route", "Feed": "the bus"},
    ),
    "order_workflow": (
        lambda stack: OrderWorkflow(stack, "Pattern", starter="event", started_by=EventSource(pattern=PAID)).add_alarms(
            Alerts()
        ),
        {"": "the queue of the starter"},
    ),
}


@pytest.mark.parametrize("name", DELIVERIES)
def test_the_alarm_of_what_could_not_be_delivered_says_whom_it_was_for(stack, name):
    define, wanted = DELIVERIES[name]
    define(stack)
    said = {
        alarm.removesuffix("DeliveryDeadLetters"): each["AlarmDescription"].partition(". First: ")[0]
        for alarm, each in alarms(stack).items()
        if alarm.endswith("DeliveryDeadLetters")
    }
    assert said == {part: f"[critical] A message could not be delivered to {to}" for part, to in wanted.items()}
