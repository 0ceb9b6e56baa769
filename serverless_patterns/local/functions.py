"""What a function did, from its own log group: the one witness that emulator and AWS have in common."""

from __future__ import annotations

import json
import re
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from serverless_patterns.local.processes import wait_until

LAST_LINES = 5
_REPORT = re.compile(r"REPORT RequestId: (?P<request_id>\S+)\s+Duration: (?P<milliseconds>[\d.]+) ms")


@dataclass(frozen=True)
class Invocation:
    """One run of a function.

    Args:
        request_id: Lambda's id of it.
        milliseconds: How long the handler took.
    """

    request_id: str
    milliseconds: float


@dataclass
class FunctionLog:
    """The log group of a function, read from now on.

    Args:
        logs: A CloudWatch Logs client.
        group: The name of the log group.
        since: The epoch millisecond to read from. Default: now.
    """

    logs: Any
    group: str
    since: int = field(default_factory=lambda: int(time.time() * 1000))
    _seen: set[str] = field(default_factory=set)

    def lines(self) -> Iterator[str]:
        """What was logged, oldest first."""
        pages = self.logs.get_paginator("filter_log_events").paginate(logGroupName=self.group, startTime=self.since)
        events = sorted((event for page in pages for event in page["events"]), key=lambda event: int(event["timestamp"]))
        for event in events:
            yield event["message"].rstrip()

    def last_lines(self) -> str:
        """The end of what was logged, in the words of an error."""
        lines = "\n".join(f"  {line}" for line in deque(self.lines(), LAST_LINES))
        return f"The last that the function has logged:\n{lines}"

    def new_invocations(self, expected: int, *, seconds: float) -> list[Invocation]:
        """The invocations that were not returned before; waits so long for the expected number."""
        found: list[Invocation] = []

        def all_there() -> bool:
            found[:] = [each for each in map(_invocation, self.lines()) if each and each.request_id not in self._seen]
            return len(found) >= expected

        wait_until(all_there, seconds=seconds)
        self._seen.update(invocation.request_id for invocation in found)
        return found


def shown(invocations: Sequence[Invocation]) -> str:
    """How long each took, in the words of the report."""
    return ", ".join(f"{invocation.milliseconds:.0f} ms" for invocation in invocations) or "not called"


def _invocation(line: str) -> Invocation | None:
    """The invocation that a line reports: in text, or as JSON where the function logs in that format."""
    if match := _REPORT.search(line):
        return Invocation(match["request_id"], float(match["milliseconds"]))
    if '"platform.report"' in line:
        record = json.loads(line)["record"]
        return Invocation(record["requestId"], float(record["metrics"]["durationMs"]))
    return None
