"""The longest that an execution may take: ``TimeoutSeconds`` at the top of a definition.

AWS ends it then, as ``TIMED_OUT``, wherever it is.
https://docs.aws.amazon.com/step-functions/latest/dg/statemachine-structure.html

The emulator lets it go on. Corrected, a task that runs then is not ended, but nothing comes after it.
"""

from __future__ import annotations

import contextvars
import inspect
import json
import threading
from typing import Any

from ministack.core.responses import now_iso
from ministack.services import stepfunctions

from .faults import expect

#: Seconds: a year, after which AWS ends an execution whatever its definition says.
LONGEST = 31_536_000


def check() -> None:
    """Nothing ends an execution."""
    code = inspect.getsource(stepfunctions._run_execution)
    expect("TimeoutSeconds" not in code, "the emulator now ends executions that take too long")


def apply() -> None:
    """End it, and let nothing that comes later say otherwise."""
    run, fail = stepfunctions._run_execution, stepfunctions._fail_execution

    def run_in_time(arn: str) -> None:
        """Not longer than TimeoutSeconds."""
        timer = threading.Timer(_seconds(arn), contextvars.copy_context().run, (_end, arn))
        timer.daemon = True
        timer.start()
        try:
            run(arn)
        finally:
            timer.cancel()

    def fail_if_it_runs(execution: dict[str, Any], error: str, cause: str) -> None:
        if execution["status"] == "RUNNING":
            fail(execution, error, cause)

    stepfunctions._run_execution, stepfunctions._fail_execution = run_in_time, fail_if_it_runs


def _seconds(arn: str) -> float:
    machine = stepfunctions._state_machines.get(stepfunctions._executions[arn]["stateMachineArn"])
    definition = json.loads(machine["definition"]) if machine else {}
    return min(float(definition.get("TimeoutSeconds", LONGEST)), threading.TIMEOUT_MAX)


def _end(arn: str) -> None:
    execution = stepfunctions._executions[arn]
    if execution["status"] == "RUNNING":
        execution.update(status="TIMED_OUT", stopDate=now_iso())
        stepfunctions._add_event(execution, "ExecutionTimedOut", {"executionTimedOutEventDetails": {}})
        stepfunctions._emit_execution_status_event(execution)
