"""Where a pattern announces what became of something: a topic, its own or the user's, or an event bus of the user's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from aws_cdk import Stack, Token
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from serverless_patterns._blocks.alarms import AlarmSet
from serverless_patterns._blocks.checks import check
from serverless_patterns._blocks.event_bus import grant_put_events
from serverless_patterns._blocks.topic import define_topic, grant_publish
from serverless_patterns.errors import PatternError


@dataclass(frozen=True, kw_only=True)
class Announcer:
    """Where a pattern announces.

    Attributes:
        topic: The topic; ``None``: it is a bus.
        bus: The bus; ``None``: it is a topic.
        is_own: Whether the pattern has defined it.
    """

    topic: sns.ITopic | None
    bus: events.IEventBus | None
    is_own: bool

    @property
    def for_subscribers(self) -> sns.ITopic:
        """The topic, as a pattern shows it to those who want to subscribe.

        Raises:
            PatternError: It announces on a bus: whoever took ``None`` for a topic would define one that nobody publishes to.
        """
        if self.topic is None:
            msg = "there is no topic: this pattern announces on a bus; subscribe by a rule of that bus, or leave bus= out"
            raise PatternError(msg)
        return self.topic

    @property
    def settings(self) -> Mapping[str, str]:
        """What a function is told that announces; a bus by its ARN, which names it in any account."""
        if self.topic is not None:
            return {"TOPIC_ARN": self.topic.topic_arn}
        return {"BUS_NAME": self._bus.event_bus_arn}

    @property
    def outputs(self) -> Mapping[str, str]:
        """What a stack shows of it, by its stable name: nothing of a bus, which is the user's."""
        return {} if self.topic is None else {"TopicArn": self.topic.topic_arn}

    def grant_announce(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a principal announce."""
        return grant_put_events(grantee, self._bus) if self.topic is None else grant_publish(grantee, self.topic)

    def add_alarms(self, alarms: AlarmSet) -> None:
        """Add the alarms of the topic that is defined; what is the user's has them where it is defined."""
        if self.is_own and self.topic is not None:
            alarms.add_topic("Announcement", self.topic)

    @property
    def _bus(self) -> events.IEventBus:
        return cast(events.IEventBus, self.bus)  # without a topic there is one


def check_announcer(scope: Construct, topic: sns.ITopic | None, bus: events.IEventBus | None) -> None:
    """Check that it is a topic or a bus, and that a bus is in the region of the stack: events reach another one by a rule.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cross-region.html
    """
    check(topic is None or bus is None, "bus must not be given with topic: announcements go to one of them")
    if bus is None:
        return
    here, there = Stack.of(scope).region, bus.env.region
    check(
        Token.is_unresolved(here) or Token.is_unresolved(there) or here == there,
        f"bus must be in the region of the stack, {here}, got one of {there}: give one of {here}, and let a rule there send "
        "events on to it",
    )


def define_announcer(
    scope: Construct, *, topic: sns.ITopic | None, bus: events.IEventBus | None, key: kms.IKey | None
) -> Announcer:
    """The topic or the bus that was given; without either a topic is defined."""
    own = topic is None and bus is None
    return Announcer(topic=define_topic(scope, "Topic", key=key) if own else topic, bus=bus, is_own=own)
