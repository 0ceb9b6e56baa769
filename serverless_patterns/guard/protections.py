"""What keeps data from a later mistake, and how long it is kept: neither may fall unseen.

A protection that falls is a finding like a replacement, not a warning. The next comparison starts from the new state and can
say nothing about it any more, and a warning in a green run is read by nobody; where it is meant, allowing it is one argument.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from serverless_patterns.guard.assemblies import Stack
from serverless_patterns.guard.findings import Finding, Kind, path_of
from serverless_patterns.guard.stateful import is_stateful, policy, strength
from serverless_patterns.guard.values import at, is_function, meaning

ATTRIBUTES = ("DeletionPolicy", "UpdateReplacePolicy")
FOREVER = float("inf")


@dataclass(frozen=True)
class Protection:
    """A property that protects data.

    Args:
        pointer: Where it stands in the properties.
        words: What is lost when it falls.
        on: The values that protect; empty for an amount, of which more protects more.
        absent: How much protects where nothing stands.
        under: The switch without which this one says nothing; ``None`` for none.
    """

    pointer: str
    words: str
    on: tuple[str, ...] = ()
    absent: float = 0
    under: Protection | None = None

    def level(self, value: Any) -> float | None:  # noqa: ANN401  JSON
        """How much a value protects; ``None`` for one that is computed while deploying."""
        if isinstance(value, list):
            levels = [self.level(each) for each in value]
            known = [level for level in levels if level is not None]
            return min(known, default=self.absent) if len(known) == len(levels) else None
        if value is None:
            return self.absent
        if is_function(value):
            return None
        return float(meaning(value, {}) in self.on) if self.on else _number(value)


def _number(value: Any) -> float | None:  # noqa: ANN401  JSON
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


UNPROTECTED = "nothing keeps a deploy, a script or a hand from deleting it any more"
SHORTER = "what is older than the new time is deleted"
RECOVERY = "/properties/PointInTimeRecoverySpecification"
REPLICA = "/properties/Replicas/*"


def _deletion(pointer: str, on: str = "true") -> Protection:
    return Protection(pointer, UNPROTECTED, (on,))


def _recovery(place: str) -> tuple[Protection, ...]:
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Point-in-time-recovery.html : 35 days unless told."""
    enabled = Protection(f"{place}/PointInTimeRecoveryEnabled", "no moment before this deploy can be restored", ("true",))
    return enabled, Protection(
        f"{place}/RecoveryPeriodInDays", "the moments before that time are lost", absent=35, under=enabled
    )


_CLUSTER = (_deletion("/properties/DeletionProtection"), Protection("/properties/BackupRetentionPeriod", SHORTER, absent=1))
#: Type -> what protects its data. The numbers are the defaults of its page in CloudFormation's reference:
#: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html
PROTECTIONS: Mapping[str, tuple[Protection, ...]] = {
    "AWS::Cognito::UserPool": (_deletion("/properties/DeletionProtection", "ACTIVE"),),
    "AWS::DSQL::Cluster": (_deletion("/properties/DeletionProtectionEnabled"),),
    "AWS::DocDB::DBCluster": _CLUSTER,
    "AWS::DynamoDB::GlobalTable": (
        _deletion(f"{REPLICA}/DeletionProtectionEnabled"),
        *_recovery(f"{REPLICA}/PointInTimeRecoverySpecification"),
    ),
    "AWS::DynamoDB::Table": (_deletion("/properties/DeletionProtectionEnabled"), *_recovery(RECOVERY)),
    "AWS::EFS::FileSystem": (Protection("/properties/BackupPolicy/Status", "it is backed up no longer", ("ENABLED",)),),
    "AWS::Events::Archive": (Protection("/properties/RetentionDays", SHORTER, absent=FOREVER),),
    "AWS::Kinesis::Stream": (Protection("/properties/RetentionPeriodHours", SHORTER, absent=24),),
    "AWS::Logs::LogGroup": (
        _deletion("/properties/DeletionProtectionEnabled"),
        Protection("/properties/RetentionInDays", SHORTER, absent=FOREVER),
    ),
    "AWS::Neptune::DBCluster": _CLUSTER,
    "AWS::RDS::DBCluster": _CLUSTER,
    "AWS::RDS::DBInstance": _CLUSTER,
    "AWS::RDS::GlobalCluster": (_deletion("/properties/DeletionProtection"),),
    "AWS::S3::Bucket": (
        Protection("/properties/VersioningConfiguration/Status", "what is overwritten or deleted is gone", ("Enabled",)),
        Protection("/properties/ObjectLockEnabled", "objects can be deleted before their time", ("true",)),
    ),
    "AWS::SQS::Queue": (Protection("/properties/MessageRetentionPeriod", SHORTER, absent=345_600),),
}


def find_less_protected(old: Stack, new: Stack) -> Iterator[Finding]:
    """The findings on resources with data that stay, and are protected less."""
    for logical_id, before in old.resources.items():
        after = new.resources.get(logical_id)
        if after and is_stateful(before) and before["Type"] == after["Type"]:
            for name, was, will_be, words in (*_policies(before, after), *_fallen(before, after)):
                path = path_of(logical_id, after)
                mend = "set it as it was. If it is meant, allow it"
                yield Finding(new.name, logical_id, path, after["Type"], Kind.LESS_PROTECTED, name, was, will_be, words, mend)


Fall = tuple[str, Any, Any, str]


def _policies(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Fall]:
    for name in ATTRIBUTES:
        was, will_be = policy(before, name), policy(after, name)
        if strength(will_be) < strength(was):
            when = "removed, or its stack destroyed" if name == "DeletionPolicy" else "replaced"
            yield name, was, will_be, f"from this deploy on, the data is lost when it is {when}"


def _fallen(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Fall]:
    for protection in PROTECTIONS.get(before["Type"], ()):
        if protection.under and not protection.under.level(at(before.get("Properties", {}), protection.under.pointer)):
            continue
        was, will_be = (at(each.get("Properties", {}), protection.pointer) for each in (before, after))
        level, next_level = protection.level(was), protection.level(will_be)
        # A literal that becomes a function can be told no longer, so it does not count as protection.
        if level and was != will_be and (next_level is None or next_level < level):
            yield protection.pointer.removeprefix("/properties/").replace("/", "."), was, will_be, protection.words
