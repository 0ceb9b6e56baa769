"""The statements of a policy, in one shape: every element a tuple."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from serverless_patterns.errors import PatternError
from serverless_patterns.testing.conditions import Conditions, holds
from serverless_patterns.testing.wildcards import Values, arn_matches, filled, matches


@dataclass(frozen=True)
class Statement:
    """A statement of a policy.

    Args:
        effect: Whether it allows or denies.
        actions: The patterns of its actions.
        resources: The patterns of its resources.
        source: Where it stands: the logical id of its policy, or the ARN of a managed one.
        not_actions: Instead of ``actions``: all others.
        not_resources: Instead of ``resources``: all others.
        principals: ``("AWS", pattern)``, ``("Service", name)`` and the like; empty in the policy of an identity.
        not_principals: Instead of ``principals``: all others.
        conditions: Operator -> key -> values.
        sid: Its name, if it has one.
    """

    effect: Literal["Allow", "Deny"]
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    source: str = ""
    not_actions: tuple[str, ...] = ()
    not_resources: tuple[str, ...] = ()
    principals: tuple[tuple[str, str], ...] = ()
    not_principals: tuple[tuple[str, str], ...] = ()
    conditions: Conditions = field(default_factory=dict, hash=False)
    sid: str = ""

    def covers_action(self, action: str) -> bool:
        """Whether the action is meant; case does not count."""
        if self.not_actions:
            return not any(matches(each, action, case=False) for each in self.not_actions)
        return any(matches(each, action, case=False) for each in self.actions)

    def covers_resource(self, resource: str, context: Mapping[str, Values]) -> bool:
        """Whether the resource is meant; case counts.

        Raises:
            PatternError: A pattern holds a policy variable that has no value in the request.
        """
        if self.not_resources:
            return not any(arn_matches(filled(each, context), resource) for each in self.not_resources)
        return any(arn_matches(filled(each, context), resource) for each in self.resources)

    def applies(self, action: str, resource: str, context: Mapping[str, Values]) -> bool:
        """Whether the statement decides about this request, whoever makes it.

        Args:
            action: Such as ``s3:GetObject``.
            resource: An ARN, or ``*``.
            context: Condition key in lower case -> the request's value or values.
        """
        return (
            self.covers_action(action)
            and self.covers_resource(resource, context)
            and holds(self.conditions, context, unknown=self.effect == "Deny")
        )


def statements_of(document: Mapping[str, Any], source: str) -> tuple[Statement, ...]:
    """The statements of a policy document.

    Args:
        document: The document, resolved.
        source: Where it stands, for messages.

    Raises:
        PatternError: A statement has neither an effect nor actions.
    """
    return tuple(_statement(raw, source) for raw in _list(document.get("Statement")))


def _statement(raw: Mapping[str, Any], source: str) -> Statement:
    if raw.get("Effect") not in {"Allow", "Deny"} or not raw.keys() & {"Action", "NotAction"}:
        msg = f"{source}: a statement needs Effect Allow or Deny, and Action or NotAction: {dict(raw)!r}"
        raise PatternError(msg)
    return Statement(
        effect=raw["Effect"],
        actions=_texts(raw.get("Action")),
        resources=_texts(raw.get("Resource")),
        source=source,
        not_actions=_texts(raw.get("NotAction")),
        not_resources=_texts(raw.get("NotResource")),
        principals=tuple(_principals(raw.get("Principal"))),
        not_principals=tuple(_principals(raw.get("NotPrincipal"))),
        conditions={
            operator: {key: _texts(values) for key, values in keys.items()}
            for operator, keys in raw.get("Condition", {}).items()
        },
        sid=raw.get("Sid", ""),
    )


def _principals(raw: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401  a text or an object
    if raw == "*":
        yield "AWS", "*"
    elif raw:
        for kind, names in raw.items():
            for name in _texts(names):
                yield kind, name


def _texts(value: Any) -> tuple[str, ...]:  # noqa: ANN401  a text, a number, a boolean, or a list of them
    return tuple(str(item).lower() if isinstance(item, bool) else str(item) for item in _list(value))


def _list(value: Any) -> list[Any]:  # noqa: ANN401  one or several
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
