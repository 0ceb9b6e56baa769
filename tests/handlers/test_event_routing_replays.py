"""Replays: an archive brings events again, and they have no second effect."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from types_boto3_dynamodb import DynamoDBClient

from event_routing.api import Envelope
from tests.handlers.api_client import Calls
from tests.handlers.route_client import EVENT, NOW, REPLAYED, Routed, event

DAY = 86_400


@pytest.fixture
def routed(dynamodb: DynamoDBClient) -> Routed:
    return Routed(dynamodb)


def test_the_kept_replay_is_the_kept_event_but_for_its_mark() -> None:
    assert {key: value for key, value in REPLAYED.items() if key != "replay-name"} == EVENT


def test_a_replayed_event_that_was_never_taken_has_its_effect_and_its_row_says_who_brought_it(routed: Routed) -> None:
    routed.deliver(REPLAYED)
    assert (routed.row["state"], routed.row["replayed"]) == ("COMPLETE", "after-the-outage")


def test_the_row_of_an_event_that_came_by_itself_has_no_mark(routed: Routed) -> None:
    routed.deliver(event())
    assert "replayed" not in routed.row


def test_a_replayed_event_that_was_taken_is_only_marked(routed: Routed, capsys: pytest.CaptureFixture[str]) -> None:
    routed.deliver(event())
    before = routed.row
    capsys.readouterr()
    routed.now += DAY
    assert routed.deliver(REPLAYED) == []
    assert routed.row == before | {"replayed": "after-the-outage"}
    assert '"Events"' not in capsys.readouterr().out
    assert routed.dead_letters == []


def test_the_last_replay_is_the_mark(routed: Routed) -> None:
    routed.deliver(REPLAYED, REPLAYED | {"replay-name": "second"})
    assert routed.row["replayed"] == "second"


def test_an_event_that_comes_by_itself_after_its_replay_has_no_effect(routed: Routed, calls: Calls) -> None:
    routed.deliver(REPLAYED)
    routed.deliver(event(amount=5))
    assert routed.row["replayed"] == "after-the-outage"
    assert routed.row["data"]["amount"] != 5
    assert calls.names.count("UpdateItem") == 2


def test_a_users_function_is_not_called_for_a_replay_of_what_it_handled(routed: Routed) -> None:
    handled: list[Envelope] = []
    routed.handle = handled.append
    routed.deliver(event(), REPLAYED, REPLAYED)
    assert len(handled) == 1
    assert routed.row["replayed"] == "after-the-outage"


def test_a_users_function_is_called_for_a_replay_of_what_failed(routed: Routed) -> None:
    def fail(_: Envelope) -> None:
        raise RuntimeError

    routed.handle = fail
    routed.deliver(event(), receive_count=5)
    handled: list[Envelope] = []
    routed.handle = handled.append
    assert routed.deliver(REPLAYED) == []
    assert [each.id for each in handled] == ["42:PAID"]
    assert (routed.row["state"], routed.row["replayed"]) == ("COMPLETE", "after-the-outage")


@pytest.mark.parametrize("seconds", [35 * DAY, 400 * DAY])
def test_a_replay_of_what_may_have_been_forgotten_is_refused(routed: Routed, calls: Calls, seconds: int) -> None:
    routed.now = NOW - 60 + seconds
    assert routed.deliver(REPLAYED) == []
    assert "EVENT_SECONDS" in routed.reason
    assert "3024000 seconds" in routed.reason
    assert calls.names == []


def test_a_replay_of_what_is_still_known_is_taken(routed: Routed) -> None:
    routed.now = NOW - 61 + 35 * DAY
    assert routed.deliver(REPLAYED) == []
    assert (routed.dead_letters, len(routed.rows)) == ([], 1)


def test_a_longer_memory_takes_an_older_replay(routed: Routed) -> None:
    routed.variables = {"EVENT_SECONDS": str(401 * DAY)}
    routed.now = NOW + 400 * DAY
    assert routed.deliver(REPLAYED) == []
    assert (routed.dead_letters, len(routed.rows)) == ([], 1)


def test_an_old_event_that_comes_by_itself_is_taken(routed: Routed) -> None:
    routed.now = NOW + 400 * DAY
    assert routed.deliver(event()) == []
    assert (routed.dead_letters, len(routed.rows)) == ([], 1)


@pytest.mark.parametrize("time", [None, "2026-03-01T24:59:99Z", "0001-01-01T00:00:00+23:59"])
def test_a_replay_whose_age_cannot_be_told_is_refused(routed: Routed, time: str | None) -> None:
    replay = {key: value for key, value in REPLAYED.items() if key != "time"} | ({"time": time} if time else {})
    assert routed.deliver(replay) == []
    assert routed.reason
    assert routed.rows == []


def test_the_age_is_that_on_the_bus_and_not_what_the_publisher_says(routed: Routed) -> None:
    replay = event(base=REPLAYED)
    replay["detail"]["metadata"]["time"] = "1999-01-01T00:00:00Z"
    assert routed.deliver(replay) == []
    assert (routed.dead_letters, len(routed.rows)) == ([], 1)


@pytest.mark.parametrize("name", [5, None, []])
def test_a_replay_name_that_is_no_text_is_no_event(routed: Routed, name: object) -> None:
    routed.deliver(REPLAYED | {"replay-name": name})
    assert "/replay-name" in routed.reason


@pytest.mark.parametrize(("first", "result"), [([], "done"), ([EVENT], "duplicate")])
def test_the_log_says_that_an_event_was_replayed(
    routed: Routed, log_lines: Callable[[], list[dict[str, Any]]], first: list[Any], result: str
) -> None:
    routed.deliver(*first, REPLAYED)
    line = [line for line in log_lines() if line["message"] == "event"][-1]
    assert (line["result"], line["replayed"]) == (result, True)


def test_a_replay_that_cannot_be_marked_comes_again(routed: Routed, monkeypatch: pytest.MonkeyPatch) -> None:
    routed.deliver(event())
    update = routed.dynamodb.update_item

    def fail_to_mark(**parameters: Any) -> Any:
        if parameters["UpdateExpression"].startswith("SET replayed"):
            raise ConnectionError
        return update(**parameters)

    monkeypatch.setattr(routed.dynamodb, "update_item", fail_to_mark)
    body = json.dumps(REPLAYED)
    assert routed.deliver(body) == [body]
