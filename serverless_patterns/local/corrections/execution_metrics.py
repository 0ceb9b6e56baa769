"""The metrics of a state machine: how many executions began, and how they ended.

AWS publishes them for each state machine.
https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html

The emulator publishes nothing.
"""

from __future__ import annotations

from typing import Any

from ministack.services import cloudwatch, stepfunctions

from .faults import expect
from .targets import count

NAMESPACE = "AWS/States"
METRICS = {
    "RUNNING": "ExecutionsStarted",
    "SUCCEEDED": "ExecutionsSucceeded",
    "FAILED": "ExecutionsFailed",
    "ABORTED": "ExecutionsAborted",
    "TIMED_OUT": "ExecutionsTimedOut",
}
#: One of an Express state machine, of which the emulator tells nobody else.
CHECKED = {"status": "FAILED", "stateMachineArn": "correction-check", "sync": True}


def check() -> None:
    """An execution that fails is not counted."""
    stepfunctions._emit_execution_status_event(CHECKED)
    keys = [key for key in cloudwatch._metrics if key[0] == NAMESPACE]
    for key in keys:
        del cloudwatch._metrics[key]
    expect(not keys, "the emulator now publishes the metrics of state machines")


def apply() -> None:
    """Count where the emulator says that the state of an execution has changed."""
    emit = stepfunctions._emit_execution_status_event

    def counted(execution: dict[str, Any]) -> None:
        count(NAMESPACE, METRICS[execution["status"]], StateMachineArn=execution["stateMachineArn"])
        emit(execution)

    stepfunctions._emit_execution_status_event = counted
