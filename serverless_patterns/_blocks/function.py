"""HandlerFunction: the single way in which this library defines a Lambda function."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from aws_cdk import Duration, Token
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from serverless_patterns._blocks import packaging
from serverless_patterns._blocks.checks import check, check_grantee, check_named_texts
from serverless_patterns._blocks.concurrency import check_concurrency
from serverless_patterns._blocks.handler import Handler, check_code, dependency_layers
from serverless_patterns._blocks.log_group import log_group
from serverless_patterns._blocks.network import Network, allow_network_interfaces
from serverless_patterns._blocks.packaging import Package
from serverless_patterns._blocks.role import ServiceRole
from serverless_patterns.operations import Operations

#: MB. CPU grows with memory; at 512 MB a Python handler that waits for AWS calls is about as cheap as at 128 MB, and starts
#: faster. https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
MEMORY_SIZE = 512
#: Bytes of all environment variables, as JSON. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MOST_ENVIRONMENT_BYTES = 4096
#: What each function is told of its log.
LOG_VARIABLES = ("POWERTOOLS_SERVICE_NAME", "LOG_LEVEL", "DEBUG_SAMPLE_RATE")


class HandlerFunction(lambda_.Function):
    """A function with a role of its own that may write to its own log group and, traced, to X-Ray - and nothing else.

    Args:
        handler: The code and its entry.
        description: What the function is for, in one sentence.
        timeout: The longest an invocation may take: always set, since other limits are derived from it.
        environment: The handler's settings.
        operations: Logs and tracing.
        memory_size: MB. Default 512.
        sends_to_its_source: Whether it puts messages back into the queue that it consumes. Lambda takes that for a loop and
            stops it after 16 turns, unless it is told: https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
        network: The VPC that it runs in. Default: none, and it reaches AWS and the internet.
        reserved_concurrency: How many invocations there may be at a time; they are taken from the account's. Default: no limit.
            https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html

    Raises:
        PatternError: The environment variables are more than Lambda takes, as far as they are known.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        handler: Handler,
        description: str,
        timeout: Duration,
        environment: Mapping[str, str],
        operations: Operations,
        memory_size: int | None = None,
        sends_to_its_source: bool = False,
        network: Network | None = None,
        reserved_concurrency: int | None = None,
    ) -> None:
        variables = {**_logging(scope, operations), **environment}
        _check_size(variables)
        logs = log_group(scope, f"{construct_id}Logs", operations)
        role = ServiceRole(
            scope,
            f"{construct_id}Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description=f"Assumed by: {description}",
        )
        logs.grant_write(role)
        if network is not None:
            allow_network_interfaces(role)
        platform = operations.handler_platform

        def define(code: lambda_.Code) -> None:
            super(HandlerFunction, self).__init__(
                scope,
                construct_id,
                code=code,
                handler=handler.entry,
                runtime=packaging.runtime(),
                architecture=packaging.architecture(),
                layers=dependency_layers(scope, handler, platform) or None,
                description=description,
                timeout=timeout,
                memory_size=memory_size or MEMORY_SIZE,
                environment=variables,
                role=role,
                vpc=None if network is None else network.vpc,
                vpc_subnets=None if network is None else network.subnets,
                security_groups=None if network is None else list(network.security_groups),
                reserved_concurrent_executions=reserved_concurrency,
                log_group=logs,
                recursive_loop=lambda_.RecursiveLoop.ALLOW if sends_to_its_source else None,
                logging_format=lambda_.LoggingFormat.JSON,
                application_log_level_v2=_emitted_level(operations, handler),
                tracing=lambda_.Tracing.ACTIVE if operations.tracing else lambda_.Tracing.DISABLED,
            )

        code = handler.for_platform(platform).code
        if isinstance(code, Package):
            code.define(define)
        else:
            define(code)
        check_code(self, handler, platform)
        check_concurrency(self)


def grant_invoke(grantee: iam.IGrantable, function: lambda_.IFunction) -> iam.Grant:
    """Let a principal invoke a function: CDK's own ``grant_invoke`` grants all its versions too."""
    check_grantee(grantee)
    arns = [function.function_arn]
    return iam.Grant.add_to_principal(grantee=grantee, actions=["lambda:InvokeFunction"], resource_arns=arns)


def check_environment(environment: Mapping[str, str] | None, *, taken: Collection[str], own: bool) -> None:
    """Check the environment variables that a user gives to code of their own, beside those that it gets anyway.

    Args:
        environment: Name -> value.
        taken: The names of those that the pattern sets, but for those of the log.
        own: Whether it is code of the user's.

    Raises:
        PatternError: They are no texts, there is nothing that would read them, or a name is taken.
    """
    check_named_texts("environment", environment or {})
    names = set(environment or {})
    hint = "give a handler, or leave it out"
    check(own or not names, f"environment is for a handler of yours, got {environment!r} without one: {hint}")
    found = sorted(names & {*LOG_VARIABLES, *taken})
    check(
        not found,
        f"environment must not have {', '.join(found)}: the function is told something by it already; rename yours, or set "
        "what is about the log in operations",
    )


def _logging(scope: Construct, operations: Operations) -> dict[str, str]:
    values = (scope.node.id, operations.log_level, f"{operations.debug_sample_rate:g}")
    return dict(zip(LOG_VARIABLES, values, strict=True))


def _check_size(environment: Mapping[str, str]) -> None:
    """What is known only when deployed counts as empty: AWS may still refuse it."""
    known = {name: "" if Token.is_unresolved(value) else value for name, value in environment.items()}
    size = len(json.dumps(known, ensure_ascii=False, separators=(",", ":")).encode())
    largest = max(known, key=lambda name: len(known[name].encode()))
    check(
        size <= MOST_ENVIRONMENT_BYTES,
        f"environment variables must be at most {MOST_ENVIRONMENT_BYTES} bytes in all, got {size} and what is known only when "
        f"deployed: shorten what goes into {largest}, the largest with {len(known[largest].encode())} bytes",
    )


def _emitted_level(operations: Operations, handler: Handler) -> lambda_.ApplicationLogLevel:
    """Lambda drops what is below this level: where a bundled handler samples DEBUG, it must let it through.

    Its metrics are lines of the log without a level, which count as INFO: they pass whatever the handler's own level is. A
    handler of the user's does not sample: with this level, the runtime would make all its loggers write DEBUG.
    """
    if handler.is_bundled and operations.debug_sample_rate > 0:
        return lambda_.ApplicationLogLevel.DEBUG
    if handler.is_bundled and operations.log_level != "DEBUG":
        return lambda_.ApplicationLogLevel.INFO
    return {
        "DEBUG": lambda_.ApplicationLogLevel.DEBUG,
        "INFO": lambda_.ApplicationLogLevel.INFO,
        "WARNING": lambda_.ApplicationLogLevel.WARN,
        "ERROR": lambda_.ApplicationLogLevel.ERROR,
    }[operations.log_level]
