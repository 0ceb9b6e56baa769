"""Where a handler announces its events: on a topic or on a bus, whichever the construct names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from shared.aws import LONGEST_CALL_SECONDS
from shared.bus import Announces, Publisher
from shared.settings import SettingsError
from shared.topic import Topic

_ONE_OF_THEM = "one of TOPIC_ARN and BUS_NAME says where events are announced"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncerSettings:
    """Where events are announced; one of the two is ``""``.

    Args:
        topic_arn: TOPIC_ARN: the topic.
        bus_name: BUS_NAME: the bus, by its ARN or its name.
    """

    topic_arn: str = ""
    bus_name: str = ""

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> Self:
        """The settings in these variables.

        Raises:
            SettingsError: There is neither a topic nor a bus, or both.
        """
        found = cls.if_any(variables)
        if found is None:
            msg = f"TOPIC_ARN must be set, or BUS_NAME: {_ONE_OF_THEM}"
            raise SettingsError(msg)
        return found

    @classmethod
    def if_any(cls, variables: Mapping[str, str]) -> Self | None:
        """The settings in these variables; ``None`` for a handler that announces nothing.

        Raises:
            SettingsError: There is both a topic and a bus.
        """
        found = cls(topic_arn=variables.get("TOPIC_ARN", ""), bus_name=variables.get("BUS_NAME", ""))
        if found.topic_arn and found.bus_name:
            msg = f"TOPIC_ARN must not be set together with BUS_NAME: {_ONE_OF_THEM}"
            raise SettingsError(msg)
        return found if found.topic_arn or found.bus_name else None


def announcer(settings: AnnouncerSettings, client: Any = None) -> Announces:  # noqa: ANN401  boto3's own
    """Announces events where the settings say.

    With all its tries, a bus takes no longer than one call to a topic: handlers that keep time for a call have it for both.

    Args:
        settings: Where.
        client: The client to use, of EventBridge or SNS. Default: a new one, with short timeouts.
    """
    if settings.bus_name:
        return Publisher(settings.bus_name, client, budget_seconds=LONGEST_CALL_SECONDS)
    return Topic(settings.topic_arn, client)
