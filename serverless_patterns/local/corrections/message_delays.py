"""The longest delay of a message.

AWS refuses a ``DelaySeconds`` above 900 (15 minutes).
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html

The emulator takes it.
"""

from __future__ import annotations

from typing import Any

from ministack.services import sqs

from .faults import expect, provision, remove

QUEUE = "AWS::SQS::Queue"
LONGEST = 900


def check() -> None:
    """A longer one is taken."""
    url = provision(QUEUE, {"QueueName": "correction-check"})
    try:
        sqs._act_send_message({"QueueUrl": url, "MessageBody": "check", "DelaySeconds": LONGEST + 1}, url)
    except sqs._Err as error:
        expect(fault=False, description=f"the emulator now refuses a delay that is too long: {error}")
    finally:
        remove(QUEUE, url, {})


def apply() -> None:
    """Refuse it, for one message as for several."""
    stock = sqs._act_send_message

    def send(data: dict[str, Any], url: str) -> dict[str, Any]:
        delay = int(data.get("DelaySeconds") or 0)
        if not 0 <= delay <= LONGEST:
            reason = f"Value {delay} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= {LONGEST}."
            code = "InvalidParameterValue"
            raise sqs._Err(code, reason)
        sent: dict[str, Any] = stock(data, url)
        return sent

    sqs._act_send_message = sqs._HANDLERS["SendMessage"] = send
