"""Filters of event source mappings.

AWS takes the operators of EventBridge in them: ``$or``, ``equals-ignore-case``, ``anything-but`` of prefixes, and so on.
https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html

The emulator knows some of them, and takes an event for unwanted where it does not.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.services import eventbridge, lambda_svc

from .faults import expect

EVENT = {"eventName": "INSERT"}
PATTERN = {"$or": [{"eventName": ["INSERT"]}, {"eventName": [{"equals-ignore-case": "remove"}]}]}


def check() -> None:
    """One of two is not enough."""
    expect(not lambda_svc._match_esm_filter(EVENT, PATTERN), "the emulator now knows all operators of an event filter")


def apply() -> None:
    """Match as EventBridge does."""
    lambda_svc._match_esm_filter = matches


def matches(record: dict[str, Any], pattern: dict[str, Any]) -> bool:
    """Whether a record has what a pattern asks for."""
    alternatives = eventbridge._compiled_pattern(json.dumps(pattern)) or ()
    return any(eventbridge._matches_detail(record, each) for each in alternatives)
