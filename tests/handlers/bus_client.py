"""A bus that a handler announces on: it takes what it is told to, and shows it as rules would match it."""

import json
from dataclasses import dataclass, field
from typing import Any

BUS = "arn:aws:events:eu-central-1:123456789012:event-bus/shop"
ON_A_BUS = {"TOPIC_ARN": "", "BUS_NAME": BUS}


@dataclass
class Bus:
    """Stands for EventBridge's client.

    Args:
        answers: What becomes of the next calls: the code of an entry that is not taken, or what is raised; then all is taken.
        forever: What becomes of all calls after them.
    """

    answers: list[str | Exception | None] = field(default_factory=list)
    forever: str | Exception | None = None
    calls: int = 0
    entries: list[dict[str, str]] = field(default_factory=list)

    def put_events(self, **parameters: Any) -> dict[str, Any]:
        self.calls += 1
        answer = self.answers.pop(0) if self.answers else self.forever
        if isinstance(answer, Exception):
            raise answer
        (entry,) = parameters["Entries"]
        if answer:
            return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": answer, "ErrorMessage": BUS}]}
        self.entries.append(entry)
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}

    @property
    def announced(self) -> list[dict[str, Any]]:
        """The events that were taken, in the form that they have on a topic."""
        return [
            {
                "source": entry["Source"],
                "type": entry["DetailType"],
                "data": json.loads(entry["Detail"])["data"],
                **json.loads(entry["Detail"])["metadata"],
            }
            for entry in self.entries
        ]
