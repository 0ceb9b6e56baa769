"""The call to the topic: ``sns:Publish``."""

import hashlib
from typing import Any, Protocol

import boto3

from shared.aws import CLIENT_CONFIG
from shared.envelope import Envelope


class SnsClient(Protocol):
    """The call that is made."""

    def publish(self, **parameters: Any) -> Any:  # noqa: ANN401  boto3's own
        """Publish a message."""


class Topic:
    """Where it is announced what became of an order or an object.

    Args:
        arn: The topic.
        client: The client to use. Default: a new one, with short timeouts.
    """

    def __init__(self, arn: str, client: SnsClient | None = None) -> None:
        self._client: SnsClient = client or boto3.client("sns", config=CLIENT_CONFIG)
        self._arn = arn

    def publish(self, event: Envelope) -> None:
        """Publish the event; on a FIFO topic those of one correlation id stay in their order, and a repeated one is dropped."""
        order = {}
        if self._arn.endswith(".fifo"):
            order = {
                "MessageGroupId": hashlib.sha256(event.correlation_id.encode()).hexdigest(),  # keys have what groups must not
                "MessageDeduplicationId": hashlib.sha256(event.id.encode()).hexdigest(),
            }
        self._client.publish(TopicArn=self._arn, Message=event.to_json(), MessageAttributes=event.message_attributes, **order)
