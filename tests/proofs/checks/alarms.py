"""Checks of alarms: each gives what would let a fault go unnoticed, a line each."""

import json
import re
from collections.abc import Mapping
from typing import Any

from serverless_patterns import Environment
from tests.proofs.alarm_proofs import kind_of
from tests.proofs.alarms import alarms_of
from tests.support.synthesis import resources

Template = Mapping[str, Any]


def badly_told(template: Template, environment: Environment) -> list[str]:
    """Alarms that do not notify the topic of their tier where the environment wants it, or do not say what to do first."""
    return [key for key, alarm in _alarms(template).items() if not _is_told(alarm, environment.alarm_actions)]


def _is_told(alarm: Mapping[str, Any], wanted: bool) -> bool:
    description = json.dumps(alarm["AlarmDescription"])
    tier = re.search(r"\[(critical|warning|info)\]", description)
    actions = json.dumps(alarm.get("AlarmActions", []))
    return tier is not None and "First: " in description and (tier[1].capitalize() in actions) is wanted


def unlike_their_kind(template: Template) -> list[str]:
    """Alarms that go off for more, less or something else than those of their kind, and those whose actions are off."""
    return [f"{alarm.name}: {each}" for alarm in alarms_of("", template) for each in kind_of(alarm).goes_off.unlike(alarm)]


def watching_nothing(template: Template) -> list[str]:
    """Alarms without a dimension, and those of a resource that is not there."""
    watched = {
        key: re.findall(
            r'\{"(?:Ref": |Fn::GetAtt": \[)"(\w+)"', json.dumps(alarm.get("Dimensions") or alarm.get("Metrics", []))
        )
        for key, alarm in _alarms(template).items()
    }
    return [key for key, names in watched.items() if not names or not set(names) <= set(template["Resources"])]


def content_with_silence(template: Template) -> list[str]:
    """Alarms for what should happen and does not, to which no data at all is good news."""
    return [
        key
        for key, alarm in _alarms(template).items()
        if alarm["ComparisonOperator"].startswith("LessThan") and alarm.get("TreatMissingData") != "breaching"
    ]


def unheard_topics(template: Template) -> list[str]:
    """Topics of alarms that are not encrypted, and keys with which CloudWatch cannot publish to them for this account only."""
    keys = resources(template, "AWS::KMS::Key").items()
    plain = [
        key for key, topic in resources(template, "AWS::SNS::Topic").items() if "KmsMasterKeyId" not in topic["Properties"]
    ]
    wanted = {
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
        "Condition": {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
        "Resource": "*",
    }

    def for_services(key: Mapping[str, Any]) -> list[Any]:
        return [each for each in key["Properties"]["KeyPolicy"]["Statement"] if "Service" in each["Principal"]]

    return plain + [name for name, key in keys if for_services(key) != [wanted]]


def _alarms(template: Template) -> dict[str, dict[str, Any]]:
    return {key: each["Properties"] for key, each in resources(template, "AWS::CloudWatch::Alarm").items()}
