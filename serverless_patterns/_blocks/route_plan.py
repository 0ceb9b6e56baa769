"""What a route of a bus is to be, checked before anything is defined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serverless_patterns._blocks.checks import check, check_type
from serverless_patterns._blocks.event_pattern import checked_pattern
from serverless_patterns._blocks.event_schemas import SCHEMA_FILE, schema_files
from serverless_patterns._blocks.function import check_environment
from serverless_patterns._blocks.handler import Handler, check_packed
from serverless_patterns._blocks.queue import QueueOptions
from serverless_patterns._blocks.worker import SETTINGS, WorkerOptions

#: Seconds: with 14 left, two calls to DynamoDB, the handler begins no event.
LEAST_TIMEOUT = 15
#: The environment variables of the bundled consumer, beside those of its log.
TAKEN = (*SETTINGS, "EVENT_SECONDS", "HANDLER", "SCHEMA_FILE", "TABLE_NAME")


@dataclass(frozen=True, kw_only=True)
class RoutePlan:
    """What a route is to be: checked before anything is defined.

    Attributes:
        pattern: The pattern of its rule.
        code: The bundled consumer, with the schemas and the user's function beside it.
        worker: How the queue is consumed.
        queue: How the queue is defined.
        environment: What the function is told of the files beside it, and by the user.
    """

    pattern: dict[str, Any]
    code: Handler
    worker: WorkerOptions
    queue: QueueOptions
    environment: Mapping[str, str]


def plan_route(
    *,
    pattern: object,
    handler: Handler | None,
    schemas: Mapping[str, Any] | None,
    worker: WorkerOptions | None,
    queue: QueueOptions | None,
    environment: Mapping[str, str] | None,
) -> RoutePlan:
    """Check what a route is to be.

    Raises:
        PatternError: Something does not fit.
    """
    options, queue_options = worker or WorkerOptions(), queue or QueueOptions()
    checked = checked_pattern(pattern)
    check_packed("handler", handler, "module.handle")
    check_environment(environment, taken=TAKEN, own=handler is not None)
    check_type("worker", options, WorkerOptions, "WorkerOptions(...)")
    check_type("queue", queue_options, QueueOptions, "QueueOptions(...)")
    check(
        not queue_options.fifo,
        "queue must be a standard queue: a bus keeps no order, so a FIFO queue would keep one that is none; leave fifo out",
    )
    seconds = options.timeout_or_default.to_seconds()
    check(
        seconds >= LEAST_TIMEOUT,
        f"timeout of the worker must be {LEAST_TIMEOUT} to 900 s, got {seconds:g} s: what is known of an event is written "
        "before and after it is handled, which may take 14 s, and what handles it needs its own time",
    )
    files = schema_files(schemas, checked)
    return RoutePlan(
        pattern=checked,
        code=Handler.bundled("event_routing", files=files, beside=handler, named="handler"),
        worker=options,
        queue=queue_options,
        environment={**(environment or {}), **_settings(handler, files)},
    )


def _settings(handler: Handler | None, files: Mapping[str, str]) -> dict[str, str]:
    settings = {"SCHEMA_FILE": f"event_routing/{SCHEMA_FILE}"} if files else {}
    return settings if handler is None else {**settings, "HANDLER": handler.importable}
