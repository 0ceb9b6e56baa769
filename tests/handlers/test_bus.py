"""Putting events on a bus: each is taken once, or given back."""

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.aws import CLIENT_CONFIG
from shared.bus import (
    LEAST_BUDGET_SECONDS,
    MOST_BYTES,
    MOST_ENTRIES,
    Announces,
    Chance,
    NotTakenError,
    Publisher,
    Waiting,
    requests_of,
    size_of,
)
from shared.envelope import Envelope
from shared.envelope.on_a_bus import entry_of
from shared.errors import HandlerError, InvalidError, TooLargeError, UnavailableError
from shared.queue_consumer import reason_of
from shared.topic import Topic

BUS = "arn:aws:events:eu-central-1:123456789012:event-bus/orders"
PASSING = ["ThrottlingException", "InternalFailure", "InternalException", "ServiceUnavailable"]
FINAL = [
    "AccessDeniedException",
    "InvalidAccountIdException",
    "InvalidArgument",
    "MalformedDetail",
    "RedactionFailure",
    "NotAuthorizedForSourceException",
    "NotAuthorizedForDetailTypeException",
    "ResourceNotFoundException",
    "SomethingNew",
]


def event(number: int = 0, **data: Any) -> Envelope:
    return Envelope(
        id=f"e-{number}",
        type="orders.paid",
        time="2026-03-01T12:00:00Z",
        correlation_id="o-1",
        causation_id="m-1",
        source="orders",
        data=data,
    )


def events(count: int) -> list[Envelope]:
    return [event(number) for number in range(count)]


def event_of_size(size: int, number: int = 0) -> Envelope:
    """An event whose entry has exactly this size."""
    return event(number, text="x" * (size - size_of(entry_of(event(number, text="")))))


def refusal(code: str, status: int = 400) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": BUS}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "PutEvents",
    )


#: What becomes of the entries of one request: the code of each, "" if it is taken; or what is raised.
Answer = Sequence[str] | Exception


@dataclass
class Bus:
    """A bus that takes what it is told to, and refuses what EventBridge refuses."""

    answers: Iterator[Answer] = field(default_factory=lambda: iter(()))
    requests: list[list[str]] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    seconds: float = 0
    clock: float = 1000
    pauses: list[float] = field(default_factory=list)
    luck: float = 1

    def put_events(self, **parameters: Any) -> dict[str, Any]:
        (entries,) = parameters.values()
        assert 1 <= len(entries) <= MOST_ENTRIES
        assert sum(map(size_of, entries)) <= MOST_BYTES
        assert {entry["EventBusName"] for entry in entries} == {BUS}
        ids = [json.loads(entry["Detail"])["metadata"]["id"] for entry in entries]
        self.requests.append(ids)
        self.clock += self.seconds
        answer = next(self.answers, ())
        if isinstance(answer, Exception):
            raise answer
        codes = [*answer, *[""] * len(ids)][: len(ids)]
        self.taken += [each for each, code in zip(ids, codes, strict=True) if not code]
        results = [{"ErrorCode": code, "ErrorMessage": BUS} if code else {"EventId": "1"} for code in codes]
        return {"FailedEntryCount": sum(map(bool, codes)), "Entries": results}

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock += seconds

    def publisher(self, budget_seconds: float = 10) -> Publisher:
        return Publisher(BUS, self, budget_seconds, Chance(lambda: self.luck, lambda: self.clock, self.sleep))


def bus_that_answers(*answers: Answer, **more: Any) -> Bus:
    return Bus(iter(answers), **more)


def left_of(bus: Bus, given: Iterable[Envelope], budget_seconds: float = 10) -> list[tuple[str, str]]:
    """The id and code of each event that is given back."""
    with pytest.raises(NotTakenError) as caught:
        bus.publisher(budget_seconds).publish_all(given)
    assert caught.value.events == tuple(each.event for each in caught.value.left)
    return [(each.event.id, each.code) for each in caught.value.left]


def test_an_event_is_put_on_the_bus_as_rules_match_it() -> None:
    calls: list[Any] = []

    class Client:
        def put_events(self, **parameters: Any) -> Any:
            calls.append(parameters)
            return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}

    Publisher(BUS, Client()).publish(event(amount=1))
    detail = {
        "metadata": {
            "id": "e-0",
            "version": 1,
            "time": "2026-03-01T12:00:00Z",
            "correlation_id": "o-1",
            "causation_id": "m-1",
        },
        "data": {"amount": 1},
    }
    ((entry,),) = [call["Entries"] for call in calls]
    assert json.loads(entry.pop("Detail")) == detail
    assert entry == {"Source": "orders", "DetailType": "orders.paid", "EventBusName": BUS}


