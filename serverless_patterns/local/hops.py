"""Hops: what is shown of one request, from the API to the function to what it leaves behind."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Hop:
    """What one request did.

    Args:
        step: What it is meant to show.
        request: Such as ``POST /products``.
        answer: Such as ``201``.
        function: What the function did: its time, or that it was not called.
        effect: What is there afterwards, such as the item that is stored.
        milliseconds: From the request to the answer.
        faults: What is not as it should be; empty when all is.
    """

    step: str
    request: str
    answer: str
    function: str
    effect: str
    milliseconds: float
    faults: tuple[str, ...] = ()
