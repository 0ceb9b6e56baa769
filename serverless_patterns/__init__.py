"""AWS CDK constructs for event-driven systems: one construct for each pattern."""

from typing import TYPE_CHECKING

from serverless_patterns._blocks.alarms import Alerts
from serverless_patterns._blocks.bucket import BucketOptions
from serverless_patterns._blocks.bus_feed import Feed
from serverless_patterns._blocks.circuit_breaker import CircuitBreaker
from serverless_patterns._blocks.edge import Authorization, Cors, Throttle, UsagePlan
from serverless_patterns._blocks.event_route import Route
from serverless_patterns._blocks.file_limits import FileLimits
from serverless_patterns._blocks.handler import Handler
from serverless_patterns._blocks.order_starters import EventSource
from serverless_patterns._blocks.queue import QueueOptions
from serverless_patterns._blocks.report_mail import ReportMail
from serverless_patterns._blocks.report_options import Chart, ReportFormat, ReportQuery
from serverless_patterns._blocks.report_schedule import ReportSchedule
from serverless_patterns._blocks.report_source import ReportDatabase, ReportSource
from serverless_patterns._blocks.state_machine import Retry
from serverless_patterns._blocks.stream_reader import ReaderOptions
from serverless_patterns._blocks.stream_source import KinesisOptions
from serverless_patterns._blocks.subscriber_action import AuditTrail, Notification, Totals
from serverless_patterns._blocks.table import TableOptions
from serverless_patterns._blocks.worker import WorkerOptions
from serverless_patterns.api_crud import ApiCrud
from serverless_patterns.environments import (
    DEV,
    ENVIRONMENTS,
    LOCAL,
    PROD,
    STAGING,
    Environment,
    environment_named,
    environment_of,
)
from serverless_patterns.errors import BundlingError, LocalRunError, PatternError, PatternsError, UnknownEnvironmentError
from serverless_patterns.event_routing import EventRouting
from serverless_patterns.operations import Capacity, DatabaseOperations, Operations
from serverless_patterns.order_workflow import OrderWorkflow
from serverless_patterns.s3_processing import S3Processing
from serverless_patterns.scheduled_report import ScheduledReport
from serverless_patterns.sns_fanout import SnsFanout, Subscriber
from serverless_patterns.sqs_pipeline import SqsPipeline
from serverless_patterns.stream_processing import StreamProcessing

__all__ = [
    "DEV",
    "ENVIRONMENTS",
    "LOCAL",
    "PROD",
    "STAGING",
    "Alerts",
    "ApiCrud",
    "AuditTrail",
    "Authorization",
    "BucketOptions",
    "BundlingError",
    "Capacity",
    "Chart",
    "CircuitBreaker",
    "Cors",
    "DatabaseOperations",
    "Environment",
    "EventRouting",
    "EventSource",
    "Feed",
    "FileLimits",
    "Handler",
    "KinesisOptions",
    "LocalRunError",
    "Notification",
    "Operations",
    "OrderWorkflow",
    "PatternError",
    "PatternsError",
    "QueueOptions",
    "ReaderOptions",
    "ReportDatabase",
    "ReportFormat",
    "ReportMail",
    "ReportQuery",
    "ReportSchedule",
    "ReportSource",
    "Retry",
    "Route",
    "S3Processing",
    "ScheduledReport",
    "SnsFanout",
    "SqsPipeline",
    "StreamProcessing",
    "Subscriber",
    "TableOptions",
    "Throttle",
    "Totals",
    "UnknownEnvironmentError",
    "UsagePlan",
    "WorkerOptions",
    "environment_named",
    "environment_of",
]

if TYPE_CHECKING:
    __version__: str
else:

    def __getattr__(name: str) -> str:
        """``__version__``: looked up when somebody asks for it."""
        if name != "__version__":
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg)
        from serverless_patterns.version import installed_version  # noqa: PLC0415  importing the constructs does not need it

        return installed_version()
