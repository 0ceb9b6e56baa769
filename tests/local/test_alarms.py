"""Alarms that go off: a stack with a pattern of each kind is broken on purpose, and its alarms are watched."""

import json
import re
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from serverless_patterns.local.account import Account
from serverless_patterns.local.cdk_cli import App, CdkCli
from serverless_patterns.local.emulator import Emulator
from tests.local.conftest import ROOT, USERS_APP
from tests.support.fanout import event
from tests.support.waiting import eventually

#: Each pattern once or twice, apart from all others: they are broken here for good.
APP = """
from types import SimpleNamespace
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_

run = {"operations": LOCAL.operations}
fails = Handler(lambda_.Code.from_inline("def handler(event, context): raise LookupError"), "index.handler")
items = dynamodb.Table(stack, "Items", partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING))
source = ReportSource.dynamodb(items, columns=["id"])
events = SnsFanout(stack, "Events", **run)
events.add_subscriber("Audit", handler=AuditTrail())
fanouts = {"Events": events}
for name, direct in {"Direct": True, "Unkept": True, "Gone": False, "Lost": False}.items():
    fanouts[name] = SnsFanout(stack, name, **run)
    fanouts[name].add_subscriber("One", handler=fails, direct=direct)
routings = {name: EventRouting(stack, name, **run) for name in ("Routing", "LostRouting")}
for each in routings.values():
    each.add_route("One", pattern={"detail-type": ["sold"]})
schema = {"type": "object", "properties": {"name": {"type": "string"}}}
kinesis = {"source": KinesisOptions(shards=1)}
failing = {"handler": fails, "reader": ReaderOptions(max_retries=0)}
patterns = {
    "Products": ApiCrud(stack, "Products", resource="products", schema=schema, **run),
    "Orders": SqsPipeline(stack, "Orders", **run),
    "Still": SqsPipeline(stack, "Still", **run),
    **fanouts,
    **routings,
    "Files": S3Processing(stack, "Files", **run),
    "LostFiles": S3Processing(stack, "LostFiles", **run),
    **{name: ScheduledReport(stack, name, source=source, **run) for name in ("Report", "Daily", "Nobodys")},
}
more = cdk.Stack(app, "more-alarms")  # a stack has at most 500 resources
others = {
    "Sales": OrderWorkflow(more, "Sales", starter="queue", compensation_retry=Retry(max_attempts=1), **run),
    "Slow": OrderWorkflow(more, "Slow", **run),
    "Changes": StreamProcessing(more, "Changes", **kinesis, **run),
    **{name: StreamProcessing(more, name, **failing, **run) for name in ("GivenUp", "LostChanges")},
}
outputs = {}
for name, each in {**patterns, **others}.items():
    each.add_alarms(Alerts())
    for key, value in each.outputs.items():
        if name in others:
            cdk.CfnOutput(more, f"{name}{key}", value=value)
        else:
            outputs[f"{name}{key}"] = value
pattern = SimpleNamespace(outputs=outputs)
"""
STACK, MORE = "alarms", "more-alarms"
HOUR, DAY = 3_600, 86_400


