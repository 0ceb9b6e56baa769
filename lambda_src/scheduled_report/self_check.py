"""Run once when the code is packed, before it is deployed: can the handler use the query that was packed with it, if any?"""

from pathlib import Path

from scheduled_report.query import Query
from shared.self_check import main


def _load(query: Path, _name: str) -> Query:
    parameters = query.with_name("parameters.json")
    return Query.load(query, parameters if parameters.is_file() else None)


if __name__ == "__main__":
    main(Path(__file__).with_name("query.sql"), _load)
