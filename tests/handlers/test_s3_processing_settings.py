"""The settings of both functions, and their start."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from s3_processing.models import NotifierSettings, Settings
from shared.settings import SettingsError

LAMBDA_SOURCE = Path(__file__).parents[2] / "lambda_src"

VARIABLES = {
    "BUCKET_NAME": "uploads",
    "OUTPUT_BUCKET_NAME": "results",
    "TABLE_NAME": "objects",
    "TOPIC_ARN": "arn:aws:sns:eu-central-1:123456789012:objects",
    "QUEUE_URL": "https://sqs/uploads",
    "DEAD_LETTER_QUEUE_URL": "https://sqs/dead",
}


def test_what_is_not_set_has_the_values_that_are_documented() -> None:
    settings = Settings.from_environment(VARIABLES)
    assert (settings.max_object_bytes, settings.max_decompressed_bytes) == (5 * 1024**3, 5 * 1024**3)
    assert (settings.max_rows, settings.max_field_characters) == (1_000_000, 131_072)
    assert (settings.max_pixels, settings.thumbnail_pixels) == (50_000_000, 256)
    assert (settings.schema_file, settings.processor) == (None, "")


@pytest.mark.parametrize("name", VARIABLES)
def test_a_variable_that_is_missing_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} must"):
        Settings.from_environment({other: value for other, value in VARIABLES.items() if other != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_OBJECT_BYTES", "0"),
        ("MAX_ROWS", "many"),
        ("MAX_FIELD_CHARACTERS", "409601"),
        ("MAX_PIXELS", "-1"),
        ("THUMBNAIL_PIXELS", "4097"),
    ],
)
def test_a_variable_that_is_malformed_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} must"):
        Settings.from_environment(VARIABLES | {name: value})


def test_without_a_queue_neither_a_topic_nor_the_bucket_is_named() -> None:
    names = ("OUTPUT_BUCKET_NAME", "TABLE_NAME")
    settings = Settings.from_environment({name: VARIABLES[name] for name in names})
    assert (settings.queue, settings.announcer, settings.bucket_name) == (None, None, "")


def test_the_notifier_needs_the_table_for_failures_only() -> None:
    needed = {name: VARIABLES[name] for name in ("TOPIC_ARN", "QUEUE_URL", "DEAD_LETTER_QUEUE_URL")}
    assert NotifierSettings.from_environment(needed).table_name == ""
    with pytest.raises(SettingsError, match=r"^BUCKET_NAME must"):
        NotifierSettings.from_environment(needed | {"ACTION": "alert"})
    with pytest.raises(SettingsError, match=r"^ACTION must"):
        NotifierSettings.from_environment(needed | {"ACTION": "shout"})


def start(entry: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Import an entry as Lambda does while it starts."""
    script = f"import sys; sys.path.insert(0, {str(LAMBDA_SOURCE)!r}); import {entry}"
    environment = {
        "AWS_LAMBDA_FUNCTION_NAME": "uploads",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        **variables,
    }
    return subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("entry", ["s3_processing.handler", "s3_processing.notifier"])
def test_in_lambda_a_function_starts_with_its_settings(entry: str) -> None:
    assert start(entry, **VARIABLES).returncode == 0


@pytest.mark.parametrize("entry", ["s3_processing.handler", "s3_processing.notifier"])
def test_in_lambda_a_function_without_settings_fails_while_it_starts_and_names_them(entry: str) -> None:
    result = start(entry)
    assert result.returncode != 0
    assert "must be set" in result.stderr


def test_in_lambda_a_schema_or_a_processor_that_is_not_there_fails_the_start() -> None:
    assert "SCHEMA_FILE names none.json" in start("s3_processing.handler", **VARIABLES, SCHEMA_FILE="none.json").stderr
    assert "PROCESSOR must" in start("s3_processing.handler", **VARIABLES, PROCESSOR="none:process").stderr


@pytest.mark.parametrize(("schema", "code"), [({"type": "object"}, 0), ({"type": 5}, 1), (None, 0)])
def test_the_code_tries_the_schema_that_is_packed_with_it(tmp_path: Path, schema: object, code: int) -> None:
    for name in ("__init__.py", "self_check.py"):
        (tmp_path / "s3_processing").mkdir(exist_ok=True)
        (tmp_path / "s3_processing" / name).write_text((LAMBDA_SOURCE / "s3_processing" / name).read_text())
    if schema:
        (tmp_path / "s3_processing" / "schema.json").write_text(json.dumps(schema))
    script = f"import runpy, sys; sys.path[:0] = [{str(tmp_path)!r}, {str(LAMBDA_SOURCE)!r}]; "
    script += "runpy.run_module('s3_processing.self_check', run_name='__main__')"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=False).returncode == code
