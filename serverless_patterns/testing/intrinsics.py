"""CloudFormation's intrinsic functions, worked out without AWS: to the names and ARNs that a template's own parts make.

See https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
"""

import base64
import ipaddress
import itertools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from serverless_patterns.errors import PatternError

#: What a removed property resolves to: it then leaves its object or its list.
NO_VALUE = object()
_UNKNOWN = re.compile(r"\$\{(?:Import:(?P<import>[^}]+)|(?P<own>\w+\.[^}:]+))\}")
_SUBSTITUTION = re.compile(r"\$\{(!?)([^}]*)\}")


def unknown(name: str) -> str:
    """What stands for a value that only AWS knows: a text that shows it, and that no policy is evaluated with."""
    return f"${{{name}}}"


def to_give(text: str) -> str | None:
    """How to give the value that is not known in a text; ``None`` where all of it is known."""
    found = _UNKNOWN.search(text)
    if found is None:
        return None
    name = found["import"] or found["own"].removesuffix(".Ref")
    return f"give it, as ResolvedTemplate.of(..., imports={{{name!r}: value}})"


class Scope(Protocol):
    """What a value may refer to."""

    def ref(self, name: str) -> Any:  # noqa: ANN401  a parameter may be a list
        """The value of a pseudo parameter, a parameter or a resource."""

    def attribute(self, logical_id: str, attribute: str) -> Any:  # noqa: ANN401  the same
        """The value of an attribute of a resource."""

    def imported(self, name: str) -> str:
        """The value that another stack exports."""

    def condition(self, name: str) -> bool:
        """Whether a condition of the template holds."""

    def mapped(self, name: str, first: str, second: str) -> Any:  # noqa: ANN401  a text or a list
        """A value of the template's mappings."""


@dataclass(frozen=True)
class Intrinsics:
    """Resolves values.

    Args:
        scope: What they may refer to.
    """

    scope: Scope

    def resolve(self, value: Any) -> Any:  # noqa: ANN401  any JSON
        """The value without intrinsic functions.

        Raises:
            PatternError: A function is not known, or does not fit its arguments.
        """
        match value:
            case dict() if len(value) == 1:
                (key, argument) = next(iter(value.items()))
                function = self._functions().get(key)
                if function is not None:
                    return function(argument)
                _refuse_unknown(key)
                return self._object(value)
            case dict():
                return self._object(value)
            case list():
                return [item for item in map(self.resolve, value) if item is not NO_VALUE]
        return value

    def holds(self, condition: Any) -> bool:  # noqa: ANN401  any JSON
        """Whether a condition function holds: what stands in ``Conditions``."""
        match condition:
            case {"Fn::Equals": [left, right]}:
                return bool(self.resolve(left) == self.resolve(right))
            case {"Fn::And": [*all_of]}:
                return all(map(self.holds, all_of))
            case {"Fn::Or": [*any_of]}:
                return any(map(self.holds, any_of))
            case {"Fn::Not": [one]}:
                return not self.holds(one)
            case {"Condition": str(name)}:
                return self.scope.condition(name)
        msg = f"this condition is not known: {condition!r}; known are Fn::Equals, Fn::And, Fn::Or, Fn::Not and Condition"
        raise PatternError(msg)

    def _object(self, value: Mapping[str, Any]) -> dict[str, Any]:
        resolved = {key: self.resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not NO_VALUE}

    def _functions(self) -> Mapping[str, Callable[[Any], Any]]:
        return {
            "Ref": self._ref,
            "Fn::GetAtt": self._attribute,
            "Fn::Sub": self._substitute,
            "Fn::Join": lambda argument: str(argument[0]).join(map(str, self.resolve(argument[1]))),
            "Fn::Split": self._split,
            "Fn::Select": self._select,
            "Fn::If": lambda argument: self.resolve(argument[1 if self.scope.condition(argument[0]) else 2]),
            "Fn::ImportValue": lambda argument: self.scope.imported(self.resolve(argument)),
            "Fn::GetStackOutput": self._stack_output,
            "Fn::FindInMap": lambda argument: self.scope.mapped(*(self.resolve(part) for part in argument[:3])),
            "Fn::Base64": lambda argument: base64.b64encode(str(self.resolve(argument)).encode()).decode(),
            "Fn::ToJsonString": lambda argument: json.dumps(self.resolve(argument), separators=(",", ":")),
            "Fn::Length": lambda argument: len(self.resolve(argument)),
            "Fn::Cidr": self._blocks,
            "Fn::GetAZs": lambda argument: [
                f"{self.resolve(argument) or self.scope.ref('AWS::Region')}{zone}" for zone in "abc"
            ],
        }

    def _ref(self, name: str) -> Any:  # noqa: ANN401  a parameter may be a list
        return NO_VALUE if name == "AWS::NoValue" else self.scope.ref(name)

    def _attribute(self, argument: Any) -> Any:  # noqa: ANN401  a list, or one text in YAML's short form
        logical_id, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
        return self.scope.attribute(logical_id, self.resolve(attribute))

    def _substitute(self, argument: Any) -> str:  # noqa: ANN401  a text, or a text and its variables
        text, variables = (argument, {}) if isinstance(argument, str) else argument

        def replaced(found: re.Match[str]) -> str:
            literal, name = found.groups()
            if literal:
                return f"${{{name}}}"
            if name in variables:
                return str(self.resolve(variables[name]))
            return str(self._attribute(name) if "." in name else self.scope.ref(name))

        return _SUBSTITUTION.sub(replaced, text)

    def _split(self, argument: Any) -> list[str]:  # noqa: ANN401  a delimiter and a text
        text = self.resolve(argument[1])
        return [text] if _UNKNOWN.fullmatch(text) else text.split(argument[0])

    def _select(self, argument: Any) -> Any:  # noqa: ANN401  an item of a list
        index, items = int(self.resolve(argument[0])), self.resolve(argument[1])
        if len(items) == 1 and _UNKNOWN.fullmatch(str(items[0])):
            return items[0]  # a part of what is not known
        if index not in range(len(items)):
            msg = f"Fn::Select asks for item {index} of {len(items)}: {items!r}"
            raise PatternError(msg)
        return items[index]

    def _blocks(self, argument: Any) -> list[str]:  # noqa: ANN401  block, count and bits, each perhaps a function
        block, count, bits = (self.resolve(part) for part in argument)
        network = ipaddress.ip_network(block)
        subnets = network.subnets(new_prefix=network.max_prefixlen - int(bits))
        return list(map(str, itertools.islice(subnets, int(count))))

    def _stack_output(self, argument: Mapping[str, Any]) -> str:
        return self.scope.imported(f"{self.resolve(argument['StackName'])}.{argument['OutputName']}")


def _refuse_unknown(key: str) -> None:
    """An object whose only key is a function: to leave it as it stands would hide what it refers to."""
    if key.startswith("Fn::"):
        msg = f"the intrinsic function {key} is not known: give the value instead, or resolve the template before"
        raise PatternError(msg)
