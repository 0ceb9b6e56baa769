"""The dead-letter queue of a subscription.

AWS puts a message into it that a subscription's endpoint could not be given: at once when the endpoint is gone, and after
retries when an HTTP endpoint answers 429 or 5xx, or nothing.
https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html
https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
It counts both: https://docs.aws.amazon.com/sns/latest/dg/sns-monitoring-using-cloudwatch.html

The emulator keeps the subscription's ``RedrivePolicy`` and drops the message. AWS retries HTTP for up to an hour; here it is
a second.
"""

from __future__ import annotations

import asyncio
import json
import urllib.error
from typing import Any

from ministack.services import lambda_svc, sns, sqs

from .faults import expect, provision, remove
from .targets import count

QUEUE, TOPIC, SUBSCRIPTION = "AWS::SQS::Queue", "AWS::SNS::Topic", "AWS::SNS::Subscription"
GONE = "arn:aws:sqs:us-east-1:000000000000:gone"
HTTP_RETRIES, HTTP_WAIT = 3, 0.2
TOO_MANY_REQUESTS, SERVER_ERROR = 429, 500


def check() -> None:
    """A message to a queue that is gone does not come to the dead-letter queue."""
    url, topic = provision(QUEUE, {"QueueName": "correction-check"}), provision(TOPIC, {})
    queue = sqs._queues[url]
    policy = {"deadLetterTargetArn": queue["attributes"]["QueueArn"]}
    given = {"TopicArn": topic, "Protocol": "sqs", "Endpoint": GONE, "RedrivePolicy": policy}
    provision(SUBSCRIPTION, given)
    sns._fanout(topic, "id", "message", "")
    kept = queue["messages"]
    remove(TOPIC, topic, {})
    remove(QUEUE, url, {})
    expect(not kept, "the emulator now puts what a subscription could not deliver into its dead-letter queue")


def apply() -> None:
    """Put it there."""
    _redrive_queues()
    _redrive_functions()
    _redrive_http()


def _redrive_queues() -> None:
    stock = sns._deliver_to_sqs

    def deliver(endpoint: str, *content: object, topic_arn: str = "", **named: object) -> None:
        target = endpoint if _takes(endpoint, topic_arn) else _dead_letters(topic_arn, endpoint)
        stock(target or endpoint, *content, topic_arn=topic_arn, **named)

    sns._deliver_to_sqs = deliver


def _redrive_functions() -> None:
    stock = sns._deliver_to_lambda

    def deliver(endpoint: str, envelope: str, topic_arn: str, *rest: object) -> None:
        if lambda_svc._get_func_record_for_ref(endpoint)[0] is None:
            _redrive(topic_arn, endpoint, envelope)
        else:
            stock(endpoint, envelope, topic_arn, *rest)

    sns._deliver_to_lambda = deliver


def _redrive_http() -> None:
    async def deliver(endpoint: str, payload: str) -> None:
        for _ in range(1 + HTTP_RETRIES):
            try:
                await asyncio.to_thread(sns._http_post_sync, endpoint, payload, "Notification")
            except urllib.error.HTTPError as answer:
                if answer.code != TOO_MANY_REQUESTS and answer.code < SERVER_ERROR:
                    break
            except OSError as error:
                sns.logger.info("SNS delivery to %s failed: %s", endpoint, error)
            else:
                return
            await asyncio.sleep(HTTP_WAIT)
        _redrive(json.loads(payload)["TopicArn"], endpoint, payload)

    sns._deliver_to_http = deliver


def _redrive(topic_arn: str, endpoint: str, envelope: str) -> None:
    if target := _dead_letters(topic_arn, endpoint):
        sns._deliver_to_sqs(target, envelope, raw=False, raw_message=envelope, topic_arn=topic_arn)


def _takes(queue: str, topic_arn: str) -> bool:
    return bool(sqs._queue_by_arn(queue) and sqs.queue_policy_allows(queue, "sns.amazonaws.com", topic_arn, _owner(topic_arn)))


def _dead_letters(topic_arn: str, endpoint: str) -> str | None:
    """Count a failure, and give the dead-letter queue of the endpoint's subscription: a topic has one at most for each."""
    topic_name = topic_arn.rpartition(":")[2]
    count("AWS/SNS", "NumberOfNotificationsFailed", TopicName=topic_name)
    found = _redrive_target(topic_arn, endpoint)
    if found and not _takes(found, topic_arn):
        count("AWS/SNS", "NumberOfNotificationsFailedToRedriveToDlq", TopicName=topic_name)
    return found


def _redrive_target(topic_arn: str, endpoint: str) -> str | None:
    topic = sns._topic_by_arn_any_scope(topic_arn) or {"subscriptions": []}
    found: list[dict[str, Any]] = [each for each in topic["subscriptions"] if each["endpoint"] == endpoint]
    policies = [json.loads(each["attributes"].get("RedrivePolicy") or "{}") for each in found]
    return next((policy["deadLetterTargetArn"] for policy in policies if policy.get("deadLetterTargetArn")), None)


def _owner(topic_arn: str) -> str:
    return topic_arn.split(":")[4] if topic_arn else ""
