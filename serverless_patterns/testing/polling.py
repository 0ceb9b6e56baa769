"""A queue that invokes a function in this process, as Lambda polls it."""

import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from serverless_patterns.testing.calls import unwatched
from serverless_patterns.testing.handlers import LambdaContext
from serverless_patterns.testing.moto_account import client, name_of

#: As many as Lambda may hand over at once without a batch window.
#: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
MOST_MESSAGES = 10


def deliver(
    invoke: Callable[[Any, Any], Any],
    queue_url: str,
    *bodies: object,
    region: str = "eu-central-1",
    milliseconds_left: int = 300_000,
) -> list[str]:
    """Put these bodies into a queue, and let it invoke a function with them, and with what waits there besides, ten at most.

    What the function has worked is deleted, as Lambda does. Only what the function calls itself is recorded and enforced.

    Args:
        invoke: What ``running`` gives.
        queue_url: The queue.
        bodies: Texts, or what JSON has a form for. Default: what waits in the queue already.
        region: Where the queue is.
        milliseconds_left: The time that the function is told to have.

    Returns:
        The receipt handles of the messages that are to come again.
    """
    sqs = client("sqs", region)
    with unwatched():
        send(queue_url, *bodies, region=region)
        received = sqs.receive_message(
            QueueUrl=queue_url,
            MaxNumberOfMessages=MOST_MESSAGES,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
    messages = received.get("Messages", [])
    records = {message["MessageId"]: _record(message, queue_url, region) for message in messages}
    answer = invoke({"Records": list(records.values())}, LambdaContext(milliseconds_left))
    failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
    with unwatched():
        for identifier in sorted(records.keys() - failed):
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=records[identifier]["receiptHandle"])
    return [records[identifier]["receiptHandle"] for identifier in sorted(failed)]


def send(queue_url: str, *bodies: object, region: str = "eu-central-1") -> None:
    """Put these into a queue: texts, or what JSON has a form for."""
    for body in bodies:
        text = body if isinstance(body, str) else json.dumps(body)
        # A group each: of one group, SQS delivers nothing while a message is worked.
        is_fifo = queue_url.endswith(".fifo")
        group = dict.fromkeys(("MessageGroupId", "MessageDeduplicationId"), uuid.uuid4().hex) if is_fifo else {}
        with unwatched():
            client("sqs", region).send_message(QueueUrl=queue_url, MessageBody=text, **group)


def _record(message: Mapping[str, Any], queue_url: str, region: str) -> dict[str, Any]:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html."""
    account = queue_url.split("/")[3]
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{region}:{account}:{name_of(queue_url)}",
        "awsRegion": region,
    }
