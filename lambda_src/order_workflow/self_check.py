"""Run once when the code is packed, before it is deployed: can the handler use the schema that was packed with it?"""

import sys
from pathlib import Path

from shared.schema import Schema
from shared.settings import SettingsError


def main() -> None:
    """End with the reason if it cannot. The code of most steps has none with it."""
    file = Path(__file__).with_name("schema.json")
    if not file.exists():
        return
    try:
        Schema.load(file, "schema")
    except SettingsError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
