"""Points in time, as they are taken, stored and sent."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The time of day, in UTC: the clock of all that takes one."""
    return datetime.now(UTC)


def timestamp(time: datetime) -> str:
    """The time as it is stored and sent: RFC 3339, UTC, milliseconds, such as ``2026-03-01T12:00:00.000Z``."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
