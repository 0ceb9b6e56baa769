"""Which properties replace a resource: CloudFormation's own schemas, from the copy inside cfn-lint."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from cfnlint.schema import PROVIDER_SCHEMA_MANAGER, ResourceNotFoundError  # type: ignore[import-untyped]

#: The region with the most types; no type's create-only properties differ between regions.
REGION = "us-east-1"


@dataclass(frozen=True)
class CreateOnly:
    """The properties of a type that only a new resource can have otherwise, as pointers such as ``/properties/TableName``.

    https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html

    Args:
        always: A change replaces the resource.
        conditional: A change replaces it, or not: the schema does not say when.
    """

    always: tuple[str, ...] = ()
    conditional: tuple[str, ...] = ()

    @property
    def pointers(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.always, *self.conditional)


@functools.cache
def create_only(resource_type: str) -> CreateOnly:
    """What CloudFormation says of a type; nothing of a type that is not AWS's own."""
    try:
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, resource_type).schema
    except ResourceNotFoundError:
        return CreateOnly()
    return CreateOnly(*(tuple(schema.get(name) or ()) for name in ("createOnlyProperties", "conditionalCreateOnlyProperties")))
