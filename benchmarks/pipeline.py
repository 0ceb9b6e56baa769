"""What the promises of SqsPipeline cost: its worker against a plain one, on the emulator and in process.

Both are deployed in one stack on the same kind of queue. The plain worker puts one item for each message and does nothing
else: no validation, no idempotency, no payment, no announcement. Messages go straight into the queue; the clock runs from the
first one that is sent to the last row that is final. Both take turns in this one run: the figure is the ratio.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from serverless_patterns.local.account import Account, Stack
from serverless_patterns.local.cdk_cli import App, CdkCli
from serverless_patterns.local.emulator import Emulator
from serverless_patterns.local.payment_provider import PaymentProvider
from serverless_patterns.local.processes import wait_until
from serverless_patterns.local.queues import Queue
from serverless_patterns.sqs_pipeline import ORDER

PLAIN = """\
import json, os, boto3
client = boto3.client("dynamodb")
def handler(event, context):
    for record in event["Records"]:
        order = json.loads(record["body"])
        client.put_item(TableName=os.environ["TABLE_NAME"], Item={"id": {"S": order["id"]}, "state": {"S": "PAID"}})
    return {"batchItemFailures": []}
"""
APP = """\
import sys
sys.path.insert(0, {root!r})
import aws_cdk as cdk
from serverless_patterns import Capacity, Handler, LOCAL, SqsPipeline, WorkerOptions
app = cdk.App()
operations = LOCAL.operations.replace(capacity=Capacity(max_concurrency=4), log_level="INFO")
for name, handler in (("bundled", None), ("plain", Handler.from_directory({folder!r}, "plain.handler"))):
    stack = cdk.Stack(app, name)
    pipeline = SqsPipeline(stack, "Orders", handler=handler, worker=WorkerOptions(max_concurrency=4), operations=operations)
    for key, value in pipeline.outputs.items():
        cdk.CfnOutput(stack, key, value=value)
app.synth()
"""
#: Runs in a process of its own with the layer on its path: what one message costs in processor time, and which calls it makes.
#: The calls are answered at once, so the time is that of the handler and of boto3, not of the network or the payment API.
IN_PROCESS = """\
import collections, importlib, json, sys, time
from botocore.awsrequest import AWSResponse
from botocore.httpsession import URLLib3Session
module, messages = sys.argv[1], int(sys.argv[2])
calls, rows = collections.Counter(), {}
PUBLISHED = b"<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>"
class Body:
    def __init__(self, content):
        self.content = content
    def stream(self):
        yield self.content
def answer(session, request):
    target = request.headers.get("X-Amz-Target")
    if target is None:
        calls["Publish"] += 1
        return AWSResponse(request.url, 200, {}, Body(PUBLISHED))
    target, parameters = target.decode() if isinstance(target, bytes) else target, json.loads(request.body)
    operation = target.rpartition(".")[2]
    calls[operation + " " + parameters.get("TableName", "")] += 1
    return AWSResponse(request.url, 200, {}, Body(json.dumps(result(operation, parameters)).encode()))
def result(operation, parameters):
    if operation == "GetSecretValue":
        return {"SecretString": json.dumps({"url": "http://127.0.0.1/", "api_key": "key"})}
    if operation != "UpdateItem" or parameters["TableName"] != "orders":
        return {}
    values, now = parameters["ExpressionAttributeValues"], {"S": "2026-01-01T00:00:00.000Z"}
    new = {"id": parameters["Key"]["id"], "attempts": {"N": "1"}, "updated_at": now}
    row = rows.setdefault(new["id"]["S"], new)
    if ":order" in values:
        row |= {"order": values[":order"], "body_hash": values[":hash"]}
    row["state"] = values.get(":outcome", {"S": "PROCESSING"})
    return {"Attributes": row}
URLLib3Session.send = answer
handler = importlib.import_module(module).handler
if module != "plain":
    from shared.transport import Answer, Transport
    Transport.post = lambda *_: Answer(200, b'{"status": "approved", "id": "pay_1"}')
class Context:
    aws_request_id = function_name = invoked_function_arn = "benchmark"
    memory_limit_in_mb = "512"
    def get_remaining_time_in_millis(self):
        return 30_000
def record(n):
    body = json.dumps({"id": f"order-{n}", "customer_id": "c", "amount": 19.99, "currency": "EUR"})
    attributes = {"ApproximateReceiveCount": "1", "SentTimestamp": "1767225600000"}
    return {"messageId": f"m{n}", "receiptHandle": "r", "body": body, "attributes": attributes, "messageAttributes": {},
            "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:orders"}
def work(first, last):
    for start in range(first, last, 10):
        answer = handler({"Records": [record(n) for n in range(start, min(start + 10, last))]}, Context())
        assert answer == {"batchItemFailures": []}, answer
