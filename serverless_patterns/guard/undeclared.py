"""What replaces a resource: CloudFormation's schemas, and beside them what its documentation says and they do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from serverless_patterns.guard.schemas import create_only
from serverless_patterns.guard.values import meaning

SAID = "CloudFormation's schema does not list it, but what replaces is documented in"
UPGRADE = f"{SAID} https://repost.aws/knowledge-center/cloudformation-opensearch-upgrade"
LOCAL = f"{SAID} https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/LSI.html"
TABLE = "https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dynamodb-table.html"
TYPE = f"{SAID} {TABLE} (an attribute that the table has already gets another type)"
GLOBAL_TYPE = (
    "the type of a key is fixed when its table is created, and nothing says what CloudFormation does about another one in a "
    "global table: replace it, refuse the change, or leave the type as it is"
)
SIMPLE = f"{SAID} https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-simpletable.html"


def _as_they_are(was: Any, will_be: Any) -> tuple[Any, Any]:  # noqa: ANN401  JSON
    return was, will_be


def _types(definitions: list[Any]) -> dict[str, Any]:
    """Attribute -> type, of ``AttributeDefinitions``; one that a function makes cannot be told."""
    return {str(each.get("AttributeName")): each.get("AttributeType") for each in definitions if isinstance(each, dict)}


def _shared_types(was: Any, will_be: Any) -> tuple[Any, Any]:  # noqa: ANN401  JSON
    """The types of the attributes that both sides have: one more, or one less, is that of an index."""
    if was is None or will_be is None:
        return None, None
    if not isinstance(was, list) or not isinstance(will_be, list):
        return was, will_be  # a function makes one of them
    before, after = _types(was), _types(will_be)
    first, second = ({name: side[name] for name in sorted(before.keys() & after.keys())} for side in (before, after))
    return first, second


@dataclass(frozen=True)
class Replacing:
    """A property that replaces its resource when it changes.

    Args:
        pointer: Where it stands in the properties.
        source: Who says so.
        certain: Whether it always does.
        unless: The switch in the ``UpdatePolicy`` that keeps the resource; ``None`` for none.
        compared: What of its old and of its new value must be equal.
    """

    pointer: str
    source: str
    certain: bool = True
    unless: str | None = None
    compared: Callable[[Any, Any], tuple[Any, Any]] = field(default=_as_they_are, repr=False)

    @property
    def effect(self) -> str:
        """What a change does."""
        return f"a change {'replaces' if self.certain else 'may replace'} the resource"


#: Type -> the properties that replace a resource of it although its schema lists them nowhere.
UNDECLARED: Mapping[str, tuple[Replacing, ...]] = {
    "AWS::DynamoDB::GlobalTable": (
        Replacing("/properties/AttributeDefinitions", GLOBAL_TYPE, certain=False, compared=_shared_types),
    ),
    "AWS::DynamoDB::Table": (
        Replacing("/properties/AttributeDefinitions", TYPE, compared=_shared_types),
        Replacing("/properties/LocalSecondaryIndexes", LOCAL, certain=False),
    ),
    "AWS::Elasticsearch::Domain": (Replacing("/properties/ElasticsearchVersion", UPGRADE, unless="EnableVersionUpgrade"),),
    "AWS::OpenSearchService::Domain": (Replacing("/properties/EngineVersion", UPGRADE, unless="EnableVersionUpgrade"),),
    "AWS::Serverless::SimpleTable": (
        Replacing("/properties/PrimaryKey", SIMPLE),
        Replacing("/properties/TableName", SIMPLE),
    ),
}

#: The properties of which a schema says that they may replace, and the page of the type that they do.
CERTAIN = {
    ("AWS::DynamoDB::GlobalTable", "/properties/KeySchema"),
    ("AWS::DynamoDB::Table", "/properties/KeySchema"),
}


def replacing(resource: Mapping[str, Any]) -> Iterator[Replacing]:
    """What replaces a resource, as it is written down in the new template."""
    kind = resource["Type"]
    schema = create_only(kind)
    said = f"CloudFormation's schema of {kind} lists it in"
    yield from (Replacing(pointer, f"{said} createOnlyProperties") for pointer in schema.always)
    for pointer in schema.conditional:
        yield Replacing(pointer, f"{said} conditionalCreateOnlyProperties", certain=(kind, pointer) in CERTAIN)
    update = resource.get("UpdatePolicy", {})
    for each in UNDECLARED.get(kind, ()):
        if not each.unless or meaning(update.get(each.unless), {}) != "true":
            yield each
