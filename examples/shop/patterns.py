"""The patterns of the shop, each with what the shop adds to it; ``stacks.py`` says in which order, and who gets what."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sns as sns
from constructs import Construct

from examples.shop.schemas import ORDER, PRODUCT, TOLD
from serverless_patterns import (
    ApiCrud,
    AuditTrail,
    EventRouting,
    EventSource,
    Handler,
    Notification,
    Operations,
    OrderWorkflow,
    ReportSource,
    S3Processing,
    ScheduledReport,
    SnsFanout,
    SqsPipeline,
    StreamProcessing,
    TableOptions,
    Totals,
    WorkerOptions,
)

SOURCE = Path(__file__).parent / "src"
#: The ends of a paid order at which the workflow may not have come to the payment, and so has not undone it. Who pays it back
#: once more pays nothing: the payment API knows the key. An order is unresolved if anything could not be undone, such as what
#: was reserved for an order that is out of stock.
NOT_UNDONE = ["orders.out_of_stock", "orders.rejected", "orders.failed", "orders.unresolved"]
NOT_SHIPPED = [*NOT_UNDONE, "orders.shipping_failed", "orders.declined"]


class ShopBus(EventRouting):
    """The bus that the others announce on, an audit trail of all events, and a ledger with what became of each order."""

    def __init__(self, scope: Construct, operations: Operations) -> None:
        super().__init__(scope, "Bus", operations=operations)
        self.ledger = _ledger(scope, operations)
        self.add_route("Audit", pattern={"source": [{"anything-but": {"prefix": "aws."}}]})
        route = self.add_route(
            "Ledger",
            pattern={"detail-type": [{"prefix": "orders."}]},
            handler=own("ledger.handle"),
            schemas=dict.fromkeys(["orders.paid", "orders.shipped", *NOT_SHIPPED], TOLD),
            environment={"LEDGER_TABLE_NAME": self.ledger.table_name},
        )
        let(route.function, "dynamodb:UpdateItem", self.ledger)


def products(scope: Construct, operations: Operations) -> ApiCrud:
    """Products, and an API to enter them by hand; the stream of its table tells of each change."""
    table = TableOptions(stream=dynamodb.StreamViewType.NEW_AND_OLD_IMAGES)
    return ApiCrud(scope, "Products", resource="products", schema=PRODUCT, table=table, operations=operations)


def view(scope: Construct, operations: Operations, *, products: ApiCrud) -> StreamProcessing:
    """What customers look at: the newest state of each product, and its history."""
    return StreamProcessing(scope, "View", source=products.table, excluded=["etag"], operations=operations)


def imports(scope: Construct, operations: Operations, *, products: ApiCrud, bus: events.IEventBus) -> S3Processing:
    """Price lists of suppliers, which become products: what else is known of a product stays."""
    files = S3Processing(
        scope,
        "Imports",
        prefix="price-lists/",
        suffix=".csv",
        processor=own("price_list.process"),
        bus=bus,
        operations=operations,
    )
    files.function.add_environment("PRODUCTS_TABLE_NAME", products.table.table_name)
    let(files.function, "dynamodb:UpdateItem", products.table)
    return files


def orders(scope: Construct, operations: Operations, *, bus: events.IEventBus) -> SqsPipeline:
    """Orders are taken at once, and charged by a worker, which announces what became of them."""
    return SqsPipeline(scope, "Orders", schema=ORDER, group_by="customer_id", bus=bus, operations=operations)


def notifications(scope: Construct, operations: Operations, *, orders: SqsPipeline) -> SnsFanout:
    """Who hears what became of a paid order: an audit trail, the totals of each day, people - and who gives money back."""
    fanout = SnsFanout(scope, "Announcements", operations=operations)
    fanout.add_subscriber("Audit", handler=AuditTrail())
    fanout.add_subscriber("Totals", handler=Totals())
    fanout.add_subscriber("Notification", handler=Notification(), filter_policy={"event_type": NOT_SHIPPED})
    refunds = fanout.add_subscriber(
        "Refunds",
        handler=own("refunds.handler"),
        filter_policy={"event_type": NOT_UNDONE},
        worker=WorkerOptions(batch_size=1),  # a payment API that is slow for one order leaves the others their time
        environment=_of_payments(orders),
    )
    function = cast("lambda_.Function", refunds.function)  # only people and endpoints have none
    let(function, "dynamodb:GetItem", orders.table)
    let(function, "secretsmanager:GetSecretValue", orders.payment_secret)
    return fanout


def fulfilment(
    scope: Construct, operations: Operations, *, orders: SqsPipeline, bus: events.IEventBus, topic: sns.ITopic
) -> OrderWorkflow:
    """Each order that is paid is shipped, or undone. What is the shop's own: it was paid before it came here."""
    workflow = OrderWorkflow(
        scope,
        "Fulfilment",
        starter="event",
        started_by=EventSource(pattern={"detail-type": ["orders.paid"]}, bus=bus),
        handlers={"validation": own("fulfilment.validate"), "payment": own("fulfilment.pay")},
        ships_to=["AT", "CH", "DE"],
        bus=bus,
        broadcast_to={"Subscribers": topic},
        payment_secret=orders.payment_secret,
        operations=operations,
    )
    for part in ("validation", "payment"):
        function = workflow.step_function(part)
        for name, value in _of_payments(orders).items():
            function.add_environment(name, value)
        let(function, "dynamodb:GetItem", orders.table)
    return workflow


def report(scope: Construct, operations: Operations, *, ledger: dynamodb.ITable, bus: events.IEventBus) -> ScheduledReport:
    """The ledger as it is each morning, for people."""
    source = ReportSource.dynamodb(ledger, columns=["id", "state", "amount", "currency", "reason", "updated_at"])
    return ScheduledReport(scope, "DailyOrders", source=source, bus=bus, operations=operations)


def own(entry: str) -> Handler:
    """A function of the shop's own."""
    return Handler.from_directory(SOURCE, f"shop.{entry}")


def let(function: lambda_.Function, action: str, resource: dynamodb.ITable | secretsmanager.ISecret) -> None:
    """Let a function of the shop's own do one thing, with the key of what it does it with.

    The permission is the function's alone. CDK's own grants may change the policy of a key in another stack, too: that one
    would then need this one, and this one it.
    """
    table, key = getattr(resource, "table_arn", None), resource.encryption_key
    arn = table or cast("secretsmanager.ISecret", resource).secret_arn
    iam.Grant.add_to_principal(grantee=function, actions=[action], resource_arns=[arn])
    if key is not None:
        key.grant(function, "kms:Decrypt", *(["kms:Encrypt", "kms:GenerateDataKey"] if table else []))


def _of_payments(orders: SqsPipeline) -> dict[str, str]:
    """What the functions are told that look up how an order was paid, and pay it back."""
    return {
        "ORDERS_TABLE_NAME": orders.table.table_name,
        "PAYMENT_SECRET_ARN": orders.payment_secret.secret_arn,
        "PIPELINE_NAME": orders.name,
    }


def _ledger(scope: Construct, operations: Operations) -> dynamodb.Table:
    """A table beside the patterns, run as theirs are."""
    return dynamodb.Table(
        scope,
        "Ledger",
        partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
        billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
        encryption_key=operations.encryption_key,
        point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
            point_in_time_recovery_enabled=operations.backup_days is not None, recovery_period_in_days=operations.backup_days
        ),
        deletion_protection=operations.deletion_protection,
        removal_policy=operations.removal_policy,
    )
