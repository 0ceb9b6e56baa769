"""Time to live, point-in-time recovery and deletion protection of a table that a template defines.

AWS sets them from ``AWS::DynamoDB::Table`` and, per replica, from ``AWS::DynamoDB::GlobalTable``.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dynamodb-globaltable.html

The emulator drops time to live and recovery of both, and what a global table says for its replicas.
"""

from __future__ import annotations

from ministack.services import dynamodb

from .faults import Properties, after, expect, provision, remove

TABLES = ("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable")
TABLE = {
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "TimeToLiveSpecification": {"AttributeName": "expires", "Enabled": True},
    "Replicas": [{"Region": "us-east-1", "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}}],
}


def check() -> None:
    """Both are dropped."""
    for resource_type in TABLES:
        name = provision(resource_type, TABLE)
        kept = name in dynamodb._ttl_settings or name in dynamodb._pitr_settings
        remove(resource_type, name, TABLE)
        expect(not kept, f"the emulator now takes time to live or recovery of {resource_type} from the template")


def apply() -> None:
    """Set what the template says, through the service's own calls."""
    for resource_type in TABLES:
        after(resource_type, _set)


def _set(name: str, properties: Properties) -> None:
    replica = (properties.get("Replicas") or [{}])[0]
    recovery = properties.get("PointInTimeRecoverySpecification") or replica.get("PointInTimeRecoverySpecification") or {}
    time_to_live = properties.get("TimeToLiveSpecification") or {}
    if attribute := time_to_live.get("AttributeName"):
        specification = {"AttributeName": attribute, "Enabled": _true(time_to_live.get("Enabled"))}
        dynamodb._update_ttl({"TableName": name, "TimeToLiveSpecification": specification})
    enabled = _true(recovery.get("PointInTimeRecoveryEnabled"))
    dynamodb._update_continuous_backups(
        {"TableName": name, "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": enabled}}
    )
    if "DeletionProtectionEnabled" in replica:
        dynamodb._tables[name]["DeletionProtectionEnabled"] = _true(replica["DeletionProtectionEnabled"])


def _true(value: object) -> bool:
    return str(value).lower() == "true"