def test_a_publisher_stands_for_a_topic() -> None:
    assert isinstance(Publisher(BUS, Bus()), Announces)
    assert isinstance(Topic("arn:aws:sns:eu-central-1:123456789012:orders"), Announces)


def test_no_events_make_no_request() -> None:
    bus = Bus()
    bus.publisher().publish_all([])
    assert bus.requests == []


def test_events_go_ten_to_a_request_in_their_order() -> None:
    bus = Bus()
    bus.publisher().publish_all(events(23))
    assert [len(request) for request in bus.requests] == [10, 10, 3]
    assert bus.taken == [f"e-{number}" for number in range(23)]


def test_a_generator_of_events_is_read_once() -> None:
    bus = bus_that_answers(["ThrottlingException"])
    bus.publisher().publish_all(each for each in events(3))
    assert bus.requests == [["e-0", "e-1", "e-2"], ["e-0"]]


@pytest.mark.parametrize(("sizes", "requests"), [([MOST_BYTES], [1]), ([500_000, 499_999], [2]), ([500_000, 500_000], [1, 1])])
def test_the_entries_of_a_request_have_less_than_a_megabyte_together(sizes: list[int], requests: list[int]) -> None:
    bus = Bus()
    bus.publisher().publish_all(event_of_size(size, number) for number, size in enumerate(sizes))
    assert [len(request) for request in bus.requests] == requests


def test_a_small_event_does_not_overtake_a_large_one() -> None:
    bus = Bus()
    bus.publisher().publish_all([event_of_size(600_000, 0), event_of_size(600_000, 1), event(2)])
    assert bus.requests == [["e-0"], ["e-1", "e-2"]]


def test_an_event_that_is_too_large_is_named_with_its_size_and_the_limit() -> None:
    with pytest.raises(TooLargeError, match=r"^The event e-7 has 1000000 bytes, and an entry at most 999999: .*bucket"):
        Bus().publisher().publish(event_of_size(MOST_BYTES + 1, 7))


def test_if_one_event_is_too_large_none_is_sent() -> None:
    bus = Bus()
    with pytest.raises(TooLargeError):
        bus.publisher().publish_all([event(0), event_of_size(MOST_BYTES + 1, 1)])
    assert bus.requests == []


def test_if_one_event_can_never_be_read_none_is_sent() -> None:
    bus = Bus()
    with pytest.raises(InvalidError):
        bus.publisher().publish_all([event(0), event(1, amount=2**70)])
    assert bus.requests == []


def test_the_size_is_that_of_utf8_as_eventbridge_counts() -> None:
    assert size_of({"Source": "ä", "DetailType": "€", "Detail": '{"a":"ü"}', "EventBusName": BUS}) == 2 + 3 + 10


@given(st.lists(st.integers(1, MOST_BYTES)))
def test_of_any_sizes_each_event_is_in_one_request_in_its_order_and_within_the_limits(sizes: list[int]) -> None:
    waiting = [Waiting(position, event(), {}, size) for position, size in enumerate(sizes)]
    requests = list(requests_of(waiting))
    assert list(itertools.chain(*requests)) == waiting
    assert all(1 <= len(request) <= MOST_ENTRIES for request in requests)
    assert all(sum(each.size for each in request) <= MOST_BYTES for request in requests)


@given(st.lists(st.integers(1, MOST_BYTES), min_size=1))
def test_a_request_ends_only_where_the_next_event_does_not_fit(sizes: list[int]) -> None:
    requests = list(requests_of(Waiting(position, event(), {}, size) for position, size in enumerate(sizes)))
    for request, following in itertools.pairwise(requests):
        assert len(request) == MOST_ENTRIES or sum(each.size for each in [*request, following[0]]) > MOST_BYTES


def test_only_the_entries_that_failed_are_sent_again() -> None:
    bus = bus_that_answers(["", "ThrottlingException", "", "InternalFailure"])
    bus.publisher().publish_all(events(5))
    assert bus.requests == [["e-0", "e-1", "e-2", "e-3", "e-4"], ["e-1", "e-3"]]
    assert sorted(bus.taken) == [each.id for each in events(5)]


def test_what_failed_in_several_requests_is_sent_again_together() -> None:
    bus = bus_that_answers(["ThrottlingException"], ["", "ThrottlingException"])
    bus.publisher().publish_all(events(20))
    assert bus.requests[2:] == [["e-0", "e-11"]]


@pytest.mark.parametrize("code", PASSING)
def test_an_entry_that_failed_with_what_passes_is_sent_again(code: str) -> None:
    bus = bus_that_answers([code], [code])
    bus.publisher().publish(event())
    assert (len(bus.requests), bus.taken) == (3, ["e-0"])


