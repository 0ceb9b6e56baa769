"""Every pattern, one entry each, and what any pattern offers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from serverless_patterns._blocks.alarms import Alerts
from serverless_patterns._blocks.report_options import Chart, ReportFormat, ReportQuery
from serverless_patterns._blocks.subscriber_action import AuditTrail, Notification, Totals
from serverless_patterns._blocks.table import TableOptions
from serverless_patterns.api_crud import ApiCrud
from serverless_patterns.errors import PatternError, did_you_mean
from serverless_patterns.event_routing import EventRouting
from serverless_patterns.operations import Operations
from serverless_patterns.order_workflow import OrderWorkflow
from serverless_patterns.s3_processing import S3Processing
from serverless_patterns.scheduled_report import ScheduledReport
from serverless_patterns.sns_fanout import SnsFanout
from serverless_patterns.sqs_pipeline import SqsPipeline
from serverless_patterns.stream_processing import StreamProcessing


class Pattern(Protocol):
    """What any pattern offers to the stack that it is in."""

    @property
    def outputs(self) -> Mapping[str, str]:
        """What a stack shows after a deploy, by its stable name."""

    def add_alarms(self, alerts: Alerts) -> list[cloudwatch.Alarm]:
        """Define the alarms of the pattern."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One pattern of the catalogue.

    Attributes:
        name: The one word that names it everywhere: module, handler folder, tests, docs page.
        flow: The boxes of its diagram in the order in which an event travels.
        define: Defines the instance that this repository deploys.
    """

    name: str
    flow: str
    define: Callable[[Construct, Operations], Pattern]


def _products(scope: Construct, operations: Operations) -> ApiCrud:
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 200},
            "price": {"type": "number", "minimum": 0},
            "tags": {"type": "array", "items": {"type": "string", "maxLength": 50}, "maxItems": 20},
            "description": {"type": "string", "maxLength": 10_000},
        },
        "required": ["name", "price"],
    }
    return ApiCrud(scope, "Products", resource="products", schema=schema, operations=operations)


def _orders(scope: Construct, operations: Operations) -> SqsPipeline:
    return SqsPipeline(scope, "Orders", group_by="customer_id", operations=operations)


def _events(scope: Construct, operations: Operations) -> SnsFanout:
    events = SnsFanout(scope, "Events", operations=operations)
    events.add_subscriber("Audit", handler=AuditTrail())
    events.add_subscriber("Totals", handler=Totals())
    failed = {"event_type": ["orders.declined", "orders.failed"]}
    events.add_subscriber("Notification", handler=Notification(), filter_policy=failed)
    return events


def _imports(scope: Construct, operations: Operations) -> S3Processing:
    return S3Processing(scope, "Imports", prefix="incoming/", operations=operations)


def _daily_sales(scope: Construct, operations: Operations) -> ScheduledReport:
    query = ReportQuery(
        sql="""
        SELECT
            to_char(placed_at AT TIME ZONE 'UTC', 'HH24') AS hour,
            count(*) AS orders,
            coalesce(sum(amount) FILTER (WHERE state = 'PAID'), 0) AS revenue
        FROM orders
        WHERE placed_at >= :from AND placed_at < :until AND currency = :currency
        GROUP BY 1
        """,
        key_columns=["hour"],
        parameters={"currency": "EUR"},
    )
    page = ReportFormat(chart=Chart(label="hour", value="revenue"))
    return ScheduledReport(scope, "DailySales", query=query, format=page, operations=operations)


def _customers(scope: Construct, operations: Operations) -> StreamProcessing:
    source = TableOptions(time_to_live_attribute="expires_at")
    return StreamProcessing(scope, "Customers", source=source, excluded=["password_hash"], operations=operations)


def _sales(scope: Construct, operations: Operations) -> OrderWorkflow:
    return OrderWorkflow(scope, "Sales", starter="queue", ships_to=["AT", "CH", "DE"], operations=operations)


def _routes(scope: Construct, operations: Operations) -> EventRouting:
    events = EventRouting(scope, "Events", operations=operations)
    events.add_route("Payments", pattern={"detail-type": ["orders.paid", "orders.declined"]})
    events.add_route("Everything", pattern={"source": [{"anything-but": {"prefix": "aws."}}]})
    return events


CATALOG: tuple[Entry, ...] = (
    Entry(name="api_crud", flow="client -> HTTP API -> function -> table", define=_products),
    Entry(name="sqs_pipeline", flow="client -> API -> queue -> worker -> payment API, table, topic", define=_orders),
    Entry(name="sns_fanout", flow="topic -> filtered queues -> subscribers", define=_events),
    Entry(name="s3_processing", flow="bucket -> queue -> function -> table, output bucket, topic", define=_imports),
    Entry(
        name="scheduled_report",
        flow="schedule -> function -> SQL database -> report bucket, topic, mail",
        define=_daily_sales,
    ),
    Entry(name="stream_processing", flow="table or Kinesis stream -> function -> view, audit trail", define=_customers),
    Entry(
        name="order_workflow",
        flow="queue -> state machine -> stock, payment API, shipment, and back when a step fails",
        define=_sales,
    ),
    Entry(name="event_routing", flow="producers -> bus -> rules -> queues -> functions", define=_routes),
)


def pattern_named(name: str) -> Entry:
    """The entry of this name.

    Raises:
        PatternError: There is none; the message lists the names that there are.
    """
    for entry in CATALOG:
        if entry.name == name:
            return entry
    names = [entry.name for entry in CATALOG]
    msg = f"pattern must be one of {', '.join(names)}, got {name!r}{did_you_mean(name, names)}"
    raise PatternError(msg)
