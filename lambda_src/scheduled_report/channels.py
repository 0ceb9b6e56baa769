"""The calls that announce a report: ``sns:Publish`` on the topic or ``events:PutEvents`` on the bus, and ``ses:SendEmail``.

What people get is not sent twice by the SDK: who got no answer in time cannot know whether the message is out, and would send
it again. Events may be: their readers tell by the id.
"""

from typing import Any, Protocol

import boto3
from botocore.config import Config

from scheduled_report.announcement import Announcement
from shared.announcer import AnnouncerSettings, announcer
from shared.bus import Announces

CONFIG = Config(connect_timeout=2, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 1})


class SnsClient(Protocol):
    """The call that is made."""

    def publish(self, **parameters: Any) -> Any:  # noqa: ANN401  boto3's own
        """Publish a message."""


class SesClient(Protocol):
    """The call that is made."""

    def send_email(self, **parameters: Any) -> Any:  # noqa: ANN401  boto3's own
        """Send a mail."""


class Topic:
    """The topic that is told of each report.

    Args:
        arn: Its ARN.
        client: The client to use. Default: a new one that tries once.
    """

    def __init__(self, arn: str, client: SnsClient | None = None) -> None:
        self._arn = arn
        self._client: SnsClient = client or boto3.client("sns", config=CONFIG)

    def send(self, announcement: Announcement) -> None:
        """Publish it."""
        self._client.publish(TopicArn=self._arn, Subject=announcement.subject, Message=announcement.text)


class Bus:
    """The bus that is told of each report.

    Args:
        bus: Announces events on it.
    """

    def __init__(self, bus: Announces) -> None:
        self._bus = bus

    def send(self, announcement: Announcement) -> None:
        """Put its event on the bus."""
        self._bus.publish(announcement.event)


def channel_of(settings: AnnouncerSettings, client: Any = None) -> Topic | Bus:  # noqa: ANN401  boto3's own
    """The topic or the bus: people are told by the one in words, programs by the other with an event.

    Args:
        settings: Which it is.
        client: The client to use, of SNS or EventBridge. Default: a new one.
    """
    return Bus(announcer(settings, client)) if settings.bus_name else Topic(settings.topic_arn, client)


class Mail:
    """The mail that tells of each report.

    Args:
        sender: Its sender, an identity that SES has verified.
        recipients: Who gets it.
        configuration_set: What of SES it is sent with; ``""`` names none.
        client: The client to use. Default: a new one that tries once.
    """

    def __init__(
        self, sender: str, recipients: tuple[str, ...], configuration_set: str = "", client: SesClient | None = None
    ) -> None:
        self._sender = sender
        self._recipients = list(recipients)
        self._set = {"ConfigurationSetName": configuration_set} if configuration_set else {}
        self._client: SesClient = client or boto3.client("sesv2", config=CONFIG)

    def send(self, announcement: Announcement) -> None:
        """Send it."""
        body = {"Text": _content(announcement.text), "Html": _content(announcement.html)}
        self._client.send_email(
            FromEmailAddress=self._sender,
            Destination={"ToAddresses": self._recipients},
            Content={"Simple": {"Subject": _content(announcement.subject), "Body": body}},
            **self._set,
        )


def _content(text: str) -> dict[str, str]:
    return {"Data": text, "Charset": "UTF-8"}
