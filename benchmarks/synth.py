"""What defining and synthesising costs: the app of this repository against the floor, and one more instance of a pattern.

The floor is a process that imports the same CDK modules and synthesises an empty stack: what any CDK app in Python pays. All
runs of both alternate in this one run, so that a busy machine slows both; the figure is the ratio of the medians.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FLOOR = """\
import aws_cdk as cdk
from aws_cdk import aws_apigateway, aws_apigatewayv2, aws_apigatewayv2_authorizers, aws_apigatewayv2_integrations
from aws_cdk import aws_cloudwatch, aws_cloudwatch_actions, aws_cognito, aws_dynamodb, aws_iam, aws_kms, aws_lambda, aws_logs
from aws_cdk import aws_sns
app = cdk.App()
cdk.Stack(app, "Empty")
app.synth()
"""
#: CloudFormation takes 500 resources a stack: so many instances of ApiCrud fit into one.
INSTANCES_PER_STACK = 10


def main() -> None:
    """Print both figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7, help="how often each process runs; default 7")
    parser.add_argument("--instances", type=int, default=50, help="the most instances of ApiCrud; default 50")
    arguments = parser.parse_args()
    compare_processes(arguments.runs)
    compare_instances(arguments.instances)


def compare_processes(runs: int) -> None:
    """Whole processes: import, define, synthesise; with CDK's template validation off in both."""
    floor, app = [], []
    for _ in range(runs):
        floor.append(seconds([sys.executable, "-c", FLOOR]))
        app.append(seconds([sys.executable, str(ROOT / "app.py")]))
    low, high = statistics.median(floor), statistics.median(app)
    print(f"floor (same imports, empty stack)     {low:.2f} s   (median of {runs}, {min(floor):.2f} to {max(floor):.2f})")
    print(f"app.py (all patterns of the catalogue) {high:.2f} s   (median of {runs}, {min(app):.2f} to {max(app):.2f})")
    print(f"ratio                                  {high / low:.2f}")


def seconds(command: list[str]) -> float:
    """How long a process takes that synthesises into a folder of its own, packing nothing."""
    with tempfile.TemporaryDirectory() as folder:
        context = '{"aws:cdk:bundling-stacks": []}'
        environment = {**os.environ, "CDK_VALIDATION": "false", "CDK_OUTDIR": folder, "CDK_CONTEXT_JSON": context}
        start = time.perf_counter()
        subprocess.run(command, cwd=ROOT, env=environment, check=True, stderr=subprocess.DEVNULL)
        return time.perf_counter() - start


def compare_instances(most: int) -> None:
    """The cost of one more instance, in one process."""
    os.environ["CDK_VALIDATION"] = "false"
    sys.path.insert(0, str(ROOT))
    define_and_synthesise(1)  # the first use of each CDK class costs once
    print("\ninstances of ApiCrud   define + synth   for each one more")
    before, count = 0.0, 0
    for instances in range(10, most + 1, 10):
        taken = min(define_and_synthesise(instances) for _ in range(3))
        print(f"{instances:>19}   {taken:>12.2f} s   {(taken - before) / (instances - count) * 1000:>14.1f} ms")
        before, count = taken, instances


def define_and_synthesise(instances: int) -> float:
    """Seconds for an app with this many instances and their alarms."""
    import aws_cdk as cdk  # noqa: PLC0415  timed in the other figure

    from serverless_patterns import Alerts, ApiCrud  # noqa: PLC0415  the same

    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    start = time.perf_counter()
    app = cdk.App(context={"aws:cdk:bundling-stacks": []})
    for number in range(instances):
        if number % INSTANCES_PER_STACK == 0:
            stack = cdk.Stack(app, f"Stack{number}")
        ApiCrud(stack, f"Api{number}", resource="things", schema=schema).add_alarms(Alerts())
    app.synth()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
