"""The stacks of the shop: one for each pattern, in the order in which they are deployed.

A stack gets what it needs of another one by interface: a bus, a table, a topic. It is defined after that one, so that there is
no circle. How such a value travels is CDK's business: with the flag ``defaultCrossStackReferences: weak`` of ``cdk.json``, who
needs it looks it up (``Fn::GetStackOutput``) while it is deployed. An export would keep the other stack from changing it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar, cast

import aws_cdk as cdk
from constructs import Construct

from examples.shop import patterns
from serverless_patterns import Alerts, Environment, Operations
from serverless_patterns.catalog import Pattern
from serverless_patterns.stacks import AlertStack, PatternStack

Defined = TypeVar("Defined", bound=Pattern)


def define_shop(app: cdk.App, environment: Environment) -> None:
    """Define the shop in an environment: each line is a stack, and what it is given of the stacks above it."""
    stacks = _Stacks(app, environment)
    bus = stacks.define("bus", "event_routing", patterns.ShopBus)
    products = stacks.define("products", "api_crud", patterns.products)
    stacks.define("view", "stream_processing", partial(patterns.view, products=products))
    stacks.define("imports", "s3_processing", partial(patterns.imports, products=products, bus=bus.bus))
    orders = stacks.define("orders", "sqs_pipeline", partial(patterns.orders, bus=bus.bus))
    told = stacks.define("notifications", "sns_fanout", partial(patterns.notifications, orders=orders))
    stacks.define("fulfilment", "order_workflow", partial(patterns.fulfilment, orders=orders, bus=bus.bus, topic=told.topic))
    stacks.define("report", "scheduled_report", partial(patterns.report, ledger=bus.ledger, bus=bus.bus))


class _Stacks:
    """Defines stacks that all have the environment, the alarms and the tags of the shop."""

    def __init__(self, app: cdk.App, environment: Environment) -> None:
        self._app, self._environment = app, environment
        self._alerts: Alerts | None = None
        if environment.alarm_actions:
            self._alerts = AlertStack(app, f"{environment.name}-shop-alerts", environment=environment).alerts

    def define(self, name: str, pattern: str, define: Callable[[Construct, Operations], Defined]) -> Defined:
        """Define the stack of a pattern; the pattern."""
        stack = PatternStack(
            self._app,
            f"{self._environment.name}-shop-{name}",
            environment=self._environment,
            pattern=pattern,
            define=define,
            alerts=self._alerts,
            service="shop",
        )
        return cast("Defined", stack.pattern)
