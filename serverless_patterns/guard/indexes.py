"""Global secondary indexes: DynamoDB creates or deletes one of a table in an update, so a deploy with two fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from serverless_patterns.guard.assemblies import Stack
from serverless_patterns.guard.findings import Finding, Kind, path_of
from serverless_patterns.guard.values import meaning

TABLES = ("AWS::DynamoDB::GlobalTable", "AWS::DynamoDB::Table")
#: What only a new index can have otherwise.
#: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dynamodb-globaltable.html
FIXED = ("KeySchema", "Projection")
PAGE = "https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTable.html"


def find_index_changes(old: Stack, new: Stack) -> Iterator[Finding]:
    """The findings on tables with more than one index to create or to delete."""
    for logical_id, before in old.resources.items():
        after = new.resources.get(logical_id)
        if after and before["Type"] == after["Type"] in TABLES:
            was, will_be = _indexes(before, old), _indexes(after, new)
            steps = _steps(was, will_be)
            if len(steps) > 1:
                yield Finding(
                    new.name,
                    logical_id,
                    path_of(logical_id, after),
                    after["Type"],
                    Kind.REFUSED,
                    "GlobalSecondaryIndexes",
                    sorted(was),
                    sorted(will_be),
                    f"it has to {', '.join(steps)}, and DynamoDB creates or deletes one index of a table in an update "
                    f"({PAGE}): the deploy fails",
                    "deploy one index after the other. One that changes gets a new name: create it, use it, delete the old",
                )


def _indexes(table: Mapping[str, Any], stack: Stack) -> dict[str, Any]:
    """Name -> what cannot change, of the indexes of a table; a list that a function makes has none that could be told."""
    listed = table.get("Properties", {}).get("GlobalSecondaryIndexes")
    return {
        str(meaning(index["IndexName"], stack.template)): [meaning(index.get(name), stack.template) for name in FIXED]
        for index in (listed if isinstance(listed, list) else [])
        if isinstance(index, dict) and "IndexName" in index
    }


def _steps(was: Mapping[str, Any], will_be: Mapping[str, Any]) -> list[str]:
    changed = {name for name in was if name in will_be and was[name] != will_be[name]}
    deletions = [f"delete {name}" for name in sorted((was.keys() - will_be.keys()) | changed)]
    return deletions + [f"create {name}" for name in sorted((will_be.keys() - was.keys()) | changed)]
