"""Global secondary indexes: DynamoDB creates or deletes one of a table in an update, so a deploy with two fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from serverless_patterns.guard.assemblies import Stack
from serverless_patterns.guard.branches import ways
from serverless_patterns.guard.findings import Finding, Kind
from serverless_patterns.guard.staying import Staying, properties, staying
from serverless_patterns.guard.values import meaning

TABLES = ("AWS::DynamoDB::GlobalTable", "AWS::DynamoDB::Table")
#: What only a new index can have otherwise.
#: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dynamodb-globaltable.html
FIXED = ("KeySchema", "Projection")
PAGE = "https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTable.html"
RULE = f"DynamoDB creates or deletes one index of a table in an update ({PAGE})"
MEND = "deploy one index after the other. One that changes gets a new name: create it, use it, delete the old"
Indexes = Mapping[str, Any]


def find_index_changes(old: Stack, new: Stack) -> Iterator[Finding]:
    """The findings on tables with more than one index to create or to delete."""
    for each in staying(old, new, *TABLES):
        was, will_be = _listed(each.before, old), _listed(each.after, new)
        if was != will_be:
            yield from _refused(each, was, will_be)


def _refused(table: Staying, was: Any, will_be: Any) -> Iterator[Finding]:  # noqa: ANN401  JSON
    pairs = [(_indexes(before), _indexes(after)) for before, after in ways(was, will_be)]
    known = [(before, after) for before, after in pairs if before is not None and after is not None]
    steps = [_steps(before, after) for before, after in known]
    most = max(steps, key=len, default=[])
    if steps and len(steps) == len(pairs) == sum(len(each) > 1 for each in steps):
        names = sorted({*known[0][0]}), sorted({*known[0][1]})
        why = f"it has to {', '.join(most)}, and {RULE}: the deploy fails"
        yield table.finding(Kind.REFUSED, ("GlobalSecondaryIndexes", *names), why, MEND)
    elif len(most) > 1 or len(known) < len(pairs) or not pairs:
        why = f"its indexes are computed while deploying, and may be more than one step away, while {RULE}: the deploy may fail"
        yield table.finding(Kind.MAY_BE_REFUSED, ("GlobalSecondaryIndexes", was, will_be), why, MEND)


def _listed(table: Mapping[str, Any], stack: Stack) -> Any:  # noqa: ANN401  JSON
    """The indexes of a table, a function where one makes them."""
    return meaning(properties(table).get("GlobalSecondaryIndexes") or [], stack.template)


def _indexes(listed: Any) -> Indexes | None:  # noqa: ANN401  JSON
    """Name -> what cannot change, of the indexes of a table; ``None`` where a function other than ``Fn::If`` makes them."""
    if listed is None or listed == {"Ref": "AWS::NoValue"}:
        return {}
    if not isinstance(listed, list) or not all(isinstance(index, dict) and "IndexName" in index for index in listed):
        return None
    return {str(index["IndexName"]): [index.get(name) for name in FIXED] for index in listed}


def _steps(was: Indexes, will_be: Indexes) -> list[str]:
    changed = {name for name in was if name in will_be and was[name] != will_be[name]}
    deletions = [f"delete {name}" for name in sorted((was.keys() - will_be.keys()) | changed)]
    return deletions + [f"create {name}" for name in sorted((will_be.keys() - was.keys()) | changed)]
