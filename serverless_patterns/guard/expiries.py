"""What a rule deletes, and when: so far that two rules can be compared."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from serverless_patterns.guard.values import is_computed

COMPUTED = "what is computed while deploying, or cannot be read:"


@dataclass(frozen=True)
class Expiry:
    """One way in which a rule deletes.

    Args:
        way: The property that says so; two ways are never compared.
        after: A number, or a date, of which less is earlier.
        spared: How many newer ones it leaves.
        prefix: The beginning of the names that it takes.
        filters: What else those that it takes must have.
        above: It takes only what is larger (bytes).
        below: It takes only what is smaller (bytes).
    """

    way: str
    after: float | str
    spared: float = 0
    prefix: str = ""
    filters: frozenset[str] = frozenset()
    above: float = 0
    below: float = math.inf

    def __str__(self) -> str:
        """The property, and its value."""
        return f"{self.way} {self.after:g}" if isinstance(self.after, float) else f"{self.way} {self.after}"

    def covers(self, other: Expiry) -> bool:
        """Whether this one deletes all that another does, at least as early."""
        if self.way != other.way or COMPUTED in self.way or type(self.after) is not type(other.after):
            return self == other
        takes = other.prefix.startswith(self.prefix) and self.filters <= other.filters
        sizes = self.above <= other.above and self.below >= other.below
        return takes and sizes and self.after <= other.after and self.spared <= other.spared  # type: ignore[operator]


def of_objects(configuration: Any) -> list[Expiry]:  # noqa: ANN401  JSON
    """Of a bucket's ``LifecycleConfiguration``.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-s3-bucket-rule.html
    """
    if not configuration:
        return []
    rules = configuration.get("Rules") if isinstance(configuration, dict) else None
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        return [_unread(configuration)]
    return [expiry for rule in rules for expiry in _rule(rule)]


def _rule(rule: Mapping[str, Any]) -> Iterator[Expiry]:
    if rule.get("Status") == "Disabled":
        return
    old_versions = rule.get("NoncurrentVersionExpiration") or {}
    ways = {
        "ExpirationInDays": rule.get("ExpirationInDays"),
        "ExpirationDate": rule.get("ExpirationDate"),
        "NoncurrentDays": old_versions.get("NoncurrentDays", rule.get("NoncurrentVersionExpirationInDays")),
    }
    if is_computed(rule):
        if "Status" not in rule or is_computed(old_versions) or any(ways.values()):
            yield _unread(rule)
        return
    for way, after in ways.items():
        if after is not None:
            spared = float(old_versions.get("NewerNoncurrentVersions", 0)) if way == "NoncurrentDays" else 0
            filters = frozenset(json.dumps(each, sort_keys=True) for each in rule.get("TagFilters") or ())
            sizes = float(rule.get("ObjectSizeGreaterThan", 0)), float(rule.get("ObjectSizeLessThan", math.inf))
            yield Expiry(way, _amount(after), spared, rule.get("Prefix") or "", filters, *sizes)


def of_images(policy: Any) -> list[Expiry]:  # noqa: ANN401  JSON
    """Of a repository's ``LifecyclePolicy``.

    https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html
    """
    if not policy:
        return []
    try:
        selections = [dict(rule["selection"]) for rule in json.loads(policy["LifecyclePolicyText"])["rules"]]
        return [_images(selection) for selection in selections]
    except (KeyError, TypeError, ValueError):
        return [_unread(policy)]


def _images(selection: dict[str, Any]) -> Expiry:
    """Of a selection: that of more images covers that of fewer, those of which more is demanded."""
    count = float(selection.pop("countNumber"))
    return Expiry("countNumber", count, filters=frozenset(f"{key}={json.dumps(each)}" for key, each in selection.items()))


def _amount(value: Any) -> float | str:  # noqa: ANN401  JSON
    """A number of days, or a date as it is written: ISO 8601, whose order is that of its text."""
    try:
        return float(value)
    except ValueError:
        return str(value)


def _unread(value: Any) -> Expiry:  # noqa: ANN401  JSON
    return Expiry(COMPUTED, json.dumps(value, sort_keys=True))
