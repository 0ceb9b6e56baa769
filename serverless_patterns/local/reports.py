"""The reports of a deployed ScheduledReport: made for a day by hand, made by its schedule now, and saved to be looked at."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from serverless_patterns.errors import LocalRunError
from serverless_patterns.local.account import Account, Stack

#: Seconds. A function runs for 15 minutes at most.
PATIENCE = 15 * 60 + 30
#: Where files of reports are saved, below the current folder: under the keys that they have.
FOLDER = Path(".serverless-patterns")
#: What a one-time copy of a schedule has of it: https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html
COPIED = ("FlexibleTimeWindow", "GroupName", "Target")


class Reports:
    """The reports of one stack.

    Args:
        account: Where the stack is.
        stack: The stack.
    """

    def __init__(self, account: Account, stack: Stack) -> None:
        self._account = account
        self._stack = stack
        self._s3 = account.client("s3")

    def make(self, day: date, *, again: bool = False) -> dict[str, Any]:
        """Make the report of a day and wait for it (a back-fill); what the function answers.

        Args:
            day: The day, in the time zone of the report.
            again: Whether to make it, and tell of it, once more if it is there.

        Raises:
            LocalRunError: It failed; the message has the reason.
        """
        event = {"date": day.isoformat(), **({"again": True} if again else {})}
        client = self._account.client("lambda", patience=PATIENCE)
        try:
            answer = client.invoke(FunctionName=self._stack.outputs["FunctionName"], Payload=json.dumps(event).encode())
        except client.exceptions.TooManyRequestsException:
            msg = f"the report of {day} was not begun: another one is being made, and there is one at a time; try again later"
            raise LocalRunError(msg) from None
        found: dict[str, Any] = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            msg = f"the report of {day} failed: {found.get('errorMessage', found)}"
            raise LocalRunError(msg)
        return found

    def tick(self) -> str:
        """Let the schedule fire now: by a copy of it that fires once and is gone. The copy's name.

        Raises:
            LocalRunError: The report is not on a schedule of EventBridge Scheduler.
        """
        outputs, scheduler = self._stack.outputs, self._account.client("scheduler")
        if "ScheduleName" not in outputs:
            msg = f"{self._stack.name} has no schedule of EventBridge Scheduler; make a report by its date"
            raise LocalRunError(msg)
        found = scheduler.get_schedule(Name=outputs["ScheduleName"], GroupName=outputs["ScheduleGroupName"])
        name = f"now-{uuid.uuid4().hex[:8]}"
        soon = datetime.now(UTC).replace(tzinfo=None, microsecond=0) + timedelta(seconds=1)
        scheduler.create_schedule(
            **{key: found[key] for key in COPIED if key in found},
            Name=name,
            ScheduleExpression=f"at({soon.isoformat()})",
            ScheduleExpressionTimezone="UTC",
            ActionAfterCompletion="DELETE",
        )
        return name

    def save(self, keys: Sequence[str], folder: Path = FOLDER) -> list[Path]:
        """Save files of a report below a folder, which git does not look into, under the names that they have in the bucket."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")
        return [self._saved(key, folder) for key in keys]

    def _saved(self, key: str, folder: Path) -> Path:
        path = (folder / key).resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.content(key))
        return path

    def content(self, key: str) -> bytes:
        """The content of a file of a report."""
        content: bytes = self._s3.get_object(Bucket=self._stack.outputs["BucketName"], Key=key)["Body"].read()
        return content
