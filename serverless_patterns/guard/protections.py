"""What keeps data from a later mistake, and how long it is kept: neither may fall unseen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from serverless_patterns.guard.values import is_function, meaning

FOREVER = float("inf")


def _number(value: Any) -> float | None:  # noqa: ANN401  JSON
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _period(retention: Any) -> float | None:  # noqa: ANN401  JSON
    """Days, of a default retention, which has days or years."""
    if not isinstance(retention, dict):
        return None
    years = _number(retention.get("Years", 0))
    return None if years is None else _number(retention.get("Days", 365 * years))


def _redrive(policy: Any) -> float:  # noqa: ANN401  JSON
    """Whether a redrive policy, an object or its text, names a queue."""
    return float("deadLetterTargetArn" in policy)


def _archived(policy: Any) -> float | None:  # noqa: ANN401  JSON
    """Days, of the archive policy of a topic."""
    return _number(policy.get("MessageRetentionPeriod")) if isinstance(policy, dict) else None


def _or_forever(days: Any) -> float | None:  # noqa: ANN401  JSON
    """Days, of which 0 are for ever."""
    return _number(days) or (FOREVER if _number(days) == 0 else None)


@dataclass(frozen=True)
class Protection:
    """A property that protects data.

    Args:
        pointer: Where it stands in the properties.
        words: What is lost when it falls.
        on: The values that protect, from the weakest to the strongest; empty for an amount, of which more protects more.
        absent: How much protects where nothing stands; the first value of ``on`` is 1.
        under: The switch without which this one says nothing; ``None`` for none.
        measure: The amount that a value stands for; ``None`` where that cannot be told.
    """

    pointer: str
    words: str
    on: tuple[str, ...] = ()
    absent: float = 0
    under: Protection | None = None
    measure: Callable[[Any], float | None] = _number

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
        if self.on:
            return float(dict(zip(self.on, range(1, len(self.on) + 1), strict=True)).get(meaning(value, {}), 0))
        return self.measure(value)


UNPROTECTED = "nothing keeps a deploy, a script or a hand from deleting it any more"
SHORTER = "what is older than the new time is deleted"
RECOVERY = "/properties/PointInTimeRecoverySpecification"
REPLICA = "/properties/Replicas/*"
LOCK = "/properties/ObjectLockConfiguration/Rule/DefaultRetention"
UNLOCKED = "new objects can be deleted before their time, or by more hands"


def _deletion(pointer: str, on: str = "true") -> Protection:
    return Protection(pointer, UNPROTECTED, (on,))


def _recovery(place: str) -> tuple[Protection, ...]:
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Point-in-time-recovery.html : 35 days unless told."""
    enabled = Protection(f"{place}/PointInTimeRecoveryEnabled", "no moment before this deploy can be restored", ("true",))
    return enabled, Protection(
        f"{place}/RecoveryPeriodInDays", "the moments before that time are lost", absent=35, under=enabled
    )


