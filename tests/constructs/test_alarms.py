"""Alarms of code of a user's own: it writes none of the bundled handlers' metrics, so no alarm may wait for them."""

import pytest
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_

from serverless_patterns import (
    Alerts,
    Handler,
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
