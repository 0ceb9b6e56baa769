"""The values of this pattern: its settings, what is counted, and what people are told."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from shared import settings
from shared.observability import LogSettings
from shared.queue_consumer import QueueSettings

AUDIT = "audit"
AGGREGATE = "aggregate"
NOTIFICATION = "notification"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the construct tells the handler through environment variables.

    Args:
        action: ACTION: what is done with each event: ``audit``, ``aggregate`` or ``notification``.
        table_name: TABLE_NAME: for ``audit`` the table of the events, for ``aggregate`` that of the totals; the key of both is
            the text ``id``, and the time-to-live attribute of the totals ``expires_at``. ``""`` for ``notification``.
        notification_topic_arn: NOTIFICATION_TOPIC_ARN: for ``notification`` the topic that people subscribe to, else ``""``.
        queue: QUEUE_URL and the rest of a queue's settings; ``None`` if the topic invokes the function itself.
        logs: LOG_LEVEL and DEBUG_SAMPLE_RATE.
    """

    action: str
    table_name: str
    notification_topic_arn: str
    queue: QueueSettings | None
    logs: LogSettings

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> "Settings":
        """The settings in these variables.

        Raises:
            SettingsError: A variable is missing or malformed; the message begins with its name.
        """
        action = settings.choice(variables, "ACTION", "", allowed=(AUDIT, AGGREGATE, NOTIFICATION))
        tells = action == NOTIFICATION
        queued = variables.get("QUEUE_URL") or variables.get("DEAD_LETTER_QUEUE_URL")
        return cls(
            action=action,
            table_name="" if tells else settings.text(variables, "TABLE_NAME"),
            notification_topic_arn=settings.text(variables, "NOTIFICATION_TOPIC_ARN") if tells else "",
            queue=QueueSettings.from_environment(variables) if queued else None,
            logs=LogSettings.from_environment(variables),
        )


@dataclass(frozen=True, slots=True)
class Count:
    """What one event adds to the total of its type and day.

    Args:
        marker_id: The row that says that this event has been counted.
        expires_at: When that row may go.
        total_id: The row that it is added to.
        currency: In what the event has an amount, or nothing.
        amount: How much.
    """

    marker_id: str
    expires_at: int
    total_id: str
    currency: str = ""
    amount: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Notice:
    """What people are told.

    Args:
        subject: One line of ASCII, fit for the header of a mail.
        text: Plain text.
    """

    subject: str
    text: str
