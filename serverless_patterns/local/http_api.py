"""Driving the HTTP API of a deployed stack: a request is signed, sent, followed to the function, and compared."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session

from serverless_patterns.local.account import Account, Stack
from serverless_patterns.local.functions import FunctionLog, Invocation, shown
from serverless_patterns.local.hops import Effect, Hop, OnHop, tell

#: Where a value only has to be there.
ANY = object()
# A body follows its headers without waiting for their acknowledgement, which takes 40 ms.
AT_ONCE = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]


@dataclass(frozen=True, kw_only=True)
class Request:
    """An HTTP request.

    Args:
        method: Such as ``POST``.
        path: Below the API's address, with the query.
        body: The body as text.
        headers: Its header fields; the content type of JSON is added where there is a body and no content type.
        signed: Whether it carries a signature (SigV4). Default on.
    """

    method: str
    path: str
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    signed: bool = True


@dataclass(frozen=True)
class Answer:
    """An HTTP answer.

    Args:
        status: The status code.
        headers: The header fields; names in any case.
        text: The body.
    """

    status: int
    headers: Mapping[str, str]
    text: str

    @cached_property
    def json(self) -> dict[str, Any]:
        """The body with its numbers exact; empty when it is no JSON object."""
        try:
            body = json.loads(self.text, parse_float=Decimal)
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a request should do.

    Args:
        status: The status code of the answer.
        calls: How often the function is invoked. Default once.
        headers: Header fields of the answer.
        fields: Fields of the answer's JSON body.
        effect: Looks at what was left behind. Default: does not look.
    """

    status: int
    calls: int = 1
    headers: Mapping[str, object] = field(default_factory=dict)
    fields: Mapping[str, object] = field(default_factory=dict)
    effect: Callable[[Answer], Effect] = field(default=lambda _: Effect("-"))

    def faults(self, answer: Answer, invocations: list[Invocation]) -> Iterator[str]:
        """What an answer and its invocations are not as they should be."""
        if answer.status != self.status:
            yield f"status {self.status} expected, got {answer.status}"
        if len(invocations) != self.calls:
            yield f"{self.calls} invocations of the function expected, got {len(invocations)}"
        yield from differences("header", self.headers, answer.headers)
        yield from differences("field", self.fields, answer.json)


class HttpApi:
    """The API of a deployed stack and the function behind it, which the stack's outputs name.

    Args:
        account: Where the stack is.
        stack: The stack.
        on_hop: Told of each hop as it happens.
        log_group: The output that names the function's log group. Default ``LogGroupName``.
    """

    def __init__(self, account: Account, stack: Stack, on_hop: OnHop, *, log_group: str = "LogGroupName") -> None:
        self._account = account
        self._url = account.api_url(stack)
        self._log = FunctionLog(account.client("logs"), stack.outputs[log_group])
        self._on_hop = on_hop
        self._http = URLLib3Session(timeout=60, socket_options=AT_ONCE)  # type: ignore[arg-type]

    def send(self, request: Request) -> Answer:
        """Send a request and take whatever answer comes."""
        headers = dict(request.headers)
        if request.body is not None and "Content-Type" not in headers:
            headers["Content-Type"] = "application/json"
        http = AWSRequest(request.method, f"{self._url}{request.path}", headers=headers, data=request.body)
        if request.signed:
            self._account.sign(http, "execute-api")
        response = self._http.send(http.prepare())
        return Answer(response.status_code, response.headers, response.text)

    def hop(self, step: str, request: Request, expected: Expected) -> Answer:
        """Send a request, follow it, and tell of the hop.

        Raises:
            LocalRunError: It did not do what was expected; the message has the answer.
        """
        began = time.monotonic()
        answer = self.send(request)
        milliseconds = (time.monotonic() - began) * 1000
        invocations = self._log.new_invocations(expected.calls, seconds=self._account.log_delay)
        effect = expected.effect(answer)
        hop = Hop(
            step=step,
            request=f"{request.method} {request.path}",
            answer=str(answer.status),
            function=shown(invocations),
            effect=effect.shown,
            milliseconds=milliseconds,
            faults=(*expected.faults(answer, invocations), *effect.faults),
        )
        tell(self._on_hop, hop, lambda: f"Its answer: {answer.text[:1000]}\n{self._log.last_lines()}")
        return answer


def differences(kind: str, expected: Mapping[str, object], got: Mapping[str, object]) -> Iterator[str]:
    """Where a mapping is not as expected: a value is missing or another one."""
    for name, value in expected.items():
        if name not in got:
            yield f"the {kind} {name} is missing"
        elif value is not ANY and got[name] != value:
            yield f"the {kind} {name} should be {value!r}, got {got[name]!r}"


def names_at_least(*pointers: str) -> Callable[[Answer], Effect]:
    """For ``Expected.effect``: the problem that is answered names these fields of the body, by their JSON pointers."""

    def look(answer: Answer) -> Effect:
        named = {error["pointer"] for error in answer.json.get("errors", [])}
        missing = set(pointers) - named
        return Effect(f"names {', '.join(sorted(named))}", tuple(f"{pointer} is not named" for pointer in sorted(missing)))

    return look
