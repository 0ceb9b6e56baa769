"""The kinds of alarms that there are, and how each is known to go off: data for tests, for a page and for tools."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tests.proofs.alarm_limits import (
    A_MINUTE,
    A_PERCENT,
    A_PERCENT_OF_ANSWERS,
    AN_HOUR,
    GOES_ON,
    MISSING,
    ONE,
    REQUESTS,
    STALLS,
    UNREAD,
    GoesOff,
    above,
    half_of_the_tries,
    nearly_lost,
    oldest_message,
    part_of_timeout,
    three_of_five_or_one_of_a_report,
)
from tests.proofs.alarms import Alarm, alarms_of


@dataclass(frozen=True)
class Seen:
    """It was seen going off on the emulator, and is silent without the cause.

    Args:
        test: The test that sees it.
        by: What sets it off there: the fault itself, or the values that its metrics have when there is the fault.
    """

    test: str
    by: Literal["fault", "metric"]


@dataclass(frozen=True)
class Asserted:
    """It was not seen: its definition is compared with what AWS documents.

    Args:
        why: Why it cannot be seen.
    """

    why: str


@dataclass(frozen=True)
class AlarmKind:
    """Alarms that watch the same of different resources.

    Args:
        suffix: What their names end in.
        of: Whose alarm it is.
        metrics: What they watch: namespace and name of each metric.
        tier: How urgent it is.
        proof: How it is known that they go off.
        goes_off: When they go off. Default: when there is one.
    """

    suffix: str
    of: str
    metrics: tuple[str, ...]
    tier: Literal["critical", "warning"]
    proof: Seen | Asserted
    goes_off: GoesOff = ONE

    def covers(self, alarm: Alarm) -> bool:
        """Whether an alarm is of this kind."""
        watched = {f"{each.namespace} {each.name}" for each in alarm.metrics}
        return alarm.name.endswith(self.suffix) and watched == set(self.metrics) and alarm.tier == self.tier

    @property
    def proven(self) -> str:
        """How it is proven, as docs/alarms.md says it."""
        match self.proof:
            case Seen(test, by):
                return f"seen firing, by {'the fault' if by == 'fault' else 'what its metrics say'}: `{test}`"
            case Asserted(why):
                return f"asserted on the template: {why}"


def _by_fault(test: str) -> Seen:
    return Seen(test, "fault")


#: Minutes of a fault would have to pass, or days: what its metrics say then is put in their place.
_BY_METRIC = Seen("test_an_alarm_goes_off_when_its_metrics_say_so_for_long_enough_and_not_before", "metric")
_REST = Asserted(
    "the emulator has no metrics of REST APIs; the alarm is that of an HTTP API with the names that AWS has for REST APIs"
)

KINDS = (
    AlarmKind(
        "ServerErrors", "HTTP API", ("AWS/ApiGateway 5xx", "AWS/ApiGateway Count"), "critical", _BY_METRIC, A_PERCENT_OF_ANSWERS
    ),
    AlarmKind(
        "ServerErrors", "REST API", ("AWS/ApiGateway 5XXError", "AWS/ApiGateway Count"), "critical", _REST, A_PERCENT_OF_ANSWERS
    ),
    AlarmKind("Latency", "API", ("AWS/ApiGateway Latency",), "warning", _BY_METRIC, above(part_of_timeout(0.5), "p99", (3, 5))),
    AlarmKind(
        "Errors", "function behind an API", ("AWS/Lambda Errors", "AWS/Lambda Invocations"), "critical", _BY_METRIC, A_PERCENT
    ),
    AlarmKind(
        "Errors",
        "function that works events",
        ("AWS/Lambda Errors",),
        "critical",
        _by_fault("test_a_crash_sets_off_the_alarm_of_its_function_and_of_no_other"),
    ),
    AlarmKind(
        "ReportErrors",
        "function that makes reports",
        ("AWS/Lambda Errors",),
        "warning",
        _by_fault("test_a_crash_sets_off_the_alarm_of_its_function_and_of_no_other"),
    ),
    AlarmKind(
        "Throttles",
        "function",
        ("AWS/Lambda Throttles",),
        "warning",
        _BY_METRIC,
        GoesOff(periods=three_of_five_or_one_of_a_report),
    ),
    AlarmKind(
        "Duration",
        "function",
        ("AWS/Lambda Duration",),
        "warning",
        _BY_METRIC,
        above(part_of_timeout(0.8), "p99", three_of_five_or_one_of_a_report),
    ),
    AlarmKind(
        "UnexpectedErrors",
        "bundled handler of a queue, a stream or a step",
        ("ServerlessPatterns UnexpectedErrors",),
        "critical",
        _by_fault("test_an_error_that_a_handler_does_not_know_sets_off_its_alarm"),
    ),
    AlarmKind(
        "AsyncEventsDropped",
        "function that is invoked asynchronously",
        ("AWS/Lambda AsyncEventsDropped",),
        "critical",
        _by_fault("test_an_event_that_is_given_up_sets_off_the_alarms_of_its_function_and_its_queue"),
    ),
    AlarmKind(
        "DestinationDeliveryFailures",
        "function that is invoked asynchronously",
        ("AWS/Lambda DestinationDeliveryFailures",),
        "critical",
        _by_fault("test_an_event_that_is_given_up_and_kept_nowhere_sets_off_its_alarm"),
    ),
    AlarmKind(
        "RecordsAge",
        "function that reads a stream",
        ("AWS/Lambda IteratorAge",),
        "warning",
        _BY_METRIC,
        above(A_MINUTE, periods=(3, 5)),
    ),
    AlarmKind(
        "RecordsAgeCritical",
        "function that reads a stream",
        ("AWS/Lambda IteratorAge",),
        "critical",
        _BY_METRIC,
        above(half_of_the_tries),
    ),
    AlarmKind(
        "RecordsUnread",
        "table and the reader of its stream",
        ("AWS/DynamoDB ConsumedWriteCapacityUnits", "AWS/Lambda PolledEventCount"),
        "critical",
        _BY_METRIC,
        UNREAD,
    ),
    AlarmKind(
        "RecordsUnread",
        "Kinesis stream and its reader",
        ("AWS/Kinesis IncomingRecords", "AWS/Lambda PolledEventCount"),
        "critical",
        _BY_METRIC,
        UNREAD,
    ),
    AlarmKind(
        "RecordsGivenUp",
        "reader of a stream",
        ("AWS/Lambda OnFailureDestinationDeliveredEventCount",),
        "critical",
        _by_fault("test_a_record_that_is_given_up_sets_off_the_alarm_of_its_reader"),
    ),
    AlarmKind(
        "RecordsLost",
        "reader of a stream",
        ("AWS/Lambda DroppedEventCount",),
        "critical",
        _by_fault("test_a_record_that_is_given_up_and_kept_nowhere_sets_off_its_alarms"),
    ),
    AlarmKind(
        "RecordsNotKept",
        "function that reads a stream",
        ("AWS/Lambda DestinationDeliveryFailures",),
        "critical",
        _by_fault("test_a_record_that_is_given_up_and_kept_nowhere_sets_off_its_alarms"),
    ),
    AlarmKind(
        "PoisonRecords",
        "bundled handler of a stream",
        ("ServerlessPatterns PoisonRecords",),
        "critical",
        _by_fault("test_a_record_that_nobody_can_take_sets_off_its_alarm"),
    ),
    AlarmKind(
        "StreamAge",
        "Kinesis stream",
        ("AWS/Kinesis GetRecords.IteratorAgeMilliseconds",),
        "warning",
        _BY_METRIC,
        above(A_MINUTE, periods=(3, 5)),
    ),
    AlarmKind(
        "StreamAgeCritical",
        "Kinesis stream",
        ("AWS/Kinesis GetRecords.IteratorAgeMilliseconds",),
        "critical",
        _BY_METRIC,
        above(half_of_the_tries),
    ),
    AlarmKind(
        "StreamRefused", "Kinesis stream", ("AWS/Kinesis WriteProvisionedThroughputExceeded",), "critical", _BY_METRIC, GOES_ON
    ),
    AlarmKind(
        "QueueAge",
        "queue",
        ("AWS/SQS ApproximateAgeOfOldestMessage",),
        "warning",
        _BY_METRIC,
        above(oldest_message, periods=(3, 5)),
    ),
    AlarmKind(
        "QueueStall",
        "queue and its function",
        ("AWS/SQS ApproximateAgeOfOldestMessage", "AWS/Lambda Invocations", "AWS/Lambda Errors"),
        "critical",
        _BY_METRIC,
        STALLS,
    ),
    AlarmKind(
        "DeadLetters",
        "dead-letter queue",
        ("AWS/SQS ApproximateNumberOfMessagesVisible",),
        "critical",
        _by_fault("test_a_message_that_cannot_be_worked_sets_off_the_alarm_of_its_dead_letter_queue"),
        GoesOff(statistic="Maximum"),
    ),
    AlarmKind(
        "DeadLettersAge",
        "dead-letter queue",
        ("AWS/SQS ApproximateAgeOfOldestMessage",),
        "warning",
        _BY_METRIC,
        above(nearly_lost, period=300),
    ),
    AlarmKind(
        "NotificationsFailed",
        "topic",
        ("AWS/SNS NumberOfNotificationsFailed",),
        "critical",
        _by_fault("test_a_notification_that_reaches_nobody_sets_off_the_alarm_of_its_topic"),
    ),
    AlarmKind(
        "NotificationsLost",
        "topic",
        ("AWS/SNS NumberOfNotificationsFailedToRedriveToDlq",),
        "critical",
        _by_fault("test_a_notification_that_is_kept_nowhere_sets_off_the_alarm_of_its_topic"),
    ),
    AlarmKind(
        "FailedInvocations",
        "rule",
        ("AWS/Events FailedInvocations",),
        "critical",
        _by_fault("test_an_event_that_a_rule_cannot_deliver_sets_off_its_alarm"),
    ),
    AlarmKind(
        "InvocationsFailedToBeSentToDlq",
        "rule",
        ("AWS/Events InvocationsFailedToBeSentToDlq",),
        "critical",
        _by_fault("test_an_event_of_a_rule_that_is_kept_nowhere_sets_off_its_alarm"),
    ),
    AlarmKind(
        "TargetErrorCount",
        "schedule",
        ("AWS/Scheduler TargetErrorCount",),
        "critical",
        _by_fault("test_a_schedule_whose_function_is_gone_sets_off_its_alarms"),
    ),
    AlarmKind(
        "InvocationDroppedCount",
        "schedule",
        ("AWS/Scheduler InvocationDroppedCount",),
        "critical",
        _by_fault("test_a_schedule_whose_function_is_gone_sets_off_its_alarms"),
    ),
    AlarmKind(
        "InvocationsFailedToBeSentToDeadLetterCount",
        "schedule",
        ("AWS/Scheduler InvocationsFailedToBeSentToDeadLetterCount",),
        "critical",
        _by_fault("test_a_schedule_whose_function_is_gone_sets_off_its_alarms"),
    ),
    AlarmKind(
        "ReportMissing",
        "bundled handler of reports",
        ("ServerlessPatterns ReportSucceeded",),
        "critical",
        _by_fault("test_a_report_that_stays_away_sets_off_its_alarm_until_there_is_one"),
        MISSING,
    ),
    AlarmKind(
        "ExecutionsFailed",
        "state machine",
        ("AWS/States ExecutionsFailed",),
        "critical",
        _by_fault("test_an_order_that_cannot_be_undone_sets_off_the_alarms_of_its_execution_and_of_the_manual_queue"),
    ),
    AlarmKind(
        "ExecutionsTimedOut",
        "state machine",
        ("AWS/States ExecutionsTimedOut",),
        "critical",
        _by_fault("test_an_execution_that_takes_too_long_sets_off_its_alarm"),
    ),
    AlarmKind(
        "ExecutionsAborted",
        "state machine",
        ("AWS/States ExecutionsAborted",),
        "critical",
        _by_fault("test_an_execution_that_somebody_stops_sets_off_its_alarm"),
    ),
    AlarmKind("ExecutionsThrottled", "state machine", ("AWS/States ExecutionThrottled",), "critical", _BY_METRIC),
    AlarmKind("Throttles", "table", ("AWS/DynamoDB ThrottledRequests",), "critical", _BY_METRIC, REQUESTS),
    AlarmKind("SystemErrors", "table", ("AWS/DynamoDB SystemErrors",), "critical", _BY_METRIC, REQUESTS),
    AlarmKind(
        "CircuitOpened",
        "bundled worker of orders",
        ("ServerlessPatterns CircuitOpened",),
        "warning",
        _by_fault("test_an_open_circuit_sets_off_its_alarm"),
    ),
    AlarmKind(
        "OrdersPostponed",
        "bundled worker of orders",
        ("ServerlessPatterns PostponedSeconds",),
        "critical",
        _BY_METRIC,
        above(AN_HOUR),
    ),
)


def kind_of(alarm: Alarm) -> AlarmKind:
    """The kind of an alarm: exactly one."""
    found = [kind for kind in KINDS if kind.covers(alarm)]
    assert len(found) == 1, f"{alarm.stack}/{alarm.name} is of {len(found)} kinds: add it to KINDS, with its proof"
    return found[0]


def proven(template: Mapping[str, Any], imports: Mapping[str, str] | None = None) -> Counter[str]:
    """How many alarms of a template were ``seen``, and how many only ``asserted``."""
    proofs = (kind_of(alarm).proof for alarm in alarms_of("", template, imports))
    return Counter("seen" if isinstance(proof, Seen) else "asserted" for proof in proofs)
