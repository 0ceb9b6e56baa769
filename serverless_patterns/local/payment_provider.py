"""A payment provider on loopback: a real HTTP server that behaves and misbehaves as told, and remembers what it charged.

Whoever drives ``SqsPipeline`` or ``OrderWorkflow`` puts its address into the stack's secret, and sees afterwards what was
charged and paid back, and how often. Charges are posted to its address, refunds to ``/refunds`` below it.
"""

from __future__ import annotations

import json
import random
import secrets
import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from serverless_patterns.errors import LocalRunError
from serverless_patterns.local.account import Account
from serverless_patterns.local.payment_ledger import Answer, Charge, Ledger, Refund

LOOPBACK = "127.0.0.1"
PATH, REFUNDS, ELSEWHERE = "/charges", "/refunds", "/elsewhere"
#: The longest that an answer is held back, in seconds: longer than any client waits.
HANG = 60.0
#: Between two bytes of an answer that drips, in seconds.
DRIP = 0.5
DEPTH = 100_000
BLOCK = b" " * 65_536


class Behaviour(StrEnum):
    """What becomes of a request."""

    APPROVE = "approve"
    #: 200, with the reason ``card refused``, or ``refund refused``; no money is moved.
    DECLINE = "decline"
    #: 402, with the reason ``card expired``; the same.
    REFUSE = "refuse"
    #: 429 with ``Retry-After``.
    THROTTLE = "throttle"
    #: 500 before any money is moved.
    FAIL = "fail"
    #: Charged or paid back, and then the connection ends without an answer: whoever tries again must get that answer.
    LOSE_ANSWER = "lose answer"
    #: No answer at all.
    HANG = "hang"
    #: Charged or paid back; the answer comes byte by byte.
    DRIP = "drip"
    #: 200 with a page for people.
    HTML = "html"
    #: 200 with JSON whose id is ``NaN``.
    NOT_A_NUMBER = "not a number"
    #: 200 with JSON that is nested too deeply to be read.
    DEEP = "deep"
    #: 200 with a body that does not end.
    ENDLESS = "endless"
    #: 307 to another path: whoever follows it is seen in ``requests``.
    REDIRECT = "redirect"


#: What ``fail_share`` chooses from: before the charge, and after it.
FAILURES = (Behaviour.FAIL, Behaviour.LOSE_ANSWER)


@dataclass(frozen=True)
class Received:
    """A request.

    Args:
        path: Where it came to.
        key: Its idempotency key; empty if it had none.
        reference: The reference in its body; empty if there was none.
        status: The status of the answer; 0 if the connection ended without one.
        behaviour: What was done with it; ``None`` if it was refused, or answered as before.
    """

    path: str
    key: str
    reference: str
    status: int
    behaviour: Behaviour | None = None


