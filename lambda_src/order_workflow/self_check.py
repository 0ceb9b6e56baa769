"""Run once when the code is packed, before it is deployed: can the handler use the schema that was packed with it, if any?"""

from pathlib import Path

from shared.schema import Schema
from shared.self_check import main

if __name__ == "__main__":
    main(Path(__file__).with_name("schema.json"), Schema.load)
