"""Targets of rules and schedules: whether they are there, and their dead-letter queues; no correction, but part of some."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ministack.core.arn import ArnParseError, parse_arn
from ministack.services import lambda_svc, sns, sqs


def fault_of(arn: str) -> tuple[str, str] | None:
    """Why a target takes nothing: the error's code and its message; ``None`` if it does."""
    try:
        service = parse_arn(arn).service
    except ArnParseError:
        return None  # the emulator says so in its log
    match service:
        case "lambda" if not lambda_svc._get_func_record_for_ref(arn)[1]:
            return "ResourceNotFoundException", f"Function not found: {arn}"
        case "sqs" if not sqs._queue_by_arn(arn):
            return "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist."
        case "sns" if arn not in sns._topics:
            return "NotFoundException", "Topic does not exist"
    return None


def bury(target: Mapping[str, Any], body: str, said: Mapping[str, str]) -> None:
    """Send what a target did not take to its dead-letter queue, if it has one, with what is said of it."""
    arn = (target.get("DeadLetterConfig") or {}).get("Arn")
    if arn and (queue := sqs._queue_by_arn(arn)):
        attributes = {name: {"DataType": "String", "StringValue": value} for name, value in said.items()}
        message = {"QueueUrl": queue["url"], "MessageBody": body, "MessageAttributes": attributes}
        sqs._act_send_message(message, queue["url"])
