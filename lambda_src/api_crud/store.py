"""The calls to DynamoDB. Expressions are constants: what a client sent only ever travels as a value.

They need ``dynamodb:GetItem``, ``PutItem``, ``DeleteItem`` and ``Scan`` on the table of the items, and ``dynamodb:GetItem`` and
``PutItem`` on the table of the used keys (a transaction needs the actions of its parts, and none of its own).

The SDK sends a write again that got no answer. If the first one had worked, the second finds its condition broken by its own
doing; so a broken condition counts as a failure only if the item is not the one that was to be written.
"""

from typing import TYPE_CHECKING, Any

import boto3

from api_crud.logic import Outcome
from api_crud.models import ETAG, Item, KeyRecord, Page, as_version
from shared.aws import CLIENT_CONFIG
from shared.dynamodb import attributes_of, from_dynamodb, values_of

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from types_boto3_dynamodb import DynamoDBClient


class DynamoStore:
    """The table of the items and the table of the used idempotency keys.

    Args:
        table_name: The table of the items.
        keys_table_name: The table of the used keys.
        ttl_attribute: The time-to-live attribute of the items; ``""`` if they have none.
        client: The client to use. Default: a new one, with short timeouts.
    """

    def __init__(
        self, table_name: str, keys_table_name: str, ttl_attribute: str, client: "DynamoDBClient | None" = None
    ) -> None:
        self._client = client or boto3.client("dynamodb", config=CLIENT_CONFIG)
        self._table = table_name
        self._keys_table = keys_table_name
        self._ttl_attribute = ttl_attribute

    def get(self, item_id: str) -> Item | None:
        """The item as it is now: whoever wrote it can read it at once."""
        answer = self._client.get_item(TableName=self._table, Key=_key(item_id), ConsistentRead=True)
        return _item(answer["Item"]) if "Item" in answer else None

    def scan(self, limit: int, after: str | None) -> Page:
        """The items after this id, in no meaningful order: at most ``limit``, and at most 1 MB."""
        start: dict[str, Any] = {} if after is None else {"ExclusiveStartKey": _key(after)}
        answer = self._client.scan(TableName=self._table, Limit=limit, **start)
        last = answer.get("LastEvaluatedKey")
        return Page([_item(record) for record in answer["Items"]], from_dynamodb(last["id"]) if last else None)

    def create(self, item: Item, now: int) -> bool:
        """Write the item unless there is one with its id that has not expired."""
        try:
            self._client.put_item(**self._put_absent(item, now))
        except self._client.exceptions.ConditionalCheckFailedException:
            return self._is_stored(item)
        return True

    def create_once(self, item: Item, record: KeyRecord, now: int) -> Outcome:
        """Write the item and the record of its key: both or neither, so that no crash can come between."""
        put_record = {
            "TableName": self._keys_table,
            "Item": attributes_of({name: getattr(record, name) for name in record.__dataclass_fields__}),
            "ConditionExpression": "attribute_not_exists(id) OR expires_at < :now",
            "ExpressionAttributeValues": attributes_of({":now": now}),
        }
        try:
            self._client.transact_write_items(
                TransactItems=[{"Put": self._put_absent(item, now)}, {"Put": put_record}],  # type: ignore[typeddict-item]
                ClientRequestToken=record.etag,  # as new as the write: the SDK's second attempt has the same, no other has
            )
        except self._client.exceptions.TransactionCanceledException as error:
            return _outcome(error)
        return Outcome.CREATED

    def key_record(self, record_id: str) -> KeyRecord | None:
        """The record of a used key, as it is now."""
        answer = self._client.get_item(TableName=self._keys_table, Key=_key(record_id), ConsistentRead=True)
        if "Item" not in answer:
            return None
        record = values_of(answer["Item"])
        return KeyRecord(**(record | {"expires_at": int(record["expires_at"])}))

    def replace(self, item: Item, current: Item, *, same_version: bool) -> bool:
        """Write the item over the current one if that is still there, at the same version or at any."""
        try:
            self._client.put_item(TableName=self._table, Item=_stored(item), **_still(current, same_version=same_version))
        except self._client.exceptions.ConditionalCheckFailedException:
            return self._is_stored(item)
        return True

    def delete(self, current: Item, *, same_version: bool) -> bool:
        """Delete the current item if it is still there, at the same version or at any; one that is gone by now was deleted."""
        try:
            self._client.delete_item(TableName=self._table, Key=_key(current.id), **_still(current, same_version=same_version))
        except self._client.exceptions.ConditionalCheckFailedException:
            return self.get(current.id) is None
        return True

    def _put_absent(self, item: Item, now: int) -> dict[str, Any]:
        put = {"TableName": self._table, "Item": _stored(item), "ConditionExpression": "attribute_not_exists(id)"}
        if not self._ttl_attribute:
            return put
        return put | {
            "ConditionExpression": "attribute_not_exists(id) OR #expires < :now",
            "ExpressionAttributeNames": {"#expires": self._ttl_attribute},
            "ExpressionAttributeValues": attributes_of({":now": now}),
        }

    def _is_stored(self, item: Item) -> bool:
        stored = self.get(item.id)
        return stored is not None and stored.etag == item.etag


def _still(current: Item, *, same_version: bool) -> dict[str, Any]:
    """The condition that this item is still there: at the same version, or at any.

    Its time of creation tells it from an item that took its id after a deletion. One that something else wrote may have none.
    """
    if same_version:
        return {
            "ConditionExpression": "#etag = :etag",
            "ExpressionAttributeNames": {"#etag": ETAG},
            "ExpressionAttributeValues": attributes_of({":etag": current.etag}),
        }
    if current.created_at is None:
        return {"ConditionExpression": "attribute_exists(id)"}
    return {
        "ConditionExpression": "created_at = :created_at",
        "ExpressionAttributeValues": attributes_of({":created_at": current.created_at}),
    }


def _outcome(error: "ClientError") -> Outcome:
    """What the reasons of a cancelled transaction, one for each part, say.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
    """
    item, record = (reason.get("Code") for reason in error.response["CancellationReasons"])
    if record == "ConditionalCheckFailed" or "TransactionConflict" in (item, record):
        return Outcome.KEY_IN_USE
    if item == "ConditionalCheckFailed":
        return Outcome.ITEM_EXISTS
    raise error


def _key(key: str) -> dict[str, Any]:
    return {"id": {"S": key}}


def _stored(item: Item) -> dict[str, Any]:
    return attributes_of(item.attributes | {ETAG: item.etag})


def _item(stored: dict[str, Any]) -> Item:
    attributes = values_of(stored)
    etag = as_version(attributes.pop(ETAG, None))
    return Item(attributes, etag)
