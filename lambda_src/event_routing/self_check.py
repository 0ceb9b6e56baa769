"""Run once when the code is packed, before it is deployed: can the handler use the schemas that were packed with it, if any?"""

from pathlib import Path

from event_routing.schemas import Schemas
from shared.self_check import main

if __name__ == "__main__":
    main(Path(__file__).with_name("schemas.json"), Schemas.load)
