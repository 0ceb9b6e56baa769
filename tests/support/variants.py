"""The other shapes of the patterns: what their options do, for scanners and snapshots."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_events as events
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sns as sns
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
    EventRouting,
    EventSource,
    Handler,
    KinesisOptions,
    Notification,
    OrderWorkflow,
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
    StreamProcessing,
    Totals,
    UsagePlan,
)
from serverless_patterns.stacks import AlertStack
from tests.support.synthesis import empty_stack, new_app, template_of

#: The code of a user's own route.
STOCK = Path(__file__).with_name("stock")
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


def _items(scope: Construct) -> dynamodb.ITable:
    """A table that reports are made of."""
    return dynamodb.TableV2(
        scope,
        "Items",
        partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
        point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(point_in_time_recovery_enabled=True),
    )


def _report_dynamodb() -> Mapping[str, Any]:
    """Of a table, within a quarter of an hour, and with a queue for what becomes of it."""
    stack = empty_stack()
    results = sqs.Queue.from_queue_arn(stack, "Results", stack.format_arn(service="sqs", resource="results"))
    reports = ScheduledReport(
        stack,
        "DailySales",
        source=ReportSource.dynamodb(_items(stack), columns=["id", "amount"]),
        schedule=ReportSchedule(flexible_window=Duration.minutes(15)),
        on_success=results,
    )
    reports.add_alarms(Alerts())
    return template_of(stack)


def _shop(scope: Construct) -> events.IEventBus:
    """A bus of another stack."""
    return events.EventBus.from_event_bus_name(scope, "Shop", "shop")


def _pipeline_bus() -> Mapping[str, Any]:
    stack = empty_stack()
    SqsPipeline(stack, "Orders", bus=_shop(stack)).add_alarms(Alerts())
    return template_of(stack)


def _files_bus() -> Mapping[str, Any]:
    stack = empty_stack()
    S3Processing(stack, "Imports", prefix="incoming/", bus=_shop(stack)).add_alarms(Alerts())
    return template_of(stack)


def _report_bus() -> Mapping[str, Any]:
    """Announced on a bus for programs, by mail for people."""
    stack = empty_stack()
    reports = ScheduledReport(
        stack,
        "DailySales",
        source=ReportSource.dynamodb(_items(stack), columns=["id", "amount"]),
        bus=_shop(stack),
        mail=ReportMail(sender="reports@shop.example.com", recipients=["sales@shop.example.com"]),
    )
    reports.add_alarms(Alerts())
    return template_of(stack)


def _orders_broadcast() -> Mapping[str, Any]:
    """From a FIFO queue, and told to a queue and a topic of others at once."""
    stack = empty_stack(region="eu-central-1")
    names = {name: stack.format_arn(service=name, resource="warehouse") for name in ("sqs", "sns")}
    warehouse = sqs.Queue.from_queue_arn(stack, "Warehouse", names["sqs"])
    partners = sns.Topic.from_topic_arn(stack, "Partners", names["sns"])
    orders = OrderWorkflow(
        stack,
        "Sales",
        kind="express",
        starter="queue",
        queue=QueueOptions(fifo=True),
        broadcast_to={"Warehouse": warehouse, "Partners": partners},
        encryption_key=kms.Key(stack, "Key", enable_key_rotation=True),
    )
    orders.add_alarms(Alerts())
    return template_of(stack)


def _orders_api_bus() -> Mapping[str, Any]:
    """Started by an API with tokens, in Express executions, and announced on a bus."""
    stack = empty_stack()
    orders = OrderWorkflow(
        stack,
        "Sales",
        kind="express",
        starter="api",
        authorization=Authorization.jwt(issuer="https://login.example.com", audience=["shop"]),
        cors=Cors(allow_origins=["https://shop.example.com"]),
        bus=events.EventBus.from_event_bus_name(stack, "Shop", "shop"),
    )
    orders.add_alarms(Alerts())
    return template_of(stack)


def _orders_event_key() -> Mapping[str, Any]:
    """Started by events, and encrypted with a customer managed key."""
    stack = empty_stack("eu-central-1")
    orders = OrderWorkflow(
        stack,
        "Sales",
        starter="event",
        started_by=EventSource(pattern={"detail-type": ["orders.placed"]}),
        encryption_key=kms.Key(stack, "Key", enable_key_rotation=True),
    )
    orders.add_alarms(Alerts())
    return template_of(stack)


def _routes_bus() -> Mapping[str, Any]:
    """On a bus of somebody else's, with code and schemas of one's own."""
    stack = empty_stack()
    events_of_shop = EventRouting(stack, "Events", bus=events.EventBus.from_event_bus_name(stack, "Shop", "shop"), archive=True)
    events_of_shop.add_route(
        "Stock",
        pattern={"detail-type": ["orders.paid"], "detail": {"metadata": {"version": [1]}}},
        handler=Handler.from_directory(str(STOCK), "stock.handle"),
        schemas={"orders.paid": {"type": "object", "required": ["order_id"]}},
    )
    events_of_shop.add_alarms(Alerts())
    return template_of(stack)


def _routes_key() -> Mapping[str, Any]:
    """With a customer managed key, publishers of another account and of an organization, events of S3 and of a schedule."""
    stack = empty_stack(region="eu-central-1")
    key = kms.Key(stack, "Key", enable_key_rotation=True)
    routed = EventRouting(stack, "Events", publishers=["210987654321", "o-a1b2c3d4e5"], encryption_key=key)
    routed.add_route("Payments", pattern={"detail-type": [{"prefix": "orders."}]})
    routed.forward("Uploads", pattern={"source": ["aws.s3"], "detail-type": ["Object Created"]})
    routed.add_schedule("Opening", schedule=scheduler.ScheduleExpression.rate(Duration.days(1)), detail_type="shop.opens")
    routed.add_alarms(Alerts())
    return template_of(stack)


def _routes_fed() -> Mapping[str, Any]:
    """Of AWS services and a schedule, too."""
    stack = empty_stack()
    fed = EventRouting(stack, "Events", archive=False)
    fed.add_route("Uploads", pattern={"source": ["aws.s3"]})
    fed.forward("Files", pattern={"source": ["aws.s3"], "detail-type": ["Object Created"]})
    fed.add_schedule("Hourly", schedule=scheduler.ScheduleExpression.rate(Duration.hours(1)), detail_type="clock.hour")
    fed.add_alarms(Alerts())
    return template_of(stack)


def _stream_kinesis_key() -> Mapping[str, Any]:
    """Of a Kinesis stream with schema and key field, encrypted with a customer managed key."""
    stack = empty_stack(region="eu-central-1")
    key = kms.Key(stack, "Key", enable_key_rotation=True)
    customers = StreamProcessing(
        stack,
        "Customers",
        source=KinesisOptions(retention=Duration.days(7), shards=2),
        key_field="customer_id",
        schema={"type": "object", "properties": {"customer_id": {"type": "string"}}, "required": ["customer_id"]},
        audit_retention=Duration.days(365),
        encryption_key=key,
    )
    customers.add_alarms(Alerts())
    return template_of(stack)


def _stream_own_table() -> Mapping[str, Any]:
    """Of a table of somebody's, whose removals are filtered out."""
    stack = empty_stack()
    items = dynamodb.TableV2(
        stack,
        "Items",
        partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
        dynamo_stream=dynamodb.StreamViewType.NEW_AND_OLD_IMAGES,
        point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(point_in_time_recovery_enabled=True),
    )
    written = lambda_.FilterCriteria.filter({"eventName": lambda_.FilterRule.or_("INSERT", "MODIFY")})
    customers = StreamProcessing(stack, "Customers", source=items, filters=[written], excluded=["notes"])
    customers.add_alarms(Alerts())
    return template_of(stack)


VARIANTS = {
    "alerts": _alerts,
    "api_crud_rest": _rest,
    "api_crud_cognito": _cognito,
    "api_crud_rest_cognito": _rest_cognito,
    "sqs_pipeline_direct": _pipeline_direct,
    "sqs_pipeline_fifo_key": _pipeline_fifo_key,
    "sqs_pipeline_bus": _pipeline_bus,
    "sns_fanout_fifo": _fanout_fifo,
    "sns_fanout_direct_and_endpoints": _fanout_direct_and_endpoints,
    "s3_processing_direct": _files_direct,
    "s3_processing_bus": _files_bus,
    "stream_processing_kinesis_key": _stream_kinesis_key,
    "stream_processing_own_table": _stream_own_table,
    "scheduled_report_rule_postgres": _report_rule_postgres,
    "scheduled_report_dynamodb": _report_dynamodb,
    "scheduled_report_bus": _report_bus,
    "order_workflow_broadcast_key": _orders_broadcast,
    "order_workflow_api_bus": _orders_api_bus,
    "order_workflow_event_key": _orders_event_key,
    "event_routing_bus": _routes_bus,
    "event_routing_key": _routes_key,
    "event_routing_fed": _routes_fed,
}
