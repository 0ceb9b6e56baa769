"""Compile the locks from what they are made of; with --check, only say which ones are stale."""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import uv

ROOT = Path(__file__).resolve().parent.parent
#: Each lock, and what ``uv pip compile`` makes it from. The first constrains the others: one version of each package.
LOCKS: dict[str, list[str]] = {
    "requirements-dev.txt": ["pyproject.toml", "--extra", "dev", "--no-emit-package", "serverless-patterns"],
    "requirements.txt": ["pyproject.toml", "--extra", "node", "--constraints", "requirements-dev.txt"],
    "lambda_src/requirements.txt": ["lambda_src/requirements.in", "--constraints", "requirements-dev.txt"],
    "lambda_src/s3_processing/requirements.txt": [
        "lambda_src/s3_processing/requirements.in",
        "--constraints",
        "requirements-dev.txt",
    ],
    "lambda_src/scheduled_report/requirements.txt": [
        "lambda_src/scheduled_report/requirements.in",
        "--constraints",
        "requirements-dev.txt",
    ],
    # The emulator pins its own boto3, so its locks stand apart.
    "serverless_patterns/local/emulator-requirements.txt": ["serverless_patterns/local/emulator-requirements.in"],
    "serverless_patterns/local/runtime-requirements.txt": ["serverless_patterns/local/runtime-requirements.in"],
    # A scanner that is run, never imported: what it brings must not hold back what the library is developed with.
    "tools/cfripper-requirements.txt": ["tools/cfripper-requirements.in"],
}


def main() -> None:
    """Compile, or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit 1 and name the stale locks, if there are any"
    )
    check = parser.parse_args().check
    stale = [lock for lock, arguments in LOCKS.items() if compile_lock(lock, arguments, keep=check)]
    if check and stale:
        sys.exit(f"stale: {', '.join(stale)}. Run: make lock")


def compile_lock(lock: str, arguments: list[str], *, keep: bool) -> bool:
    """Compile one lock, the pinned versions kept where they still fit; whether it changed. ``keep`` leaves the file alone."""
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / "lock.txt"
        shutil.copyfile(ROOT / lock, made)
        command = [uv.find_uv_bin(), "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"]
        command += ["--generate-hashes", "--no-header", "--no-annotate", "--output-file", str(made), *arguments]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        changed = made.read_bytes() != (ROOT / lock).read_bytes()
        if changed and not keep:
            shutil.copyfile(made, ROOT / lock)
        return changed


if __name__ == "__main__":
    main()
