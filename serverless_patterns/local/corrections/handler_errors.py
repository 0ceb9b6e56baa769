"""What is known of an exception that a handler raised.

AWS names the exception's class as ``errorType`` and adds the stack trace: in the answer to an invocation, and in the record
that an asynchronous invocation leaves at its destination.
https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html

The emulator calls each of them ``Runtime.HandlerError``.
"""

from __future__ import annotations

import threading
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from .faults import expect

SAID = '"error": str(e), "trace": traceback.format_exc()'
KNOWN = '"type": type(e).__name__, "stack": traceback.format_tb(e.__traceback__)[1:]'
UNNAMED = "Runtime.HandlerError"

last = threading.local()


def check() -> None:
    """A handler's process does not name the class."""
    script = lambda_runtime._PYTHON_WORKER_SCRIPT
    expect(f"{SAID}}}" in script, "the emulator now says more of what a handler raised")


def apply() -> None:
    """Let the process name it, and hand the name on."""
    lambda_runtime._PYTHON_WORKER_SCRIPT = lambda_runtime._PYTHON_WORKER_SCRIPT.replace(f"{SAID}}}", f"{SAID}, {KNOWN}}}")
    invoke, execute = lambda_runtime.Worker.invoke, lambda_svc._execute_function_warm

    def invoked(self: lambda_runtime.Worker, *arguments: object, **named: object) -> dict[str, Any]:
        last.answer = invoke(self, *arguments, **named)
        answer: dict[str, Any] = last.answer
        return answer

    def executed(func: dict[str, Any], event: object, request_id: str) -> dict[str, Any]:
        last.answer = {}
        result: dict[str, Any] = execute(func, event, request_id)
        body, answer = result.get("body"), last.answer
        if result.get("error") and isinstance(body, dict) and body.get("errorType") == UNNAMED and "type" in answer:
            body.update(errorType=answer["type"], requestId=request_id, stackTrace=answer["stack"])
        return result

    lambda_runtime.Worker.invoke = invoked
    lambda_svc._execute_function_warm = executed
