"""The calls to AWS. Expressions are constants: what a record says only ever travels as a value.

They need ``dynamodb:PutItem`` on the table of the view (``ViewTable``) and on that of the audit (``AuditTable``), and
``s3:PutObject`` on the keys of the failure bucket below the prefix (``FailureBucket``).
"""

from typing import TYPE_CHECKING, Any, Protocol

import boto3

from shared.aws import CLIENT_CONFIG, refused_as
from stream_processing.logic import Row

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

#: DynamoDB itself says what fits: its size of a number cannot be told exactly from outside.
_UNFIT = (
    "No row can hold it: a row has at most 400 KB and 32 levels. The view's key is id, the audit's keys are id and sequence."
)


class _Table:
    def __init__(self, name: str, client: "DynamoDBClient | None" = None) -> None:
        self._name = name
        self._client = client or boto3.client("dynamodb", config=CLIENT_CONFIG)

    def _put(self, row: Row, **condition: Any) -> bool:  # noqa: ANN401  boto3's own
        try:
            with refused_as(_UNFIT):
                self._client.put_item(TableName=self._name, Item=row, **condition)
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True


class ViewTable(_Table):
    """The newest state of each id.

    Args:
        name: The table's name.
        client: The client to use. Default: a new one, with short timeouts.
    """

    def write(self, row: Row) -> bool:
        """Write the row over one with a lesser sequence, or none; ``False`` if this or a later one is there.

        Raises:
            InvalidError: No row of the table can hold it.
        """
        return self._put(
            row,
            ConditionExpression="attribute_not_exists(id) OR #sequence < :sequence",
            ExpressionAttributeNames={"#sequence": "sequence"},
            ExpressionAttributeValues={":sequence": row["sequence"]},
        )


class AuditTable(_Table):
    """What happened to each id.

    Args:
        name: The table's name.
        client: The client to use. Default: a new one, with short timeouts.
    """

    def add(self, row: Row) -> None:
        """Write the row unless it is there.

        Raises:
            InvalidError: No row of the table can hold it.
        """
        self._put(row, ConditionExpression="attribute_not_exists(id)")


class S3Client(Protocol):
    """The call that is made."""

    def put_object(self, **parameters: Any) -> Any:  # noqa: ANN401  boto3's own
        """Write an object."""


class FailureBucket:
    """Where records are kept that can never be taken.

    Args:
        name: The bucket's name.
        prefix: What the keys begin with.
        client: The client to use. Default: a new one, with short timeouts.
    """

    def __init__(self, name: str, prefix: str, client: S3Client | None = None) -> None:
        self._name = name
        self._prefix = prefix
        self._client: S3Client = client or boto3.client("s3", config=CLIENT_CONFIG)

    def keep(self, key: str, body: bytes) -> None:
        """Keep this at the key below the prefix."""
        self._client.put_object(Bucket=self._name, Key=self._prefix + key, Body=body, ContentType="application/json")