@pytest.mark.parametrize("code", FINAL)
def test_an_entry_that_failed_for_good_is_given_back_at_once(code: str) -> None:
    bus = bus_that_answers(["", code])
    assert left_of(bus, events(3)) == [("e-1", code)]
    assert (len(bus.requests), bus.pauses, bus.taken) == (1, [], ["e-0", "e-2"])


@pytest.mark.parametrize(
    "error",
    [
        *(refusal(code) for code in ("ThrottlingException", "Throttling", "RequestLimitExceeded", "ServiceUnavailable")),
        refusal("InternalException", 500),
        refusal("Unheard", 503),
        EndpointConnectionError(endpoint_url="https://events"),
        ConnectTimeoutError(endpoint_url="https://events"),
        ReadTimeoutError(endpoint_url="https://events"),
    ],
    ids=lambda error: str(error)[:60],
)
def test_a_request_that_failed_with_what_passes_is_sent_again(error: Exception) -> None:
    bus = bus_that_answers(error)
    bus.publisher().publish_all(events(2))
    assert bus.requests == [["e-0", "e-1"]] * 2


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (refusal("AccessDeniedException"), "AccessDeniedException"),
        (refusal("ResourceNotFoundException"), "ResourceNotFoundException"),
        (refusal("ValidationException"), "ValidationException"),
        (NoCredentialsError(), "NoCredentialsError"),
    ],
)
def test_a_request_that_failed_for_good_gives_its_events_back_at_once(error: Exception, code: str) -> None:
    bus = bus_that_answers(error)
    assert left_of(bus, events(2)) == [("e-0", code), ("e-1", code)]
    assert (len(bus.requests), bus.pauses) == (1, [])


def test_a_request_that_failed_does_not_hold_up_the_next_one() -> None:
    bus = bus_that_answers(refusal("ValidationException"))
    assert len(left_of(bus, events(15))) == 10
    assert bus.taken == [f"e-{number}" for number in range(10, 15)]


def test_what_is_left_is_told_in_the_order_in_which_it_was_given() -> None:
    bus = bus_that_answers(["ThrottlingException", "MalformedDetail"], ["AccessDeniedException"])
    assert left_of(bus, events(3)) == [("e-0", "AccessDeniedException"), ("e-1", "MalformedDetail")]


def test_what_is_left_can_be_put_on_the_bus_later() -> None:
    bus = bus_that_answers(["", "MalformedDetail", "MalformedDetail"])
    with pytest.raises(NotTakenError) as caught:
        bus.publisher().publish_all(events(4))
    bus.publisher().publish_all(caught.value.events)
    assert Counter(bus.taken) == Counter(each.id for each in events(4))


def test_an_error_counts_the_events_and_names_the_codes_and_neither_bus_nor_message() -> None:
    bus = bus_that_answers(["MalformedDetail", "AccessDeniedException", "MalformedDetail"])
    with pytest.raises(NotTakenError) as caught:
        bus.publisher().publish_all(events(4))
    assert caught.value.detail == "The bus did not take 3 of the events: AccessDeniedException, MalformedDetail."


def test_a_queues_worker_tries_again_after_it() -> None:
    assert issubclass(NotTakenError, UnavailableError)
    assert issubclass(NotTakenError, HandlerError)
    assert reason_of(NotTakenError([])).startswith("The bus did not take")


def test_it_goes_on_until_the_time_is_over_and_not_beyond() -> None:
    bus = Bus(itertools.repeat(["ThrottlingException"]), seconds=0.5)
    assert left_of(bus, events(1), budget_seconds=10) == [("e-0", "ThrottlingException")]
    assert 7 < bus.clock - 1000 <= 10
    assert len(bus.requests) > 5


def test_a_request_is_only_made_if_there_is_time_for_a_slow_answer() -> None:
    bus = Bus(seconds=3)
    left = left_of(bus, events(35), budget_seconds=8.9)
    assert [len(request) for request in bus.requests] == [10, 10]
    assert left == [(f"e-{number}", "OutOfTime") for number in range(20, 35)]


def test_the_shortest_budget_is_enough_for_one_request_and_no_second() -> None:
    bus = bus_that_answers(["ThrottlingException"], seconds=0.1)
    assert left_of(bus, events(1), LEAST_BUDGET_SECONDS) == [("e-0", "ThrottlingException")]
    assert (len(bus.requests), bus.pauses) == (1, [])


@pytest.mark.parametrize("budget", [0, 2.9, -1])
def test_a_budget_that_is_too_short_for_one_request_is_refused(budget: float) -> None:
    with pytest.raises(ValueError, match="budget_seconds must be at least 3"):
        Publisher(BUS, Bus(), budget)