work(-100, 0)
calls.clear()
began = time.process_time()
work(0, messages)
seconds = time.process_time() - began
print("RESULT" + json.dumps({"microseconds": 1e6 * seconds / messages, "calls": {k: n / messages for k, n in calls.items()}}))
"""


def main() -> None:
    """Print what both workers cost and how fast they are, and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sizes = [100, 500, 1000, 2000]
    parser.add_argument("--messages", type=int, nargs="+", default=sizes, help="sizes of the runs; default 100 500 1000 2000")
    sizes = parser.parse_args().messages
    print_costs(max(sizes))
    with deployed() as (account, bundled, plain), PaymentProvider() as provider:
        provider.put_secret(account, bundled.outputs["PaymentSecretArn"])
        for stack in (bundled, plain):
            rate(account, stack, 50)  # the first messages meet cold workers
        print(f"\n{'messages':>8}{'bundled':>12}{'plain':>12}{'ratio':>8}")
        for size in sizes:
            one, other = rate(account, bundled, size), rate(account, plain, size)
            print(f"{size:>8}{one:>10.0f}/s{other:>10.0f}/s{other / one:>8.1f}")
        print(f"\n{len(provider.charges)} orders charged, {len(provider.double_charges)} of them more than once")


def print_costs(messages: int) -> None:
    """Print processor time and calls for each message, without an emulator."""
    costs = {module: in_process(module, messages) for module in ("sqs_pipeline.handler", "plain")}
    plain = costs["plain"]
    for module, cost in costs.items():
        number = sum(cost["calls"].values())
        print(f"{module:<24}{cost['microseconds']:>8.0f} us a message{number:>8.2f} calls a message", end="")
        print(f"{cost['microseconds'] / plain['microseconds']:>8.1f} x")
    for name, number in costs["sqs_pipeline.handler"]["calls"].items():
        print(f"    {name:<30}{number:>6.3f}")


def in_process(module: str, messages: int) -> dict[str, Any]:
    """What a handler does for each message, in a fresh process."""
    from serverless_patterns._blocks.packaging import installed  # noqa: PLC0415  only this part needs CDK

    layer = installed(ROOT / "lambda_src" / "requirements.txt", "host")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "plain.py").write_text(PLAIN)
        schema = Path(folder) / "schema.json"
        schema.write_text(json.dumps(ORDER))
        environment = {
            "PYTHONPATH": os.pathsep.join([folder, str(ROOT / "lambda_src"), str(layer)]),
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
            "POWERTOOLS_SERVICE_NAME": "benchmark",
            "POWERTOOLS_METRICS_NAMESPACE": "benchmark",
            "RESOURCE": "orders",
            "TABLE_NAME": "orders",
            "IDEMPOTENCY_TABLE_NAME": "idempotency",
            "CIRCUIT_TABLE_NAME": "circuit",
            "QUEUE_URL": "https://queue",
            "DEAD_LETTER_QUEUE_URL": "https://dead-letter-queue",
            "TOPIC_ARN": "arn:aws:sns:eu-central-1:123456789012:orders",
            "PAYMENT_SECRET_ARN": "secret",
            "SCHEMA_FILE": str(schema),
            "LOG_LEVEL": "WARNING",
        }
        command = [sys.executable, "-c", IN_PROCESS, module, str(messages)]
        output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    result: dict[str, Any] = json.loads(output.rpartition("RESULT")[2])
    return result


@contextmanager
def deployed() -> Iterator[tuple[Account, Stack, Stack]]:
    """Both pipelines on an emulator of their own."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "app"
        (folder / "plain").mkdir(parents=True)
        (folder / "plain" / "plain.py").write_text(PLAIN)
        (folder / "app.py").write_text(APP.format(root=str(ROOT), folder=str(folder / "plain")))
        with Emulator.start(Path(temporary) / "emulator") as emulator:
            cli = CdkCli(App(folder, f"{sys.executable} app.py"), emulator)
            assembly = cli.synth(lambda _: None)
            cli.bootstrap(assembly, lambda _: None)
            cli.deploy(assembly, lambda _: None)
            account = Account(emulator.url)
            yield account, account.stack("bundled"), account.stack("plain")


def rate(account: Account, stack: Stack, messages: int) -> float:
    """Messages per second: so many are sent, and the clock stops when each has its final row."""
    prefix = f"{time.time_ns()}"
    orders = ({"id": f"{prefix}-{n}", "customer_id": f"c{n % 7}", "amount": 19.99, "currency": "EUR"} for n in range(messages))
    began = time.perf_counter()
    Queue(account, stack.outputs["QueueUrl"]).send(*map(json.dumps, orders))
    if not wait_until(lambda: paid(account, stack, prefix) == messages, seconds=300, interval=0.2):
        sys.exit(f"only {paid(account, stack, prefix)} of {messages} orders are paid after five minutes")
    return messages / (time.perf_counter() - began)


def paid(account: Account, stack: Stack, prefix: str) -> int:
    """How many orders of a run are paid."""
    pages = (
        account.client("dynamodb")
        .get_paginator("scan")
        .paginate(
            TableName=stack.outputs["TableName"],
            Select="COUNT",
            FilterExpression="begins_with(id, :prefix) AND #state = :paid",
            ExpressionAttributeNames={"#state": "state"},
            ExpressionAttributeValues={":prefix": {"S": prefix}, ":paid": {"S": "PAID"}},
        )
    )
    return sum(page["Count"] for page in pages)


if __name__ == "__main__":
    main()
