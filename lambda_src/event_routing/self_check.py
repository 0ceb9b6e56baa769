"""Run once when the code is packed, before it is deployed: can the handler use the schemas that were packed with it, if any?"""

import sys
from pathlib import Path

from event_routing.schemas import Schemas
from shared.settings import SettingsError


def main() -> None:
    """End with the reason if it cannot."""
    schemas = Path(__file__).with_name("schemas.json")
    if not schemas.exists():
        return
    try:
        Schemas.load(schemas, "schemas")
    except SettingsError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
