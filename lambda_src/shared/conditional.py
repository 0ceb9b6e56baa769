"""Updates on a condition: whether one was made, and the row as it is now, in one call and with one permission.

They need ``dynamodb:UpdateItem`` and no more: an update whose condition is broken answers with what is there instead.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from shared.dynamodb import values_of

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

RowT = TypeVar("RowT")


@dataclass(frozen=True, slots=True)
class Change(Generic[RowT]):
    """What came of an update.

    Args:
        made: Whether it was made.
        row: The row as it is now; ``None`` if there is none.
    """

    made: bool
    row: RowT | None


def update(
    client: "DynamoDBClient",
    row_of: Callable[[dict[str, Any]], RowT],
    **call: Any,  # noqa: ANN401  boto3's own
) -> Change[RowT]:
    """Make this update if its condition holds.

    Args:
        client: The client of DynamoDB.
        row_of: Makes a row of its values.
        call: What ``UpdateItem`` takes, but for what it answers with.
    """

    def row(attributes: Any) -> RowT | None:  # noqa: ANN401  the stubs do not know the item of an error
        return row_of(values_of(attributes)) if attributes else None

    try:
        answer = client.update_item(**call, ReturnValues="ALL_NEW", ReturnValuesOnConditionCheckFailure="ALL_OLD")
    except client.exceptions.ConditionalCheckFailedException as error:
        return Change(made=False, row=row(error.response.get("Item")))
    return Change(made=True, row=row(answer["Attributes"]))