class Broken:
    """The deployed stacks, and the state of their alarms."""

    def __init__(self, account):
        self.account = account
        self.outputs = {**account.stack(STACK).outputs, **account.stack(MORE).outputs}
        self._cloudwatch = account.client("cloudwatch")
        pager = account.client("cloudformation").get_paginator("list_stack_resources")
        self._names = {
            each["PhysicalResourceId"]: re.sub("[0-9A-F]{8}$", "", each["LogicalResourceId"]).replace("Alarms", "/", 1)
            for stack in (STACK, MORE)
            for page in pager.paginate(StackName=stack)
            for each in page["StackResourceSummaries"]
            if each["ResourceType"] == "AWS::CloudWatch::Alarm"
        }

    def states(self):
        """Pattern/alarm -> its state."""
        pages = self._cloudwatch.get_paginator("describe_alarms").paginate()
        return {self._names[each["AlarmName"]]: each["StateValue"] for page in pages for each in page["MetricAlarms"]}

    def firing(self, *suffixes):
        """The alarms that go off, of those that end like this."""
        return {name for name, state in self.states().items() if state == "ALARM" and name.endswith(suffixes)}

    def stay_silent(self, *names):
        """Those of these alarms that do not go off: it is waited for."""
        return set(names) - eventually(lambda: self.firing(*names), set(names))

    def publish(self, pattern):
        """Publish an event on the topic of a pattern."""
        self.account.client("sns").publish(TopicArn=self.outputs[f"{pattern}TopicArn"], Message=json.dumps(event()))

    def remove_queues(self, *outputs):
        """Delete queues, named by their outputs."""
        for output in outputs:
            self.account.client("sqs").delete_queue(QueueUrl=self.outputs[output])

    def invoke(self, function, payload):
        """Invoke a function, named by its output, and wait for it."""
        client = self.account.client("lambda")
        return client.invoke(FunctionName=self.outputs[function], Payload=json.dumps(payload).encode())

    def upload(self, pattern):
        """Upload a file."""
        self.account.client("s3").put_object(Bucket=self.outputs[f"{pattern}BucketName"], Key="a.txt", Body=b"a")

    def put(self, pattern):
        """Put an event on the bus of a pattern."""
        entry = {"EventBusName": self.outputs[f"{pattern}BusName"], "Source": "shop", "DetailType": "sold", "Detail": "{}"}
        self.account.client("events").put_events(Entries=[entry])

    def put_item(self, pattern):
        """Put an item into the source table of a pattern."""
        self.account.table(self.outputs[f"{pattern}SourceTableName"]).put_item(Item={"id": "a"})

    def start_slow(self, name, **limits):
        """Start an execution of a workflow that only waits."""
        machine, states = self.outputs["SlowStateMachineArn"], self.account.client("stepfunctions")
        waits = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 60, "End": True}}, **limits}
        states.update_state_machine(stateMachineArn=machine, definition=json.dumps(waits))
        return states.start_execution(stateMachineArn=machine, name=name, input=json.dumps(SALE))["executionArn"]

    def fire(self, pattern):
        """Let the schedule of a pattern fire at once."""
        client = self.account.client("scheduler")
        which = {"GroupName": self.outputs[f"{pattern}ScheduleGroupName"], "Name": self.outputs[f"{pattern}ScheduleName"]}
        known = client.get_schedule(**which)
        now = datetime.now(UTC).strftime("at(%Y-%m-%dT%H:%M:%S)")
        client.update_schedule(
            **which, ScheduleExpression=now, Target=known["Target"], FlexibleTimeWindow=known["FlexibleTimeWindow"]
        )


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """The stack, in an emulator with nothing else."""
    folder = tmp_path_factory.mktemp("alarms")
    (folder / "app.py").write_text(USERS_APP.format(root=str(ROOT), name=STACK, body=APP))
    with Emulator.start(tmp_path_factory.mktemp("emulator-of-alarms")) as emulator:
        cli = CdkCli(App(folder, f"{sys.executable} app.py"), emulator)
        assembly = cli.synth(lambda _: None)
        cli.bootstrap(assembly, lambda _: None)
        cli.deploy(assembly, lambda _: None)
        yield Broken(Account(emulator.url))


# --- silent as long as nothing is wrong


def test_where_nothing_is_wrong_no_alarm_goes_off_but_that_of_reports_that_were_never_made(broken):
    assert broken.firing("") == {f"{name}/ReportMissing" for name in ("Report", "Daily", "Nobodys")}
    assert set(broken.states().values()) == {"OK", "ALARM"}


# --- off when the metrics say so


@dataclass(frozen=True)
class Case:
    """What the metrics of an alarm say.

    Args:
        alarm: The alarm.
        quiet: What is no reason: namespace, dimensions, and metric -> value and how often it was measured.
        loud: What is one.
        periods: So many periods of it set the alarm off.
        looks_at: Of so many that it looks at.
        seconds: The length of a period.
    """

    alarm: str
    quiet: list
    loud: list
    periods: int = 3
    looks_at: int = 5
    seconds: int = 60


