"""The other shapes of the patterns: what their options do, for scanners and snapshots."""

from collections.abc import Mapping
from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from serverless_patterns import (
    PROD,
    Alerts,
    ApiCrud,
    AuditTrail,
    Authorization,
    BucketOptions,
    Cors,
    Notification,
    QueueOptions,
    ReportDatabase,
    ReportMail,
    ReportQuery,
    ReportSchedule,
    ReportSource,
    S3Processing,
    ScheduledReport,
    SnsFanout,
    SqsPipeline,
    Totals,
    UsagePlan,
)
from serverless_patterns.stacks import AlertStack
from tests.support.synthesis import empty_stack, new_app, template_of

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}}


def variants() -> Mapping[str, Mapping[str, Any]]:
    """Name -> template."""
    return {name: make() for name, make in VARIANTS.items()}


def _rest() -> Mapping[str, Any]:
    stack = empty_stack()
    api = ApiCrud(
        stack,
        "Users",
        resource="users",
        schema=SCHEMA,
        api_kind="rest",
        cors=Cors(allow_origins=["https://shop.example.com"], allow_credentials=True),
        usage_plan=UsagePlan(requests_per_day=10_000),
    )
    api.add_alarms(Alerts())
    return template_of(stack)


def _cognito() -> Mapping[str, Any]:
    stack = empty_stack()
    authorization = _user_pool(stack, clients=2)
    ApiCrud(stack, "Users", resource="users", schema=SCHEMA, authorization=authorization, cors=Cors(allow_origins=["*"]))
    return template_of(stack)


def _rest_cognito() -> Mapping[str, Any]:
    stack = empty_stack()
    ApiCrud(stack, "Users", resource="users", schema=SCHEMA, api_kind="rest", authorization=_user_pool(stack, clients=1))
    return template_of(stack)


def _user_pool(scope: Construct, clients: int) -> Authorization:
    """A pool of another region than the stack's: its tokens name its own region."""
    pool = cognito.UserPool.from_user_pool_arn(
        scope, "Pool", "arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_Example"
    )
    found = [cognito.UserPoolClient.from_user_pool_client_id(scope, f"Client{n}", f"client-{n}") for n in range(clients)]
    return Authorization.cognito(pool, clients=found, scopes=["users/write"])


def _alerts() -> Mapping[str, Any]:
    return template_of(AlertStack(new_app(), "prod-alerts", environment=PROD))


def _pipeline_direct() -> Mapping[str, Any]:
    stack = empty_stack()
    cors = Cors(allow_origins=["https://shop.example.com"], allow_credentials=True)
    SqsPipeline(stack, "Orders", ingest="direct", group_by="customer_id", cors=cors).add_alarms(Alerts())
    return template_of(stack)


def _pipeline_fifo_key() -> Mapping[str, Any]:
    stack = empty_stack(region="eu-central-1")
    key = kms.Key(stack, "Key", enable_key_rotation=True)
    orders = SqsPipeline(stack, "Orders", queue=QueueOptions(fifo=True), group_by="customer_id", encryption_key=key)
    orders.add_alarms(Alerts())
    return template_of(stack)


def _fanout_fifo() -> Mapping[str, Any]:
    stack = empty_stack()
    events = SnsFanout(stack, "Events", fifo=True)
    events.add_subscriber("Audit", handler=AuditTrail())
    events.add_subscriber("Totals", handler=Totals(), filter_policy={"data": {"amount": [{"exists": True}]}}, filter_on="body")
    events.add_alarms(Alerts())
    return template_of(stack)


def _fanout_direct_and_endpoints() -> Mapping[str, Any]:
    stack = empty_stack(region="eu-central-1")
    events = SnsFanout(stack, "Events", encryption_key=kms.Key(stack, "Key", enable_key_rotation=True))
    events.add_subscriber("Audit", handler=AuditTrail())
    events.add_subscriber("Notification", handler=Notification(), direct=True)
    events.add_email("Mail", address="orders@example.com", filter_policy={"event_type": ["orders.failed"]})
    events.add_https_endpoint("Partner", url="https://partner.example.com/orders")
    events.add_alarms(Alerts())
    return template_of(stack)


def _files_direct() -> Mapping[str, Any]:
    """With all that the one of the catalogue has not: a key, a suffix, and another lifetime of the results."""
    stack = empty_stack(region="eu-central-1")
    files = S3Processing(
        stack,
        "Imports",
        prefix="incoming/",
        suffix=".csv",
        trigger="direct",
        output_bucket=BucketOptions(expiration=Duration.days(30)),
        encryption_key=kms.Key(stack, "Key", enable_key_rotation=True),
    )
    files.add_alarms(Alerts())
    return template_of(stack)


def _report_rule_postgres() -> Mapping[str, Any]:
    """Of a PostgreSQL in somebody's VPC, with all that costs or is refused elsewhere: endpoints, mail, a key, a rule."""
    stack = empty_stack(region="eu-central-1")
    vpc = ec2.Vpc.from_vpc_attributes(
        stack,
        "Vpc",
        vpc_id="vpc-0a1b2c3d4e5f60718",
        availability_zones=["eu-central-1a", "eu-central-1b"],
        isolated_subnet_ids=["subnet-0a1b2c3d4e5f60711", "subnet-0a1b2c3d4e5f60712"],
        isolated_subnet_route_table_ids=["rtb-0a1b2c3d4e5f60711", "rtb-0a1b2c3d4e5f60712"],
    )
    key = kms.Key(stack, "Key", enable_key_rotation=True)
    reports = ScheduledReport(
        stack,
        "DailySales",
        query=ReportQuery(
            sql="SELECT id, total FROM orders WHERE country = :country", key_columns=["id"], parameters={"country": "DE"}
        ),
        source=ReportDatabase.postgres(secretsmanager.Secret(stack, "Reader", encryption_key=key), vpc=vpc, endpoints=True),
        schedule=ReportSchedule(engine="rule", time_zone="Europe/Berlin"),
        mail=ReportMail(
            sender="reports@shop.example.com",
            recipients=["sales@shop.example.com", "ann@partner.example"],
            configuration_set="reports",
            recipient_identities=["partner.example"],
        ),
        encryption_key=key,
    )
    reports.add_alarms(Alerts())
    return template_of(stack)


def _report_dynamodb() -> Mapping[str, Any]:
    """Of a table, within a quarter of an hour, and with a queue for what becomes of it."""
    stack = empty_stack()
    items = dynamodb.TableV2(
        stack,
        "Items",
        partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
        point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(point_in_time_recovery_enabled=True),
    )
    results = sqs.Queue.from_queue_arn(stack, "Results", stack.format_arn(service="sqs", resource="results"))
    reports = ScheduledReport(
        stack,
        "DailySales",
        source=ReportSource.dynamodb(items, columns=["id", "amount"]),
        schedule=ReportSchedule(flexible_window=Duration.minutes(15)),
        on_success=results,
    )
    reports.add_alarms(Alerts())
    return template_of(stack)


VARIANTS = {
    "alerts": _alerts,
    "api_crud_rest": _rest,
    "api_crud_cognito": _cognito,
    "api_crud_rest_cognito": _rest_cognito,
    "sqs_pipeline_direct": _pipeline_direct,
    "sqs_pipeline_fifo_key": _pipeline_fifo_key,
    "sns_fanout_fifo": _fanout_fifo,
    "sns_fanout_direct_and_endpoints": _fanout_direct_and_endpoints,
    "s3_processing_direct": _files_direct,
    "scheduled_report_rule_postgres": _report_rule_postgres,
    "scheduled_report_dynamodb": _report_dynamodb,
}
