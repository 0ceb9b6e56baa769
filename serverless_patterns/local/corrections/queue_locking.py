"""Messages that are sent, received and deleted at the same moment.

AWS loses none of them, and gives a received message to nobody else until its visibility timeout is over.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html

The emulator's event source mappings work in threads of their own: they take a lock for it, and the calls of clients do not.
A message may be received twice, and one that is sent while another is deleted may be lost.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

from ministack.services import eventbridge, sns, sqs

from .faults import expect

#: What changes the messages of a queue, and never waits.
CHANGES = (
    "_act_change_visibility",
    "_act_change_visibility_batch",
    "_act_delete_message",
    "_act_delete_message_batch",
    "_act_purge_queue",
    "_act_send_message",
    "_collect_msgs",
    "_dlq_sweep",
    "_expire_retained",
)


def check() -> None:
    """A deletion does not wait for the one who holds the lock."""
    done = threading.Event()

    def delete() -> None:
        try:
            sqs._act_delete_message({"QueueUrl": "check"}, "check")
        except sqs._Err:
            done.set()

    with sqs._queues_lock:
        threading.Thread(target=delete, daemon=True).start()
        waits = not done.wait(0.1)
    expect(not waits, "the emulator now locks a queue when it deletes a message")


def apply() -> None:
    """One lock for all; who holds it may take it again."""
    lock = sqs._queues_lock = threading.RLock()
    for name in CHANGES:
        stock = getattr(sqs, name)
        setattr(sqs, name, _locked(stock, lock))
        for action, handler in sqs._HANDLERS.items():
            if handler is stock:
                sqs._HANDLERS[action] = getattr(sqs, name)
    sns._deliver_to_sqs = _locked(sns._deliver_to_sqs, lock)
    eventbridge._dispatch_to_sqs = _locked(eventbridge._dispatch_to_sqs, lock)


def _locked(stock: Callable[..., Any], lock: threading.RLock) -> Callable[..., Any]:
    @functools.wraps(stock)
    def locked(*arguments: object, **named: object) -> Any:  # noqa: ANN401  whatever the action gives back
        with lock:
            return stock(*arguments, **named)

    return locked
