"""Working the messages of a queue: each one is done, tried again later, or kept with the reason why it cannot be done.

SQS itself moves a message to the dead-letter queue after a number of receipts, but without a reason, and one that can
never be worked only after it has been in the way that often. So it is done here, where the reason is known; SQS's own redrive
stays behind it, for a worker that dies.

It needs ``sqs:ChangeMessageVisibility`` on the queue, ``sqs:SendMessage`` on the dead-letter queue, and ``sqs:SendMessage`` on
a standard queue whose messages are postponed. What Lambda needs to read the queue comes on top.
"""

import base64
import math
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import boto3
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, SqsFifoPartialProcessor, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError

from shared import aws, metrics, settings
from shared.errors import HandlerError, InvalidError, TooLargeError, UnsupportedFormatError
from shared.observability import best_effort, logger
from shared.times import timestamp

#: The attribute of a copy that says when its message was sent first: milliseconds since 1970, as SQS has it.
FIRST_SENT = "FirstSentTimestamp"

#: A message has at most this many attributes.
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
MOST_ATTRIBUTES = 10

#: The longest reason that goes with a message.
MOST_REASON_CHARACTERS = 1000

_LONGEST_DELAY_SECONDS = 900  # also what SQS allows for a message that is sent
_LONGEST_RETRY_AFTER_SECONDS = 3600  # another's wish: it may be wrong by any factor
_LONGEST_POSTPONED_SECONDS = 4 * 86_400  # each copy is a new message for SQS, whose own retention never ends it
_FIFO_SECONDS = _LONGEST_POSTPONED_SECONDS - 3600  # a message that stays is deleted by SQS after four days, without a word

#: A message of a FIFO queue can only be received again. After 1000 times SQS moves it, without a reason: with waits of 15
#: minutes from here on, four days are over first.
_FREE_RECEIVES = 400

_MOST_REMEMBERED = 10_000
_MILLISECONDS = re.compile(r"[0-9]{1,15}")
_UNSENDABLE = re.compile(r"[^\x20-\x7e\xa0-\ud7ff\ue000-\ufffd]")

_HOPELESS = (InvalidError, TooLargeError, UnsupportedFormatError)


class PostponedError(HandlerError):
    """The message was not tried, through no fault of its own: it comes again, and this does not count as a try.

    Args:
        detail: Why.
        delay: Seconds until it comes again.
        grows: Whether it comes again after the delay of a first retry, and then the later the longer it has been waiting: for
            what may last until somebody mends it. The ``delay`` is what it takes at least.
        hint: What whoever runs this can do about it: for the log.
    """

    def __init__(self, detail: str, *, delay: int = 0, grows: bool = False, hint: str = "") -> None:
        super().__init__(detail, hint=hint)
        self.delay = delay
        self.grows = grows


class GivenUpError(HandlerError):
    """This was the last try: the message goes to the dead-letter queue now, with this reason.

    Raise it from the error that was the reason, whose class goes with the message too.
    """


def check_time(context: LambdaContext, seconds: float) -> None:
    """Postpone the message if less than so many seconds are left: what is begun must not be cut off.

    Raises:
        PostponedError: There is less time.
    """
    if context.get_remaining_time_in_millis() < seconds * 1000:
        msg = "There was not enough time left for it."
        raise PostponedError(msg)


