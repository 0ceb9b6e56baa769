"""Write the figures of docs/least-privilege.md anew: every scenario runs, and CDK's own grants are counted beside them."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: It compares the page with what it measures; told to, it writes the page first.
TEST = "tests/proofs/test_least_privilege.py::test_the_page_has_the_figures"


def main() -> None:
    """Write the page, and say where it is."""
    subprocess.run([sys.executable, "-m", "pytest", "-q", TEST, "--update-snapshots"], cwd=ROOT, check=True)
    print("docs/least-privilege.md")


if __name__ == "__main__":
    main()
