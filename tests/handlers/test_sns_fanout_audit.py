"""The audit: one row for each event, whatever was delivered how often."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from types_boto3_dynamodb import DynamoDBClient

from shared.aws import time_guard
from shared.envelope import Envelope
from sns_fanout.logic import Audit
from sns_fanout.store import AuditTable
from tests.handlers.api_client import Calls, Context
from tests.handlers.fanout_client import EVENT, Fanout, event, event_about


@pytest.fixture
def audit(dynamodb: DynamoDBClient) -> Fanout:
    return Fanout("audit", dynamodb)


def test_an_event_is_kept_with_all_that_its_envelope_says(audit: Fanout) -> None:
    assert audit.send(EVENT) == []
    (row,) = audit.rows
    assert row.pop("recorded_at").endswith("Z")
    assert row == EVENT | {"data": EVENT["data"] | {"amount": Decimal("19.99")}}


def test_a_row_says_when_it_was_written(dynamodb: DynamoDBClient, audit: Fanout) -> None:
    clock: Callable[[], datetime] = lambda: datetime(2026, 3, 1, 12, 0, 1, 5000, UTC)  # noqa: E731
    Audit(AuditTable("items-table", dynamodb), clock)(Envelope.parse(json.dumps(EVENT)), time_guard(Context()))  # type: ignore[arg-type]
    assert audit.rows[0]["recorded_at"] == "2026-03-01T12:00:01.005Z"


def test_an_event_that_comes_again_under_another_message_id_has_one_row(audit: Fanout) -> None:
    for _ in range(3):
        assert audit.send(EVENT) == []
    assert len(audit.rows) == 1


def test_the_row_of_an_event_is_never_changed_by_a_later_one_with_its_id(audit: Fanout) -> None:
    audit.send(EVENT)
    first = audit.rows
    assert audit.send(event_about(amount=1)) == []
    assert audit.rows == first


def test_an_event_twice_in_one_batch_has_one_row(audit: Fanout) -> None:
    assert audit.send(EVENT, EVENT, event(id="43:PAID")) == []
    assert [row["id"] for row in audit.rows] == ["42:PAID", "43:PAID"]


def test_numbers_are_kept_with_all_their_38_digits(audit: Fanout) -> None:
    digits = "12345678901234567890123456789.123456789"
    audit.send(json.dumps(event_about(amount="?")).replace('"?"', digits))
    assert audit.rows[0]["data"]["amount"] == Decimal(digits)


def test_data_of_any_shape_is_kept_as_it_is(audit: Fanout) -> None:
    data: dict[str, Any] = {"items": [{"sku": "a", "tags": []}, None, True, ""], "note": "Grüße 🎉", "empty": {}}
    audit.send(event(data=data))
    assert audit.rows[0]["data"] == data


def test_an_event_is_one_conditional_put(audit: Fanout, calls: Calls) -> None:
    audit.send(EVENT)
    assert calls.names == ["PutItem"]
    assert calls.made[0][1]["ConditionExpression"] == "attribute_not_exists(id)"


def test_an_event_of_256_kb_is_kept(audit: Fanout) -> None:
    large = event_about(note="x" * (256 * 1024 - len(json.dumps(event_about(note="")))))
    assert len(json.dumps(large)) == 256 * 1024
    assert audit.send(large) == []
    assert audit.rows[0]["data"] == json.loads(json.dumps(large["data"]), parse_float=Decimal)


def test_an_event_larger_than_a_row_goes_to_the_dead_letter_queue_at_once(audit: Fanout) -> None:
    large = event_about(note="x" * 450_000)
    assert audit.send(large) == []
    ((body, attributes),) = audit.dead_letters
    assert json.loads(body) == large
    assert attributes["Reason"].startswith("The table takes no row of this event: a row has at most 400 KB")
    assert attributes["Error"] == "InvalidError"


def test_a_row_that_was_written_before_its_answer_got_lost_is_a_duplicate_at_the_next_try(
    audit: Fanout, dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = dynamodb.put_item

    def lost(**parameters: Any) -> None:
        put(**parameters)
        raise TimeoutError

    monkeypatch.setattr(dynamodb, "put_item", lost)
    (again,) = audit.send(EVENT)
    monkeypatch.setattr(dynamodb, "put_item", put)
    assert audit.send(again) == []
    assert len(audit.rows) == 1
