"""The calls to AWS: ``dynamodb:UpdateItem`` on the table of events, and no other.

An event is known by its source and its id: what makes ids unique is whoever says so, and two of them may use the same.
Expressions are made of constants: what an event says only ever travels as a value.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3

from event_routing.models import Claim, Known, State
from shared.aws import CLIENT_CONFIG, refused_as
from shared.dynamodb import attributes_of, values_of
from shared.envelope import Envelope

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

#: There is no row, or one of somebody whose time is over.
_FREE = "attribute_not_exists(id) OR (#state = :in_progress AND claimed_until < :now)"

_COMPLETE = "SET #state = :state REMOVE claimed_until"
_RELEASE = "SET claimed_until = :until"
_MARK = "SET replayed = :replayed"

_UNFIT = (
    "The table takes no row of this event: a row has at most 400 KB, its source and id 2 KB, and the table's key is id. "
    "A function of your own, which HANDLER names, may take larger ones: of these the table does not keep the data."
)


class EventsTable:
    """The table of a route's events.

    Args:
        name: The table's name.
        client: The client to use. Default: a new one, with short timeouts.
    """

    def __init__(self, name: str, client: "DynamoDBClient | None" = None) -> None:
        self._name = name
        self._client = client or boto3.client("dynamodb", config=CLIENT_CONFIG)

    def claim(self, claim: Claim) -> Known | None:
        """Take the event up; if that was done before, what is known of it.

        Raises:
            InvalidError: No row of the table can hold it.
        """
        row = _row(claim)
        expression = "SET " + ", ".join(f"#{name} = :{name}" for name in row)
        values = {f":{name}": value for name, value in row.items()} | {":now": claim.now, ":in_progress": State.IN_PROGRESS}
        try:
            with refused_as(_UNFIT):
                self._update(
                    claim.received.event,
                    UpdateExpression=expression,
                    ConditionExpression=_FREE,
                    ExpressionAttributeNames={f"#{name}": name for name in row},
                    ExpressionAttributeValues=attributes_of(values),
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            return _known(error.response)
        return None

    def complete(self, event: Envelope) -> None:
        """Write down that the event is done."""
        self._update(
            event,
            UpdateExpression=_COMPLETE,
            ExpressionAttributeNames={"#state": "state"},
            ExpressionAttributeValues=attributes_of({":state": State.COMPLETE}),
        )

    def release(self, event: Envelope) -> None:
        """Let the event be taken up again at once."""
        self._update(event, UpdateExpression=_RELEASE, ExpressionAttributeValues=attributes_of({":until": 0}))

    def mark_replayed(self, event: Envelope, replay: str) -> None:
        """Write down that a replay brought the event again."""
        self._update(event, UpdateExpression=_MARK, ExpressionAttributeValues=attributes_of({":replayed": replay}))

    def _update(self, event: Envelope, **parameters: Any) -> None:  # noqa: ANN401  boto3's own
        key = attributes_of({"id": f"{event.source}#{event.id}"})
        self._client.update_item(TableName=self._name, Key=key, **parameters)


def _row(claim: Claim) -> dict[str, object]:
    event = claim.received.event
    row: dict[str, object] = {
        name: getattr(event, name) for name in ("type", "version", "time", "source", "correlation_id", "causation_id")
    }
    row |= {"event_id": event.id, "state": claim.state, "recorded_at": _utc(claim.now), "expires_at": claim.expires_at}
    if claim.received.replay:
        row["replayed"] = claim.received.replay
    return row | ({"data": event.data} if claim.state is State.COMPLETE else {"claimed_until": claim.until})


def _known(response: Any) -> Known:  # noqa: ANN401  botocore types no Item
    row = values_of(response["Item"])
    return Known(State(row.get("state", State.COMPLETE)), int(row.get("claimed_until", 0)))


def _utc(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
