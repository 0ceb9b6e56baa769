"""What becomes of a message, whatever the work on it comes to."""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from shared.errors import ConflictError, Fault, InvalidError, TooLargeError, UnavailableError, UnsupportedFormatError
from shared.queue_consumer import Chance, GivenUpError, Message, PostponedError, QueueConsumer, QueueSettings
from shared.settings import SettingsError
from tests.handlers.api_client import EVENTS, Context

LogLines = Callable[[], list[dict[str, Any]]]

RECORD: dict[str, Any] = json.loads((EVENTS / "sqs_raw.json").read_text())["Records"][0]
VARIABLES = {"QUEUE_URL": "https://sqs/orders", "DEAD_LETTER_QUEUE_URL": "https://sqs/dead"}
NOW = 1_772_366_460.0


def refused(code: str, operation: str = "SendMessage") -> ClientError:
    message = "arn:aws:sqs:eu-central-1:123456789012:orders is secret"
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    return ClientError(response, operation)


@dataclass
class Sqs:
    """Writes down what it is asked, and fails if it is told to."""

    made: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    def send_message(self, **parameters: Any) -> None:
        self._made("send_message", parameters)

    def change_message_visibility(self, **parameters: Any) -> None:
        self._made("change_message_visibility", parameters)

    def _made(self, name: str, parameters: dict[str, Any]) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.made.append((name, parameters))

    @property
    def sent(self) -> list[dict[str, Any]]:
        return [parameters for name, parameters in self.made if name == "send_message"]

    @property
    def waits(self) -> list[int]:
        return [made["VisibilityTimeout"] for name, made in self.made if name == "change_message_visibility"]


@dataclass
class Bench:
    """A consumer whose work on a message is what its body says: nothing, or an error by name."""

    errors: dict[str, Exception] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    luck: float = 1.0
    seconds_left: float = 30
    sqs: Sqs = field(default_factory=Sqs)
    worked: list[str] = field(default_factory=list)
    told: list[tuple[str, str]] = field(default_factory=list)
    hook_error: Exception | None = None

    def work(self, message: Message, _: object) -> None:
        self.worked.append(message.body)
        if message.body in self.errors:
            raise self.errors[message.body]

    def hook(self, message: Message, reason: str) -> None:
        self.told.append((message.body, reason))
        if self.hook_error:
            raise self.hook_error

    def consumer(self) -> QueueConsumer:
        """A consumer as in a new execution environment."""
        settings = QueueSettings.from_environment(VARIABLES | self.variables)
        chance = Chance(share=lambda: self.luck, wall=lambda: NOW)
        return QueueConsumer(settings, self.work, self.hook, self.sqs, chance)

    def deliver(self, *records: dict[str, Any], consumer: QueueConsumer | None = None) -> list[str]:
        context: Any = Context(milliseconds_left=int(self.seconds_left * 1000))
        answer = (consumer or self.consumer())({"Records": list(records)}, context)
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    def fail(self, error: Exception, **more: Any) -> list[str]:
        self.errors["x"] = error
        return self.deliver(record("x", **more))


def record(body: str, *, receive_count: int = 1, group: str | None = None, fifo: bool = False, **more: Any) -> dict[str, Any]:
    made = copy.deepcopy(RECORD) | {"messageId": f"id-{body}", "body": body, "receiptHandle": f"receipt-{body}"} | more
    made["attributes"]["ApproximateReceiveCount"] = str(receive_count)
    if group:
        made["attributes"]["MessageGroupId"] = group
    if fifo:
        made["eventSourceARN"] += ".fifo"
    return made


def fifo_bench(**more: Any) -> Bench:
    return Bench(variables={"QUEUE_URL": "https://sqs/orders.fifo", "MAX_RECEIVE_COUNT": "100"}, **more)


