"""ApiCrud broken on purpose: a DynamoDB that is out, throttles, is slow or answers nonsense, and a function that hangs."""

import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from serverless_patterns.local.http_api import HttpApi, Request
from tests.local.pipeline import NOBODY
from tests.support.functions import DeployedFunction

BODY = """
schema = {"type": "object", "properties": {"name": {"type": "string"}}}
pattern = ApiCrud(stack, "Users", resource="users", schema=schema, timeout=Duration.seconds(8), operations=LOCAL.operations)
"""
THROTTLED = (400, {"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException", "message": "arn:aws:dynamodb:secret"})
#: What the function meets in the place of DynamoDB -> what the client gets.
FAULTS = {"out": 503, "throttled": 503, "slow": 503, "nonsense": 500}


class FakeDynamoDb(ThreadingHTTPServer):
    """Answers every request in the same wrong way."""

    daemon_threads = True

    def __init__(self, fault):
        self.fault = fault
        super().__init__(("127.0.0.1", 0), Wrong)


class Wrong(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.fault == "slow":
            time.sleep(20)
        status, body = THROTTLED if self.server.fault == "throttled" else (200, ["<html>"])
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        """Write nothing."""


@contextmanager
def dynamodb_that_is(fault) -> Iterator[str]:
    """The address of a DynamoDB with this fault."""
    if fault == "out":
        yield NOBODY
        return
    server = FakeDynamoDb(fault)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def users(deploy_app):
    body = "from aws_cdk import Duration\n" + BODY
    return deploy_app("failing-users", body)


@pytest.fixture(scope="module")
def function(emulator, account, users):
    pages = account.client("lambda").get_paginator("list_functions").paginate()
    names = [each["FunctionName"] for page in pages for each in page["Functions"]]
    (name,) = [each for each in names if each.startswith("failing-users")]
    return DeployedFunction(emulator, account, name)


def post(account, users, key):
    headers = {"Idempotency-Key": key}
    request = Request(method="POST", path="/users", body=json.dumps({"name": "Ada"}), headers=headers)
    return HttpApi(account, users, on_hop=lambda _: None).send(request)


def names(account, users):
    return account.table(users.outputs["TableName"]).scan()["Items"]


@pytest.mark.parametrize("fault", FAULTS)
def test_while_dynamodb_fails_a_request_is_refused_in_time_and_works_afterwards_once(account, users, function, fault):
    before = len(names(account, users))
    with dynamodb_that_is(fault) as address, function.changed(AWS_ENDPOINT_URL_DYNAMODB=address):
        began = time.monotonic()
        refused = post(account, users, fault)
    assert refused.status == FAULTS[fault]
    assert ("Retry-After" in refused.headers) is (refused.status == 503)
    assert "arn:" not in refused.text
    assert time.monotonic() - began < 20
    assert [post(account, users, fault).status for _ in range(2)] == [201, 201]
    assert len(names(account, users)) == before + 1


def test_a_function_that_hangs_is_ended_the_client_gets_5xx_and_the_same_request_works_once(account, users, function):
    before = len(names(account, users))
    assert post(account, users, "first").status == 201
    found = function.processes()
    assert found
    for process in found:
        process.send_signal(signal.SIGSTOP)
    refused = post(account, users, "hangs")
    assert 500 <= refused.status < 600
    assert [post(account, users, "hangs").status for _ in range(2)] == [201, 201]
    assert len(names(account, users)) == before + 2
