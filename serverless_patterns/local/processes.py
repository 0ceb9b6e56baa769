"""Child processes that never outlive their purpose: each leads a group, and a group is ended as a whole."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

#: The longest that a group has for ending itself, in seconds, before it is killed.
GRACE = 5.0
#: Runs a command whose group is killed when its standard input ends. We hold the other end of that, however we end.
TIED_TO_US = 'exec 3<&0 </dev/null; { read -r line <&3; kill -KILL 0; } >/dev/null 2>&1 & exec "$@" 3<&-'


def run(
    command: Sequence[str], *, folder: Path, environment: Mapping[str, str], on_line: Callable[[str], None]
) -> tuple[int, str]:
    """Run a command in a folder and return its exit code and its output; each line goes to ``on_line`` as it comes.

    Whatever interrupts the wait (Ctrl-C, an error in ``on_line``) ends the command and all that it has started; so does the end
    of this process.
    """
    lines = []
    process = subprocess.Popen(  # noqa: S603  the commands are those of the CDK CLI
        ["/bin/sh", "-c", TIED_TO_US, "sh", *command],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            for line in process.stdout or ():
                lines.append(line)
                on_line(line.rstrip())
            process.wait()  # leaving this block ends its standard input, and what still runs by then
        except BaseException:
            _end(process)
            raise
    return process.returncode, "".join(lines)


def _end(process: subprocess.Popen[str]) -> None:
    """Let a group clean up, and kill what is left of it: all of it has ended when nobody holds its output any longer."""
    try:
        signal_group(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=GRACE)
    finally:
        signal_group(process.pid, signal.SIGKILL)


def signal_group(leader: int, number: signal.Signals) -> None:
    """Send a signal to a process and to all that it has started; a group that is gone needs none."""
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        return


def wait_until(met: Callable[[], bool], *, seconds: float, interval: float = 0.05) -> bool:
    """Wait until a condition is met, at most so many seconds, and return whether it is."""
    end = time.monotonic() + seconds
    while not met():
        if time.monotonic() > end:
            return False
        time.sleep(interval)
    return True
