"""Settings, schemas, sizes and calls: what the handlers of all patterns share."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, NoCredentialsError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from api_crud.models import Settings
from shared import aws, self_check, settings
from shared.cors import cors_headers
from shared.dynamodb import from_dynamodb, item_size, to_dynamodb, values_of
from shared.errors import Fault, HandlerError, InvalidError
from shared.observability import best_effort
from shared.problems import STATUS
from shared.queue_consumer import PostponedError, check_time
from shared.schema import Schema
from shared.settings import SettingsError
from shared.times import timestamp, utc_now
from tests.handlers.api_client import VARIABLES, Context


def nested(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)


def test_settings_have_careful_defaults() -> None:
    read = Settings.from_environment(VARIABLES)
    assert (read.idempotency_ttl_seconds, read.max_body_bytes) == (86_400, 262_144)
    assert (read.allow_origins, read.allow_credentials) == ((), False)
    assert (read.logs.level, read.logs.debug_sample_rate) == ("INFO", 0)


def test_settings_are_read_from_their_variables() -> None:
    read = Settings.from_environment(
        VARIABLES
        | {
            "IDEMPOTENCY_TTL_SECONDS": "60",
            "MAX_BODY_BYTES": "1000",
            "TTL_ATTRIBUTE": "",
            "ALLOW_ORIGINS": "https://a.example.com, https://b.example.com",
            "ALLOW_CREDENTIALS": "true",
            "LOG_LEVEL": "DEBUG",
            "DEBUG_SAMPLE_RATE": "0.25",
        }
    )
    assert (read.idempotency_ttl_seconds, read.max_body_bytes, read.ttl_attribute) == (60, 1000, "")
    assert (read.allow_origins, read.allow_credentials) == (("https://a.example.com", "https://b.example.com"), True)
    assert (read.logs.level, read.logs.debug_sample_rate) == ("DEBUG", 0.25)
    assert read.schema_file.parts[-3:] == ("lambda_src", "api_crud", "schema.json")


@pytest.mark.parametrize("name", ["RESOURCE", "TABLE_NAME", "IDEMPOTENCY_TABLE_NAME", "SCHEMA_FILE"])
def test_a_missing_variable_names_itself(name: str) -> None:
    for variables in ({key: value for key, value in VARIABLES.items() if key != name}, VARIABLES | {name: ""}):
        with pytest.raises(SettingsError, match=rf"^{name} must be set$"):
            Settings.from_environment(variables)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("RESOURCE", "a/b", "RESOURCE must be 1 to 64 letters, digits, - or _, got 'a/b'"),
        ("MAX_BODY_BYTES", "0", "MAX_BODY_BYTES must be a whole number from 1 to 6291456, got '0'"),
        ("MAX_BODY_BYTES", "1e3", "MAX_BODY_BYTES must be a whole number from 1 to 6291456, got '1e3'"),
        ("IDEMPOTENCY_TTL_SECONDS", "-1", "IDEMPOTENCY_TTL_SECONDS must be a whole number from 1 to 31536000, got '-1'"),
        ("ALLOW_CREDENTIALS", "yes", "ALLOW_CREDENTIALS must be one of true, false, got 'yes'"),
        ("LOG_LEVEL", "LOUD", "LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR, got 'LOUD'"),
        ("DEBUG_SAMPLE_RATE", "often", "DEBUG_SAMPLE_RATE must be a number from 0 to 1, got 'often'"),
        ("DEBUG_SAMPLE_RATE", "nan", "DEBUG_SAMPLE_RATE must be a number from 0 to 1, got 'nan'"),
        ("DEBUG_SAMPLE_RATE", "1.1", "DEBUG_SAMPLE_RATE must be a number from 0 to 1, got '1.1'"),
    ],
)
def test_a_malformed_variable_says_its_name_its_value_and_what_is_allowed(name: str, value: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(VARIABLES | {name: value})
    assert str(caught.value) == message


def test_any_origin_together_with_credentials_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"^ALLOW_CREDENTIALS must be false where ALLOW_ORIGINS has"):
        Settings.from_environment(VARIABLES | {"ALLOW_ORIGINS": "*", "ALLOW_CREDENTIALS": "true"})


def test_an_integer_of_5000_digits_is_out_of_range_and_not_an_error_of_python() -> None:
    with pytest.raises(SettingsError, match=r"^N must be a whole number from 1 to 9"):
        settings.integer({"N": "9" * 5000}, "N", 1, least=1, most=9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "SCHEMA_FILE names schema.json, which is not in the code"),
        ("{", "SCHEMA_FILE names schema.json, which is not a JSON Schema: Expecting"),
        ('{"type": "strin"}', "SCHEMA_FILE names schema.json, which is not a JSON Schema: "),
        ("[]", "SCHEMA_FILE names schema.json, which is not a JSON Schema: "),
        ('{"properties": {"a": {"pattern": "("}}}', "SCHEMA_FILE names schema.json, which is not a JSON Schema: "),
    ],
)
def test_a_schema_that_cannot_be_used_names_its_variable(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "schema.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        Schema.load(path, "SCHEMA_FILE")
    assert str(caught.value).startswith(message)


def test_a_schema_on_another_host_is_never_fetched(tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_text('{"$ref": "https://example.com/s.json"}')
    with pytest.raises(SettingsError, match="Retrieval is disabled"):
        Schema.load(tmp_path / "schema.json", "SCHEMA_FILE")


def test_a_schema_compares_numbers_exactly(tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    path.write_text(json.dumps({"properties": {"price": {"multipleOf": 0.01}, "count": {"type": "integer"}}}))
    schema = Schema.load(path, "SCHEMA_FILE")
    assert not list(schema.faults({"price": Decimal("1234567890123456789.07"), "count": Decimal("3.0")}))
    faults = schema.faults({"price": Decimal("1234567890123456789.071"), "count": Decimal("3.5")})
    assert {fault.pointer for fault in faults} == {"/price", "/count"}


def test_a_schema_checks_formats() -> None:
    schema = Schema({"properties": {"at": {"format": "date-time"}, "link": {"format": "uri"}}})
    assert {fault.pointer for fault in schema.faults({"at": "yesterday", "link": "not a link"})} == {"/at", "/link"}
    assert not list(schema.faults({"at": "2026-03-01T12:00:00Z", "link": "https://example.com"}))


def test_a_schema_is_read_by_the_draft_that_it_names() -> None:
    pair = {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}, {"type": "number"}]}
    assert [fault.pointer for fault in Schema(pair).faults(["a", "b"])] == ["/1"]


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(?=a)(a+)+\\1$", "^(a|a)*?(?<=b)$"])
def test_no_pattern_lets_a_text_keep_the_function_busy(pattern: str) -> None:
    schema = Schema({"properties": {"a": {"pattern": pattern}}})
    assert [fault.pointer for fault in schema.faults({"a": "a" * 100_000 + "!"})] == ["/a"]  # or it would never end


def test_a_text_that_a_pattern_takes_too_long_for_does_not_match_it() -> None:
    schema = Schema({"properties": {"a": {"pattern": "^(?=a)(a+)+\\1$"}}})
    assert list(schema.faults({"a": "a" * 100_000 + "!"})) == [Fault("/a", "value does not match the pattern")]


@pytest.mark.parametrize(("count", "told"), [(1_998, 1_998), (1_999, 1)])
@pytest.mark.parametrize("wrong", [{"type": "string"}, {"required": ["x"]}, {"anyOf": [{"type": "string"}]}])
def test_up_to_2000_values_all_that_is_wrong_is_told_and_above_the_first(wrong: dict[str, Any], count: int, told: int) -> None:
    schema = Schema({"properties": {"all": {"items": {"type": "object", **wrong}}}})
    value: Any = {} if "required" in wrong else 1
    faults = list(schema.faults({"all": [value] * count}))
    assert len({fault.pointer for fault in faults}) == told


def test_a_large_document_that_fits_has_no_fault() -> None:
    assert not list(Schema({"items": {"type": "array"}}).faults([[[]] * 3 for _ in range(10_000)]))


def test_the_faults_of_nested_fields_say_where_they_are() -> None:
    line = {"required": ["sku"], "additionalProperties": False, "properties": {"sku": {"type": "string"}}}
    schema = Schema({"properties": {"lines": {"items": line}}, "dependentRequired": {"lines": ["total"]}})
    faults = {fault.pointer: fault.message for fault in schema.faults({"lines": [{"sku": "a"}, {"price": Decimal(1)}]})}
    assert faults == {"/lines/1/sku": "is required", "/lines/1/price": "is not a known field", "/total": "is required"}


def test_an_item_has_the_size_that_dynamodb_counts() -> None:
    assert item_size({"id": "ö"}) == 2 + 2
    assert item_size({"a": True, "b": None}) == 4
    assert item_size({"l": ["xy"], "m": {"k": "v"}}) == (1 + 3 + 1 + 2) + (1 + 3 + 1 + 1 + 1)
    assert item_size({"n": Decimal(1)}) == 1 + 21


def test_a_number_that_dynamodb_writes_out_in_full_is_read_back() -> None:
    for number in (Decimal("1E+100"), Decimal("9.99E+125"), Decimal("1E-130"), Decimal("-1.5E+50"), Decimal(0)):
        assert from_dynamodb({"N": format(number, "f")}) == number
        assert from_dynamodb(to_dynamodb(number)) == number


@given(st.recursive(st.none() | st.booleans() | st.integers(-(10**37), 10**37).map(Decimal) | st.text(), nested, max_leaves=10))
def test_a_value_survives_a_table(value: object) -> None:
    assert from_dynamodb(to_dynamodb(value)) == value


def test_what_json_has_no_form_for_is_still_shown() -> None:
    attributes = {"a": {"SS": ["x"]}, "b": {"NS": ["1.0"]}, "c": {"B": b"\x00\xff"}, "d": {"BS": [b"\x00"]}}
    assert values_of(attributes) == {"a": ["x"], "b": [Decimal(1)], "c": "AP8=", "d": ["AA=="]}


def test_a_call_ends_before_any_function_behind_an_api_does() -> None:
    config = aws.CLIENT_CONFIG
    assert config.retries == {"mode": "standard", "total_max_attempts": 2}  # type: ignore[attr-defined]
    assert (config.connect_timeout, config.read_timeout) == (1, 2)  # type: ignore[attr-defined]
    assert aws.LONGEST_CALL_SECONDS == 7


def client_error(code: str, status: int = 400) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "GetItem")


@pytest.mark.parametrize(
    "error",
    [
        client_error("ProvisionedThroughputExceededException"),
        client_error("ThrottlingException"),
        client_error("RequestLimitExceeded"),
        client_error("TransactionConflictException"),
        client_error("Anything", 503),
        ReadTimeoutError(endpoint_url="https://example.com"),
        ConnectTimeoutError(endpoint_url="https://example.com"),
    ],
)
def test_failures_that_pass_are_told_from_those_that_do_not(error: Exception) -> None:
    assert aws.passes(error)


@pytest.mark.parametrize(
    "error",
    [
        client_error("AccessDeniedException"),
        client_error("ValidationException"),
        NoCredentialsError(),
        ValueError("Throttling"),
    ],
)
def test_failures_that_stay_are_told_from_those_that_pass(error: Exception) -> None:
    assert not aws.passes(error)


def test_every_foreseen_error_has_a_status_of_its_own() -> None:
    of_an_api = {error for error in HandlerError.__subclasses__() if error.__module__ == "shared.errors"}
    assert set(STATUS) == of_an_api  # a queue's own, such as PostponedError, reach no HTTP client
    assert len(set(STATUS.values())) == len(STATUS)


def test_only_an_allowed_origin_is_named() -> None:
    allowed = ("https://a.example.com", "https://b.example.com")
    named = cors_headers("https://b.example.com", allowed=allowed, credentials=True)
    assert named["Access-Control-Allow-Origin"] == "https://b.example.com"
    assert named["Access-Control-Allow-Credentials"] == "true"
    for origin in ("https://evil.example", "https://a.example.com.evil.example", "null", "", "*", None):
        assert cors_headers(origin, allowed=allowed, credentials=True) == {"Vary": "Origin"}


def test_any_origin_is_named_as_any() -> None:
    assert cors_headers("https://a.example.com", allowed=("*",), credentials=False)["Access-Control-Allow-Origin"] == "*"


def test_no_allowed_origin_means_no_header() -> None:
    assert cors_headers("https://a.example.com", allowed=(), credentials=False) == {}


def test_a_point_in_time_is_written_in_utc_with_milliseconds_wherever_it_was_taken() -> None:
    noon = datetime(2026, 3, 1, 12, 0, 0, 1999, tzinfo=UTC)
    assert timestamp(noon) == timestamp(noon.astimezone(timezone(timedelta(hours=2)))) == "2026-03-01T12:00:00.001Z"
    assert utc_now().tzinfo is UTC


def test_what_is_worth_a_try_fails_with_a_warning_that_says_where(log_lines: Callable[[], list[dict[str, Any]]]) -> None:
    with best_effort("bell not rung", order_id="o-1"):
        raise ValueError
    (line,) = log_lines()
    assert (line["level"], line["message"], line["error"]) == ("WARNING", "bell not rung", "ValueError")
    assert line["order_id"] == "o-1"
    assert line["location"].startswith("test_what_is_worth_a_try_fails_with_a_warning_that_says_where:")


def test_what_is_worth_a_try_and_works_is_not_spoken_of(log_lines: Callable[[], list[dict[str, Any]]]) -> None:
    with best_effort("bell not rung"):
        pass
    assert log_lines() == []


def test_an_end_that_was_asked_for_is_no_failure_to_pass_over() -> None:
    with pytest.raises(KeyboardInterrupt), best_effort("bell not rung"):
        raise KeyboardInterrupt


def test_only_a_refusal_of_what_was_sent_is_a_fault_of_it() -> None:
    refused, denied = client_error("ValidationException"), client_error("AccessDeniedException")
    with pytest.raises(InvalidError, match=r"^too large$"), aws.refused_as("too large"):
        raise refused
    with pytest.raises(ClientError), aws.refused_as("too large"):
        raise denied


def test_what_there_is_no_time_for_is_postponed() -> None:
    context: Any = Context(milliseconds_left=7_000)
    check_time(context, 7)
    with pytest.raises(PostponedError, match=r"^There was not enough time left for it\.$"):
        check_time(context, 7.001)


def test_only_a_file_that_must_be_in_the_code_is_missed_when_it_is_packed(tmp_path: Path) -> None:
    self_check.main(tmp_path / "schema.json", Schema.load)
    with pytest.raises(SystemExit, match=r"^schema names schema\.json, which is not in the code$"):
        self_check.main(tmp_path / "schema.json", Schema.load, required=True)
