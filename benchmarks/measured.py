"""A process of its own for each figure, so that its memory is that of one thing only."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


class Context:
    """What Lambda says about an invocation that has time enough."""

    aws_request_id = function_name = invoked_function_arn = "benchmark"
    memory_limit_in_mb = "1024"

    def get_remaining_time_in_millis(self) -> int:
        """A quarter of an hour, however long it takes."""
        return 900_000


class Measuring:
    """A benchmark that runs itself in fresh processes, by turns.

    Args:
        script: Its file. With ``--run NAME ...`` it prints what one run of that way comes to: its ``rate`` and more.
        pattern: The pattern whose handler is measured: its code is on the path of these processes, with what it needs.
        environment: Their environment variables.
    """

    def __init__(self, script: str, pattern: str, environment: Mapping[str, str]) -> None:
        self._script = script
        paths = os.pathsep.join(_paths(pattern))
        self._environment = {"PATH": os.environ["PATH"], "PYTHONPATH": paths, "LOG_LEVEL": "WARNING", **environment}

    def by_turns(self, ways: Mapping[str, Sequence[object]], runs: int) -> list[dict[str, Any]]:
        """The fastest of so many runs of each way with these arguments: what is slower was kept waiting by something else."""
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
        for turn in range(1, runs + 1):
            for name, arguments in ways.items():
                progress(f"{name} {' '.join(map(str, arguments))}, run {turn} of {runs}")
                found[name].append(self._run(name, *map(str, arguments)))
        return [max(results, key=itemgetter("rate")) for results in found.values()]

    def _run(self, *arguments: str) -> dict[str, Any]:
        command = [sys.executable, "-P", self._script, "--run", *arguments]  # -P: a script has the name of a package it imports
        output = subprocess.run(command, env=self._environment, check=True, stdout=subprocess.PIPE, text=True).stdout
        found: dict[str, Any] = json.loads(output.splitlines()[-1])
        return found


def _paths(pattern: str) -> list[str]:
    """The folders that a bundled handler imports from: its code, and what it needs, as the locks have it."""
    from serverless_patterns._blocks.packaging import installed  # noqa: PLC0415  only here CDK is needed

    source = ROOT / "lambda_src"
    locks = (source / "requirements.txt", source / pattern / "requirements.txt")
    return [str(source), *(str(installed(lock, "host")) for lock in locks)]


def peak_megabytes() -> float:
    """The most memory that this process ever had.

    Linux's ``ru_maxrss`` begins with that of the process which started this one, so its own mark is read where there is one.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        (line,) = [line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) / 1000
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1_000_000 if sys.platform == "darwin" else 1000)


def progress(text: str) -> None:
    """Say what is done now, where it does not get between the figures."""
    print(text, file=sys.stderr, flush=True)
