"""The CDK app of this repository: one stack for each pattern, in one environment.

    cdk synth -c environment=dev [-c name=dev-alice] [-c pattern=api_crud] [-c account=123456789012] [-c region=eu-central-1]

The stacks are named after the environment, or as ``name`` says: so several people can have theirs in one account. Without an
account and a region the stacks are environment-agnostic: they go where the CLI's credentials point.
"""

import sys

import aws_cdk as cdk

from serverless_patterns import PatternsError, environment_of
from serverless_patterns.catalog import CATALOG, pattern_named
from serverless_patterns.stacks import AlertStack, PatternStack


def define(app: cdk.App) -> None:
    """Define the stacks that the context asks for."""
    environment, pattern = environment_of(app), app.node.try_get_context("pattern")
    entries = [pattern_named(pattern)] if pattern else CATALOG
    alerts = None
    if environment.alarm_actions:
        alerts = AlertStack(app, f"{environment.name}-alerts", environment=environment).alerts
    for entry in entries:
        stack = f"{environment.name}-{entry.name.replace('_', '-')}"
        PatternStack(app, stack, environment=environment, pattern=entry.name, define=entry.define, alerts=alerts)


if __name__ == "__main__":
    app = cdk.App()
    try:
        define(app)
    except PatternsError as error:
        sys.exit(f"error: {error}")
    app.synth()
