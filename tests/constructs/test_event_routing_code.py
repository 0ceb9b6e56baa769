"""The code of a route as it is packed: the bundled consumer, with the schemas and the user's function beside it."""

import subprocess
import sys

import pytest

from serverless_patterns import Handler
from serverless_patterns._blocks.packaging import installed
from serverless_patterns._blocks.route_plan import plan_route
from serverless_patterns.errors import BundlingError

PAID = {"detail-type": ["orders.paid"]}
#: What the user's function does, and what the consumer finds of it.
STOCK = """
from event_routing.api import Envelope, Rejected


def handle(event: Envelope) -> None:
    raise Rejected("none of it is left")
"""
LOOK = """
from pathlib import Path
import sys

from event_routing.schemas import Schemas
from shared.user_code import function_named

Schemas.load(Path(sys.argv[1]) / "event_routing" / "schemas.json", "SCHEMA_FILE")
print(function_named("stock:handle", "HANDLER").__annotations__["event"].__name__)
"""


def packed(folder, tmp_path, **schemas):
    """What Lambda gets of a route with a function of the user's."""
    (folder / "stock.py").write_text(STOCK)
    handler = Handler.from_directory(folder, "stock.handle")
    plan = plan_route(pattern=PAID, handler=handler, schemas=schemas or None, worker=None, queue=None, environment=None)
    code = tmp_path / "code"
    code.mkdir()
    plan.code.code.write(code)
    return plan, code


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "stock"
    made.mkdir()
    return made


def test_the_consumer_finds_the_users_function_and_the_schemas(folder, tmp_path):
    plan, code = packed(folder, tmp_path, **{"orders.paid": {"type": "object"}})
    dependencies = installed(plan.code.code.self_check_requirements, "host")
    script = f"import sys; sys.path[:0] = {[str(code), str(dependencies)]!r}\n{LOOK}"
    result = subprocess.run([sys.executable, "-I", "-c", script, str(code)], capture_output=True, text=True, check=False)
    assert (result.stdout.strip(), result.stderr) == ("Envelope", "")
    assert plan.environment == {"HANDLER": "stock:handle", "SCHEMA_FILE": "event_routing/schemas.json"}


def test_a_schema_that_the_consumer_cannot_use_is_refused_while_it_is_packed(folder, tmp_path):
    with pytest.raises(
        BundlingError, match=r"schemas names schemas\.json, whose schema of 'orders\.paid' is not a JSON Schema"
    ):
        packed(folder, tmp_path, **{"orders.paid": {"type": "object", "properties": {"a": {"pattern": "("}}}})
