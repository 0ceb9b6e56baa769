"""One permission that is needed, wherever that was found out: from a call, or from the template."""

from collections.abc import Mapping
from dataclasses import dataclass, field

#: The value of a condition key that the request is known not to carry.
ABSENT = ""


@dataclass(frozen=True, order=True)
class Need:
    """An action on a resource.

    Args:
        action: As the service authorization reference spells it: ``"dynamodb:PutItem"``.
        resource: The full ARN, or ``"*"`` where the action knows no resource.
        why: What needs it, in words.
        context: Condition key -> the value that the request carries, as far as it is known; ``ABSENT``: it carries none.
    """

    action: str
    resource: str
    why: str = field(default="", compare=False)
    context: Mapping[str, str] = field(default_factory=dict, compare=False)
