"""Event source mappings of streams: retries, what a function reports, age, destinations, and how many are worked at a time.

AWS takes up a batch at the first record that the function reports, splits one that fails, tries it as often and as long as the
mapping says, sends what it gives up to the mapping's destination, and goes on; each shard goes on by itself, and of each as
many batches at a time as ``ParallelizationFactor`` says, those of one key in order.
https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-create.html

The emulator takes a reported failure for a success, tries a batch that fails for ever, and all streams and queues wait while a
function works records. It is short between tries here.
"""

from __future__ import annotations

import inspect
import itertools
import time
from dataclasses import dataclass

from ministack.core import responses
from ministack.services import lambda_svc

from .faults import expect
from .stream_batches import Batch
from .stream_metrics import count_events
from .stream_shards import Fields, arrival_of, as_sent, identifier_of, is_stream, read, sequence_of, shards_of

BATCH_SIZE = 100
#: Mapping and shard -> for each lane of it, the last record up to which nothing is left to do.
cursors: dict[tuple[str, str], list[int]] = {}
#: Mapping -> for each shard, the record after which it begins; of others it begins with the first.
begins: dict[str, dict[str, int]] = {}
#: The lanes that are worked: mapping, shard and number.
busy: set[tuple[str, str, int]] = set()


def check() -> None:
    """Nothing is read of what a function reports, and tries are not counted."""
    for name in ("_poll_dynamodb_streams", "_poll_kinesis"):
        code = inspect.getsource(getattr(lambda_svc, name))
        known = "batchItemFailures" in code or "MaximumRetryAttempts" in code
        expect(not known, f"the emulator now heeds what a mapping says of failures ({name})")


def apply() -> None:
    """Read each lane of each shard by itself."""
    release = lambda_svc._release_esm_poll_state

    def begin(esm_id: str, source_arn: str, starting: str) -> None:
        begins[esm_id] = {}
        if starting != "TRIM_HORIZON":
            source = {"EventSourceArn": source_arn}
            shards = shards_of(source) if is_stream(source) else {}
            begins[esm_id] = {shard_id: sequence_of(stored[-1]) for shard_id, stored in shards.items() if stored}

    def released(esm_id: str) -> None:
        release(esm_id)
        begins.pop(esm_id, None)
        for known in [each for each in cursors if each[0] == esm_id]:
            del cursors[known]

    lambda_svc._init_stream_position, lambda_svc._release_esm_poll_state = begin, released
    lambda_svc._poll_kinesis, lambda_svc._poll_dynamodb_streams = poll, nothing_left


def poll() -> bool:
    """Start what can be started, heeding batchItemFailures and MaximumRetryAttempts: whether there was anything."""
    return sum(_start_all(*found) for found in lambda_svc._iter_all_esms()) > 0


def nothing_left() -> bool:
    """All streams are polled at once, batchItemFailures and MaximumRetryAttempts included: by ``poll``."""
    return False


def _start_all(account: str, region: str, mapping: Fields) -> bool:
    if not mapping.get("Enabled", True) or not is_stream(mapping):
        return False
    with responses.request_scope(account, region):
        if lambda_svc._get_func_record_for_qualifier(mapping["FunctionName"], mapping.get("Qualifier"))[0] is None:
            return False
        number = int(mapping.get("ParallelizationFactor") or 1)
        lanes = [
            (Lane(mapping, shard_id, each, number), stored)
            for shard_id, stored in shards_of(mapping).items()
            for each in range(number)
        ]
        return sum(lane.start(stored) for lane, stored in lanes) > 0


@dataclass(frozen=True)
class Lane:
    """One of the sequences of batches of a shard that are worked at the same time.

    Args:
        mapping: The event source mapping.
        shard_id: The shard.
        number: Which it is, of
        lanes: so many.
    """

    mapping: Fields
    shard_id: str
    number: int
    lanes: int

    def start(self, stored: list[Fields]) -> bool:
        """Work the next batch of what the shard has, unless one is worked: whether there was any."""
        if self._name in busy:
            return False
        ended = self._ended()
        size = int(self.mapping.get("BatchSize") or BATCH_SIZE)
        waiting = list(itertools.islice(read(stored, after=ended[self.number], lane=self.number, lanes=self.lanes), size))
        records = [as_sent(each, self.mapping, self.shard_id) for each in waiting]
        if not records or self._waits_for_more(records, size):
            return False
        busy.add(self._name)
        lambda_svc._dispatch_esm_batch(self.mapping["UUID"], self._work, records, ended)
        return True

    @property
    def _name(self) -> tuple[str, str, int]:
        return self.mapping["UUID"], self.shard_id, self.number

    def _ended(self) -> list[int]:
        """For each lane, the record up to which all is done. With another number of lanes, all begin where the last was."""
        begin = begins.get(self.mapping["UUID"], {}).get(self.shard_id, 0)
        known = cursors.setdefault(self._name[:2], [begin] * self.lanes)
        if len(known) != self.lanes:
            known = cursors[self._name[:2]] = [min(known)] * self.lanes
        return known

    def _waits_for_more(self, records: list[Fields], size: int) -> bool:
        window = float(self.mapping.get("MaximumBatchingWindowInSeconds") or 0)
        return len(records) < size and time.time() < arrival_of(records[0]) + window

    def _work(self, records: list[Fields], ended: list[int]) -> None:
        def done(record: Fields) -> None:
            ended[self.number] = int(identifier_of(record))

        kept = lambda_svc._apply_filter_criteria(records, self.mapping)
        count_events(self.mapping, Polled=len(records), FilteredOut=len(records) - len(kept))
        try:
            if Batch(self.mapping, self.shard_id, done).work(kept):
                done(records[-1])
        finally:
            busy.discard(self._name)
