"""Run once when the code is packed, before it is deployed: can the handler use the schema that was packed with it, if any?"""

import sys
from pathlib import Path

from shared.schema import Schema
from shared.settings import SettingsError


def main() -> None:
    """End with the reason if it cannot."""
    schema = Path(__file__).with_name("schema.json")
    if not schema.exists():
        return
    try:
        Schema.load(schema, "schema")
    except SettingsError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
