"""Where a batch of a stream's records goes that is given up; no correction, but part of one.

S3 gets all of it, a queue or a topic only where it was in the stream.
https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
"""

from __future__ import annotations

import json
import logging
import uuid
from datetime import UTC, datetime

from ministack.services import s3, sns, sqs

from .stream_metrics import count_events
from .stream_shards import Fields, arrival_of, identifier_of
from .targets import count

OK = 200
log = logging.getLogger(__name__)


def give_up(mapping: Fields, shard_id: str, records: list[Fields], *, condition: str, attempts: int) -> None:
    """Send records to the destination, and count them: those that arrive nowhere are dropped."""
    destination = ((mapping.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination")
    said = _said(mapping, shard_id, records, condition, attempts)
    if destination and _send(destination, said, mapping, shard_id, records):
        count_events(mapping, OnFailureDestinationDelivered=len(records))
        return
    if destination:
        count("AWS/Lambda", "DestinationDeliveryFailures", FunctionName=mapping["FunctionName"])
        log.warning("a batch of %s has no destination %s: %s", mapping["EventSourceArn"], destination, said)
    count_events(mapping, Dropped=len(records))


def _said(mapping: Fields, shard_id: str, records: list[Fields], condition: str, attempts: int) -> Fields:
    """AWS's pages name the condition of exhausted retries alone; that of age has a name like it here."""
    kind = "DDBStreamBatchInfo" if "dynamodb" in records[0] else "KinesisBatchInfo"
    return {
        "requestContext": {
            "requestId": str(uuid.uuid4()),
            "functionArn": mapping["FunctionArn"],
            "condition": condition,
            "approximateInvokeCount": attempts,
        },
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "version": "1.0",
        "timestamp": _time(datetime.now(UTC).timestamp()),
        kind: {
            "shardId": shard_id,
            "startSequenceNumber": identifier_of(records[0]),
            "endSequenceNumber": identifier_of(records[-1]),
            "approximateArrivalOfFirstRecord": _time(arrival_of(records[0])),
            "approximateArrivalOfLastRecord": _time(arrival_of(records[-1])),
            "batchSize": len(records),
            "streamArn": mapping["EventSourceArn"],
        },
    }


def _send(destination: str, said: Fields, mapping: Fields, shard_id: str, records: list[Fields]) -> bool:
    """Whether it has arrived."""
    match destination.split(":")[2]:
        case "s3":
            whole = {**said, "payload": json.dumps({"Records": records})}
            status, *_ = s3._put_object(destination.rpartition(":")[2], _key(mapping, shard_id), json.dumps(whole).encode(), {})
            return bool(status == OK)
        case "sqs" if queue := sqs._queue_by_arn(destination):
            sqs._act_send_message({"QueueUrl": queue["url"], "MessageBody": json.dumps(said)}, queue["url"])
            return True
        case "sns" if destination in sns._topics:
            sns.publish_internal(destination, json.dumps(said))
            return True
    return False


def _key(mapping: Fields, shard_id: str) -> str:
    return f"aws/lambda/{mapping['UUID']}/{shard_id}/{datetime.now(UTC):%Y/%m/%d/%Y-%m-%dT%H.%M.%S}-{uuid.uuid4()}"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
