"""A deployed fan-out as its tests see it: events go in, and what comes out is looked for until it is there."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor

from tests.support.deployed import DeployedStack

AT_ONCE = 8


def event(**fields):
    """An event as ``SqsPipeline`` publishes them, with an id of its own."""
    given = {
        "id": str(uuid.uuid4()),
        "type": "orders.paid",
        "version": 1,
        "time": "2001-02-03T04:05:06Z",
        "source": "tests",
        "correlation_id": "order",
        "causation_id": "message",
        "data": {},
    }
    return given | fields


def attributes_of(values):
    """Message attributes: numbers are numbers, all else is text."""
    kinds = {name: "Number" if isinstance(value, int | float) else "String" for name, value in values.items()}
    return {name: {"DataType": kinds[name], "StringValue": str(value)} for name, value in values.items()}


class Fanout(DeployedStack):
    """A fan-out of a stack, whose parts are its subscribers."""

    def __init__(self, account, stack, prefix=""):
        super().__init__(account, stack, prefix)
        self._topics = account.client("sns")

    def publish(self, body, *, group=None, deduplication=None, **attributes):
        """Publish a body, or an event, with these message attributes."""
        given = {"MessageGroupId": group, "MessageDeduplicationId": deduplication}
        self._topics.publish(
            TopicArn=self.output("TopicArn"),
            Message=body if isinstance(body, str) else json.dumps(body),
            MessageAttributes=attributes_of(attributes),
            **{name: value for name, value in given.items() if value is not None},
        )

    def publish_events(self, events, **attributes):
        """Publish events at the same time, with their type as an attribute."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda each: self.publish(each, event_type=each["type"], **attributes), events))

    def rows(self, table, events):
        """The rows of these events, by id."""
        ids = {each["id"] for each in events}
        pages = self.account.client("dynamodb").get_paginator("scan").paginate(TableName=self.output(table))
        found = (item for page in pages for item in page["Items"])
        return {item["id"]["S"]: item for item in found if item["id"]["S"] in ids}
