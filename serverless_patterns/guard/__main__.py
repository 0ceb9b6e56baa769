"""``python -m serverless_patterns.guard``."""

import sys

from serverless_patterns.guard.cli import main

if __name__ == "__main__":
    sys.exit(main())
