"""Invocations are found in a function's log, in the formats of the emulator and of AWS."""

from collections.abc import Iterator
from typing import Any

import pytest

from serverless_patterns.local.functions import FunctionLog, Invocation

TEXT = "REPORT RequestId: 2b60cea4-7d11 \tDuration: 9.25 ms\tBilled Duration: 10 ms\tMemory Size: 512 MB"
JSON = '{"type":"platform.report","record":{"requestId":"2b60cea4-7d11","metrics":{"durationMs":9.25}}}'


class FakeLogs:
    """A log group with these lines; the client and its paginator in one."""

    def __init__(self, *lines: str) -> None:
        self.lines = list(lines)

    def get_paginator(self, _: str) -> "FakeLogs":
        return self

    def paginate(self, **_: Any) -> Iterator[dict[str, Any]]:
        yield {"events": [{"timestamp": number, "message": f"{line}\n"} for number, line in enumerate(self.lines)]}


@pytest.mark.parametrize("report", [TEXT, JSON], ids=["text", "JSON"])
def test_an_invocation_is_found_by_its_report(report: str) -> None:
    log = FunctionLog(FakeLogs("START RequestId: 2b60cea4-7d11", '{"message": "request"}', report), "group")
    assert log.new_invocations(1, seconds=0) == [Invocation("2b60cea4-7d11", 9.25)]


def test_an_invocation_is_new_only_once() -> None:
    log = FunctionLog(FakeLogs(TEXT), "group")
    assert len(log.new_invocations(1, seconds=0)) == 1
    assert log.new_invocations(0, seconds=0) == []


def test_what_never_shows_up_is_not_waited_for_longer_than_allowed() -> None:
    assert FunctionLog(FakeLogs(), "group").new_invocations(1, seconds=0.1) == []
