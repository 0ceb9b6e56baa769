"""Reports of SQL databases, each by the Data API and by PostgreSQL's own protocol: the same report either way."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from shared.errors import HandlerError, InvalidError

ORDERS = """
CREATE TABLE orders (id bigint PRIMARY KEY, customer text, amount numeric(40, 2), ordered_at timestamptz, paid boolean)
"""
DAYS = """
INSERT INTO orders VALUES
  (1, 'Ann', 10.00, '2026-02-28 23:59:59.999999+00', true),
  (2, 'Bob', 20.50, '2026-03-01 00:00:00+00', false),
  (3, NULL, NULL, '2026-03-01 23:59:59.999999+00', NULL),
  (4, 'Cem', 30.00, '2026-03-02 00:00:00+00', true)
"""
INSERT = "INSERT INTO orders "
OF_THE_DAY = "SELECT id, customer, amount FROM orders WHERE ordered_at >= :from AND ordered_at < :until"


def failure(reports, kind=HandlerError):
    with pytest.raises(kind) as caught:
        reports.run()
    return caught.value.detail


def test_a_report_has_the_rows_of_its_day(sql_reports):
    sql_reports.database.run(ORDERS, DAYS)
    sql_reports.query = OF_THE_DAY
    answer = sql_reports.run()
    assert answer["rows"] == 2
    assert sql_reports.rows == [["id", "customer", "amount"], ["2", "Bob", "20.50"], ["3", "", ""]]


def test_the_day_is_one_of_the_time_zone(sql_reports):
    sql_reports.database.run(ORDERS, DAYS)
    sql_reports.query = OF_THE_DAY
    sql_reports.variables["TIME_ZONE"] = "America/Sao_Paulo"  # 03:00 to 03:00 in UTC
    sql_reports.run({"date": "2026-02-28"})
    text = sql_reports.file("reports/dt=2026-02-28/daily_orders.csv")
    assert [line.partition(",")[0] for line in text.splitlines()[1:]] == ["1", "2"]


@pytest.mark.parametrize("count", [0, 1, 4, 5, 6, 10, 11, 12])
def test_all_pages_make_one_report_with_each_row_once(sql_reports, count):
    sql_reports.database.run(ORDERS, f"{INSERT} SELECT generate_series(1, {count})")
    sql_reports.variables["PAGE_ROWS"] = "5"
    assert sql_reports.run()["rows"] == count
    assert [row[0] for row in sql_reports.rows[1:]] == [str(n) for n in range(1, count + 1)]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("int2", "(1::int2), (2), (-3)"),
        ("numeric", "(12345678901234567890123456789012345678.01), (12345678901234567890123456789012345678.02), (0.1)"),
        ("text", "('a'), ('B'), ('it''s'), ('ä'), (''), ('\"x'), (':p')"),
        ("varchar(9)", "('a'), ('b'), ('c')"),
        ("char(4)", "('a'), ('b'), ('b c')"),
        ("date", "('2026-03-01'::date), ('0044-03-15 BC'), ('infinity')"),
        ("timestamp", "('2026-03-01 00:00:00.000001'::timestamp), ('2026-03-01 00:00:00.000002'), ('2026-03-01')"),
        ("timestamptz", "('2026-03-01 00:00:00.000001+02'::timestamptz), ('2026-03-01 00:00:00.000002+02'), ('2026-03-01')"),
        ("uuid", "('00000000-0000-0000-0000-000000000001'::uuid), ('ffffffff-0000-0000-0000-000000000000')"),
        ("serial", "(1), (2), (3)"),
    ],
)
def test_a_report_can_be_paged_by_any_type_whose_text_says_all(sql_reports, kind, values):
    sql_reports.database.run(f"CREATE TABLE orders (id {kind})", f"{INSERT} VALUES {values}")
    sql_reports.variables["PAGE_ROWS"] = "1"
    assert sql_reports.run()["rows"] == values.count("), (") + 1


def test_a_report_can_be_paged_by_several_columns(sql_reports):
    sql_reports.database.run(
        "CREATE TABLE orders (shop text, id int)",
        "INSERT INTO orders SELECT s, n FROM unnest(ARRAY['a', 'b']) s, generate_series(1, 5) n",
    )
    sql_reports.variables |= {"PAGE_ROWS": "3", "KEY_COLUMNS": "shop,id"}
    sql_reports.run()
    assert [",".join(row) for row in sql_reports.rows[1:]] == [f"{shop},{n}" for shop in "ab" for n in range(1, 6)]


def test_a_type_that_cannot_be_paged_by_says_how_to_mend_it(sql_reports):
    sql_reports.database.run("CREATE TABLE orders (id float8)", "INSERT INTO orders VALUES (1), (2)")
    sql_reports.variables["PAGE_ROWS"] = "1"
    assert failure(sql_reports) == "The report cannot be paged by id, which has the type float8: let the query cast it to text."


@pytest.mark.parametrize("values", ["(1), (1)", "(1), (2), (2)", "(1), (2), (2), (2), (3)"])
@pytest.mark.parametrize("page_rows", ["1", "2", "100"])
def test_keys_that_are_not_unique_fail_rather_than_lose_a_row(sql_reports, values, page_rows):
    sql_reports.database.run("CREATE TABLE orders (id int)", f"{INSERT} VALUES {values}")
    sql_reports.variables["PAGE_ROWS"] = page_rows
    assert "Two rows have the same id" in failure(sql_reports, InvalidError)
    assert sql_reports.keys == []


@pytest.mark.parametrize("page_rows", ["1", "2", "3", "100"])
def test_numbers_that_differ_in_their_digits_only_are_one_key(sql_reports, page_rows):
    sql_reports.database.run("CREATE TABLE orders (id numeric)", f"{INSERT} VALUES (1.0), (2.0), (2.00), (3.0)")
    sql_reports.variables["PAGE_ROWS"] = page_rows
    assert "Two rows have the same id" in failure(sql_reports, InvalidError)
    assert sql_reports.keys == []


@pytest.mark.parametrize("page_rows", ["1", "2", "3", "4", "100"])
def test_texts_that_the_database_takes_for_equal_are_all_there_or_the_report_fails(sql_reports, page_rows):
    """As those of a collation that is not deterministic, which the PostgreSQL of the tests has none of."""
    sql_reports.database.run("CREATE TABLE orders (id bpchar)", f"{INSERT} VALUES ('a'), ('b'), ('b '), ('c'), ('d')")
    sql_reports.variables["PAGE_ROWS"] = page_rows
    if page_rows in {"1", "2"}:  # a page ends between the two
        said = failure(sql_reports, InvalidError)
        assert said.startswith(
            "A row was passed over at the end of a page: PostgreSQL takes its id for equal to those of the row"
        )
        assert 'COLLATE "C"' in said
        assert sql_reports.keys == []
    else:
        assert sql_reports.run()["rows"] == 5


def test_a_query_that_finds_other_rows_for_each_page_fails(sql_reports):
    sql_reports.query = "SELECT random()::numeric AS id FROM generate_series(1, 9)"
    sql_reports.variables["PAGE_ROWS"] = "3"
    assert "the query does not find the same rows twice" in failure(sql_reports, InvalidError)


@pytest.mark.parametrize("page_rows", ["1", "2", "3", "100"])
def test_keys_that_are_missing_fail_rather_than_lose_a_row(sql_reports, page_rows):
    sql_reports.database.run("CREATE TABLE orders (id int)", "INSERT INTO orders VALUES (1), (2), (3), (NULL)")
    sql_reports.variables["PAGE_ROWS"] = page_rows
    assert "A row has no value in id" in failure(sql_reports, InvalidError)
    assert sql_reports.keys == []


def test_a_key_that_the_query_does_not_have_is_named(sql_reports):
    sql_reports.database.run(ORDERS)
    sql_reports.variables["KEY_COLUMNS"] = "number"
    assert 'column "number" does not exist' in failure(sql_reports)
    sql_reports.variables["KEY_COLUMNS"] = "report"  # what the statement itself calls the query
    assert failure(sql_reports) == "The query has no column report, which KEY_COLUMNS names."


def test_numbers_keep_all_their_digits(sql_reports):
    sql_reports.query = """
        SELECT 1 AS id, 12345678901234567890123456789012345678::numeric AS a, -0.10::numeric AS b, 0.1::float8 AS c,
               9223372036854775807::int8 AS d, 1e20::float8 AS e,
               99999999999999999999999999999999999.999::numeric(38, 3) AS f
    """
    sql_reports.run()
    assert sql_reports.csv.splitlines()[1] == (
        "1,12345678901234567890123456789012345678,-0.10,0.1,9223372036854775807,1e+20,99999999999999999999999999999999999.999"
    )


def test_other_values_are_texts(sql_reports):
    sql_reports.query = """
        SELECT 1 AS id, true AS a, false AS b, NULL::text AS c, '2026-03-01'::date AS d,
               '2026-03-01 10:00:00+02'::timestamptz AS e,
               '2026-03-01 10:00:00.25'::timestamp AS f, 'x'::bytea AS g, ARRAY[1, NULL, 3] AS h,
               ARRAY['a', 'b c', 'NULL', '', 'q"'] AS i,
               ARRAY[true, false] AS j, '{"a": 1}'::jsonb AS k, 'NaN'::numeric AS l, '' AS m
    """
    sql_reports.run()
    assert sql_reports.rows[1] == [
        "1", "true", "false", "", "2026-03-01", "2026-03-01 08:00:00+00", "2026-03-01 10:00:00.25", "\\x78", "{1,NULL,3}",
        '{a,"b c","NULL","","q\\""}', "{t,f}", '{"a": 1}', "NaN", "",
    ]  # fmt: skip


def test_texts_that_look_like_formulas_are_marked_and_numbers_are_not(sql_reports):
    sql_reports.query = "SELECT -5 AS id, -5.5::numeric AS a, '-5' AS b, '=1+1' AS c, '@x' AS d, '+49' AS e"
    sql_reports.run()
    assert sql_reports.csv.splitlines()[1] == "-5,-5.5,'-5,'=1+1,'@x,'+49"


def test_a_query_may_have_quotes_comments_casts_and_brackets(sql_reports):
    sql_reports.query = """
        -- orders of :nobody; really (
        WITH all_of_them AS (SELECT generate_series(1, 2) AS n) /* ' */
        SELECT n::bigint AS id, 'it''s; (:x) -- no' AS "a;b", n::text LIKE'1%' AS c FROM all_of_them;
    """
    sql_reports.run()
    assert sql_reports.rows == [["id", "a;b", "c"], ["1", "it's; (:x) -- no", "true"], ["2", "it's; (:x) -- no", "false"]]


def test_a_text_that_ends_with_a_backslash_hides_no_parameter(sql_reports):
    sql_reports.query = r"SELECT 1 AS id, 'a' LIKE'a\\' AS a, :report_date AS b"
    sql_reports.run()
    assert sql_reports.rows[1] == ["1", "false", "2026-03-01"]


def test_values_of_parameters_are_never_part_of_the_statement(sql_reports):
    sql_reports.database.run(ORDERS)
    sql_reports.query = "SELECT 1 AS id, :name AS name, :least + 1 AS least, :rate AS rate, :on AS is_on, :none AS nothing"
    attack = "x'; DROP TABLE orders; --"
    sql_reports.parameters = {"name": attack, "least": 41, "rate": 0.25, "on": True, "none": None}
    sql_reports.run()
    assert sql_reports.rows[1] == ["1", attack, "42", "0.25", "true", ""]
    sql_reports.database.run("SELECT FROM orders")


def test_keys_that_look_like_sql_are_only_values(sql_reports):
    sql_reports.database.run(
        "CREATE TABLE orders (id text PRIMARY KEY)",
        "INSERT INTO orders VALUES ('''; DROP TABLE orders; --'), ('1) OR (1=1'), ('z'), (':after_1')",
    )
    sql_reports.variables["PAGE_ROWS"] = "1"
    assert sql_reports.run()["rows"] == 4


def test_a_query_that_changes_something_fails(sql_reports):
    sql_reports.database.run(
        ORDERS, "CREATE FUNCTION spoil() RETURNS int LANGUAGE sql AS 'INSERT INTO orders (id) VALUES (9) RETURNING 1'"
    )
    sql_reports.query = "SELECT spoil() AS id"
    assert failure(sql_reports) == "The query changes something; the transaction of a report only reads."


def test_all_pages_are_of_one_moment(sql_reports):
    sql_reports.database.run(ORDERS, "INSERT INTO orders SELECT n FROM generate_series(1, 10) AS n")
    sql_reports.variables["PAGE_ROWS"] = "4"
    sql_reports.query = "SELECT id, customer FROM orders"
    source = sql_reports.source_of(sql_reports.settings)

    @contextmanager
    def opened(day, deadline):
        with source.open(day, deadline) as table:  # its first page has been read
            sql_reports.database.run("UPDATE orders SET customer = 'late'", "DELETE FROM orders WHERE id = 10")
            yield table

    answer = sql_reports.run(source=SimpleNamespace(open=opened))
    assert answer["rows"] == 10
    assert {row[1] for row in sql_reports.rows[1:]} == {""}


def test_a_query_that_takes_too_long_is_stopped_by_the_database(sql_reports):
    sql_reports.query = "SELECT 1 AS id, pg_sleep(10)"
    sql_reports.variables["STATEMENT_TIMEOUT_SECONDS"] = "1"
    assert "took longer than STATEMENT_TIMEOUT_SECONDS" in failure(sql_reports)
    assert sql_reports.keys == []


def test_no_statement_gets_more_time_than_the_function_has(sql_reports):
    sql_reports.query = "SELECT 1 AS id, pg_sleep(10)"
    sql_reports.context.milliseconds_left = 20_700
    assert "or than the function has left" in failure(sql_reports)
    sql_reports.context.milliseconds_left = 19_000
    assert "There is too little time left" in failure(sql_reports)


def test_an_error_of_the_query_itself_keeps_its_words(sql_reports):
    sql_reports.query = "SELECT id FROM nothing"
    assert failure(sql_reports) == 'The database refused the query (SQLSTATE 42P01): relation "nothing" does not exist'


def test_an_error_about_a_value_does_not_repeat_it(sql_reports, log_lines):
    sql_reports.query = "SELECT 1 AS id, CAST('4111' || ' secret' AS int) AS a"
    assert failure(sql_reports) == "The database refused the query (SQLSTATE 22P02)"
    assert "secret" not in str(log_lines())
    assert "secret" not in str(sql_reports.row())


def test_a_query_without_rows_still_has_its_columns(sql_reports):
    sql_reports.query = "SELECT 1 AS id, 'a' AS name WHERE false"
    assert sql_reports.run()["rows"] == 0
    assert sql_reports.rows == [["id", "name"]]
    assert "There are no rows for this day." in sql_reports.html


def test_a_transaction_ends_with_the_report(sql_reports):
    sql_reports.query = "SELECT 1 AS id"
    sql_reports.run()
    sql_reports.query = "SELECT 1 / 0 AS id"
    with pytest.raises(HandlerError):
        sql_reports.run({"date": "2026-02-27"})
    open_ones = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
    connection = sql_reports.database.connect()
    assert connection.run(open_ones) == [[0]]
    connection.close()