def text(value: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": value}


def test_messages_that_are_done_are_not_reported_and_cost_no_call() -> None:
    bench = Bench()
    assert bench.deliver(record("a"), record("b")) == []
    assert (bench.worked, bench.sqs.made) == (["a", "b"], [])


def test_only_the_messages_that_failed_come_again() -> None:
    bench = Bench(errors={"b": UnavailableError("Not now.")})
    assert bench.deliver(record("a"), record("b"), record("c")) == ["id-b"]
    assert bench.worked == ["a", "b", "c"]


def test_a_batch_of_which_every_message_failed_is_reported_and_raises_nothing() -> None:
    bench = Bench(errors={body: UnavailableError("Not now.") for body in "ab"})
    assert bench.deliver(record("a"), record("b")) == ["id-a", "id-b"]


def test_nothing_is_left_of_one_batch_in_the_next() -> None:
    bench = Bench()
    assert bench.fail(UnavailableError("Not now.")) == ["id-x"]
    bench.errors.clear()
    assert bench.deliver(record("a")) == []


@pytest.mark.parametrize("error", [InvalidError, TooLargeError, UnsupportedFormatError])
def test_a_message_that_can_never_be_worked_goes_to_the_dead_letter_queue_at_once(error: type[InvalidError]) -> None:
    bench = Bench()
    assert bench.fail(error("It does not fit.", faults=[Fault("/amount", "is required")])) == []
    (sent,) = bench.sqs.sent
    assert (sent["QueueUrl"], sent["MessageBody"]) == ("https://sqs/dead", "x")
    attributes = sent["MessageAttributes"]
    assert attributes["Reason"] == text("It does not fit. /amount is required")
    assert attributes["Error"] == text(error.__name__)
    assert attributes["SourceMessageId"] == text("id-x")
    assert attributes["ReceiveCount"] == text("1")
    assert attributes["FailedAt"] == text("2026-03-01T12:01:00.000Z")
    assert attributes["event_type"] == text("orders.paid")
    assert bench.told == [("x", "It does not fit. /amount is required")]


@pytest.mark.parametrize(
    ("error", "reason", "name"),
    [
        (UnavailableError("Not now."), "Not now.", "UnavailableError"),
        (ConflictError("Somebody came first."), "Somebody came first.", "ConflictError"),
        (refused("ThrottlingException"), "A call to AWS did not work: ThrottlingException.", "ClientError"),
        (refused("Throttled"), "A call to AWS did not work: Throttled.", "ClientError"),
        (refused("ThrottledException"), "A call to AWS did not work: ThrottledException.", "ClientError"),
        (refused("KMSThrottling"), "A call to AWS did not work: KMSThrottling.", "ClientError"),
        (
            EndpointConnectionError(endpoint_url="https://secret"),
            "A call to AWS did not work: EndpointConnectionError.",
            "EndpointConnectionError",
        ),
        (refused("AccessDeniedException"), "unexpected error: AccessDeniedException", "ClientError"),
        (ZeroDivisionError("secret"), "unexpected error: ZeroDivisionError", "ZeroDivisionError"),
    ],
    ids=str,
)
def test_the_last_try_takes_a_message_to_the_dead_letter_queue_with_its_reason(
    error: Exception, reason: str, name: str
) -> None:
    bench = Bench()
    for receive_count in range(1, 5):
        assert bench.fail(error, receive_count=receive_count) == ["id-x"]
    assert bench.sqs.sent == []
    assert bench.fail(error, receive_count=5) == []
    (sent,) = bench.sqs.sent
    assert (sent["MessageAttributes"]["Reason"], sent["MessageAttributes"]["Error"]) == (text(reason), text(name))
    assert bench.told == [("x", reason)]


def test_work_that_is_given_up_goes_at_once_with_the_class_of_what_it_was_for() -> None:
    bench = Bench()
    error = GivenUpError("Tried enough.")
    error.__cause__ = TimeoutError()
    assert bench.fail(error) == []
    assert bench.sqs.sent[0]["MessageAttributes"]["Error"] == text("TimeoutError")


def test_work_that_is_given_up_for_an_unexpected_error_is_counted(
    capsys: pytest.CaptureFixture[str], log_lines: LogLines
) -> None:
    error = GivenUpError("Tried enough.")
    error.__cause__ = ZeroDivisionError()
    Bench().fail(error)
    assert "UnexpectedErrors" in capsys.readouterr().out
    assert any("ZeroDivisionError" in line.get("exception", "") for line in log_lines())


def test_a_hint_goes_to_the_log_and_the_dead_letter_queue_but_not_to_who_is_told(log_lines: LogLines) -> None:
    bench = Bench()
    bench.fail(GivenUpError("It cannot be reached.", hint="Look at the address."))
    assert bench.sqs.sent[0]["MessageAttributes"]["Reason"] == text("It cannot be reached. Look at the address.")
    assert bench.told == [("x", "It cannot be reached.")]
    (line,) = [line for line in log_lines() if line["message"] == "message"]
    assert (line["reason"], line["hint"]) == ("It cannot be reached.", "Look at the address.")


def test_an_error_that_has_a_cause_goes_with_its_own_class() -> None:
    bench = Bench()
    error = UnavailableError("Not now.")
    error.__cause__ = TimeoutError()
    bench.fail(error, receive_count=5)
    assert bench.sqs.sent[0]["MessageAttributes"]["Error"] == text("UnavailableError")


@pytest.mark.parametrize(
    ("luck", "waits"),
    [(1.0, [30, 60, 120, 240, 480, 900, 900]), (0.0, [15, 30, 60, 120, 240, 450, 450])],
)
def test_each_wait_is_twice_as_long_as_the_last_with_a_bound_and_jitter(luck: float, waits: list[int]) -> None:
    bench = Bench(luck=luck, variables={"MAX_RECEIVE_COUNT": "1000"})
    for receive_count in (1, 2, 3, 4, 5, 6, 900):
        bench.fail(UnavailableError("Not now."), receive_count=receive_count)
    assert bench.sqs.waits == waits


@pytest.mark.parametrize(("wish", "wait"), [(10, 30), (45, 45), (1_000, 1_000), (999_999_999, 3_600)])
def test_a_longer_wait_is_granted_if_it_is_asked_for_within_an_hour(wish: int, wait: int) -> None:
    bench = Bench()
    bench.fail(UnavailableError("Not now.", retry_after=wish))
    assert bench.sqs.waits == [wait]


def test_a_message_whose_wait_cannot_be_set_comes_again_all_the_same() -> None:
    bench = Bench(sqs=Sqs(failures=[refused("InvalidParameterValue")]))
    assert bench.fail(UnavailableError("Not now.")) == ["id-x"]


def test_a_message_that_the_dead_letter_queue_does_not_take_comes_again() -> None:
    bench = Bench(sqs=Sqs(failures=[refused("InvalidParameterValue")]))
    assert bench.fail(InvalidError("It does not fit.")) == ["id-x"]
    assert bench.told == []


def test_the_other_messages_are_worked_though_the_dead_letter_queue_fails() -> None:
    bench = Bench(errors={"a": InvalidError("It does not fit.")}, sqs=Sqs(failures=[refused("AccessDenied")]))
    assert bench.deliver(record("a"), record("b")) == ["id-a"]
    assert bench.worked == ["a", "b"]


def test_a_message_is_in_the_dead_letter_queue_before_anybody_is_told() -> None:
    bench = Bench(hook_error=refused("ThrottlingException"))
    assert bench.fail(InvalidError("It does not fit.")) == ["id-x"]
    assert len(bench.sqs.sent) == 1


@pytest.mark.parametrize(
    "error", [refused("AccessDeniedException"), refused("ResourceNotFoundException"), ZeroDivisionError()], ids=str
)
def test_a_message_of_which_nobody_can_ever_be_told_is_kept_once_and_does_not_come_again(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = Bench(hook_error=error)
    assert bench.fail(InvalidError("It does not fit.")) == []
    assert (len(bench.sqs.sent), len(bench.told)) == (1, 1)
    assert "UnexpectedErrors" in capsys.readouterr().out


def test_an_unexpected_error_is_logged_with_its_traceback_and_counted(
    log_lines: LogLines, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "worker")
    Bench().fail(ZeroDivisionError("division by zero"))
    (line,) = [line for line in log_lines() if line["level"] == "ERROR"]
    assert line["message_id"] == "id-x"
    assert "ZeroDivisionError: division by zero" in line["exception"]
    (metric,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (metric["UnexpectedErrors"], metric["FunctionName"]) == ([1.0], "worker")
    assert metric["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["FunctionName"]]


def test_a_foreseen_error_is_neither_counted_nor_logged_with_a_traceback(
    log_lines: LogLines, capsys: pytest.CaptureFixture[str]
) -> None:
    Bench().fail(UnavailableError("Not now."))
    (line,) = log_lines()
    assert (line["level"], line["result"], line["reason"], line["delay"]) == ("INFO", "comes again", "Not now.", 30)
    assert capsys.readouterr().out == ""


def test_no_body_is_ever_logged(log_lines: LogLines) -> None:
    bench = Bench()
    for error in (None, InvalidError("No."), UnavailableError("No."), PostponedError("No."), ValueError("No.")):
        bench.errors = {"Alice Example": error} if error else {}
        bench.deliver(record("Alice Example", messageId="id-1", receiptHandle="r-1"))
    assert "Alice" not in str(log_lines())


def test_a_postponed_message_is_put_back_as_a_copy_that_was_never_received() -> None:
    bench = Bench()
    assert bench.fail(PostponedError("Not yet.", delay=37), receive_count=5, group="alice") == []
    (copy_,) = bench.sqs.sent
    assert (copy_["QueueUrl"], copy_["MessageBody"], copy_["DelaySeconds"]) == ("https://sqs/orders", "x", 37)
    assert copy_["MessageGroupId"] == "alice"
    assert copy_["MessageAttributes"]["event_type"] == text("orders.paid")
    assert copy_["MessageAttributes"]["FirstSentTimestamp"] == text("1772366400123")
    assert "MessageDeduplicationId" not in copy_


def test_a_message_is_postponed_by_at_most_what_sqs_allows() -> None:
    bench = Bench()
    bench.fail(PostponedError("Not yet.", delay=5_000))
    assert bench.sqs.sent[0]["DelaySeconds"] == 900


@pytest.mark.parametrize(("luck", "delays"), [(0.0, [30, 30, 50, 500, 900, 900]), (1.0, [45, 45, 75, 750, 900, 900])])
def test_what_may_last_is_postponed_the_longer_the_older_the_message_is(luck: float, delays: list[int]) -> None:
    bench = Bench(luck=luck)
    for age in (0, 120, 200, 2_000, 20_000, 300_000):
        bench.fail(PostponedError("Not yet.", grows=True), messageAttributes=first_sent(NOW - age))
    assert [sent["DelaySeconds"] for sent in bench.sqs.sent] == delays


def test_what_may_last_is_postponed_by_at_least_what_is_asked_for() -> None:
    bench = Bench(luck=0.0)
    for delay in (20, 100, 5_000):
        bench.fail(PostponedError("Not yet.", delay=delay, grows=True))
    assert [sent["DelaySeconds"] for sent in bench.sqs.sent] == [30, 100, 900]


def first_sent(seconds: float) -> dict[str, Any]:
    return {"FirstSentTimestamp": {"stringValue": str(round(seconds * 1000)), "dataType": "String"}}


def test_each_postponed_message_tells_its_age_as_a_metric(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "worker")
    bench = Bench(errors={"a": PostponedError("Not yet."), "b": PostponedError("Not yet.")})
    bench.deliver(record("a"), record("b", messageAttributes=first_sent(NOW - 4_000)), record("c"))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["FunctionName"], line["PostponedSeconds"]) for line in lines] == [("worker", [60.0]), ("worker", [4000.0])]


@pytest.mark.parametrize("value", ["9" * 5000, "9" * 16, "-5", "\u0661", "1e9", "", str(2**62), "999999999999999"])
def test_a_first_time_that_is_none_or_in_the_future_is_the_time_that_sqs_says(value: str) -> None:
    bench = Bench()
    attributes = {"FirstSentTimestamp": {"stringValue": value, "dataType": "String"}}
    assert bench.fail(PostponedError("Not yet."), messageAttributes=attributes) == []
    assert bench.sqs.sent[0]["MessageAttributes"]["FirstSentTimestamp"] == text("1772366400123")


def test_a_message_that_comes_back_from_the_dead_letter_queue_begins_a_new_life() -> None:
    bench = Bench()
    bench.fail(InvalidError("It does not fit."), messageAttributes=first_sent(NOW - 5 * 86_400))
    (dead,) = bench.sqs.sent
    assert "FirstSentTimestamp" not in dead["MessageAttributes"]
    attributes = {
        name: {"stringValue": value["StringValue"], "dataType": "String"} for name, value in dead["MessageAttributes"].items()
    }
    bench.fail(PostponedError("Not yet."), messageAttributes=attributes)
    assert bench.sqs.sent[1]["QueueUrl"] == "https://sqs/orders"


def test_a_copy_of_a_copy_still_says_when_the_first_was_sent() -> None:
    bench = Bench()
    attributes = {"FirstSentTimestamp": {"stringValue": "1772366000000", "dataType": "String"}}
    bench.fail(PostponedError("Not yet."), messageAttributes=attributes)
    assert bench.sqs.sent[0]["MessageAttributes"]["FirstSentTimestamp"] == text("1772366000000")


def test_a_message_that_is_postponed_for_four_days_goes_to_the_dead_letter_queue() -> None:
    for days, sent_to in ((3.9, "https://sqs/orders"), (4.1, "https://sqs/dead")):
        bench = Bench()
        first = {"FirstSentTimestamp": {"stringValue": str(int((NOW - days * 86_400) * 1000)), "dataType": "String"}}
        assert bench.fail(PostponedError("The API is down."), messageAttributes=first) == []
        assert bench.sqs.sent[0]["QueueUrl"] == sent_to
    reason = bench.sqs.sent[0]["MessageAttributes"]["Reason"]["StringValue"]
    assert reason == "It was postponed for 354240 seconds, the last time because: The API is down."


def test_no_copy_is_sent_when_the_function_may_end_before_it_knows(log_lines: LogLines) -> None:
    bench = Bench(seconds_left=6.9)
    assert bench.fail(PostponedError("Not yet.")) == ["id-x"]
    assert bench.sqs.made == []
    assert log_lines()[0]["result"] == "postponed"


def test_a_postponed_message_that_cannot_be_put_back_comes_again() -> None:
    bench = Bench(sqs=Sqs(failures=[refused("ThrottlingException")]))
    assert bench.fail(PostponedError("Not yet.")) == ["id-x"]


def test_a_copy_has_the_bytes_of_its_message_and_ten_attributes_at_most() -> None:
    bench = Bench()
    attributes: dict[str, Any] = {f"a{n}": {"stringValue": "1", "dataType": "Number"} for n in range(8)}
    attributes["a8"] = {"binaryValue": "AP8=", "dataType": "Binary"}
    bench.fail(PostponedError("Not yet."), messageAttributes=attributes)
    bench.fail(InvalidError("No."), messageAttributes=attributes)
    copied, dead = (sent["MessageAttributes"] for sent in bench.sqs.sent)
    assert (copied["a0"], copied["a8"]) == (
        {"DataType": "Number", "StringValue": "1"},
        {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    )
    assert (len(copied), len(dead)) == (10, 10)
    assert {"Reason", "Error", "SourceMessageId", "ReceiveCount", "FailedAt"} < set(dead)


def test_a_reason_has_no_character_that_sqs_refuses_and_is_cut() -> None:
    bench = Bench()
    bench.fail(InvalidError("a\x00b\ud800c\n" + "ü" * 2000))
    reason = bench.sqs.sent[0]["MessageAttributes"]["Reason"]["StringValue"]
    assert (reason[:6], len(reason)) == ("a?b?c?", 1000)


def test_in_a_fifo_queue_what_comes_after_a_failure_waits_with_it_and_other_groups_go_on() -> None:
    bench = fifo_bench(errors={"a1": UnavailableError("Not now.", retry_after=77)})
    records = [record(body, group=body[0], fifo=True) for body in ("a1", "b1", "a2", "b2")]
    assert bench.deliver(*records) == ["id-a1", "id-a2"]
    assert bench.worked == ["a1", "b1", "b2"]
    hidden = [(made["ReceiptHandle"], made["VisibilityTimeout"]) for _, made in bench.sqs.made]
    assert hidden == [("receipt-a1", 77), ("receipt-a2", 77)]


def test_in_a_fifo_queue_a_lone_message_that_fails_is_reported_and_raises_nothing() -> None:
    assert fifo_bench().fail(UnavailableError("Not now."), group="a", fifo=True) == ["id-x"]


def test_in_a_fifo_queue_a_postponed_message_stays_where_it_is() -> None:
    bench = fifo_bench()
    assert bench.fail(PostponedError("Not yet.", delay=37), group="a", fifo=True) == ["id-x"]
    assert (bench.sqs.sent, bench.sqs.waits) == ([], [37])


def test_in_a_fifo_queue_a_message_is_postponed_however_often_until_its_queue_would_soon_delete_it() -> None:
    for hours, came_again in ((94.9, ["id-x"]), (95.1, [])):
        bench = fifo_bench()
        attributes = first_sent(NOW - hours * 3600)
        error = PostponedError("Not yet.")
        assert bench.fail(error, group="a", fifo=True, receive_count=900, messageAttributes=attributes) == came_again
        assert [sent["QueueUrl"] for sent in bench.sqs.sent] == ["https://sqs/dead"] * (not came_again)


def test_in_a_fifo_queue_four_days_of_waiting_are_over_before_sqs_moves_a_message() -> None:
    bench = fifo_bench()
    free = 400
    for receive_count in (free, free + 1, 999):
        bench.fail(PostponedError("Not yet.", delay=30), group="a", fifo=True, receive_count=receive_count)
    assert bench.sqs.waits == [30, 900, 900]
    assert free + 4 * 86_400 / 900 < 1000


def test_in_a_fifo_queue_a_message_that_fails_for_days_is_kept_with_its_reason_before_its_queue_deletes_it() -> None:
    bench = fifo_bench(luck=1.0)
    attributes = first_sent(NOW - 95.5 * 3600)
    assert bench.fail(UnavailableError("Not now."), group="a", fifo=True, messageAttributes=attributes) == []
    assert bench.sqs.sent[0]["MessageAttributes"]["Reason"] == text("Not now.")


def mates(*bodies: str, receive_count: int) -> list[dict[str, Any]]:
    return [record(body, group="a", fifo=True, receive_count=receive_count) for body in bodies]


def test_in_a_fifo_queue_mates_that_waited_behind_a_failure_are_not_given_up_at_their_first_tries() -> None:
    bench = Bench(
        errors={body: UnavailableError("Not now.") for body in ("a1", "a2", "a3")},
        variables={"QUEUE_URL": "https://sqs/orders.fifo"},
    )
    for receive_count in range(1, 5):
        assert bench.deliver(*mates("a1", "a2", "a3", receive_count=receive_count)) == ["id-a1", "id-a2", "id-a3"]
    assert bench.worked == ["a1"] * 4
    assert bench.deliver(*mates("a1", "a2", "a3", receive_count=5)) == ["id-a2", "id-a3"]
    assert bench.told == [("a1", "Not now.")]  # its fifth try; for the second it was the first


def test_in_a_fifo_queue_each_mate_has_all_its_tries_where_one_environment_sees_them_wait() -> None:
    bench = Bench(
        errors={body: UnavailableError("Not now.") for body in ("a1", "a2", "a3")},
        variables={"QUEUE_URL": "https://sqs/orders.fifo"},
    )
    consumer = bench.consumer()
    waiting, receive_count = ["a1", "a2", "a3"], 0
    while waiting:
        receive_count += 1
        came_again = bench.deliver(*mates(*waiting, receive_count=receive_count), consumer=consumer)
        waiting = [body.removeprefix("id-") for body in came_again]
    assert [bench.worked.count(body) for body in ("a1", "a2", "a3")] == [5, 5, 5]
    assert [body for body, _ in bench.told] == ["a1", "a2", "a3"]


def test_in_a_fifo_queue_a_message_that_was_postponed_has_all_its_tries_afterwards() -> None:
    bench = Bench(variables={"QUEUE_URL": "https://sqs/orders.fifo"})
    consumer = bench.consumer()
    for receive_count in range(1, 10):
        bench.errors["a1"] = PostponedError("Not yet.")
        bench.deliver(*mates("a1", receive_count=receive_count), consumer=consumer)
    bench.errors["a1"] = UnavailableError("Not now.")
    for receive_count in range(10, 14):
        assert bench.deliver(*mates("a1", receive_count=receive_count), consumer=consumer) == ["id-a1"]
    assert bench.sqs.waits[-4:] == [30, 60, 120, 240]
    assert bench.deliver(*mates("a1", receive_count=14), consumer=consumer) == []


def test_in_a_fifo_queue_poison_does_not_hold_up_its_group() -> None:
    bench = fifo_bench(errors={"a1": InvalidError("It does not fit.")})
    assert bench.deliver(record("a1", group="a", fifo=True), record("a2", group="a", fifo=True)) == []
    (dead,) = bench.sqs.sent
    assert (dead["MessageGroupId"], dead["MessageDeduplicationId"]) == ("a", "id-a1")
    assert bench.worked == ["a1", "a2"]


def test_settings_of_a_queue_have_the_defaults_that_sqs_recommends() -> None:
    settings = QueueSettings.from_environment(VARIABLES)
    assert (settings.max_receive_count, settings.retry_delay_seconds, settings.is_fifo) == (5, 30, False)


@pytest.mark.parametrize("name", ["QUEUE_URL", "DEAD_LETTER_QUEUE_URL"])
def test_a_queue_that_is_not_named_names_its_variable(name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} must be set$"):
        QueueSettings.from_environment(VARIABLES | {name: ""})