class PaymentProvider:
    """A payment provider; ``with`` starts and stops it.

    Everything may be changed while it runs.

    Args:
        behaviour_for: Says for each reference how to behave. Default: approve.
        fail_share: The share of requests that fail whatever their reference, 0 to 1: half of them when they have charged.
        seed: Which requests fail.
        retry_after: The ``Retry-After`` of ``THROTTLE``, in seconds.
    """

    def __init__(
        self,
        *,
        behaviour_for: Callable[[str], Behaviour] = lambda _: Behaviour.APPROVE,
        fail_share: float = 0.0,
        seed: int = 0,
        retry_after: int = 1,
    ) -> None:
        self.behaviour_for = behaviour_for
        self.fail_share = fail_share
        #: Whether it takes connections and ends them at once.
        self.down = False
        self.retry_after = retry_after
        #: What a client must show as ``Authorization: Bearer``. Another one may be set: the old one is then refused.
        self.api_key = secrets.token_urlsafe(24)
        #: The money that was moved.
        self.ledger = Ledger()
        #: All requests, in the order in which they were answered.
        self.requests: list[Received] = []
        self._random = random.Random(seed)  # noqa: S311  which requests fail is no secret
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        """Where charges are asked for."""
        if self._server is None:
            msg = "the payment provider runs only inside of its `with` block"
            raise RuntimeError(msg)
        return f"http://{LOOPBACK}:{self._server.server_port}{PATH}"

    @property
    def charges(self) -> dict[str, Charge]:
        """What was charged, by idempotency key."""
        return self.ledger.charges

    @property
    def refunds(self) -> dict[str, Refund]:
        """What was paid back, by idempotency key."""
        return self.ledger.refunds

    @property
    def replays(self) -> int:
        """How many requests had the key of an earlier one and got its answer."""
        return self.ledger.replays

    @property
    def double_charges(self) -> dict[str, int]:
        """The references that were charged more than once, and how often: none, if all is well."""
        counted = Counter(charge.reference for charge in list(self.charges.values()))
        return {reference: number for reference, number in counted.items() if number > 1}

    def put_secret(self, account: Account, secret_arn: str) -> None:
        """Write the address and the key into a secret, as an operator would.

        Args:
            account: Where the secret is.
            secret_arn: Its ARN or name.
        """
        value = json.dumps({"url": self.url, "api_key": self.api_key})
        account.client("secretsmanager").put_secret_value(SecretId=secret_arn, SecretString=value)

    @contextmanager
    def named_in(self, account: Account, secret_arn: str) -> Iterator[None]:
        """Put the address and the key into a secret, and what was there before back at the end.

        Args:
            account: Where the secret is.
            secret_arn: Its ARN or name.

        Raises:
            LocalRunError: It is in AWS; nothing was touched.
        """
        if account.url is None:
            msg = (
                f"the payment provider is on this machine, where no function in AWS that reads {secret_arn} can reach it: "
                "drive the stack on the emulator, or leave it out with --pattern"
            )
            raise LocalRunError(msg)
        client = account.client("secretsmanager")
        before = client.get_secret_value(SecretId=secret_arn)["SecretString"]
        self.put_secret(account, secret_arn)
        try:
            yield
        finally:
            client.put_secret_value(SecretId=secret_arn, SecretString=before)

    def __enter__(self) -> Self:
        self._stopped.clear()
        self._server = _Server(self)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def wait(self, seconds: float) -> bool:
        """Wait, but not longer than it runs; whether it still does."""
        return not self._stopped.wait(seconds)

    def note(self, received: Received) -> None:
        """Remember a request."""
        with self._lock:
            self.requests.append(received)

    def behave(self, reference: str) -> Behaviour:
        """How to behave now: by chance first, then by reference."""
        with self._lock:
            if self._random.random() < self.fail_share:
                return self._random.choice(FAILURES)
        return self.behaviour_for(reference)


