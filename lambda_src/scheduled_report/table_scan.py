"""Rows of a DynamoDB table: all items, in the order in which the table has them (``dynamodb:Scan``).

Each page is read consistently: it has all that was written before it was asked for. But there is no snapshot of a table: an
item that is written while the pages are read may be in the report as it was before or as it is after, beside others that are
not of that moment. A report that has to add up is one of a database, or of a table that is not written meanwhile.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Scan.html#Scan.ReadConsistency
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from scheduled_report.days import Day
from scheduled_report.deadline import Deadline
from scheduled_report.models import Cell, Number, Row, Table
from shared import strict_json
from shared.dynamodb import from_dynamodb

#: A page has up to 1 MB, of up to a megabyte that was read to find it.
_CONFIG = Config(connect_timeout=2, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3})

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


class TableScan:
    """A table of DynamoDB.

    Args:
        name: The table's name.
        columns: The attributes that are read.
        client: The client to use. Default: a new one, that waits as long as a page may take.
    """

    def __init__(self, name: str, columns: tuple[str, ...], client: "DynamoDBClient | None" = None) -> None:
        self._columns = columns
        self._client = client or boto3.client("dynamodb", config=_CONFIG)
        self._call: dict[str, Any] = {
            "TableName": name,
            "ConsistentRead": True,
            "ProjectionExpression": ", ".join(f"#c{place}" for place in range(len(columns))),
            "ExpressionAttributeNames": {f"#c{place}": column for place, column in enumerate(columns)},
        }

    @contextmanager
    def open(self, day: Day, deadline: Deadline) -> Iterator[Table]:  # noqa: ARG002  a table has no days
        """All items as they are now, whichever day the report is of."""
        yield Table(self._columns, self._rows(deadline))

    def _rows(self, deadline: Deadline) -> Iterator[Row]:
        start: dict[str, Any] = {}
        while True:
            deadline.left()
            answer = self._client.scan(**self._call, **start)
            for item in answer["Items"]:
                yield tuple(_cell(item.get(column)) for column in self._columns)
            if "LastEvaluatedKey" not in answer:
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


def _cell(attribute: Any) -> Cell:  # noqa: ANN401  an attribute can be anything
    match attribute:
        case None | {"NULL": True}:
            return None
        case {"N": str() as digits}:
            return Number.of(digits)  # as DynamoDB wrote it
        case {"S": str() as text}:
            return text
        case {"B": _}:
            return str(from_dynamodb(attribute))
        case _:
            return strict_json.render(from_dynamodb(attribute))
