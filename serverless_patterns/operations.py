"""Operations: how a pattern is run - retention, backups, logs, capacity - apart from what it does.

A pattern takes ``operations=`` and reads these values; it never asks which environment it is in. The defaults are the
careful ones: a construct that is used without operations keeps its data.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from types import UnionType
from typing import Literal, get_args

from aws_cdk import RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs

from serverless_patterns.errors import PatternError

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]

#: DynamoDB keeps continuous backups for 1 to 35 days.
#: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/PointInTimeRecovery_Howitworks.html
LONGEST_BACKUP_DAYS = 35
#: The consumers of a bus remember events for ten years at the longest, which must be longer than they can be replayed.
LONGEST_ARCHIVE_DAYS = 3600


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """How much of the capacity that a pattern declares an environment gives it.

    Args:
        share: The part of the declared value, above 0 and at most 1. Default 1: as declared.
        max_requests_per_second: The most requests per second, whatever was declared. ``None``: no such limit.
        max_concurrency: The most concurrent executions for each event source, at least 2. ``None``: no such limit.

    Raises:
        PatternError: A value is outside its range.
    """

    share: float = 1.0
    max_requests_per_second: int | None = None
    max_concurrency: int | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0 < self.share <= 1:
            msg = f"share must be above 0 and at most 1 (1 is the declared capacity), got {self.share}"
            raise PatternError(msg)
        if self.max_requests_per_second is not None and self.max_requests_per_second < 1:
            msg = f"max_requests_per_second must be at least 1, or None for no limit, got {self.max_requests_per_second}"
            raise PatternError(msg)
        if self.max_concurrency is not None and self.max_concurrency < 2:  # noqa: PLR2004  the least that Lambda takes for SQS
            msg = f"max_concurrency must be at least 2, or None for no limit, got {self.max_concurrency}"
            raise PatternError(msg)

    def requests_per_second(self, declared: int) -> int:
        """The requests per second (or the burst) to set where a pattern declares this number."""
        return _limited(declared, self.share, self.max_requests_per_second)

    def concurrency(self, declared: int) -> int:
        """The concurrent executions to set where a pattern declares this number; never below 2, the least for SQS."""
        return max(2, _limited(declared, self.share, self.max_concurrency))


def _limited(declared: int, share: float, most: int | None) -> int:
    value = math.ceil(declared * share)
    return value if most is None else min(value, most)


#: A writer and 15 readers. https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/Aurora.Overview.html
MOST_INSTANCES = 16
#: Aurora capacity units: about 2 GiB of memory each. The largest cluster, and the least that the largest capacity can be.
#: https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-serverless-v2.setting-capacity.html
MOST_UNITS, LEAST_MAXIMUM = 256, 1
#: Minutes: 300 to 86,400 s.
#: https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-serverless-v2-auto-pause.html
SHORTEST_PAUSE, LONGEST_PAUSE = 5, 1440


@dataclass(frozen=True, kw_only=True)
class DatabaseOperations:
    """How the SQL database of a pattern is run, where the pattern defines one.

    Args:
        min_capacity: The least Aurora capacity units (ACU, about 2 GiB of memory each) of an instance, in halves. 0: it pauses
            when nobody uses it, costs only its storage then, and takes about 15 s to wake up. Default 0.5.
        max_capacity: The most of them, 1 to 256, in halves. Default 8.
        instances: How many there are, 1 to 16, in different zones as far as there are: the second takes over when the first
            fails, within about a minute. Default 2.
        backup_days: Days of continuous backup, 1 to 35; Aurora cannot do without. Default 14.
        final_snapshot: Whether a database that goes with its stack leaves a snapshot. Default yes. One that is kept needs none.
        pause_after_minutes: How long nobody uses a database before it pauses, 5 to 1440; with ``min_capacity=0`` only.
            Default 5.

    Raises:
        PatternError: A value is outside its range.
    """

    min_capacity: float = 0.5
    max_capacity: float = 8
    instances: int = 2
    backup_days: int = 14
    final_snapshot: bool = True
    pause_after_minutes: int = SHORTEST_PAUSE

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, least, most in (
            ("instances", 1, MOST_INSTANCES),
            ("backup_days", 1, LONGEST_BACKUP_DAYS),
            ("pause_after_minutes", SHORTEST_PAUSE, LONGEST_PAUSE),
        ):
            value = getattr(self, name)
            if type(value) is not int or not least <= value <= most:
                msg = f"{name} must be a whole number from {least} to {most}, got {value!r}"
                raise PatternError(msg)
        for name, least in (("min_capacity", 0), ("max_capacity", LEAST_MAXIMUM)):
            value = getattr(self, name)
            if type(value) not in {int, float} or not least <= value <= MOST_UNITS or value * 2 % 1:
                msg = f"{name} must be {least} to {MOST_UNITS} Aurora capacity units, in halves, got {value!r}"
                raise PatternError(msg)
        if self.final_snapshot not in (True, False):
            msg = f"final_snapshot must be True or False, got {self.final_snapshot!r}"
            raise PatternError(msg)
        if self.min_capacity > self.max_capacity:
            msg = f"min_capacity must be at most max_capacity, got {self.min_capacity:g} and {self.max_capacity:g}"
            raise PatternError(msg)


#: What tables and buckets can do when their stack goes; a snapshot they cannot take.
KEEPING = (RemovalPolicy.RETAIN, RemovalPolicy.DESTROY, RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)


_TYPES: dict[str, type | UnionType] = {
    "removal_policy": RemovalPolicy,
    "deletion_protection": bool,
    "backup_days": int,
    "log_retention": logs.RetentionDays,
    "debug_sample_rate": int | float,
    "tracing": bool,
    "archive_days": int,
    "capacity": Capacity,
    "database": DatabaseOperations,
}


@dataclass(frozen=True, kw_only=True)
class Operations:
    """How a pattern is run. Every value has a careful default; ``replace`` makes a copy with other ones.

    Args:
        removal_policy: What happens to data (tables, buckets, databases) when the stack goes. Default ``RETAIN``.
        deletion_protection: Whether a table or a database refuses to be deleted. Default on.
        backup_days: Days of continuous backup (point-in-time recovery), 1 to 35; ``None`` turns it off. Default 35.
        log_retention: How long log groups keep events. Default one year.
        log_level: The least level that handlers log. Default ``INFO``.
        debug_sample_rate: The part of invocations that log at ``DEBUG`` all the same, 0 to 1. Default 0.01: enough to see
            what normal looks like, cheap enough to leave on.
        tracing: Whether functions trace actively with X-Ray. Default on.
        archive_days: For how long events of a bus can be replayed, 1 to 3600 days; ``None``: they cannot. Default 90.
        capacity: How much of the declared capacity is given. Default: all of it.
        database: Size, backups and last snapshot of an SQL database. Default: those of prod.
        encryption_key: A customer managed key for all that patterns define, logs included; the ``encryption_key`` of a pattern
            comes first. Default: keys that AWS owns, free.
        handler_platform: What handler dependencies are packed for: ``"aws"`` (Lambda's platform, the default) or
            ``"host"`` (this machine, for the local run, which executes handlers here).

    Raises:
        PatternError: A value is outside its range.
    """

    removal_policy: RemovalPolicy = RemovalPolicy.RETAIN
    deletion_protection: bool = True
    backup_days: int | None = LONGEST_BACKUP_DAYS
    log_retention: logs.RetentionDays = logs.RetentionDays.ONE_YEAR
    log_level: LogLevel = "INFO"
    debug_sample_rate: float = 0.01
    tracing: bool = True
    archive_days: int | None = 90
    capacity: Capacity = dataclasses.field(default_factory=Capacity)
    database: DatabaseOperations = dataclasses.field(default_factory=DatabaseOperations)
    encryption_key: kms.IKey | None = None
    handler_platform: Literal["aws", "host"] = "aws"

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, allowed in (("log_level", get_args(LogLevel)), ("handler_platform", ("aws", "host"))):
            if getattr(self, name) not in allowed:
                msg = f"{name} must be one of {', '.join(map(repr, allowed))}, got {getattr(self, name)!r}"
                raise PatternError(msg)
        for name, kind in _TYPES.items():
            value = getattr(self, name)
            optional = name in {"archive_days", "backup_days"} and value is None
            if not optional and (not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)):
                msg = f"{name} must be of type {kind.__name__ if isinstance(kind, type) else kind}, got {value!r}"
                raise PatternError(msg)
        if self.encryption_key is not None and not hasattr(self.encryption_key, "key_arn"):
            msg = f"encryption_key must be a KMS key, or None for keys that AWS owns, got {self.encryption_key!r}"
            raise PatternError(msg)
        if self.removal_policy not in KEEPING:
            msg = (
                f"removal_policy must be one of {', '.join(policy.name for policy in KEEPING)}, got {self.removal_policy.name}"
            )
            raise PatternError(msg)
        if self.backup_days is not None and not 1 <= self.backup_days <= LONGEST_BACKUP_DAYS:
            msg = f"backup_days must be 1 to {LONGEST_BACKUP_DAYS}, or None for no backups, got {self.backup_days}"
            raise PatternError(msg)
        if self.archive_days is not None and not 1 <= self.archive_days <= LONGEST_ARCHIVE_DAYS:
            msg = f"archive_days must be 1 to {LONGEST_ARCHIVE_DAYS}, or None for no archive, got {self.archive_days}"
            raise PatternError(msg)
        if not 0 <= self.debug_sample_rate <= 1:
            msg = f"debug_sample_rate must be 0 to 1 (0.01 is one invocation in a hundred), got {self.debug_sample_rate}"
            raise PatternError(msg)

    def replace(self, **changes: object) -> Operations:
        """A copy with these values changed."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]
