"""``ScheduledReport`` as the tests of its template see it: how one is made, and what its parts may do."""

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from scheduled_report.models import Settings
from serverless_patterns import Handler, ReportQuery, ReportSource, ScheduledReport
from tests.support.readable import permissions, properties_at
from tests.support.report_sources import CLUSTER, DATA_API, READ_SECRET
from tests.support.synthesis import empty_stack

OWN = Handler(lambda_.Code.from_inline("def handler(event, context): ..."), "index.handler")
QUERY = ReportQuery(sql="SELECT id, country, total FROM orders", key_columns=["country", "id"])
LOGS = ["logs:CreateLogStream", "logs:PutLogEvents"]
XRAY = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
FILES = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
QUEUE_KEY = ["kms:Decrypt", "kms:GenerateDataKey"]
TABLE_KEY = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"]
#: What the function may do, wherever the rows come from.
WORK = {
    "Report/FunctionLogs": LOGS,
    "*": XRAY,
    "Report/Bucket/reports/*": FILES,
    "Report/Runs": ["dynamodb:UpdateItem"],
    "Report/Topic": ["sns:Publish"],
    "Report/DeadLetterQueue": ["sqs:SendMessage"],
}
#: What it may do beyond that with the database that is defined.
AURORA = {CLUSTER.replace("Database", "Report/Database"): DATA_API, "Report/Database": READ_SECRET}
QUEUES = ("DeadLetterQueue", "DeliveryDeadLetterQueue")


def report(scope: Construct, construct_id: str = "Report", **options: object) -> ScheduledReport:
    """A report; of a database, unless a source or a handler is given."""
    needs_query = options.get("handler") is None and not isinstance(options.get("source"), ReportSource)
    return ScheduledReport(scope, construct_id, **({"query": QUERY} if needs_query else {}) | options)


def keyed(**options):
    """A stack with a report whose things have a customer managed key."""
    stack = empty_stack(region="eu-central-1")
    report(stack, encryption_key=kms.Key(stack, "Key"), **options)
    return stack


def variables(stack):
    """The environment variables of the function, as text."""
    return properties_at(stack, "Report/Function")["Environment"]["Variables"]


def handler_settings(stack):
    """What the bundled handler makes of its environment variables."""
    return Settings.from_environment(variables(stack))


def function_permissions(stack):
    return permissions(stack, "Report/FunctionRole")


def own_table(stack, construct_id="Mine", *, partition="id", sort=None, **options):
    """A table of the user's."""
    text = dynamodb.AttributeType.STRING
    return dynamodb.TableV2(
        stack,
        construct_id,
        partition_key=dynamodb.Attribute(name=partition, type=text),
        sort_key=None if sort is None else dynamodb.Attribute(name=sort, type=text),
        **options,
    )


def items(stack, **options):
    """A source that is a table."""
    return ReportSource.dynamodb(own_table(stack, "Items", **options), columns=["id", "amount"])
