"""Properties whose change does something to data in a resource that stays, or that no deploy can change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from serverless_patterns.guard.assemblies import Stack
from serverless_patterns.guard.findings import Finding, Kind
from serverless_patterns.guard.staying import properties, staying
from serverless_patterns.guard.values import at, is_computed, meaning

REFERENCE = "https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference"
SECRET = f"{REFERENCE}/aws-resource-secretsmanager-secret.html"
KEY = f"{REFERENCE}/aws-resource-kms-key.html"
POOL = f"{REFERENCE}/aws-resource-cognito-userpool.html"
EXPIRY = f"{REFERENCE}/aws-properties-dynamodb-table-timetolivespecification.html"
STREAM = f"{REFERENCE}/aws-resource-dynamodb-table.html"
ARCHIVE = f"{REFERENCE}/aws-resource-events-archive.html"
BY_HAND = "also over one that a hand or a rotation has put there"
HIDDEN = "(not shown)"


def _comes(_was: Any, will_be: Any) -> bool:  # noqa: ANN401  JSON
    return will_be is not None


def _stays(was: Any, will_be: Any) -> bool:  # noqa: ANN401  JSON
    return was is not None and will_be is not None


def _was(was: Any, _will_be: Any) -> bool:  # noqa: ANN401  JSON
    return was is not None


def _always(_was: Any, _will_be: Any) -> bool:  # noqa: ANN401  JSON
    return True


@dataclass(frozen=True)
class Change:
    """A property, and what it does when it changes.

    Args:
        pointer: Where it stands in the properties.
        kind: What that is.
        why: The same in words.
        mend: What to do.
        when: Which changes count, by the old and the new value, which differ.
        is_secret: Whether its values are no matter for a log.
        under: The switch that must have been on until now; ``None`` for none.
    """

    pointer: str
    kind: Kind
    why: str
    mend: str
    when: Callable[[Any, Any], bool] = _always
    is_secret: bool = False
    under: str | None = None

    @property
    def name(self) -> str:
        """The property as it is printed."""
        return self.pointer.removeprefix("/properties/").replace("/", ".")

    def shown(self, value: Any) -> Any:  # noqa: ANN401  JSON
        """What of a value may be printed."""
        return HIDDEN if self.is_secret and value is not None and not is_computed(value) else value


_TABLE = (
    Change(
        "/properties/TimeToLiveSpecification/AttributeName",
        Kind.REFUSED,
        f"time to live must be disabled before another attribute can be named ({EXPIRY}): the deploy fails",
        "deploy twice: without time to live first, an hour later with the other attribute. From then on, it expires items",
        _stays,
        under="/properties/TimeToLiveSpecification/Enabled",
    ),
    Change(
        "/properties/StreamSpecification/StreamViewType",
        Kind.LESS_PROTECTED,
        f"the stream of the table ends, and where there is another it is a new one ({STREAM}): what the readers of the old "
        "one have not read yet does not reach them",
        "leave the stream as it is. If it is meant: stop the writers, wait until the readers have read all, and allow it",
        _was,
    ),
)


def _drawn(why: str) -> str:
    return f"{why} and becomes the current version of the secret ({SECRET}), {BY_HAND}: whoever knows the old one is locked out"


def _kept(name: str) -> str:
    return (
        f"leave {name} as it was. If a new value is meant: give it to those who use the secret, and allow it; the old one "
        "stays for a while as the version AWSPREVIOUS"
    )


def _fixed(name: str, page: str) -> Change:
    return Change(
        f"/properties/{name}",
        Kind.REFUSED,
        f"it cannot be changed after the resource has been created ({page}): the deploy fails",
        "leave it as it was. If another one is meant: define a second resource beside this one, and move to it",
    )


#: Type -> what a change of its properties does.
CHANGES: Mapping[str, tuple[Change, ...]] = {
    "AWS::Cognito::UserPool": tuple(
        _fixed(name, POOL) for name in ("AliasAttributes", "UsernameAttributes", "UsernameConfiguration")
    ),
    "AWS::DynamoDB::GlobalTable": _TABLE,
    "AWS::DynamoDB::Table": _TABLE,
    "AWS::Events::Archive": (
        Change(
            "/properties/EventPattern",
            Kind.LESS_PROTECTED,
            f"from this deploy on, only events that the new pattern matches are archived ({ARCHIVE}), and whether that is "
            "fewer than before cannot be told",
            "leave the pattern as it was. If it is meant, allow it",
            _comes,
        ),
    ),
    "AWS::KMS::Key": tuple(_fixed(name, KEY) for name in ("KeySpec", "KeyUsage", "MultiRegion", "Origin")),
    "AWS::SecretsManager::Secret": (
        Change(
            "/properties/GenerateSecretString",
            Kind.OVERWRITTEN,
            _drawn("when GenerateSecretString changes, a new random value is drawn"),
            _kept("GenerateSecretString"),
            _comes,
        ),
        Change(
            "/properties/SecretString",
            Kind.OVERWRITTEN,
            _drawn("when SecretString changes, its value is stored"),
            _kept("SecretString"),
            _comes,
            is_secret=True,
        ),
    ),
}
#: What a property that is not there stands for, where that is known: written down, it is no change.
DEFAULTS: Mapping[tuple[str, str], Any] = {
    ("AWS::KMS::Key", "/properties/KeySpec"): "SYMMETRIC_DEFAULT",
    ("AWS::KMS::Key", "/properties/KeyUsage"): "ENCRYPT_DECRYPT",
    ("AWS::KMS::Key", "/properties/MultiRegion"): "false",
    ("AWS::KMS::Key", "/properties/Origin"): "AWS_KMS",
}


def find_changed(old: Stack, new: Stack) -> Iterator[Finding]:
    """The findings on resources that stay, and have a property that must not change."""
    for each in staying(old, new, *CHANGES):
        for change in CHANGES[each.before["Type"]]:
            was, will_be = _value(change, each.before, old), _value(change, each.after, new)
            if was != will_be and change.when(was, will_be) and _is_on(change, each.before):
                values = change.name, change.shown(was), change.shown(will_be)
                yield each.finding(change.kind, values, change.why, change.mend)


def _value(change: Change, resource: Mapping[str, Any], stack: Stack) -> Any:  # noqa: ANN401  JSON
    value = meaning(at(properties(resource), change.pointer), stack.template)
    return DEFAULTS.get((resource["Type"], change.pointer)) if value is None else value


def _is_on(change: Change, resource: Mapping[str, Any]) -> bool:
    """Whether the switch is on, or may be: it may be computed while deploying."""
    return change.under is None or meaning(at(properties(resource), change.under), {}) not in (None, "false")
