"""The metrics of a queue: how many messages wait, are in flight and are delayed, and how old the oldest is.

AWS publishes them each minute for each queue that is in use.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html

The emulator publishes nothing. Corrected, it looks each second, and keeps one point a minute.
"""

from __future__ import annotations

import time
from typing import Any

from ministack.core import responses
from ministack.services import cloudwatch, sqs

from .faults import expect, provision, remove, repeatedly

QUEUE = "AWS::SQS::Queue"
NAMESPACE = "AWS/SQS"
SECOND, MINUTE = 1.0, 60


def check() -> None:
    """Alarms find no metric of a queue that has a message."""
    url = provision(QUEUE, {"QueueName": "correction-check"})
    sqs._act_send_message({"QueueUrl": url, "MessageBody": "check"}, url)
    cloudwatch._evaluate_all_alarms()
    keys = [key for key in cloudwatch._metrics if key[2] == "QueueName=correction-check"]
    remove(QUEUE, url, {})
    for key in keys:
        del cloudwatch._metrics[key]
    expect(not keys, "the emulator now publishes the metrics of queues")


def apply() -> None:
    """Look each second, and before alarms are evaluated."""
    evaluate = cloudwatch._evaluate_all_alarms

    def evaluated() -> None:
        _publish()
        evaluate()

    cloudwatch._evaluate_all_alarms = evaluated
    repeatedly(SECOND, _publish)


def _publish() -> None:
    for scoped, queue in list(sqs._queues._data.items()):
        with responses.request_scope(*scoped[:2]):
            for name, (value, unit) in _measured(queue).items():
                _record(name, value, unit, {"QueueName": queue["name"]})


def _measured(queue: dict[str, Any]) -> dict[str, tuple[float, str]]:
    now, messages = time.time(), list(queue["messages"])
    waiting = [each for each in messages if each["visible_at"] > now]
    flying = sum(1 for each in waiting if each["receive_count"])
    oldest = max((now - each["sent_at"] for each in messages), default=0.0)
    return {
        "ApproximateNumberOfMessagesVisible": (len(messages) - len(waiting), "Count"),
        "ApproximateNumberOfMessagesNotVisible": (flying, "Count"),
        "ApproximateNumberOfMessagesDelayed": (len(waiting) - flying, "Count"),
        "ApproximateAgeOfOldestMessage": (oldest, "Seconds"),
    }


def _record(name: str, value: float, unit: str, dimensions: dict[str, str]) -> None:
    points = cloudwatch._metric_bucket((NAMESPACE, name, cloudwatch._dims_key(dimensions)))
    now = time.time()
    own = points and "_stat" in points[-1]  # somebody else may put points of it too
    if not own or points[-1]["Timestamp"] // MINUTE != now // MINUTE:
        known = {"SampleCount": 0, "Sum": 0.0, "Minimum": value, "Maximum": value}
        points.append({"Value": value, "Unit": unit, "Dimensions": dimensions, "_stat": known})
    point = points[-1]
    known = point["_stat"]
    known.update(
        SampleCount=known["SampleCount"] + 1,
        Sum=known["Sum"] + value,
        Minimum=min(known["Minimum"], value),
        Maximum=max(known["Maximum"], value),
    )
    point["Timestamp"] = now
