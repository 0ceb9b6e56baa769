"""The shards of DynamoDB's streams and of Kinesis', as Lambda reads them; no correction, but part of one."""

from __future__ import annotations

import base64
import bisect
import zlib
from collections.abc import Iterator
from typing import Any

from ministack.core.arn import parse_arn
from ministack.core.responses import get_region
from ministack.services import dynamodb, kinesis, lambda_svc

Fields = dict[str, Any]
#: A stream of DynamoDB is one shard here: its table is small.
ONLY_SHARD = "shardId-00000000000000000000-00000000"


def is_stream(mapping: Fields) -> bool:
    """Whether a mapping reads a stream."""
    return str(mapping.get("EventSourceArn")).startswith(("arn:aws:dynamodb:", "arn:aws:kinesis:"))


def shards_of(mapping: Fields) -> dict[str, list[Fields]]:
    """The records of each shard, as they are stored, the oldest first; nothing of a stream that is gone."""
    arn = mapping["EventSourceArn"]
    source = parse_arn(arn)
    if source.service == "dynamodb":
        name = source.resource.split("/")[1]
        there = (dynamodb._tables.get(name) or {}).get("LatestStreamArn") == arn
        return {ONLY_SHARD: dynamodb.stream_live_records(name)} if there else {}
    stream = kinesis._streams.get_scoped(source.account_id, source.region, source.resource.removeprefix("stream/"))
    if not stream or stream["StreamARN"] != arn or stream["StreamStatus"] != "ACTIVE":
        return {}
    return {shard_id: shard["records"] for shard_id, shard in stream["shards"].items()}


def sequence_of(stored: Fields) -> int:
    """The place of a record in its shard."""
    return int(stored["SequenceNumber"] if "SequenceNumber" in stored else identifier_of(stored))


def read(stored: list[Fields], *, after: int, lane: int, lanes: int) -> Iterator[Fields]:
    """The records after one, of the keys that belong to a lane: those of one key stay in order, in one lane."""
    for index in range(bisect.bisect_right(stored, after, key=sequence_of), len(stored)):
        record = stored[index]
        if lanes == 1 or zlib.crc32(_key_of(record).encode()) % lanes == lane:
            yield record


def as_sent(stored: Fields, mapping: Fields, shard_id: str) -> Fields:
    """A record as the function gets it: https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html."""
    if "dynamodb" in stored:
        return stored
    data = stored["Data"]
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": stored["PartitionKey"],
            "sequenceNumber": stored["SequenceNumber"],
            "data": base64.b64encode(data).decode() if isinstance(data, bytes) else data,
            "approximateArrivalTimestamp": stored["ApproximateArrivalTimestamp"],
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard_id}:{stored['SequenceNumber']}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": lambda_svc._functions[mapping["FunctionName"]]["config"]["Role"],
        "awsRegion": get_region(),
        "eventSourceARN": mapping["EventSourceArn"],
    }


def identifier_of(sent: Fields) -> str:
    """The sequence number of a record as the function gets it: how it names one that failed."""
    return str(sent["dynamodb"]["SequenceNumber"] if "dynamodb" in sent else sent["kinesis"]["sequenceNumber"])


def arrival_of(sent: Fields) -> float:
    """When it was written, in seconds since 1970."""
    if "dynamodb" in sent:
        return float(sent["dynamodb"]["ApproximateCreationDateTime"])
    return float(sent["kinesis"]["approximateArrivalTimestamp"])


def _key_of(stored: Fields) -> str:
    return str(stored["dynamodb"]["Keys"] if "dynamodb" in stored else stored["PartitionKey"])