def first(number: int, behaviour: Behaviour, *, then: Behaviour = Behaviour.APPROVE) -> Callable[[str], Behaviour]:
    """Behave in one way for the first requests of each reference, and in another for the rest.

    Args:
        number: How many requests.
        behaviour: What is done with those.
        then: What is done with later ones.
    """
    seen: Counter[str] = Counter()
    lock = threading.Lock()

    def behaviour_for(reference: str) -> Behaviour:
        with lock:
            seen[reference] += 1
            return behaviour if seen[reference] <= number else then

    return behaviour_for


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, provider: PaymentProvider) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self.provider = provider
        self._connections: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  socketserver's own types
        """Serve a connection, and know of it as long as it is open."""
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401  the same
        """A connection has ended."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """End the connections that clients keep too: nobody is to be charged by a provider that is gone."""
        super().server_close()
        for connection in tuple(self._connections):
            with suppress(OSError):  # the client has ended it
                connection.shutdown(socket.SHUT_RDWR)

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ANN401, ARG002  socketserver's own types
        """Whether a new connection is served: not while the provider is down."""
        return not self.provider.down

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  the same
        """A client that goes away in the middle of an answer is what many of them are there for."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        """Answer a request for a charge or a refund."""
        provider = self.server.provider
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        key = self.headers.get("Idempotency-Key") or ""
        fields = _fields(body, ("charge_key",) if self._is_refund else ())
        reference = fields["reference"] if fields else ""
        if provider.down:
            self._note(key, reference, 0)
            self.close_connection = True
        elif refusal := self._refusal(key, fields) or provider.ledger.replayed(key, body):
            self._note(key, reference, refusal.status)
            self._send(refusal.status, json.dumps(refusal.body).encode())
        else:
            self._behave(key, body, reference, provider.behave(reference))

    @property
    def _is_refund(self) -> bool:
        return self.path == PATH + REFUNDS

    def _refusal(self, key: str, fields: Mapping[str, str] | None) -> Answer | None:
        if self.headers.get("Authorization") != f"Bearer {self.server.provider.api_key}":
            return Answer(HTTPStatus.UNAUTHORIZED, {"error": "unknown key"})
        if not key:
            return Answer(HTTPStatus.BAD_REQUEST, {"error": "an Idempotency-Key is needed"})
        if fields is None:
            return Answer(HTTPStatus.BAD_REQUEST, {"error": _NEEDED})
        return None

    def _behave(self, key: str, body: bytes, reference: str, behaviour: Behaviour) -> None:
        provider = self.server.provider
        status = _STATUS.get(behaviour, HTTPStatus.OK)
        self._note(key, reference, status, behaviour)
        match behaviour:
            case Behaviour.APPROVE | Behaviour.DECLINE | Behaviour.DRIP | Behaviour.LOSE_ANSWER:
                willing = behaviour is not Behaviour.DECLINE
                self._settle(provider.ledger.settle(key, body, back=self._is_refund, willing=willing), behaviour)
            case Behaviour.HANG:
                provider.wait(HANG)
                self.close_connection = True
            case Behaviour.ENDLESS:
                self._endless()
            case Behaviour.THROTTLE:
                self._send(status, b'{"error": "too many requests"}', {"Retry-After": str(provider.retry_after)})
            case Behaviour.REDIRECT:
                self._send(status, b"", {"Location": ELSEWHERE})
            case _:
                self._send(status, _BODY[behaviour])

    def _settle(self, answer: Answer, behaviour: Behaviour) -> None:
        body = json.dumps(answer.body).encode()
        if behaviour is Behaviour.LOSE_ANSWER:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif behaviour is Behaviour.DRIP:
            self._headers(answer.status, {"Content-Length": str(len(body))})
            for position in range(len(body)):
                if not self.server.provider.wait(DRIP):
                    break
                self.wfile.write(body[position : position + 1])
        else:
            self._send(answer.status, body)

    def _endless(self) -> None:
        self.close_connection = True
        self._headers(HTTPStatus.OK, {"Connection": "close"})
        while self.server.provider.wait(0.001):
            self.wfile.write(BLOCK)

    def _send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self._headers(status, {"Content-Length": str(len(body)), **(headers or {})})
        self.wfile.write(body)

    def _headers(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _note(self, key: str, reference: str, status: int, behaviour: Behaviour | None = None) -> None:
        self.server.provider.note(Received(self.path, key, reference, status, behaviour))

    def log_message(self, *_: object) -> None:
        """What was asked for is in ``requests``, not on the screen."""


_STATUS = {
    Behaviour.REFUSE: HTTPStatus.PAYMENT_REQUIRED,
    Behaviour.THROTTLE: HTTPStatus.TOO_MANY_REQUESTS,
    Behaviour.FAIL: HTTPStatus.INTERNAL_SERVER_ERROR,
    Behaviour.REDIRECT: HTTPStatus.TEMPORARY_REDIRECT,
    Behaviour.LOSE_ANSWER: 0,
    Behaviour.HANG: 0,
}
_NEEDED = "reference, amount (a decimal in quotes), currency and, of a refund, charge_key are needed"
_BODY = {
    Behaviour.REFUSE: b'{"status": "declined", "reason": "card expired"}',
    Behaviour.FAIL: b'{"error": "internal error"}',
    Behaviour.HTML: b"<!doctype html><title>Maintenance</title>",
    Behaviour.NOT_A_NUMBER: b'{"status": "approved", "id": NaN}',
    Behaviour.DEEP: b"[" * DEPTH + b"]" * DEPTH,
}


def _fields(body: bytes, more: Sequence[str]) -> dict[str, str] | None:
    """The fields of a charge, and more of a refund; ``None`` if the body is none."""
    try:
        fields = json.loads(body)
        found = {name: fields[name] for name in ("reference", "amount", "currency", *more)}
        exact = Decimal(found["amount"]).is_finite() and all(isinstance(value, str) for value in found.values())
    except (ValueError, TypeError, KeyError, InvalidOperation, RecursionError):
        return None
    return found if exact else None
