"""A payment API on this machine that answers as it is told, and badly if it is told so."""

import json
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """What the server sends: raw parts with pauses between them, so that it can break any rule."""

    parts: tuple[bytes, ...]
    pause: float = 0
    first_pause: float = 0


def reply(status: int, body: object = "", **headers: str) -> Reply:
    content = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    lines = [f"HTTP/1.1 {status} Any", f"Content-Length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return Reply(("\r\n".join(lines).encode() + b"\r\n\r\n" + content,))


APPROVED = reply(200, {"status": "approved", "id": "pay_1"})
DECLINED = reply(200, {"status": "declined", "reason": "insufficient funds"})
BROKEN = reply(500)
SILENCE = Reply((), first_pause=0.15)


def dripping_header() -> Reply:
    return Reply((b"HTTP/1.1 200 OK\r\nX-Slow: ", *[b"x"] * 200), pause=0.02)


def dripping_body() -> Reply:
    return Reply((b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", *[b"x"] * 200), pause=0.02)


def endless_body() -> Reply:
    return Reply((b"HTTP/1.1 200 OK\r\n\r\n", *[b"x" * 65_536] * 2000))


@dataclass(frozen=True)
class Request:
    """What came."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class PaymentServer:
    """Answers in the order of ``replies``; when there are none left, as ``otherwise`` says."""

    otherwise: Reply = APPROVED
    replies: deque[Reply] = field(default_factory=deque)
    requests: list[Request] = field(default_factory=list)
    tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that hang up are expected
        if self.tls:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/charges"

    def will(self, replies: Iterable[Reply]) -> None:
        self.replies.extend(replies)

    @property
    def keys(self) -> list[str]:
        return [request.headers["idempotency-key"] for request in self.requests]


def _handler_of(server: PaymentServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            headers = {name.lower(): value for name, value in self.headers.items()}
            headers["x-port"] = str(self.client_address[1])  # tells one connection from another
            server.requests.append(Request(self.path, headers, body))
            self._send(server.replies.popleft() if server.replies else server.otherwise)

        def _send(self, planned: Reply) -> None:
            time.sleep(planned.first_pause)
            try:
                for part in planned.parts:
                    self.wfile.write(part)
                    self.wfile.flush()
                    time.sleep(planned.pause)
            except OSError:
                self.close_connection = True  # the client has had enough
            self.close_connection = self.close_connection or not planned.parts or len(planned.parts) > 1

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
