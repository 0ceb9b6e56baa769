"""How long tests wait for what comes about by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from serverless_patterns.local.processes import wait_until

#: The longest that anything may take, in seconds: it is there much earlier, but the machine may be busy.
PATIENCE = 180

Seen = TypeVar("Seen")


def eventually(look: Callable[[], Seen], wanted: Seen, *, seconds: float = PATIENCE) -> Seen:
    """What ``look`` sees, when it is what is wanted, or when it has not been for too long: for the test to assert."""
    seen: list[Seen] = []

    def is_wanted() -> bool:
        seen[:] = [look()]
        return seen[0] == wanted

    wait_until(is_wanted, seconds=seconds, interval=0.1)
    return seen[0]


def until(
    what: str,
    look: Callable[[], Seen],
    *,
    good: Callable[[Seen], object] = bool,
    seconds: float = PATIENCE,
    because: Callable[[], str] = lambda: "",
) -> Seen:
    """What ``look`` sees as soon as it is good; else the test fails, and says what was seen last, and what may tell why."""
    seen: list[Seen] = []

    def is_good() -> bool:
        seen[:] = [look()]
        return bool(good(seen[0]))

    assert wait_until(is_good, seconds=seconds, interval=0.1), (
        f"{what}: not within {seconds:g} s; last seen: {seen[0]!r}\n{because()}"
    )
    return seen[0]
