"""Checks of what feeds functions, queues and buses: each gives what would stand still, or give up at once, a line each."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.support.synthesis import resources

Template = Mapping[str, Any]
#: What feeds others -> whether its properties say that it does.
_IS_ON: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "AWS::Events::Rule": lambda rule: rule.get("State", "ENABLED").startswith("ENABLED"),
    "AWS::Lambda::EventSourceMapping": lambda mapping: mapping.get("Enabled", True) is True,
    "AWS::Scheduler::Schedule": lambda schedule: schedule.get("State", "ENABLED") == "ENABLED",
}


def switched_off(template: Template) -> list[str]:
    """Rules, schedules and event source mappings that are disabled."""
    return [
        key
        for kind, is_on in _IS_ON.items()
        for key, each in resources(template, kind).items()
        if not is_on(each["Properties"])
    ]


def given_up_at_once(template: Template) -> list[str]:
    """What does not try a second time before it gives an event up."""
    return [key for key, retries in _retries(template) if retries.get("MaximumRetryAttempts") == 0]


def _retries(template: Template) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Logical id -> where it says how often it tries again."""
    for key, each in template["Resources"].items():
        properties = each.get("Properties", {})
        match each["Type"]:
            case "AWS::Lambda::EventInvokeConfig" | "AWS::Lambda::EventSourceMapping":
                yield key, properties
            case "AWS::Events::Rule":
                yield from ((key, target.get("RetryPolicy", {})) for target in properties["Targets"])
            case "AWS::Scheduler::Schedule":
                yield key, properties["Target"].get("RetryPolicy", {})


def unheard_buckets(template: Template) -> list[str]:
    """Buckets that tell EventBridge what is uploaded while no rule is about them, and those that do not while one is."""
    buckets = {key: each["Properties"] for key, each in resources(template, "AWS::S3::Bucket").items()}
    telling = {key for key, each in buckets.items() if _tells(each.get("NotificationConfiguration", {}))}
    rules = [each["Properties"] for each in resources(template, "AWS::Events::Rule").values()]
    patterns = json.dumps([each.get("EventPattern", {}).get("detail", {}).get("bucket") for each in rules])
    return sorted(telling ^ (set(re.findall(r'"Ref": "(\w+)"', patterns)) & set(buckets)))


def _tells(notifications: Mapping[str, Any]) -> bool:
    return notifications.get("EventBridgeConfiguration", {}).get("EventBridgeEnabled") is True
