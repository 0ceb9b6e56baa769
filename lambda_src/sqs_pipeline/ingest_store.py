"""The calls of the ingest: ``dynamodb:GetItem`` and ``PutItem`` on the table of the orders, ``sqs:SendMessage`` on the queue.

The SDK makes a call again that got no answer. A second PutItem then finds the row of the first, which is the same order; a
second SendMessage may put a second message into a standard queue, and the worker charges an order once.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from shared.aws import CLIENT_CONFIG, passes
from shared.dynamodb import attributes_of, values_of
from shared.errors import RETRY_AFTER_SECONDS, UnavailableError
from sqs_pipeline.ingest_models import Message, Reservation
from sqs_pipeline.models import Order, State

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


class SqsClient(Protocol):
    """The call that is made to the queue."""

    def send_message(self, **parameters: Any) -> Any:  # noqa: ANN401  boto3's own
        """Send a message."""


class OrdersTable:
    """The table of the orders.

    Args:
        table_name: Its name.
        client: The client to use. Default: a new one, with short timeouts.
    """

    def __init__(self, table_name: str, client: "DynamoDBClient | None" = None) -> None:
        self._client = client or boto3.client("dynamodb", config=CLIENT_CONFIG)
        self._table = table_name

    def reserve(self, order: Order, time: str) -> Reservation:
        """Write the row of a new order if its id is free; the row that holds the id now."""
        row = _new_row(order, time)
        try:
            self._client.put_item(
                TableName=self._table,
                Item=attributes_of(row),
                ConditionExpression="attribute_not_exists(id)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            return _reservation(values_of(error.response["Item"]))  # type: ignore[typeddict-item]  # not in the stubs
        return _reservation(row)

    def get(self, order_id: str) -> Mapping[str, Any] | None:
        """The row of an order as it is now."""
        answer = self._client.get_item(TableName=self._table, Key=attributes_of({"id": order_id}), ConsistentRead=True)
        return values_of(answer["Item"]) if "Item" in answer else None


class OrderQueue:
    """The queue of the worker.

    Args:
        url: Its URL.
        client: The client to use. Default: a new one, with short timeouts.
    """

    def __init__(self, url: str, client: SqsClient | None = None) -> None:
        self._client: SqsClient = client or boto3.client("sqs", config=CLIENT_CONFIG)
        self._url = url

    def send(self, message: Message) -> None:
        """Put the message into the queue.

        Raises:
            UnavailableError: It is not known to be there, but would be after another try.
        """
        try:
            self._client.send_message(QueueUrl=self._url, MessageBody=message.body, **self._grouped(message))
        except (ClientError, BotoCoreError) as error:
            if not passes(error):
                raise
            msg = f'The order is not accepted yet. Send it again with "id": "{message.order_id}", and it is accepted once.'
            raise UnavailableError(msg, retry_after=RETRY_AFTER_SECONDS) from error

    def _grouped(self, message: Message) -> dict[str, Any]:
        """A group makes a standard queue fair; a FIFO queue needs one, and keeps one message of an id that comes twice soon.

        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html
        """
        if self._url.endswith(".fifo"):
            return {"MessageGroupId": message.group or message.order_id, "MessageDeduplicationId": message.order_id}
        return {} if message.group is None else {"MessageGroupId": message.group}


def _new_row(order: Order, time: str) -> dict[str, Any]:
    return {
        "id": order.id,
        "order": order.fields,
        "body_hash": order.body_hash,
        "state": State.PENDING,
        "attempts": 0,
        "created_at": time,
        "updated_at": time,
        "history": [{"state": State.PENDING, "at": time}],
    }


def _reservation(row: Mapping[str, Any]) -> Reservation:
    return Reservation(row["body_hash"], State(row["state"]), row["created_at"])
