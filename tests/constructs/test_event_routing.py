"""EventRouting: which events reach which route, by what right, what is kept and for how long, and what is refused."""

import json
import re

import pytest
from aws_cdk import CfnParameter, Duration, Environment, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from serverless_patterns import (
    DEV,
    LOCAL,
    PROD,
    STAGING,
    Alerts,
    Capacity,
    Handler,
    Operations,
    PatternError,
    QueueOptions,
    WorkerOptions,
)
from serverless_patterns._blocks.function import LOG_VARIABLES
from serverless_patterns._blocks.route_plan import TAKEN
from serverless_patterns.testing.service_roles import service_reports
from serverless_patterns.testing.template import ResolvedTemplate
from tests.support.buses import PAID, QUEUE_KEY, REFUSE_HTTP, allowed_in, keyed_stack, routing, watched
from tests.support.circles import check_no_circle
from tests.support.readable import alarms, depends_on, permissions, properties_at, readable, rule_arn
from tests.support.synthesis import new_app, resources, template_of

DAY = 86_400
OWN = Handler(lambda_.Code.from_inline("def handler(event, context): ..."), "index.handler")
LOGS = ["logs:CreateLogStream", "logs:PutLogEvents"]
XRAY = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
POLL = [
    "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ReceiveMessage",
    "sqs:SendMessage",
]
TABLE_KEY = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"]
AT, ABOVE = "GreaterThanOrEqualToThreshold", "GreaterThanThreshold"
BUS_ARN = "arn:aws:events:eu-central-1:111122223333:event-bus/mine"


def one(scope: Construct, pattern=PAID, *, bus=None, operations=None, **options):
    """A bus with one route."""
    return routing(scope, bus=bus, operations=operations).add_route("One", pattern=pattern, **options)


def variables(stack, name="One"):
    return properties_at(stack, f"Events/{name}/Function")["Environment"]["Variables"]


def bus_statements(stack):
    """Sid -> statement of the bus's policy."""
    found = resources(template_of(stack), "AWS::Events::EventBusPolicy").values()
    assert {readable(stack, each["Properties"]["EventBusName"]) for each in found} <= {"Events/Bus"}
    return {each["Properties"]["StatementId"]: readable(stack, each["Properties"]["Statement"]) for each in found}


def named(statements, name):
    """The statement whose id begins so: the rest is that of its bus."""
    (found,) = (each for statement_id, each in statements.items() if statement_id.startswith(f"{name}-"))
    return found


@pytest.fixture
def stock(tmp_path):
    """A folder with code of the user's."""
    folder = tmp_path / "stock"
    (folder / "deep").mkdir(parents=True)
    for name in ("stock.py", "deep/inner.py"):
        (folder / name).write_text("def handle(event):\n    pass\n")
    return folder


# --- the bus


def test_a_bus_is_defined_whose_name_begins_with_that_of_its_stack(stack):
    """CloudFormation makes no names for buses: two deployments of one app would want the same one."""
    routing(stack)
    assert re.fullmatch(r"Test-Events-[0-9A-F]{8}", properties_at(stack, "Events/Bus")["Name"])


def test_two_stacks_and_two_patterns_of_one_stack_never_want_the_same_name():
    app = new_app()
    stacks = [Stack(app, construct_id, stack_name=name) for construct_id, name in (("A", "dev-shop"), ("B", "prod-shop"))]
    for stack in stacks:
        routing(stack)
        routing(stack, "Audit")
    buses = [each for stack in stacks for each in resources(template_of(stack), "AWS::Events::EventBus").values()]
    names = [each["Properties"]["Name"] for each in buses]
    assert len(set(names)) == 4
    assert [name.rpartition("-")[0] for name in names] == [
        "dev-shop-Events",
        "dev-shop-Audit",
        "prod-shop-Events",
        "prod-shop-Audit",
    ]


def test_nobody_may_put_events_on_the_bus_without_tls(stack):
    routing(stack)
    name = properties_at(stack, "Events/Bus")["Name"]
    (statement_id,) = bus_statements(stack)
    assert re.fullmatch(r"cdk-RefuseHttp-Test-Events-Bus-[0-9A-F]{8}", statement_id)
    assert name not in statement_id  # that of the pattern and not of the bus in it
    assert bus_statements(stack) == {
        statement_id: {
            "Action": "events:PutEvents",
            "Condition": REFUSE_HTTP,
            "Effect": "Deny",
            "Principal": {"AWS": "*"},
            "Resource": "Events/Bus",
            "Sid": statement_id,
        }
    }


def test_no_two_buses_of_an_account_have_a_statement_of_the_same_id():
    """CloudFormation takes the id for the name of the resource: a second stack could not be deployed."""
    app = new_app()
    names = ("dev-shop", "prod-shop", f"dev-{'x' * 100}", f"prod-{'x' * 100}")
    stacks = [Stack(app, f"Stack{number}", stack_name=name) for number, name in enumerate(names)]
    for stack in stacks:
        for construct_id in ("Events", "Audit"):
            routing(stack, construct_id, publishers=["111122223333", "o-a1b2c3d4e5"])
    policies = [each for stack in stacks for each in resources(template_of(stack), "AWS::Events::EventBusPolicy").values()]
    ids = [each["Properties"]["StatementId"] for each in policies]
    assert (len(ids), len(set(ids))) == (24, 24)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", each) for each in ids)


