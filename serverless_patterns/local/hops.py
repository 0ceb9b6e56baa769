"""Hops: what is shown of one request or message, from where it enters to the function to what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from serverless_patterns.errors import LocalRunError


@dataclass(frozen=True)
class Effect:
    """What a request or a message left behind.

    Args:
        shown: In the words of the report.
        faults: What is not as it should be.
        files: What was saved on this machine, to be looked at.
    """

    shown: str
    faults: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Hop:
    """What one request or message did.

    Args:
        step: What it is meant to show.
        request: Such as ``POST /products``, or ``orders in the queue``.
        answer: Such as ``201``; ``-`` where nobody answers.
        function: What the function did: its time, or that it was not called.
        effect: What is there afterwards, such as the item that is stored.
        milliseconds: From the request to the answer; without one, to the effect.
        faults: What is not as it should be; empty when all is.
        files: What was saved on this machine, to be looked at.
    """

    step: str
    request: str
    answer: str
    function: str
    effect: str
    milliseconds: float
    faults: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()


OnHop = Callable[[Hop], None]


def tell(on_hop: OnHop, hop: Hop, details: Callable[[], str]) -> None:
    """Tell of a hop, and end the drive if it is not as it should be.

    Args:
        on_hop: Told of it in any case.
        hop: The hop.
        details: What helps to find out why; asked for only then.

    Raises:
        LocalRunError: It has faults.
    """
    on_hop(hop)
    if hop.faults:
        msg = f"{hop.step}: {hop.request} did not do what it should: {'; '.join(hop.faults)}\n{details()}"
        raise LocalRunError(msg)
