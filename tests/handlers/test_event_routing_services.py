"""Events of AWS services in a route: they have no envelope, and what EventBridge wrote around them is taken for it."""

from typing import Any

import pytest
from types_boto3_dynamodb import DynamoDBClient

from tests.handlers.route_client import Routed, envelope_of, event

#: As on https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
CREATED: dict[str, Any] = {
    "version": "0",
    "id": "17793124-05d4-b198-2fde-7ededc63b103",
    "detail-type": "Object Created",
    "source": "aws.s3",
    "account": "111122223333",
    "time": "2026-03-01T12:00:01Z",
    "region": "ca-central-1",
    "resources": ["arn:aws:s3:::amzn-s3-demo-bucket1"],
    "detail": {
        "version": "0",
        "bucket": {"name": "amzn-s3-demo-bucket1"},
        "object": {
            "key": "example-key",
            "size": 5,
            "etag": "b57f9512698f4b09e608f4f2a65852e5",
            "sequencer": "00617F08299329D189",
        },
        "request-id": "N4N7GDK58NMKJ12R",
        "requester": "123456789012",
        "source-ip-address": "1.2.3.4",
        "reason": "PutObject",
    },
}


@pytest.fixture
def routed(dynamodb: DynamoDBClient) -> Routed:
    return Routed(dynamodb)


def test_an_event_of_a_service_is_kept_with_what_eventbridge_says_of_it(routed: Routed) -> None:
    assert routed.deliver(CREATED) == []
    row = routed.row
    left_out = ("state", "recorded_at", "expires_at")
    assert {name: value for name, value in row.items() if name not in left_out} == {
        "id": f"aws.s3#{CREATED['id']}",
        "event_id": CREATED["id"],
        "type": "Object Created",
        "source": "aws.s3",
        "time": "2026-03-01T12:00:01Z",
        "version": 1,
        "correlation_id": CREATED["id"],
        "causation_id": CREATED["id"],
        "data": CREATED["detail"],
    }


def test_an_event_of_a_service_has_its_effect_once(dynamodb: DynamoDBClient) -> None:
    seen: list[str] = []
    routed = Routed(dynamodb, lambda taken: seen.append(taken.id))
    for _ in range(3):
        assert routed.deliver(CREATED) == []
    assert seen == [CREATED["id"]]


def test_the_data_of_an_event_of_a_service_fit_the_schema_of_its_type(dynamodb: DynamoDBClient) -> None:
    routed = Routed(dynamodb, schemas={"Object Created": {"type": "object", "required": ["bucket", "colour"]}})
    assert routed.deliver(CREATED) == []
    assert "/data/colour is required" in routed.reason
    assert routed.rows == []


@pytest.mark.parametrize(
    "change", [{"source": "shop"}, {"source": "aws"}, {"id": ""}, {"id": None}, {"time": None}, {"detail": []}]
)
def test_what_only_looks_like_an_event_of_a_service_goes_to_the_dead_letter_queue(
    routed: Routed, change: dict[str, Any]
) -> None:
    assert routed.deliver(CREATED | change) == []
    assert len(routed.dead_letters) == 1
    assert routed.rows == []


def test_an_event_with_an_envelope_keeps_its_own_id(routed: Routed) -> None:
    assert routed.deliver(event() | {"id": "of EventBridge"}) == []
    assert routed.row["event_id"] == envelope_of(event()).id
