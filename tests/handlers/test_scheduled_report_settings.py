import importlib
import subprocess
import sys
from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

import pytest

from scheduled_report.data_api import DataApi
from scheduled_report.handler import source_of
from scheduled_report.models import Settings
from scheduled_report.postgres import Postgres
from scheduled_report.table_scan import TableScan
from shared.settings import SettingsError

BASE = {"REPORT_NAME": "orders", "REPORT_BUCKET_NAME": "b", "RUNS_TABLE_NAME": "t"}
DYNAMODB = BASE | {"SOURCE": "dynamodb", "SOURCE_TABLE_NAME": "orders", "COLUMNS": "id, amount"}
POSTGRES = BASE | {"SOURCE": "postgres", "DATABASE_SECRET_ARN": "arn", "QUERY_FILE": "query.sql", "KEY_COLUMNS": "day, id"}
DATA_API = POSTGRES | {"SOURCE": "data_api", "CLUSTER_ARN": "cluster", "DATABASE_NAME": "shop"}


def settings_of(base=DYNAMODB, **variables):
    return Settings.from_environment(base | variables)


def refused(base=DYNAMODB, **variables):
    with pytest.raises(SettingsError) as caught:
        settings_of(base, **variables)
    return str(caught.value)


def test_defaults_are_those_of_a_small_daily_report():
    made = settings_of()
    assert (made.prefix, made.most_rows, made.html_rows, made.chart) == ("reports/", 1_000_000, 1000, None)
    assert made.announcement.link_seconds == 3600
    assert made.time_zone.utcoffset(None) is None or made.time_zone is UTC or str(made.time_zone) == "UTC"
    database = settings_of(DATA_API).database
    assert (database.page_rows, database.statement_timeout_seconds, database.key_columns) == (1000, 60, ("day", "id"))


@pytest.mark.parametrize("base", [DYNAMODB, POSTGRES, DATA_API], ids=lambda base: base["SOURCE"])
def test_each_source_needs_its_own_variables(base):
    settings_of(base)
    for name in base:
        without = {key: value for key, value in base.items() if key != name}
        assert refused(without).startswith(f"{name} must ")


def test_the_source_is_the_one_that_is_named(tmp_path):
    (tmp_path / "query.sql").write_text("SELECT 1 AS id", encoding="utf-8")
    query = {"QUERY_FILE": str(tmp_path / "query.sql")}
    found = [source_of(settings_of(base, **query)) for base in (DYNAMODB, POSTGRES, DATA_API)]
    assert [type(source) for source in found] == [TableScan, Postgres, DataApi]


@pytest.mark.parametrize("name", ["../orders", "a/b", "..", "a b", "a\r\nBcc: x@example.com", "ä", "x" * 65, "a.b"])
def test_a_name_that_is_no_plain_word_is_refused(name):
    assert refused(REPORT_NAME=name).startswith("REPORT_NAME must be 1 to 64 letters")


@pytest.mark.parametrize("prefix", ["../", "a/../b/", "./", "reports", "/a/", "a//", "a b/", "a\n/"])
def test_a_prefix_that_leads_elsewhere_is_refused(prefix):
    assert refused(REPORT_PREFIX=prefix).startswith("REPORT_PREFIX must be folders")


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", "/etc/localtime", "europe", "UTC+1", "\0"])
def test_a_time_zone_that_there_is_not_is_refused(zone):
    assert refused(TIME_ZONE=zone).startswith("TIME_ZONE must be a name of the IANA time zones")
    assert settings_of(TIME_ZONE="Europe/Berlin").time_zone == ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    "address",
    [
        "ann@example.com\r\nBcc: eve@example.com",
        "ann@example.com\nX: y",
        "Ann <ann@example.com>",
        "ann",
        "ann@",
        "@example.com",
        "ann@exa mple.com",
        "ann;eve@example.com",
        "\u00e4nn@example.com",
        '"a b"@example.com',
        f"ann@{'x' * 64}.com",
    ],
)
@pytest.mark.parametrize("name", ["MAIL_FROM", "MAIL_TO"])
def test_an_address_that_could_add_a_header_or_a_recipient_is_refused(name, address):
    both = {"MAIL_FROM": "a@example.com", "MAIL_TO": "b@example.com"} | {name: address}
    assert refused(**both).startswith(f"{name} must have addresses like")


def test_a_mail_has_one_sender_and_somebody_who_gets_it():
    for wrong in ({"MAIL_FROM": "a@example.com"}, {"MAIL_TO": "a@example.com"}):
        assert refused(**wrong).startswith("MAIL_FROM must be one address, and set together with MAIL_TO")
    assert refused(MAIL_FROM="a@example.com,b@example.com", MAIL_TO="c@example.com").startswith("MAIL_FROM must be one")
    many = ",".join(f"u{n}@example.com" for n in range(51))
    assert refused(MAIL_FROM="a@example.com", MAIL_TO=many).startswith("MAIL_TO must have at most 50 addresses, got 51")


def test_a_schedule_may_begin_a_day_late_at_most():
    assert settings_of().flexible_window == timedelta(0)
    assert settings_of(FLEXIBLE_WINDOW_SECONDS="86400").flexible_window == timedelta(days=1)
    assert refused(FLEXIBLE_WINDOW_SECONDS="86401").startswith("FLEXIBLE_WINDOW_SECONDS must be a whole number from 0 to 86400")


@pytest.mark.parametrize("port", ["0", "65536", "x"])
def test_a_port_that_there_is_not_is_refused(port):
    assert refused(POSTGRES, DATABASE_PORT=port).startswith("DATABASE_PORT must be a whole number from 1 to 65535")


def test_links_work_for_twelve_hours_at_most():
    assert refused(LINK_SECONDS="43201").startswith("LINK_SECONDS must be a whole number from 1 to 43200")


@pytest.mark.parametrize("columns", ['id"; DROP TABLE x; --', "id desc", "1d", "day,day", "a-b"])
def test_key_columns_that_are_no_plain_names_are_refused(columns):
    assert refused(POSTGRES, KEY_COLUMNS=columns).startswith("KEY_COLUMNS must have")


def test_a_chart_needs_a_label_and_a_value():
    assert refused(CHART_LABEL="day").startswith("CHART_VALUE must be set")
    assert refused(CHART_VALUE="total").startswith("CHART_LABEL must be set")
    assert settings_of(CHART_LABEL="day", CHART_VALUE="total").chart == ("day", "total")


def test_importing_the_handler_does_nothing_outside_lambda_and_reads_its_settings_in_it(monkeypatch):
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_NAME", raising=False)
    module = importlib.import_module("scheduled_report.handler")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "report")
    with pytest.raises(SettingsError, match=r"^SOURCE must"):
        importlib.reload(module)


def test_the_driver_of_postgresql_is_loaded_only_for_reports_that_need_it():
    code = "import sys, scheduled_report.handler; print('pg8000' in sys.modules)"
    environment = {"PYTHONPATH": "lambda_src", "AWS_DEFAULT_REGION": "eu-central-1"}
    found = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "False"
