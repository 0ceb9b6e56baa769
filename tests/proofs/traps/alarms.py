"""Mistakes that let a fault go unnoticed."""

from functools import partial

from serverless_patterns import PROD
from tests.proofs.checks.alarms import badly_told, content_with_silence, unheard_topics, watching_nothing
from tests.proofs.traps.plants import setting, without
from tests.proofs.traps.trap import Resources, Trap

API, REPORT, ALERTS = "prod-api-crud", "prod-scheduled-report", "alerts"
ALARM = "AWS::CloudWatch::Alarm"


def _no_service_may_use_the_key(resources: Resources) -> None:
    for resource in resources.values():
        if resource["Type"] == "AWS::KMS::Key":
            document = resource["Properties"]["KeyPolicy"]
            document["Statement"] = [each for each in document["Statement"] if "Service" not in each["Principal"]]


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
]
