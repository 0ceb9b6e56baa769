"""Rules and schedules that invoke functions.

AWS invokes a function asynchronously for an event of EventBridge or of EventBridge Scheduler: with the retries and the
destinations of the function's settings.
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html
https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-templated.html

The emulator invokes it once, whatever comes of it.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.services import eventbridge, lambda_svc

from .faults import expect

FOUND: tuple[dict[str, Any], dict[str, Any], str] = ({"config": {}}, {"FunctionName": "check"}, "check")


def check() -> None:
    """The asynchronous path is not taken."""
    taken: list[object] = []
    names = ("_get_func_record_for_ref", "_execute_function_with_config_scope", "invoke_async_with_retry")
    stock = {name: getattr(lambda_svc, name) for name in names}
    lambda_svc._get_func_record_for_ref = lambda _: FOUND
    lambda_svc._execute_function_with_config_scope = lambda *_: {}
    lambda_svc.invoke_async_with_retry = lambda *arguments: taken.append(arguments)
    try:
        eventbridge._dispatch_to_lambda("check", "{}")
    finally:
        for name, function in stock.items():
            setattr(lambda_svc, name, function)
    expect(not taken, "the emulator now invokes a function asynchronously for an event")


def apply() -> None:
    """Take it."""
    stock = eventbridge._dispatch_to_lambda

    def dispatch(arn: str, payload: str) -> None:
        function, config, _ = lambda_svc._get_func_record_for_ref(arn)
        if not function or not config:
            stock(arn, payload)
            return
        lambda_svc.invoke_async_with_retry(lambda_svc._execution_record_for_config(function, config), json.loads(payload))

    eventbridge._dispatch_to_lambda = dispatch
