"""The arguments of patterns: one that is named here has one type in all of them, and one way to be made."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import UnionType

from aws_cdk import Duration
from constructs import Construct

from serverless_patterns._blocks.bucket import BUCKET, BucketOptions
from serverless_patterns._blocks.checks import check_has, check_type
from serverless_patterns._blocks.circuit_breaker import CircuitBreaker
from serverless_patterns._blocks.edge import Authorization, Cors, Throttle, UsagePlan
from serverless_patterns._blocks.file_limits import FileLimits
from serverless_patterns._blocks.handler import Handler
from serverless_patterns._blocks.managed_key import check_no_managed_key
from serverless_patterns._blocks.place import REGIONAL, check_place, check_reachable
from serverless_patterns._blocks.queue import QueueOptions
from serverless_patterns._blocks.report_mail import ReportMail
from serverless_patterns._blocks.report_options import ReportFormat, ReportQuery
from serverless_patterns._blocks.report_schedule import ReportSchedule
from serverless_patterns._blocks.state_machine import Retry
from serverless_patterns._blocks.stream_reader import ReaderOptions
from serverless_patterns._blocks.table import TABLE, TableOptions
from serverless_patterns._blocks.worker import WorkerOptions
from serverless_patterns.operations import Operations

#: Argument -> its type, and how one is made.
TYPES: dict[str, tuple[type | UnionType, str]] = {
    "authorization": (Authorization, "made by Authorization.iam(), .jwt(...), .cognito(...) or .none()"),
    "circuit_breaker": (CircuitBreaker, "a CircuitBreaker(...)"),
    "compensation_retry": (Retry, "a Retry(...)"),
    "cors": (Cors, "a Cors(allow_origins=[...])"),
    "format": (ReportFormat, "a ReportFormat(...)"),
    "handler": (Handler, "made by Handler.from_directory(...), or Handler(code, 'module.function')"),
    "group_by": (str, "the name of a field of the schema"),
    "limits": (FileLimits, "FileLimits(...)"),
    "link_lifetime": (Duration, "a duration such as Duration.hours(1)"),
    "mail": (ReportMail, "a ReportMail(sender=..., recipients=[...])"),
    "operations": (Operations, "Operations(...), such as DEV.operations"),
    "query": (ReportQuery, "a ReportQuery(sql='SELECT ...', key_columns=[...])"),
    "reader": (ReaderOptions, "ReaderOptions(...)"),
    "resource": (str, "a path segment such as 'users'"),
    "retry": (Retry, "a Retry(...)"),
    "schedule": (ReportSchedule, "a ReportSchedule(...)"),
    "throttle": (Throttle, "a Throttle(rate=..., burst=...)"),
    "timeout": (Duration, "a duration such as Duration.seconds(10)"),
    "usage_plan": (UsagePlan, "a UsagePlan(...)"),
    "worker": (WorkerOptions, "WorkerOptions(...)"),
}

#: Argument -> what any resource of its kind has, and what it is called. Where a type stands beside them, options do as well.
RESOURCES: dict[str, tuple[str, str, type | None]] = {
    "audit_table": ("table_arn", TABLE, TableOptions),
    "bucket": ("bucket_arn", BUCKET, BucketOptions),
    "bus": ("event_bus_arn", "an EventBridge event bus", None),
    "dead_letter_queue": ("queue_arn", "an SQS queue", None),
    "encryption_key": ("key_arn", "a KMS key", None),
    "failure_bucket": ("bucket_arn", BUCKET, BucketOptions),
    "on_success": ("queue_arn", "an SQS queue", None),
    "output_bucket": ("bucket_arn", BUCKET, BucketOptions),
    "payment_secret": ("secret_arn", "a Secrets Manager secret", None),
    "queue": ("queue_arn", "QueueOptions(...) or an SQS queue", QueueOptions),
    "stock_table": ("table_arn", TABLE, TableOptions),
    "table": ("table_arn", TABLE, TableOptions),
    "topic": ("topic_arn", "an SNS topic", None),
    "view_table": ("table_arn", TABLE, TableOptions),
}

#: What the ARN of a resource is called -> how one of another stack or app is brought.
IMPORTS = {
    "bucket_arn": "s3.Bucket.from_bucket_name(self, 'Files', name)",
    "event_bus_arn": "events.EventBus.from_event_bus_arn(self, 'Bus', arn)",
    "key_arn": "kms.Key.from_key_arn(self, 'Key', arn)",
    "queue_arn": "sqs.Queue.from_queue_arn(self, 'Queue', arn)",
    "secret_arn": "secretsmanager.Secret.from_secret_complete_arn(self, 'Secret', arn)",
    "table_arn": "dynamodb.TableV2.from_table_name(self, 'Table', name)",
    "topic_arn": "sns.Topic.from_topic_arn(self, 'Topic', arn)",
}

REQUIRED = ("resource",)


def check_arguments(arguments: Mapping[str, object], *, anywhere: Collection[str] = ()) -> None:
    """Check the arguments of a pattern, given by name (``locals()`` at its start): their types, and where things are.

    Args:
        arguments: The arguments; names not known here pass.
        anywhere: Resources that may be in another region.
    """
    scope = arguments.get("scope")
    if "construct_id" in arguments:
        check_place(scope, arguments["construct_id"])
    for name in sorted(arguments.keys() & TYPES.keys()):
        check_type(name, arguments[name], *TYPES[name], optional=name not in REQUIRED)
    for name in sorted(arguments.keys() & RESOURCES.keys()):
        attribute, hint, options = RESOURCES[name]
        check_has(name, arguments[name], attribute, hint, optional=True, options=options, imported=IMPORTS[attribute])
    if isinstance(scope, Construct):
        check_reachable(scope, {name: arguments[name] for name in arguments.keys() & set(REGIONAL) - set(anywhere)})
    for holder in (arguments.get("encryption_key"), getattr(arguments.get("operations"), "encryption_key", None)):
        check_no_managed_key("encryption_key", holder)
