import re
import runpy
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

import scheduled_report
from scheduled_report.days import Day
from scheduled_report.query import Query
from shared.errors import InvalidError
from shared.settings import SettingsError

DAY = Day(date(2026, 3, 29), ZoneInfo("Europe/Berlin"))
INJECTION = "x'; DROP TABLE orders; --"


def refused(sql):
    with pytest.raises(InvalidError) as caught:
        Query.parse(sql)
    return caught.value.detail


def loaded(folder, sql="SELECT 1", parameters=None):
    (folder / "query.sql").write_text(sql, encoding="utf-8")
    if parameters is None:
        return Query.load(folder / "query.sql")
    (folder / "parameters.json").write_text(parameters, encoding="utf-8")
    return Query.load(folder / "query.sql", folder / "parameters.json")


# --- the text of the statement


def test_a_query_becomes_a_part_of_the_statement_for_a_page():
    assert Query.parse("SELECT 1 AS id").page(("id",)) == (
        'SELECT * FROM (\nSELECT 1 AS id\n) AS report ORDER BY "id" LIMIT CAST(:page_rows AS bigint)'
    )


def test_a_page_after_a_row_compares_all_keys_at_once():
    assert Query.parse("SELECT 1").page(("day", "id"), ("date", "serial")) == (
        "SELECT * FROM (\nSELECT 1\n) AS report "
        'WHERE ("day", "id") > (CAST(:after_1 AS date), CAST(:after_2 AS int4)) '
        'ORDER BY "day", "id" LIMIT CAST(:page_rows AS bigint)'
    )


def test_each_parameter_is_cast_to_its_type():
    query = Query.parse("SELECT :report_date, :from, :until, :from::date")
    assert query.text == (
        "SELECT CAST(:p_report_date AS date), CAST(:p_from AS timestamptz), CAST(:p_until AS timestamptz), "
        "CAST(:p_from AS timestamptz)::date"
    )


def test_values_are_those_of_the_day_and_only_those_that_the_query_has():
    assert Query.parse("SELECT :from, :until").parameters(DAY) == {
        "p_from": "2026-03-28T23:00:00+00:00",
        "p_until": "2026-03-29T22:00:00+00:00",
    }
    assert Query.parse("SELECT :report_date").parameters(DAY) == {"p_report_date": "2026-03-29"}


@pytest.mark.parametrize("end", [";", " ; ", ";\n-- all orders; really\n", "\n/* the end; */", "; /* x */ -- y"])
def test_a_semicolon_and_comments_may_end_the_query(end):
    assert Query.parse(f"SELECT 1{end}").text == "SELECT 1"


def test_comments_do_not_swallow_the_rest_of_the_statement():
    query = Query.parse("SELECT 1 -- one :unknown ' ) ;\n, 2 /* two ' :x */ AS id -- last")
    assert "--" not in query.text
    assert re.sub(r"\s+", " ", query.text) == "SELECT 1 , 2 AS id"


def test_what_is_in_quotes_is_left_alone():
    texts = ["';'", "'it''s :no parameter'", "'(--'", '"a;b"', '"x"":y"', "'/*'"]
    query = Query.parse(f"SELECT {', '.join(texts)}")
    assert [text for text in texts if text not in query.text] == []
    assert query.names == frozenset()


def test_a_byte_order_mark_is_no_part_of_the_query():
    assert Query.parse("\ufeffSELECT 1;").text == "SELECT 1"


@pytest.mark.parametrize(
    ("sql", "fault"),
    [
        ("SELECT 1; DROP TABLE orders", "one statement"),
        ("SELECT 1) AS report; DROP TABLE orders; --", "closes nothing"),
        ("SELECT 1) AS report UNION SELECT * FROM (SELECT 2", "closes nothing"),
        ("SELECT (1", "bracket that is not closed"),
        ("SELECT (ARRAY[1)]", "closes nothing"),
        ("SELECT 'a", "' that is not closed"),
        ('SELECT "a', '" that is not closed'),
        ("SELECT 1 /* a", "comment that is not closed"),
        ("SELECT 1 /* a /* b */ c */", "one in another"),
        (r"SELECT E'\''", "write a plain"),
        (r"SELECT e'\''", "write a plain"),
        (r"SELECT U&'\0041'", "write a plain"),
        ("SELECT $$a$$", "write a plain"),
        ("SELECT $1", "write a plain"),
        ("SELECT :unknown", "the parameter :unknown; there are :from, :report_date, :until"),
        ("SELECT a[1:2]", "neither a cast nor a parameter"),
        ("SELECT \0", "NUL"),
        ("", "empty"),
        (" ; ", "empty"),
        ("-- nothing", "empty"),
    ],
)
def test_what_could_not_be_part_of_another_statement_is_refused(sql, fault):
    assert fault in refused(sql)


