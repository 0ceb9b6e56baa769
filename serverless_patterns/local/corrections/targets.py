"""Targets of rules and schedules: whether they are there, and their dead-letter queues; no correction, but part of some."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ministack.core.arn import ArnParseError, parse_arn
from ministack.services import cloudwatch, eventbridge, lambda_svc, sns, sqs


def fault_of(arn: str) -> tuple[str, str] | None:
    """Why a target takes nothing: the error's code and its message; ``None`` if it does."""
    try:
        spec = parse_arn(arn)
    except ArnParseError:
        return None  # the emulator says so in its log
    match spec.service:
        case "lambda" if not lambda_svc._get_func_record_for_ref(arn)[1]:
            return "ResourceNotFoundException", f"Function not found: {arn}"
        case "sqs" if not sqs._queue_by_arn(arn):
            return "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist."
        case "sns" if arn not in sns._topics:
            return "NotFoundException", "Topic does not exist"
        case "events" if _is_no_bus(spec.resource):
            return "ResourceNotFoundException", f"Event bus {spec.resource.rpartition('/')[2]} does not exist."
    return None


def _is_no_bus(resource: str) -> bool:
    kind, _, name = resource.partition("/")
    return kind == "event-bus" and name not in eventbridge._event_buses


def bury(target: Mapping[str, Any], body: str, said: Mapping[str, str]) -> bool:
    """Send what a target did not take to its dead-letter queue, if it has one, with what is said of it: whether it is lost."""
    arn = (target.get("DeadLetterConfig") or {}).get("Arn")
    queue = sqs._queue_by_arn(arn) if arn else None
    if queue:
        attributes = {name: {"DataType": "String", "StringValue": value} for name, value in said.items()}
        message = {"QueueUrl": queue["url"], "MessageBody": body, "MessageAttributes": attributes}
        sqs._act_send_message(message, queue["url"])
    return bool(arn and not queue)


def count(namespace: str, metric: str, **dimensions: str) -> None:
    """Add one to a metric."""
    cloudwatch.record_metric(namespace, metric, 1, "Count", dimensions)
