"""Driving what is not asked over HTTP: a message is sent, followed to the function, and waited for until its work is done."""

from __future__ import annotations

import time
from collections.abc import Callable

from serverless_patterns.local.account import Account
from serverless_patterns.local.functions import FunctionLog, shown
from serverless_patterns.local.hops import Effect, Hop, OnHop, tell
from serverless_patterns.local.processes import wait_until

#: The longest that a message may take to what it is meant to do, in seconds: queues and topics promise no time.
PATIENCE = 60.0


class Events:
    """A function that works what comes to it through queues and topics.

    Args:
        account: Where it is.
        log_group: The name of its log group.
        on_hop: Told of each hop as it happens.
    """

    def __init__(self, account: Account, log_group: str, on_hop: OnHop) -> None:
        self._log = FunctionLog(account.client("logs"), log_group)
        self._delay = account.log_delay
        self._on_hop = on_hop

    def hop(
        self,
        step: str,
        request: str,
        effect: Callable[[], Effect],
        *,
        send: Callable[[], str] = lambda: "-",
        called: bool = True,
        patience: float = PATIENCE,
    ) -> None:
        """Send something, wait for the function and for what it does, and tell of the hop.

        Args:
            step: What it is meant to show.
            request: What is sent, in the words of the report.
            effect: Looks at what is there; asked again until it finds no fault.
            send: Sends it and says what the answer is. Default: it is there already.
            called: Whether the function is invoked, once or more often: a queue may hand messages out one by one. Default on.
            patience: The seconds that it may take. Default: a minute.

        Raises:
            LocalRunError: It did not do what was expected; the message has the end of the function's log.
        """
        began = time.monotonic()
        answer = send()
        looked: list[Effect] = []

        def done() -> bool:
            looked[:] = [effect()]
            return not looked[0].faults

        invocations = self._log.new_invocations(1, seconds=patience + self._delay) if called else []
        wait_until(done, seconds=patience, interval=0.1)
        invocations += self._log.new_invocations(0, seconds=0) if called else []
        hop = Hop(
            step=step,
            request=request,
            answer=answer,
            function=shown(invocations) if called else "-",
            effect=looked[0].shown,
            files=looked[0].files,
            milliseconds=(time.monotonic() - began) * 1000,
            faults=(*(("the function was not invoked",) if called and not invocations else ()), *looked[0].faults),
        )
        tell(self._on_hop, hop, self._log.last_lines)