@pytest.mark.parametrize("name", ['id"', 'id" DESC; --', "id, x", "1d", "", "id id", "ïd", "x" * 64])
def test_a_key_column_that_is_no_plain_name_is_refused(name):
    with pytest.raises(SettingsError, match="KEY_COLUMNS must have names"):
        Query.parse("SELECT 1").page((name,))


@given(st.text(st.sampled_from("aE1'\"();:-/*$[] \n,x"), max_size=30))
def test_whatever_is_accepted_stays_one_balanced_statement(sql):
    try:
        text = Query.parse(sql).text
    except InvalidError:
        return
    outside = re.sub(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"", "", text)
    assert not {";", "'", '"', "$"} & set(outside)
    assert "--" not in outside
    assert "/*" not in outside
    assert outside.count("(") == outside.count(")")
    assert outside.replace("::", "").count(":") == outside.count("CAST(:p_")


# --- the user's parameters


def test_more_parameters_come_with_their_types(tmp_path):
    parameters = (
        '{"country": "DE", "least": 10, "rate": 0.1, "all": true, "none": null, "unused": "x", "big": 9223372036854775808}'
    )
    query = loaded(tmp_path, "SELECT :country, :least, :rate, :all, :none, :big", parameters)
    assert re.findall(r":p_(\w+) AS (\w+)", query.text) == [
        ("country", "text"), ("least", "bigint"), ("rate", "numeric"), ("all", "boolean"), ("none", "text"), ("big", "numeric"),
    ]  # fmt: skip
    assert query.parameters(DAY) == {
        "p_country": "DE", "p_least": "10", "p_rate": "0.1", "p_all": "true", "p_none": None, "p_big": "9223372036854775808",
    }  # fmt: skip


def test_a_value_never_gets_into_the_statement(tmp_path):
    query = loaded(tmp_path, "SELECT :name", f'{{"name": "{INJECTION}"}}')
    assert "DROP" not in query.page(("id",), ("text",))
    assert query.parameters(DAY) == {"p_name": INJECTION}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("[]", "PARAMETERS_FILE names parameters.json, which is no JSON object"),
        ("{", "PARAMETERS_FILE names parameters.json, which is not the JSON that is needed: The JSON is broken at line 1"),
        ('{"a": [1]}', "a is a list or an object"),
        ('{"from": "x"}', "has a parameter of a name that cannot be: 'from'"),
        ('{"a b": "x"}', "has a parameter of a name that cannot be: 'a b'"),
    ],
)
def test_parameters_that_cannot_be_used_name_their_file(tmp_path, parameters, message):
    with pytest.raises(SettingsError) as caught:
        loaded(tmp_path, parameters=parameters)
    assert message in str(caught.value)


def test_a_query_that_cannot_be_used_names_its_file(tmp_path):
    with pytest.raises(SettingsError, match=r"^QUERY_FILE names query.sql, which has a ; before its end"):
        loaded(tmp_path, "SELECT 1; SELECT 2")
    with pytest.raises(SettingsError, match=r"^QUERY_FILE names other.sql, which is not in the code"):
        Query.load(tmp_path / "other.sql")
    (tmp_path / "latin.sql").write_bytes(b"SELECT '\xe4'")
    with pytest.raises(SettingsError, match="which is not UTF-8"):
        Query.load(tmp_path / "latin.sql")


def test_a_query_is_checked_before_it_is_deployed(tmp_path):
    check = tmp_path / "self_check.py"
    check.write_text(Path(scheduled_report.__file__).with_name("self_check.py").read_text(encoding="utf-8"), encoding="utf-8")
    runpy.run_path(str(check), run_name="__main__")
    (tmp_path / "query.sql").write_text("SELECT :country", encoding="utf-8")
    with pytest.raises(SystemExit, match="has the parameter :country"):
        runpy.run_path(str(check), run_name="__main__")
    (tmp_path / "parameters.json").write_text('{"country": "DE"}', encoding="utf-8")
    runpy.run_path(str(check), run_name="__main__")
