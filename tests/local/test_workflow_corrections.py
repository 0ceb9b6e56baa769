"""What the emulator's state machines do like those of AWS: they are counted, end in time, and name a throttled function."""

import json
import time
from typing import Any

import pytest

from serverless_patterns.local.account import Account, Stack
from serverless_patterns.local.processes import wait_until
from tests.local.conftest import Deploy
from tests.local.test_corrections import ROLE, arn_of, function, template
from tests.support.waiting import PATIENCE

OK = "def handler(event, context):\n    return {}\n"
TASK = {"Type": "Task", "Resource": arn_of("Function"), "End": True}


def machine(*, seconds: int | None = None, **states: object) -> dict[str, Any]:
    """A state machine that begins with its first state."""
    definition = {"StartAt": next(iter(states)), "States": states, **({"TimeoutSeconds": seconds} if seconds else {})}
    return {"Type": "AWS::StepFunctions::StateMachine", "Properties": {"RoleArn": ROLE, "Definition": definition}}


@pytest.fixture(scope="module")
def machines(deploy: Deploy) -> Stack:
    waits = {"Type": "Wait", "Seconds": 30, "Next": "Fails"}
    fails = {"Type": "Fail", "Error": "Broken", "Cause": "on purpose"}
    resources = {
        "Function": function(OK),
        "Works": machine(First={"Type": "Pass", "End": True}),
        "Breaks": machine(First=fails),
        "Late": machine(seconds=1, First=waits, Fails=fails),
        "Asks": machine(First=TASK),
    }
    return deploy("state-machines", template(resources))


def ended(account: Account, arn: str) -> dict[str, Any]:
    """An execution of this state machine, once it has ended."""
    client = account.client("stepfunctions")
    execution = client.start_execution(stateMachineArn=arn)["executionArn"]
    seen: list[dict[str, Any]] = []

    def over() -> bool:
        seen[:] = [client.describe_execution(executionArn=execution)]
        return bool(seen[0]["status"] != "RUNNING")

    assert wait_until(over, seconds=PATIENCE), seen
    return seen[0]


def counted(account: Account, arn: str, metric: str) -> float:
    now = time.time()
    points = account.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/States",
        MetricName=metric,
        Dimensions=[{"Name": "StateMachineArn", "Value": arn}],
        StartTime=now - 600,
        EndTime=now + 60,
        Period=3600,
        Statistics=["Sum"],
    )["Datapoints"]
    return float(sum(point["Sum"] for point in points))


@pytest.mark.parametrize(
    ("name", "status", "metric"),
    [
        ("Works", "SUCCEEDED", "ExecutionsSucceeded"),
        ("Breaks", "FAILED", "ExecutionsFailed"),
        ("Late", "TIMED_OUT", "ExecutionsTimedOut"),
    ],
)
def test_each_execution_is_counted_when_it_begins_and_by_how_it_ends(
    account: Account, machines: Stack, name: str, status: str, metric: str
) -> None:
    arn = machines.outputs[name]
    assert ended(account, arn)["status"] == status
    ends = {each: counted(account, arn, f"Executions{each}") for each in ("Started", "Succeeded", "Failed", "TimedOut")}
    assert ends == {each: float(each == "Started" or metric.endswith(each)) for each in ends}


def test_an_execution_that_takes_too_long_is_ended_before_its_next_state(account: Account, machines: Stack) -> None:
    client = account.client("stepfunctions")
    found = ended(account, machines.outputs["Late"])
    history = client.get_execution_history(executionArn=found["executionArn"])["events"]
    assert history[-1]["type"] == "ExecutionTimedOut"
    assert [event["stateEnteredEventDetails"]["name"] for event in history if "stateEnteredEventDetails" in event] == ["First"]


def test_a_throttled_function_has_the_name_that_retries_know(account: Account, machines: Stack) -> None:
    name = machines.outputs["Function"]
    assert ended(account, machines.outputs["Asks"])["status"] == "SUCCEEDED"
    account.client("lambda").put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    found = ended(account, machines.outputs["Asks"])
    assert (found["status"], found["error"]) == ("FAILED", "Lambda.TooManyRequestsException")
    assert "ReservedFunctionConcurrent" in json.loads(found["cause"])["Reason"]
