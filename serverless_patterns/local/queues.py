"""Queues as a drive sees them: an inbox of its own on a topic, and its own messages in queues that others use too."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from serverless_patterns.local.account import Account

COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")


@dataclass(frozen=True)
class Message:
    """A message that was received.

    Args:
        body: Its body.
        attributes: The text of its message attributes, by name.
    """

    body: str
    attributes: dict[str, str]


class Queue:
    """A queue that a stack has made.

    Args:
        account: Where it is.
        url: Its URL.
    """

    def __init__(self, account: Account, url: str) -> None:
        self._client = account.client("sqs")
        self._url = url

    def send(self, body: str, **parameters: str) -> None:
        """Put a message into it."""
        self._client.send_message(QueueUrl=self._url, MessageBody=body, **parameters)

    def count(self) -> int:
        """How many messages are in it, whether they wait, are worked or come later."""
        found = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=list(COUNTS))["Attributes"]
        return sum(int(found[name]) for name in COUNTS)

    def take(self, wanted: Callable[[Message], bool] = lambda _: True) -> list[Message]:
        """Take out the messages that are wanted, of those that it gives at once; the others stay, for all to see."""
        taken = []
        found = self._client.receive_message(
            QueueUrl=self._url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=5
        )
        for each in found.get("Messages", []):
            handle = {"QueueUrl": self._url, "ReceiptHandle": each["ReceiptHandle"]}
            message = Message(each["Body"], _texts(each.get("MessageAttributes", {})))
            if wanted(message):
                self._client.delete_message(**handle)
                taken.append(message)
            else:
                self._client.change_message_visibility(**handle, VisibilityTimeout=0)
        return taken


class Inbox:
    """A queue of its own on a topic, as long as the ``with`` block lasts.

    Args:
        account: Where the topic is.
        topic_arn: The topic.
    """

    def __init__(self, account: Account, topic_arn: str) -> None:
        self._account = account
        self._topic_arn = topic_arn
        self._clients = account.client("sqs"), account.client("sns")
        self._url = self._subscription = ""
        self._received: list[Message] = []

    def __enter__(self) -> Self:
        queues, topics = self._clients
        self._url = queues.create_queue(QueueName=f"drive-{uuid.uuid4()}")["QueueUrl"]
        try:
            attributes = queues.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])["Attributes"]
            arn = attributes["QueueArn"]
            queues.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": json.dumps(self._policy(arn))})
            raw = {"RawMessageDelivery": "true"}
            self._subscription = topics.subscribe(
                TopicArn=self._topic_arn, Protocol="sqs", Endpoint=arn, Attributes=raw, ReturnSubscriptionArn=True
            )["SubscriptionArn"]
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._remove()

    def received(self) -> list[Message]:
        """All that the topic has delivered so far."""
        self._received += Queue(self._account, self._url).take()
        return list(self._received)

    def _remove(self) -> None:
        queues, topics = self._clients
        if self._subscription:
            topics.unsubscribe(SubscriptionArn=self._subscription)
        queues.delete_queue(QueueUrl=self._url)

    def _policy(self, arn: str) -> dict[str, Any]:
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": self._topic_arn}},
        }
        return {"Version": "2012-10-17", "Statement": [statement]}


def _texts(attributes: dict[str, Any]) -> dict[str, str]:
    return {name: value["StringValue"] for name, value in attributes.items() if "StringValue" in value}
