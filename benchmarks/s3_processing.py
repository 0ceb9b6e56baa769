"""What S3Processing does with large files: rows per second, calls and memory of its handler, against the obvious loop.

The loop reads the object, gives it to ``csv.DictReader`` and puts one item for each row: no limits, no look at what the file
really is, no status, no result, no announcement. Both talk to the same AWS on loopback (``benchmarks/loopback.py``, which says
why), each in a fresh process for each size, by turns in this one run; a busy machine slows both, so the figure is the ratio. It
slows them unequally, as the loop waits for each answer: then the ratio of the processor time says more.
"""

import argparse
import csv
import io
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(1, str(ROOT))

from benchmarks.loopback import Loopback, loopback
from benchmarks.measured import Context, Measuring, peak_megabytes

MEGABYTE = 1_000_000
HEADER = b"id,customer,email,amount,currency,placed_at,state,note\n"
ROW = b"order-%08d,customer-%04d,customer-%04d@example.com,%07.2f,EUR,2026-03-01T12:00:00Z,PAID,gift %022d\n"
#: A first object of a few rows, so that what is imported and connected at the first use is not in the time.
WARM_UP, WARM_UP_ROWS = "warm_up.csv", 100
#: Of one BatchWriteItem.
MOST_ITEMS = 25
SETTINGS = {
    "POWERTOOLS_SERVICE_NAME": "benchmark",
    "POWERTOOLS_METRICS_NAMESPACE": "benchmark",
    "BUCKET_NAME": "bucket",
    "OUTPUT_BUCKET_NAME": "output",
    "TABLE_NAME": "objects",
    "TOPIC_ARN": "arn:aws:sns:eu-central-1:123456789012:objects",
    "QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/objects",
    "DEAD_LETTER_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/dead",
    "MAX_ROWS": "100000000",
}


def main() -> None:
    """Print the rates, the calls and the memory of both, and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, nargs="+", default=[1, 10, 100], help="sizes of the files; default 1 10 100")
    parser.add_argument("--puts", type=int, default=20_000, help="rows that the loop puts at most, as each costs the same")
    parser.add_argument("--runs", type=int, default=2, help="how often each runs, of which the fastest counts; default 2")
    parser.add_argument("--quick", action="store_true", help="1 and 2 MB, 500 puts, once: whether it works at all")
    parser.add_argument("--run", nargs=3, metavar=("NAME", "KEY", "ROWS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        name, key, rows = arguments.run
        print(json.dumps(run(WAYS[name](), key, int(rows))))
    elif arguments.quick:
        compare([1, 2], puts=500, runs=1)
    else:
        compare(arguments.megabytes, arguments.puts, arguments.runs)


def compare(sizes: list[int], puts: int, runs: int) -> None:
    """Measure both at each size, and print a line for each."""
    print(f"{'':15}{'rows a second':>25}{'processor us a row':>25}{'calls for 1,000 rows':>24}{'peak memory in MB':>20}")
    print(
        f"{'MB':>4}{'rows':>11}"
        + f"{'bundled':>10}{'loop':>8}{'ratio':>7}" * 2
        + f"{'bundled':>15}{'loop':>9}{'bundled':>12}{'loop':>8}"
    )
    peaks = []
    with tempfile.TemporaryDirectory() as folder, loopback(Path(folder)) as aws:
        measuring = Measuring(__file__, "s3_processing", {**SETTINGS, **aws.environment})
        write_csv(Path(folder) / WARM_UP, WARM_UP_ROWS)
        for size in sizes:
            key, rows = f"{size}.csv", size * MEGABYTE // len(row(0))
            write_csv(Path(folder) / key, rows)
            one, other = measuring.by_turns({"bundled": (key, rows), "loop": (key, min(rows, puts))}, runs)
            print(f"{size:>4}{rows:>11,}{one['rate']:>10,.0f}{other['rate']:>8,.0f}{one['rate'] / other['rate']:>7.1f}", end="")
            print(f"{one['cpu']:>10.0f}{other['cpu']:>8.0f}{other['cpu'] / one['cpu']:>7.1f}", end="")
            print(f"{one['calls']:>15.1f}{other['calls']:>9.1f}{one['peak']:>12.0f}{other['peak']:>8.0f}", flush=True)
            peaks.append((one["peak"], other["peak"]))
    (least, least_loop), (most, most_loop) = peaks[0], peaks[-1]
    print(f"peak memory, {sizes[-1]} MB : {sizes[0]} MB   bundled {most / least:.2f}   loop {most_loop / least_loop:.2f}")


def row(number: int) -> bytes:
    """A row; each has the same length."""
    return ROW % (number, number % 10_000, number % 10_000, number % 9_999, number)


def write_csv(file: Path, rows: int) -> None:
    """Write a file with so many rows."""
    with file.open("wb") as out:
        out.write(HEADER)
        out.writelines(row(number) for number in range(rows))


def run(work: Callable[[str, int], None], key: str, rows: int) -> dict[str, float]:
    """Rows per second, processor time for each, calls for a thousand of them, and memory: of this process."""
    aws = Loopback.of_environment()
    work(WARM_UP, WARM_UP_ROWS)
    aws.calls()
    begun, used = time.perf_counter(), time.process_time()
    work(key, rows)
    seconds, used = time.perf_counter() - begun, time.process_time() - used
    calls = aws.calls()
    written = calls.get("PutItem", 0) + MOST_ITEMS * calls.get("BatchWriteItem", 0)
    if written < rows:
        sys.exit(f"{written} rows of {key} were written at most, and not {rows}: {calls}")
    per_thousand = 1000 * sum(calls.values()) / rows
    return {"rate": rows / seconds, "cpu": 1e6 * used / rows, "calls": per_thousand, "peak": peak_megabytes()}


def bundled() -> Callable[[str, int], None]:
    """The handler, which hears of an object by a message of its queue."""
    from s3_processing.handler import handler  # noqa: PLC0415  only the measured process has it on its path

    context: Any = Context()

    def work(key: str, _: int) -> None:
        answer = handler({"Records": [message(key)]}, context)
        if answer != {"batchItemFailures": []}:
            sys.exit(f"{key} was not worked: {answer}")

    return work


def loop() -> Callable[[str, int], None]:
    """What one writes first."""
    import boto3  # noqa: PLC0415  only the measured process needs it

    bucket, table = boto3.client("s3"), boto3.client("dynamodb")

    def work(key: str, rows: int) -> None:
        text = bucket.get_object(Bucket=SETTINGS["BUCKET_NAME"], Key=key)["Body"].read().decode()
        for number, each in enumerate(itertools.islice(csv.DictReader(io.StringIO(text)), rows)):
            item = {"object": {"S": key}, "row": {"N": str(number)}, **{name: {"S": value} for name, value in each.items()}}
            table.put_item(TableName=SETTINGS["TABLE_NAME"], Item=item)

    return work


def message(key: str) -> dict[str, Any]:
    """The message about an object, as SQS delivers what EventBridge says."""
    created = {"key": key, "size": 1, "etag": "0", "version-id": "1", "sequencer": "00"}
    detail = {"bucket": {"name": SETTINGS["BUCKET_NAME"]}, "object": created}
    return {
        "messageId": key,
        "receiptHandle": key,
        "body": json.dumps({"detail-type": "Object Created", "source": "aws.s3", "detail": detail}),
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1767225600000"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:objects",
    }


#: Both ways, in the order in which they are printed.
WAYS = {"bundled": bundled, "loop": loop}

if __name__ == "__main__":
    main()
