"""What feeds a bus beside those who publish to it: events of AWS services, and schedules."""

import json
import re

import pytest
from aws_cdk import Duration, TimeZone
from aws_cdk import aws_events as events
from aws_cdk import aws_scheduler as scheduler
from aws_cdk.assertions import Annotations, Match

from event_routing.events import received_of
from serverless_patterns import Alerts, PatternError
from tests.support.buses import PAID, QUEUE_KEY, allowed_in, keyed_stack, routing, watched
from tests.support.circles import check_no_circle
from tests.support.readable import depends_on, permissions, properties_at, rule_arn
from tests.support.synthesis import template_of

HOURLY = scheduler.ScheduleExpression.rate(Duration.hours(1))
UPLOADS = {"source": ["aws.s3"], "detail-type": ["Object Created"]}


def feed(bus, kind, name="Feed"):
    """Something that feeds the bus."""
    if kind == "forward":
        return bus.forward(name, pattern=UPLOADS)
    return bus.add_schedule(name, schedule=HOURLY, detail_type="clock.hour")


def trust(stack, path):
    (statement,) = properties_at(stack, path)["AssumeRolePolicyDocument"]["Statement"]
    return statement["Principal"]["Service"], statement["Condition"]


def test_events_of_aws_services_are_put_on_the_bus_as_they_are(stack):
    feed(routing(stack), "forward")
    rule = properties_at(stack, "Events/Feed/Rule")
    assert "EventBusName" not in rule
    assert rule["EventPattern"] == UPLOADS
    assert rule["Targets"] == [
        {
            "Arn": "Events/Bus",
            "DeadLetterConfig": {"Arn": "Events/Feed/DeliveryDeadLetterQueue"},
            "Id": "Bus",
            "RetryPolicy": {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 10},
            "RoleArn": "Events/Feed/Role",
        }
    ]


def test_a_schedule_puts_events_on_the_bus(stack):
    routing(stack).add_schedule(
        "Feed",
        schedule=scheduler.ScheduleExpression.cron(hour="5", minute="0", time_zone=TimeZone.EUROPE_BERLIN),
        detail_type="shop.opens",
        data={"shop": "berlin"},
    )
    made = properties_at(stack, "Events/Feed/Schedule")
    assert (made["ScheduleExpression"], made["ScheduleExpressionTimezone"]) == ("cron(0 5 * * ? *)", "Europe/Berlin")
    assert (made["FlexibleTimeWindow"], made["GroupName"]) == ({"Mode": "OFF"}, "Events/Feed/ScheduleGroup")
    target = made["Target"]
    assert (target["Arn"], target["RoleArn"]) == ("Events/Bus", "Events/Feed/Role")
    assert target["EventBridgeParameters"] == {"DetailType": "shop.opens", "Source": "event_routing/Feed"}
    assert target["DeadLetterConfig"] == {"Arn": "Events/Feed/DeliveryDeadLetterQueue"}
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 10}


def tick(stack, *, execution):
    """What a route gets of a tick, at this try."""
    target = properties_at(stack, "Events/Feed/Schedule")["Target"]
    values = {
        "schedule-arn": "arn:aws:scheduler:eu-central-1:111122223333:schedule/group/name",
        "scheduled-time": "2026-03-01T05:00:00Z",
        "execution-id": execution,
    }
    detail = re.sub("<aws.scheduler.([a-z-]+)>", lambda found: values[found[1]], target["Input"])
    source, kind = (target["EventBridgeParameters"][name] for name in ("Source", "DetailType"))
    return received_of(json.dumps({"source": source, "detail-type": kind, "detail": json.loads(detail)})).event


def test_a_tick_is_one_event_however_often_scheduler_tries(stack):
    """Each try has another execution id, so that cannot be the event's."""
    data = {"shop": "berlin", "planned": "<aws.scheduler.scheduled-time>"}
    routing(stack).add_schedule("Feed", schedule=HOURLY, detail_type="shop.opens", data=data)
    first, second = (tick(stack, execution=execution) for execution in ("d32c5kddcf5bb8c3", "another"))
    assert first.id == second.id == "arn:aws:scheduler:eu-central-1:111122223333:schedule/group/name/2026-03-01T05:00:00Z"
    assert (first.type, first.source, first.time) == ("shop.opens", "event_routing/Feed", "2026-03-01T05:00:00Z")
    assert (first.causation_id, second.causation_id) == ("d32c5kddcf5bb8c3", "another")
    assert first.data == {"shop": "berlin", "planned": "2026-03-01T05:00:00Z"}


def test_a_tick_without_data_is_an_event_too(stack):
    feed(routing(stack), "schedule")
    assert tick(stack, execution="one").data == {}


@pytest.mark.parametrize(
    ("kind", "allowed"),
    [
        ("forward", {"Events/Bus": ["events:PutEvents"]}),
        ("schedule", {"Events/Bus": ["events:PutEvents"], "Events/Feed/DeliveryDeadLetterQueue": ["sqs:SendMessage"]}),
    ],
)
def test_what_feeds_the_bus_may_put_events_on_it_and_keep_those_that_it_cannot(stack, kind, allowed):
    feed(routing(stack), kind)
    assert permissions(stack, "Events/Feed/Role") == allowed


def test_a_schedule_may_use_the_key_of_the_queue_of_what_it_could_not_deliver():
    stack, key = keyed_stack()
    feed(routing(stack, encryption_key=key), "schedule")
    assert permissions(stack, "Events/Feed/Role")["Key"] == QUEUE_KEY