_CLUSTER = (_deletion("/properties/DeletionProtection"), Protection("/properties/BackupRetentionPeriod", SHORTER, absent=1))
#: Where nothing is written, backups are removed too, unless a plan of AWS Backup says otherwise: between never and always.
_RDS = (
    *_CLUSTER,
    Protection("/properties/DeleteAutomatedBackups", "its backups go with it when it is deleted", ("false",), absent=0.5),
)
_KEY = (
    Protection(
        "/properties/Enabled", "from this deploy on, nothing that is encrypted with it can be read", ("true",), absent=1
    ),
    Protection("/properties/PendingWindowInDays", "its deletion can be cancelled for a shorter time", absent=30),
)
#: The one way in which a table deletes by itself.
_EXPIRY = Protection(
    "/properties/TimeToLiveSpecification/Enabled",
    "from this deploy on, items whose time is over are deleted, those that are there already included",
    ("false",),
    absent=1,
)
#: Type -> what protects its data. The numbers are the defaults of its page in CloudFormation's reference:
#: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html
PROTECTIONS: Mapping[str, tuple[Protection, ...]] = {
    "AWS::Backup::BackupVault": (
        Protection("/properties/LockConfiguration/MinRetentionDays", "backups can be deleted before their time"),
    ),
    "AWS::CloudTrail::EventDataStore": (
        Protection("/properties/TerminationProtectionEnabled", UNPROTECTED, ("true",), absent=1),
        Protection("/properties/RetentionPeriod", SHORTER, absent=366),
    ),
    "AWS::Cognito::UserPool": (_deletion("/properties/DeletionProtection", "ACTIVE"),),
    "AWS::DSQL::Cluster": (_deletion("/properties/DeletionProtectionEnabled"),),
    "AWS::DocDB::DBCluster": _CLUSTER,
    "AWS::DocDB::GlobalCluster": (_deletion("/properties/DeletionProtection"),),
    "AWS::DynamoDB::GlobalTable": (
        _deletion(f"{REPLICA}/DeletionProtectionEnabled"),
        *_recovery(f"{REPLICA}/PointInTimeRecoverySpecification"),
        _EXPIRY,
    ),
    "AWS::DynamoDB::Table": (_deletion("/properties/DeletionProtectionEnabled"), *_recovery(RECOVERY), _EXPIRY),
    "AWS::ECR::Repository": (
        Protection(
            "/properties/EmptyOnDelete", "its removal deletes its images, and fails no longer over them", ("false",), absent=1
        ),
    ),
    "AWS::EFS::FileSystem": (Protection("/properties/BackupPolicy/Status", "it is backed up no longer", ("ENABLED",)),),
    "AWS::Events::Archive": (Protection("/properties/RetentionDays", SHORTER, absent=FOREVER, measure=_or_forever),),
    "AWS::KMS::Key": (
        *_KEY,
        Protection("/properties/EnableKeyRotation", "its key material stays the same for ever", ("true",)),
    ),
    "AWS::KMS::ReplicaKey": _KEY,
    "AWS::Kinesis::Stream": (Protection("/properties/RetentionPeriodHours", SHORTER, absent=24),),
    "AWS::KinesisVideo::Stream": (Protection("/properties/DataRetentionInHours", SHORTER),),
    "AWS::Logs::LogGroup": (
        _deletion("/properties/DeletionProtectionEnabled"),
        Protection("/properties/RetentionInDays", SHORTER, absent=FOREVER),
    ),
    "AWS::Neptune::DBCluster": _CLUSTER,
    "AWS::Neptune::GlobalCluster": (_deletion("/properties/DeletionProtection"),),
    "AWS::QLDB::Ledger": (Protection("/properties/DeletionProtection", UNPROTECTED, ("true",), absent=1),),
    "AWS::RDS::DBCluster": _RDS,
    "AWS::RDS::DBInstance": _RDS,
    "AWS::RDS::GlobalCluster": (_deletion("/properties/DeletionProtection"),),
    "AWS::S3::Bucket": (
        Protection("/properties/VersioningConfiguration/Status", "what is overwritten or deleted is gone", ("Enabled",)),
        Protection("/properties/ObjectLockEnabled", "objects can be deleted before their time", ("true",)),
        Protection(f"{LOCK}/Mode", UNLOCKED, ("GOVERNANCE", "COMPLIANCE")),
        Protection(LOCK, UNLOCKED, measure=_period),
    ),
    "AWS::SNS::Topic": (Protection("/properties/ArchivePolicy", SHORTER, measure=_archived),),
    "AWS::SQS::Queue": (
        Protection("/properties/MessageRetentionPeriod", SHORTER, absent=345_600),
        Protection(
            "/properties/RedrivePolicy",
            "a message that fails again and again is kept nowhere once it has expired",
            measure=_redrive,
        ),
    ),
    "AWS::Timestream::Table": (
        Protection("/properties/RetentionProperties/MagneticStoreRetentionPeriodInDays", SHORTER, absent=73_000),
    ),
}
