"""Items whose time to live is over.

AWS deletes them within days, if the attribute is a number that is not more than five years ago, and its stream has a record of
it that says who did: the service, and no user.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/howitworks-ttl.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-streams.html

The emulator deletes them within a minute, and its stream has no record of it. Corrected, it does within seconds.
"""

from __future__ import annotations

import inspect
import threading
import time
from contextvars import ContextVar
from typing import Any

from ministack.core import responses
from ministack.services import dynamodb

from .faults import expect, repeatedly

SECONDS = 2.0
LONGEST = 5 * 365 * 24 * 60 * 60
STOCK = "dynamodb-ttl-reaper"
SERVICE = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
Fields = dict[str, Any]

expiring: ContextVar[bool] = ContextVar("expiring", default=False)
#: Records have to be in the order of their numbers, whoever writes them.
in_order = threading.RLock()


def check() -> None:
    """The stream hears nothing."""
    code = inspect.getsource(dynamodb._ttl_reaper)
    expect("_emit_stream_event" not in code, "the emulator now tells the stream of items whose time to live is over")


def apply() -> None:
    """Delete them ourselves, and say so; the emulator's own thread, which runs already, deletes nothing."""
    build, emit, remove = dynamodb._build_change_record, dynamodb._emit_stream_event, dynamodb._remove_item

    def built(*arguments: object) -> Fields:
        record: Fields = build(*arguments)
        return {**record, "userIdentity": SERVICE} if expiring.get() else record

    def emitted(*arguments: object, **named: object) -> None:
        with in_order:
            emit(*arguments, **named)

    def removed(*arguments: object) -> Fields | None:
        old: Fields | None = None if threading.current_thread().name == STOCK else remove(*arguments)
        return old

    dynamodb._build_change_record, dynamodb._emit_stream_event, dynamodb._remove_item = built, emitted, removed
    dynamodb._ttl_reaper = remove_expired
    repeatedly(SECONDS, remove_expired)


def remove_expired() -> None:
    """Delete what is over of all tables, each with its ``_emit_stream_event``."""
    for (account, region, name), setting in dynamodb._ttl_settings.all_items():
        with responses.request_scope(account, region):
            if setting.get("TimeToLiveStatus") == "ENABLED" and name in dynamodb._tables:
                _remove_expired_of(name, str(setting["AttributeName"]))


def _remove_expired_of(name: str, attribute: str) -> None:
    table, token = dynamodb._tables[name], expiring.set(True)
    try:
        for partition, items in list(table["items"].items()):
            for sort, item in list(items.items()):
                if _is_over(item.get(attribute)):
                    dynamodb._emit_stream_event(name, "REMOVE", dynamodb._remove_item(table, partition, sort), None)
    finally:
        expiring.reset(token)


def _is_over(value: object) -> bool:
    number = value.get("N") if isinstance(value, dict) else None
    return number is not None and 0 <= time.time() - float(number) < LONGEST
