"""What the corrections share: how they find a fault, and how they follow CloudFormation's provisioners."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, cast

from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS as PROVISIONERS

Properties = dict[str, Any]

#: How much longer than it works a correction rests that acts repeatedly.
REST = 20


class FaultNotFoundError(Exception):
    """The emulator no longer has the fault that a correction mends."""


def expect(fault: bool, description: str) -> None:
    """Fail unless the fault is there.

    Raises:
        FaultNotFoundError: It is not: the correction has to go, or to be looked at again.
    """
    if not fault:
        raise FaultNotFoundError(description)


def provision(resource_type: str, properties: Properties) -> str:
    """Create a resource of a throw-away stack as CloudFormation would, and return its physical id."""
    physical_id, *_ = PROVISIONERS[resource_type]["create"]("Check", properties, "correction-check")
    return str(physical_id)


def remove(resource_type: str, physical_id: str, properties: Properties) -> None:
    """Delete what ``provision`` created."""
    PROVISIONERS[resource_type]["delete"](physical_id, properties)


def after(resource_type: str, correct: Callable[[str, Properties], None]) -> None:
    """Call ``correct(physical_id, properties)`` each time that CloudFormation has created or updated such a resource."""
    provisioner = PROVISIONERS[resource_type]
    for operation, position in (("create", 1), ("update", 2)):
        if operation in provisioner:
            provisioner[operation] = _followed(provisioner[operation], position, correct)


def _followed(stock: Callable[..., Any], position: int, correct: Callable[[str, Properties], None]) -> Callable[..., Any]:
    @functools.wraps(stock)
    def followed(*arguments: object, **named: object) -> object:
        result = stock(*arguments, **named)
        correct(result[0], cast("Properties", arguments[position]))
        return result

    return followed


def repeatedly(seconds: float, act: Callable[[], None]) -> None:
    """Act every so many seconds as long as the emulator runs, and log what goes wrong.

    What takes long is done less often, so that it keeps nobody waiting.
    """

    def go_on() -> None:
        took = 0.0
        while True:
            time.sleep(max(seconds, REST * took))
            began = time.monotonic()
            try:
                act()
            except Exception:
                logging.getLogger(__name__).exception("a correction failed and goes on")
            took = time.monotonic() - began

    threading.Thread(target=go_on, daemon=True).start()


def camel_case(settings: Properties) -> Properties:
    """CloudFormation's ``AllowOrigins`` as the API's ``allowOrigins``."""
    return {name[0].lower() + name[1:]: value for name, value in settings.items()}