def test_other_accounts_and_organizations_may_put_events_on_it_if_they_are_named(stack):
    routing(stack, publishers=["111122223333", "o-a1b2c3d4e5"])
    found = bus_statements(stack)
    account, organization = (named(found, f"cdk-Publisher{number}") for number in (1, 2))
    assert account["Principal"] == {"AWS": "arn:AWS::Partition:iam::111122223333:root"}
    assert "Condition" not in account
    assert (organization["Principal"], organization["Condition"]) == (
        {"AWS": "*"},
        {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}},
    )
    for statement in (account, organization):
        assert (statement["Effect"], statement["Action"], statement["Resource"]) == ("Allow", "events:PutEvents", "Events/Bus")


def test_an_account_may_be_a_token(stack):
    routing(stack, publishers=[CfnParameter(stack, "Partner").value_as_string])
    assert named(bus_statements(stack), "cdk-Publisher1")["Principal"] == {"AWS": "arn:AWS::Partition:iam::Partner:root"}


@pytest.mark.parametrize("publisher", ["1111", "arn:aws:iam::111122223333:root", "*", "o-short", "O-A1B2C3D4E5", ""])
def test_what_is_no_account_or_organization_is_refused(stack, publisher):
    with pytest.raises(PatternError) as raised:
        routing(stack, publishers=[publisher])
    assert str(raised.value) == (
        f"publishers must be ids of accounts, of 12 digits, or of organizations, such as 'o-a1b2c3d4e5', got {publisher!r}"
    )
    assert stack.node.children == []


def test_a_publisher_may_put_events_on_this_bus_and_nothing_else(stack):
    routing(stack).grant_publish(iam.Role(stack, "Publisher", assumed_by=iam.AccountRootPrincipal()))
    assert permissions(stack, "Publisher") == {"Events/Bus": ["events:PutEvents"]}


def test_a_publisher_needs_nothing_of_the_key():
    """EventBridge uses it itself."""
    stack, key = keyed_stack()
    routing(stack, encryption_key=key).grant_publish(iam.Role(stack, "Publisher", assumed_by=iam.AccountRootPrincipal()))
    assert permissions(stack, "Publisher") == {"Events/Bus": ["events:PutEvents"]}


def test_a_publisher_whose_policy_nobody_here_can_write_is_refused(stack):
    """It would be let in nowhere, without a word."""
    with pytest.raises(PatternError, match=r"grantee must be a role, a user or what has one, got .*: name other"):
        routing(stack).grant_publish(iam.AccountPrincipal("111122223333"))


def test_a_function_of_another_stack_may_publish():
    app = new_app()
    here, there = (Stack(app, name, env=Environment(region="eu-central-1")) for name in ("Here", "There"))
    bus = routing(here)
    bus.grant_publish(iam.Role(there, "Publisher", assumed_by=iam.AccountRootPrincipal()))
    (policy,) = resources(template_of(there), "AWS::IAM::Policy").values()
    (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Action"], "EventsBus" in str(statement["Resource"])) == ("events:PutEvents", True)
    assert [each.id for each in app.synth().get_stack_artifact(there.artifact_id).dependencies if each.id == "Here"] == ["Here"]


# --- the archive


@pytest.mark.parametrize(("environment", "days"), [(LOCAL, 1), (DEV, 7), (STAGING, 30), (PROD, 90)])
def test_all_events_can_be_replayed_for_as_long_as_the_environment_says(stack, environment, days):
    routing(stack, operations=environment.operations)
    assert properties_at(stack, "Events/Archive") == {
        "Description": f"Events of the last {days} days, of Test/Events",
        "RetentionDays": days,
        "SourceArn": "Events/Bus",
    }


@pytest.mark.parametrize("options", [{"archive": False}, {"operations": Operations(archive_days=None)}])
def test_events_that_are_not_archived_cannot_be_replayed(stack, options):
    events = routing(stack, **options)
    assert events.archive is None
    assert not events.outputs.keys() & {"ArchiveArn", "ArchiveName"}
    assert resources(template_of(stack), "AWS::Events::Archive") == {}


@pytest.mark.parametrize(("archive", "archives"), [(None, 0), (True, 1)])
def test_a_bus_of_ones_own_is_archived_if_that_is_said(stack, archive, archives):
    """It may have an archive, and many more events than these: those of AWS services on the default bus."""
    routing(stack, bus=events.EventBus(stack, "Mine"), archive=archive)
    assert len(resources(template_of(stack), "AWS::Events::Archive")) == archives


@pytest.mark.parametrize("path", ["Bus", "Archive"])
@pytest.mark.parametrize(
    ("operations", "deletion", "replacement"),
    [(PROD.operations, "RetainExceptOnCreate", "Retain"), (DEV.operations, "Delete", "Delete")],
    ids=["prod", "dev"],
)
def test_what_is_kept_outlives_its_stack_but_not_a_first_deploy_that_fails(stack, path, operations, deletion, replacement):
    """The next try would find its name taken. The bus goes with the archive: events are replayed onto it alone."""
    routing(stack, operations=operations)
    found = resources(template_of(stack), "AWS::Events::EventBus" if path == "Bus" else "AWS::Events::Archive")
    assert [(each["DeletionPolicy"], each["UpdateReplacePolicy"]) for each in found.values()] == [(deletion, replacement)]


# --- a route


def test_a_route_gets_the_whole_of_each_event_that_matches(stack):
    pattern = {"source": [{"prefix": "shop"}], **PAID, "detail": {"metadata": {"version": [1]}}}
    one(stack, pattern)
    rule = properties_at(stack, "Events/One/Rule")
    assert (rule["EventBusName"], rule["EventPattern"]) == ("Events/Bus", pattern)
    (target,) = rule["Targets"]
    assert target["Arn"] == "Events/One/Queue"
    assert not target.keys() & {"Input", "InputPath", "InputTransformer", "RoleArn"}


def test_what_cannot_be_delivered_within_an_hour_is_kept(stack):
    one(stack)
    (target,) = properties_at(stack, "Events/One/Rule")["Targets"]
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 10}
    assert target["DeadLetterConfig"] == {"Arn": "Events/One/DeliveryDeadLetterQueue"}


