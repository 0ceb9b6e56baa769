"""An HTTP server between a deployed function and AWS's services: it passes each call on, unless a test says otherwise."""

import http.client
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

#: By the names that boto3's settings have for them: ``AWS_ENDPOINT_URL_S3``.
SERVICES = {"dynamodb": "DYNAMODB", "rds-data": "RDS_DATA", "s3": "S3", "sns": "SNS", "ses": "SESV2"}
#: Seconds that a call is kept back at most: a test that fails must not keep anything waiting.
LONGEST = 30
_SCOPE = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/aws4_request")


@dataclass(frozen=True)
class Call:
    """A call of the function: the name of the service as in its signature, the method, the path and what is sent."""

    service: str
    method: str
    path: str
    body: bytes = b""


@dataclass(frozen=True)
class Refusal:
    """An answer in the place of the service's own."""

    status: int
    body: bytes
    error: str = ""


def refusal_in_json(error, message="no"):
    """How ``rds-data`` refuses."""
    return Refusal(400, json.dumps({"message": message}).encode(), error)


def refusal_of_dynamodb(error, message="no"):
    """How DynamoDB refuses."""
    return Refusal(400, json.dumps({"__type": f"com.amazon.coral.service#{error}", "message": message}).encode(), error)


def refusal_in_xml(code):
    """How S3 refuses."""
    return Refusal(403, b"<Error><Code>%s</Code><Message>no</Message></Error>" % code.encode())


class Between:
    """What is between; ``with`` ends it.

    Args:
        url: Where calls are passed on to.
    """

    def __init__(self, url):
        self._target = urlsplit(url)
        self._rule = lambda _: None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    @property
    def variables(self):
        """The environment variables that make a function call here."""
        url = f"http://127.0.0.1:{self._server.server_port}"
        return {f"AWS_ENDPOINT_URL_{name}": url for name in SERVICES.values()}

    @contextmanager
    def refusing(self, rule):
        """As long as this lasts, ``rule(call)`` says how a call is refused, or None for those that are passed on."""
        self._rule = rule
        try:
            yield self
        finally:
            self._rule = lambda _: None

    @contextmanager
    def held(self, wanted, *, lost=False):
        """The first call that is wanted waits until this ends, and is then passed on, or lost; the event says that it waits."""
        waits, goes_on = threading.Event(), threading.Event()

        def rule(call):
            if not wanted(call) or waits.is_set():
                return None
            waits.set()
            goes_on.wait(LONGEST)
            return Refusal(503, b"") if lost else None

        with self.refusing(rule):
            try:
                yield waits
            finally:
                goes_on.set()

    def answer(self, call, target, headers, body):
        """What a call is answered: status, headers and body."""
        refusal = self._rule(call)
        if refusal is not None:
            return refusal.status, {"x-amzn-errortype": refusal.error} if refusal.error else {}, refusal.body
        connection = http.client.HTTPConnection(self._target.hostname, self._target.port, timeout=2 * LONGEST)
        try:
            connection.request(call.method, target, body, headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()


#: Headers of a connection and no other.
_OWN = {"connection", "expect", "transfer-encoding", "content-length", "keep-alive", "date", "server"}


def _handler(between):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            scope = _SCOPE.search(self.headers.get("Authorization", ""))
            call = Call(scope[1] if scope else "", self.command, urlsplit(self.path).path, body)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _OWN}
            status, answered, content = between.answer(call, self.path, headers, body)
            self.send_response(status)
            for name, value in answered.items():
                if name.lower() not in _OWN:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_PUT = do_DELETE = do_HEAD = do_POST  # noqa: N815  the names that the server looks for

        def log_message(self, *_):
            """Say nothing."""

    return Handler
