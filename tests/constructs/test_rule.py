"""Rules of an event bus whose target is a queue: who may send to it and use its key, and what is kept."""

import pytest
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs

from serverless_patterns._blocks.rule import allow_events_key, rule_to_queue
from tests.support.readable import properties_at
from tests.support.synthesis import empty_stack


@pytest.fixture
def ruled(stack):
    """A stack with a rule."""
    queue, kept = sqs.Queue(stack, "Queue"), sqs.Queue(stack, "Kept")
    rule_to_queue(
        stack,
        "Rule",
        pattern={"source": ["aws.s3"]},
        description="Objects that are created",
        queue=queue,
        delivery_dead_letter_queue=kept,
    )
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
            "Condition": {"ArnEquals": {"aws:SourceArn": "Rule"}},
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Resource": queue,
        }
    ]


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