class SqsClient(Protocol):
    """The calls that are made."""

    def send_message(self, **parameters: Any) -> Any:  # noqa: ANN401  boto3's own
        """Send a message."""

    def change_message_visibility(self, **parameters: Any) -> Any:  # noqa: ANN401  boto3's own
        """Say when a message comes again."""


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """What the construct tells about the queue.

    Args:
        url: QUEUE_URL: the queue whose messages are worked.
        dead_letter_url: DEAD_LETTER_QUEUE_URL: where a message goes that cannot be worked.
        max_receive_count: MAX_RECEIVE_COUNT: how often a message is tried. Default 5.
        retry_delay_seconds: RETRY_DELAY_SECONDS: how long after the first try the second comes; each later one takes twice as
            long, up to 15 minutes. Default 30.
    """

    url: str
    dead_letter_url: str
    max_receive_count: int
    retry_delay_seconds: int

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> "QueueSettings":
        """The settings in these variables.

        Raises:
            SettingsError: A variable is missing or malformed; the message begins with its name.
        """
        return cls(
            url=settings.text(variables, "QUEUE_URL"),
            dead_letter_url=settings.text(variables, "DEAD_LETTER_QUEUE_URL"),
            max_receive_count=settings.integer(variables, "MAX_RECEIVE_COUNT", 5, least=1, most=1000),
            retry_delay_seconds=settings.integer(variables, "RETRY_DELAY_SECONDS", 30, least=0, most=_LONGEST_DELAY_SECONDS),
        )

    @property
    def is_fifo(self) -> bool:
        """Whether the queue keeps the order of its messages: then they cannot be postponed by a copy."""
        return self.url.endswith(".fifo")


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it was received.

    Args:
        id: SQS's id of it.
        body: What it says.
        receipt_handle: What SQS wants to hear when this receipt of it is spoken of.
        receive_count: How often it has been received, this time included.
        sent_at: When it was sent first, copies included: milliseconds since 1970.
        group: Its message group, if it has one.
        is_fifo: Whether it came from a FIFO queue.
        attributes: Its attributes that are texts.
        sendable_attributes: All its attributes, as a copy of it has them.
    """

    id: str
    body: str
    receipt_handle: str = ""
    receive_count: int = 1
    sent_at: int = 0
    group: str | None = None
    is_fifo: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)
    sendable_attributes: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Message":
        """The message in this record of an event."""
        system = record["attributes"]
        sendable = {name: _sendable(value) for name, value in record.get("messageAttributes", {}).items()}
        texts = {name: value["StringValue"] for name, value in sendable.items() if "StringValue" in value}
        return cls(
            id=record["messageId"],
            body=record["body"],
            receipt_handle=record["receiptHandle"],
            receive_count=int(system["ApproximateReceiveCount"]),
            sent_at=_sent_at(texts.get(FIRST_SENT, ""), int(system["SentTimestamp"])),
            group=system.get("MessageGroupId"),
            is_fifo=record.get("eventSourceARN", "").endswith(".fifo"),
            attributes=texts,
            sendable_attributes=sendable,
        )


def _sent_at(first: str, now: int) -> int:
    """When a message was sent first, as it says itself; whoever may send can say anything."""
    return min(int(first), now) if _MILLISECONDS.fullmatch(first) else now


def _sendable(value: Mapping[str, Any]) -> dict[str, Any]:
    if value.get("binaryValue") is not None:
        return {"DataType": value["dataType"], "BinaryValue": base64.b64decode(value["binaryValue"])}
    return {"DataType": value["dataType"], "StringValue": value["stringValue"]}


def reason_of(error: Exception) -> str:
    """Why a message could not be worked, in words that anybody may read: no ARN, no content, no text of a foreign exception."""
    if isinstance(error, HandlerError):
        faults = "; ".join(f"{fault.pointer or 'the whole'} {fault.message}" for fault in error.faults)
        return f"{error.detail} {faults}".strip()[:MOST_REASON_CHARACTERS]
    name = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
    return f"A call to AWS did not work: {name}." if aws.passes(error) else f"unexpected error: {name}"


class _ComesAgainError(Exception):
    """Makes the processor report the message as one that comes again."""


@dataclass(frozen=True, slots=True)
class Chance:
    """What is not certain: kept in one place, for tests to make it so."""

    share: Callable[[], float] = random.random
    wall: Callable[[], float] = time.time


class _Waits:
    """How often messages of a FIFO queue were received and not tried: SQS counts that like tries.

    It is known of what this execution environment saw, and only as long as it lives.
    """

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def add(self, message: Message) -> None:
        """This time, the message was not tried."""
        self._counts[message.id] = self._counts.pop(message.id, 0) + 1
        if len(self._counts) > _MOST_REMEMBERED:
            del self._counts[next(iter(self._counts))]

    def tries(self, message: Message) -> int:
        """How often the message was tried, this time included."""
        return max(1, message.receive_count - self._counts.get(message.id, 0))


class QueueConsumer:
    """Works the messages of a queue, one after the other, and reports those that must come again.

    In a FIFO queue the messages of a group wait behind the one that fails, and are received with it. So a message is given up
    for the number of its receipts only when it came first of its group: one that came behind another was not tried before.

    Args:
        settings: The queue.
        work: Works one message. It raises ``InvalidError`` for a message that can never be worked, ``PostponedError`` for one
            that it did not try, ``GivenUpError`` for one that it will not try again; whatever else it raises, the message comes
            again until it has come ``max_receive_count`` times.
        on_dead_letter: Told of each message that went to the dead-letter queue, and why. If it raises an error that
            is foreseen or passes, the message comes again, and is kept and told of once more.
        client: The client to use. Default: a new one, with short timeouts.
        chance: Time and luck.
    """

    def __init__(
        self,
        settings: QueueSettings,
        work: Callable[[Message, LambdaContext], None],
        on_dead_letter: Callable[[Message, str], None] = lambda _message, _reason: None,
        client: SqsClient | None = None,
        chance: Chance = Chance(),
    ) -> None:
        self._settings = settings
        self._work = work
        self._on_dead_letter = on_dead_letter
        self._client: SqsClient = client or boto3.client("sqs", config=aws.CLIENT_CONFIG)
        self._chance = chance
        self._waits = _Waits()

    def __call__(self, event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Work the messages of this event: the answer names those that come again."""
        processor = (
            SqsFifoPartialProcessor(skip_group_on_error=True) if self._settings.is_fifo else BatchProcessor(EventType.SQS)
        )
        processor.raise_on_entire_batch_failure = False  # an exception would say nothing about those that are done
        untried = {record["messageId"]: Message.from_record(record) for record in event["Records"]}
        first = {message.group: message.id for message in reversed(untried.values())}
        waits: dict[str | None, int] = {}

        def settle(record: SQSRecord) -> None:
            message = untried.pop(record.message_id)
            wait = self._settled(message, context, is_first=message.id == first[message.group])
            if wait is not None:
                waits[message.group] = wait
                raise _ComesAgainError

        answer: dict[str, Any] = dict(process_partial_response(event, settle, processor))
        for message in untried.values():  # of a FIFO queue: another one of the group comes again, and these must come after it
            self._waits.add(message)
            self._hide(message, waits[message.group])
        return answer

    def _settled(self, message: Message, context: LambdaContext, *, is_first: bool) -> int | None:
        """Work the message, and see to it if that fails: the seconds until it comes again, or ``None`` if it need not."""
        try:
            return self._worked(message, context, is_first=is_first)
        except Exception as error:  # noqa: BLE001  whatever it is, the other messages of the batch must not suffer
            # SQS still has the message: it comes again after its visibility timeout, and is moved by SQS itself in the end.
            logger.exception("message not settled", exc_info=error, message_id=message.id)
            return 0

    def _worked(self, message: Message, context: LambdaContext, *, is_first: bool) -> int | None:
        try:
            self._work(message, context)
        except PostponedError as error:
            return self._postponed(message, error, context)
        except (*_HOPELESS, GivenUpError) as error:
            _tell_unexpected(_root(error), message)
            return self._given_up(message, error)
        except Exception as error:  # noqa: BLE001  a fault in the code of one message is no reason to lose it
            return self._failed(message, error, is_first=is_first)
        _log("done", message)
        return None

    def _postponed(self, message: Message, error: PostponedError, context: LambdaContext) -> int | None:
        age = self._age(message)
        metrics.seconds("PostponedSeconds", round(age))
        if self._is_too_old(message):
            msg = f"It was postponed for {round(age)} seconds, the last time because: {error.detail}"
            return self._given_up(message, GivenUpError(msg, hint=error.hint))
        delay = self._postponement(message, error)
        _log("postponed", message, delay=delay, **_words_of(error))
        if message.is_fifo:
            self._waits.add(message)
            return self._hide(message, delay)
        if context.get_remaining_time_in_millis() < aws.LONGEST_CALL_SECONDS * 1000:
            return 0  # a copy that is sent while the function is ended would be one too many
        since = _texts(FirstSentTimestamp=str(message.sent_at))
        self._client.send_message(QueueUrl=self._settings.url, DelaySeconds=delay, **_copy_of(message, since))
        return None

    def _age(self, message: Message) -> float:
        return max(0.0, self._chance.wall() - message.sent_at / 1000)

    def _is_too_old(self, message: Message) -> bool:
        return self._age(message) > (_FIFO_SECONDS if message.is_fifo else _LONGEST_POSTPONED_SECONDS)

    def _postponement(self, message: Message, error: PostponedError) -> int:
        """The seconds until a postponed message comes again; those that wait for the same do not come all at once."""
        if message.is_fifo and message.receive_count > _FREE_RECEIVES:
            return _LONGEST_DELAY_SECONDS
        if not error.grows:
            return min(error.delay, _LONGEST_DELAY_SECONDS)
        least = max(self._settings.retry_delay_seconds, error.delay, self._age(message) / 4)
        return min(_LONGEST_DELAY_SECONDS, math.ceil(least * (1 + self._chance.share() / 2)))

    def _given_up(self, message: Message, error: Exception) -> int | None:
        """Keep the message with its reason. Only then it is done; a copy too many is harmless, one too few is a loss."""
        reason = reason_of(error)
        attributes = _texts(
            Reason=f"{reason} {_hint_of(error)}".strip()[:MOST_REASON_CHARACTERS],
            Error=type(_root(error)).__name__,
            SourceMessageId=message.id,
            ReceiveCount=str(message.receive_count),
            FailedAt=timestamp(datetime.fromtimestamp(self._chance.wall(), UTC)),
        )
        self._client.send_message(QueueUrl=self._settings.dead_letter_url, **_copy_of(message, attributes))
        _log("dead-lettered", message, **_words_of(error))
        self._tell(message, reason)
        return None

    def _tell(self, message: Message, reason: str) -> None:
        """Tell of a message that is kept. If that fails for good, the message is done all the same: it is kept once."""
        try:
            self._on_dead_letter(message, reason)
        except Exception as error:
            if isinstance(error, _HOPELESS):
                logger.warning("dead letter not told of", extra={"message_id": message.id, **_words_of(error)})
            elif _is_foreseen(error):
                raise  # the message comes again, and this is made up for
            _tell_unexpected(error, message)

    def _failed(self, message: Message, error: Exception, *, is_first: bool) -> int | None:
        _tell_unexpected(error, message)
        tries = self._waits.tries(message)
        if (is_first or not message.is_fifo) and tries >= self._settings.max_receive_count:
            return self._given_up(message, error)
        if message.is_fifo and self._is_too_old(message):
            return self._given_up(message, error)
        delay = max(self._growing(tries), _wished(error))
        _log("comes again", message, delay=delay, **_words_of(error))
        return self._hide(message, delay)

    def _growing(self, tries: int) -> int:
        """Twice as long as the last time, at most 15 minutes, and up to half less: what failed together comes apart."""
        factor: int = 2 ** min(tries - 1, 10)
        longest = min(_LONGEST_DELAY_SECONDS, self._settings.retry_delay_seconds * factor)
        return math.ceil(longest * (1 + self._chance.share()) / 2)

    def _hide(self, message: Message, seconds: int) -> int:
        """Let SQS deliver the message again after these seconds. If that fails, it does so after the visibility timeout."""
        with best_effort("visibility not changed", message_id=message.id):  # the message comes again anyhow
            self._client.change_message_visibility(
                QueueUrl=self._settings.url, ReceiptHandle=message.receipt_handle, VisibilityTimeout=seconds
            )
        return seconds


