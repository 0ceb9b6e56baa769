"""The settings of a route, its entry point, and what is checked before it is deployed."""

import importlib
import json
import runpy
import sys
import types
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from types_boto3_dynamodb import DynamoDBClient

import event_routing
from event_routing.models import Settings
from event_routing.schemas import Schemas
from shared.errors import InvalidError
from shared.settings import SettingsError
from shared.user_code import function_named
from tests.handlers.api_client import Context
from tests.handlers.route_client import VARIABLES, Routed, envelope_of, event


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch, dynamodb: DynamoDBClient) -> pytest.MonkeyPatch:
    """The variables of a route, for a test to change."""
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def started() -> Any:
    """The entry point as a new execution environment imports it."""
    sys.modules.pop("event_routing.handler", None)
    return importlib.import_module("event_routing.handler")


@pytest.fixture
def own_module(monkeypatch: pytest.MonkeyPatch) -> Any:
    module: Any = types.ModuleType("own_route")
    module.handled = []
    module.handle = module.handled.append
    monkeypatch.setitem(sys.modules, "own_route", module)
    return module


def test_little_needs_to_be_said() -> None:
    settings = Settings.from_environment(VARIABLES)
    assert (settings.table_name, settings.handler, settings.schema_file) == ("items-table", "", None)
    assert settings.event_seconds == 35 * 86_400
    assert (settings.queue.max_receive_count, settings.logs.level) == (5, "INFO")


def test_all_can_be_said() -> None:
    more = {"HANDLER": "a:b", "SCHEMA_FILE": "event_routing/schemas.json", "EVENT_SECONDS": "3600", "LOG_LEVEL": "DEBUG"}
    settings = Settings.from_environment(VARIABLES | more)
    assert (settings.handler, settings.event_seconds, settings.logs.level) == ("a:b", 3600, "DEBUG")
    assert settings.schema_file == Path(event_routing.__file__).with_name("schemas.json")


@pytest.mark.parametrize("name", ["TABLE_NAME", "QUEUE_URL", "DEAD_LETTER_QUEUE_URL"])
def test_a_missing_variable_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} must be set"):
        Settings.from_environment({key: value for key, value in VARIABLES.items() if key != name})


@pytest.mark.parametrize("seconds", ["3599", "315360001", "-1", "1.5", "a day"])
def test_a_memory_shorter_than_an_hour_or_longer_than_ten_years_is_refused(seconds: str) -> None:
    with pytest.raises(SettingsError, match=r"^EVENT_SECONDS must be a whole number from 3600 to 315360000"):
        Settings.from_environment(VARIABLES | {"EVENT_SECONDS": seconds})


def test_the_entry_point_keeps_events(variables: pytest.MonkeyPatch, dynamodb: DynamoDBClient) -> None:
    routed = Routed(dynamodb)
    record = routed.record(json.dumps(event()))
    assert started().handler({"Records": [record]}, Context(milliseconds_left=30_000)) == {"batchItemFailures": []}
    assert routed.row["event_id"] == "42:PAID"


def test_the_entry_point_calls_the_users_function(
    variables: pytest.MonkeyPatch, dynamodb: DynamoDBClient, own_module: Any
) -> None:
    variables.setenv("HANDLER", "own_route:handle")
    record = Routed(dynamodb).record(json.dumps(event()))
    started().handler({"Records": [record]}, Context(milliseconds_left=30_000))
    assert [each.id for each in own_module.handled] == ["42:PAID"]


