"""Install what this repository needs into .venv and node_modules, or do nothing when all of it is there.

Needs Python >= 3.11 with pip, and the network. Everything else comes from the two locks: uv, the Python packages, Node
(a wheel) and the CDK CLI. The syntax is old on purpose: an old Python must be able to say that it is too old.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOCKS = ("requirements-dev.txt", "package-lock.json")
VENV = os.path.join(ROOT, ".venv")
BIN = os.path.join(VENV, "bin")
STAMP = os.path.join(VENV, "installed")
OLDEST = (3, 11)


def main():
    if sys.version_info < OLDEST:
        stop(
            "Python %d.%d or newer is needed, and %s is %d.%d.\nInstall one and name it: make PYTHON=python3.12 ..."
            % (OLDEST + (sys.executable,) + tuple(sys.version_info[:2]))
        )
    wanted = fingerprint()
    if read(STAMP) == wanted:
        return
    began("uv")
    uv = install_uv()
    began("the Python packages of requirements-dev.txt into .venv")
    run([uv, "venv", "--quiet", "--clear", "--no-project", "--python", sys.executable, VENV])
    run(
        [uv, "pip", "sync", "--quiet", "--require-hashes", "--compile-bytecode", "--python", os.path.join(BIN, "python")]
        + [os.path.join(ROOT, "requirements-dev.txt")]
    )
    began("the CDK CLI of package-lock.json into node_modules")
    run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], PATH=BIN + os.pathsep + os.environ.get("PATH", ""))
    with open(STAMP, "w") as file:
        file.write(wanted)


def fingerprint():
    """What is installed is a function of the locks and of the interpreter."""
    digest = hashlib.sha256(("%s %s" % (sys.executable, sys.version)).encode())
    for name in LOCKS:
        with open(os.path.join(ROOT, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def install_uv():
    """Bring in the uv of the lock with pip, beside everything else: pip is the one installer that can be assumed."""
    folder = os.path.join(ROOT, ".uv")
    try:
        subprocess.run(
            [sys.executable, "-m", "pip", "--version"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
    except subprocess.CalledProcessError:
        stop(
            "pip is missing for %s.\nInstall it (Debian, Ubuntu: apt-get install python3-pip; Fedora: dnf install python3-pip)."
            % sys.executable
        )
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as lock:
        lock.write(locked("uv"))
        lock.flush()
        shutil.rmtree(folder, ignore_errors=True)
        quiet = ["--quiet", "--disable-pip-version-check", "--root-user-action=ignore"]
        run(
            [sys.executable, "-m", "pip", "install"]
            + quiet
            + ["--no-deps", "--require-hashes", "--target", folder, "-r", lock.name]
        )
    return os.path.join(folder, "bin", "uv")


def locked(package):
    """The lines of one package in the lock, with its hashes."""
    lines = read(os.path.join(ROOT, LOCKS[0])).splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(package + "=="))
    end = next((n for n in range(start + 1, len(lines)) if not lines[n].startswith(" ")), len(lines))
    return "\n".join(lines[start:end]) + "\n"


def read(path):
    if not os.path.exists(path):
        return ""
    with open(path) as file:
        return file.read()


def run(command, **variables):
    environment = dict(os.environ, **variables)
    environment.pop("VIRTUAL_ENV", None)
    if subprocess.run(command, cwd=ROOT, env=environment).returncode != 0:
        stop(
            "This failed (its own words are above): %s\nThe network is needed for the first run only; type the same command again to go on."
            % " ".join(command)
        )


def began(what):
    sys.stderr.write("installing %s\n" % what)


def stop(message):
    sys.stderr.write(message + "\n")
    sys.exit(1)


if __name__ == "__main__":
    main()
