"""Rules of an event bus whose target is a queue: who may send to it and use its key, and what is kept."""

import re

import pytest
from aws_cdk import Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs
from aws_cdk.assertions import Annotations, Match
from constructs import Construct

from serverless_patterns._blocks.rule import allow_events_key, rule_to_queue
from tests.support.circles import check_no_circle
from tests.support.readable import depends_on, properties_at, rule_arn
from tests.support.synthesis import empty_stack, new_app, template_of


def ruled_on(scope, bus=None, *, pattern=None):
    """A rule and its queues."""
    queue, kept = sqs.Queue(scope, "Queue"), sqs.Queue(scope, "Kept")
    return rule_to_queue(
        scope,
        "Rule",
        pattern=pattern or {"source": ["aws.s3"]},
        description="Objects that are created",
        queue=queue,
        delivery_dead_letter_queue=kept,
        bus=bus,
    )


@pytest.fixture
def ruled(stack):
    """A stack with a rule."""
    ruled_on(stack)
    return stack


def test_events_that_match_go_to_the_queue_and_what_is_not_delivered_in_a_day_is_kept(ruled):
    rule = properties_at(ruled, "Rule")
    assert rule["EventPattern"] == {"source": ["aws.s3"]}
    assert rule["Targets"] == [
        {
            "Arn": "Queue",
            "DeadLetterConfig": {"Arn": "Kept"},
            "Id": "Queue",
            "RetryPolicy": {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185},
        }
    ]


@pytest.mark.parametrize("queue", ["Queue", "Kept"])
def test_only_this_rule_may_send_to_the_queues(ruled, queue):
    """The ARN has the account; that EventBridge sends the account beside it is not documented."""
    assert properties_at(ruled, f"{queue}/Policy")["PolicyDocument"]["Statement"] == [
        {
            "Action": "sqs:SendMessage",
            "Condition": {"ArnEquals": {"aws:SourceArn": rule_arn(ruled, "Rule")}},
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Resource": queue,
        }
    ]


@pytest.mark.parametrize("queue", ["Queue", "Kept"])
def test_the_rule_may_send_before_it_is_there(ruled, queue):
    """What matched until then would be refused, and kept nowhere."""
    assert depends_on(ruled, "Rule", f"{queue}/Policy")
    check_no_circle(template_of(ruled))


@pytest.mark.parametrize(("name", "path"), [("default", ""), ("shop", "shop/"), (None, "Mine/")])
def test_the_rule_is_named_as_the_policies_say_it_is(stack, name, path):
    bus = events.EventBus.from_event_bus_name(stack, "Shop", name) if name else events.EventBus(stack, "Mine")
    rule = ruled_on(stack, bus)
    (statement,) = properties_at(stack, "Queue/Policy")["PolicyDocument"]["Statement"]
    here = "arn:AWS::Partition:events:AWS::Region:AWS::AccountId"
    assert statement["Condition"]["ArnEquals"]["aws:SourceArn"] == f"{here}:rule/{path}{rule.name}"
    assert re.fullmatch(r"Test-Rule-[0-9A-F]{8}", rule.name)


def test_rules_of_stacks_with_long_names_never_want_the_same_one():
    app = new_app()
    stacks = [Stack(app, name, stack_name=f"{'x' * 100}-{name}") for name in ("A", "B")]
    names = [ruled_on(stack).name for stack in stacks] + [ruled_on(Construct(stacks[0], "Route")).name]
    assert (len(set(names)), max(map(len, names)) <= 64) == (3, True)


def test_a_pattern_that_needs_a_raised_quota_is_warned_of(stack):
    ruled_on(stack, pattern={"source": ["x" * 2032]})
    assert warnings(stack) == []
    ruled_on(Construct(stack, "Long"), pattern={"source": ["x" * 2033]})
    (warning,) = warnings(stack)
    assert warning.startswith("pattern should be at most 2,048 characters as JSON, got 2,049: EventBridge takes 4,096 where")
    assert "quota 'Event pattern size'" in warning


def warnings(stack):
    return [str(each.entry.data) for each in Annotations.from_stack(stack).find_warning("*", Match.any_value())]


def test_rules_of_this_account_and_region_may_use_the_key_and_no_other_service():
    stack = empty_stack(region="eu-central-1")
    key = kms.Key(stack, "Key")
    allow_events_key(stack, key)
    owner, service = properties_at(stack, "Key")["KeyPolicy"]["Statement"]
    assert owner["Action"] == "kms:*"
    assert service == {
        "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
        "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:events:eu-central-1:AWS::AccountId:rule/*"}},
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Resource": "*",
    }