@pytest.mark.parametrize(
    ("kind", "service", "condition"),
    [
        (
            "forward",
            "events.amazonaws.com",
            {
                "ArnLike": {"aws:SourceArn": "arn:AWS::Partition:events:AWS::Region:AWS::AccountId:rule/*"},
                "StringEquals": {"aws:SourceAccount": "AWS::AccountId"},
            },
        ),
        (
            "schedule",
            "scheduler.amazonaws.com",
            {"StringEquals": {"aws:SourceAccount": "AWS::AccountId", "aws:SourceArn": "Events/Feed/ScheduleGroup"}},
        ),
    ],
)
def test_a_role_is_assumed_by_its_service_for_this_account_only(stack, kind, service, condition):
    feed(routing(stack), kind)
    assert trust(stack, "Events/Feed/Role") == (service, condition)


def test_only_the_rule_of_what_is_forwarded_may_send_to_its_dead_letter_queue(stack):
    feed(routing(stack), "forward")
    (statement,) = allowed_in(stack, "Events/Feed/DeliveryDeadLetterQueue")
    assert (statement["Action"], statement["Condition"]) == (
        "sqs:SendMessage",
        {"ArnEquals": {"aws:SourceArn": rule_arn(stack, "Events/Feed/Rule")}},
    )


@pytest.mark.parametrize("before", ["Role", "Role/Policy", "DeliveryDeadLetterQueue/Policy"])
def test_events_are_forwarded_when_the_rule_may(stack, before):
    """What matched before would be refused by the bus, and by the dead-letter queue."""
    feed(routing(stack), "forward")
    assert depends_on(stack, "Events/Feed/Rule", f"Events/Feed/{before}")
    check_no_circle(template_of(stack))


def test_a_pattern_of_what_is_forwarded_that_needs_a_raised_quota_is_warned_of(stack):
    routing(stack).forward("Feed", pattern={"source": ["x" * 2033]})
    (warning,) = Annotations.from_stack(stack).find_warning("*", Match.any_value())
    assert "quota 'Event pattern size'" in str(warning.entry.data)


@pytest.mark.parametrize("kind", ["forward", "schedule"])
def test_what_feeds_the_bus_shows_where_it_keeps_what_it_could_not_deliver(stack, kind):
    bus = routing(stack)
    made = feed(bus, kind)
    assert bus.outputs["FeedDeliveryDeadLetterQueueUrl"] == made.delivery_dead_letter_queue.queue_url


@pytest.mark.parametrize(
    ("kind", "metrics"),
    [
        (
            "forward",
            {
                "FeedRuleFailedInvocations": ("FailedInvocations", {"RuleName": "Events/Feed/Rule"}),
                "FeedRuleInvocationsFailedToBeSentToDlq": (
                    "InvocationsFailedToBeSentToDlq",
                    {"RuleName": "Events/Feed/Rule"},
                ),
            },
        ),
        (
            "schedule",
            {
                f"FeedSchedule{metric}": (metric, {"ScheduleGroup": "Events/Feed/ScheduleGroup"})
                for metric in ("TargetErrorCount", "InvocationDroppedCount", "InvocationsFailedToBeSentToDeadLetterCount")
            },
        ),
    ],
)
def test_what_feeds_the_bus_has_its_alarms(stack, kind, metrics):
    bus = routing(stack)
    feed(bus, kind)
    bus.add_alarms(Alerts())
    kept = {"QueueName": "Events/Feed/DeliveryDeadLetterQueue"}
    assert {name: (metric, place) for name, (_, metric, place, *_) in watched(stack).items()} == {
        **metrics,
        "FeedDeliveryDeadLetters": ("ApproximateNumberOfMessagesVisible", kept),
        "FeedDeliveryDeadLettersAge": ("ApproximateAgeOfOldestMessage", kept),
    }


@pytest.mark.parametrize("kind", ["forward", "schedule"])
def test_what_feeds_the_bus_has_a_name_of_its_own(stack, kind):
    bus = routing(stack)
    bus.add_route("One", pattern=PAID)
    with pytest.raises(PatternError, match="route_id 'One' is taken"):
        feed(bus, kind, "One")
    feed(bus, kind)
    with pytest.raises(PatternError, match="route_id 'Feed' is taken"):
        bus.add_route("Feed", pattern=PAID)


def test_the_default_bus_is_not_put_on_itself(stack):
    bus = routing(stack, bus=events.EventBus.from_event_bus_name(stack, "Default", "default"))
    with pytest.raises(PatternError, match="forward puts events of the default bus on another one: this is the default bus"):
        feed(bus, "forward")


def test_all_events_of_the_account_are_not_forwarded(stack):
    with pytest.raises(PatternError, match=r"^pattern must limit 'source' or 'detail-type'"):
        routing(stack).forward("Feed", pattern={"account": ["111122223333"]})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"schedule": "rate(1 hour)"},
            "schedule must be such as scheduler.ScheduleExpression.rate(Duration.hours(1)), got 'rate",
        ),
        ({"detail_type": 5}, "detail_type must be a type such as 'clock.hour', got 5 (int, not str)"),
        ({"detail_type": ""}, "detail_type must be 1 to 128 characters, got 0"),
        ({"detail_type": "x" * 129}, "detail_type must be 1 to 128 characters, got 129"),
        ({"data": ["berlin"]}, "data must be a dict such as {'shop': 'berlin'}, got ['berlin'] (list, not Mapping)"),
        ({"data": {"least": float("nan")}}, "data must hold JSON values only: "),
    ],
)
def test_a_schedule_of_another_kind_is_refused_with_how_to_make_one(stack, options, message):
    bus = routing(stack)
    with pytest.raises(PatternError) as raised:
        bus.add_schedule("Feed", **{"schedule": HOURLY, "detail_type": "clock.hour", **options})
    assert str(raised.value).startswith(message)
    assert bus.node.try_find_child("Feed") is None