@pytest.mark.parametrize("queue", ["Queue", "DeliveryDeadLetterQueue"])
def test_only_the_rule_of_the_route_may_send_to_its_queues(stack, queue):
    one(stack)
    assert allowed_in(stack, f"Events/One/{queue}") == [
        {
            "Action": "sqs:SendMessage",
            "Condition": {"ArnEquals": {"aws:SourceArn": rule_arn(stack, "Events/One/Rule")}},
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Resource": f"Events/One/{queue}",
        }
    ]


@pytest.mark.parametrize("queue", ["Queue", "DeliveryDeadLetterQueue"])
def test_a_route_that_is_added_to_a_busy_bus_gets_its_events_from_the_first_on(stack, queue):
    """Its rule comes when the policies of its queues let it send: what matched before would be lost."""
    one(stack)
    assert depends_on(stack, "Events/One/Rule", f"Events/One/{queue}/Policy")
    check_no_circle(template_of(stack))


def test_nobody_is_let_into_the_dead_letter_queue_by_its_policy(stack):
    one(stack)
    assert allowed_in(stack, "Events/One/DeadLetterQueue") == []


def test_what_is_not_delivered_or_not_worked_is_kept_for_fourteen_days(stack):
    one(stack)
    for queue in ("DeadLetterQueue", "DeliveryDeadLetterQueue"):
        assert properties_at(stack, f"Events/One/{queue}")["MessageRetentionPeriod"] == 14 * DAY


def test_the_worker_has_receives_to_spare_for_moving_a_message_itself(stack):
    one(stack)
    redrive = properties_at(stack, "Events/One/Queue")["RedrivePolicy"]
    assert redrive == {"deadLetterTargetArn": "Events/One/DeadLetterQueue", "maxReceiveCount": 8}
    assert variables(stack)["MAX_RECEIVE_COUNT"] == "5"


def test_the_queue_and_the_worker_are_as_the_options_say(stack):
    worker = WorkerOptions(
        timeout=Duration.seconds(60), batch_size=5, max_concurrency=4, max_attempts=3, retry_delay=Duration.seconds(7)
    )
    one(stack, worker=worker, queue=QueueOptions(retention=Duration.days(2)))
    queue, source = properties_at(stack, "Events/One/Queue"), properties_at(stack, "Events/One/Source")
    assert (queue["VisibilityTimeout"], queue["MessageRetentionPeriod"]) == (360, 2 * DAY)
    assert (source["BatchSize"], source["ScalingConfig"]) == (5, {"MaximumConcurrency": 4})
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert properties_at(stack, "Events/One/Function")["Timeout"] == 60
    assert (variables(stack)["MAX_RECEIVE_COUNT"], variables(stack)["RETRY_DELAY_SECONDS"]) == ("3", "7")


def test_a_function_has_the_memory_that_is_given(stack):
    one(stack, worker=WorkerOptions(memory_size=1024))
    assert properties_at(stack, "Events/One/Function")["MemorySize"] == 1024


def test_an_environment_takes_its_share_of_each_routes_concurrency(stack):
    one(stack, operations=Operations(capacity=Capacity(share=0.5)))
    assert properties_at(stack, "Events/One/Source")["ScalingConfig"] == {"MaximumConcurrency": 5}


