"""Alarms of state machines and of the functions that are their steps."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn

from serverless_patterns._blocks.alarms.functions import FunctionAlarms


class WorkflowAlarms(FunctionAlarms):
    """Alarms of state machines."""

    def add_state_machine(self, name: str, machine: sfn.StateMachine) -> None:
        """The alarms of a state machine: executions that failed, ran out of time, were stopped, or were held back.

        https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html
        """
        look = f"aws stepfunctions list-executions --state-machine-arn {machine.state_machine_arn} --status-filter"
        for suffix, metric, cause in (
            ("Failed", "ExecutionsFailed", f"An execution failed: something is broken. First: {look} FAILED"),
            ("TimedOut", "ExecutionsTimedOut", f"An execution was ended before it came to its end. First: {look} TIMED_OUT"),
            (
                "Aborted",
                "ExecutionsAborted",
                f"Somebody stopped an execution: what it had done is not undone. First: {look} ABORTED",
            ),
            (
                "Throttled",
                "ExecutionThrottled",
                f"State transitions are held back: more is started than the account's quota allows. First: {look} RUNNING",
            ),
        ):
            self.add(
                f"{name}{suffix}",
                machine.metric(metric, period=Duration.minutes(1), statistic="Sum"),
                tier="critical",
                threshold=1,
                description=cause,
            )

    def add_step(self, name: str, function: lambda_.Function, *, timeout: Duration) -> None:
        """The alarms of a function that is a step of a state machine: throttles, and time that runs out.

        Its errors are no alarm: some are answers, some are tried again, and what remains fails the execution.
        """
        self._add_limits(name, function, timeout)
