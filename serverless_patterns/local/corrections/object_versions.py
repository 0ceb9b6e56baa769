"""The version of an object that an event of a bucket is about.

AWS names it in the event that it sends to EventBridge, as ``version-id``, when the bucket has versions.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html

The emulator names it in the bucket's own notifications only.
"""

from __future__ import annotations

import inspect
import json
from contextvars import ContextVar
from typing import Any

from ministack.services import eventbridge, s3

from .faults import expect

#: The version of the object that an event is made for.
VERSION: ContextVar[str | None] = ContextVar("version", default=None)


def check() -> None:
    """It is not named."""
    code = inspect.getsource(s3._fire_s3_event)
    expect("version-id" not in code, "the emulator now names the version of an object to EventBridge")


def apply() -> None:
    """Name it."""
    stock_fire, stock_dispatch = s3._fire_s3_event, eventbridge._dispatch_event

    def fire(*arguments: object, version_id: str | None = None, **named: object) -> None:
        """Goes on to the event as its version-id."""
        token = VERSION.set(version_id)
        try:
            stock_fire(*arguments, version_id=version_id, **named)
        finally:
            VERSION.reset(token)

    def dispatch(event: dict[str, Any], view: Any = None) -> None:  # noqa: ANN401  not typed
        version = VERSION.get()
        if version and event["Source"] == "aws.s3":
            detail = json.loads(event["Detail"])
            detail["object"]["version-id"] = version
            event = {**event, "Detail": json.dumps(detail)}
        stock_dispatch(event, view)

    s3._fire_s3_event, eventbridge._dispatch_event = fire, dispatch
