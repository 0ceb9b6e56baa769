"""Asynchronous invocations: their retries and their destinations.

AWS retries an asynchronous invocation that failed twice, or as often as the function's settings say, under the same request
id; a throttled one it retries without counting. At the end it sends a record of the event and the answer to the destination
for success or for failure.
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
It counts events that it gives up, and records that do not arrive.
https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html

The emulator has no destinations for success, gives each attempt an id of its own, and its record lacks what identifies the
attempt. Corrected, destinations are queues, topics and functions. AWS waits one minute, then two; here it is short.
"""

from __future__ import annotations

import contextvars
import inspect
import json
import logging
import threading
import time
from datetime import UTC, datetime
from typing import Any

from ministack.core import responses
from ministack.services import lambda_svc, sns, sqs

from .faults import expect
from .targets import count

MAX_RETRIES, MAX_AGE = 2, 21_600
Result = dict[str, Any]

log = logging.getLogger(__name__)
given_ids: contextvars.ContextVar[list[str] | None] = contextvars.ContextVar("given_ids", default=None)


def check() -> None:
    """Nothing is sent after a success."""
    code = inspect.getsource(lambda_svc.invoke_async_with_retry)
    expect("OnSuccess" not in code, "the emulator now sends asynchronous invocations that succeeded to their destination")


def apply() -> None:
    """Retry under one id, and send the record."""
    new_uuid = lambda_svc.new_uuid

    def invoke_async_with_retry(func: dict[str, Any], event: dict[str, Any]) -> None:
        """Ends at OnSuccess or OnFailure."""
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(_run, func, event, str(new_uuid())), daemon=True).start()

    def next_uuid() -> str:
        given = given_ids.get()
        return given.pop() if given else str(new_uuid())

    lambda_svc.invoke_async_with_retry = invoke_async_with_retry
    lambda_svc.new_uuid = next_uuid


def _run(func: dict[str, Any], event: dict[str, Any], request_id: str) -> None:
    config = func.get("config") or func
    settings = func.get("event_invoke_config") or (func.get("event_invoke_configs") or {}).get("$LATEST") or {}
    with responses.request_scope(*lambda_svc._account_region_from_function_config(config)):
        result, attempts, condition = _attempts(func, event, request_id, settings)
        destinations = settings.get("DestinationConfig") or {}
        chosen = destinations.get("OnSuccess" if condition == "Success" else "OnFailure") or {}
        if condition != "Success":
            count("AWS/Lambda", "AsyncEventsDropped", FunctionName=config["FunctionName"])
        if target := chosen.get("Destination"):
            _send(config, target, _record(config, event, result, (request_id, attempts, condition)))
        if condition != "Success" and (dead_letters := (config.get("DeadLetterConfig") or {}).get("TargetArn")):
            lambda_svc._route_async_failure(dead_letters, config["FunctionName"], event, result)


def _attempts(func: dict[str, Any], event: dict[str, Any], request_id: str, settings: Result) -> tuple[Result, int, str]:
    """The last result, how many attempts it took, and what became of the event."""
    retries = settings.get("MaximumRetryAttempts")
    allowed = 1 + (MAX_RETRIES if retries is None else int(retries))
    gives_up = time.monotonic() + int(settings.get("MaximumEventAgeInSeconds") or MAX_AGE)
    attempts, wait = 0, lambda_svc._LAMBDA_ASYNC_RETRY_BASE_SECONDS
    while True:
        given_ids.set([request_id])
        result = lambda_svc._execute_function(func, event)
        given_ids.set(None)
        attempts += 0 if result.get("throttle") else 1
        if not result.get("error"):
            return result, attempts, "Success"
        if attempts >= allowed:
            return result, attempts, "RetriesExhausted"
        if time.monotonic() + wait > gives_up:
            return result, attempts, "EventAgeExceeded"
        time.sleep(wait)
        wait = min(2 * wait, lambda_svc._LAMBDA_ASYNC_RETRY_MAX_SECONDS)


def _record(config: Result, event: dict[str, Any], result: Result, outcome: tuple[str, int, str]) -> str:
    request_id, attempts, condition = outcome
    version = config.get("Version", "$LATEST")
    return json.dumps(
        {
            "version": "1.0",
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "requestContext": {
                "requestId": request_id,
                "functionArn": f"{config['FunctionArn'].removesuffix(f':{version}')}:{version}",
                "condition": condition,
                "approximateInvokeCount": attempts,
            },
            "requestPayload": event,
            "responseContext": {
                "statusCode": 200,
                "executedVersion": version,
                **({} if condition == "Success" else {"functionError": "Unhandled"}),
            },
            "responsePayload": result.get("body"),
        }
    )


def _send(config: Result, target: str, record: str) -> None:
    match target.split(":")[2]:
        case "sqs" if queue := sqs._queue_by_arn(target):
            sqs._act_send_message({"QueueUrl": queue["url"], "MessageBody": record}, queue["url"])
        case "sns" if target in sns._topics:
            sns.publish_internal(target, record)
        case "lambda" if (found := lambda_svc._get_func_record_for_ref(target))[1]:
            lambda_svc.invoke_async_with_retry(lambda_svc._execution_record_for_config(*found[:2]), json.loads(record))
        case _:
            count("AWS/Lambda", "DestinationDeliveryFailures", FunctionName=config["FunctionName"])
            log.warning("an asynchronous invocation has no destination %s: %s", target, record)
