"""A bus instead of a topic: what each pattern that announces may do then, is told, shows, and refuses."""

import pytest
from aws_cdk import Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns

from serverless_patterns import Alerts, PatternError, S3Processing, SnsFanout, SqsPipeline
from shared.announcer import AnnouncerSettings
from tests.support.circles import check_no_circle
from tests.support.readable import alarms, permissions, properties_at
from tests.support.reports import report
from tests.support.synthesis import empty_stack, new_app, resources, template_of

ARN = "arn:aws:events:eu-central-1:123456789012:event-bus/shop"


def orders(scope, **options):
    return SqsPipeline(scope, "Pattern", **options)


def files(scope, **options):
    return S3Processing(scope, "Pattern", **options)


def direct_files(scope, **options):
    return S3Processing(scope, "Pattern", trigger="direct", **options)


def daily_report(scope, **options):
    return report(scope, "Pattern", **options)


#: Each way to announce, and the functions that do.
WAYS = [
    pytest.param(orders, ["Worker"], id="orders"),
    pytest.param(files, ["Function"], id="files"),
    pytest.param(direct_files, ["SuccessNotifier", "FailureNotifier"], id="direct files"),
    pytest.param(daily_report, ["Function"], id="report"),
]
each_pattern = pytest.mark.parametrize(("pattern", "functions"), WAYS)


@each_pattern
def test_who_announces_may_put_events_on_that_bus_and_publish_to_no_topic(stack, pattern, functions):
    pattern(stack, bus=events.EventBus(stack, "Bus"))
    for function in functions:
        found = permissions(stack, f"Pattern/{function}Role")
        assert found["Bus"] == ["events:PutEvents"]
        actions = [action for allowed in found.values() for action in allowed]
        assert [action for action in actions if action.startswith(("events:", "sns:"))] == ["events:PutEvents"]


@each_pattern
def test_who_announces_is_told_the_bus_and_no_topic(stack, pattern, functions):
    pattern(stack, bus=events.EventBus(stack, "Bus"))
    for function in functions:
        variables = properties_at(stack, f"Pattern/{function}")["Environment"]["Variables"]
        assert AnnouncerSettings.from_environment(variables) == AnnouncerSettings(bus_name="Bus")


def test_no_other_function_may_put_events_or_knows_the_bus(stack):
    """The ingest of orders, and the function that S3 invokes: its notifiers announce."""
    SqsPipeline(stack, "Orders", bus=events.EventBus(stack, "Bus"))
    S3Processing(stack, "Files", bus=events.EventBus(stack, "Other"), trigger="direct")
    for path in ("Orders/Ingest", "Files/Function"):
        assert not {"Bus", "Other"} & permissions(stack, f"{path}Role").keys()
        assert "BUS_NAME" not in properties_at(stack, path)["Environment"]["Variables"]


@each_pattern
def test_who_asks_for_the_topic_is_told_that_there_is_a_bus(stack, pattern, functions):
    """``None`` would be taken for no topic at all: a fan-out would define one that nobody publishes to."""
    found = pattern(stack, bus=events.EventBus(stack, "Bus"))
    with pytest.raises(PatternError, match="announces on a bus; subscribe by a rule of that bus, or leave bus= out"):
        SnsFanout(stack, "Events", topic=found.topic)


@each_pattern
def test_no_topic_is_defined_shown_or_watched(stack, pattern, functions):
    found = pattern(stack, bus=events.EventBus(stack, "Bus"))
    found.add_alarms(Alerts())
    assert resources(template_of(stack), "AWS::SNS::Topic") == {}
    assert "TopicArn" not in found.outputs
    assert not [name for name in alarms(stack) if name.startswith("Announcement")]


@each_pattern
@pytest.mark.parametrize(
    ("bring", "arn"),
    [
        (lambda stack: events.EventBus.from_event_bus_arn(stack, "Mine", ARN), ARN),
        (
            lambda stack: events.EventBus.from_event_bus_name(stack, "Mine", "shop"),
            "arn:AWS::Partition:events:AWS::Region:AWS::AccountId:event-bus/shop",
        ),
    ],
    ids=["by its ARN", "by its name"],
)
def test_an_imported_bus_is_named_by_its_arn(stack, pattern, functions, bring, arn):
    pattern(stack, bus=bring(stack))
    for function in functions:
        assert permissions(stack, f"Pattern/{function}Role")[arn] == ["events:PutEvents"]
        assert properties_at(stack, f"Pattern/{function}")["Environment"]["Variables"]["BUS_NAME"] == arn


@each_pattern
def test_a_bus_of_another_stack_is_announced_on(pattern, functions):
    app = new_app()
    shared, mine = Stack(app, "Shared"), Stack(app, "Mine")
    pattern(mine, bus=events.EventBus(shared, "Bus"))
    template = template_of(mine)
    variables = [
        each["Properties"]["Environment"]["Variables"] for each in resources(template, "AWS::Lambda::Function").values()
    ]
    told = [each["BUS_NAME"] for each in variables if "BUS_NAME" in each]
    assert len(told) == len(functions)
    assert all(list(each) == ["Fn::ImportValue"] or "Fn::GetStackOutput" in each for each in told)
    assert not resources(template_of(shared), "AWS::Events::EventBusPolicy")


@each_pattern
def test_the_key_of_a_bus_is_nothing_that_who_announces_needs(pattern, functions):
    stack = empty_stack(region="eu-central-1")
    pattern(stack, bus=events.EventBus(stack, "Bus", kms_key=kms.Key(stack, "BusKey")))
    check_no_circle(template_of(stack))
    for function in functions:
        assert "BusKey" not in permissions(stack, f"Pattern/{function}Role")


@each_pattern
def test_a_topic_and_a_bus_together_are_refused_before_anything_is_defined(stack, pattern, functions):
    bus, topic = events.EventBus(stack, "Bus"), sns.Topic(stack, "Topic")
    with pytest.raises(PatternError) as raised:
        pattern(stack, bus=bus, topic=topic)
    assert str(raised.value) == "bus must not be given with topic: announcements go to one of them"
    assert [child.node.id for child in stack.node.children] == ["Bus", "Topic"]


@each_pattern
def test_what_is_no_bus_is_refused(stack, pattern, functions):
    with pytest.raises(PatternError, match="bus must be an EventBridge event bus, got 'shop'"):
        pattern(stack, bus="shop")


@each_pattern
def test_a_bus_of_another_region_is_refused_where_both_are_known(pattern, functions):
    stack = empty_stack(region="us-east-1")
    with pytest.raises(PatternError, match="bus must be in the region of the stack, us-east-1, got one of eu-central-1"):
        pattern(stack, bus=events.EventBus.from_event_bus_arn(stack, "Mine", ARN))
