"""The values of this pattern: its settings, what came through the bus, and what the table knows of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from shared import settings
from shared.envelope import Envelope
from shared.observability import LogSettings
from shared.queue_consumer import QueueSettings

_DAY = 86_400


class State(StrEnum):
    """How far an event is: from the first to the second, once."""

    IN_PROGRESS = "IN_PROGRESS"
    COMPLETE = "COMPLETE"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the construct tells the handler through environment variables.

    Args:
        table_name: TABLE_NAME: the table of this route's events, of no other route's; its key is the text ``id``, which is
            ``<source>#<event's id>``, and its time-to-live attribute ``expires_at``.
        handler: HANDLER: the user's function, as ``module:function``; ``""`` to keep the events in the table.
        schema_file: SCHEMA_FILE: a JSON object with the schema of the data of each type, relative to the root of the code, if
            any. An event of a type that is not in it passes.
        event_seconds: EVENT_SECONDS: for how long an event is known. Default 35 days: longer than it can be on its way, which
            is 1 day to the queue, 4 in it and 14 in the dead-letter queue. A replay of older ones is refused, so it should
            also be longer than the archive keeps them.
        queue: QUEUE_URL and the rest of a queue's settings.
        logs: LOG_LEVEL and DEBUG_SAMPLE_RATE.
    """

    table_name: str
    handler: str
    schema_file: Path | None
    event_seconds: int
    queue: QueueSettings
    logs: LogSettings

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> "Settings":
        """The settings in these variables.

        Raises:
            SettingsError: A variable is missing or malformed; the message begins with its name.
        """
        return cls(
            table_name=settings.text(variables, "TABLE_NAME"),
            handler=variables.get("HANDLER", ""),
            schema_file=settings.code_file(variables, "SCHEMA_FILE") if variables.get("SCHEMA_FILE") else None,
            event_seconds=settings.integer(variables, "EVENT_SECONDS", 35 * _DAY, least=3600, most=3650 * _DAY),
            queue=QueueSettings.from_environment(variables),
            logs=LogSettings.from_environment(variables),
        )


@dataclass(frozen=True, slots=True)
class Received:
    """An event that came through the bus.

    Args:
        event: The event.
        replay: The name of the replay that brings it again; ``""`` if it came by itself.
        taken_at: When the bus took it first, if it says so.
    """

    event: Envelope
    replay: str = ""
    taken_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """What is written of an event as it is taken up.

    Args:
        received: The event.
        state: COMPLETE if writing this is all there is to do.
        now: Seconds since 1970.
        until: Until when nobody else takes it up, for one in progress: seconds since 1970.
        expires_at: When the row may go: seconds since 1970.
    """

    received: Received
    state: State
    now: int
    until: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class Known:
    """What the table knows of an event that cannot be taken up.

    Args:
        state: How far it is.
        until: Until when another one works on it, if it is in progress: seconds since 1970.
    """

    state: State
    until: int = 0
