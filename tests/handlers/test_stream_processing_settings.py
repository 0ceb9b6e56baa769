"""The settings of the function, and its start."""

import json
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from types_boto3_dynamodb import DynamoDBClient

from shared.settings import SettingsError
from stream_processing import handler
from stream_processing.json_records import JsonReader
from stream_processing.models import KINESIS, Settings
from stream_processing.table_records import TableReader
from tests.handlers.api_client import Context
from tests.handlers.stream_client import VARIABLES, Projected, item, json_record, table_record

LAMBDA_SOURCE = Path(__file__).parents[2] / "lambda_src"
OF_JSON = VARIABLES | {"SOURCE": KINESIS}


def test_what_is_not_set_has_the_values_that_are_documented() -> None:
    settings = Settings.from_environment(VARIABLES)
    assert (settings.audit_seconds, settings.tombstone_seconds) == (0, 184 * 86_400)
    assert (settings.failure_prefix, settings.excluded) == ("records/", frozenset())
    assert (settings.key_field, settings.schema_file) == ("", None)
    assert (settings.logs.level, settings.logs.debug_sample_rate) == ("INFO", 0)


def test_what_is_set_is_read() -> None:
    more = {
        "AUDIT_SECONDS": "86400",
        "TOMBSTONE_SECONDS": "172800",
        "FAILURE_PREFIX": "poison/orders/",
        "EXCLUDED": "email, card ,",
        "KEY_FIELD": "order",
        "SCHEMA_FILE": "stream_processing/schema.json",
        "LOG_LEVEL": "DEBUG",
    }
    settings = Settings.from_environment(OF_JSON | more)
    assert (settings.source, settings.view_table_name, settings.audit_table_name) == ("kinesis", "view-table", "audit-table")
    assert (settings.audit_seconds, settings.tombstone_seconds) == (86_400, 172_800)
    assert (settings.failure_bucket_name, settings.failure_prefix) == ("failures", "poison/orders/")
    assert (settings.excluded, settings.key_field) == ({"email", "card"}, "order")
    assert settings.schema_file == LAMBDA_SOURCE / "stream_processing" / "schema.json"
    assert settings.logs.level == "DEBUG"


def test_a_table_has_neither_a_key_field_nor_a_schema() -> None:
    settings = Settings.from_environment(VARIABLES | {"KEY_FIELD": "order", "SCHEMA_FILE": "schema.json", "EXCLUDED": "order"})
    assert (settings.key_field, settings.schema_file) == ("", None)


@pytest.mark.parametrize("name", VARIABLES)
def test_a_variable_that_is_missing_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} must"):
        Settings.from_environment({other: value for other, value in VARIABLES.items() if other != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SOURCE", "sqs"),
        ("SOURCE", "DynamoDB"),
        ("AUDIT_SECONDS", "-1"),
        ("AUDIT_SECONDS", "3153600001"),
        ("TOMBSTONE_SECONDS", "86399"),
        ("TOMBSTONE_SECONDS", "0"),
        ("TOMBSTONE_SECONDS", "a week"),
        ("FAILURE_PREFIX", "records"),
        ("FAILURE_PREFIX", "/"),
        ("FAILURE_PREFIX", "/records/"),
        ("FAILURE_PREFIX", "a//b/"),
        ("FAILURE_PREFIX", "a b/"),
        ("KEY_FIELD", "email"),
        ("LOG_LEVEL", "LOUD"),
        ("DEBUG_SAMPLE_RATE", "2"),
    ],
)
def test_a_variable_that_is_malformed_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} must"):
        Settings.from_environment(OF_JSON | {"EXCLUDED": "card,email", name: value})


@pytest.mark.parametrize(
    ("name", "value"), [("AUDIT_SECONDS", "3153600000"), ("TOMBSTONE_SECONDS", "86400"), ("FAILURE_PREFIX", "a/b=c/")]
)
def test_a_variable_at_its_limit_is_taken(name: str, value: str) -> None:
    Settings.from_environment(VARIABLES | {name: value})


