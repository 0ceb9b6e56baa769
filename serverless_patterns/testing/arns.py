"""The ARN of the resource that a call is about, from its parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from serverless_patterns.errors import PatternError
from serverless_patterns.testing.calls import Call
from serverless_patterns.testing.reference import arn_patterns
from serverless_patterns.testing.template import ResolvedTemplate

#: What an ARN has before its resource.
_PARTS = 6


class Arns:
    """The ARNs of what one call names.

    A resource of the template has the template's region and account, whatever client is used; any other one is in the region of
    the client and in the template's account, unless its ARN or URL says otherwise.

    Args:
        call: The call.
        template: The template with the stack's own resources.
    """

    def __init__(self, call: Call, template: ResolvedTemplate) -> None:
        self.call = call
        self.template = template
        self.parameters = call.parameters
        self.place = template.place

    def at(self, service: str, resource: str, *, region: str | None = None, account: str | None = None) -> str:
        """The ARN of a resource, by the part that follows the account."""
        own = f"arn:{self.place.partition}:{service}:{self.place.region}:{self.place.account}:{resource}"
        if self.template.at(own) and account in {None, self.place.account}:
            return own
        where = region or self.call.region or self.place.region
        return f"arn:{self.place.partition}:{service}:{where}:{account or self.place.account}:{resource}"

    def named(self, service: str, kind: str, name: str) -> str:
        """The ARN of a resource that a parameter names by its name or by its ARN."""
        return name if name.startswith("arn:") else self.at(service, f"{kind}{name}")

    def given(self, *names: str) -> str | None:
        """The first of these parameters that the call has."""
        return next((str(self.parameters[name]) for name in names if self.parameters.get(name)), None)

    def unknown(self, action: str, remedy: str) -> PatternError:
        """The error for a call whose resource its parameters do not tell."""
        call = self.call
        names = ", ".join(self.parameters) or "none"
        return PatternError(
            f"{call.service} {call.operation}: its parameters ({names}) do not tell the resource of {action}: {remedy}"
        )

    def by_reference(self, action: str) -> str:
        """The resource of an action by the patterns that the service authorization reference has for it, ``*`` without one.

        Raises:
            PatternError: The parameters do not tell which resource it is.
        """
        patterns = arn_patterns(action)
        texts = {key.lower(): value for key, value in self.parameters.items() if isinstance(value, str)}
        for value in texts.values():
            if any(_fits(pattern, value) for pattern in patterns):
                return value
        for pattern in patterns:
            resource = pattern.split(":", _PARTS - 1)[-1]
            names = re.findall(r"\$\{(\w+)\}", resource)
            if names and all(name.lower() in texts for name in names):
                service = pattern.split(":")[2]
                return self.at(service, re.sub(r"\$\{(\w+)\}", lambda name: texts[name[1].lower()], resource))
        if not any(patterns.values()):
            return "*"
        raise self.unknown(
            action, "pass the ARN as a parameter, or add the service to _RULES of serverless_patterns.testing.arn_rules"
        )


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile("".join(".+" if part.startswith("$") else re.escape(part) for part in re.split(r"(\$\{\w+\})", pattern)))


def _fits(pattern: str, text: str) -> bool:
    """Whether a text is an ARN of this pattern; one without a region or an account has nothing there."""
    return text.startswith("arn:") and _pattern(pattern).fullmatch(text) is not None


def texts_in(value: Any) -> set[str]:  # noqa: ANN401  any JSON
    """All texts in a JSON value."""
    if isinstance(value, Mapping):
        return set().union(*(texts_in(item) for item in value.values()))
    if isinstance(value, list):
        return set().union(*(texts_in(item) for item in value))
    return {value} if isinstance(value, str) else set()
