"""Run once when the code is packed, before it is deployed: can the handler use the query that was packed with it?"""

import sys
from pathlib import Path

from scheduled_report.query import Query
from shared.settings import SettingsError


def main() -> None:
    """End with the reason if it cannot. A report of a DynamoDB table has no query."""
    query, parameters = (Path(__file__).with_name(name) for name in ("query.sql", "parameters.json"))
    try:
        if query.is_file():
            Query.load(query, parameters if parameters.is_file() else None)
    except SettingsError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
