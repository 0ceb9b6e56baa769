"""HTTP with an end: an attempt takes no longer than it may, whatever the other side does.

The timeouts of urllib3, as of all that read sockets, are for one reading of the socket. An answer that trickles in can
take for ever, a byte at a time. So each attempt runs beside, and is cut off when its time is over.
"""

import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPResponse, Timeout, connection_from_url
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

_CHUNK_BYTES = 16 * 1024


class UnansweredError(Exception):
    """There was no answer, or none that can be read; the text says what there was, and nothing of what was sent."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long an attempt may take, in seconds, and how large an answer may be."""

    connect: float = 2
    read: float = 5
    attempt: float = 7
    answer_bytes: int = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: its status, its body, and its Retry-After header, empty if it has none."""

    status: int
    body: bytes
    retry_after: str = ""


@dataclass(slots=True)
class _Result:
    """What came of an attempt."""

    answer: Answer | None = None
    error: Exception | None = None


class Transport:
    """Sends requests, each once: no retries, no redirects, no proxies, and certificates that must be right."""

    def __init__(self, limits: Limits = Limits()) -> None:
        self._limits = limits
        self._line: _Line | None = None

    def post(self, url: str, headers: Mapping[str, str], body: bytes, seconds: float) -> Answer:
        """The answer to this request.

        Raises:
            UnansweredError: There was none within these seconds and the limits, or it was too large.
        """
        if self._line is None or self._line.url != url:
            self._line = _Line(url, self._limits)
        result = _Result()
        attempt = threading.Thread(target=self._line.post, args=(headers, body, result), daemon=True, name="payment attempt")
        attempt.start()
        within = max(0.0, min(seconds, self._limits.attempt))
        attempt.join(within)
        if attempt.is_alive():
            self._line.cut()
            self._line = None
            msg = f"it took longer than {within:.1f} s"
            raise UnansweredError(msg)
        if result.answer is None:
            self._line = None
            raise UnansweredError(_words(result.error)) from result.error
        return result.answer


@dataclass(slots=True)
class _Line:
    """The connections to one address."""

    url: str
    limits: Limits
    _pool: HTTPConnectionPool = field(init=False)
    _connections: list[Any] = field(init=False, default_factory=list)
    _is_cut: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        timeout = Timeout(connect=self.limits.connect, read=self.limits.read)
        more = {"cert_reqs": "CERT_REQUIRED"} if self.url.startswith("https:") else {}
        self._pool = connection_from_url(self.url, timeout=timeout, retries=False, maxsize=1, **more)
        make = self._pool.ConnectionCls

        def made(*args: Any, **settings: Any) -> Any:  # noqa: ANN401  whatever urllib3 says
            connection = make(*args, **settings)
            self._watch(connection)
            return connection

        self._pool.ConnectionCls = made  # type: ignore[assignment]  # urllib3 only calls it

    def post(self, headers: Mapping[str, str], body: bytes, result: _Result) -> None:
        """Send the request and keep what comes of it."""
        try:
            response = self._pool.urlopen(
                "POST",
                parse_url(self.url).request_uri,
                body,
                headers,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            result.answer = Answer(response.status, self._read(response), response.headers.get("Retry-After", ""))
        except Exception as error:  # noqa: BLE001  this is another thread: nobody but the result hears of it
            result.error = error

    def cut(self) -> None:
        """End whatever is under way, so that the thread ends that waits for it. What is not sent yet never is."""
        self._is_cut = True
        for connection in self._connections:
            with suppress(OSError):  # it has ended by itself
                if connection.sock is not None:
                    socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)

    def _watch(self, connection: Any) -> None:  # noqa: ANN401  urllib3's own
        """Be able to cut the connection. While it is being made there is nothing to cut: then nothing is sent over it."""
        connect = connection.connect

        def connect_in_time() -> None:
            connect()
            if self._is_cut:
                connection.close()
                msg = "it was cut off while connecting"
                raise UnansweredError(msg)

        connection.connect = connect_in_time
        self._connections.append(connection)

    def _read(self, response: HTTPResponse | Any) -> bytes:  # noqa: ANN401  urllib3's types name its base
        most = self.limits.answer_bytes
        body = b""
        while chunk := response.read(_CHUNK_BYTES):
            body += chunk
            if len(body) > most:
                response.close()  # the rest is not wanted, and the connection would still carry it
                msg = f"it was larger than {most} bytes"
                raise UnansweredError(msg)
        response.release_conn()
        return body


def _words(error: Exception | None) -> str:
    """What went wrong, without the address: an error of urllib3 quotes it."""
    if isinstance(error, UnansweredError):
        return str(error)
    return f"{type(error).__name__}" if isinstance(error, HTTPError | OSError) else f"failed with {type(error).__name__}"