def test_each_source_has_a_reader_of_its_own() -> None:
    assert isinstance(handler.reader_of(Settings.from_environment(VARIABLES)), TableReader)
    assert isinstance(handler.reader_of(Settings.from_environment(OF_JSON)), JsonReader)


# --- the entry point


@pytest.fixture
def stream(dynamodb: DynamoDBClient) -> Projected:
    return Projected(dynamodb)


@pytest.fixture
def entry_point(stream: Projected, monkeypatch: pytest.MonkeyPatch) -> Iterator[Projected]:
    """The function's own environment."""
    for name, value in (VARIABLES | {"FAILURE_BUCKET_NAME": stream.bucket}).items():
        monkeypatch.setenv(name, value)
    handler._stream.cache_clear()  # noqa: SLF001  what a new execution environment begins without
    yield stream
    handler._stream.cache_clear()  # noqa: SLF001


def test_the_entry_point_projects_what_its_variables_say_of_a_table(
    entry_point: Projected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXCLUDED", "email")
    image = item(pk="a", x=1)
    event = {"Records": [table_record(1, None, image | item(email="a@b")), {"eventSource": "aws:dynamodb"}]}
    assert handler.handler(event, Context(milliseconds_left=60_000)) == {"batchItemFailures": []}  # type: ignore[arg-type]
    assert entry_point.data == {"a": image}
    assert (entry_point.actions, len(entry_point.kept)) == (["INSERTED"], 1)


def test_the_entry_point_projects_what_its_variables_say_of_a_kinesis_stream(
    entry_point: Projected, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"SOURCE": "kinesis", "KEY_FIELD": "order", "EXCLUDED": "email"}.items():
        monkeypatch.setenv(name, value)
    event = {"Records": [json_record(1, {"order": "o-1", "email": "a@b", "x": 1})]}
    assert handler.handler(event, Context(milliseconds_left=60_000)) == {"batchItemFailures": []}  # type: ignore[arg-type]
    assert entry_point.data == {"o-1": item(order="o-1", x=1)}


def test_in_lambda_a_missing_variable_fails_the_start_and_not_the_first_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    runpy.run_path(str(handler.__file__))
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "stream")
    with pytest.raises(SettingsError, match=r"^SOURCE must be one of"):
        runpy.run_path(str(handler.__file__))


def test_in_lambda_a_schema_that_is_not_there_fails_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (OF_JSON | {"SCHEMA_FILE": "none.json", "AWS_LAMBDA_FUNCTION_NAME": "stream"}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=r"^SCHEMA_FILE names none.json"):
        runpy.run_path(str(handler.__file__))


def test_the_logic_and_the_readers_know_nothing_of_boto3() -> None:
    for name in ("logic", "records", "table_records", "json_records", "attributes", "models"):
        source = (LAMBDA_SOURCE / "stream_processing" / f"{name}.py").read_text()
        assert "boto" not in source


@pytest.mark.parametrize(("schema", "code"), [({"type": "object"}, 0), ({"type": 5}, 1), (None, 0)])
def test_the_code_tries_the_schema_that_is_packed_with_it(tmp_path: Path, schema: object, code: int) -> None:
    (tmp_path / "stream_processing").mkdir()
    for name in ("__init__.py", "self_check.py"):
        (tmp_path / "stream_processing" / name).write_text((LAMBDA_SOURCE / "stream_processing" / name).read_text())
    if schema:
        (tmp_path / "stream_processing" / "schema.json").write_text(json.dumps(schema))
    script = f"import runpy, sys; sys.path[:0] = [{str(tmp_path)!r}, {str(LAMBDA_SOURCE)!r}]; "
    script += "runpy.run_module('stream_processing.self_check', run_name='__main__')"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=False).returncode == code
