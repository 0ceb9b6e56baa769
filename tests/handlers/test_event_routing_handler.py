"""The user's own function: called for each event until it has handled it, and not again."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from types_boto3_dynamodb import DynamoDBClient

from event_routing.api import Envelope, Rejected
from shared.errors import InvalidError, UnavailableError
from shared.queue_consumer import GivenUpError, PostponedError
from tests.handlers.api_client import Calls
from tests.handlers.route_client import EVENT, NOW, Routed, envelope_of, event


@dataclass
class Own:
    """A function of the user's that fails as it is told to."""

    errors: list[BaseException | None] = field(default_factory=list)
    handled: list[Envelope] = field(default_factory=list)
    during: Callable[[], object] = lambda: None

    def __call__(self, event: Envelope, /) -> None:
        self.during()
        error = self.errors.pop(0) if self.errors else None
        if error:
            raise error
        self.handled.append(event)


class Death(BaseException):
    """The function ends: nothing of it runs any more."""


@pytest.fixture
def own() -> Own:
    return Own()


@pytest.fixture
def routed(dynamodb: DynamoDBClient, own: Own) -> Routed:
    return Routed(dynamodb, own)


def die(routed: Routed, **more: Any) -> None:
    with pytest.raises(Death):
        routed.deliver(event(), **more)


def test_it_is_given_the_envelope(routed: Routed, own: Own) -> None:
    assert routed.deliver(event()) == []
    assert own.handled == [envelope_of(EVENT)]


def test_the_row_says_that_it_is_done_and_keeps_no_data(routed: Routed) -> None:
    routed.deliver(event())
    row = routed.row
    assert (row["state"], row["expires_at"]) == ("COMPLETE", int(NOW) + 35 * 86_400)
    assert not {"data", "claimed_until"} & row.keys()


def test_while_it_works_the_row_says_until_when(routed: Routed, own: Own) -> None:
    seen: list[dict[str, Any]] = []
    own.during = lambda: seen.append(routed.row)
    routed.deliver(event())
    assert (seen[0]["state"], seen[0]["claimed_until"]) == ("IN_PROGRESS", int(NOW) + 30 + 5)


def test_an_event_is_handled_once_however_often_it_comes(routed: Routed, own: Own) -> None:
    assert routed.deliver(event(), event()) == []
    assert routed.deliver(event()) == []
    assert (len(own.handled), routed.dead_letters) == (1, [])


def test_each_event_of_a_batch_is_handled(routed: Routed, own: Own) -> None:
    routed.deliver(event(1), event(2), event(3))
    assert [each.id for each in own.handled] == ["1:PAID", "2:PAID", "3:PAID"]


def test_handling_takes_two_calls(routed: Routed, calls: Calls) -> None:
    routed.deliver(event())
    assert calls.names == ["UpdateItem", "UpdateItem"]


def test_an_event_larger_than_a_row_can_be_handled(routed: Routed, own: Own, calls: Calls) -> None:
    routed.deliver(event(text="x" * 500_000))
    assert len(own.handled) == 1
    assert len(json.dumps(calls.made)) < 5000


@pytest.mark.parametrize("error", [RuntimeError("card 4111"), UnavailableError("down"), KeyError("x")], ids=repr)
def test_an_event_whose_handling_failed_comes_again_and_is_handled(routed: Routed, own: Own, error: Exception) -> None:
    own.errors = [error]
    body = json.dumps(event())
    assert routed.deliver(body) == [body]
    assert (routed.waits, own.handled) == ([30], [])
    assert routed.deliver(body, receive_count=2) == []
    assert (len(own.handled), routed.row["state"]) == (1, "COMPLETE")


def test_a_failed_event_does_not_hold_up_the_others(routed: Routed, own: Own) -> None:
    own.errors = [None, RuntimeError()]
    assert routed.deliver(event(1), event(2), event(3)) == [json.dumps(event(2))]
    assert [each.id for each in own.handled] == ["1:PAID", "3:PAID"]


def test_after_its_last_try_an_event_goes_to_the_dead_letter_queue_without_the_text_of_the_error(
    routed: Routed, own: Own
) -> None:
    own.errors = [RuntimeError("card 4111")]
    assert routed.deliver(event(), receive_count=5) == []
    assert routed.reason == "unexpected error: RuntimeError"


def test_an_event_from_the_dead_letter_queue_is_handled(routed: Routed, own: Own) -> None:
    own.errors = [RuntimeError()]
    routed.deliver(event(), receive_count=5)
    assert routed.deliver(event()) == []
    assert len(own.handled) == 1


def test_it_can_reject_an_event(routed: Routed, own: Own) -> None:
    own.errors = [Rejected("the quantity is below 1")]
    assert routed.deliver(event()) == []
    assert routed.reason == "the quantity is below 1"
    assert routed.deliver(event()) == []
    assert len(own.handled) == 1


def test_a_reason_that_is_no_text_is_written_as_one(routed: Routed, own: Own) -> None:
    own.errors = [Rejected(5)]  # type: ignore[arg-type]
    assert routed.deliver(event()) == []
    assert routed.reason == "5"


@pytest.mark.parametrize("error", [InvalidError("no such item"), GivenUpError("no such item")], ids=repr)
def test_errors_of_the_library_mean_what_they_mean_everywhere(routed: Routed, own: Own, error: Exception) -> None:
    own.errors = [error]
    assert routed.deliver(event()) == []
    assert routed.reason == "no such item"


def test_it_can_put_an_event_off(routed: Routed, own: Own) -> None:
    own.errors = [PostponedError("not yet", delay=60)]
    assert routed.deliver(event()) == []
    assert [delay for _, delay in routed.postponed] == [60]
    routed.deliver(event())
    assert len(own.handled) == 1


