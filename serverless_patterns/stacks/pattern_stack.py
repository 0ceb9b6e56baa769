"""PatternStack: one pattern in one environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aws_cdk import CfnOutput, Duration, Stack, Tags
from aws_cdk import aws_kms as kms
from constructs import Construct

from serverless_patterns._blocks.alarms import Alerts
from serverless_patterns._blocks.checks import check, check_named_texts, check_type, shown
from serverless_patterns.catalog import Pattern
from serverless_patterns.environments import Environment
from serverless_patterns.operations import Operations
from serverless_patterns.stacks.dashboard import define_dashboard


class PatternStack(Stack):
    """A stack with one pattern: its key, tags, alarms, dashboard and outputs, and what the environment says about it.

    Example::

        PatternStack(app, "prod-users", environment=PROD, pattern="api_crud", define=lambda scope, operations:
            ApiCrud(scope, "Users", resource="users", schema=USER, operations=operations))

    Args:
        environment: Where it is deployed and how it is run.
        pattern: The name of the pattern, for the tag ``Pattern``.
        define: Defines the pattern in this stack.
        alerts: The topics that alarms notify. Default: none.
        service: The tag ``Service``: which product this belongs to.
        dashboard: Whether there is a dashboard of the alarms; 3 USD a month each beyond an account's first three
            (https://aws.amazon.com/cloudwatch/pricing/). Default: as the environment says.
        tags: Your tags, beside Service, Environment, Pattern and ManagedBy.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        pattern: str,
        define: Callable[[Construct, Operations], Pattern],
        alerts: Alerts | None = None,
        service: str = "serverless-patterns",
        dashboard: bool | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        check_type("environment", environment, Environment, "an Environment, such as DEV or environment_named('dev')")
        check_type("alerts", alerts, Alerts, "Alerts(...), such as those of AlertStack(...).alerts", optional=True)
        check_type("dashboard", dashboard, bool, "True or False", optional=True)
        check(callable(define), f"define must be a function that is given the stack and its operations, got {shown(define)}")
        check_named_texts("tags", tags or {})
        super().__init__(
            scope,
            construct_id,
            env=environment.cdk_environment,
            termination_protection=environment.termination_protection,
            description=f"{pattern} in {environment.name}",
        )
        self.pattern = define(self, self._operations(environment))
        check(hasattr(self.pattern, "add_alarms"), f"define must return the pattern that it defines, got {shown(self.pattern)}")
        self.alarms = self.pattern.add_alarms(alerts if alerts and environment.alarm_actions else Alerts())
        if environment.dashboards if dashboard is None else dashboard:
            define_dashboard(self, self.alarms)
        for name, value in self.pattern.outputs.items():
            CfnOutput(self, name, value=value)
        own = {"Service": service, "Environment": environment.name, "Pattern": pattern, "ManagedBy": "cdk"}
        for name, value in {**own, **(tags or {})}.items():
            Tags.of(self).add(name, value)

    def _operations(self, environment: Environment) -> Operations:
        """Those of the environment, with a key for this stack alone."""
        operations = environment.operations
        if not environment.customer_key or operations.encryption_key is not None:
            return operations
        key = kms.Key(
            self,
            "EncryptionKey",
            description=f"Encrypts the data and the logs of {self.stack_name}",
            enable_key_rotation=True,
            # What it has encrypted is lost with it: these are the days on which that can be taken back, the most there are.
            pending_window=Duration.days(30),
            removal_policy=operations.removal_policy,
        )
        return operations.replace(encryption_key=key)
