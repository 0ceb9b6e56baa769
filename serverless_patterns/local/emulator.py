"""The emulator: one child process on a free loopback port, with a folder of its own, that leaves nothing behind."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from serverless_patterns.errors import LocalRunError
from serverless_patterns.local import venvs
from serverless_patterns.local.processes import GRACE, signal_group, wait_until

LOOPBACK = "127.0.0.1"
HEALTH = "/_ministack/health"
#: The longest that the emulator may take until it answers, in seconds. It takes about one.
START_LIMIT = 60.0
PORTS = range(1, 65_536)
LAST_LINES = 15
STATE = "emulator.json"


@dataclass(frozen=True)
class ResourceTypes:
    """The CloudFormation resource types that an emulator accepts.

    Args:
        deployed: It makes the resource.
        only_accepted: It makes nothing, because the type only configures another resource.
    """

    deployed: frozenset[str]
    only_accepted: frozenset[str]


class Emulator:
    """An emulator that has been started; ``with`` stops it.

    Args:
        folder: Its own folder: state, temporary files, log.
        port: The loopback port that it answers on.
        pid: The process that leads its group.
        process: The same, for the one who started it.
    """

    def __init__(self, folder: Path, port: int, pid: int, process: subprocess.Popen[bytes] | None = None) -> None:
        self.folder = folder
        self.port = port
        self.pid = pid
        self._process = process

    @classmethod
    def start(cls, folder: Path, *, port: int | None = None, stop_with_parent: bool = True) -> Self:
        """Start an emulator and wait until it answers.

        Args:
            folder: Its own folder, made if it is not there.
            port: The loopback port. Default: a free one.
            stop_with_parent: Whether it ends when this process does, however that ends. Default on.

        Raises:
            LocalRunError: The port is none or taken, or the emulator died; the message has the end of its log.
        """
        port = usable_port(port)
        venvs.EMULATOR.build()
        venvs.RUNTIME.build()
        process = _launch(folder, port, stop_with_parent=stop_with_parent)
        emulator = cls(folder, port, process.pid, process)
        try:
            (folder / STATE).write_text(json.dumps({"port": port, "pid": process.pid}), encoding="utf-8")
            emulator._wait_until_healthy()
        except BaseException:
            emulator.stop()
            raise
        return emulator

    @classmethod
    def of_folder(cls, folder: Path) -> Self | None:
        """The emulator that was started with this folder, dead or alive; ``None`` if there was none."""
        state = folder / STATE
        return cls(folder, **json.loads(state.read_text(encoding="utf-8"))) if state.exists() else None

    @property
    def url(self) -> str:
        """Where it speaks AWS: the value of ``AWS_ENDPOINT_URL``."""
        return f"http://localhost:{self.port}"

    @property
    def log(self) -> Path:
        """What it has written."""
        return self.folder / "emulator.log"

    @property
    def temporary(self) -> Path:
        """The folder for temporary files, its own and those of what works for it."""
        return self.folder / "tmp"

    @property
    def alive(self) -> bool:
        """Whether its process lives, or a database that it started: they hold a lock on this file as long as they do."""
        with (self.folder / "alive").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    @property
    def healthy(self) -> bool:
        """Whether it answers."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=2)
        try:
            connection.request("GET", HEALTH)
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()

    @property
    def resource_types(self) -> ResourceTypes:
        """What it can deploy, in its own words."""
        types = json.loads((self.folder / "resource-types.json").read_text(encoding="utf-8"))
        return ResourceTypes(deployed=frozenset(types["deployed"]), only_accepted=frozenset(types["only accepted"]))

    def stop(self) -> None:
        """Stop it and all that it has started, and remove its folder. Stopping twice is once."""
        if self.folder.exists():
            if self.alive:  # else its number may be another process's by now
                signal_group(self.pid, signal.SIGTERM)
                wait_until(lambda: not self.alive, seconds=GRACE)
                signal_group(self.pid, signal.SIGKILL)
                wait_until(lambda: not self.alive, seconds=GRACE)
            shutil.rmtree(self.folder)
        if self._process:
            if self._process.stdin:
                self._process.stdin.close()
            self._process.wait()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Let an error that comes from the emulator's death say so.

        Raises:
            LocalRunError: The emulator is dead; the message has the end of its log.
        """
        try:
            yield
        except Exception as error:
            if self.alive:
                raise
            raise self.death() from error

    def death(self) -> LocalRunError:
        """The error that says how it died: its folder may go, its log is kept beside it."""
        kept = self.folder.with_name(f"{self.folder.name}-died.log")
        shutil.copyfile(self.log, kept)
        return LocalRunError(f"the emulator died; the end of {kept} says:\n{self._last_lines()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wait_until_healthy(self) -> None:
        ready = wait_until(lambda: self.healthy or not self.alive, seconds=START_LIMIT)
        if not self.alive:
            raise self.death()
        if not ready:
            msg = f"the emulator did not answer within {START_LIMIT:.0f} s:\n{self._last_lines()}"
            raise LocalRunError(msg)

    def _last_lines(self) -> str:
        with self.log.open(encoding="utf-8", errors="replace") as lines:
            return "".join(f"  {line}" for line in deque(lines, LAST_LINES)).rstrip()


def usable_port(port: int | None) -> int:
    """This loopback port, or any that is free.

    Raises:
        LocalRunError: There is no such port, or somebody listens on it.
    """
    if port is not None and port not in PORTS:
        msg = f"port must be {PORTS[0]} to {PORTS[-1]}, got {port}: leave --port out for a free one"
        raise LocalRunError(msg)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port or 0))
        except OSError as error:
            msg = f"port {port} cannot be used ({error.strerror}): leave --port out for a free one, or name another"
            raise LocalRunError(msg) from error
        usable: int = probe.getsockname()[1]
        return usable


def _launch(folder: Path, port: int, *, stop_with_parent: bool) -> subprocess.Popen[bytes]:
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    corrections = Path(__file__).parent / "corrections"
    shutil.copytree(corrections, folder / "corrections", ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    with (folder / "emulator.log").open("wb") as log, (folder / "alive").open("a") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return subprocess.Popen(  # noqa: S603  our own launcher
            [str(venvs.EMULATOR.python), "-m", "corrections"],
            cwd=folder,
            env={**_environment(folder, port, stop_with_parent=stop_with_parent), "ALIVE": str(alive.fileno())},
            stdin=subprocess.PIPE if stop_with_parent else subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=[alive.fileno()],
            start_new_session=True,
        )


def _environment(folder: Path, port: int, *, stop_with_parent: bool) -> dict[str, str]:
    """All that the emulator gets to see of this machine: a list of what is allowed, since it hands it on to handlers."""
    return {
        "BIND_HOST": LOOPBACK,
        "CLOUDTRAIL_RECORDING": "1",
        "GATEWAY_PORT": str(port),
        "HANDLER_PYTHON": str(venvs.RUNTIME.python),
        "HOME": str(folder),
        "IOT_MTLS_ENABLED": "0",  # it would listen on all interfaces
        "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.2",  # AWS waits a minute, then two
        "LAMBDA_ASYNC_RETRY_MAX_SECONDS": "1",
        "LANG": "C.UTF-8",
        "PATH": os.pathsep.join([str(venvs.RUNTIME.python.parent), str(Path(sys.executable).parent), os.defpath]),
        "S3_DATA_DIR": str(folder / "state" / "s3"),
        "SFTP_ENABLED": "0",
        "STATE_DIR": str(folder / "state"),
        "TMPDIR": str(folder / "tmp"),
        "TZ": "UTC",
        **({"STOP_WITH_PARENT": "1"} if stop_with_parent else {}),
    }