def test_a_function_may_claim_events_work_its_queue_and_set_messages_aside(stack):
    one(stack)
    assert permissions(stack, "Events/One/FunctionRole") == {
        "Events/One/FunctionLogs": LOGS,
        "*": XRAY,
        "Events/One/Queue": POLL,
        "Events/One/DeadLetterQueue": ["sqs:SendMessage"],
        "Events/One/Table": ["dynamodb:UpdateItem"],
    }


def test_a_function_may_put_back_what_it_could_not_try(stack):
    """Lambda stops what looks like a loop otherwise, and the event would be lost."""
    one(stack)
    assert properties_at(stack, "Events/One/Function")["RecursiveLoop"] == "Allow"


def test_the_table_forgets_events_by_itself(stack):
    one(stack)
    table = properties_at(stack, "Events/One/Table")
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert table["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]


@pytest.mark.parametrize(
    ("archive_days", "retention", "days"),
    [(None, None, 35), (7, None, 35), (16, None, 35), (17, None, 36), (90, None, 109), (90, Duration.days(13), 118)],
)
def test_a_route_knows_events_for_longer_than_they_can_be_replayed_and_on_their_way(stack, archive_days, retention, days):
    """The archive's days, one to the queue, those in it, and 14 in the dead-letter queue: then none has its effect twice."""
    one(stack, operations=Operations(archive_days=archive_days), queue=QueueOptions(retention=retention))
    assert variables(stack)["EVENT_SECONDS"] == str(days * DAY)


def test_a_route_of_a_bus_that_others_archive_knows_events_as_long_as_the_operations_say(stack):
    one(stack, bus=events.EventBus(stack, "Mine"), operations=Operations(archive_days=400))
    assert variables(stack)["EVENT_SECONDS"] == str((400 + 19) * DAY)


def test_what_a_route_is_made_of_is_exposed(stack):
    bus = routing(stack)
    route = bus.add_route("One", pattern=PAID)
    assert bus.routes == {"One": route}
    assert route.name == "One"
    made = (route.rule, route.queue, route.dead_letter_queue, route.delivery_dead_letter_queue, route.function, route.table)
    assert [each.node.path.removeprefix("Test/Events/One/") for each in made] == [
        "Rule",
        "Queue",
        "DeadLetterQueue",
        "DeliveryDeadLetterQueue",
        "Function",
        "Table",
    ]


def test_routes_share_nothing_but_the_bus(stack):
    bus = routing(stack)
    for name in ("One", "Two"):
        bus.add_route(name, pattern=PAID)
    for kind, count in (("SQS::Queue", 6), ("DynamoDB::GlobalTable", 2), ("Lambda::Function", 2), ("IAM::Role", 2)):
        assert len(resources(template_of(stack), f"AWS::{kind}")) == count
    assert all("Events/One" not in place for place in permissions(stack, "Events/Two/FunctionRole"))


# --- code and schemas of the user's


@pytest.mark.parametrize(
    ("entry", "named_as"),
    [("stock.handle", "stock:handle"), ("deep.inner.handle", "deep.inner:handle"), ("deep/inner.handle", "deep.inner:handle")],
)
def test_a_handler_of_ones_own_is_called_by_the_bundled_consumer(stack, stock, entry, named_as):
    one(stack, handler=Handler.from_directory(stock, entry), environment={"STOCK_TABLE": "stock"})
    assert (variables(stack)["HANDLER"], variables(stack)["STOCK_TABLE"]) == (named_as, "stock")
    function = properties_at(stack, "Events/One/Function")
    assert function["Handler"] == "event_routing.handler.handler"
    assert function["Layers"] == ["HandlerDependencies"]


def test_without_a_handler_or_schemas_none_are_named(stack):
    one(stack)
    assert not variables(stack).keys() & {"HANDLER", "SCHEMA_FILE"}


def test_schemas_are_packed_into_the_code(stack):
    schemas = {"orders.paid": {"type": "object", "required": ("order_id",)}}
    one(stack, schemas=schemas)
    assert variables(stack)["SCHEMA_FILE"] == "event_routing/schemas.json"
    plan = one_plan(schemas=schemas)
    assert json.loads(plan.code.code.files["event_routing/schemas.json"]) == {
        "orders.paid": {"type": "object", "required": ["order_id"]}
    }


def one_plan(**options):
    """What is checked of a route before anything is defined."""
    from serverless_patterns._blocks.route_plan import plan_route  # noqa: PLC0415  only this test looks inside

    given = dict.fromkeys(("handler", "schemas", "worker", "queue", "environment"))
    return plan_route(**{"pattern": PAID, **given, **options})


def test_schemas_may_be_of_types_that_a_pattern_does_not_list(stack):
    one(stack, {"detail-type": [{"prefix": "orders."}]}, schemas={"orders.lost": {"type": "object"}})
    assert variables(stack)["SCHEMA_FILE"] == "event_routing/schemas.json"


@pytest.mark.parametrize("file", ["shared/more.py", "shared.py", "event_routing/__init__.py", "event_routing.py"])
def test_a_handler_beside_a_module_that_the_bundled_consumer_has_too_is_refused(stack, stock, file):
    (stock / file).parent.mkdir(exist_ok=True)
    (stock / file).write_text("")
    bus = routing(stack)
    with pytest.raises(PatternError, match=r"^handler must be in a folder without '\w+', which the bundled handler has too"):
        bus.add_route("One", pattern=PAID, handler=Handler.from_directory(stock, "stock.handle"))
    assert bus.node.try_find_child("One") is None


# --- keys


def test_a_customer_managed_key_encrypts_the_bus_the_archive_the_queues_and_the_tables():
    stack, key = keyed_stack()
    routing(stack, encryption_key=key).add_route("One", pattern=PAID)
    for queue in ("Queue", "DeadLetterQueue", "DeliveryDeadLetterQueue"):
        assert properties_at(stack, f"Events/One/{queue}")["KmsMasterKeyId"] == "Key"
    (replica,) = properties_at(stack, "Events/One/Table")["Replicas"]
    assert replica["SSESpecification"] == {"KMSMasterKeyId": "Key"}
    for path in ("Bus", "Archive"):
        assert properties_at(stack, f"Events/{path}")["KmsKeyIdentifier"] == "Key"


def test_what_a_bus_could_not_encrypt_or_decrypt_is_kept():
    stack, key = keyed_stack()
    bus = routing(stack, encryption_key=key)
    assert properties_at(stack, "Events/Bus")["DeadLetterConfig"] == {"Arn": "Events/BusDeadLetterQueue"}
    (statement,) = allowed_in(stack, "Events/BusDeadLetterQueue")
    assert (statement["Action"], statement["Condition"], statement["Principal"]) == (
        "sqs:SendMessage",
        {"ArnEquals": {"aws:SourceArn": "Events/Bus"}},
        {"Service": "events.amazonaws.com"},
    )
    assert bus.dead_letter_queue.node.path == "Test/Events/BusDeadLetterQueue"


def test_what_comes_since_the_key_cannot_be_used_is_kept_in_a_queue_without_it():
    stack, key = keyed_stack()
    routing(stack, encryption_key=key)
    queue = properties_at(stack, "Events/BusDeadLetterQueue")
    assert (queue["SqsManagedSseEnabled"], "KmsMasterKeyId" in queue) == (True, False)


def test_a_bus_without_a_key_has_no_dead_letter_queue_since_nothing_would_come_there(stack):
    assert routing(stack).dead_letter_queue is None
    assert "DeadLetterConfig" not in properties_at(stack, "Events/Bus")
    assert resources(template_of(stack), "AWS::SQS::Queue") == {}


def test_eventbridge_may_use_the_key_for_this_bus_archives_and_queues_and_nobody_else():
    stack, key = keyed_stack()
    bus = routing(stack, encryption_key=key)
    bus.add_route("One", pattern=PAID)
    owner, *services = [
        each for each in properties_at(stack, "Key")["KeyPolicy"]["Statement"] if "logs." not in str(each["Principal"])
    ]
    assert owner["Action"] == "kms:*"
    assert {str(each["Principal"]) for each in services} == {"{'Service': 'events.amazonaws.com'}"}
    name = properties_at(stack, "Events/Bus")["Name"]
    here = "arn:aws:events:eu-central-1:AWS::AccountId"
    account = {"aws:SourceAccount": "AWS::AccountId"}
    used = [(each["Action"], each["Condition"]) for each in services]
    this_bus = {
        **account,
        "aws:SourceArn": f"{here}:event-bus/{name}",
        "kms:EncryptionContext:aws:events:event-bus:arn": f"{here}:event-bus/{name}",
    }
    assert used == [
        (["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"], {"StringEquals": this_bus}),
        (QUEUE_KEY, {"ArnLike": {"aws:SourceArn": f"{here}:rule/*"}}),
        ("kms:DescribeKey", {"StringEquals": account}),
        (
            ["kms:Decrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"],
            {"ArnLike": {"kms:EncryptionContext:aws:events:event-bus:arn": f"{here}:event-bus/{name}"}},
        ),
    ]


def test_of_the_archive_of_a_bus_of_ones_own_with_the_same_key_the_policy_names_no_bus():
    """It could not be deployed: the bus names the key, and the policy would name the bus."""
    stack, key = keyed_stack()
    routing(stack, bus=events.EventBus(stack, "Mine", kms_key=key), archive=True, encryption_key=key)
    archive = properties_at(stack, "Key")["KeyPolicy"]["Statement"][-1]
    context = archive["Condition"]["ArnLike"]["kms:EncryptionContext:aws:events:event-bus:arn"]
    assert context == "arn:aws:events:eu-central-1:AWS::AccountId:event-bus/*"
    check_no_circle(template_of(stack))


def test_two_buses_may_have_one_key_whose_policy_says_nothing_twice():
    stack, key = keyed_stack()
    for construct_id in ("Events", "Audit"):
        routing(stack, construct_id, encryption_key=key).add_route("One", pattern=PAID)
    statements = properties_at(stack, "Key")["KeyPolicy"]["Statement"]
    assert len({json.dumps(each, sort_keys=True) for each in statements}) == len(statements)
    (report,) = (each for each in service_reports(ResolvedTemplate.of(template_of(stack))) if each.subject.startswith("Key"))
    assert report.clean, report


def test_a_function_uses_the_key_as_far_as_it_needs_it():
    stack, key = keyed_stack()
    routing(stack, encryption_key=key).add_route("One", pattern=PAID)
    assert permissions(stack, "Events/One/FunctionRole")["Key"] == TABLE_KEY


def test_the_key_may_be_that_of_the_operations():
    stack, key = keyed_stack()
    routing(stack, operations=Operations(encryption_key=key))
    assert properties_at(stack, "Events/Bus")["KmsKeyIdentifier"] == "Key"


# --- a bus of the user's


@pytest.mark.parametrize("name", ["default", "mine"])
def test_a_bus_may_be_imported(stack, name):
    bus = events.EventBus.from_event_bus_name(stack, "Imported", name)
    events_of_it = routing(stack, bus=bus)
    events_of_it.add_route("One", pattern={"source": ["aws.s3"]})
    assert events_of_it.bus is bus
    assert properties_at(stack, "Events/One/Rule")["EventBusName"] == name
    assert resources(template_of(stack), "AWS::Events::EventBus") == {}
    assert bus_statements(stack) == {}


def test_routes_may_be_added_in_another_stack_than_the_bus():
    app = new_app()
    here, there = (Stack(app, name, env=Environment(region="eu-central-1")) for name in ("Here", "There"))
    one(there, bus=routing(here).bus)
    (rule,) = resources(template_of(there), "AWS::Events::Rule").values()
    assert "EventsBus" in str(rule["Properties"]["EventBusName"])
    assert resources(template_of(there), "AWS::Events::EventBus") == {}


def test_a_bus_and_its_routes_in_another_stack_may_have_the_same_key():
    app = new_app()
    here, there = (Stack(app, name, env=Environment(region="eu-central-1")) for name in ("Here", "There"))
    key = kms.Key(here, "Key")
    bus = routing(here, encryption_key=key).bus
    routing(there, bus=bus, archive=True, encryption_key=key).add_route("One", pattern=PAID)
    assembly = app.synth()
    assert "Here" in [each.id for each in assembly.get_stack_artifact(there.artifact_id).dependencies]


@pytest.mark.parametrize(
    ("arn", "message"),
    [
        (BUS_ARN, "bus must be in the region of the stack, us-east-1, got one in eu-central-1: its rules are on the bus"),
        (
            BUS_ARN.replace("eu-central-1", "us-east-1"),
            "bus must be in the account of the stack, 999988887777, got one in 111122223333: its rules are on the bus",
        ),
    ],
)
def test_a_bus_that_cannot_have_rules_of_this_stack_is_refused(arn, message):
    stack = Stack(new_app(), "Test", env=Environment(account="999988887777", region="us-east-1"))
    with pytest.raises(PatternError) as raised:
        routing(stack, bus=events.EventBus.from_event_bus_arn(stack, "Imported", arn))
    assert str(raised.value).startswith(message)


def test_publishers_of_a_bus_of_ones_own_are_let_in_there(stack):
    bus = events.EventBus(stack, "Mine")
    with pytest.raises(PatternError, match="publishers are let in by the policy of the bus, which is yours: leave them out"):
        routing(stack, bus=bus, publishers=["111122223333"])


# --- names and outputs


@pytest.mark.parametrize("name", ["payments", "Pay-ments", "Pay ments", "", "1Payments", "P" * 65])
def test_a_name_is_in_pascal_case(stack, name):
    with pytest.raises(PatternError, match="route_id must be a name in PascalCase, of letters and digits, such as 'Payments'"):
        routing(stack).add_route(name, pattern=PAID)


@pytest.mark.parametrize("name", ["One", "Alarms", "Archive", "Bus", "BusDeadLetterQueue"])
def test_a_name_is_used_once(stack, name):
    bus = routing(stack)
    bus.add_route("One", pattern=PAID)
    with pytest.raises(
        PatternError, match=f"route_id '{name}' is taken; taken are Alarms, Archive, Bus, BusDeadLetterQueue, One"
    ):
        bus.add_route(name, pattern=PAID)


@pytest.mark.parametrize("ending", ["DeadLetter", "Delivery", "DeliveryDeadLetter", "Rule", "Table"])
@pytest.mark.parametrize("longer_first", [False, True])
def test_two_routes_never_have_one_name_for_their_outputs_and_alarms(stack, ending, longer_first):
    first, second = sorted(["One", f"One{ending}"], key=len, reverse=longer_first)
    bus = routing(stack)
    bus.add_route(first, pattern=PAID)
    with pytest.raises(PatternError, match=f"route_id '{second}' is too much like {first}: both would name the same outputs"):
        bus.add_route(second, pattern=PAID)


def test_outputs_are_named_after_the_routes(stack):
    bus = routing(stack)
    bus.add_route("One", pattern=PAID)
    assert {name: readable(stack, stack.resolve(value)) for name, value in bus.outputs.items()} == {
        "ArchiveArn": "Events/Archive",
        "ArchiveName": "Events/Archive",
        "BusArn": "Events/Bus",
        "BusName": "Events/Bus",
        "OneDeadLetterQueueUrl": "Events/One/DeadLetterQueue",
        "OneDeliveryDeadLetterQueueUrl": "Events/One/DeliveryDeadLetterQueue",
        "OneFunctionName": "Events/One/Function",
        "OneLogGroupName": "Events/One/FunctionLogs",
        "OneQueueUrl": "Events/One/Queue",
        "OneRuleArn": "Events/One/Rule",
        "OneTableName": "Events/One/Table",
    }


# --- alarms


def test_each_route_has_its_alarms(stack):
    bus = routing(stack)
    bus.add_route("One", pattern=PAID)
    bus.add_alarms(Alerts())
    function = {"FunctionName": "Events/One/Function"}
    queue, kept, missed = ({"QueueName": f"Events/One/{kind}Queue"} for kind in ("", "DeadLetter", "DeliveryDeadLetter"))
    stall = "IF(age > 300 AND FILL(invocations, 0) - FILL(errors, 0) <= 0, 1, 0)"
    rule = {"EventBusName": "Events/Bus", "RuleName": "Events/One/Rule"}
    assert watched(stack) == {
        "OneDeadLetters": ("critical", "ApproximateNumberOfMessagesVisible", kept, 1, AT),
        "OneDeadLettersAge": ("warning", "ApproximateAgeOfOldestMessage", kept, 648_000, ABOVE),
        "OneDeliveryDeadLetters": ("critical", "ApproximateNumberOfMessagesVisible", missed, 1, AT),
        "OneDeliveryDeadLettersAge": ("warning", "ApproximateAgeOfOldestMessage", missed, 907_200, ABOVE),
        "OneDuration": ("warning", "Duration", function, 24_000, ABOVE),
        "OneErrors": ("critical", "Errors", function, 1, AT),
        "OneQueueAge": ("warning", "ApproximateAgeOfOldestMessage", queue, 300, ABOVE),
        "OneQueueStall": ("critical", stall, {}, 1, AT),
        "OneRuleFailedInvocations": ("critical", "FailedInvocations", rule, 1, AT),
        "OneRuleInvocationsFailedToBeSentToDlq": ("critical", "InvocationsFailedToBeSentToDlq", rule, 1, AT),
        "OneTableSystemErrors": ("critical", "updateitem", {}, 1, AT),
        "OneTableThrottles": ("critical", "updateitem", {}, 1, AT),
        "OneThrottles": ("warning", "Throttles", function, 1, AT),
        "OneUnexpectedErrors": ("critical", "UnexpectedErrors", function, 1, AT),
    }


def test_the_metrics_of_a_rule_on_the_default_bus_do_not_name_it(stack):
    bus = routing(stack, bus=events.EventBus.from_event_bus_name(stack, "Default", "default"))
    bus.add_route("One", pattern={"source": ["aws.s3"]})
    bus.add_alarms(Alerts())
    assert watched(stack)["OneRuleFailedInvocations"][2] == {"RuleName": "Events/One/Rule"}


def test_what_the_bus_could_not_encrypt_or_decrypt_is_alarmed_of():
    stack, key = keyed_stack()
    routing(stack, encryption_key=key).add_alarms(Alerts())
    kept = {"QueueName": "Events/BusDeadLetterQueue"}
    assert watched(stack) == {
        "BusDeadLetters": ("critical", "ApproximateNumberOfMessagesVisible", kept, 1, AT),
        "BusDeadLettersAge": ("warning", "ApproximateAgeOfOldestMessage", kept, 907_200, ABOVE),
    }


def test_a_route_that_would_have_no_alarms_is_refused(stack):
    bus = routing(stack)
    bus.add_alarms(Alerts())
    with pytest.raises(PatternError, match="add_alarms was called before: 'Late' would have no alarms; add routes first"):
        bus.add_route("Late", pattern=PAID)
    assert bus.routes == {}


def test_only_what_a_queue_can_give_back_is_told_to_be_moved_back(stack):
    """SQS moves messages only out of the dead-letter queues of queues."""
    bus = routing(stack)
    bus.add_route("One", pattern=PAID)
    bus.add_alarms(Alerts())
    movable = {name for name, each in alarms(stack).items() if "start-message-move-task" in each["AlarmDescription"]}
    assert movable == {"OneDeadLetters"}


def test_the_command_of_a_rules_alarm_names_its_bus(stack):
    bus = routing(stack)
    bus.add_route("One", pattern=PAID)
    bus.add_alarms(Alerts())
    assert alarms(stack)["OneRuleFailedInvocations"]["AlarmDescription"].endswith(" --event-bus-name Events/Bus")


def test_alarms_are_defined_once(stack):
    bus = routing(stack)
    bus.add_alarms(Alerts())
    with pytest.raises(PatternError, match="add_alarms was called before on Test/Events; call it once"):
        bus.add_alarms(Alerts())


# --- refusals


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bus": BUS_ARN}, f"bus must be an EventBridge event bus, got '{BUS_ARN}'"),
        ({"archive": 30}, "archive must be True or False, got 30 (int, not bool)"),
        ({"publishers": "111122223333"}, "publishers must be a list of texts, got '111122223333'"),
        ({"encryption_key": "alias/x"}, "encryption_key must be a KMS key, got 'alias/x'"),
        ({"operations": DEV}, "operations must be Operations(...), such as DEV.operations, got <Environment>"),
    ],
)
def test_a_value_of_another_type_is_refused_with_how_to_make_one(stack, options, message):
    with pytest.raises(PatternError) as raised:
        routing(stack, **options)
    assert str(raised.value).startswith(message)
    assert stack.node.children == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pattern": {}}, "pattern must have at least one key"),
        ({"pattern": {"account": ["1"]}}, "pattern must limit 'source' or 'detail-type'"),
        (
            {"handler": "app.handle"},
            "handler must be made by Handler.from_directory(folder, 'module.handle'), got 'app.handle'",
        ),
        ({"handler": OWN}, "handler must be made by Handler.from_directory(folder, 'module.handle'), got Handler("),
        ({"worker": 30}, "worker must be WorkerOptions(...), got 30 (int, not WorkerOptions)"),
        (
            {"worker": WorkerOptions(timeout=Duration.seconds(14))},
            "timeout of the worker must be 15 to 900 s, got 14 s: what is known of an event is written before and after it is",
        ),
        ({"queue": 30}, "queue must be QueueOptions(...), got 30 (int, not QueueOptions)"),
        ({"queue": QueueOptions(fifo=True)}, "queue must be a standard queue: a bus keeps no order"),
        ({"environment": ["A"]}, "environment must be a dict of texts, got ['A']"),
        ({"environment": {"A": "b"}}, "environment is for a handler of yours, got {'A': 'b'} without one"),
        ({"schemas": []}, "schemas must be a dict with the JSON Schema of each type, such as {'orders.paid': {...}}, got []"),
        ({"schemas": {}}, "schemas must have at least one type; leave it out to let any data pass"),
        ({"schemas": {1: {}}}, "schemas must have types of events as keys, got 1"),
        ({"schemas": {"orders.paid": []}}, "schemas['orders.paid'] must be a JSON Schema as a dict, got []"),
        (
            {"schemas": {"orders.paid": {"type": "array"}}},
            "schemas['orders.paid'] must have type 'object', as an event's data is one, got 'array'",
        ),
        (
            {"schemas": {"orders.lost": {}}},
            "schemas['orders.lost'] is of a type that the pattern does not let pass, which is orders.paid",
        ),
        ({"schemas": {"orders.paid": {"const": float("nan")}}}, "schemas must hold JSON values only: "),
    ],
)
def test_a_route_of_another_kind_is_refused_with_how_to_make_one(stack, options, message):
    bus = routing(stack)
    with pytest.raises(PatternError) as raised:
        bus.add_route("One", **{"pattern": PAID, **options})
    assert str(raised.value).startswith(message)
    assert bus.node.try_find_child("One") is None


