"""The alarms of a template, resolved: what they watch, when they go off, and whom they tell."""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from serverless_patterns.testing.resource import Resource
from serverless_patterns.testing.template import ResolvedTemplate
from tests.proofs.account import ACCOUNT, REGION


@dataclass(frozen=True)
class Metric:
    """A metric that an alarm watches."""

    namespace: str
    name: str
    statistic: str
    period: int
    dimensions: Mapping[str, str] = field(hash=False)

    @classmethod
    def of(cls, definition: Mapping[str, Any], period: int, statistic: str) -> "Metric":
        """The metric of a definition, as alarms and their queries have it."""
        dimensions = {each["Name"]: each["Value"] for each in definition["Dimensions"]}
        return cls(definition["Namespace"], definition["MetricName"], statistic, period, dimensions)


@dataclass(frozen=True)
class Alarm:
    """An alarm of a template."""

    stack: str
    template: ResolvedTemplate = field(repr=False, compare=False)
    resource: Resource = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        """What it is called in its pattern, such as ``OrdersDeadLetters``."""
        return re.sub("[0-9A-F]{8}$", "", self.resource.logical_id).rpartition("Alarms")[2]

    @property
    def properties(self) -> Mapping[str, Any]:
        """As CloudFormation is given them."""
        return self.resource.properties

    @property
    def description(self) -> str:
        """The tier, the cause and what to do first."""
        return str(self.properties["AlarmDescription"])

    @property
    def tier(self) -> str:
        """How urgent it is, as its description says."""
        found = re.match(r"\[(critical|warning|info)\] ", self.description)
        assert found, f"{self.stack}/{self.name} names no tier: {self.description}"
        return found[1]

    @property
    def actions(self) -> list[str]:
        """The ARNs of whom it tells."""
        return [*self.properties.get("AlarmActions", []), *self.properties.get("OKActions", [])]

    @functools.cached_property
    def metrics(self) -> list[Metric]:
        """What it watches, alone or in an expression."""
        given = self.properties
        if "MetricName" in given:
            return [Metric.of(given, given["Period"], given.get("Statistic") or given["ExtendedStatistic"])]
        stats = [each["MetricStat"] for each in given["Metrics"] if "MetricStat" in each]
        return [Metric.of(stat["Metric"], stat["Period"], stat["Stat"]) for stat in stats]


def alarms_of(stack: str, template: Mapping[str, Any], imports: Mapping[str, str] | None = None) -> list[Alarm]:
    """The alarms of a template."""
    resolved = ResolvedTemplate.of(template, account=ACCOUNT, region=REGION, imports=imports)
    return [Alarm(stack, resolved, each) for each in resolved.of_type("AWS::CloudWatch::Alarm")]


def outputs_of(stack: str, template: Mapping[str, Any]) -> dict[str, str]:
    """What a stack gives to others: ``stack.output`` -> value."""
    resolved = ResolvedTemplate.of(template, account=ACCOUNT, region=REGION)
    return {f"{stack}.{name}": value for name, value in resolved.outputs.items()}
