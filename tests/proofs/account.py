"""The stand-in for the account of a template, in which what is published and put on a bus can be seen.

It has a number of its own: what other tests of the same process have in theirs stays as it is.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

from moto.events.models import events_backends

from serverless_patterns.testing import stand_in
from serverless_patterns.testing.moto_account import client as client_in
from serverless_patterns.testing.moto_account import name_of
from serverless_patterns.testing.resource import Resource
from serverless_patterns.testing.template import ResolvedTemplate

__all__ = ["ACCOUNT", "INBOX", "REGION", "account_of", "client", "name_of"]

ACCOUNT = "111122223333"
REGION = "eu-central-1"
#: What every topic is subscribed by, so that it can be seen what was published; and the rule of every bus, for the same.
INBOX = "inbox-of-"


@contextlib.contextmanager
def account_of(template: ResolvedTemplate) -> Iterator[None]:
    """The account, as long as the context lasts."""
    with stand_in(template):
        for topic in template.of_type("AWS::SNS::Topic"):
            _subscribe(topic)
        for bus in events_backends[ACCOUNT][REGION].event_buses.values():
            bus.rules[INBOX] = InboxRule()
        yield


def client(service: str) -> Any:
    """A client for preparing the account and for looking into it."""
    return client_in(service, REGION)


def _subscribe(topic: Resource) -> None:
    is_fifo = {"FifoQueue": "true"} if topic.properties.get("FifoTopic") else {}
    name = f"{INBOX}{name_of(topic.name)}"
    client("sqs").create_queue(QueueName=name, Attributes=is_fifo)
    client("sns").subscribe(TopicArn=topic.arn, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")


class InboxRule:
    """A rule that matches every event, and keeps it: those of moto need a library for whatever they send."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def send_to_targets(self, event: dict[str, Any]) -> None:
        self.events.append(event)
