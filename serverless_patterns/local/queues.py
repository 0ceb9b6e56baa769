"""Queues as a drive sees them: an inbox of its own on a topic, and its own messages in queues that others use too."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from serverless_patterns.local.account import Account

#: The most messages of one receive, and of one send.
BATCH = 10
#: Seconds for which a message is hidden that is looked at: longer than it takes to look at all.
HIDDEN_SECONDS = 30
COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")


@dataclass(frozen=True)
class Message:
    """A message that was received.

    Args:
        body: Its body.
        attributes: The text of its message attributes, by name.
        id: SQS's id of it.
        receipt: What SQS wants to hear when it is deleted, or shown again.
        group: Its message group, if it has one.
    """

    body: str
    attributes: dict[str, str]
    id: str = ""
    receipt: str = ""
    group: str | None = None


class Queue:
    """A queue that a stack has made, with calls that any SQS takes.

    Args:
        account: Where it is.
        url: Its URL.
    """

    def __init__(self, account: Account, url: str) -> None:
        self._client = account.client("sqs")
        self._url = url

    def send(self, *bodies: str, **parameters: str) -> None:
        """Put messages into it, ten at a time; the parameters are those of each, such as ``MessageGroupId``."""
        for start in range(0, len(bodies), BATCH):
            entries = [
                {"Id": str(number), "MessageBody": body, **parameters}
                for number, body in enumerate(bodies[start : start + BATCH])
            ]
            self._client.send_message_batch(QueueUrl=self._url, Entries=entries)

    def count(self) -> int:
        """How many messages are in it, whether they wait, are worked or come later. SQS counts approximately."""
        found = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=list(COUNTS))["Attributes"]
        return sum(int(found[name]) for name in COUNTS)

    def messages(self) -> list[Message]:
        """All that are visible, and visible again afterwards. For a queue that nobody else consumes."""
        found = self._received()
        for message in found:
            self._show(message)
        return found

    def take(self, wanted: Callable[[Message], bool] = lambda _: True) -> list[Message]:
        """Take out the messages that are wanted, of those that are visible; the others stay, for all to see."""
        taken = []
        for message in self._received():
            if wanted(message):
                self._delete(message)
                taken.append(message)
            else:
                self._show(message)
        return taken

    def redrive(self, target: Queue) -> int:
        """Send the messages of this dead-letter queue to the queue that they came from; how many there were.

        A message is deleted here only after it was sent there: none is lost, at worst one is worked twice.
        """
        found = self._received()
        for message in found:
            more = {} if message.group is None else {"MessageGroupId": message.group}
            if target._url.endswith(".fifo"):
                more["MessageDeduplicationId"] = message.id
            target.send(message.body, **more)
            self._delete(message)
        return len(found)

    def _received(self) -> list[Message]:
        found: dict[str, Message] = {}
        while True:
            answer = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=BATCH,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["All"],
                VisibilityTimeout=HIDDEN_SECONDS,
            )
            batch = [_message(each) for each in answer.get("Messages", [])]
            if not batch:
                return list(found.values())
            found |= {message.id: message for message in batch}

    def _delete(self, message: Message) -> None:
        self._client.delete_message(QueueUrl=self._url, ReceiptHandle=message.receipt)

    def _show(self, message: Message) -> None:
        self._client.change_message_visibility(QueueUrl=self._url, ReceiptHandle=message.receipt, VisibilityTimeout=0)


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


def _message(received: dict[str, Any]) -> Message:
    return Message(
        body=received["Body"],
        attributes=_texts(received.get("MessageAttributes", {})),
        id=received["MessageId"],
        receipt=received["ReceiptHandle"],
        group=received.get("Attributes", {}).get("MessageGroupId"),
    )


def _texts(attributes: dict[str, Any]) -> dict[str, str]:
    return {name: value["StringValue"] for name, value in attributes.items() if "StringValue" in value}
