"""From the publisher over a bus, a rule and a queue to the route, and once more from the bus's archive."""

import json
import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from types_boto3_dynamodb import DynamoDBClient

from shared.aws import CLIENT_CONFIG
from shared.bus import Publisher
from shared.envelope import Envelope
from tests.handlers.route_client import EVENT, Routed, envelope_of, event

PATTERN = {"source": ["orders"], "detail-type": ["orders.paid"], "detail": {"metadata": {"version": [1]}}}


class Bus:
    """A bus with a rule that sends what fits the pattern to a queue, and an archive."""

    def __init__(self, routed: Routed, pattern: dict[str, Any]) -> None:
        self.events: Any = boto3.client("events", config=CLIENT_CONFIG)
        self._routed = routed
        self.name = uuid.uuid4().hex
        self.arn = self.events.create_event_bus(Name=self.name)["EventBusArn"]
        self.events.put_rule(Name="route", EventBusName=self.name, EventPattern=json.dumps(pattern))
        answer = routed.sqs.get_queue_attributes(QueueUrl=routed.queue, AttributeNames=["QueueArn"])
        target = {"Id": "queue", "Arn": answer["Attributes"]["QueueArn"]}
        self.events.put_targets(Rule="route", EventBusName=self.name, Targets=[target])
        self.archive = self.events.create_archive(ArchiveName=self.name, EventSourceArn=self.arn)["ArchiveArn"]

    def publish(self, *published: Envelope) -> None:
        Publisher(self.arn, self.events).publish_all(published)

    def replay(self, name: str) -> None:
        now = datetime.now(UTC)
        self.events.start_replay(
            ReplayName=name,
            EventSourceArn=self.archive,
            EventStartTime=now - timedelta(hours=1),
            EventEndTime=now + timedelta(hours=1),
            Destination={"Arn": self.arn},
        )

    def received(self) -> list[str]:
        """The bodies of the messages in the queue."""
        bodies: list[str] = []
        while messages := self._routed.sqs.receive_message(QueueUrl=self._routed.queue, MaxNumberOfMessages=10).get("Messages"):
            bodies += [message["Body"] for message in messages]
            for message in messages:
                self._routed.sqs.delete_message(QueueUrl=self._routed.queue, ReceiptHandle=message["ReceiptHandle"])
        return bodies


@pytest.fixture
def routed(dynamodb: DynamoDBClient) -> Routed:
    return Routed(dynamodb, now=datetime.now(UTC).timestamp())


def as_rules_send_it(input_template: str | None, input_paths_map: object, event: dict[str, Any]) -> dict[str, Any]:
    """The whole event. The stand-in needs one more package for templates, even if there are none but its archive's own."""
    if input_template is None:
        return event
    archive: dict[str, Any] = json.loads(re.sub("<[^>]*>", "0", input_template))
    return archive


@pytest.fixture
def bus_with(routed: Routed, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], Bus]:
    monkeypatch.setattr("moto.events.models.EventTemplateParser.parse", as_rules_send_it)
    return lambda pattern: Bus(routed, pattern)


def test_what_is_published_reaches_the_route_and_has_its_effect(routed: Routed, bus_with: Callable[..., Bus]) -> None:
    bus = bus_with(PATTERN)
    bus.publish(*(envelope_of(event(number)) for number in range(1, 24)))
    assert routed.deliver(*bus.received()) == []
    assert {row["event_id"] for row in routed.rows} == {f"{number}:PAID" for number in range(1, 24)}
    assert routed.dead_letters == []


def test_a_users_function_is_given_what_was_published(routed: Routed, bus_with: Callable[..., Bus]) -> None:
    handled: list[Envelope] = []
    routed.handle = handled.append
    bus = bus_with(PATTERN)
    bus.publish(envelope_of(EVENT))
    routed.deliver(*bus.received())
    assert handled == [envelope_of(EVENT)]


@pytest.mark.parametrize(
    "pattern",
    [
        PATTERN | {"source": ["shipping"]},
        PATTERN | {"detail-type": ["orders.placed"]},
        PATTERN | {"detail": {"metadata": {"version": [2]}}},
    ],
    ids=["source", "detail-type", "version"],
)
def test_rules_match_the_parts_of_the_envelope(bus_with: Callable[..., Bus], pattern: dict[str, Any]) -> None:
    bus = bus_with(pattern)
    bus.publish(envelope_of(EVENT))
    assert bus.received() == []


def test_a_replay_of_the_archive_is_marked_and_has_no_second_effect(
    routed: Routed, bus_with: Callable[..., Bus], capsys: pytest.CaptureFixture[str]
) -> None:
    bus = bus_with(PATTERN)
    bus.publish(envelope_of(event(1)), envelope_of(event(2)))
    routed.deliver(*bus.received())
    before = routed.rows
    capsys.readouterr()
    name = uuid.uuid4().hex
    bus.replay(name)
    replayed = bus.received()
    assert [json.loads(body)["replay-name"] for body in replayed] == [name] * 2
    assert routed.deliver(*replayed) == []
    assert routed.rows == [row | {"replayed": name} for row in before]
    assert '"EventType"' not in capsys.readouterr().out
    assert routed.dead_letters == []


def test_an_event_larger_than_a_row_goes_to_the_dead_letter_queue_with_its_reason(
    routed: Routed, bus_with: Callable[..., Bus]
) -> None:
    bus = bus_with(PATTERN)
    bus.publish(envelope_of(event(text="x" * 420_000)))
    assert routed.deliver(*bus.received()) == []
    assert "a row has at most 400 KB" in routed.reason
