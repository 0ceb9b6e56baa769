"""How the resources of one type are called: which property names it, what ``Ref`` gives, its ARN, and its attributes.

Patterns in which ``$name`` stands for the physical name, ``$id``, ``$hex`` and ``$uuid`` for what AWS would draw, ``$at`` for
``region:account``, and any other ``$Name`` for that property.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Kind:
    """How the resources of a type are called.

    Args:
        named_by: The property with the physical name, empty where there is none.
        ref: What ``Ref`` gives.
        arn: The ARN, empty where the type has none.
        attributes: What ``Fn::GetAtt`` gives.
        uses: Other properties in these patterns -> what stands there without them.
        lower: Whether the name must be lower case.
    """

    named_by: str = ""
    ref: str = ""
    arn: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    uses: Mapping[str, str] = field(default_factory=dict)
    lower: bool = False


def named(named_by: str, ref: str, arn: str = "", *, uses: Mapping[str, str] = NOTHING, **attributes: str) -> Kind:
    """A resource whose name a property may give."""
    full = f"arn:$partition:{arn}" if arn else ""
    return Kind(named_by, ref, full, attributes, uses)


def drawn(ref: str, attribute: str = "", **others: str) -> Kind:
    """A resource without a name of its own: AWS draws an id."""
    return Kind(ref=ref, attributes=({attribute: ref} if attribute else {}) | others)