def cases(outputs):
    """The dimensions are those that AWS publishes for the resources of the outputs."""
    api = ("AWS/ApiGateway", {"ApiId": outputs["ProductsApiId"], "Stage": "$default"})
    table = ("AWS/DynamoDB", {"TableName": outputs["ProductsTableName"], "Operation": "PutItem"})
    function = ("AWS/Lambda", {"FunctionName": outputs["ProductsFunctionName"]})
    worker = ("AWS/Lambda", {"FunctionName": outputs["OrdersWorkerName"]})
    written = ("ServerlessPatterns", worker[1])
    queue, dead, stalled = (
        ("AWS/SQS", {"QueueName": outputs[f"{name}QueueUrl"].rpartition("/")[2]})
        for name in ("Orders", "OrdersDeadLetter", "Still")
    )
    stream = ("AWS/Kinesis", {"StreamName": outputs["ChangesStreamName"]})
    reader = ("AWS/Lambda", {"FunctionName": outputs["ChangesFunctionName"]})
    waits, half = "GetRecords.IteratorAgeMilliseconds", 3 * HOUR * 1000
    machine = ("AWS/States", {"StateMachineArn": outputs["SalesStateMachineArn"]})
    nobody = ("AWS/Lambda", {"FunctionName": outputs["StillWorkerName"]})
    age, once = "ApproximateAgeOfOldestMessage", {"periods": 1, "looks_at": 1}

    def said(where, **metrics):
        return [(*where, metrics)]

    return [
        Case("Products/ServerErrors", [(*api, {"5xx": (1, 1), "Count": (1, 100)})], [(*api, {"5xx": (1, 4)})]),
        Case("Products/Latency", said(api, Latency=(5_000, 100)), said(api, Latency=(5_001, 100))),
        Case(
            "Products/FunctionErrors",
            said(function, Errors=(1, 1), Invocations=(1, 100)),
            said(function, Errors=(1, 4)),
        ),
        Case("Products/FunctionThrottles", said(function, Throttles=(0, 9)), said(function, Throttles=(1, 1))),
        Case("Orders/WorkerDuration", said(worker, Duration=(24_000, 100)), said(worker, Duration=(24_001, 100))),
        Case("Orders/OrdersQueueAge", [(*queue, {age: (300, 1)})], [(*queue, {age: (301, 1)})]),
        Case(
            "Orders/OrdersDeadLettersAge",
            [(*dead, {age: (7.5 * DAY, 1)})],
            [(*dead, {age: (7.5 * DAY + 1, 1)})],
            seconds=300,
            **once,
        ),
        Case("Changes/RecordsAge", said(reader, IteratorAge=(60_000, 1)), said(reader, IteratorAge=(60_001, 1))),
        Case(
            "Changes/RecordsAgeCritical", said(reader, IteratorAge=(half, 1)), said(reader, IteratorAge=(half + 1, 1)), **once
        ),
        Case("Changes/RecordsUnread", [], said(stream, IncomingRecords=(1, 5)), looks_at=3, seconds=300),
        Case("Changes/StreamAge", [(*stream, {waits: (60_000, 1)})], [(*stream, {waits: (60_001, 1)})]),
        Case("Changes/StreamAgeCritical", [(*stream, {waits: (half, 1)})], [(*stream, {waits: (half + 1, 1)})], **once),
        Case(
            "Changes/StreamRefused",
            said(stream, WriteProvisionedThroughputExceeded=(0, 9)),
            said(stream, WriteProvisionedThroughputExceeded=(1, 1)),
        ),
        # Of the other operations there is nothing: as DynamoDB has it, while only one is refused.
        Case("Products/TableThrottles", [], said(table, ThrottledRequests=(1, 1))),
        Case("Products/TableSystemErrors", [], said(table, SystemErrors=(1, 1))),
        Case(
            "Orders/OrdersPostponed",
            said(written, PostponedSeconds=(3_600, 1)),
            said(written, PostponedSeconds=(3_601, 1)),
            **once,
        ),
        Case(
            "Sales/ExecutionsThrottled",
            said(machine, ExecutionThrottled=(0, 9)),
            said(machine, ExecutionThrottled=(1, 1)),
            **once,
        ),
        # One succeeds while messages wait; then those that begin all fail.
        Case(
            "Still/OrdersQueueStall",
            [(*stalled, {age: (301, 1)}), *said(nobody, Invocations=(1, 1))],
            said(nobody, Errors=(1, 1)),
            looks_at=3,
            seconds=300,
        ),
    ]


def measured(namespace, dimensions, metrics, *, period, ago):
    """What a metric said so many periods ago."""
    found = [{"Name": name, "Value": value} for name, value in dimensions.items()]
    when = time.time() - (ago + 0.5) * period
    return {
        "Namespace": namespace,
        "MetricData": [
            {"MetricName": name, "Dimensions": found, "Timestamp": when, "Values": [value], "Counts": [count]}
            for name, (value, count) in metrics.items()
        ],
    }


