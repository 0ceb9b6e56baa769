"""The resources with data that a deploy leaves where they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from serverless_patterns.guard.assemblies import Stack
from serverless_patterns.guard.findings import Finding, Kind, path_of
from serverless_patterns.guard.stateful import is_stateful


@dataclass(frozen=True)
class Staying:
    """A resource that both sides have under one id and of one type.

    Args:
        old: Its stack until now.
        new: Its stack from now on.
        logical_id: Its logical id.
    """

    old: Stack
    new: Stack
    logical_id: str

    @property
    def before(self) -> Mapping[str, Any]:
        """The resource until now."""
        return self.old.resources[self.logical_id]

    @property
    def after(self) -> Mapping[str, Any]:
        """The resource from now on."""
        return self.new.resources[self.logical_id]

    def finding(self, kind: Kind, change: tuple[str, Any, Any], why: str, mend: str) -> Finding:
        """What is found on it: the property that says so, with both of its values."""
        path = path_of(self.logical_id, self.after)
        return Finding(self.new.name, self.logical_id, path, self.after["Type"], kind, *change, why, mend)


def staying(old: Stack, new: Stack, *types: str) -> Iterator[Staying]:
    """The resources with data that stay; of these types, or of any."""
    for logical_id, before in old.resources.items():
        after = new.resources.get(logical_id)
        if after and before["Type"] == after["Type"] and is_stateful(before) and (not types or before["Type"] in types):
            yield Staying(old, new, logical_id)


def properties(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    """The properties of a resource, which may have none."""
    found: Mapping[str, Any] = resource.get("Properties", {})
    return found