def _log(result: str, message: Message, **more: object) -> None:
    logger.info("message", extra={"result": result, "message_id": message.id, "receive_count": message.receive_count, **more})


def _words_of(error: Exception) -> dict[str, str]:
    """What the log has of an error: not its faults, which name fields; a sender may have put anything into a name."""
    words = {"reason": error.detail if isinstance(error, HandlerError) else reason_of(error)}
    return words | ({"hint": hint} if (hint := _hint_of(error)) else {})


def _hint_of(error: Exception) -> str:
    return error.hint if isinstance(error, HandlerError) else ""


def _root(error: Exception) -> Exception:
    """What a message is given up for."""
    cause = error.__cause__ if isinstance(error, GivenUpError) else None
    return cause if isinstance(cause, Exception) else error


def _tell_unexpected(error: Exception, message: Message) -> None:
    if not _is_foreseen(error):
        logger.exception("unexpected error", exc_info=error, message_id=message.id)
        metrics.count("UnexpectedErrors")


def _is_foreseen(error: Exception) -> bool:
    return not error.is_fault if isinstance(error, HandlerError) else aws.passes(error)


def _wished(error: Exception) -> int:
    wish: int | None = error.retry_after if isinstance(error, HandlerError) else None
    return min(wish or 0, _LONGEST_RETRY_AFTER_SECONDS)


def _copy_of(message: Message, more: Mapping[str, Any]) -> dict[str, Any]:
    """The message as it is sent once more: what is added comes before its own attributes where there is no room for all.

    When it was sent first is only for copies of one life: a message that comes back from the dead-letter queue begins anew.
    """
    own = {name: value for name, value in message.sendable_attributes.items() if name not in {*more, FIRST_SENT}}
    attributes = {**more, **own}
    copy: dict[str, Any] = {
        "MessageBody": message.body,
        "MessageAttributes": dict(list(attributes.items())[:MOST_ATTRIBUTES]),
    }
    if message.group is not None:
        copy["MessageGroupId"] = message.group
    return copy | ({"MessageDeduplicationId": message.id} if message.is_fifo else {})


def _texts(**values: str) -> dict[str, Any]:
    return {name: {"DataType": "String", "StringValue": _UNSENDABLE.sub("?", value)} for name, value in values.items()}