def test_each_call_has_a_budget_of_its_own() -> None:
    bus = Bus(seconds=3)
    publisher = bus.publisher(3)
    publisher.publish(event(0))
    publisher.publish(event(1))
    assert bus.taken == ["e-0", "e-1"]


def test_pauses_grow_up_to_two_seconds() -> None:
    bus = Bus(itertools.repeat(["ThrottlingException"]))
    left_of(bus, events(1), budget_seconds=20)
    assert bus.pauses[:7] == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]


def test_a_pause_is_anything_up_to_its_longest() -> None:
    bus = bus_that_answers(*[["ThrottlingException"]] * 3, luck=0.25)
    bus.publisher().publish(event())
    assert bus.pauses == [0.025, 0.05, 0.1]


def test_a_pause_ends_while_there_is_time_for_another_request() -> None:
    bus = bus_that_answers(*[["ThrottlingException"]] * 5, seconds=0.25)
    bus.publisher(6.26).publish(event())
    assert bus.pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 0.51])
    assert bus.taken == ["e-0"]


def test_no_pause_is_made_if_there_is_no_time_after_it() -> None:
    bus = Bus(itertools.repeat(["ThrottlingException"]), seconds=1)
    left_of(bus, events(1), budget_seconds=4)
    assert (len(bus.requests), bus.pauses) == (1, [])


def test_an_event_that_was_refused_for_good_is_not_sent_with_those_that_are_tried_again() -> None:
    bus = bus_that_answers(["MalformedDetail", "ThrottlingException"], [""])
    assert left_of(bus, events(2)) == [("e-0", "MalformedDetail")]
    assert bus.requests == [["e-0", "e-1"], ["e-1"]]


@settings(max_examples=60)
@given(st.integers(0, 35), st.data())
def test_whatever_fails_each_event_is_taken_once_or_given_back(count: int, data: st.DataObject) -> None:
    codes = st.sampled_from(["", "", "ThrottlingException", "InternalFailure", "MalformedDetail"])
    errors = st.sampled_from([refusal("ThrottlingException"), refusal("AccessDeniedException"), refusal("Odd", 500)])
    answers = data.draw(st.lists(st.lists(codes, max_size=10) | errors, max_size=30))
    bus = Bus(iter(answers), seconds=data.draw(st.floats(0, 2)), luck=data.draw(st.floats(0, 1)))
    given_ids = [each.id for each in events(count)]
    left: list[str] = []
    try:
        bus.publisher().publish_all(events(count))
    except NotTakenError as error:
        left = [each.id for each in error.events]
        assert left
    assert Counter(bus.taken) + Counter(left) == Counter(given_ids)
    assert left == [each for each in given_ids if each in set(left)]
    assert bus.clock <= 1010


@given(st.sets(st.integers(0, 24)))
def test_whatever_part_is_throttled_once_only_that_is_sent_twice(throttled: set[int]) -> None:
    codes = ["ThrottlingException" if number in throttled else "" for number in range(25)]
    bus = bus_that_answers(codes[:10], codes[10:20], codes[20:])
    bus.publisher().publish_all(events(25))
    sent = Counter(itertools.chain(*bus.requests))
    assert {each for each, times in sent.items() if times == 2} == {f"e-{number}" for number in throttled}
    assert Counter(bus.taken) == Counter(each.id for each in events(25))


def test_its_own_client_makes_no_retries_and_waits_no_longer_than_the_least_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, Any] = {}
    make: Callable[..., Any] = lambda service, config: made.update(service=service, config=config)  # noqa: E731
    monkeypatch.setattr("shared.bus.boto3.client", make)
    Publisher(BUS)
    assert made["service"] == "events"
    assert made["config"].retries["total_max_attempts"] == 1
    assert made["config"].connect_timeout + made["config"].read_timeout == LEAST_BUDGET_SECONDS
    assert CLIENT_CONFIG.retries["total_max_attempts"] == 2  # type: ignore[attr-defined]


@pytest.mark.parametrize("code", PASSING)
def test_what_passes_is_no_fault(code: str) -> None:
    with pytest.raises(NotTakenError) as caught:
        Bus(itertools.repeat([code]), seconds=0.5).publisher().publish_all(events(2))
    assert not caught.value.is_fault


@pytest.mark.parametrize("code", FINAL)
def test_what_the_bus_refuses_is_a_fault_even_if_it_took_the_others(code: str) -> None:
    with pytest.raises(NotTakenError) as caught:
        bus_that_answers(["", code]).publisher().publish_all(events(3))
    assert caught.value.is_fault


def test_too_little_time_is_no_fault() -> None:
    with pytest.raises(NotTakenError) as caught:
        Bus(seconds=3).publisher(8.9).publish_all(events(35))
    assert not caught.value.is_fault
