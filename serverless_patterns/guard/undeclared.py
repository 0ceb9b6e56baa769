"""What replaces a resource: CloudFormation's schemas, and beside them what its documentation says and they do not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from serverless_patterns.guard.schemas import create_only
from serverless_patterns.guard.values import meaning

SAID = "CloudFormation's schema does not list it, but what replaces is documented in"
UPGRADE = f"{SAID} https://repost.aws/knowledge-center/cloudformation-opensearch-upgrade"
LOCAL = f"{SAID} https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/LSI.html"
SIMPLE = f"{SAID} https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-simpletable.html"


@dataclass(frozen=True)
class Replacing:
    """A property that replaces its resource when it changes.

    Args:
        pointer: Where it stands in the properties.
        source: Who says so.
        certain: Whether it always does.
        unless: The switch in the ``UpdatePolicy`` that keeps the resource; ``None`` for none.
    """

    pointer: str
    source: str
    certain: bool = True
    unless: str | None = None

    @property
    def effect(self) -> str:
        """What a change does."""
        return f"a change {'replaces' if self.certain else 'may replace'} the resource"


#: Type -> the properties that replace a resource of it although its schema lists them nowhere.
UNDECLARED: Mapping[str, tuple[Replacing, ...]] = {
    "AWS::DynamoDB::Table": (Replacing("/properties/LocalSecondaryIndexes", LOCAL, certain=False),),
    "AWS::Elasticsearch::Domain": (Replacing("/properties/ElasticsearchVersion", UPGRADE, unless="EnableVersionUpgrade"),),
    "AWS::OpenSearchService::Domain": (Replacing("/properties/EngineVersion", UPGRADE, unless="EnableVersionUpgrade"),),
    "AWS::Serverless::SimpleTable": (
        Replacing("/properties/PrimaryKey", SIMPLE),
        Replacing("/properties/TableName", SIMPLE),
    ),
}


def replacing(resource: Mapping[str, Any]) -> Iterator[Replacing]:
    """What replaces a resource, as it is written down in the new template."""
    kind = resource["Type"]
    schema = create_only(kind)
    said = f"CloudFormation's schema of {kind} lists it in"
    yield from (Replacing(pointer, f"{said} createOnlyProperties") for pointer in schema.always)
    yield from (Replacing(pointer, f"{said} conditionalCreateOnlyProperties", certain=False) for pointer in schema.conditional)
    update = resource.get("UpdatePolicy", {})
    for each in UNDECLARED.get(kind, ()):
        if not each.unless or meaning(update.get(each.unless), {}) != "true":
            yield each
