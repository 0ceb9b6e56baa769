"""Operations: how a pattern is run - retention, backups, logs, capacity - apart from what it does.

A pattern takes ``operations=`` and reads these values; it never asks which environment it is in. The defaults are the
careful ones: a construct that is used without operations keeps its data.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal, get_args

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs

from serverless_patterns.errors import PatternError

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]

#: DynamoDB keeps continuous backups for 1 to 35 days.
#: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/PointInTimeRecovery_Howitworks.html
LONGEST_BACKUP_DAYS = 35
#: The consumers of a bus remember events for ten years at the longest, which must be longer than they can be replayed.
LONGEST_ARCHIVE_DAYS = 3600
#: The least that Lambda takes for an event source that is a queue.
#: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
LEAST_CONCURRENCY = 2


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """How much of the capacity that a pattern declares an environment gives it.

    Args:
        share: The part of the declared value, above 0 and at most 1. Default 1: as declared.
        max_requests_per_second: The most requests per second, whatever was declared. ``None``: no such limit.
        max_concurrency: The most concurrent executions for each event source, at least 2. ``None``: no such limit.

    Raises:
        PatternError: A value is outside its range, or of another type.
    """

    share: float = 1.0
    max_requests_per_second: int | None = None
    max_concurrency: int | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        share = f"share must be a number above 0 and at most 1 (1 is the declared capacity), got {self.share!r}"
        _check(_is_number(self.share) and 0 < self.share <= 1, share)
        _check_integer("max_requests_per_second", self.max_requests_per_second, 1, none="no limit")
        _check_integer("max_concurrency", self.max_concurrency, LEAST_CONCURRENCY, none="no limit")

    def requests_per_second(self, declared: int) -> int:
        """The requests per second (or the burst) to set where a pattern declares this number."""
        return _limited(declared, self.share, self.max_requests_per_second)

    def concurrency(self, declared: int) -> int:
        """The concurrent executions to set where a pattern declares this number; never below 2, the least for SQS."""
        return max(LEAST_CONCURRENCY, _limited(declared, self.share, self.max_concurrency))


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
        PatternError: A value is outside its range, or of another type.
    """

    min_capacity: float = 0.5
    max_capacity: float = 8
    instances: int = 2
    backup_days: int = 14
    final_snapshot: bool = True
    pause_after_minutes: int = SHORTEST_PAUSE

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check_integer("instances", self.instances, 1, MOST_INSTANCES)
        _check_integer("backup_days", self.backup_days, 1, LONGEST_BACKUP_DAYS)
        _check_integer("pause_after_minutes", self.pause_after_minutes, SHORTEST_PAUSE, LONGEST_PAUSE)
        _check_units("min_capacity", self.min_capacity, 0)
        _check_units("max_capacity", self.max_capacity, LEAST_MAXIMUM)
        check_flag("final_snapshot", self.final_snapshot)
        ordered = f"min_capacity must be at most max_capacity, got {self.min_capacity:g} and {self.max_capacity:g}"
        _check(self.min_capacity <= self.max_capacity, ordered)


def _check_units(name: str, value: float, least: int) -> None:
    holds = _is_number(value) and least <= value <= MOST_UNITS and value * 2 % 1 == 0
    _check(holds, f"{name} must be {least} to {MOST_UNITS} Aurora capacity units, in halves, got {value!r}")


#: What tables and buckets can do when their stack goes; a snapshot they cannot take.
KEEPING = (RemovalPolicy.RETAIN, RemovalPolicy.DESTROY, RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)


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
        PatternError: A value is outside its range, or of another type.
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
        check_type("removal_policy", self.removal_policy, RemovalPolicy)
        allowed = ", ".join(policy.name for policy in KEEPING)
        _check(self.removal_policy in KEEPING, f"removal_policy must be one of {allowed}, got {self.removal_policy.name}")
        check_flag("deletion_protection", self.deletion_protection)
        _check_integer("backup_days", self.backup_days, 1, LONGEST_BACKUP_DAYS, none="no backups")
        check_type("log_retention", self.log_retention, logs.RetentionDays)
        _check_one_of("log_level", self.log_level, get_args(LogLevel))
        rate = f"a number from 0 to 1 (0.01 is one invocation in a hundred), got {self.debug_sample_rate!r}"
        _check(_is_number(self.debug_sample_rate) and 0 <= self.debug_sample_rate <= 1, f"debug_sample_rate must be {rate}")
        check_flag("tracing", self.tracing)
        _check_integer("archive_days", self.archive_days, 1, LONGEST_ARCHIVE_DAYS, none="no archive")
        check_type("capacity", self.capacity, Capacity)
        check_type("database", self.database, DatabaseOperations)
        key = f"encryption_key must be a KMS key, or None for keys that AWS owns, got {self.encryption_key!r}"
        _check(self.encryption_key is None or hasattr(self.encryption_key, "key_arn"), key)
        _check_one_of("handler_platform", self.handler_platform, ("aws", "host"))

    def replace(self, **changes: object) -> Operations:
        """A copy with these values changed."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]


def check_flag(name: str, value: object) -> None:
    """Check that an argument is True or False: a text would count as true, whatever it says."""
    _check(isinstance(value, bool), f"{name} must be True or False, got {value!r}")


def check_type(name: str, value: object, kind: type) -> None:
    """Check that an argument is of a type."""
    example = ", such as logs.RetentionDays.ONE_WEEK" if kind is logs.RetentionDays else ""
    _check(isinstance(value, kind), f"{name} must be of type {kind.__name__}{example}, got {value!r}")


def _check(holds: object, message: str) -> None:
    if not holds:
        raise PatternError(message)


def _check_one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    _check(value in allowed, f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")


def _check_integer(name: str, value: object, least: int, most: int | None = None, *, none: str | None = None) -> None:
    """Check that an argument is a whole number in a range, both ends included; ``none``: what ``None`` means, if it may be."""
    range_ = f"of at least {least}" if most is None else f"from {least} to {most}"
    or_none = f", or None for {none}" if none else ""
    holds = type(value) is int and least <= value and (most is None or value <= most)  # a bool is no number
    got = f"a Duration: write the number alone, such as {name}={least}" if isinstance(value, Duration) else repr(value)
    _check(holds or (none and value is None), f"{name} must be a whole number {range_}{or_none}, got {got}")


def _is_number(value: object) -> bool:
    return type(value) in {int, float}
