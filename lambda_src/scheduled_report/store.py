"""The table of the runs: conditional updates, so that of two ticks of one day only one makes its report.

They need ``dynamodb:UpdateItem`` and no more: an update whose condition is broken answers with what is there instead.
"""

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import boto3

from scheduled_report.days import Order
from scheduled_report.models import Claimant, Files, Run, State
from shared.aws import CLIENT_CONFIG
from shared.conditional import Change, update
from shared.dynamodb import attributes_of
from shared.errors import ConflictError, InvalidError
from shared.times import timestamp, utc_now

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

_NAMES = {"#state": "state", "#keys": "keys", "#rows": "rows", "#bytes": "bytes", "#until": "until", "#owner": "owner"}
_STATES = {f":{state.lower()}": str(state) for state in State}

#: A run that Lambda cut off stays RUNNING. It is dead for sure when its time is over and the clocks may differ by this.
_SKEW_SECONDS = 5

_RUNNING = "Another run makes the report of this day. It is tried again."
_OVERTAKEN = "Another run has taken over the report of this day."
_ANOTHERS = (
    "The report of this name and day is that of the function {}: two reports of one name share the table of the runs. Give one "
    'of them another name, or a table of its own. If this function has replaced that one, ask with "again": true.'
)
_IS_OURS = "(attribute_not_exists(#owner) OR #owner = :owner)"


class RunsTable:
    """The table of the runs.

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

    def claim(self, report: str, order: Order, claimant: Claimant, seconds: float) -> Run:
        """Take the report of a day up. A run that comes back as DONE was so before, and nothing is left to do.

        Args:
            report: The report.
            order: The day, and whether the report is made although it is there.
            claimant: Who makes it. Lambda's own retries take up what was cut off in its middle, and do not make a report again
                that is done.
            seconds: How long the invocation has left.

        Raises:
            ConflictError: Another run is at it.
            InvalidError: It is the report of another function.
        """
        run_id = f"{report}#{order.day.date.isoformat()}"
        claimed = self._claimed(claimant, seconds)
        change = self._take_up(run_id, report, order, claimed)
        if not change.made and order.again and change.row and change.row.state is not State.RUNNING:
            change = self._take_up_again(run_id, claimed)
        if change.row and not change.made and change.row.owner not in {"", claimant.function}:
            raise InvalidError(_ANOTHERS.format(change.row.owner))
        if change.row is None or not (change.made or change.row.state is State.DONE):
            raise ConflictError(_RUNNING)
        return change.row

    def published(self, run: Run) -> None:
        """Write down that the topic or the bus has been told."""
        self._owned(run, "SET published_at = :now", {":now": self._now()})

    def mailed(self, run: Run) -> None:
        """Write down that the mail has been sent."""
        self._owned(run, "SET mailed_at = :now", {":now": self._now()})

    def finish(self, run: Run, files: Files) -> Run:
        """Write down what has been made.

        Raises:
            ConflictError: Another run has taken over.
        """
        return self._owned(
            run,
            "SET #state = :done, #keys = :keys, #rows = :rows, #bytes = :bytes, finished_at = :now REMOVE reason",
            {":keys": list(files.keys), ":rows": files.rows, ":bytes": files.bytes, ":now": self._now()},
        )

    def fail(self, run: Run, reason: str) -> None:
        """Write down why it failed."""
        self._owned(run, "SET #state = :failed, reason = :reason, finished_at = :now", {":reason": reason, ":now": self._now()})

    def _take_up(self, run_id: str, report: str, order: Order, claimed: Mapping[str, object]) -> Change[Run]:
        return self._update(
            run_id,
            "SET #state = :running, attempts = if_not_exists(attempts, :none) + :one, started_at = :now, #until = :until, "
            "request_id = :request, #owner = :owner, report = :report, report_date = :date",
            f"attribute_not_exists(id) OR ({_IS_OURS} AND (#state = :failed "
            "OR (#state = :running AND (#until < :moment OR request_id = :request))))",
            {
                ":none": 0,
                ":moment": math.floor(self._clock().timestamp()),
                ":report": report,
                ":date": order.day.date.isoformat(),
                **claimed,
            },
        )

    def _take_up_again(self, run_id: str, claimed: Mapping[str, object]) -> Change[Run]:
        return self._update(
            run_id,
            "SET #state = :running, attempts = attempts + :one, started_at = :now, #until = :until, request_id = :request, "
            "#owner = :owner REMOVE published_at, mailed_at",
            "(#state <> :running OR request_id = :request) AND (#state = :running OR request_id <> :request)",
            claimed,
        )

    def _claimed(self, claimant: Claimant, seconds: float) -> dict[str, object]:
        """What a claim writes: until when nobody else has the run, and whose it is.

        The same request comes again when the SDK repeats an update whose answer got lost, or when Lambda tries an invocation
        again that was cut off in its middle: nobody is at the run any more, and waiting would use up the tries that are left.
        """
        until = math.ceil(self._clock().timestamp() + seconds) + _SKEW_SECONDS
        return {":one": 1, ":now": self._now(), ":until": until, ":request": claimant.request, ":owner": claimant.function}

    def _owned(self, run: Run, expression: str, values: Mapping[str, object]) -> Run:
        condition = "#state = :running AND attempts = :attempts"
        change = self._update(run.id, expression, condition, {":attempts": run.attempts, **values})
        if change.row is None or change.row.attempts != run.attempts:
            raise ConflictError(_OVERTAKEN)
        return change.row  # if it was not made it had been: the SDK repeats an update whose answer gets lost

    def _update(self, run_id: str, expression: str, condition: str, values: Mapping[str, object]) -> Change[Run]:
        used = f"{expression} {condition}"
        states = {name: state for name, state in _STATES.items() if re.search(rf"{name}\b", used)}
        return update(
            self._client,
            Run.from_values,
            TableName=self._table,
            Key={"id": {"S": run_id}},
            UpdateExpression=expression,
            ConditionExpression=condition,
            ExpressionAttributeNames={name: attribute for name, attribute in _NAMES.items() if name in used},
            ExpressionAttributeValues=attributes_of({**values, **states}),
        )

    def _now(self) -> str:
        return timestamp(self._clock())