NAMES = (
    "Products/ServerErrors",
    "Products/Latency",
    "Products/FunctionErrors",
    "Products/FunctionThrottles",
    "Orders/WorkerDuration",
    "Orders/OrdersQueueAge",
    "Orders/OrdersDeadLettersAge",
    "Changes/RecordsAge",
    "Changes/RecordsAgeCritical",
    "Changes/RecordsUnread",
    "Changes/StreamAge",
    "Changes/StreamAgeCritical",
    "Changes/StreamRefused",
    "Products/TableThrottles",
    "Products/TableSystemErrors",
    "Orders/OrdersPostponed",
    "Sales/ExecutionsThrottled",
    "Still/OrdersQueueStall",
)


@pytest.mark.parametrize("name", NAMES)
def test_an_alarm_goes_off_when_its_metrics_say_so_for_long_enough_and_not_before(broken, name):
    (case,) = [each for each in cases(broken.outputs) if each.alarm == name]
    cloudwatch = broken.account.client("cloudwatch")

    def say(which, ago):
        for namespace, dimensions, metrics in which:
            cloudwatch.put_metric_data(**measured(namespace, dimensions, metrics, period=case.seconds, ago=ago))

    for ago in range(case.looks_at):
        say(case.quiet, ago)
    assert broken.states()[name] == "OK"
    for ago in range(case.periods - 1):
        say(case.loud, ago)
    assert broken.states()[name] == "OK"
    say(case.loud, case.periods - 1)
    assert broken.states()[name] == "ALARM"


# --- off when something is wrong: functions


def test_a_crash_sets_off_the_alarm_of_its_function_and_of_no_other(broken):
    for function in ("OrdersWorkerName", "ReportFunctionName"):
        assert "FunctionError" in broken.invoke(function, ["no event"])
    assert broken.stay_silent("Orders/WorkerErrors", "Report/ReportErrors") == set()
    assert broken.firing("Files/FunctionErrors", "Nobodys/ReportErrors", "Events/AuditErrors") == set()


def test_an_error_that_a_handler_does_not_know_sets_off_its_alarm(broken):
    broken.account.client("dynamodb").delete_table(TableName=broken.outputs["EventsAuditTableName"])
    broken.publish("Events")
    assert broken.stay_silent("Events/AuditUnexpectedErrors") == set()


def test_an_event_that_is_given_up_sets_off_the_alarms_of_its_function_and_its_queue(broken):
    broken.account.client("sns").publish(TopicArn=broken.outputs["DirectTopicArn"], Message="an event")
    assert broken.stay_silent("Direct/OneErrors", "Direct/OneAsyncEventsDropped", "Direct/OneDeadLetters") == set()
    assert broken.firing("Direct/OneDestinationDeliveryFailures", "Direct/TopicNotificationsFailed") == set()


def test_an_event_that_is_given_up_and_kept_nowhere_sets_off_its_alarm(broken):
    broken.remove_queues("UnkeptOneDeadLetterQueueUrl")
    broken.publish("Unkept")
    assert broken.stay_silent("Unkept/OneDestinationDeliveryFailures") == set()


def test_a_report_that_stays_away_sets_off_its_alarm_until_there_is_one(broken):
    assert broken.firing("Daily/ReportMissing") == {"Daily/ReportMissing"}
    broken.invoke("DailyFunctionName", {"scheduled_time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")})
    assert eventually(lambda: broken.states()["Daily/ReportMissing"], "OK") == "OK"


# --- ... records of a stream


def test_a_record_that_nobody_can_take_sets_off_its_alarm(broken):
    stream = broken.outputs["ChangesStreamName"]
    broken.account.client("kinesis").put_record(StreamName=stream, Data=b"{", PartitionKey="a")
    assert broken.stay_silent("Changes/PoisonRecords") == set()
    assert broken.firing("Changes/RecordsGivenUp", "Changes/FunctionErrors", "Changes/UnexpectedErrors") == set()


def test_a_record_that_is_given_up_sets_off_the_alarm_of_its_reader(broken):
    broken.put_item("GivenUp")
    assert broken.stay_silent("GivenUp/RecordsGivenUp", "GivenUp/FunctionErrors") == set()
    assert broken.firing("GivenUp/RecordsLost", "GivenUp/RecordsNotKept") == set()


def test_a_record_that_is_given_up_and_kept_nowhere_sets_off_its_alarms(broken):
    broken.account.client("s3").delete_bucket(Bucket=broken.outputs["LostChangesFailureBucketName"])
    broken.put_item("LostChanges")
    assert broken.stay_silent("LostChanges/RecordsLost", "LostChanges/RecordsNotKept") == set()
    assert broken.firing("LostChanges/RecordsGivenUp") == set()


# --- ... executions

