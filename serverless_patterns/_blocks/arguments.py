"""The arguments that patterns have in common: an argument of one name has one type everywhere, and one way to be made."""

from __future__ import annotations

from collections.abc import Mapping
from types import UnionType

from aws_cdk import Duration

from serverless_patterns._blocks.bucket import BucketOptions
from serverless_patterns._blocks.checks import check, check_type
from serverless_patterns._blocks.edge import Authorization, Cors, Throttle, UsagePlan
from serverless_patterns._blocks.handler import Handler
from serverless_patterns._blocks.managed_key import check_no_managed_key
from serverless_patterns._blocks.queue import QueueOptions
from serverless_patterns._blocks.report_mail import ReportMail
from serverless_patterns._blocks.report_options import ReportFormat, ReportQuery
from serverless_patterns._blocks.report_schedule import ReportSchedule
from serverless_patterns._blocks.report_source import ReportDatabase, ReportSource
from serverless_patterns._blocks.table import TableOptions
from serverless_patterns._blocks.worker import WorkerOptions
from serverless_patterns.operations import Operations

#: Argument -> its type, and how one is made.
TYPES: dict[str, tuple[type | UnionType, str]] = {
    "authorization": (Authorization, "made by Authorization.iam(), .jwt(...), .cognito(...) or .none()"),
    "cors": (Cors, "a Cors(allow_origins=[...])"),
    "format": (ReportFormat, "a ReportFormat(...)"),
    "handler": (Handler, "made by Handler.from_directory(...), or Handler(code, 'module.function')"),
    "group_by": (str, "the name of a field of the schema"),
    "link_lifetime": (Duration, "a duration such as Duration.hours(1)"),
    "mail": (ReportMail, "a ReportMail(sender=..., recipients=[...])"),
    "operations": (Operations, "Operations(...), such as DEV.operations"),
    "query": (ReportQuery, "a ReportQuery(sql='SELECT ...', key_columns=[...])"),
    "resource": (str, "a path segment such as 'users'"),
    "schedule": (ReportSchedule, "a ReportSchedule(...)"),
    "source": (ReportDatabase | ReportSource, "made by ReportDatabase.aurora(), .postgres(...) or ReportSource.dynamodb(...)"),
    "throttle": (Throttle, "a Throttle(rate=..., burst=...)"),
    "timeout": (Duration, "a duration such as Duration.seconds(10)"),
    "usage_plan": (UsagePlan, "a UsagePlan(...)"),
    "worker": (WorkerOptions, "WorkerOptions(...)"),
}

#: Argument -> what any resource of its kind has, and what it is called. Where a type stands beside them, options do as well.
RESOURCES: dict[str, tuple[str, str, type | None]] = {
    "bucket": ("bucket_arn", "BucketOptions(...) or an S3 bucket", BucketOptions),
    "bus": ("event_bus_arn", "an EventBridge event bus", None),
    "dead_letter_queue": ("queue_arn", "an SQS queue", None),
    "encryption_key": ("key_arn", "a KMS key", None),
    "on_success": ("queue_arn", "an SQS queue", None),
    "payment_secret": ("secret_arn", "a Secrets Manager secret", None),
    "queue": ("queue_arn", "QueueOptions(...) or an SQS queue", QueueOptions),
    "table": ("table_arn", "TableOptions(...) or a DynamoDB table", TableOptions),
    "topic": ("topic_arn", "an SNS topic", None),
}

REQUIRED = ("resource",)


def check_arguments(arguments: Mapping[str, object]) -> None:
    """Check the types of a pattern's arguments, given by name (``locals()`` at its start); names not known here pass."""
    for name in sorted(arguments.keys() & TYPES.keys()):
        check_type(name, arguments[name], *TYPES[name], optional=name not in REQUIRED)
    for name in sorted(arguments.keys() & RESOURCES.keys()):
        attribute, hint, options = RESOURCES[name]
        value = arguments[name]
        holds = value is None or (options is not None and isinstance(value, options)) or hasattr(value, attribute)
        check(holds, f"{name} must be {hint}, got {value!r}")
    for holder in (arguments.get("encryption_key"), getattr(arguments.get("operations"), "encryption_key", None)):
        check_no_managed_key("encryption_key", holder)
