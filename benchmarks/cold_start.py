"""What a cold start costs beyond Lambda's own: the init of a bundled handler against a bare boto3 handler.

Each init runs in a fresh process, as on Lambda: boto3 with byte code (Lambda's runtime has it), the handler and its layer
without (a layer is read-only, so Python compiles it anew in each cold start). Both alternate in this one run; the figure is
the ratio of the medians.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

BARE = """\
import boto3
client = boto3.client("dynamodb")
def handler(event, context):
    return client.get_item(TableName="table", Key={"id": {"S": "1"}})
"""
TIMED = "import time; start = time.perf_counter(); {code}; print((time.perf_counter() - start) * 1000)"


def main() -> None:
    """Print the init time of each handler, and its ratio to the bare one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15, help="how often each init runs; default 15")
    runs = parser.parse_args().runs
    from serverless_patterns._blocks.packaging import installed  # noqa: PLC0415  importing CDK is not timed

    layer = installed(ROOT / "lambda_src" / "requirements.txt", "host")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "bare.py").write_text(BARE)
        schema = Path(folder) / "schema.json"
        schema.write_text(json.dumps({"type": "object", "properties": {"name": {"type": "string"}}}))
        paths = os.pathsep.join([folder, str(ROOT / "lambda_src"), str(layer)])
        taken: dict[str, list[float]] = {"bare": [], "api_crud.handler": []}
        for _ in range(runs):
            for module, times in taken.items():
                times.append(init(module, paths, schema))
    bare = statistics.median(taken["bare"])
    for module, times in taken.items():
        middle = statistics.median(times)
        print(f"{module:<20} {middle:>6.0f} ms   {middle / bare:>5.2f} x   (median of {runs}, from {min(times):.0f})")


def init(module: str, paths: str, schema: Path) -> float:
    """Milliseconds for importing a handler in a fresh process."""
    environment = {
        "PYTHONPATH": paths,
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_LAMBDA_FUNCTION_NAME": "benchmark",  # what the handler makes in the init phase, it makes now
        "POWERTOOLS_SERVICE_NAME": "benchmark",
        "RESOURCE": "items",
        "TABLE_NAME": "table",
        "IDEMPOTENCY_TABLE_NAME": "keys",
        "IDEMPOTENCY_TTL_SECONDS": "86400",
        "MAX_BODY_BYTES": "262144",
        "SCHEMA_FILE": str(schema),
        "LOG_LEVEL": "INFO",
        "DEBUG_SAMPLE_RATE": "0",
    }
    command = [sys.executable, "-c", TIMED.format(code=f"import {module}")]
    return float(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    main()
