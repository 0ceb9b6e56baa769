"""What becomes of a batch of a stream's records; no correction, but part of one.

Lambda tries a batch again until it is done, its records are too old, or it has failed too often; then it gives it up, and goes
on with the next. Of a function that reports which record failed first, what was before it is done, and the rest is tried again.
https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
A batch that fails as a whole may be split; that does not count as a try.
https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from ministack.services import lambda_svc

from .stream_destinations import give_up
from .stream_metrics import count_events, tell_age
from .stream_shards import Fields, arrival_of, identifier_of


@dataclass
class Part:
    """Records that go to the function together, and how many tries have failed."""

    records: list[Fields]
    tries: int = 0


class Batch:
    """Works the records of one batch, in their order, to the end of each.

    Args:
        mapping: The event source mapping; changes of it take effect at the next try.
        shard_id: Where the records are from.
        done: Told of the last record up to which nothing is left to do.
    """

    def __init__(self, mapping: Fields, shard_id: str, done: Callable[[Fields], None]) -> None:
        self._mapping = mapping
        self._shard_id = shard_id
        self._done = done
        self._wait = lambda_svc._LAMBDA_ASYNC_RETRY_BASE_SECONDS

    def work(self, records: list[Fields]) -> bool:
        """Work them: whether they are done, which they are not if the mapping is gone or disabled by then."""
        parts = [Part(records)] if records else []
        while parts:
            part = self._young(parts.pop(0))
            function = self._function() if part.records else None
            if function:
                parts[:0] = self._try(part, function)
            elif part.records:
                return False
        return True

    def _young(self, part: Part) -> Part:
        """Give up the first records of a part that are too old."""
        most = int(self._mapping.get("MaximumRecordAgeInSeconds") or -1)
        young = [arrival_of(record) + most >= time.time() or most < 0 for record in part.records]
        old = young.index(True) if any(young) else len(young)
        if old:
            self._give_up(Part(part.records[:old], part.tries), "RecordAgeExceeded")
        return Part(part.records[old:], part.tries)

    def _function(self) -> Fields | None:
        mapping = self._mapping
        if lambda_svc._esms.get(mapping["UUID"]) is not mapping or not mapping.get("Enabled", True):
            return None
        found: Fields | None = lambda_svc._get_func_record_for_qualifier(mapping["FunctionName"], mapping.get("Qualifier"))[0]
        return found

    def _try(self, part: Part, function: Fields) -> list[Part]:
        """Give a part to the function: what is left of it."""
        records = part.records
        tell_age(self._mapping, records)
        result = lambda_svc._execute_function(function, {"Records": records})
        if result.get("throttle"):
            self._pause()
            return [part]
        count_events(self._mapping, Invoked=len(records))
        first = -1 if result.get("error") else self._first_failed(records, result.get("body"))
        if first is None:
            self._wait = lambda_svc._LAMBDA_ASYNC_RETRY_BASE_SECONDS
            self._done(records[-1])
            return []
        count_events(self._mapping, FailedInvoke=len(records) - max(first, 0))
        return self._left(part, first)

    def _first_failed(self, records: list[Fields], answer: object) -> int | None:
        """The index of the first record that an answer reports, ``None`` if it reports none; -1: all have failed.

        An answer that names a record which is not of the batch tells nothing of those that are.
        """
        reports = "ReportBatchItemFailures" in (self._mapping.get("FunctionResponseTypes") or ())
        failures = answer.get("batchItemFailures") if reports and isinstance(answer, dict) else None
        places = {identifier_of(record): index for index, record in enumerate(records)}
        named = [each.get("itemIdentifier") if isinstance(each, dict) else None for each in failures or ()]
        return min((places.get(name or "", -1) for name in named), default=None)

    def _left(self, part: Part, first: int) -> list[Part]:
        """What is left of a part whose first failure is this one."""
        records, splits = part.records, str(self._mapping.get("BisectBatchOnFunctionError")).lower() == "true"
        if first > 0:
            self._done(records[first - 1])
            rest = Part(records[first:], part.tries)
            return [rest] if splits else self._again(rest)
        if first < 0 and splits and len(records) > 1:
            middle = len(records) // 2
            return [Part(records[:middle], part.tries), Part(records[middle:], part.tries)]
        return self._again(part)

    def _again(self, part: Part) -> list[Part]:
        most = self._mapping.get("MaximumRetryAttempts")
        tried = Part(part.records, part.tries + 1)
        if most is not None and 0 <= int(most) < tried.tries:
            self._give_up(tried, "RetryAttemptsExhausted")
            return []
        self._pause()
        return [tried]

    def _give_up(self, part: Part, condition: str) -> None:
        give_up(self._mapping, self._shard_id, part.records, condition=condition, attempts=part.tries)
        self._done(part.records[-1])

    def _pause(self) -> None:
        time.sleep(self._wait)
        self._wait = min(2 * self._wait, lambda_svc._LAMBDA_ASYNC_RETRY_MAX_SECONDS)
