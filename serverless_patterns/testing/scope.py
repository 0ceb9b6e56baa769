"""What the values of one template refer to: its resources, parameters, mappings and conditions, and other stacks."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from serverless_patterns.errors import PatternError
from serverless_patterns.testing.intrinsics import NO_VALUE, Intrinsics, unknown
from serverless_patterns.testing.names import Named, Place, needed_properties


class TemplateScope:
    """What the values of a template refer to."""

    def __init__(self, template: Mapping[str, Any], place: Place, imports: Mapping[str, str]) -> None:
        self._template = template
        self._place = place
        self._imports = imports
        self._intrinsics = Intrinsics(self)

    @cached_property
    def raw(self) -> Mapping[str, Mapping[str, Any]]:
        """Logical id -> resource as it stands in the template, without those whose condition does not hold."""
        return {
            logical_id: resource
            for logical_id, resource in self._template.get("Resources", {}).items()
            if "Condition" not in resource or self.condition(resource["Condition"])
        }

    def properties(self, logical_id: str) -> dict[str, Any]:
        """The properties of a resource, resolved."""
        found = self.raw[logical_id].get("Properties", {})
        values = {name: self._property(logical_id, name, value) for name, value in found.items()}
        return {name: value for name, value in values.items() if value is not NO_VALUE}

    def outputs(self) -> dict[str, str]:
        """Name of each output -> its value, resolved."""
        found = self._template.get("Outputs", {})
        return {
            name: str(self._property(name, "Value", output["Value"]))
            for name, output in found.items()
            if "Condition" not in output or self.condition(output["Condition"])
        }

    def named(self, logical_id: str) -> Named:
        """The names of a resource."""
        resource = self.raw.get(logical_id)
        if resource is None:
            msg = f"{logical_id} is neither a resource nor a parameter of this template"
            raise PatternError(msg)
        properties = resource.get("Properties", {})
        used = {
            name: self._property(logical_id, name, properties[name])
            for name in needed_properties(resource["Type"])
            if name in properties
        }
        return Named(logical_id, resource["Type"], used, self._place)

    def name(self, logical_id: str) -> str:
        """What ``Ref`` gives for a resource, or its logical id where that is not known."""
        return self._imports.get(logical_id) or self.named(logical_id).name()

    def ref(self, name: str) -> Any:  # noqa: ANN401  a parameter may be a list
        """The value of a pseudo parameter, a parameter or a resource."""
        pseudo = self._place.pseudo_parameters()
        if name in pseudo:
            return pseudo[name]
        if name in self._imports:
            return self._imports[name]
        if name in self._template.get("Parameters", {}):
            return self._parameter(name)
        named = self.named(name)
        return named.ref() if named.has_ref else unknown(f"{name}.Ref")

    def attribute(self, logical_id: str, attribute: str) -> Any:  # noqa: ANN401  the same as of the protocol
        """The value of an attribute of a resource, or a text that shows which is not known."""
        given = self._imports.get(f"{logical_id}.{attribute}")
        if given is not None:
            return given
        named = self.named(logical_id)
        return named.attribute(attribute) if named.has_attribute(attribute) else unknown(f"{logical_id}.{attribute}")

    def known_attribute(self, logical_id: str, attribute: str) -> str:
        """The value of an attribute of a resource.

        Raises:
            PatternError: It is not known.
        """
        given = self._imports.get(f"{logical_id}.{attribute}")
        return given if given is not None else self.named(logical_id).attribute(attribute)

    def imported(self, name: str) -> str:
        """The value that another stack exports, or a text that shows which is missing."""
        return self._imports.get(name, unknown(f"Import:{name}"))

    def condition(self, name: str) -> bool:
        """Whether a condition of the template holds."""
        conditions = self._template.get("Conditions", {})
        if name not in conditions:
            msg = f"the condition {name} is not defined: the template's are {', '.join(conditions) or 'none'}"
            raise PatternError(msg)
        return self._intrinsics.holds(conditions[name])

    def mapped(self, name: str, first: str, second: str) -> Any:  # noqa: ANN401  a text or a list
        """A value of the template's mappings."""
        try:
            return self._template["Mappings"][name][first][second]
        except KeyError as error:
            msg = f"Fn::FindInMap finds nothing at {name}.{first}.{second}: {error} is missing"
            raise PatternError(msg) from error

    def _parameter(self, name: str) -> Any:  # noqa: ANN401  a text or a list
        parameter = self._template["Parameters"][name]
        if "Default" not in parameter:
            every = self._template["Parameters"].items()
            open_ones = [each for each, value in every if "Default" not in value and each not in self._imports]
            values = ", ".join(f"{each!r}: value" for each in open_ones)
            msg = f"the parameter {name} has no default: give its value, as ResolvedTemplate.of(..., imports={{{values}}})"
            raise PatternError(msg)
        default = parameter["Default"]
        return default.split(",") if str(parameter.get("Type", "")).startswith(("List<", "CommaDelimited")) else default

    def _property(self, logical_id: str, name: str, value: Any) -> Any:  # noqa: ANN401  any JSON
        try:
            return self._intrinsics.resolve(value)
        except PatternError as error:
            msg = f"{logical_id}.{name}: {error}"
            raise PatternError(msg) from error
