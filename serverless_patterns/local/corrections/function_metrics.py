"""The metrics of functions: invocations, errors, how long they took.

AWS counts every invocation, whoever invoked; one that is throttled is none.
https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html

The emulator counts those that somebody waits for; of those by queues, topics, APIs and the like it knows nothing.
"""

from __future__ import annotations

import time
from typing import Any

from ministack.services import cloudwatch, lambda_svc

from .faults import expect
from .targets import count

NAME = "correction-check"


def check() -> None:
    """A function that runs is not counted."""
    names = ("_execute_function_warm", "_emit_lambda_logs")
    stock = {name: getattr(lambda_svc, name) for name in names}
    for name in names:
        setattr(lambda_svc, name, lambda *_, **__: {"body": None})
    config = {"FunctionName": NAME, "Runtime": "python3.13"}
    try:
        lambda_svc._execute_function_dispatch({"config": config}, config, {}, NAME, time.time())
    finally:
        for name, function in stock.items():
            setattr(lambda_svc, name, function)
    keys = [key for key in cloudwatch._metrics if key[2] == f"FunctionName={NAME}"]
    for key in keys:
        del cloudwatch._metrics[key]
    expect(not keys, "the emulator now counts every invocation of a function")


def apply() -> None:
    """Count where functions are run, and nowhere else."""
    dispatch, emit = lambda_svc._execute_function_dispatch, lambda_svc._emit_lambda_metrics

    def dispatched(func: dict[str, Any], config: dict[str, Any], *rest: object) -> dict[str, Any]:
        began = time.time()
        result: dict[str, Any] = dispatch(func, config, *rest)
        took = 1000 * (time.time() - began)
        emit(config["FunctionName"], duration_ms=took, error=bool(result.get("error")), throttle=False)
        return result

    def only_throttles(function_name: str, *, duration_ms: float, error: bool, throttle: bool) -> None:
        if throttle and not (duration_ms or error):
            count("AWS/Lambda", "Throttles", FunctionName=function_name)

    lambda_svc._execute_function_dispatch = dispatched
    lambda_svc._emit_lambda_metrics = only_throttles
