"""What is known, while defining, of a table whose stream is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsii
from aws_cdk import Annotations, TreeInspector
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct, IValidation


def images_of(table: dynamodb.ITable) -> tuple[bool, str | None]:
    """Whether it is known what the stream of a table has, and what that is; ``None``: there is no stream."""
    properties = _properties(table)
    specification = table.stack.resolve(properties.get("streamSpecification")) or {}
    return bool(properties), specification.get("streamViewType")


def warn_of_replicas(scope: Construct, table: dynamodb.ITable) -> None:
    """Let the app warn if the stream does not say of each removal who has removed the item.

    Only when it is synthesised: a replica may be added last of all, and CDK writes replicas as they were when it was first
    asked for them, without the tags that come later.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-streams.html
    """
    scope.node.add_validation(_Replicas(scope, table))


@jsii.implements(IValidation)
class _Replicas:
    """Looks whether items expire in a table with replicas."""

    def __init__(self, scope: Construct, table: dynamodb.ITable) -> None:
        self._scope, self._table = scope, table

    def validate(self) -> list[str]:
        """No error: it is a warning, as the rest of the audit is right."""
        properties = _properties(self._table)
        replicas = self._table.stack.resolve(properties.get("replicas")) or []
        expiry = self._table.stack.resolve(properties.get("timeToLiveSpecification"))
        if len(replicas) > 1 and expiry:
            Annotations.of(self._scope).add_warning_v2(
                "serverless-patterns:expiry-of-replicas",
                f"source should have no replicas where its items expire, got {self._table.node.path!r} with replicas in "
                f"{len(replicas)} regions and the time-to-live attribute {expiry.get('attributeName')!r}: only the stream of "
                "the region in which DynamoDB removes an item tells that it has expired; of one that expires elsewhere the "
                "audit says REMOVED. Do without either, or acknowledge this and take REMOVED for both.",
            )
        return []


def _properties(table: dynamodb.ITable) -> Mapping[str, Any]:
    """The properties of a table, unresolved; none if it is imported.

    They cannot be read one by one of a ``TableV2``, which decides some last of all: jsii takes them for values.
    """
    definition = table.node.default_child
    if not isinstance(definition, dynamodb.CfnTable | dynamodb.CfnGlobalTable):
        return {}
    inspector = TreeInspector()
    definition.inspect(inspector)
    properties: Mapping[str, Any] = inspector.attributes["aws:cdk:cloudformation:props"]
    return properties
