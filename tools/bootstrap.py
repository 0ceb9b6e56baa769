"""Install what this repository needs into .venv and node_modules, or do nothing when all of it is there.

Needs Python >= 3.11 with pip, and the network. All else comes from the two locks: uv, the Python packages, Node (a wheel)
and the CDK CLI. The syntax is that of Python 3.6 on purpose: an old one must get as far as saying that it is too old.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOCK = os.path.join(ROOT, "requirements-dev.txt")
NODE_LOCK = os.path.join(ROOT, "package-lock.json")
VENV = os.path.join(ROOT, ".venv")
BIN = os.path.join(VENV, "bin")
STAMP = os.path.join(VENV, "installed")
OLDEST = (3, 11)
# The interpreter below any virtual environment, .venv itself among them: it has pip, and does not go when .venv is made anew.
PYTHON = os.path.realpath(getattr(sys, "_base_executable", sys.executable))


def main() -> None:
    """Install, unless the stamp says that all is there."""
    if sys.version_info < OLDEST:
        stop(
            "Python 3.11 or newer is needed, but %s is %d.%d.\nInstall a newer one and name it: make PYTHON=python3.12 demo"
            % (PYTHON, sys.version_info[0], sys.version_info[1])
        )
    wanted = fingerprint()
    if os.path.exists(STAMP) and read(STAMP) == wanted:
        return
    say("installing uv")
    uv = install_uv()
    say("installing the Python packages of requirements-dev.txt into .venv")
    run([uv, "venv", "--quiet", "--clear", "--no-project", "--python", PYTHON, VENV])
    sync = [uv, "pip", "sync", "--quiet", "--require-hashes", "--compile-bytecode"]
    run([*sync, "--python", os.path.join(BIN, "python"), LOCK])
    say("installing the CDK CLI of package-lock.json into node_modules")
    os.environ["PATH"] = BIN + os.pathsep + os.environ.get("PATH", "")
    run([os.path.join(BIN, "npm"), "ci", "--silent", "--no-audit", "--no-fund"])
    with open(STAMP, "w") as file:
        file.write(wanted)


def fingerprint() -> str:
    """What is installed depends on the locks and on the interpreter."""
    return hashlib.sha256((PYTHON + sys.version + read(LOCK) + read(NODE_LOCK)).encode()).hexdigest()


def install_uv() -> str:
    """Install the uv of the lock with pip, the one installer that can be assumed; the path of its program."""
    pip = [PYTHON, "-m", "pip"]
    if subprocess.run([*pip, "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode != 0:
        stop(
            "pip is missing for %s.\nInstall it (Debian, Ubuntu: apt-get install python3-pip; Fedora: dnf install python3-pip; "
            "else: %s -m ensurepip)" % (PYTHON, PYTHON)
        )
    folder = os.path.join(ROOT, ".uv")
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as lock:
        lock.write(locked("uv"))
        lock.flush()
        quiet = ["--quiet", "--disable-pip-version-check", "--root-user-action=ignore"]
        run([*pip, "install", *quiet, "--no-deps", "--require-hashes", "--target", folder, "--requirement", lock.name])
    return os.path.join(folder, "bin", "uv")


def locked(package: str) -> str:
    """The lines of one package in the lock: its version and its hashes."""
    lines = read(LOCK).splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(package + "=="))
    end = next((number for number in range(start + 1, len(lines)) if not lines[number].startswith(" ")), len(lines))
    return "\n".join(lines[start:end]) + "\n"


def read(path: str) -> str:
    """The text of a file."""
    with open(path) as file:
        return file.read()


def run(command: "list[str]") -> None:
    """Run a command; where it fails, its own words come first."""
    if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
        stop("failed: %s\nThe first run needs the network. Type the same command again to go on." % " ".join(command))


def say(what: str) -> None:
    """A line of progress."""
    sys.stderr.write(what + "\n")


def stop(message: str) -> None:
    """End with a message."""
    sys.stderr.write(message + "\n")
    sys.exit(1)


if __name__ == "__main__":
    main()
