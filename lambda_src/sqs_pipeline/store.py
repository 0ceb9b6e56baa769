"""The calls to the table of the orders: conditional updates, so that of two workers at once only one goes on.

They need ``dynamodb:UpdateItem`` and no more: an update whose condition is broken answers with what is there instead. The
conditions are the table of states: whatever comes late, comes twice or is sent again by the SDK finds its condition broken.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import boto3

from shared.aws import CLIENT_CONFIG
from shared.conditional import Change, update
from shared.dynamodb import attributes_of
from shared.errors import UnavailableError
from shared.times import timestamp, utc_now
from sqs_pipeline.models import Identity, Order, Outcome, Row, State, Taken, in_doubt

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

_NAMES = {"#state": "state", "#order": "order", "#history": "history"}
_STATES = {f":{state.lower()}": str(state) for state in State}


#: In the history, which has a few for each time that its order fails, and must fit into the row.
_LONGEST_REASON = 300


class OrdersTable:
    """The table of the orders, as the worker changes it.

    Args:
        table_name: Its name.
        client: The client to use. Default: a new one, with short timeouts.
        clock: The time of day.
    """

    def __init__(
        self,
        table_name: str,
        client: "DynamoDBClient | None" = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._client = client or boto3.client("dynamodb", config=CLIENT_CONFIG)
        self._table = table_name
        self._clock = clock

    def begin(self, order: Order) -> Row:
        """Take the order up for one more attempt, and write its row if it has none.

        The row that comes back is as it was if it is of another order under the same id, or final.

        Raises:
            UnavailableError: Another worker changed the row at the same moment.
        """
        change = self._take_up(order)
        if change.made or change.row is None or change.row.body_hash != order.body_hash or change.row.state.is_final:
            return _there(change.row)
        again = self._start_anew if change.row.state is State.FAILED else self._repeat
        change = again(order)
        if not change.made:
            raise _overtaken()
        return _there(change.row)

    def find(self, order_id: str) -> Row | None:
        """The row as it is: what an update answers with whose condition never holds."""
        never = "attribute_exists(#state) AND attribute_not_exists(#state)"  # DynamoDB refuses a list of no names
        return self._update(order_id, "SET updated_at = :now", never, {":now": self._now()}).row

    def take_back(self, order_id: str, reason: str, *, may_be_charged: bool) -> None:
        """Do not count the attempt that was begun: it was none. The row says why the order waits."""
        doubt = {":unknown": str(Taken.UNKNOWN)} if may_be_charged else {}
        self._update(
            order_id,
            "SET attempts = attempts - :one, reason = :reason" + (", charge = :unknown" if doubt else ""),
            "#state = :processing",
            {":one": 1, ":reason": reason, **doubt},
        )

    def note(self, order_id: str, reason: str) -> None:
        """Write down why an attempt failed."""
        self._update(
            order_id,
            "SET updated_at = :now, #history = list_append(#history, :entry)",
            "#state = :processing",
            self._entry(State.PROCESSING, reason),
        )

    def finish(self, order: Order, outcome: Outcome) -> Row:
        """Write down what became of the order. If another worker has done so, its word stands.

        Raises:
            UnavailableError: Another worker changed the row at the same moment.
        """
        change = self._conclude(order, outcome)
        if not change.made and not _there(change.row).state.is_final:
            # It was given up elsewhere after this charge was begun. The charge is a fact: go the way of a new message.
            self.begin(order)
            change = self._conclude(order, outcome)
        row = _there(change.row)
        if not row.state.is_final:
            raise _overtaken()
        return row

    def fail(self, order: Identity, reason: str) -> Row | None:
        """Write down that the order has failed, unless its id belongs to another one or it is final: then ``None``.

        If an attempt was begun and not taken back, or was in doubt, money may have been taken, and the row says so.
        """
        change = self._failed(order, in_doubt(reason), Taken.UNKNOWN, "(attempts > :none OR charge = :unknown)")
        if not change.made and change.row is not None and change.row.state in {State.PENDING, State.PROCESSING}:
            never = "attempts = :none AND (attribute_not_exists(charge) OR charge <> :unknown)"
            change = self._failed(order, reason, Taken.NONE, never)
        if change.row is None or change.row.body_hash != order.body_hash or change.row.state is not State.FAILED:
            return None
        return change.row

    def announced(self, row: Row) -> None:
        """Write down that the state of this row is known to others."""
        self._update(
            row.id, "SET announced_at = :now", "#state = :announced", {":announced": str(row.state), ":now": self._now()}
        )

    def _failed(self, order: Identity, reason: str, taken: Taken, condition: str) -> Change[Row]:
        return self._update(
            order.id,
            "SET #state = :failed, reason = :reason, charge = :charge, updated_at = :now, "
            "#history = list_append(#history, :entry)",
            f"body_hash = :hash AND #state IN (:pending, :processing) AND {condition}",
            {
                ":hash": order.body_hash,
                ":reason": reason,
                ":charge": str(taken),
                ":unknown": str(Taken.UNKNOWN),
                ":none": 0,
                **self._entry(State.FAILED, reason),
            },
        )

    def _take_up(self, order: Order) -> Change[Row]:
        return self._update(
            order.id,
            "SET #state = :processing, attempts = if_not_exists(attempts, :none) + :one, updated_at = :now, "
            "created_at = if_not_exists(created_at, :now), #order = if_not_exists(#order, :order), "
            "body_hash = if_not_exists(body_hash, :hash), "
            "#history = list_append(if_not_exists(#history, :empty), :entry)",
            "attribute_not_exists(id) OR (#state = :pending AND body_hash = :hash)",
            {
                ":none": 0,
                ":one": 1,
                ":order": order.fields,
                ":hash": order.body_hash,
                ":empty": [],
                **self._entry(State.PROCESSING),
            },
        )

    def _repeat(self, order: Order) -> Change[Row]:
        return self._update(
            order.id,
            "SET attempts = attempts + :one, updated_at = :now REMOVE reason",
            "#state = :processing AND body_hash = :hash",
            {":one": 1, ":hash": order.body_hash, ":now": self._now()},
        )

    def _start_anew(self, order: Order) -> Change[Row]:
        return self._update(
            order.id,
            "SET #state = :processing, attempts = :one, updated_at = :now, #history = list_append(#history, :entry) "
            "REMOVE reason, announced_at",
            "#state = :failed AND body_hash = :hash",
            {":one": 1, ":hash": order.body_hash, **self._entry(State.PROCESSING)},
        )

    def _conclude(self, order: Order, outcome: Outcome) -> Change[Row]:
        attributes = outcome.as_dict()
        del attributes["state"]
        more = "".join(f", {name} = :{name}" for name in attributes)
        gone = ", ".join({"reason", "charge"} - attributes.keys())
        return self._update(
            order.id,
            f"SET #state = :outcome, updated_at = :now, #history = list_append(#history, :entry){more} REMOVE {gone}",
            "#state = :processing AND body_hash = :hash",
            {
                ":hash": order.body_hash,
                ":outcome": str(outcome.state),
                **{f":{name}": value for name, value in attributes.items()},
                **self._entry(outcome.state, outcome.reason),
            },
        )

    def _update(self, order_id: str, expression: str, condition: str, values: Mapping[str, object]) -> Change[Row]:
        used = f"{expression} {condition}"
        states = {name: state for name, state in _STATES.items() if re.search(rf"{name}\b", used)}
        return update(
            self._client,
            Row.from_values,
            TableName=self._table,
            Key={"id": {"S": order_id}},
            UpdateExpression=expression,
            ConditionExpression=condition,
            ExpressionAttributeNames={name: attribute for name, attribute in _NAMES.items() if name in used},
            ExpressionAttributeValues=attributes_of({**values, **states}),
        )

    def _entry(self, state: State, reason: str | None = None) -> dict[str, object]:
        """The time, and what is added to the history."""
        now = self._now()
        entry = {"state": str(state), "at": now} | ({} if reason is None else {"reason": reason[:_LONGEST_REASON]})
        return {":now": now, ":entry": [entry]}

    def _now(self) -> str:
        return timestamp(self._clock())


def _there(row: Row | None) -> Row:
    if row is None:
        raise _overtaken()  # it was there a moment ago, or its condition would have held
    return row


def _overtaken() -> UnavailableError:
    return UnavailableError("The order was changed elsewhere at the same moment.")
