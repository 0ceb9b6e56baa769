"""Checks of what carries messages: each gives what could lose, delay or repeat them, a line each."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.support.synthesis import resources, role_policies

Template = Mapping[str, Any]
FOUR_DAYS = 345_600
#: Seconds for which a stream of DynamoDB keeps its records, and one of Kinesis at least.
A_DAY = 86_400
#: Services that do not wait for a function's answer: what it fails at is lost without a destination.
#: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html
WITHOUT_WAITING = frozenset({"events.amazonaws.com", "s3.amazonaws.com", "sns.amazonaws.com"})


def batches_that_fail_as_a_whole(template: Template) -> list[str]:
    """Functions that get batches and cannot say which messages failed."""
    return [
        key for key, each in _mappings(template).items() if each.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]
    ]


def batches_without_window(template: Template) -> list[str]:
    """Batches of more than ten messages that wait for none: Lambda takes them of a queue with a window only.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    """
    return [
        key
        for key, each, _, _ in _worked_queues(template)
        if each.get("BatchSize", 10) > 10 and not each.get("MaximumBatchingWindowInSeconds")
    ]


def pollers_without_limit(template: Template) -> list[str]:
    """Queues whose poller starts as many batches at once as the account can."""
    return [key for key, each, _, _ in _worked_queues(template) if not each.get("ScalingConfig", {}).get("MaximumConcurrency")]


def messages_seen_too_early(template: Template) -> list[str]:
    """Queues that show a message again within six timeouts of its function and the window of its batch.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    """
    return [
        f"{key}: {queue.get('VisibilityTimeout', 30)} s"
        for key, mapping, queue, function in _worked_queues(template)
        if queue.get("VisibilityTimeout", 30) < 6 * function["Timeout"] + mapping.get("MaximumBatchingWindowInSeconds", 0)
    ]


def queues_that_lose(template: Template) -> list[str]:
    """Queues that are worked, without a dead-letter queue of their kind that keeps messages for longer than they do."""
    return [key for key, _, queue, _ in _worked_queues(template) if not _is_kept(template, queue)]


def _is_kept(template: Template, queue: Mapping[str, Any]) -> bool:
    redrive = queue.get("RedrivePolicy", {})
    dead = resources(template, "AWS::SQS::Queue").get(redrive.get("deadLetterTargetArn", {}).get("Fn::GetAtt", [""])[0])
    return (
        dead is not None
        and redrive.get("maxReceiveCount", 0) >= 3
        and dead["Properties"].get("MessageRetentionPeriod", FOUR_DAYS) > queue.get("MessageRetentionPeriod", FOUR_DAYS)
        and dead["Properties"].get("FifoQueue") == queue.get("FifoQueue")
    )


def streams_that_lose(template: Template) -> list[str]:
    """Readers of streams that miss what came before them, or give up records that nobody keeps then."""
    found = []
    for key, each in _mappings(template).items():
        right = {
            "from the oldest record on": each.get("StartingPosition") == "TRIM_HORIZON",
            "kept in a bucket": bool(each.get("DestinationConfig", {}).get("OnFailure")),
            "before the stream has lost it": 0 < each.get("MaximumRecordAgeInSeconds", -1) < A_DAY,
            "without its neighbours": each.get("BisectBatchOnFunctionError") is True,
        }
        if "StartingPosition" in each:
            found += [f"{key}: {name}" for name, is_right in right.items() if not is_right]
    return found


def deliveries_that_lose(template: Template) -> list[str]:
    """Rules, subscriptions and schedules without a dead-letter queue for what they cannot deliver."""
    queues = resources(template, "AWS::SQS::Queue")
    return [key for key, place in _deliveries(template) if not set(_referred(place)) & set(queues)]


def _deliveries(template: Template) -> Iterator[tuple[str, Any]]:
    """Logical id -> where it says what becomes of what is not delivered."""
    for key, each in template["Resources"].items():
        properties = each.get("Properties", {})
        match each["Type"]:
            case "AWS::SNS::Subscription":
                yield key, properties.get("RedrivePolicy")
            case "AWS::Events::Rule":
                yield from ((key, target.get("DeadLetterConfig")) for target in properties["Targets"])
            case "AWS::Scheduler::Schedule":
                yield key, properties["Target"].get("DeadLetterConfig")


def failures_that_nobody_keeps(template: Template) -> list[str]:
    """Functions that nobody waits for, without a destination for the events that they fail at."""
    kept = {
        name
        for each in resources(template, "AWS::Lambda::EventInvokeConfig").values()
        if each["Properties"].get("DestinationConfig", {}).get("OnFailure")
        for name in _referred(each["Properties"]["FunctionName"])
    }
    targets = [each["Properties"]["Target"]["Arn"] for each in resources(template, "AWS::Scheduler::Schedule").values()]
    targets += [
        each["Properties"]["FunctionName"]
        for each in resources(template, "AWS::Lambda::Permission").values()
        if each["Properties"]["Principal"] in WITHOUT_WAITING
    ]
    functions = resources(template, "AWS::Lambda::Function")
    return sorted({name for target in targets for name in _referred(target) if name in functions} - kept)


def reports_at_the_same_time(template: Template) -> list[str]:
    """Functions that a schedule invokes and that may run twice at once: a late run would meet the next one."""
    functions = resources(template, "AWS::Lambda::Function")
    schedules = resources(template, "AWS::Scheduler::Schedule").values()
    invoked = {name for each in schedules for name in _referred(each["Properties"]["Target"]["Arn"])}
    found = sorted(invoked & set(functions))  # a schedule may have another target
    return [key for key in found if functions[key]["Properties"].get("ReservedConcurrentExecutions") != 1]


def wrongly_looped(template: Template) -> list[str]:
    """Functions that may loop and send to no queue that they consume, and those that may not and do.

    Lambda stops what looks like a loop: for a consumer that sends messages back, that would drop them; for all others it is a
    safeguard.
    """
    functions = {key: each["Properties"] for key, each in resources(template, "AWS::Lambda::Function").items()}
    allowed = {key for key, each in functions.items() if each.get("RecursiveLoop") == "Allow"}
    looping = {key for key in functions if _sources(template, key) & _destinations(template, key)}
    others = {key for key, each in functions.items() if each.get("RecursiveLoop") not in {"Allow", None}}
    return sorted((allowed ^ looping) | others)


def _sources(template: Template, function: str) -> set[str]:
    """The queues that a function consumes."""
    mappings = _mappings(template).values()
    return {
        name for each in mappings if each["FunctionName"] == {"Ref": function} for name in _referred(each["EventSourceArn"])
    }


def _destinations(template: Template, function: str) -> set[str]:
    """The queues that a function may send to."""
    role = template["Resources"][function]["Properties"]["Role"]["Fn::GetAtt"][0]
    policies = [each["Properties"] for each in role_policies(template).values()]
    return {
        name
        for policy in policies
        if {"Ref": role} in policy["Roles"]
        for statement in policy["PolicyDocument"]["Statement"]
        if "sqs:SendMessage" in statement.get("Action", [])
        for name in _referred(statement.get("Resource", []))
    }


def _mappings(template: Template) -> dict[str, dict[str, Any]]:
    return {key: each["Properties"] for key, each in resources(template, "AWS::Lambda::EventSourceMapping").items()}


def _worked_queues(template: Template) -> Iterator[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]]:
    """Each mapping of a queue: its logical id, its properties, those of the queue and those of the function."""
    queues = resources(template, "AWS::SQS::Queue")
    for key, mapping in _mappings(template).items():
        for name in _referred(mapping["EventSourceArn"]):
            if name in queues:
                yield (
                    key,
                    mapping,
                    queues[name]["Properties"],
                    template["Resources"][mapping["FunctionName"]["Ref"]]["Properties"],
                )


def _referred(value: object) -> list[str]:
    """The logical ids that a value refers to."""
    return re.findall(r'\{"(?:Ref": |Fn::GetAtt": \[)"(\w+)"', json.dumps(value))
