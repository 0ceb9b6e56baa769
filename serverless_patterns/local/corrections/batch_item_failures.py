"""A batch answer of a function that names a message that is not in the batch.

AWS takes the whole batch as failed when ``batchItemFailures`` holds an empty or unknown identifier.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html

The emulator overlooks it, and deletes messages that the function wanted back.
"""

from __future__ import annotations

import contextvars
from typing import Any

from ministack.services import lambda_svc, sqs

from .faults import expect

NAME = "correction-check"
REPORTING = {"UUID": NAME, "FunctionName": NAME, "FunctionResponseTypes": ["ReportBatchItemFailures"]}
UNKNOWN = {"batchItemFailures": [{"itemIdentifier": "unknown"}]}
Fields = dict[str, Any]

#: The identifiers of the batch that a function with partial batch answers is invoked with.
batch_ids: contextvars.ContextVar[set[str] | None] = contextvars.ContextVar("batch_ids", default=None)


def check() -> None:
    """The batch is deleted."""
    deleted: list[object] = []
    dispatch, delete = lambda_svc._execute_function_dispatch, sqs._delete_messages_for_esm
    lambda_svc._execute_function_dispatch = lambda *_: {"body": UNKNOWN}
    sqs._delete_messages_for_esm = lambda *handles: deleted.append(handles)
    message = {"id": "1", "receipt_handle": "1"}
    try:
        lambda_svc._run_sqs_batch(
            dict(REPORTING), {"config": {"FunctionName": NAME}}, {"Records": []}, [message], "url", "queue"
        )
    finally:
        lambda_svc._execute_function_dispatch, sqs._delete_messages_for_esm = dispatch, delete
        lambda_svc._esm_backoff_until.pop(NAME, None)
    expect(bool(deleted), "the emulator now takes a batch as failed when the answer names an unknown message")


def apply() -> None:
    """Take it as failed."""
    run, execute = lambda_svc._run_sqs_batch, lambda_svc._execute_function

    def run_batch(mapping: Fields, function: Fields, event: Fields, batch: list[Fields], *rest: object) -> None:
        reports = "ReportBatchItemFailures" in mapping.get("FunctionResponseTypes", [])
        token = batch_ids.set({message["id"] for message in batch} if reports else None)
        try:
            run(mapping, function, event, batch, *rest)
        finally:
            batch_ids.reset(token)

    def executed(function: Fields, event: Fields) -> Fields:
        result: Fields = execute(function, event)
        ids = batch_ids.get()
        if ids is None or result.get("error") or _named(result.get("body")) <= ids:
            return result
        return {
            **result,
            "error": True,
            "body": {"errorType": "BatchAnswer", "errorMessage": f"not of this batch: {result['body']}"},
        }

    lambda_svc._run_sqs_batch, lambda_svc._execute_function = run_batch, executed


def _named(answer: object) -> set[str]:
    """The messages that an answer reports; an answer without any reports that nothing failed."""
    failures = answer.get("batchItemFailures") if isinstance(answer, dict) else None
    return {str(failure.get("itemIdentifier") or "") for failure in failures or []}
