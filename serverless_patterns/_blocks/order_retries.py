"""How the steps of OrderWorkflow are tried again, and how long an execution may last with all of that.

An execution that is ended from outside undoes nothing, so none may be ended while something is still to be tried.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import Duration

from serverless_patterns._blocks.checks import check, check_type
from serverless_patterns._blocks.state_machine import Kind, Retry

#: Seconds that a state waits longer than its function may run: an answer that comes at the last moment still counts.
GRACE = 10
#: Seconds for a call that Step Functions makes itself.
CALL_TIMEOUT = 30
#: The calls that an execution makes itself, one after the other: ClaimOrder, RecordOutcome, and in Broadcast, where all are
#: told at once, one to tell.
CALLS = 3
#: The same of its letters to people: KeepForPeople, and in Broadcast one that keeps what could not be told.
LETTERS = 2
#: What is undone: all but the validation.
UNDONE = ("stock", "payment", "shipping")


@dataclass(frozen=True, kw_only=True)
class Retries:
    """How what an execution does is tried again.

    Attributes:
        step: A step, and each call that the state machine makes itself.
        undo: What undoes a step, and what leaves to people what could not be undone or told: longer, since nothing else can be
            done.
        throttled: A step whose function may not run now.
    """

    step: Retry
    undo: Retry
    throttled: Retry

    @classmethod
    def of(cls, kind: Kind, retry: Retry | None, undo: Retry | None) -> Retries:
        """Those that were given, or the default ones.

        Up to 2, 4, 8 and 16 s for a step; up to 5 s and twice as long each time for what undoes one, and 15 minutes at most:
        20 times are 200 minutes at most and 100 on average. A throttled function is asked for 68 minutes at most, and 34 on
        average. An Express execution has five minutes for all.
        """
        for name, value in (("retry", retry), ("compensation_retry", undo)):
            check_type(name, value, Retry, "a Retry(...)", optional=True)
        step = retry or Retry()
        if kind == "express":
            short = Retry(interval=Duration.seconds(1), max_attempts=4, max_delay=Duration.seconds(8))
            return cls(step=step, undo=undo or short, throttled=step)
        patient = Retry(interval=Duration.seconds(5), max_attempts=20, max_delay=Duration.minutes(15))
        return cls(step=step, undo=undo or patient, throttled=Retry(max_attempts=20, max_delay=Duration.minutes(5)))

    def longest(self, limits: Mapping[str, int]) -> float:
        """Seconds of the longest execution: every step fails until its last try, and so does what undoes it.

        Args:
            limits: Part of the work -> seconds that its function may run.
        """
        forward = sum(self._step(seconds + GRACE) for seconds in limits.values()) + CALLS * _tries(self.step, CALL_TIMEOUT)
        back = sum(_tries(self.undo, limits[part] + GRACE) for part in UNDONE)
        return forward + back + LETTERS * _tries(self.undo, CALL_TIMEOUT)

    def check_timeout(self, timeout: Duration, limits: Mapping[str, int]) -> None:
        """Check that no execution is ended while something is still to be tried; what is known only at the deploy passes.

        Raises:
            PatternError: The timeout is too short.
        """
        known = (timeout, *(each for retry in (self.step, self.undo) for each in (retry.first, retry.longest)))
        if any(each.is_unresolved() for each in known):
            return
        least = self.longest(limits)
        check(
            timeout.to_seconds() >= least,
            f"timeout must be at least {math.ceil(least)} s with this retry and compensation_retry, got "
            f"{timeout.to_seconds():g} s: all tries may last so long, and an execution that is ended undoes nothing; "
            "give a longer timeout, or fewer tries",
        )

    def _step(self, seconds: float) -> float:
        return _tries(self.step, seconds) + self.throttled.max_attempts * seconds + self.throttled.pauses


def _tries(retry: Retry, seconds: float) -> float:
    """Seconds of all tries that take so long each, and of the pauses between them."""
    return (1 + retry.max_attempts) * seconds + retry.pauses
