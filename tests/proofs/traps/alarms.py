"""Mistakes that let a fault go unnoticed."""

from functools import partial

from serverless_patterns import PROD
from tests.proofs.checks.alarms import badly_told, content_with_silence, unheard_topics, unlike_their_kind, watching_nothing
from tests.proofs.traps.plants import one_of, setting, without
from tests.proofs.traps.trap import Resources, Trap

API, REPORT, PIPELINE, ALERTS = "prod-api-crud", "prod-scheduled-report", "prod-sqs-pipeline", "alerts"
ALARM = "AWS::CloudWatch::Alarm"


def _no_service_may_use_the_key(resources: Resources) -> None:
    for resource in resources.values():
        if resource["Type"] == "AWS::KMS::Key":
            document = resource["Properties"]["KeyPolicy"]
            document["Statement"] = [each for each in document["Statement"] if "Service" not in each["Principal"]]


def _for_100_minutes(resources: Resources) -> None:
    one_of(resources, ALARM, "WorkerErrors")["Properties"].update(EvaluationPeriods=100, DatapointsToAlarm=100)


def _parts_of_one(resources: Resources) -> None:
    metrics = one_of(resources, ALARM, "ServerErrors")["Properties"]["Metrics"]
    next(each for each in metrics if "Expression" in each)["Expression"] = "part / whole"


ALARMS = [
    Trap("an alarm has no dimension", API, without(ALARM, "FunctionThrottles", "Dimensions"), watching_nothing),
    Trap(
        "an alarm watches what is not there",
        API,
        setting(ALARM, "FunctionThrottles", "Dimensions/0/Value", {"Ref": "OldFunction"}),
        watching_nothing,
    ),
    Trap(
        "an alarm of prod tells nobody",
        API,
        without(ALARM, "FunctionThrottles", "AlarmActions"),
        partial(badly_told, environment=PROD),
    ),
    Trap("CloudWatch cannot publish to the encrypted topics of alarms", ALERTS, _no_service_may_use_the_key, unheard_topics),
    Trap(
        "no report at all is good news to the alarm of reports",
        REPORT,
        setting(ALARM, "ReportMissing", "TreatMissingData", "notBreaching"),
        content_with_silence,
    ),
    Trap(
        "the actions of an alarm are off",
        PIPELINE,
        setting(ALARM, "DeadLetters", "ActionsEnabled", value=False),
        unlike_their_kind,
    ),
    Trap("a million dead letters are no alarm", PIPELINE, setting(ALARM, "DeadLetters", "Threshold", 1e6), unlike_their_kind),
    Trap(
        "an alarm takes as many seconds for milliseconds",
        API,
        setting(ALARM, "FunctionDuration", "Threshold", 8),
        unlike_their_kind,
    ),
    Trap("an alarm counts datapoints", PIPELINE, setting(ALARM, "DeadLetters", "Statistic", "SampleCount"), unlike_their_kind),
    Trap("an alarm looks once a day", PIPELINE, setting(ALARM, "WorkerErrors", "Period", 86_400), unlike_their_kind),
    Trap("an alarm waits for 100 minutes", PIPELINE, _for_100_minutes, unlike_their_kind),
    Trap(
        "an alarm goes off when all is well",
        PIPELINE,
        setting(ALARM, "WorkerErrors", "ComparisonOperator", "LessThanThreshold"),
        unlike_their_kind,
    ),
    Trap("an alarm of a percent is one of a hundred percent", API, _parts_of_one, unlike_their_kind),
]
