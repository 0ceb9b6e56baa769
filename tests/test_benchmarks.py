"""The benchmarks run, and print what docs/performance.md says they do; no time is asserted."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def quick(name):
    """What a benchmark prints with small sizes, line by line, and what it says meanwhile."""
    command = [sys.executable, f"benchmarks/{name}.py", "--quick"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines(), run.stderr


def numbers(line):
    return [float(number.replace(",", "")) for number in re.findall(r"\d[\d,]*(?:\.\d+)?", line)]


def test_the_benchmark_of_files_prints_rates_calls_and_memory_of_both_ways_for_each_size():
    (_, head, *lines, last), said = quick("s3_processing")
    assert head.split() == ["MB", "rows", *["bundled", "loop", "ratio"] * 2, *["bundled", "loop"] * 2]
    assert [len(numbers(line)) for line in lines] == [12, 12]
    for line in lines:
        megabytes, rows, *rates, calls, calls_of_loop, peak, peak_of_loop = numbers(line)
        assert 8_000 * megabytes < rows < 9_000 * megabytes
        assert min(*rates, peak, peak_of_loop) > 0
        assert 40 <= calls < 42  # 25 rows in a call, and a few for the whole file
        assert 1_000 < calls_of_loop < 1_010
    assert re.fullmatch(r"peak memory, 2 MB : 1 MB   bundled \d+\.\d\d   loop \d+\.\d\d", last)
    assert "bundled 2.csv" in said


def test_the_benchmark_of_reports_prints_rates_and_memory_of_both_ways_for_each_size():
    (_, head, *lines, last), said = quick("report")
    assert head.split() == ["rows", *["bundled", "fetchall", "ratio"] * 3]
    assert [numbers(line)[0] for line in lines] == [1_000, 5_000]
    for line in lines:
        assert len(numbers(line)) == 10
        assert min(numbers(line)) > 0
    assert re.fullmatch(r"peak memory, 5,000 rows : 1,000 rows   bundled \d+\.\d\d   fetchall \d+\.\d\d", last)
    assert "fetchall 5000" in said


def test_each_benchmark_is_named_by_the_page_of_figures():
    scripts = [
        script.name for script in (ROOT / "benchmarks").glob("*.py") if "\ndef main(" in script.read_text(encoding="utf-8")
    ]
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert {"s3_processing.py", "report.py"} <= set(scripts)
    assert [script for script in scripts if f"`python benchmarks/{script}`" not in page] == []