def test_an_event_whose_function_died_is_handled_once_the_time_is_over(routed: Routed, own: Own) -> None:
    own.errors = [Death()]
    die(routed)
    routed.now += 36
    assert routed.deliver(event(), receive_count=2) == []
    assert (len(own.handled), routed.row["state"]) == (1, "COMPLETE")
    assert "claimed_until" not in routed.row


def test_until_then_it_is_put_off_for_as_long_as_that_lasts_and_not_tried(routed: Routed, own: Own) -> None:
    own.errors = [Death()]
    die(routed)
    routed.now += 10
    assert routed.deliver(event()) == []
    assert routed.postponed == [(json.dumps(event()), 26)]
    assert (own.handled, routed.dead_letters) == ([], [])
    routed.now += 26
    routed.deliver(event())
    assert len(own.handled) == 1


def test_at_the_last_second_it_is_still_another_ones(routed: Routed, own: Own) -> None:
    own.errors = [Death()]
    die(routed)
    routed.now = float(routed.row["claimed_until"])
    routed.deliver(event())
    assert (own.handled, [delay for _, delay in routed.postponed]) == ([], [1])


def test_the_time_is_the_rest_of_the_invocation_and_what_clocks_differ_by(routed: Routed, own: Own) -> None:
    own.errors = [Death()]
    routed.context.milliseconds_left = 59_001
    routed.now += 0.5
    die(routed)
    assert routed.row["claimed_until"] == int(NOW) + 60 + 5


def test_of_two_at_once_one_handles_it(routed: Routed, own: Own) -> None:
    def second() -> None:
        own.during = lambda: None
        assert routed.deliver(event()) == []

    own.during = second
    routed.deliver(event())
    assert len(own.handled) == 1
    assert [delay for _, delay in routed.postponed] == [36]
    assert routed.row["state"] == "COMPLETE"


def test_an_event_that_the_function_died_of_each_time_is_given_up_with_that_reason(routed: Routed, own: Own) -> None:
    for count in range(1, 6):
        own.errors = [Death()]
        die(routed, receive_count=count)
        routed.now += 36
    assert routed.deliver(event(), receive_count=6) == []
    assert "The function ended before it was done, each of 5 times" in routed.reason
    assert own.handled == []


def test_an_event_that_was_given_up_can_be_sent_again(routed: Routed, own: Own) -> None:
    routed.deliver(event(), receive_count=6)
    assert routed.deliver(event()) == []
    assert len(own.handled) == 1


def test_an_event_that_is_done_is_not_given_up_however_often_it_was_received(routed: Routed) -> None:
    routed.deliver(event())
    assert routed.deliver(event(), receive_count=6) == []
    assert routed.dead_letters == []


def test_in_a_fifo_queue_waiting_is_no_try(routed: Routed, own: Own) -> None:
    assert routed.deliver(event(), receive_count=60, fifo=True) == []
    assert (len(own.handled), routed.dead_letters) == (1, [])


def test_if_it_cannot_be_released_it_comes_again_when_its_time_is_over(
    routed: Routed, own: Own, monkeypatch: pytest.MonkeyPatch, log_lines: Callable[[], list[dict[str, Any]]]
) -> None:
    own.errors = [RuntimeError()]
    own.during = lambda: monkeypatch.setattr(routed.dynamodb, "update_item", no_table)
    body = json.dumps(event())
    assert routed.deliver(body) == [body]
    monkeypatch.undo()
    own.during = lambda: None
    routed.now += 36
    assert routed.deliver(body) == []
    assert len(own.handled) == 1
    assert "event not released" in [line["message"] for line in log_lines()]


def test_if_it_cannot_be_noted_as_done_it_is_handled_once_more(
    routed: Routed, own: Own, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.during = lambda: monkeypatch.setattr(routed.dynamodb, "update_item", no_table)
    body = json.dumps(event())
    assert routed.deliver(body) == [body]
    monkeypatch.undo()
    own.during = lambda: None
    assert routed.deliver(body) == []
    assert len(own.handled) == 1
    routed.now += 36
    routed.deliver(body)
    assert len(own.handled) == 2


def test_an_event_is_counted_when_it_was_handled_and_not_when_that_failed(
    routed: Routed, own: Own, capsys: pytest.CaptureFixture[str]
) -> None:
    own.errors = [RuntimeError()]
    routed.deliver(event(1), event(2), event(2))
    assert len([line for line in capsys.readouterr().out.splitlines() if '"EventType"' in line]) == 1


def test_a_route_that_loses_its_function_keeps_what_it_had_not_handled(routed: Routed, own: Own) -> None:
    own.errors = [Death()]
    die(routed)
    routed.now += 36
    routed.handle = None
    assert routed.deliver(event(), event()) == []
    assert (routed.row["state"], routed.row["data"]["order_id"]) == ("COMPLETE", "42")
    routed.now += 36
    assert routed.deliver(event(amount=5)) == []
    assert routed.row["data"]["amount"] != 5


def test_a_route_that_gets_a_function_does_not_handle_what_was_kept(routed: Routed, own: Own) -> None:
    routed.handle = None
    routed.deliver(event())
    routed.handle = own
    assert routed.deliver(event()) == []
    assert own.handled == []


def test_data_that_does_not_fit_is_never_handled(routed: Routed, own: Own) -> None:
    routed.schemas = {"orders.paid": {"required": ["shop"]}}
    routed.deliver(event())
    assert own.handled == []


def no_table(**_: object) -> Any:
    raise ConnectionError
