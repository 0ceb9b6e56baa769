"""What a resource is called: its physical name, what ``Ref`` gives for it, its ARN and its attributes, for each type.

A name that the template leaves to CloudFormation is made from the logical id, the same each time. What stands here for a type
is what its page says under "Return values":
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html
"""

import hashlib
import re
import string
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serverless_patterns.errors import PatternError
from serverless_patterns.testing.kind import Kind
from serverless_patterns.testing.kinds import KINDS

#: The shortest limit of the names that are made here: of functions, roles, rules and schedules.
_LONGEST = 63


@dataclass(frozen=True)
class Place:
    """Where a template is deployed.

    Args:
        account: The account's id.
        region: The region.
        partition: ``aws``, ``aws-cn`` or ``aws-us-gov``.
        stack: The name of the stack.
    """

    account: str
    region: str
    partition: str
    stack: str

    @property
    def suffix(self) -> str:
        """What the names of the region's endpoints end with."""
        return "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com"

    def pseudo_parameters(self) -> dict[str, Any]:
        """Name -> value, of what CloudFormation knows by itself."""
        stack_id = f"arn:{self.partition}:cloudformation:{self.region}:{self.account}:stack/{self.stack}/{_uuid(self.stack)}"
        return {
            "AWS::AccountId": self.account,
            "AWS::Region": self.region,
            "AWS::Partition": self.partition,
            "AWS::URLSuffix": self.suffix,
            "AWS::StackName": self.stack,
            "AWS::StackId": stack_id,
            "AWS::NotificationARNs": [],
        }


@dataclass(frozen=True)
class Named:
    """The names of one resource.

    Args:
        logical_id: Its logical id.
        type: Its CloudFormation type.
        properties: Those of its properties that names are made of, resolved.
        place: Where it is deployed.
    """

    logical_id: str
    type: str
    properties: Mapping[str, Any]
    place: Place

    @property
    def has_ref(self) -> bool:
        """Whether it is known what ``Ref`` gives."""
        return bool(KINDS.get(self.type, Kind()).ref)

    def has_attribute(self, attribute: str) -> bool:
        """Whether an attribute is known."""
        return attribute in KINDS.get(self.type, Kind()).attributes

    def ref(self) -> str:
        """What ``Ref`` gives.

        Raises:
            PatternError: The type is not known.
        """
        kind = KINDS.get(self.type)
        if kind is None or not kind.ref:
            msg = f"what Ref gives for {self.logical_id} ({self.type}) is not known: {_MEND}"
            raise PatternError(msg)
        return self._filled(kind.ref)

    def name(self) -> str:
        """What ``Ref`` gives, or the logical id where that is not known."""
        kind = KINDS.get(self.type)
        return self._filled(kind.ref) if kind and kind.ref else self.logical_id

    def arn(self) -> str | None:
        """The ARN, without one ``None``."""
        kind = KINDS.get(self.type)
        return self._filled(kind.arn) if kind and kind.arn else None

    def attribute(self, attribute: str) -> str:
        """What ``Fn::GetAtt`` gives.

        Raises:
            PatternError: The attribute is not known.
        """
        pattern = KINDS.get(self.type, Kind()).attributes.get(attribute)
        if pattern is None:
            msg = f"the attribute {attribute} of {self.logical_id} ({self.type}) is not known: {_MEND}"
            raise PatternError(msg)
        return self._filled(pattern)

    def _filled(self, pattern: str) -> str:
        values = self._values()
        for _ in range(3):  # the pattern of an attribute may hold the ARN's, and that the name's
            pattern = string.Template(pattern).safe_substitute(values)
        return pattern

    def _values(self) -> dict[str, str]:
        kind = KINDS[self.type]
        place = self.place
        digest = _digest(f"{self.type} {self.logical_id}")
        values = {name: str(self.properties.get(name) or default) for name, default in kind.uses.items()}
        name = str(self.properties.get(kind.named_by) or self._made(kind))
        bus = values.get("EventBusName", "").rpartition("/")[2]
        bus = "" if bus == "default" else bus
        return values | {
            "name": name,
            # Rules of another bus than the default one have it in their ARN and in their Ref.
            "bus": f"{bus}/" if bus else "",
            "rule": f"{bus}|{name}" if bus else name,
            "function_arn": _function_arn(values.get("FunctionName", ""), place),
            "id": digest[:10],
            "hex": digest[:17],
            "uuid": _uuid(f"{self.type} {self.logical_id}"),
            "arn": kind.arn,
            "at": f"{place.region}:{place.account}",
            "partition": place.partition,
            "region": place.region,
            "account": place.account,
            "suffix": place.suffix,
        }

    def _made(self, kind: Kind) -> str:
        """A name as the type takes it."""
        fifo = str(self.properties.get("FifoQueue") or self.properties.get("FifoTopic") or "").lower() == "true"
        ending = ".fifo" if fifo else ""
        name = re.sub(r"[^A-Za-z0-9-]", "-", self.logical_id)
        longest = _LONGEST - len(ending)
        if len(name) > longest:
            name = f"{name[: longest - 9]}-{_digest(self.logical_id)[:8]}"
        return (name.lower() if kind.lower else name) + ending


_MEND = (
    "give its value, as ResolvedTemplate.of(..., imports={'LogicalId.Attribute': value}), "
    "with the logical id alone for what Ref gives"
)


def needed_properties(resource_type: str) -> set[str]:
    """The properties that the names of this type are made of."""
    kind = KINDS.get(resource_type, Kind())
    return {kind.named_by, "FifoQueue", "FifoTopic", *kind.uses} - {""}


def _function_arn(name: str, place: Place) -> str:
    """Versions and aliases name their function by its name or by its ARN."""
    return name if name.startswith("arn:") else f"arn:{place.partition}:lambda:{place.region}:{place.account}:function:{name}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _uuid(text: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, text))
