from decimal import Decimal

from tests.handlers.report_client import Reports


def test_a_report_has_all_items_with_their_columns(reports):
    reports.put_items({"id": "a", "amount": Decimal("1.50"), "other": "x"}, {"id": "b"}, {"id": "c", "amount": None})
    assert reports.run()["rows"] == 3
    assert reports.rows[0] == ["id", "amount"]
    assert sorted(reports.rows[1:]) == [["a", "1.50"], ["b", ""], ["c", ""]]


def test_numbers_keep_all_their_digits_and_texts_are_marked(reports):
    digits = "12345678901234567890123456789012345678"
    reports.put_items({"id": "=1+1", "amount": Decimal(digits)}, {"id": "b", "amount": Decimal(-5)})
    reports.run()
    assert sorted(reports.rows[1:]) == [["'=1+1", digits], ["b", "-5"]]


def test_what_is_no_text_and_no_number_is_json(reports):
    reports.variables["COLUMNS"] = "id,a,b,c"
    reports.put_items({"id": "a", "a": True, "b": ["x", Decimal(1)], "c": {"y": None}})
    reports.run()
    assert reports.rows[1] == ["a", "true", '["x",1]', '{"y":null}']


def test_only_the_columns_are_read_whatever_they_are_called(reports):
    reports.variables["COLUMNS"] = "id, size, a.b, #x"
    reports.put_items({"id": "a", "size": "L", "a.b": "dot", "#x": "hash"})
    reports.run()
    assert reports.rows == [["id", "size", "a.b", "#x"], ["a", "L", "dot", "hash"]]
    (scan,) = reports.table.of("scan")
    assert scan["ProjectionExpression"] == "#c0, #c1, #c2, #c3"


def test_a_large_table_is_read_page_by_page(reports: Reports):
    reports.variables["COLUMNS"] = "id,text"
    reports.put_items(*({"id": f"{n:02}", "text": "x" * 300_000} for n in range(8)))  # 2.4 MB
    assert reports.run()["rows"] == 8
    assert len(reports.table.of("scan")) >= 3
    assert sorted(line[:2] for line in reports.csv.splitlines()[1:]) == [f"{n:02}" for n in range(8)]


def test_each_page_has_all_that_was_written_before_it_was_asked_for(reports):
    reports.run()
    assert [scan["ConsistentRead"] for scan in reports.table.of("scan")] == [True]


def test_an_empty_table_is_a_report_that_says_so(reports):
    assert reports.run()["rows"] == 0
    assert reports.csv == "\ufeffid,amount\r\n"
    assert "There are no rows for this day." in reports.html
