"""Two patterns in one stack: orders are charged by a pipeline, and a fan-out tells everybody who wants to know.

The pipeline's topic is the fan-out's topic: neither knows of the other, and each can be replaced. README.md says how to run it.
"""

import sys

import aws_cdk as cdk
from constructs import Construct

from serverless_patterns import (
    Alerts,
    AuditTrail,
    Environment,
    Notification,
    PatternsError,
    SnsFanout,
    SqsPipeline,
    Totals,
    environment_of,
)


class OrderEvents(cdk.Stack):
    """Orders, an audit trail of what became of them, daily totals, and a notification of each that was not paid."""

    def __init__(self, scope: Construct, construct_id: str, *, environment: Environment) -> None:
        super().__init__(scope, construct_id, env=environment.cdk_environment)
        operations = environment.operations
        orders = SqsPipeline(self, "Orders", group_by="customer_id", operations=operations)
        events = SnsFanout(self, "Events", topic=orders.topic, operations=operations)
        events.add_subscriber("Audit", handler=AuditTrail())
        events.add_subscriber("Totals", handler=Totals(), filter_policy={"event_type": ["orders.paid"]})
        unpaid = {"event_type": ["orders.declined", "orders.failed"]}
        events.add_subscriber("Notification", handler=Notification(), filter_policy=unpaid)
        for pattern in (orders, events):
            pattern.add_alarms(Alerts())  # give them topics to be heard
        for name, value in {**orders.outputs, **events.outputs}.items():
            cdk.CfnOutput(self, name, value=value)


if __name__ == "__main__":
    app = cdk.App()
    try:
        environment = environment_of(app)
        OrderEvents(app, f"{environment.name}-order-events", environment=environment)
    except PatternsError as error:
        sys.exit(f"error: {error}")
    app.synth()
