"""What the guard says: one finding for each thing that a deploy would do to a resource that holds data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What would happen."""

    REPLACED = "replaced"
    MAY_BE_REPLACED = "may be replaced"
    REMOVED = "removed"
    MAY_BE_REMOVED = "may be removed"
    EMPTIED = "emptied"
    OVERWRITTEN = "overwritten"
    RENAMED = "renamed"
    REFUSED = "refused"
    MAY_BE_REFUSED = "may be refused"
    LESS_PROTECTED = "less protected"
    NOT_COMPARED = "not compared"


@dataclass(frozen=True)
class Finding:
    """One thing that would happen to one resource.

    Args:
        stack: The name of its stack.
        logical_id: Its logical id.
        path: Its construct path, or its logical id where the template has no paths.
        type: Its type.
        kind: What would happen.
        property: The property or attribute that says so.
        old: Its value until now; ``None`` for none.
        new: Its value from now on; the same.
        why: Why CloudFormation does so, and what becomes of the data.
        mend: What to do.
    """

    stack: str
    logical_id: str
    path: str
    type: str
    kind: Kind
    property: str
    old: Any = field(hash=False)  # JSON: a list has no hash
    new: Any = field(hash=False)
    why: str
    mend: str

    def as_json(self) -> dict[str, Any]:
        """As an object of JSON."""
        return asdict(self)


def path_of(logical_id: str, resource: Mapping[str, Any]) -> str:
    """The construct path of a resource, or its logical id where the template has no paths."""
    return str(resource.get("Metadata", {}).get("aws:cdk:path") or logical_id)
