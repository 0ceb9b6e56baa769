"""The two Python environments of the local run, each built by uv from a hashed lock that ships with the package.

The emulator's pins meet nobody's dependencies, because it has an environment of its own. Handlers run in a second one that
has what Lambda's Python runtime has (boto3) and nothing else: a handler that works here brings its dependencies along.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

from serverless_patterns._blocks.packaging import cache_folder
from serverless_patterns.errors import LocalRunError
from serverless_patterns.local.folders import needed

LOCKS = Path(__file__).parent


@dataclass(frozen=True)
class Venv:
    """A Python environment that is a function of its lock and of the interpreter, built once and kept in the user's cache.

    Args:
        name: What it is for; part of the folder's name.
        lock: The requirements file with hashes that says what is in it.
    """

    name: str
    lock: Path

    @property
    def folder(self) -> Path:
        """Where it is: another lock or another interpreter is another folder."""
        digest = hashlib.sha256(self.lock.read_bytes())
        digest.update(f"{sys.version} {sys.platform} {sys.base_prefix}".encode())
        return cache_folder() / f"{self.name}-{digest.hexdigest()[:16]}"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def built(self) -> bool:
        """Whether it is complete: the mark is written last."""
        return os.access(self._mark, os.F_OK)

    def build(self) -> None:
        """Build it, or do nothing when it is there; a second run at the same time waits for the first.

        Raises:
            LocalRunError: uv could not, in its own words; or the cache cannot be written to.
        """
        with _alone(self.folder.with_suffix(".lock")):
            if self.built:
                return
            shutil.rmtree(self.folder, ignore_errors=True)
            _uv("venv", "--quiet", "--no-project", "--python", sys.executable, str(self.folder))
            _uv(
                *("pip", "sync", "--quiet", "--require-hashes", "--compile-bytecode"),
                *("--python", str(self.python), str(self.lock)),
            )
            self._mark.touch()

    @property
    def _mark(self) -> Path:
        return self.folder / "complete"


#: What the emulator runs in.
EMULATOR = Venv("emulator", LOCKS / "emulator-requirements.txt")
#: What the emulator runs deployed handlers in.
RUNTIME = Venv("runtime", LOCKS / "runtime-requirements.txt")


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with needed(lock.parent, "let XDG_CACHE_HOME name a folder that you may write to"):
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _uv(*arguments: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    done = subprocess.run(  # noqa: S603  uv's own path, our own arguments
        [find_uv_bin(), *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        msg = (
            f"uv could not build an environment of the local run (uv {' '.join(arguments)}):\n{done.stderr.strip()}\n"
            "The network is needed the first time only; type the same command again to go on."
        )
        raise LocalRunError(msg)