def test_schemas_with_tokens_are_refused(stack):
    token = CfnParameter(stack, "Least").value_as_string
    with pytest.raises(PatternError, match="schemas must not hold CDK tokens: they are packed into the handler's code"):
        one(stack, schemas={"orders.paid": {"const": token}})


def test_an_environment_variable_of_the_consumer_is_not_the_handlers(stack, stock):
    """It would be overwritten without a word."""
    message = "environment must not have LOG_LEVEL, TABLE_NAME: the function is told something by it already"
    with pytest.raises(PatternError, match=message):
        one(
            stack,
            handler=Handler.from_directory(stock, "stock.handle"),
            environment={"MINE": "1", "TABLE_NAME": "stock", "LOG_LEVEL": "ERROR"},
        )


def test_each_environment_variable_of_the_consumer_is_taken(stack, stock):
    handler = Handler.from_directory(stock, "stock.handle")
    one(stack, handler=handler, schemas={"orders.paid": {"type": "object"}}, environment={"MINE": "1"})
    assert variables(stack).keys() - {"MINE"} == {*LOG_VARIABLES, *TAKEN}


def test_a_bus_deep_in_an_app_has_as_much_of_its_path_in_its_descriptions_as_aws_takes(stack):
    scope = stack
    for number in range(6):
        scope = Construct(scope, f"{number}{'x' * 99}")
    routing(scope, archive=True)
    template = template_of(stack)
    for kind in ("AWS::Events::EventBus", "AWS::Events::Archive"):
        (found,) = resources(template, kind).values()
        assert len(found["Properties"]["Description"]) == 512
