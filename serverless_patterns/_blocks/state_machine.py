"""State machines: logs, traces, a role with nothing but what is granted to it, and how their steps are tried again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from aws_cdk import ArnFormat, Duration, Names, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from serverless_patterns._blocks.checks import check, check_between, check_duration, check_type
from serverless_patterns._blocks.log_group import log_group
from serverless_patterns._blocks.role import ServiceRole
from serverless_patterns.operations import Operations

Kind = Literal["standard", "express"]

#: Seconds: after them, an Express execution is ended. https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
LONGEST_EXPRESS = 5 * 60
#: Seconds: a year, the same of a Standard one.
LONGEST_STANDARD = 365 * 24 * 60 * 60
#: Of a part of a log group's name, which has 512 at most; more would tell nothing.
MOST_NAME_CHARACTERS = 128
#: What the log of a state machine needs. For these actions there is no resource to name.
#: https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
LOGGING = (
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
)
#: The same of its traces. https://docs.aws.amazon.com/step-functions/latest/dg/concepts-xray-tracing.html
TRACING = (
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
)


@dataclass(frozen=True, kw_only=True)
class Retry:
    """How a step is tried again that failed for a reason which passes.

    Each pause is anything up to its bound (full jitter): those who failed together do not come back together.
    https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html

    Args:
        interval: The bound of the first pause, 1 s to an hour. Default 2 s.
        max_attempts: How often it is tried again, 0 to 100. Default 4.
        backoff_rate: By what the bound grows with each, 1 to 10. Default 2.
        max_delay: The largest bound, above the ``interval``, at most a day. Default 1 minute.

    Raises:
        PatternError: A value is outside its range.
    """

    interval: Duration | None = None
    max_attempts: int = 4
    backoff_rate: float = 2
    max_delay: Duration | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_duration("interval", self.first, least=1, most=60 * 60)
        check_type("max_attempts", self.max_attempts, int, "a whole number")
        check_between("max_attempts", self.max_attempts, 0, 100)
        check_between("backoff_rate", self.backoff_rate, 1, 10)
        check_duration("max_delay", self.longest, least=1, most=24 * 60 * 60)
        if not (self.first.is_unresolved() or self.longest.is_unresolved()):
            first, longest = self.first.to_seconds(), self.longest.to_seconds()
            check(longest > first, f"max_delay must be longer than the interval of {first:g} s, got {longest:g} s")

    @property
    def first(self) -> Duration:
        """The bound of the first pause."""
        return self.interval or Duration.seconds(2)

    @property
    def longest(self) -> Duration:
        """The largest bound."""
        return self.max_delay or Duration.minutes(1)

    @property
    def pauses(self) -> float:
        """Seconds of all pauses, if each is as long as it may be; with full jitter they are half of that on average."""
        first, longest = self.first.to_seconds(), self.longest.to_seconds()
        return sum(min(first * self.backoff_rate**number, longest) for number in range(self.max_attempts))

    def apply(self, task: sfn.TaskStateBase, errors: Sequence[str]) -> None:
        """Let a task be tried again after these errors."""
        task.add_retry(
            errors=list(errors),
            interval=self.first,
            max_attempts=self.max_attempts,
            backoff_rate=self.backoff_rate,
            max_delay=self.longest,
            jitter_strategy=sfn.JitterType.FULL,
        )


def machine_role(scope: Construct, construct_id: str, description: str) -> iam.Role:
    """A role that the state machines of this account alone may assume.

    https://docs.aws.amazon.com/step-functions/latest/dg/procedure-create-iam-role.html
    """
    stack = Stack.of(scope)
    machines = stack.format_arn(
        service="states", resource="stateMachine", resource_name="*", arn_format=ArnFormat.COLON_RESOURCE_NAME
    )
    conditions = {"StringEquals": {"aws:SourceAccount": stack.account}, "ArnLike": {"aws:SourceArn": machines}}
    principal = iam.ServicePrincipal("states.amazonaws.com", conditions=conditions)
    return ServiceRole(scope, construct_id, assumed_by=principal, description=description)


def _log_name(scope: Construct) -> str:
    """A name for the log group: of another prefix, each would take its part of the 5,120 characters of a policy of the account.

    New state machines fail in an account that has no more of them.
    https://docs.aws.amazon.com/step-functions/latest/dg/bp-cwl.html
    """
    name = Names.unique_resource_name(scope, max_length=MOST_NAME_CHARACTERS, separator="-")
    return f"/aws/vendedlogs/states/{name}"


def define_state_machine(
    scope: Construct,
    construct_id: str,
    *,
    start: sfn.IChainable,
    role: iam.Role,
    kind: Kind,
    timeout: Duration,
    operations: Operations,
) -> sfn.StateMachine:
    """Define a state machine with this role, to which nothing is added but its logs and traces.

    CDK's tasks would grant themselves more: each function in all its versions, and four more actions on a key than are used.
    So they see a role that cannot be changed, and what they call is granted where they are defined.

    All that executions do is logged, since an Express one leaves nothing else behind; what they are about is not: it is
    people's.
    """
    logs = log_group(scope, f"{construct_id}Logs", operations, name=_log_name(scope))
    iam.Grant.add_to_principal(grantee=role, actions=list(LOGGING), resource_arns=["*"])
    if operations.tracing:
        iam.Grant.add_to_principal(grantee=role, actions=list(TRACING), resource_arns=["*"])
    return sfn.StateMachine(
        scope,
        construct_id,
        definition_body=sfn.DefinitionBody.from_chainable(start),
        query_language=sfn.QueryLanguage.JSONATA,
        state_machine_type=sfn.StateMachineType.EXPRESS if kind == "express" else sfn.StateMachineType.STANDARD,
        role=role.without_policy_updates(),
        timeout=timeout,
        tracing_enabled=operations.tracing,
        logs=sfn.LogOptions(destination=logs, level=sfn.LogLevel.ALL, include_execution_data=False),
        removal_policy=RemovalPolicy.DESTROY,
    )