def test_the_entry_point_checks_the_schemas(variables: pytest.MonkeyPatch, dynamodb: DynamoDBClient, tmp_path: Path) -> None:
    (tmp_path / "schemas.json").write_text(json.dumps({"orders.paid": {"required": ["shop"]}}))
    variables.setenv("SCHEMA_FILE", str(tmp_path / "schemas.json"))
    routed = Routed(dynamodb)
    variables.setenv("DEAD_LETTER_QUEUE_URL", routed.dead_letter_queue)
    record = routed.record(json.dumps(event()))
    assert started().handler({"Records": [record]}, Context(milliseconds_left=30_000)) == {"batchItemFailures": []}
    (message,) = routed.sqs.receive_message(QueueUrl=routed.dead_letter_queue, MessageAttributeNames=["All"])["Messages"]
    assert "/data/shop is required" in message["MessageAttributes"]["Reason"]["StringValue"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [("TABLE_NAME", ""), ("HANDLER", "nowhere:handle"), ("SCHEMA_FILE", "no/such.json"), ("LOG_LEVEL", "LOUD")],
)
def test_in_lambda_a_fault_in_the_settings_ends_the_start(variables: pytest.MonkeyPatch, variable: str, value: str) -> None:
    variables.setenv(variable, value)
    variables.setenv("AWS_LAMBDA_FUNCTION_NAME", "route")
    with pytest.raises(SettingsError, match=f"^{variable} "):
        started()


def test_elsewhere_an_import_does_nothing(variables: pytest.MonkeyPatch) -> None:
    variables.delenv("TABLE_NAME")
    started()


def test_a_function_is_found_by_its_name(own_module: Any) -> None:
    assert function_named("own_route:handle", "HANDLER") == own_module.handle
    assert function_named("", "HANDLER") is None


@pytest.mark.parametrize("name", ["nowhere:handle", "json:nothing", "json", ":", "json:__name__"])
def test_a_function_that_is_none_is_named_with_its_variable(name: str) -> None:
    with pytest.raises(SettingsError, match=r"^HANDLER must .* got"):
        function_named(name, "HANDLER")


def test_numbers_of_a_schema_are_exact(tmp_path: Path) -> None:
    path = tmp_path / "schemas.json"
    path.write_text('{"orders.paid": {"properties": {"amount": {"maximum": 0.1234567890123456789}}}}')
    schemas = Schemas.load(path, "SCHEMA_FILE")
    paid = envelope_of(event())
    paid.data["amount"] = Decimal("0.1234567890123456789")
    schemas.check(paid)
    paid.data["amount"] = Decimal("0.12345678901234568")  # what a binary float makes of the maximum
    with pytest.raises(InvalidError):
        schemas.check(paid)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "which is not JSON"),
        ("[]", "which must be an object with the schema of each type"),
        ('{"orders.paid": []}', "whose schema of 'orders.paid' is not a JSON Schema"),
        ('{"orders.paid": {"type": 5}}', "whose schema of 'orders.paid' is not a JSON Schema"),
    ],
)
def test_a_fault_in_the_schemas_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "schemas.json").write_text(text)
    with pytest.raises(SettingsError, match=rf"^SCHEMA_FILE names schemas\.json, {said}"):
        Schemas.load(tmp_path / "schemas.json", "SCHEMA_FILE")


def test_a_missing_file_of_schemas_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^SCHEMA_FILE names schemas\.json, which is not in the code"):
        Schemas.load(tmp_path / "schemas.json", "SCHEMA_FILE")


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the schemas are packed, beside a copy of what checks them."""
    source = Path(event_routing.__file__).with_name("self_check.py")
    (tmp_path / "self_check.py").write_text(source.read_text())
    return tmp_path


def test_what_is_packed_without_schemas_can_be_deployed(packed: Path) -> None:
    runpy.run_path(str(packed / "self_check.py"), run_name="__main__")


def test_what_is_packed_with_good_schemas_can_be_deployed(packed: Path) -> None:
    (packed / "schemas.json").write_text('{"orders.paid": {"type": "object"}}')
    runpy.run_path(str(packed / "self_check.py"), run_name="__main__")


def test_what_is_packed_with_bad_schemas_is_not_deployed(packed: Path) -> None:
    (packed / "schemas.json").write_text('{"orders.paid": {"type": 5}}')
    with pytest.raises(SystemExit, match=r"whose schema of 'orders.paid' is not a JSON Schema"):
        runpy.run_path(str(packed / "self_check.py"), run_name="__main__")