SALE = {"id": "o-1", "customer_id": "c-1", "amount": 1, "currency": "EUR", "items": [{"sku": "cup", "quantity": 1}]}


def test_an_order_that_cannot_be_undone_sets_off_the_alarms_of_its_execution_and_of_the_manual_queue(broken):
    broken.account.client("dynamodb").delete_table(TableName=broken.outputs["SalesStockTableName"])
    broken.account.client("sqs").send_message(QueueUrl=broken.outputs["SalesQueueUrl"], MessageBody=json.dumps(SALE))
    assert broken.stay_silent("Sales/ExecutionsFailed", "Sales/ManualDeadLetters", "Sales/StockUnexpectedErrors") == set()
    assert broken.firing("Sales/ExecutionsTimedOut", "Sales/OrdersDeadLetters") == set()


def test_an_execution_that_takes_too_long_sets_off_its_alarm(broken):
    broken.start_slow("o-1", TimeoutSeconds=1)
    assert broken.stay_silent("Slow/ExecutionsTimedOut") == set()
    assert broken.firing("Slow/ExecutionsFailed") == set()


def test_an_execution_that_somebody_stops_sets_off_its_alarm(broken):
    broken.account.client("stepfunctions").stop_execution(executionArn=broken.start_slow("o-2"))
    assert broken.stay_silent("Slow/ExecutionsAborted") == set()
    assert broken.firing("Slow/ExecutionsFailed") == set()


# --- ... messages and events


def test_a_message_that_cannot_be_worked_sets_off_the_alarm_of_its_dead_letter_queue(broken):
    broken.account.client("sqs").send_message(QueueUrl=broken.outputs["OrdersQueueUrl"], MessageBody="no order")
    assert broken.stay_silent("Orders/OrdersDeadLetters") == set()


def test_a_notification_that_reaches_nobody_sets_off_the_alarm_of_its_topic(broken):
    broken.remove_queues("GoneOneQueueUrl")
    broken.publish("Gone")
    assert broken.stay_silent("Gone/TopicNotificationsFailed", "Gone/OneDeliveryDeadLetters") == set()
    assert broken.firing("Gone/TopicNotificationsLost") == set()


def test_a_notification_that_is_kept_nowhere_sets_off_the_alarm_of_its_topic(broken):
    broken.remove_queues("LostOneQueueUrl", "LostOneDeliveryDeadLetterQueueUrl")
    broken.publish("Lost")
    assert broken.stay_silent("Lost/TopicNotificationsFailed", "Lost/TopicNotificationsLost") == set()


def test_an_event_that_a_rule_cannot_deliver_sets_off_its_alarm(broken):
    broken.remove_queues("FilesQueueUrl", "RoutingOneQueueUrl")
    broken.upload("Files")
    broken.put("Routing")
    assert broken.stay_silent("Files/RuleFailedInvocations", "Files/DeliveryDeadLetters") == set()
    assert broken.stay_silent("Routing/OneRuleFailedInvocations", "Routing/OneDeliveryDeadLetters") == set()
    assert broken.firing("RuleInvocationsFailedToBeSentToDlq") == set()


def test_an_event_of_a_rule_that_is_kept_nowhere_sets_off_its_alarm(broken):
    broken.remove_queues("LostFilesQueueUrl", "LostFilesDeliveryDeadLetterQueueUrl")
    broken.remove_queues("LostRoutingOneQueueUrl", "LostRoutingOneDeliveryDeadLetterQueueUrl")
    broken.upload("LostFiles")
    broken.put("LostRouting")
    for rule in ("LostFiles/Rule", "LostRouting/OneRule"):
        assert broken.stay_silent(f"{rule}FailedInvocations", f"{rule}InvocationsFailedToBeSentToDlq") == set()


def test_a_schedule_whose_function_is_gone_sets_off_its_alarms(broken):
    broken.account.client("lambda").delete_function(FunctionName=broken.outputs["NobodysFunctionName"])
    broken.fire("Nobodys")
    tried, given_up = "Nobodys/ScheduleTargetErrorCount", "Nobodys/ScheduleInvocationDroppedCount"
    lost = "Nobodys/ScheduleInvocationsFailedToBeSentToDeadLetterCount"
    assert broken.stay_silent(tried, given_up, "Nobodys/DeliveryDeadLetters") == set()
    assert broken.firing(lost) == set()
    broken.remove_queues("NobodysDeliveryDeadLetterQueueUrl")
    broken.fire("Nobodys")
    assert broken.stay_silent(lost) == set()
