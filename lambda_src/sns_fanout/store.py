"""The calls to AWS. Expressions are constants: what an event says only ever travels as a value, or as a name that was checked.

They need ``dynamodb:PutItem`` for ``AuditTable``, ``dynamodb:PutItem`` and ``UpdateItem`` for ``TotalsTable`` (a transaction
needs the actions of its parts, and none of its own), and ``sns:Publish`` for ``NoticeTopic``.
"""

import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import boto3
from botocore.exceptions import ClientError

from shared.aws import CLIENT_CONFIG, refused_as
from shared.dynamodb import attributes_of
from shared.errors import InvalidError, UnavailableError
from sns_fanout.models import Count, Notice

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

#: The longest pauses, in seconds, between tries of a transaction that met another one. The events of a type and day all go to
#: one row, so functions meet there by design; coming again through the queue would cost one of the few receives each time.
_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8)

_UNFIT = "The table takes no row of this event: a row has at most 400 KB and an id at most 2048 bytes; the table's key is id."
_UNFIT_TOTAL = (
    "The table cannot count this event: a total has at most 38 digits and an id at most 2048 bytes; the table's key is id."
)
_CROWDED = "Other events were added to the same total all the time. Try again."


class AuditTable:
    """The table of all events.

    Args:
        name: The table's name.
        client: The client to use. Default: a new one, with short timeouts.
    """

    def __init__(self, name: str, client: "DynamoDBClient | None" = None) -> None:
        self._name = name
        self._client = client or boto3.client("dynamodb", config=CLIENT_CONFIG)

    def add(self, row: dict[str, Any]) -> bool:
        """Write the row unless there is one with its id; ``False`` if there was.

        Raises:
            InvalidError: No row of the table can hold it.
        """
        item = attributes_of(row)
        try:
            with refused_as(_UNFIT):
                self._client.put_item(TableName=self._name, Item=item, ConditionExpression="attribute_not_exists(id)")
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True


class TotalsTable:
    """The table of the totals, and of the events that have been counted.

    Args:
        name: The table's name.
        client: The client to use. Default: a new one, with short timeouts.
        pause: What waits for so many seconds.
    """

    def __init__(
        self, name: str, client: "DynamoDBClient | None" = None, pause: Callable[[float], object] = time.sleep
    ) -> None:
        self._name = name
        self._client = client or boto3.client("dynamodb", config=CLIENT_CONFIG)
        self._pause = pause

    def add(self, count: Count, before_try: Callable[[], None]) -> bool:
        """Mark the event as counted and add it to its total, both or neither; ``False`` if it had been counted.

        Raises:
            InvalidError: The total cannot hold it.
            UnavailableError: Others wrote to the same total each time.
        """
        for longest in (*_PAUSES, 0):
            before_try()
            try:
                self._write(count)
            except ClientError as error:
                if _is_counted(error):
                    return False
                _refuse_all_but_conflicts(error)
                self._pause(random.uniform(0, longest))  # noqa: S311  a jitter, not a secret
            else:
                return True
        raise UnavailableError(_CROWDED)

    def _write(self, count: Count) -> None:
        self._client.transact_write_items(
            TransactItems=[{"Put": self._marker(count)}, {"Update": self._addition(count)}]  # type: ignore[typeddict-item]
        )

    def _marker(self, count: Count) -> dict[str, Any]:
        return {
            "TableName": self._name,
            "Item": attributes_of({"id": count.marker_id, "expires_at": count.expires_at}),
            "ConditionExpression": "attribute_not_exists(id)",
        }

    def _addition(self, count: Count) -> dict[str, Any]:
        addition: dict[str, Any] = {
            "TableName": self._name,
            "Key": attributes_of({"id": count.total_id}),
            "UpdateExpression": "ADD events :one",
            "ExpressionAttributeValues": attributes_of({":one": 1}),
        }
        if not count.currency:
            return addition
        # In full and not as 1E+2, which is the same to DynamoDB but not to all who read the table.
        amount = {"N": format(count.amount, "f")}
        return addition | {
            "UpdateExpression": "ADD events :one, #amount :amount",
            "ExpressionAttributeNames": {"#amount": f"amount_{count.currency}"},
            "ExpressionAttributeValues": addition["ExpressionAttributeValues"] | {":amount": amount},
        }


class SnsClient(Protocol):
    """The call that is made."""

    def publish(self, **parameters: Any) -> Any:  # noqa: ANN401  boto3's own
        """Send a message to all subscribers."""


class NoticeTopic:
    """The topic that people subscribe to.

    Args:
        arn: The topic's ARN.
        client: The client to use. Default: a new one, with short timeouts.
    """

    def __init__(self, arn: str, client: SnsClient | None = None) -> None:
        self._arn = arn
        self._client: SnsClient = client or boto3.client("sns", config=CLIENT_CONFIG)

    def publish(self, notice: Notice) -> None:
        """Send it to all subscribers."""
        self._client.publish(TopicArn=self._arn, Subject=notice.subject, Message=notice.text)


def _codes(error: ClientError) -> list[str]:
    """Why each part of a cancelled transaction, the marker and the total, was refused; why the call was, if it did not begin.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
    """
    reasons = error.response.get("CancellationReasons")
    return [reason.get("Code", "None") for reason in reasons] if reasons else [error.response["Error"]["Code"]]


def _is_counted(error: ClientError) -> bool:
    return _codes(error)[0] == "ConditionalCheckFailed"


def _refuse_all_but_conflicts(error: ClientError) -> None:
    codes = set(_codes(error))
    if codes & {"ValidationError", "ValidationException"}:
        raise InvalidError(_UNFIT_TOTAL) from None
    if codes - {"None", "TransactionConflict"}:
        raise error
